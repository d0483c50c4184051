use super::{Program, RuntimeFixture};
use crate::{
    ErrorKind, InstanceId, Result,
    runtime::{
        ExecOptions, InstanceState, LogOptions, MemorySize, RemoveOptions, RuntimeBackendExt, RuntimeSpec,
        StatsOptions, StopOptions,
    },
};
use futures_util::{StreamExt, future::join_all};
use std::time::{Duration, Instant};

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("an error was expected").kind()
}

/// `create` makes an instance in state `created` that runs nothing yet.
pub async fn create_makes_an_instance_that_runs_nothing_yet(f: RuntimeFixture) {
    let spec = f.spec("created", &Program::lines(&["it ran"])).with_label("colour", "red");
    let id = f.backend.create(&spec).await.unwrap();
    let instance = f.backend.inspect(&id).await.unwrap();
    assert_eq!((&instance.id, &instance.name, instance.state), (&id, &spec.name, InstanceState::Created));
    assert_eq!(instance.labels.get("colour").map(String::as_str), Some("red"));
    assert_eq!((instance.exit, instance.started_at, instance.process_id), (None, None, None));
    assert_eq!(f.lines(&id, LogOptions::default()).await, Vec::<String>::new());
    f.clean().await;
}

/// `create` refuses a malformed spec with `Invalid`.
pub async fn create_refuses_a_malformed_spec(f: RuntimeFixture) {
    let good = f.spec("good", &Program::exit(0));
    let bad = [
        RuntimeSpec { name: "a/b".into(), ..good.clone() },
        RuntimeSpec { name: "../escape".into(), ..good.clone() },
        good.clone().with_env("A=B", "c"),
        good.clone().with_pids(0),
        good.with_working_dir("relative"),
    ];
    for spec in bad {
        assert_eq!(kind(f.backend.create(&spec).await), ErrorKind::Invalid, "{spec:?}");
    }
    assert_eq!(f.backend.list_all(f.mine()).await.unwrap(), []);
}

/// A name in use gives `AlreadyExists` and leaves the other instance as it was.
pub async fn create_refuses_a_name_in_use_and_leaves_the_other_as_it_was(f: RuntimeFixture) {
    let id = f.run_ready("twice", &Program::Sleep(600)).await;
    let before = f.backend.inspect(&id).await.unwrap();
    let again = f.backend.create(&f.spec("twice", &Program::exit(0))).await;
    assert_eq!(kind(again), ErrorKind::AlreadyExists);
    assert_eq!(f.backend.inspect(&id).await.unwrap(), before);
    assert_eq!(f.backend.list_all(f.mine()).await.unwrap().len(), 1);
    f.clean().await;
}

/// Of many who create one name at once exactly one wins.
pub async fn create_of_one_name_by_many_is_won_once(f: RuntimeFixture) {
    let spec = f.spec("raced", &Program::exit(0));
    let racers = (0..8).map(|_| {
        let (backend, spec) = (f.backend.clone(), spec.clone());
        tokio::spawn(async move { backend.create(&spec).await })
    });
    let results: Vec<_> = join_all(racers).await.into_iter().map(|result| result.unwrap()).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
    assert_eq!(f.backend.list_all(f.mine()).await.unwrap().len(), 1);
    f.clean().await;
}

/// A spec that asks for a limit which `capabilities` says is not enforced is accepted.
pub async fn create_takes_limits_that_are_not_enforced(f: RuntimeFixture) {
    let mut spec = f.spec("limits", &Program::lines(&["fits"])).with_memory(MemorySize::from_mib(512)).with_pids(64);
    spec = spec.with_cpus("1".parse::<f64>().ok().and_then(|cores| cores.try_into().ok()).unwrap());
    let can = f.backend.capabilities();
    if !can.disk_limit {
        spec.disk = Some(MemorySize::from_gib(1));
    }
    let id = f.backend.run(&spec).await.unwrap();
    assert_eq!(f.exit_of(&id).await.code, Some(0));
    f.clean().await;
}

/// Where `capabilities` says that the limit on processes is enforced, an instance never has more.
pub async fn an_enforced_pids_limit_holds(f: RuntimeFixture) {
    if !f.can("pids limit", |can| can.pids_limit) {
        return;
    }
    const LIMIT: u64 = 24;
    let spec = f.spec("pids", &Program::Processes(150)).with_pids(LIMIT as u32);
    let id = f.backend.run(&spec).await.unwrap();
    let mut most = 0;
    // Either the shell gives up at the limit or it stays below it: both hold the limit.
    for _ in 0..4 {
        match f.backend.sample(&id).await {
            Ok(sample) => most = most.max(sample.pids),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WrongState, "{error}"),
        }
    }
    assert!(most <= LIMIT, "{most} processes under a limit of {LIMIT}");
    let lines = f.lines(&id, LogOptions::default()).await;
    assert!(!lines.iter().any(|line| line == "ready"), "all 150 processes were started: {lines:?}");
    f.clean().await;
}

/// Where `capabilities` says that the memory limit is enforced, an instance that takes more is ended for it, and that is told
/// as a rule: a host may lose the news of what it was, so that one of several must be told.
pub async fn an_enforced_memory_limit_holds(f: RuntimeFixture) {
    if !f.can("memory limit", |can| can.memory_limit) {
        return;
    }
    let program = Program::Allocate(256 << 20);
    let mut told = false;
    for name in ["memory", "memory-2", "memory-3", "memory-4", "memory-5"] {
        let spec = f.spec(name, &program).with_memory(MemorySize::from_mib(48));
        let id = f.backend.run(&spec).await.unwrap();
        let exit = f.exit_of(&id).await;
        assert!(!exit.success(), "it ended well: {exit:?}");
        told = exit.out_of_memory;
        if told {
            break;
        }
    }
    assert!(told, "nobody says that it was for memory");
    f.clean().await;
}

/// `start` runs a created instance.
pub async fn start_runs_a_created_instance(f: RuntimeFixture) {
    let id = f.backend.create(&f.spec("start", &Program::Sleep(600))).await.unwrap();
    f.backend.start(&id).await.unwrap();
    let instance = f.backend.inspect(&id).await.unwrap();
    assert_eq!((instance.state, instance.exit), (InstanceState::Running, None));
    assert!(instance.started_at.unwrap() >= instance.created_at);
    f.ready(&id).await;
    f.clean().await;
}

/// `start` runs an exited instance again.
pub async fn start_runs_an_exited_instance_again(f: RuntimeFixture) {
    let id = f.run("again", &Program::Lines { stdout: vec!["hello".into()], stderr: vec![], code: 3 }).await;
    assert_eq!(f.exit_of(&id).await.code, Some(3));
    let first = f.backend.inspect(&id).await.unwrap();
    f.backend.start(&id).await.unwrap();
    assert_eq!(f.exit_of(&id).await.code, Some(3));
    let second = f.backend.inspect(&id).await.unwrap();
    assert!(second.started_at.unwrap() > first.started_at.unwrap());
    assert_eq!(f.lines(&id, LogOptions::default()).await, ["hello", "hello"]);
    f.clean().await;
}

/// `start` of a running instance gives `WrongState`.
pub async fn start_of_a_running_instance_is_refused(f: RuntimeFixture) {
    let id = f.run_ready("running", &Program::Sleep(600)).await;
    assert_eq!(kind(f.backend.start(&id).await), ErrorKind::WrongState);
    assert_eq!(f.backend.inspect(&id).await.unwrap().state, InstanceState::Running);
    f.clean().await;
}

/// Of many who start an instance at once exactly one wins, and it runs once.
pub async fn start_by_many_is_won_once(f: RuntimeFixture) {
    let id = f.backend.create(&f.spec("race", &Program::Sleep(600))).await.unwrap();
    let racers = (0..8).map(|_| {
        let (backend, id) = (f.backend.clone(), id.clone());
        tokio::spawn(async move { backend.start(&id).await })
    });
    let results: Vec<_> = join_all(racers).await.into_iter().map(|result| result.unwrap()).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::WrongState, "{error}");
    }
    f.ready(&id).await;
    f.backend.stop(&id, StopOptions::default().with_grace(Duration::ZERO)).await.unwrap();
    assert_eq!(f.lines(&id, LogOptions::default()).await, ["ready"]);
    f.clean().await;
}

/// A program that can't be found gives `NotFound` or `Invalid`, and the instance is left `created` or `exited`.
pub async fn start_of_a_missing_program_leaves_the_instance_as_it_was(f: RuntimeFixture) {
    let id = f.backend.create(&f.spec("missing", &Program::Missing)).await.unwrap();
    let refused = kind(f.backend.start(&id).await);
    assert!(matches!(refused, ErrorKind::NotFound | ErrorKind::Invalid), "{refused}");
    let state = f.backend.inspect(&id).await.unwrap().state;
    assert!(matches!(state, InstanceState::Created | InstanceState::Exited), "{state}");
    f.backend.remove(&id, RemoveOptions::default()).await.unwrap();
}

/// `stop` asks politely, and returns when the instance has ended.
pub async fn stop_asks_politely_first(f: RuntimeFixture) {
    let id = f.run_ready("polite", &Program::EndWhenAsked(7)).await;
    f.backend.stop(&id, StopOptions::default().with_grace(f.patience)).await.unwrap();
    let instance = f.backend.inspect(&id).await.unwrap();
    assert_eq!(instance.state, InstanceState::Exited);
    assert_eq!(instance.exit.unwrap().code, Some(7));
    assert!(instance.finished_at.unwrap() >= instance.started_at.unwrap());
    assert_eq!(f.lines(&id, LogOptions::default()).await, ["ready", "asked"]);
    f.clean().await;
}

/// `stop` waits for the grace time, then kills the instance.
pub async fn stop_kills_after_the_grace_time(f: RuntimeFixture) {
    let id = f.run_ready("stubborn", &Program::IgnoreTheAsking).await;
    let (grace, asked) = (Duration::from_millis(1200), Instant::now());
    f.within("the end of stop", f.backend.stop(&id, StopOptions::default().with_grace(grace))).await.unwrap();
    // Container engines count the grace time in whole seconds.
    assert!(asked.elapsed() >= Duration::from_secs(1), "it was killed after {:?}", asked.elapsed());
    let instance = f.backend.inspect(&id).await.unwrap();
    assert_eq!(instance.state, InstanceState::Exited);
    assert_eq!(instance.exit.unwrap().code, Some(137));
    f.clean().await;
}

/// `stop` kills the instance with all its descendants; it returns when they are gone.
pub async fn stop_leaves_no_descendant(f: RuntimeFixture) {
    let id = f.run_ready("family", &Program::Descendants(600)).await;
    let Some(living) = f.living() else { return f.clean().await };
    assert!(living >= 3, "only {living} programs live");
    f.backend.stop(&id, StopOptions::default().with_grace(Duration::from_millis(100))).await.unwrap();
    assert_eq!(f.living(), Some(0));
    f.clean().await;
}

/// Stopping an instance that doesn't run is `Ok`.
pub async fn stop_of_an_instance_that_does_not_run_is_ok(f: RuntimeFixture) {
    let id = f.backend.create(&f.spec("idle", &Program::exit(4))).await.unwrap();
    f.backend.stop(&id, StopOptions::default()).await.unwrap();
    assert_eq!(f.backend.inspect(&id).await.unwrap().state, InstanceState::Created);
    f.backend.start(&id).await.unwrap();
    f.exit_of(&id).await;
    f.backend.stop(&id, StopOptions::default()).await.unwrap();
    assert_eq!(f.backend.inspect(&id).await.unwrap().exit.unwrap().code, Some(4));
    f.clean().await;
}

/// `remove` takes an instance away with its logs; afterwards its name is free.
pub async fn remove_takes_the_logs_away_and_frees_the_name(f: RuntimeFixture) {
    let old = f.run("reused", &Program::lines(&["old"])).await;
    f.exit_of(&old).await;
    f.backend.remove(&old, RemoveOptions::default()).await.unwrap();
    assert_eq!(kind(f.backend.inspect(&old).await), ErrorKind::NotFound);
    let new = f.run("reused", &Program::lines(&["new"])).await;
    assert_ne!(old, new, "an id is never used again");
    f.exit_of(&new).await;
    assert_eq!(f.lines(&new, LogOptions::default()).await, ["new"]);
    assert_eq!(kind(f.backend.remove(&old, RemoveOptions::default()).await), ErrorKind::NotFound);
    f.clean().await;
}

/// `remove` refuses a running instance with `WrongState` unless forced.
pub async fn remove_of_a_running_instance_is_refused_unless_forced(f: RuntimeFixture) {
    let id = f.run_ready("busy", &Program::IgnoreTheAsking).await;
    assert_eq!(kind(f.backend.remove(&id, RemoveOptions::default()).await), ErrorKind::WrongState);
    assert_eq!(f.backend.inspect(&id).await.unwrap().state, InstanceState::Running);
    let removal = f.backend.remove(&id, RemoveOptions::default().with_force(true));
    f.within("the removal", removal).await.unwrap();
    assert_eq!(kind(f.backend.inspect(&id).await), ErrorKind::NotFound);
}

/// After `remove` no process of the instance is alive.
pub async fn remove_leaves_no_process(f: RuntimeFixture) {
    let id = f.run_ready("crowd", &Program::Descendants(600)).await;
    let Some(living) = f.living() else { return f.clean().await };
    assert!(living >= 3, "only {living} programs live");
    f.backend.remove(&id, RemoveOptions::default().with_force(true)).await.unwrap();
    assert_eq!(f.living(), Some(0));
}

/// Of many who remove an instance at once one wins and the others get `NotFound`.
pub async fn remove_by_many_is_won_once(f: RuntimeFixture) {
    let id = f.run_ready("unwanted", &Program::Sleep(600)).await;
    let racers = (0..8).map(|_| {
        let (backend, id) = (f.backend.clone(), id.clone());
        tokio::spawn(async move { backend.remove(&id, RemoveOptions::default().with_force(true)).await })
    });
    let results: Vec<_> = join_all(racers).await.into_iter().map(|result| result.unwrap()).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

/// An instance has ended with its program: descendants that stay behind end with it.
pub async fn an_ended_program_leaves_no_descendant(f: RuntimeFixture) {
    let id = f.run_ready("deserted", &Program::Descendants(0)).await;
    assert_eq!(f.exit_of(&id).await.code, Some(0));
    if f.living().is_some() {
        f.until_living("after the end", |living| living == 0).await;
    }
    f.clean().await;
}

/// Every verb on an id that isn't there gives `NotFound`.
pub async fn every_verb_on_a_missing_id_gives_not_found(f: RuntimeFixture) {
    let id = InstanceId::new("slate-conformance-nobody").unwrap();
    let backend = &f.backend;
    assert_eq!(kind(backend.start(&id).await), ErrorKind::NotFound);
    assert_eq!(kind(backend.stop(&id, StopOptions::default()).await), ErrorKind::NotFound);
    assert_eq!(kind(backend.remove(&id, RemoveOptions::default()).await), ErrorKind::NotFound);
    assert_eq!(kind(backend.remove(&id, RemoveOptions::default().with_force(true)).await), ErrorKind::NotFound);
    assert_eq!(kind(backend.inspect(&id).await), ErrorKind::NotFound);
    if f.can("exec", |can| can.exec) {
        let exec = backend.exec(&id, &f.command(&Program::exit(0)), ExecOptions::default()).await;
        assert_eq!(kind(exec), ErrorKind::NotFound);
    }
    let logs = f.within("an answer", backend.logs(&id, LogOptions::default()).next()).await;
    assert_eq!(kind(logs.expect("an error")), ErrorKind::NotFound);
    let followed = f.within("an answer", backend.logs(&id, LogOptions::default().with_follow(true)).next()).await;
    assert_eq!(kind(followed.expect("an error")), ErrorKind::NotFound);
    let stats = f.within("an answer", backend.stats(&id, StatsOptions::default()).next()).await;
    assert_eq!(kind(stats.expect("an error")), ErrorKind::NotFound);
}
