use super::{Context, client::ended_event};
use crate::{
    ErrorKind, Result, build,
    bus::event::{BuildEvent, BuildEventKind},
    model::{BuildJob, BuildStatus, LogEntry, LogLevel, LogSource, NewEvent, Stage},
    service::{
        journal::event_about,
        leases::Work,
        worker::{check, fence, lost},
    },
    store::{ChangeSet, JobRef},
};
use tokio::time::Instant;

/// A build's record as its worker keeps it: every change of it goes through here, under the lease.
pub(super) struct Track {
    context: Context,
    work: Work,
    job: BuildJob,
    told: Option<Instant>,
}

impl Track {
    pub(super) fn new(context: Context, work: Work, job: BuildJob) -> Self {
        Self { context, work, job, told: None }
    }

    pub(super) fn job(&self) -> &BuildJob {
        &self.job
    }

    pub(super) fn work(&self) -> &Work {
        &self.work
    }

    /// Changes the record and stores an event with it. A record that somebody else changed meanwhile, for example to ask for
    /// its end, is read again and changed as it is now.
    pub(super) async fn change(
        &mut self,
        edit: impl Fn(&mut BuildJob),
        event: impl Fn(&BuildJob) -> Result<Option<NewEvent>>,
    ) -> Result<()> {
        loop {
            check(&self.work)?;
            let mut job = self.job.clone();
            edit(&mut job);
            job.revision.updated_at = self.context.journal.now();
            let guard = fence(&self.context.leases, JobRef::Build(job.id), &self.work);
            let set = ChangeSet::new().update(job.clone()).events(event(&job)?).fence(guard);
            match self.context.journal.apply(set).await {
                Ok(_) => {
                    job.revision.version = job.revision.version.next();
                    self.job = job;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    let current = self.context.journal.store().build(self.job.id).await?;
                    if current.lease.attempt != self.work.attempt || current.status != BuildStatus::Running {
                        return Err(lost());
                    }
                    if current.cancel_requested {
                        self.work.ended.cancel();
                    }
                    self.job.revision = current.revision;
                    self.job.cancel_requested = current.cancel_requested;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Records how far the build is: every stage, and in between not too often.
    pub(super) async fn progress(&mut self, stage: Stage, percent: u8, message: &str) -> Result<()> {
        let soon = self.told.is_some_and(|told| told.elapsed() < self.context.options.progress_every);
        if self.job.stage == Some(stage) && (percent <= self.job.progress || (soon && percent < 100)) {
            return Ok(());
        }
        self.told = Some(Instant::now());
        let message = message.to_owned();
        self.change(
            |job| {
                job.stage = Some(stage);
                job.progress = job.progress.max(percent);
            },
            |job| {
                let data = serde_json::json!({ "percent": job.progress, "stage": stage, "message": message });
                build_event(job, BuildEventKind::Progress, data).map(Some)
            },
        )
        .await
    }

    /// Records that work began.
    pub(super) async fn started(&mut self) -> Result<()> {
        let now = self.context.journal.now();
        self.change(
            |job| job.started_at = job.started_at.or(Some(now)),
            |job| {
                let data = serde_json::json!({ "attempt": job.lease.attempt, "target": job.target_platform });
                build_event(job, BuildEventKind::Started, data).map(Some)
            },
        )
        .await
    }

    /// Records the end.
    pub(super) async fn end(&mut self, status: BuildStatus, edit: impl Fn(&mut BuildJob)) -> Result<()> {
        build::check(self.job.status, status)?;
        let now = self.context.journal.now();
        metrics::counter!("slate_builds_ended_total", "status" => status.as_str()).increment(1);
        self.change(
            |job| {
                edit(job);
                job.status = status;
                job.completed_at = Some(now);
            },
            |job| ended_event(job).map(Some),
        )
        .await
    }

    /// Brings lines to the log aggregator.
    pub(super) async fn log(&self, level: LogLevel, message: impl Into<String>) -> Result<()> {
        let source = LogSource::Build(self.job.id);
        let entry = LogEntry::new(source, level, message, self.context.journal.now());
        self.context.logs.for_project(self.job.project_id).submit(vec![entry]).await
    }
}

fn build_event(job: &BuildJob, kind: BuildEventKind, data: crate::model::Json) -> Result<NewEvent> {
    let event =
        BuildEvent::new(kind, job.id, job.project_id, job.user_id.clone(), job.revision.updated_at).with_data(data);
    event_about(event, job.id, job.revision.version.next())
}
