//! An engine that goes away and comes back, one behind TLS, and one with a stronger isolation: engines of these tests' own,
//! by `dev/engine`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{busybox, image, options, printed, skipped, spec, within};
use futures_util::{StreamExt, TryStreamExt, stream};
use slate_core::{
    Component, ErrorKind, Retry,
    runtime::{
        InstanceState, LogOptions, RuntimeBackend, RuntimeBackendExt, RuntimeChange, StatsOptions, WatchOptions, labels,
    },
};
use slate_docker::{DockerBackend, Endpoint, SubnetPool};
use slate_harness::{Engine, require};
use std::{fs, process::Command};

async fn open(engine: &Engine) -> DockerBackend {
    let backend = DockerBackend::open(options().with_endpoint(Endpoint::Unix(engine.socket()))).await.unwrap();
    backend.import_image(&image(), stream::iter([busybox().unwrap()])).await.unwrap();
    backend
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_was_away_is_found_again() {
    let Some(engine) = require(Engine::start()) else { return };
    let backend = open(&engine).await;
    let id = backend.run(&spec("steady", "echo ready; i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done")).await;
    let id = id.unwrap();
    printed(&backend, &id, "3").await;
    let mut changes = backend.watch(WatchOptions::default());
    let followed = tokio::spawn(backend.logs(&id, LogOptions::default().with_follow(true)).try_collect::<Vec<_>>());
    let measured = tokio::spawn(backend.stats(&id, StatsOptions::default()).try_collect::<Vec<_>>());

    engine.stop().unwrap();
    for error in [
        backend.inspect(&id).await.unwrap_err(),
        backend.start(&id).await.unwrap_err(),
        backend.ping().await.unwrap_err(),
        backend.logs(&id, LogOptions::default()).next().await.unwrap().unwrap_err(),
        backend.create(&spec("away", "true")).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Backoff), "{error:?}");
    }
    engine.restart().unwrap();

    // An engine without `live-restore` ends what ran before.
    assert_eq!(backend.inspect(&id).await.unwrap().state, InstanceState::Exited);
    let resync = async { while changes.next().await.unwrap().unwrap() != RuntimeChange::Resync {} };
    within("the word to list anew", resync).await;
    let chunks = within("the end of the log", followed).await.unwrap().unwrap();
    let lines: Vec<_> = chunks.iter().map(|chunk| chunk.text().into_owned()).collect();
    let expected: Vec<_> = ["ready".to_owned()].into_iter().chain((1..lines.len()).map(|n| n.to_string())).collect();
    assert_eq!(lines, expected, "without gap and without repeat");
    within("the end of the measurements", measured).await.unwrap().unwrap();

    // And it goes on: the same follower semantics after a restart of the instance, and changes are told again.
    backend.start(&id).await.unwrap();
    let started = async { while changes.next().await.unwrap().unwrap() != RuntimeChange::Started(id.clone()) {} };
    within("the start", started).await;
    let after = LogOptions::default().with_follow(true).with_after(chunks.last().map(|chunk| chunk.cursor));
    let first = within("a line", backend.logs(&id, after).next()).await.unwrap().unwrap();
    assert_eq!((first.text().as_ref(), first.lost_before), ("ready", 0));
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_behind_tls_wants_to_see_a_certificate() {
    let Some(engine) = require(Engine::start()) else { return };
    open(&engine).await;
    let (address, certificates) = (engine.tls_address(), engine.certificates());
    let tls = Endpoint::Tls { address: address.clone(), certificates: certificates.clone() };
    let backend = DockerBackend::open(options().with_endpoint(tls)).await.unwrap();
    let lines = common::lines_of(&backend, &spec("tls", "seq 1 1000")).await;
    assert_eq!(lines.len(), 1000);
    let id = backend.run(&spec("exec", "echo ready; sleep 600")).await.unwrap();
    let command = slate_core::runtime::Command::new(["cat"]);
    let options_with_input = slate_core::runtime::ExecOptions::default().with_stdin(true);
    let mut exec = backend.exec(&id, &command, options_with_input).await.unwrap();
    exec.stdin.as_mut().unwrap().write(bytes::Bytes::from_static(b"hello")).await.unwrap();
    let (stdout, _, exit) = within("the command's end", exec.collect(1024)).await.unwrap();
    assert_eq!((&stdout[..], exit.code), (&b"hello"[..], Some(0)));
    backend.remove_if_there(&id).await.unwrap();

    let plain = DockerBackend::open(options().with_endpoint(Endpoint::Tcp(address.clone()))).await.unwrap_err();
    assert!(matches!(plain.kind(), ErrorKind::Invalid | ErrorKind::Unavailable), "{plain:?}");
    let empty = tempfile::tempdir().unwrap();
    let without = Endpoint::Tls { address: address.clone(), certificates: empty.path().into() };
    assert_eq!(DockerBackend::open(options().with_endpoint(without)).await.unwrap_err().kind(), ErrorKind::Invalid);
    // An authority of another name: the engine is not who it says.
    for file in ["key.pem", "cert.pem"] {
        fs::copy(certificates.join(file), empty.path().join(file)).unwrap();
    }
    fs::copy(certificates.join("cert.pem"), empty.path().join("ca.pem")).unwrap();
    let strange = Endpoint::Tls { address, certificates: empty.path().into() };
    let error = DockerBackend::open(options().with_endpoint(strange)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_unavailable() {
    let nowhere = [Endpoint::Unix("/nowhere/docker.sock".into()), Endpoint::Tcp("127.0.0.1:1".into())];
    for endpoint in nowhere {
        let error = DockerBackend::open(options().with_endpoint(endpoint)).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Backoff), "{error:?}");
        assert!(error.context().iter().any(|(key, _)| *key == "endpoint"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn networks_beyond_the_engine_s_addresses_have_those_of_the_backend() {
    let Some(engine) = require(Engine::start_short_of_addresses()) else { return };
    let _loaded = open(&engine).await;
    let subnets = "203.0.113.0/24".parse::<SubnetPool>().unwrap().with_prefix(25).unwrap();
    let options = options().with_endpoint(Endpoint::Unix(engine.socket())).with_subnets(subnets);
    let backend = DockerBackend::open(options).await.unwrap();
    let script = "ip -4 addr show eth0 | awk '/inet /{print $2}'; echo ready; sleep 600";
    let of_project = |project: &str| spec("addressed", script).with_label(labels::PROJECT, project);

    let mut instances = Vec::new();
    for project in ["one", "two", "three"] {
        instances.push(backend.run(&of_project(project)).await.unwrap());
    }
    let mut addresses = Vec::new();
    for id in &instances {
        printed(&backend, id, "ready").await;
        addresses.push(common::lines(&backend, id, LogOptions::default()).await.swap_remove(0));
    }
    addresses.sort();
    assert_eq!(addresses, ["198.51.100.2/24", "203.0.113.130/25", "203.0.113.2/25"]);

    let full = backend.run(&of_project("four")).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::ResourceExhausted, "{full:?}");
    backend.remove_if_there(&instances.swap_remove(1)).await.unwrap();
    instances.push(backend.run(&of_project("four")).await.unwrap());
    for id in instances {
        backend.remove_if_there(&id).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stronger_isolation_runs_what_asks_for_it() {
    if Command::new("runsc").arg("--version").output().is_err() {
        return skipped("no runsc: install the package of that name");
    }
    let Some(engine) = require(Engine::start()) else { return };
    let backend = open(&engine).await;
    // gVisor says so in its kernel's messages, which a program of the usual isolation can't even read.
    let script = "dmesg 2>/dev/null | grep -o -m1 gVisor; id -u; touch /x 2>/dev/null || echo kept; \
                  echo y >/tmp/y && cat /tmp/y; exit 3";
    let mut sandboxed = spec("sandboxed", script);
    sandboxed.isolation = Some("runsc".into());
    slate_core::policy::SecurityPolicy::default().check(&sandboxed).unwrap();
    let id = backend.run(&sandboxed).await.unwrap();
    assert_eq!(backend.wait_for_exit(&id, common::SOON).await.unwrap().code, Some(3));
    let lines = common::lines(&backend, &id, LogOptions::default()).await;
    assert_eq!(lines, ["gVisor", "10001", "kept", "y"]);
    assert_eq!(backend.audit(&id).await.unwrap(), []);
    backend.remove_if_there(&id).await.unwrap();

    let mut sandboxed = spec("long", "echo ready; sleep 600");
    sandboxed.isolation = Some("runsc".into());
    let id = backend.run(&sandboxed).await.unwrap();
    printed(&backend, &id, "ready").await;
    let command = slate_core::runtime::Command::new(["cat", "/proc/version"]);
    let (stdout, _, exit) = backend.exec_all(&id, &command, slate_core::runtime::ExecOptions::default()).await.unwrap();
    let (inside, outside) = (String::from_utf8(stdout).unwrap(), fs::read_to_string("/proc/version").unwrap());
    assert!(exit.success() && inside.starts_with("Linux version") && inside != outside, "{inside}");
    let soon = slate_core::runtime::StopOptions::default().with_grace(std::time::Duration::from_secs(1));
    backend.stop(&id, soon).await.unwrap();
    backend.remove_if_there(&id).await.unwrap();

    sandboxed.isolation = Some("unknown".into());
    let error = backend.run(&sandboxed).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound), "{error:?}");
}
