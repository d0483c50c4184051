use serde::Serialize;
use slate_core::{Error, Result, Timestamp};
use std::fmt::Display;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Flag(bool),
    Text(String),
    /// JSON as text.
    Json(String),
    Time(Timestamp),
    /// The bits of a UUID.
    Id(u128),
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Real,
    Flag,
    Text,
    Json,
    Time,
    Id,
}

impl Value {
    /// What has words of its own as text: ids, enums, paths.
    pub(crate) fn text(value: impl Display) -> Self {
        Self::Text(value.to_string())
    }

    /// A checked number, as [`ChangeSet::check`](slate_core::store::ChangeSet::check) lets through.
    pub(crate) fn number(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// Anything as JSON.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self> {
        serde_json::to_string(value)
            .map(Self::Json)
            .map_err(|error| Error::invalid("a value is no JSON").because(error))
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! ids {
    ($($id:ident),*) => {$(
        impl From<slate_core::$id> for Value {
            fn from(id: slate_core::$id) -> Self {
                Self::Id(id.as_u128())
            }
        }
    )*};
}

ids!(ProjectId, FileId, AssetId, SessionId, BuildId, AssetJobId, TemplateId, PoolMemberId, AuditId, EventId, LogId);
