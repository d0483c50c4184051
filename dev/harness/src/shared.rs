//! Servers that tests share: nextest's setup script starts them once a run; without it, each test process starts what it needs.

use crate::{Nats, NatsVersion, Postgres, PostgresAddress, PostgresOptions, Redis, find};
use std::{env, io, sync::OnceLock};

/// Where the setup script says a server is. Set but empty means that the server isn't installed.
const POSTGRES: &str = "SLATE_HARNESS_POSTGRES";
const REDIS: &str = "SLATE_HARNESS_REDIS";
const NATS: [(NatsVersion, &str); 2] =
    [(NatsVersion::V2_9, "SLATE_HARNESS_NATS_2_9"), (NatsVersion::V2_15, "SLATE_HARNESS_NATS_2_15")];

/// The Postgres that tests share; take a [`database`](PostgresAddress::database) on it.
///
/// # Errors
/// `NotFound` where it isn't installed.
pub fn postgres() -> io::Result<PostgresAddress> {
    static OWN: OnceLock<io::Result<Postgres>> = OnceLock::new();
    if let Ok(there) = env::var(POSTGRES) {
        let told = there.rsplit_once(':').and_then(|(folder, port)| Some((folder.into(), port.parse().ok()?)));
        let (folder, port) = told.ok_or_else(|| find::missing("Postgres", "install the package postgresql"))?;
        return Ok(PostgresAddress { bin: find::postgres()?, folder, port });
    }
    own(&OWN, || Postgres::start(&PostgresOptions::default())).map(|server| server.address().clone())
}

/// The URL of the Redis that tests share; put a [`unique`](crate::unique) prefix before your keys.
///
/// # Errors
/// `NotFound` where it isn't installed.
pub fn redis() -> io::Result<String> {
    static OWN: OnceLock<io::Result<Redis>> = OnceLock::new();
    told(REDIS, "Redis").unwrap_or_else(|| own(&OWN, Redis::start).map(Redis::url))
}

/// The URL of the NATS that tests share; put a [`unique`](crate::unique) prefix before your subjects.
///
/// # Errors
/// `NotFound` where this version isn't installed.
pub fn nats(version: NatsVersion) -> io::Result<String> {
    static OWN: [OnceLock<io::Result<Nats>>; 2] = [const { OnceLock::new() }; 2];
    let at = usize::from(version == NatsVersion::V2_15);
    told(NATS[at].1, "NATS").unwrap_or_else(|| own(&OWN[at], || Nats::start(version)).map(Nats::url))
}

/// All shared servers, for the setup script.
#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "holds servers of several types")]
pub struct All {
    /// The variables that tell tests of them.
    pub variables: Vec<(&'static str, String)>,
    /// The servers.
    pub servers: Vec<Box<dyn Send>>,
}

/// Starts all that is installed.
#[doc(hidden)]
pub fn start_all() -> All {
    let (mut told, mut held): (Vec<_>, Vec<Box<dyn Send>>) = (Vec::new(), Vec::new());
    let mut take = |name: &'static str, started: io::Result<(String, Box<dyn Send>)>| {
        let address = match started {
            Ok((address, server)) => {
                held.push(server);
                address
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            // Each test process tries by itself, and tells why it can't.
            Err(_) => return,
        };
        told.push((name, address));
    };
    let postgres = std::thread::spawn(|| Postgres::start(&PostgresOptions::default()));
    take(REDIS, Redis::start().map(|server| (server.url(), Box::new(server) as _)));
    for (version, name) in NATS {
        take(name, Nats::start(version).map(|server| (server.url(), Box::new(server) as _)));
    }
    let postgres = postgres.join().unwrap_or_else(|_| Err(io::Error::other("the thread died")));
    let address = |server: &Postgres| format!("{}:{}", server.address().folder.display(), server.address().port);
    take(POSTGRES, postgres.map(|server| (address(&server), Box::new(server) as _)));
    All { variables: told, servers: held }
}

fn told(name: &str, what: &str) -> Option<io::Result<String>> {
    let address = env::var(name).ok()?;
    Some(if address.is_empty() { Err(find::missing(what, "install its package")) } else { Ok(address) })
}

/// Starts this process' own server, once. It ends with the process.
fn own<T>(slot: &'static OnceLock<io::Result<T>>, start: impl FnOnce() -> io::Result<T>) -> io::Result<&'static T> {
    slot.get_or_init(start).as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
}
