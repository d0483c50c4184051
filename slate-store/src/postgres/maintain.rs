use super::{PgStore, error::PLACE, partitions, pool::within, sql::Statement};
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
use sqlx::{Connection, PgConnection};

#[async_trait]
impl Maintain for PgStore {
    async fn maintain(&self, options: &MaintenanceOptions) -> Result<Maintained> {
        let maintain = async {
            // Of a connection of its own: tidying may take longer than statements are allowed to.
            let mut db = self.primary().unbounded().await?;
            let tidied = within(self.options().migration_timeout, tidy(&mut db, options)).await?;
            db.close().await.map_err(super::error::failed)?;
            Ok(tidied)
        };
        maintain.await.map_err(|error: Error| error.at(PLACE, "maintain"))
    }

    async fn hourly_metrics(&self, query: MetricQuery) -> Result<Vec<MetricBucket>> {
        let read = async {
            let mut select = Statement::new(
                "SELECT start, sum(count)::bigint AS count, sum(sum) AS sum, min(min) AS min, max(max) AS max \
                 FROM slate_metric_rollups WHERE true",
            );
            streams::and_metric(&mut select, query, "start");
            select.sql(" GROUP BY start ORDER BY start LIMIT ").bind(Value::number(MAX_BATCH as u64));
            self.read_rows(&select).await?.iter().map(streams::read_bucket).collect::<Result<Vec<_>>>()
        };
        read.await.map_err(|error: Error| error.at(PLACE, "hourly_metrics"))
    }
}

async fn tidy(db: &mut PgConnection, options: &MaintenanceOptions) -> Result<Maintained> {
    // One at a time: what the first did, the second finds done. The lock goes with the connection.
    let mut lock = Statement::new("SELECT pg_advisory_lock(");
    lock.bind(Value::Int(super::connect::LOCK)).sql(")");
    lock.row(db).await?;
    let mut done = Maintained::default();
    let now = partitions::clock(db).await?;
    partitions::make(db, options).await?;
    done.rolled_up = roll_up(db).await?;
    for purge in purges(options) {
        let before = now - purge.keep;
        if purge.is_partitioned {
            done.partitions += partitions::remove(db, purge.table, before).await?;
        }
        *purge.count(&mut done) += remove(db, &purge, before, options.batch.max(1)).await?;
    }
    Ok(done)
}

/// Sums up the hours that have ended, from a day before the last one that is summed up: samples may come late. A sum never
/// shrinks, so that an hour whose samples are partly gone keeps what it had.
async fn roll_up(db: &mut PgConnection) -> Result<u64> {
    let roll_up = Statement::new(
        "INSERT INTO slate_metric_rollups AS r (session_id, metric_type, start, count, sum, min, max) \
         SELECT coalesce(session_id, '00000000-0000-0000-0000-000000000000'), metric_type, date_trunc('hour', timestamp), \
         count(*), sum(value), min(value), max(value) FROM slate_runtime_metrics \
         WHERE timestamp >= coalesce((SELECT max(start) - interval '1 day' FROM slate_metric_rollups), '-infinity') \
         AND timestamp < date_trunc('hour', now()) AND isfinite(timestamp) GROUP BY 1, 2, 3 \
         ON CONFLICT (start, session_id, metric_type) DO UPDATE SET count = excluded.count, sum = excluded.sum, \
         min = excluded.min, max = excluded.max WHERE r.count < excluded.count",
    );
    roll_up.execute(db).await
}

/// Removes what is older, a batch at a time.
async fn remove(db: &mut PgConnection, purge: &Purge, before: Timestamp, batch: u32) -> Result<u64> {
    let Purge { table, key, time, condition, .. } = purge;
    let mut removed = 0;
    loop {
        let mut delete =
            Statement::new(format!("DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {time} < "));
        delete.bind(before).sql(format_args!(" AND {condition} LIMIT ")).bind(Value::Int(batch.into())).sql(")");
        let count = delete.execute(db).await?;
        removed += count;
        if count < u64::from(batch) {
            return Ok(removed);
        }
    }
}
