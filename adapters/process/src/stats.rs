//! What an instance uses, summed over its processes.

use crate::{
    ground::{Found, Ground},
    proc::{self, Stat},
};
use slate_core::{Timestamp, runtime::ResourceSample};
use std::{fs, time::Instant};

/// A reading to compare the next one with.
pub(crate) struct Reading {
    at: Instant,
    ticks: u64,
    /// What is seen at this moment; the processor's share is filled in by comparison.
    pub(crate) sample: ResourceSample,
}

/// Reads the counters of all processes of a running instance.
pub(crate) fn read(ground: &Ground, found: &Found) -> Reading {
    let all = proc::all();
    let members = found.members(&ground.groups, &all);
    let stats: Vec<&Stat> = members.iter().filter_map(|pid| all.get(pid)).collect();
    // Time of processes that have ended is in whoever reaped them: parents, at last the shim.
    let reaped_by_shim = found.state.as_ref().and_then(|state| all.get(&state.shim.pid)).map_or(0, |s| s.reaped_ticks);
    let ticks = stats.iter().map(|stat| stat.own_ticks + stat.reaped_ticks).sum::<u64>() + reaped_by_shim;
    let mut sample = ResourceSample::default();
    sample.timestamp = Timestamp::now();
    sample.memory_usage = stats.iter().map(|stat| stat.rss_pages).sum::<u64>() * rustix::param::page_size() as u64;
    sample.memory_limit = found.record.memory.unwrap_or_else(host_memory);
    sample.pids = stats.iter().map(|stat| stat.threads).sum();
    for stat in &stats {
        let text = fs::read_to_string(format!("/proc/{}/io", stat.pid)).unwrap_or_default();
        let value =
            |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<u64>().ok()).unwrap_or(0);
        sample.block_read_bytes += value("read_bytes:");
        sample.block_write_bytes += value("write_bytes:");
    }
    Reading { at: Instant::now(), ticks, sample }
}

impl Reading {
    /// Fills in the processor's share since the reading before.
    pub(crate) fn since(mut self, before: &Self) -> Self {
        let seconds = (self.at - before.at).as_secs_f64();
        let ticks = self.ticks.saturating_sub(before.ticks) as f64;
        if seconds > 0.0 {
            self.sample.cpu_percent = ticks * 100.0 / rustix::param::clock_ticks_per_second() as f64 / seconds;
        }
        self
    }
}

fn host_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
