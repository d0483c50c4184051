use async_trait::async_trait;
use slate_core::{Result, model::MetricBucket, store::MetricQuery};
use std::time::Duration;

/// What is kept, and for how long. A duration that isn't set means for ever.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MaintenanceOptions {
    /// How long log lines are kept; default 30 days.
    pub logs: Option<Duration>,
    /// How long samples are kept one by one; default 7 days, at least 1. Before they go they are summed up by the hour.
    pub metrics: Option<Duration>,
    /// How long the hourly sums of samples are kept; default 400 days.
    pub rollups: Option<Duration>,
    /// How long deleted records are kept; default 30 days. After that their ids would be free again.
    pub deleted: Option<Duration>,
    /// How long idempotency keys are kept; default 7 days.
    pub idempotency: Option<Duration>,
    /// How long published events are kept; default 7 days. Longer than analytics may be behind.
    pub events: Option<Duration>,
    /// How long the audit trail is kept; default for ever.
    pub audit: Option<Duration>,
    /// For how many days ahead partitions are made, where there are partitions; default 7.
    pub days_ahead: u16,
    /// Most rows that one statement removes; default 5000. Others write in between.
    pub batch: u32,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for MaintenanceOptions {
    fn default() -> Self {
        Self {
            logs: Some(DAY * 30),
            metrics: Some(DAY * 7),
            rollups: Some(DAY * 400),
            deleted: Some(DAY * 30),
            idempotency: Some(DAY * 7),
            events: Some(DAY * 7),
            audit: None,
            days_ahead: 7,
            batch: 5000,
        }
    }
}

macro_rules! setters {
    ($($field:ident / $with:ident: $what:literal),* $(,)?) => {
        impl MaintenanceOptions {$(
            #[doc = concat!("Sets how long ", $what, " are kept; for ever where `None`.")]
            #[must_use]
            pub fn $with(mut self, $field: Option<Duration>) -> Self {
                self.$field = $field;
                self
            }
        )*}
    };
}

setters! {
    logs / with_logs: "log lines",
    metrics / with_metrics: "samples",
    rollups / with_rollups: "hourly sums of samples",
    deleted / with_deleted: "deleted records",
    idempotency / with_idempotency: "idempotency keys",
    events / with_events: "published events",
    audit / with_audit: "entries of the audit trail",
}

/// What [`Maintain::maintain`] did, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintained {
    /// Hourly sums written.
    pub rolled_up: u64,
    /// Log lines removed one by one.
    pub logs: u64,
    /// Samples removed one by one.
    pub metrics: u64,
    /// Whole partitions of lines and samples removed.
    pub partitions: u64,
    /// Hourly sums removed.
    pub rollups: u64,
    /// Deleted records removed.
    pub deleted: u64,
    /// Idempotency keys removed.
    pub idempotency: u64,
    /// Published events removed.
    pub events: u64,
    /// Entries of the audit trail removed.
    pub audit: u64,
}

/// A store that must be tidied from time to time. SLATE's own don't do it by themselves: whoever runs a service calls
/// [`maintain`](Self::maintain) at its start and then once an hour or so, in as many processes as it likes.
#[async_trait]
pub trait Maintain: Send + Sync {
    /// Sums up samples by the hour (also those that come up to a day late), makes partitions ahead, and removes what needn't
    /// be kept any longer.
    ///
    /// Doing it twice, or from two processes at a time, is as good as once.
    ///
    /// # Errors
    /// `Unavailable` and the like; what was done until then stays done, and the next call goes on.
    async fn maintain(&self, options: &MaintenanceOptions) -> Result<Maintained>;

    /// The hourly sums for which the query holds, oldest first, at most 10 000: of hours that have ended and been summed up,
    /// also those whose samples are gone.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn hourly_metrics(&self, query: MetricQuery) -> Result<Vec<MetricBucket>>;
}
