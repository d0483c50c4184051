//! `kill -9` of `slate serve` during sessions, builds and asset batches, at random moments: after the last restart every job
//! has ended, every stored event is published, no line of a session is lost or doubled, and no process is left.
//!
//! `SLATE_CRASH_ROUNDS` says how often (default 6), `SLATE_CRASH_SEED` at which moments.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/service.rs"]
mod service;

use service::Service;
use slate_core::{
    Result, SessionId, SystemClock, UserId,
    asset::{AssetKind, AssetOptions, TextureOptions},
    blob::FolderBlobs,
    engine::{Engine, ProjectView},
    memory::MemoryBus,
    model::{
        AssetJob, BuildJob, BuildStatus, BuildType, LogSource, Project, RuntimeSession, SessionState, TargetPlatform,
    },
    policy::MountPolicy,
    runtime::{RuntimeSpec, RuntimeType},
    service::{Assets, Journal, NewSession, Projects, Sessions},
    store::{AssetJobQuery, AssetQuery, BuildQuery, LogQuery, PageRequest, SessionQuery, Store, StoreExt},
};
use slate_store::sqlite::{SqliteOptions, SqliteStore};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

const LINES: usize = 150;
/// Longest wait for everything to end after the last start.
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing() {
    let number = |name: &str, default: u64| std::env::var(name).ok().map_or(default, |text| text.parse().unwrap());
    let (rounds, mut seed) = (number("SLATE_CRASH_ROUNDS", 6), number("SLATE_CRASH_SEED", 20_261_121));
    let data = tempfile::tempdir().unwrap();
    let world = World::new(data.path()).await;
    for round in 0..rounds {
        let serve = serve(data.path());
        world.ask(round).await.unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis((seed >> 33) % 2000)).await;
        drop(serve);
    }
    let serve = serve(data.path());
    world.wait_for_all().await;
    world.check().await;
    Service::end([serve]);
    let left = processes_of(data.path());
    assert!(left.is_empty(), "processes are left: {left:#?}");
}

/// What the test asks of the service, through the store that both share.
struct World {
    store: Arc<dyn Store>,
    journal: Journal,
    project: Project,
    user: UserId,
    data: PathBuf,
}

impl World {
    async fn new(data: &Path) -> Self {
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(data.join("slate.db"), SqliteOptions::default()).await.unwrap());
        let journal = Journal::new(Arc::clone(&store), Arc::new(SystemClock));
        let user = UserId::new("tester").unwrap();
        let lantern = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../projects/lantern")).unwrap();
        let mut project = Project::new("Lantern", user.clone(), journal.now());
        project.settings = serde_json::json!({ "path": lantern, "engine": "custom" });
        let blobs = Arc::new(FolderBlobs::open(data.join("blobs")).unwrap());
        let projects = Projects::new(journal.clone(), blobs);
        projects.create(project.clone()).await.unwrap();
        let engine: &dyn Engine = &slate_custom::Custom;
        let view = ProjectView::read(&lantern, [engine], &[]).unwrap();
        projects.import(project.id, &user, &lantern, &view).await.unwrap();
        Self { store, journal, project, user, data: data.to_owned() }
    }

    /// One session, one build and one batch of assets, each round with other options so that the cache doesn't answer.
    async fn ask(&self, round: u64) -> Result<()> {
        let script = format!("i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; sleep 0.01; done");
        let spec = RuntimeSpec::new("session", ["sh", "-c", &script]);
        let sessions = Sessions::new(self.journal.clone(), MountPolicy::none(), None);
        let new = NewSession::new(self.project.id, self.user.clone(), RuntimeType::Custom, "process", spec);
        sessions.create(new).await?;
        let (kind, target) = (BuildType::Development, TargetPlatform::Linux);
        let build = BuildJob::new(self.project.id, self.user.clone(), kind, target, self.journal.now());
        self.store.create(build.into()).await?;
        let mut options = TextureOptions::default();
        options.quality = (round % 100) as u8;
        let query = AssetQuery::all().of_project(self.project.id).of_kind(AssetKind::Texture);
        let textures = self.store.assets(query, PageRequest::first(100)).await?.items;
        let batch = textures.into_iter().map(|asset| (asset.id, AssetOptions::Texture(options.clone()))).collect();
        Assets::new(self.journal.clone(), Arc::new(MemoryBus::new()))
            .process(self.project.id, &self.user, batch)
            .await?;
        Ok(())
    }

    async fn sessions(&self) -> Vec<RuntimeSession> {
        self.store.sessions(SessionQuery::all(), PageRequest::first(1000)).await.unwrap().items
    }

    async fn builds(&self) -> Vec<BuildJob> {
        self.store.builds(BuildQuery::all(), PageRequest::first(1000)).await.unwrap().items
    }

    async fn jobs(&self) -> Vec<AssetJob> {
        let mut jobs = Vec::new();
        let mut after = None;
        loop {
            let page = PageRequest::first(1000).after(after);
            let page = self.store.asset_jobs(AssetJobQuery::all(), page).await.unwrap();
            jobs.extend(page.items);
            after = page.next;
            if after.is_none() {
                return jobs;
            }
        }
    }

    async fn wait_for_all(&self) {
        let start = Instant::now();
        loop {
            let sessions = self.sessions().await.iter().filter(|session| !session.status.is_final()).count();
            let builds = self.builds().await.iter().filter(|build| !build.status.is_final()).count();
            let jobs = self.jobs().await.iter().filter(|job| !job.status.is_final()).count();
            let events = self.store.unpublished(1000).await.unwrap().len();
            let instances = processes_of(&self.data).len().saturating_sub(1);
            let open = [sessions, builds, jobs, events, instances];
            if open.iter().sum::<usize>() == 0 {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "sessions, builds, jobs, events, processes still open: {open:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn check(&self) {
        for session in self.sessions().await {
            assert_eq!(session.status, SessionState::Stopped, "{session:?}");
            let lines = self.lines(session.id).await;
            let expected: Vec<_> = (1..=LINES).map(|number| format!("line {number}")).collect();
            assert_eq!(lines, expected, "session {}", session.id);
        }
        for build in self.builds().await {
            // A build that met three kills is given up; every other one is sound.
            let given_up = build.error_message.as_ref().is_some_and(|message| message.contains("given up"));
            assert!(build.status == BuildStatus::Completed || given_up, "{build:?}");
        }
        let jobs = self.jobs().await;
        let failed: Vec<_> = jobs.iter().filter_map(|job| job.error_message.as_ref()).collect();
        assert!(failed.iter().all(|message| message.contains("given up")), "{failed:?}");
    }

    async fn lines(&self, session: SessionId) -> Vec<String> {
        let query = LogQuery::all().of_source(LogSource::Session(session));
        let page = self.store.logs(query, PageRequest::first(1000)).await.unwrap();
        page.items.into_iter().map(|entry| entry.message).collect()
    }
}

fn serve(data: &Path) -> Service {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slate"));
    command.args(["serve", "--data"]).arg(data).env("SLATE_LEASE", "1").current_dir(data).stdout(Stdio::null());
    Service::start(command.env("SLATE_LOG", std::env::var("SLATE_LOG").unwrap_or_else(|_| "error".into())))
}

/// Every process that was started on this data folder: the service itself, shims, and what they run.
fn processes_of(data: &Path) -> Vec<String> {
    let data = data.to_string_lossy().into_owned();
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|b| b.is_ascii_digit()) || name == own {
            continue;
        }
        let read =
            |file: &str| String::from_utf8_lossy(&fs::read(entry.path().join(file)).unwrap_or_default()).into_owned();
        let (cmdline, environ) = (read("cmdline").replace('\0', " "), read("environ"));
        if cmdline.contains(&data) || environ.contains(&data) {
            found.push(format!("{name}: {cmdline}"));
        }
    }
    found
}
