use super::{PortMapping, Protocol};
use crate::{BoxStream, Error, InstanceId, Result, Timestamp, wire::wire_enum};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a backend can do, and what it enforces rather than merely accepts. Told truthfully: a limit that can't be enforced
/// on this host is `false`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Capabilities {
    /// Instances are made from images.
    pub images: bool,
    /// A memory limit is enforced.
    pub memory_limit: bool,
    /// A processor limit is enforced.
    pub cpu_limit: bool,
    /// A limit on processes is enforced.
    pub pids_limit: bool,
    /// A disk limit is enforced.
    pub disk_limit: bool,
    /// Mounts are isolated: an instance sees only its own.
    pub mounts: bool,
    /// Networks are isolated.
    pub networks: bool,
    /// Ports are mapped to the host.
    pub ports: bool,
    /// Graphics processors can be handed out.
    pub gpu: bool,
    /// Another user can be chosen.
    pub user: bool,
    /// `exec` runs commands in an instance.
    pub exec: bool,
    /// `exec` can attach a terminal.
    pub tty: bool,
    /// Instances go on when the service that made them ends, and are found again.
    pub survives_restart: bool,
    /// Health checks are run by the backend.
    pub health: bool,
}

wire_enum! {
    /// Where an instance is in its life.
    InstanceState {
        /// Made, not started.
        Created = "created",
        /// Runs.
        Running = "running",
        /// Frozen.
        Paused = "paused",
        /// Ended; it may be started again.
        Exited = "exited",
    }
}

/// What a backend knows of an instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Instance {
    /// Its id within the backend.
    pub id: InstanceId,
    /// The name that its spec gave.
    pub name: String,
    /// Where it is in its life.
    pub state: InstanceState,
    /// How it ended; `None` while it hasn't, or where that isn't known.
    pub exit: Option<ExitStatus>,
    /// The labels that its spec gave.
    pub labels: BTreeMap<String, String>,
    /// Its ports with the host's chosen ports filled in.
    pub ports: Vec<PortMapping>,
    /// The host's process id of its first process, while it runs.
    pub process_id: Option<u32>,
    /// Whether its health check is content; `None` without one.
    pub healthy: Option<bool>,
    /// Whether its health check has failed as often in a row as it says, after its start period.
    pub failing: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// When it last ended.
    pub finished_at: Option<Timestamp>,
}

impl Instance {
    /// An instance that was just made.
    pub fn created(id: InstanceId, name: impl Into<String>, created_at: Timestamp) -> Self {
        Self {
            id,
            name: name.into(),
            state: InstanceState::Created,
            exit: None,
            labels: BTreeMap::new(),
            ports: Vec::new(),
            process_id: None,
            healthy: None,
            failing: false,
            created_at,
            started_at: None,
            finished_at: None,
        }
    }

    /// The host's port for the instance's `container` port, where one is published.
    pub fn host_port(&self, container: u16, protocol: Protocol) -> Option<u16> {
        self.ports.iter().find(|port| port.container == container && port.protocol == protocol)?.host
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExitStatus {
    /// The exit code; 128 + signal where a signal ended it; `None` where nobody could learn it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it was killed for using too much memory.
    pub out_of_memory: bool,
    /// Whether it was killed because its time-out had passed.
    pub timed_out: bool,
}

impl ExitStatus {
    /// Ended by itself with this code.
    pub const fn exited(code: i32) -> Self {
        Self { code: Some(code), signal: None, out_of_memory: false, timed_out: false }
    }

    /// Ended by this signal.
    pub const fn signaled(signal: i32) -> Self {
        Self { code: Some(128 + signal), signal: Some(signal), out_of_memory: false, timed_out: false }
    }

    /// Ended, nobody knows how.
    pub const fn unknown() -> Self {
        Self { code: None, signal: None, out_of_memory: false, timed_out: false }
    }

    /// Whether it ended by itself with code 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// A few words for people: `exit code 3`, `signal 9`, `out of memory`.
    pub fn describe(&self) -> String {
        match (self.out_of_memory, self.timed_out, self.signal, self.code) {
            (true, ..) => "killed: out of memory".into(),
            (_, true, ..) => "killed: its time-out had passed".into(),
            (_, _, Some(signal), _) => format!("signal {signal}"),
            (_, _, _, Some(code)) => format!("exit code {code}"),
            _ => "ended in an unknown way".into(),
        }
    }
}

wire_enum! {
    /// Which of a program's streams.
    LogStream {
        /// Standard output.
        Stdout = "stdout",
        /// Standard error.
        Stderr = "stderr",
    }
}

/// A place in an instance's output, given out with each chunk and good for resuming after it.
///
/// Opaque but ordered: a later chunk of the same instance has a greater cursor, over restarts of the instance and of the
/// service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogCursor(pub u64);

/// One line of an instance's output, or a part of a long one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogChunk {
    /// Where the output goes on after this chunk.
    pub cursor: LogCursor,
    /// When it was written, as far as the backend knows.
    pub at: Timestamp,
    /// The stream it was written to.
    pub stream: LogStream,
    /// The text without its line break; at most 64 KiB. What isn't UTF-8 is left as it is.
    pub line: Bytes,
    /// Whether the line goes on in the next chunk of the same stream.
    pub partial: bool,
    /// Number of lines between the chunk before and this one that are gone (rotated away); 0 as a rule.
    pub lost_before: u64,
}

impl LogChunk {
    /// The most bytes that a chunk's line has; longer ones come in parts.
    pub const MAX_LINE: usize = 64 * 1024;

    /// A whole line.
    pub fn line(cursor: LogCursor, at: Timestamp, stream: LogStream, line: impl Into<Bytes>) -> Self {
        Self { cursor, at, stream, line: line.into(), partial: false, lost_before: 0 }
    }

    /// The text, with anything that isn't UTF-8 replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.line)
    }
}

/// A measurement of what an instance uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub struct ResourceSample {
    /// When it was taken, in milliseconds since the epoch.
    #[serde(with = "crate::unix_millis")]
    pub timestamp: Timestamp,
    /// Processor time since the sample before, in per cent of one core: two busy cores are 200.
    pub cpu_percent: f64,
    /// Bytes of memory in use.
    pub memory_usage: u64,
    /// The memory limit in bytes; the host's memory where there is none.
    pub memory_limit: u64,
    /// Bytes received over the network since the start; 0 where the backend can't tell.
    pub network_rx_bytes: u64,
    /// Bytes sent over the network since the start; 0 where the backend can't tell.
    pub network_tx_bytes: u64,
    /// Bytes read from disks since the start.
    pub block_read_bytes: u64,
    /// Bytes written to disks since the start.
    pub block_write_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
}

impl ResourceSample {
    /// Memory in use in per cent of the limit; 0 where there is no limit.
    pub fn memory_percent(&self) -> f64 {
        if self.memory_limit == 0 { 0.0 } else { self.memory_usage as f64 * 100.0 / self.memory_limit as f64 }
    }
}

/// Something that happened to an instance.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RuntimeChange {
    /// It was made.
    Created(InstanceId),
    /// It runs.
    Started(InstanceId),
    /// It ended.
    Exited(InstanceId, ExitStatus),
    /// It was removed.
    Removed(InstanceId),
    /// Its health changed.
    Health(InstanceId, bool),
    /// Changes may have been missed: list the instances anew.
    Resync,
}

/// A command that runs in an instance. Dropping it kills the command.
pub struct Exec {
    /// Its output as it comes; ends when the command has closed both streams.
    pub output: BoxStream<Result<ExecOutput>>,
    /// Its standard input, where `ExecOptions::stdin` asked for it; dropping it closes it.
    pub stdin: Option<Box<dyn ExecInput>>,
    /// How it ended; resolves once it has.
    pub exit: Box<dyn ExecExit>,
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exec")
    }
}

/// Some output of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// The stream it was written to; always `Stdout` with a terminal.
    pub stream: LogStream,
    /// The bytes as they came, not cut into lines.
    pub bytes: Bytes,
}

/// The standard input of a running command.
#[async_trait]
pub trait ExecInput: Send {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// `Unavailable` once the command doesn't read any more.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;
}

/// The end of a running command.
#[async_trait]
pub trait ExecExit: Send {
    /// Waits for the end.
    ///
    /// # Errors
    /// Those of the backend; a command that failed is no error.
    async fn wait(self: Box<Self>) -> Result<ExitStatus>;
}

impl Exec {
    /// Collects the output, at most `limit` bytes of it, and waits for the end.
    ///
    /// # Errors
    /// Those of the backend; `LimitExceeded` where there is more output.
    pub async fn collect(mut self, limit: usize) -> Result<(Vec<u8>, Vec<u8>, ExitStatus)> {
        use futures_util::StreamExt;
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(output) = self.output.next().await {
            let ExecOutput { stream, bytes } = output?;
            if stdout.len() + stderr.len() + bytes.len() > limit {
                return Err(Error::limit_exceeded("the command's output is over its limit").with("limit", limit));
            }
            match stream {
                LogStream::Stdout => stdout.extend_from_slice(&bytes),
                LogStream::Stderr => stderr.extend_from_slice(&bytes),
            }
        }
        Ok((stdout, stderr, self.exit.wait().await?))
    }
}
