//! Ports for servers that are started with a number.

use std::{
    fmt, fs,
    hash::{BuildHasher, RandomState},
    io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
};

/// A TCP port of 127.0.0.1 for one server, which no other [`Port`] of any process has while this one lives, so that the
/// server can end and come back. Its number is none of those that the system gives to connections, and listeners that ask
/// for any.
///
/// Held by a socket of a name that is the port's, since such names go with the process, and belong to a network namespace
/// as ports do.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: UnixListener,
}

impl Port {
    /// Takes one on which nobody listens.
    ///
    /// # Errors
    /// `AddrInUse` where there is none, and those of the system.
    pub fn take() -> io::Result<Self> {
        let Range { start, end } = range();
        let count = end - start;
        // Anywhere, so that processes rarely look at the same ones.
        let first = (RandomState::new().hash_one(count) % u64::from(count)) as u16;
        for step in 0..count {
            let number = start + (first + step) % count;
            match Self::hold(number) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                taken => return taken,
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no free port"))
    }

    fn hold(number: u16) -> io::Result<Self> {
        let name = SocketAddr::from_abstract_name(format!("slate-harness-port-{number}"))?;
        let held = UnixListener::bind_addr(&name)?;
        // Somebody else may listen there.
        TcpListener::bind((Ipv4Addr::LOCALHOST, number))?;
        Ok(Self { number, _held: held })
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

/// Below the ports that connections get; from 10000 to 32767 where these begin so low that too few are left.
fn range() -> Range<u16> {
    const START: u16 = 10_000;
    let told = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let end = told.split_whitespace().next().and_then(|first| first.parse().ok());
    START..end.filter(|end| *end >= START + 2000).unwrap_or(1 << 15)
}
