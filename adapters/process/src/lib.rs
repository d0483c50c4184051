//! SLATE's [`RuntimeBackend`](slate_core::runtime::RuntimeBackend) on local processes: no daemon, no container engine.
//!
//! ```no_run
//! use slate_core::runtime::{RuntimeBackendExt, RuntimeSpec};
//! use slate_process::{ProcessBackend, ProcessOptions};
//!
//! # async fn run() -> slate_core::Result<()> {
//! let backend = ProcessBackend::open(ProcessOptions::new("/var/lib/slate/run")).await?;
//! let id = backend.run(&RuntimeSpec::new("import", ["godot", "--headless", "--import"])).await?;
//! let exit = backend.wait_for_exit(&id, std::time::Duration::from_secs(600)).await?;
//! println!("{}", exit.describe());
//! # Ok(()) }
//! fn main() {
//!     // The same executable is the supervisor of each instance.
//!     slate_process::shim::run_if_asked();
//!     // … the service …
//! }
//! ```
//!
//! # How it works
//! Each instance has a folder under the backend's root and a supervisor, the *shim*: a small process in a session of its
//! own that starts the program, is the reaper of all its descendants, writes the output to bounded log segments and the
//! exit code to disk. The shim outlives the service, even one killed with SIGKILL; the next [`ProcessBackend`] on the same
//! root finds everything in the folder. A process id is believed only together with its start time and the boot, and
//! signals go through a pidfd, so that a reused id is never hit.
//!
//! # What an instance gets
//! - The spec's environment, and of the service's own only [`ProcessOptions::inherited_env`]. `DISPLAY` or
//!   `WAYLAND_DISPLAY` follow the spec's display; `SLATE_INSTANCE` is the instance's id, by which leftovers are found.
//! - The spec's working folder; without one a folder of its own, which goes with the instance. A working folder that is
//!   or lies under a mount's `container_path` becomes the mount's host path, because nothing is mounted: programs see the
//!   host's paths.
//! - Standard input is empty.
//!
//! # What is refused
//! `Unsupported` is given where ignoring a field would silently change what the spec means: an image without a command
//! (with one the image is ignored, so that a template serves laptop and cluster), another user, volumes and tmpfs, a
//! network other than the host's, a host port other than the instance's own, dedicated graphics processors, isolation by
//! name, a terminal. Limits that this host can't enforce are accepted, as the contract has it.
#![cfg_attr(not(target_os = "linux"), doc = "Only Linux is supported; elsewhere the crate is empty.")]
#![cfg(target_os = "linux")]

mod backend;
mod cgroup;
mod end;
mod exec;
mod ground;
mod log;
mod options;
mod proc;
mod record;
pub mod shim;
mod spec;
mod start;
mod stats;
mod watch;
mod wire;

pub use backend::ProcessBackend;
pub use options::{Cgroups, LogLimits, ProcessOptions, Shim};

/// The component's name in errors.
pub(crate) const PLACE: &str = "runtime.process";
