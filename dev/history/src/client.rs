//! A client: tasks that change records, work on jobs and relay events, and note what they were told.

use crate::{Entry, Notes};
use slate_core::{
    ErrorKind, ProjectId, Result, SystemClock, Timestamp, UserId, WorkerId,
    bus::{
        DurableBus, EventBus,
        event::{BuildEvent, BuildEventKind, Event, ProjectEvent, ProjectEventKind},
    },
    model::{Aggregate, BuildJob, BuildStatus, BuildType, NewEvent, Project, TargetPlatform},
    service::{Journal, Relay, RelayOptions},
    store::{ChangeSet, Claim, Fence, JobRef, PageRequest, ProjectQuery, Queue, Record, RecordId, Store},
};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a worker's lease is.
pub const LEASE: Duration = Duration::from_millis(600);

/// One client.
pub struct Client {
    store: Arc<dyn Store>,
    notes: Notes,
    /// Until when it makes new jobs and changes.
    busy_until: Instant,
}

/// The first entry of a world: the project that all jobs belong to, and those that clients change.
///
/// # Errors
/// Those of the store.
pub async fn found_world(store: &dyn Store, notes: &Notes, projects: usize) -> Result<()> {
    for number in 0..projects {
        let project = Project::new(format!("project {number}"), user()?, Timestamp::now());
        let event = project_event(&project, ProjectEventKind::Created, 1)?;
        let id = RecordId::from(project.id);
        store.apply(ChangeSet::new().create(project).event(event)).await?;
        note(notes, &Entry::Changed { record: id.to_string(), version: 1 })?;
    }
    Ok(())
}

impl Client {
    /// A client that makes new work for as long as this.
    pub fn new(store: Arc<dyn Store>, notes: Notes, busy: Duration) -> Self {
        Self { store, notes, busy_until: Instant::now() + busy }
    }

    /// Runs until it is killed.
    ///
    /// # Errors
    /// Those of the notes' file: what was told could not be noted, so the run says nothing.
    pub async fn run(self, bus: Arc<dyn EventBus>, durable: Arc<dyn DurableBus>) -> Result<()> {
        let journal = Journal::new(Arc::clone(&self.store), Arc::new(SystemClock));
        let mut options = RelayOptions::default();
        (options.poll, options.lease) = (Duration::from_millis(100), LEASE);
        let relay = Relay::start(journal, bus, Some(durable), options);
        let ended = tokio::try_join!(self.edit(), self.edit(), self.make(), self.work(), self.work());
        drop(relay);
        ended.map(drop)
    }

    /// Changes a project now and then, as another client may at the same time.
    async fn edit(&self) -> Result<()> {
        while Instant::now() < self.busy_until {
            pause(30).await;
            let Some(mut project) = self.any_project().await else { continue };
            let version = project.revision.version.next().0;
            project.description = format!("as of version {version}");
            let event = project_event(&project, ProjectEventKind::Updated, version)?;
            let id = RecordId::from(project.id);
            if self.told(self.store.apply(ChangeSet::new().update(project).event(event)).await).is_some() {
                note(&self.notes, &Entry::Changed { record: id.to_string(), version })?;
            }
        }
        Ok(())
    }

    async fn make(&self) -> Result<()> {
        while Instant::now() < self.busy_until {
            pause(60).await;
            let Some(project) = self.any_project().await else { continue };
            let job =
                BuildJob::new(project.id, user()?, BuildType::Development, TargetPlatform::Linux, Timestamp::now());
            let (id, event) = (RecordId::from(job.id), build_event(&job, BuildEventKind::Progress, 1)?);
            if self.told(self.store.apply(ChangeSet::new().create(job).event(event)).await).is_some() {
                note(&self.notes, &Entry::Changed { record: id.to_string(), version: 1 })?;
            }
        }
        Ok(())
    }

    async fn work(&self) -> Result<()> {
        let worker = WorkerId::unique("history");
        loop {
            let claim = Claim::new(worker.clone(), LEASE, 2);
            let claimed = self.told(self.store.claim(Queue::Builds, claim).await).unwrap_or_default();
            if claimed.is_empty() {
                pause(50).await;
            }
            let jobs: Vec<_> = claimed
                .into_iter()
                .filter_map(|record| if let Record::Build(job) = record { Some(job) } else { None })
                .collect();
            for job in &jobs {
                let job = (RecordId::from(job.id).to_string(), job.lease.attempt);
                note(&self.notes, &Entry::Claimed { job: job.0, attempt: job.1 })?;
            }
            for job in jobs {
                self.finish(&worker, job).await?;
            }
        }
    }

    /// Brings a job to its end, unless its lease is lost on the way. Sometimes it dawdles until that is so.
    async fn finish(&self, worker: &WorkerId, mut job: BuildJob) -> Result<()> {
        let held = (JobRef::Build(job.id), job.lease.attempt);
        pause(80).await;
        if fastrand::u8(..) < 40 {
            self.told(self.store.extend(worker, &[held], LEASE).await);
        }
        if fastrand::u8(..) < 12 {
            tokio::time::sleep(LEASE).await;
        }
        for (status, kind) in
            [(BuildStatus::Running, BuildEventKind::Progress), (BuildStatus::Completed, BuildEventKind::Completed)]
        {
            job.status = status;
            job.progress = if status.is_final() { 100 } else { 50 };
            job.completed_at = status.is_final().then(Timestamp::now);
            let version = job.revision.version.next();
            let event = build_event(&job, kind, version.0)?;
            let fence = Fence { job: held.0, worker: worker.clone(), attempt: held.1 };
            let set = ChangeSet::new().fence(fence).update(job.clone()).event(event);
            if self.told(self.store.apply(set).await).is_none() {
                return Ok(());
            }
            let record = RecordId::from(job.id).to_string();
            note(&self.notes, &Entry::Changed { record: record.clone(), version: version.0 })?;
            if status.is_final() {
                note(&self.notes, &Entry::Finished { job: record, attempt: held.1 })?;
            }
            job.revision.version = version;
            pause(80).await;
        }
        Ok(())
    }

    async fn any_project(&self) -> Option<Project> {
        let page = PageRequest::first(100);
        let projects = self.told(self.store.projects(ProjectQuery::all(), page).await)?.items;
        fastrand::choice(projects)
    }

    /// What was told; `None` for a refusal, and for what may have happened or not.
    fn told<T>(&self, result: Result<T>) -> Option<T> {
        if let Err(error) = &result
            && matches!(error.kind(), ErrorKind::Internal | ErrorKind::Corrupt | ErrorKind::Invalid)
        {
            // Not what a fault may lead to; the test shows what clients say.
            eprintln!("unexpected: {error}");
        }
        result.ok()
    }
}

fn note(notes: &Notes, entry: &Entry) -> Result<()> {
    notes.add(entry).map_err(|error: io::Error| slate_core::Error::io("note an entry", error))
}

fn user() -> Result<UserId> {
    UserId::new("history")
}

fn project_event(project: &Project, kind: ProjectEventKind, version: u64) -> Result<NewEvent> {
    let event = ProjectEvent::new(kind, project.id, project.owner_id.clone(), Timestamp::now());
    about(event, project.id, version)
}

fn build_event(job: &BuildJob, kind: BuildEventKind, version: u64) -> Result<NewEvent> {
    let project: ProjectId = job.project_id;
    about(BuildEvent::new(kind, job.id, project, job.user_id.clone(), Timestamp::now()), job.id, version)
}

fn about(event: impl Into<Event>, id: impl Into<RecordId>, version: u64) -> Result<NewEvent> {
    let name = id.into().to_string();
    event.into().to_stored(Some(Aggregate { name, version: slate_core::Version(version) }))
}

/// A random time up to this many milliseconds.
async fn pause(most: u64) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=most))).await;
}
