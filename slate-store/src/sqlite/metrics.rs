use super::{
    SqliteStore,
    error::PLACE,
    sql::{CHUNK, Columns, Statement, Value},
    table::{direction, one_too_many},
    writer::Work,
};
use async_trait::async_trait;
use slate_core::{
    Error, Result, SessionId, Timestamp,
    model::{MetricBucket, MetricSample},
    store::{
        Cursor, MetricQuery, MetricStore, Page, PageRequest,
        check::{self, MAX_BATCH},
    },
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};
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
            add_conditions(&mut select, query);
            if let Some(cursor) = &page.after {
                let (time, row) = parse_cursor(cursor)?;
                select.sql(format_args!(" AND (timestamp, id) {operator} ("));
                select.bind_all([Value::Int(time), Value::Int(row)]).sql(")");
            }
            select.sql(format_args!(" ORDER BY timestamp {direction}, id {direction} LIMIT "));
            let rows = select.bind(one_too_many(limit)).rows(&self.readers).await?;
            let found = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
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
            add_conditions(&mut select, query);
            select.sql(" GROUP BY start ORDER BY start LIMIT ").bind(Value::number(MAX_BATCH as u64));
            select.rows(&self.readers).await?.iter().map(read_bucket).collect::<Result<Vec<_>>>()
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
            let mut insert = Statement::new(
                "INSERT INTO slate_runtime_metrics (session_id, metric_type, value, unit, timestamp) VALUES ",
            );
            insert.bind_rows(chunk.iter().map(values)).execute(&mut *db).await?;
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
        purge.bind(Value::Int(self.limit.into())).sql(")").execute(db).await
    }
}

fn add_conditions(select: &mut Statement, query: MetricQuery) {
    select
        .and_equal("session_id", query.session)
        .and_equal("metric_type", query.metric_type.map(Value::Text))
        .and("timestamp", ">=", query.since)
        .and("timestamp", "<", query.until);
}

fn parse_cursor(cursor: &Cursor) -> Result<(i64, i64)> {
    let parse = || {
        let (time, row) = cursor.as_str().split_once(':')?;
        Some((time.parse().ok()?, row.parse().ok()?))
    };
    parse().ok_or_else(|| Error::invalid("not a cursor of this query"))
}

fn values(sample: &MetricSample) -> Vec<Value> {
    vec![
        sample.session_id.into(),
        Value::text(&sample.metric_type),
        Value::Real(sample.value),
        Value::text(&sample.unit),
        sample.timestamp.into(),
    ]
}

fn read(row: &SqliteRow) -> Result<(i64, MetricSample)> {
    let row = Columns(row);
    let sample = MetricSample {
        session_id: row.maybe_id("session_id", SessionId::from_u128)?,
        metric_type: row.text("metric_type")?,
        value: row.real("value")?,
        unit: row.text("unit")?,
        timestamp: row.time("timestamp")?,
    };
    Ok((row.int("id")?, sample))
}

fn read_bucket(row: &SqliteRow) -> Result<MetricBucket> {
    let row = Columns(row);
    Ok(MetricBucket {
        start: row.time("start")?,
        count: row.number("count")?,
        sum: row.real("sum")?,
        min: row.real("min")?,
        max: row.real("max")?,
    })
}
