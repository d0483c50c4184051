//! The SQLite store keeps the contract of every store: in a file, and in memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use slate_core::{conformance::store::agrees_with_the_reference, store::Store};
use slate_store::sqlite::{SqliteOptions, SqliteStore};
use std::sync::Arc;

/// A store in a new file below `target/tmp`; the folder stays, for the store outlives this call.
async fn file() -> Arc<dyn Store> {
    let path = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep().join("slate.db");
    Arc::new(SqliteStore::open(path, SqliteOptions::default()).await.unwrap())
}

mod in_a_file {
    slate_core::store_conformance!(super::file());
}

mod in_memory {
    use super::*;

    async fn memory() -> Arc<dyn Store> {
        Arc::new(SqliteStore::in_memory().await.unwrap())
    }

    slate_core::store_conformance!(memory());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_work_agrees_with_the_reference() {
    for seed in 0..50 {
        let store = Arc::new(SqliteStore::in_memory().await.unwrap());
        agrees_with_the_reference(store, seed).await;
    }
}
