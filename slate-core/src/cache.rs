//! Caches: values by key that may be forgotten at any time.

use crate::{Component, Result};
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
}
