//! Records of which it isn't known whether the cache is right about them.

use crate::store::RecordId;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Records in doubt, each until a time. Past [`MAX`](Self::MAX) of them, all are.
pub(super) struct Doubts {
    lasts: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    records: HashMap<RecordId, Instant>,
    all: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    None,
    /// The cache is not to be asked.
    Open,
    /// The time is over: once the cache has forgotten the record, it may be asked again.
    Over,
    /// The time is over: once the cache has forgotten everything, it may be asked again.
    AllOver,
}

impl Doubts {
    /// Most records in doubt, each on its own.
    const MAX: usize = 10_000;

    pub(super) fn new(lasts: Duration) -> Self {
        Self { lasts, state: Mutex::default() }
    }

    pub(super) fn of(&self, id: RecordId) -> Doubt {
        let (state, now) = (self.lock(), Instant::now());
        if let Some(until) = state.all {
            return if now < until { Doubt::Open } else { Doubt::AllOver };
        }
        match state.records.get(&id) {
            None => Doubt::None,
            Some(until) if now < *until => Doubt::Open,
            Some(_) => Doubt::Over,
        }
    }

    pub(super) fn raise(&self, id: RecordId) {
        let mut state = self.lock();
        state.records.insert(id, Instant::now() + self.lasts);
        if state.records.len() > Self::MAX {
            state.records.clear();
            drop(state);
            self.raise_all();
        }
    }

    pub(super) fn raise_all(&self) {
        self.lock().all = Some(Instant::now() + self.lasts);
    }

    /// Ends a doubt whose time is over.
    pub(super) fn settle(&self, id: RecordId) {
        if self.of(id) == Doubt::Over {
            self.lock().records.remove(&id);
        }
    }

    /// Ends the doubt about all records, and whichever about one has had its time.
    pub(super) fn settle_all(&self) {
        let (mut state, now) = (self.lock(), Instant::now());
        if state.all.is_some_and(|until| now >= until) {
            state.all = None;
        }
        state.records.retain(|_, until| now < *until);
    }

    /// Raises a doubt about these records when the guard is dropped unfinished.
    pub(super) fn unless_finished(&self, ids: Vec<RecordId>) -> Guard<'_> {
        Guard { doubts: self, ids }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Guard<'a> {
    doubts: &'a Doubts,
    ids: Vec<RecordId>,
}

impl Guard<'_> {
    /// Ends the guard; where the outcome isn't known, the doubt is raised.
    pub(super) fn finish(mut self, known: bool) {
        if known {
            self.ids.clear();
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        for id in &self.ids {
            self.doubts.raise(*id);
        }
    }
}
