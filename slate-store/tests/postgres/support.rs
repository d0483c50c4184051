//! Databases to try the store on.

use slate_harness::{Database, require, shared};
use slate_store::postgres::{PgOptions, PgStore};
use std::{io, sync::Arc};

/// An empty database, or `None` where Postgres isn't installed.
pub(crate) fn database() -> Option<Database> {
    require(shared::postgres().and_then(|server| server.database()))
}

/// A database with SLATE's schema.
pub(crate) async fn migrated() -> Option<Database> {
    let server = require(shared::postgres())?;
    let migrate = |url: String| async move {
        let store = open(&url).await.map_err(io::Error::other)?;
        store.close().await;
        Ok(())
    };
    // The template is of this build of the schema: a server that outlives a run may hold another's.
    require(server.database_from("slate_store_migrated", migrate).await)
}

pub(crate) async fn open(url: &str) -> slate_core::Result<PgStore> {
    PgStore::open(PgOptions::new(url)?).await
}

/// A store in a database of its own.
pub(crate) struct Fresh {
    pub(crate) store: Arc<PgStore>,
    pub(crate) database: Database,
}

pub(crate) async fn fresh() -> Option<Fresh> {
    let database = migrated().await?;
    let store = Arc::new(open(&database.url).await.unwrap());
    Some(Fresh { store, database })
}

/// What the server answers to SQL.
pub(crate) fn psql(database: &Database, sql: &str) -> String {
    database.address.psql(&database.name, sql).unwrap()
}
