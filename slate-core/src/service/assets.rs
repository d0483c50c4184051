use super::{
    Journal, LogSink,
    journal::event_about,
    leases::{Leases, Work},
    task::{Backoff, Handle},
    worker::{self, Worker, check, fence, lost, may_pass},
};
use crate::{
    AssetId, Cancel, Error, ErrorKind, ProjectId, Result, UserId,
    asset::{AssetInput, AssetLimits, AssetOptions, AssetOutput, AssetPipeline, AssetTask, Progress},
    blob::{Blobs, BlobsExt},
    bus::{
        AssetTopic, EventBus, SubscribeOptions, Topic,
        event::{AssetEvent, AssetEventKind},
        filters,
    },
    model::{AssetJob, AssetJobStatus, FileContent, LogEntry, LogLevel, LogSource, NewEvent},
    store::{ChangeSet, JobRef, Queue, Record},
};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

const NAME: &str = "assets";

/// How the asset processor works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AssetWorkerOptions {
    /// Jobs at a time; default 16. How many the pipeline works on is its own choice.
    pub concurrency: usize,
    /// How long a job stays with a worker that is heard of no more; default 30 s.
    pub lease: Duration,
    /// Longest wait until the store is asked for jobs again; default 1 s.
    pub poll: Duration,
    /// How often a job is tried before it becomes a dead letter; default 3.
    pub max_attempts: u32,
    /// Wait before the second try, doubled for each further one, at most a minute; default 1 s.
    pub retry_after: Duration,
    /// Time between two records of a job's progress; default 1 s.
    pub progress_every: Duration,
    /// What an input may cost.
    pub limits: AssetLimits,
}

impl Default for AssetWorkerOptions {
    fn default() -> Self {
        Self {
            concurrency: 16,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            max_attempts: 3,
            retry_after: Duration::from_secs(1),
            progress_every: Duration::from_secs(1),
            limits: AssetLimits::default(),
        }
    }
}

/// Processes the asset jobs that wait: claims them, runs them through the pipeline, records progress and outputs, tries again
/// what may pass with growing waits, and keeps what failed for good as a dead letter.
#[derive(Debug)]
pub struct AssetProcessor;

#[derive(Clone)]
struct Context {
    journal: Journal,
    assets: Arc<dyn AssetPipeline>,
    blobs: Arc<dyn Blobs>,
    logs: LogSink,
    leases: Arc<Leases>,
    options: Arc<AssetWorkerOptions>,
}

impl AssetProcessor {
    /// Starts it.
    ///
    /// # Errors
    /// Those of [`EventBus::subscribe`].
    pub async fn start(
        journal: Journal,
        bus: Arc<dyn EventBus>,
        assets: Arc<dyn AssetPipeline>,
        blobs: Arc<dyn Blobs>,
        logs: LogSink,
        options: AssetWorkerOptions,
    ) -> Result<Handle> {
        let wake =
            bus.subscribe(&filters::asset_jobs(), SubscribeOptions::default().with_queue("asset-workers")).await?;
        let leases = Worker::leases(NAME, options.lease);
        let worker = Worker {
            name: NAME,
            journal: journal.clone(),
            queue: Queue::AssetJobs,
            leases: Arc::clone(&leases),
            poll: options.poll,
            concurrency: options.concurrency,
        };
        let context = Context { journal, assets, blobs, logs, leases, options: Arc::new(options) };
        let cancel = Cancel::new();
        Ok(Handle::spawn(NAME, cancel.clone(), async move {
            worker
                .run(&cancel, Some(wake), move |record, work| {
                    let context = context.clone();
                    async move {
                        if let Record::AssetJob(job) = record {
                            run(&context, job, &work).await;
                        }
                    }
                })
                .await;
        }))
    }
}

async fn run(context: &Context, mut job: AssetJob, work: &Work) {
    let id = job.id;
    let result = process(context, &mut job, work).await;
    if work.lost.is_canceled() {
        return;
    }
    let now = context.journal.now();
    let kind = match &result {
        Ok(output) => {
            job.status = AssetJobStatus::Completed;
            job.progress = 100;
            job.output = Some(output.clone());
            job.error_message = None;
            Some(AssetEventKind::Processed)
        }
        Err(error) if error.kind() == ErrorKind::Canceled => {
            job.status = AssetJobStatus::Canceled;
            job.error_message = Some("canceled".into());
            Some(AssetEventKind::Failed)
        }
        Err(error) if may_pass(error) && job.lease.tries() < context.options.max_attempts => {
            let backoff = Backoff { first: context.options.retry_after, most: Duration::from_secs(60) };
            job.status = AssetJobStatus::Queued;
            job.progress = 0;
            job.not_before = Some(now + backoff.wait(job.lease.tries()));
            job.error_message = Some(error.to_string());
            None
        }
        Err(error) => {
            job.status = AssetJobStatus::Failed;
            job.error_message = Some(error.to_string());
            Some(AssetEventKind::Failed)
        }
    };
    if job.status.is_final() {
        job.completed_at = Some(now);
        metrics::counter!("slate_asset_jobs_ended_total", "status" => job.status.as_str()).increment(1);
    }
    if let Err(error) = result {
        let entry = LogEntry::new(LogSource::AssetJob(id), LogLevel::Error, error.to_string(), now);
        let _ = context.logs.for_project(job.project_id).submit(vec![entry]).await;
    }
    if let Err(error) = record(context, &mut job, work, kind).await {
        // The lease runs out and the job is claimed again; a second run finds its result in the cache.
        tracing::warn!(job = %id, %error, "the job's end could not be recorded");
    }
}

async fn process(context: &Context, job: &mut AssetJob, work: &Work) -> Result<AssetOutput> {
    if job.lease.tries() > context.options.max_attempts {
        return Err(Error::internal("the job was given up: its workers ended before it did, too often")
            .retry_as(crate::Retry::No)
            .with("attempts", job.lease.tries() - 1));
    }
    if job.cancel_requested {
        return Err(Error::canceled("the job was canceled"));
    }
    job.started_at = job.started_at.or(Some(context.journal.now()));
    let input = input(context, job).await?;
    let cancel = Cancel::new();
    let percent = Arc::new(AtomicU8::new(0));
    let progress = Progress::new({
        let percent = Arc::clone(&percent);
        move |share| {
            percent.fetch_max((share * 100.0) as u8, Ordering::Relaxed);
        }
    });
    let task = AssetTask::new(input, job.options.clone()).with_cancel(cancel.clone());
    let mut processing = context.assets.process(task, progress);
    let mut tick = tokio::time::interval(context.options.progress_every);
    tick.tick().await;
    loop {
        tokio::select! {
            result = &mut processing => return result,
            () = work.ended.canceled(), if !cancel.is_canceled() => cancel.cancel(),
            () = work.lost.canceled(), if !cancel.is_canceled() => cancel.cancel(),
            _ = tick.tick() => {
                let now = percent.load(Ordering::Relaxed).min(99);
                if now > job.progress && !cancel.is_canceled() {
                    job.progress = now;
                    if let Err(error) = record(context, job, work, Some(AssetEventKind::Progress)).await {
                        tracing::debug!(%error, "a job's progress could not be recorded");
                    }
                }
            }
        }
    }
}

/// The asset's bytes, from its file's record or from the blobs.
async fn input(context: &Context, job: &AssetJob) -> Result<AssetInput> {
    let store = context.journal.store();
    let asset = store.asset(job.asset_id).await?;
    let file = asset.file_id.ok_or_else(|| Error::invalid("the asset has no file").with("asset", asset.id))?;
    let file = store.file(file).await?;
    let limit = context.options.limits.input_bytes;
    AssetLimits::check("the input's size in bytes", file.size, limit)
        .map_err(|error| error.with("path", &file.path))?;
    let bytes = match file.content {
        FileContent::Inline(text) => text.into(),
        FileContent::Blob(key) => context.blobs.get_bytes(&key, limit).await?,
    };
    Ok(AssetInput::from_bytes(file.path.file_name(), bytes))
}

/// Records the job under its lease. A record that somebody else changed meanwhile is taken over but for what the work says.
async fn record(context: &Context, job: &mut AssetJob, work: &Work, kind: Option<AssetEventKind>) -> Result<()> {
    loop {
        check(work)?;
        job.revision.updated_at = context.journal.now();
        let guard = fence(&context.leases, JobRef::AssetJob(job.id), work);
        let event = kind.map(|kind| job_event(job, kind)).transpose()?;
        let set = ChangeSet::new().update(job.clone()).events(event).fence(guard);
        match context.journal.apply(set).await {
            Ok(_) => {
                job.revision.version = job.revision.version.next();
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let current = context.journal.store().asset_job(job.id).await?;
                if current.lease.attempt != work.attempt || current.status != AssetJobStatus::Running {
                    return Err(lost());
                }
                if current.cancel_requested {
                    work.ended.cancel();
                }
                job.revision = current.revision;
                job.cancel_requested = current.cancel_requested;
            }
            Err(error) => return Err(error),
        }
    }
}

fn job_event(job: &AssetJob, kind: AssetEventKind) -> Result<NewEvent> {
    let data = match kind {
        AssetEventKind::Progress => serde_json::json!({ "jobId": job.id, "percent": job.progress }),
        AssetEventKind::Processed => serde_json::json!({
            "jobId": job.id, "outputs": job.output.as_ref().map(|output| &output.files),
            "cached": job.output.as_ref().is_some_and(|output| output.cached),
        }),
        _ => serde_json::json!({
            "jobId": job.id, "error": job.error_message, "canceled": job.status == AssetJobStatus::Canceled,
        }),
    };
    let event = AssetEvent::new(kind, job.asset_id, job.project_id, job.user_id.clone(), job.revision.updated_at)
        .with_data(data);
    event_about(event, job.id, job.revision.version.next())
}

/// What others ask of assets: records jobs in the store; asset processors do them.
#[derive(Clone)]
pub struct Assets {
    journal: Journal,
    bus: Arc<dyn EventBus>,
}

impl fmt::Debug for Assets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assets").field("journal", &self.journal).finish_non_exhaustive()
    }
}

impl Assets {
    /// Jobs recorded in this journal; workers are woken over this bus.
    pub fn new(journal: Journal, bus: Arc<dyn EventBus>) -> Self {
        Self { journal, bus }
    }

    /// Records a job for each asset with its options, all or none, and wakes the workers; the jobs are in the order given.
    ///
    /// # Errors
    /// `Invalid` for options that don't go together; `NotFound` for an asset that isn't there, or isn't of this project.
    pub async fn process(
        &self,
        project: ProjectId,
        user: &UserId,
        batch: Vec<(AssetId, AssetOptions)>,
    ) -> Result<Vec<AssetJob>> {
        let now = self.journal.now();
        let mut jobs = Vec::with_capacity(batch.len());
        for (asset, options) in batch {
            options.validate()?;
            let found = self.journal.store().asset(asset).await?;
            if found.project_id != project {
                return Err(Error::not_found("the project has no such asset").with("asset", asset));
            }
            jobs.push(AssetJob::new(asset, project, user.clone(), options, now));
        }
        let set = jobs.iter().cloned().fold(ChangeSet::new(), ChangeSet::create);
        self.journal.apply(set).await?;
        let wake = serde_json::json!({ "jobs": jobs.len() });
        worker::wake(&*self.bus, Topic::Asset(AssetTopic::Jobs()), &wake).await;
        Ok(jobs)
    }

    /// Asks for a job's end. One that waits is canceled at once; one that runs, by its worker; one that has ended is left.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn cancel(&self, id: crate::AssetJobId) -> Result<AssetJob> {
        loop {
            let mut job = self.journal.store().asset_job(id).await?;
            if job.status.is_final() || job.cancel_requested {
                return Ok(job);
            }
            let now = self.journal.now();
            job.cancel_requested = true;
            job.revision.updated_at = now;
            let mut set = ChangeSet::new();
            if job.status == AssetJobStatus::Queued {
                job.status = AssetJobStatus::Canceled;
                job.completed_at = Some(now);
                set = set.event(job_event(&job, AssetEventKind::Failed)?);
            }
            match self.journal.apply(set.update(job.clone())).await {
                Ok(_) => {
                    job.revision.version = job.revision.version.next();
                    return Ok(job);
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
    }
}
