use super::{PgStore, error::PLACE, pool::within, sql::Statement};
use crate::common::{
    Columns, Value,
    streams::{self, Entry},
    table::{direction, one_too_many},
};
use async_trait::async_trait;
use slate_core::{
    Error, EventId, Result, Timestamp, WorkerId,
    model::{NewEvent, StoredEvent},
    store::{Cursor, EventQuery, EventStore, Order, Page, PageRequest, check::MAX_BATCH},
};
use sqlx::PgConnection;
use std::time::{Duration, Instant};

#[async_trait]
impl EventStore for PgStore {
    async fn unpublished(&self, limit: u32) -> Result<Vec<StoredEvent>> {
        let limit = u64::from(limit).min(MAX_BATCH as u64);
        let list = async {
            // No cursor: what a slower transaction commits late, with a lower number, is found all the same.
            let mut select =
                Statement::new("SELECT * FROM slate_outbox WHERE published_at IS NULL ORDER BY seq LIMIT ");
            select.bind(Value::number(limit));
            self.primary_rows(&select).await?.iter().map(streams::read_event).collect::<Result<Vec<_>>>()
        };
        list.await.map_err(|error: Error| error.at(PLACE, "unpublished"))
    }

    async fn mark_published(&self, ids: &[EventId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut mark = Statement::new("UPDATE slate_outbox AS t SET published_at = now() FROM ");
        mark.rows_as("w", &[("id", crate::common::Kind::Id)], ids.iter().map(|id| vec![Value::from(*id)]).collect());
        mark.sql(" WHERE t.id = w.id AND t.published_at IS NULL");
        self.execute(&mark).await.map(drop).map_err(|error| error.at(PLACE, "mark_published"))
    }

    async fn events(&self, query: EventQuery, page: PageRequest) -> Result<Page<StoredEvent>> {
        let list = async {
            let limit = page.checked_limit()?;
            let (operator, direction) = direction(page.order);
            let after = page.after.as_ref().map(Cursor::parse::<u64>).transpose()?;
            let settled = match page.order {
                Order::Ascending => Some(self.settled(after).await?),
                Order::Descending => None,
            };
            let mut select = Statement::new("SELECT * FROM slate_outbox WHERE true");
            streams::and_event(&mut select, query);
            select.and("seq", operator, after.map(Value::number)).and("seq", "<=", settled.map(Value::Int));
            select.sql(format_args!(" ORDER BY seq {direction} LIMIT ")).bind(one_too_many(limit));
            let rows = self.primary_rows(&select).await?;
            let found = rows.iter().map(streams::read_event).collect::<Result<Vec<_>>>()?;
            Ok(Page::from_overfull(found, limit, |event| Cursor::new(event.seq.to_string())))
        };
        list.await.map_err(|error: Error| error.at(PLACE, "events"))
    }

    async fn count_events(&self, query: EventQuery) -> Result<u64> {
        let count = async {
            let mut select = Statement::new("SELECT count(*) AS count FROM slate_outbox WHERE true");
            streams::and_event(&mut select, query);
            self.primary_row(&select).await?.map_or(Ok(0), |row| row.number("count"))
        };
        count.await.map_err(|error: Error| error.at(PLACE, "count_events"))
    }

    async fn purge_events(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut purge = Statement::new(
            "DELETE FROM slate_outbox WHERE seq IN (SELECT seq FROM slate_outbox WHERE published_at IS NOT NULL",
        );
        purge.and("at", "<", Some(before)).sql(" ORDER BY seq LIMIT ").bind(Value::Int(limit.into())).sql(")");
        self.execute(&purge).await.map_err(|error| error.at(PLACE, "purge_events"))
    }

    async fn lease(&self, name: &str, worker: &WorkerId, ttl: Duration) -> Result<Option<u64>> {
        let mut take = Statement::new("INSERT INTO slate_leases AS l (name, worker, until, term) VALUES (");
        take.bind_all([name, worker.as_str()]).sql(", ").bind_later(ttl).sql(", 1)");
        take.sql(" ON CONFLICT (name) DO UPDATE SET worker = excluded.worker, until = excluded.until,");
        take.sql(" term = l.term + CASE WHEN l.worker = excluded.worker AND l.until > now() THEN 0 ELSE 1 END");
        take.sql(" WHERE l.worker IS NULL OR l.worker = excluded.worker OR l.until <= now() RETURNING term");
        let taken = async { self.write_row(&take).await?.map(|row| row.number("term")).transpose() };
        taken.await.map_err(|error: Error| error.at(PLACE, "lease"))
    }

    async fn release_lease(&self, name: &str, worker: &WorkerId) -> Result<()> {
        let mut give = Statement::new("UPDATE slate_leases SET worker = NULL, until = NULL WHERE true");
        give.and_equal("name", Some(name)).and_equal("worker", Some(worker.as_str()));
        self.execute(&give).await.map(drop).map_err(|error| error.at(PLACE, "release_lease"))
    }
}

impl PgStore {
    /// A `seq` up to which all events are committed that ever will be.
    ///
    /// A number is given when a row is written; its transaction may be slower than that of a greater one. Whoever writes to
    /// the table holds a lock of it until the end of the transaction, so: note the last number given, look who holds such a
    /// lock, and wait until these are gone. All numbers up to the one noted were taken by them, or by those gone before.
    /// Where one of them takes too long, what nobody else may come below is the answer; nothing is missed, it comes later.
    async fn settled(&self, after: Option<u64>) -> Result<i64> {
        let deadline = Instant::now() + self.options().settle_timeout;
        let mut session = self.primary().session().await?;
        let limit = self.options().statement_timeout;
        let settled = within(limit, async { settle(session.db()?, after, deadline).await }).await;
        session.end(settled)
    }
}

async fn settle(db: &mut PgConnection, after: Option<u64>, deadline: Instant) -> Result<i64> {
    // The second column reads the first, so that it is looked up after it.
    let look = Statement::new(
        "SELECT l.last, ARRAY(SELECT DISTINCT virtualtransaction || '' FROM pg_locks WHERE l.last IS NOT NULL \
         AND locktype = 'relation' AND mode = 'RowExclusiveLock' AND relation = 'slate_outbox'::regclass \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))::text[] AS writers \
         FROM (SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('slate_outbox', 'seq')::regclass), 0) \
         AS last OFFSET 0) AS l",
    );
    let Some(row) = look.row(db).await? else { return Ok(0) };
    let last = row.int("last")?;
    let writers = |row: &sqlx::postgres::PgRow| {
        sqlx::Row::try_get::<Vec<String>, _>(row, "writers").map_err(super::error::failed)
    };
    let waited_for = writers(&row)?;
    let mut there = waited_for.clone();
    let mut pause = Duration::from_millis(1);
    while there.iter().any(|writer| waited_for.contains(writer)) {
        if Instant::now() + pause >= deadline {
            // Nothing new can be told for sure; what was told before stays told.
            return Ok(after.map_or(0, |after| i64::try_from(after).unwrap_or(i64::MAX)));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
        there = look.row(db).await?.as_ref().map_or(Ok(Vec::new()), writers)?;
    }
    Ok(last)
}

/// Adds a statement that stores events in their order, on a condition that `when` adds.
pub(super) fn insert(
    statement: &mut Statement,
    events: &[NewEvent],
    when: impl FnOnce(&mut Statement) -> &mut Statement,
) -> Result<()> {
    let rows = events.iter().map(Entry::values).collect::<Result<Vec<_>>>()?;
    let names = streams::names::<NewEvent>();
    statement.sql(format_args!("INSERT INTO slate_outbox ({names}) SELECT {names} FROM "));
    when(statement.rows_as("w", NewEvent::COLUMNS, rows)).sql(" ORDER BY n");
    Ok(())
}

/// Stores the events of a set, in their order.
pub(super) async fn store(db: &mut PgConnection, events: &[NewEvent]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut statement = Statement::new("");
    insert(&mut statement, events, |told| told)?;
    statement.execute(db).await.map(drop)
}
