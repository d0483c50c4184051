//! The memory store keeps the contract of every store.
#![cfg(feature = "conformance")]

use slate_core::{conformance::store::agrees_with_the_reference, memory::MemoryStore, store::Store};
use std::sync::Arc;

slate_core::store_conformance!(async { Arc::new(MemoryStore::new()) as Arc<dyn Store> });

/// The same work gives the same answers: random work compares what doesn't depend on the clock.
#[tokio::test]
async fn the_reference_agrees_with_itself() {
    for seed in 0..50 {
        agrees_with_the_reference(Arc::new(MemoryStore::new()), seed).await;
    }
}
