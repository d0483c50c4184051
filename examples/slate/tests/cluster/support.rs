use crate::service::Service;
use slate_core::{
    Result, SessionId, SystemClock, UserId,
    asset::{AssetKind, AssetOptions, TextureOptions},
    blob::FolderBlobs,
    engine::{Engine, ProjectView},
    memory::MemoryBus,
    model::{AssetJob, BuildJob, BuildStatus, BuildType, Project, RuntimeSession, TargetPlatform},
    policy::MountPolicy,
    runtime::{RuntimeSpec, RuntimeType},
    service::{Assets, Builds, Journal, NewSession, Projects, Sessions},
    store::{AssetQuery, PageRequest, Store},
};
use slate_store::postgres::{PgOptions, PgStore};
use std::{
    fs,
    future::Future,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Where the servers are.
pub(crate) struct Addresses {
    pub(crate) store: String,
    pub(crate) bus: String,
    pub(crate) cache: String,
    /// How many servers hold the durable events.
    pub(crate) durable: usize,
}

/// Processes of `slate serve`, each with some of the services, on one data folder.
pub(crate) struct Fleet(Vec<Service>);

impl Fleet {
    /// Starts one process for each of these lists of services, and waits until they are ready.
    pub(crate) fn start(data: &Path, addresses: &Addresses, services: &[&str]) -> Self {
        let mut fleet = Self(Vec::new());
        for only in services {
            let mut command = Command::new(env!("CARGO_BIN_EXE_slate"));
            command.args(["serve", "--only", only, "--data"]).arg(data).current_dir(data).stdout(Stdio::piped());
            command
                .env("SLATE_STORE", &addresses.store)
                .env("SLATE_BUS", &addresses.bus)
                .env("SLATE_CACHE", &addresses.cache)
                .env("SLATE_DURABLE", addresses.durable.to_string())
                .env("SLATE_ARCHIVE", data.join("archive"))
                .env("SLATE_LEASE", "2")
                .env("SLATE_LOG", std::env::var("SLATE_LOG").unwrap_or_else(|_| "error".into()));
            let mut service = Service::start(&mut command);
            let lines = BufReader::new(service.0.stdout.take().unwrap()).lines();
            fleet.0.push(service);
            let ready = lines.map_while(std::io::Result::ok).any(|line| line == "ready");
            assert!(ready, "the process with {only} ended before it was ready");
        }
        fleet
    }

    /// Ends all politely, and tells whether each said that all went well.
    pub(crate) fn end(self) {
        Service::end(self.0);
    }
}

/// Whoever asks for work, through the store.
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) project: Project,
    journal: Journal,
    user: UserId,
}

impl World {
    /// A project in a new store: the game Lantern.
    pub(crate) async fn new(data: &Path, store: &str) -> Self {
        let store: Arc<dyn Store> = Arc::new(PgStore::open(PgOptions::new(store).unwrap()).await.unwrap());
        let journal = Journal::new(Arc::clone(&store), Arc::new(SystemClock));
        let user = UserId::new("tester").unwrap();
        let lantern = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../projects/lantern")).unwrap();
        let mut project = Project::new("Lantern", user.clone(), journal.now());
        project.settings = serde_json::json!({ "path": lantern, "engine": "custom" });
        let projects = Projects::new(journal.clone(), Arc::new(FolderBlobs::open(data.join("blobs")).unwrap()));
        let project = projects.create(project).await.unwrap();
        let engine: &dyn Engine = &slate_custom::Custom;
        let view = ProjectView::read(&lantern, [engine], &[]).unwrap();
        projects.import(project.id, &user, &lantern, &view).await.unwrap();
        Self { store, project, journal, user }
    }

    pub(crate) async fn session(&self, script: &str) -> RuntimeSession {
        let spec = RuntimeSpec::new("session", ["sh", "-c", script]);
        let new = NewSession::new(self.project.id, self.user.clone(), RuntimeType::Custom, "process", spec);
        Sessions::new(self.journal.clone(), MountPolicy::none(), None).create(new).await.unwrap()
    }

    /// Asks for the session's end, and waits for it.
    pub(crate) async fn stop(&self, id: SessionId) {
        Sessions::new(self.journal.clone(), MountPolicy::none(), None).request_stop(id).await.unwrap();
        eventually("the session's end", async || Ok(self.store.session(id).await?.status.is_final().then_some(())))
            .await;
    }

    /// Asks for a build; workers find it by themselves, for this side's bus is another one.
    pub(crate) async fn build(&self) -> BuildJob {
        self.try_build().await.unwrap()
    }

    /// The same, where the store may be away.
    pub(crate) async fn try_build(&self) -> Result<BuildJob> {
        let (kind, target) = (BuildType::Development, TargetPlatform::Linux);
        let build = BuildJob::new(self.project.id, self.user.clone(), kind, target, self.journal.now());
        Builds::new(self.journal.clone(), Arc::new(MemoryBus::new())).enqueue(build).await
    }

    /// Asks for all textures, with options that no cache knows yet.
    pub(crate) async fn assets(&self, quality: u8) -> Vec<AssetJob> {
        let query = AssetQuery::all().of_project(self.project.id).of_kind(AssetKind::Texture);
        let textures = self.store.assets(query, PageRequest::first(100)).await.unwrap().items;
        let mut options = TextureOptions::default();
        options.quality = quality;
        let batch = textures.into_iter().map(|asset| (asset.id, AssetOptions::Texture(options.clone()))).collect();
        let assets = Assets::new(self.journal.clone(), Arc::new(MemoryBus::new()));
        assets.process(self.project.id, &self.user, batch).await.unwrap()
    }

    /// Waits for a sound end of these, and until every event is published.
    pub(crate) async fn done(&self, build: &BuildJob, assets: &[AssetJob]) {
        let build = eventually("the build's end", async || {
            let build = self.store.build(build.id).await?;
            Ok(build.status.is_final().then_some(build))
        })
        .await;
        assert_eq!(build.status, BuildStatus::Completed, "{build:?}");
        for job in assets {
            let job = eventually("the asset's end", async || {
                let job = self.store.asset_job(job.id).await?;
                Ok(job.status.is_final().then_some(job))
            })
            .await;
            assert!(job.output.is_some(), "{job:?}");
        }
        eventually("all events to be published", async || {
            Ok(self.store.unpublished(1).await?.is_empty().then_some(()))
        })
        .await;
    }
}

/// Looks until there is something; an error of a server that is away is looked over.
pub(crate) async fn eventually<T, F: Future<Output = Result<Option<T>>>>(what: &str, look: impl Fn() -> F) -> T {
    let start = Instant::now();
    loop {
        let found = look().await;
        if let Ok(Some(found)) = found {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what} didn't come: {:?}", found.err());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
