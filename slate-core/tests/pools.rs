//! Warm pools on pieces in memory: kept, claimed, used once, and never lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use slate_core::{
    ErrorKind, SystemClock, UserId,
    memory::{MemoryBus, MemoryRuntime, MemoryStore},
    model::{LogSource, PoolMember, PoolMemberState, Project, QuotaLimits, RuntimeSession, SessionState},
    policy::PoolSpec,
    runtime::{ListOptions, NetworkMode, Resident, RuntimeBackend, RuntimeBackendExt, RuntimeSpec, RuntimeType},
    service::{
        Handle, Journal, LogAggregator, LogOptions, LogSink, NewSession, Orchestrator, OrchestratorOptions, Pool,
        PoolKeeper, PoolKeeperOptions, Sessions,
    },
    store::{ChangeSet, EventQuery, LogQuery, PageRequest, PoolMemberQuery, Store, StoreExt},
};
use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

const SOON: Duration = Duration::from_secs(20);

async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

struct World {
    store: Arc<dyn Store>,
    runtime: Arc<MemoryRuntime>,
    journal: Journal,
    bus: Arc<MemoryBus>,
    project: Project,
    user: UserId,
    logs: LogSink,
    _aggregator: Handle,
}

impl World {
    async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let journal = Journal::new(Arc::clone(&store), Arc::new(SystemClock));
        let bus = Arc::new(MemoryBus::new());
        let user = UserId::new("ada").unwrap();
        let project = Project::new("Test", user.clone(), journal.now());
        store.create(project.clone().into()).await.unwrap();
        let (logs, _aggregator) = LogAggregator::start(
            Arc::clone(&store) as _,
            Arc::clone(&bus) as _,
            Arc::clone(journal.clock()),
            LogOptions::default(),
        )
        .await
        .unwrap();
        Self { store, runtime: Arc::new(MemoryRuntime::new()), journal, bus, project, user, logs, _aggregator }
    }

    fn keep_with(&self, pools: Vec<Pool>, change: impl FnOnce(&mut PoolKeeperOptions)) -> Handle {
        let mut options = PoolKeeperOptions::new(pools);
        options.look = Duration::from_millis(5);
        options.heartbeat = Duration::from_millis(20);
        options.lease = Duration::from_millis(300);
        options.sweep_every = Duration::from_millis(50);
        options.orphan_grace = Duration::ZERO;
        change(&mut options);
        PoolKeeper::start(self.journal.clone(), Arc::clone(&self.runtime) as _, options).unwrap()
    }

    fn keep(&self, pool: &Pool) -> Handle {
        self.keep_with(vec![pool.clone()], |_| {})
    }

    async fn orchestrate(&self, pools: &[Pool]) -> Handle {
        let mut options = OrchestratorOptions::default();
        options.poll = Duration::from_millis(10);
        options.watch = Duration::from_millis(10);
        options.sweep_every = Duration::from_millis(50);
        options.orphan_grace = Duration::ZERO;
        options.pools = pools.to_vec();
        let (bus, runtime) = (Arc::clone(&self.bus) as _, Arc::clone(&self.runtime) as _);
        Orchestrator::start(self.journal.clone(), bus, runtime, self.logs.clone(), options).await.unwrap()
    }

    async fn session(&self, command: &[&str]) -> RuntimeSession {
        let spec = changed(spec(), |spec| spec.command = command.iter().map(ToString::to_string).collect());
        let new = NewSession::new(self.project.id, self.user.clone(), RuntimeType::Custom, "memory", spec);
        Sessions::new(self.journal.clone(), slate_core::policy::MountPolicy::none(), None).create(new).await.unwrap()
    }

    async fn ended(&self, session: &RuntimeSession) -> RuntimeSession {
        eventually("the session's end", || async {
            let session = self.store.session(session.id).await.unwrap();
            session.status.is_final().then_some(session)
        })
        .await
    }

    async fn running(&self, session: &RuntimeSession) -> RuntimeSession {
        eventually("the session's running", || async {
            let session = self.store.session(session.id).await.unwrap();
            assert!(!session.status.is_final(), "{session:?}");
            (session.status == SessionState::Running).then_some(session)
        })
        .await
    }

    async fn members(&self) -> Vec<PoolMember> {
        self.store.pool_members(PoolMemberQuery::all(), PageRequest::default()).await.unwrap().items
    }

    /// Waits until just so many members are ready, and nothing else is there.
    async fn rested(&self, ready: usize) -> Vec<PoolMember> {
        eventually(&format!("a pool of {ready} at rest"), || async {
            let members = self.members().await;
            let instances = self.runtime.list_all(ListOptions::default()).await.unwrap();
            let all = members.iter().all(|member| member.state == PoolMemberState::Ready);
            (all && members.len() == ready && instances.len() == ready).then_some(members)
        })
        .await
    }

    async fn events(&self, session: &RuntimeSession) -> Vec<String> {
        let of = EventQuery::all().of_aggregate(format!("session:{}", session.id));
        let events = self.store.events(of, PageRequest::default()).await.unwrap().items;
        events.iter().map(|e| format!("{} {}", e.event.subject, e.event.payload["data"]["status"])).collect()
    }
}

fn changed<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}

fn spec() -> RuntimeSpec {
    changed(RuntimeSpec::new("template", ["print", "the template's own"]), |spec| spec.network = NetworkMode::None)
}

fn pool(ready: u32) -> Pool {
    let mut size = PoolSpec::fixed(ready, 20);
    size.scale_down_delay = Duration::ZERO;
    size.backoff = Duration::from_millis(1);
    size.max_backoff = Duration::from_millis(1);
    Pool::new("p", spec(), size).with_wait(Duration::from_secs(5))
}

#[tokio::test]
async fn a_session_from_a_pool_is_as_one_made_cold() {
    let world = World::new().await;
    // A word of the id is in the subject, so that only states and kinds are compared.
    let plain = |events: Vec<String>, session: &RuntimeSession| {
        events.into_iter().map(|event| event.replace(&session.id.to_string(), "ID")).collect::<Vec<_>>()
    };
    let lines = async |session: &RuntimeSession| {
        let query = LogQuery::all().of_source(LogSource::Session(session.id));
        let found = world.store.logs(query, PageRequest::default()).await.unwrap().items;
        found.into_iter().map(|line| line.message).collect::<Vec<_>>()
    };
    let orchestrator = world.orchestrate(&[]).await;
    let cold = world.session(&["print", "one", "two"]).await;
    let cold = world.ended(&cold).await;
    orchestrator.shutdown(SOON).await.unwrap();

    let pool = pool(2);
    let keeper = world.keep(&pool);
    let before: BTreeSet<_> = world.rested(2).await.into_iter().map(|member| member.instance_id).collect();
    let _orchestrator = world.orchestrate(std::slice::from_ref(&pool)).await;
    let warm = world.session(&["print", "one", "two"]).await;
    let warm = world.ended(&warm).await;
    assert!(before.contains(&warm.container_id), "it ran in a member");
    assert_eq!((warm.status, warm.exit), (cold.status, cold.exit));
    assert_eq!(plain(world.events(&warm).await, &warm), plain(world.events(&cold).await, &cold));
    assert_eq!(
        (lines(&warm).await, lines(&cold).await),
        (vec!["one".into(), "two".into()], vec!["one".into(), "two".into()])
    );
    // Used once, and replaced.
    let after = world.rested(2).await;
    assert!(after.iter().all(|member| member.instance_id != warm.container_id));
    keeper.shutdown(SOON).await.unwrap();
    assert_eq!(world.rested(2).await, after, "members stay when their keeper ends");
}

#[tokio::test]
async fn a_session_from_a_pool_is_stopped_restarted_and_fails_like_any_other() {
    let world = World::new().await;
    let pool = pool(3);
    let _keeper = world.keep(&pool);
    world.rested(3).await;
    let _orchestrator = world.orchestrate(std::slice::from_ref(&pool)).await;
    let sessions = Sessions::new(world.journal.clone(), slate_core::policy::MountPolicy::none(), None);

    let stopped = world.session(&["sleep", "600"]).await;
    world.running(&stopped).await;
    sessions.request_stop(stopped.id).await.unwrap();
    assert_eq!(world.ended(&stopped).await.status, SessionState::Stopped);

    let again = world.session(&["sleep", "600"]).await;
    let first = world.running(&again).await;
    sessions.request_restart(again.id).await.unwrap();
    let second = eventually("the restart", || async {
        let session = world.store.session(again.id).await.unwrap();
        (session.restarts == 1 && session.status == SessionState::Running).then_some(session)
    })
    .await;
    assert_eq!(second.container_id, first.container_id, "a restart keeps the instance");
    let id = second.container_id.clone().unwrap();
    assert_eq!(world.runtime.ping(&id).await.unwrap_err().kind(), ErrorKind::WrongState, "it has its work again");
    sessions.request_stop(again.id).await.unwrap();
    world.ended(&again).await;

    let failed = world.ended(&world.session(&["exit", "7"]).await).await;
    assert_eq!((failed.status, failed.exit.and_then(|exit| exit.code)), (SessionState::Error, Some(7)));
    let missing = world.ended(&world.session(&["no-such-program"]).await).await;
    assert_eq!(missing.status, SessionState::Failed, "{missing:?}");
    world.rested(3).await;
}

#[tokio::test]
async fn an_empty_pool_is_waited_for_and_then_done_without() {
    let world = World::new().await;
    // Nobody keeps this pool.
    let pool = pool(1).with_wait(Duration::from_millis(100));
    let orchestrator = world.orchestrate(std::slice::from_ref(&pool)).await;
    let cold = world.ended(&world.session(&["print", "x"]).await).await;
    assert_eq!(cold.status, SessionState::Stopped);
    orchestrator.shutdown(SOON).await.unwrap();
    // Somebody keeps this one, at zero: who waits is seen and served.
    let pool = changed(pool.with_wait(SOON), |pool| pool.size.min_ready = 0);
    let _keeper = world.keep(&pool);
    let _orchestrator = world.orchestrate(std::slice::from_ref(&pool)).await;
    let session = world.session(&["sleep", "600"]).await;
    let running = world.running(&session).await;
    let claimed = world.members().await;
    assert_eq!(claimed.iter().find_map(|member| member.session_id), Some(session.id));
    assert_eq!(claimed[0].instance_id, running.container_id);
}

#[tokio::test]
async fn an_unhealthy_member_is_replaced() {
    let world = World::new().await;
    let pool = pool(2);
    let _keeper = world.keep(&pool);
    let before = world.rested(2).await;
    let ill = before[0].instance_id.clone().unwrap();
    world.runtime.stop(&ill, Default::default()).await.unwrap();
    let after = eventually("the replacement", || async {
        let after = world.members().await;
        (after.iter().all(|member| member.id != before[0].id)).then_some(after)
    })
    .await;
    assert!(after.iter().any(|member| member.id == before[1].id), "the other one stays");
    world.rested(2).await;
}

#[tokio::test]
async fn a_member_that_died_before_its_session_came_is_passed_over() {
    let world = World::new().await;
    let pool = pool(2);
    let keeper = world.keep(&pool);
    let members = world.rested(2).await;
    keeper.shutdown(SOON).await.unwrap();
    // The one that is claimed first is gone, and no keeper notices.
    let first = members.iter().min_by_key(|member| (member.ready_at, member.id)).unwrap();
    world.runtime.remove_if_there(first.instance_id.as_ref().unwrap()).await.unwrap();
    let _orchestrator = world.orchestrate(std::slice::from_ref(&pool)).await;
    let session = world.session(&["print", "x"]).await;
    let ended = world.ended(&session).await;
    assert_eq!(ended.status, SessionState::Stopped);
    assert!(members.iter().any(|member| member.id != first.id && member.instance_id == ended.container_id));
}

#[tokio::test]
async fn members_are_taken_over_from_a_keeper_that_is_gone_and_nothing_is_left() {
    let world = World::new().await;
    let pool = pool(3);
    // A keeper was killed: after its record, after its instance, and while one drained; and an instance has no record.
    let hash = pool.spec_hash().unwrap();
    let member = |state| PoolMember { state, ..PoolMember::new("p", hash.clone(), "memory", world.journal.now()) };
    let (unmade, made, drained) =
        (member(PoolMemberState::Warming), member(PoolMemberState::Warming), member(PoolMemberState::Draining));
    let set = ChangeSet::new().create(unmade.clone()).create(made.clone()).create(drained.clone());
    world.store.apply(set).await.unwrap();
    let warm = async |name: &str, id: String| {
        let spec = changed(spec(), |spec| spec.name = name.into())
            .with_label("slate.member", id)
            .with_label("slate.pool", "p")
            .with_label("slate.deployment", "default");
        world.runtime.warm(&spec).await.unwrap()
    };
    let adopted = warm("made", made.id.to_string()).await;
    warm("drained", drained.id.to_string()).await;
    warm("unknown", slate_core::PoolMemberId::new().to_string()).await;
    let _keeper = world.keep(&pool);
    let members = world.rested(3).await;
    let of_made = members.iter().find(|member| member.id == made.id).unwrap();
    assert_eq!(of_made.instance_id.as_ref(), Some(&adopted), "one that came to wait is adopted");
    assert!(members.iter().all(|member| member.id != unmade.id && member.id != drained.id));
}

#[tokio::test]
async fn one_keeper_keeps_a_pool_and_another_takes_over() {
    let world = World::new().await;
    let pool = pool(2);
    let (first, second) = (world.keep(&pool), world.keep(&pool));
    let members = world.rested(2).await;
    assert_eq!(members[0].owner, members[1].owner);
    first.shutdown(SOON).await.unwrap();
    for member in &members {
        world.runtime.remove_if_there(member.instance_id.as_ref().unwrap()).await.unwrap();
    }
    eventually("new members", || async {
        let now = world.members().await;
        let new = now.iter().all(|member| members.iter().all(|old| old.id != member.id));
        (new && now.len() == 2).then_some(())
    })
    .await;
    second.shutdown(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sessions_of_two_orchestrators_get_a_member_each() {
    let world = World::new().await;
    let pool = pool(4);
    let _keeper = world.keep(&pool);
    world.rested(4).await;
    let _orchestrators =
        [world.orchestrate(std::slice::from_ref(&pool)).await, world.orchestrate(std::slice::from_ref(&pool)).await];
    let mut sessions = Vec::new();
    for _ in 0..30 {
        sessions.push(world.session(&["print", "x"]).await);
    }
    let mut instances = BTreeSet::new();
    for session in &sessions {
        let ended = world.ended(session).await;
        assert_eq!(ended.status, SessionState::Stopped, "{ended:?}");
        assert!(instances.insert(ended.container_id.unwrap()), "an instance is used once");
    }
    world.rested(4).await;
}

#[tokio::test]
async fn a_pool_that_cannot_be_warmed_is_given_up_and_sessions_start_cold() {
    let world = World::new().await;
    let mut pool = pool(1);
    // The memory runtime has no such program, and says so when it starts the instance.
    pool.spec.command = vec!["no-such-program".into()];
    pool.size.max_failures = 3;
    pool.wait = Duration::from_millis(50);
    let _keeper = world.keep(&pool);
    let _orchestrator = world.orchestrate(std::slice::from_ref(&pool)).await;
    let ended = world.ended(&world.session(&["print", "x"]).await).await;
    assert_eq!(ended.status, SessionState::Stopped);
    world.rested(0).await;
}

#[tokio::test]
async fn a_pool_that_is_no_longer_kept_is_emptied_after_a_while() {
    let world = World::new().await;
    let keeper = world.keep(&pool(2));
    world.rested(2).await;
    keeper.shutdown(SOON).await.unwrap();
    let other = changed(pool(1), |pool| pool.name = "other".into());
    let _keeper = world.keep_with(vec![other], |options| options.forget_after = Duration::ZERO);
    let members = world.rested(1).await;
    assert_eq!(members[0].pool, "other");
}

#[tokio::test]
async fn a_quota_is_charged_for_sessions_of_a_pool() {
    let world = World::new().await;
    let pool = pool(2);
    let _keeper = world.keep(&pool);
    world.rested(2).await;
    let _orchestrator = world.orchestrate(std::slice::from_ref(&pool)).await;
    let limits = QuotaLimits { max_containers: 1, ..QuotaLimits::default() };
    let sessions = Sessions::new(world.journal.clone(), slate_core::policy::MountPolicy::none(), Some(limits));
    let new = || {
        let spec = changed(spec(), |spec| spec.command = vec!["sleep".into(), "600".into()]);
        NewSession::new(world.project.id, world.user.clone(), RuntimeType::Custom, "memory", spec)
    };
    let first = sessions.create(new()).await.unwrap();
    world.running(&first).await;
    assert_eq!(sessions.create(new()).await.unwrap_err().kind(), ErrorKind::ResourceExhausted);
    sessions.request_stop(first.id).await.unwrap();
    world.ended(&first).await;
    sessions.create(new()).await.unwrap();
}

#[tokio::test]
async fn pools_that_are_not_sound_are_refused() {
    let world = World::new().await;
    let start = |pools| {
        PoolKeeper::start(world.journal.clone(), Arc::clone(&world.runtime) as _, PoolKeeperOptions::new(pools))
    };
    let bridged = changed(pool(1), |pool| pool.spec = RuntimeSpec::new("s", ["x"]));
    for pools in [
        vec![pool(1), pool(1)],
        vec![changed(pool(1), |pool| pool.name.clear())],
        vec![changed(pool(1), |pool| pool.size = PoolSpec::fixed(2, 1))],
        vec![bridged.clone()],
    ] {
        assert_eq!(start(pools).unwrap_err().kind(), ErrorKind::Invalid);
    }
    bridged.for_project(world.project.id).validate().unwrap();
}
