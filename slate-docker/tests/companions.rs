//! Files, volumes, freezing, names, health, terminals: what the contract's suite doesn't ask for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::{SOON, backend, backend_with, lines_of, options, printed, spec, unique, within};
use futures_util::StreamExt;
use slate_core::{
    ErrorKind, InstanceId,
    runtime::{
        Command, ExecOptions, Files, HealthCheck, HealthProbe, InstanceState, ListOptions, LogOptions, MountMode,
        MountType, Pausing, RemoveOptions, ResourceSample, RuntimeBackend, RuntimeBackendExt, RuntimeChange,
        StatsOptions, StopOptions, VolumeMount, WatchOptions,
    },
};
use slate_docker::DockerBackend;
use std::time::Duration;

fn volume(name: &str, path: &str) -> VolumeMount {
    VolumeMount { host_path: name.into(), container_path: path.into(), mode: MountMode::Rw, kind: MountType::Volume }
}

async fn running(backend: &DockerBackend, name: &str) -> InstanceId {
    let id = backend.run(&spec(name, "echo ready; sleep 600")).await.unwrap();
    printed(backend, &id, "ready").await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_in_and_out() {
    let Some(backend) = backend().await else { return };
    let (volumes, name) = (backend.volumes().unwrap(), unique("files"));
    let id = backend.run(&spec("files", "echo ready; sleep 600").with_mount(volume(&name, "/saves"))).await.unwrap();
    printed(&backend, &id, "ready").await;
    let large = Bytes::from((0..3_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    // One is a folder of memory, one a volume: the engine reaches only the second by itself.
    for path in ["/tmp/a file's name", "/saves/game"] {
        for content in [Bytes::new(), Bytes::from_static(b"\0hello\xff"), large.clone()] {
            backend.put(&id, path, content.clone()).await.unwrap();
            assert!(backend.get(&id, path, 4_000_000).await.unwrap() == content, "{path}");
        }
        let error = backend.get(&id, path, 1000).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{path}: {error}");
        let append = Command::new(["sh", "-c", "echo x >>\"$1\"", "sh", path]);
        let shown = backend.exec_all(&id, &append, ExecOptions::default());
        assert_eq!(shown.await.unwrap().2.code, Some(0), "the program may write to what it was given: {path}");
    }
    for path in ["/tmp/nowhere/x", "/saves/nowhere/x"] {
        let error = backend.put(&id, path, Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{path}: {error}");
        assert_eq!(backend.get(&id, path, 10).await.unwrap_err().kind(), ErrorKind::NotFound, "{path}");
    }
    for path in ["relative", "/tmp/../etc/passwd", "/tmp/"] {
        assert_eq!(backend.get(&id, path, 10).await.unwrap_err().kind(), ErrorKind::Invalid, "{path}");
    }
    let full = backend.put(&id, "/tmp/full", Bytes::from(vec![7; 80 << 20])).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::ResourceExhausted, "{full}");
    assert_eq!(backend.get(&id, "/tmp/full", 10).await.unwrap_err().kind(), ErrorKind::NotFound, "whole or not at all");
    let image = backend.put(&id, "/bin/evil", Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(image.kind(), ErrorKind::PermissionDenied, "{image}");
    let nobody = InstanceId::new("nobody").unwrap();
    assert_eq!(backend.get(&nobody, "/tmp/x", 10).await.unwrap_err().kind(), ErrorKind::NotFound);
    backend.remove_if_there(&id).await.unwrap();
    volumes.remove(&name).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_outlives_its_instances_and_belongs_to_their_user() {
    let Some(backend) = backend().await else { return };
    let (volumes, name) = (backend.volumes().unwrap(), unique("saves"));
    let write = spec("write", "echo level 3 >/saves/game; cat /saves/game").with_mount(volume(&name, "/saves"));
    // What fails for want of an image leaves no volume that belongs to root.
    let without = write.clone().with_image("slate-test/nobody:1".parse().unwrap());
    assert_eq!(backend.create(&without).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(lines_of(&backend, &write).await, ["level 3"]);
    let read = spec("read", "cat /saves/game; touch /saves/x 2>/dev/null || echo locked");
    let read = read.with_mount(volume(&name, "/saves").read_only());
    let id = backend.create(&read).await.unwrap();
    assert_eq!(volumes.remove(&name).await.unwrap_err().kind(), ErrorKind::WrongState);
    backend.start(&id).await.unwrap();
    backend.wait_for_exit(&id, SOON).await.unwrap();
    assert_eq!(common::lines(&backend, &id, LogOptions::default()).await, ["level 3", "locked"]);
    backend.remove_if_there(&id).await.unwrap();
    volumes.create(&name).await.unwrap();
    assert!(volumes.list().await.unwrap().contains(&name));
    volumes.remove(&name).await.unwrap();
    volumes.remove(&name).await.unwrap();
    assert!(!volumes.list().await.unwrap().contains(&name));
    assert_eq!(volumes.create("../x").await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_instance_stands_still_and_can_be_stopped() {
    let Some(backend) = backend().await else { return };
    let id = running(&backend, "frozen").await;
    assert_eq!(backend.resume(&id).await.unwrap_err().kind(), ErrorKind::WrongState);
    backend.pause(&id).await.unwrap();
    assert_eq!(backend.inspect(&id).await.unwrap().state, InstanceState::Paused);
    assert_eq!(backend.pause(&id).await.unwrap_err().kind(), ErrorKind::WrongState);
    let exec = backend.exec(&id, &Command::new(["true"]), ExecOptions::default()).await;
    assert_eq!(exec.unwrap_err().kind(), ErrorKind::WrongState);
    // Who follows it waits, and sees what comes after.
    let mut logs = backend.logs(&id, LogOptions::default().with_follow(true));
    assert_eq!(within("the first line", logs.next()).await.unwrap().unwrap().text(), "ready");
    assert!(futures_util::poll!(logs.next()).is_pending());
    backend.resume(&id).await.unwrap();
    assert_eq!(backend.inspect(&id).await.unwrap().state, InstanceState::Running);
    backend.pause(&id).await.unwrap();
    backend.stop(&id, StopOptions::default()).await.unwrap();
    assert_eq!(backend.inspect(&id).await.unwrap().state, InstanceState::Exited);
    assert_eq!(backend.pause(&id).await.unwrap_err().kind(), ErrorKind::WrongState);
    assert!(within("the end of the log", logs.next()).await.is_none());
    backend.start(&id).await.unwrap();
    backend.pause(&id).await.unwrap();
    assert_eq!(backend.remove(&id, RemoveOptions::default()).await.unwrap_err().kind(), ErrorKind::WrongState);
    backend.remove(&id, RemoveOptions::default().with_force(true)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_can_be_renamed() {
    let Some(backend) = backend().await else { return };
    let (first, second) = (spec("a", "sleep 600"), spec("b", "sleep 600"));
    let id = backend.create(&first).await.unwrap();
    let other = backend.create(&second).await.unwrap();
    assert_eq!(backend.rename(&id, &second.name).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(backend.rename(&id, "a/b").await.unwrap_err().kind(), ErrorKind::Invalid);
    let name = unique("renamed");
    backend.rename(&id, &name).await.unwrap();
    assert_eq!(backend.inspect(&id).await.unwrap().name, name);
    for id in [id, other] {
        backend.remove_if_there(&id).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_asked_and_told() {
    let Some(backend) = backend().await else { return };
    let mut spec = spec("health", "touch /tmp/well; echo ready; nc -l -p 7000; sleep 600");
    let mut check = HealthCheck::new(HealthProbe::Exec(vec!["test".into(), "-e".into(), "/tmp/well".into()]));
    (check.interval_ms, check.retries) = (300, 1);
    spec.health = Some(check);
    let mut changes = backend.watch(WatchOptions::default());
    let id = backend.run(&spec).await.unwrap();
    for expected in [true, false] {
        let told = async {
            loop {
                if let RuntimeChange::Health(of, healthy) = changes.next().await.unwrap().unwrap()
                    && of == id
                {
                    return healthy;
                }
            }
        };
        assert_eq!(within("a change of health", told).await, expected);
        assert_eq!(backend.inspect(&id).await.unwrap().healthy, Some(expected));
        let ill = Command::new(["rm", "-f", "/tmp/well"]);
        backend.exec_all(&id, &ill, ExecOptions::default()).await.unwrap();
    }
    backend.remove_if_there(&id).await.unwrap();

    // A port is healthy once somebody listens on it.
    let mut spec = common::spec("port", "sleep 1; nc -l -p 7000");
    let mut check = HealthCheck::new(HealthProbe::Tcp(7000));
    (check.interval_ms, check.retries) = (200, 1);
    spec.health = Some(check);
    let id = backend.run(&spec).await.unwrap();
    let healthy = async {
        while backend.inspect(&id).await.unwrap().healthy != Some(true) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("health", healthy).await;
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_measure_one_instance_get_the_same_readings() {
    let Some(backend) = backend().await else { return };
    let id = running(&backend, "measured").await;
    let all = (0..4).map(|_| backend.stats(&id, StatsOptions::default()).take(2).collect::<Vec<_>>());
    let all = within("the samples", futures_util::future::join_all(all)).await;
    let times = |samples: &[slate_core::Result<ResourceSample>]| {
        samples.iter().map(|sample| sample.as_ref().unwrap().timestamp).collect::<Vec<_>>()
    };
    assert!(all.iter().all(|samples| times(samples) == times(&all[0])), "{all:?}");
    // The connection ends with its listeners, and another one is made for the next.
    assert!(within("a sample", backend.sample(&id)).await.unwrap().pids >= 1);
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_one_stream() {
    let Some(backend) = backend().await else { return };
    let id = running(&backend, "tty").await;
    let command =
        Command::new(["sh", "-c", "test -t 0 && test -t 1 && echo terminal; echo error >&2; read x; echo got $x"]);
    let mut exec = backend.exec(&id, &command, ExecOptions::default().with_tty(true).with_stdin(true)).await.unwrap();
    exec.stdin.as_mut().unwrap().write(Bytes::from_static(b"there\n")).await.unwrap();
    let stdin = exec.stdin.take();
    let (stdout, stderr, exit) = within("the end", exec.collect(1 << 16)).await.unwrap();
    drop(stdin);
    let text = String::from_utf8(stdout).unwrap();
    assert!(text.contains("terminal\r\n") && text.contains("error\r\n") && text.contains("got there"), "{text:?}");
    assert_eq!((stderr.len(), exit.code), (0, Some(0)));
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_realm_is_not_there_for_another() {
    let Some(backend) = backend().await else { return };
    let id = running(&backend, "ours").await;
    let Some(other) = backend_with(options().with_realm("slate-other")).await else { return };
    let not_found = [
        other.inspect(&id).await.map(drop),
        other.start(&id).await,
        other.stop(&id, StopOptions::default()).await,
        other.remove(&id, RemoveOptions::default().with_force(true)).await,
        other.exec(&id, &Command::new(["true"]), ExecOptions::default()).await.map(drop),
        other.logs(&id, LogOptions::default()).next().await.unwrap().map(drop),
        other.get(&id, "/tmp/x", 1).await.map(drop),
        other.rename(&id, "mine").await,
    ];
    for result in not_found {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert!(other.list_all(ListOptions::default()).await.unwrap().iter().all(|instance| instance.id != id));
    assert_eq!(backend.inspect(&id).await.unwrap().state, InstanceState::Running);
    backend.remove_if_there(&id).await.unwrap();
    for bad in ["", "Big", "a/b", "-a", "a_b"] {
        let error = DockerBackend::open(options().with_realm(bad)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{bad:?}");
    }
}
