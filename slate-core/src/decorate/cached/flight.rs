//! Reads under way, one of each record, and who waits for them.

use super::parsed::Landed;
use crate::{Error, ErrorKind, Result, Retry, store::RecordId};
use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::OnceCell;

/// What a read brings: the record, that there is none, or why it can't be had. If who reads is dropped, the cell lets another one read.
type Cell = OnceCell<Result<Landed, Failure>>;

#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<RecordId, Arc<Cell>>>);

impl Flights {
    /// Joins the read of this record that is under way, or begins one.
    pub(super) fn join(&self, id: RecordId) -> Flight<'_> {
        let cell = Arc::clone(self.lock().entry(id).or_default());
        Flight { flights: self, id, cell }
    }

    /// Lets the read of this record go on without the cache: who joins from now on reads anew.
    pub(super) fn detach(&self, id: RecordId) {
        self.lock().remove(&id);
    }

    /// The same for all records.
    pub(super) fn detach_all(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecordId, Arc<Cell>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader's part in a read.
pub(super) struct Flight<'a> {
    flights: &'a Flights,
    id: RecordId,
    cell: Arc<Cell>,
}

impl Flight<'_> {
    pub(super) fn cell(&self) -> &Cell {
        &self.cell
    }

    /// Whether nothing was written since the read began.
    pub(super) fn is_current(&self) -> bool {
        self.flights.lock().get(&self.id).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell))
    }
}

impl Drop for Flight<'_> {
    /// Takes the read out of the table once it is done, or once nobody is left to do it.
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        // This reader's share of the cell is given up under the lock, so that the last one sees that it is the last.
        let mine = std::mem::take(&mut self.cell);
        if let Entry::Occupied(entry) = flights.entry(self.id)
            && Arc::ptr_eq(entry.get(), &mine)
        {
            let done = mine.initialized();
            drop(mine);
            if done || Arc::strong_count(entry.get()) == 1 {
                entry.remove();
            }
        }
    }
}

/// An error that each of several readers gets a copy of, without its source.
pub(super) struct Failure {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    place: (&'static str, &'static str),
    context: Vec<(&'static str, String)>,
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            retry: error.retry(),
            message: error.message().to_owned(),
            place: (error.component(), error.operation()),
            context: error.context().to_vec(),
        }
    }

    pub(super) fn to_error(&self) -> Error {
        let error = Error::new(self.kind, self.message.clone()).retry_as(self.retry).at(self.place.0, self.place.1);
        self.context.iter().fold(error, |error, (key, value)| error.with(key, value))
    }
}

/// The slot of a record among `slots`.
pub(super) fn slot(id: RecordId, slots: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    (hasher.finish() % slots as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProjectId;

    #[test]
    fn nothing_is_left_when_every_reader_is_gone() {
        let flights = Flights::default();
        let id = RecordId::Project(ProjectId::new());
        let (first, second) = (flights.join(id), flights.join(id));
        drop(first);
        assert!(second.is_current(), "another one still reads");
        drop(second);
        assert!(flights.lock().is_empty());
    }

    #[test]
    fn who_comes_after_a_write_joins_no_read_from_before() {
        let flights = Flights::default();
        let id = RecordId::Project(ProjectId::new());
        let before = flights.join(id);
        flights.detach(id);
        let after = flights.join(id);
        assert!(!before.is_current() && after.is_current());
        drop(before);
        assert!(after.is_current(), "the old read takes only itself away");
    }

    #[test]
    fn every_reader_gets_the_whole_error() {
        let error = Error::unavailable("no store").with("project", 7).at("store", "project").retry_as(Retry::No);
        let copy = Failure::of(&error).to_error();
        assert_eq!((copy.to_string(), copy.kind(), copy.retry()), (error.to_string(), error.kind(), Retry::No));
    }
}
