//! Identifiers: UUIDv7 newtypes for what SLATE makes, checked text for what others name.

use crate::{Error, Result, wire::checked_text};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident => $what:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// A UUID; new ones are version 7 (RFC 9562), so that they sort by the time they were made.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// A new identifier, unique in practice, later than those made before it in this process.
            #[allow(clippy::new_without_default, reason = "two defaults would differ")]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7())
            }

            /// The identifier with these 128 bits.
            pub const fn from_u128(bits: u128) -> Self {
                Self(uuid::Uuid::from_u128(bits))
            }

            /// The 128 bits, big endian when written as bytes.
            pub const fn as_u128(self) -> u128 {
                self.0.as_u128()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                uuid::Uuid::try_parse(text).map(Self).map_err(|error| {
                    Error::invalid(concat!("not a ", $what, " id: a UUID is expected"))
                        .with("value", text.escape_debug().to_string().chars().take(64).collect::<String>())
                        .because(error)
                })
            }
        }
    )*};
}

uuid_ids! {
    /// Names a project.
    ProjectId => "project";
    /// Names a file of a project.
    FileId => "file";
    /// Names an asset of a project.
    AssetId => "asset";
    /// Names a runtime session.
    SessionId => "session";
    /// Names a build job.
    BuildId => "build";
    /// Names an asset processing job.
    AssetJobId => "asset job";
    /// Names a container template.
    TemplateId => "template";
    /// Names a member of a warm pool.
    PoolMemberId => "pool member";
    /// Names an entry of the audit trail.
    AuditId => "audit";
    /// Names an event; consumers drop repeats by it.
    EventId => "event";
    /// Names a stored log line.
    LogId => "log";
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident => $what:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// 1 to 128 printable ASCII characters without white space or `*`, `>`, `/`, `\`, quotes; a dot may stand inside.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks `text` and takes it as an identifier.
            ///
            /// # Errors
            /// `Invalid` where a rule of the type is broken.
            pub fn new(text: impl AsRef<str>) -> Result<Self> {
                let text = text.as_ref();
                check_text($what, text)?;
                Ok(Self(text.into()))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        checked_text!($name);
    )*};
}

text_ids! {
    /// Names a user of the embedding service, in that service's own terms.
    UserId => "user";
    /// Names one running worker or orchestrator; a restarted process takes a new one.
    WorkerId => "worker";
    /// Names an instance within its runtime backend (a container id, a process key).
    InstanceId => "instance";
}

impl WorkerId {
    /// A name nobody else has: `prefix` and a fresh UUID.
    pub fn unique(prefix: &str) -> Self {
        let prefix: String = prefix.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
        Self(format!("{prefix}-{}", uuid::Uuid::now_v7()).into())
    }
}

fn check_text(what: &'static str, text: &str) -> Result<()> {
    let fits = (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"*>/\\\"'`".contains(&b))
        && !text.starts_with('.')
        && !text.ends_with('.')
        && !text.contains("..");
    if fits {
        return Ok(());
    }
    Err(Error::invalid(format!("not a {what} id: 1 to 128 printable ASCII characters are expected"))
        .with("value", text.escape_debug().to_string().chars().take(64).collect::<String>()))
}

/// A counter that guards a mutable record: each committed change adds exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The version of a record that was just made.
    pub const FIRST: Self = Self(1);

    /// The version after one more change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ids_sort_by_time() {
        let ids: Vec<_> = (0..1000).map(|_| SessionId::new()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn text_round_trips() {
        let id = ProjectId::new();
        assert_eq!(id.to_string().parse::<ProjectId>().unwrap(), id);
        assert_eq!(ProjectId::from_u128(id.as_u128()), id);
    }

    #[test]
    fn bad_text_ids_are_refused() {
        for bad in ["", "a b", "a*", ">", "../x", "a\nb", "ä", ".a", "a.", "a..b", &"x".repeat(129)] {
            assert!(UserId::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(UserId::new("user_john.doe@example").unwrap().as_str(), "user_john.doe@example");
    }
}
