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
    Error, LogId, Result, Timestamp,
    model::{LogEntry, LogSource},
    store::{Cursor, LogQuery, LogStore, Page, PageRequest, check},
};
use sqlx::SqliteConnection;

#[async_trait]
impl LogStore for SqliteStore {
    async fn append_logs(&self, entries: Vec<LogEntry>) -> Result<usize> {
        check::check_logs(&entries).map_err(|error| error.at(PLACE, "append_logs"))?;
        self.writer.write("append_logs", Append(entries)).await
    }

    async fn logs(&self, query: LogQuery, page: PageRequest) -> Result<Page<LogEntry>> {
        let list = async {
            let limit = page.checked_limit()?;
            let (operator, direction) = direction(page.order);
            let after = page.after.as_ref().map(Cursor::parse::<LogId>).transpose()?;
            let mut select = Statement::new("SELECT * FROM slate_runtime_logs WHERE true");
            streams::and_log(&mut select, &query)?;
            select.and("id", operator, after);
            select.sql(format_args!(" ORDER BY id {direction} LIMIT ")).bind(one_too_many(limit));
            select.sql(" OFFSET ").bind(Value::Int(query.offset.unwrap_or(0).into()));
            let rows = select.rows(&self.readers).await?;
            let found = rows.iter().map(streams::read_log).collect::<Result<Vec<_>>>()?;
            Ok(Page::from_overfull(found, limit, |entry| Cursor::new(entry.id.to_string())))
        };
        list.await.map_err(|error: Error| error.at(PLACE, "logs"))
    }

    async fn count_logs(&self, query: LogQuery) -> Result<u64> {
        let count = async {
            let mut select = Statement::new("SELECT count(*) AS count FROM slate_runtime_logs WHERE true");
            streams::and_log(&mut select, &query)?;
            select.row(&self.readers).await?.map_or(Ok(0), |row| row.number("count"))
        };
        count.await.map_err(|error: Error| error.at(PLACE, "count_logs"))
    }

    async fn last_log_seq(&self, source: LogSource) -> Result<Option<u64>> {
        let last = async {
            let (kind, id) = streams::place_of_source(source)?;
            let mut select = Statement::new("SELECT max(seq) AS last FROM slate_runtime_logs WHERE seq IS NOT NULL");
            select.and_equal("source_kind", Some(kind)).and_equal("source_id", Some(id));
            let Some(row) = select.row(&self.readers).await? else { return Ok(None) };
            Ok(row.maybe_int("last")?.map(i64::cast_unsigned))
        };
        last.await.map_err(|error: Error| error.at(PLACE, "last_log_seq"))
    }

    async fn purge_logs(&self, before: Timestamp, limit: u32) -> Result<u64> {
        self.writer.write("purge_logs", Purge { before, limit }).await
    }
}

struct Append(Vec<LogEntry>);

#[async_trait]
impl Work for Append {
    type Output = usize;

    async fn run(&self, db: &mut SqliteConnection, _now: Timestamp) -> Result<usize> {
        let mut new = 0;
        for chunk in self.0.chunks(CHUNK) {
            let rows = chunk.iter().map(Entry::values).collect::<Result<Vec<_>>>()?;
            let names = streams::names::<LogEntry>();
            let mut insert = Statement::new(format!("INSERT INTO slate_runtime_logs ({names}) VALUES "));
            // A clause without target leaves out what is there under any unique key, and only that.
            insert.bind_rows(rows).sql(" ON CONFLICT DO NOTHING");
            new += insert.execute(&mut *db).await?;
        }
        Ok(usize::try_from(new).unwrap_or(usize::MAX))
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
        let mut purge =
            Statement::new("DELETE FROM slate_runtime_logs WHERE id IN (SELECT id FROM slate_runtime_logs WHERE true");
        purge.and("timestamp", "<", Some(self.before)).sql(" ORDER BY timestamp, id LIMIT ");
        purge.bind(Value::Int(self.limit.into())).sql(")");
        purge.execute(db).await
    }
}
