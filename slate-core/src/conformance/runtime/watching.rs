use super::{Program, RuntimeFixture};
use crate::{
    BoxStream, InstanceId, Result,
    runtime::{
        ExecOptions, InstanceState, ListOptions, LogOptions, RemoveOptions, RuntimeBackendExt, RuntimeChange,
        StatsOptions, StopOptions, WatchOptions,
    },
};
use futures_util::StreamExt;
use std::{collections::BTreeSet, time::Duration};

/// `inspect` tells an exit that nobody waited for, with its exit code.
pub async fn inspect_knows_an_exit_that_nobody_waited_for(f: RuntimeFixture) {
    for code in [0, 1, 42, 255] {
        let id = f.run(&format!("exit{code}"), &Program::exit(code)).await;
        let exit = f.exit_of(&id).await;
        assert_eq!((exit.code, exit.signal), (Some(code), None));
        let instance = f.backend.inspect(&id).await.unwrap();
        assert_eq!(instance.process_id, None);
        assert!(instance.finished_at.is_some());
    }
    f.clean().await;
}

/// An instance that a signal ended has the exit code 128 + signal.
pub async fn inspect_knows_the_signal_that_ended_it(f: RuntimeFixture) {
    let id = f.run("signal", &Program::KillSelf(9)).await;
    assert_eq!(f.exit_of(&id).await.code, Some(137));
    f.clean().await;
}

/// Nothing that a backend tells of an instance holds a secret of its environment.
pub async fn inspect_shows_no_secret(f: RuntimeFixture) {
    const SECRET: &str = "hunter2-6d1f";
    let spec = f.spec("secret", &Program::PrintEnv("TOKEN".into())).with_secret("TOKEN", SECRET);
    let id = f.backend.run(&spec).await.unwrap();
    f.exit_of(&id).await;
    assert_eq!(f.lines(&id, LogOptions::default()).await, [format!("TOKEN={SECRET}")], "the program has it");
    let instance = f.backend.inspect(&id).await.unwrap();
    let again = f.backend.create(&spec).await.unwrap_err();
    let descriptor = f.backend.descriptor();
    for shown in [format!("{instance:?}"), format!("{again:?}"), format!("{descriptor:?}"), format!("{spec:?}")] {
        assert!(!shown.contains(SECRET), "{}", shown.replace(SECRET, "<THE SECRET>"));
    }
    f.clean().await;
}

/// `list` yields each instance that has all the labels asked for, once.
pub async fn list_yields_each_instance_with_all_labels_once(f: RuntimeFixture) {
    let mut made = Vec::new();
    for (name, colour, size) in [("a", "red", "big"), ("b", "red", "small"), ("c", "blue", "big")] {
        let spec = f.spec(name, &Program::exit(0)).with_label("colour", colour).with_label("size", size);
        made.push(f.backend.create(&spec).await.unwrap());
    }
    for (labels, expected) in [
        (vec![], vec![0, 1, 2]),
        (vec![("colour", "red")], vec![0, 1]),
        (vec![("colour", "red"), ("size", "big")], vec![0]),
        (vec![("colour", "green")], vec![]),
    ] {
        let mut options = f.mine();
        options.labels.extend(labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())));
        let listed = f.backend.list_all(options).await.unwrap();
        let ids: BTreeSet<_> = listed.iter().map(|instance| &instance.id).collect();
        assert_eq!(ids.len(), listed.len(), "once each");
        assert_eq!(ids, expected.iter().map(|&at| &made[at]).collect(), "{labels:?}");
    }
    f.clean().await;
}

/// Without `all`, `list` leaves out what doesn't run.
pub async fn list_can_leave_out_what_does_not_run(f: RuntimeFixture) {
    let running = f.run_ready("runs", &Program::Sleep(600)).await;
    let ended = f.run("ended", &Program::exit(0)).await;
    f.exit_of(&ended).await;
    f.backend.create(&f.spec("created", &Program::exit(0))).await.unwrap();
    let listed = f.backend.list_all(f.mine().with_all(false)).await.unwrap();
    assert_eq!(listed.into_iter().map(|instance| instance.id).collect::<Vec<_>>(), [running]);
    assert_eq!(f.backend.list_all(f.mine()).await.unwrap().len(), 3);
    f.clean().await;
}

/// Instances outlive the value that made them; another one on the same ground finds them by `list`.
pub async fn instances_outlive_the_value_that_made_them(mut f: RuntimeFixture) {
    if !f.can("survival of a restart", |can| can.survives_restart) {
        return;
    }
    let running = f.run_ready("survivor", &Program::EndWhenAsked(5)).await;
    let ended = f.run("ended", &Program::exit(6)).await;
    let Some(second) = f.reopened().await else { return f.clean().await };
    drop(std::mem::replace(&mut f.backend, second));
    assert_eq!(f.backend.list_all(f.mine()).await.unwrap().len(), 2);
    assert_eq!(f.exit_of(&ended).await.code, Some(6));
    assert_eq!(f.backend.inspect(&running).await.unwrap().state, InstanceState::Running);
    if f.backend.capabilities().exec {
        assert_eq!(f.exec(&running, &Program::exit(3), ExecOptions::default()).await.1.code, Some(3));
    }
    f.backend.stop(&running, StopOptions::default()).await.unwrap();
    assert_eq!(f.exit_of(&running).await.code, Some(5));
    assert_eq!(f.lines(&running, LogOptions::default()).await, ["ready", "asked"]);
    f.clean().await;
}

/// An instance has the spec's environment variables, and none of the service's own.
pub async fn the_environment_is_the_spec_s_and_not_the_service_s(f: RuntimeFixture) {
    let spec = f.spec("env", &Program::PrintEnv("GREETING".into())).with_env("GREETING", "good day");
    let id = f.backend.run(&spec).await.unwrap();
    f.exit_of(&id).await;
    assert_eq!(f.lines(&id, LogOptions::default()).await, ["GREETING=good day"]);
    // Cargo gives this variable to every test: here it stands for the service's secrets.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let id = f.run("leak", &Program::PrintEnv("CARGO_MANIFEST_DIR".into())).await;
    f.exit_of(&id).await;
    assert_eq!(f.lines(&id, LogOptions::default()).await, ["CARGO_MANIFEST_DIR is unset"]);
    f.clean().await;
}

/// An instance starts in the spec's folder.
pub async fn the_working_folder_is_the_spec_s(f: RuntimeFixture) {
    let id = f.backend.run(&f.spec("folder", &Program::PrintFolder).with_working_dir(&f.folder)).await.unwrap();
    f.exit_of(&id).await;
    assert_eq!(f.lines(&id, LogOptions::default()).await, std::slice::from_ref(&f.folder));
    f.clean().await;
}

/// `stats` of an instance that doesn't run ends without a sample.
pub async fn stats_of_an_instance_that_does_not_run_end_without_a_sample(f: RuntimeFixture) {
    let id = f.backend.create(&f.spec("idle", &Program::exit(0))).await.unwrap();
    assert!(f.within("the end", f.backend.stats(&id, StatsOptions::default()).next()).await.is_none());
    f.backend.start(&id).await.unwrap();
    f.exit_of(&id).await;
    assert!(f.within("the end", f.backend.stats(&id, StatsOptions::default()).next()).await.is_none());
    f.clean().await;
}

/// The first sample is already a true measurement.
pub async fn the_first_sample_is_a_true_measurement(f: RuntimeFixture) {
    let id = f.run_ready("busy", &Program::BurnCpu).await;
    let sample = f.within("a sample", f.backend.sample(&id)).await.unwrap();
    assert!(sample.cpu_percent > 5.0, "a busy loop uses {} %", sample.cpu_percent);
    assert!(sample.cpu_percent < 400.0, "one busy loop uses {} %", sample.cpu_percent);
    assert!(sample.memory_usage > 0 && sample.pids >= 1, "{sample:?}");
    f.clean().await;
}

/// `stats` goes on until the instance ends.
pub async fn stats_end_with_the_instance(f: RuntimeFixture) {
    let id = f.run_ready("measured", &Program::Sleep(600)).await;
    let mut samples = f.backend.stats(&id, StatsOptions::default().with_interval(Duration::from_millis(100)));
    for _ in 0..3 {
        f.within("a sample", samples.next()).await.unwrap().unwrap();
    }
    f.backend.stop(&id, StopOptions::default().with_grace(Duration::ZERO)).await.unwrap();
    let rest = f.within("the end", samples.collect::<Vec<_>>()).await;
    assert!(rest.iter().all(Result::is_ok), "{rest:?}");
    f.clean().await;
}

/// Collects what `watch` tells of `id` up to its removal. After a `Resync` nothing more can be asked of it.
async fn told(
    f: &RuntimeFixture,
    mut changes: BoxStream<Result<RuntimeChange>>,
    id: &InstanceId,
) -> Option<Vec<String>> {
    let mut told = Vec::new();
    while let Some(change) = f.within("a change", changes.next()).await {
        match change.unwrap() {
            RuntimeChange::Resync => return None,
            RuntimeChange::Created(which) if which == *id => told.push("created".into()),
            RuntimeChange::Started(which) if which == *id => told.push("started".into()),
            RuntimeChange::Exited(which, exit) if which == *id => told.push(format!("exited {:?}", exit.code)),
            RuntimeChange::Removed(which) if which == *id => {
                told.push("removed".into());
                break;
            }
            _ => {}
        }
    }
    told.dedup();
    Some(told)
}

/// `watch` tells each change after it was called at least once, or `Resync`.
pub async fn watch_tells_each_change(f: RuntimeFixture) {
    let changes = f.backend.watch(WatchOptions::default());
    let id = f.run_ready("watched", &Program::EndWhenAsked(4)).await;
    // Time for a backend that polls to see the instance run.
    let told = tokio::spawn({
        let (f, id) = (f.clone(), id.clone());
        async move { told(&f, changes, &id).await }
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    f.backend.stop(&id, StopOptions::default()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    f.backend.remove(&id, RemoveOptions::default()).await.unwrap();
    match told.await.unwrap() {
        Some(told) => assert_eq!(told, ["created", "started", "exited Some(4)", "removed"]),
        None => println!("the backend asked for a resync, as it may"),
    }
}

/// `watch` tells of instances with all the labels asked for only.
pub async fn watch_keeps_to_the_labels(f: RuntimeFixture) {
    let ListOptions { mut labels, .. } = f.mine();
    labels.insert("colour".into(), "red".into());
    let mut changes = f.backend.watch(WatchOptions::default().with_labels(labels));
    let blue = f.backend.create(&f.spec("blue", &Program::exit(0)).with_label("colour", "blue")).await.unwrap();
    let red = f.backend.create(&f.spec("red", &Program::exit(0)).with_label("colour", "red")).await.unwrap();
    let first = f.within("a change", changes.next()).await.unwrap().unwrap();
    assert!(
        matches!(&first, RuntimeChange::Resync) || first == RuntimeChange::Created(red),
        "{first:?} (blue: {blue})"
    );
    f.clean().await;
}

/// `ping` answers, and the descriptor says what the backend is.
pub async fn ping_answers(f: RuntimeFixture) {
    f.backend.ping().await.unwrap();
    let descriptor = f.backend.descriptor();
    assert_eq!(descriptor.kind, crate::ComponentKind::Runtime);
    assert!(!descriptor.name.is_empty());
}
