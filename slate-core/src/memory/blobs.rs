use crate::{
    BoxStream, Component, ComponentKind, Descriptor, Error, Result, Timestamp,
    blob::{BlobInfo, BlobKey, Blobs},
    model::Sha256Hex,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

const COMPONENT: &str = "blobs.memory";

/// [`Blobs`] in this process, up to a number of bytes together. Clones are the same blobs.
#[derive(Clone, Debug)]
pub struct MemoryBlobs {
    entries: Arc<Mutex<BTreeMap<BlobKey, (BlobInfo, Bytes)>>>,
    capacity: u64,
}

impl MemoryBlobs {
    /// Bytes that are held by default: 1 GiB.
    pub const DEFAULT_CAPACITY: u64 = 1 << 30;

    /// Blobs of at most `capacity` bytes together; storing more gives `ResourceExhausted`.
    pub fn new(capacity: u64) -> Self {
        Self { entries: Arc::default(), capacity }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BlobKey, (BlobInfo, Bytes)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find<T>(&self, key: &BlobKey, pick: impl FnOnce(&(BlobInfo, Bytes)) -> T) -> Result<T> {
        let found = self.lock().get(key).map(pick);
        found.ok_or_else(|| Error::not_found("no such blob").with("key", key).at(COMPONENT, "get"))
    }
}

impl Default for MemoryBlobs {
    fn default() -> Self {
        Self::new(Self::DEFAULT_CAPACITY)
    }
}

#[async_trait]
impl Component for MemoryBlobs {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Blobs, "memory")
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, key: &BlobKey, mut body: BoxStream<Result<Bytes>>) -> Result<BlobInfo> {
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() as u64 > self.capacity {
                break;
            }
        }
        let bytes = Bytes::from(bytes);
        let info = BlobInfo {
            key: key.clone(),
            size: bytes.len() as u64,
            sha256: Some(Sha256Hex::of(&bytes)),
            modified_at: Timestamp::now(),
        };
        let mut entries = self.lock();
        let others: u64 = entries.iter().filter(|(other, _)| *other != key).map(|(_, (info, _))| info.size).sum();
        if others + info.size > self.capacity {
            return Err(Error::resource_exhausted("no room for the blob").with("key", key).at(COMPONENT, "put"));
        }
        entries.insert(key.clone(), (info.clone(), bytes));
        Ok(info)
    }

    fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> BoxStream<Result<Bytes>> {
        let found = self.find(key, |(_, bytes)| {
            let range = range.unwrap_or(0..u64::MAX);
            let clamp = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            let (start, end) = (clamp(range.start), clamp(range.end));
            bytes.slice(start..end.max(start))
        });
        let wanted = !matches!(&found, Ok(bytes) if bytes.is_empty());
        stream::iter(wanted.then_some(found)).boxed()
    }

    async fn head(&self, key: &BlobKey) -> Result<BlobInfo> {
        self.find(key, |(info, _)| info.clone())
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.lock().remove(key);
        Ok(())
    }

    fn list(&self, prefix: &str) -> BoxStream<Result<BlobInfo>> {
        let entries = self.lock();
        let found: Vec<_> = entries
            .values()
            .filter(|(info, _)| info.key.as_str().starts_with(prefix))
            .map(|(info, _)| Ok(info.clone()))
            .collect();
        stream::iter(found).boxed()
    }
}
