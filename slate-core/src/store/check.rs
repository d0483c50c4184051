//! What every store refuses before it looks at what it holds, so that all refuse the same.

use super::{Change, ChangeSet, Idempotency, MemberClaim, Record};
use crate::{
    Error, Result, Version,
    model::{FileContent, FileRecord, LogEntry, MetricSample, PoolMember, QuotaLimits, QuotaUsage},
};

/// The most log lines, samples, events, counters or spans that one call takes or gives.
pub const MAX_BATCH: usize = 10_000;

/// The greatest number that a store keeps: databases count in 63 bits.
const MAX_NUMBER: u64 = i64::MAX as u64;

impl ChangeSet {
    /// Checks all that can be told without a store. For implementors of [`ChangeStore`](super::ChangeStore): call it first.
    ///
    /// # Errors
    /// `LimitExceeded` for more than [`MAX_LEN`](Self::MAX_LEN) changes or events, or a field over its limit; `Invalid` for a
    /// malformed one, for the creation of a record whose version isn't the first, or for a number over 2⁶³ − 1.
    pub fn check(&self) -> Result<()> {
        if self.changes.len() > Self::MAX_LEN || self.events.len() > Self::MAX_LEN {
            return Err(Error::limit_exceeded("a set has at most 10000 changes and 10000 events")
                .with("changes", self.changes.len())
                .with("events", self.events.len()));
        }
        self.idempotency.as_ref().map_or(Ok(()), check_key)?;
        self.changes.iter().try_for_each(check_change)
    }
}

/// Checks lines to be appended. For implementors of [`LogStore`](super::LogStore).
///
/// # Errors
/// `LimitExceeded` for too many lines or too long a message, `Invalid` for a `seq` over 2⁶³ − 1.
pub fn check_logs(entries: &[LogEntry]) -> Result<()> {
    check_batch(entries.len())?;
    for entry in entries {
        if entry.message.len() > LogEntry::MAX_MESSAGE {
            return Err(Error::limit_exceeded("a log message is up to 64 KiB")
                .with("source", entry.source)
                .with("size", entry.message.len()));
        }
        check_numbers([entry.seq.unwrap_or(0)])?;
    }
    Ok(())
}

/// Checks samples to be appended. For implementors of [`MetricStore`](super::MetricStore).
///
/// # Errors
/// `LimitExceeded` for too many, `Invalid` for one that isn't finite.
pub fn check_samples(samples: &[MetricSample]) -> Result<()> {
    check_batch(samples.len())?;
    match samples.iter().find(|sample| !sample.value.is_finite()) {
        Some(sample) => {
            Err(Error::invalid("a sample is a finite number").with("metric", sample.metric_type.escape_debug()))
        }
        None => Ok(()),
    }
}

/// Checks a wish for a member of a pool. For implementors of [`PoolStore`](super::PoolStore).
///
/// # Errors
/// `Invalid` for a key that isn't 1 to 200 bytes.
pub fn check_member_claim(claim: &MemberClaim) -> Result<()> {
    if !(1..=PoolMember::MAX_KEY).contains(&claim.key.len()) {
        return Err(Error::invalid("a claim's key is 1 to 200 bytes").with("length", claim.key.len()));
    }
    Ok(())
}

fn check_batch(len: usize) -> Result<()> {
    if len > MAX_BATCH {
        return Err(Error::limit_exceeded("at most 10000 are appended at a time").with("count", len));
    }
    Ok(())
}

fn check_key(idempotency: &Idempotency) -> Result<()> {
    if idempotency.key.is_empty() {
        return Err(Error::invalid("an idempotency key has at least one byte"));
    }
    if idempotency.key.len() > 200 || idempotency.scope.len() > 200 {
        return Err(Error::limit_exceeded("an idempotency key, and its scope, is up to 200 bytes"));
    }
    Ok(())
}

fn check_change(change: &Change) -> Result<()> {
    match change {
        Change::Create(record) if record.version() != Version::FIRST => {
            Err(Error::invalid("a new record has the first version").with("record", record.id()))
        }
        Change::Create(record) | Change::Update(record) => check_record(record),
        Change::SetQuota(_, limits) => check_limits(limits),
        Change::Reserve { usage, default, .. } => {
            check_usage(usage)?;
            default.as_ref().map_or(Ok(()), check_limits)
        }
        Change::Release { usage, .. } => check_usage(usage),
        Change::Delete(..) | Change::Count(_) | Change::Audit(_) => Ok(()),
    }
}

fn check_record(record: &Record) -> Result<()> {
    match record {
        Record::Project(project) => project.validate(),
        Record::File(file) => {
            if let FileContent::Inline(text) = &file.content
                && text.len() > FileRecord::MAX_INLINE
            {
                return Err(Error::limit_exceeded("a record holds up to 256 KiB: put larger files into blobs")
                    .with("path", &file.path)
                    .with("size", text.len()));
            }
            check_numbers([file.size])
        }
        Record::Session(session) => check_usage(&session.reserved),
        Record::Build(build) => check_progress(record, build.progress),
        Record::AssetJob(job) => check_progress(record, job.progress),
        Record::Template(template) => {
            let length = template.name.chars().count();
            if !(1..=200).contains(&length) {
                return Err(Error::invalid("a template's name is 1 to 200 characters").with("length", length));
            }
            Ok(())
        }
        Record::PoolMember(member) => {
            let sound = |text: &str| (1..=PoolMember::MAX_KEY).contains(&text.len());
            if !sound(&member.pool) || !member.claim_key.as_deref().is_none_or(sound) {
                return Err(
                    Error::invalid("a pool's name, and a claim's key, is 1 to 200 bytes").with("record", record.id())
                );
            }
            Ok(())
        }
        Record::Asset(_) => Ok(()),
    }
}

fn check_progress(record: &Record, progress: u8) -> Result<()> {
    if progress > 100 {
        return Err(Error::invalid("progress is 0 to 100 per cent")
            .with("record", record.id())
            .with("progress", progress));
    }
    Ok(())
}

fn check_limits(limits: &QuotaLimits) -> Result<()> {
    check_numbers([limits.max_memory.bytes(), limits.max_storage.bytes()])
}

fn check_usage(usage: &QuotaUsage) -> Result<()> {
    check_numbers([usage.memory, usage.cpu_millis, usage.storage])
}

fn check_numbers<const N: usize>(numbers: [u64; N]) -> Result<()> {
    match numbers.into_iter().find(|number| *number > MAX_NUMBER) {
        Some(number) => Err(Error::invalid("a stored number is at most 2^63 - 1").with("number", number)),
        None => Ok(()),
    }
}

/// A span of [`metric_buckets`](super::MetricStore::metric_buckets) in microseconds.
///
/// # Errors
/// `Invalid` for a span under one second.
pub fn span_micros(span: std::time::Duration) -> Result<i64> {
    if span < std::time::Duration::from_secs(1) {
        return Err(Error::invalid("a span of time is at least one second"));
    }
    Ok(i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
}

/// When the span begins that `time` is in: the greatest multiple of `span` microseconds since the epoch that isn't later.
pub const fn span_start(time: crate::Timestamp, span: i64) -> crate::Timestamp {
    crate::Timestamp::from_micros(time.as_micros().saturating_sub(time.as_micros().rem_euclid(span)))
}
