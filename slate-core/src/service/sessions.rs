use super::{Journal, journal::event_about};
use crate::{
    Error, ErrorKind, ProjectId, Result, SessionId, UserId, Version,
    bus::event::{RuntimeEvent, RuntimeEventKind},
    model::{Json, QuotaLimits, QuotaUsage, RuntimeSession, SessionState, Sha256Hex},
    policy::SecurityPolicy,
    runtime::{RuntimeSpec, RuntimeType},
    store::{Change, ChangeSet, Idempotency},
};

/// What others ask of sessions: records wishes in the store; orchestrators fulfil them.
#[derive(Clone, Debug)]
pub struct Sessions {
    journal: Journal,
    policy: SecurityPolicy,
    default_quota: Option<QuotaLimits>,
}

/// A session to be started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewSession {
    /// The project.
    pub project_id: ProjectId,
    /// Who starts it.
    pub user_id: UserId,
    /// What it runs.
    pub runtime_type: RuntimeType,
    /// The kind of backend that is to run it.
    pub backend: String,
    /// What its instance is made from; the name is replaced by the session's own.
    pub spec: RuntimeSpec,
    /// Free data; an object.
    pub metadata: Json,
    /// Makes asking twice as good as once, up to 200 bytes.
    pub idempotency_key: Option<String>,
}

impl NewSession {
    /// A session without free data.
    pub fn new(
        project_id: ProjectId,
        user_id: UserId,
        runtime_type: RuntimeType,
        backend: impl Into<String>,
        spec: RuntimeSpec,
    ) -> Self {
        let metadata = Json::Object(serde_json::Map::new());
        Self { project_id, user_id, runtime_type, backend: backend.into(), spec, metadata, idempotency_key: None }
    }

    /// Sets the key by which a repetition is known.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

impl Sessions {
    /// Sessions recorded in this journal. `policy` says what they may ask for (a [`MountPolicy`](crate::policy::MountPolicy)
    /// alone is the default policy with these mounts), `default_quota` what users without a quota may hold; `None` doesn't
    /// limit them.
    pub fn new(journal: Journal, policy: impl Into<SecurityPolicy>, default_quota: Option<QuotaLimits>) -> Self {
        Self { journal, policy: policy.into(), default_quota }
    }

    /// Records a new session; an orchestrator then starts it. Its user's quota is charged in the same change.
    ///
    /// # Errors
    /// `Invalid` for a malformed spec, `PermissionDenied` with all that the policy refuses, `ResourceExhausted` over the quota,
    /// `NotFound` without the project.
    pub async fn create(&self, new: NewSession) -> Result<RuntimeSession> {
        let now = self.journal.now();
        let request =
            Sha256Hex::of(format!("{:?}", (&new.project_id, &new.user_id, &new.backend, &new.spec)).as_bytes());
        let mut session =
            RuntimeSession::new(new.project_id, new.user_id, new.runtime_type, new.backend, new.spec, now);
        session.container_config.name = instance_name(session.id);
        let policy = self.policy.of_project(session.project_id);
        policy.check(&session.container_config)?;
        policy.tighten(&mut session.container_config);
        session.metadata = new.metadata;
        session.reserved = QuotaUsage::of_spec(&session.container_config);
        let reserve =
            Change::Reserve { user: session.user_id.clone(), usage: session.reserved, default: self.default_quota };
        let mut set =
            ChangeSet::new().change(reserve).create(session.clone()).event(status_event(&session, Version::FIRST)?);
        if let Some(key) = new.idempotency_key {
            let result = serde_json::json!(session.id);
            set = set.once(Idempotency { scope: "session.create".into(), key, request, result });
        }
        match self.journal.apply(set).await?.replayed {
            None => Ok(session),
            Some(id) => {
                let id: SessionId = serde_json::from_value(id)?;
                self.journal.store().session(id).await
            }
        }
    }

    /// Asks for the session's end; one that has ended is left as it is.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn request_stop(&self, id: SessionId) -> Result<RuntimeSession> {
        self.change(id, |session| {
            let wanted = !session.status.is_final() && !session.stop_requested;
            session.stop_requested |= wanted;
            Ok(wanted)
        })
        .await
    }

    /// Asks for the session's instance to be stopped and started again.
    ///
    /// # Errors
    /// `NotFound`; `WrongState` where it doesn't run.
    pub async fn request_restart(&self, id: SessionId) -> Result<RuntimeSession> {
        self.change(id, |session| {
            if session.status != SessionState::Running {
                return Err(Error::wrong_state("only a running session can be restarted")
                    .with("session", id)
                    .with("status", session.status));
            }
            Ok(!std::mem::replace(&mut session.restart_requested, true))
        })
        .await
    }

    async fn change(
        &self,
        id: SessionId,
        decide: impl Fn(&mut RuntimeSession) -> Result<bool> + Send,
    ) -> Result<RuntimeSession> {
        loop {
            let mut session = self.journal.store().session(id).await?;
            if !decide(&mut session)? {
                return Ok(session);
            }
            match self.journal.apply(ChangeSet::new().update(session.clone())).await {
                Ok(_) => {
                    session.revision.version = session.revision.version.next();
                    return Ok(session);
                }
                // Somebody else changed it first: decide again on what it is now.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The name of a session's instance; making it twice is found out by it.
pub(super) fn instance_name(id: SessionId) -> String {
    format!("slate-{id}")
}

/// The event that tells of a session's state, once it is stored under `version`.
pub(super) fn status_event(session: &RuntimeSession, version: Version) -> Result<crate::model::NewEvent> {
    let event =
        RuntimeEvent::new(RuntimeEventKind::Status, session.id, session.project_id, session.revision.updated_at);
    event_about(event.with_data(serde_json::json!({ "status": session.status })), session.id, version)
}
