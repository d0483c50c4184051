//! What is the memory store's own: its clock. The contract is in `conformance_store.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use async_trait::async_trait;
use slate_core::{
    Clock, ErrorKind, ProjectId, Timestamp, UserId, WorkerId,
    memory::MemoryStore,
    model::{BuildJob, BuildType, Project, TargetPlatform},
    store::{BuildStore, ChangeSet, ChangeStore, Claim, EventStore, JobStore, Queue, StoreExt},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);
const INSTANT: Duration = Duration::from_micros(1);

#[derive(Default)]
struct ManualClock(AtomicI64);

impl ManualClock {
    fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_micros() as i64, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        self.pass(duration);
    }
}

fn user() -> UserId {
    UserId::new("ada").unwrap()
}

fn build(project: ProjectId) -> BuildJob {
    BuildJob::new(project, user(), BuildType::Development, TargetPlatform::Linux, Timestamp::EPOCH)
}

async fn store() -> (Arc<ManualClock>, MemoryStore, ProjectId) {
    let clock = Arc::new(ManualClock::default());
    let store = MemoryStore::with_clock(clock.clone());
    let project = Project::new("Breakout", user(), Timestamp::EPOCH);
    store.create(project.clone().into()).await.unwrap();
    (clock, store, project.id)
}

#[tokio::test]
async fn a_lease_ends_by_the_given_clock() {
    let (clock, store, project) = store().await;
    store.create(build(project).into()).await.unwrap();
    let claim = |name: &str| Claim::new(WorkerId::new(name).unwrap(), MINUTE, 1);
    assert_eq!(store.claim(Queue::Builds, claim("a")).await.unwrap().len(), 1);
    clock.pass(MINUTE - INSTANT);
    assert_eq!(store.claim(Queue::Builds, claim("b")).await.unwrap().len(), 0);
    clock.pass(INSTANT);
    assert_eq!(store.claim(Queue::Builds, claim("b")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_waits_until_not_before() {
    let (clock, store, project) = store().await;
    let mut later = build(project);
    later.not_before = Some(Timestamp::EPOCH + MINUTE);
    store.create(later.into()).await.unwrap();
    let claim = Claim::new(WorkerId::new("a").unwrap(), MINUTE, 1);
    clock.pass(MINUTE - INSTANT);
    assert!(store.claim(Queue::Builds, claim.clone()).await.unwrap().is_empty());
    clock.pass(INSTANT);
    assert_eq!(store.claim(Queue::Builds, claim).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_named_lease_ends_by_the_given_clock() {
    let (clock, store, _) = store().await;
    let (a, b) = (WorkerId::new("a").unwrap(), WorkerId::new("b").unwrap());
    assert_eq!(store.lease("relay", &a, MINUTE).await.unwrap(), Some(1));
    clock.pass(MINUTE - INSTANT);
    assert_eq!(store.lease("relay", &b, MINUTE).await.unwrap(), None);
    clock.pass(INSTANT);
    assert_eq!(store.lease("relay", &b, MINUTE).await.unwrap(), Some(2));
    assert_eq!(store.lease("relay", &a, MINUTE).await.unwrap(), None);
}

#[tokio::test]
async fn a_set_that_fails_changes_nothing() {
    let (_, store, project) = store().await;
    let good = build(project);
    let bad = build(ProjectId::new());
    let error = store.apply(ChangeSet::new().create(good.clone()).create(bad)).await.unwrap_err();
    assert_eq!((error.kind(), error.component()), (ErrorKind::NotFound, "store.memory"));
    assert_eq!(store.build(good.id).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn its_debug_output_names_it_and_shows_no_record() {
    assert_eq!(format!("{:?}", MemoryStore::new()), "MemoryStore { .. }");
}
