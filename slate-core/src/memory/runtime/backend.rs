use super::{
    builtin::builtin,
    instance::Entry,
    program::{Output, Process, ProgramFn, ProgramIo},
    resident,
};
use crate::{
    BoxStream, Cancel, Component, ComponentKind, Descriptor, Error, InstanceId, Result, Timestamp,
    runtime::{
        Capabilities, Command, Exec, ExecExit, ExecInput, ExecOptions, ExitStatus, Instance, InstanceState,
        ListOptions, LogChunk, LogOptions, RemoveOptions, Resident, ResourceSample, RuntimeBackend, RuntimeChange,
        RuntimeSpec, StatsOptions, StopOptions, WatchOptions,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{broadcast, mpsc, oneshot};

/// A [`RuntimeBackend`] whose instances are tasks of this process: for tests, quickstarts and trying out.
///
/// The first word of a command names a program. Built in are `print LINE…`, `exit CODE`, `env NAME…`, `pwd`,
/// `sleep SECONDS`, `count N [PAUSE_MS]` and `cat`; [`with_program`](Self::with_program) adds others. Nothing is isolated
/// and no limit is enforced, as [`capabilities`](RuntimeBackend::capabilities) says; a program that blocks its thread can't
/// be killed. Output of up to 16 MiB is kept of each instance.
///
/// ```
/// # use slate_core::{memory::MemoryRuntime, runtime::*, Result};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let runtime = MemoryRuntime::new().with_program("greet", |io| async move {
///     io.print(&format!("hello {}", io.args()[0])).await;
///     0
/// });
/// let id = runtime.run(&RuntimeSpec::new("first", ["greet", "world"])).await?;
/// let exit = runtime.wait_for_exit(&id, std::time::Duration::from_secs(5)).await?;
/// assert!(exit.success());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MemoryRuntime(Arc<Shared>);

struct Shared {
    programs: Mutex<HashMap<String, ProgramFn>>,
    instances: Mutex<BTreeMap<InstanceId, Arc<Entry>>>,
    processes: Mutex<Vec<Weak<Process>>>,
    changes: broadcast::Sender<(BTreeMap<String, String>, RuntimeChange)>,
}

/// Changes that a watcher may lag behind before it is told to list anew.
const WATCH_BACKLOG: usize = 1024;

impl Default for MemoryRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for MemoryRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryRuntime").field("instances", &self.instances().len()).finish()
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryRuntime {
    /// A backend with the built-in programs. Clones share the instances.
    pub fn new() -> Self {
        let (changes, _) = broadcast::channel(WATCH_BACKLOG);
        Self(Arc::new(Shared {
            programs: Mutex::default(),
            instances: Mutex::default(),
            processes: Mutex::default(),
            changes,
        }))
    }

    /// Adds a program, or replaces one of the same name. It is given its surroundings and yields its exit code.
    #[must_use]
    pub fn with_program<F>(self, name: impl Into<String>, run: impl Fn(ProgramIo) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = i32> + Send + 'static,
    {
        held(&self.0.programs).insert(name.into(), Arc::new(move |io| Box::pin(run(io))));
        self
    }

    /// How many programs and tasks of them live whose environment has this value. For tests that look for survivors.
    pub fn living_with_env(&self, name: &str, value: &str) -> usize {
        let processes = held(&self.0.processes);
        let found = processes.iter().filter_map(Weak::upgrade).filter(|p| p.env.get(name).is_some_and(|v| v == value));
        found.map(|process| process.living.load(Ordering::Acquire)).sum()
    }

    fn instances(&self) -> MutexGuard<'_, BTreeMap<InstanceId, Arc<Entry>>> {
        held(&self.0.instances)
    }

    pub(super) fn entry(&self, id: &InstanceId, verb: &'static str) -> Result<Arc<Entry>> {
        let found = self.instances().get(id).cloned();
        found.ok_or_else(|| Error::not_found("no such instance").with("instance", id).at("runtime.memory", verb))
    }

    fn tell(&self, entry: &Entry, change: RuntimeChange) {
        // Nobody listening is no error.
        let _: Result<_, _> = self.0.changes.send((entry.spec.labels.clone(), change));
    }

    /// Makes a process of these words, not running yet.
    pub(super) fn process(&self, start: Start<'_>) -> Result<(Arc<Process>, ProgramFn)> {
        let name = start.words.first().map(String::as_str).unwrap_or_default();
        let program = held(&self.0.programs).get(name).cloned().or_else(|| builtin(name));
        let program = program.ok_or_else(|| Error::not_found("no such program").with("program", name))?;
        let mut env: BTreeMap<_, _> =
            start.spec.env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
        env.extend(start.env);
        let process = Arc::new(Process {
            words: start.words.to_vec(),
            env,
            folder: start.folder.or(start.spec.working_dir.clone()).unwrap_or_else(|| "/".into()),
            input: tokio::sync::Mutex::new(start.input),
            output: start.output,
            asked: Cancel::new(),
            killed: Cancel::new(),
            caught: AtomicBool::new(false),
            living: AtomicUsize::new(0),
            busy_nanos: AtomicU64::new(0),
            all_gone: tokio::sync::Notify::new(),
        });
        let mut processes = held(&self.0.processes);
        processes.retain(|process| process.strong_count() > 0);
        processes.push(Arc::downgrade(&process));
        Ok((process, program))
    }

    /// Waits for the end of an instance's program and writes it down.
    pub(super) async fn supervise(
        self,
        entry: Arc<Entry>,
        process: Arc<Process>,
        program: tokio::task::JoinHandle<ExitStatus>,
    ) {
        let mut exit = program.await.unwrap_or(ExitStatus::signaled(6));
        if exit.signal.is_some() && process.asked.is_canceled() && !process.caught.load(Ordering::Acquire) {
            exit = ExitStatus::signaled(15);
        }
        // A warm instance's placeholder, which gave way to its work.
        if entry.life().running.as_ref().is_none_or(|now| !Arc::ptr_eq(now, &process)) {
            return;
        }
        let commands = std::mem::take(&mut entry.life().commands);
        for command in commands.iter().filter_map(Weak::upgrade) {
            command.kill().await;
        }
        process.kill().await;
        process.flush();
        entry.change(|life| {
            life.running = None;
            life.exit = Some(exit);
            life.finished_at = Some(Timestamp::now());
        });
        self.tell(&entry, RuntimeChange::Exited(entry.id.clone(), exit));
    }

    /// Kills the instance after the grace time and returns when it has ended.
    async fn end(&self, entry: &Entry, grace: Duration) {
        let mut changes = entry.changes();
        let running = entry.life().running.clone();
        let Some(process) = running else { return };
        let ended = async {
            while entry.life().running.as_ref().is_some_and(|now| Arc::ptr_eq(now, &process)) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::pin!(ended);
        if !grace.is_zero() {
            process.ask();
            if tokio::time::timeout(grace, &mut ended).await.is_ok() {
                return;
            }
            // A kill after the grace time isn't the polite end any more.
            process.caught.store(true, Ordering::Release);
        }
        process.killed.cancel();
        ended.await;
    }
}

/// What a process is made of.
pub(super) struct Start<'a> {
    pub(super) spec: &'a RuntimeSpec,
    pub(super) words: &'a [String],
    pub(super) env: BTreeMap<String, String>,
    pub(super) folder: Option<String>,
    pub(super) input: Option<mpsc::Receiver<Bytes>>,
    pub(super) output: Output,
}

#[async_trait]
impl Component for MemoryRuntime {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Runtime, "memory").with_detail("tasks of this process")
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl RuntimeBackend for MemoryRuntime {
    fn capabilities(&self) -> Capabilities {
        Capabilities { exec: true, ..Capabilities::default() }
    }

    async fn create(&self, spec: &RuntimeSpec) -> Result<InstanceId> {
        spec.validate().map_err(|error| error.at("runtime.memory", "create"))?;
        if spec.command.is_empty() {
            return Err(Error::unsupported("this backend has no images: name a command").at("runtime.memory", "create"));
        }
        let id = InstanceId::new(format!("memory-{}", uuid::Uuid::now_v7()))?;
        let mut instances = self.instances();
        if instances.values().any(|entry| entry.spec.name == spec.name) {
            let error = Error::already_exists("an instance of this name is there already").with("name", &spec.name);
            return Err(error.at("runtime.memory", "create"));
        }
        let entry = Arc::new(Entry::new(id.clone(), spec.clone()));
        instances.insert(id.clone(), entry.clone());
        drop(instances);
        self.tell(&entry, RuntimeChange::Created(id.clone()));
        Ok(id)
    }

    async fn start(&self, id: &InstanceId) -> Result<()> {
        let entry = self.entry(id, "start")?;
        let output = Output::Log { entry: entry.clone(), cutters: Mutex::default() };
        let (env, words) = (BTreeMap::new(), entry.spec.command.as_slice());
        let made = self.process(Start { spec: &entry.spec, words, env, folder: None, input: None, output });
        let warm = entry.spec.labels.contains_key(resident::WARM);
        let made = made.map(|(process, program)| (process, if warm { resident::placeholder() } else { program }));
        let (process, program) = made.map_err(|error| error.with("instance", id).at("runtime.memory", "start"))?;
        entry.change(|life| {
            if life.running.is_some() {
                let error = Error::wrong_state("the instance runs already").with("instance", id);
                return Err(error.at("runtime.memory", "start"));
            }
            if life.removed {
                let error = Error::not_found("no such instance").with("instance", id);
                return Err(error.at("runtime.memory", "start"));
            }
            life.running = Some(process.clone());
            (life.started_at, life.finished_at, life.exit) = (Some(Timestamp::now()), None, None);
            (life.warm, life.bound) = (warm, None);
            Ok(())
        })?;
        self.tell(&entry, RuntimeChange::Started(id.clone()));
        let running = process.run(program(ProgramIo(process.clone())));
        tokio::spawn(self.clone().supervise(entry, process, running));
        Ok(())
    }

    async fn stop(&self, id: &InstanceId, options: StopOptions) -> Result<()> {
        let entry = self.entry(id, "stop")?;
        self.end(&entry, options.grace).await;
        Ok(())
    }

    async fn remove(&self, id: &InstanceId, options: RemoveOptions) -> Result<()> {
        let entry = self.entry(id, "remove")?;
        loop {
            if options.force {
                self.end(&entry, Duration::ZERO).await;
            }
            let removed = entry.change(|life| {
                let idle = life.running.is_none();
                let first = idle && !life.removed;
                life.removed |= idle;
                idle.then_some(first)
            });
            return match removed {
                Some(true) => {
                    self.instances().remove(id);
                    self.tell(&entry, RuntimeChange::Removed(id.clone()));
                    Ok(())
                }
                Some(false) => {
                    Err(Error::not_found("no such instance").with("instance", id).at("runtime.memory", "remove"))
                }
                // Somebody started it again in between.
                None if options.force => continue,
                None => Err(Error::wrong_state("the instance runs: stop it first, or force the removal")
                    .with("instance", id)
                    .at("runtime.memory", "remove")),
            };
        }
    }

    async fn inspect(&self, id: &InstanceId) -> Result<Instance> {
        Ok(self.entry(id, "inspect")?.instance())
    }

    fn list(&self, options: ListOptions) -> BoxStream<Result<Instance>> {
        let all: Vec<_> = self.instances().values().map(|entry| entry.instance()).collect();
        let wanted = all.into_iter().filter(move |instance| {
            has_labels(&instance.labels, &options.labels) && (options.all || instance.state == InstanceState::Running)
        });
        stream::iter(wanted.map(Ok)).boxed()
    }

    async fn exec(&self, id: &InstanceId, command: &Command, options: ExecOptions) -> Result<Exec> {
        let entry = self.entry(id, "exec")?;
        if options.tty {
            return Err(Error::unsupported("this backend attaches no terminal").at("runtime.memory", "exec"));
        }
        let (output, received) = mpsc::channel(16);
        let (input, fed) = mpsc::channel(16);
        let made = self.process(Start {
            spec: &entry.spec,
            words: &command.words,
            env: options.env,
            folder: options.working_dir,
            input: options.stdin.then_some(fed),
            output: Output::Stream(output),
        });
        let (process, program) = made.map_err(|error| error.with("instance", id).at("runtime.memory", "exec"))?;
        {
            let mut life = entry.life();
            if life.running.is_none() {
                return Err(Error::wrong_state("the instance doesn't run")
                    .with("instance", id)
                    .at("runtime.memory", "exec"));
            }
            life.commands.retain(|command| command.strong_count() > 0);
            life.commands.push(Arc::downgrade(&process));
        }
        let guard = Arc::new(KillOnDrop(process.killed.clone()));
        let (tell_exit, exit) = oneshot::channel();
        tokio::spawn(finish(process, program, options.timeout, tell_exit));
        let output = stream::unfold((received, guard.clone()), async |(mut received, guard)| {
            received.recv().await.map(|output| (Ok(output), (received, guard)))
        });
        let stdin = options.stdin.then(|| Box::new(Input(input, guard.clone())) as Box<dyn ExecInput>);
        Ok(Exec { output: output.boxed(), stdin, exit: Box::new(Ending(exit, guard)) })
    }

    fn logs(&self, id: &InstanceId, options: LogOptions) -> BoxStream<Result<LogChunk>> {
        let entry = match self.entry(id, "logs") {
            Ok(entry) => entry,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let cursor = entry.life().start(&options);
        let (changes, since, follow) = (entry.changes(), options.since, options.follow);
        let batches = stream::unfold((entry, cursor, changes), move |(entry, cursor, mut changes)| async move {
            loop {
                changes.mark_unchanged();
                let (chunks, over) = {
                    let life = entry.life();
                    let ended = life.running.is_none() && life.started_at.is_some();
                    (life.after(cursor), !follow || ended || life.removed)
                };
                if let Some(last) = chunks.last() {
                    let cursor = last.cursor.0;
                    return Some((stream::iter(chunks.into_iter().map(Ok)), (entry, cursor, changes)));
                }
                if over || changes.changed().await.is_err() {
                    return None;
                }
            }
        });
        let wanted = move |chunk: &Result<LogChunk>| match (chunk, since) {
            (Ok(chunk), Some(since)) => chunk.at >= since,
            _ => true,
        };
        batches.flatten().filter(move |chunk| std::future::ready(wanted(chunk))).boxed()
    }

    fn resident(&self) -> Option<&dyn Resident> {
        Some(self)
    }

    fn stats(&self, id: &InstanceId, options: StatsOptions) -> BoxStream<Result<ResourceSample>> {
        let entry = match self.entry(id, "stats") {
            Ok(entry) => entry,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        // The first sample comes after a short measurement, not after a whole interval.
        let first = options.interval.min(Duration::from_millis(100));
        stream::unfold((entry, Some(first)), move |(entry, pause)| async move {
            let process = entry.life().running.clone()?;
            let (before, begin) = (process.busy_nanos.load(Ordering::Acquire), Instant::now());
            tokio::time::sleep(pause?.max(Duration::from_millis(1))).await;
            entry.life().running.as_ref()?;
            let busy = process.busy_nanos.load(Ordering::Acquire) - before;
            let sample = ResourceSample {
                timestamp: Timestamp::now(),
                cpu_percent: busy as f64 * 100.0 / begin.elapsed().as_nanos().max(1) as f64,
                memory_usage: entry.life().held_bytes() as u64,
                memory_limit: entry.spec.memory.map_or(0, crate::runtime::MemorySize::bytes),
                pids: process.living.load(Ordering::Acquire) as u64,
                ..ResourceSample::default()
            };
            Some((Ok(sample), (entry, (!options.once).then_some(options.interval))))
        })
        .boxed()
    }

    fn watch(&self, options: WatchOptions) -> BoxStream<Result<RuntimeChange>> {
        let labels = options.labels;
        stream::unfold((self.0.changes.subscribe(), labels), async |(mut changes, labels)| {
            loop {
                match changes.recv().await {
                    Ok((of, change)) if has_labels(&of, &labels) => return Some((Ok(change), (changes, labels))),
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        return Some((Ok(RuntimeChange::Resync), (changes, labels)));
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}

fn has_labels(all: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| all.get(key) == Some(value))
}

/// Runs a command to its end or its time-out.
async fn finish(
    process: Arc<Process>,
    program: ProgramFn,
    timeout: Option<Duration>,
    tell: oneshot::Sender<ExitStatus>,
) {
    let running = process.run(program(ProgramIo(process.clone())));
    let late = async {
        match timeout {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(running);
    let exit = tokio::select! {
        exit = &mut running => exit.unwrap_or(ExitStatus::signaled(6)),
        () = late => {
            let mut exit = ExitStatus::signaled(9);
            exit.timed_out = true;
            exit
        }
    };
    process.kill().await;
    // Nobody waiting is no error.
    let _: Result<_, _> = tell.send(exit);
}

/// Kills a command when the last part of its `Exec` is dropped.
struct KillOnDrop(Cancel);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

struct Input(mpsc::Sender<Bytes>, #[allow(dead_code, reason = "held for its drop")] Arc<KillOnDrop>);

#[async_trait]
impl ExecInput for Input {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let sent = self.0.send(bytes).await;
        sent.map_err(|_| Error::unavailable("the command doesn't read any more").at("runtime.memory", "exec"))
    }
}

struct Ending(oneshot::Receiver<ExitStatus>, Arc<KillOnDrop>);

#[async_trait]
impl ExecExit for Ending {
    async fn wait(self: Box<Self>) -> Result<ExitStatus> {
        let Self(exit, _guard) = *self;
        Ok(exit.await.unwrap_or(ExitStatus::unknown()))
    }
}
