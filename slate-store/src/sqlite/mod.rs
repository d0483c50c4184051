//! The store in one SQLite file.

mod analytics;
mod assets;
mod audits;
mod builds;
mod changes;
mod connect;
mod error;
mod events;
mod files;
mod jobs;
mod logs;
mod maintain;
mod metrics;
mod options;
mod pools;
mod projects;
mod quotas;
mod sessions;
mod sql;
mod table;
mod templates;
mod writer;

use async_trait::async_trait;
use error::{PLACE, failed};
pub use options::SqliteOptions;
use slate_core::{Component, ComponentKind, Descriptor, Result};
use sqlx::{Executor, SqlitePool};
use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};
use tokio::task::JoinHandle;
use writer::Writer;

/// A [`Store`](slate_core::store::Store) in one SQLite file.
///
/// - A write that returned `Ok` survives a crash of the process, the system and the power (WAL, `synchronous = FULL`).
/// - Writes go through one connection and are committed in groups; reads have connections of their own and never wait for
///   a write.
/// - Several processes of one machine may open the same file; every sentence of the contract holds across them. A file on a
///   network file system may not be shared.
/// - A future that is dropped leaves nothing half done: what was begun is done or taken back as a whole.
///
/// It works on the tokio runtime that it was opened on, and ends with it.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
    write_pool: SqlitePool,
    serving: Mutex<Option<JoinHandle<()>>>,
    place: String,
}

impl SqliteStore {
    /// Opens the database in this file, makes it where it isn't there, and brings its schema up to date.
    ///
    /// # Errors
    /// `Unavailable` where the file can't be opened or others hold it for longer than `busy_timeout`; `Corrupt` where it is
    /// no sound database; `Unsupported` where a newer SLATE made it.
    pub async fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self> {
        let path = path.as_ref();
        let opened = connect::open(path, &options).await;
        let (writer, readers) = opened.map_err(|error| error.with("path", path.display()).at(PLACE, "open"))?;
        Ok(Self::start(writer, true, readers, options, path.display().to_string()))
    }

    /// A new database in memory, gone with this value; for tests. Reads and writes take turns at one connection.
    ///
    /// # Errors
    /// `Internal` where SQLite doesn't work at all.
    pub async fn in_memory() -> Result<Self> {
        Self::in_memory_with(SqliteOptions::default()).await
    }

    /// Like [`in_memory`](Self::in_memory), with options.
    ///
    /// # Errors
    /// `Internal` where SQLite doesn't work at all.
    pub async fn in_memory_with(options: SqliteOptions) -> Result<Self> {
        let pool = connect::open_in_memory().await.map_err(|error| error.at(PLACE, "open"))?;
        Ok(Self::start(pool.clone(), false, pool, options, ":memory:".into()))
    }

    /// Ends the store: waits for what is being written, moves the log into the file, and closes it. Later calls give
    /// `Unavailable`. A store that is dropped instead loses nothing; its log stays beside the file.
    ///
    /// # Errors
    /// Those of the last check-point. Other processes that read at the moment are no error.
    pub async fn close(&self) -> Result<()> {
        self.writer.stop();
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(serving) = serving {
            let _ = serving.await;
        }
        let checkpoint = match self.write_pool.acquire().await {
            Ok(mut db) => db.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.map(drop),
            // Closed before: there is nothing left to move.
            Err(sqlx::Error::PoolClosed) => Ok(()),
            Err(error) => Err(error),
        };
        self.readers.close().await;
        self.write_pool.close().await;
        checkpoint.map_err(|error| failed(error).at(PLACE, "close"))
    }

    fn start(write_pool: SqlitePool, own: bool, readers: SqlitePool, options: SqliteOptions, place: String) -> Self {
        let (writer, serving) = Writer::start(write_pool.clone(), own, options.clock, options.queue, options.group);
        Self { writer, readers, write_pool, serving: Mutex::new(Some(serving)), place }
    }
}

#[async_trait]
impl Component for SqliteStore {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Store, "sqlite").with_detail(&self.place)
    }

    async fn ping(&self) -> Result<()> {
        self.readers
            .execute("SELECT count(*) FROM slate_leases")
            .await
            .map(drop)
            .map_err(|error| failed(error).at(PLACE, "ping"))
    }
}
