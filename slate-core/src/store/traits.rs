use super::{
    Applied, AssetJobQuery, AssetQuery, AuditQuery, BuildQuery, ChangeSet, Claim, CounterQuery, EventQuery, FileQuery,
    Held, JobRef, LogQuery, MemberClaim, MetricQuery, Page, PageRequest, PoolMemberQuery, ProjectQuery, Queue, Record,
    SessionQuery, TemplateQuery,
};
use crate::{
    AssetId, AssetJobId, BuildId, Component, EventId, FileId, PoolMemberId, ProjectId, Result, SessionId, TemplateId,
    Timestamp, UserId, WorkerId,
    model::{
        Asset, AssetJob, AuditEntry, BuildJob, BuildStatistics, Counter, FileRecord, LogEntry, LogSource, MetricBucket,
        MetricSample, PoolMember, Project, ProjectPath, RuntimeSession, StoredEvent, Template, UserQuota,
    },
};
use async_trait::async_trait;
use std::time::Duration;

/// Writing. Every change of a mutable record, and every event, goes through [`apply`](Self::apply).
///
/// # Contract
/// - All changes and events of a set are committed, or none; when `apply` returns `Ok` they survive a crash.
/// - Creating a record whose id or unique key is there gives `AlreadyExists`.
/// - Creating a record whose parent (its project, an asset's file, an asset job's asset) isn't there, or is deleted, gives
///   `NotFound`.
/// - A change of the project of a record, or of the asset of an asset job, gives `Invalid`.
/// - Updating or deleting a record whose version is another gives `Conflict`; one that isn't there or is deleted `NotFound`.
/// - An update adds exactly one to the version, keeps `created_at` and sets `updated_at`.
/// - Changes are made in order: a later one of a set sees what an earlier one did.
/// - The id of a deleted record is never free again.
/// - An update keeps the stored lease of a session, build or asset job, whatever the record says; one that sets a final
///   state, or a build or asset job to queued, ends the lease but keeps its attempt.
/// - A deleted record is found by no get and in no list, and its unique keys are free again.
/// - A set with a fence whose attempt or worker is no longer current gives `Conflict`.
/// - A set under an idempotency key that was applied before changes nothing and returns the stored result; another request
///   under that key gives `AlreadyExists`.
/// - Of concurrent updates of one version exactly one succeeds.
/// - A malformed record gives `Invalid`, as [`ChangeSet::check`] finds it.
/// - A reservation over a limit gives `ResourceExhausted`, and concurrent ones never exceed it together.
/// - A set of more than [`ChangeSet::MAX_LEN`] changes or events gives `LimitExceeded`.
#[async_trait]
pub trait ChangeStore: Component {
    /// Applies a set.
    ///
    /// # Errors
    /// As the contract says; `Unavailable` where the store can't be reached.
    async fn apply(&self, set: ChangeSet) -> Result<Applied>;
}

macro_rules! record_traits {
    ($($(#[$doc:meta])* $trait:ident: $get:ident($id:ty) -> $record:ty, $list:ident($query:ty) { $($extra:tt)* })*) => {$(
        $(#[$doc])*
        ///
        /// # Contract
        /// - Getting what isn't there, or is deleted, gives `NotFound`.
        /// - A list holds every live record for which the query holds, once, by the time they were made; going on from page
        ///   to page yields each record that was there throughout exactly once.
        /// - A page limit of 0 gives `Invalid`, one over [`PageRequest::MAX_LIMIT`] `LimitExceeded`.
        #[async_trait]
        pub trait $trait: ChangeStore {
            /// The record of this id.
            ///
            /// # Errors
            /// As the contract says.
            async fn $get(&self, id: $id) -> Result<$record>;

            /// The records for which the query holds.
            ///
            /// # Errors
            /// As the contract says.
            async fn $list(&self, query: $query, page: PageRequest) -> Result<Page<$record>>;

            $($extra)*
        }
    )*};
}

record_traits! {
    /// Projects.
    ProjectStore: project(ProjectId) -> Project, projects(ProjectQuery) {}

    /// Files of projects.
    FileStore: file(FileId) -> FileRecord, files(FileQuery) {
        /// The live file at this path of the project.
        ///
        /// # Errors
        /// As the contract says.
        async fn file_at(&self, project: ProjectId, path: &ProjectPath) -> Result<FileRecord>;
    }

    /// Assets of projects, and the jobs that process them.
    AssetStore: asset(AssetId) -> Asset, assets(AssetQuery) {
        /// The asset job of this id.
        ///
        /// # Errors
        /// As the contract says.
        async fn asset_job(&self, id: AssetJobId) -> Result<AssetJob>;

        /// The asset jobs for which the query holds.
        ///
        /// # Errors
        /// As the contract says.
        async fn asset_jobs(&self, query: AssetJobQuery, page: PageRequest) -> Result<Page<AssetJob>>;
    }

    /// Runtime sessions.
    SessionStore: session(SessionId) -> RuntimeSession, sessions(SessionQuery) {}

    /// Builds.
    BuildStore: build(BuildId) -> BuildJob, builds(BuildQuery) {
        /// The live builds of a project in numbers; of all projects where `None`.
        ///
        /// # Errors
        /// As the contract says.
        async fn build_statistics(&self, project: Option<ProjectId>) -> Result<BuildStatistics>;
    }

    /// Templates of sessions.
    TemplateStore: template(TemplateId) -> Template, templates(TemplateQuery) {}

    /// Members of warm pools.
    PoolStore: pool_member(PoolMemberId) -> PoolMember, pool_members(PoolMemberQuery) {
        /// Gives a session the ready member of the pool and hash that has waited longest; `None` where none is ready.
        ///
        /// # Contract
        /// - The member is claimed by one compare-and-swap: state, session, key and `claimed_at` are set, and its version is
        ///   one on. Of concurrent claims each gets another member.
        /// - A repetition under the key of a member that is claimed yields that member and changes nothing, however many
        ///   repeat it at once.
        /// - A member that isn't ready, or is deleted, or of another pool or hash, is passed by.
        ///
        /// # Errors
        /// `Invalid` for a malformed key.
        async fn claim_member(&self, claim: MemberClaim) -> Result<Option<PoolMember>>;
    }
}

/// Log lines.
///
/// # Contract
/// - When `append_logs` returns `Ok`, every line of it survives a crash.
/// - A line whose source and `seq` are stored already, or whose id is, is left out silently; the others are stored.
/// - `logs` yields lines by id; of one source, in the order in which they were appended.
/// - Lines need no record of their source to exist.
#[async_trait]
pub trait LogStore: Component {
    /// Stores lines, all or none; returns how many were new.
    ///
    /// # Errors
    /// `LimitExceeded` for more than 10 000 lines or a message over [`LogEntry::MAX_MESSAGE`].
    async fn append_logs(&self, entries: Vec<LogEntry>) -> Result<usize>;

    /// The lines for which the query holds; a page's cursor is the last line's id as text.
    ///
    /// # Errors
    /// As for other lists.
    async fn logs(&self, query: LogQuery, page: PageRequest) -> Result<Page<LogEntry>>;

    /// The number of lines for which the query holds.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn count_logs(&self, query: LogQuery) -> Result<u64>;

    /// The greatest `seq` stored of a source, where it counts.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn last_log_seq(&self, source: LogSource) -> Result<Option<u64>>;

    /// Removes lines written before `before`, at most `limit` of them; returns how many.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn purge_logs(&self, before: Timestamp, limit: u32) -> Result<u64>;
}

/// Measured values.
///
/// # Contract
/// - When `append_metrics` returns `Ok`, every sample survives a crash; samples that aren't finite give `Invalid`, all refused.
/// - `metrics` yields samples by the time of measurement.
/// - `metric_buckets` covers just the samples for which the query holds, in spans that begin at multiples of `span` since
///   the epoch; spans without samples are left out.
#[async_trait]
pub trait MetricStore: Component {
    /// Stores samples, all or none.
    ///
    /// # Errors
    /// As the contract says; `LimitExceeded` for more than 10 000.
    async fn append_metrics(&self, samples: Vec<MetricSample>) -> Result<()>;

    /// The samples for which the query holds.
    ///
    /// # Errors
    /// As for other lists.
    async fn metrics(&self, query: MetricQuery, page: PageRequest) -> Result<Page<MetricSample>>;

    /// The samples for which the query holds, by spans of time, oldest first, at most 10 000 spans.
    ///
    /// # Errors
    /// `Invalid` for a span under one second.
    async fn metric_buckets(&self, query: MetricQuery, span: Duration) -> Result<Vec<MetricBucket>>;

    /// Removes samples measured before `before`, at most `limit` of them; returns how many.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn purge_metrics(&self, before: Timestamp, limit: u32) -> Result<u64>;
}

/// Quotas of users. Changed by [`Change::SetQuota`](super::Change::SetQuota), `Reserve` and `Release`.
#[async_trait]
pub trait QuotaStore: ChangeStore {
    /// The user's quota; `None` for a user without one.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn quota(&self, user: &UserId) -> Result<Option<UserQuota>>;
}

/// The audit trail. Written by [`Change::Audit`](super::Change::Audit).
#[async_trait]
pub trait AuditStore: ChangeStore {
    /// The entries for which the query holds.
    ///
    /// # Errors
    /// As for other lists.
    async fn audits(&self, query: AuditQuery, page: PageRequest) -> Result<Page<AuditEntry>>;
}

/// Counts of events. Written by [`Change::Count`](super::Change::Count).
#[async_trait]
pub trait AnalyticsStore: ChangeStore {
    /// The counters for which the query holds, by bucket, name and label, at most 10 000.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn counters(&self, query: CounterQuery) -> Result<Vec<Counter>>;
}

/// Stored events, and the outbox that they wait in until they are published.
///
/// # Contract
/// - `unpublished` yields the oldest events that no `mark_published` named; events of one aggregate in the order of their
///   versions.
/// - Whoever reads on through `events` in the order of `seq`, from the last one read, misses no event of concurrent sets: none
///   appears below one that an ascending page has yielded.
/// - `mark_published` of an event that is marked or isn't there changes nothing.
/// - `purge_events` removes published events only.
/// - Of several workers at most one holds the lease of a name at a time; whoever gets it anew gets a greater term.
#[async_trait]
pub trait EventStore: ChangeStore {
    /// Up to `limit` (at most 10 000) events that wait to be published, oldest first.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn unpublished(&self, limit: u32) -> Result<Vec<StoredEvent>>;

    /// Notes that these were published.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn mark_published(&self, ids: &[EventId]) -> Result<()>;

    /// The events for which the query holds, by `seq`; a page's cursor is the last event's `seq` as text.
    ///
    /// # Errors
    /// As for other lists.
    async fn events(&self, query: EventQuery, page: PageRequest) -> Result<Page<StoredEvent>>;

    /// The number of events for which the query holds.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn count_events(&self, query: EventQuery) -> Result<u64>;

    /// Removes published events from before `before`, at most `limit` of them; returns how many.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn purge_events(&self, before: Timestamp, limit: u32) -> Result<u64>;

    /// Takes, or extends, the lease of this name for `ttl`; its term, or `None` while somebody else holds it.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn lease(&self, name: &str, worker: &WorkerId, ttl: Duration) -> Result<Option<u64>>;

    /// Gives up the lease of this name, if `worker` holds it.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn release_lease(&self, name: &str, worker: &WorkerId) -> Result<()>;
}

/// Job tables as queues: workers claim what waits, extend their leases while they work, and finish by
/// [`apply`](ChangeStore::apply) under a [`Fence`](super::Fence).
///
/// # Contract
/// - `claim` yields jobs that wait (queued, and `not_before` has passed), that somebody left (running, lease run out), or,
///   of [`Queue::Sessions`], that haven't ended and that nobody holds; oldest first, each to one worker only.
/// - A claimed build or asset job is running; claiming adds one to the attempt and to the version and sets owner and end of
///   the lease by the store's clock.
/// - `extend` moves the end of each lease that is still the worker's under that attempt, changes no version, and tells which
///   are lost and for which somebody asked for the end.
/// - `release` gives sessions and jobs back at once, unchanged but for the lease, which counts it in `given_back`; those that
///   are not the worker's stay.
#[async_trait]
pub trait JobStore: ChangeStore {
    /// Claims up to `claim.limit` jobs.
    ///
    /// # Errors
    /// `Invalid` for a limit of 0 or over 1000.
    async fn claim(&self, queue: Queue, claim: Claim) -> Result<Vec<Record>>;

    /// Extends leases; the answers are in the order of `held`, pairs of job and attempt.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn extend(&self, worker: &WorkerId, held: &[(JobRef, u32)], lease: Duration) -> Result<Vec<Held>>;

    /// Gives leases back.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn release(&self, worker: &WorkerId, held: &[(JobRef, u32)]) -> Result<()>;
}

/// All of it: what the reference service runs on. Implemented by whatever implements each part.
pub trait Store:
    ProjectStore
    + FileStore
    + AssetStore
    + SessionStore
    + BuildStore
    + TemplateStore
    + PoolStore
    + LogStore
    + MetricStore
    + QuotaStore
    + AuditStore
    + AnalyticsStore
    + EventStore
    + JobStore
{
}

impl<T> Store for T where
    T: ProjectStore
        + FileStore
        + AssetStore
        + SessionStore
        + BuildStore
        + TemplateStore
        + PoolStore
        + PoolStore
        + LogStore
        + MetricStore
        + QuotaStore
        + AuditStore
        + AnalyticsStore
        + EventStore
        + JobStore
{
}

/// Comfort over [`ChangeStore`]; nobody implements it.
#[async_trait]
pub trait StoreExt: ChangeStore {
    /// Makes one record.
    ///
    /// # Errors
    /// Those of [`apply`](ChangeStore::apply).
    async fn create(&self, record: Record) -> Result<()> {
        self.apply(ChangeSet::new().create(record)).await.map(drop)
    }

    /// Replaces one record.
    ///
    /// # Errors
    /// Those of [`apply`](ChangeStore::apply).
    async fn update(&self, record: Record) -> Result<()> {
        self.apply(ChangeSet::new().update(record)).await.map(drop)
    }
}

impl<T: ChangeStore + ?Sized> StoreExt for T {}
