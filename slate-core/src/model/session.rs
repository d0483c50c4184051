use super::{Json, QuotaUsage, Revision};
use crate::{
    InstanceId, ProjectId, SessionId, Timestamp, UserId, WorkerId,
    runtime::{ExitStatus, RuntimeSpec, RuntimeType},
    wire::wire_enum,
};
use serde::{Deserialize, Serialize};

wire_enum! {
    /// The state of a session. [`session`](crate::session) draws the edges.
    SessionState {
        /// Recorded; its instance is being made.
        Creating = "creating",
        /// Its instance is being started.
        Starting = "starting",
        /// Its instance runs.
        Running = "running",
        /// It is being ended.
        Stopping = "stopping",
        /// Ended as asked, or by itself with code 0.
        Stopped = "stopped",
        /// Never ran.
        Failed = "failed",
        /// Died while running.
        Error = "error",
    }
}

impl SessionState {
    /// Whether the session has ended for good.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed | Self::Error)
    }
}

/// A runtime session (`slate_runtime_sessions`; the seeds' `containers` are the same thing seen from the engine).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeSession {
    /// Its id.
    pub id: SessionId,
    /// The project.
    pub project_id: ProjectId,
    /// Who started it.
    pub user_id: UserId,
    /// What it runs.
    pub runtime_type: RuntimeType,
    /// Its state.
    pub status: SessionState,
    /// Whether somebody asked for its end; the orchestrator acts on it.
    #[serde(default)]
    pub stop_requested: bool,
    /// The kind of backend that runs it, for example `process`; orchestrators take sessions of their own kind.
    pub backend: String,
    /// Its instance, once made.
    pub container_id: Option<InstanceId>,
    /// What its instance is made from.
    pub container_config: RuntimeSpec,
    /// When it ran first.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub stopped_at: Option<Timestamp>,
    /// Why it failed or died.
    pub error_message: Option<String>,
    /// How its instance ended.
    pub exit: Option<ExitStatus>,
    /// How often its instance was started anew.
    #[serde(default)]
    pub restarts: u32,
    /// Whether somebody asked for its instance to be stopped and started again.
    #[serde(default)]
    pub restart_requested: bool,
    /// When it last went to `starting`: an instance that ended before is to be started, one that ended after has run.
    #[serde(default)]
    pub starting_at: Option<Timestamp>,
    /// What it holds of its user's quota.
    #[serde(default)]
    pub reserved: QuotaUsage,
    /// Free data of the embedding service; an object.
    #[serde(default)]
    pub metadata: Json,
    /// Who takes care of it.
    #[serde(default)]
    pub lease: Lease,
    /// Its history.
    #[serde(flatten)]
    pub revision: Revision,
}

impl RuntimeSession {
    /// A new session that a backend of kind `backend` is to run.
    pub fn new(
        project_id: ProjectId,
        user_id: UserId,
        runtime_type: RuntimeType,
        backend: impl Into<String>,
        container_config: RuntimeSpec,
        now: Timestamp,
    ) -> Self {
        Self {
            id: SessionId::new(),
            project_id,
            user_id,
            runtime_type,
            status: SessionState::Creating,
            stop_requested: false,
            backend: backend.into(),
            container_id: None,
            container_config,
            started_at: None,
            stopped_at: None,
            error_message: None,
            exit: None,
            restarts: 0,
            restart_requested: false,
            starting_at: None,
            reserved: QuotaUsage::default(),
            metadata: Json::Object(serde_json::Map::new()),
            lease: Lease::default(),
            revision: Revision::first(now),
        }
    }
}

/// Who works on a job or session, until when, and for the how-manieth time.
///
/// `attempt` is the fence: each claim raises it, and a change guarded by an older one is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The worker; `None` while nobody works on it.
    pub owner: Option<WorkerId>,
    /// When the lease ends unless extended, by the store's clock.
    pub until: Option<Timestamp>,
    /// How often it was claimed.
    pub attempt: u32,
    /// How often a worker gave it back before its end, because the worker's service ended.
    #[serde(default)]
    pub given_back: u32,
}

impl Lease {
    /// Whether nobody holds it at `now`.
    pub fn is_free(&self, now: Timestamp) -> bool {
        self.owner.is_none() || self.until.is_none_or(|until| until <= now)
    }

    /// How often it was tried: its claims without those that were given back, which say nothing of the job. 0 while it was
    /// never claimed.
    pub fn tries(&self) -> u32 {
        self.attempt.saturating_sub(self.given_back)
    }
}
