//! The sentences of [`ChangeStore`](crate::store::ChangeStore).

use super::fixtures::*;
use crate::{
    ErrorKind, ProjectId, Version,
    model::{
        Asset, AssetJob, AssetJobStatus, AuditEntry, AuditOutcome, BuildJob, BuildStatus, Counter, FileRecord, Json,
        Lease, Project, QuotaLimits, QuotaUsage, RuntimeSession, SessionState, Sha256Hex, UserQuota,
    },
    store::{
        AuditQuery, Change, ChangeSet, Claim, CounterQuery, EventQuery, Fence, Idempotency, JobRef, LogQuery,
        MetricQuery, PageRequest, Queue, Record, Store, StoreExt,
    },
};
use std::sync::Arc;

pub async fn all_changes_and_events_of_a_set_are_committed(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let records = one_of_each(project.id);
    let mut set = ChangeSet::new().event(event("slate.a")).event(event("slate.b"));
    set = records.iter().cloned().fold(set, ChangeSet::create);
    let applied = store.apply(set).await.unwrap();
    let expected: Vec<_> = records.iter().map(|record| (record.id(), Version::FIRST)).collect();
    assert_eq!(applied.versions, expected);
    assert_eq!(applied.replayed, None);
    for record in &records {
        assert_eq!(stored(&*store, record).await.unwrap(), *record);
    }
    assert_eq!(store.count_events(EventQuery::all()).await.unwrap(), 2);
}

pub async fn or_none_where_one_change_fails(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let limits = QuotaLimits { max_containers: 1, ..QuotaLimits::default() };
    let one = QuotaUsage { containers: 1, ..QuotaUsage::default() };
    let renamed = Project { name: "Renamed".into(), ..project.clone() };
    let new = session(project.id);
    let audit = AuditEntry {
        id: crate::AuditId::new(),
        at: at(0),
        user_id: None,
        action: "x".into(),
        target: "y".into(),
        outcome: AuditOutcome::Failed,
        detail: Json::Null,
    };
    let set = ChangeSet::new()
        .create(new.clone())
        .update(renamed)
        .event(event("slate.a"))
        .change(Change::SetQuota(user("ada"), limits))
        .change(Change::Count(Counter { name: "n".into(), label: String::new(), bucket: at(0), value: 1 }))
        .change(Change::Audit(audit))
        .change(Change::Reserve { user: user("ada"), usage: one, default: None })
        .change(Change::Reserve { user: user("ada"), usage: one, default: None });
    expect_kind(store.apply(set).await, ErrorKind::ResourceExhausted);
    expect_kind(store.session(new.id).await, ErrorKind::NotFound);
    assert_eq!(store.project(project.id).await.unwrap(), project);
    assert_eq!(store.quota(&user("ada")).await.unwrap(), None);
    assert_eq!(store.counters(CounterQuery::all()).await.unwrap(), []);
    assert_eq!(store.audits(AuditQuery::all(), PageRequest::default()).await.unwrap().items, []);
    assert_eq!(store.count_events(EventQuery::all()).await.unwrap(), 0);
}

pub async fn creating_a_record_whose_id_is_there_gives_already_exists(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    for record in one_of_each(project.id) {
        store.create(record.clone()).await.unwrap();
        let mut again = record.clone();
        // Another key, so that only the id is there.
        match &mut again {
            Record::File(file) => file.path = path("other.txt"),
            Record::Template(template) => template.name = "other".into(),
            _ => {}
        }
        expect_kind(store.create(again).await, ErrorKind::AlreadyExists);
        assert_eq!(stored(&*store, &record).await.unwrap(), record);
    }
}

pub async fn creating_a_record_whose_unique_key_is_there_gives_already_exists(store: Arc<dyn Store>) {
    let (project, other) = (project(&*store).await, project(&*store).await);
    store.create(file(project.id, "a.txt").into()).await.unwrap();
    expect_kind(store.create(file(project.id, "a.txt").into()).await, ErrorKind::AlreadyExists);
    store.create(file(other.id, "a.txt").into()).await.unwrap();
    store.create(template("T").into()).await.unwrap();
    expect_kind(store.create(template("T").into()).await, ErrorKind::AlreadyExists);
    let of_another = crate::model::Template { created_by: user("bob"), ..template("T") };
    store.create(of_another.into()).await.unwrap();
}

pub async fn updating_to_a_unique_key_that_is_there_gives_already_exists(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let (a, b) = (file(project.id, "a.txt"), file(project.id, "b.txt"));
    store.apply(ChangeSet::new().create(a.clone()).create(b.clone())).await.unwrap();
    expect_kind(store.update(FileRecord { path: path("a.txt"), ..b.clone() }.into()).await, ErrorKind::AlreadyExists);
    store.update(FileRecord { path: path("c.txt"), ..a.clone() }.into()).await.unwrap();
    store.update(FileRecord { path: path("a.txt"), ..b.clone() }.into()).await.unwrap();
    assert_eq!(store.file_at(project.id, &path("a.txt")).await.unwrap().id, b.id);
    assert_eq!(store.file_at(project.id, &path("c.txt")).await.unwrap().id, a.id);
    expect_kind(store.file_at(project.id, &path("b.txt")).await, ErrorKind::NotFound);
}

pub async fn creating_a_record_whose_parent_is_not_there_or_deleted_gives_not_found(store: Arc<dyn Store>) {
    let live = project(&*store).await;
    let deleted = project(&*store).await;
    store.apply(ChangeSet::new().delete(deleted.id, Version::FIRST)).await.unwrap();
    let live_asset = asset(live.id);
    store.create(live_asset.clone().into()).await.unwrap();
    for project in [ProjectId::new(), deleted.id] {
        let orphans: [Record; 5] = [
            file(project, "a.txt").into(),
            asset(project).into(),
            session(project).into(),
            build(project).into(),
            asset_job(live_asset.id, project).into(),
        ];
        for orphan in orphans {
            expect_kind(store.create(orphan.clone()).await, ErrorKind::NotFound);
            expect_kind(stored(&*store, &orphan).await, ErrorKind::NotFound);
        }
    }
    expect_kind(store.create(asset_job(crate::AssetId::new(), live.id).into()).await, ErrorKind::NotFound);
    let no_file = Asset { file_id: Some(crate::FileId::new()), ..asset(live.id) };
    expect_kind(store.create(no_file.into()).await, ErrorKind::NotFound);
}

pub async fn a_change_of_the_project_of_a_record_gives_invalid(store: Arc<dyn Store>) {
    let (project, other) = (project(&*store).await, project(&*store).await);
    for mut record in one_of_each(project.id) {
        store.create(record.clone()).await.unwrap();
        match &mut record {
            Record::File(record) => record.project_id = other.id,
            Record::Asset(record) => record.project_id = other.id,
            Record::Session(record) => record.project_id = other.id,
            Record::Build(record) => record.project_id = other.id,
            Record::AssetJob(record) => record.project_id = other.id,
            Record::Project(_) | Record::Template(_) | Record::PoolMember(_) => continue,
        }
        expect_kind(store.update(record).await, ErrorKind::Invalid);
    }
}

pub async fn updating_or_deleting_a_record_whose_version_is_another_gives_conflict(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    for record in create_one_of_each(&*store, project.id).await.into_iter().rev() {
        store.update(record.clone()).await.unwrap();
        expect_kind(store.update(record.clone()).await, ErrorKind::Conflict);
        expect_kind(store.apply(ChangeSet::new().delete(record.id(), Version(1))).await, ErrorKind::Conflict);
        expect_kind(store.apply(ChangeSet::new().delete(record.id(), Version(3))).await, ErrorKind::Conflict);
        store.apply(ChangeSet::new().delete(record.id(), Version(2))).await.unwrap();
    }
}

pub async fn updating_or_deleting_a_record_that_is_not_there_or_deleted_gives_not_found(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let records = one_of_each(project.id);
    for record in &records {
        expect_kind(store.update(record.clone()).await, ErrorKind::NotFound);
        expect_kind(store.apply(ChangeSet::new().delete(record.id(), Version(1))).await, ErrorKind::NotFound);
    }
    let set = records.iter().cloned().fold(ChangeSet::new(), ChangeSet::create);
    store.apply(set).await.unwrap();
    for record in &records {
        store.apply(ChangeSet::new().delete(record.id(), Version(1))).await.unwrap();
        expect_kind(store.update(record.clone()).await, ErrorKind::NotFound);
        expect_kind(store.apply(ChangeSet::new().delete(record.id(), Version(2))).await, ErrorKind::NotFound);
    }
}

pub async fn an_update_adds_exactly_one_to_the_version_keeps_created_at_and_sets_updated_at(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    for record in one_of_each(project.id) {
        store.create(record.clone()).await.unwrap();
        let mut changed = record.clone();
        changed.revision_mut().created_at = at(999);
        changed.revision_mut().deleted_at = Some(at(999));
        let applied = store.apply(ChangeSet::new().update(changed)).await.unwrap();
        assert_eq!(applied.versions, [(record.id(), Version(2))]);
        let mut now = stored(&*store, &record).await.unwrap();
        assert_eq!((now.version(), now.created_at()), (Version(2), at(0)));
        assert!(now.revision_mut().updated_at > at(0), "updated_at is the store's time");
        assert_eq!(now.revision_mut().deleted_at, None);
    }
}

pub async fn an_update_replaces_every_other_field(store: Arc<dyn Store>) {
    use crate::runtime::ExitStatus;
    let project = project(&*store).await;
    let (old, old_build) = (session(project.id), build(project.id));
    store.apply(ChangeSet::new().create(old.clone()).create(old_build.clone())).await.unwrap();
    let mut new = RuntimeSession {
        status: SessionState::Error,
        stop_requested: true,
        container_id: Some(crate::InstanceId::new("c1").unwrap()),
        started_at: Some(at(1)),
        stopped_at: Some(at(2)),
        error_message: Some("it died \"quoted\" ä".into()),
        exit: Some(ExitStatus::exited(3)),
        restarts: 4,
        restart_requested: true,
        starting_at: Some(at(1)),
        reserved: QuotaUsage { containers: 1, memory: 2, cpu_millis: 3, storage: 4 },
        metadata: serde_json::json!({ "a": [1, "ü", null] }),
        ..old
    };
    let mut new_build = BuildJob {
        status: BuildStatus::Completed,
        stage: Some(crate::model::Stage::Finalize),
        progress: 100,
        source_commit: Some("a1b2".into()),
        output_path: Some("out".into()),
        cancel_requested: true,
        not_before: Some(at(-5)),
        started_at: Some(at(1)),
        completed_at: Some(at(3)),
        artifacts: vec![crate::model::Artifact {
            name: "game".into(),
            path: "out/game".into(),
            size: 7,
            sha256: Sha256Hex::of(b"game"),
            blob: None,
        }],
        ..old_build
    };
    store.apply(ChangeSet::new().update(new.clone()).update(new_build.clone())).await.unwrap();
    let found = store.session(new.id).await.unwrap();
    new.revision = found.revision.clone();
    assert_eq!(found, new);
    let found = store.build(new_build.id).await.unwrap();
    new_build.revision = found.revision.clone();
    assert_eq!(found, new_build);
}

pub async fn many_records_that_are_alike_are_stored_as_they_are(store: Arc<dyn Store>) {
    const MANY: usize = 40;
    let project = project(&*store).await;
    let texture = asset(project.id);
    let jobs: Vec<_> = (0..MANY).map(|_| asset_job(texture.id, project.id)).collect();
    let set = jobs.iter().cloned().fold(ChangeSet::new().create(texture), ChangeSet::create);
    store.apply(set).await.unwrap();
    let (mut changed, mut set) = (Vec::new(), ChangeSet::new());
    for (index, job) in jobs.into_iter().enumerate() {
        let mut job = AssetJob { status: AssetJobStatus::Completed, completed_at: Some(at(1)), progress: 100, ..job };
        // One of them is another's in what all others have alike: a value where they have none, and none where they have one.
        if index == MANY / 2 {
            job = AssetJob { completed_at: None, error_message: Some("it \"died\"".into()), ..job };
        }
        set = set.update(job.clone()).event(event("slate.a"));
        changed.push(job);
    }
    let told: Vec<_> = set.events.clone();
    store.apply(set).await.unwrap();
    for mut job in changed {
        let found = store.asset_job(job.id).await.unwrap();
        job.revision = found.revision.clone();
        assert_eq!(found, job);
    }
    let events = store.events(EventQuery::all(), PageRequest::first(100)).await.unwrap().items;
    assert_eq!(events.into_iter().map(|stored| stored.event).collect::<Vec<_>>(), told);
    let samples = vec![sample(None, 1, 0.5); MANY];
    store.append_metrics(samples.clone()).await.unwrap();
    assert_eq!(store.metrics(MetricQuery::all(), PageRequest::first(100)).await.unwrap().items, samples);
    let source = source();
    let lines: Vec<_> = (0..MANY).map(|_| line(source, "the same")).collect();
    assert_eq!(store.append_logs(lines.clone()).await.unwrap(), MANY);
    assert_eq!(store.logs(LogQuery::all(), PageRequest::first(100)).await.unwrap().items, lines);
}

pub async fn changes_are_made_in_order(store: Arc<dyn Store>) {
    let project = Project::new("Breakout", user("ada"), at(0));
    let first = file(project.id, "a.txt");
    let mut second = Project { name: "Renamed".into(), ..project.clone() };
    let set = ChangeSet::new()
        .create(project.clone())
        .update(second.clone())
        .create(first.clone())
        .delete(first.id, Version::FIRST)
        .create(file(project.id, "a.txt"));
    let versions: Vec<_> = store.apply(set).await.unwrap().versions.into_iter().map(|(_, version)| version.0).collect();
    assert_eq!(versions, [1, 2, 1, 1]);
    let found = store.project(project.id).await.unwrap();
    second.revision = found.revision.clone();
    assert_eq!(found, second);
    let too_early = Project::new("Late", user("ada"), at(0));
    let set = ChangeSet::new().create(file(too_early.id, "a.txt")).create(too_early);
    expect_kind(store.apply(set).await, ErrorKind::NotFound);
}

pub async fn an_update_keeps_the_stored_lease_whatever_the_record_says(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let job = build(project.id);
    store.create(job.clone().into()).await.unwrap();
    store.claim(Queue::Builds, Claim::new(worker("w1"), LONG, 1)).await.unwrap();
    let held = store.build(job.id).await.unwrap();
    let forged = Lease { owner: Some(worker("w2")), until: Some(at(9)), attempt: 9, given_back: 9 };
    store.update(BuildJob { progress: 50, lease: forged, ..held.clone() }.into()).await.unwrap();
    let found = store.build(job.id).await.unwrap();
    assert_eq!((found.lease, found.progress), (held.lease, 50));
}

pub async fn an_update_to_a_final_or_waiting_state_ends_the_lease_but_keeps_its_attempt(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let asset = asset(project.id);
    let (a, b, c, d) = (build(project.id), build(project.id), asset_job(asset.id, project.id), session(project.id));
    let set = ChangeSet::new().create(asset).create(a.clone()).create(b.clone()).create(c.clone()).create(d.clone());
    store.apply(set).await.unwrap();
    for queue in [Queue::Builds, Queue::AssetJobs, Queue::Sessions] {
        assert!(!store.claim(queue, Claim::new(worker("w"), LONG, 10)).await.unwrap().is_empty());
    }
    let mut a = store.build(a.id).await.unwrap();
    let mut b = store.build(b.id).await.unwrap();
    let mut c = store.asset_job(c.id).await.unwrap();
    let mut d = store.session(d.id).await.unwrap();
    (a.status, b.status) = (BuildStatus::Failed, BuildStatus::Queued);
    (c.status, d.status) = (AssetJobStatus::Queued, SessionState::Stopped);
    let set = ChangeSet::new().update(a.clone()).update(b.clone()).update(c.clone()).update(d.clone());
    store.apply(set).await.unwrap();
    let ended = Lease { owner: None, until: None, attempt: 1, given_back: 0 };
    assert_eq!(store.build(a.id).await.unwrap().lease, ended);
    assert_eq!(store.build(b.id).await.unwrap().lease, ended);
    assert_eq!(store.asset_job(c.id).await.unwrap().lease, ended);
    assert_eq!(store.session(d.id).await.unwrap().lease, ended);
}

pub async fn a_deleted_record_is_found_by_no_get_and_in_no_list(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let records = create_one_of_each(&*store, project.id).await;
    for record in records.iter().rev() {
        let before = all_like(&*store, record, PageRequest::default()).await.unwrap();
        assert!(before.contains(record));
        store.apply(ChangeSet::new().delete(record.id(), Version::FIRST)).await.unwrap();
        expect_kind(stored(&*store, record).await, ErrorKind::NotFound);
        let after = all_like(&*store, record, PageRequest::default()).await.unwrap();
        assert_eq!(after.len(), before.len() - 1);
        assert!(!after.contains(record));
    }
}

pub async fn the_unique_keys_of_a_deleted_record_are_free_again(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let (old_file, old_template) = (file(project.id, "a.txt"), template("T"));
    store.apply(ChangeSet::new().create(old_file.clone()).create(old_template.clone())).await.unwrap();
    let set = ChangeSet::new().delete(old_file.id, Version(1)).delete(old_template.id, Version(1));
    store.apply(set).await.unwrap();
    let new = file(project.id, "a.txt");
    store.apply(ChangeSet::new().create(new.clone()).create(template("T"))).await.unwrap();
    assert_eq!(store.file_at(project.id, &path("a.txt")).await.unwrap(), new);
}

pub async fn the_id_of_a_deleted_record_is_never_free_again(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let records = create_one_of_each(&*store, project.id).await;
    for record in records.into_iter().rev() {
        store.apply(ChangeSet::new().delete(record.id(), Version::FIRST)).await.unwrap();
        expect_kind(store.create(record).await, ErrorKind::AlreadyExists);
    }
}

pub async fn a_set_with_a_fence_that_is_no_longer_current_gives_conflict(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let job = build(project.id);
    store.create(job.clone().into()).await.unwrap();
    let fence = |name: &str, attempt| Fence { job: JobRef::Build(job.id), worker: worker(name), attempt };
    expect_kind(store.apply(ChangeSet::new().fence(fence("w1", 0))).await, ErrorKind::Conflict);
    store.claim(Queue::Builds, Claim::new(worker("w1"), LONG, 1)).await.unwrap();
    store.apply(ChangeSet::new().fence(fence("w1", 1))).await.unwrap();
    for bad in [fence("w1", 0), fence("w1", 2), fence("w2", 1)] {
        let set = ChangeSet::new().fence(fence("w1", 1)).fence(bad).event(event("slate.a"));
        expect_kind(store.apply(set).await, ErrorKind::Conflict);
    }
    store.release(&worker("w1"), &[(JobRef::Build(job.id), 1)]).await.unwrap();
    expect_kind(store.apply(ChangeSet::new().fence(fence("w1", 1))).await, ErrorKind::Conflict);
    let missing = Fence { job: JobRef::Session(crate::SessionId::new()), worker: worker("w1"), attempt: 1 };
    expect_kind(store.apply(ChangeSet::new().fence(missing)).await, ErrorKind::Conflict);
    assert_eq!(store.count_events(EventQuery::all()).await.unwrap(), 0);
}

pub async fn a_fence_holds_after_the_lease_ran_out_until_somebody_else_claims(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let job = build(project.id);
    store.create(job.clone().into()).await.unwrap();
    let fence = Fence { job: JobRef::Build(job.id), worker: worker("w1"), attempt: 1 };
    store.claim(Queue::Builds, Claim::new(worker("w1"), std::time::Duration::ZERO, 1)).await.unwrap();
    store.apply(ChangeSet::new().fence(fence.clone())).await.unwrap();
    assert_eq!(store.claim(Queue::Builds, Claim::new(worker("w2"), LONG, 1)).await.unwrap().len(), 1);
    expect_kind(store.apply(ChangeSet::new().fence(fence)).await, ErrorKind::Conflict);
}

fn once(key: &str, request: &[u8], result: &str) -> Idempotency {
    Idempotency {
        scope: "test".into(),
        key: key.into(),
        request: Sha256Hex::of(request),
        result: Json::String(result.into()),
    }
}

pub async fn a_set_under_an_idempotency_key_that_was_applied_before_changes_nothing(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let set = |result: &str| {
        ChangeSet::new().create(build(project.id)).event(event("slate.a")).once(once("k", b"request", result))
    };
    let first = store.apply(set("first")).await.unwrap();
    assert_eq!((first.replayed, first.versions.len()), (None, 1));
    let second = store.apply(set("second")).await.unwrap();
    assert_eq!((second.replayed, second.versions.len()), (Some(Json::String("first".into())), 0));
    assert_eq!(store.build_statistics(None).await.unwrap().total, 1);
    assert_eq!(store.count_events(EventQuery::all()).await.unwrap(), 1);
    // The same key in another scope is another key.
    let elsewhere = Idempotency { scope: "elsewhere".into(), ..once("k", b"request", "third") };
    assert_eq!(store.apply(ChangeSet::new().once(elsewhere)).await.unwrap().replayed, None);
}

pub async fn another_request_under_an_idempotency_key_gives_already_exists(store: Arc<dyn Store>) {
    store.apply(ChangeSet::new().once(once("k", b"one", "x"))).await.unwrap();
    expect_kind(store.apply(ChangeSet::new().once(once("k", b"two", "x"))).await, ErrorKind::AlreadyExists);
}

pub async fn an_idempotency_key_of_a_set_that_failed_is_not_used_up(store: Arc<dyn Store>) {
    let bad = ChangeSet::new().create(build(ProjectId::new())).once(once("k", b"one", "x"));
    expect_kind(store.apply(bad).await, ErrorKind::NotFound);
    assert_eq!(store.apply(ChangeSet::new().once(once("k", b"two", "x"))).await.unwrap().replayed, None);
}

pub async fn of_concurrent_repetitions_of_a_request_exactly_one_is_applied(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let tasks = (0..16).map(|_| {
        let set = ChangeSet::new().create(build(project.id)).once(once("k", b"request", "done"));
        let store = store.clone();
        tokio::spawn(async move { store.apply(set).await.unwrap().replayed.is_none() })
    });
    assert_eq!(count_true(tasks).await, 1);
    assert_eq!(store.build_statistics(None).await.unwrap().total, 1);
}

pub async fn of_concurrent_updates_of_one_version_exactly_one_succeeds(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    for round in 1..=5 {
        let tasks = (0..16).map(|index| {
            let mut changed = Project { name: format!("name {index}"), ..project.clone() };
            changed.revision.version = Version(round);
            let store = store.clone();
            tokio::spawn(async move {
                match store.update(changed.into()).await {
                    Ok(()) => true,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
                        false
                    }
                }
            })
        });
        assert_eq!(count_true(tasks).await, 1);
        assert_eq!(store.project(project.id).await.unwrap().revision.version, Version(round + 1));
    }
}

/// Runs all at a time; how many gave `true`.
pub(super) async fn count_true(tasks: impl Iterator<Item = tokio::task::JoinHandle<bool>>) -> usize {
    let tasks: Vec<_> = tasks.collect();
    let mut count = 0;
    for task in tasks {
        count += usize::from(task.await.unwrap());
    }
    count
}

pub async fn a_reservation_over_a_limit_gives_resource_exhausted(store: Arc<dyn Store>) {
    let limits = QuotaLimits::default();
    let ada = user("ada");
    let reserve = |usage| ChangeSet::new().change(Change::Reserve { user: ada.clone(), usage, default: Some(limits) });
    let none = QuotaUsage::default();
    let full = QuotaUsage {
        containers: limits.max_containers,
        memory: limits.max_memory.bytes(),
        cpu_millis: limits.max_cpu.millis().into(),
        storage: limits.max_storage.bytes(),
    };
    store.apply(reserve(full)).await.unwrap();
    for over in [
        QuotaUsage { containers: 1, ..none },
        QuotaUsage { memory: 1, ..none },
        QuotaUsage { cpu_millis: 1, ..none },
        QuotaUsage { storage: 1, ..none },
    ] {
        expect_kind(store.apply(reserve(over)).await, ErrorKind::ResourceExhausted);
    }
    let quota = store.quota(&ada).await.unwrap().unwrap();
    assert_eq!((quota.used, quota.limits, quota.revision.version), (full, limits, Version::FIRST));
    let more = QuotaUsage { containers: full.containers + 1, ..full };
    let fresh = Change::Reserve { user: user("bob"), usage: more, default: Some(limits) };
    expect_kind(store.apply(ChangeSet::new().change(fresh)).await, ErrorKind::ResourceExhausted);
    assert_eq!(store.quota(&user("bob")).await.unwrap(), None);
}

pub async fn a_user_without_a_quota_is_not_limited_where_there_is_no_default(store: Arc<dyn Store>) {
    let usage = QuotaUsage { containers: 1000, ..QuotaUsage::default() };
    let reserve = Change::Reserve { user: user("ada"), usage, default: None };
    store.apply(ChangeSet::new().change(reserve)).await.unwrap();
    assert_eq!(store.quota(&user("ada")).await.unwrap(), None);
    let release = Change::Release { user: user("ada"), usage };
    store.apply(ChangeSet::new().change(release)).await.unwrap();
    assert_eq!(store.quota(&user("ada")).await.unwrap(), None);
}

pub async fn nothing_released_falls_below_zero_and_a_set_quota_keeps_what_is_held(store: Arc<dyn Store>) {
    let ada = user("ada");
    let used = QuotaUsage { containers: 2, memory: 10, cpu_millis: 10, storage: 10 };
    let set = ChangeSet::new().change(Change::SetQuota(ada.clone(), QuotaLimits::default())).change(Change::Reserve {
        user: ada.clone(),
        usage: used,
        default: None,
    });
    store.apply(set).await.unwrap();
    let small = QuotaLimits { max_containers: 1, ..QuotaLimits::default() };
    store.apply(ChangeSet::new().change(Change::SetQuota(ada.clone(), small))).await.unwrap();
    let UserQuota { limits, used: held, .. } = store.quota(&ada).await.unwrap().unwrap();
    assert_eq!((limits, held), (small, used));
    let release = QuotaUsage { containers: 1, memory: 99, cpu_millis: 3, storage: 0 };
    store.apply(ChangeSet::new().change(Change::Release { user: ada.clone(), usage: release })).await.unwrap();
    let held = store.quota(&ada).await.unwrap().unwrap().used;
    assert_eq!(held, QuotaUsage { containers: 1, memory: 0, cpu_millis: 7, storage: 10 });
}

pub async fn concurrent_reservations_never_exceed_a_limit_together(store: Arc<dyn Store>) {
    let one = QuotaUsage { containers: 1, ..QuotaUsage::default() };
    let tasks = (0..64).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let default = Some(QuotaLimits::default());
            let reserve = Change::Reserve { user: user("ada"), usage: one, default };
            match store.apply(ChangeSet::new().change(reserve)).await {
                Ok(_) => true,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}");
                    false
                }
            }
        })
    });
    assert_eq!(count_true(tasks).await, 5);
    assert_eq!(store.quota(&user("ada")).await.unwrap().unwrap().used.containers, 5);
}

pub async fn a_set_of_more_than_max_len_changes_or_events_gives_limit_exceeded(store: Arc<dyn Store>) {
    let count = || Counter { name: "n".into(), label: String::new(), bucket: at(0), value: 1 };
    let changes = (0..=ChangeSet::MAX_LEN).fold(ChangeSet::new(), |set, _| set.change(Change::Count(count())));
    expect_kind(store.apply(changes).await, ErrorKind::LimitExceeded);
    let events = ChangeSet::new().events((0..=ChangeSet::MAX_LEN).map(|_| event("slate.a")));
    expect_kind(store.apply(events).await, ErrorKind::LimitExceeded);
    assert_eq!(store.counters(CounterQuery::all()).await.unwrap(), []);
    let most = ChangeSet::new().events((0..ChangeSet::MAX_LEN).map(|_| event("slate.a")));
    store.apply(most).await.unwrap();
    assert_eq!(store.count_events(EventQuery::all()).await.unwrap(), ChangeSet::MAX_LEN as u64);
}

pub async fn a_malformed_record_gives_invalid(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let nameless = Project { name: String::new(), ..Project::new("x", user("ada"), at(0)) };
    expect_kind(store.create(nameless.into()).await, ErrorKind::Invalid);
    expect_kind(store.create(BuildJob { progress: 101, ..build(project.id) }.into()).await, ErrorKind::Invalid);
    let mut second = session(project.id);
    second.revision.version = Version(2);
    expect_kind(store.create(second.into()).await, ErrorKind::Invalid);
    expect_kind(store.create(FileRecord { size: u64::MAX, ..file(project.id, "a") }.into()).await, ErrorKind::Invalid);
    expect_kind(store.apply(ChangeSet::new().once(once("", b"", ""))).await, ErrorKind::Invalid);
}

pub async fn an_event_or_audit_entry_whose_id_is_there_gives_already_exists(store: Arc<dyn Store>) {
    let one = event("slate.a");
    store.apply(ChangeSet::new().event(one.clone())).await.unwrap();
    expect_kind(store.apply(ChangeSet::new().event(one)).await, ErrorKind::AlreadyExists);
    let two = event("slate.a");
    expect_kind(store.apply(ChangeSet::new().event(two.clone()).event(two)).await, ErrorKind::AlreadyExists);
    assert_eq!(store.count_events(EventQuery::all()).await.unwrap(), 1);
    let entry = super::records::audit(0, "ada", "session:1");
    store.apply(ChangeSet::new().change(Change::Audit(entry.clone()))).await.unwrap();
    expect_kind(store.apply(ChangeSet::new().change(Change::Audit(entry))).await, ErrorKind::AlreadyExists);
}

pub async fn a_count_is_added_to_the_counter_of_its_name_label_and_bucket(store: Arc<dyn Store>) {
    let counter = |name: &str, label: &str, second, value| Counter {
        name: name.into(),
        label: label.into(),
        bucket: at(second),
        value,
    };
    let counts = [("b", "", 60, 1), ("a", "x", 0, 2), ("a", "", 0, 3), ("a", "x", 0, -5), ("a", "x", 60, 7)];
    let set = counts.into_iter().fold(ChangeSet::new(), |set, (name, label, second, value)| {
        set.change(Change::Count(counter(name, label, second, value)))
    });
    store.apply(set).await.unwrap();
    store.apply(ChangeSet::new().change(Change::Count(counter("a", "", 0, 1)))).await.unwrap();
    let all = [counter("a", "", 0, 4), counter("a", "x", 0, -3), counter("a", "x", 60, 7), counter("b", "", 60, 1)];
    assert_eq!(store.counters(CounterQuery::all()).await.unwrap(), all);
    let some = |query| async { store.counters(query).await.unwrap() };
    assert_eq!(some(CounterQuery::all().named("b".into())).await, all[3..]);
    assert_eq!(some(CounterQuery::all().labeled("x".into())).await, all[1..3]);
    assert_eq!(some(CounterQuery::all().since(at(60))).await, all[2..]);
    assert_eq!(some(CounterQuery::all().until(at(60))).await, all[..2]);
}
