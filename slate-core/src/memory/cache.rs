use crate::{Component, ComponentKind, Descriptor, Error, Result, cache::Cache};
use async_trait::async_trait;
use bytes::Bytes;
use moka::{Expiry, sync};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

const COMPONENT: &str = "cache.memory";

/// [`Cache`] in this process, bounded by bytes: what is used least goes first.
#[derive(Clone)]
pub struct MemoryCache {
    entries: sync::Cache<Arc<str>, Entry>,
    max_value: usize,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    ttl: Duration,
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
            .weigher(|key: &Arc<str>, entry: &Entry| {
                u32::try_from(key.len() + entry.value.len() + 64).unwrap_or(u32::MAX)
            })
            .expire_after(ByEntry)
            .support_invalidation_closures()
            .build();
        Self { entries, max_value: usize::try_from(capacity / 4).unwrap_or(usize::MAX) }
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
        Ok(self.entries.get(key).map(|entry| entry.value))
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        if value.len() > self.max_value {
            return Err(Error::limit_exceeded("the value is larger than a quarter of the cache")
                .with("size", value.len())
                .at(COMPONENT, "put"));
        }
        if ttl.is_zero() {
            self.entries.invalidate(key);
        } else {
            self.entries.insert(key.into(), Entry { value, ttl });
        }
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.entries.invalidate(key);
        Ok(())
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        let prefix: Arc<str> = prefix.into();
        self.entries.invalidate_entries_if(move |key, _| key.starts_with(&*prefix)).map(drop).map_err(|error| {
            Error::internal("the cache can't remove by prefix").because(error).at(COMPONENT, "remove_prefix")
        })
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}
