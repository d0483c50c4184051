//! Subjects, headers and errors, as SLATE has them and as NATS has them.

use crate::{COMPONENT, Malformed};
use async_nats::{
    HeaderMap,
    client::{PublishError, PublishErrorKind, RequestError, RequestErrorKind},
    header::{HeaderName, HeaderValue},
};
use slate_core::{
    Error, Result,
    bus::{Message, Subject},
};
use std::str::FromStr;

/// Puts the prefix before subjects and takes it away again. Subjects of answers have none.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    /// With the dot; empty for none.
    prefix: String,
}

impl Naming {
    pub(crate) fn new(prefix: Option<&str>) -> Self {
        Self { prefix: prefix.map(|prefix| format!("{prefix}.")).unwrap_or_default() }
    }

    /// A subject or filter as the server has it.
    pub(crate) fn outer(&self, inner: &str) -> String {
        // Of just the size that it has, so that it is handed on without a copy.
        if is_inbox(inner) { inner.to_owned() } else { [&self.prefix, inner].concat() }
    }

    /// A subject as callers have it.
    fn inner<'a>(&self, outer: &'a str) -> Option<&'a str> {
        if is_inbox(outer) { Some(outer) } else { outer.strip_prefix(&self.prefix) }
    }

    /// A message that came.
    pub(crate) fn receive(&self, message: async_nats::Message) -> std::result::Result<Message, Malformed> {
        self.subject(&message.subject, &message.subject).and_then(|subject| self.receive_on(subject, message))
    }

    fn subject(&self, of: &str, outer: &str) -> std::result::Result<Subject, Malformed> {
        let malformed = |reason: String| Malformed { subject: of.to_owned(), reason };
        let inner = self.inner(outer).ok_or_else(|| malformed(format!("{outer} has another prefix")))?;
        Subject::new(inner).map_err(|error| malformed(error.to_string()))
    }

    fn receive_on(&self, subject: Subject, message: async_nats::Message) -> std::result::Result<Message, Malformed> {
        let mut received = Message::new(subject, message.payload);
        if let Some(reply) = &message.reply {
            received.reply = Some(self.subject(&message.subject, reply)?);
        }
        for (name, values) in message.headers.iter().flat_map(HeaderMap::iter) {
            // Of a header that is given several times the first counts, as in HTTP for those that may be given once.
            if let Some(value) = values.first() {
                received.headers.insert(name.to_string(), value.as_str().to_owned());
            }
        }
        Ok(received)
    }
}

/// Reads the messages of one subscription: most have the subject of the one before, which is checked once then.
pub(crate) struct Reader<'a> {
    naming: &'a Naming,
    last: Option<(async_nats::Subject, Subject)>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(naming: &'a Naming) -> Self {
        Self { naming, last: None }
    }

    /// A message that came.
    pub(crate) fn receive(&mut self, message: async_nats::Message) -> std::result::Result<Message, Malformed> {
        if let Some((outer, subject)) = &self.last
            && *outer == message.subject
        {
            return self.naming.receive_on(subject.clone(), message);
        }
        let outer = message.subject.clone();
        let received = self.naming.receive(message)?;
        self.last = Some((outer, received.subject.clone()));
        Ok(received)
    }
}

fn is_inbox(subject: &str) -> bool {
    subject.starts_with("_INBOX")
}

/// A message's headers, or `None` without any.
pub(crate) fn headers(message: &Message) -> Result<Option<HeaderMap>> {
    if message.headers.is_empty() {
        return Ok(None);
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        let malformed = || Error::invalid("a header can't be carried").with("header", name.escape_debug());
        let sound = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if !sound || value.contains(['\r', '\n']) || value.trim() != value {
            return Err(malformed());
        }
        let name = HeaderName::from_str(name).map_err(|error| malformed().because(error))?;
        headers.insert(name, HeaderValue::from_str(value).map_err(|error| malformed().because(error))?);
    }
    Ok(Some(headers))
}

pub(crate) fn publish_error(error: PublishError) -> Error {
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => too_large().because(error),
        PublishErrorKind::InvalidSubject => Error::invalid("the server takes no such subject").because(error),
        PublishErrorKind::Send => closed().because(error),
    }
}

pub(crate) fn request_error(error: RequestError) -> Error {
    match error.kind() {
        RequestErrorKind::TimedOut => Error::timed_out("no answer in time"),
        RequestErrorKind::NoResponders => Error::unavailable("nobody listens on this subject: is the service started?"),
        RequestErrorKind::InvalidSubject => Error::invalid("the server takes no such subject"),
        RequestErrorKind::MaxPayloadExceeded => too_large(),
        RequestErrorKind::Other => Error::unavailable("the request could not be sent"),
    }
    .because(error)
}

pub(crate) fn too_large() -> Error {
    Error::limit_exceeded(
        "the message and its headers are over the server's limit: keep the payload in the store and send a reference to it",
    )
}

pub(crate) fn closed() -> Error {
    Error::unavailable("the bus is closed")
}

pub(crate) fn unreachable() -> Error {
    Error::unavailable("NATS can't be reached: is the server started?").at(COMPONENT, "connect")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message::new(Subject::new("a").unwrap(), "x")
    }

    #[test]
    fn a_prefix_goes_before_everything_but_answers() {
        let naming = Naming::new(Some("team.a"));
        assert_eq!(naming.outer("slate.>"), "team.a.slate.>");
        assert_eq!(naming.inner("team.a.slate.x"), Some("slate.x"));
        assert_eq!(naming.inner("team.ab.slate.x"), None);
        for inbox in ["_INBOX.x.y", "_INBOX_7.x"] {
            assert_eq!((naming.outer(inbox).as_str(), naming.inner(inbox)), (inbox, Some(inbox)));
        }
        assert_eq!(Naming::new(None).outer("a"), "a");
    }

    #[test]
    fn headers_that_would_break_the_protocol_are_refused() {
        assert!(headers(&message()).unwrap().is_none());
        assert!(headers(&message().with_header("traceparent", "00-1-2-01")).unwrap().is_some());
        for (name, value) in
            [("", "x"), ("a b", "x"), ("a:b", "x"), ("a\r\nb", "x"), ("a", "x\r\ny"), ("ä", "x"), ("a", " x")]
        {
            assert!(headers(&message().with_header(name, value)).is_err(), "{name:?} {value:?}");
        }
    }
}
