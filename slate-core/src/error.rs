//! The one error type of SLATE.
//!
//! An [`Error`] is one word wide. Its [`ErrorKind`] tells the caller what to do next, its
//! component, operation and context tell the operator where, and its source tells the
//! developer why.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

/// The result of every fallible operation in SLATE.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, named by what the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing to be made is there already: read it, or choose another name.
    AlreadyExists,
    /// The caller asked for the work to stop: do nothing.
    Canceled,
    /// Somebody else changed the record first: read it again, decide again.
    Conflict,
    /// Stored or received data is damaged: restore it, or make it anew.
    Corrupt,
    /// A mistake in SLATE or its surroundings that no caller can mend: report it.
    Internal,
    /// The request is malformed: correct it; a repetition fails the same way.
    Invalid,
    /// The input is larger than a named limit: send less, or raise that limit.
    LimitExceeded,
    /// The thing named is not there: check the name.
    NotFound,
    /// The caller may not do this: ask whoever grants it.
    PermissionDenied,
    /// A quota, disk, memory or start slot is used up: free some, or wait.
    ResourceExhausted,
    /// No answer within the time allowed; the work may still have happened: check, then retry.
    TimedOut,
    /// The other side can't be reached for now: retry with back-off.
    Unavailable,
    /// This implementation doesn't offer it: ask `capabilities()`, choose another one.
    Unsupported,
    /// The record's state has no such edge: read the state, choose a legal step.
    WrongState,
}

impl ErrorKind {
    /// Every kind, in alphabetical order.
    pub const ALL: [Self; 14] = [
        Self::AlreadyExists,
        Self::Canceled,
        Self::Conflict,
        Self::Corrupt,
        Self::Internal,
        Self::Invalid,
        Self::LimitExceeded,
        Self::NotFound,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::TimedOut,
        Self::Unavailable,
        Self::Unsupported,
        Self::WrongState,
    ];

    /// The stable lower-case name used on the wire and in logs, for example `not-found`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyExists => "already-exists",
            Self::Canceled => "canceled",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::Internal => "internal",
            Self::Invalid => "invalid",
            Self::LimitExceeded => "limit-exceeded",
            Self::NotFound => "not-found",
            Self::PermissionDenied => "permission-denied",
            Self::ResourceExhausted => "resource-exhausted",
            Self::TimedOut => "timed-out",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
            Self::WrongState => "wrong-state",
        }
    }

    /// The kind with this wire name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The advice that errors of this kind carry unless told otherwise.
    pub const fn default_retry(self) -> Retry {
        match self {
            Self::Unavailable | Self::TimedOut | Self::ResourceExhausted => Retry::Backoff,
            Self::Conflict => Retry::Reread,
            _ => Retry::No,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether, and how, the same call may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// The same call fails again.
    No,
    /// The same call may succeed later; wait longer after each attempt.
    Backoff,
    /// The same call may succeed after this pause.
    After(Duration),
    /// Read the current record, decide anew, then call with what was decided.
    Reread,
}

/// An error of any SLATE operation: its [kind](ErrorKind) says what to do next, its place where it was, its source why.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: Cow<'static, str>,
    component: &'static str,
    operation: &'static str,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` that says `message`.
    ///
    /// The message is for people, without a full stop, and never holds a secret.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            retry: kind.default_retry(),
            message: message.into(),
            component: "",
            operation: "",
            context: Vec::new(),
            source: None,
        }))
    }

    /// Names the component and operation in which it happened, where none is named yet.
    #[must_use]
    pub fn at(mut self, component: &'static str, operation: &'static str) -> Self {
        if self.0.component.is_empty() {
            self.0.component = component;
            self.0.operation = operation;
        }
        self
    }

    /// Adds a fact about the circumstances, for example `("session", id)`.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Sets the error underneath.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Replaces the retry advice of the kind.
    #[must_use]
    pub fn retry_as(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may be tried again.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The message alone, without place and context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The component that failed, for example `store.sqlite`; empty where unknown.
    pub fn component(&self) -> &'static str {
        self.0.component
    }

    /// The operation that failed, for example `apply`; empty where unknown.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The facts added by [`with`](Self::with), oldest first.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// Classifies an I/O error; `action` says what was tried, for example `write the artifact`.
    pub fn io(action: &str, error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::AlreadyExists => ErrorKind::AlreadyExists,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
            Io::StorageFull | Io::QuotaExceeded | Io::OutOfMemory => ErrorKind::ResourceExhausted,
            Io::TimedOut => ErrorKind::TimedOut,
            Io::ConnectionRefused | Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe => {
                ErrorKind::Unavailable
            }
            Io::InvalidData | Io::UnexpectedEof => ErrorKind::Corrupt,
            Io::InvalidInput | Io::InvalidFilename | Io::NotADirectory | Io::IsADirectory => ErrorKind::Invalid,
            Io::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Internal,
        };
        Self::new(kind, format!("can't {action}: {error}")).because(error)
    }
}

macro_rules! constructors {
    ($($name:ident => $kind:ident),* $(,)?) => {
        impl Error {
            $(
                #[doc = concat!("An error of kind [`ErrorKind::", stringify!($kind), "`].")]
                pub fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                    Self::new(ErrorKind::$kind, message)
                }
            )*
        }
    };
}

constructors! {
    already_exists => AlreadyExists, canceled => Canceled, conflict => Conflict, corrupt => Corrupt,
    internal => Internal, invalid => Invalid, limit_exceeded => LimitExceeded, not_found => NotFound,
    permission_denied => PermissionDenied, resource_exhausted => ResourceExhausted,
    timed_out => TimedOut, unavailable => Unavailable, unsupported => Unsupported,
    wrong_state => WrongState,
}

impl fmt::Display for Error {
    /// `message (key=value, …) [component.operation]`, without the source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (index, (key, value)) in self.0.context.iter().enumerate() {
            f.write_str(if index == 0 { " (" } else { ", " })?;
            write!(f, "{key}={value}")?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        if !self.0.component.is_empty() {
            write!(f, " [{}.{}]", self.0.component, self.0.operation)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.0.kind)?;
        let mut source = self.source();
        while let Some(error) = source {
            write!(f, "\n  because: {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::invalid(format!("malformed JSON: {error}")).because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_word_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn shows_message_context_and_place() {
        let error = Error::not_found("no such session").with("session", 7).at("store", "session");
        assert_eq!(error.to_string(), "no such session (session=7) [store.session]");
        assert_eq!(error.retry(), Retry::No);
    }

    #[test]
    fn the_first_place_named_stays() {
        let error = Error::internal("x").at("inner", "a").at("outer", "b");
        assert_eq!((error.component(), error.operation()), ("inner", "a"));
    }

    #[test]
    fn every_kind_has_a_name_that_parses_back() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::parse(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn a_full_disk_is_resource_exhausted() {
        let io = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Error::io("write", io).kind(), ErrorKind::ResourceExhausted);
    }
}
