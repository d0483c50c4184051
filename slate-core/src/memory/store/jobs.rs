use super::{
    MemoryStore, PLACE,
    record::{is_open, job_id, lease, lease_mut},
    state::State,
};
use crate::{
    Error, Result, Timestamp, WorkerId,
    model::{AssetJobStatus, BuildStatus},
    store::{Claim, Held, JobRef, JobStore, Queue, Record, RecordId},
};
use async_trait::async_trait;
use std::time::Duration;

#[async_trait]
impl JobStore for MemoryStore {
    async fn claim(&self, queue: Queue, claim: Claim) -> Result<Vec<Record>> {
        if !(1..=1000).contains(&claim.limit) {
            return Err(Error::invalid("a claim is for 1 to 1000 jobs").with("limit", claim.limit).at(PLACE, "claim"));
        }
        let now = self.now();
        let mut state = self.state();
        let found = claimable(&state, queue, &claim, now);
        let records = found.into_iter().filter_map(|id| take(&mut state, id, &claim, now)).collect();
        Ok(records)
    }

    async fn extend(&self, worker: &WorkerId, held: &[(JobRef, u32)], lease: Duration) -> Result<Vec<Held>> {
        let now = self.now();
        let mut state = self.state();
        Ok(held.iter().map(|job| extend(&mut state, worker, *job, now + lease)).collect())
    }

    async fn release(&self, worker: &WorkerId, held: &[(JobRef, u32)]) -> Result<()> {
        let mut state = self.state();
        for job in held {
            if let Some(lease) = held_by(&mut state, worker, *job).and_then(lease_mut) {
                (lease.owner, lease.until) = (None, None);
                lease.given_back += 1;
            }
        }
        Ok(())
    }
}

fn claimable(state: &State, queue: Queue, claim: &Claim, now: Timestamp) -> Vec<RecordId> {
    let kind = match queue {
        Queue::Sessions => 3,
        Queue::Builds => 4,
        Queue::AssetJobs => 5,
    };
    let all = (kind, Timestamp::from_micros(i64::MIN), 0)..=(kind, Timestamp::from_micros(i64::MAX), u128::MAX);
    let ids = state.open.range(all).map(|(_, id)| *id);
    ids.filter(|id| state.find(*id).is_some_and(|record| is_claimable(record, claim, now)))
        .take(claim.limit as usize)
        .collect()
}

fn is_claimable(record: &Record, claim: &Claim, now: Timestamp) -> bool {
    let due = |not_before: Option<Timestamp>| not_before.is_none_or(|time| time <= now);
    match record {
        Record::Session(session) => {
            session.lease.is_free(now) && claim.backend.as_ref().is_none_or(|backend| session.backend == *backend)
        }
        Record::Build(build) => match build.status {
            BuildStatus::Queued => due(build.not_before),
            status => !status.is_final() && build.lease.is_free(now),
        },
        Record::AssetJob(job) => match job.status {
            AssetJobStatus::Queued => due(job.not_before),
            status => !status.is_final() && job.lease.is_free(now),
        },
        _ => false,
    }
}

fn take(state: &mut State, id: RecordId, claim: &Claim, now: Timestamp) -> Option<Record> {
    let record = state.records.get_mut(&id)?;
    match record {
        Record::Build(build) => build.status = BuildStatus::Running,
        Record::AssetJob(job) => job.status = AssetJobStatus::Running,
        _ => {}
    }
    let lease = lease_mut(record)?;
    lease.owner = Some(claim.worker.clone());
    lease.until = Some(now + claim.lease);
    lease.attempt += 1;
    let revision = record.revision_mut();
    revision.version = revision.version.next();
    revision.updated_at = now;
    Some(record.clone())
}

fn extend(state: &mut State, worker: &WorkerId, job: (JobRef, u32), until: Timestamp) -> Held {
    let Some(record) = held_by(state, worker, job) else { return Held::Lost };
    if let Some(lease) = lease_mut(record) {
        lease.until = Some(until);
    }
    let ending = match record {
        Record::Session(session) => session.stop_requested,
        Record::Build(build) => build.cancel_requested,
        Record::AssetJob(job) => job.cancel_requested,
        _ => false,
    };
    if ending { Held::EndRequested } else { Held::Yes }
}

/// The record, where it hasn't ended and the lease is the worker's under that attempt.
fn held_by<'a>(state: &'a mut State, worker: &WorkerId, (job, attempt): (JobRef, u32)) -> Option<&'a mut Record> {
    let id = job_id(job);
    let held = state.find(id).filter(|record| is_open(record)).and_then(lease)?;
    (held.owner.as_ref() == Some(worker) && held.attempt == attempt).then_some(())?;
    state.records.get_mut(&id)
}
