//! Random work, done to a store and to the reference: both must answer the same.

use super::fixtures::*;
use crate::{
    AssetId, EventId, ProjectId, Result, SessionId, Timestamp, Version,
    memory::MemoryStore,
    model::{
        AssetJobStatus, BuildStatus, Counter, Json, Lease, LogEntry, LogLevel, PoolMember, PoolMemberState,
        QuotaLimits, QuotaUsage, SessionState, Sha256Hex, StoredEvent,
    },
    store::{
        Change, ChangeSet, Claim, CounterQuery, EventQuery, Fence, Idempotency, JobRef, LogQuery, MemberClaim,
        MetricQuery, PageRequest, Queue, Record, RecordId, Store,
    },
};
use std::{fmt::Debug, sync::Arc, time::Duration};

/// How many pieces of work one seed stands for.
const STEPS: usize = 120;

/// Does the work that `seed` stands for to `store`, which must be empty, and to a [`MemoryStore`]; fails where they differ.
///
/// Times that a store sets itself, and gaps in `seq`, are not compared. Leases last for nothing or for an hour, so that
/// clocks don't matter.
pub async fn agrees_with_the_reference(store: Arc<dyn Store>, seed: u64) {
    let mut model = Model { random: Random(seed), known: Vec::new(), events: Vec::new(), lines: Vec::new() };
    let reference: &dyn Store = &MemoryStore::new();
    for step in 0..STEPS {
        let context = format!("seed {seed}, step {step}");
        model.step(&*store, reference, &context).await;
        if step % 20 == 19 {
            model.compare_all(&*store, reference, &context).await;
        }
    }
}

struct Model {
    random: Random,
    /// Records as they once were: current, stale or deleted.
    known: Vec<Record>,
    events: Vec<EventId>,
    lines: Vec<LogEntry>,
}

impl Model {
    async fn step(&mut self, store: &dyn Store, reference: &dyn Store, context: &str) {
        match self.random.below(13) {
            0..6 => self.apply(store, reference, context).await,
            6 => self.claim(store, reference, context).await,
            7 => self.hold(store, reference, context).await,
            8 => self.log(store, reference, context).await,
            9 => self.measure(store, reference, context).await,
            10 => self.publish(store, reference, context).await,
            11 => self.claim_member(store, reference, context).await,
            _ => self.lease(store, reference, context).await,
        }
    }

    async fn apply(&mut self, store: &dyn Store, reference: &dyn Store, context: &str) {
        let mut set = ChangeSet::new();
        for _ in 0..self.random.below(4) {
            set = set.change(self.change());
        }
        for _ in 0..self.random.below(3) {
            let event = event_of(&format!("session:{}", self.random.below(3)), 1);
            self.events.push(event.id);
            set = set.event(event);
        }
        if self.random.below(6) == 0 {
            let (job, attempt) = self.job();
            set = set.fence(Fence { job, worker: self.worker(), attempt });
        }
        if self.random.below(4) == 0 {
            set = set.once(Idempotency {
                scope: "model".into(),
                key: self.random.below(5).to_string(),
                request: Sha256Hex::of(&[self.random.below(2) as u8]),
                result: Json::from(self.random.below(100)),
            });
        }
        let (theirs, ours) = (store.apply(set.clone()).await, reference.apply(set.clone()).await);
        same(&theirs, &ours, &format!("{context}: apply {set:#?}"));
        for change in set.changes {
            if let Change::Create(record) | Change::Update(record) = change
                && let Ok(now) = stored(reference, &record).await
            {
                self.known.push(now);
            }
        }
    }

    fn change(&mut self) -> Change {
        let usage = QuotaUsage { containers: self.random.below(3) as u32, memory: 5, cpu_millis: 7, storage: 11 };
        let ada = user(["ada", "bob"][self.random.below(2)]);
        match self.random.below(14) {
            0..5 => Change::Create(self.new_record()),
            5..9 => match self.known() {
                Some(old) => Change::Update(self.changed(old)),
                None => Change::Create(self.new_record()),
            },
            9 => match self.known() {
                Some(old) => Change::Delete(old.id(), old.version()),
                None => Change::Delete(RecordId::Project(ProjectId::new()), Version::FIRST),
            },
            10 => Change::SetQuota(ada, QuotaLimits { max_containers: 4, ..QuotaLimits::default() }),
            11 => {
                let default = (self.random.below(2) == 0).then(QuotaLimits::default);
                Change::Reserve { user: ada, usage, default }
            }
            12 => Change::Release { user: ada, usage },
            _ => Change::Count(Counter {
                name: ["a", "b"][self.random.below(2)].into(),
                label: String::new(),
                bucket: at(self.random.below(2) as i64),
                value: self.random.below(9) as i64 - 4,
            }),
        }
    }

    fn known(&mut self) -> Option<Record> {
        let index = self.random.below(self.known.len().max(1));
        self.known.get(index).cloned()
    }

    fn new_record(&mut self) -> Record {
        let projects: Vec<ProjectId> =
            self.known.iter().filter_map(|r| if let Record::Project(p) = r { Some(p.id) } else { None }).collect();
        let assets: Vec<AssetId> =
            self.known.iter().filter_map(|r| if let Record::Asset(a) = r { Some(a.id) } else { None }).collect();
        let project = *self.random.of(&projects).unwrap_or(&ProjectId::new());
        let mut record: Record = match self.random.below(9) {
            0 => crate::model::Project::new("Model", user("ada"), at(0)).into(),
            1 => file(project, &self.random.below(3).to_string()).into(),
            2 => asset(project).into(),
            3 => session(project).into(),
            4 => build(project).into(),
            7 => self.member(),
            5 | 6 => asset_job(*self.random.of(&assets).unwrap_or(&AssetId::new()), project).into(),
            _ => template(&self.random.below(3).to_string()).into(),
        };
        let made = at(self.random.below(4) as i64);
        *record.revision_mut() = crate::model::Revision::first(made);
        record
    }

    fn member(&mut self) -> Record {
        let mut member = pool_member(["p", "q"][self.random.below(2)]);
        member.state = PoolMemberState::Ready;
        member.ready_at = Some(at(self.random.below(3) as i64));
        member.into()
    }

    async fn claim_member(&mut self, store: &dyn Store, reference: &dyn Store, context: &str) {
        let hash = Sha256Hex::of(b"spec");
        let claim = MemberClaim::new(["p", "q"][self.random.below(2)], hash, SessionId::from_u128(1));
        let claim = claim.with_key(["a", "b", "c"][self.random.below(3)]);
        let plain = |claimed: Result<Option<PoolMember>>| claimed.map(|member| member.map(|m| without_times(m.into())));
        let (theirs, ours) = (store.claim_member(claim.clone()).await, reference.claim_member(claim).await);
        if let Ok(Some(member)) = &ours {
            self.known.push(member.clone().into());
        }
        same(&plain(theirs), &plain(ours), &format!("{context}: claim_member"));
    }

    fn changed(&mut self, mut record: Record) -> Record {
        match &mut record {
            Record::Project(project) => project.description = self.random.below(9).to_string(),
            Record::File(file) => file.path = path(&self.random.below(3).to_string()),
            Record::Asset(asset) => asset.metadata = serde_json::json!({ "n": self.random.below(9) }),
            Record::Session(session) => session.status = SessionState::ALL[self.random.below(7)],
            Record::Build(build) => build.status = BuildStatus::ALL[self.random.below(5)],
            Record::AssetJob(job) => {
                job.status = AssetJobStatus::ALL[self.random.below(5)];
                job.cancel_requested = self.random.below(2) == 0;
                job.not_before = [None, Some(at(0)), Some(Timestamp::from_micros(i64::MAX))][self.random.below(3)];
            }
            Record::Template(template) => template.name = self.random.below(3).to_string(),
            Record::PoolMember(member) => {
                member.state = PoolMemberState::ALL[self.random.below(6)];
                member.claim_key = [None, Some("a".to_owned()), Some("b".to_owned())][self.random.below(3)].clone();
            }
        }
        record
    }

    async fn claim(&mut self, store: &dyn Store, reference: &dyn Store, context: &str) {
        let queue = [Queue::Builds, Queue::AssetJobs, Queue::Sessions][self.random.below(3)];
        let lease = [Duration::ZERO, LONG][self.random.below(2)];
        let claim = Claim::new(self.worker(), lease, 1 + self.random.below(3) as u32);
        let (theirs, ours) = (store.claim(queue, claim.clone()).await, reference.claim(queue, claim.clone()).await);
        let plain =
            |records: Result<Vec<Record>>| records.map(|all| all.into_iter().map(without_times).collect::<Vec<_>>());
        self.known.extend(ours.as_ref().into_iter().flatten().cloned());
        same(&plain(theirs), &plain(ours), &format!("{context}: {queue:?} {claim:?}"));
    }

    fn worker(&mut self) -> crate::WorkerId {
        worker(["w1", "w2"][self.random.below(2)])
    }

    fn job(&mut self) -> (JobRef, u32) {
        for _ in 0..10 {
            let job = match self.known() {
                Some(Record::Build(build)) => (JobRef::Build(build.id), build.lease.attempt),
                Some(Record::AssetJob(job)) => (JobRef::AssetJob(job.id), job.lease.attempt),
                Some(Record::Session(session)) => (JobRef::Session(session.id), session.lease.attempt),
                _ => continue,
            };
            return job;
        }
        (JobRef::Build(crate::BuildId::new()), 1)
    }

    async fn hold(&mut self, store: &dyn Store, reference: &dyn Store, context: &str) {
        let held: Vec<_> = (0..3).map(|_| self.job()).collect();
        let worker = self.worker();
        if self.random.below(3) == 0 {
            let (theirs, ours) = (store.release(&worker, &held).await, reference.release(&worker, &held).await);
            same(&theirs, &ours, &format!("{context}: release {held:?}"));
        } else {
            let lease = [Duration::ZERO, LONG][self.random.below(2)];
            let theirs = store.extend(&worker, &held, lease).await;
            same(&theirs, &reference.extend(&worker, &held, lease).await, &format!("{context}: extend {held:?}"));
        }
    }

    async fn log(&mut self, store: &dyn Store, reference: &dyn Store, context: &str) {
        if self.random.below(8) == 0 {
            let (before, limit) = (at(self.random.below(10) as i64), self.random.below(4) as u32);
            let theirs = store.purge_logs(before, limit).await;
            return same(&theirs, &reference.purge_logs(before, limit).await, &format!("{context}: purge_logs"));
        }
        let source = crate::model::LogSource::Session(crate::SessionId::from_u128(self.random.below(2) as u128));
        let mut lines: Vec<_> = (0..self.random.below(5))
            .map(|_| LogEntry {
                seq: (self.random.below(2) == 0).then(|| self.random.below(20) as u64),
                level: LogLevel::ALL[self.random.below(4)],
                timestamp: at(self.random.below(10) as i64),
                ..line(source, &self.random.below(100).to_string())
            })
            .collect();
        if let Some(known) = self.random.of(&self.lines) {
            lines.push(known.clone());
        }
        self.lines.extend(lines.iter().cloned());
        let (theirs, ours) = (store.append_logs(lines.clone()).await, reference.append_logs(lines).await);
        same(&theirs, &ours, &format!("{context}: append_logs"));
        same(&store.last_log_seq(source).await, &reference.last_log_seq(source).await, context);
    }

    async fn measure(&mut self, store: &dyn Store, reference: &dyn Store, context: &str) {
        if self.random.below(8) == 0 {
            let (before, limit) = (at(self.random.below(10) as i64), self.random.below(4) as u32);
            let theirs = store.purge_metrics(before, limit).await;
            return same(&theirs, &reference.purge_metrics(before, limit).await, &format!("{context}: purge_metrics"));
        }
        let samples: Vec<_> = (0..self.random.below(4))
            .map(|_| sample(None, self.random.below(10) as i64, self.random.below(100) as f64))
            .collect();
        let (theirs, ours) = (store.append_metrics(samples.clone()).await, reference.append_metrics(samples).await);
        same(&theirs, &ours, &format!("{context}: append_metrics"));
    }

    async fn publish(&mut self, store: &dyn Store, reference: &dyn Store, context: &str) {
        let ids: Vec<_> = (0..3).filter_map(|_| self.random.of(&self.events).copied()).collect();
        let (theirs, ours) = (store.mark_published(&ids).await, reference.mark_published(&ids).await);
        same(&theirs, &ours, &format!("{context}: mark_published"));
        if self.random.below(4) == 0 {
            let theirs = store.purge_events(at(1), 2).await;
            same(&theirs, &reference.purge_events(at(1), 2).await, &format!("{context}: purge_events"));
        }
    }

    async fn lease(&mut self, store: &dyn Store, reference: &dyn Store, context: &str) {
        let (worker, ttl) = (self.worker(), [Duration::ZERO, LONG][self.random.below(2)]);
        if self.random.below(3) == 0 {
            let theirs = store.release_lease("relay", &worker).await;
            same(&theirs, &reference.release_lease("relay", &worker).await, &format!("{context}: release_lease"));
        } else {
            let theirs = store.lease("relay", &worker, ttl).await;
            same(&theirs, &reference.lease("relay", &worker, ttl).await, &format!("{context}: lease"));
        }
    }

    async fn compare_all(&mut self, store: &dyn Store, reference: &dyn Store, context: &str) {
        let limit = 1 + self.random.below(5) as u32;
        for like in one_of_each(ProjectId::new()) {
            for page in [PageRequest::first(limit), PageRequest::newest(limit)] {
                let (theirs, ours) =
                    (all_like(store, &like, page.clone()).await, all_like(reference, &like, page).await);
                let plain =
                    |all: Result<Vec<Record>>| all.map(|all| all.into_iter().map(without_times).collect::<Vec<_>>());
                same(&plain(theirs), &plain(ours), context);
            }
        }
        let page = || PageRequest::first(PageRequest::MAX_LIMIT);
        let (theirs, ours) = (store.logs(LogQuery::all(), page()).await, reference.logs(LogQuery::all(), page()).await);
        same(&theirs, &ours, context);
        let query = LogQuery::all().at_least(LogLevel::Warning).containing("1".into());
        same(&store.count_logs(query.clone()).await, &reference.count_logs(query).await, context);
        let theirs = store.metrics(MetricQuery::all(), page()).await.map(|page| page.items);
        same(&theirs, &reference.metrics(MetricQuery::all(), page()).await.map(|page| page.items), context);
        let span = Duration::from_secs(1 + self.random.below(5) as u64);
        let theirs = store.metric_buckets(MetricQuery::all(), span).await;
        same(&theirs, &reference.metric_buckets(MetricQuery::all(), span).await, context);
        let plain =
            |all: Vec<StoredEvent>| all.into_iter().map(|e| (e.event, e.published_at.is_some())).collect::<Vec<_>>();
        let theirs = store.events(EventQuery::all(), page()).await.map(|page| plain(page.items));
        same(&theirs, &reference.events(EventQuery::all(), page()).await.map(|page| plain(page.items)), context);
        let theirs = store.unpublished(1000).await.map(plain);
        same(&theirs, &reference.unpublished(1000).await.map(plain), context);
        same(&store.counters(CounterQuery::all()).await, &reference.counters(CounterQuery::all()).await, context);
        same(&store.build_statistics(None).await, &reference.build_statistics(None).await, context);
        for name in ["ada", "bob"] {
            let plain = |quota: Option<crate::model::UserQuota>| quota.map(|q| (q.limits, q.used, q.revision.version));
            let theirs = store.quota(&user(name)).await.map(plain);
            same(&theirs, &reference.quota(&user(name)).await.map(plain), context);
        }
    }
}

/// Fails unless both are the same value, or errors of one kind.
#[track_caller]
fn same<T: PartialEq + Debug>(theirs: &Result<T>, ours: &Result<T>, context: &str) {
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => assert_eq!(theirs, ours, "{context}"),
        (Err(theirs), Err(ours)) => assert_eq!(theirs.kind(), ours.kind(), "{context}: {theirs:?} / {ours:?}"),
        _ => panic!("{context}: {theirs:?}, but the reference says {ours:?}"),
    }
}

fn without_times(mut record: Record) -> Record {
    record.revision_mut().updated_at = Timestamp::EPOCH;
    let lease = |lease: &mut Lease| lease.until = lease.until.map(|_| Timestamp::EPOCH);
    match &mut record {
        Record::Session(session) => lease(&mut session.lease),
        Record::Build(build) => lease(&mut build.lease),
        Record::AssetJob(job) => lease(&mut job.lease),
        // By the store's clock, as `updated_at` is.
        Record::PoolMember(member) => member.claimed_at = member.claimed_at.map(|_| Timestamp::EPOCH),
        _ => {}
    }
    record
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() { None } else { all.get(self.below(all.len())) }
    }
}
