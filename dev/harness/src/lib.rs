//! Throwaway servers for tests: Postgres, Redis (or Valkey), NATS and container engines, real ones, and a proxy that breaks
//! links on purpose.
//!
//! - **Shared** servers ([`shared`]) are started once a run: by nextest's setup script, or else by the first test of a process
//!   that asks. A test takes a database, key prefix or subject prefix of its own ([`unique`]).
//! - **Own** servers ([`Postgres`], [`Redis`], [`Nats`] and their groups, [`Engine`]) belong to one test, which may kill, stop and restart
//!   them.
//!
//! Whatever way a test process ends, its servers and their folders go with it. A server that isn't installed gives an error of
//! kind `NotFound`; [`require`] makes `skipped: …` of it, or a failure where `SLATE_REQUIRE_SERVICES=1` is set. `dev/servers`
//! installs them.
//!
//! ```no_run
//! use slate_harness::{Nats, NatsVersion, require};
//!
//! let Some(mut nats) = require(Nats::start(NatsVersion::V2_15)) else { return };
//! println!("{}", nats.url());
//! nats.kill9().unwrap();
//! nats.restart().unwrap();
//! ```

mod engine;
mod find;
mod nats;
mod net;
mod port;
mod postgres;
mod process;
mod proxy;
mod redis;
pub mod shared;

pub use engine::Engine;
pub use nats::{Nats, NatsCluster, NatsOptions, NatsVersion};
pub use port::Port;
pub use postgres::{Database, Postgres, PostgresAddress, PostgresOptions};
pub use proxy::{Faults, Proxy};
pub use redis::{Redis, Sentinels};

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime},
};

/// How long a server may take to start or to get ready.
pub(crate) const START: Duration = Duration::from_secs(60);

/// What was started; `None` after `skipped: …` where its server isn't installed.
///
/// # Panics
/// Where the server is missing and `SLATE_REQUIRE_SERVICES` is set, and where it is there but doesn't start.
#[allow(clippy::panic, reason = "a test fails by panicking")]
pub fn require<T>(started: io::Result<T>) -> Option<T> {
    match started {
        Ok(started) => Some(started),
        Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("a server did not start: {error}"),
        Err(error) if std::env::var("SLATE_REQUIRE_SERVICES").is_ok_and(|set| set != "0") => {
            panic!("SLATE_REQUIRE_SERVICES is set, but {error}")
        }
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// A name that no other test of any process has, made of lower-case letters, digits and `_`, beginning with `prefix`.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("{prefix}_{:x}_{process:x}_{number:x}", since.as_micros())
}

/// Asks `ready` until it says so.
///
/// # Errors
/// `TimedOut` with the last reason, after `limit`.
pub(crate) fn wait_until(what: &str, limit: Duration, mut ready: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let end = Instant::now() + limit;
    loop {
        match ready() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= end => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what}: {error}")));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
