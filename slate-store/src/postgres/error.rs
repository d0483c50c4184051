use slate_core::{Error, ErrorKind, Retry};
use std::borrow::Cow;

/// Where errors of this store say that they come from.
pub(super) const PLACE: &str = "store.postgres";

/// What an error of the database means for the caller.
pub(super) fn failed(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(inner) => {
            let code = inner.code().map(Cow::into_owned).unwrap_or_default();
            let constraint = inner.constraint().map(str::to_owned);
            let (kind, message) = meaning(&code);
            let mut meant = Error::new(kind, message).with("sqlstate", &code).because(error);
            if let Some(constraint) = constraint {
                meant = meant.with("constraint", constraint);
            }
            // The other's work is done by now, and this one's was taken back: the same again may succeed.
            if is_clash(&code) { meant.retry_as(Retry::Backoff) } else { meant }
        }
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => {
            Error::unavailable("the connection to the database broke").because(error)
        }
        sqlx::Error::Tls(_) => Error::unavailable("no safe connection to the database could be made").because(error),
        sqlx::Error::Configuration(_) => Error::invalid("the database's address is malformed").because(error),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Error::corrupt("a stored value isn't what it should be").because(error)
        }
        _ => Error::internal("the database refused a statement").because(error),
    }
}

/// Whether the statement was taken back because it got in another's way.
fn is_clash(code: &str) -> bool {
    matches!(code, "40001" | "40P01" | "55P03")
}

/// Whether the same work may be done again at once.
pub(super) fn clashed(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict && error.retry() == Retry::Backoff
}

/// Whether the server refused a statement because of what is in it.
pub(super) fn is_refusal(error: &Error) -> bool {
    let lost = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut);
    !lost && !clashed(error) && error.context().iter().any(|(key, _)| *key == "sqlstate")
}

/// Whether a statement ended itself by a division by zero.
pub(super) fn is_division_by_zero(error: &Error) -> bool {
    error.context().iter().any(|(key, value)| *key == "sqlstate" && value == "22012")
}

/// What an SQLSTATE (<https://www.postgresql.org/docs/15/errcodes-appendix.html>) means.
fn meaning(code: &str) -> (ErrorKind, &'static str) {
    match code {
        "23505" => return (ErrorKind::AlreadyExists, "another record has this id, path or name"),
        "23503" => return (ErrorKind::NotFound, "the record that this one points to isn't there"),
        "40001" | "40P01" | "55P03" => return (ErrorKind::Conflict, "somebody else was in the way: try again"),
        "57014" => return (ErrorKind::TimedOut, "the statement took too long"),
        "25006" => return (ErrorKind::Unavailable, "the server is no longer the primary"),
        // A newer SLATE changed the table while this connection had its plan.
        "0A000" => return (ErrorKind::Unavailable, "the tables have changed under a prepared statement: try again"),
        "42501" => return (ErrorKind::PermissionDenied, "the database's user may not do this"),
        "3D000" => return (ErrorKind::NotFound, "the database isn't there: create it"),
        "53100" => return (ErrorKind::ResourceExhausted, "the server's disk is full: free some room"),
        "53200" => return (ErrorKind::ResourceExhausted, "the server is out of memory"),
        "53300" => return (ErrorKind::ResourceExhausted, "the server takes no more connections: allow more"),
        "53400" | "54000" | "54001" | "54011" | "54023" => {
            return (ErrorKind::LimitExceeded, "a value is too large for the database");
        }
        _ => {}
    }
    match code.get(..2) {
        Some("08" | "57" | "58") => (ErrorKind::Unavailable, "the server can't be reached, or is going down"),
        Some("22" | "23") => (ErrorKind::Invalid, "a value breaks a rule of its table"),
        Some("28") => (ErrorKind::PermissionDenied, "the server refuses this user or password"),
        Some("XX") => (ErrorKind::Corrupt, "the server found its data damaged: restore it"),
        _ => (ErrorKind::Internal, "the database refused a statement"),
    }
}
