//! The harness starts real servers, breaks them on purpose, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use slate_harness::{
    Nats, NatsCluster, NatsVersion, Port, Postgres, PostgresOptions, Redis, Sentinels, require, shared,
};
use std::{collections::BTreeSet, net::TcpListener, path::Path, time::Duration};

#[test]
fn postgres_survives_a_kill_with_what_it_holds() {
    let Some(mut server) = require(Postgres::start(&PostgresOptions::default())) else { return };
    let address = server.address().clone();
    address.psql("postgres", "CREATE TABLE t AS SELECT 7 AS n").unwrap();
    server.kill9().unwrap();
    assert!(address.psql("postgres", "SELECT 1").is_err());
    server.restart().unwrap();
    assert_eq!(address.psql("postgres", "SELECT n FROM t").unwrap(), "7");
}

#[test]
fn a_postgres_replica_takes_over() {
    let options = PostgresOptions::default();
    let Some(mut primary) = require(Postgres::start(&options)) else { return };
    primary.address().psql("postgres", "CREATE TABLE t AS SELECT 7 AS n").unwrap();
    let replica = primary.replica(&options).unwrap();
    let read = || replica.address().psql("postgres", "SELECT n FROM t");
    eventually("the row comes", || read().is_ok_and(|n| n == "7"));
    assert!(replica.address().psql("postgres", "DELETE FROM t").is_err());
    primary.kill9().unwrap();
    replica.promote().unwrap();
    replica.address().psql("postgres", "DELETE FROM t").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_are_copied_from_one_template() {
    let Some(address) = require(shared::postgres()) else { return };
    let name = slate_harness::unique("template");
    let mut databases = Vec::new();
    for _ in 0..2 {
        let migrate = |url: String| {
            let (address, name) = (address.clone(), name.clone());
            async move {
                assert!(url.ends_with(&name));
                address.psql(&name, "CREATE TABLE once (); CREATE TABLE t AS SELECT 7 AS n").map(drop)
            }
        };
        databases.push(address.database_from(&name, migrate).await.unwrap());
    }
    assert_ne!(databases[0].name, databases[1].name);
    address.psql(&databases[0].name, "DELETE FROM t").unwrap();
    assert_eq!(address.psql(&databases[1].name, "SELECT n FROM t").unwrap(), "7");
    let gone = databases.remove(0).name.clone();
    assert!(address.psql(&gone, "SELECT 1").is_err(), "dropped with its value");
    address.psql("postgres", &format!("ALTER DATABASE \"{name}\" IS_TEMPLATE false")).unwrap();
    address.psql("postgres", &format!("DROP DATABASE \"{name}\"")).unwrap();
}

#[test]
fn redis_starts_again_on_its_port() {
    let Some(mut server) = require(Redis::start()) else { return };
    server.ask("SET a 1", "OK").unwrap();
    server.kill9().unwrap();
    assert!(server.ask("PING", "PONG").is_err());
    server.restart().unwrap();
    server.ask("PING", "PONG").unwrap();
    server.stop().unwrap();
    assert!(server.ask("PING", "PONG").is_err(), "a halted server answers nothing");
    server.cont().unwrap();
    server.ask("PING", "PONG").unwrap();
}

#[test]
fn sentinels_choose_another_primary() {
    let Some(mut group) = require(Sentinels::start()) else { return };
    let primary = group.primary().unwrap();
    let old = primary.port();
    // By one connection: `WAIT` is for what its own has written.
    eventually("both replicas have it", || primary.ask("SET a 1\r\nWAIT 2 1000", ":2\r\n").is_ok());
    primary.kill9().unwrap();
    eventually("another one is chosen", || group.primary().is_ok_and(|primary| primary.port() != old));
    let primary = group.primary().unwrap();
    eventually("it has the value", || primary.ask("GET a", "\r\n").is_ok_and(|answer| answer.contains("$1")));
}

#[test]
fn both_versions_of_nats_start() {
    for version in NatsVersion::ALL {
        let Some(mut server) = require(Nats::start(version)) else { continue };
        server.kill9().unwrap();
        server.restart().unwrap();
        let Some(mut cluster) = require(NatsCluster::start(version)) else { continue };
        assert_eq!(cluster.urls().len(), 3);
        cluster.servers()[0].kill9().unwrap();
    }
}

#[test]
fn no_two_have_a_port() {
    let taken: Vec<_> = std::thread::scope(|scope| {
        let takers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| (0..50).map(|_| Port::take().unwrap()).collect::<Vec<_>>())).collect();
        takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect()
    });
    let numbers: BTreeSet<_> = taken.iter().map(Port::number).collect();
    assert_eq!(numbers.len(), 400);
    let held = TcpListener::bind(("127.0.0.1", taken[0].number()));
    assert!(held.is_ok(), "its server can listen there");
}

#[test]
fn shared_servers_are_the_same_for_all() {
    if let (Some(one), Some(other)) = (require(shared::redis()), require(shared::redis())) {
        assert_eq!(one, other);
    }
    for version in NatsVersion::ALL {
        require(shared::nats(version));
    }
}

/// The test starts itself as a child which starts a server and is killed.
#[test]
fn a_server_ends_with_the_process_that_started_it() {
    const CHILD: &str = "SLATE_HARNESS_TEST_CHILD";
    if let Ok(told) = std::env::var(CHILD) {
        let Some(server) = require(Postgres::start(&PostgresOptions::default())) else { return };
        std::fs::write(told, server.pid().to_string()).unwrap();
        loop {
            std::thread::park();
        }
    }
    if require(Postgres::start(&PostgresOptions::default())).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("pid");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_server_ends_with_the_process_that_started_it"])
        .env(CHILD, &told)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = || std::fs::read_to_string(&told).ok().and_then(|pid| pid.parse::<u32>().ok());
    eventually("the server runs", || pid().is_some());
    let process = format!("/proc/{}", pid().unwrap());
    let data = std::fs::read_link(format!("{process}/cwd")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the server is gone", || !Path::new(&process).exists());
    eventually("its folder is gone", || !data.exists());
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}
