use crate::graphile::Graphile;
use slate_benches::{
    BoxError, Contest, Result, Sample, Watch, inputs,
    jobs::{self, LEASE, Work, claim_and_complete, event, output},
};
use slate_core::{
    AssetJobId, EventId, Timestamp, UserId, Version,
    asset::{AssetOptions, AssetOutput},
    bus::Subject,
    model::{Aggregate, LogEntry, LogSource, NewEvent, Project, RuntimeSession, SessionState},
    runtime::{RuntimeSpec, RuntimeType},
    store::{ChangeSet, ChangeStore, LogStore, SessionStore},
};
use slate_harness::{Database, Postgres, PostgresOptions};
use slate_store::postgres::{PgOptions, PgStore};
use sqlx::{Connection, Executor, PgConnection, Row};
use tokio::runtime::Runtime;

const LINES: usize = 40_000;
const BATCH: usize = 1_000;
const CHANGES: usize = 1000;

pub(crate) fn run(runtime: &Runtime) -> Result<()> {
    // Commits reach the disk, as they do where it matters.
    let options = PostgresOptions { durable: true, ..PostgresOptions::default() };
    let server = Postgres::start(&options)?;
    let lines = inputs::log_lines(LINES);
    let lines = lines.as_slice();
    Contest::new("Postgres: log lines of 290 B", "line")
        .contender("raw sqlx: UNNEST × 1000 (peer)", || runtime.block_on(raw_lines(&server, lines, BATCH)))
        .contender("raw sqlx: one INSERT a line", || runtime.block_on(raw_lines(&server, &lines[..400], 1)))
        .contender("PgStore::append_logs, 1000 at once", || runtime.block_on(appended(&server, lines)))
        .run()?;
    Contest::new("Postgres: a session's change of state, one after the other", "change")
        .contender("raw sqlx: UPDATE … WHERE id AND version; no event (peer)", || runtime.block_on(bare(&server)))
        .contender("raw sqlx: BEGIN, UPDATE, INSERT of the event, COMMIT", || runtime.block_on(begun(&server)))
        .contender("PgStore::apply: the change and its event", || runtime.block_on(applied(&server)))
        .run()?;
    let graphile = Graphile::install()?;
    for (batch, jobs) in [(20, 2_000), (100, 6_000)] {
        let work = Work { jobs, batch };
        let mut contest = Contest::new(format!("Postgres: claim and complete asset jobs, batch {batch}"), "job")
            .contender("raw sqlx: SKIP LOCKED; one UPDATE, one INSERT of events (peer)", || {
                runtime.block_on(raw_jobs(&server, work))
            })
            .contender("PgStore: claim; one apply with fences and events", || {
                runtime.block_on(store_jobs(&server, work))
            });
        if let Some(graphile) = &graphile {
            contest = contest
                .contender("graphile-worker 0.17 on node, jobs that do nothing", || graphile.work(&server, work));
        }
        contest.run()?;
    }
    Ok(())
}

pub(crate) async fn open(server: &Postgres) -> Result<(Database, PgStore)> {
    let database = server.address().database()?;
    let store = PgStore::open(PgOptions::new(&database.url)?).await?;
    Ok((database, store))
}

async fn raw_lines(server: &Postgres, lines: &[LogEntry], batch: usize) -> Result<Sample> {
    let (database, store) = open(server).await?;
    store.close().await;
    let mut db = PgConnection::connect(&database.url).await?;
    let mut watch = Watch::new();
    let work = async {
        for batch in lines.chunks(batch) {
            insert(&mut db, batch).await?;
        }
        Ok::<_, BoxError>(())
    };
    watch.time_async(lines.len(), work).await?;
    db.close().await?;
    Ok(watch.sample())
}

async fn insert(db: &mut PgConnection, lines: &[LogEntry]) -> Result<()> {
    let id = |line: &LogEntry| sqlx::types::Uuid::from_u128(line.id.as_u128());
    let source = |line: &LogEntry| match line.source {
        LogSource::Session(id) => sqlx::types::Uuid::from_u128(id.as_u128()),
        _ => sqlx::types::Uuid::nil(),
    };
    let metadata = lines.iter().map(|line| serde_json::to_string(&line.metadata)).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(
        "INSERT INTO slate_runtime_logs (id, source_kind, source_id, seq, level, message, timestamp, metadata) \
         SELECT id, 'session', source, seq, level, message, timestamptz 'epoch' + at * interval '1 microsecond', metadata::jsonb \
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[]) \
         AS line (id, source, seq, level, message, at, metadata)",
    )
    .bind(lines.iter().map(id).collect::<Vec<_>>())
    .bind(lines.iter().map(source).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.seq.and_then(|seq| i64::try_from(seq).ok())).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.level.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.timestamp.as_micros()).collect::<Vec<_>>())
    .bind(metadata)
    .execute(db)
    .await?;
    Ok(())
}

async fn appended(server: &Postgres, lines: &[LogEntry]) -> Result<Sample> {
    let (_database, store) = open(server).await?;
    let mut watch = Watch::new();
    for batch in lines.chunks(BATCH) {
        let batch = batch.to_vec();
        watch.time_async(batch.len(), store.append_logs(batch)).await?;
    }
    store.close().await;
    Ok(watch.sample())
}

/// A store with one session in it.
async fn with_session(server: &Postgres) -> Result<(Database, PgStore, RuntimeSession)> {
    let (database, store) = open(server).await?;
    let user = UserId::new("ada")?;
    let project = Project::new("Lantern", user.clone(), inputs::NOW);
    let spec = RuntimeSpec::new("session", ["sleep", "60"]);
    let session = RuntimeSession::new(project.id, user, RuntimeType::Custom, "process", spec, inputs::NOW);
    store.apply(ChangeSet::new().create(project).create(session.clone())).await?;
    Ok((database, store, session))
}

/// The states that the session is moved between.
fn status(number: usize) -> SessionState {
    if number.is_multiple_of(2) { SessionState::Starting } else { SessionState::Running }
}

const UPDATE: &str = "UPDATE slate_runtime_sessions SET status = $1, version = version + 1, updated_at = now() \
                      WHERE id = $2 AND version = $3 AND deleted_at IS NULL";

async fn bare(server: &Postgres) -> Result<Sample> {
    let (database, store, session) = with_session(server).await?;
    store.close().await;
    let mut db = PgConnection::connect(&database.url).await?;
    let id = sqlx::types::Uuid::from_u128(session.id.as_u128());
    let mut watch = Watch::new();
    for number in 0..CHANGES {
        let update = sqlx::query(UPDATE).bind(status(number).as_str()).bind(id).bind(number as i64 + 1);
        let done = watch.time_async(1, update.execute(&mut db)).await?;
        if done.rows_affected() != 1 {
            return Err("the session is another one's".into());
        }
    }
    db.close().await?;
    Ok(watch.sample())
}

async fn begun(server: &Postgres) -> Result<Sample> {
    let (database, store, session) = with_session(server).await?;
    store.close().await;
    let mut db = PgConnection::connect(&database.url).await?;
    let id = sqlx::types::Uuid::from_u128(session.id.as_u128());
    let mut watch = Watch::new();
    for number in 0..CHANGES {
        let event = state_event(&session, number as u64 + 2)?;
        let work = async {
            db.execute("BEGIN").await?;
            let update = sqlx::query(UPDATE).bind(status(number).as_str()).bind(id).bind(number as i64 + 1);
            update.execute(&mut db).await?;
            sqlx::query(
                "INSERT INTO slate_outbox (id, subject, payload, aggregate, aggregate_version, headers, at) \
                 VALUES ($1, $2, $3::jsonb, $4, $5, '{}', now())",
            )
            .bind(sqlx::types::Uuid::from_u128(event.id.as_u128()))
            .bind(event.subject.as_str())
            .bind(event.payload.to_string())
            .bind(event.aggregate.as_ref().map(|aggregate| aggregate.name.clone()))
            .bind(number as i64 + 2)
            .execute(&mut db)
            .await?;
            db.execute("COMMIT").await?;
            Ok::<_, BoxError>(())
        };
        watch.time_async(1, work).await?;
    }
    db.close().await?;
    Ok(watch.sample())
}

async fn applied(server: &Postgres) -> Result<Sample> {
    let (_database, store, session) = with_session(server).await?;
    let mut session = store.session(session.id).await?;
    let mut watch = Watch::new();
    for number in 0..CHANGES {
        session.status = status(number);
        let event = state_event(&session, session.revision.version.next().0)?;
        let set = ChangeSet::new().update(session.clone()).event(event);
        watch.time_async(1, store.apply(set)).await?;
        session.revision.version = session.revision.version.next();
    }
    store.close().await;
    Ok(watch.sample())
}

fn state_event(session: &RuntimeSession, version: u64) -> Result<NewEvent> {
    Ok(NewEvent {
        id: EventId::new(),
        subject: Subject::new(format!("slate.runtime.status.{}", session.id))?,
        payload: serde_json::json!({ "type": "status", "sessionId": session.id, "data": { "status": session.status } }),
        aggregate: Some(Aggregate { name: format!("session:{}", session.id), version: Version(version) }),
        headers: std::collections::BTreeMap::new(),
        at: Timestamp::now(),
    })
}

async fn store_jobs(server: &Postgres, work: Work) -> Result<Sample> {
    let (_database, store) = open(server).await?;
    jobs::fill(&store, work.jobs).await?;
    let sample = claim_and_complete(&store, work, false).await?;
    store.close().await;
    Ok(sample)
}

async fn raw_jobs(server: &Postgres, work: Work) -> Result<Sample> {
    let (database, store) = open(server).await?;
    jobs::fill(&store, work.jobs).await?;
    store.close().await;
    let mut db = PgConnection::connect(&database.url).await?;
    let output = output()?;
    let mut watch = Watch::new();
    let done = watch.time_async(work.jobs, async {
        let mut done = 0;
        loop {
            let claimed = claim(&mut db, work.batch).await?;
            if claimed.is_empty() {
                return Ok::<_, BoxError>(done);
            }
            done += claimed.len();
            complete(&mut db, &claimed, &output).await?;
        }
    });
    jobs::check(done.await?, work)?;
    db.close().await?;
    Ok(watch.sample())
}

struct Claimed {
    id: sqlx::types::Uuid,
    attempt: i64,
    version: i64,
}

async fn claim(db: &mut PgConnection, limit: usize) -> Result<Vec<Claimed>> {
    let rows = sqlx::query(
        "UPDATE slate_asset_jobs SET status = 'running', lease_owner = 'bench', lease_until = now() + $1 * interval '1 second', \
         attempt = attempt + 1, version = version + 1, updated_at = now() WHERE id IN (SELECT id FROM slate_asset_jobs \
         WHERE deleted_at IS NULL AND status IN ('queued', 'running') AND (status = 'queued' OR lease_until <= now()) \
         ORDER BY created_at, id LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING id, attempt, version, options::text AS options, \
         asset_id, project_id, user_id, created_at::text",
    )
    .bind(LEASE.as_secs() as i64)
    .bind(i64::try_from(limit)?)
    .fetch_all(db)
    .await?;
    let read = |row: &sqlx::postgres::PgRow| {
        // What a worker needs to work: the options too.
        let options: String = row.try_get("options")?;
        std::hint::black_box(serde_json::from_str::<AssetOptions>(&options)?);
        Ok(Claimed { id: row.try_get("id")?, attempt: row.try_get("attempt")?, version: row.try_get("version")? })
    };
    rows.iter().map(read).collect()
}

/// Ends the jobs and tells of it, in one statement.
async fn complete(db: &mut PgConnection, claimed: &[Claimed], output: &AssetOutput) -> Result<()> {
    let now = Timestamp::now();
    let mut events = Vec::new();
    for job in claimed {
        events.push(event(AssetJobId::from_u128(job.id.as_u128()), u64::try_from(job.version)? + 1, now)?);
    }
    let outputs = claimed.iter().map(|_| serde_json::to_string(output)).collect::<Result<Vec<_>, _>>()?;
    let payloads = events.iter().map(|event| event.payload.to_string()).collect::<Vec<_>>();
    let done: i64 = sqlx::query_scalar(
        "WITH done AS (UPDATE slate_asset_jobs AS job SET status = 'completed', progress = 100, output = new.output::jsonb, \
         completed_at = now(), updated_at = now(), version = version + 1, lease_owner = NULL, lease_until = NULL \
         FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS new (id, attempt, output) \
         WHERE job.id = new.id AND job.lease_owner = 'bench' AND job.attempt = new.attempt RETURNING job.id), \
         told AS (INSERT INTO slate_outbox (id, subject, payload, aggregate, aggregate_version, headers, at) \
         SELECT id, subject, payload::jsonb, aggregate, version, '{}', now() \
         FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::bigint[]) AS event (id, subject, payload, aggregate, version)) \
         SELECT count(*) FROM done",
    )
    .bind(claimed.iter().map(|job| job.id).collect::<Vec<_>>())
    .bind(claimed.iter().map(|job| job.attempt).collect::<Vec<_>>())
    .bind(outputs)
    .bind(events.iter().map(|event| sqlx::types::Uuid::from_u128(event.id.as_u128())).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.subject.as_str().to_owned()).collect::<Vec<_>>())
    .bind(payloads)
    .bind(events.iter().map(|e| e.aggregate.as_ref().map(|a| a.name.clone())).collect::<Vec<_>>())
    .bind(claimed.iter().map(|job| job.version + 1).collect::<Vec<_>>())
    .fetch_one(db)
    .await?;
    if done as usize == claimed.len() { Ok(()) } else { Err("a lease was lost".into()) }
}
