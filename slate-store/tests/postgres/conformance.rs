//! The store in Postgres keeps the contract of every store.

use crate::support::fresh;
use slate_core::{conformance::store::agrees_with_the_reference, store::Store};
use std::sync::Arc;

/// A store in a database that stays until the server ends: the store outlives this call.
async fn store() -> Option<Arc<dyn Store>> {
    let fresh = fresh().await?;
    std::mem::forget(fresh.database);
    Some(fresh.store)
}

slate_core::store_conformance!(store());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_work_agrees_with_the_reference() {
    for seed in 0..20 {
        let Some(fresh) = fresh().await else { return };
        agrees_with_the_reference(fresh.store.clone(), seed).await;
        fresh.store.close().await;
    }
}
