use super::{
    SqliteStore,
    error::PLACE,
    sql::{CHUNK, Statement},
    writer::Work,
};
use crate::common::{
    Value,
    streams::{self, Entry},
    table::{direction, one_too_many},
};
use async_trait::async_trait;
use slate_core::{
    Error, Result, Timestamp,
    model::{MetricBucket, MetricSample},
    store::{
        Cursor, MetricQuery, MetricStore, Page, PageRequest,
        check::{self, MAX_BATCH},
    },
};
use sqlx::SqliteConnection;
use std::time::Duration;

#[async_trait]
impl MetricStore for SqliteStore {
    async fn append_metrics(&self, samples: Vec<MetricSample>) -> Result<()> {
        check::check_samples(&samples).map_err(|error| error.at(PLACE, "append_metrics"))?;
        self.writer.write("append_metrics", Append(samples)).await
    }

    async fn metrics(&self, query: MetricQuery, page: PageRequest) -> Result<Page<MetricSample>> {
        let list = async {
            let limit = page.checked_limit()?;
            let (operator, direction) = direction(page.order);
            let mut select = Statement::new("SELECT * FROM slate_runtime_metrics WHERE true");
            streams::and_metric(&mut select, query, "timestamp");
            if let Some(cursor) = &page.after {
                let (time, row) = streams::parse_sample_place(cursor)?;
                select.sql(format_args!(" AND (timestamp, id) {operator} ("));
                select.bind_all([time.into(), Value::Int(row)]).sql(")");
            }
            select.sql(format_args!(" ORDER BY timestamp {direction}, id {direction} LIMIT "));
            select.bind(one_too_many(limit));
            let rows = select.rows(&self.readers).await?;
            let found = rows.iter().map(streams::read_sample).collect::<Result<Vec<_>>>()?;
            let page = Page::from_overfull(found, limit, |(row, sample)| {
                Cursor::new(format!("{}:{row}", sample.timestamp.as_micros()))
            });
            Ok(Page { items: page.items.into_iter().map(|(_, sample)| sample).collect(), next: page.next })
        };
        list.await.map_err(|error: Error| error.at(PLACE, "metrics"))
    }

    async fn metric_buckets(&self, query: MetricQuery, span: Duration) -> Result<Vec<MetricBucket>> {
        let list = async {
            let span = || check::span_micros(span).map(Value::Int);
            // SQL's remainder has the sign of the time; a span's start lies before its times, also before the epoch.
            let mut select = Statement::new("SELECT timestamp - (timestamp % ");
            select.bind(span()?).sql(" + iif(timestamp % ").bind(span()?).sql(" < 0, ").bind(span()?);
            select.sql(
                ", 0)) AS start, count(*) AS count, sum(value) AS sum, min(value) AS min, max(value) AS max \
                 FROM slate_runtime_metrics WHERE true",
            );
            streams::and_metric(&mut select, query, "timestamp");
            select.sql(" GROUP BY start ORDER BY start LIMIT ").bind(Value::number(MAX_BATCH as u64));
            select.rows(&self.readers).await?.iter().map(streams::read_bucket).collect::<Result<Vec<_>>>()
        };
        list.await.map_err(|error: Error| error.at(PLACE, "metric_buckets"))
    }

    async fn purge_metrics(&self, before: Timestamp, limit: u32) -> Result<u64> {
        self.writer.write("purge_metrics", Purge { before, limit }).await
    }
}

struct Append(Vec<MetricSample>);

#[async_trait]
impl Work for Append {
    type Output = ();

    async fn run(&self, db: &mut SqliteConnection, _now: Timestamp) -> Result<()> {
        for chunk in self.0.chunks(CHUNK) {
            let rows = chunk.iter().map(Entry::values).collect::<Result<Vec<_>>>()?;
            let names = streams::names::<MetricSample>();
            let mut insert = Statement::new(format!("INSERT INTO slate_runtime_metrics ({names}) VALUES "));
            insert.bind_rows(rows);
            insert.execute(&mut *db).await?;
        }
        Ok(())
    }
}

struct Purge {
    before: Timestamp,
    limit: u32,
}

#[async_trait]
impl Work for Purge {
    type Output = u64;

    async fn run(&self, db: &mut SqliteConnection, _now: Timestamp) -> Result<u64> {
        let mut purge = Statement::new(
            "DELETE FROM slate_runtime_metrics WHERE id IN (SELECT id FROM slate_runtime_metrics WHERE true",
        );
        purge.and("timestamp", "<", Some(self.before)).sql(" ORDER BY timestamp, id LIMIT ");
        purge.bind(Value::Int(self.limit.into())).sql(")");
        purge.execute(db).await
    }
}
