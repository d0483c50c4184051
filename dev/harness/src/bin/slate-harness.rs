//! Starts the servers that tests share, for nextest: `slate-harness setup` is its setup script.
//!
//! It leaves a process that holds the servers, and ends them when nextest ends, however that ends.

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags, getppid, pidfd_open},
};
use slate_harness::shared::start_all;
use std::{
    env,
    fs::OpenOptions,
    io::{self, BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

const READY: &str = "ready";

fn main() -> io::Result<()> {
    let args: Vec<_> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["setup"] => setup(),
        ["hold", run] => hold(run),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: slate-harness setup (as nextest's setup script)")),
    }
}

/// Starts the process that holds the servers, and writes where they are to the file that nextest names.
fn setup() -> io::Result<()> {
    let Some(file) = env::var_os("NEXTEST_ENV") else {
        return Err(io::Error::other("NEXTEST_ENV is not set: this is nextest's setup script"));
    };
    let run = getppid().ok_or_else(|| io::Error::other("no parent"))?;
    // Cargo, which built this program, may stand between.
    let run = ancestor(run)?;
    let mut holder = Command::new(env::current_exe()?)
        .args(["hold", &run.as_raw_pid().to_string()])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut variables = OpenOptions::new().append(true).create(true).open(file)?;
    for line in BufReader::new(holder.stdout.take().ok_or_else(|| io::Error::other("no output"))?).lines() {
        match line? {
            line if line == READY => return Ok(()),
            line => writeln!(variables, "{line}")?,
        }
    }
    Err(io::Error::other("the servers did not start"))
}

/// The process `cargo-nextest` above `pid`, or `pid` itself where there is none.
fn ancestor(pid: Pid) -> io::Result<Pid> {
    let mut at = pid;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", at.as_raw_pid()))?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if field("Name:") == Some("cargo-nextest") {
            return Ok(at);
        }
        match field("PPid:").and_then(|parent| parent.parse().ok()).and_then(Pid::from_raw) {
            Some(parent) if parent.as_raw_pid() > 1 => at = parent,
            _ => return Ok(pid),
        }
    }
}

/// Holds the servers until the run ends.
fn hold(run: &str) -> io::Result<()> {
    let run = run.parse().ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("not a process id"))?;
    // Opened while the script still runs, whose ancestor the run is: the number can't be another's by now.
    let run = pidfd_open(run, PidfdFlags::empty())?;
    let all = start_all();
    let mut out = io::stdout().lock();
    for (name, address) in &all.variables {
        writeln!(out, "{name}={address}")?;
    }
    writeln!(out, "{READY}")?;
    out.flush()?;
    while poll(&mut [PollFd::new(&run, PollFlags::IN)], None) == Err(rustix::io::Errno::INTR) {}
    drop(all.servers);
    Ok(())
}
