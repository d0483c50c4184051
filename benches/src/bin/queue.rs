//! Asset jobs claimed and completed: the store as a queue.

use slate_benches::{
    BoxError, Contest, Result, Sample, Watch,
    jobs::{LEASE, Work, check, claim_and_complete, event, fill, output},
};
use slate_core::{
    AssetJobId, Timestamp, WorkerId,
    asset::{AssetOptions, AssetOutput},
    memory::MemoryStore,
    store::{Claim, Held, JobRef, JobStore, Queue, Record},
};
use slate_store::sqlite::{SqliteOptions, SqliteStore};
use sqlx::{
    Connection, Executor, QueryBuilder, Row, Sqlite, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for (batch, jobs) in [(1, 300), (20, 2_000), (100, 4_000)] {
        let work = Work { jobs, batch };
        Contest::new(format!("Claim and complete asset jobs, batch {batch}"), "job")
            .contender("raw sqlx: claim; UPDATE each, one commit; no events (peer)", || {
                runtime.block_on(raw(work, Completion::Each))
            })
            .contender("raw sqlx: claim; one UPDATE, one INSERT of events (limit)", || {
                runtime.block_on(raw(work, Completion::Set))
            })
            .contender("SqliteStore: claim; one apply with fences and events", || {
                runtime.block_on(in_file(work, false))
            })
            .contender("SqliteStore: claim; one apply a job, all at once", || runtime.block_on(in_file(work, true)))
            .contender("MemoryStore: claim; one apply", || {
                runtime.block_on(async {
                    let store = MemoryStore::new();
                    fill(&store, work.jobs).await?;
                    claim_and_complete(&store, work, false).await
                })
            })
            .run()?;
    }
    extend_leases(&runtime)
}

/// A worker's sign of life for the jobs that it holds, beside few and many others.
fn extend_leases(runtime: &Runtime) -> Result<()> {
    const HELD: u32 = 16;
    let worker = WorkerId::new("bench")?;
    let held = |jobs| {
        let worker = worker.clone();
        runtime.block_on(async move {
            let (folder, path) = database(jobs).await?;
            let store = SqliteStore::open(&path, SqliteOptions::default()).await?;
            let claimed = store.claim(Queue::AssetJobs, Claim::new(worker, LEASE, HELD)).await?;
            let held = claimed.iter().filter_map(|record| match record {
                Record::AssetJob(job) => Some((JobRef::AssetJob(job.id), job.lease.attempt)),
                _ => None,
            });
            Ok::<_, BoxError>((folder, store, held.collect::<Vec<_>>()))
        })
    };
    let (few, many) = (held(100)?, held(10_000)?);
    let extend = |(_, store, held): &(TempDir, SqliteStore, Vec<_>)| {
        let mut watch = Watch::new();
        runtime.block_on(async {
            for _ in 0..50 {
                let answers = watch.time_async(held.len(), store.extend(&worker, held, LEASE)).await?;
                if answers.iter().any(|answer| *answer != Held::Yes) {
                    return Err("a lease was lost".into());
                }
            }
            Ok::<_, BoxError>(())
        })?;
        Ok(watch.sample())
    };
    Contest::new(format!("Extend {HELD} leases at once"), "lease")
        .contender("in a table of 100 jobs", || extend(&few))
        .contender("of 10 000", || extend(&many))
        .run()
}

#[derive(Clone, Copy, PartialEq)]
enum Completion {
    Each,
    Set,
}

async fn database(jobs: usize) -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("slate.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).await?;
    fill(&store, jobs).await?;
    store.close().await?;
    Ok((folder, path))
}

async fn in_file(work: Work, each: bool) -> Result<Sample> {
    let (_folder, path) = database(work.jobs).await?;
    let store = SqliteStore::open(&path, SqliteOptions::default()).await?;
    let sample = claim_and_complete(&store, work, each).await?;
    store.close().await?;
    Ok(sample)
}

async fn connect(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    Ok(SqliteConnection::connect_with(&options).await?)
}

async fn raw(work: Work, completion: Completion) -> Result<Sample> {
    let (_folder, path) = database(work.jobs).await?;
    let mut db = connect(&path).await?;
    let output = output()?;
    let mut watch = Watch::new();
    let done = watch.time_async(work.jobs, async {
        let mut done = 0;
        loop {
            let claimed = raw_claim(&mut db, work.batch).await?;
            if claimed.is_empty() {
                return Ok::<_, BoxError>(done);
            }
            done += claimed.len();
            db.execute("BEGIN IMMEDIATE").await?;
            match completion {
                Completion::Each => raw_complete_each(&mut db, &claimed, &output).await?,
                Completion::Set => raw_complete_set(&mut db, &claimed, &output).await?,
            }
            db.execute("COMMIT").await?;
        }
    });
    let done = done.await?;
    check(done, work)?;
    db.close().await?;
    Ok(watch.sample())
}

/// A job as the plain statements see it.
struct Claimed {
    id: Vec<u8>,
    attempt: i64,
    version: i64,
}

async fn raw_claim(db: &mut SqliteConnection, limit: usize) -> Result<Vec<Claimed>> {
    let now = Timestamp::now();
    let rows = sqlx::query(
        "UPDATE slate_asset_jobs SET status = 'running', lease_owner = 'bench', lease_until = ?1, attempt = attempt + 1, \
         version = version + 1, updated_at = ?2 WHERE id IN (SELECT id FROM slate_asset_jobs WHERE deleted_at IS NULL \
         AND status IN ('queued', 'running') AND (status = 'queued' OR lease_until <= ?2) \
         ORDER BY created_at, id LIMIT ?3) RETURNING *",
    )
    .bind((now + LEASE).as_micros())
    .bind(now.as_micros())
    .bind(i64::try_from(limit)?)
    .fetch_all(db)
    .await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        // What a worker needs to work: the options too.
        let options: String = row.try_get("options")?;
        std::hint::black_box(serde_json::from_str::<AssetOptions>(&options)?);
        Ok(Claimed { id: row.try_get("id")?, attempt: row.try_get("attempt")?, version: row.try_get("version")? })
    };
    rows.iter().map(read).collect()
}

async fn raw_complete_each(db: &mut SqliteConnection, jobs: &[Claimed], output: &AssetOutput) -> Result<()> {
    for job in jobs {
        let now = Timestamp::now().as_micros();
        let done = sqlx::query(
            "UPDATE slate_asset_jobs SET status = 'completed', progress = 100, output = ?1, completed_at = ?2, \
             updated_at = ?2, version = version + 1, lease_owner = NULL, lease_until = NULL \
             WHERE id = ?3 AND lease_owner = 'bench' AND attempt = ?4",
        )
        .bind(serde_json::to_string(output)?)
        .bind(now)
        .bind(&job.id)
        .bind(job.attempt)
        .execute(&mut *db)
        .await?;
        if done.rows_affected() != 1 {
            return Err("a lease was lost".into());
        }
    }
    Ok(())
}

async fn raw_complete_set(db: &mut SqliteConnection, jobs: &[Claimed], output: &AssetOutput) -> Result<()> {
    let now = Timestamp::now();
    let outputs = jobs.iter().map(|_| serde_json::to_string(output)).collect::<Result<Vec<_>, _>>()?;
    let mut update: QueryBuilder<Sqlite> = QueryBuilder::new("WITH done (id, attempt, output) AS (");
    update.push_values(jobs.iter().zip(outputs), |mut row, (job, output)| {
        row.push_bind(&job.id).push_bind(job.attempt).push_bind(output);
    });
    update.push(") UPDATE slate_asset_jobs AS job SET status = 'completed', progress = 100, output = done.output");
    update.push(", completed_at = ").push_bind(now.as_micros());
    update.push(", updated_at = ").push_bind(now.as_micros());
    update.push(", version = version + 1, lease_owner = NULL, lease_until = NULL FROM done ");
    update.push("WHERE job.id = done.id AND job.lease_owner = 'bench' AND job.attempt = done.attempt");
    let updated = update.build().execute(&mut *db).await?.rows_affected();
    if updated != jobs.len() as u64 {
        return Err("a lease was lost".into());
    }
    let mut events = Vec::new();
    for job in jobs {
        let id = AssetJobId::from_u128(u128::from_be_bytes(job.id.as_slice().try_into()?));
        events.push(event(id, u64::try_from(job.version)? + 1, now)?);
    }
    let payloads = events.iter().map(|event| serde_json::to_string(&event.payload)).collect::<Result<Vec<_>, _>>()?;
    let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new(
        "INSERT INTO slate_outbox (id, subject, payload, aggregate, aggregate_version, headers, at) ",
    );
    insert.push_values(events.iter().zip(payloads).zip(jobs), |mut row, ((event, payload), job)| {
        row.push_bind(event.id.as_u128().to_be_bytes().to_vec())
            .push_bind(event.subject.as_str())
            .push_bind(payload)
            .push_bind(event.aggregate.as_ref().map(|aggregate| aggregate.name.as_str()))
            .push_bind(job.version + 1)
            .push_bind("{}")
            .push_bind(event.at.as_micros());
    });
    insert.build().execute(db).await?;
    Ok(())
}
