use slate_core::{
    Cancel, Error, Result,
    asset::{AssetOutput, CacheKey, Progress},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

type Outcome = Option<Result<Arc<AssetOutput>, Arc<Error>>>;

/// The work that is under way, by cache key: whoever wants the same result waits for the same flight.
///
/// A flight belongs to all who wait for it. One who gives up leaves the others their result; when the last one gives
/// up the work is canceled.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<CacheKey, Arc<Flight>>>>);

pub(super) struct Flight {
    /// Raised when nobody waits any longer.
    pub(super) cancel: Cancel,
    waiters: Mutex<Waiters>,
    outcome: watch::Sender<Outcome>,
}

#[derive(Default)]
struct Waiters {
    next: u64,
    progress: Vec<(u64, Progress)>,
    share: f32,
}

/// One who waits. Dropping it gives up.
pub(super) struct Seat {
    flights: Flights,
    key: CacheKey,
    flight: Arc<Flight>,
    number: u64,
}

impl Flights {
    /// Joins the flight to `key`, and tells whether it is new: then the caller has to start its work.
    pub(super) fn join(&self, key: CacheKey, progress: Progress) -> (Seat, bool) {
        let mut flights = lock(&self.0);
        let new = !flights.contains_key(&key);
        let flight = Arc::clone(flights.entry(key).or_insert_with(|| {
            Arc::new(Flight { cancel: Cancel::new(), waiters: Mutex::default(), outcome: watch::Sender::new(None) })
        }));
        let number = flight.seat(progress);
        (Seat { flights: self.clone(), key, flight, number }, new)
    }

    /// Ends the flight to `key` with `outcome` for all who wait.
    pub(super) fn land(&self, key: CacheKey, flight: &Arc<Flight>, outcome: Result<AssetOutput>) {
        self.forget(key, flight);
        flight.outcome.send_replace(Some(outcome.map(Arc::new).map_err(Arc::new)));
    }

    fn forget(&self, key: CacheKey, flight: &Arc<Flight>) {
        let mut flights = lock(&self.0);
        if flights.get(&key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            flights.remove(&key);
        }
    }
}

impl Flight {
    /// Where the work reports to: all who wait, never falling.
    pub(super) fn progress(self: &Arc<Self>) -> Progress {
        let flight = Arc::clone(self);
        Progress::new(move |share| {
            let mut waiters = lock(&flight.waiters);
            // Workers report out of order; who waits sees the furthest. The end is told with the outcome.
            if share > waiters.share {
                waiters.share = share;
                waiters.progress.iter().for_each(|(_, progress)| progress.report(share.min(0.99)));
            }
        })
    }

    fn seat(&self, progress: Progress) -> u64 {
        let mut waiters = lock(&self.waiters);
        waiters.next += 1;
        let number = waiters.next;
        waiters.progress.push((number, progress));
        number
    }
}

impl Seat {
    pub(super) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// The outcome of the flight, or `Canceled` once `cancel` is raised.
    pub(super) async fn outcome(self, cancel: &Cancel) -> Result<AssetOutput> {
        let mut outcome = self.flight.outcome.subscribe();
        let landed = tokio::select! {
            biased;
            () = cancel.canceled() => return Err(Error::canceled("the work was canceled")),
            landed = outcome.wait_for(Option::is_some) => landed,
        };
        match landed.ok().and_then(|landed| landed.clone()) {
            Some(Ok(output)) => Ok((*output).clone()),
            Some(Err(error)) => Err(copy(&error)),
            None => Err(Error::internal("the work ended without a result")),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut flights = lock(&self.flights.0);
        let mut waiters = lock(&self.flight.waiters);
        waiters.progress.retain(|(number, _)| *number != self.number);
        if waiters.progress.is_empty() {
            // Nobody can join from here on: a flight that is canceled is no use to who comes next.
            if flights.get(&self.key).is_some_and(|current| Arc::ptr_eq(current, &self.flight)) {
                flights.remove(&self.key);
            }
            self.flight.cancel.cancel();
        }
    }
}

/// The same error once more, standing on the first.
fn copy(error: &Arc<Error>) -> Error {
    let copy = Error::new(error.kind(), error.message().to_owned())
        .retry_as(error.retry())
        .at(error.component(), error.operation());
    let copy = error.context().iter().fold(copy, |copy, (key, value)| copy.with(key, value));
    copy.because(Arc::clone(error))
}

pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
