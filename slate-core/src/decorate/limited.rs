use super::{Layer, Operation, Pace, settings::settings};
use crate::{Error, Result};
use futures_core::future::BoxFuture;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

settings! {
    /// How [`Limited`] bounds.
    LimitedOptions {
        /// Most calls at a time, at least 1; default 64.
        concurrent / with_concurrent: usize = 64,
        /// Most calls that wait for a place; a further one fails at once; default 1024.
        waiting / with_waiting: usize = 1024,
        /// The longest time that a call waits for a place; default 10 s.
        patience / with_patience: Duration = Duration::from_secs(10),
        /// The longest time that a quick call may take once it has a place; default 30 s, `None` doesn't bound it.
        timeout / with_timeout: Option<Duration> = Some(Duration::from_secs(30)),
    }
}

/// Bounds how many calls are made at a time, how many wait, and how long one takes.
///
/// - A call that finds the line full, or waits in it longer than `patience`, gives `ResourceExhausted`: it wasn't begun.
/// - A call that takes longer than `timeout` gives `TimedOut` and is dropped; whether it was carried out isn't known.
/// - Calls of [`Pace::Long`] (stopping an instance, storing a blob, processing an asset) take a place, but as long as they
///   need. Those of [`Pace::Waiting`] (a request on the bus) aren't bounded at all: the answer may need the place.
/// - Who came first is served first. A call that is dropped gives its place back.
///
/// Clones share the places, so one limit can be around several components.
#[derive(Clone, Debug)]
pub struct Limited(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: LimitedOptions,
    places: Semaphore,
    waiting: AtomicUsize,
}

impl Limited {
    /// Bounds as `options` say.
    pub fn new(options: LimitedOptions) -> Self {
        let places = Semaphore::new(options.concurrent.clamp(1, Semaphore::MAX_PERMITS));
        Self(Arc::new(Shared { options, places, waiting: AtomicUsize::new(0) }))
    }

    /// Calls that wait for a place now.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Acquire)
    }

    async fn place(&self, operation: Operation) -> Result<SemaphorePermit<'_>> {
        let Shared { options, places, .. } = &*self.0;
        if let Ok(place) = places.try_acquire() {
            return Ok(place);
        }
        let refused = |message| Error::resource_exhausted(message).at(operation.kind.as_str(), operation.name);
        let _waits = Waits::join(&self.0)
            .ok_or_else(|| refused("too many calls wait already").with("limit", options.waiting))?;
        match timeout(options.patience, places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(refused("no calls are made any more")),
            Err(_) => Err(refused("no place came free in time").with("limit", options.concurrent)),
        }
    }
}

impl Default for Limited {
    fn default() -> Self {
        Self::new(LimitedOptions::default())
    }
}

impl Layer for Limited {
    async fn call<'a, R, F>(&'a self, operation: Operation, run: F) -> Result<R>
    where
        R: Send + 'a,
        F: Fn() -> BoxFuture<'a, Result<R>> + Send + Sync + 'a,
    {
        if operation.pace == Pace::Waiting {
            return run().await;
        }
        let _place = self.place(operation).await?;
        match self.0.options.timeout {
            Some(limit) if operation.pace == Pace::Quick => timeout(limit, run()).await.unwrap_or_else(|_| {
                Err(Error::timed_out("the call took too long; it may have been carried out")
                    .with("limit_ms", limit.as_millis())
                    .at(operation.kind.as_str(), operation.name))
            }),
            _ => run().await,
        }
    }
}

/// A place in the line, given back when it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn join(shared: &'a Shared) -> Option<Self> {
        let room = |waiting: usize| (waiting < shared.options.waiting).then_some(waiting + 1);
        let joined = shared.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, room);
        joined.is_ok().then_some(Self(&shared.waiting))
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
