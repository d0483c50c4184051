use super::{PgStore, error::PLACE, sql::Statement};
use crate::common::{
    Columns, Kind, Value,
    table::{self, Table, by_table, place_of},
};
use async_trait::async_trait;
use slate_core::{
    Error, Result, WorkerId,
    model::{AssetJob, BuildJob, RuntimeSession},
    store::{Claim, Held, JobRef, JobStore, Queue, Record},
};
use std::{collections::BTreeMap, time::Duration};

#[async_trait]
impl JobStore for PgStore {
    async fn claim(&self, queue: Queue, claim: Claim) -> Result<Vec<Record>> {
        if !(1..=1000).contains(&claim.limit) {
            return Err(Error::invalid("a claim is for 1 to 1000 jobs").with("limit", claim.limit).at(PLACE, "claim"));
        }
        let taken = match queue {
            Queue::Builds => self.take::<BuildJob>(&claim, true).await,
            Queue::AssetJobs => self.take::<AssetJob>(&claim, true).await,
            Queue::Sessions => self.take::<RuntimeSession>(&claim, false).await,
            other => Err(Error::unsupported("this store has no such queue").with("queue", format!("{other:?}"))),
        };
        taken.map_err(|error| error.at(PLACE, "claim"))
    }

    async fn extend(&self, worker: &WorkerId, held: &[(JobRef, u32)], lease: Duration) -> Result<Vec<Held>> {
        self.extend_held(worker, held, lease).await.map_err(|error| error.at(PLACE, "extend"))
    }

    async fn release(&self, worker: &WorkerId, held: &[(JobRef, u32)]) -> Result<()> {
        self.release_held(worker, held).await.map_err(|error| error.at(PLACE, "release"))
    }
}

impl PgStore {
    /// Claims by one statement; `waits` for tables whose jobs wait in a state of their own.
    async fn take<T: Table + Into<Record>>(&self, claim: &Claim, waits: bool) -> Result<Vec<Record>> {
        let name = T::NAME;
        let mut take = Statement::new(format!("UPDATE {name} SET lease_owner = "));
        take.bind(claim.worker.as_str()).sql(", lease_until = ").bind_later(claim.lease);
        take.sql(", attempt = attempt + 1, version = version + 1, updated_at = now()");
        if waits {
            take.sql(", status = 'running'");
        }
        // As an array, so that the rows to change are looked up by their ids whatever the planner thinks of their number.
        take.sql(format_args!(" WHERE id = ANY (ARRAY(SELECT id FROM {name} WHERE deleted_at IS NULL AND status IN "));
        if waits {
            take.sql(
                "('queued', 'running') AND CASE status WHEN 'queued' THEN coalesce(not_before <= now(), true) ELSE ",
            );
        } else {
            take.sql("('creating', 'starting', 'running', 'stopping') AND (");
        }
        take.sql("lease_owner IS NULL OR lease_until IS NULL OR lease_until <= now()");
        take.sql(if waits { " END" } else { ")" });
        if !waits {
            take.and_equal("backend", claim.backend.as_deref());
        }
        // What another worker is just claiming is passed by, not waited for.
        take.sql(" ORDER BY created_at, id LIMIT ").bind(Value::Int(claim.limit.into()));
        take.sql(" FOR NO KEY UPDATE SKIP LOCKED)) RETURNING *");
        let mut taken = self.write_rows(&take).await?.iter().map(table::read).collect::<Result<Vec<T>>>()?;
        // RETURNING keeps no order.
        taken.sort_by_key(|record| (record.revision().created_at, record.bits()));
        Ok(taken.into_iter().map(Into::into).collect())
    }

    async fn extend_held(&self, worker: &WorkerId, held: &[(JobRef, u32)], lease: Duration) -> Result<Vec<Held>> {
        let mut found = BTreeMap::new();
        for (table, jobs) in by_table(held)? {
            let asked = if table == RuntimeSession::NAME { "stop_requested" } else { "cancel_requested" };
            let mut extend = Statement::new(format!("UPDATE {table} AS t SET lease_until = "));
            extend.bind_later(lease);
            still_held(&mut extend, worker, &jobs);
            extend.sql(format_args!(" RETURNING t.id, t.attempt, t.{asked} AS asked"));
            for row in self.write_rows(&extend).await? {
                let answer = if row.flag("asked")? { Held::EndRequested } else { Held::Yes };
                found.insert((table, row.id("id", |bits| bits)?, row.number("attempt")?), answer);
            }
        }
        let answer = |(job, attempt): &(JobRef, u32)| {
            let (table, id) = place_of(*job)?;
            Ok(found.get(&(table, id, *attempt)).copied().unwrap_or(Held::Lost))
        };
        held.iter().map(answer).collect()
    }

    async fn release_held(&self, worker: &WorkerId, held: &[(JobRef, u32)]) -> Result<()> {
        for (table, jobs) in by_table(held)? {
            let mut release = Statement::new(format!(
                "UPDATE {table} AS t SET lease_owner = NULL, lease_until = NULL, given_back = t.given_back + 1"
            ));
            still_held(&mut release, worker, &jobs);
            self.execute(&release).await?;
        }
        Ok(())
    }
}

/// Adds that the jobs haven't ended and are the worker's under these attempts.
fn still_held(statement: &mut Statement, worker: &WorkerId, jobs: &[(u128, u32)]) {
    let rows = jobs.iter().map(|(id, attempt)| vec![Value::Id(*id), Value::Int((*attempt).into())]).collect();
    statement.sql(" FROM ").rows_as("w", &[("id", Kind::Id), ("attempt", Kind::Int)], rows);
    statement.sql(" WHERE t.id = w.id AND t.attempt = w.attempt AND t.deleted_at IS NULL AND t.lease_owner = ");
    // The final states of all three tables.
    statement.bind(worker.as_str());
    statement.sql(" AND t.status NOT IN ('completed', 'failed', 'canceled', 'stopped', 'error')");
}
