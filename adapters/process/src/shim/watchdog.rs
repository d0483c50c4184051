use super::family::Family;
use crate::proc;
use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

/// Time between two looks. What is faster than that gets through: hence no capability rests on the watchdog.
const INTERVAL: Duration = Duration::from_millis(50);

/// Ends the instance when it is over a limit that no control group enforces.
pub(super) fn watch(family: &Arc<Family>) {
    let launch = &family.launch;
    let pids = launch.pids.filter(|_| !launch.groups.enforces("pids"));
    let memory = launch.memory.filter(|_| !launch.groups.enforces("memory"));
    if pids.is_none() && memory.is_none() {
        return;
    }
    let family = family.clone();
    thread::spawn(move || {
        loop {
            thread::sleep(INTERVAL);
            let all = proc::all();
            let members = family.members(&all);
            let stats = || members.iter().filter_map(|pid| all.get(pid));
            let threads: u64 = stats().map(|stat| stat.threads).sum();
            let pages: u64 = stats().map(|stat| stat.rss_pages).sum();
            let over_memory = memory.is_some_and(|limit| pages * rustix::param::page_size() as u64 > limit);
            if over_memory || pids.is_some_and(|limit| threads > u64::from(limit)) {
                family.over_memory.store(over_memory, Ordering::Release);
                family.kill();
                return;
            }
        }
    });
}
