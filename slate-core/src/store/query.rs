use crate::{
    AssetId, AssetJobId, BuildId, ProjectId, SessionId, Timestamp, UserId, WorkerId,
    asset::AssetKind,
    model::{
        AssetJobStatus, BuildStatus, LogLevel, LogSource, PoolMemberState, SessionState, Sha256Hex, TargetPlatform,
        TemplateCategory,
    },
};
use std::time::Duration;

macro_rules! queries {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident / $with:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        ///
        /// A condition that isn't set holds for every record; those that are set must all hold.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name { $($(#[$fdoc])* pub $field: Option<$type>,)* }

        impl $name {
            /// Every record.
            pub fn all() -> Self {
                Self::default()
            }

            $(
                #[doc = concat!("Sets `", stringify!($field), "`.")]
                #[must_use]
                pub fn $with(mut self, $field: $type) -> Self {
                    self.$field = Some($field);
                    self
                }
            )*
        }
    )*};
}

queries! {
    /// Which projects.
    ProjectQuery {
        /// Of this owner.
        owner / owned_by: UserId,
        /// With this name.
        name / named: String,
    }

    /// Which files.
    FileQuery {
        /// Of this project.
        project / of_project: ProjectId,
        /// Whose path starts with this.
        prefix / under: String,
    }

    /// Which assets.
    AssetQuery {
        /// Of this project.
        project / of_project: ProjectId,
        /// Of this kind.
        kind / of_kind: AssetKind,
    }

    /// Which asset jobs.
    AssetJobQuery {
        /// Of this project.
        project / of_project: ProjectId,
        /// Of this asset.
        asset / of_asset: AssetId,
        /// In one of these states.
        status / in_states: Vec<AssetJobStatus>,
    }

    /// Which sessions.
    SessionQuery {
        /// Of this project.
        project / of_project: ProjectId,
        /// Of this user.
        user / of_user: UserId,
        /// In one of these states.
        status / in_states: Vec<SessionState>,
    }

    /// Which builds.
    BuildQuery {
        /// Of this project.
        project / of_project: ProjectId,
        /// Of this user.
        user / of_user: UserId,
        /// For this platform.
        platform / for_platform: TargetPlatform,
        /// In one of these states.
        status / in_states: Vec<BuildStatus>,
    }

    /// Which templates.
    TemplateQuery {
        /// That this user may see: public ones and the user's own.
        visible_to / visible_to: UserId,
        /// For this purpose.
        category / in_category: TemplateCategory,
    }

    /// Which members of warm pools.
    PoolMemberQuery {
        /// Of the pool of this name.
        pool / of_pool: String,
        /// In one of these states.
        state / in_states: Vec<PoolMemberState>,
        /// That this session has claimed.
        session / of_session: SessionId,
    }

    /// Which log lines.
    LogQuery {
        /// Of this source.
        source / of_source: LogSource,
        /// That matter at least this much.
        level / at_least: LogLevel,
        /// Written at or after this time.
        since / since: Timestamp,
        /// Written before this time.
        until / until: Timestamp,
        /// Whose message contains this, upper and lower case told apart.
        contains / containing: String,
        /// Leaves out the first so many of the list (after the page's cursor); for callers that count pages.
        offset / with_offset: u32,
    }

    /// Which samples.
    MetricQuery {
        /// Of this session.
        session / of_session: SessionId,
        /// Of this kind.
        metric_type / of_type: String,
        /// Measured at or after this time.
        since / since: Timestamp,
        /// Measured before this time.
        until / until: Timestamp,
    }

    /// Which entries of the audit trail.
    AuditQuery {
        /// Of this user.
        user / of_user: UserId,
        /// About this target.
        target / about: String,
    }

    /// Which events.
    EventQuery {
        /// Of the aggregate of this name, like `session:{id}`.
        aggregate / of_aggregate: String,
        /// Whose subject starts with this.
        subject_prefix / under: String,
    }

    /// Which counters.
    CounterQuery {
        /// Of this name.
        name / named: String,
        /// With this label.
        label / labeled: String,
        /// Whose bucket begins at or after this time.
        since / since: Timestamp,
        /// Whose bucket begins before this time.
        until / until: Timestamp,
    }
}

/// A table of jobs that workers claim from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Queue {
    /// Builds: queued ones, and running ones whose lease has run out.
    Builds,
    /// Asset jobs: likewise.
    AssetJobs,
    /// Sessions that haven't ended and that nobody holds.
    Sessions,
}

/// A job or session that can be leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum JobRef {
    /// A build.
    Build(BuildId),
    /// An asset job.
    AssetJob(AssetJobId),
    /// A session.
    Session(SessionId),
}

/// A worker's wish for jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// Who will work.
    pub worker: WorkerId,
    /// How long the leases last unless extended, by the store's clock.
    pub lease: Duration,
    /// Most jobs, at least 1.
    pub limit: u32,
    /// Only sessions of this kind of backend; default any. Builds and asset jobs have none.
    pub backend: Option<String>,
}

impl Claim {
    /// A wish for up to `limit` jobs.
    pub const fn new(worker: WorkerId, lease: Duration, limit: u32) -> Self {
        Self { worker, lease, limit, backend: None }
    }

    /// Only sessions of this kind of backend.
    #[must_use]
    pub fn with_backend(mut self, backend: impl Into<String>) -> Self {
        self.backend = Some(backend.into());
        self
    }
}

/// A session's wish for a ready member of a warm pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberClaim {
    /// The pool's name.
    pub pool: String,
    /// What the member must be good for.
    pub spec_hash: Sha256Hex,
    /// The session that gets it.
    pub session: SessionId,
    /// Makes claiming twice as good as once, 1 to 200 bytes; default: the session's id.
    pub key: String,
}

impl MemberClaim {
    /// A wish under the session's own id as key.
    pub fn new(pool: impl Into<String>, spec_hash: Sha256Hex, session: SessionId) -> Self {
        Self { pool: pool.into(), spec_hash, session, key: session.to_string() }
    }

    /// Sets the key by which a repetition is known.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }
}

/// What became of a lease that was to be extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Held {
    /// It is extended.
    Yes,
    /// It is extended, and somebody asked for the job's end.
    EndRequested,
    /// Somebody else has the job, or it has ended: stop working on it.
    Lost,
}
