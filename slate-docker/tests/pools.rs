//! Warm pools on a real engine: claimed by sessions, refilled, and whole again whatever was cut off in the middle.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{SOON, agent, backend_with, image, options, unique};
use slate_core::{
    SystemClock, UserId,
    memory::{MemoryBus, MemoryStore},
    model::{LogSource, PoolMember, PoolMemberState, Project, RuntimeSession, SessionState},
    policy::{MountPolicy, PoolSpec},
    runtime::{ListOptions, NetworkMode, RuntimeBackendExt, RuntimeSpec, RuntimeType},
    service::{
        Handle, Journal, LogAggregator, LogOptions, NewSession, Orchestrator, OrchestratorOptions, Pool, PoolKeeper,
        PoolKeeperOptions, Sessions,
    },
    store::{LogQuery, PageRequest, PoolMemberQuery, Store, StoreExt},
};
use slate_docker::DockerBackend;
use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

#[derive(Clone)]
struct World {
    store: Arc<dyn Store>,
    journal: Journal,
    project: Project,
    user: UserId,
    deployment: String,
    pool: Pool,
}

impl World {
    async fn new(ready: u32) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let journal = Journal::new(Arc::clone(&store), Arc::new(SystemClock));
        let user = UserId::new("ada").unwrap();
        let project = Project::new("Test", user.clone(), journal.now());
        store.create(project.clone().into()).await.unwrap();
        let mut size = PoolSpec::fixed(ready, 12);
        size.scale_down_delay = Duration::ZERO;
        let pool = Pool::new("p", spec(), size).with_wait(Duration::from_secs(5));
        Self { store, journal, project, user, deployment: unique("pools"), pool }
    }

    /// A keeper and an orchestrator, as one process has them.
    async fn serve(&self, backend: &DockerBackend) -> Vec<Handle> {
        let (bus, runtime) = (Arc::new(MemoryBus::new()), Arc::new(backend.clone()));
        let mut keeping = PoolKeeperOptions::new(vec![self.pool.clone()]);
        keeping.deployment.clone_from(&self.deployment);
        keeping.look = Duration::from_millis(50);
        keeping.lease = Duration::from_secs(1);
        keeping.sweep_every = Duration::from_millis(500);
        keeping.orphan_grace = Duration::from_secs(1);
        let mut orchestrating = OrchestratorOptions::default();
        orchestrating.deployment.clone_from(&self.deployment);
        orchestrating.lease = Duration::from_secs(1);
        orchestrating.poll = Duration::from_millis(20);
        orchestrating.watch = Duration::from_millis(50);
        orchestrating.pools = vec![self.pool.clone()];
        let (store, clock) = (Arc::clone(&self.store) as _, Arc::clone(self.journal.clock()));
        let (logs, aggregator) =
            LogAggregator::start(store, Arc::clone(&bus) as _, clock, LogOptions::default()).await.unwrap();
        let keeper = PoolKeeper::start(self.journal.clone(), Arc::clone(&runtime) as _, keeping).unwrap();
        let orchestrator = Orchestrator::start(self.journal.clone(), bus, runtime, logs, orchestrating).await.unwrap();
        vec![orchestrator, keeper, aggregator]
    }

    async fn session(&self, script: &str) -> RuntimeSession {
        let mut spec = spec();
        spec.command = ["sh", "-c", script].map(str::to_owned).to_vec();
        let new = NewSession::new(self.project.id, self.user.clone(), RuntimeType::Custom, "docker", spec);
        Sessions::new(self.journal.clone(), MountPolicy::none(), None).create(new).await.unwrap()
    }

    async fn ended(&self, session: &RuntimeSession) -> RuntimeSession {
        eventually("the session's end", || async {
            let session = self.store.session(session.id).await.unwrap();
            session.status.is_final().then_some(session)
        })
        .await
    }

    async fn lines(&self, session: &RuntimeSession) -> Vec<String> {
        let query = LogQuery::all().of_source(LogSource::Session(session.id));
        let found = self.store.logs(query, PageRequest::default()).await.unwrap().items;
        found.into_iter().map(|line| line.message).collect()
    }

    /// Waits until just so many members are ready, and no other container is there.
    async fn rested(&self, backend: &DockerBackend, ready: usize) -> Vec<PoolMember> {
        let ours = [("slate.deployment".to_owned(), self.deployment.clone())];
        eventually(&format!("a pool of {ready} at rest"), || async {
            let members = self.store.pool_members(PoolMemberQuery::all(), PageRequest::default()).await.unwrap().items;
            let all = members.iter().all(|member| member.state == PoolMemberState::Ready);
            if !all || members.len() != ready {
                return None;
            }
            let listed = backend.list_all(ListOptions::default().with_labels(ours.clone().into())).await.ok()?;
            let listed: BTreeSet<_> = listed.into_iter().map(|instance| Some(instance.id)).collect();
            let known: BTreeSet<_> = members.iter().map(|member| member.instance_id.clone()).collect();
            (listed == known).then_some(members)
        })
        .await
    }

    async fn clean(&self, backend: &DockerBackend) {
        let ours = [("slate.deployment".to_owned(), self.deployment.clone())];
        for instance in backend.list_all(ListOptions::default().with_labels(ours.into())).await.unwrap() {
            backend.remove_if_there(&instance.id).await.unwrap();
        }
    }
}

fn spec() -> RuntimeSpec {
    let mut spec = RuntimeSpec::new("session", ["sh"]).with_image(image());
    spec.network = NetworkMode::None;
    spec
}

async fn end(services: Vec<Handle>) {
    for service in services {
        service.shutdown(SOON).await.unwrap();
    }
}

async fn a_session_takes_a_member(backend: DockerBackend) {
    let world = World::new(2).await;
    let services = world.serve(&backend).await;
    let before: BTreeSet<_> = world.rested(&backend, 2).await.into_iter().map(|member| member.instance_id).collect();
    let session = world.session("echo one; echo two; exit 3").await;
    let session = world.ended(&session).await;
    assert_eq!((session.status, session.exit.and_then(|exit| exit.code)), (SessionState::Error, Some(3)));
    assert!(before.contains(&session.container_id), "{session:?} of {before:?}");
    assert_eq!(world.lines(&session).await, ["one", "two"]);
    let after = world.rested(&backend, 2).await;
    assert!(after.iter().all(|member| member.instance_id != session.container_id), "it is used once");
    end(services).await;
    world.clean(&backend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_takes_a_member_that_waits_by_an_agent() {
    let Some(agent) = agent() else { return };
    if let Some(backend) = backend_with(options().with_agent(agent)).await {
        a_session_takes_a_member(backend).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_takes_a_member_that_idles_in_a_shell() {
    if let Some(backend) = backend_with(options()).await {
        a_session_takes_a_member(backend).await;
    }
}

/// A member whose container was killed from outside is found and replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_member_is_replaced() {
    let Some(agent) = agent() else { return };
    let Some(backend) = backend_with(options().with_agent(agent)).await else { return };
    let world = World::new(2).await;
    let services = world.serve(&backend).await;
    let before = world.rested(&backend, 2).await;
    backend.remove_if_there(before[0].instance_id.as_ref().unwrap()).await.unwrap();
    let after = world.rested(&backend, 2).await;
    assert!(after.iter().all(|member| member.id != before[0].id));
    end(services).await;
    world.clean(&backend).await;
}

/// All services of a process are cut off in the middle of their work, again and again: tasks end at whatever await they are
/// at, as after a kill, and only the store and the engine remain.
#[test]
fn nothing_is_lost_or_left_when_the_services_are_cut_off_in_the_middle() {
    let new = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let Some(agent) = agent() else { return };
    let lasting = new();
    let options = options().with_agent(agent);
    let Some(backend) = lasting.block_on(backend_with(options.clone())) else { return };
    let world = lasting.block_on(World::new(3));
    let mut sessions = Vec::new();
    for round in 0..8_u64 {
        let cut_off = new();
        cut_off.block_on(async {
            let backend = DockerBackend::open(options.clone()).await.unwrap();
            let services = world.serve(&backend).await;
            for _ in 0..3 {
                sessions.push(world.session("echo ran; sleep 0.2").await);
            }
            // Another moment in each round, from before the first warm member on.
            tokio::time::sleep(Duration::from_millis(40 + round * 170)).await;
            // They must not be asked to end.
            std::mem::forget(services);
        });
        cut_off.shutdown_background();
    }
    lasting.block_on(async {
        let services = world.serve(&backend).await;
        for session in &sessions {
            let ended = world.ended(session).await;
            assert_eq!(ended.status, SessionState::Stopped, "{ended:?}");
            assert_eq!(world.lines(&ended).await, ["ran"], "each ran once: {ended:?}");
        }
        world.rested(&backend, 3).await;
        end(services).await;
        world.clean(&backend).await;
    });
}
