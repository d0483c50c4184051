//! What `/proc` tells of processes, and signals that hit nobody else.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::ffi::OsStrExt,
    sync::OnceLock,
};

/// A process that is never mistaken for another: its id, its start time, and the boot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ProcessKey {
    pub(crate) pid: i32,
    /// Ticks after the boot, field 22 of `/proc/<pid>/stat`.
    pub(crate) start: u64,
    pub(crate) boot: String,
}

impl ProcessKey {
    /// The process that has this id now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, start: Stat::read(pid)?.start, boot: boot().to_owned() })
    }

    /// Whether this very process lives; a zombie doesn't.
    pub(crate) fn is_alive(&self) -> bool {
        self.boot == boot() && Stat::read(self.pid).is_some_and(|stat| stat.start == self.start && stat.is_alive())
    }

    /// Sends a signal to this very process; one that is gone is no error.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        // The pidfd is opened first: if the process behind it is the right one, it stays so.
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) if self.is_alive() => gone_is_fine(pidfd_send_signal(pidfd, signal)),
            Err(rustix::io::Errno::NOSYS) if self.is_alive() => {
                gone_is_fine(rustix::process::kill_process(pid, signal))
            }
            Ok(_) | Err(rustix::io::Errno::NOSYS | rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn gone_is_fine(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(|_| String::new(), |id| id.trim().to_owned())
    })
}

/// The fields of `/proc/<pid>/stat` that matter here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    state: u8,
    pub(crate) start: u64,
    pub(crate) own_ticks: u64,
    pub(crate) reaped_ticks: u64,
    pub(crate) threads: u64,
    pub(crate) rss_pages: u64,
}

impl Stat {
    pub(crate) fn read(pid: i32) -> Option<Self> {
        Self::parse(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The command's name may hold anything, even `)`: fields count from the last one.
    fn parse(pid: i32, text: &[u8]) -> Option<Self> {
        let end = text.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(&text[end + 1..]).ok()?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        // The first of `fields` is field 3 of proc(5).
        let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
        let count = |field: usize| u64::try_from(number(field)?.max(0)).ok();
        Some(Self {
            pid,
            state: *fields.first()?.as_bytes().first()?,
            parent: number(4)? as i32,
            group: number(5)? as i32,
            own_ticks: count(14)? + count(15)?,
            reaped_ticks: count(16)? + count(17)?,
            threads: count(20)?,
            start: count(22)?,
            rss_pages: count(24)?,
        })
    }

    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X')
    }

    pub(crate) fn key(&self) -> ProcessKey {
        ProcessKey { pid: self.pid, start: self.start, boot: boot().to_owned() }
    }
}

/// Every process of now, zombies too.
pub(crate) fn all() -> BTreeMap<i32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, Stat::read(pid)?))).collect()
}

/// The living descendants of these processes, without themselves.
pub(crate) fn descendants(all: &BTreeMap<i32, Stat>, roots: &BTreeSet<i32>) -> BTreeSet<i32> {
    let mut children = BTreeMap::<i32, Vec<i32>>::new();
    for stat in all.values() {
        children.entry(stat.parent).or_default().push(stat.pid);
    }
    let (mut found, mut open) = (BTreeSet::new(), roots.iter().copied().collect::<Vec<_>>());
    while let Some(pid) = open.pop() {
        for &child in children.get(&pid).into_iter().flatten() {
            if !roots.contains(&child) && found.insert(child) {
                open.push(child);
            }
        }
    }
    found.retain(|pid| all.get(pid).is_some_and(Stat::is_alive));
    found
}

/// The living processes whose environment has this entry (`NAME=value`).
pub(crate) fn marked(all: &BTreeMap<i32, Stat>, entry: &str) -> BTreeSet<i32> {
    let has = |pid: i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == entry.as_bytes())
    };
    all.values().filter(|stat| stat.is_alive() && has(stat.pid)).map(|stat| stat.pid).collect()
}

/// Kills everything that `find` finds, until it finds nothing. Stops all first, so that none can fork away.
///
/// Returns whether nothing was left within so many rounds (about 20 ms each).
pub(crate) fn kill_all(rounds: u32, mut find: impl FnMut(&BTreeMap<i32, Stat>) -> BTreeSet<i32>) -> bool {
    let mut stopped = BTreeSet::<ProcessKey>::new();
    for round in 0..rounds {
        // Rescan while new ones turn up; bounded, since what can't be stopped can still be killed.
        for _ in 0..20 {
            let now = all();
            let keys: BTreeSet<_> = find(&now).iter().filter_map(|pid| Some(now.get(pid)?.key())).collect();
            if keys.is_empty() {
                return true;
            }
            let fresh: Vec<_> = keys.difference(&stopped).cloned().collect();
            if fresh.is_empty() {
                break;
            }
            for key in fresh {
                // One that can't be signalled is met again in the next round, and counted at the end.
                let _: io::Result<()> = key.signal(Signal::STOP);
                stopped.insert(key);
            }
        }
        for key in &stopped {
            let _: io::Result<()> = key.signal(Signal::KILL);
        }
        std::thread::sleep(std::time::Duration::from_millis(if round < 5 { 4 } else { 20 }));
    }
    find(&all()).is_empty()
}

/// The path of a program as the system would look for it.
pub(crate) fn is_file(path: &std::path::Path) -> bool {
    !path.as_os_str().as_bytes().is_empty() && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_is_parsed() {
        let line = b"7 (a) b (c) S 1 5 5 0 -1 4194560 100 0 0 0 3 4 5 6 20 0 9 0 12345 1000 77 0";
        let stat = Stat::parse(7, line).unwrap();
        assert_eq!((stat.parent, stat.group, stat.own_ticks, stat.reaped_ticks), (1, 5, 7, 11));
        assert_eq!((stat.threads, stat.start, stat.rss_pages), (9, 12345, 77));
    }

    #[test]
    fn this_process_is_alive_and_one_that_began_at_another_time_is_not() {
        let me = ProcessKey::of(std::process::id() as i32).unwrap();
        assert!(me.is_alive());
        let other = ProcessKey { start: me.start + 1, ..me.clone() };
        assert!(!other.is_alive());
        // If the start time weren't asked, this would end the test.
        other.signal(Signal::KILL).unwrap();
        assert!(!ProcessKey { boot: "another".into(), ..me }.is_alive());
    }
}
