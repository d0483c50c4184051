use crate::{Component, ComponentKind, Descriptor, Error, Result, Version, cache::Cache};
use async_trait::async_trait;
use bytes::Bytes;
use moka::{Expiry, ops::compute::Op, sync};
use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::OnceCell;

const COMPONENT: &str = "cache.memory";

/// [`Cache`] in this process, bounded by bytes: what is used least goes first.
#[derive(Clone)]
pub struct MemoryCache {
    entries: sync::Cache<Arc<str>, Entry>,
    loads: Arc<Mutex<HashMap<Arc<str>, Arc<Load>>>>,
    max_value: usize,
}

/// A value that is being loaded, for all who wait for it.
type Load = OnceCell<Bytes>;

#[derive(Clone)]
struct Entry {
    /// `None` where it is only known that older versions are outdated.
    value: Option<Bytes>,
    version: Option<Version>,
    ttl: Duration,
}

impl Entry {
    fn new(value: Bytes, ttl: Duration) -> Self {
        Self { value: Some(value), version: None, ttl }
    }

    fn size(&self) -> usize {
        self.value.as_ref().map_or(0, Bytes::len)
    }
}

struct ByEntry;

impl Expiry<Arc<str>, Entry> for ByEntry {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(&self, _: &Arc<str>, entry: &Entry, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(entry.ttl)
    }
}

impl MemoryCache {
    /// Bytes that a cache holds by default: 64 MiB.
    pub const DEFAULT_CAPACITY: u64 = 64 << 20;

    /// A cache of at most `capacity` bytes of keys and values; a single value may have a quarter of it.
    pub fn new(capacity: u64) -> Self {
        let entries = sync::Cache::builder()
            .max_capacity(capacity)
            .weigher(|key: &Arc<str>, entry: &Entry| u32::try_from(key.len() + entry.size() + 64).unwrap_or(u32::MAX))
            .expire_after(ByEntry)
            .support_invalidation_closures()
            .build();
        Self { entries, loads: Arc::default(), max_value: usize::try_from(capacity / 4).unwrap_or(usize::MAX) }
    }

    /// The value under `key`; where there is none, what `load` brings, which is kept for `ttl`. Of many who ask at a time one
    /// loads and the others wait for it. A load that fails, or is dropped, is begun anew by the next who waits; one during
    /// which the key was removed is returned but not kept.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn get_or_load(
        &self,
        key: &str,
        ttl: Duration,
        load: impl Future<Output = Result<Bytes>> + Send,
    ) -> Result<Bytes> {
        if let Some(value) = self.value(key) {
            return Ok(value);
        }
        let ours = Arc::clone(self.lock().entry(key.into()).or_default());
        let loaded = ours
            .get_or_try_init(|| async {
                // Somebody's load may have ended between the look and the join.
                if let Some(value) = self.value(key) {
                    return Ok(value);
                }
                let value = load.await?;
                let current = self.lock().get(key).is_some_and(|load| Arc::ptr_eq(load, &ours));
                if current && value.len() <= self.max_value && !ttl.is_zero() {
                    self.entries.insert(key.into(), Entry::new(value.clone(), ttl));
                }
                Ok(value)
            })
            .await
            .cloned();
        let mut loads = self.lock();
        // Two hold it where nobody else waits: the table and this one.
        if loads.get(key).is_some_and(|load| Arc::ptr_eq(load, &ours))
            && (loaded.is_ok() || Arc::strong_count(&ours) == 2)
        {
            loads.remove(key);
        }
        loaded
    }

    fn value(&self, key: &str) -> Option<Bytes> {
        self.entries.get(key)?.value
    }

    fn fits(&self, value: &Bytes, operation: &'static str) -> Result<()> {
        if value.len() <= self.max_value {
            return Ok(());
        }
        Err(Error::limit_exceeded("the value is larger than a quarter of the cache")
            .with("size", value.len())
            .at(COMPONENT, operation))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Load>>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self::new(Self::DEFAULT_CAPACITY)
    }
}

#[async_trait]
impl Component for MemoryCache {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Cache, "memory")
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.value(key))
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        self.fits(&value, "put")?;
        if ttl.is_zero() {
            self.entries.invalidate(key);
        } else {
            self.entries.insert(key.into(), Entry::new(value, ttl));
        }
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.lock().remove(key);
        self.entries.entry(key.into()).and_compute_with(|there| match there {
            Some(there) if there.value().value.is_some() => Op::Remove,
            _ => Op::Nop,
        });
        Ok(())
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        self.lock().retain(|key, _| !key.starts_with(prefix));
        let prefix: Arc<str> = prefix.into();
        self.entries.invalidate_entries_if(move |key, _| key.starts_with(&*prefix)).map(drop).map_err(|error| {
            Error::internal("the cache can't remove by prefix").because(error).at(COMPONENT, "remove_prefix")
        })
    }

    async fn put_newer(&self, key: &str, value: Bytes, version: Version, ttl: Duration) -> Result<bool> {
        self.fits(&value, "put_newer")?;
        if ttl.is_zero() {
            return Ok(false);
        }
        let mut kept = true;
        self.entries.entry(key.into()).and_compute_with(|there| {
            kept = there.is_none_or(|there| there.value().version.is_none_or(|there| there <= version));
            if kept { Op::Put(Entry { value: Some(value), version: Some(version), ttl }) } else { Op::Nop }
        });
        Ok(kept)
    }

    async fn outdate(&self, key: &str, version: Version, ttl: Duration) -> Result<()> {
        self.lock().remove(key);
        self.entries.entry(key.into()).and_compute_with(|there| match there.and_then(|there| there.value().version) {
            Some(there) if there >= version => Op::Nop,
            _ if ttl.is_zero() => Op::Remove,
            _ => Op::Put(Entry { value: None, version: Some(version), ttl }),
        });
        Ok(())
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::Notify;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn of_many_who_ask_one_loads() {
        let (cache, loads) = (MemoryCache::default(), Arc::new(AtomicU32::new(0)));
        let asking = (0..100).map(|_| {
            let (cache, loads) = (cache.clone(), Arc::clone(&loads));
            tokio::spawn(async move {
                let load = async {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    Ok("v".into())
                };
                cache.get_or_load("k", LONG, load).await.unwrap()
            })
        });
        for asked in asking.collect::<Vec<_>>() {
            assert_eq!(asked.await.unwrap(), "v");
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        assert!(cache.lock().is_empty(), "nothing is held for loads that have ended");
    }

    #[tokio::test]
    async fn a_failed_load_is_begun_anew_and_not_kept() {
        let cache = MemoryCache::default();
        assert!(cache.get_or_load("k", LONG, async { Err(Error::unavailable("no")) }).await.is_err());
        assert_eq!(cache.get_or_load("k", LONG, async { Ok("v".into()) }).await.unwrap(), "v");
        assert!(cache.lock().is_empty());
    }

    #[tokio::test]
    async fn what_was_loaded_while_the_key_was_removed_is_not_kept() {
        let (cache, go) = (MemoryCache::default(), Arc::new(Notify::new()));
        let loading = tokio::spawn({
            let (cache, go) = (cache.clone(), Arc::clone(&go));
            async move {
                let load = async {
                    go.notified().await;
                    Ok("old".into())
                };
                cache.get_or_load("k", LONG, load).await
            }
        });
        tokio::task::yield_now().await;
        cache.remove("k").await.unwrap();
        go.notify_one();
        assert_eq!(loading.await.unwrap().unwrap(), "old");
        assert_eq!(cache.get("k").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_value_over_a_quarter_of_the_capacity_is_refused() {
        let cache = MemoryCache::new(400);
        cache.put("fits", vec![0; 100].into(), LONG).await.unwrap();
        let error = cache.put("large", vec![0; 101].into(), LONG).await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::LimitExceeded);
    }

    #[tokio::test]
    async fn the_capacity_holds() {
        let cache = MemoryCache::new(10_000);
        for index in 0..100 {
            cache.put(&format!("key-{index}"), vec![0; 1000].into(), LONG).await.unwrap();
        }
        cache.entries.run_pending_tasks();
        assert!(cache.entries.weighted_size() <= 10_000, "{}", cache.entries.weighted_size());
    }
}
