use slate_core::{Error, ErrorKind};

/// Where errors of this store say that they come from.
pub(super) const PLACE: &str = "store.sqlite";

/// What an error of the database means for the caller.
pub(super) fn failed(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(inner) => {
            let code = inner.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(1);
            let (kind, message) = meaning(code);
            Error::new(kind, message).with("sqlite", code).because(error)
        }
        sqlx::Error::PoolTimedOut => {
            Error::timed_out("no connection to the database became free: allow more readers").because(error)
        }
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            Error::unavailable("the store is closed").because(error)
        }
        sqlx::Error::Io(_) => Error::unavailable("the database can't be read or written").because(error),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Error::corrupt("a stored value isn't what it should be").because(error)
        }
        _ => Error::internal("the database refused a statement").because(error),
    }
}

/// What an extended result code (<https://sqlite.org/rescode.html>) means.
fn meaning(code: i32) -> (ErrorKind, &'static str) {
    match code {
        1555 | 2067 | 2579 => return (ErrorKind::AlreadyExists, "another record has this id, path or name"),
        787 => return (ErrorKind::NotFound, "the record that this one points to isn't there"),
        // The index beside the log couldn't grow: the disk is full, though SQLite calls it an I/O error.
        4874 => return (ErrorKind::ResourceExhausted, "the disk is full: free some room"),
        522 => return (ErrorKind::Corrupt, "the database file is cut short: restore it"),
        _ => {}
    }
    match code & 0xff {
        5 | 6 => (ErrorKind::Unavailable, "another process holds the database for too long"),
        7 => (ErrorKind::ResourceExhausted, "out of memory"),
        3 | 8 | 23 => (ErrorKind::PermissionDenied, "the database file may not be written"),
        10 => (ErrorKind::Unavailable, "the database file can't be read or written"),
        11 | 26 => (ErrorKind::Corrupt, "the file is no sound SQLite database: restore it"),
        13 => (ErrorKind::ResourceExhausted, "the disk is full: free some room"),
        14 => (ErrorKind::Unavailable, "the database file can't be opened: check that its folder is there"),
        18 => (ErrorKind::LimitExceeded, "a value is too large for the database"),
        19 => (ErrorKind::Invalid, "a value breaks a rule of its table"),
        _ => (ErrorKind::Internal, "the database refused a statement"),
    }
}
