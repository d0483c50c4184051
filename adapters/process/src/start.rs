//! Starting an instance by starting its shim.

use crate::{Shim, ground::Ground, proc::is_file, shim, wire::Started};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use slate_core::{Error, InstanceId, Result};
use std::{
    io::Read,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Finds the shim's program.
pub(crate) fn find_shim(shim: &Shim) -> Result<PathBuf> {
    match shim {
        Shim::Path(path) if is_file(path) => Ok(path.clone()),
        Shim::Path(path) => Err(Error::not_found("the shim's program isn't there").with("path", path.display())),
        Shim::Auto => {
            let me = std::env::current_exe().map_err(|error| Error::io("find this executable", error))?;
            if shim::is_embedded() {
                return Ok(me);
            }
            let beside = me.with_file_name("slate-shim");
            is_file(&beside).then_some(beside).ok_or_else(|| {
                Error::unsupported(
                    "there is no supervisor for processes: call slate_process::shim::run_if_asked() first in main, \
                     or install slate-shim beside this executable",
                )
            })
        }
    }
}

/// Starts the instance; returns when its program runs.
pub(crate) fn start(ground: &Ground, id: &InstanceId) -> Result<()> {
    let _lock = ground.lock_instance(id)?;
    let found = ground.find(id)?;
    if found.running {
        return Err(Error::wrong_state("the instance runs already"));
    }
    // What a killed shim may have left would be taken for the new run's.
    crate::end::sweep(ground, &found)?;
    let run = found.state.as_ref().map_or(1, |state| state.run + 1);
    let mut command = Command::new(&ground.shim);
    command.arg(shim::ARGUMENT).arg(&found.folder).arg(run.to_string());
    // A core file or a panic of the shim shows nothing of the service's environment, because it has none of it.
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).current_dir("/");
    // Not a leader in the service's group: so it can make a session of its own.
    let mut child = command.spawn().map_err(|error| Error::io("start the supervisor", error))?;
    let answer = read_answer(&mut child, ground.start_timeout);
    if answer.is_err() {
        // One that hangs must not start the program later on.
        let _: std::io::Result<()> = child.kill();
    }
    // Reaps the shim whenever it ends; cheap, as it has nothing else to do and 64 KiB of stack.
    let reaper = std::thread::Builder::new().name("slate-reap".into()).stack_size(64 << 10);
    if let Err(error) = reaper.spawn(move || child.wait()) {
        tracing::warn!(instance = %id, %error, "no thread to reap the supervisor");
    }
    match answer {
        Ok(started) => started.map_err(Error::from),
        Err(error) => {
            crate::end::sweep(ground, &ground.find(id)?)?;
            Err(error)
        }
    }
}

fn read_answer(child: &mut Child, limit: Duration) -> Result<Started> {
    let died = || Error::internal("the supervisor died while it started the program");
    let mut pipe = child.stdout.take().ok_or_else(died)?;
    let (deadline, mut text) = (Instant::now() + limit, Vec::new());
    while !text.ends_with(b"\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(Error::timed_out("the supervisor didn't start the program in time")),
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(Error::io("wait for the supervisor", error.into())),
            Ok(_) => {}
        }
        let mut buffer = [0; 4096];
        match pipe.read(&mut buffer).map_err(|error| Error::io("read the supervisor's answer", error))? {
            0 => return Err(died()),
            length => text.extend_from_slice(&buffer[..length]),
        }
    }
    serde_json::from_slice(&text).map_err(|_| died())
}
