//! Asset jobs to fill a store with, and a worker that claims and completes them.

use crate::{BoxError, Result, Sample, Watch, inputs};
use futures_util::future::try_join_all;
use slate_core::{
    AssetId, AssetJobId, EventId, ProjectId, Timestamp, UserId, Version, WorkerId,
    asset::{AssetKind, AssetOptions, AssetOutput, OutputFile, Report, TextureOptions},
    blob::BlobKey,
    bus::Subject,
    model::{Aggregate, Asset, AssetJob, AssetJobStatus, NewEvent, Project, Sha256Hex},
    store::{ChangeSet, Claim, Fence, JobRef, Queue, Record, Store},
};
use std::time::Duration;

/// How long a claim lasts; longer than any run.
pub const LEASE: Duration = Duration::from_secs(60);

/// How many jobs there are, and how many are claimed at once.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Jobs.
    pub jobs: usize,
    /// Jobs of one claim.
    pub batch: usize,
}

/// Puts waiting jobs into an empty store.
///
/// # Errors
/// Those of the store.
pub async fn fill(store: &dyn Store, jobs: usize) -> Result<()> {
    let user = UserId::new("ada")?;
    let mut project = Project::new("Lantern", user.clone(), inputs::NOW);
    project.id = ProjectId::from_u128(inputs::id_bits(0));
    let mut asset = Asset::new(project.id, None, AssetKind::Texture, inputs::NOW);
    asset.id = AssetId::from_u128(inputs::id_bits(1));
    let mut set = ChangeSet::new().create(project.clone()).create(asset.clone());
    for number in 0..jobs {
        let options = AssetOptions::Texture(TextureOptions::default());
        let mut job = AssetJob::new(asset.id, project.id, user.clone(), options, inputs::NOW);
        job.id = AssetJobId::from_u128(inputs::id_bits(number));
        set = set.create(job);
        if set.changes.len() == ChangeSet::MAX_LEN {
            store.apply(std::mem::take(&mut set)).await?;
        }
    }
    store.apply(set).await?;
    Ok(())
}

/// What a job made.
///
/// # Errors
/// None, as it is.
pub fn output() -> Result<AssetOutput> {
    let sha256 = Sha256Hex::of(b"lantern");
    let blob = BlobKey::new(format!("assets/content/{sha256}"))?;
    let file = OutputFile { name: "cobbles.ktx2".into(), size: 349_525, sha256, blob };
    let mut report = Report::new();
    report.insert("width".into(), 256.into());
    report.insert("height".into(), 256.into());
    Ok(AssetOutput::new(vec![file], report, 64_521))
}

/// The event that tells of a job's end, about as long as SLATE's own.
///
/// # Errors
/// None, as it is.
pub fn event(job: AssetJobId, version: u64, now: Timestamp) -> Result<NewEvent> {
    Ok(NewEvent {
        id: EventId::new(),
        subject: Subject::new(format!("slate.asset.processed.{job}"))?,
        payload: serde_json::json!({
            "type": "processed", "timestamp": now.as_millis(), "data": { "jobId": job, "cached": false },
        }),
        aggregate: Some(Aggregate { name: format!("asset-job:{job}"), version: Version(version) }),
        headers: std::collections::BTreeMap::new(),
        at: now,
    })
}

/// Claims and completes all jobs: one set a claim, or, with `each`, one a job.
///
/// # Errors
/// Those of the store, and where a job was left.
pub async fn claim_and_complete(store: &dyn Store, work: Work, each: bool) -> Result<Sample> {
    let worker = WorkerId::new("bench")?;
    let output = output()?;
    let limit = u32::try_from(work.batch)?;
    let mut watch = Watch::new();
    let done = watch.time_async(work.jobs, async {
        let mut done = 0;
        loop {
            let claimed = store.claim(Queue::AssetJobs, Claim::new(worker.clone(), LEASE, limit)).await?;
            if claimed.is_empty() {
                return Ok::<_, BoxError>(done);
            }
            done += claimed.len();
            let mut sets = Vec::new();
            let mut set = ChangeSet::new();
            for record in claimed {
                let Record::AssetJob(mut job) = record else { continue };
                let now = Timestamp::now();
                job.status = AssetJobStatus::Completed;
                job.progress = 100;
                job.output = Some(output.clone());
                job.completed_at = Some(now);
                let guard = Fence { job: JobRef::AssetJob(job.id), worker: worker.clone(), attempt: job.lease.attempt };
                let event = event(job.id, job.revision.version.0 + 1, now)?;
                set = set.fence(guard).event(event).update(job);
                if each {
                    sets.push(std::mem::take(&mut set));
                }
            }
            if !each {
                sets.push(set);
            }
            try_join_all(sets.into_iter().map(|set| store.apply(set))).await?;
        }
    });
    check(done.await?, work)?;
    Ok(watch.sample())
}

/// That all jobs were done.
///
/// # Errors
/// Where some were left.
pub fn check(done: usize, work: Work) -> Result<()> {
    if done == work.jobs { Ok(()) } else { Err(format!("{done} jobs were done of {}", work.jobs).into()) }
}
