//! Ending instances: through their shim where it lives, by the signs they left where it was killed.

use crate::{
    ground::{Found, Ground},
    proc,
    record::CONTROL,
    wire::{self, REQUEST, Request},
};
use rustix::process::Signal;
use slate_core::{Error, InstanceId, Result, runtime::RemoveOptions};
use std::{
    fs::File,
    io::{self, Read},
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::Path,
    time::{Duration, Instant},
};

/// Time that a shim may take to kill the instance before it is held for broken.
const KILL_TIME: Duration = Duration::from_secs(15);

/// Ends the instance and returns when nothing of it lives.
pub(crate) fn stop(ground: &Ground, id: &InstanceId, grace: Duration) -> Result<()> {
    let found = ground.find(id)?;
    if !found.running {
        return sweep(ground, &found);
    }
    if found.supervised && ask_shim(&found.folder, grace).is_ok() {
        let ended =
            wait_until(grace + KILL_TIME, || Ok(!same_run(ground, id, &found)?.is_some_and(|now| now.supervised)));
        if ended? {
            return match same_run(ground, id, &found)? {
                // The shim was killed while it worked.
                Some(now) if now.state.as_ref().is_some_and(|state| state.finished.is_none()) => sweep(ground, &now),
                _ => Ok(()),
            };
        }
    }
    without_shim(ground, id, &found, grace)
}

/// The instance now, unless it is gone or was started anew.
fn same_run(ground: &Ground, id: &InstanceId, before: &Found) -> Result<Option<Found>> {
    match ground.find(id) {
        Err(error) if error.kind() == slate_core::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(now) => {
            let run = |found: &Found| found.state.as_ref().map(|state| state.run);
            Ok((run(&now) == run(before)).then_some(now))
        }
    }
}

/// Asks the shim to end the instance, and waits for it to hang up.
fn ask_shim(folder: &Path, grace: Duration) -> io::Result<()> {
    let mut stream = connect(folder)?;
    stream.set_read_timeout(Some(grace + KILL_TIME))?;
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    wire::write(&mut stream, REQUEST, &serde_json::to_vec(&Request::Stop { grace_ms })?)?;
    match stream.read(&mut [0; 64]) {
        // A shim that ends closes or resets the connection.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error),
    }
}

/// Connects to a shim, however long its folder's path is: a socket's path has 108 bytes at most.
pub(crate) fn connect(folder: &Path) -> io::Result<UnixStream> {
    let folder = File::open(folder)?;
    UnixStream::connect(format!("/proc/self/fd/{}/{CONTROL}", folder.as_raw_fd()))
}

/// Ends an instance whose shim is dead or broken.
fn without_shim(ground: &Ground, id: &InstanceId, found: &Found, grace: Duration) -> Result<()> {
    if !found.supervised
        && !grace.is_zero()
        && let Some(state) = &found.state
    {
        let all = proc::all();
        let leaders = found.members(&ground.groups, &all);
        for stat in leaders.iter().filter_map(|pid| all.get(pid)).filter(|stat| stat.group == state.program.pid) {
            stat.key().signal(Signal::TERM).map_err(|error| Error::io("ask the instance to end", error))?;
        }
        wait_until(grace, || Ok(found.members(&ground.groups, &proc::all()).is_empty()))?;
    }
    if let Some(state) = found.state.as_ref().filter(|_| found.supervised) {
        // First, or it would go on starting and reaping.
        state.shim.signal(Signal::KILL).map_err(|error| Error::io("kill the supervisor", error))?;
        wait_until(KILL_TIME, || Ok(!state.shim.is_alive()))?;
    }
    sweep(ground, &ground.find(id)?)
}

/// Kills whatever still lives of an instance that isn't supervised.
pub(crate) fn sweep(ground: &Ground, found: &Found) -> Result<()> {
    let ended_well = found.state.as_ref().is_none_or(|state| state.finished.is_some());
    if ended_well || found.supervised {
        return Ok(());
    }
    ground.groups.of(&found.record.id).kill();
    if proc::kill_all(500, |all| found.members(&ground.groups, all)) {
        ground.groups.of(&found.record.id).remove();
        return Ok(());
    }
    Err(Error::internal("processes of the instance can't be killed").with("instance", &found.record.id))
}

/// Removes the instance.
pub(crate) fn remove(ground: &Ground, id: &InstanceId, options: &RemoveOptions) -> Result<()> {
    let _lock = ground.lock_instance(id)?;
    let found = ground.find(id)?;
    if found.running && !options.force {
        return Err(Error::wrong_state("the instance runs: stop it first, or force the removal"));
    }
    stop(ground, id, Duration::ZERO)?;
    ground.forget(&found)
}

/// Waits until `done`, looking more and more seldom; whether it came in time.
fn wait_until(limit: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<bool> {
    let (deadline, mut pause) = (Instant::now() + limit, Duration::from_millis(1));
    while !done()? {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(true)
}
