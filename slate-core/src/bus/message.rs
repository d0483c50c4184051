use super::Subject;
use crate::{Error, EventId, Result};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// The names of headers that SLATE sets.
pub mod headers {
    /// The event's id. NATS JetStream drops repeats by the header of this name.
    pub const ID: &str = "Nats-Msg-Id";
    /// What the event is about, as `session:{id}`.
    pub const AGGREGATE: &str = "Slate-Aggregate";
    /// The version of that after the change which the event tells of.
    pub const VERSION: &str = "Slate-Version";
    /// Set on a live log message whose line is stored already, so that nobody stores it twice.
    pub const STORED: &str = "Slate-Stored";
    /// The W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
}

/// A message on the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Where it is published.
    pub subject: Subject,
    /// What it says; JSON in SLATE's own messages.
    pub payload: Bytes,
    /// Further facts by name.
    pub headers: BTreeMap<String, String>,
    /// Where an answer is awaited.
    pub reply: Option<Subject>,
}

impl Message {
    /// The most bytes of a payload, as seed 003 advises: keep larger things in the store and send a reference.
    pub const MAX_PAYLOAD: usize = 1 << 20;

    /// A message without headers.
    pub fn new(subject: Subject, payload: impl Into<Bytes>) -> Self {
        Self { subject, payload: payload.into(), headers: BTreeMap::new(), reply: None }
    }

    /// A message that says `value` as JSON.
    ///
    /// # Errors
    /// `Invalid` where the value is no JSON.
    pub fn json(subject: Subject, value: &impl Serialize) -> Result<Self> {
        let payload =
            serde_json::to_vec(value).map_err(|error| Error::invalid("the value is no JSON").because(error))?;
        Ok(Self::new(subject, payload))
    }

    /// Sets a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Asks for an answer on `reply`.
    #[must_use]
    pub fn with_reply(mut self, reply: Subject) -> Self {
        self.reply = Some(reply);
        self
    }

    /// The id of the event that it carries, where it carries one.
    pub fn event_id(&self) -> Option<EventId> {
        self.headers.get(headers::ID)?.parse().ok()
    }

    /// Reads the payload.
    ///
    /// # Errors
    /// `Invalid`, naming the subject and what is wrong.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.payload).map_err(|error| {
            Error::invalid(format!("malformed message: {error}")).with("subject", &self.subject).because(error)
        })
    }

    /// Checks the payload's size. Every bus calls it before it publishes.
    ///
    /// # Errors
    /// `LimitExceeded` over [`MAX_PAYLOAD`](Self::MAX_PAYLOAD).
    pub fn check(&self) -> Result<()> {
        if self.payload.len() <= Self::MAX_PAYLOAD {
            return Ok(());
        }
        Err(Error::limit_exceeded("a message is up to 1 MiB: keep the payload in the store and send a reference to it")
            .with("subject", &self.subject)
            .with("size", self.payload.len()))
    }
}
