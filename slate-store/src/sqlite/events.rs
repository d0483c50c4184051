use super::{
    SqliteStore,
    error::PLACE,
    sql::{CHUNK, Statement},
    writer::Work,
};
use crate::common::{
    Columns, Value,
    streams::{self, Entry},
    table::{direction, one_too_many},
};
use async_trait::async_trait;
use slate_core::{
    Error, EventId, Result, Timestamp, WorkerId,
    model::{NewEvent, StoredEvent},
    store::{Cursor, EventQuery, EventStore, Page, PageRequest, check::MAX_BATCH},
};
use sqlx::SqliteConnection;
use std::time::Duration;

#[async_trait]
impl EventStore for SqliteStore {
    async fn unpublished(&self, limit: u32) -> Result<Vec<StoredEvent>> {
        let limit = u64::from(limit).min(MAX_BATCH as u64);
        let list = async {
            // Numbers are given under the lock that commits hold, so none appears below one that was seen.
            let mut select =
                Statement::new("SELECT * FROM slate_outbox WHERE published_at IS NULL ORDER BY seq LIMIT ");
            select.bind(Value::number(limit));
            select.rows(&self.readers).await?.iter().map(streams::read_event).collect::<Result<Vec<_>>>()
        };
        list.await.map_err(|error: Error| error.at(PLACE, "unpublished"))
    }

    async fn mark_published(&self, ids: &[EventId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        self.writer.write("mark_published", Mark(ids.to_vec())).await
    }

    async fn events(&self, query: EventQuery, page: PageRequest) -> Result<Page<StoredEvent>> {
        let list = async {
            let limit = page.checked_limit()?;
            let (operator, direction) = direction(page.order);
            let after = page.after.as_ref().map(Cursor::parse::<u64>).transpose()?;
            let mut select = Statement::new("SELECT * FROM slate_outbox WHERE true");
            streams::and_event(&mut select, query);
            select.and("seq", operator, after.map(Value::number));
            select.sql(format_args!(" ORDER BY seq {direction} LIMIT ")).bind(one_too_many(limit));
            let rows = select.rows(&self.readers).await?;
            let found = rows.iter().map(streams::read_event).collect::<Result<Vec<_>>>()?;
            Ok(Page::from_overfull(found, limit, |event| Cursor::new(event.seq.to_string())))
        };
        list.await.map_err(|error: Error| error.at(PLACE, "events"))
    }

    async fn count_events(&self, query: EventQuery) -> Result<u64> {
        let count = async {
            let mut select = Statement::new("SELECT count(*) AS count FROM slate_outbox WHERE true");
            streams::and_event(&mut select, query);
            select.row(&self.readers).await?.map_or(Ok(0), |row| row.number("count"))
        };
        count.await.map_err(|error: Error| error.at(PLACE, "count_events"))
    }

    async fn purge_events(&self, before: Timestamp, limit: u32) -> Result<u64> {
        self.writer.write("purge_events", Purge { before, limit }).await
    }

    async fn lease(&self, name: &str, worker: &WorkerId, ttl: Duration) -> Result<Option<u64>> {
        self.writer.write("lease", TakeLease { name: name.to_owned(), worker: worker.clone(), ttl }).await
    }

    async fn release_lease(&self, name: &str, worker: &WorkerId) -> Result<()> {
        self.writer.write("release_lease", GiveLease { name: name.to_owned(), worker: worker.clone() }).await
    }
}

/// Stores the events of a set, in their order.
pub(super) async fn store(db: &mut SqliteConnection, events: &[NewEvent]) -> Result<()> {
    for chunk in events.chunks(CHUNK) {
        let rows = chunk.iter().map(Entry::values).collect::<Result<Vec<_>>>()?;
        let names = streams::names::<NewEvent>();
        let mut insert = Statement::new(format!("INSERT INTO slate_outbox ({names}) VALUES "));
        insert.bind_rows(rows);
        insert.execute(&mut *db).await?;
    }
    Ok(())
}

struct Mark(Vec<EventId>);

#[async_trait]
impl Work for Mark {
    type Output = ();

    async fn run(&self, db: &mut SqliteConnection, now: Timestamp) -> Result<()> {
        for chunk in self.0.chunks(CHUNK) {
            let mut mark = Statement::new("UPDATE slate_outbox SET published_at = ");
            mark.bind(now).sql(" WHERE published_at IS NULL AND id IN (VALUES ");
            mark.bind_rows(chunk.iter().map(|id| vec![Value::from(*id)])).sql(")");
            mark.execute(&mut *db).await?;
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
            "DELETE FROM slate_outbox WHERE seq IN (SELECT seq FROM slate_outbox WHERE published_at IS NOT NULL",
        );
        purge.and("at", "<", Some(self.before)).sql(" ORDER BY seq LIMIT ");
        purge.bind(Value::Int(self.limit.into())).sql(")");
        purge.execute(db).await
    }
}

struct TakeLease {
    name: String,
    worker: WorkerId,
    ttl: Duration,
}

#[async_trait]
impl Work for TakeLease {
    type Output = Option<u64>;

    async fn run(&self, db: &mut SqliteConnection, now: Timestamp) -> Result<Option<u64>> {
        let row = vec![Value::text(&self.name), Value::text(&self.worker), (now + self.ttl).into(), Value::Int(1)];
        let mut take = Statement::new("INSERT INTO slate_leases (name, worker, until, term) VALUES ");
        take.bind_rows([row]);
        take.sql(" ON CONFLICT (name) DO UPDATE SET worker = excluded.worker, until = excluded.until,");
        take.sql(" term = term + iif(worker = excluded.worker AND until > ").bind(now).sql(", 0, 1)");
        take.sql(" WHERE worker IS NULL OR worker = excluded.worker OR until <= ").bind(now).sql(" RETURNING term");
        take.row(db).await?.map(|row| row.number("term")).transpose()
    }
}

struct GiveLease {
    name: String,
    worker: WorkerId,
}

#[async_trait]
impl Work for GiveLease {
    type Output = ();

    async fn run(&self, db: &mut SqliteConnection, _now: Timestamp) -> Result<()> {
        // The row stays, for its term: the next one must be greater.
        let mut give = Statement::new("UPDATE slate_leases SET worker = NULL, until = NULL WHERE true");
        give.and_equal("name", Some(self.name.as_str())).and_equal("worker", Some(self.worker.as_str()));
        give.execute(db).await.map(drop)
    }
}
