use super::support::{Ran, World, command, processes_with, slate, until};
use crate::service::terminate;
use slate_core::{
    WorkerId,
    model::{BuildJob, BuildStatus, BuildType, TargetPlatform},
    service::Builds,
    store::{BuildQuery, Claim, PageRequest, Queue, Record},
};
use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

fn write(folder: &Path, manifest: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("slate.toml"), manifest).unwrap();
}

fn build(manifest: &str) -> Ran {
    let root = tempfile::tempdir().unwrap();
    let project = root.path().join("project");
    write(&project, manifest);
    slate(&root.path().join("data"), &["build", &project.to_string_lossy()])
}

fn script(text: &str) -> String {
    format!("[[\"sh\", \"-c\", '''{text}''']]")
}

#[test]
fn code_zero_does_not_hide_a_fatal_line() {
    let compile = script("echo made > $SLATE_OUTPUT_DIR/game; echo 'engine: FATAL: no shader'");
    build(&format!("[build]\ncompile = {compile}\n[log]\nfatal = [\"engine: FATAL\"]\n"))
        .refused(1, &["failed", "no shader"]);
}

#[test]
fn code_zero_does_not_hide_a_missing_or_empty_file() {
    let compile = script("echo made > $SLATE_OUTPUT_DIR/game; : > $SLATE_OUTPUT_DIR/data.pak");
    let ran = build(&format!("[build]\nexpect = [\"game\", \"data.pak\"]\ncompile = {compile}\n"));
    ran.refused(1, &["failed", "data.pak"]);
    let ran = build(&format!("[build]\nexpect = [\"game\", \"level.pak\"]\ncompile = {compile}\n"));
    ran.refused(1, &["failed", "level.pak"]);
}

#[test]
fn a_build_that_makes_nothing_has_failed() {
    build("[build]\ncompile = [[\"true\"]]\n").refused(1, &["failed"]);
}

#[test]
fn a_missing_program_and_a_failing_one_are_named() {
    build("[build]\ncompile = [[\"no-such-compiler\"]]\n").refused(1, &["failed", "no-such-compiler"]);
    let compile = script("echo made > $SLATE_OUTPUT_DIR/game; exit 7");
    build(&format!("[build]\ncompile = {compile}\n")).refused(1, &["failed", "7"]);
}

#[test]
fn a_folder_that_no_engine_knows_is_not_found_and_says_what_was_looked_for() {
    let root = tempfile::tempdir().unwrap();
    let (data, folder) = (root.path().join("data"), root.path().join("thing"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("readme.txt"), "nothing").unwrap();
    let folder = folder.to_string_lossy().into_owned();
    slate(&data, &["build", &folder]).refused(3, &["slate.toml", "project.godot", &folder]);
    slate(&data, &["build", "nowhere"]).refused(3, &["nowhere"]);
    slate(&data, &["build", &folder, "--engine", "quake"]).refused(3, &["quake", "custom"]);
    slate(&data, &["build", &folder, "--target", "amiga"]).refused(2, &["amiga"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_build_is_canceled_and_nothing_of_it_runs_on() {
    let world = World::new().await;
    let project = world.root.path().join("project");
    let compile = script("trap '' TERM; touch $SLATE_OUTPUT_DIR/begun; while :; do sleep 0.05; done");
    write(&project, &format!("[build]\ncompile = {compile}\n"));
    let child = command(&world.data)
        .args(["build", &project.to_string_lossy()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let builds = world.data.join("builds");
    until("the build runs", || super::support::files(&builds).iter().any(|file| file.ends_with("begun"))).await;
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let all = world.store().builds(BuildQuery::all(), PageRequest::first(10)).await.unwrap().items;
    assert_eq!(all.iter().map(|build| build.status).collect::<Vec<_>>(), [BuildStatus::Canceled]);
    world.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ends_gives_its_build_back_at_once_and_leaves_nothing_running() {
    let world = World::new().await;
    let compile = script("touch $SLATE_OUTPUT_DIR/begun; while :; do sleep 0.05; done");
    write(&world.root.path().join("project"), &format!("[build]\ncompile = {compile}\n"));
    let services = world.start(|_| {}).await;
    let client = Builds::new(world.pieces.journal.clone(), world.pieces.bus.clone());
    let (kind, target) = (BuildType::Development, TargetPlatform::Linux);
    let job = BuildJob::new(world.project.id, world.user.clone(), kind, target, world.pieces.journal.now());
    let id = client.enqueue(job).await.unwrap().id;
    let begun = world.data.join("builds").join(id.to_string()).join("begun");
    until("the build runs", || begun.exists()).await;
    services.shutdown().await.unwrap();
    let root = world.root.path().to_string_lossy().into_owned();
    assert_eq!(processes_with(&root), Vec::<String>::new(), "nothing runs on");
    let claim = Claim::new(WorkerId::new("next").unwrap(), Duration::from_secs(1), 1);
    let claimed = world.store().claim(Queue::Builds, claim).await.unwrap();
    assert!(matches!(&claimed[..], [Record::Build(build)] if build.id == id), "{claimed:?}");
    world.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_outlives_any_number_of_polite_ends_of_its_service() {
    let world = World::new().await;
    let go = world.root.path().join("go");
    let text = format!(
        "echo game > $SLATE_OUTPUT_DIR/game; touch $SLATE_OUTPUT_DIR/begun; while [ ! -e {} ]; do sleep 0.02; done",
        go.display()
    );
    write(&world.root.path().join("project"), &format!("[build]\ncompile = {}\n", script(&text)));
    let client = Builds::new(world.pieces.journal.clone(), world.pieces.bus.clone());
    let (kind, target) = (BuildType::Development, TargetPlatform::Linux);
    let job = BuildJob::new(world.project.id, world.user.clone(), kind, target, world.pieces.journal.now());
    let id = client.enqueue(job).await.unwrap().id;
    let begun = world.data.join("builds").join(id.to_string()).join("begun");
    for _ in 0..4 {
        let services = world.start(|_| {}).await;
        until("the build runs", || begun.exists()).await;
        services.shutdown().await.unwrap();
        fs::remove_file(&begun).unwrap();
    }
    fs::write(&go, "").unwrap();
    let services = world.start(|_| {}).await;
    let start = Instant::now();
    let build = loop {
        let build = world.store().build(id).await.unwrap();
        if build.status.is_final() {
            break build;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{build:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(build.status, BuildStatus::Completed, "{build:?}");
    services.shutdown().await.unwrap();
    world.is_empty().await;
}
