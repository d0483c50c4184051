//! Warm containers: with the agent, without one, and what an agent does as the first process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{
    agent, backend_with, cutter::Cutter, fixture_with, image, lines, living, options, printed, spec, unique, within,
};
use slate_core::{
    ErrorKind, InstanceId,
    conformance::runtime,
    runtime::{
        Assignment, Command, ExecOptions, LogOptions, NetworkMode, Resident, RuntimeBackend, RuntimeBackendExt,
        RuntimeSpec, StopOptions,
    },
};
use slate_docker::DockerBackend;
use std::time::Duration;

/// The sentences of `Resident`, for containers that idle in a shell; `tests/conformance.rs` has them with the agent.
macro_rules! without_an_agent {
    ($($name:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            if let Some(fixture) = fixture_with(options()).await {
                runtime::$name(fixture).await;
            }
        }
    )*};
}

mod shell {
    use super::*;

    without_an_agent! {
        warm_makes_an_instance_that_runs_and_waits,
        bind_runs_an_assignment_as_if_the_instance_had_been_made_for_it,
        bind_under_a_key_once_more_changes_nothing_and_another_key_is_refused,
        bind_of_a_missing_program_is_an_error,
        stop_asks_a_bound_program_politely_and_leaves_no_descendant,
        ping_tells_an_instance_that_waits_from_others,
        a_bound_instance_that_is_started_again_waits_again,
    }
}

async fn backend() -> Option<DockerBackend> {
    backend_with(options().with_agent(agent()?)).await
}

fn warm_spec(name: &str) -> RuntimeSpec {
    let mut spec = RuntimeSpec::new(unique(name), ["sh"]).with_image(image());
    spec.network = NetworkMode::None;
    spec
}

fn script(key: &str, script: &str) -> Assignment {
    Assignment::of_spec(key, &spec("work", script))
}

async fn warm(backend: &DockerBackend, name: &str) -> InstanceId {
    backend.warm(&warm_spec(name)).await.unwrap()
}

/// A backend that never saw the container gives it its work, and asks it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_bound_by_another_process_than_the_one_that_warmed_it() {
    let Some(first) = backend().await else { return };
    let Some(second) = backend().await else { return };
    let id = warm(&first, "handed").await;
    second.ping(&id).await.unwrap();
    first.ping(&id).await.unwrap();
    // More than an attachment buffers, so that one that isn't read would hold the program back.
    let work = script(
        "k",
        "i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; echo end",
    );
    second.bind(&id, &work).await.unwrap();
    assert_eq!(first.ping(&id).await.unwrap_err().kind(), ErrorKind::WrongState);
    let exit = second.wait_for_exit(&id, common::SOON).await.unwrap();
    assert!(exit.success());
    let all = lines(&second, &id, LogOptions::default().with_follow(true)).await;
    assert_eq!((all.len(), all.last().map(String::as_str)), (20_001, Some("end")));
    first.remove_if_there(&id).await.unwrap();
}

/// The environment is bound at the claim: an image's own stays, the work's is added, and nothing of it is in the engine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_environment_is_bound_and_a_secret_is_not_the_engines() {
    let Some(backend) = backend().await else { return };
    let id = warm(&backend, "environment").await;
    let spec = spec("work", "echo ${#LONG} $TOKEN; echo $PATH | grep -c bin")
        .with_env("LONG", "x".repeat(100_000))
        .with_secret("TOKEN", "hunter2");
    backend.bind(&id, &Assignment::of_spec("k", &spec)).await.unwrap();
    assert!(backend.wait_for_exit(&id, common::SOON).await.unwrap().success());
    assert_eq!(lines(&backend, &id, LogOptions::default()).await, ["100000 hunter2", "1"]);
    let instance = backend.inspect(&id).await.unwrap();
    assert!(!format!("{instance:?}").contains("hunter2"));
    backend.remove_if_there(&id).await.unwrap();
}

/// As the first process the agent reaps what loses its parent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_are_reaped() {
    let Some(backend) = backend().await else { return };
    let id = warm(&backend, "orphans").await;
    // Fifty whose parents end at once; then those that are zombies are counted.
    let work = script(
        "k",
        "i=0; while [ $i -lt 50 ]; do sh -c 'sh -c \"exit 0\" &' ; i=$((i+1)); done; echo made; \
         while grep -l '^State:.Z' /proc/[0-9]*/status >/dev/null 2>&1; do :; done; echo reaped",
    );
    backend.bind(&id, &work).await.unwrap();
    within("the reaping", printed(&backend, &id, "reaped")).await;
    backend.remove_if_there(&id).await.unwrap();
}

/// Whoever hands work over may be killed in the middle: the container waits on, and takes the work from the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_breaks_off_on_its_way_to_a_shell_is_no_work() {
    let Some(whole) = backend_with(options()).await else { return };
    let id = warm(&whole, "broken").await;
    let cutter = Cutter::start("/exec/", &[20]);
    let broken = DockerBackend::open(options().with_endpoint(cutter.endpoint())).await.unwrap();
    let work = script("key", "echo all of it");
    let error = broken.bind(&id, &work).await.unwrap_err();
    assert_eq!((error.kind(), cutter.left()), (ErrorKind::Unavailable, 0), "{error:?}");
    within("waiting on", async {
        while whole.ping(&id).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    whole.bind(&id, &work).await.unwrap();
    assert_eq!(lines(&whole, &id, LogOptions::default().with_follow(true)).await, ["all of it"]);
    whole.remove_if_there(&id).await.unwrap();
}

/// A command is killed by the agent where the image's shell could not: it cleared its path.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_kills_a_command_that_is_dropped() {
    let Some(backend) = backend().await else { return };
    let id = warm(&backend, "killed").await;
    backend.bind(&id, &script("k", "echo ready; sleep 600")).await.unwrap();
    printed(&backend, &id, "ready").await;
    let mark = unique("mark");
    let entry = format!("SLATE_PROBE={mark}");
    let options = ExecOptions::default().with_env([("SLATE_PROBE".to_owned(), mark)].into());
    let command = Command::new(["sh", "-c", "sleep 600 & setsid sleep 600 & sleep 600"]);
    let running = backend.exec(&id, &command, options).await.unwrap();
    let until = async |wanted: fn(usize) -> bool| {
        while !wanted(living(&entry)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("the command", until(|count| count >= 3)).await;
    drop(running);
    within("its end", until(|count| count == 0)).await;
    backend.ping(&id).await.unwrap_err();
    assert_eq!(lines(&backend, &id, LogOptions::default()).await, ["ready"], "the agent's answers are nobody's output");
    backend.remove_if_there(&id).await.unwrap();
}

/// What isn't a frame ends an agent that waits: where the next frame begins isn't known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_agent_does_not_understand_makes_it_end() {
    use bollard::{Docker, query_parameters::AttachContainerOptions};
    use tokio::io::AsyncWriteExt;
    let Some(backend) = backend().await else { return };
    let id = warm(&backend, "nonsense").await;
    let docker = Docker::connect_with_defaults().unwrap();
    let asked = AttachContainerOptions { stream: true, stdin: true, ..AttachContainerOptions::default() };
    let mut attached = docker.attach_container(id.as_str(), Some(asked)).await.unwrap();
    attached.input.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let exit = backend.wait_for_exit(&id, common::SOON).await.unwrap();
    assert_eq!(exit.code, Some(76));
    assert_eq!(backend.ping(&id).await.unwrap_err().kind(), ErrorKind::WrongState);
    backend.remove_if_there(&id).await.unwrap();
}

/// A waiting container is held to what every other one is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_program_is_held_to_the_same_limits() {
    let Some(backend) = backend().await else { return };
    let id = warm(&backend, "held").await;
    let probes = "id -u; grep CapEff /proc/self/status | cut -f2; grep NoNewPrivs /proc/self/status | cut -f2; \
                  (echo x >/x) 2>/dev/null || echo read-only; (echo x >/.slate/agent) 2>/dev/null || echo kept; \
                  ls /sys/class/net";
    backend.bind(&id, &script("k", probes)).await.unwrap();
    backend.wait_for_exit(&id, common::SOON).await.unwrap();
    let told = lines(&backend, &id, LogOptions::default()).await;
    assert_eq!(told, ["10001", "0000000000000000", "1", "read-only", "kept", "lo"]);
    let mut asked = script("k", "id");
    asked.user = Some("10002".into());
    let id = warm(&backend, "user").await;
    assert_eq!(backend.bind(&id, &asked).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    backend.stop(&id, StopOptions::default()).await.unwrap();
    backend.remove_if_there(&id).await.unwrap();
}
