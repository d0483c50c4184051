use crate::{
    Cancel,
    runtime::{ExecOutput, ExitStatus, LineCutter, LogStream},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

use super::instance::Entry;

pub(super) type ProgramFuture = Pin<Box<dyn Future<Output = i32> + Send>>;
pub(super) type ProgramFn = Arc<dyn Fn(ProgramIo) -> ProgramFuture + Send + Sync>;

/// What a program of a [`MemoryRuntime`](super::MemoryRuntime) sees of the world. Clones share it.
#[derive(Clone)]
pub struct ProgramIo(pub(super) Arc<Process>);

/// One running program: an instance's own, or a command run in it.
pub(super) struct Process {
    pub(super) words: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) folder: String,
    pub(super) input: tokio::sync::Mutex<Option<mpsc::Receiver<Bytes>>>,
    pub(super) output: Output,
    /// Raised to ask politely.
    pub(super) asked: Cancel,
    /// Raised to end the program and its tasks at their next await.
    pub(super) killed: Cancel,
    pub(super) caught: AtomicBool,
    pub(super) living: AtomicUsize,
    pub(super) busy_nanos: AtomicU64,
    pub(super) all_gone: tokio::sync::Notify,
}

/// Where a program's output goes.
pub(super) enum Output {
    Log { entry: Arc<Entry>, cutters: Mutex<[LineCutter; 2]> },
    Stream(mpsc::Sender<ExecOutput>),
}

impl std::fmt::Debug for ProgramIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgramIo").field("program", &self.0.words.first()).finish_non_exhaustive()
    }
}

impl ProgramIo {
    /// The words after the program's name.
    pub fn args(&self) -> &[String] {
        self.0.words.get(1..).unwrap_or_default()
    }

    /// An environment variable.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.0.env.get(name).map(String::as_str)
    }

    /// The working folder; a name only, nothing of this process is in it.
    pub fn working_dir(&self) -> &str {
        &self.0.folder
    }

    /// Writes a line to standard output.
    pub async fn print(&self, line: &str) {
        self.write(LogStream::Stdout, format!("{line}\n").as_bytes()).await;
    }

    /// Writes a line to standard error.
    pub async fn eprint(&self, line: &str) {
        self.write(LogStream::Stderr, format!("{line}\n").as_bytes()).await;
    }

    /// Writes bytes, with or without line breaks. What nobody reads any more is dropped.
    pub async fn write(&self, stream: LogStream, bytes: &[u8]) {
        match &self.0.output {
            Output::Log { entry, cutters } => {
                if let Ok(mut cutters) = cutters.lock() {
                    cutters[stream as usize].push(bytes, |line, partial| entry.log(stream, line, partial));
                }
            }
            Output::Stream(sender) => {
                let _: Result<(), _> = sender.send(ExecOutput { stream, bytes: Bytes::copy_from_slice(bytes) }).await;
            }
        }
    }

    /// The next bytes of standard input; `None` at its end, which an instance's own program meets at once.
    pub async fn read(&self) -> Option<Bytes> {
        self.0.input.lock().await.as_mut()?.recv().await
    }

    /// Returns when the program is asked to end. From the first call on the program ends by itself: one that never calls it
    /// is ended at once, with exit code 143.
    pub async fn asked_to_end(&self) {
        self.0.caught.store(true, Ordering::Release);
        self.0.asked.canceled().await;
    }

    /// Starts a task of the program, a descendant so to speak. It ends with the instance at the latest.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Dropping the handle detaches the task.
        drop(self.0.run(Box::pin(async move {
            task.await;
            0
        })));
    }
}

type Spawned = tokio::task::JoinHandle<ExitStatus>;

impl Process {
    /// Runs a future as part of this program, until it ends or the program is killed.
    pub(super) fn run(self: &Arc<Self>, future: ProgramFuture) -> Spawned {
        self.living.fetch_add(1, Ordering::AcqRel);
        let (process, alive) = (self.clone(), Alive(self.clone()));
        tokio::spawn(async move {
            let mut timed = Timed { inner: future, process: process.clone() };
            let exit = tokio::select! {
                biased;
                () = process.killed.canceled() => ExitStatus::signaled(9),
                code = &mut timed => ExitStatus::exited(code),
            };
            // What the program holds is gone before anybody is told that it has ended.
            drop(timed);
            drop(alive);
            exit
        })
    }

    /// Asks the program to end; one that doesn't listen is ended.
    pub(super) fn ask(&self) -> Option<ExitStatus> {
        self.asked.cancel();
        if self.caught.load(Ordering::Acquire) {
            return None;
        }
        self.killed.cancel();
        Some(ExitStatus::signaled(15))
    }

    /// Kills the program with its tasks and returns when they are gone.
    pub(super) async fn kill(&self) {
        self.killed.cancel();
        loop {
            let gone = self.all_gone.notified();
            if self.living.load(Ordering::Acquire) == 0 {
                return;
            }
            let _: Result<(), _> = tokio::time::timeout(Duration::from_millis(20), gone).await;
        }
    }

    /// Gives out what no line break has ended.
    pub(super) fn flush(&self) {
        if let Output::Log { entry, cutters } = &self.output
            && let Ok(mut cutters) = cutters.lock()
        {
            for (cutter, stream) in cutters.iter_mut().zip([LogStream::Stdout, LogStream::Stderr]) {
                cutter.finish(|line, partial| entry.log(stream, line, partial));
            }
        }
    }
}

/// Counts a task while it lives.
struct Alive(Arc<Process>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.living.fetch_sub(1, Ordering::AcqRel);
        self.0.all_gone.notify_waiters();
    }
}

/// Measures the time that a future is busy: the nearest thing to the processor time of a task.
struct Timed {
    inner: ProgramFuture,
    process: Arc<Process>,
}

impl Future for Timed {
    type Output = i32;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<i32> {
        let begin = Instant::now();
        let result = self.inner.as_mut().poll(context);
        let nanos = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.process.busy_nanos.fetch_add(nanos, Ordering::AcqRel);
        result
    }
}
