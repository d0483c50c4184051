use super::support::{World, serve, shell, slate};
use crate::service::Service;
use slate_core::{
    ErrorKind, SessionId,
    model::{LogLevel, LogSource, SessionState},
    store::{PageRequest, SessionQuery},
};
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ignores_sigterm_is_killed_after_its_grace_with_all_its_children() {
    let world = World::new().await;
    let services = world.start(|_| {}).await;
    let deaf = "trap '' TERM INT HUP; (while :; do sleep 0.05; done) & echo ready; while :; do sleep 0.05; done";
    let id = world.session(deaf).await;
    world.printed(id, "ready").await;
    world.sessions().request_stop(id).await.unwrap();
    let session = world.ended(id).await;
    assert_eq!(session.status, SessionState::Stopped, "{session:?}");
    assert_eq!(session.exit.and_then(|exit| exit.signal), Some(9), "{session:?}");
    world.is_empty().await;
    services.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_line_of_100_megabytes_is_stored_in_parts_or_told_and_takes_bounded_memory() {
    const BYTES: u64 = 100_000_000;
    let world = World::new().await;
    let serve = serve(&world.data);
    let script = format!("head -c {BYTES} /dev/zero | tr '\\0' x; echo; echo after");
    let id = world.session(&script).await;
    let session = world.ended(id).await;
    assert_eq!(session.status, SessionState::Stopped, "{session:?}");
    let status = fs::read_to_string(format!("/proc/{}/status", serve.0.id())).unwrap();
    let peak: u64 =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok()).unwrap();
    Service::end([serve]);
    let lines = world.log(LogSource::Session(id)).await;
    assert_eq!(lines.last().unwrap().message, "after");
    let parts: Vec<_> = lines.iter().filter(|line| line.message.starts_with("xx")).collect();
    let stored: u64 = parts.iter().map(|line| line.message.len() as u64).sum();
    let gone: u64 = lines
        .iter()
        .filter(|line| line.level == LogLevel::Warning)
        .filter_map(|line| line.message.split(' ').next()?.parse::<u64>().ok())
        .sum();
    let longest = parts.iter().map(|line| line.message.len() as u64).max().unwrap();
    assert!(stored + gone * longest >= BYTES, "{stored} bytes are stored and {gone} parts are told to be gone");
    assert!(stored <= BYTES, "nothing is stored twice");
    let marked = parts.iter().filter(|line| line.metadata["partial"] == true).count();
    assert!(marked + 1 >= parts.len(), "{marked} of {} parts say that the line goes on", parts.len());
    println!("the service took {peak} KiB at most");
    assert!(peak < 160 * 1024, "the service took {peak} KiB");
    world.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_stays_under_its_limit_and_ends_without_a_rest() {
    let world = World::new().await;
    if !world.pieces.runtime.capabilities().pids_limit {
        println!("skipped: this machine doesn't enforce a limit of processes");
        return;
    }
    let services = world.start(|_| {}).await;
    // Bounded, so that a limit that fails harms nobody: 400 processes, not all there are.
    let bomb = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); (exec sleep 600) & done; echo survived; wait";
    let id = world.sessions().create(world.wanted(shell(bomb).with_pids(24))).await.unwrap().id;
    let session = world
        .session_when(id, "running or ended", |session| {
            session.status == SessionState::Running || session.status.is_final()
        })
        .await;
    let root = world.root.path().to_string_lossy().into_owned();
    let mut most = 0;
    for _ in 0..20 {
        most = most.max(super::support::processes_with(&root).len());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // The supervisor of the instance isn't under the limit.
    assert!(most <= 24 + 1, "{most} processes");
    if !session.status.is_final() {
        world.sessions().request_stop(id).await.unwrap();
    }
    world.ended(id).await;
    world.is_empty().await;
    services.shutdown().await.unwrap();
}

#[test]
fn every_verb_tells_a_session_that_is_not_there_from_an_id_that_is_none() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let unknown = SessionId::new().to_string();
    let verbs: [&[&str]; 7] = [&["show"], &["stop"], &["restart"], &["logs"], &["logs", "-f"], &["stats"], &["exec"]];
    for verb in verbs {
        let ask = |id: &str| {
            let rest: &[&str] = if verb[0] == "exec" { &["--", "true"] } else { &[] };
            slate(&data, &[&["session"], verb, &[id], rest].concat())
        };
        ask(&unknown).refused(3, &[&unknown]);
        ask("no-id").refused(2, &["no-id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_ended_refuses_what_needs_it_to_run() {
    let world = World::new().await;
    let services = world.start(|_| {}).await;
    let id = world.session("true").await;
    world.ended(id).await;
    services.shutdown().await.unwrap();
    let id = id.to_string();
    for verb in [&["restart", &id][..], &["stats", &id], &["exec", &id, "--", "true"]] {
        slate(&world.data, &[&["session"], verb].concat()).refused(1, &[&id, "stopped"]);
    }
    let ran = slate(&world.data, &["session", "stop", &id]);
    assert_eq!(ran.code, 0, "to stop what has ended is no error: {ran:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn to_create_a_session_twice_under_one_key_is_as_good_as_once() {
    let world = World::new().await;
    let sessions = world.sessions();
    let new = || world.wanted(shell("true")).with_idempotency_key("once");
    let (first, again) = tokio::join!(sessions.create(new()), sessions.create(new()));
    let (first, again) = (first.unwrap(), again.unwrap());
    assert_eq!(first.id, again.id);
    let other = world.wanted(shell("false")).with_idempotency_key("once");
    let error = sessions.create(other).await.unwrap_err();
    assert!([ErrorKind::Conflict, ErrorKind::Invalid, ErrorKind::AlreadyExists].contains(&error.kind()), "{error:?}");
    let all = world.store().sessions(SessionQuery::all(), PageRequest::first(10)).await.unwrap();
    assert_eq!(all.items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_program_is_not_there_fails_and_says_so() {
    let world = World::new().await;
    let services = world.start(|_| {}).await;
    let spec = slate_core::runtime::RuntimeSpec::new("session", ["no-such-program-anywhere"]);
    let id = world.sessions().create(world.wanted(spec)).await.unwrap().id;
    let session = world.ended(id).await;
    assert_eq!(session.status, SessionState::Failed, "{session:?}");
    assert!(session.error_message.unwrap().contains("no-such-program-anywhere"));
    world.is_empty().await;
    services.shutdown().await.unwrap();
}
