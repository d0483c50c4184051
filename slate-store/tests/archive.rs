//! The folder of session files: it follows events, mends what it missed, and forgets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use slate_core::{
    Cancel, Timestamp,
    bus::{
        EventBusExt,
        event::{RuntimeEvent, RuntimeEventKind},
    },
    memory::{MemoryBus, MemoryStore},
    model::{MetricSample, Project, RuntimeSession, SessionState},
    runtime::{DisplayConfiguration, RuntimeSpec, RuntimeType, SessionStatus},
    store::{ChangeSet, ChangeStore, MetricStore, SessionStore, StoreExt},
};
use slate_store::archive::{ArchiveOptions, ArchivedSession, SessionArchive};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

struct World {
    folder: tempfile::TempDir,
    store: Arc<MemoryStore>,
    project: Project,
}

impl World {
    async fn new() -> Self {
        let (folder, store, project) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::new()), project());
        store.create(project.clone().into()).await.unwrap();
        Self { folder, store, project }
    }

    fn open(&self, options: ArchiveOptions) -> SessionArchive {
        SessionArchive::open(self.folder.path(), Arc::clone(&self.store) as _, options).unwrap()
    }

    async fn session(&self) -> RuntimeSession {
        let mut spec = RuntimeSpec::new("x", ["sleep", "60"]).with_memory("4g".parse().unwrap());
        let display = r#"{"method":"x11","displayId":":1","resolution":"1920x1080","authToken":"hunter2"}"#;
        spec.display = Some(serde_json::from_str::<DisplayConfiguration>(display).unwrap());
        let now = Timestamp::now();
        let mut session = RuntimeSession::new(self.project.id, user(), RuntimeType::Custom, "memory", spec, now);
        session.metadata = serde_json::json!({ "gameId": "game_diablo" });
        self.store.create(session.clone().into()).await.unwrap();
        session
    }

    async fn set(&self, session: &RuntimeSession, status: SessionState) {
        let mut now = self.store.session(session.id).await.unwrap();
        now.status = status;
        now.stopped_at = status.is_final().then(Timestamp::now);
        self.store.update(now.into()).await.unwrap();
    }

    fn read(&self, path: &Path) -> Option<ArchivedSession> {
        let text = std::fs::read(self.folder.path().join(path)).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    fn active(&self, session: &RuntimeSession) -> PathBuf {
        self.folder.path().join("active").join(format!("{}.json", session.id))
    }

    /// Where the session's history is, on whichever day.
    fn history(&self, session: &RuntimeSession) -> Option<PathBuf> {
        let days = std::fs::read_dir(self.folder.path().join("history")).unwrap();
        let files = days.map(|day| day.unwrap().path().join(format!("{}.json", session.id)));
        files.into_iter().find(|file| file.exists())
    }
}

async fn eventually(what: &str, look: impl Fn() -> bool) {
    for _ in 0..2000 {
        if look() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} didn't come");
}

#[tokio::test]
async fn events_move_a_session_from_active_to_history() {
    let world = World::new().await;
    let (bus, cancel) = (MemoryBus::new(), Cancel::new());
    let archive = world.open(ArchiveOptions::default());
    let following = async { archive.run(&bus, &cancel).await.unwrap() };
    let using = async {
        let session = world.session().await;
        let tell = |kind| {
            let event = RuntimeEvent::new(kind, session.id, world.project.id, Timestamp::now());
            let bus = &bus;
            async move { bus.emit(&event.into()).await.unwrap() }
        };
        world.set(&session, SessionState::Running).await;
        let told = async {
            // Until the archive listens, events go past it.
            while !world.active(&session).exists() {
                tell(RuntimeEventKind::Started).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        told.await;
        let file = world.read(&world.active(&session)).unwrap();
        assert_eq!(
            (file.session_id, file.status, file.game_id.as_str()),
            (session.id, SessionStatus::Running, "game_diablo")
        );
        assert_eq!(file.display_info.unwrap().resolution.as_deref(), Some("1920x1080"));
        let text = std::fs::read_to_string(world.active(&session)).unwrap();
        assert!(!text.contains("hunter2"), "no secret is written");
        world.set(&session, SessionState::Error).await;
        tell(RuntimeEventKind::Error).await;
        eventually("the end", || !world.active(&session).exists()).await;
        let file = world.read(&world.history(&session).unwrap()).unwrap();
        assert_eq!((file.status, file.end_time.is_some()), (SessionStatus::Crashed, true));
        cancel.cancel();
    };
    tokio::join!(following, using);
}

#[tokio::test]
async fn a_comparison_mends_what_was_missed() {
    let world = World::new().await;
    let (ended, running, deleted) = (world.session().await, world.session().await, world.session().await);
    let archive = world.open(ArchiveOptions::default());
    archive.sync().await.unwrap();
    assert!([&ended, &running, &deleted].iter().all(|session| world.active(session).exists()));
    world.set(&ended, SessionState::Stopped).await;
    let never_seen = world.session().await;
    world.set(&never_seen, SessionState::Failed).await;
    let version = world.store.session(deleted.id).await.unwrap().revision.version;
    world.store.apply(ChangeSet::new().delete(deleted.id, version)).await.unwrap();
    archive.sync().await.unwrap();
    assert!(world.active(&running).exists() && world.history(&running).is_none());
    assert!(!world.active(&deleted).exists());
    for session in [&ended, &never_seen] {
        assert!(!world.active(session).exists() && world.history(session).is_some());
    }
}

#[tokio::test]
async fn days_beyond_the_time_to_keep_are_forgotten_with_their_samples() {
    let world = World::new().await;
    let session = world.session().await;
    world.set(&session, SessionState::Stopped).await;
    let mut options = ArchiveOptions::default();
    world.open(options.clone()).sync().await.unwrap();
    let today = world.history(&session).unwrap();
    let past = world.folder.path().join("history/2001-01-01");
    std::fs::create_dir_all(&past).unwrap();
    std::fs::copy(&today, past.join("old.json")).unwrap();
    std::fs::create_dir_all(world.folder.path().join("metrics/old")).unwrap();
    options.keep = Duration::from_secs(3600);
    world.open(options).sync().await.unwrap();
    assert!(today.exists() && !past.exists() && !world.folder.path().join("metrics/old").exists());
}

#[tokio::test]
async fn samples_of_running_sessions_are_kept_up_to_a_number() {
    let world = World::new().await;
    let session = world.session().await;
    world.set(&session, SessionState::Running).await;
    let mut options = ArchiveOptions::default();
    (options.sample_every, options.samples) = (Duration::from_millis(100), 3);
    let (archive, bus, cancel) = (world.open(options), MemoryBus::new(), Cancel::new());
    let folder = world.folder.path().join("metrics").join(session.id.to_string());
    let newest = |text: &str| folder.join(format!("{text}.json"));
    let sampling = async {
        for second in 1..=5 {
            let time = format!("2025-10-29T14:45:0{second}Z");
            let sample = MetricSample {
                session_id: Some(session.id),
                metric_type: "memory_usage".into(),
                value: f64::from(1 << 30),
                unit: "bytes".into(),
                timestamp: time.parse().unwrap(),
            };
            world.store.append_metrics(vec![sample]).await.unwrap();
            eventually("a sample", || newest(&time).exists()).await;
        }
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(archive.run(&bus, &cancel), sampling);
    result.unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
    let text = std::fs::read(newest("2025-10-29T14:45:05Z")).unwrap();
    let usage: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((usage["memoryUsed"].as_u64(), usage["memoryPercent"].as_f64()), (Some(1 << 30), Some(25.0)));
}
