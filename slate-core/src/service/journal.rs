use crate::{
    Clock, Result, Timestamp,
    bus::event::Event,
    model::{Aggregate, NewEvent},
    store::{Applied, ChangeSet, RecordId, Store},
};
use std::{fmt, sync::Arc};
use tokio::sync::Notify;

/// Where services write: the store, and the bell that wakes the relay when an event was stored.
#[derive(Clone)]
pub struct Journal {
    store: Arc<dyn Store>,
    reads: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    bell: Arc<Notify>,
}

impl Journal {
    /// A journal on this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { reads: Arc::clone(&store), store, clock, bell: Arc::default() }
    }

    /// Answers questions for a record from `reads`: the same store behind a cache, or a replica of it. Decisions are made on the
    /// store alone.
    #[must_use]
    pub fn with_reads(mut self, reads: Arc<dyn Store>) -> Self {
        self.reads = reads;
        self
    }

    /// The store, for reading what is decided on.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Where what is shown is read, which may be a little behind the store.
    pub fn reads(&self) -> &Arc<dyn Store> {
        &self.reads
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Applies a set and wakes the relay where it holds events.
    ///
    /// # Errors
    /// Those of [`ChangeStore::apply`](crate::store::ChangeStore::apply).
    pub async fn apply(&self, set: ChangeSet) -> Result<Applied> {
        let has_events = !set.events.is_empty();
        let applied = self.store.apply(set).await?;
        if has_events {
            self.bell.notify_one();
        }
        Ok(applied)
    }

    /// Returns when an event was stored by this process since the last call.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Journal").field(&self.store.descriptor()).finish()
    }
}

/// An event about a record, as it is stored with the change that gives the record `version`.
pub(super) fn event_about(
    event: impl Into<Event>,
    id: impl Into<RecordId>,
    version: crate::Version,
) -> Result<NewEvent> {
    event.into().to_stored(Some(Aggregate { name: id.into().to_string(), version }))
}
