//! What service and shim say to each other over the control socket: frames of `tag · length u32 · bytes`.

use serde::{Deserialize, Serialize};
use slate_core::{Error, ErrorKind};
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
};

/// From the service: the one request of a connection.
pub(crate) const REQUEST: u8 = b'R';
/// From the service: bytes for standard input; none close it.
pub(crate) const INPUT: u8 = b'I';
/// From the shim: the command runs.
pub(crate) const STARTED: u8 = b'S';
/// From the shim: standard output.
pub(crate) const OUT: u8 = b'1';
/// From the shim: standard error.
pub(crate) const ERR: u8 = b'2';
/// From the shim: how the command ended.
pub(crate) const EXIT: u8 = b'X';
/// From the shim: what went wrong.
pub(crate) const FAULT: u8 = b'F';

/// The most bytes of a frame; a request's words and environment fit the system's own limit, 2 MiB.
pub(crate) const MAX_FRAME: usize = 4 << 20;

/// A request. Holds an environment, hence no `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    /// End the instance; the connection closes when it has ended.
    Stop { grace_ms: u64 },
    /// Run a command.
    Exec {
        words: Vec<String>,
        env: BTreeMap<String, String>,
        folder: Option<String>,
        stdin: bool,
        timeout_ms: Option<u64>,
    },
}

/// An error on its way from the shim.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) kind: String,
    pub(crate) message: String,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self { kind: error.kind().as_str().into(), message: error.message().into() }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::new(ErrorKind::parse(&fault.kind).unwrap_or(ErrorKind::Internal), fault.message)
    }
}

/// The answer of a shim that was asked to start its program.
pub(crate) type Started = Result<(), Fault>;

/// One frame as bytes.
pub(crate) fn frame(tag: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(5 + payload.len());
    frame.push(tag);
    frame.extend((payload.len() as u32).to_le_bytes());
    frame.extend(payload);
    frame
}

/// The tag and length of a frame's head.
pub(crate) fn head(head: [u8; 5]) -> io::Result<(u8, usize)> {
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    Ok((head[0], length))
}

/// Writes a frame at once.
pub(crate) fn write(to: &mut impl Write, tag: u8, payload: &[u8]) -> io::Result<()> {
    to.write_all(&frame(tag, payload))
}

/// Reads a frame.
pub(crate) fn read(from: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut bytes = [0; 5];
    from.read_exact(&mut bytes)?;
    let (tag, length) = head(bytes)?;
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    Ok((tag, payload))
}
