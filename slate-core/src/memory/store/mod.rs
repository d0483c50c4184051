//! A store that keeps everything in this process, and forgets it with the process.

mod events;
mod jobs;
mod logs;
mod metrics;
mod pools;
mod record;
mod records;
mod stage;
mod state;

use crate::{
    Clock, Component, ComponentKind, Descriptor, Result, SystemClock, Timestamp,
    store::{Applied, ChangeSet, ChangeStore},
};
use async_trait::async_trait;
use stage::Stage;
use state::State;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Where errors of this store say that they come from.
const PLACE: &str = "store.memory";

/// A [`Store`](crate::store::Store) in this process: plain maps under one lock.
///
/// It is the reference: what it answers is what every other store must answer. Its leases run by the clock that it is
/// given, so a test decides when they end.
///
/// ```
/// use slate_core::{UserId, Timestamp, memory::MemoryStore, model::Project, store::{ProjectStore, StoreExt}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> slate_core::Result<()> {
/// let store = MemoryStore::new();
/// let project = Project::new("Breakout", UserId::new("ada")?, Timestamp::now());
/// store.create(project.clone().into()).await?;
/// assert_eq!(store.project(project.id).await?, project);
/// # Ok(()) }
/// ```
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store on the system's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store on this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The state. Nothing panics while it is half changed, so a poisoned lock guards a whole one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Component for MemoryStore {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Store, "memory")
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl ChangeStore for MemoryStore {
    async fn apply(&self, set: ChangeSet) -> Result<Applied> {
        set.check().map_err(|error| error.at(PLACE, "apply"))?;
        let mut state = self.state();
        if let Some(result) = state.replay(&set).map_err(|error| error.at(PLACE, "apply"))? {
            return Ok(Applied { replayed: Some(result), ..Applied::default() });
        }
        let staged = Stage::of(&state, set, self.now()).map_err(|error| error.at(PLACE, "apply"))?;
        Ok(state.commit(staged))
    }
}
