use super::{SqliteStore, error::PLACE, sql::Statement, writer::Work};
use crate::{
    Maintain, Maintained, MaintenanceOptions,
    common::{
        Value,
        maintenance::{Purge, purges},
        streams,
    },
};
use async_trait::async_trait;
use slate_core::{
    Error, Result, Timestamp,
    model::MetricBucket,
    store::{MetricQuery, check::MAX_BATCH},
};
use sqlx::SqliteConnection;

/// An hour in microseconds.
const HOUR: i64 = 3600 * 1_000_000;

#[async_trait]
impl Maintain for SqliteStore {
    async fn maintain(&self, options: &MaintenanceOptions) -> Result<Maintained> {
        let mut done = Maintained { rolled_up: self.writer.write("maintain", RollUp).await?, ..Maintained::default() };
        for purge in purges(options) {
            // A batch at a time, so that others write in between.
            let (count, purge) = (purge.count(&mut done), std::sync::Arc::new(purge));
            loop {
                let batch = options.batch.max(1);
                let removed = self.writer.write("maintain", Remove(std::sync::Arc::clone(&purge), batch)).await?;
                *count += removed;
                if removed < u64::from(batch) {
                    break;
                }
            }
        }
        Ok(done)
    }

    async fn hourly_metrics(&self, query: MetricQuery) -> Result<Vec<MetricBucket>> {
        let read = async {
            let mut select = Statement::new(
                "SELECT start, sum(count) AS count, sum(sum) AS sum, min(min) AS min, max(max) AS max \
                 FROM slate_metric_rollups WHERE true",
            );
            streams::and_metric(&mut select, query, "start");
            select.sql(" GROUP BY start ORDER BY start LIMIT ").bind(Value::number(MAX_BATCH as u64));
            select.rows(&self.readers).await?.iter().map(streams::read_bucket).collect::<Result<Vec<_>>>()
        };
        read.await.map_err(|error: Error| error.at(PLACE, "hourly_metrics"))
    }
}

/// Sums up the hours that have ended, from a day before the last one that is summed up: samples may come late. A sum never
/// shrinks, so that an hour whose samples are partly gone keeps what it had.
struct RollUp;

#[async_trait]
impl Work for RollUp {
    type Output = u64;

    async fn run(&self, db: &mut SqliteConnection, now: Timestamp) -> Result<u64> {
        let ended = now.as_micros().div_euclid(HOUR) * HOUR;
        let mut roll_up = Statement::new(format!(
            "INSERT INTO slate_metric_rollups (session_id, metric_type, start, count, sum, min, max) \
             SELECT coalesce(session_id, zeroblob(16)), metric_type, \
             timestamp - (timestamp % {HOUR} + iif(timestamp % {HOUR} < 0, {HOUR}, 0)) AS hour, \
             count(*), sum(value), min(value), max(value) FROM slate_runtime_metrics \
             WHERE timestamp >= coalesce((SELECT max(start) - 24 * {HOUR} FROM slate_metric_rollups), -9223372036854775808) \
             AND timestamp < "
        ));
        roll_up.bind(Value::Int(ended)).sql(
            " GROUP BY 1, 2, 3 ON CONFLICT (start, session_id, metric_type) DO UPDATE SET count = excluded.count, \
             sum = excluded.sum, min = excluded.min, max = excluded.max WHERE count < excluded.count",
        );
        roll_up.execute(db).await
    }
}

struct Remove(std::sync::Arc<Purge>, u32);

#[async_trait]
impl Work for Remove {
    type Output = u64;

    async fn run(&self, db: &mut SqliteConnection, now: Timestamp) -> Result<u64> {
        let Purge { table, key, time, condition, keep, .. } = &*self.0;
        let key = if *table == "slate_runtime_metrics" || *table == "slate_runtime_logs" { "id" } else { key };
        let mut delete =
            Statement::new(format!("DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {time} < "));
        delete.bind(now - *keep).sql(format_args!(" AND {condition} LIMIT ")).bind(Value::Int(self.1.into())).sql(")");
        delete.execute(db).await
    }
}
