use super::{
    control::fault,
    family::{Extra, Family},
};
use crate::wire::{self, ERR, EXIT, INPUT, OUT, Request, STARTED};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use slate_core::runtime::ExitStatus;
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    process::ChildStdin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Runs a command for the service at the other end of `stream`, which kills it by hanging up.
pub(super) fn run(stream: &UnixStream, family: &Arc<Family>, request: Request) -> io::Result<()> {
    let Request::Exec { words, mut env, folder, stdin, timeout_ms } = request else { return Ok(()) };
    let id = uuid::Uuid::new_v4().simple().to_string();
    let mark = format!("SLATE_EXEC={id}");
    env.insert("SLATE_EXEC".into(), id);
    let mut child = match family.spawn(&words, Extra { env, folder: folder.as_deref(), stdin }) {
        Ok(child) => child,
        Err(error) => {
            fault(stream, error);
            return Ok(());
        }
    };
    let pid = child.id() as i32;
    let deadline = timeout_ms.map(|limit| Instant::now() + Duration::from_millis(limit));
    let output = Arc::new(Mutex::new(stream.try_clone()?));
    send(&output, STARTED, &[]);
    let streams: [(u8, Option<Box<dyn Read + Send>>); 2] = [
        (OUT, child.stdout.take().map(|pipe| Box::new(pipe) as _)),
        (ERR, child.stderr.take().map(|pipe| Box::new(pipe) as _)),
    ];
    let copies: Vec<_> = streams
        .into_iter()
        .filter_map(|(tag, pipe)| Some((tag, pipe?)))
        .map(|(tag, pipe)| {
            let output = output.clone();
            thread::spawn(move || copy(pipe, tag, &output))
        })
        .collect();
    let gone = Arc::new(AtomicBool::new(false));
    {
        let (from, input, gone, family, mark) =
            (stream.try_clone()?, child.stdin.take(), gone.clone(), family.clone(), mark.clone());
        thread::spawn(move || {
            listen(from, input);
            gone.store(true, Ordering::Release);
            family.kill_command(pid, &mark);
        });
    }
    let exit = family.wait(pid, deadline).unwrap_or_else(|| {
        family.kill_command(pid, &mark);
        let mut exit = family.wait(pid, Some(Instant::now() + Duration::from_secs(5))).unwrap_or(ExitStatus::unknown());
        exit.timed_out = true;
        exit
    });
    family.forget(pid);
    send(&output, EXIT, &serde_json::to_vec(&exit)?);
    for copy in copies {
        // Ends when the last process that holds the stream has closed it, which may be a descendant.
        drop(copy.join());
    }
    // Wakes the thread that listens.
    stream.shutdown(std::net::Shutdown::Both)
}

/// Copies a stream to the service; without a service, to nowhere.
fn copy(mut pipe: Box<dyn Read + Send>, tag: u8, output: &Mutex<UnixStream>) {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        match pipe.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(length) => send(output, tag, &buffer[..length]),
        }
    }
}

fn send(output: &Mutex<UnixStream>, tag: u8, payload: &[u8]) {
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    // A service that has hung up is noticed by `listen`.
    let _: io::Result<()> = wire::write(&mut *output, tag, payload);
}

/// Feeds standard input; returns when the service has hung up.
fn listen(mut from: UnixStream, mut input: Option<ChildStdin>) {
    while let Ok((tag, bytes)) = wire::read(&mut from) {
        if tag != INPUT {
            return;
        }
        if bytes.is_empty() {
            input = None;
        } else if let Some(pipe) = &mut input {
            match feed(&from, pipe, &bytes) {
                Ok(true) => {}
                Ok(false) => return,
                // The command doesn't read any more: what comes is dropped.
                Err(_) => input = None,
            }
        }
    }
}

/// Writes without ever waiting for the command alone; `false` where the service has hung up meanwhile.
fn feed(from: &UnixStream, pipe: &mut ChildStdin, bytes: &[u8]) -> io::Result<bool> {
    // A pipe that is writable takes 4096 bytes without blocking.
    for part in bytes.chunks(4096) {
        loop {
            let writable = {
                let mut waiting =
                    [PollFd::new(&*pipe, PollFlags::OUT), PollFd::new(from, PollFlags::RDHUP | PollFlags::HUP)];
                poll(&mut waiting, Some(&Timespec { tv_sec: 1, tv_nsec: 0 }))?;
                if !waiting[1].revents().is_empty() {
                    return Ok(false);
                }
                !waiting[0].revents().is_empty()
            };
            if writable {
                break;
            }
        }
        pipe.write_all(part)?;
    }
    Ok(true)
}
