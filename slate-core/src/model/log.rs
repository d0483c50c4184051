use super::Json;
use crate::{AssetJobId, BuildId, Error, LogId, Result, SessionId, Timestamp, wire::wire_enum};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

wire_enum! {
    /// How much a log line matters, rising.
    LogLevel {
        /// For developers.
        Debug = "debug",
        /// As expected.
        Info = "info",
        /// Worth a look.
        Warning = "warning",
        /// Something failed.
        Error = "error",
    }
}

impl LogLevel {
    /// Reads a level in any case, with the usual short forms (`warn`, `err`, `fatal`, `trace`, `log`).
    pub fn parse_lenient(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "trace" | "debug" | "verbose" => Some(Self::Debug),
            "info" | "log" | "notice" => Some(Self::Info),
            "warn" | "warning" => Some(Self::Warning),
            "err" | "error" | "fatal" | "critical" | "exception" | "assert" => Some(Self::Error),
            _ => None,
        }
    }
}

/// What a log line is of: `session:{id}`, `build:{id}`, `asset:{id}` as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum LogSource {
    /// A runtime session.
    Session(SessionId),
    /// A build.
    Build(BuildId),
    /// An asset job.
    AssetJob(AssetJobId),
}

impl fmt::Display for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => write!(f, "session:{id}"),
            Self::Build(id) => write!(f, "build:{id}"),
            Self::AssetJob(id) => write!(f, "asset:{id}"),
        }
    }
}

impl FromStr for LogSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("session", id)) => id.parse().map(Self::Session),
            Some(("build", id)) => id.parse().map(Self::Build),
            Some(("asset", id)) => id.parse().map(Self::AssetJob),
            _ => Err(Error::invalid("not a log source: session:{id}, build:{id} or asset:{id} is expected")),
        }
    }
}

impl TryFrom<String> for LogSource {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<LogSource> for String {
    fn from(source: LogSource) -> Self {
        source.to_string()
    }
}

/// A stored log line (`slate_runtime_logs`, for every source).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// Its id; lines of one source sort by it in the order in which they came.
    pub id: LogId,
    /// What it is of.
    pub source: LogSource,
    /// Its place in the source, where the source counts; storing the same place twice keeps the first.
    pub seq: Option<u64>,
    /// How much it matters.
    pub level: LogLevel,
    /// The text, up to [`MAX_MESSAGE`](Self::MAX_MESSAGE) bytes.
    pub message: String,
    /// When it was written.
    pub timestamp: Timestamp,
    /// Free data; null or an object.
    #[serde(default)]
    pub metadata: Json,
}

impl LogEntry {
    /// The most bytes of a message; longer ones are cut and marked.
    pub const MAX_MESSAGE: usize = 64 * 1024;

    /// A new line. A message over the limit is cut at a character's border and its metadata says how long it was.
    pub fn new(source: LogSource, level: LogLevel, message: impl Into<String>, timestamp: Timestamp) -> Self {
        let mut message = message.into();
        let mut metadata = Json::Null;
        if message.len() > Self::MAX_MESSAGE {
            metadata = serde_json::json!({ "truncatedFrom": message.len() });
            let cut = (0..=Self::MAX_MESSAGE).rev().find(|&at| message.is_char_boundary(at)).unwrap_or(0);
            message.truncate(cut);
        }
        Self { id: LogId::new(), source, seq: None, level, message, timestamp, metadata }
    }

    /// Sets its place in the source.
    #[must_use]
    pub fn with_seq(mut self, seq: u64) -> Self {
        self.seq = Some(seq);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_round_trip() {
        for source in [
            LogSource::Session(SessionId::new()),
            LogSource::Build(BuildId::new()),
            LogSource::AssetJob(AssetJobId::new()),
        ] {
            assert_eq!(source.to_string().parse::<LogSource>().unwrap(), source);
        }
        assert!("session".parse::<LogSource>().is_err());
    }

    #[test]
    fn long_messages_are_cut_and_marked() {
        let long = "ä".repeat(LogEntry::MAX_MESSAGE);
        let entry = LogEntry::new(LogSource::Build(BuildId::new()), LogLevel::Info, long.clone(), Timestamp::EPOCH);
        assert!(entry.message.len() <= LogEntry::MAX_MESSAGE && entry.message.len() > LogEntry::MAX_MESSAGE - 4);
        assert_eq!(entry.metadata["truncatedFrom"], long.len());
    }
}
