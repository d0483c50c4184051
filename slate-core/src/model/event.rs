use super::Json;
use crate::{EventId, Timestamp, Version, bus::Subject};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an event is about, for its order: events of one aggregate carry rising versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aggregate {
    /// The record, as `session:{id}`.
    pub name: String,
    /// The record's version after the change that the event tells of.
    pub version: Version,
}

/// An event to be stored together with the change that it tells of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewEvent {
    /// Its id; consumers drop repeats by it.
    pub id: EventId,
    /// Where it will be published.
    pub subject: Subject,
    /// The envelope as published.
    pub payload: Json,
    /// What it is about.
    pub aggregate: Option<Aggregate>,
    /// Headers of the message, for example `traceparent`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// When it happened.
    pub at: Timestamp,
}

/// A stored event (`slate_outbox`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredEvent {
    /// Its place in the store; rising, with gaps.
    pub seq: u64,
    /// The event.
    #[serde(flatten)]
    pub event: NewEvent,
    /// When the relay published it; `None` until then.
    pub published_at: Option<Timestamp>,
}
