//! The keeper of partitions: makes those that are needed soon, removes those whose time has passed.
//!
//! One partition is one day, in UTC. Whatever fits in none goes to the DEFAULT partition, so that nothing fails where nobody
//! keeps them; when a day's partition is made later, it takes over what is there already.

use super::{error::failed, sql::Statement};
use crate::{MaintenanceOptions, common::Columns};
use slate_core::{Result, Timestamp};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::time::Duration;

const DAY: i64 = 24 * 3600 * 1_000_000;

/// A table that is kept in days.
struct Kept {
    name: &'static str,
    column: &'static str,
    /// A bound of the column, as SQL, that stands for a time.
    bound: fn(Timestamp) -> String,
}

const KEPT: [Kept; 2] = [
    // By the time at which the source was made: the first 48 bits of its id are milliseconds.
    Kept { name: "slate_runtime_logs", column: "source_id", bound: id_bound },
    Kept { name: "slate_runtime_metrics", column: "timestamp", bound: time_bound },
];

fn id_bound(time: Timestamp) -> String {
    let millis = u128::try_from(time.as_millis()).unwrap_or(0);
    let bits = format!("{:032x}", millis << 80);
    format!("'{}-{}-{}-{}-{}'::uuid", &bits[..8], &bits[8..12], &bits[12..16], &bits[16..20], &bits[20..])
}

fn time_bound(time: Timestamp) -> String {
    format!("'{time}'::timestamptz")
}

/// A day of a table that has no partition of its own.
pub(super) struct Missing {
    kept: &'static Kept,
    name: String,
    start: Timestamp,
}

/// Makes the partitions of today and of the days ahead that aren't there.
pub(super) async fn make(db: &mut PgConnection, options: &MaintenanceOptions) -> Result<()> {
    for missing in self::missing(db, options).await? {
        attach(db, &missing).await?;
    }
    Ok(())
}

/// Which of them aren't there.
pub(super) async fn missing(db: &mut PgConnection, options: &MaintenanceOptions) -> Result<Vec<Missing>> {
    let (now, mut missing) = (clock(db).await?, Vec::new());
    for kept in &KEPT {
        let there = existing(db, kept.name).await?;
        // A day back: clocks of services differ, and what is made just before midnight is written after it.
        let days = (-1..=i64::from(options.days_ahead)).map(|day| {
            let start = Timestamp::from_micros((now.as_micros().div_euclid(DAY) + day) * DAY);
            Missing { kept, name: name_of(kept, start), start }
        });
        missing.extend(days.filter(|day| !there.contains(&day.name)));
    }
    Ok(missing)
}

/// The time by the database's clock.
pub(super) async fn clock(db: &mut PgConnection) -> Result<Timestamp> {
    let row = Statement::new("SELECT clock_timestamp() AS now").row(db).await?;
    row.map_or_else(|| Ok(Timestamp::now()), |row| row.time("now"))
}

fn name_of(kept: &Kept, start: Timestamp) -> String {
    let day: String = start.to_string().chars().take(10).filter(char::is_ascii_digit).collect();
    format!("{}_{day}", kept.name)
}

async fn existing(db: &mut PgConnection, table: &str) -> Result<Vec<String>> {
    let mut select = Statement::new(
        "SELECT c.relname::text AS name FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid \
         WHERE i.inhparent = ",
    );
    select.bind(table).sql("::text::regclass ORDER BY 1");
    select.rows(db).await?.iter().map(|row| row.text("name")).collect()
}

/// Makes a partition beside the table, moves into it what the DEFAULT one holds of it, and attaches it.
async fn attach(db: &mut PgConnection, missing: &Missing) -> Result<()> {
    let Missing { kept: Kept { name: table, column, bound }, name, start } = missing;
    let (from, to) = (bound(*start), bound(*start + Duration::from_micros(DAY as u64)));
    let mut transaction = db.begin().await.map_err(failed)?;
    // Writers wait for the moment that this takes; who can't get the lock soon comes back later.
    let steps = format!(
        "SET LOCAL lock_timeout = '5s';
         LOCK TABLE {table}_rest IN ACCESS EXCLUSIVE MODE;
         CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
         WITH moved AS (DELETE FROM {table}_rest WHERE {column} >= {from} AND {column} < {to} RETURNING *)
             INSERT INTO {name} SELECT * FROM moved;
         ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to});"
    );
    sqlx::raw_sql(AssertSqlSafe(steps)).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// Removes the days of which everything was written before `before`; how many.
pub(super) async fn remove(db: &mut PgConnection, table: &str, before: Timestamp) -> Result<u64> {
    let mut removed = 0;
    for kept in KEPT.iter().filter(|kept| kept.name == table) {
        for name in existing(db, kept.name).await? {
            let is_day = name.ends_with(|c: char| c.is_ascii_digit());
            let ended = is_day && name < name_of(kept, before);
            if ended && all_before(db, &name, before).await? {
                let drop = format!("ALTER TABLE {table} DETACH PARTITION {name}; DROP TABLE {name};");
                let mut transaction = db.begin().await.map_err(failed)?;
                transaction.execute("SET LOCAL lock_timeout = '5s'").await.map_err(failed)?;
                sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *transaction).await.map_err(failed)?;
                transaction.commit().await.map_err(failed)?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Whether a partition holds nothing younger: a session that runs for weeks writes into the day on which it was made.
async fn all_before(db: &mut PgConnection, partition: &str, before: Timestamp) -> Result<bool> {
    let mut select = Statement::new(format!("SELECT NOT EXISTS (SELECT 1 FROM {partition} WHERE timestamp >= "));
    select.bind(before).sql(") AS gone");
    select.row(db).await?.map_or(Ok(false), |row| row.flag("gone"))
}
