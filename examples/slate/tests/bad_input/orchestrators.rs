use super::support::{World, serve};
use crate::service::Service;
use slate_core::model::{LogSource, SessionState};
use std::{collections::BTreeMap, fs};

#[tokio::test(flavor = "multi_thread")]
async fn two_services_on_one_store_and_backend_start_each_session_once_and_carry_each_line_once() {
    const SESSIONS: usize = 20;
    let world = World::new().await;
    let serves = [serve(&world.data), serve(&world.data)];
    let starts = world.root.path().join("starts");
    let mut ids = Vec::new();
    for number in 0..SESSIONS {
        let starts = starts.display();
        let script = format!("echo {number} >> {starts}; for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.02; done");
        ids.push(world.session(&script).await);
    }
    for &id in &ids {
        let session = world.ended(id).await;
        assert_eq!(session.status, SessionState::Stopped, "{session:?}");
    }
    Service::end(serves);
    let mut times = BTreeMap::new();
    for line in fs::read_to_string(&starts).unwrap().lines() {
        *times.entry(line.to_owned()).or_insert(0) += 1;
    }
    assert_eq!(times.len(), SESSIONS);
    assert!(times.values().all(|&count| count == 1), "started more than once: {times:?}");
    let expected: Vec<_> = (1..=8).map(|number| format!("line {number}")).collect();
    for id in ids {
        let lines: Vec<_> = world.log(LogSource::Session(id)).await.into_iter().map(|entry| entry.message).collect();
        assert_eq!(lines, expected, "session {id}");
    }
    world.is_empty().await;
    assert_eq!(world.store().unpublished(10).await.unwrap().len(), 0, "every event was published");
}
