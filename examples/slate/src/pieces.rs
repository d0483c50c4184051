use crate::{
    config::Config,
    stores::{AnyBus, AnyStore, open_cache},
};
use slate_assets::{LocalPipeline, PipelineOptions};
use slate_core::{
    Error, Result, UserId,
    blob::{Blobs, FolderBlobs},
    cache::Cache,
    decorate::{Cached, CachedOptions, Invalidation, Layered},
    engine::{Detected, Engine, Engines, ProjectView},
    memory::MemoryRuntime,
    model::{Project, Sha256Hex},
    policy::MountPolicy,
    runtime::{RuntimeBackend, RuntimeSpec, VolumeMount},
    service::{BuildWorkerOptions, Pieces, Projects, Services, ServicesOptions, start_all},
};
use slate_process::{ProcessBackend, ProcessOptions};
use slate_store::Maintain;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Where instances with mounts of their own see the project.
const SEEN: &str = "/slate/project";

/// The configured pieces, opened.
pub(crate) struct Opened {
    pub(crate) pieces: Pieces,
    pub(crate) engines: Engines,
    store: AnyStore,
    cache: Option<(Arc<dyn Cache>, Invalidation)>,
}

impl Opened {
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        std::fs::create_dir_all(&config.data)
            .map_err(|error| Error::io("make the data folder", error).with("path", config.data.display()))?;
        let data = std::fs::canonicalize(&config.data)
            .map_err(|error| Error::io("find the data folder", error).with("path", config.data.display()))?;
        let (store, AnyBus { bus, durable }) = (AnyStore::open(config, &data).await?, AnyBus::open(config).await?);
        let runtime: Arc<dyn RuntimeBackend> = match config.runtime.as_str() {
            "memory" => Arc::new(MemoryRuntime::new()),
            "docker" => Arc::new(config.docker.open(&data, realm(config, &data), mounts(config)?).await?),
            _ => Arc::new(ProcessBackend::open(ProcessOptions::new(data.join("instances"))).await?),
        };
        let blobs: Arc<dyn Blobs> = Arc::new(FolderBlobs::open(data.join("blobs"))?);
        let mut options = PipelineOptions::default();
        if config.threads > 0 {
            options = options.with_threads(config.threads);
        }
        let assets = LocalPipeline::builder(Arc::clone(&blobs))
            .with_texture()
            .with_model()
            .with_audio()
            .with_options(options)
            .build()?;
        let mut pieces = Pieces::new(store.store(), Arc::clone(&bus), runtime, Arc::new(assets), blobs);
        pieces.durable = durable;
        let mut cache = None;
        if let Some(opened) = open_cache(config)? {
            let cached = Cached::new(Arc::clone(&opened), CachedOptions::default());
            cache = Some((opened, cached.follow(&*bus).await?));
            pieces.journal = pieces.journal.with_reads(Arc::new(Layered::new(store.store(), cached)));
        }
        let engines = Engines::new().with(slate_custom::Custom).with(slate_godot::Godot::new().with_smoke_run());
        Ok(Self { pieces, engines, store, cache })
    }

    /// Starts all services on the pieces.
    pub(crate) async fn start(&self, config: &Config) -> Result<Services> {
        let data = std::fs::canonicalize(&config.data).map_err(|error| Error::io("find the data folder", error))?;
        let mut builds = BuildWorkerOptions::new(data.join("builds"), self.engines.clone());
        builds.projects = mounts(config)?;
        builds.deployment.clone_from(&config.deployment);
        if config.runtime == "docker" {
            (builds.image, builds.network) = (config.docker.image()?, config.docker.network());
            (builds.owner, builds.copy_projects) = (Some(config.docker.owner(&data)?), true);
        }
        let lease = Duration::from_secs(config.lease);
        (builds.lease, builds.orphan_grace) = (lease, lease * 2);
        let mut options = ServicesOptions::new(builds);
        options.services.clone_from(&config.services);
        options.assets.lease = lease;
        (options.orchestrator.lease, options.orchestrator.orphan_grace) = (lease, lease * 2);
        options.orchestrator.sweep_every = lease * 2;
        options.orchestrator.deployment.clone_from(&config.deployment);
        options.orchestrator.policy = mounts(config)?.into();
        for (name, pool) in &config.pools {
            options.orchestrator.pools.push(pool.open(name, self, config).await?);
        }
        options.pools.pools.clone_from(&options.orchestrator.pools);
        options.pools.deployment.clone_from(&config.deployment);
        (options.pools.lease, options.pools.orphan_grace, options.pools.sweep_every) = (lease, lease * 2, lease * 2);
        start_all(self.pieces.clone(), options).await
    }

    /// Writes what is still held.
    pub(crate) async fn close(self) {
        drop(self.cache);
        if let Err(error) = self.pieces.bus.close().await {
            tracing::warn!(%error, "the bus was not closed");
        }
        self.store.close().await;
    }

    /// The cache that records are shown from, where there is one.
    pub(crate) fn cache(&self) -> Option<&dyn Cache> {
        self.cache.as_ref().map(|(cache, _)| &**cache)
    }

    /// What tidies up the store, where it needs that.
    pub(crate) fn maintain(&self) -> Option<&dyn Maintain> {
        self.store.maintain()
    }

    /// The engines' view of a project's folder, and which of them it is for.
    pub(crate) fn look_at(&self, folder: &Path, engine: Option<&str>) -> Result<Found> {
        let folder = std::fs::canonicalize(folder)
            .map_err(|error| Error::io("find the project's folder", error).with("path", folder.display()))?;
        let view =
            ProjectView::read(&folder, self.engines.iter().map(|engine| &**engine), &["build", "builds", "target"])?;
        let (engine, detected) = match engine {
            Some(name) => {
                let engine = self.engines.named(name)?;
                let detected = engine.detect(&view).ok_or_else(|| {
                    Error::invalid(format!("this is no project of {name}")).with("path", folder.display())
                })?;
                (engine, detected)
            }
            None => self.engines.detect(&view).map_err(|error| error.with("path", folder.display()))?,
        };
        Ok(Found { folder, view, engine, detected })
    }

    /// What the project's engine runs as a session, where this backend's instances see the project.
    pub(crate) fn session_spec(&self, config: &Config, found: &Found) -> Result<RuntimeSpec> {
        let folder = found.folder.to_string_lossy();
        if !self.pieces.runtime.capabilities().mounts {
            return found.engine.session_spec(&found.view, &folder, "session");
        }
        let spec = found.engine.session_spec(&found.view, SEEN, "session")?;
        let spec = spec.with_mount(VolumeMount::bind(folder, SEEN));
        if config.runtime == "docker" { config.docker.apply(spec) } else { Ok(spec) }
    }

    /// The project's record: the one that lies in this folder already, or a new one.
    pub(crate) async fn project(&self, found: &Found) -> Result<(Project, bool)> {
        let projects = Projects::new(self.pieces.journal.clone(), Arc::clone(&self.pieces.blobs));
        let name = found.name();
        let path = found.folder.to_string_lossy().into_owned();
        if let Some(project) = projects.find(&user()?, &name).await?
            && project.settings["path"] == path.as_str()
            && project.settings["engine"] == found.engine.name()
        {
            return Ok((project, false));
        }
        let mut project = Project::new(name, user()?, self.pieces.journal.now());
        project.settings = serde_json::json!({ "path": path, "engine": found.engine.name() });
        Ok((projects.create(project).await?, true))
    }
}

/// A project's folder that an engine recognised.
pub(crate) struct Found {
    pub(crate) folder: PathBuf,
    pub(crate) view: ProjectView,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) detected: Detected,
}

impl Found {
    pub(crate) fn name(&self) -> String {
        let folder = self.folder.file_name().map(|name| name.to_string_lossy().into_owned());
        self.detected.project_name.clone().or(folder).unwrap_or_else(|| "project".into())
    }
}

/// Whoever uses the program on this machine.
pub(crate) fn user() -> Result<UserId> {
    let name = std::env::var("USER").unwrap_or_default();
    UserId::new(name).or_else(|_| UserId::new("local"))
}

/// Whose containers these are: those who share a store and a deployment share them, and sweep no others away.
fn realm(config: &Config, data: &Path) -> String {
    let store = if config.store.contains("://") { config.store.clone() } else { data.to_string_lossy().into_owned() };
    let hash = Sha256Hex::of(format!("{store}\n{}", config.deployment).as_bytes()).to_string();
    format!("slate-{}", &hash[..12])
}

/// The folders that projects may lie in. On one's own machine, without a word about it, that is any folder.
fn mounts(config: &Config) -> Result<MountPolicy> {
    if config.projects.is_empty() {
        return Ok(MountPolicy::any());
    }
    config.projects.iter().try_fold(MountPolicy::none(), |policy, root| {
        let root = std::fs::canonicalize(root)
            .map_err(|error| Error::io("find a projects folder", error).with("path", root.display()))?;
        policy.with_root(&root.to_string_lossy())
    })
}
