//! Restarts by policy, health checks as a sign of life, and what an end is called.

use crate::support::{World, backend, realm, script};
use slate_core::{
    engine::Engines,
    model::{LogSource, SessionState},
    runtime::{HealthCheck, HealthProbe, MemorySize, RestartPolicy},
    service::start_all,
};
use std::time::Duration;

fn quickly(times: u32) -> RestartPolicy {
    RestartPolicy::on_failure(times).with_backoff(Duration::from_millis(50), Duration::from_millis(200))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_started_again_and_told_as_what_they_are() {
    let Some(backend) = backend(&realm()).await else { return };
    let world = World::new(backend).await;
    let services = start_all(world.pieces.clone(), world.options(Engines::new())).await.unwrap();
    let dies = world.start(script("echo up; exit 3").with_restart(quickly(2))).await;
    let sound = world.start(script("echo done").with_restart(quickly(2))).await;
    // An engine on control groups of version 1 can miss that a kill was for memory, but not often.
    let mut greedy = Vec::new();
    for _ in 0..3 {
        let takes = script("sleep 1; head -c 400000000 /dev/zero | tail -c 300000000 >/dev/null");
        greedy.push(world.start(takes.with_memory(MemorySize::from_mib(32))).await);
    }
    let mut check = HealthCheck::new(HealthProbe::Exec(["test", "-e", "/tmp/well"].map(str::to_owned).to_vec()));
    (check.interval_ms, check.retries) = (200, 2);
    let sick = world.start(script("trap 'exit 0' TERM; echo up; sleep 600 & wait").with_health(check.clone())).await;
    let well = world.start(script("touch /tmp/well; echo up; sleep 600").with_health(check)).await;

    let dies = world.ended(dies.id).await;
    assert_eq!((dies.status, dies.restarts), (SessionState::Error, 2), "{dies:#?}");
    assert_eq!(dies.error_message.unwrap(), "exit code 3 (started again 2 times in a row, and given up)");
    let lines = world.lines(LogSource::Session(dies.id)).await;
    assert_eq!(lines.iter().filter(|line| *line == "up").count(), 3, "{lines:#?}");
    let sound = world.ended(sound.id).await;
    assert_eq!((sound.status, sound.restarts), (SessionState::Stopped, 0), "{sound:#?}");
    let mut for_memory = 0;
    for session in greedy {
        let session = world.ended(session.id).await;
        assert_eq!(session.status, SessionState::Error);
        let message = session.error_message.unwrap();
        assert!(["killed: out of memory", "exit code 137"].contains(&message.as_str()), "{message}");
        for_memory += usize::from(message.contains("memory"));
    }
    assert!(for_memory > 0, "nobody says that it was for memory");
    let sick = world.ended(sick.id).await;
    assert_eq!((sick.status, sick.error_message.as_deref()), (SessionState::Error, Some("its health check failed")));

    world.sessions().request_stop(well.id).await.unwrap();
    let well = world.ended(well.id).await;
    assert_eq!((well.status, well.error_message), (SessionState::Stopped, None));
    services.shutdown().await.unwrap();
    assert!(world.instances().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_the_wait_for_a_restart() {
    let Some(backend) = backend(&realm()).await else { return };
    let world = World::new(backend).await;
    let services = start_all(world.pieces.clone(), world.options(Engines::new())).await.unwrap();
    let hour = Duration::from_secs(3600);
    let waits = world.start(script("exit 3").with_restart(RestartPolicy::on_failure(2).with_backoff(hour, hour))).await;
    let waiting = world.until(waits.id, |session| session.restarts == 1).await;
    assert_eq!(waiting.error_message.as_deref(), Some("exit code 3"));
    world.sessions().request_stop(waits.id).await.unwrap();
    assert_eq!(world.ended(waits.id).await.status, SessionState::Stopped);
    services.shutdown().await.unwrap();
    assert!(world.instances().await.is_empty());
}
