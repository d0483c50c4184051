use super::{Json, Lease, Revision};
use crate::{
    AssetId, AssetJobId, FileId, ProjectId, Timestamp, UserId,
    asset::{AssetKind, AssetOptions, AssetOutput},
    wire::wire_enum,
};
use serde::{Deserialize, Serialize};

/// An asset of a project (`slate_assets`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    /// Its id.
    pub id: AssetId,
    /// The project.
    pub project_id: ProjectId,
    /// The file that holds it.
    pub file_id: Option<FileId>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: AssetKind,
    /// Free data: import settings, dependencies, sizes; an object.
    #[serde(default)]
    pub metadata: Json,
    /// Its history.
    #[serde(flatten)]
    pub revision: Revision,
}

impl Asset {
    /// A new asset.
    pub fn new(project_id: ProjectId, file_id: Option<FileId>, kind: AssetKind, now: Timestamp) -> Self {
        Self {
            id: AssetId::new(),
            project_id,
            file_id,
            kind,
            metadata: Json::Object(serde_json::Map::new()),
            revision: Revision::first(now),
        }
    }
}

wire_enum! {
    /// The state of an asset job.
    AssetJobStatus {
        /// Waits for a worker.
        Queued = "queued",
        /// A worker processes it.
        Running = "running",
        /// Done.
        Completed = "completed",
        /// Failed for good: a dead letter, kept to be looked at.
        Failed = "failed",
        /// Ended because somebody asked for it.
        Canceled = "canceled",
    }
}

impl AssetJobStatus {
    /// Whether the job has ended for good.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

/// The processing of one asset (`slate_asset_jobs`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetJob {
    /// Its id.
    pub id: AssetJobId,
    /// The asset.
    pub asset_id: AssetId,
    /// The project.
    pub project_id: ProjectId,
    /// Who asked for it.
    pub user_id: UserId,
    /// Its state.
    pub status: AssetJobStatus,
    /// How the asset is processed.
    pub options: AssetOptions,
    /// Per cent done, 0 to 100.
    pub progress: u8,
    /// What came of it.
    pub output: Option<AssetOutput>,
    /// What went wrong last.
    pub error_message: Option<String>,
    /// Whether somebody asked for its end.
    #[serde(default)]
    pub cancel_requested: bool,
    /// Not to be claimed before this time.
    pub not_before: Option<Timestamp>,
    /// When a worker began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// Who processes it.
    #[serde(default)]
    pub lease: Lease,
    /// Its history.
    #[serde(flatten)]
    pub revision: Revision,
}

impl AssetJob {
    /// A new job.
    pub fn new(
        asset_id: AssetId,
        project_id: ProjectId,
        user_id: UserId,
        options: AssetOptions,
        now: Timestamp,
    ) -> Self {
        Self {
            id: AssetJobId::new(),
            asset_id,
            project_id,
            user_id,
            status: AssetJobStatus::Queued,
            options,
            progress: 0,
            output: None,
            error_message: None,
            cancel_requested: false,
            not_before: None,
            started_at: None,
            completed_at: None,
            lease: Lease::default(),
            revision: Revision::first(now),
        }
    }
}
