use super::{SqliteOptions, error::failed};
use crate::common::migrate::{migration_failed, migrations, migrator};
use slate_core::{Error, ErrorKind, Result};
use sqlx::{
    Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// A pool of one connection to write by, and one of several to read by.
pub(super) async fn open(path: &Path, options: &SqliteOptions) -> Result<(SqlitePool, SqlitePool)> {
    // FULL: a commit that returned is on the disk, also where the power fails the moment after.
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(options.busy_timeout);
    let writer = patiently(options.busy_timeout, || prepare(connect.clone())).await?;
    let readers = pool(options.readers).connect_lazy_with(connect.pragma("query_only", "on"));
    Ok((writer, readers))
}

/// One connection to a database in memory, which reads and writes take turns at.
pub(super) async fn open_in_memory() -> Result<SqlitePool> {
    prepare(SqliteConnectOptions::new().in_memory(true).foreign_keys(true)).await
}

async fn prepare(connect: SqliteConnectOptions) -> Result<SqlitePool> {
    let pool = pool(1).connect_with(connect).await.map_err(failed)?;
    let mut connection = pool.acquire().await.map_err(failed)?;
    migrate(&mut connection).await?;
    drop(connection);
    Ok(pool)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    // Connections to a file don't go stale; one to memory must not be given up at all.
    let options = SqlitePoolOptions::new().max_connections(connections);
    options.idle_timeout(None).max_lifetime(None).test_before_acquire(false)
}

/// SQLite doesn't wait for others where it switches a new file to WAL, whatever `busy_timeout` says; so this does.
async fn patiently<T, F: Future<Output = Result<T>>>(timeout: Duration, attempt: impl Fn() -> F) -> Result<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match attempt().await {
            Err(error) if is_busy(&error) && start.elapsed() < timeout => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(200));
            }
            result => return result,
        }
    }
}

fn is_busy(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
        && error
            .context()
            .iter()
            .any(|(key, code)| *key == "sqlite" && code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6)))
}

/// Brings the schema up to date, in one transaction that other processes wait for: sqlx itself locks nothing on SQLite.
async fn migrate(connection: &mut SqliteConnection) -> Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let migrator = migrator(
        migrations!("sqlite": 1 "0001_records", 2 "0002_streams", 3 "0003_given_back", 4 "0004_upkeep", 5 "0005_pools"),
    );
    let run = migrator.run_direct(None, &mut *transaction, false).await;
    run.map_err(|error| migration_failed(error, failed))?;
    transaction.commit().await.map_err(failed)
}
