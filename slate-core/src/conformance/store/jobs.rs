//! The sentences of [`JobStore`](crate::store::JobStore).

use super::{changes::count_true, fixtures::*};
use crate::{
    BuildId, ErrorKind, Version,
    model::{AssetJobStatus, BuildJob, BuildStatus, Lease, RuntimeSession, SessionState},
    store::{ChangeSet, Claim, Held, JobRef, Queue, Record, RecordId, Store, StoreExt},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

async fn claim(store: &dyn Store, queue: Queue, name: &str, limit: u32) -> Vec<Record> {
    store.claim(queue, Claim::new(worker(name), LONG, limit)).await.unwrap()
}

fn ids(records: &[Record]) -> Vec<RecordId> {
    records.iter().map(Record::id).collect()
}

pub async fn claim_yields_jobs_that_wait_oldest_first(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let made_at = |second| {
        let mut build = build(project.id);
        build.revision.created_at = at(second);
        build
    };
    let (late, early, middle) = (made_at(3), made_at(1), made_at(2));
    let not_yet = BuildJob { not_before: Some(crate::Timestamp::now() + LONG), ..made_at(0) };
    let due = BuildJob { not_before: Some(at(0)), ..made_at(4) };
    let mut set = ChangeSet::new();
    for build in [&late, &early, &middle, &not_yet, &due] {
        set = set.create(build.clone());
    }
    store.apply(set).await.unwrap();
    let first = claim(&*store, Queue::Builds, "w1", 2).await;
    assert_eq!(ids(&first), [early.id.into(), middle.id.into()]);
    let second = claim(&*store, Queue::Builds, "w2", 10).await;
    assert_eq!(ids(&second), [late.id.into(), due.id.into()]);
    assert_eq!(claim(&*store, Queue::Builds, "w3", 10).await, []);
    assert_eq!(claim(&*store, Queue::AssetJobs, "w3", 10).await, []);
    assert_eq!(claim(&*store, Queue::Sessions, "w3", 10).await, []);
}

pub async fn claim_yields_jobs_that_somebody_left(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let asset = asset(project.id);
    let (build, job) = (build(project.id), asset_job(asset.id, project.id));
    store.apply(ChangeSet::new().create(asset).create(build.clone()).create(job.clone())).await.unwrap();
    for (queue, id) in [(Queue::Builds, RecordId::from(build.id)), (Queue::AssetJobs, job.id.into())] {
        let short = Duration::from_millis(100);
        let first = store.claim(queue, Claim::new(worker("w1"), short, 1)).await.unwrap();
        assert_eq!(ids(&first), [id]);
        assert_eq!(claim(&*store, queue, "w2", 1).await, []);
        tokio::time::sleep(short * 2).await;
        let second = claim(&*store, queue, "w2", 1).await;
        assert_eq!(ids(&second), [id]);
        assert_eq!(second[0].version(), Version(3));
    }
}

pub async fn claim_yields_sessions_that_have_not_ended_and_that_nobody_holds(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let held =
        Lease { owner: Some(worker("w0")), until: Some(crate::Timestamp::now() + LONG), attempt: 1, given_back: 0 };
    let stale = Lease { until: Some(at(0)), ..held.clone() };
    let free = session(project.id);
    let running = RuntimeSession { status: SessionState::Running, ..session(project.id) };
    let left = RuntimeSession { lease: stale, ..session(project.id) };
    let mut set = ChangeSet::new()
        .create(free.clone())
        .create(running.clone())
        .create(left.clone())
        .create(RuntimeSession { lease: held, ..session(project.id) });
    for status in [SessionState::Stopped, SessionState::Failed, SessionState::Error] {
        set = set.create(RuntimeSession { status, ..session(project.id) });
    }
    store.apply(set).await.unwrap();
    let found = claim(&*store, Queue::Sessions, "w1", 10).await;
    assert_eq!(ids(&found), [free.id.into(), running.id.into(), left.id.into()]);
    let Record::Session(found) = &found[2] else { panic!("not a session") };
    assert_eq!((found.lease.attempt, found.status), (2, SessionState::Creating));
}

pub async fn claim_yields_only_sessions_of_the_backend_asked_for(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let docker = RuntimeSession { backend: "docker".into(), ..session(project.id) };
    store.apply(ChangeSet::new().create(session(project.id)).create(docker.clone())).await.unwrap();
    let of = |backend: &str| Claim::new(worker("w"), LONG, 10).with_backend(backend);
    assert_eq!(ids(&store.claim(Queue::Sessions, of("docker")).await.unwrap()), [docker.id.into()]);
    assert_eq!(store.claim(Queue::Sessions, of("kubernetes")).await.unwrap(), []);
}

pub async fn a_claimed_build_or_asset_job_is_running_and_one_attempt_and_version_on(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let records = create_one_of_each(&*store, project.id).await;
    for queue in [Queue::Builds, Queue::AssetJobs, Queue::Sessions] {
        let before = crate::Timestamp::now();
        let claimed = claim(&*store, queue, "w1", 1).await;
        let [claimed] = claimed.as_slice() else { panic!("expected one") };
        assert_eq!(claimed.version(), Version(2));
        assert_eq!(stored(&*store, claimed).await.unwrap(), *claimed, "claim yields what is stored");
        let original = records.iter().find(|record| record.id() == claimed.id()).unwrap();
        let lease = match (claimed, original) {
            (Record::Build(now), Record::Build(then)) => {
                assert_eq!(now.status, BuildStatus::Running);
                let back = BuildJob { status: then.status, lease: then.lease.clone(), ..now.clone() };
                assert_eq!(BuildJob { revision: then.revision.clone(), ..back }, *then, "nothing else changes");
                &now.lease
            }
            (Record::AssetJob(now), Record::AssetJob(_)) => {
                assert_eq!(now.status, AssetJobStatus::Running);
                &now.lease
            }
            (Record::Session(now), Record::Session(then)) => {
                assert_eq!(now.status, then.status);
                &now.lease
            }
            other => panic!("unexpected: {other:?}"),
        };
        assert_eq!((lease.owner.as_ref(), lease.attempt), (Some(&worker("w1")), 1));
        let until = lease.until.unwrap();
        assert!(until >= before + LONG && until <= crate::Timestamp::now() + LONG, "by the store's clock");
    }
}

pub async fn claim_passes_by_jobs_that_ended_or_are_deleted(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let deleted = build(project.id);
    let mut set = ChangeSet::new().create(deleted.clone());
    for status in [BuildStatus::Completed, BuildStatus::Failed, BuildStatus::Canceled] {
        set = set.create(BuildJob { status, ..build(project.id) });
    }
    store.apply(set.delete(deleted.id, Version::FIRST)).await.unwrap();
    assert_eq!(claim(&*store, Queue::Builds, "w", 10).await, []);
}

pub async fn claim_yields_each_job_to_one_worker_only(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let asset = asset(project.id);
    let jobs: Vec<_> = (0..200).map(|_| asset_job(asset.id, project.id)).collect();
    let set = jobs.iter().cloned().fold(ChangeSet::new().create(asset), ChangeSet::create);
    store.apply(set).await.unwrap();
    let workers: Vec<_> = (0..8)
        .map(|index| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let got = claim(&*store, Queue::AssetJobs, &format!("w{index}"), 7).await;
                    if got.is_empty() {
                        return mine;
                    }
                    mine.extend(ids(&got));
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut claimed: BTreeMap<RecordId, usize> = BTreeMap::new();
    for worker in workers {
        for id in worker.await.unwrap() {
            *claimed.entry(id).or_default() += 1;
        }
    }
    assert_eq!(claimed.len(), 200);
    assert!(claimed.values().all(|times| *times == 1), "a job was claimed twice");
}

pub async fn a_claim_for_none_or_over_1000_gives_invalid(store: Arc<dyn Store>) {
    for limit in [0, 1001] {
        expect_kind(store.claim(Queue::Builds, Claim::new(worker("w"), LONG, limit)).await, ErrorKind::Invalid);
    }
    assert_eq!(claim(&*store, Queue::Builds, "w", 1000).await, []);
}

pub async fn extend_moves_the_end_of_each_lease_that_is_still_the_workers_and_changes_no_version(
    store: Arc<dyn Store>,
) {
    let project = project(&*store).await;
    create_one_of_each(&*store, project.id).await;
    let mut held = Vec::new();
    for queue in [Queue::Builds, Queue::AssetJobs, Queue::Sessions] {
        for record in claim(&*store, queue, "w1", 1).await {
            held.push(record);
        }
    }
    let refs: Vec<_> = held.iter().map(|record| (job_ref(record.id()), 1)).collect();
    let answers = store.extend(&worker("w1"), &refs, LONG * 2).await.unwrap();
    assert_eq!(answers, [Held::Yes; 3]);
    for record in &held {
        let now = stored(&*store, record).await.unwrap();
        assert_eq!(now.version(), record.version());
        assert!(lease(&now).until > lease(record).until);
        assert_eq!(lease(&now).owner, lease(record).owner);
    }
}

fn job_ref(id: RecordId) -> JobRef {
    match id {
        RecordId::Build(id) => JobRef::Build(id),
        RecordId::AssetJob(id) => JobRef::AssetJob(id),
        RecordId::Session(id) => JobRef::Session(id),
        other => panic!("{other} is no job"),
    }
}

fn lease(record: &Record) -> &Lease {
    match record {
        Record::Build(record) => &record.lease,
        Record::AssetJob(record) => &record.lease,
        Record::Session(record) => &record.lease,
        other => panic!("{other:?} has no lease"),
    }
}

pub async fn extend_tells_in_order_which_leases_are_lost_and_for_which_somebody_asked_for_the_end(
    store: Arc<dyn Store>,
) {
    let project = project(&*store).await;
    let builds: Vec<_> = (0..5).map(|_| build(project.id)).collect();
    store.apply(builds.iter().cloned().fold(ChangeSet::new(), ChangeSet::create)).await.unwrap();
    assert_eq!(claim(&*store, Queue::Builds, "w1", 10).await.len(), 5);
    let asked = BuildJob { cancel_requested: true, ..store.build(builds[1].id).await.unwrap() };
    let ended = BuildJob { status: BuildStatus::Completed, ..store.build(builds[2].id).await.unwrap() };
    let set = ChangeSet::new().update(asked).update(ended).delete(builds[3].id, Version(2));
    store.apply(set).await.unwrap();
    let one = |index: usize| (JobRef::Build(builds[index].id), 1);
    let missing = (JobRef::Build(BuildId::new()), 1);
    let held = [one(4), one(3), one(2), one(1), missing, one(0), (JobRef::Build(builds[0].id), 2)];
    let answers = store.extend(&worker("w1"), &held, LONG).await.unwrap();
    use Held::{EndRequested, Lost, Yes};
    assert_eq!(answers, [Yes, Lost, Lost, EndRequested, Lost, Yes, Lost]);
    assert_eq!(store.extend(&worker("w2"), &[one(0)], LONG).await.unwrap(), [Lost]);
    assert_eq!(store.extend(&worker("w1"), &[], LONG).await.unwrap(), []);
    let mut stopping = session(project.id);
    stopping.stop_requested = true;
    store.create(stopping.clone().into()).await.unwrap();
    claim(&*store, Queue::Sessions, "w1", 1).await;
    let asset = asset(project.id);
    let canceled = crate::model::AssetJob { cancel_requested: true, ..asset_job(asset.id, project.id) };
    store.apply(ChangeSet::new().create(asset).create(canceled.clone())).await.unwrap();
    claim(&*store, Queue::AssetJobs, "w1", 1).await;
    let held = [(JobRef::Session(stopping.id), 1), (JobRef::AssetJob(canceled.id), 1)];
    assert_eq!(store.extend(&worker("w1"), &held, LONG).await.unwrap(), [EndRequested; 2]);
}

pub async fn extend_revives_a_lease_that_ran_out_but_that_nobody_claimed(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let job = build(project.id);
    store.create(job.clone().into()).await.unwrap();
    store.claim(Queue::Builds, Claim::new(worker("w1"), Duration::ZERO, 1)).await.unwrap();
    let held = [(JobRef::Build(job.id), 1)];
    assert_eq!(store.extend(&worker("w1"), &held, LONG).await.unwrap(), [Held::Yes]);
    assert_eq!(claim(&*store, Queue::Builds, "w2", 1).await, []);
    store.extend(&worker("w1"), &held, Duration::ZERO).await.unwrap();
    assert_eq!(claim(&*store, Queue::Builds, "w2", 1).await.len(), 1);
    assert_eq!(store.extend(&worker("w1"), &held, LONG).await.unwrap(), [Held::Lost]);
}

pub async fn release_gives_jobs_back_at_once_unchanged_but_for_the_lease_and_counts_it(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    create_one_of_each(&*store, project.id).await;
    for queue in [Queue::Builds, Queue::AssetJobs, Queue::Sessions] {
        let claimed = claim(&*store, queue, "w1", 1).await.remove(0);
        store.release(&worker("w1"), &[(job_ref(claimed.id()), 1)]).await.unwrap();
        let after = stored(&*store, &claimed).await.unwrap();
        assert_eq!(*lease(&after), Lease { owner: None, until: None, attempt: 1, given_back: 1 });
        let mut expected = claimed.clone();
        match &mut expected {
            Record::Build(record) => record.lease = lease(&after).clone(),
            Record::AssetJob(record) => record.lease = lease(&after).clone(),
            Record::Session(record) => record.lease = lease(&after).clone(),
            other => panic!("{other:?} has no lease"),
        }
        assert_eq!(after, expected);
        let again = claim(&*store, queue, "w2", 1).await;
        assert_eq!((again[0].id(), lease(&again[0]).attempt), (claimed.id(), 2));
        assert_eq!((lease(&again[0]).given_back, lease(&again[0]).tries()), (1, 1));
    }
}

pub async fn release_leaves_those_that_are_not_the_workers(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let job = build(project.id);
    store.create(job.clone().into()).await.unwrap();
    claim(&*store, Queue::Builds, "w1", 1).await;
    let before = store.build(job.id).await.unwrap();
    store.release(&worker("w2"), &[(JobRef::Build(job.id), 1)]).await.unwrap();
    store.release(&worker("w1"), &[(JobRef::Build(job.id), 2), (JobRef::Build(BuildId::new()), 1)]).await.unwrap();
    assert_eq!(store.build(job.id).await.unwrap(), before);
}

pub async fn of_concurrent_endings_under_one_attempt_exactly_one_succeeds(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let job = build(project.id);
    store.create(job.clone().into()).await.unwrap();
    claim(&*store, Queue::Builds, "w1", 1).await;
    let held = store.build(job.id).await.unwrap();
    let tasks = (0..16).map(|_| {
        let (store, done) = (store.clone(), BuildJob { status: BuildStatus::Completed, ..held.clone() });
        let fence = crate::store::Fence { job: JobRef::Build(done.id), worker: worker("w1"), attempt: 1 };
        tokio::spawn(async move { store.apply(ChangeSet::new().fence(fence).update(done)).await.is_ok() })
    });
    assert_eq!(count_true(tasks).await, 1);
    assert_eq!(store.build(job.id).await.unwrap().revision.version, Version(3));
}
