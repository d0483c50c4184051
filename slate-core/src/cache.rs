//! Caches: values by key that may be forgotten at any time.

use crate::{Component, Result, Version};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

/// Keeps values for a while. Nothing may depend on a value being there.
///
/// # Contract
/// - `get` returns the value last put, or `None`; never one whose time to live has passed.
/// - `put` replaces; a time to live of zero stores nothing and removes what was there.
/// - `remove` and `remove_prefix` of what isn't there are `Ok`, and what they removed is not returned afterwards.
/// - Values of one key never appear under another.
/// - `put_newer` keeps no value over one of a higher version, nor one of a version that `outdate` was told is old, in whatever
///   order they come and however many come at a time. It says whether it kept the value.
/// - `outdate` forgets what is older than a version, and a value without one; what is as new stays. `remove` doesn't take back
///   what `outdate` was told.
#[async_trait]
pub trait Cache: Component {
    /// The value under `key`.
    ///
    /// # Errors
    /// `Unavailable` or `TimedOut`: go on without the cache.
    async fn get(&self, key: &str) -> Result<Option<Bytes>>;

    /// Keeps `value` under `key` for at most `ttl`.
    ///
    /// # Errors
    /// As for `get`; `LimitExceeded` for a value over the cache's limit.
    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()>;

    /// Forgets `key`.
    ///
    /// # Errors
    /// As for `get`.
    async fn remove(&self, key: &str) -> Result<()>;

    /// Forgets every key that starts with `prefix`.
    ///
    /// # Errors
    /// As for `get`.
    async fn remove_prefix(&self, prefix: &str) -> Result<()>;

    /// Keeps `value` of `version` under `key` for at most `ttl`, unless something newer is known of. Whether it was kept.
    ///
    /// # Errors
    /// As for `put`.
    async fn put_newer(&self, key: &str, value: Bytes, version: Version, ttl: Duration) -> Result<bool>;

    /// Forgets what is older than `version` under `key`, and for `ttl` keeps it out: for a reader that read before a change and
    /// fills the cache after it.
    ///
    /// # Errors
    /// As for `get`.
    async fn outdate(&self, key: &str, version: Version, ttl: Duration) -> Result<()>;
}
