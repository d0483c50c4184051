use super::support::{Addresses, Fleet, World};
use slate_core::model::SessionState;
use slate_harness::{NatsCluster, NatsVersion, Postgres, PostgresOptions, Sentinels, require};

/// The services run on two Postgres servers, three of NATS, and Redis under Sentinels; one of each dies, and they go on.
#[tokio::test(flavor = "multi_thread")]
async fn services_outlive_a_server_of_every_kind() {
    let options = PostgresOptions::default();
    let Some(mut primary) = require(Postgres::start(&options)) else { return };
    let Some(mut nats) = require(NatsCluster::start(NatsVersion::V2_15)) else { return };
    let Some(mut redis) = require(Sentinels::start()) else { return };
    let replica = primary.replica(&options).unwrap();
    let data = tempfile::tempdir().unwrap();
    let (first, second) = (primary.address().port, replica.address().port);
    let store = format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres");
    let sentinels: Vec<_> = redis.urls().iter().map(|url| url.replace("redis://", "")).collect();
    let cache = format!("sentinel://{}/{}", sentinels.join(","), Sentinels::NAME);
    let world = World::new(data.path(), &store).await;
    let addresses = Addresses { store, bus: nats.urls().join(","), cache, durable: 3 };
    let fleet = Fleet::start(data.path(), &addresses, &["orchestrator,logs", "builds,assets,analytics"]);
    let session = world.session("echo ready; while :; do sleep 0.05; done").await;
    world.done(&world.build().await, &world.assets(1).await).await;

    let killed = std::time::Instant::now();
    primary.kill9().unwrap();
    replica.promote().unwrap();
    let build = loop {
        // Whoever asks is told that the store is away for a moment.
        if let Ok(build) = world.try_build().await {
            break build;
        }
        assert!(killed.elapsed() < super::support::PATIENCE, "the store doesn't come back");
    };
    world.done(&build, &world.assets(2).await).await;
    println!("the store: work done {:.1} s after the primary died", killed.elapsed().as_secs_f32());

    let killed = std::time::Instant::now();
    nats.servers()[0].kill9().unwrap();
    world.done(&world.build().await, &world.assets(3).await).await;
    println!("the bus: work done {:.1} s after a node died", killed.elapsed().as_secs_f32());

    let killed = std::time::Instant::now();
    redis.primary().unwrap().kill9().unwrap();
    world.done(&world.build().await, &world.assets(4).await).await;
    println!("the cache: work done {:.1} s after its primary died", killed.elapsed().as_secs_f32());

    // The session ran through all of it.
    let now = world.store.session(session.id).await.unwrap();
    assert_eq!((now.status, now.restarts), (SessionState::Running, 0), "{now:?}");
    world.stop(session.id).await;
    fleet.end();
}
