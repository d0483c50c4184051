//! Tidying up SQLite: what is old goes, what is young stays, sums by the hour remain.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "common/upkeep.rs"]
mod upkeep;

use slate_store::sqlite::SqliteStore;

#[tokio::test]
async fn what_is_old_goes_and_what_is_young_stays() {
    let store = SqliteStore::in_memory().await.unwrap();
    upkeep::what_is_old_goes_and_what_is_young_stays(&store, &store).await;
}

#[tokio::test]
async fn what_something_points_to_is_not_purged() {
    let store = SqliteStore::in_memory().await.unwrap();
    upkeep::what_something_points_to_is_not_purged(&store, &store).await;
}
