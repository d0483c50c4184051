use super::{
    PgOptions,
    error::failed,
    partitions,
    pool::{Pool, quoted, within},
};
use crate::{
    MaintenanceOptions,
    common::migrate::{TABLE, migration_failed, migrations, migrator},
};
use slate_core::{Error, Result};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, migrate::Migrator};

/// The oldest server whose functions are used, as `server_version_num` has it.
const OLDEST: i32 = 140_000;
/// Names the lock that whoever migrates a database holds, among all that its users may take.
pub(super) const LOCK: i64 = 0x736c_6174_655f_7067;

/// Brings the schema up to date, one process at a time. One that is up to date is read only, in the time of any call: whoever
/// starts waits for nobody then, and not long on a link that is dead.
pub(super) async fn prepare(pool: &Pool, options: &PgOptions) -> Result<()> {
    // Of a connection of its own: the lock goes with it, however this ends.
    let mut db = pool.unbounded().await?;
    let migrator = migrator(migrations!("postgres": 1 "0001_records", 2 "0002_streams", 3 "0003_pools"));
    if !within(options.statement_timeout, is_current(&mut db, &migrator)).await? {
        within(options.migration_timeout, migrate(&mut db, options, &migrator)).await?;
    }
    db.close().await.map_err(failed)
}

async fn is_current(db: &mut PgConnection, migrator: &Migrator) -> Result<bool> {
    let there = format!("SELECT to_regclass('{TABLE}') IS NOT NULL");
    let there: bool = sqlx::query_scalar(AssertSqlSafe(there)).fetch_one(&mut *db).await.map_err(failed)?;
    if !there {
        return Ok(false);
    }
    let applied = format!("SELECT version, checksum FROM {TABLE} WHERE success ORDER BY version");
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as(AssertSqlSafe(applied)).fetch_all(&mut *db).await.map_err(failed)?;
    let known = migrator.iter().map(|migration| (migration.version, migration.checksum.to_vec()));
    Ok(known.eq(applied) && partitions::missing(db, &MaintenanceOptions::default()).await?.is_empty())
}

async fn migrate(db: &mut PgConnection, options: &PgOptions, migrator: &Migrator) -> Result<()> {
    let row =
        sqlx::query("SELECT current_setting('server_version_num')::int").fetch_one(&mut *db).await.map_err(failed)?;
    let version: i32 = row.try_get(0).map_err(failed)?;
    if version < OLDEST {
        return Err(Error::unsupported("the Postgres server is too old: 14 is the oldest that will do")
            .with("version", version));
    }
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut *db).await.map_err(failed)?;
    if let Some(schema) = &options.schema {
        let make = format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema));
        db.execute(AssertSqlSafe(make)).await.map_err(failed)?;
    }
    let run = migrator.run_direct(None, &mut *db, false).await;
    run.map_err(|error| migration_failed(error, failed))?;
    partitions::make(db, &MaintenanceOptions::default()).await
}
