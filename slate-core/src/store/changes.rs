use crate::{
    AssetId, AssetJobId, BuildId, FileId, PoolMemberId, ProjectId, SessionId, TemplateId, Timestamp, UserId, Version,
    WorkerId,
    model::{
        Asset, AssetJob, AuditEntry, BuildJob, Counter, FileRecord, Json, NewEvent, PoolMember, Project, QuotaLimits,
        QuotaUsage, RuntimeSession, Sha256Hex, Template,
    },
    store::query::JobRef,
};

/// Several changes and the events that tell of them: all are committed, or none.
///
/// This is the only way to change a mutable record. Made by [`ChangeSet::new`] and the verbs, applied by
/// [`ChangeStore::apply`](super::ChangeStore::apply).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ChangeSet {
    /// The changes, made in this order.
    pub changes: Vec<Change>,
    /// The events, stored in this order and published by the relay.
    pub events: Vec<NewEvent>,
    /// Leases that must be held for the set to be applied.
    pub fences: Vec<Fence>,
    /// Makes applying the set twice as good as once.
    pub idempotency: Option<Idempotency>,
}

impl ChangeSet {
    /// The most changes, and the most events, of one set.
    pub const MAX_LEN: usize = 10_000;

    /// A set that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a record. Its version must be [`Version::FIRST`].
    #[must_use]
    pub fn create(mut self, record: impl Into<Record>) -> Self {
        self.changes.push(Change::Create(record.into()));
        self
    }

    /// Replaces a record that still has the version which `record` carries; it then has the next one.
    #[must_use]
    pub fn update(mut self, record: impl Into<Record>) -> Self {
        self.changes.push(Change::Update(record.into()));
        self
    }

    /// Softly deletes a record that still has this version.
    #[must_use]
    pub fn delete(mut self, id: impl Into<RecordId>, version: Version) -> Self {
        self.changes.push(Change::Delete(id.into(), version));
        self
    }

    /// Adds any other change.
    #[must_use]
    pub fn change(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// Adds an event.
    #[must_use]
    pub fn event(mut self, event: NewEvent) -> Self {
        self.events.push(event);
        self
    }

    /// Adds events.
    #[must_use]
    pub fn events(mut self, events: impl IntoIterator<Item = NewEvent>) -> Self {
        self.events.extend(events);
        self
    }

    /// Demands that this lease is held.
    #[must_use]
    pub fn fence(mut self, fence: Fence) -> Self {
        self.fences.push(fence);
        self
    }

    /// Makes applying the set twice as good as once.
    #[must_use]
    pub fn once(mut self, idempotency: Idempotency) -> Self {
        self.idempotency = Some(idempotency);
        self
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Makes a record.
    Create(Record),
    /// Replaces a record of the same version. `created_at`, and the lease of a job, stay as the store has them, except that
    /// a job set to a final or waiting state loses its owner.
    Update(Record),
    /// Softly deletes a record of this version.
    Delete(RecordId, Version),
    /// Sets what a user may hold, whether there was a quota before or not.
    SetQuota(UserId, QuotaLimits),
    /// Adds to what a user holds, or fails with `ResourceExhausted` where that would be over a limit. A user without a
    /// quota gets one with `default`, or is not limited where that is `None`.
    Reserve {
        /// The user.
        user: UserId,
        /// What is added.
        usage: QuotaUsage,
        /// The limits of a user who has none yet.
        default: Option<QuotaLimits>,
    },
    /// Takes from what a user holds; nothing falls below zero.
    Release {
        /// The user.
        user: UserId,
        /// What is taken.
        usage: QuotaUsage,
    },
    /// Adds `value` to the counter of this name, label and bucket, which is made where it isn't there.
    Count(Counter),
    /// Adds to the audit trail.
    Audit(AuditEntry),
}

/// A mutable record of any kind.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "sets are short-lived; boxing would cost every caller a word")]
pub enum Record {
    /// A project.
    Project(Project),
    /// A file.
    File(FileRecord),
    /// An asset.
    Asset(Asset),
    /// A runtime session.
    Session(RuntimeSession),
    /// A build.
    Build(BuildJob),
    /// An asset job.
    AssetJob(AssetJob),
    /// A template.
    Template(Template),
    /// A member of a warm pool.
    PoolMember(PoolMember),
}

/// Names a mutable record of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RecordId {
    /// A project.
    Project(ProjectId),
    /// A file.
    File(FileId),
    /// An asset.
    Asset(AssetId),
    /// A runtime session.
    Session(SessionId),
    /// A build.
    Build(BuildId),
    /// An asset job.
    AssetJob(AssetJobId),
    /// A template.
    Template(TemplateId),
    /// A member of a warm pool.
    PoolMember(PoolMemberId),
}

macro_rules! records {
    ($($variant:ident($record:ident, $id:ident) $name:literal),* $(,)?) => {
        $(
            impl From<$record> for Record {
                fn from(record: $record) -> Self {
                    Self::$variant(record)
                }
            }

            impl From<$id> for RecordId {
                fn from(id: $id) -> Self {
                    Self::$variant(id)
                }
            }
        )*

        impl Record {
            /// Its id.
            pub const fn id(&self) -> RecordId {
                match self { $(Self::$variant(record) => RecordId::$variant(record.id),)* }
            }

            /// Its version as the caller knows it.
            pub const fn version(&self) -> Version {
                match self { $(Self::$variant(record) => record.revision.version,)* }
            }

            /// The history, for stores to set.
            pub const fn revision_mut(&mut self) -> &mut crate::model::Revision {
                match self { $(Self::$variant(record) => &mut record.revision,)* }
            }

            /// When it was made.
            pub const fn created_at(&self) -> Timestamp {
                match self { $(Self::$variant(record) => record.revision.created_at,)* }
            }
        }

        impl std::fmt::Display for RecordId {
            /// `session:{id}`, as [`Aggregate`](crate::model::Aggregate) names it.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self { $(Self::$variant(id) => write!(f, concat!($name, ":{}"), id),)* }
            }
        }
    };
}

records! {
    Project(Project, ProjectId) "project",
    File(FileRecord, FileId) "file",
    Asset(Asset, AssetId) "asset",
    Session(RuntimeSession, SessionId) "session",
    Build(BuildJob, BuildId) "build",
    AssetJob(AssetJob, AssetJobId) "asset-job",
    Template(Template, TemplateId) "template",
    PoolMember(PoolMember, PoolMemberId) "pool-member",
}

/// Demands that `worker` holds the lease of `job` under this attempt, and that it hasn't been claimed since.
///
/// A lease that has run out but that nobody else claimed still counts as held: the attempt alone tells who is current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The job or session.
    pub job: JobRef,
    /// Who must hold it.
    pub worker: WorkerId,
    /// Under which attempt.
    pub attempt: u32,
}

/// Names a request, so that a repetition of it changes nothing.
///
/// A set whose scope and key were applied before is not applied again: `apply` returns the result that was stored then.
/// Another request under the same key is refused with `AlreadyExists`.
#[derive(Clone, Debug, PartialEq)]
pub struct Idempotency {
    /// Whose keys these are, for example `session.start` or a consumer's name.
    pub scope: String,
    /// The key within the scope, up to 200 bytes.
    pub key: String,
    /// A hash of the request, to tell a repetition from another one.
    pub request: Sha256Hex,
    /// What a repetition is answered with.
    pub result: Json,
}

/// What came of a set.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Applied {
    /// The set was applied before, under the same idempotency key: this is the result stored then, and nothing was changed.
    pub replayed: Option<Json>,
    /// The versions of the records created and updated, in the order of the changes.
    pub versions: Vec<(RecordId, Version)>,
}
