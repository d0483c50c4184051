use crate::{probe::Probe, project};
use slate_core::{
    ErrorKind, ProjectId, Timestamp, Version,
    bus::{
        EventBus, EventBusExt, Message, Subject,
        event::{Event, ProjectEvent, ProjectEventKind},
        headers,
    },
    cache::Cache,
    decorate::{Cached, CachedOptions, Layered},
    memory::{MemoryBus, MemoryCache, MemoryStore},
    model::Project,
    store::{ChangeSet, ChangeStore, PageRequest, ProjectQuery, ProjectStore, Store, StoreExt},
};
use std::{sync::Arc, time::Duration};

/// A store behind a cache, with a probe on each.
struct Ground {
    truth: Arc<MemoryStore>,
    reads: Probe,
    cache: Probe,
    cached: Cached,
    store: Arc<dyn Store>,
}

fn ground() -> Ground {
    let (truth, reads, cache) = (Arc::new(MemoryStore::new()), Probe::default(), Probe::default());
    let probed = Arc::new(Layered::new(Arc::clone(&truth), reads.clone()));
    let memory: Arc<dyn Cache> = Arc::new(Layered::new(Arc::new(MemoryCache::default()), cache.clone()));
    let cached = Cached::new(memory, CachedOptions::default());
    let store = Arc::new(Layered::new(probed, cached.clone()));
    Ground { truth, reads, cache, cached, store }
}

impl Ground {
    async fn project(&self) -> Project {
        let project = project("Breakout");
        self.truth.create(project.clone().into()).await.unwrap();
        project
    }

    async fn name(&self, id: ProjectId) -> String {
        self.store.project(id).await.unwrap().name
    }

    fn read(&self, id: ProjectId) -> tokio::task::JoinHandle<slate_core::Result<Project>> {
        let store = Arc::clone(&self.store);
        tokio::spawn(async move { store.project(id).await })
    }

    /// Reads until the name is this one: an event is on its way.
    async fn until_named(&self, id: ProjectId, name: &str) {
        while self.store.project(id).await.map(|project| project.name).unwrap_or_default() != name {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn renamed(project: &Project, name: &str) -> ChangeSet {
    let mut project = project.clone();
    project.name = name.into();
    ChangeSet::new().update(project)
}

fn told_of(project: &Project, version: u64) -> Message {
    Message::new(Subject::new(format!("slate.project.updated.{}", project.id)).unwrap(), "{}")
        .with_header(headers::AGGREGATE, format!("project:{}", project.id))
        .with_header(headers::VERSION, version.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_misses_at_a_time_read_the_store_once() {
    let ground = ground();
    let project = ground.project().await;
    let gate = ground.reads.hold("project");
    let reads: Vec<_> = (0..100).map(|_| ground.read(project.id)).collect();
    ground.reads.until_called("project", 1).await;
    gate.add_permits(100);
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap(), project);
    }
    assert_eq!(ground.reads.calls("project"), 1);
}

#[tokio::test]
async fn what_was_read_is_read_from_the_cache() {
    let ground = ground();
    let project = ground.project().await;
    for _ in 0..10 {
        assert_eq!(ground.store.project(project.id).await.unwrap(), project);
    }
    assert_eq!((ground.reads.calls("project"), ground.cache.calls("put_newer")), (1, 1));
}

#[tokio::test]
async fn lists_never_use_the_cache() {
    let ground = ground();
    ground.project().await;
    for _ in 0..3 {
        ground.store.projects(ProjectQuery::all(), PageRequest::first(10)).await.unwrap();
    }
    assert_eq!((ground.reads.calls("projects"), ground.cache.calls("get")), (3, 0));
}

#[tokio::test]
async fn a_kind_whose_time_is_zero_is_not_kept() {
    let (truth, cache) = (Arc::new(MemoryStore::new()), Arc::new(MemoryCache::default()));
    let probe = Probe::default();
    let options = CachedOptions::default().with_projects(Duration::ZERO);
    let inner = Arc::new(Layered::new(truth, probe.clone()));
    let store = Layered::new(inner, Cached::new(cache, options));
    let project = project("x");
    store.create(project.clone().into()).await.unwrap();
    for _ in 0..2 {
        store.project(project.id).await.unwrap();
    }
    assert_eq!(probe.calls("project"), 2);
}

#[tokio::test]
async fn when_who_reads_is_dropped_another_one_reads() {
    let ground = ground();
    let project = ground.project().await;
    let gate = ground.reads.hold("project");
    let first = ground.read(project.id);
    ground.reads.until_called("project", 1).await;
    let second = ground.read(project.id);
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.add_permits(10);
    assert_eq!(second.await.unwrap().unwrap(), project);
    assert_eq!(ground.reads.calls("project"), 2);
}

#[tokio::test]
async fn every_reader_gets_the_store_s_error_and_none_is_kept() {
    let ground = ground();
    let project = ground.project().await;
    let gate = ground.reads.hold("project");
    ground.reads.fail("project", ErrorKind::Unavailable);
    let reads: Vec<_> = (0..5).map(|_| ground.read(project.id)).collect();
    ground.reads.until_called("project", 1).await;
    gate.add_permits(10);
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    }
    ground.reads.fail("project", None);
    assert_eq!(ground.name(project.id).await, "Breakout");
}

#[tokio::test]
async fn own_writes_are_seen_at_once() {
    let ground = ground();
    let project = ground.project().await;
    assert_eq!(ground.name(project.id).await, "Breakout");
    ground.store.apply(renamed(&project, "Pong")).await.unwrap();
    assert_eq!(ground.name(project.id).await, "Pong");
    ground.store.apply(ChangeSet::new().delete(project.id, Version(2))).await.unwrap();
    assert_eq!(ground.store.project(project.id).await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// Otherwise whoever decides anew after a conflict would decide on the same old record for ever.
#[tokio::test]
async fn after_a_conflict_the_store_is_read() {
    let ground = ground();
    let project = ground.project().await;
    ground.name(project.id).await;
    ground.truth.apply(renamed(&project, "Pong")).await.unwrap();
    assert_eq!(ground.name(project.id).await, "Breakout", "nobody told the cache");
    assert_eq!(ground.store.apply(renamed(&project, "Tetris")).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(ground.name(project.id).await, "Pong");
}

#[tokio::test]
async fn a_value_read_before_a_write_does_not_come_into_the_cache_after_it() {
    let ground = ground();
    let project = ground.project().await;
    let gate = ground.reads.hold("project");
    let late = ground.read(project.id);
    ground.reads.until_called("project", 1).await;
    ground.store.apply(renamed(&project, "Pong")).await.unwrap();
    // This read joins none from before the write.
    let after = ground.read(project.id);
    ground.reads.until_called("project", 2).await;
    gate.add_permits(10);
    assert_eq!(late.await.unwrap().unwrap().name, "Breakout");
    assert_eq!(after.await.unwrap().unwrap().name, "Pong");
    for _ in 0..3 {
        assert_eq!(ground.name(project.id).await, "Pong");
    }
    assert_eq!(ground.reads.calls("project"), 2);
}

#[tokio::test]
async fn of_two_processes_the_one_that_comes_late_does_not_replace_a_newer_value() {
    let (truth, memory) = (Arc::new(MemoryStore::new()), Arc::new(MemoryCache::default()));
    let slow = Probe::default();
    let process = |probe: Probe| {
        let inner = Arc::new(Layered::new(Arc::clone(&truth), probe));
        Arc::new(Layered::new(inner, Cached::new(memory.clone(), CachedOptions::default())))
    };
    let (late, other) = (process(slow.clone()), process(Probe::default()));
    let project = project("Breakout");
    truth.create(project.clone().into()).await.unwrap();
    let gate = slow.hold("project");
    let reading = tokio::spawn(async move { late.project(project.id).await.unwrap().name });
    slow.until_called("project", 1).await;
    let current = truth.project(project.id).await.unwrap();
    other.apply(renamed(&current, "Pong")).await.unwrap();
    assert_eq!(other.project(current.id).await.unwrap().name, "Pong");
    gate.add_permits(1);
    assert_eq!(reading.await.unwrap(), "Breakout");
    assert_eq!(other.project(current.id).await.unwrap().name, "Pong");
}

#[tokio::test]
async fn events_of_other_processes_are_followed() {
    let (ground, bus) = (ground(), MemoryBus::new());
    let project = ground.project().await;
    let following = ground.cached.follow(&bus).await.unwrap();
    assert_eq!(ground.name(project.id).await, "Breakout");
    ground.truth.apply(renamed(&project, "Pong")).await.unwrap();
    bus.publish(told_of(&project, 2)).await.unwrap();
    ground.until_named(project.id, "Pong").await;
    // An event that carries no aggregate is read for the record that it is about.
    let now = ground.truth.project(project.id).await.unwrap();
    ground.truth.apply(renamed(&now, "Tetris")).await.unwrap();
    let event = ProjectEvent::new(ProjectEventKind::Updated, project.id, crate::user(), Timestamp::EPOCH);
    bus.emit(&Event::from(event)).await.unwrap();
    ground.until_named(project.id, "Tetris").await;
    bus.close().await.unwrap();
    while following.is_running() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_event_that_tells_nothing_new_removes_nothing() {
    let (ground, bus) = (ground(), MemoryBus::new());
    let project = ground.project().await;
    let _following = ground.cached.follow(&bus).await.unwrap();
    ground.name(project.id).await;
    bus.publish(told_of(&project, 1)).await.unwrap();
    // Once this one's removal is done, the first event has had its effect, if any.
    bus.publish(told_of(&crate::project("other"), 1)).await.unwrap();
    ground.cache.until_called("outdate", 2).await;
    assert_eq!(ground.name(project.id).await, "Breakout");
    assert_eq!(ground.reads.calls("project"), 1);
}

#[tokio::test]
async fn what_was_cached_before_it_listened_is_forgotten() {
    let (ground, bus) = (ground(), MemoryBus::new());
    let project = ground.project().await;
    ground.name(project.id).await;
    ground.truth.apply(renamed(&project, "Pong")).await.unwrap();
    let _following = ground.cached.follow(&bus).await.unwrap();
    assert_eq!(ground.name(project.id).await, "Pong");
}

#[tokio::test]
async fn where_events_were_lost_everything_is_forgotten() {
    let (ground, bus) = (ground(), MemoryBus::new());
    let project = ground.project().await;
    let _following = ground.cached.follow(&bus).await.unwrap();
    ground.name(project.id).await;
    ground.truth.apply(renamed(&project, "Pong")).await.unwrap();
    // Nothing yields here, so nobody listens until the queue has overflown.
    for _ in 0..=65_536 {
        bus.publish(Message::new(Subject::new("slate.runtime.log.x").unwrap(), "")).await.unwrap();
    }
    assert_eq!(bus.status().dropped, 1);
    ground.until_named(project.id, "Pong").await;
}

#[tokio::test]
async fn that_there_is_none_is_kept_until_there_is_one() {
    let (ground, bus) = (ground(), MemoryBus::new());
    let _following = ground.cached.follow(&bus).await.unwrap();
    let (own, other) = (project("own"), project("other"));
    for id in [own.id, own.id, own.id, other.id, other.id] {
        assert_eq!(ground.store.project(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(ground.reads.calls("project"), 2);
    ground.store.create(own.clone().into()).await.unwrap();
    assert_eq!(ground.name(own.id).await, "own");
    ground.truth.create(other.clone().into()).await.unwrap();
    bus.publish(told_of(&other, 1)).await.unwrap();
    ground.until_named(other.id, "other").await;
}

#[tokio::test]
async fn a_cache_that_fails_is_as_good_as_none() {
    let ground = ground();
    let project = ground.project().await;
    for verb in ["get", "put_newer", "remove", "outdate"] {
        ground.cache.fail(verb, ErrorKind::Unavailable);
    }
    assert_eq!(ground.name(project.id).await, "Breakout");
    ground.store.apply(renamed(&project, "Pong")).await.unwrap();
    assert_eq!(ground.name(project.id).await, "Pong");
}

#[tokio::test]
async fn what_the_cache_holds_that_is_no_record_is_replaced() {
    let memory = Arc::new(MemoryCache::default());
    let truth = Arc::new(MemoryStore::new());
    let store = Layered::new(truth, Cached::new(memory.clone(), CachedOptions::default()));
    let project = project("Breakout");
    store.create(project.clone().into()).await.unwrap();
    let key = format!("slate:project:{}", project.id);
    memory.put(&key, "rubbish".into(), Duration::from_secs(60)).await.unwrap();
    assert_eq!(store.project(project.id).await.unwrap(), project);
}

/// A probe's cache does what it is told and answers with an error, as one whose answer is lost; so here it only seems to
/// fail, and the store must be read all the same.
#[tokio::test(start_paused = true)]
async fn what_the_cache_could_not_be_told_to_forget_is_in_doubt_until_it_could() {
    let ground = ground();
    let project = ground.project().await;
    ground.name(project.id).await;
    ground.cache.fail("remove", ErrorKind::Unavailable);
    ground.store.apply(renamed(&project, "Pong")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(ground.name(project.id).await, "Pong");
    }
    assert_eq!(ground.reads.calls("project"), 3);
    tokio::time::advance(Duration::from_secs(61)).await;
    ground.name(project.id).await;
    assert_eq!(ground.reads.calls("project"), 4, "it still can't be told");
    ground.cache.fail("remove", None);
    tokio::time::advance(Duration::from_secs(61)).await;
    for _ in 0..3 {
        ground.name(project.id).await;
    }
    assert_eq!(ground.reads.calls("project"), 5);
}

#[tokio::test(start_paused = true)]
async fn a_write_of_unknown_outcome_leaves_its_record_in_doubt() {
    let ground = ground();
    let project = ground.project().await;
    ground.name(project.id).await;
    // Once the answer is lost, once the caller doesn't wait for it.
    ground.reads.fail("apply", ErrorKind::TimedOut);
    ground.store.apply(renamed(&project, "Pong")).await.unwrap_err();
    for _ in 0..2 {
        assert_eq!(ground.name(project.id).await, "Pong");
    }
    assert_eq!(ground.reads.calls("project"), 3);
    tokio::time::advance(Duration::from_secs(61)).await;
    let now = ground.store.project(project.id).await.unwrap();
    let gate = ground.reads.hold("apply");
    let dropped = ground.store.apply(renamed(&now, "Tetris"));
    assert!(tokio::time::timeout(Duration::from_secs(1), dropped).await.is_err());
    assert_eq!(ground.name(project.id).await, "Tetris");
    drop(gate);
}
