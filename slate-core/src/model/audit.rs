use super::Json;
use crate::{AuditId, Timestamp, UserId, wire::wire_enum};
use serde::{Deserialize, Serialize};

wire_enum! {
    /// How an audited action ended.
    AuditOutcome {
        /// It was done.
        Allowed = "allowed",
        /// It was refused.
        Denied = "denied",
        /// It was tried and failed.
        Failed = "failed",
    }
}

/// Who did what to what, and whether it was allowed (`slate_audit`). Never changed, never softly deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who; `None` for SLATE itself.
    pub user_id: Option<UserId>,
    /// What, for example `session.start`.
    pub action: String,
    /// To what, for example `session:{id}`.
    pub target: String,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Circumstances; no secret.
    #[serde(default)]
    pub detail: Json,
}
