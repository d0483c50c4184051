use super::{PgStore, Work, error::PLACE, sql::Statement};
use crate::common::{
    Columns, Value,
    streams::{self, Entry},
    table::{direction, one_too_many},
};
use async_trait::async_trait;
use slate_core::{
    Error, ErrorKind, LogId, Result, Timestamp,
    model::{LogEntry, LogSource},
    store::{Cursor, LogQuery, LogStore, Page, PageRequest, check},
};
use sqlx::{Executor, PgConnection};

/// Most lines, and most bytes of their messages, of one statement: beyond that more no longer makes it quicker.
const CHUNK: usize = 2000;
const CHUNK_BYTES: usize = 8 << 20;

#[async_trait]
impl LogStore for PgStore {
    async fn append_logs(&self, entries: Vec<LogEntry>) -> Result<usize> {
        check::check_logs(&entries).map_err(|error| error.at(PLACE, "append_logs"))?;
        let stored = async {
            let mut inserts = inserts(entries)?;
            // Hardly ever is a line there already. Asking for that row by row costs the server a third more.
            match self.write(Append(&inserts)).await {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    // A clause without target leaves out what is there under any unique key, and only that.
                    for insert in &mut inserts {
                        insert.sql(" ON CONFLICT DO NOTHING");
                    }
                    self.write(Append(&inserts)).await
                }
                stored => stored,
            }
        };
        stored.await.map_err(|error: Error| error.at(PLACE, "append_logs"))
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
            let rows = self.read_rows(&select).await?;
            let found = rows.iter().map(streams::read_log).collect::<Result<Vec<_>>>()?;
            Ok(Page::from_overfull(found, limit, |entry| Cursor::new(entry.id.to_string())))
        };
        list.await.map_err(|error: Error| error.at(PLACE, "logs"))
    }

    async fn count_logs(&self, query: LogQuery) -> Result<u64> {
        let count = async {
            let mut select = Statement::new("SELECT count(*) AS count FROM slate_runtime_logs WHERE true");
            streams::and_log(&mut select, &query)?;
            self.read_row(&select).await?.map_or(Ok(0), |row| row.number("count"))
        };
        count.await.map_err(|error: Error| error.at(PLACE, "count_logs"))
    }

    async fn last_log_seq(&self, source: LogSource) -> Result<Option<u64>> {
        let last = async {
            let (kind, id) = streams::place_of_source(source)?;
            let mut select = Statement::new("SELECT max(seq) AS last FROM slate_runtime_logs WHERE seq IS NOT NULL");
            select.and_equal("source_kind", Some(kind)).and_equal("source_id", Some(id));
            // From the primary: whoever goes on counting from here must not count what is there again.
            let Some(row) = self.primary_row(&select).await? else { return Ok(None) };
            Ok(row.maybe_int("last")?.map(i64::cast_unsigned))
        };
        last.await.map_err(|error: Error| error.at(PLACE, "last_log_seq"))
    }

    async fn purge_logs(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut purge = Statement::new(
            "DELETE FROM slate_runtime_logs WHERE (source_id, id) IN \
             (SELECT source_id, id FROM slate_runtime_logs WHERE true",
        );
        purge.and("timestamp", "<", Some(before)).sql(" ORDER BY timestamp, id LIMIT ");
        purge.bind(Value::Int(limit.into())).sql(")");
        self.execute(&purge).await.map_err(|error| error.at(PLACE, "purge_logs"))
    }
}

fn inserts(entries: Vec<LogEntry>) -> Result<Vec<Statement>> {
    let mut inserts = Vec::new();
    let mut rest = entries.into_iter();
    while !rest.as_slice().is_empty() {
        let length = chunk_length(rest.as_slice());
        inserts.push(insert(rest.by_ref().take(length))?);
    }
    Ok(inserts)
}

/// How many of the lines go into one statement.
fn chunk_length(entries: &[LogEntry]) -> usize {
    let mut bytes = 0;
    let fits = |entry: &&LogEntry| {
        bytes += entry.message.len();
        bytes <= CHUNK_BYTES
    };
    entries.iter().take(CHUNK).take_while(fits).count().max(1)
}

fn insert(entries: impl Iterator<Item = LogEntry>) -> Result<Statement> {
    let names = streams::names::<LogEntry>();
    let mut columns: Vec<Vec<Value>> = LogEntry::COLUMNS.iter().map(|_| Vec::new()).collect();
    for mut entry in entries {
        let message = std::mem::take(&mut entry.message);
        let values = streams::log_values(&entry, message)?;
        columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
    }
    let mut insert = Statement::new(format!("INSERT INTO slate_runtime_logs ({names}) SELECT w.* FROM "));
    insert.columns_as("w", LogEntry::COLUMNS, columns, false);
    Ok(insert)
}

struct Append<'a>(&'a [Statement]);

#[async_trait]
impl Work for Append<'_> {
    type Output = usize;

    async fn run(&self, db: &mut PgConnection) -> Result<usize> {
        append(db, self.0).await
    }
}

async fn append(db: &mut PgConnection, inserts: &[Statement]) -> Result<usize> {
    let failed = super::error::failed;
    let mut new = 0;
    match inserts {
        [] => {}
        [only] => new = only.execute(db).await?,
        all => {
            db.execute("BEGIN").await.map_err(failed)?;
            for insert in all {
                match insert.execute(db).await {
                    Ok(count) => new += count,
                    Err(error) => {
                        // A broken connection takes all back by itself.
                        let _ = db.execute("ROLLBACK").await;
                        return Err(error);
                    }
                }
            }
            db.execute("COMMIT").await.map_err(failed)?;
        }
    }
    Ok(usize::try_from(new).unwrap_or(usize::MAX))
}
