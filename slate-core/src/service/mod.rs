//! The services: what runs on the traits. Each has Options, starts with `start`, and is ended by its [`Handle`].
//!
//! [`start_all`] runs them together in one process; each runs alone as well, in a process of its own, on a store and a bus
//! that they share. What others ask of them goes through [`Projects`], [`Sessions`], [`Builds`] and [`Assets`], which record
//! wishes in the store.

mod analytics;
mod assets;
mod builds;
mod journal;
mod leases;
mod logs;
mod orchestrator;
mod pool;
mod projects;
mod relay;
mod sessions;
mod sweep;
mod task;
mod worker;

pub use analytics::{Analytics, AnalyticsOptions, AnalyticsReport};
pub use assets::{AssetProcessor, AssetWorkerOptions, Assets};
pub use builds::{BuildWorker, BuildWorkerOptions, Builds};
pub use journal::Journal;
pub use logs::{LogAggregator, LogOptions, LogSink};
pub use orchestrator::{Orchestrator, OrchestratorOptions};
pub use pool::{Pool, PoolKeeper, PoolKeeperOptions};
pub use projects::{Imported, Projects};
pub use relay::{Relay, RelayOptions};
pub use sessions::{NewSession, Sessions};
pub use task::Handle;

use crate::{
    Clock, Result, SystemClock,
    asset::AssetPipeline,
    blob::Blobs,
    bus::{DurableBus, EventBus},
    runtime::RuntimeBackend,
    store::Store,
};
use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

/// The pieces that the services run on.
#[derive(Clone)]
#[non_exhaustive]
pub struct Pieces {
    /// Where everything is recorded.
    pub journal: Journal,
    /// What the services talk over.
    pub bus: Arc<dyn EventBus>,
    /// Where stored events go for consumers that must not miss any; default nowhere.
    pub durable: Option<Arc<dyn DurableBus>>,
    /// What runs sessions and build steps.
    pub runtime: Arc<dyn RuntimeBackend>,
    /// What processes assets.
    pub assets: Arc<dyn AssetPipeline>,
    /// Where large bytes are.
    pub blobs: Arc<dyn Blobs>,
}

impl Pieces {
    /// These pieces, on the system's clock.
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn EventBus>,
        runtime: Arc<dyn RuntimeBackend>,
        assets: Arc<dyn AssetPipeline>,
        blobs: Arc<dyn Blobs>,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Self { journal: Journal::new(store, clock), bus, durable: None, runtime, assets, blobs }
    }

    /// Publishes stored events here too.
    #[must_use]
    pub fn with_durable(mut self, durable: Arc<dyn DurableBus>) -> Self {
        self.durable = Some(durable);
        self
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entry(&self.journal.store().descriptor())
            .entry(&self.bus.descriptor())
            .entry(&self.runtime.descriptor())
            .entry(&self.assets.descriptor())
            .entry(&self.blobs.descriptor())
            .finish()
    }
}

crate::wire::wire_enum! {
    /// One of the services that [`start_all`] runs.
    Service {
        /// Takes log lines that come over the bus; see [`LogAggregator`].
        Logs = "logs",
        /// Runs sessions and answers commands; see [`Orchestrator`].
        Orchestrator = "orchestrator",
        /// Works on builds; see [`BuildWorker`].
        Builds = "builds",
        /// Works on asset jobs; see [`AssetProcessor`].
        Assets = "assets",
        /// Counts events; see [`Analytics`].
        Analytics = "analytics",
        /// Keeps warm pools, where there are any; see [`PoolKeeper`].
        Pools = "pools",
    }
}

/// How all services work.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServicesOptions {
    /// Which run in this process; default all of them. Every process has a relay and stores its own log lines, whichever
    /// services it runs.
    pub services: BTreeSet<Service>,
    /// How the relay works.
    pub relay: RelayOptions,
    /// How the log aggregator works.
    pub logs: LogOptions,
    /// How the orchestrator works.
    pub orchestrator: OrchestratorOptions,
    /// How the build worker works.
    pub builds: BuildWorkerOptions,
    /// How the asset processor works.
    pub assets: AssetWorkerOptions,
    /// How analytics works.
    pub analytics: AnalyticsOptions,
    /// How the keeper of pools works; default: there are none, and no keeper is started. The orchestrator needs the same pools
    /// in its own options.
    pub pools: PoolKeeperOptions,
    /// Longest time that one service may take to end; default 30 s.
    pub shutdown: Duration,
}

impl ServicesOptions {
    /// The defaults of every service, with these for builds.
    pub fn new(builds: BuildWorkerOptions) -> Self {
        Self {
            services: Service::ALL.iter().copied().collect(),
            relay: RelayOptions::default(),
            logs: LogOptions::default(),
            orchestrator: OrchestratorOptions::default(),
            builds,
            assets: AssetWorkerOptions::default(),
            analytics: AnalyticsOptions::default(),
            pools: PoolKeeperOptions::new(Vec::new()),
            shutdown: Duration::from_secs(30),
        }
    }
}

/// All services, running.
#[derive(Debug)]
pub struct Services {
    /// In the order in which they end: those that make lines and events before those that carry them.
    handles: Vec<Handle>,
    shutdown: Duration,
    logs: LogSink,
}

/// Starts the services that the options name, and the relay, in this process.
///
/// # Errors
/// Those of [`EventBus::subscribe`] and of [`PoolKeeper::start`]; what was started before is asked to end, and not waited for.
pub async fn start_all(pieces: Pieces, options: ServicesOptions) -> Result<Services> {
    let Pieces { journal, bus, durable, runtime, assets, blobs } = pieces;
    let clock = Arc::clone(journal.clock());
    let store = Arc::clone(journal.store());
    let runs = |service| options.services.contains(&service);
    // First, for it alone can be refused.
    let keeps = runs(Service::Pools) && !options.pools.pools.is_empty();
    let keeper = keeps.then(|| PoolKeeper::start(journal.clone(), Arc::clone(&runtime), options.pools)).transpose()?;
    let (logs, aggregator) = if runs(Service::Logs) {
        LogAggregator::start(store, Arc::clone(&bus), clock, options.logs).await?
    } else {
        LogAggregator::start_local(store, Arc::clone(&bus), clock, options.logs)
    };
    let relay = Relay::start(journal.clone(), Arc::clone(&bus), durable, options.relay);
    let mut handles = Vec::new();
    if runs(Service::Builds) {
        let (bus, runtime, assets) = (Arc::clone(&bus), Arc::clone(&runtime), Arc::clone(&assets));
        let (journal, blobs, logs) = (journal.clone(), Arc::clone(&blobs), logs.clone());
        handles.push(BuildWorker::start(journal, bus, runtime, assets, blobs, logs, options.builds).await?);
    }
    if runs(Service::Assets) {
        let (journal, bus, logs) = (journal.clone(), Arc::clone(&bus), logs.clone());
        handles.push(AssetProcessor::start(journal, bus, assets, blobs, logs, options.assets).await?);
    }
    if runs(Service::Orchestrator) {
        let logs = logs.clone();
        handles.push(Orchestrator::start(journal.clone(), bus, runtime, logs, options.orchestrator).await?);
    }
    if let Some(keeper) = keeper {
        handles.push(keeper);
    }
    handles.extend([aggregator, relay]);
    if runs(Service::Analytics) {
        handles.push(Analytics::start(journal, options.analytics));
    }
    Ok(Services { handles, shutdown: options.shutdown, logs })
}

impl Services {
    /// Where lines can be brought.
    pub fn logs(&self) -> &LogSink {
        &self.logs
    }

    /// The services that have ended though nobody asked for it.
    pub fn ended(&self) -> Vec<&'static str> {
        self.handles.iter().filter(|handle| !handle.is_running()).map(Handle::name).collect()
    }

    /// Ends all services, each after what it depends on less: work first, then logs, then the relay. What they hold is
    /// written; sessions go on and are adopted at the next start.
    ///
    /// # Errors
    /// The first error of a service; the others are ended all the same.
    pub async fn shutdown(self) -> Result<()> {
        let mut result = Ok(());
        for handle in self.handles {
            let ended = handle.shutdown(self.shutdown).await;
            if result.is_ok() {
                result = ended;
            }
        }
        result
    }
}
