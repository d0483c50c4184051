//! All processes of an instance, known by a variable in the environment that they inherit.
//!
//! A program that clears its environment leaves the family unseen; a backend for untrusted programs uses control groups.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use slate_core::{InstanceId, Timestamp, runtime::ResourceSample};
use std::{
    fs,
    time::{Duration, Instant},
};

/// The variable.
pub(crate) const MARK: &str = "SLATE_PLAIN_INSTANCE";

/// Ticks of `/proc/*/stat` in a second: 100 on every Linux of today.
const TICKS: f64 = 100.0;

/// Kills every process of the instance and returns when they are gone.
pub(crate) async fn kill(id: &InstanceId) {
    loop {
        let members = members(id);
        if members.is_empty() {
            return;
        }
        for pid in members {
            // Opened before it is looked at again: what is signalled is the process that was seen, not a later one.
            if let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
                && is_member(pid, id)
            {
                // One that has ended since needs no signal.
                let _: Result<_, _> = pidfd_send_signal(&process, Signal::KILL);
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What an instance has used, and uses.
pub(crate) struct Usage {
    at: Instant,
    cpu_ticks: u64,
    memory: u64,
    processes: u64,
}

pub(crate) fn usage(id: &InstanceId) -> Usage {
    let members = members(id);
    let mut usage = Usage { at: Instant::now(), cpu_ticks: 0, memory: 0, processes: members.len() as u64 };
    for pid in members {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Fields 14 and 15, counted from the name's end, as the name may hold anything.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        usage.cpu_ticks += fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        usage.memory += kib.unwrap_or(0) * 1024;
    }
    usage
}

/// The measurement between two moments.
pub(crate) fn sample(before: &Usage, now: &Usage) -> ResourceSample {
    let seconds = now.at.duration_since(before.at).as_secs_f64().max(0.001);
    // A process that has ended takes its ticks along.
    let ticks = now.cpu_ticks.saturating_sub(before.cpu_ticks) as f64;
    let mut sample = ResourceSample::default();
    sample.timestamp = Timestamp::now();
    sample.cpu_percent = ticks / TICKS / seconds * 100.0;
    sample.memory_usage = now.memory;
    sample.pids = now.processes;
    sample
}

fn members(id: &InstanceId) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    pids.filter(|pid| is_member(*pid, id)).collect()
}

fn is_member(pid: Pid, id: &InstanceId) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mark = format!("{MARK}={id}");
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
}
