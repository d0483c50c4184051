//! Log lines at full speed, until they are on the disk.

use rustix::fs::fdatasync;
use slate_benches::{BoxError, Contest, Result, Sample, Watch, inputs};
use slate_core::{
    SystemClock,
    memory::{MemoryBus, MemoryStore},
    model::{LogEntry, LogSource},
    service::{LogAggregator, LogOptions},
    store::LogStore,
};
use slate_store::sqlite::{SqliteOptions, SqliteStore};
use sqlx::{
    Connection, Executor, QueryBuilder, Sqlite, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const LINES: usize = 40_000;
/// What the aggregator stores at once, and so what the peers put into one transaction.
const BATCH: usize = 1_000;
const INSERT: &str =
    "INSERT INTO slate_runtime_logs (id, source_kind, source_id, seq, level, message, timestamp, metadata) ";

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let lines = inputs::log_lines(LINES);
    let (runtime, lines) = (&runtime, lines.as_slice());
    Contest::new("Log lines of 290 B, stored for good", "line")
        .contender("raw sqlx: VALUES × 500, 1000 a commit (peer)", || runtime.block_on(raw_rows(lines, 500)))
        .contender("raw sqlx: one INSERT, one commit a line", || runtime.block_on(raw_single(&lines[..400])))
        .contender("plain file: append, fdatasync each 1000 (limit)", || plain_file(lines))
        .contender("SqliteStore::append_logs, 1000 at once", || runtime.block_on(appended(lines)))
        .contender("LogSink, 100 lines a submit → SqliteStore", || aggregated_in_file(runtime, lines, 100))
        .contender("LogSink, 1 line a submit → SqliteStore", || aggregated_in_file(runtime, lines, 1))
        .run()?;
    Contest::new("Log lines of 290 B, kept in memory", "line")
        .contender("MemoryStore::append_logs, 1000 at once", || {
            let store = MemoryStore::new();
            runtime.block_on(append_to(&store, lines))
        })
        .contender("LogSink, 100 lines a submit → MemoryStore", || {
            runtime.block_on(aggregated(Arc::new(MemoryStore::new()), lines, 100))
        })
        .contender("LogSink, 1 line a submit → MemoryStore", || {
            runtime.block_on(aggregated(Arc::new(MemoryStore::new()), lines, 1))
        })
        .run()
}

/// A folder and a database in it, with SLATE's schema and nobody who holds it.
async fn database() -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("slate.db");
    SqliteStore::open(&path, SqliteOptions::default()).await?.close().await?;
    Ok((folder, path))
}

/// A plain connection with the promises of SqliteStore's: WAL, and a wait for the disk at each commit.
async fn connect(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    Ok(SqliteConnection::connect_with(&options).await?)
}

async fn insert(db: &mut SqliteConnection, lines: &[LogEntry]) -> Result<()> {
    let metadata = lines.iter().map(|line| serde_json::to_string(&line.metadata)).collect::<Result<Vec<_>, _>>()?;
    let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new(INSERT);
    insert.push_values(lines.iter().zip(metadata), |mut row, (line, metadata)| {
        let LogSource::Session(source) = line.source else { return };
        row.push_bind(line.id.as_u128().to_be_bytes().to_vec())
            .push_bind("session")
            .push_bind(source.as_u128().to_be_bytes().to_vec())
            .push_bind(None::<i64>)
            .push_bind(line.level.as_str())
            .push_bind(&line.message)
            .push_bind(line.timestamp.as_micros())
            .push_bind(metadata);
    });
    insert.build().execute(db).await?;
    Ok(())
}

async fn raw_rows(lines: &[LogEntry], rows: usize) -> Result<Sample> {
    let (_folder, path) = database().await?;
    let mut db = connect(&path).await?;
    let mut watch = Watch::new();
    let work = async {
        for batch in lines.chunks(BATCH) {
            db.execute("BEGIN IMMEDIATE").await?;
            for chunk in batch.chunks(rows) {
                insert(&mut db, chunk).await?;
            }
            db.execute("COMMIT").await?;
        }
        Ok::<_, BoxError>(())
    };
    watch.time_async(lines.len(), work).await?;
    db.close().await?;
    Ok(watch.sample())
}

async fn raw_single(lines: &[LogEntry]) -> Result<Sample> {
    let (_folder, path) = database().await?;
    let mut db = connect(&path).await?;
    let mut watch = Watch::new();
    let work = async {
        for line in lines.chunks(1) {
            insert(&mut db, line).await?;
        }
        Ok::<_, BoxError>(())
    };
    watch.time_async(lines.len(), work).await?;
    db.close().await?;
    Ok(watch.sample())
}

/// What the disk gives: the same bytes, no index, no page, no copy.
fn plain_file(lines: &[LogEntry]) -> Result<Sample> {
    let folder = tempfile::tempdir()?;
    let mut file = std::fs::File::create(folder.path().join("lines"))?;
    let mut watch = Watch::new();
    watch.time(lines.len(), || {
        for batch in lines.chunks(BATCH) {
            let mut bytes = Vec::with_capacity(BATCH * 300);
            for line in batch {
                bytes.extend_from_slice(&line.id.as_u128().to_be_bytes());
                bytes.extend_from_slice(line.source.to_string().as_bytes());
                bytes.extend_from_slice(line.message.as_bytes());
                serde_json::to_writer(&mut bytes, &line.metadata)?;
            }
            file.write_all(&bytes)?;
            fdatasync(&file)?;
        }
        Ok::<_, BoxError>(())
    })?;
    Ok(watch.sample())
}

async fn append_to(store: &dyn LogStore, lines: &[LogEntry]) -> Result<Sample> {
    let batches: Vec<Vec<LogEntry>> = lines.chunks(BATCH).map(<[_]>::to_vec).collect();
    let mut watch = Watch::new();
    let work = async {
        for batch in batches {
            store.append_logs(batch).await?;
        }
        Ok::<_, BoxError>(())
    };
    watch.time_async(lines.len(), work).await?;
    Ok(watch.sample())
}

async fn appended(lines: &[LogEntry]) -> Result<Sample> {
    let (_folder, path) = database().await?;
    let store = SqliteStore::open(&path, SqliteOptions::default()).await?;
    let sample = append_to(&store, lines).await?;
    store.close().await?;
    Ok(sample)
}

fn aggregated_in_file(runtime: &Runtime, lines: &[LogEntry], submit: usize) -> Result<Sample> {
    runtime.block_on(async {
        let (_folder, path) = database().await?;
        let store = Arc::new(SqliteStore::open(&path, SqliteOptions::default()).await?);
        let sample = aggregated(store.clone(), lines, submit).await?;
        store.close().await?;
        Ok(sample)
    })
}

/// The way that services take: lines go to the sink, and the barrier returns when the last one is stored.
async fn aggregated(store: Arc<dyn LogStore>, lines: &[LogEntry], submit: usize) -> Result<Sample> {
    let bus = Arc::new(MemoryBus::new());
    let options = LogOptions::default();
    let (sink, service) = LogAggregator::start(store.clone(), bus, Arc::new(SystemClock), options).await?;
    let batches: Vec<Vec<LogEntry>> = lines.chunks(submit).map(<[_]>::to_vec).collect();
    let mut watch = Watch::new();
    let work = async {
        for batch in batches {
            sink.submit(batch).await?;
        }
        sink.barrier().await
    };
    watch.time_async(lines.len(), work).await?;
    service.shutdown(Duration::from_secs(10)).await?;
    let stored = store.count_logs(slate_core::store::LogQuery::all()).await?;
    if stored != lines.len() as u64 {
        return Err(format!("{stored} lines are stored of {}", lines.len()).into());
    }
    Ok(watch.sample())
}
