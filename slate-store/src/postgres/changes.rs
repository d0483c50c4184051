//! Applying sets. What is most common, one change of a record with its events, is one statement; anything else a transaction
//! of few.

use super::{
    PgStore, Work, analytics, audits,
    error::{self, PLACE},
    events, quotas,
    sql::Statement,
    table::{self, Holder, Kindred},
};
use crate::common::{
    Columns, Kind, Value,
    table::{Table, place_of, unknown, with_record},
};
use async_trait::async_trait;
use slate_core::{
    Error, ErrorKind, Result, Version,
    model::{Asset, AssetJob, BuildJob, FileRecord, Json, PoolMember, Project, RuntimeSession, Sha256Hex, Template},
    store::{Applied, Change, ChangeSet, ChangeStore, Fence, Idempotency, JobRef, Record, RecordId},
};
use sqlx::{Executor, PgConnection};
use std::collections::{BTreeMap, BTreeSet};

/// Makes a call with the bits of an id and the kind of record that it names.
macro_rules! with_kind {
    (@arm $id:ident $kind:ident ($bits:ident, $of:ident) $call:expr) => {{
        #[allow(dead_code, reason = "not every call needs the kind")]
        type $of = $kind;
        let $bits = $id.as_u128();
        $call
    }};
    ($id:expr, ($bits:ident, $of:ident) => $call:expr) => {
        match $id {
            RecordId::Project(id) => with_kind!(@arm id Project ($bits, $of) $call),
            RecordId::File(id) => with_kind!(@arm id FileRecord ($bits, $of) $call),
            RecordId::Asset(id) => with_kind!(@arm id Asset ($bits, $of) $call),
            RecordId::Session(id) => with_kind!(@arm id RuntimeSession ($bits, $of) $call),
            RecordId::Build(id) => with_kind!(@arm id BuildJob ($bits, $of) $call),
            RecordId::AssetJob(id) => with_kind!(@arm id AssetJob ($bits, $of) $call),
            RecordId::Template(id) => with_kind!(@arm id Template ($bits, $of) $call),
            RecordId::PoolMember(id) => with_kind!(@arm id PoolMember ($bits, $of) $call),
            other => Err(unknown(&other)),
        }
    };
}

#[async_trait]
impl ChangeStore for PgStore {
    async fn apply(&self, set: ChangeSet) -> Result<Applied> {
        set.check().map_err(|error| error.at(PLACE, "apply"))?;
        self.write(Apply(&set)).await.map_err(|error| error.at(PLACE, "apply"))
    }
}

struct Apply<'a>(&'a ChangeSet);

#[async_trait]
impl Work for Apply<'_> {
    type Output = Applied;

    async fn run(&self, db: &mut PgConnection) -> Result<Applied> {
        apply(db, self.0).await
    }
}

async fn apply(db: &mut PgConnection, set: &ChangeSet) -> Result<Applied> {
    let result = match at_once(db, set).await {
        Ok(None) => in_transaction(db, set, true).await,
        result => result.map(Option::unwrap_or_default),
    };
    match result {
        // Where a statement about many changes is refused, it doesn't say which one failed first, nor which would have gone
        // well in turn. One that was carried out and left something out does.
        Err(error) if set.changes.len() > 1 && error::is_refusal(&error) => in_transaction(db, set, false).await,
        result => result,
    }
}

/// Applies a set whose changes are of one kind by one statement. `None` where it isn't such a set, or where a record isn't
/// as it should be: then nothing was done, and the longer way tells why.
async fn at_once(db: &mut PgConnection, set: &ChangeSet) -> Result<Option<Applied>> {
    let (Some(first), None) = (set.changes.first(), &set.idempotency) else { return Ok(None) };
    if run_length(first, &set.changes) < set.changes.len() {
        return Ok(None);
    }
    let Some(holders) = holders(set) else { return Ok(None) };
    let mut statement = Statement::new("WITH changed AS (");
    match first {
        Change::Create(kind) => {
            with_record!(kind, kind => table::insert(&mut statement, &of_kind(kind, &set.changes)))?;
        }
        Change::Update(kind) => {
            with_record!(kind, kind => table::update(&mut statement, &of_kind(kind, &set.changes), &holders))?;
        }
        Change::Delete(id, _) => {
            with_kind!(*id, (_bits, Of) => {
                table::delete::<Of>(&mut statement, &deleted(&set.changes)?);
                Ok(())
            })?;
        }
        _ => return Ok(None),
    }
    // Only after all records are locked and changed is a `seq` given: events of one record are in order.
    if let [_] = set.changes.as_slice() {
        statement.sql(")");
        if !set.events.is_empty() {
            statement.sql(", told AS (");
            events::insert(&mut statement, &set.events, |told| told.sql(" WHERE EXISTS (SELECT FROM changed)"))?;
            statement.sql(")");
        }
        statement.sql(" SELECT 1::bigint AS count FROM changed");
    } else {
        let all = Value::number(set.changes.len() as u64);
        statement.sql("), done AS (SELECT count(*) AS count FROM changed)");
        if !set.events.is_empty() {
            let all = all.clone();
            statement.sql(", told AS (");
            events::insert(&mut statement, &set.events, |told| {
                told.sql(" WHERE (SELECT count FROM done) = ").bind(all)
            })?;
            statement.sql(")");
        }
        // What was done to some is taken back by an error, the only way to do so within a statement.
        statement.sql(" SELECT CASE WHEN count = ").bind(all);
        statement.sql(" THEN count ELSE count / (count - count) END AS count FROM done");
    }
    let done = match statement.row(db).await {
        Err(error) if error::is_division_by_zero(&error) => return Ok(None),
        done => done.map_err(|error| name_single(error, &set.changes))?,
    };
    if done.map_or(Ok(0), |row| row.int("count"))? == 0 {
        return Ok(None);
    }
    let mut applied = Applied::default();
    applied.versions.extend(set.changes.iter().filter_map(new_version));
    Ok(Some(applied))
}

/// The holder of the lease for each change of a set, in their order; none without fences. `None` where a fence is about
/// something else than a record that is updated.
fn holders(set: &ChangeSet) -> Option<Vec<Holder<'_>>> {
    if set.fences.is_empty() {
        return Some(Vec::new());
    }
    if set.fences.len() != set.changes.len() {
        return None;
    }
    let by_record = set.fences.iter().map(|fence| Some((record_of(fence.job)?, fence)));
    let fences = by_record.collect::<Option<BTreeMap<RecordId, &Fence>>>()?;
    let holder = |change: &Change| match change {
        Change::Update(record) => {
            let fence = fences.get(&record.id())?;
            Some(Holder { worker: &fence.worker, attempt: fence.attempt })
        }
        _ => None,
    };
    set.changes.iter().map(holder).collect()
}

fn record_of(job: JobRef) -> Option<RecordId> {
    match job {
        JobRef::Build(id) => Some(RecordId::Build(id)),
        JobRef::AssetJob(id) => Some(RecordId::AssetJob(id)),
        JobRef::Session(id) => Some(RecordId::Session(id)),
        _ => None,
    }
}

fn new_version(change: &Change) -> Option<(RecordId, Version)> {
    match change {
        Change::Create(record) => Some((record.id(), Version::FIRST)),
        Change::Update(record) => Some((record.id(), record.version().next())),
        _ => None,
    }
}

async fn in_transaction(db: &mut PgConnection, set: &ChangeSet, together: bool) -> Result<Applied> {
    let failed = error::failed;
    db.execute("BEGIN").await.map_err(failed)?;
    match Box::pin(steps(db, set, together)).await {
        Ok(applied) => {
            db.execute("COMMIT").await.map_err(failed)?;
            Ok(applied)
        }
        Err(error) => {
            // What failed is more to the point than that taking it back did; a broken connection takes it back, too.
            if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut) {
                db.execute("ROLLBACK").await.map_err(failed)?;
            }
            Err(error)
        }
    }
}

/// All of a set, in a transaction that somebody else begins and ends.
pub(super) async fn steps(db: &mut PgConnection, set: &ChangeSet, together: bool) -> Result<Applied> {
    let mut applied = Applied::default();
    if let Some(request) = &set.idempotency {
        applied.replayed = replay_or_note(db, request).await?;
        if applied.replayed.is_some() {
            return Ok(applied);
        }
    }
    check_fences(db, &set.fences).await?;
    let mut rest = set.changes.as_slice();
    while let Some(first) = rest.first() {
        let length = if together { run_length(first, rest) } else { 1 };
        let (run, after) = rest.split_at(length);
        changes(db, first, run, &mut applied).await?;
        rest = after;
    }
    events::store(db, &set.events).await?;
    Ok(applied)
}

/// `None` for a new request, which is noted; else what it was answered with before. Where the same request is under way,
/// this waits for its end.
async fn replay_or_note(db: &mut PgConnection, wanted: &Idempotency) -> Result<Option<Json>> {
    let mut note = Statement::new("INSERT INTO slate_idempotency (scope, key, request, result, created_at) VALUES (");
    note.bind_all([Value::text(&wanted.scope), Value::text(&wanted.key), Value::text(&wanted.request)]);
    note.sql(", ").bind(Value::json(&wanted.result)?).sql(", now()) ON CONFLICT DO NOTHING");
    let mut select = Statement::new("SELECT request, result FROM slate_idempotency WHERE true");
    select.and_equal("scope", Some(wanted.scope.as_str())).and_equal("key", Some(wanted.key.as_str()));
    // Once more where the note was purged in between.
    for _ in 0..2 {
        if note.execute(db).await? == 1 {
            return Ok(None);
        }
        let Some(row) = select.row(db).await? else { continue };
        if row.parse::<Sha256Hex>("request")? != wanted.request {
            return Err(Error::already_exists("another request was made under this idempotency key")
                .with("scope", wanted.scope.escape_debug())
                .with("key", wanted.key.escape_debug()));
        }
        return row.json("result").map(Some);
    }
    Err(Error::unavailable("the idempotency key is being purged").with("key", wanted.key.escape_debug()))
}

/// Asks for many at once, and keeps others from claiming the jobs until the end of the transaction.
async fn check_fences(db: &mut PgConnection, fences: &[Fence]) -> Result<()> {
    let mut tables: BTreeMap<&str, BTreeSet<(u128, &str, u32)>> = BTreeMap::new();
    for fence in fences {
        let (table, id) = place_of(fence.job)?;
        tables.entry(table).or_default().insert((id, fence.worker.as_str(), fence.attempt));
    }
    for (table, wanted) in tables {
        let row = |(id, worker, attempt): &(u128, &str, u32)| {
            vec![Value::Id(*id), Value::text(worker), Value::Int(i64::from(*attempt))]
        };
        let columns = [("id", Kind::Id), ("worker", Kind::Text), ("attempt", Kind::Int)];
        let mut select = Statement::new("SELECT t.id, t.lease_owner, t.attempt FROM ");
        select.rows_as("w", &columns, wanted.iter().map(row).collect());
        select.sql(format_args!(" JOIN {table} AS t ON t.id = w.id AND t.lease_owner = w.worker"));
        select.sql(" AND t.attempt = w.attempt WHERE t.deleted_at IS NULL ORDER BY t.id FOR NO KEY UPDATE OF t");
        let rows = select.rows(db).await?;
        if rows.len() == wanted.len() {
            continue;
        }
        let held =
            rows.iter().map(|row| Ok((row.id("id", |bits| bits)?, row.text("lease_owner")?, row.number("attempt")?)));
        let held = held.collect::<Result<BTreeSet<(u128, String, u32)>>>()?;
        if let Some((_, worker, attempt)) =
            wanted.iter().find(|(id, worker, attempt)| !held.contains(&(*id, (*worker).to_owned(), *attempt)))
        {
            return Err(Error::conflict("the lease is no longer this worker's")
                .with("worker", worker)
                .with("attempt", attempt));
        }
    }
    Ok(())
}

/// How many changes from the first on are of one kind, so that one statement makes them.
fn run_length(first: &Change, changes: &[Change]) -> usize {
    let mut ids = BTreeSet::new();
    let fits = |change: &&Change| match (first, *change) {
        (Change::Create(a), Change::Create(b)) | (Change::Update(a), Change::Update(b)) => {
            std::mem::discriminant(a) == std::mem::discriminant(b) && ids.insert(b.id())
        }
        (Change::Delete(a, _), Change::Delete(b, _)) => {
            std::mem::discriminant(a) == std::mem::discriminant(b) && ids.insert(*b)
        }
        (Change::Count(_), Change::Count(_)) | (Change::Audit(_), Change::Audit(_)) => true,
        _ => false,
    };
    changes.iter().take_while(fits).count().max(1)
}

/// Makes a run of changes of one kind.
async fn changes(db: &mut PgConnection, first: &Change, run: &[Change], applied: &mut Applied) -> Result<()> {
    match first {
        Change::Create(record) => {
            with_record!(record, kind => create(db, kind, run).await)?;
        }
        Change::Update(record) => {
            with_record!(record, kind => update(db, kind, run).await)?;
        }
        Change::Delete(id, _) => delete(db, *id, run).await?,
        Change::SetQuota(user, limits) => quotas::set(db, user, limits).await?,
        Change::Reserve { user, usage, default } => quotas::reserve(db, user, usage, default.as_ref()).await?,
        Change::Release { user, usage } => quotas::release(db, user, usage).await?,
        Change::Count(_) => {
            let counters =
                run.iter().filter_map(|change| if let Change::Count(counter) = change { Some(counter) } else { None });
            analytics::count(db, &counters.collect::<Vec<_>>()).await?;
        }
        Change::Audit(_) => {
            let entries =
                run.iter().filter_map(|change| if let Change::Audit(entry) = change { Some(entry) } else { None });
            audits::add(db, &entries.collect::<Vec<_>>()).await?;
        }
        other => return Err(unknown(other)),
    }
    applied.versions.extend(run.iter().filter_map(new_version));
    Ok(())
}

fn records(run: &[Change]) -> impl Iterator<Item = &Record> {
    run.iter().filter_map(|change| match change {
        Change::Create(record) | Change::Update(record) => Some(record),
        _ => None,
    })
}

/// The records of a run, which are all of the first one's kind.
fn of_kind<'a, T: Kindred>(_: &T, run: &'a [Change]) -> Vec<&'a T> {
    records(run).filter_map(T::of).collect()
}

async fn create<T: Kindred>(db: &mut PgConnection, kind: &T, run: &[Change]) -> Result<()> {
    let made = of_kind(kind, run);
    let mut statement = Statement::new("");
    table::insert(&mut statement, &made)?;
    let left_out = table::first_left_out(db, &statement, made.iter().map(|record| record.bits())).await;
    match left_out.map_err(|error| name_single(error, run))? {
        None => Ok(()),
        Some(id) => Err(name(table::not_made::<T>(), run, &made, id)),
    }
}

async fn update<T: Kindred>(db: &mut PgConnection, kind: &T, run: &[Change]) -> Result<()> {
    let changed = of_kind(kind, run);
    let mut statement = Statement::new("");
    table::update(&mut statement, &changed, &[])?;
    let left_out = table::first_left_out(db, &statement, changed.iter().map(|record| record.bits())).await;
    let Some(id) = left_out.map_err(|error| name_single(error, run))? else { return Ok(()) };
    let expected =
        changed.iter().find(|record| record.bits() == id).map_or(Version::FIRST, |record| record.revision().version);
    Err(name(table::why_not::<T>(db, id, expected).await, run, &changed, id))
}

/// Names the record that an error is about, where there is only one.
fn name_single(error: Error, run: &[Change]) -> Error {
    match run {
        [Change::Create(record) | Change::Update(record)] => error.with("record", record.id()),
        _ => error,
    }
}

fn name<T: Table>(error: Error, run: &[Change], records_of: &[&T], id: u128) -> Error {
    let index = records_of.iter().position(|record| record.bits() == id);
    match index.and_then(|index| records(run).nth(index)) {
        Some(record) => error.with("record", record.id()),
        None => error,
    }
}

async fn delete(db: &mut PgConnection, kind: RecordId, run: &[Change]) -> Result<()> {
    let ids = deleted(run)?;
    let mut statement = Statement::new("");
    with_kind!(kind, (_bits, Of) => {
        table::delete::<Of>(&mut statement, &ids);
        Ok(())
    })?;
    let left_out = table::first_left_out(db, &statement, ids.iter().map(|(id, _)| *id)).await?;
    let Some(index) = left_out.and_then(|left_out| ids.iter().position(|(id, _)| *id == left_out)) else {
        return Ok(());
    };
    let Some(Change::Delete(id, expected)) = run.get(index) else { return Ok(()) };
    with_kind!(*id, (bits, Of) => Err(table::why_not::<Of>(db, bits, *expected).await.with("record", *id)))
}

/// What a run of deletions deletes, and the versions expected.
fn deleted(run: &[Change]) -> Result<Vec<(u128, Version)>> {
    let wanted = run.iter().map(|change| match change {
        Change::Delete(id, version) => with_kind!(*id, (bits, Of) => Ok((bits, *version))),
        other => Err(unknown(other)),
    });
    wanted.collect()
}
