use super::{
    Layer, Layered,
    Repeat::{Always, Never},
    layered::{long, quick},
};
use crate::{
    BoxStream, ComponentKind, Error, Result, Version,
    blob::{BlobInfo, BlobKey, Blobs},
    cache::Cache,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    future::ready,
    ops::Range,
    sync::{Mutex, PoisonError},
    time::Duration,
};

const BLOBS: ComponentKind = ComponentKind::Blobs;
const CACHE: ComponentKind = ComponentKind::Cache;

#[async_trait]
impl<T: Blobs + ?Sized, L: Layer> Blobs for Layered<T, L> {
    async fn put(&self, key: &BlobKey, body: BoxStream<Result<Bytes>>) -> Result<BlobInfo> {
        let body = Mutex::new(Some(body));
        let run = || match body.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(body) => self.inner.put(key, body),
            None => Box::pin(ready(Err(Error::internal("a layer repeated a put, whose body is used up")))),
        };
        self.layer.call(long(BLOBS, "put", Never), run).await
    }

    fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> BoxStream<Result<Bytes>> {
        self.layer.stream(long(BLOBS, "get", Always), self.inner.get(key, range))
    }

    async fn head(&self, key: &BlobKey) -> Result<BlobInfo> {
        self.layer.call(quick(BLOBS, "head", Always), || self.inner.head(key)).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.layer.call(quick(BLOBS, "delete", Always), || self.inner.delete(key)).await
    }

    fn list(&self, prefix: &str) -> BoxStream<Result<BlobInfo>> {
        self.layer.stream(long(BLOBS, "list", Always), self.inner.list(prefix))
    }
}

#[async_trait]
impl<T: Cache + ?Sized, L: Layer> Cache for Layered<T, L> {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.layer.call(quick(CACHE, "get", Always), || self.inner.get(key)).await
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        self.layer.call(quick(CACHE, "put", Always), || self.inner.put(key, value.clone(), ttl)).await
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.layer.call(quick(CACHE, "remove", Always), || self.inner.remove(key)).await
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        self.layer.call(quick(CACHE, "remove_prefix", Always), || self.inner.remove_prefix(prefix)).await
    }

    async fn put_newer(&self, key: &str, value: Bytes, version: Version, ttl: Duration) -> Result<bool> {
        let run = || self.inner.put_newer(key, value.clone(), version, ttl);
        self.layer.call(quick(CACHE, "put_newer", Always), run).await
    }

    async fn outdate(&self, key: &str, version: Version, ttl: Duration) -> Result<()> {
        self.layer.call(quick(CACHE, "outdate", Always), || self.inner.outdate(key, version, ttl)).await
    }
}
