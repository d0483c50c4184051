//! Redis keeps the contract of the cache, alone and behind a cache in this process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use slate_core::{
    cache::Cache,
    memory::{MemoryCache, TieredCache},
};
use slate_harness::{require, shared, unique};
use slate_redis::{RedisCache, RedisOptions};
use std::{sync::Arc, time::Duration};

async fn redis() -> Option<Arc<dyn Cache>> {
    let url = require(shared::redis())?;
    // A loaded machine may take longer than a service would wait.
    let options = RedisOptions::new(url).with_prefix(unique("conf")).with_timeout(Duration::from_secs(5));
    Some(Arc::new(RedisCache::connect(options, Duration::from_secs(10)).await.unwrap()))
}

async fn tiered() -> Option<Arc<dyn Cache>> {
    Some(Arc::new(TieredCache::new(MemoryCache::default(), redis().await?)))
}

mod alone {
    slate_core::cache_conformance!(super::redis());
}

mod behind_another {
    slate_core::cache_conformance!(super::tiered());
}
