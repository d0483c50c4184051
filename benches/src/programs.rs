//! Programs of other hands as contenders: their CPU time is what Linux counts for children that have ended.

use crate::{Result, Sample};
use std::{
    fs,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// A program's time with its start, for `units` of work.
///
/// # Errors
/// Where it can't be started or fails.
pub fn program(words: &[&str], units: usize) -> Result<Sample> {
    let (wall, before) = (Instant::now(), children()?);
    told(words)?;
    let cpu = Duration::from_secs_f64((children()? - before).max(0.0));
    Ok(Sample { units: units as f64, wall: wall.elapsed(), cpu })
}

/// A program that has to end well, and what it said.
///
/// # Errors
/// Where it can't be started or fails, with what it said to standard error.
pub fn told(words: &[&str]) -> Result<Output> {
    let [name, rest @ ..] = words else { return Err("no program".into()) };
    let done = Command::new(name).args(rest).stdin(Stdio::null()).output()?;
    if !done.status.success() {
        return Err(format!("{name} failed: {}", String::from_utf8_lossy(&done.stderr)).into());
    }
    Ok(done)
}

/// Whether a program can be started.
pub fn is_here(program: &str) -> bool {
    Command::new(program).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// CPU seconds of the programs that have ended, as Linux tells them in steps of 10 ms.
///
/// # Errors
/// Where `/proc` doesn't tell it.
pub fn children() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).ok_or("an odd /proc/self/stat")?.parse::<f64>()?) };
    // The fourteenth and fifteenth after the name.
    Ok((ticks(13)? + ticks(14)?) / 100.0)
}
