//! The supervisor of one instance. See the [crate's documentation](crate).

mod control;
mod exec;
mod family;
mod run;
mod watchdog;

use std::{
    ffi::OsStr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

/// The first argument of a process that is to be a shim.
pub(crate) const ARGUMENT: &str = "slate-process-shim-v1";

static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether this executable can be started as a shim.
pub(crate) fn is_embedded() -> bool {
    ASKED.load(Ordering::Acquire)
}

/// Call this first in `main`: where this process was started as a shim, it is one, and never returns.
///
/// Otherwise it only remembers that this executable can be a shim, for [`Shim::Auto`](crate::Shim::Auto). Call it before a
/// runtime is started and before anything is printed.
pub fn run_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(ARGUMENT)) {
        ASKED.store(true, Ordering::Release);
        return;
    }
    let (folder, run) = (arguments.next(), arguments.next());
    let run = run.and_then(|run| run.to_str()?.parse().ok());
    let done = match (folder, run) {
        (Some(folder), Some(run)) => run::supervise(Path::new(&folder), run),
        _ => false,
    };
    std::process::exit(i32::from(!done));
}
