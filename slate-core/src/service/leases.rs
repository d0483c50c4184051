use crate::{
    Cancel, Result, WorkerId,
    store::{Held, JobRef, JobStore},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// The leases that one worker holds, extended together.
///
/// Each piece of work has a `lost` flag, raised when somebody else has the job, and an `ended` flag, raised when somebody
/// asked for its end.
pub(super) struct Leases {
    worker: WorkerId,
    duration: Duration,
    held: Mutex<HashMap<JobRef, Work>>,
}

/// A piece of work under a lease.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) attempt: u32,
    /// Raised when the lease is lost, or the service ends: stop without recording anything.
    pub(super) lost: Cancel,
    /// Raised when somebody asked for the end: stop and record it.
    pub(super) ended: Cancel,
    /// Rung when something about the job may have changed.
    pub(super) bell: Arc<Notify>,
}

impl Leases {
    pub(super) fn new(worker: WorkerId, duration: Duration) -> Self {
        Self { worker, duration, held: Mutex::default() }
    }

    pub(super) fn worker(&self) -> &WorkerId {
        &self.worker
    }

    pub(super) fn duration(&self) -> Duration {
        self.duration
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn get(&self, job: JobRef) -> Option<Work> {
        self.lock().get(&job).cloned()
    }

    /// Notes a job that was claimed.
    pub(super) fn add(&self, job: JobRef, attempt: u32) -> Work {
        let work = Work { attempt, lost: Cancel::new(), ended: Cancel::new(), bell: Arc::default() };
        // A job that this worker lost and claimed again: the older work must not go on.
        if let Some(old) = self.lock().insert(job, work.clone()) {
            old.lost.cancel();
        }
        work
    }

    /// Forgets a job whose work has ended.
    pub(super) fn remove(&self, job: JobRef, attempt: u32) {
        let mut held = self.lock();
        if held.get(&job).is_some_and(|work| work.attempt == attempt) {
            held.remove(&job);
        }
    }

    /// Extends all leases; raises the flags of those that are lost or whose end is wanted.
    pub(super) async fn extend(&self, store: &dyn JobStore) -> Result<()> {
        let jobs = self.jobs();
        if jobs.is_empty() {
            return Ok(());
        }
        let answers = store.extend(&self.worker, &jobs, self.duration).await?;
        for ((job, attempt), held) in jobs.into_iter().zip(answers) {
            let Some(work) = self.get(job).filter(|work| work.attempt == attempt) else { continue };
            match held {
                Held::Lost => work.lost.cancel(),
                Held::EndRequested => work.ended.cancel(),
                Held::Yes => {}
            }
            if held != Held::Yes {
                work.bell.notify_one();
            }
        }
        Ok(())
    }

    /// Stops all work and gives all leases back, so that others take over at once.
    pub(super) async fn release(&self, store: &dyn JobStore) -> Result<()> {
        let jobs = self.jobs();
        for work in self.works() {
            work.lost.cancel();
            work.bell.notify_one();
        }
        if jobs.is_empty() { Ok(()) } else { store.release(&self.worker, &jobs).await }
    }

    /// All work that is held.
    pub(super) fn works(&self) -> Vec<Work> {
        self.lock().values().cloned().collect()
    }

    /// All jobs that are held, with their attempts.
    pub(super) fn jobs(&self) -> Vec<(JobRef, u32)> {
        self.lock().iter().map(|(job, work)| (*job, work.attempt)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobRef, Work>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
