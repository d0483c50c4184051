use super::{PgStore, error::PLACE, sql::Statement};
use crate::common::{
    Columns, Value,
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
use std::time::Duration;

#[async_trait]
impl MetricStore for PgStore {
    async fn append_metrics(&self, samples: Vec<MetricSample>) -> Result<()> {
        check::check_samples(&samples).map_err(|error| error.at(PLACE, "append_metrics"))?;
        if samples.is_empty() {
            return Ok(());
        }
        let append = async {
            let rows = samples.iter().map(Entry::values).collect::<Result<Vec<_>>>()?;
            let names = streams::names::<MetricSample>();
            let mut insert =
                Statement::new(format!("INSERT INTO slate_runtime_metrics ({names}) SELECT {names} FROM "));
            insert.rows_as("w", MetricSample::COLUMNS, rows).sql(" ORDER BY n");
            self.execute(&insert).await.map(drop)
        };
        append.await.map_err(|error: Error| error.at(PLACE, "append_metrics"))
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
            let rows = self.read_rows(&select).await?;
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
            let span = check::span_micros(span)?;
            // SQL's remainder has the sign of the time; a span's start lies before its times, also before the epoch.
            let mut select = Statement::new("SELECT t - t % ");
            select.bind(Value::Int(span)).sql(" - CASE WHEN t % ").bind(Value::Int(span)).sql(" < 0 THEN ");
            select.bind(Value::Int(span)).sql(
                " ELSE 0 END AS start, count(*) AS count, sum(value) AS sum, min(value) AS min, max(value) AS max \
                 FROM (SELECT value, (extract(epoch FROM timestamp) * 1000000)::bigint AS t \
                 FROM slate_runtime_metrics WHERE isfinite(timestamp)",
            );
            streams::and_metric(&mut select, query, "timestamp");
            select.sql(") AS samples GROUP BY 1 ORDER BY 1 LIMIT ").bind(Value::number(MAX_BATCH as u64));
            let read = |row: &sqlx::postgres::PgRow| {
                Ok(MetricBucket {
                    start: Timestamp::from_micros(row.int("start")?),
                    count: row.number("count")?,
                    sum: row.real("sum")?,
                    min: row.real("min")?,
                    max: row.real("max")?,
                })
            };
            self.read_rows(&select).await?.iter().map(read).collect::<Result<Vec<_>>>()
        };
        list.await.map_err(|error: Error| error.at(PLACE, "metric_buckets"))
    }

    async fn purge_metrics(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut purge = Statement::new(
            "DELETE FROM slate_runtime_metrics WHERE (timestamp, id) IN \
             (SELECT timestamp, id FROM slate_runtime_metrics WHERE true",
        );
        purge.and("timestamp", "<", Some(before)).sql(" ORDER BY timestamp, id LIMIT ");
        purge.bind(Value::Int(limit.into())).sql(")");
        self.execute(&purge).await.map_err(|error| error.at(PLACE, "purge_metrics"))
    }
}
