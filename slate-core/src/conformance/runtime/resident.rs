//! The sentences of [`Resident`](crate::runtime::Resident).

use super::{Program, RuntimeFixture};
use crate::{
    ErrorKind, InstanceId,
    runtime::{Assignment, EnvValue, InstanceState, LogOptions, Resident, RuntimeBackendExt, StopOptions},
};

fn resident(f: &RuntimeFixture) -> Option<&dyn Resident> {
    let resident = f.backend.resident();
    if resident.is_none() {
        println!("skipped: this backend has no instances that wait for work");
    }
    resident
}

async fn warm(f: &RuntimeFixture, resident: &dyn Resident, name: &str) -> InstanceId {
    resident.warm(&f.spec(name, &Program::lines(&["the spec's own command ran"]))).await.unwrap()
}

fn work(f: &RuntimeFixture, key: &str, program: &Program) -> Assignment {
    Assignment::of_spec(key, &f.spec("work", program))
}

/// `warm` makes an instance that runs and waits.
pub async fn warm_makes_an_instance_that_runs_and_waits(f: RuntimeFixture) {
    let Some(resident) = resident(&f) else { return };
    let spec = f.spec("warm", &Program::lines(&["the spec's own command ran"])).with_label("colour", "red");
    let id = resident.warm(&spec).await.unwrap();
    let instance = f.backend.inspect(&id).await.unwrap();
    assert_eq!((&instance.name, instance.state), (&spec.name, InstanceState::Running));
    assert_eq!(instance.labels.get("colour").map(String::as_str), Some("red"));
    resident.ping(&id).await.unwrap();
    resident.ping(&id).await.unwrap();
    assert_eq!(f.lines(&id, LogOptions::default()).await, Vec::<String>::new());
    f.clean().await;
}

/// `bind` runs an assignment as if the instance had been made for it: output, exit code, environment, folder.
pub async fn bind_runs_an_assignment_as_if_the_instance_had_been_made_for_it(f: RuntimeFixture) {
    let Some(resident) = resident(&f) else { return };
    let id = warm(&f, resident, "bound").await;
    resident.ping(&id).await.unwrap();
    let program =
        Program::Lines { stdout: vec!["to out".into(), "more".into()], stderr: vec!["to err".into()], code: 9 };
    resident.bind(&id, &work(&f, "k", &program)).await.unwrap();
    assert_eq!(f.exit_of(&id).await.code, Some(9));
    let chunks = f.chunks(f.backend.logs(&id, LogOptions::default().with_follow(true))).await;
    let mut lines: Vec<_> = chunks.iter().map(|chunk| (chunk.stream.as_str(), chunk.text().into_owned())).collect();
    // Only each stream keeps its order.
    lines.sort_by_key(|(stream, _)| *stream == "stdout");
    let told = |stream, line: &str| (stream, line.to_owned());
    assert_eq!(lines, [told("stderr", "to err"), told("stdout", "to out"), told("stdout", "more")]);
    assert!(chunks.iter().all(|chunk| chunk.lost_before == 0));

    let id = warm(&f, resident, "told").await;
    let mut assignment = work(&f, "k", &Program::PrintEnv("COLOUR".into()));
    assignment.env.insert("COLOUR".into(), EnvValue::secret("red"));
    resident.bind(&id, &assignment).await.unwrap();
    assert!(f.exit_of(&id).await.success());
    assert_eq!(f.lines(&id, LogOptions::default()).await, ["COLOUR=red"]);

    let id = warm(&f, resident, "placed").await;
    let mut assignment = work(&f, "k", &Program::PrintFolder);
    assignment.working_dir = Some(f.folder.clone());
    resident.bind(&id, &assignment).await.unwrap();
    assert!(f.exit_of(&id).await.success());
    assert_eq!(f.lines(&id, LogOptions::default()).await, [f.folder.as_str()]);
    f.clean().await;
}

/// Binding under a key once more changes nothing; another key is refused.
pub async fn bind_under_a_key_once_more_changes_nothing_and_another_key_is_refused(f: RuntimeFixture) {
    let Some(resident) = resident(&f) else { return };
    let id = warm(&f, resident, "twice").await;
    resident.bind(&id, &work(&f, "first", &Program::Sleep(600))).await.unwrap();
    resident.bind(&id, &work(&f, "first", &Program::Sleep(600))).await.unwrap();
    let refused = resident.bind(&id, &work(&f, "second", &Program::Sleep(600))).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongState, "{refused:?}");
    f.ready(&id).await;
    assert_eq!(f.backend.inspect(&id).await.unwrap().state, InstanceState::Running);
    f.backend.stop(&id, StopOptions::default()).await.unwrap();
    assert_eq!(f.lines(&id, LogOptions::default()).await, ["ready"], "it ran once");
    f.clean().await;
}

/// A program that can't be found gives `NotFound` or `Invalid`.
pub async fn bind_of_a_missing_program_is_an_error(f: RuntimeFixture) {
    let Some(resident) = resident(&f) else { return };
    let id = warm(&f, resident, "missing").await;
    let error = resident.bind(&id, &work(&f, "k", &Program::Missing)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid), "{error:?}");
    f.backend.remove_if_there(&id).await.unwrap();
    f.clean().await;
}

/// `stop` asks a bound program politely, and kills one that doesn't listen, with all its descendants.
pub async fn stop_asks_a_bound_program_politely_and_leaves_no_descendant(f: RuntimeFixture) {
    let Some(resident) = resident(&f) else { return };
    let id = warm(&f, resident, "polite").await;
    resident.bind(&id, &work(&f, "k", &Program::EndWhenAsked(5))).await.unwrap();
    f.ready(&id).await;
    f.backend.stop(&id, StopOptions::default().with_grace(f.patience)).await.unwrap();
    assert_eq!(f.exit_of(&id).await.code, Some(5));
    let id = warm(&f, resident, "family").await;
    resident.bind(&id, &work(&f, "k", &Program::Descendants(600))).await.unwrap();
    f.ready(&id).await;
    f.backend.stop(&id, StopOptions::default().with_grace(std::time::Duration::ZERO)).await.unwrap();
    if f.living().is_some() {
        f.until_living("after the stop", |count| count == 0).await;
    }
    f.clean().await;
}

/// An instance that waits is stopped and removed like any other; then `ping` says so.
pub async fn ping_tells_an_instance_that_waits_from_others(f: RuntimeFixture) {
    let Some(resident) = resident(&f) else { return };
    let id = warm(&f, resident, "pinged").await;
    resident.ping(&id).await.unwrap();
    f.backend.stop(&id, StopOptions::default()).await.unwrap();
    assert_eq!(resident.ping(&id).await.unwrap_err().kind(), ErrorKind::WrongState);
    f.backend.remove_if_there(&id).await.unwrap();
    assert_eq!(resident.ping(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = resident.bind(&id, &work(&f, "k", &Program::exit(0))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    f.clean().await;
}

/// A bound instance that was stopped and is started again waits again.
pub async fn a_bound_instance_that_is_started_again_waits_again(f: RuntimeFixture) {
    let Some(resident) = resident(&f) else { return };
    let id = warm(&f, resident, "again").await;
    resident.bind(&id, &work(&f, "k", &Program::lines(&["one"]))).await.unwrap();
    f.exit_of(&id).await;
    f.backend.start(&id).await.unwrap();
    resident.ping(&id).await.unwrap();
    resident.bind(&id, &work(&f, "k", &Program::lines(&["two"]))).await.unwrap();
    f.exit_of(&id).await;
    assert_eq!(f.lines(&id, LogOptions::default()).await, ["one", "two"]);
    f.clean().await;
}
