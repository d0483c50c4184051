//! `kill -9` of one of two `slate serve` that share a store and an engine, again and again, while sessions run in containers.
//!
//! `SLATE_CRASH_ROUNDS` says how often (default 30), `SLATE_CRASH_SEED` at which moments.

use crate::{
    service::Service,
    support::{World, backend, realm, script},
};
use slate_core::{
    InstanceId,
    model::{LogSource, PoolMember, PoolMemberState, SessionState},
    runtime::{NetworkMode, RemoveOptions, RuntimeBackend, RuntimeBackendExt, labels},
    store::{PageRequest, PoolMemberQuery, SessionQuery},
};
use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const LINES: usize = 100;

fn serve(data: &Path, realm: &str) -> Service {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slate"));
    command.args(["serve", "--backend", "docker", "--log", "error", "--data"]).arg(data);
    command.env("SLATE_LEASE", "2").env("SLATE_DOCKER_REALM", realm).current_dir(data).stdout(Stdio::null());
    Service::start(&mut command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_start_nothing_twice_and_leave_nothing_behind() {
    kills("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holds_with_warm_pools() {
    kills("[service.pools.warm]\nimage = \"slate-test/containers:1\"\npids = 64\nready = 2\nmost = 12\n").await;
}

async fn kills(pools: &str) {
    let number = |name: &str, default: u64| std::env::var(name).ok().map_or(default, |text| text.parse().unwrap());
    let (rounds, mut seed) = (number("SLATE_CRASH_ROUNDS", 30), number("SLATE_CRASH_SEED", 20_261_121));
    let realm = realm();
    let Some(backend) = backend(&realm).await else { return };
    let world = World::new(backend).await;
    let spec = |text: &str| {
        let mut spec = script(text);
        if !pools.is_empty() {
            spec.network = NetworkMode::None;
        }
        spec
    };
    std::fs::write(world.data.join("slate.toml"), format!("[service.docker]\npull = \"never\"\n{pools}")).unwrap();
    let beside = serve(&world.data, &realm);
    let mut started = Vec::new();
    for _ in 0..rounds {
        let killed = serve(&world.data, &realm);
        for _ in 0..2 {
            let text = format!("i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; sleep 0.03; done");
            started.push(world.start(spec(&text)).await.id);
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis((seed >> 33) % 3000)).await;
        drop(killed);
    }
    if !pools.is_empty() {
        world.eventually("a ready member", async |world| !ready(&members(world).await).is_empty()).await;
    }
    // One that is taken away by hand ends as that.
    let removed = world.start(spec("echo up; sleep 600")).await.id;
    let running = world.until(removed, |session| session.status == SessionState::Running).await;
    let instance = world.backend.inspect(running.container_id.as_ref().unwrap()).await.unwrap();
    assert_eq!(instance.labels.contains_key(labels::POOL), !pools.is_empty(), "{instance:#?}");
    let force = RemoveOptions::default().with_force(true);
    world.backend.remove(running.container_id.as_ref().unwrap(), force).await.unwrap();
    let gone = world.ended(removed).await;
    assert_eq!(gone.status, SessionState::Error, "{gone:#?}");
    // The engine kills it first, and where that takes long somebody may see it killed and still there.
    let message = gone.error_message.as_deref().unwrap();
    assert!(message.contains("removed from outside") || message == "exit code 137", "{gone:#?}");

    for id in started {
        let session = world.ended(id).await;
        assert_eq!((session.status, session.restarts), (SessionState::Stopped, 0), "{session:#?}");
        // A second start of the same program would say its lines again.
        let expected: Vec<_> = (1..=LINES).map(|number| format!("line {number}")).collect();
        assert_eq!(world.lines(LogSource::Session(id)).await, expected, "{session:#?}");
    }
    let nothing_left = async |world: &World| {
        let there: BTreeSet<_> = world.instances().await.into_iter().collect();
        let ready = ready(&members(world).await);
        there == ready && ready.is_empty() == pools.is_empty()
    };
    world.eventually("nothing left but what is ready", nothing_left).await;
    let all = world.pieces.journal.store().sessions(SessionQuery::all(), PageRequest::first(1000)).await.unwrap();
    assert!(all.items.iter().all(|session| session.status.is_final()));
    Service::end([beside]);
    // What was ready stays so for the next service.
    for instance in world.instances().await {
        world.backend.remove_if_there(&instance).await.unwrap();
    }
}

async fn members(world: &World) -> Vec<PoolMember> {
    world.pieces.journal.store().pool_members(PoolMemberQuery::all(), PageRequest::first(1000)).await.unwrap().items
}

fn ready(members: &[PoolMember]) -> BTreeSet<InstanceId> {
    let ready = members.iter().filter(|member| member.state == PoolMemberState::Ready);
    ready.filter_map(|member| member.instance_id.clone()).collect()
}
