//! What survives the death of the service, and of the supervisor.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{SOON, clean, lines, living, open, options, printed, until};
use rustix::process::{Pid, Signal, kill_process};
use slate_core::{
    InstanceId,
    runtime::{
        InstanceState, ListOptions, LogOptions, RemoveOptions, RuntimeBackend, RuntimeBackendExt, RuntimeSpec,
        StopOptions,
    },
};
use slate_process::{Cgroups, ProcessBackend};
use std::{fs, path::Path, process::Command, time::Duration};

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn shim_of(root: &Path, id: &InstanceId) -> i32 {
    let state = fs::read(root.join("instances").join(id.as_str()).join("state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    state["shim"]["pid"].as_i64().unwrap() as i32
}

/// Not a test by itself: the service that the next one kills. It runs two instances and then hangs.
#[tokio::test]
#[ignore = "started by a_killed_service_leaves_its_instances_running"]
async fn service_to_be_killed() {
    let Some(root) = std::env::var_os("SLATE_TEST_ROOT") else { return };
    let backend = open(Path::new(&root)).await;
    let count = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; sleep 0.005; done; exit 17";
    backend.run(&RuntimeSpec::new("counter", ["sh", "-c", count])).await.unwrap();
    backend.run(&RuntimeSpec::new("waiter", ["sh", "-c", "echo ready; exec sleep 600"])).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_leaves_its_instances_running() {
    let root = tempfile::tempdir().unwrap();
    let mut service = Command::new(std::env::current_exe().unwrap())
        .args(["service_to_be_killed", "--exact", "--ignored", "--nocapture"])
        .env("SLATE_TEST_ROOT", root.path())
        .spawn()
        .unwrap();
    let backend = open(root.path()).await;
    let mut found = Vec::new();
    for _ in 0..1000 {
        found = backend.list_all(ListOptions::default().with_all(false)).await.unwrap();
        if found.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(found.len(), 2, "the service has started both");
    let id = |name: &str| found.iter().find(|instance| instance.name == name).unwrap().id.clone();
    let (counter, waiter) = (id("counter"), id("waiter"));
    printed(&backend, &counter, "20").await;
    service.kill().unwrap();
    service.wait().unwrap();

    // A fresh backend, as after a restart.
    let backend = open(root.path()).await;
    assert_eq!(backend.inspect(&waiter).await.unwrap().state, InstanceState::Running);
    assert_eq!(backend.inspect(&counter).await.unwrap().state, InstanceState::Running, "it went on without a service");
    let exit = backend.wait_for_exit(&counter, SOON).await.unwrap();
    assert_eq!(exit.code, Some(17));
    let expected: Vec<_> = (1..=400).map(|n| n.to_string()).collect();
    assert_eq!(lines(&backend, &counter, LogOptions::default()).await, expected);
    backend.stop(&waiter, StopOptions::default()).await.unwrap();
    assert_eq!(backend.inspect(&waiter).await.unwrap().exit.unwrap().signal, Some(15));
    clean(&backend).await;
}

/// A family of which some have left the session and ignore being asked; its supervisor is killed.
async fn orphaned(root: &Path, cgroups: Cgroups) -> (ProcessBackend, InstanceId, String) {
    let backend = ProcessBackend::open(options(root).with_cgroups(cgroups)).await.unwrap();
    let script = "trap '' TERM HUP PIPE; sleep 601 & (setsid sleep 602 &) ; echo ready; while :; do sleep 1; done";
    let id = backend.run(&RuntimeSpec::new("orphan", ["sh", "-c", script])).await.unwrap();
    printed(&backend, &id, "ready").await;
    let mark = format!("SLATE_INSTANCE={id}");
    until("the family", || living(&mark).len() >= 3).await;
    let shim = shim_of(root, &id);
    kill(shim);
    until("the supervisor's end", || !matches!(common::state(shim), Some('R' | 'S' | 'D'))).await;
    (backend, id, mark)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_supervisor_an_instance_is_still_told_truly() {
    let root = tempfile::tempdir().unwrap();
    let (backend, id, mark) = orphaned(root.path(), Cgroups::Auto).await;
    let instance = backend.inspect(&id).await.unwrap();
    assert_eq!(instance.state, InstanceState::Running, "its program lives");
    assert!(backend.start(&id).await.is_err(), "it isn't started twice");
    kill(instance.process_id.unwrap() as i32);
    until("the program's end", || !living(&mark).contains(&(instance.process_id.unwrap() as i32))).await;
    let instance = backend.inspect(&id).await.unwrap();
    assert_eq!(instance.state, InstanceState::Exited);
    assert_eq!(instance.exit.unwrap().code, None, "nobody could learn the code, and none is invented");
    assert!(!living(&mark).is_empty(), "descendants are left over");
    backend.remove(&id, RemoveOptions::default()).await.unwrap();
    assert_eq!(living(&mark), Vec::<i32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_supervisor_stop_and_start_leave_nothing_of_the_old_run() {
    let root = tempfile::tempdir().unwrap();
    let (backend, id, mark) = orphaned(root.path(), Cgroups::Auto).await;
    backend.stop(&id, StopOptions::default().with_grace(Duration::from_millis(200))).await.unwrap();
    assert_eq!(living(&mark), Vec::<i32>::new());
    assert_eq!(backend.inspect(&id).await.unwrap().state, InstanceState::Exited);
    backend.start(&id).await.unwrap();
    assert_eq!(backend.inspect(&id).await.unwrap().state, InstanceState::Running);
    clean(&backend).await;
    assert_eq!(living(&mark), Vec::<i32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_supervisor_remove_leaves_nothing_even_without_control_groups() {
    let root = tempfile::tempdir().unwrap();
    let (backend, id, mark) = orphaned(root.path(), Cgroups::Off).await;
    backend.remove(&id, RemoveOptions::default().with_force(true)).await.unwrap();
    assert_eq!(living(&mark), Vec::<i32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_process_id_is_neither_believed_nor_killed() {
    let root = tempfile::tempdir().unwrap();
    let backend = open(root.path()).await;
    let id = backend.run(&RuntimeSpec::new("stale", ["true"])).await.unwrap();
    backend.wait_for_exit(&id, SOON).await.unwrap();
    // As if the machine had lost its power while the instance ran, and its ids were given to somebody else since.
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    let path = root.path().join("instances").join(id.as_str()).join("state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    state["finished"] = serde_json::Value::Null;
    for who in ["shim", "program"] {
        state[who]["pid"] = stranger.id().into();
    }
    fs::write(&path, serde_json::to_vec(&state).unwrap()).unwrap();
    let instance = backend.inspect(&id).await.unwrap();
    assert_eq!((instance.state, instance.exit.unwrap().code), (InstanceState::Exited, None));
    backend.stop(&id, StopOptions::default()).await.unwrap();
    backend.remove(&id, RemoveOptions::default().with_force(true)).await.unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger lives");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_zombie_is_left() {
    let root = tempfile::tempdir().unwrap();
    let backend = open(root.path()).await;
    // Orphans that end while the instance runs fall to the supervisor.
    let script = "for i in 1 2 3 4 5; do (sleep 0.05 &) ; done; sleep 0.3; echo done; exec sleep 600";
    let id = backend.run(&RuntimeSpec::new("reaped", ["sh", "-c", script])).await.unwrap();
    printed(&backend, &id, "done").await;
    let shim = shim_of(root.path(), &id);
    let dead = |of: i32| {
        let children = common::pids().into_iter().filter(move |pid| common::parent(*pid) == Some(of));
        children.filter(|pid| common::state(*pid) == Some('Z')).count()
    };
    until("the reaping of the orphans", || dead(shim) == 0).await;
    backend.remove(&id, RemoveOptions::default().with_force(true)).await.unwrap();
    until("the reaping of the supervisor", || common::state(shim).is_none()).await;
}
