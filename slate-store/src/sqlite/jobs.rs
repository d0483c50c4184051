use super::{
    SqliteStore,
    error::PLACE,
    sql::{CHUNK, Statement},
    writer::Work,
};
use crate::common::{
    Columns, Value,
    table::{self, Table, by_table, place_of},
};
use async_trait::async_trait;
use slate_core::{
    Error, Result, Timestamp, WorkerId,
    model::{AssetJob, BuildJob, RuntimeSession},
    store::{Claim, Held, JobRef, JobStore, Queue, Record},
};
use sqlx::SqliteConnection;
use std::{collections::BTreeMap, time::Duration};

#[async_trait]
impl JobStore for SqliteStore {
    async fn claim(&self, queue: Queue, claim: Claim) -> Result<Vec<Record>> {
        if !(1..=1000).contains(&claim.limit) {
            return Err(Error::invalid("a claim is for 1 to 1000 jobs").with("limit", claim.limit).at(PLACE, "claim"));
        }
        self.writer.write("claim", TakeJobs(queue, claim)).await
    }

    async fn extend(&self, worker: &WorkerId, held: &[(JobRef, u32)], lease: Duration) -> Result<Vec<Held>> {
        self.writer.write("extend", Extend { worker: worker.clone(), held: held.to_vec(), lease }).await
    }

    async fn release(&self, worker: &WorkerId, held: &[(JobRef, u32)]) -> Result<()> {
        self.writer.write("release", Release { worker: worker.clone(), held: held.to_vec() }).await
    }
}

struct TakeJobs(Queue, Claim);

#[async_trait]
impl Work for TakeJobs {
    type Output = Vec<Record>;

    async fn run(&self, db: &mut SqliteConnection, now: Timestamp) -> Result<Vec<Record>> {
        let Self(queue, claim) = self;
        match queue {
            Queue::Builds => take::<BuildJob>(db, claim, now, true).await,
            Queue::AssetJobs => take::<AssetJob>(db, claim, now, true).await,
            Queue::Sessions => take::<RuntimeSession>(db, claim, now, false).await,
            other => Err(Error::unsupported("this store has no such queue").with("queue", format!("{other:?}"))),
        }
    }
}

/// Claims by one statement; `waits` for tables whose jobs wait in a state of their own.
async fn take<T: Table + Into<Record>>(
    db: &mut SqliteConnection,
    claim: &Claim,
    now: Timestamp,
    waits: bool,
) -> Result<Vec<Record>> {
    let name = T::NAME;
    let mut take = Statement::new(format!("UPDATE {name} SET lease_owner = "));
    take.bind(claim.worker.as_str()).sql(", lease_until = ").bind(now + claim.lease);
    take.sql(", attempt = attempt + 1, version = version + 1, updated_at = ").bind(now);
    if waits {
        take.sql(", status = 'running'");
    }
    // The states are spelt as in the partial index, or SQLite wouldn't see that it fits.
    take.sql(format_args!(" WHERE id IN (SELECT id FROM {name} WHERE deleted_at IS NULL AND status IN "));
    if waits {
        take.sql("('queued', 'running') AND CASE status WHEN 'queued' THEN coalesce(not_before <= ").bind(now);
        take.sql(", true) ELSE ");
    } else {
        take.sql("('creating', 'starting', 'running', 'stopping') AND (");
    }
    take.sql("lease_owner IS NULL OR lease_until IS NULL OR lease_until <= ").bind(now);
    take.sql(if waits { " END" } else { ")" });
    if !waits {
        take.and_equal("backend", claim.backend.as_deref());
    }
    take.sql(" ORDER BY created_at, id LIMIT ").bind(Value::Int(claim.limit.into())).sql(") RETURNING *");
    let mut taken = take.rows(db).await?.iter().map(table::read).collect::<Result<Vec<T>>>()?;
    // RETURNING keeps no order.
    taken.sort_by_key(|record| (record.revision().created_at, record.bits()));
    Ok(taken.into_iter().map(Into::into).collect())
}

struct Extend {
    worker: WorkerId,
    held: Vec<(JobRef, u32)>,
    lease: Duration,
}

#[async_trait]
impl Work for Extend {
    type Output = Vec<Held>;

    async fn run(&self, db: &mut SqliteConnection, now: Timestamp) -> Result<Vec<Held>> {
        let mut found = BTreeMap::new();
        for (table, jobs) in by_table(&self.held)? {
            let asked = if table == RuntimeSession::NAME { "stop_requested" } else { "cancel_requested" };
            for chunk in jobs.chunks(CHUNK) {
                let mut extend = Statement::new(format!("UPDATE {table} SET lease_until = "));
                extend.bind(now + self.lease);
                still_held(&mut extend, &self.worker, chunk);
                extend.sql(format_args!(" RETURNING id, attempt, {asked} AS asked"));
                for row in extend.rows(&mut *db).await? {
                    let answer = if row.flag("asked")? { Held::EndRequested } else { Held::Yes };
                    found.insert((table, row.id("id", |bits| bits)?, row.number("attempt")?), answer);
                }
            }
        }
        let answer = |(job, attempt): &(JobRef, u32)| {
            let (table, id) = place_of(*job)?;
            Ok(found.get(&(table, id, *attempt)).copied().unwrap_or(Held::Lost))
        };
        self.held.iter().map(answer).collect()
    }
}

struct Release {
    worker: WorkerId,
    held: Vec<(JobRef, u32)>,
}

#[async_trait]
impl Work for Release {
    type Output = ();

    async fn run(&self, db: &mut SqliteConnection, _now: Timestamp) -> Result<()> {
        for (table, jobs) in by_table(&self.held)? {
            for chunk in jobs.chunks(CHUNK) {
                let mut release = Statement::new(format!(
                    "UPDATE {table} SET lease_owner = NULL, lease_until = NULL, given_back = given_back + 1"
                ));
                still_held(&mut release, &self.worker, chunk);
                release.execute(&mut *db).await?;
            }
        }
        Ok(())
    }
}

/// Adds that the jobs haven't ended and are the worker's under these attempts.
fn still_held(statement: &mut Statement, worker: &WorkerId, jobs: &[(u128, u32)]) {
    statement.sql(" WHERE deleted_at IS NULL AND lease_owner = ").bind(worker.as_str());
    // The final states of all three tables.
    statement.sql(" AND status NOT IN ('completed', 'failed', 'canceled', 'stopped', 'error')");
    let rows = jobs.iter().map(|(id, attempt)| vec![Value::Id(*id), Value::Int((*attempt).into())]);
    statement.sql(" AND (id, attempt) IN (VALUES ").bind_rows(rows).sql(")");
}
