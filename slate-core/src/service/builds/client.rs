use crate::{
    BuildId, ErrorKind, Result, Version, build,
    bus::{
        BuildTopic, EventBus, Topic,
        event::{BuildEvent, BuildEventKind},
    },
    model::{BuildJob, BuildStatus},
    service::{Journal, journal::event_about, worker},
    store::ChangeSet,
};
use std::sync::Arc;

/// What others ask of builds: records wishes in the store; build workers fulfil them.
#[derive(Clone)]
pub struct Builds {
    journal: Journal,
    bus: Arc<dyn EventBus>,
}

impl Builds {
    /// Builds recorded in this journal; workers are woken over this bus.
    pub fn new(journal: Journal, bus: Arc<dyn EventBus>) -> Self {
        Self { journal, bus }
    }

    /// Records a new build and wakes the workers.
    ///
    /// # Errors
    /// `NotFound` without the project; those of [`ChangeStore::apply`](crate::store::ChangeStore::apply).
    pub async fn enqueue(&self, job: BuildJob) -> Result<BuildJob> {
        let event = BuildEvent::new(
            BuildEventKind::Progress,
            job.id,
            job.project_id,
            job.user_id.clone(),
            job.revision.created_at,
        )
        .with_data(serde_json::json!({ "percent": 0, "status": job.status, "message": "queued" }));
        let event = event_about(event, job.id, Version::FIRST)?;
        self.journal.apply(ChangeSet::new().create(job.clone()).event(event)).await?;
        let wake = serde_json::json!({ "buildId": job.id });
        worker::wake(&*self.bus, Topic::Build(BuildTopic::Jobs()), &wake).await;
        Ok(job)
    }

    /// Asks for the build's end. One that waits is canceled at once; one that runs, by its worker; one that has ended is left.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn cancel(&self, id: BuildId) -> Result<BuildJob> {
        loop {
            let mut job = self.journal.store().build(id).await?;
            if job.status.is_final() || job.cancel_requested {
                return Ok(job);
            }
            let now = self.journal.now();
            job.cancel_requested = true;
            job.revision.updated_at = now;
            let mut set = ChangeSet::new();
            if job.status == BuildStatus::Queued {
                build::check(job.status, BuildStatus::Canceled)?;
                job.status = BuildStatus::Canceled;
                job.completed_at = Some(now);
                set = set.event(ended_event(&job)?);
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

impl std::fmt::Debug for Builds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Builds").field(&self.journal).finish()
    }
}

/// The event that tells of a build's end, once it is stored with the next version.
pub(super) fn ended_event(job: &BuildJob) -> Result<crate::model::NewEvent> {
    let (kind, data) = match job.status {
        BuildStatus::Completed => (
            BuildEventKind::Completed,
            serde_json::json!({ "outputPath": job.output_path, "artifacts": job.artifacts }),
        ),
        // The seeds know four kinds of build events: a canceled build is one that failed, and says so.
        status => (
            BuildEventKind::Failed,
            serde_json::json!({
                "error": job.error_message, "canceled": status == BuildStatus::Canceled,
                "errors": job.metadata["slate"]["errors"],
            }),
        ),
    };
    let event =
        BuildEvent::new(kind, job.id, job.project_id, job.user_id.clone(), job.revision.updated_at).with_data(data);
    event_about(event, job.id, job.revision.version.next())
}
