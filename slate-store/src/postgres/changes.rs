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
    if let Some(applied) = at_once(db, set).await? {
        return Ok(applied);
    }
    match in_transaction(db, set, true).await {
        // Where a statement about many changes is refused, it doesn't say which one failed first, nor which would have gone
        // well in turn. One that was carried out and left something out does.
        Err(error) if set.changes.len() > 1 && error::is_refusal(&error) => in_transaction(db, set, false).await,
        result => result,
    }
}

/// Applies a set of one change by one statement. `None` where it isn't such a set, or where the record isn't as it should
/// be: then nothing was done, and the longer way tells why.
async fn at_once(db: &mut PgConnection, set: &ChangeSet) -> Result<Option<Applied>> {
    let ([change], None) = (set.changes.as_slice(), &set.idempotency) else { return Ok(None) };
    let holder = match (change, set.fences.as_slice()) {
        (_, []) => None,
        (Change::Update(record), [fence]) if is_about(fence.job, record.id()) => {
            Some(Holder { worker: &fence.worker, attempt: fence.attempt })
        }
        _ => return Ok(None),
    };
    let mut statement = Statement::new("WITH changed AS (");
    let version = match change {
        Change::Create(record) => {
            with_record!(record, record => table::insert(&mut statement, &[record]))?;
            Some((record.id(), Version::FIRST))
        }
        Change::Update(record) => {
            with_record!(record, record => table::update(&mut statement, &[record], holder))?;
            Some((record.id(), record.version().next()))
        }
        Change::Delete(id, version) => {
            with_kind!(*id, (bits, Of) => {
                table::delete::<Of>(&mut statement, &[(bits, *version)]);
                Ok(())
            })?;
            None
        }
        _ => return Ok(None),
    };
    statement.sql(")");
    if !set.events.is_empty() {
        // Only after the record is locked and changed is a `seq` given: events of one record are in order.
        statement.sql(", told AS (");
        events::insert(&mut statement, &set.events, " WHERE EXISTS (SELECT FROM changed)")?;
        statement.sql(")");
    }
    statement.sql(" SELECT id FROM changed");
    let done = statement.row(db).await;
    let done = done.map_err(|error| match change {
        Change::Create(record) | Change::Update(record) => error.with("record", record.id()),
        _ => error,
    })?;
    Ok(done.map(|_| {
        let mut applied = Applied::default();
        applied.versions.extend(version);
        applied
    }))
}

fn is_about(job: JobRef, record: RecordId) -> bool {
    match (job, record) {
        (JobRef::Build(job), RecordId::Build(id)) => job == id,
        (JobRef::AssetJob(job), RecordId::AssetJob(id)) => job == id,
        (JobRef::Session(job), RecordId::Session(id)) => job == id,
        _ => false,
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
            applied.versions.extend(records(run).map(|record| (record.id(), Version::FIRST)));
        }
        Change::Update(record) => {
            with_record!(record, kind => update(db, kind, run).await)?;
            applied.versions.extend(records(run).map(|record| (record.id(), record.version().next())));
        }
        Change::Delete(id, _) => {
            let wanted = run.iter().filter_map(|change| match change {
                Change::Delete(id, version) => Some((*id, *version)),
                _ => None,
            });
            delete(db, *id, &wanted.collect::<Vec<_>>()).await?;
        }
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
    table::update(&mut statement, &changed, None)?;
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

async fn delete(db: &mut PgConnection, kind: RecordId, wanted: &[(RecordId, Version)]) -> Result<()> {
    let ids = wanted.iter().map(|(id, version)| with_kind!(*id, (bits, Of) => Ok((bits, *version))));
    let ids = ids.collect::<Result<Vec<_>>>()?;
    let mut statement = Statement::new("");
    with_kind!(kind, (_bits, Of) => {
        table::delete::<Of>(&mut statement, &ids);
        Ok(())
    })?;
    let left_out = table::first_left_out(db, &statement, ids.iter().map(|(id, _)| *id)).await?;
    let Some(index) = left_out.and_then(|left_out| ids.iter().position(|(id, _)| *id == left_out)) else {
        return Ok(());
    };
    let (id, expected) = wanted[index];
    with_kind!(id, (bits, Of) => Err(table::why_not::<Of>(db, bits, expected).await.with("record", id)))
}
