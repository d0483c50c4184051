//! Commands in instances, from the service's side of the control socket.

use crate::{
    PLACE,
    end::connect,
    ground::Found,
    wire::{self, ERR, EXIT, FAULT, Fault, INPUT, OUT, REQUEST, Request, STARTED},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use slate_core::{
    Error, Result,
    runtime::{Command, Exec, ExecExit, ExecInput, ExecOptions, ExecOutput, ExitStatus, LogStream},
};
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
    task::AbortHandle,
};

/// Pieces of output that wait for a slow reader; then the command waits.
const BACKLOG: usize = 16;

pub(crate) async fn exec(found: Found, command: &Command, options: ExecOptions) -> Result<Exec> {
    if options.tty {
        return Err(Error::unsupported("this backend attaches no terminal"));
    }
    if !found.running {
        return Err(Error::wrong_state("the instance doesn't run"));
    }
    let lost = |error: io::Error| {
        Error::unavailable("the instance's supervisor doesn't answer: stop or remove the instance").because(error)
    };
    let folder = found.folder.clone();
    let socket = tokio::task::spawn_blocking(move || connect(&folder)).await;
    let socket = socket.map_err(|error| Error::internal("a task was lost").because(error))?.map_err(lost)?;
    socket.set_nonblocking(true).map_err(lost)?;
    let (mut from, mut to) = UnixStream::from_std(socket).map_err(lost)?.into_split();
    let request = Request::Exec {
        words: command.words.clone(),
        env: options.env,
        folder: options.working_dir,
        stdin: options.stdin,
        timeout_ms: options.timeout.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
    };
    let request = serde_json::to_vec(&request)?;
    if request.len() > wire::MAX_FRAME {
        return Err(Error::limit_exceeded("the command is too long").with("limit", wire::MAX_FRAME));
    }
    to.write_all(&wire::frame(REQUEST, &request)).await.map_err(lost)?;
    match read_frame(&mut from).await.map_err(lost)? {
        (STARTED, _) => {}
        (FAULT, text) => {
            return Err(serde_json::from_slice::<Fault>(&text).map(Error::from).unwrap_or_else(Error::from));
        }
        _ => return Err(Error::internal("the supervisor speaks another language")),
    }
    Ok(attach(from, to, options.stdin))
}

fn attach(from: OwnedReadHalf, to: OwnedWriteHalf, wants_stdin: bool) -> Exec {
    let (output, received) = mpsc::channel(BACKLOG);
    let (tell, exit) = oneshot::channel();
    let reader = tokio::spawn(relay(from, output, tell));
    let to = Arc::new(tokio::sync::Mutex::new(to));
    // Hanging up kills the command: done when the last part of the `Exec` is dropped.
    let guard = Arc::new(HangUp(reader.abort_handle(), to.clone()));
    let output = stream::unfold((received, guard.clone()), async |(mut received, guard)| {
        received.recv().await.map(|output| (Ok(output), (received, guard)))
    });
    let stdin = wants_stdin.then(|| Box::new(Input(guard.clone())) as Box<dyn ExecInput>);
    Exec { output: output.boxed(), stdin, exit: Box::new(Ending { exit, guard }) }
}

/// Reads what the shim sends until it hangs up. Output that nobody wants is dropped, the exit code is not.
async fn relay(mut from: OwnedReadHalf, output: mpsc::Sender<ExecOutput>, tell: oneshot::Sender<ExitStatus>) {
    let mut tell = Some(tell);
    while let Ok((tag, bytes)) = read_frame(&mut from).await {
        let stream = match tag {
            OUT => LogStream::Stdout,
            ERR => LogStream::Stderr,
            EXIT => {
                if let (Some(tell), Ok(exit)) = (tell.take(), serde_json::from_slice::<ExitStatus>(&bytes)) {
                    let _: Result<_, _> = tell.send(exit);
                }
                continue;
            }
            _ => return,
        };
        let _: Result<_, _> = output.send(ExecOutput { stream, bytes: bytes.into() }).await;
    }
}

async fn read_frame(from: &mut OwnedReadHalf) -> io::Result<(u8, Vec<u8>)> {
    let mut bytes = [0; 5];
    from.read_exact(&mut bytes).await?;
    let (tag, length) = wire::head(bytes)?;
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).await?;
    Ok((tag, payload))
}

struct HangUp(AbortHandle, Arc<tokio::sync::Mutex<OwnedWriteHalf>>);

impl Drop for HangUp {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Input(Arc<HangUp>);

#[async_trait]
impl ExecInput for Input {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        for part in bytes.chunks(64 * 1024) {
            let sent = self.0.1.lock().await.write_all(&wire::frame(INPUT, part)).await;
            sent.map_err(|error| {
                Error::unavailable("the command doesn't read any more").because(error).at(PLACE, "exec")
            })?;
        }
        Ok(())
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let guard = self.0.clone();
        // Closing standard input must be told; outside of a runtime the connection is going anyway.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _: io::Result<()> = guard.1.lock().await.write_all(&wire::frame(INPUT, &[])).await;
            });
        }
    }
}

struct Ending {
    exit: oneshot::Receiver<ExitStatus>,
    guard: Arc<HangUp>,
}

#[async_trait]
impl ExecExit for Ending {
    async fn wait(self: Box<Self>) -> Result<ExitStatus> {
        let Self { exit, guard } = *self;
        let ended = exit.await;
        drop(guard);
        // The supervisor was killed before it could tell.
        Ok(ended.unwrap_or(ExitStatus::unknown()))
    }
}
