use super::{
    Layer, Layered,
    Repeat::{Always, Unapplied},
    layered::quick,
};
use crate::{
    AssetId, AssetJobId, BuildId, ComponentKind, EventId, FileId, PoolMemberId, ProjectId, Result, SessionId,
    TemplateId, Timestamp, UserId, WorkerId,
    model::{
        Asset, AssetJob, AuditEntry, BuildJob, BuildStatistics, Counter, FileRecord, LogEntry, LogSource, MetricBucket,
        MetricSample, PoolMember, Project, ProjectPath, RuntimeSession, StoredEvent, Template, UserQuota,
    },
    store::{
        AnalyticsStore, Applied, AssetJobQuery, AssetQuery, AssetStore, AuditQuery, AuditStore, BuildQuery, BuildStore,
        Change, ChangeSet, ChangeStore, Claim, CounterQuery, EventQuery, EventStore, FileQuery, FileStore, Held,
        JobRef, JobStore, LogQuery, LogStore, MemberClaim, MetricQuery, MetricStore, Page, PageRequest,
        PoolMemberQuery, PoolStore, ProjectQuery, ProjectStore, Queue, QuotaStore, Record, RecordId, SessionQuery,
        SessionStore, TemplateQuery, TemplateStore,
    },
};
use async_trait::async_trait;
use std::time::Duration;

const STORE: ComponentKind = ComponentKind::Store;

/// Delegates each verb through [`Layer::record`] or [`Layer::call`].
macro_rules! delegate {
    ($($trait:ident { $($hook:ident $name:ident($($arg:ident: $type:ty),*) -> $out:ty, $repeat:ident;)* })*) => {$(
        #[async_trait]
        impl<T: $trait + ?Sized, L: Layer> $trait for Layered<T, L> {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$out> {
                let operation = quick(STORE, stringify!($name), $repeat);
                delegate!(@$hook self, operation, $name($($arg),*))
            })*
        }
    )*};
    (@record $self:ident, $operation:ident, $name:ident($id:ident)) => {
        $self.layer.record($operation, $id.into(), || $self.inner.$name($id)).await
    };
    (@call $self:ident, $operation:ident, $name:ident($($arg:ident),*)) => {
        $self.layer.call($operation, || $self.inner.$name($(Clone::clone(&$arg)),*)).await
    };
}

delegate! {
    ProjectStore {
        record project(id: ProjectId) -> Project, Always;
        call projects(query: ProjectQuery, page: PageRequest) -> Page<Project>, Always;
    }
    FileStore {
        record file(id: FileId) -> FileRecord, Always;
        call files(query: FileQuery, page: PageRequest) -> Page<FileRecord>, Always;
        call file_at(project: ProjectId, path: &ProjectPath) -> FileRecord, Always;
    }
    AssetStore {
        record asset(id: AssetId) -> Asset, Always;
        call assets(query: AssetQuery, page: PageRequest) -> Page<Asset>, Always;
        record asset_job(id: AssetJobId) -> AssetJob, Always;
        call asset_jobs(query: AssetJobQuery, page: PageRequest) -> Page<AssetJob>, Always;
    }
    SessionStore {
        record session(id: SessionId) -> RuntimeSession, Always;
        call sessions(query: SessionQuery, page: PageRequest) -> Page<RuntimeSession>, Always;
    }
    BuildStore {
        record build(id: BuildId) -> BuildJob, Always;
        call builds(query: BuildQuery, page: PageRequest) -> Page<BuildJob>, Always;
        call build_statistics(project: Option<ProjectId>) -> BuildStatistics, Always;
    }
    TemplateStore {
        record template(id: TemplateId) -> Template, Always;
        call templates(query: TemplateQuery, page: PageRequest) -> Page<Template>, Always;
    }
    // A member that is claimed already is found again by its key.
    PoolStore {
        record pool_member(id: PoolMemberId) -> PoolMember, Always;
        call pool_members(query: PoolMemberQuery, page: PageRequest) -> Page<PoolMember>, Always;
        call claim_member(claim: MemberClaim) -> Option<PoolMember>, Always;
    }
    // A line whose place is stored already is left out, so storing it twice is storing it once.
    LogStore {
        call append_logs(entries: Vec<LogEntry>) -> usize, Always;
        call logs(query: LogQuery, page: PageRequest) -> Page<LogEntry>, Always;
        call count_logs(query: LogQuery) -> u64, Always;
        call last_log_seq(source: LogSource) -> Option<u64>, Always;
        call purge_logs(before: Timestamp, limit: u32) -> u64, Always;
    }
    MetricStore {
        call append_metrics(samples: Vec<MetricSample>) -> (), Unapplied;
        call metrics(query: MetricQuery, page: PageRequest) -> Page<MetricSample>, Always;
        call metric_buckets(query: MetricQuery, span: Duration) -> Vec<MetricBucket>, Always;
        call purge_metrics(before: Timestamp, limit: u32) -> u64, Always;
    }
    QuotaStore {
        call quota(user: &UserId) -> Option<UserQuota>, Always;
    }
    AuditStore {
        call audits(query: AuditQuery, page: PageRequest) -> Page<AuditEntry>, Always;
    }
    AnalyticsStore {
        call counters(query: CounterQuery) -> Vec<Counter>, Always;
    }
    EventStore {
        call unpublished(limit: u32) -> Vec<StoredEvent>, Always;
        call mark_published(ids: &[EventId]) -> (), Always;
        call events(query: EventQuery, page: PageRequest) -> Page<StoredEvent>, Always;
        call count_events(query: EventQuery) -> u64, Always;
        call purge_events(before: Timestamp, limit: u32) -> u64, Always;
        call lease(name: &str, worker: &WorkerId, ttl: Duration) -> Option<u64>, Always;
        call release_lease(name: &str, worker: &WorkerId) -> (), Always;
    }
}

#[async_trait]
impl<T: ChangeStore + ?Sized, L: Layer> ChangeStore for Layered<T, L> {
    async fn apply(&self, set: ChangeSet) -> Result<Applied> {
        let repeat = if set.idempotency.is_some() { Always } else { Unapplied };
        let touched = set.changes.iter().filter_map(record_of).collect();
        self.layer.write(quick(STORE, "apply", repeat), touched, || self.inner.apply(set.clone())).await
    }
}

#[async_trait]
impl<T: JobStore + ?Sized, L: Layer> JobStore for Layered<T, L> {
    /// Not repeated after `TimedOut`: what was claimed by the lost answer stays claimed until its lease runs out.
    async fn claim(&self, queue: Queue, claim: Claim) -> Result<Vec<Record>> {
        let run = || self.inner.claim(queue, claim.clone());
        let claimed = self.layer.call(quick(STORE, "claim", Unapplied), run).await?;
        self.layer.changed(claimed.iter().map(Record::id).collect()).await;
        Ok(claimed)
    }

    async fn extend(&self, worker: &WorkerId, held: &[(JobRef, u32)], lease: Duration) -> Result<Vec<Held>> {
        let run = || self.inner.extend(worker, held, lease);
        self.layer.write(quick(STORE, "extend", Always), jobs(held), run).await
    }

    async fn release(&self, worker: &WorkerId, held: &[(JobRef, u32)]) -> Result<()> {
        let run = || self.inner.release(worker, held);
        self.layer.write(quick(STORE, "release", Always), jobs(held), run).await
    }
}

fn record_of(change: &Change) -> Option<RecordId> {
    match change {
        Change::Create(record) | Change::Update(record) => Some(record.id()),
        Change::Delete(id, _) => Some(*id),
        Change::SetQuota(..)
        | Change::Reserve { .. }
        | Change::Release { .. }
        | Change::Count(_)
        | Change::Audit(_) => None,
    }
}

fn jobs(held: &[(JobRef, u32)]) -> Vec<RecordId> {
    let record = |job: &JobRef| match *job {
        JobRef::Build(id) => RecordId::Build(id),
        JobRef::AssetJob(id) => RecordId::AssetJob(id),
        JobRef::Session(id) => RecordId::Session(id),
    };
    held.iter().map(|(job, _)| record(job)).collect()
}
