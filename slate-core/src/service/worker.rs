use super::{
    Journal,
    leases::{Leases, Work},
    task::repeat,
};
use crate::{
    Cancel, Error, ErrorKind, Result, WorkerId,
    bus::{EventBus, Message, Subscription, Topic},
    model::Json,
    store::{Claim, Fence, JobRef, Queue, Record},
};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::sync::{Mutex, Semaphore};

/// The loop that claims jobs of one queue, works on some at a time, and keeps their leases.
pub(super) struct Worker {
    pub(super) name: &'static str,
    pub(super) journal: Journal,
    pub(super) queue: Queue,
    pub(super) leases: Arc<Leases>,
    pub(super) poll: Duration,
    pub(super) concurrency: usize,
}

impl Worker {
    pub(super) fn leases(name: &'static str, lease: Duration) -> Arc<Leases> {
        Arc::new(Leases::new(WorkerId::unique(name), lease))
    }

    /// Runs until `cancel` is raised. `run` does one job; it must return soon after the job's `lost` flag is raised, and leave
    /// nothing running then. `wake` tells of new jobs.
    pub(super) async fn run<F, Fut>(self, cancel: &Cancel, wake: Option<Subscription>, run: F)
    where
        F: Fn(Record, Work) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let run = Arc::new(run);
        let slots = Arc::new(Semaphore::new(self.concurrency.max(1)));
        let wake = Mutex::new(wake);
        let claiming = repeat(self.name, cancel, || async {
            let free = tokio::select! {
                // At least one slot, then as many as are free.
                slot = Arc::clone(&slots).acquire_owned() => match slot {
                    Ok(slot) => { drop(slot); slots.available_permits() }
                    Err(_) => 0,
                },
                () = cancel.canceled() => return Ok(Duration::ZERO),
            };
            let claim = Claim::new(self.leases.worker().clone(), self.leases.duration(), free.clamp(1, 1000) as u32);
            let claimed = self.journal.store().claim(self.queue, claim).await?;
            let some = !claimed.is_empty();
            for record in claimed {
                let Some((job, attempt)) = reference(&record) else { continue };
                let work = self.leases.add(job, attempt);
                let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { continue };
                let (leases, run) = (Arc::clone(&self.leases), Arc::clone(&run));
                tokio::spawn(async move {
                    run(record, work).await;
                    leases.remove(job, attempt);
                    drop(slot);
                });
            }
            if !some {
                self.idle(&mut *wake.lock().await, cancel).await;
            }
            Ok(Duration::ZERO)
        });
        // Work may take its time to end, so leases are kept until the last has.
        let ended = Cancel::new();
        let extending = repeat(self.name, &ended, || async {
            self.leases.extend(&**self.journal.store()).await?;
            Ok(self.leases.duration() / 3)
        });
        let working = async {
            claiming.await;
            let jobs = self.leases.jobs();
            for work in self.leases.works() {
                work.lost.cancel();
            }
            // All slots free means that all work has ended.
            let _ = slots.acquire_many(self.concurrency.max(1) as u32).await;
            ended.cancel();
            jobs
        };
        let (jobs, ()) = tokio::join!(working, extending);
        if !jobs.is_empty()
            && let Err(error) = self.journal.store().release(self.leases.worker(), &jobs).await
        {
            tracing::warn!(service = self.name, %error, "leases could not be given back and will run out");
        }
    }

    async fn idle(&self, wake: &mut Option<Subscription>, cancel: &Cancel) {
        let woken = async {
            match wake {
                Some(subscription) => drop(subscription.next().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(self.poll) => {}
            () = cancel.canceled() => {}
        }
    }
}

fn reference(record: &Record) -> Option<(JobRef, u32)> {
    match record {
        Record::Build(build) => Some((JobRef::Build(build.id), build.lease.attempt)),
        Record::AssetJob(job) => Some((JobRef::AssetJob(job.id), job.lease.attempt)),
        _ => None,
    }
}

/// The fence of a job that this worker holds.
pub(super) fn fence(leases: &Leases, job: JobRef, work: &Work) -> Fence {
    Fence { job, worker: leases.worker().clone(), attempt: work.attempt }
}

/// The error of work whose lease is another's by now: nothing is to be recorded.
pub(super) fn lost() -> Error {
    Error::new(ErrorKind::Conflict, "the lease was lost: somebody else has the job").retry_as(crate::Retry::No)
}

/// Whether trying a job again may mend this error.
pub(super) fn may_pass(error: &Error) -> bool {
    error.retry() != crate::Retry::No || error.kind() == ErrorKind::Internal
}

/// Wakes one worker. Workers look by themselves too: a wake that gets lost costs a second.
pub(super) async fn wake(bus: &dyn EventBus, topic: Topic, what: &Json) {
    let woken = match Message::json(topic.subject(), what) {
        Ok(message) => bus.publish(message).await,
        Err(error) => Err(error),
    };
    if let Err(error) = woken {
        tracing::debug!(?topic, %error, "no worker was woken");
    }
}

/// `Err` once the lease is lost.
pub(super) fn check(work: &Work) -> Result<()> {
    if work.lost.is_canceled() { Err(lost()) } else { Ok(()) }
}
