use crate::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};

/// One measured value (`slate_runtime_metrics`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricSample {
    /// The session that was measured; `None` for the system itself.
    pub session_id: Option<SessionId>,
    /// What was measured, for example `cpu_percent`.
    pub metric_type: String,
    /// The value; finite.
    pub value: f64,
    /// Its unit, for example `percent`, `bytes`.
    pub unit: String,
    /// When it was measured.
    pub timestamp: Timestamp,
}

/// The samples of one span of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricBucket {
    /// When the span begins.
    pub start: Timestamp,
    /// Number of samples.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// A count of events in one span of time (`slate_analytics`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counter {
    /// What is counted, for example `project.created`.
    pub name: String,
    /// Of what, for example `user:ada` or `project:{id}`; empty for all.
    pub label: String,
    /// When the span begins.
    pub bucket: Timestamp,
    /// The count.
    pub value: i64,
}
