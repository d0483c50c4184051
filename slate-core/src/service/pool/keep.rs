use super::{NAME, Pool, Shared, lease_name};
use crate::{
    Cancel, ErrorKind, PoolMemberId, Result, SessionId, Timestamp,
    model::{PoolMember, PoolMemberState as State, RuntimeSession, SessionState, Sha256Hex},
    policy::{Demand, HeldBack, Idle, PoolPlan, PoolStatus},
    service::task::repeat,
    store::{ChangeSet, PageRequest, PoolMemberQuery, SessionQuery},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Mutex, task::JoinSet, time::Instant};

/// Keeps one pool: looks at its members, has the policy plan, and carries the plan out.
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Pool,
    pub(super) hash: Sha256Hex,
}

/// What a keeper knows of its pool beyond the store. A keeper that takes over begins without.
struct Memory {
    /// When the lease must be extended; `None` while another keeper has it.
    leased: Option<Instant>,
    demand: Demand,
    last_claim: Option<Timestamp>,
    began: Timestamp,
    surplus_since: Option<Timestamp>,
    failures: u32,
    last_failure: Option<Timestamp>,
    warming_takes: Duration,
    held_back: Option<HeldBack>,
    pings: HashMap<PoolMemberId, Pings>,
    /// Members that a task works on, which looks leave alone.
    busy: HashSet<PoolMemberId>,
    tasks: JoinSet<(PoolMemberId, Done)>,
}

#[derive(Clone, Copy)]
struct Pings {
    next: Instant,
    missed: u32,
}

/// What came of a task.
pub(super) enum Done {
    /// A member was warmed, in so much time; or couldn't be.
    Warmed(Result<Duration>),
    /// A member that another keeper left was taken over, or drained.
    Adopted(Result<()>),
    /// A member answered, or didn't.
    Pinged(Result<()>),
    /// A member's instance is gone, and its record deleted.
    Drained(Result<()>),
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, pool: Pool, hash: Sha256Hex) -> Arc<Self> {
        Arc::new(Self { shared, pool, hash })
    }

    pub(super) async fn run(self: Arc<Self>, cancel: &Cancel) {
        let now = self.shared.journal.now();
        let memory = Mutex::new(Memory::new(now));
        repeat(NAME, cancel, || async {
            self.round(&mut *memory.lock().await).await?;
            Ok(self.shared.options.look)
        })
        .await;
        // What is half made is finished, so that the next keeper finds whole members; they stay, and are adopted.
        let mut memory = memory.into_inner();
        while memory.tasks.join_next().await.is_some() {}
        let store = self.shared.journal.store();
        if let Err(error) = store.release_lease(&lease_name(&self.pool.name), &self.shared.worker).await {
            tracing::warn!(pool = self.pool.name, %error, "the pool's lease could not be given back and will run out");
        }
    }

    async fn round(self: &Arc<Self>, memory: &mut Memory) -> Result<()> {
        while let Some(ended) = memory.tasks.try_join_next() {
            self.learn(memory, ended);
        }
        if !self.hold(memory).await? {
            return Ok(());
        }
        let now = self.shared.journal.now();
        let members = self.members().await?;
        memory.pings.retain(|id, _| members.iter().any(|member| member.id == *id));
        for member in &members {
            if !memory.busy.contains(&member.id) {
                self.look(memory, member).await?;
            }
        }
        let status = self.status(memory, &members, now).await?;
        let plan = self.pool.size.plan(&status, now);
        self.carry_out(memory, &members, plan).await
    }

    /// Whether this keeper has the pool; a keeper that got it anew forgets what it knew.
    async fn hold(&self, memory: &mut Memory) -> Result<bool> {
        if memory.leased.is_some_and(|until| Instant::now() < until) {
            return Ok(true);
        }
        let (store, ttl) = (self.shared.journal.store(), self.shared.options.lease);
        let asked = Instant::now();
        let term = store.lease(&lease_name(&self.pool.name), &self.shared.worker, ttl).await?;
        if term.is_some() && memory.leased.is_none() {
            let tasks = std::mem::take(&mut memory.tasks);
            let busy = std::mem::take(&mut memory.busy);
            *memory = Memory { tasks, busy, ..Memory::new(self.shared.journal.now()) };
        }
        memory.leased = term.map(|_| asked + ttl / 3);
        Ok(term.is_some())
    }

    async fn members(&self) -> Result<Vec<PoolMember>> {
        let (mut all, mut page) = (Vec::new(), PageRequest::first(PageRequest::MAX_LIMIT));
        loop {
            let query = PoolMemberQuery::all().of_pool(self.pool.name.clone());
            let found = self.shared.journal.store().pool_members(query, page.clone()).await?;
            all.extend(found.items);
            if found.next.is_none() {
                return Ok(all);
            }
            page = page.after(found.next);
        }
    }

    /// Begins whatever a member needs.
    async fn look(self: &Arc<Self>, memory: &mut Memory, member: &PoolMember) -> Result<()> {
        match member.state {
            State::Warming => {
                memory.spawn(self, member, |keeper, member| async move { Done::Adopted(keeper.adopt(member).await) });
            }
            State::Ready if member.spec_hash != self.hash => {
                self.shared.drain(member, "the pool's spec has changed").await?;
            }
            State::Ready => {
                let (now, heartbeat) = (Instant::now(), self.shared.options.heartbeat);
                let pings = memory.pings.entry(member.id).or_insert(Pings { next: now, missed: 0 });
                if pings.next <= now {
                    pings.next = now + heartbeat;
                    memory.spawn(
                        self,
                        member,
                        |keeper, member| async move { Done::Pinged(keeper.ping(&member).await) },
                    );
                }
            }
            State::Claimed => {
                if let Some(reason) = self.shared.is_over(member).await? {
                    self.shared.drain(member, reason).await?;
                }
            }
            State::Quarantined => {
                let reason = member.reason.clone().unwrap_or_else(|| "unhealthy".into());
                self.shared.drain(member, &reason).await?;
            }
            State::Draining | State::Gone => memory
                .spawn(self, member, |keeper, member| async move { Done::Drained(keeper.shared.remove(member).await) }),
        }
        Ok(())
    }

    async fn status(&self, memory: &mut Memory, members: &[PoolMember], now: Timestamp) -> Result<PoolStatus> {
        let count = |states: &[State]| members.iter().filter(|member| states.contains(&member.state)).count() as u32;
        let newest = members.iter().filter_map(|member| member.claimed_at).max();
        let since = memory.last_claim.unwrap_or(memory.began);
        let claims = members.iter().filter_map(|member| member.claimed_at).filter(|claim| *claim > since).count();
        memory.demand.record(claims as u32, now);
        memory.last_claim = memory.last_claim.max(newest);
        let ready = members.iter().filter(|member| member.state == State::Ready && member.spec_hash == self.hash);
        Ok(PoolStatus {
            ready: ready.map(|m| Idle { member: m.id, since: m.ready_at.unwrap_or(m.revision.created_at) }).collect(),
            warming: count(&[State::Warming]),
            claimed: count(&[State::Claimed]),
            leaving: count(&[State::Quarantined, State::Draining]),
            waiting: self.waiting(members).await?,
            claims_per_second: memory.demand.per_second(),
            warming_takes: memory.warming_takes,
            last_claim: memory.last_claim,
            began: memory.began,
            surplus_since: memory.surplus_since,
            failures: memory.failures,
            last_failure: memory.last_failure,
        })
    }

    /// How many sessions that would fit are still being made, and have no member.
    async fn waiting(&self, members: &[PoolMember]) -> Result<u32> {
        let mut query = SessionQuery::all().in_states(vec![SessionState::Creating]);
        query.project = self.pool.project;
        let page = PageRequest::first(PageRequest::MAX_LIMIT);
        let found = self.shared.journal.store().sessions(query, page).await?.items;
        let served: HashSet<SessionId> = members.iter().filter_map(|member| member.session_id).collect();
        let waits = |session: &&RuntimeSession| !served.contains(&session.id) && self.pool.fits(session);
        Ok(found.iter().filter(waits).count() as u32)
    }

    async fn carry_out(self: &Arc<Self>, memory: &mut Memory, members: &[PoolMember], plan: PoolPlan) -> Result<()> {
        memory.surplus_since = plan.surplus_since;
        if plan.held_back == Some(HeldBack::GivenUp) && memory.held_back != plan.held_back {
            let failures = memory.failures;
            tracing::error!(pool = self.pool.name, failures, "the pool is given up: its members can't be warmed");
        }
        memory.held_back = plan.held_back;
        for member in members.iter().filter(|member| plan.remove.contains(&member.id)) {
            self.shared.drain(member, "more are ready than are wanted, or it is too old").await?;
        }
        for _ in 0..plan.start {
            let backend = self.shared.runtime.descriptor().name;
            let mut member = PoolMember::new(&self.pool.name, self.hash.clone(), backend, self.shared.journal.now());
            member.owner = Some(self.shared.worker.clone());
            // Before the instance: one that is made has a record, whatever happens.
            self.shared.journal.apply(ChangeSet::new().create(member.clone())).await?;
            memory.spawn(self, &member, |keeper, member| async move { Done::Warmed(keeper.warm(member).await) });
        }
        Ok(())
    }

    /// Takes what came of a task into account.
    fn learn(&self, memory: &mut Memory, ended: std::result::Result<(PoolMemberId, Done), tokio::task::JoinError>) {
        let (member, done) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(pool = self.pool.name, %error, "a task of the pool ended by a mistake");
                // Which one isn't known: all are looked at again.
                memory.busy.clear();
                return;
            }
        };
        memory.busy.remove(&member);
        let failed = match done {
            Done::Warmed(Ok(took)) => {
                memory.failures = 0;
                let before = memory.warming_takes;
                memory.warming_takes = if before.is_zero() { took } else { before.mul_f64(0.8) + took.mul_f64(0.2) };
                metrics::counter!("slate_pool_members_warmed_total").increment(1);
                None
            }
            Done::Warmed(Err(error)) => {
                memory.failures = memory.failures.saturating_add(1);
                memory.last_failure = Some(self.shared.journal.now());
                metrics::counter!("slate_pool_members_failed_total").increment(1);
                Some(error)
            }
            Done::Pinged(Ok(())) => {
                if let Some(pings) = memory.pings.get_mut(&member) {
                    pings.missed = 0;
                }
                None
            }
            Done::Pinged(Err(error)) => {
                self.missed(memory, member, &error);
                Some(error)
            }
            Done::Adopted(result) | Done::Drained(result) => result.err(),
        };
        if let Some(error) = failed.filter(|error| error.kind() != ErrorKind::Conflict) {
            tracing::warn!(pool = self.pool.name, %member, %error, "a member needs another look");
        }
    }

    /// A member didn't answer: after a few times, or where it can't any more, nobody may claim it.
    fn missed(&self, memory: &mut Memory, member: PoolMemberId, error: &crate::Error) {
        let Some(pings) = memory.pings.get_mut(&member) else { return };
        pings.missed += 1;
        pings.next = Instant::now();
        let hopeless = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::WrongState);
        if !hopeless && pings.missed < self.shared.options.missed.max(1) {
            return;
        }
        let reason = format!("unhealthy: {}", error.message());
        let shared = Arc::clone(&self.shared);
        memory.busy.insert(member);
        memory.tasks.spawn(async move { (member, Done::Adopted(shared.quarantine(member, reason).await)) });
    }
}

impl Memory {
    fn new(now: Timestamp) -> Self {
        Self {
            leased: None,
            demand: Demand::new(now),
            last_claim: None,
            began: now,
            surplus_since: None,
            failures: 0,
            last_failure: None,
            warming_takes: Duration::ZERO,
            held_back: None,
            pings: HashMap::new(),
            busy: HashSet::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Works on a member beside the looks.
    fn spawn<F>(&mut self, keeper: &Arc<Keeper>, member: &PoolMember, work: impl FnOnce(Arc<Keeper>, PoolMember) -> F)
    where
        F: Future<Output = Done> + Send + 'static,
    {
        let id = member.id;
        if self.busy.insert(id) {
            let work = work(Arc::clone(keeper), member.clone());
            self.tasks.spawn(async move { (id, work.await) });
        }
    }
}
