//! What is done with single members. Every change is a compare-and-swap: where it fails, somebody else was first.

use super::{Shared, instance_name, keep::Keeper, lease_name};
use crate::{
    Error, ErrorKind, InstanceId, PoolMemberId, Result,
    model::{PoolMember, PoolMemberState as State},
    runtime::{Instance, InstanceState, ListOptions, Resident, RuntimeBackendExt, RuntimeSpec, labels},
    store::{ChangeSet, PageRequest, PoolMemberQuery},
};
use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

impl Keeper {
    /// Makes a new member's instance; how long it took.
    pub(super) async fn warm(&self, member: PoolMember) -> Result<Duration> {
        let begin = Instant::now();
        let spec = self.spec_of(&member);
        let limit = self.shared.options.warm_timeout;
        let warmed = match tokio::time::timeout(limit, self.shared.resident()?.warm(&spec)).await {
            Ok(warmed) => warmed,
            Err(_) => {
                Err(Error::timed_out("the member didn't come to wait for work in time").with("limit", limit.as_secs()))
            }
        };
        match warmed {
            Ok(instance) => self.ready(member, instance).await.map(|()| begin.elapsed()),
            Err(error) => {
                self.shared.drain(&member, error.message()).await?;
                Err(error)
            }
        }
    }

    fn spec_of(&self, member: &PoolMember) -> RuntimeSpec {
        let shared = &self.shared;
        let mut spec = self.pool.spec.clone();
        spec.name = instance_name(member);
        // Sessions bring their own: nothing of one is in the instance before.
        spec.env = BTreeMap::new();
        spec.working_dir = None;
        let mut spec = spec
            .with_label(labels::POOL, &self.pool.name)
            .with_label(labels::MEMBER, member.id)
            .with_label(labels::DEPLOYMENT, &shared.options.deployment)
            .with_label(labels::OWNER, &shared.worker);
        if let Some(project) = self.pool.project {
            spec = spec.with_label(labels::PROJECT, project);
        }
        spec
    }

    async fn ready(&self, mut member: PoolMember, instance: InstanceId) -> Result<()> {
        member.state = State::Ready;
        member.instance_id = Some(instance);
        member.owner = Some(self.shared.worker.clone());
        member.ready_at = Some(self.shared.journal.now());
        self.shared.journal.apply(ChangeSet::new().update(member)).await.map(drop)
    }

    /// Takes over a member that another keeper began to warm, where it came to wait; else drains it.
    pub(super) async fn adopt(&self, member: PoolMember) -> Result<()> {
        let instance = self.shared.instance_of(&member).await?.filter(|i| i.state == InstanceState::Running);
        let limit = self.shared.options.heartbeat_timeout;
        if let Some(instance) = instance
            && member.spec_hash == self.hash
            && matches!(tokio::time::timeout(limit, self.shared.resident()?.ping(&instance.id)).await, Ok(Ok(())))
        {
            return self.ready(member, instance.id).await;
        }
        self.shared.drain(&member, "its keeper was gone before it was ready").await
    }

    pub(super) async fn ping(&self, member: &PoolMember) -> Result<()> {
        let Some(instance) = &member.instance_id else { return Err(Error::not_found("the member has no instance")) };
        let limit = self.shared.options.heartbeat_timeout;
        let answer = match tokio::time::timeout(limit, self.shared.resident()?.ping(instance)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::timed_out("the member doesn't answer")),
        };
        // One that was claimed meanwhile has other things to do than to answer.
        match (answer, self.shared.journal.store().pool_member(member.id).await) {
            (Err(_), Ok(now)) if now.state != State::Ready => Ok(()),
            (Err(_), Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
            (answer, _) => answer,
        }
    }
}

impl Shared {
    pub(super) fn resident(&self) -> Result<&dyn Resident> {
        self.runtime.resident().ok_or_else(|| Error::unsupported("this backend has no instances that wait for work"))
    }

    /// Decides that a member's instance is to be removed. A claimed one is only drained after its session.
    pub(super) async fn drain(&self, member: &PoolMember, reason: &str) -> Result<()> {
        self.turn(member, State::Draining, reason).await
    }

    pub(super) async fn quarantine(&self, member: PoolMemberId, reason: String) -> Result<()> {
        let member = self.journal.store().pool_member(member).await?;
        if member.state != State::Ready {
            return Ok(());
        }
        metrics::counter!("slate_pool_members_unhealthy_total").increment(1);
        self.turn(&member, State::Quarantined, &reason).await
    }

    async fn turn(&self, member: &PoolMember, state: State, reason: &str) -> Result<()> {
        if !member.state.allows(state) {
            return Ok(());
        }
        let mut turned = member.clone();
        turned.state = state;
        turned.reason = Some(reason.chars().take(500).collect());
        match self.journal.apply(ChangeSet::new().update(turned)).await {
            // Claimed, or changed by another, since it was read: the next look sees it as it is.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => Ok(()),
            applied => applied.map(drop),
        }
    }

    /// Removes a draining member's instance, and then its record.
    pub(super) async fn remove(&self, mut member: PoolMember) -> Result<()> {
        // By its label: one that was made while nobody could write its id down is found as well.
        for instance in self.instances_of(&member).await? {
            self.runtime.remove_if_there(&instance.id).await?;
        }
        if let Some(instance) = &member.instance_id {
            self.runtime.remove_if_there(instance).await?;
        }
        member.state = State::Gone;
        let (id, version) = (member.id, member.revision.version.next());
        match self.journal.apply(ChangeSet::new().update(member).delete(id, version)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            applied => applied.map(drop),
        }
    }

    /// Why a claimed member is done with, where it is.
    pub(super) async fn is_over(&self, member: &PoolMember) -> Result<Option<&'static str>> {
        let Some(session) = member.session_id else { return Ok(Some("it was claimed for nobody")) };
        match self.journal.store().session(session).await {
            Ok(session) if session.status.is_final() => Ok(Some("its session has ended")),
            Ok(session) if session.container_id.is_some() && session.container_id != member.instance_id => {
                Ok(Some("its session runs elsewhere"))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some("its session isn't there")),
            Err(error) => Err(error),
        }
    }

    async fn instance_of(&self, member: &PoolMember) -> Result<Option<Instance>> {
        Ok(self.instances_of(member).await?.pop())
    }

    async fn instances_of(&self, member: &PoolMember) -> Result<Vec<Instance>> {
        let own = BTreeMap::from([
            (labels::DEPLOYMENT.to_owned(), self.options.deployment.clone()),
            (labels::MEMBER.to_owned(), member.id.to_string()),
        ]);
        self.runtime.list_all(ListOptions::default().with_labels(own)).await
    }
}

/// Removes the members of pools that no keeper knows any more; those that a session has, after it.
pub(super) async fn forgotten_pools(shared: &Shared) -> Result<()> {
    let store = shared.journal.store();
    let backend = shared.runtime.descriptor().name;
    let old = shared.journal.now() - shared.options.forget_after;
    let known: HashSet<&str> = shared.options.pools.iter().map(|pool| pool.name.as_str()).collect();
    let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
    loop {
        let found = store.pool_members(PoolMemberQuery::all(), page.clone()).await?;
        let forgotten = found.items.iter().filter(|member| {
            member.backend == backend && !known.contains(member.pool.as_str()) && member.revision.updated_at < old
        });
        for member in forgotten {
            // Only where nobody keeps the pool.
            let name = lease_name(&member.pool);
            if store.lease(&name, &shared.worker, shared.options.lease).await?.is_none() {
                continue;
            }
            match member.state {
                State::Draining | State::Gone => shared.remove(member.clone()).await?,
                State::Claimed if shared.is_over(member).await?.is_none() => {}
                _ => shared.drain(member, "no keeper knows its pool").await?,
            }
            store.release_lease(&name, &shared.worker).await?;
        }
        if found.next.is_none() {
            return Ok(());
        }
        page = page.after(found.next);
    }
}
