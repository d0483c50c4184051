mod artifacts;
mod assets;
mod client;
mod copy;
mod run;
mod step;
mod track;

pub use client::Builds;

use super::{
    Journal, LogSink,
    leases::Leases,
    sweep::sweep,
    task::{Backoff, Handle, repeat},
    worker::Worker,
};
use crate::{
    Cancel, Result,
    asset::AssetPipeline,
    blob::Blobs,
    bus::{EventBus, SubscribeOptions, filters},
    engine::Engines,
    policy::MountPolicy,
    runtime::{ImageRef, NetworkMode, RuntimeBackend},
    store::{Queue, Record},
};
use std::{path::PathBuf, sync::Arc, time::Duration};

const NAME: &str = "builds";

/// How the build worker works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BuildWorkerOptions {
    /// The folder below which builds put their output, `{workspace}/{build id}`; made where it isn't there.
    pub workspace: PathBuf,
    /// Which folders projects may lie in; default none.
    pub projects: MountPolicy,
    /// The engines whose projects it builds.
    pub engines: Engines,
    /// Whose instances these are, where several deployments share a backend; default `default`.
    pub deployment: String,
    /// Builds at a time; default 1.
    pub concurrency: usize,
    /// How long a build stays with a worker that is heard of no more; default 30 s.
    pub lease: Duration,
    /// Longest wait until the store is asked for builds again; default 1 s.
    pub poll: Duration,
    /// How often a build is tried that fails for reasons not its own; default 3.
    pub max_attempts: u32,
    /// Wait before the second try, doubled for each further one, at most a minute; default 2 s.
    pub retry_after: Duration,
    /// Longest time that one step may take; default 2 hours.
    pub step_timeout: Duration,
    /// Time that a step has to end politely when it is canceled; default 5 s.
    pub stop_grace: Duration,
    /// Shortest time between two records of a build's progress; default 500 ms.
    pub progress_every: Duration,
    /// Most files of an output; default 10 000.
    pub max_artifacts: usize,
    /// Age under which an instance is never taken for an orphan; default 30 s.
    pub orphan_grace: Duration,
    /// The image that steps run from, instead of the one that the engine names; default none.
    pub image: Option<ImageRef>,
    /// How steps are connected, instead of what the engine says; default none.
    pub network: Option<NetworkMode>,
    /// The user and group id that steps run as where that isn't this process's own: the output's folder is given to them.
    /// Default none.
    pub owner: Option<(u32, u32)>,
    /// Whether steps work on a copy of the project below the workspace, so that a build changes nothing in the project and
    /// begins without what an earlier one left there; default `false`: on the project's own folder. Hidden files are copied
    /// too, `.git` and symbolic links aren't.
    pub copy_projects: bool,
}

impl BuildWorkerOptions {
    /// The defaults, with output below `workspace`.
    pub fn new(workspace: impl Into<PathBuf>, engines: Engines) -> Self {
        Self {
            workspace: workspace.into(),
            projects: MountPolicy::none(),
            engines,
            deployment: "default".into(),
            concurrency: 1,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            max_attempts: 3,
            retry_after: Duration::from_secs(2),
            step_timeout: Duration::from_secs(2 * 3600),
            stop_grace: Duration::from_secs(5),
            progress_every: Duration::from_millis(500),
            max_artifacts: 10_000,
            orphan_grace: Duration::from_secs(30),
            image: None,
            network: None,
            owner: None,
            copy_projects: false,
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff { first: self.retry_after, most: Duration::from_secs(60) }
    }
}

/// Builds what waits: claims a build, asks the engine for a plan, runs its steps as instances of the runtime backend, stage
/// by stage, and records progress, log lines, artifacts and a verdict by evidence.
#[derive(Debug)]
pub struct BuildWorker;

/// What a worker builds with.
#[derive(Clone)]
pub(super) struct Context {
    journal: Journal,
    runtime: Arc<dyn RuntimeBackend>,
    assets: Arc<dyn AssetPipeline>,
    blobs: Arc<dyn Blobs>,
    logs: LogSink,
    leases: Arc<Leases>,
    options: Arc<BuildWorkerOptions>,
}

impl BuildWorker {
    /// Starts it.
    ///
    /// # Errors
    /// Those of [`EventBus::subscribe`].
    pub async fn start(
        journal: Journal,
        bus: Arc<dyn EventBus>,
        runtime: Arc<dyn RuntimeBackend>,
        assets: Arc<dyn AssetPipeline>,
        blobs: Arc<dyn Blobs>,
        logs: LogSink,
        options: BuildWorkerOptions,
    ) -> Result<Handle> {
        let leases = Worker::leases(NAME, options.lease);
        let wake =
            bus.subscribe(&filters::build_jobs(), SubscribeOptions::default().with_queue("build-workers")).await?;
        let worker = Worker {
            name: NAME,
            journal: journal.clone(),
            queue: Queue::Builds,
            leases: Arc::clone(&leases),
            poll: options.poll,
            concurrency: options.concurrency,
        };
        let options = Arc::new(options);
        let context = Context { journal, runtime, assets, blobs, logs, leases, options };
        let cancel = Cancel::new();
        Ok(Handle::spawn(NAME, cancel.clone(), async move {
            let sweeping = {
                let (context, cancel) = (context.clone(), cancel.clone());
                tokio::spawn(async move { clean(&context, &cancel).await })
            };
            worker
                .run(&cancel, Some(wake), move |record, work| {
                    let context = context.clone();
                    async move {
                        if let Record::Build(build) = record {
                            run::run(context, build, work).await;
                        }
                    }
                })
                .await;
            let _ = sweeping.await;
        }))
    }
}

async fn clean(context: &Context, cancel: &Cancel) {
    let options = &context.options;
    repeat(NAME, cancel, || async {
        sweep(&context.journal, &*context.runtime, &options.deployment, options.orphan_grace).await?;
        Ok(Duration::from_secs(30))
    })
    .await;
}
