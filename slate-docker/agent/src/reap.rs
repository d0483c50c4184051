//! Processes that have ended, and such as are to end.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use std::{fs, thread, time::Duration};

/// A child that has ended, and the code that it ended with: 128 and its number for a signal.
pub(crate) fn next() -> Option<(Pid, u8)> {
    let (pid, status) = wait(WaitOptions::NOHANG).ok()??;
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    Some((pid, code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)))
}

/// Kills all processes whose environment has this entry, until there are none; whether that went well.
pub(crate) fn kill_marked(mark: &str) -> bool {
    for _ in 0..100 {
        let found = marked(mark);
        if found.is_empty() {
            return true;
        }
        // Frozen first, so that nothing is started between the look and the kill.
        for signal in [Signal::STOP, Signal::KILL] {
            for pid in &found {
                // One that has ended meanwhile needs no signal.
                let _gone: Result<_, _> = kill_process(*pid, signal);
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

fn marked(mark: &str) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let has = |process: fs::DirEntry| {
        let pid = Pid::from_raw(process.file_name().to_str()?.parse().ok()?)?;
        // That of a zombie is empty.
        let environment = fs::read(process.path().join("environ")).ok()?;
        let is_marked = environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes());
        is_marked.then_some(pid)
    };
    processes.flatten().filter_map(has).collect()
}
