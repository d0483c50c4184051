//! Commands in a running container.
//!
//! The engine has no call to kill one. Each command therefore gets a mark in its environment, which all that come from it
//! inherit; to kill it, a second command looks for the mark in the container's `/proc`. That needs a shell and `grep` in the
//! image, and doesn't find a process that cleared its environment.

use crate::{
    backend::Shared,
    error::{PLACE, translate},
    instance,
};
use async_trait::async_trait;
use bollard::{
    container::LogOutput,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use slate_core::{
    Cancel, Error, ErrorKind, Result,
    runtime::{Command, Exec, ExecExit, ExecInput, ExecOptions, ExecOutput, ExitStatus, InstanceState, LogStream},
};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
    time::Instant,
};

type Output = Pin<Box<dyn futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// Chunks of output, and of input, that wait to be taken.
const WAITING: usize = 16;
/// Longer than the engine takes to notice that a command has ended.
const NOTICE: Duration = Duration::from_secs(10);
/// The name of the mark.
const MARK: &str = "SLATE_EXEC";

/// Kills what carries the mark `$1` until nothing does. `kill` and `test` are in every shell; the first signal freezes, so
/// that nothing is started between the look and the kill. No `-F`: BusyBox stops at the first NUL byte then.
const KILL: &str = r#"
i=0
while [ $i -lt 50 ]; do
    found=$(grep -ls "$1" /proc/[0-9]*/environ 2>/dev/null)
    [ -n "$found" ] || exit 0
    for signal in STOP KILL; do
        for file in $found; do pid=${file#/proc/}; kill -$signal "${pid%/environ}" 2>/dev/null; done
    done
    i=$((i+1))
done
exit 1"#;

pub(crate) async fn exec(shared: Arc<Shared>, id: &str, command: &Command, options: ExecOptions) -> Result<Exec> {
    check(command, &options)?;
    let container = shared.owned(id).await?;
    if instance::state(&container) != InstanceState::Running {
        return Err(Error::wrong_state("the instance doesn't run").with("instance", id));
    }
    let mark = format!("{MARK}={}", unique());
    let mut env: Vec<_> = options.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    env.push(mark.clone());
    let config = ExecConfig {
        attach_stdin: Some(options.stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(options.tty),
        env: Some(env),
        cmd: Some(command.words.clone()),
        working_dir: options.working_dir.clone(),
        ..ExecConfig::default()
    };
    let failed = |error| translate(error, "exec").with("instance", id);
    let exec = shared.docker.create_exec(id, config).await.map_err(failed)?.id;
    let start = StartExecOptions { detach: false, tty: options.tty, output_capacity: Some(64 << 10) };
    let StartExecResults::Attached { output, input } =
        shared.docker.start_exec(&exec, Some(start)).await.map_err(failed)?
    else {
        return Err(Error::internal("the engine attached no output").with("instance", id));
    };
    let (to_caller, received) = mpsc::channel(WAITING);
    let (to_command, fed) = mpsc::channel(WAITING);
    let (tell_exit, exit) = oneshot::channel();
    let guard = Arc::new(KillOnDrop(Cancel::new()));
    let killed = guard.0.clone();
    let stdin = options.stdin.then(|| Box::new(Input { to_command, _guard: guard.clone() }) as Box<dyn ExecInput>);
    let ended = Cancel::new();
    tokio::spawn(feed(input, options.stdin.then_some(fed), ended.clone()));
    let running =
        Running { shared, id: id.into(), exec, mark, killed, deadline: options.timeout.map(|t| Instant::now() + t) };
    tokio::spawn(async move {
        // The caller may have gone.
        let _gone: Result<_, _> = tell_exit.send(running.carry(output, to_caller).await);
        ended.cancel();
    });
    let output = stream::unfold((received, guard.clone()), async |(mut received, guard)| {
        received.recv().await.map(|output| (output, (received, guard)))
    });
    Ok(Exec { output: output.boxed(), stdin, exit: Box::new(Ending { exit, _guard: guard }) })
}

fn check(command: &Command, options: &ExecOptions) -> Result<()> {
    if command.words.first().is_none_or(String::is_empty) || command.words.iter().any(|word| word.contains('\0')) {
        return Err(Error::invalid("a command has a program, and no NUL bytes"));
    }
    let sound = |name: &String| !name.is_empty() && !name.contains(['=', '\0']) && name != MARK;
    if !options.env.keys().all(sound) || options.env.values().any(|value| value.contains('\0')) {
        return Err(Error::invalid("an environment variable has a name without '=' and a value without NUL"));
    }
    if options.working_dir.as_ref().is_some_and(|path| !path.starts_with('/') || path.contains('\0')) {
        return Err(Error::invalid("workingDir is an absolute path"));
    }
    Ok(())
}

/// A word that nothing else has: of this process, this moment and this call.
pub(crate) fn unique() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{:x}-{call:x}", std::process::id(), slate_core::Timestamp::now().as_micros())
}

/// A command that runs.
struct Running {
    shared: Arc<Shared>,
    id: String,
    exec: String,
    mark: String,
    killed: Cancel,
    deadline: Option<Instant>,
}

impl Running {
    /// Carries the output to the caller until the command has ended, and tells how.
    async fn carry(self, mut output: Output, to: mpsc::Sender<Result<ExecOutput>>) -> Result<ExitStatus> {
        let (mut timed_out, mut killed) = (false, false);
        let deadline = self.deadline;
        let mut late = Box::pin(async move {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        });
        loop {
            let next = tokio::select! {
                next = output.next() => next,
                () = &mut late, if !killed => {
                    (timed_out, killed) = (true, true);
                    self.kill().await;
                    continue;
                }
                () = self.killed.canceled(), if !killed => {
                    killed = true;
                    self.kill().await;
                    continue;
                }
                // What was killed has nothing more to say; a process that escaped may hold the stream open.
                () = tokio::time::sleep(NOTICE), if killed => None,
            };
            match next {
                None => break,
                Some(Ok(output)) => {
                    let output = self.forward(output, &to);
                    tokio::select! {
                        () = output => {}
                        () = self.killed.canceled(), if !killed => {}
                        () = &mut late, if !killed => {
                            (timed_out, killed) = (true, true);
                            self.kill().await;
                        }
                    }
                }
                Some(Err(error)) => {
                    let error = translate(error, "exec").with("instance", &self.id);
                    let _gone: Result<_, _> = to.send(Err(error)).await;
                    break;
                }
            }
        }
        drop(to);
        self.exit(timed_out, killed).await
    }

    async fn forward(&self, output: LogOutput, to: &mpsc::Sender<Result<ExecOutput>>) {
        let (stream, bytes) = match output {
            LogOutput::StdErr { message } => (LogStream::Stderr, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => (LogStream::Stdout, message),
            LogOutput::StdIn { .. } => return,
        };
        // Nobody reading is no error: somebody may still wait for the end.
        let _gone: Result<_, _> = to.send(Ok(ExecOutput { stream, bytes })).await;
    }

    /// Asks the engine how the command ended. One that closed its streams and goes on is waited for, and killed in time.
    async fn exit(&self, mut timed_out: bool, mut killed: bool) -> Result<ExitStatus> {
        let mut give_up = Instant::now() + NOTICE;
        let mut pause = Duration::from_millis(2);
        loop {
            let told = self.shared.docker.inspect_exec(&self.exec).await;
            let told = told.map_err(|error| translate(error, "exec").with("instance", &self.id))?;
            if !told.running.unwrap_or_default() {
                let mut exit = instance::exit(told.exit_code, false);
                if timed_out && exit.success() {
                    exit = ExitStatus::signaled(9);
                }
                exit.timed_out = timed_out;
                return Ok(exit);
            }
            let late = self.deadline.is_some_and(|deadline| Instant::now() > deadline);
            if !killed && (late || self.killed.is_canceled()) {
                (timed_out, killed) = (late, true);
                self.kill().await;
                give_up = Instant::now() + NOTICE;
            } else if killed && Instant::now() > give_up {
                let error = Error::internal("the command could not be killed: the image needs a shell and grep for it");
                return Err(error.with("instance", &self.id));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    async fn kill(&self) {
        match self.shared.kill_by_agent(&self.id, &self.mark).await {
            Some(Ok(())) => return,
            Some(Err(error)) => {
                tracing::debug!(instance = self.id, %error, "the agent didn't kill a command; a shell is tried");
            }
            None => {}
        }
        let config = ExecConfig {
            attach_stdout: Some(true),
            cmd: Some(["sh", "-c", KILL, "sh", &self.mark].map(str::to_owned).into()),
            working_dir: Some("/".into()),
            ..ExecConfig::default()
        };
        let done = async {
            let exec = self.shared.docker.create_exec(&self.id, config).await?.id;
            if let StartExecResults::Attached { mut output, .. } = self.shared.docker.start_exec(&exec, None).await? {
                while output.next().await.is_some() {}
            }
            self.shared.docker.inspect_exec(&exec).await
        };
        match tokio::time::timeout(NOTICE, done).await {
            Ok(Ok(told)) if told.exit_code == Some(0) => {}
            Ok(Ok(told)) => {
                tracing::warn!(instance = self.id, code = told.exit_code, "a command could not be killed");
            }
            Ok(Err(error)) => {
                let error = translate(error, "exec");
                // With its container the command has ended as well.
                if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::WrongState) {
                    tracing::warn!(instance = self.id, %error, "a command could not be killed");
                }
            }
            Err(_) => tracing::warn!(instance = self.id, "a command could not be killed in time"),
        }
    }
}

/// Writes to a command's input what is fed, then closes it. A command that has ended takes nothing more.
async fn feed(mut input: Pin<Box<dyn AsyncWrite + Send>>, fed: Option<mpsc::Receiver<Bytes>>, ended: Cancel) {
    let Some(mut fed) = fed else { return };
    let carried = async {
        while let Some(bytes) = fed.recv().await {
            input.write_all(&bytes).await?;
            input.flush().await?;
        }
        input.shutdown().await
    };
    tokio::select! {
        // A command that has ended already has no input to close.
        _closed = carried => {}
        () = ended.canceled() => {}
    }
}

struct KillOnDrop(Cancel);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

struct Input {
    to_command: mpsc::Sender<Bytes>,
    _guard: Arc<KillOnDrop>,
}

#[async_trait]
impl ExecInput for Input {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let sent = self.to_command.send(bytes).await;
        sent.map_err(|_| Error::unavailable("the command doesn't read any more").at(PLACE, "exec"))
    }
}

struct Ending {
    exit: oneshot::Receiver<Result<ExitStatus>>,
    _guard: Arc<KillOnDrop>,
}

#[async_trait]
impl ExecExit for Ending {
    async fn wait(self: Box<Self>) -> Result<ExitStatus> {
        let told = self.exit.await.map_err(|error| Error::internal("the command's end got lost").because(error));
        told?.map_err(|error| error.at(PLACE, "exec"))
    }
}
