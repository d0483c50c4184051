//! The records that SLATE keeps, as plain data. `version` guards each mutable one; JSON is camelCase.

mod asset;
mod audit;
mod build;
mod event;
mod file;
mod hash;
mod log;
mod metric;
mod pool;
mod project;
mod quota;
mod session;
mod template;

pub use asset::{Asset, AssetJob, AssetJobStatus};
pub use audit::{AuditEntry, AuditOutcome};
pub use build::{
    Artifact, BuildJob, BuildOptions, BuildStatistics, BuildStatus, BuildType, CompressionFormat, Optimization, Stage,
    TargetPlatform,
};
pub use event::{Aggregate, NewEvent, StoredEvent};
pub use file::{FileContent, FileEncoding, FileRecord, ProjectPath};
pub use hash::Sha256Hex;
pub use log::{LogEntry, LogLevel, LogSource};
pub use metric::{Counter, MetricBucket, MetricSample};
pub use pool::{PoolMember, PoolMemberState, warm_hash};
pub use project::Project;
pub use quota::{QuotaLimits, QuotaUsage, UserQuota};
pub use session::{Lease, RuntimeSession, SessionState};
pub use template::{Template, TemplateCategory};

/// A JSON value, where a seed has a column of kind `jsonb`.
pub type Json = serde_json::Value;

/// When a record was made, changed and (softly) deleted, and how often it changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Counts the changes; the store adds one with each.
    pub version: crate::Version,
    /// When the record was made.
    pub created_at: crate::Timestamp,
    /// When it was last changed; set by the store.
    pub updated_at: crate::Timestamp,
    /// When it was deleted; deleted records are in no list and are purged later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<crate::Timestamp>,
}

impl Revision {
    /// The first one, made at `now`.
    pub const fn first(now: crate::Timestamp) -> Self {
        Self { version: crate::Version::FIRST, created_at: now, updated_at: now, deleted_at: None }
    }
}
