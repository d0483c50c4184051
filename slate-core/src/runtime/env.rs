use serde::{Deserialize, Serialize};
use std::fmt;

/// The value of an environment variable. `Debug` never shows a secret one.
///
/// In JSON plain text, or `{"secret": "…"}`. [`redacted`](Self::redacted) gives what may be stored and shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EnvValue {
    /// May be shown.
    Plain(String),
    /// Must not be shown.
    Secret {
        /// The value.
        secret: String,
    },
}

impl EnvValue {
    /// A value that may be shown.
    pub fn plain(value: impl Into<String>) -> Self {
        Self::Plain(value.into())
    }

    /// A value that must not be shown.
    pub fn secret(value: impl Into<String>) -> Self {
        Self::Secret { secret: value.into() }
    }

    /// The value itself, for handing to the instance and for nothing else.
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(value) | Self::Secret { secret: value } => value,
        }
    }

    /// Whether the value must not be shown.
    pub const fn is_secret(&self) -> bool {
        matches!(self, Self::Secret { .. })
    }

    /// The value, or stars in place of a secret one.
    #[must_use]
    pub fn redacted(&self) -> Self {
        match self {
            Self::Plain(value) => Self::Plain(value.clone()),
            Self::Secret { .. } => Self::Secret { secret: "***".into() },
        }
    }
}

impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(value) => fmt::Debug::fmt(value, f),
            Self::Secret { .. } => f.write_str("***"),
        }
    }
}
