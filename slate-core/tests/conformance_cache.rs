//! The cache of this process keeps the contract.

use slate_core::{cache::Cache, memory::MemoryCache};
use std::sync::Arc;

slate_core::cache_conformance!(async { Arc::new(MemoryCache::default()) as Arc<dyn Cache> });
