//! What the engine's errors mean. Much of it is in the text alone: a registry's refusal arrives as status 500.

use bollard::errors::Error as Engine;
use slate_core::{Error, ErrorKind};

/// The component's name in errors.
pub(crate) const PLACE: &str = "runtime.docker";

/// The SLATE error that says what the caller of `verb` does next.
pub(crate) fn translate(error: Engine, verb: &'static str) -> Error {
    let (kind, text) = judge(&error);
    Error::new(kind, text).because(error).at(PLACE, verb)
}

fn judge(error: &Engine) -> (ErrorKind, String) {
    match error {
        Engine::DockerResponseServerError { status_code, message } => {
            (of_answer(*status_code, message), format!("the engine refused: {}", one_line(message)))
        }
        Engine::DockerStreamError { error } => {
            (of_answer(500, error), format!("the engine gave up: {}", one_line(error)))
        }
        Engine::RequestTimeoutError => (ErrorKind::TimedOut, "the engine didn't answer in time".into()),
        Engine::JsonDataError { .. } | Engine::JsonSerdeError { .. } | Engine::StrParseError { .. } => {
            (ErrorKind::Internal, "the engine's answer is not understood".into())
        }
        Engine::CertPathError { .. } | Engine::CertParseError { .. } | Engine::CertMultipleKeys { .. } => {
            (ErrorKind::Invalid, "the engine's certificates can't be read".into())
        }
        Engine::IOError { .. }
        | Engine::HyperResponseError { .. }
        | Engine::HyperLegacyError { .. }
        | Engine::HttpClientError { .. }
        | Engine::SocketNotFoundError(..) => {
            (ErrorKind::Unavailable, "the engine can't be reached: is it running, and may this user talk to it?".into())
        }
        _ => (ErrorKind::Internal, "the engine's client failed".into()),
    }
}

/// What an answer with this status and text means.
fn of_answer(status: u16, text: &str) -> ErrorKind {
    let text = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["no space left on device", "address pool", "pool overlaps", "cannot allocate memory", "no more subnets"])
    {
        return ErrorKind::ResourceExhausted;
    }
    match status {
        304 => ErrorKind::WrongState,
        403 | 500 if says(&["rootfs is marked read-only", "read-only file system", "mount is marked read-only"]) => {
            ErrorKind::PermissionDenied
        }
        400 | 500 if says(&["executable file not found", "no such file or directory"]) => ErrorKind::NotFound,
        400 | 500 if says(&["bind source path does not exist"]) => ErrorKind::NotFound,
        400 => ErrorKind::Invalid,
        401 | 403 => ErrorKind::PermissionDenied,
        // A registry that is asked without a login answers "not found" for what it hides; the engine adds the doubt.
        404 if says(&["access denied", "may require 'docker login'"]) => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        409 if says(&["is already in use by container", "already exists"]) => ErrorKind::AlreadyExists,
        409 => ErrorKind::WrongState,
        500 if says(&["no basic auth credentials", "unauthorized", "authentication required", "access denied"]) => {
            ErrorKind::PermissionDenied
        }
        500 if says(&["denied:", "incorrect username or password"]) => ErrorKind::PermissionDenied,
        500 if says(&["manifest unknown", "not found", "no such image", "repository does not exist"]) => {
            ErrorKind::NotFound
        }
        500 if says(&["port is already allocated", "address already in use"]) => ErrorKind::ResourceExhausted,
        500 if says(&[
            "no such host",
            "connection refused",
            "i/o timeout",
            "tls handshake",
            "eof",
            "toomanyrequests",
        ]) =>
        {
            ErrorKind::Unavailable
        }
        500 if says(&["context canceled", "context deadline"]) => ErrorKind::TimedOut,
        502..=504 => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}

/// Engines answer with whole paragraphs; the first 400 characters hold what matters.
fn one_line(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 400 { line } else { line.chars().take(400).chain("…".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_answers_are_understood() {
        use ErrorKind::*;
        // Texts as engines of versions 20.10 to 28 send them.
        let table = [
            (404, "No such container: 0f", NotFound),
            (404, "No such image: nobody:latest", NotFound),
            (
                404,
                "pull access denied for x, repository does not exist or may require 'docker login'",
                PermissionDenied,
            ),
            (409, "Conflict. The container name \"/a\" is already in use by container \"b\".", AlreadyExists),
            (409, "You cannot remove a running container 0f. Stop the container before attempting removal", WrongState),
            (409, "Container 0f is not running", WrongState),
            (500, "Get \"http://127.0.0.1:5055/v2/x\": no basic auth credentials", PermissionDenied),
            (500, "Get \"https://r/v2/\": unauthorized: authentication required", PermissionDenied),
            (500, "manifest for r/x:1 not found: manifest unknown: manifest unknown", NotFound),
            (500, "Get \"https://r/v2/\": dial tcp: lookup r: no such host", Unavailable),
            (500, "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", Unavailable),
            (500, "driver failed programming external connectivity: port is already allocated", ResourceExhausted),
            (400, "could not find an available, non-overlapping IPv4 address pool", ResourceExhausted),
            (500, "write /var/lib/x: no space left on device", ResourceExhausted),
            (400, "OCI runtime create failed: exec: \"nope\": executable file not found in $PATH", NotFound),
            (400, "Minimum memory limit allowed is 6MB", Invalid),
            (503, "This node is not a swarm manager", Unavailable),
            (500, "container rootfs is marked read-only", PermissionDenied),
            (500, "something new", Internal),
        ];
        for (status, text, expected) in table {
            assert_eq!(of_answer(status, text), expected, "{status} {text}");
        }
    }

    #[test]
    fn an_engine_that_is_away_may_be_asked_again() {
        let away = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = translate(Engine::from(away), "inspect");
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, slate_core::Retry::Backoff));
        assert_eq!(translate(Engine::RequestTimeoutError, "inspect").kind(), ErrorKind::TimedOut);
    }
}
