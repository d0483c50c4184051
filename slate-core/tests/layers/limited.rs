use crate::{probe::Probe, project};
use slate_core::{
    Error, ErrorKind, ProjectId, Result,
    bus::{EventBus, EventBusExt, Message, Subject},
    decorate::{Layered, Limited, LimitedOptions},
    memory::{MemoryBus, MemoryStore},
    store::{ProjectStore, StoreExt},
};
use std::{sync::Arc, time::Duration};

type Bounded = Arc<Layered<Layered<MemoryStore, Probe>, Limited>>;

fn bounded(options: LimitedOptions) -> (Probe, Bounded) {
    let probe = Probe::default();
    let store = Arc::new(Layered::new(Arc::new(MemoryStore::new()), probe.clone()));
    (probe, Arc::new(Layered::new(store, Limited::new(options))))
}

fn read(store: &Bounded, id: ProjectId) -> tokio::task::JoinHandle<Result<(), Error>> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.project(id).await.map(drop) })
}

async fn until_waiting(store: &Bounded, waiting: usize) {
    while store.layer().waiting() != waiting {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn so_many_calls_are_made_at_a_time_and_all_are_made() {
    let (probe, store) = bounded(LimitedOptions::default().with_concurrent(3));
    let project = project("x");
    store.create(project.clone().into()).await.unwrap();
    let gate = probe.hold("project");
    let calls: Vec<_> = (0..20).map(|_| read(&store, project.id)).collect();
    until_waiting(&store, 17).await;
    assert_eq!(probe.now(), 3);
    gate.add_permits(20);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!((probe.most(), probe.calls("project"), store.layer().waiting()), (3, 20, 0));
}

#[tokio::test]
async fn a_call_that_finds_the_line_full_is_refused_at_once() {
    let (probe, store) = bounded(LimitedOptions::default().with_concurrent(1).with_waiting(2));
    let gate = probe.hold("project");
    let id = ProjectId::new();
    let calls: Vec<_> = (0..3).map(|_| read(&store, id)).collect();
    until_waiting(&store, 2).await;
    assert_eq!(store.project(id).await.unwrap_err().kind(), ErrorKind::ResourceExhausted);
    gate.add_permits(3);
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::NotFound, "these were made");
    }
    assert_eq!(probe.calls("project"), 3);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_was_not_begun_and_who_takes_too_long_is_dropped() {
    let options = LimitedOptions::default()
        .with_concurrent(1)
        .with_patience(Duration::from_secs(1))
        .with_timeout(Some(Duration::from_secs(5)));
    let (probe, store) = bounded(options);
    let _gate = probe.hold("project");
    let slow = read(&store, ProjectId::new());
    probe.until_called("project", 1).await;
    assert_eq!(store.project(ProjectId::new()).await.unwrap_err().kind(), ErrorKind::ResourceExhausted);
    assert_eq!(probe.calls("project"), 1);
    assert_eq!(slow.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(probe.now(), 0, "the slow call was dropped");
    store.create(project("x").into()).await.unwrap();
}

#[tokio::test]
async fn a_dropped_call_gives_its_place_back() {
    let (probe, store) = bounded(LimitedOptions::default().with_concurrent(1));
    let _gate = probe.hold("project");
    let (first, second) = (read(&store, ProjectId::new()), read(&store, ProjectId::new()));
    until_waiting(&store, 1).await;
    second.abort();
    until_waiting(&store, 0).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    store.create(project("x").into()).await.unwrap();
}

/// A request holds no place: its answer is published through the same limit.
#[tokio::test]
async fn answers_come_through_the_same_limit_as_their_requests() {
    let limit = Limited::new(LimitedOptions::default().with_concurrent(1).with_waiting(0));
    let bus = Arc::new(Layered::new(Arc::new(MemoryBus::new()), limit));
    let mut questions = bus.listen("question").await.unwrap();
    let answering = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move {
            let question = questions.next().await.unwrap();
            bus.answer(&question, &42).await.unwrap();
        }
    });
    let question = Message::new(Subject::new("question").unwrap(), "null");
    let answer = bus.request(question, Duration::from_secs(60)).await.unwrap();
    assert_eq!(answer.parse::<u32>().unwrap(), 42);
    answering.await.unwrap();
}
