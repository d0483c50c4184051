//! The services while their container engine is stopped and started.

use crate::support::{World, open, realm, script};
use slate_core::{
    ErrorKind,
    engine::Engines,
    model::{LogSource, SessionState},
    runtime::{ExecOptions, RestartPolicy, RuntimeBackendExt},
    service::start_all,
};
use slate_docker::Endpoint;
use slate_harness::{Engine, require};
use std::time::Duration;

async fn world(engine: &Engine) -> World {
    World::new(open(&realm(), Endpoint::Unix(engine.socket())).await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_go_on_when_an_engine_is_back_that_ended_its_containers() {
    let Some(engine) = require(Engine::start()) else { return };
    let world = world(&engine).await;
    let services = start_all(world.pieces.clone(), world.options(Engines::new())).await.unwrap();
    let short = Duration::from_millis(50);
    let restarted = script("echo up; sleep 600").with_restart(RestartPolicy::on_failure(5).with_backoff(short, short));
    let restarted = world.start(restarted).await.id;
    let plain = world.start(script("echo up; sleep 600")).await.id;
    let is_up = |status| status == SessionState::Running;
    let up = world.until(restarted, |session| is_up(session.status)).await;
    world.until(plain, |session| is_up(session.status)).await;

    engine.stop().unwrap();
    let instance = up.container_id.unwrap();
    let command = slate_core::runtime::Command::new(["true"]);
    let refused = world.backend.exec_all(&instance, &command, ExecOptions::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused:?}");
    // Wanted while nobody can start it: it waits, and is not lost.
    let waiting = world.start(script("echo late")).await.id;
    world.until(waiting, |session| session.lease.attempt > 0).await;
    assert!(!world.session(waiting).await.status.is_final());
    assert!(!world.session(plain).await.status.is_final(), "nobody knows how it is");

    engine.restart().unwrap();
    let late = world.ended(waiting).await;
    assert_eq!(
        (late.status, world.lines(LogSource::Session(waiting)).await),
        (SessionState::Stopped, vec!["late".into()])
    );
    let ended = world.ended(plain).await;
    assert_eq!(ended.status, SessionState::Error, "{ended:#?}");
    assert!(ended.error_message.is_some(), "{ended:#?}");
    let again = world.until(restarted, |session| session.restarts > 0 && is_up(session.status)).await;
    assert_eq!(again.container_id, Some(instance), "the same container");
    world.sessions().request_stop(restarted).await.unwrap();
    assert_eq!(world.ended(restarted).await.status, SessionState::Stopped);
    services.shutdown().await.unwrap();
    assert!(world.instances().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_run_on_while_an_engine_is_away_that_keeps_its_containers() {
    let Some(engine) = require(Engine::start_keeping()) else { return };
    let world = world(&engine).await;
    let services = start_all(world.pieces.clone(), world.options(Engines::new())).await.unwrap();
    let counts = world.start(script("i=0; while [ ! -e /tmp/end ]; do i=$((i+1)); echo $i; sleep 0.02; done")).await.id;
    let source = LogSource::Session(counts);
    while world.lines(source).await.len() < 10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = world.session(counts).await;
    engine.stop().unwrap();
    engine.restart().unwrap();
    let instance = before.container_id.clone().unwrap();
    let told = world.lines(source).await.len();
    while world.lines(source).await.len() < told + 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The engine itself loses what it has read and not written down yet when it is stopped.
    let kept = engine.log(instance.as_str()).unwrap();
    let end = slate_core::runtime::Command::new(["touch", "/tmp/end"]);
    assert!(world.backend.exec_all(&instance, &end, ExecOptions::default()).await.unwrap().2.success());
    let session = world.ended(counts).await;
    assert_eq!((session.status, session.restarts), (SessionState::Stopped, 0), "{session:#?}");
    let lines = world.lines(source).await;
    let (old, new) = lines.split_at(kept.len().min(lines.len()));
    assert_eq!(old, kept, "each line that the engine has, once and in order");
    let number = |line: &String| line.parse::<u64>().unwrap();
    assert!(kept.iter().map(number).is_sorted_by(|one, next| one < next), "{kept:?}");
    let last = number(kept.last().unwrap());
    let expected: Vec<_> = (last + 1..).take(new.len()).map(|number| number.to_string()).collect();
    assert_eq!(new, expected, "each line since, once and in order");
    services.shutdown().await.unwrap();
    assert!(world.instances().await.is_empty());
}
