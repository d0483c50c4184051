//! A layer that reads a store's records through a cache. The policy is here, the single flight in `flight`, what is in
//! doubt in `doubt`, what was parsed in `parsed`, and the events in `invalidation`.

mod doubt;
mod entry;
mod flight;
mod invalidation;
mod parsed;
mod warm;

pub use invalidation::Invalidation;
pub use warm::warm;

use super::{Layer, Operation, settings::settings};
use crate::{
    Error, ErrorKind, Result, Version,
    cache::Cache,
    chance::{mix, share},
    store::RecordId,
};
use bytes::Bytes;
use doubt::{Doubt, Doubts};
use entry::Decision;
use flight::{Failure, Flight, Flights};
use futures_core::future::BoxFuture;
use futures_util::{StreamExt, stream};
use parsed::{Landed, Parsed};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, MutexGuard};

const SECOND: Duration = Duration::from_secs(1);

/// Records of one write that the cache is told to forget at a time.
const FORGET_AT_A_TIME: usize = 32;

settings! {
    /// How long [`Cached`] keeps records. A time of zero keeps none of that kind.
    CachedOptions {
        /// What keys in the cache start with; stores that share a cache need different ones; default `slate:`.
        prefix / with_prefix: String = "slate:".into(),
        /// Projects; default 3600 s.
        projects / with_projects: Duration = SECOND * 3600,
        /// Files; default 1800 s.
        files / with_files: Duration = SECOND * 1800,
        /// Assets; default 3600 s.
        assets / with_assets: Duration = SECOND * 3600,
        /// Sessions; default 300 s as seed 001 has it, where seed 000 says 30 s.
        sessions / with_sessions: Duration = SECOND * 300,
        /// Builds; default 300 s as seed 001 has it, where seed 000 says 30 s.
        builds / with_builds: Duration = SECOND * 300,
        /// That there is no record of an id; default 5 s.
        missing / with_missing: Duration = SECOND * 5,
        /// How long a record is read from the store alone after a write of unknown outcome, or after the cache couldn't be
        /// told of one; longer than a write may still be on its way; default 60 s.
        doubt / with_doubt: Duration = SECOND * 60,
        /// By how much of it a time to live is drawn longer or shorter, so that what was read together isn't read again
        /// together; 0.0 to 1.0; default 0.1.
        jitter / with_jitter: f64 = 0.1,
        /// What that is drawn from; default `None`: each layer draws differently.
        seed / with_seed: Option<u64> = None,
    }
}

/// Reads projects, files, assets, sessions and builds of a store by id through a [`Cache`]. Goes around a store:
/// `Layered::new(store, Cached::new(cache, options))`.
///
/// # What holds
/// - Lists, claims, quotas, leases, asset jobs, templates, and everything that isn't a read by id, never use the cache.
/// - Of concurrent reads of one record one asks the cache and the store; all get its answer. If that one is dropped,
///   another one asks.
/// - After a write through this layer has returned, successful or not, no read through it yields what was there before.
///   So who decides anew after a `Conflict` decides on what is there.
/// - A value read before a write never gets into the cache after it; of two values that processes put, the one of the higher
///   version stays.
/// - Writes of other processes are seen when their event comes ([`follow`](Self::follow)), or when the record's time ends.
///   What changes without an event or version is seen at that time: of a record from the cache don't trust the lease.
/// - That there is no such record is kept too, for a shorter time.
/// - A cache that fails is as good as none: reads go to the store. A record that the cache couldn't be told to forget is
///   in doubt, and read from the store until it could.
///
/// The cache then holds records as the store has them, as JSON: it deserves the same protection. Clones are the same layer.
#[derive(Clone)]
pub struct Cached(Arc<Shared>);

struct Shared {
    cache: Arc<dyn Cache>,
    options: CachedOptions,
    flights: Flights,
    parsed: Parsed,
    doubts: Doubts,
    /// A fill and a removal of one record take turns, by the record's hash.
    turns: [Mutex<()>; 64],
    draws: AtomicU64,
}

impl Cached {
    /// Keeps records in `cache`.
    pub fn new(cache: Arc<dyn Cache>, options: CachedOptions) -> Self {
        let doubts = Doubts::new(options.doubt);
        let turns = std::array::from_fn(|_| Mutex::new(()));
        let seed = options.seed.unwrap_or_else(|| RandomState::new().hash_one(()));
        Self(Arc::new(Shared {
            cache,
            options,
            flights: Flights::default(),
            parsed: Parsed::default(),
            doubts,
            turns,
            draws: AtomicU64::new(seed),
        }))
    }

    /// Forgets this record: the next read goes to the store.
    ///
    /// A cache that can't be told leaves the record in doubt, and so has the same effect.
    pub async fn forget(&self, id: impl Into<RecordId>) {
        self.0.forget(id.into(), None).await;
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("cache", &self.0.cache.descriptor()).field("options", &self.0.options).finish()
    }
}

impl Layer for Cached {
    async fn call<'a, R, F>(&'a self, _: Operation, run: F) -> Result<R>
    where
        R: Send + 'a,
        F: Fn() -> BoxFuture<'a, Result<R>> + Send + Sync + 'a,
    {
        run().await
    }

    async fn record<'a, R, F>(&'a self, operation: Operation, id: RecordId, run: F) -> Result<R>
    where
        R: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Fn() -> BoxFuture<'a, Result<R>> + Send + Sync + 'a,
    {
        let ttl = self.0.ttl(id);
        if ttl.is_zero() || !self.0.settled(id).await {
            return run().await;
        }
        let flight = self.0.flights.join(id);
        let landed = flight.cell().get_or_init(|| self.0.fetch::<R>(id, &flight, ttl, &run)).await;
        match landed {
            Ok(None) => Err(Error::not_found("no such record").with("record", id).at("store.cached", operation.name)),
            Ok(Some(record)) => match record.downcast_ref::<R>() {
                Some(record) => Ok(record.clone()),
                None => run().await,
            },
            Err(failure) => Err(failure.to_error()),
        }
    }

    async fn write<'a, R, F>(&'a self, _: Operation, touched: Vec<RecordId>, run: F) -> Result<R>
    where
        R: Send + 'a,
        F: Fn() -> BoxFuture<'a, Result<R>> + Send + Sync + 'a,
    {
        let touched: Vec<_> = touched.into_iter().filter(|id| !self.0.ttl(*id).is_zero()).collect();
        // Whoever drops this call leaves the records in doubt: the store may have been told already.
        let guard = self.0.doubts.unless_finished(touched.clone());
        let result = run().await;
        self.0.forget_each(touched).await;
        let unknown = matches!(&result, Err(error) if is_unknown(error.kind()));
        guard.finish(!unknown);
        result
    }

    async fn changed(&self, touched: Vec<RecordId>) {
        self.0.forget_each(touched).await;
    }
}

impl Shared {
    fn ttl(&self, id: RecordId) -> Duration {
        match id {
            RecordId::Project(_) => self.options.projects,
            RecordId::File(_) => self.options.files,
            RecordId::Asset(_) => self.options.assets,
            RecordId::Session(_) => self.options.sessions,
            RecordId::Build(_) => self.options.builds,
            RecordId::AssetJob(_) | RecordId::Template(_) | RecordId::PoolMember(_) => Duration::ZERO,
        }
    }

    /// A time to live, drawn a little longer or shorter.
    fn drawn(&self, ttl: Duration) -> Duration {
        let drawn = share(mix(self.draws.fetch_add(1, Ordering::Relaxed)));
        ttl.mul_f64(1.0 + self.options.jitter.clamp(0.0, 1.0) * (2.0 * drawn - 1.0))
    }

    fn key(&self, id: RecordId) -> String {
        format!("{}{id}", self.options.prefix)
    }

    async fn turn(&self, id: RecordId) -> MutexGuard<'_, ()> {
        self.turns[flight::slot(id, self.turns.len())].lock().await
    }

    /// Whether the cache may be asked for this record; a doubt whose time is over ends here.
    async fn settled(&self, id: RecordId) -> bool {
        match self.doubts.of(id) {
            Doubt::None | Doubt::Open => {}
            Doubt::Over => self.forget(id, None).await,
            Doubt::AllOver => self.forget_all().await,
        }
        self.doubts.of(id) == Doubt::None
    }

    /// Reads a record from the cache, or else from the store into the cache.
    async fn fetch<'a, R>(
        &self,
        id: RecordId,
        flight: &Flight<'_>,
        ttl: Duration,
        run: impl FnOnce() -> BoxFuture<'a, Result<R>>,
    ) -> Result<Landed, Failure>
    where
        R: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let cached = self.cache.get(&self.key(id)).await;
        match &cached {
            Ok(Some(value)) => match self.parsed.read::<R>(id, value) {
                Some(landed) => {
                    count("hit");
                    return Ok(landed);
                }
                // A value that isn't of this type was put by another version of SLATE, and is replaced.
                None => count("miss"),
            },
            Ok(None) => count("miss"),
            Err(_) => count("failed"),
        }
        let read = run().await;
        let (value, ttl) = match &read {
            Ok(record) => match serde_json::to_vec(record) {
                Ok(value) => (Bytes::from(value), ttl),
                Err(error) => return Err(Failure::of(&Error::internal(format!("a record is no JSON: {error}")))),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => (Bytes::from_static(b"null"), self.options.missing),
            Err(error) => return Err(Failure::of(error)),
        };
        if cached.is_ok() {
            self.fill(id, flight, &value, self.drawn(ttl)).await;
        }
        read.map(|record| Some(Arc::new(record) as _)).map_err(|error| Failure::of(&error))
    }

    /// Puts what a flight brought, unless something newer is known.
    async fn fill(&self, id: RecordId, flight: &Flight<'_>, value: &Bytes, ttl: Duration) {
        let _turn = self.turn(id).await;
        if !flight.is_current() {
            return;
        }
        let key = self.key(id);
        let Ok(there) = self.cache.get(&key).await else { return };
        // That there is no record has no version: it is put under the lowest, so that whatever is known of the record wins.
        let version = entry::version(value).unwrap_or(Version(0));
        // A fill that fails leaves what was there, which no older than this fill's reading is.
        let _: Result<()> = match entry::decide(there.as_deref(), value) {
            Decision::Put => self.cache.put_newer(&key, value.clone(), version, ttl).await.map(drop),
            Decision::Remove => self.cache.remove(&key).await,
            Decision::Keep => Ok(()),
        };
    }

    /// Forgets a record, unless what is cached is `known` already or newer.
    async fn forget(&self, id: RecordId, known: Option<Version>) {
        if self.ttl(id).is_zero() {
            return;
        }
        let _turn = self.turn(id).await;
        let key = self.key(id);
        let forgotten = match known {
            // Another process may have read before this version was, and fill the cache only now.
            Some(known) => self.cache.outdate(&key, known, self.options.doubt).await,
            None => self.cache.remove(&key).await,
        };
        // Before the turn ends: a fill that waits for it learns that it is late.
        self.flights.detach(id);
        match forgotten {
            Ok(()) => self.doubts.settle(id),
            Err(_) => self.doubts.raise(id),
        }
    }

    async fn forget_each(&self, ids: Vec<RecordId>) {
        stream::iter(ids).for_each_concurrent(FORGET_AT_A_TIME, |id| self.forget(id, None)).await;
    }

    /// Forgets everything, because what changed isn't known.
    async fn forget_all(&self) {
        // Taken in order, so that two who forget everything don't wait for each other.
        let mut turns = Vec::with_capacity(self.turns.len());
        for turn in &self.turns {
            turns.push(turn.lock().await);
        }
        let forgotten = self.cache.remove_prefix(&self.options.prefix).await;
        self.flights.detach_all();
        match forgotten {
            Ok(()) => self.doubts.settle_all(),
            Err(_) => self.doubts.raise_all(),
        }
    }
}

/// Whether a write that ended so may have been carried out, or may still be.
const fn is_unknown(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TimedOut | ErrorKind::Unavailable | ErrorKind::Canceled | ErrorKind::Internal)
}

fn count(outcome: &'static str) {
    metrics::counter!("slate_store_cached_reads_total", "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryCache;

    #[test]
    fn times_are_drawn_from_the_seed_within_a_tenth() {
        let drawn = |seed| {
            let options = CachedOptions::default().with_seed(Some(seed));
            let cached = Cached::new(Arc::new(MemoryCache::default()), options);
            (0..1000).map(|_| cached.0.drawn(SECOND * 100)).collect::<Vec<_>>()
        };
        let times = drawn(7);
        assert_eq!(times, drawn(7));
        assert_ne!(times, drawn(8));
        assert!(times.iter().all(|time| (SECOND * 90..=SECOND * 110).contains(time)), "{times:?}");
        assert!(times.iter().any(|time| *time < SECOND * 92) && times.iter().any(|time| *time > SECOND * 108));
    }
}
