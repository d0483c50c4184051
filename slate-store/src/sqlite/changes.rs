use super::{
    SqliteStore, analytics, audits,
    error::PLACE,
    events, quotas,
    sql::{CHUNK, Statement},
    table,
    writer::Work,
};
use crate::common::{
    Columns, Value,
    table::{place_of, unknown, with_record},
};
use async_trait::async_trait;
use slate_core::{
    Error, Result, Timestamp, Version,
    model::{Asset, AssetJob, BuildJob, FileRecord, Json, PoolMember, Project, RuntimeSession, Sha256Hex, Template},
    store::{Applied, Change, ChangeSet, ChangeStore, Fence, Idempotency, Record, RecordId},
};
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};

#[async_trait]
impl ChangeStore for SqliteStore {
    async fn apply(&self, set: ChangeSet) -> Result<Applied> {
        set.check().map_err(|error| error.at(PLACE, "apply"))?;
        self.writer.write("apply", Apply(set)).await
    }
}

struct Apply(ChangeSet);

#[async_trait]
impl Work for Apply {
    type Output = Applied;

    async fn run(&self, db: &mut SqliteConnection, now: Timestamp) -> Result<Applied> {
        let set = &self.0;
        let mut applied = Applied::default();
        if let Some(request) = &set.idempotency {
            applied.replayed = replay(db, request).await?;
            if applied.replayed.is_some() {
                return Ok(applied);
            }
            note_request(db, request, now).await?;
        }
        check_fences(db, &set.fences).await?;
        for each in &set.changes {
            applied.versions.extend(change(db, each, now).await?);
        }
        events::store(db, &set.events).await?;
        Ok(applied)
    }
}

/// What the request was answered with before; `None` for a new one.
async fn replay(db: &mut SqliteConnection, wanted: &Idempotency) -> Result<Option<Json>> {
    let mut select = Statement::new("SELECT request, result FROM slate_idempotency WHERE true");
    select.and_equal("scope", Some(wanted.scope.as_str())).and_equal("key", Some(wanted.key.as_str()));
    let Some(row) = select.row(db).await? else { return Ok(None) };
    if row.parse::<Sha256Hex>("request")? != wanted.request {
        return Err(Error::already_exists("another request was made under this idempotency key")
            .with("scope", wanted.scope.escape_debug())
            .with("key", wanted.key.escape_debug()));
    }
    row.json("result").map(Some)
}

async fn note_request(db: &mut SqliteConnection, request: &Idempotency, now: Timestamp) -> Result<()> {
    let row = vec![
        Value::text(&request.scope),
        Value::text(&request.key),
        Value::text(&request.request),
        Value::json(&request.result)?,
        now.into(),
    ];
    let mut insert = Statement::new("INSERT INTO slate_idempotency (scope, key, request, result, created_at) VALUES ");
    insert.bind_rows([row]);
    insert.execute(db).await.map(drop)
}

/// Asks for many at once: each question costs a turn of the connection's thread. Which one failed is asked for after that.
async fn check_fences(db: &mut SqliteConnection, fences: &[Fence]) -> Result<()> {
    if let [only] = fences {
        return check_fence(db, only).await;
    }
    let mut tables: BTreeMap<&str, BTreeSet<(u128, &str, u32)>> = BTreeMap::new();
    for fence in fences {
        let (table, id) = place_of(fence.job)?;
        tables.entry(table).or_default().insert((id, fence.worker.as_str(), fence.attempt));
    }
    let mut all_held = true;
    for (table, wanted) in tables {
        let wanted: Vec<_> = wanted.into_iter().collect();
        for chunk in wanted.chunks(CHUNK) {
            let rows = chunk
                .iter()
                .map(|&(id, worker, attempt)| vec![Value::Id(id), worker.into(), Value::Int(attempt.into())]);
            // CROSS: the planner must not turn the order round and read the whole table.
            let mut select = Statement::new("SELECT count(*) AS held FROM (VALUES ");
            select.bind_rows(rows).sql(format_args!(") AS wanted CROSS JOIN {table} ON id = wanted.column1"));
            select.sql(" AND lease_owner = wanted.column2 AND attempt = wanted.column3 WHERE deleted_at IS NULL");
            let row = select.row(&mut *db).await?;
            let held = row.map_or(Ok(0), |row| row.number::<usize>("held"))?;
            all_held &= held == chunk.len();
        }
    }
    if !all_held {
        for fence in fences {
            check_fence(db, fence).await?;
        }
    }
    Ok(())
}

async fn check_fence(db: &mut SqliteConnection, fence: &Fence) -> Result<()> {
    let (table, id) = place_of(fence.job)?;
    let mut select = Statement::new(format!("SELECT 1 FROM {table} WHERE deleted_at IS NULL"));
    select
        .and_equal("id", Some(Value::Id(id)))
        .and_equal("lease_owner", Some(fence.worker.as_str()))
        .and_equal("attempt", Some(Value::Int(fence.attempt.into())));
    if select.row(db).await?.is_some() {
        return Ok(());
    }
    Err(Error::conflict("the lease is no longer this worker's")
        .with("worker", &fence.worker)
        .with("attempt", fence.attempt))
}

/// Makes one change; the version of a record that was made or replaced.
async fn change(db: &mut SqliteConnection, change: &Change, now: Timestamp) -> Result<Option<(RecordId, Version)>> {
    match change {
        Change::Create(record) => {
            create(db, record).await.map_err(|error| error.with("record", record.id()))?;
            return Ok(Some((record.id(), Version::FIRST)));
        }
        Change::Update(record) => {
            let version = update(db, record, now).await.map_err(|error| error.with("record", record.id()))?;
            return Ok(Some((record.id(), version)));
        }
        Change::Delete(id, version) => {
            delete(db, *id, *version, now).await.map_err(|error| error.with("record", id))?;
        }

        Change::SetQuota(user, limits) => quotas::set(db, user, *limits, now).await?,
        Change::Reserve { user, usage, default } => quotas::reserve(db, user, *usage, *default, now).await?,
        Change::Release { user, usage } => quotas::release(db, user, *usage, now).await?,
        Change::Count(counter) => analytics::count(db, counter).await?,
        Change::Audit(entry) => audits::add(db, entry).await?,
        other => return Err(unknown(other)),
    }
    Ok(None)
}

async fn create(db: &mut SqliteConnection, record: &Record) -> Result<()> {
    with_record!(record, record => table::insert(db, record).await)
}

async fn update(db: &mut SqliteConnection, record: &Record, now: Timestamp) -> Result<Version> {
    with_record!(record, record => table::update(db, record, now).await)
}

async fn delete(db: &mut SqliteConnection, id: RecordId, version: Version, now: Timestamp) -> Result<()> {
    match id {
        RecordId::Project(id) => table::delete::<Project>(db, id.as_u128(), version, now).await,
        RecordId::File(id) => table::delete::<FileRecord>(db, id.as_u128(), version, now).await,
        RecordId::Asset(id) => table::delete::<Asset>(db, id.as_u128(), version, now).await,
        RecordId::Session(id) => table::delete::<RuntimeSession>(db, id.as_u128(), version, now).await,
        RecordId::Build(id) => table::delete::<BuildJob>(db, id.as_u128(), version, now).await,
        RecordId::AssetJob(id) => table::delete::<AssetJob>(db, id.as_u128(), version, now).await,
        RecordId::Template(id) => table::delete::<Template>(db, id.as_u128(), version, now).await,
        RecordId::PoolMember(id) => table::delete::<PoolMember>(db, id.as_u128(), version, now).await,
        other => Err(unknown(&other)),
    }
}
