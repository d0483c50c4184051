use crate::{
    cgroup::InstanceGroups,
    proc::{self, ProcessKey, Stat},
    record::Launch,
};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use slate_core::{Error, Result, runtime::ExitStatus};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic::AtomicBool, atomic::Ordering},
    time::{Duration, Instant},
};

/// Every process of the instance: what the shim starts, and what falls to it as the reaper of all descendants.
pub(super) struct Family {
    pub(super) launch: Launch,
    pub(super) groups: InstanceGroups,
    children: Mutex<HashMap<i32, Option<ExitStatus>>>,
    changed: Condvar,
    /// Nothing is started any more.
    closing: AtomicBool,
    /// The watchdog has killed the instance for memory.
    pub(super) over_memory: AtomicBool,
}

/// What a child is made of beyond the instance's launch.
#[derive(Default)]
pub(super) struct Extra<'a> {
    pub(super) env: BTreeMap<String, String>,
    pub(super) folder: Option<&'a str>,
    pub(super) stdin: bool,
}

impl Family {
    pub(super) fn new(launch: Launch, groups: InstanceGroups) -> Self {
        Self {
            launch,
            groups,
            children: Mutex::default(),
            changed: Condvar::new(),
            closing: AtomicBool::new(false),
            over_memory: AtomicBool::new(false),
        }
    }

    fn children(&self) -> MutexGuard<'_, HashMap<i32, Option<ExitStatus>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a program in the instance. Its end is known to [`wait`](Self::wait) alone, not to the `Child`.
    pub(super) fn spawn(&self, words: &[String], extra: Extra<'_>) -> Result<Child> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(Error::invalid("a command has at least one word"));
        };
        let folder = extra.folder.unwrap_or(&self.launch.folder);
        if !Path::new(folder).is_dir() {
            return Err(Error::invalid("the working folder isn't there").with("folder", folder));
        }
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(&self.launch.env).envs(extra.env).current_dir(folder);
        command.stdin(if extra.stdin { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // Held while the child is started: the reaper must not meet a child that isn't entered yet.
        let mut children = self.children();
        if self.closing.load(Ordering::Acquire) {
            return Err(Error::wrong_state("the instance has ended"));
        }
        let child =
            self.groups.within(&self.launch, || command.spawn())?.map_err(|error| cant_start(program, error))?;
        children.insert(child.id() as i32, None);
        self.changed.notify_all();
        Ok(child)
    }

    /// How the child ended; `None` where it hasn't until `deadline`.
    pub(super) fn wait(&self, pid: i32, deadline: Option<Instant>) -> Option<ExitStatus> {
        let mut children = self.children();
        loop {
            if let Some(&Some(exit)) = children.get(&pid) {
                return Some(exit);
            }
            let left = deadline.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            children = self.changed.wait_timeout(children, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Forgets an ended child.
    pub(super) fn forget(&self, pid: i32) {
        self.children().remove(&pid);
    }

    /// Sends a signal to the group of a child that hasn't been reaped.
    pub(super) fn signal_group(&self, pid: i32, signal: Signal) {
        let children = self.children();
        if children.get(&pid) == Some(&None)
            && let Some(group) = Pid::from_raw(pid)
        {
            // A group that is gone has ended, which is what was asked.
            let _: rustix::io::Result<()> = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Reaps for ever: own children and every orphan of the instance. Runs in a thread of its own.
    pub(super) fn reap(&self) {
        loop {
            match rustix::process::wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) => {
                    let mut children = self.children();
                    if let Some(slot) = children.get_mut(&pid.as_raw_pid()) {
                        *slot = Some(exit_status(status));
                        self.changed.notify_all();
                    }
                }
                Err(rustix::io::Errno::CHILD) => {
                    let children = self.children();
                    let wait = self.changed.wait_timeout(children, Duration::from_millis(20));
                    drop(wait.unwrap_or_else(PoisonError::into_inner));
                }
                _ => {}
            }
        }
    }

    /// The living processes of the instance.
    pub(super) fn members(&self, all: &BTreeMap<i32, Stat>) -> BTreeSet<i32> {
        let me = std::process::id() as i32;
        let mut found = proc::descendants(all, &BTreeSet::from([me]));
        found.extend(self.groups.members().into_iter().filter(|pid| all.get(pid).is_some_and(Stat::is_alive)));
        found
    }

    /// Kills everything, and lets nothing new begin.
    pub(super) fn kill(&self) -> bool {
        {
            let _children = self.children();
            self.closing.store(true, Ordering::Release);
        }
        self.groups.kill();
        proc::kill_all(500, |all| self.members(all))
    }

    /// Kills one command with all that came from it; `mark` is an entry of its environment.
    pub(super) fn kill_command(&self, pid: i32, mark: &str) {
        let key = ProcessKey::of(pid);
        proc::kill_all(250, |all| {
            let mut found = proc::marked(all, mark);
            if key.as_ref().is_some_and(|key| all.get(&pid).is_some_and(|stat| stat.start == key.start)) {
                found.extend(proc::descendants(all, &BTreeSet::from([pid])));
                found.extend(all.values().filter(|stat| stat.group == pid && stat.is_alive()).map(|stat| stat.pid));
            }
            found.remove(&(std::process::id() as i32));
            found
        });
    }
}

fn cant_start(program: &str, error: io::Error) -> Error {
    let action = format!("start the program {program:?}");
    match error.kind() {
        io::ErrorKind::PermissionDenied => Error::invalid("the program isn't executable").with("program", program),
        io::ErrorKind::WouldBlock => Error::resource_exhausted("the limit on processes is reached"),
        io::ErrorKind::NotFound => Error::not_found("no such program").with("program", program),
        _ => match error.raw_os_error() {
            // ENOEXEC, E2BIG
            Some(8 | 7) => Error::invalid(format!("can't {action}: {error}")),
            _ => Error::io(&action, error),
        },
    }
}

fn exit_status(status: WaitStatus) -> ExitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitStatus::exited(code),
        (_, Some(signal)) => ExitStatus::signaled(signal),
        _ => ExitStatus::unknown(),
    }
}
