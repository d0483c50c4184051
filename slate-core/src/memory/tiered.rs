use super::MemoryCache;
use crate::{Component, Descriptor, ErrorKind, Result, Version, cache::Cache};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::{Mutex, MutexGuard};

/// How many keys at a time can be written, at most; those of one share take turns.
const SHARES: usize = 64;
/// Bytes before a value in the far cache: when its time ends, in milliseconds since the epoch, and its version plus one.
const HEAD: usize = 16;

/// A [`Cache`] of two: a near one in this process, asked first, and a far one that processes share.
///
/// # What holds beyond the contract
/// - What another process changes in the far cache is seen once the near value's time is over, at most
///   [`near_time`](Self::with_near_time), or at once where this cache is told (`remove`, `outdate`), as
///   [`Cached`](crate::decorate::Cached) does it on the event of the change.
/// - A value that was on its way from the far cache while its key was written or removed doesn't get into the near one.
/// - Where the far cache fails, the near one goes on alone; who removes is told.
#[derive(Clone)]
pub struct TieredCache(Arc<Shared>);

struct Shared {
    near: MemoryCache,
    far: Arc<dyn Cache>,
    near_time: Duration,
    /// Writes so far, by the key's hash. Held while writing.
    turns: [Mutex<u64>; SHARES],
}

impl TieredCache {
    /// How long a value stays near by default: 10 s.
    pub const DEFAULT_NEAR_TIME: Duration = Duration::from_secs(10);

    /// Puts `near` before `far`. Keys that are used through this cache are not to be used around it.
    pub fn new(near: MemoryCache, far: Arc<dyn Cache>) -> Self {
        Self::with_near_time(near, far, Self::DEFAULT_NEAR_TIME)
    }

    /// The same, where a value stays near for at most `near_time`.
    pub fn with_near_time(near: MemoryCache, far: Arc<dyn Cache>, near_time: Duration) -> Self {
        let turns = std::array::from_fn(|_| Mutex::new(0));
        Self(Arc::new(Shared { near, far, near_time, turns }))
    }
}

impl Shared {
    async fn turn(&self, key: &str) -> MutexGuard<'_, u64> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.turns[(hasher.finish() % SHARES as u64) as usize].lock().await
    }

    /// The turn to write `key`. A value on its way here learns that it is late.
    async fn write(&self, key: &str) -> MutexGuard<'_, u64> {
        let mut turn = self.turn(key).await;
        *turn += 1;
        turn
    }

    /// Keeps what came from the far cache, or what goes there.
    async fn keep(&self, key: &str, value: &Bytes, version: Option<Version>, time: Duration) {
        let time = time.min(self.near_time);
        // A value too large for the near cache is in the far one.
        let _kept: Result<()> = match version {
            Some(version) => self.near.put_newer(key, value.clone(), version, time).await.map(drop),
            None => self.near.put(key, value.clone(), time).await,
        };
    }
}

#[async_trait]
impl Component for TieredCache {
    fn descriptor(&self) -> Descriptor {
        self.0.far.descriptor()
    }

    async fn ping(&self) -> Result<()> {
        self.0.far.ping().await
    }
}

#[async_trait]
impl Cache for TieredCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let shared = &*self.0;
        if let Some(value) = shared.near.get(key).await? {
            count("near");
            return Ok(Some(value));
        }
        let before = *shared.turn(key).await;
        let Some(found) = shared.far.get(key).await?.as_ref().and_then(Entry::read) else {
            count("miss");
            return Ok(None);
        };
        count("far");
        let turn = shared.turn(key).await;
        if *turn == before {
            shared.keep(key, &found.value, found.version, found.left()).await;
        }
        Ok(if found.left().is_zero() { None } else { Some(found.value) })
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        if ttl.is_zero() {
            return self.remove(key).await;
        }
        let shared = &*self.0;
        let _turn = shared.write(key).await;
        // First near, so that a value which this one replaces isn't returned any more, however long the far cache takes.
        shared.near.remove(key).await?;
        match shared.far.put(key, Entry::write(&value, None, ttl), ttl).await {
            Err(error) if error.kind() == ErrorKind::LimitExceeded => Err(error),
            _ => {
                shared.keep(key, &value, None, ttl).await;
                Ok(())
            }
        }
    }

    async fn remove(&self, key: &str) -> Result<()> {
        let shared = &*self.0;
        let _turn = shared.write(key).await;
        shared.near.remove(key).await?;
        shared.far.remove(key).await
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        let shared = &*self.0;
        // Taken in order, so that two who do this don't wait for each other.
        let mut turns = Vec::with_capacity(SHARES);
        for turn in &shared.turns {
            let mut turn = turn.lock().await;
            *turn += 1;
            turns.push(turn);
        }
        shared.near.remove_prefix(prefix).await?;
        shared.far.remove_prefix(prefix).await
    }

    async fn put_newer(&self, key: &str, value: Bytes, version: Version, ttl: Duration) -> Result<bool> {
        let shared = &*self.0;
        let _turn = shared.write(key).await;
        let kept = match shared.far.put_newer(key, Entry::write(&value, Some(version), ttl), version, ttl).await {
            Ok(kept) => kept,
            Err(error) if error.kind() == ErrorKind::LimitExceeded => return Err(error),
            // The near cache goes on alone, and compares versions too.
            Err(_) => true,
        };
        if kept {
            shared.keep(key, &value, Some(version), ttl).await;
        } else {
            // The far cache knows of something newer: what is near may be as old as this.
            shared.near.outdate(key, version.next(), shared.near_time).await?;
        }
        Ok(kept)
    }

    async fn outdate(&self, key: &str, version: Version, ttl: Duration) -> Result<()> {
        let shared = &*self.0;
        let _turn = shared.write(key).await;
        shared.near.outdate(key, version, ttl).await?;
        shared.far.outdate(key, version, ttl).await
    }
}

/// A value as it lies in the far cache, which doesn't tell for how long yet.
struct Entry {
    ends: u64,
    version: Option<Version>,
    value: Bytes,
}

impl Entry {
    fn write(value: &Bytes, version: Option<Version>, ttl: Duration) -> Bytes {
        let ends = now().saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        let mut entry = Vec::with_capacity(HEAD + value.len());
        entry.extend(ends.to_be_bytes());
        entry.extend(version.map_or(0, |version| version.0.saturating_add(1)).to_be_bytes());
        entry.extend(value);
        entry.into()
    }

    fn read(entry: &Bytes) -> Option<Self> {
        let number = |at: usize| Some(u64::from_be_bytes(entry.get(at..at + 8)?.try_into().ok()?));
        let (ends, version) = (number(0)?, number(8)?);
        Some(Self { ends, version: version.checked_sub(1).map(Version), value: entry.slice(HEAD..) })
    }

    fn left(&self) -> Duration {
        Duration::from_millis(self.ends.saturating_sub(now()))
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn count(tier: &'static str) {
    metrics::counter!("slate_cache_reads_total", "tier" => tier).increment(1);
}

impl fmt::Debug for TieredCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredCache").field("near", &self.0.near).field("far", &self.0.far.descriptor()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decorate::{Faulty, FaultyOptions, Layered};

    const LONG: Duration = Duration::from_secs(60);

    fn two() -> (TieredCache, MemoryCache) {
        let far = MemoryCache::default();
        (TieredCache::new(MemoryCache::default(), Arc::new(far.clone())), far)
    }

    #[tokio::test]
    async fn the_near_cache_answers_first_and_for_its_time() {
        let far = MemoryCache::default();
        let time = Duration::from_millis(50);
        let cache = TieredCache::with_near_time(MemoryCache::default(), Arc::new(far.clone()), time);
        let other = TieredCache::new(MemoryCache::default(), Arc::new(far));
        cache.put("a", "1".into(), LONG).await.unwrap();
        other.put("a", "2".into(), LONG).await.unwrap();
        assert_eq!(cache.get("a").await.unwrap(), Some("1".into()), "near");
        tokio::time::sleep(time * 2).await;
        assert_eq!(cache.get("a").await.unwrap(), Some("2".into()), "far");
    }

    #[tokio::test]
    async fn what_comes_from_afar_keeps_its_time() {
        let (cache, far) = two();
        let other = TieredCache::new(MemoryCache::default(), Arc::new(far));
        cache.put("a", "1".into(), Duration::from_millis(80)).await.unwrap();
        assert_eq!(other.get("a").await.unwrap(), Some("1".into()));
        tokio::time::sleep(Duration::from_millis(120)).await;
        assert_eq!(other.get("a").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_newer_value_afar_outdates_what_is_near() {
        let (cache, far) = two();
        let other = TieredCache::new(MemoryCache::default(), Arc::new(far));
        cache.put_newer("a", "1".into(), Version(1), LONG).await.unwrap();
        other.put_newer("a", "2".into(), Version(2), LONG).await.unwrap();
        assert!(!cache.put_newer("a", "1".into(), Version(1), LONG).await.unwrap());
        assert_eq!(cache.get("a").await.unwrap(), Some("2".into()));
    }

    #[tokio::test]
    async fn without_the_far_cache_the_near_one_goes_on() {
        let failing = Faulty::new(FaultyOptions::default().with_errors(1.0));
        let far = Arc::new(Layered::new(Arc::new(MemoryCache::default()), failing));
        let cache = TieredCache::new(MemoryCache::default(), far);
        assert!(cache.put_newer("a", "1".into(), Version(1), LONG).await.unwrap());
        assert_eq!(cache.get("a").await.unwrap(), Some("1".into()));
        assert!(cache.remove("a").await.is_err(), "others may still see it");
        assert!(cache.get("a").await.is_err(), "gone from here");
    }
}
