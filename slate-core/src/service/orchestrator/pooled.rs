//! Sessions whose instance comes from a warm pool.

use super::supervise::Supervisor;
use crate::{
    ErrorKind, InstanceId, Result,
    model::{PoolMember, PoolMemberState, RuntimeSession},
    runtime::{Assignment, Instance, Resident, RuntimeBackendExt},
    service::Pool,
    store::{ChangeSet, PageRequest, PoolMemberQuery},
};

/// Members that are tried for one session before its instance is made cold.
const TRIES: u32 = 3;

impl Supervisor {
    /// The pool that the session fits, on a backend that has any.
    pub(super) fn pool_of(&self, session: &RuntimeSession) -> Option<(&Pool, &dyn Resident)> {
        let resident = self.context.runtime.resident()?;
        let pool = self.context.options.pools.iter().find(|pool| pool.fits(session))?;
        Some((pool, resident))
    }

    /// An instance of a pool that runs the session's program; `None` where it is to be made cold.
    pub(super) async fn take_from_pool(&self, session: &RuntimeSession) -> Result<Option<InstanceId>> {
        let Some((pool, resident)) = self.pool_of(session) else { return Ok(None) };
        let hash = pool.spec_hash()?;
        for _ in 0..TRIES {
            let claimed = self.context.turns.claim(&**self.context.journal.store(), pool, &hash, session.id).await?;
            let Some(member) = claimed else { break };
            if let Some(instance) = self.hand_over(&member, session, resident).await? {
                count("hit");
                return Ok(Some(instance));
            }
        }
        count("miss");
        Ok(None)
    }

    /// Gives the session's work to a member; `None` where the member wasn't good for it, and is drained.
    async fn hand_over(
        &self,
        member: &PoolMember,
        session: &RuntimeSession,
        resident: &dyn Resident,
    ) -> Result<Option<InstanceId>> {
        let context = &self.context;
        let Some(instance) = member.instance_id.clone() else { return Ok(None) };
        let Err(error) = resident.bind(&instance, &assignment(session)).await else { return Ok(Some(instance)) };
        let is_there = context.runtime.inspect(&instance).await;
        let gone = matches!(&is_there, Err(gone) if gone.kind() == ErrorKind::NotFound);
        let its_own = matches!(error.kind(), ErrorKind::WrongState | ErrorKind::TimedOut | ErrorKind::Unavailable);
        if !gone && !its_own {
            // The session's program, not the member.
            return Err(error);
        }
        tracing::warn!(session = %session.id, member = %member.id, %error, "a member of a pool was no good");
        // First of all nothing of the session may run in it.
        context.runtime.remove_if_there(&instance).await?;
        let mut drained = member.clone();
        drained.state = PoolMemberState::Draining;
        drained.reason = Some(format!("could not be bound: {}", error.message()).chars().take(500).collect());
        match context.journal.apply(ChangeSet::new().update(drained)).await {
            Err(error) if !matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => Err(error),
            _ => Ok(None),
        }
    }

    /// The instance of a member that the session claimed before, where that wasn't recorded.
    pub(super) async fn claimed_before(&self, session: &RuntimeSession) -> Result<Option<Instance>> {
        if self.pool_of(session).is_none() {
            return Ok(None);
        }
        let query = PoolMemberQuery::all().of_session(session.id).in_states(vec![PoolMemberState::Claimed]);
        let found = self.context.journal.store().pool_members(query, PageRequest::first(1)).await?.items.pop();
        let Some(instance) = found.and_then(|member| member.instance_id) else { return Ok(None) };
        match self.context.runtime.inspect(&instance).await {
            Ok(instance) => Ok(Some(instance)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that an instance of a pool has the session's work: after a restart, and after a crash before it was
    /// recorded.
    pub(super) async fn bind_again(&self, session: &RuntimeSession, instance: &InstanceId) -> Result<()> {
        match self.context.runtime.resident() {
            Some(resident) => resident.bind(instance, &assignment(session)).await,
            None => Ok(()),
        }
    }
}

fn assignment(session: &RuntimeSession) -> Assignment {
    Assignment::of_spec(session.id.to_string(), &session.container_config)
}

fn count(outcome: &'static str) {
    metrics::counter!("slate_pool_claims_total", "outcome" => outcome).increment(1);
}
