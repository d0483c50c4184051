use crate::{adding, once, probe::Probe, project, user};
use slate_core::{
    ErrorKind,
    bus::{EventBus, EventBusExt, Message, Subject},
    decorate::{Faulty, FaultyOptions, Layered, Retrying, RetryingOptions},
    memory::{MemoryBus, MemoryStore},
    store::{ChangeStore, PageRequest, ProjectQuery, ProjectStore, QuotaStore, StoreExt},
};
use std::{sync::Arc, time::Duration};

fn patient() -> Retrying {
    Retrying::new(RetryingOptions::default().with_attempts(50).with_total(Duration::from_secs(3600)))
}

#[tokio::test(start_paused = true)]
async fn over_faults_the_end_is_the_same_as_without() {
    for seed in 0..20 {
        let (plain, broken) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
        let faults = FaultyOptions::default().with_seed(seed).with_errors(0.3).with_lost(0.3).with_delays(0.3);
        let faulty = Arc::new(Layered::new(Arc::clone(&broken), Faulty::new(faults)));
        let retrying = Layered::new(faulty, patient());
        for index in 0..20 {
            let project = project(&format!("game {index}"));
            let set = once(adding().create(project.clone()), &format!("{index}"));
            plain.apply(set.clone()).await.unwrap();
            retrying.apply(set).await.unwrap();
            assert_eq!(retrying.project(project.id).await.unwrap(), plain.project(project.id).await.unwrap());
        }
        let listed = plain.projects(ProjectQuery::all(), PageRequest::first(100)).await.unwrap().items;
        assert_eq!(listed.len(), 20);
        assert_eq!(broken.projects(ProjectQuery::all(), PageRequest::first(100)).await.unwrap().items, listed);
        let held =
            (broken.quota(&user()).await.unwrap().unwrap().used, plain.quota(&user()).await.unwrap().unwrap().used);
        assert_eq!(held.0, held.1, "seed {seed}: each set was applied once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_under_an_idempotency_key_whose_answer_is_lost_is_applied_once() {
    let store = Arc::new(MemoryStore::new());
    let probe = Probe::default();
    let retrying = Arc::new(Layered::new(Arc::new(Layered::new(Arc::clone(&store), probe.clone())), patient()));
    probe.fail("apply", ErrorKind::TimedOut);
    let first = project("Breakout");
    let set = once(adding().create(first.clone()), "key");
    let applying = tokio::spawn({
        let retrying = Arc::clone(&retrying);
        async move { retrying.apply(set).await }
    });
    probe.until_called("apply", 2).await;
    probe.fail("apply", None);
    assert_eq!(applying.await.unwrap().unwrap().replayed, Some("done".into()));
    assert_eq!(store.quota(&user()).await.unwrap().unwrap().used.containers, 1);
    assert_eq!(store.project(first.id).await.unwrap().name, "Breakout");
}

#[tokio::test(start_paused = true)]
async fn a_write_without_a_key_is_not_repeated_after_a_lost_answer() {
    let store = Arc::new(MemoryStore::new());
    let probe = Probe::default();
    let retrying = Layered::new(Arc::new(Layered::new(Arc::clone(&store), probe.clone())), patient());
    probe.fail("apply", ErrorKind::TimedOut);
    assert_eq!(retrying.apply(adding()).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(probe.calls("apply"), 1);
    assert_eq!(store.quota(&user()).await.unwrap().unwrap().used.containers, 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_end_at_their_limit_and_the_error_counts_them() {
    let probe = Probe::default();
    let store = Arc::new(Layered::new(Arc::new(MemoryStore::new()), probe.clone()));
    let retrying = Layered::new(store, Retrying::new(RetryingOptions::default().with_attempts(3)));
    probe.fail("projects", ErrorKind::Unavailable);
    let error = retrying.projects(ProjectQuery::all(), PageRequest::first(1)).await.unwrap_err();
    assert_eq!(probe.calls("projects"), 3);
    assert_eq!(error.context(), [("attempts", "3".to_owned())]);
    probe.fail("project", ErrorKind::NotFound);
    let error = retrying.project(project("x").id).await.unwrap_err();
    assert_eq!((probe.calls("project"), error.context().len()), (1, 0), "this advice is not to repeat");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_ends_its_attempts() {
    let probe = Probe::default();
    let store = Arc::new(Layered::new(Arc::new(MemoryStore::new()), probe.clone()));
    let retrying = Layered::new(store, patient());
    probe.fail("apply", ErrorKind::Unavailable);
    let call = retrying.create(project("x").into());
    assert!(tokio::time::timeout(Duration::from_millis(120), call).await.is_err());
    let made = probe.calls("apply");
    assert!(made >= 2, "{made}");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((probe.calls("apply"), probe.now()), (made, 0));
}

#[tokio::test(start_paused = true)]
async fn only_messages_that_carry_an_id_are_published_again_after_a_lost_answer() {
    let probe = Probe::default();
    let bus = Layered::new(Arc::new(Layered::new(Arc::new(MemoryBus::new()), probe.clone())), patient());
    let mut all = bus.listen("a").await.unwrap();
    let message = Message::new(Subject::new("a").unwrap(), "x");
    probe.fail("publish", ErrorKind::TimedOut);
    assert!(bus.publish(message.clone()).await.is_err());
    assert_eq!(probe.calls("publish"), 1);
    let named = message.with_header("Nats-Msg-Id", slate_core::EventId::new().to_string());
    assert!(bus.publish(named).await.is_err());
    assert_eq!(probe.calls("publish"), 51);
    assert!(all.next().await.unwrap().event_id().is_none());
    assert!(all.next().await.unwrap().event_id().is_some());
}
