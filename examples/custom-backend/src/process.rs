//! The process of an instance, from its start to the end of its last descendant.

use crate::{Changes, entry::Entry, family, tell};
use rustix::process::{Pid, Signal, kill_process};
use slate_core::{
    Error, Result, Timestamp,
    runtime::{ExitStatus, LineCutter, LogStream, RuntimeChange},
};
use std::{
    os::unix::process::ExitStatusExt,
    process::{ExitStatus as OsStatus, Stdio},
    sync::Arc,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    sync::mpsc,
};

/// What a running process may be told.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    /// End politely.
    Ask,
    /// End now, with all descendants.
    Kill,
}

/// Starts the process, and a task that stays with it to its end.
pub(crate) fn start(entry: &Arc<Entry>, changes: &Changes) -> Result<()> {
    let (orders, received) = mpsc::unbounded_channel();
    // Looked at and changed in one go: of two starts at a time one is late.
    let child = entry.change(|life| {
        if life.removed {
            return Err(Error::not_found("no such instance"));
        }
        if life.orders.is_some() {
            return Err(Error::wrong_state("the instance runs already"));
        }
        let child = spawn(entry)?;
        life.orders = Some(orders);
        life.process_id = child.id();
        (life.started_at, life.finished_at, life.exit) = (Some(Timestamp::now()), None, None);
        Ok(child)
    })?;
    tell(changes, entry, RuntimeChange::Started(entry.id.clone()));
    tokio::spawn(stay(Arc::clone(entry), child, received, changes.clone()));
    Ok(())
}

fn spawn(entry: &Entry) -> Result<Child> {
    let spec = &entry.spec;
    let Some((program, args)) = spec.command.split_first() else {
        return Err(Error::invalid("a command has a first word"));
    };
    let mut command = Command::new(program);
    command.args(args).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.envs(spec.env.iter().map(|(name, value)| (name, value.expose())));
    command.env(family::MARK, entry.id.as_str());
    if let Some(folder) = &spec.working_dir {
        command.current_dir(folder);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().map_err(|error| Error::io("start the program", error))
}

async fn stay(entry: Arc<Entry>, mut child: Child, mut orders: mpsc::UnboundedReceiver<Order>, changes: Changes) {
    let readers = [
        child.stdout.take().map(|pipe| tokio::spawn(read(Arc::clone(&entry), pipe, LogStream::Stdout))),
        child.stderr.take().map(|pipe| tokio::spawn(read(Arc::clone(&entry), pipe, LogStream::Stderr))),
    ];
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            Some(order) = orders.recv() => match order {
                Order::Ask => ask(&child),
                // A process that has ended in between needs no signal.
                Order::Kill => drop(child.start_kill()),
            },
        }
    };
    family::kill(&entry.id).await;
    // The pipes are at their end once every descendant is gone.
    for reader in readers.into_iter().flatten() {
        drop(reader.await);
    }
    let exit = status.map_or(ExitStatus::unknown(), exit_of);
    entry.change(|life| {
        (life.orders, life.process_id) = (None, None);
        (life.exit, life.finished_at) = (Some(exit), Some(Timestamp::now()));
    });
    tell(&changes, &entry, RuntimeChange::Exited(entry.id.clone(), exit));
}

fn ask(child: &Child) {
    // The id is there until the process was waited for, so it can't be another's yet.
    let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(id) = id {
        let _: Result<_, _> = kill_process(id, Signal::TERM);
    }
}

async fn read(entry: Arc<Entry>, mut pipe: impl AsyncRead + Unpin, stream: LogStream) {
    let (mut cutter, mut buffer) = (LineCutter::new(), vec![0; 16 * 1024]);
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        cutter.push(&buffer[..count], |line, partial| entry.log(stream, line, partial));
    }
    cutter.finish(|line, partial| entry.log(stream, line, partial));
}

fn exit_of(status: OsStatus) -> ExitStatus {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitStatus::exited(code),
        (None, Some(signal)) => ExitStatus::signaled(signal),
        (None, None) => ExitStatus::unknown(),
    }
}
