//! What is appended, counted and handed on, as rows.

use super::{Columns, Dialect, Kind, Statement, Value};
use slate_core::{
    AssetJobId, AuditId, BuildId, Error, EventId, LogId, Result, SessionId, Timestamp, UserId, Version,
    model::{
        Aggregate, AuditEntry, Counter, LogEntry, LogLevel, LogSource, MetricBucket, MetricSample, NewEvent,
        QuotaLimits, QuotaUsage, Revision, StoredEvent, UserQuota,
    },
    runtime::{Cpus, MemorySize},
    store::{AuditQuery, CounterQuery, EventQuery, LogQuery, MetricQuery},
};

/// Something appended, as a row of its table.
pub(crate) trait Entry {
    /// The columns that an insert names.
    const COLUMNS: &'static [(&'static str, Kind)];

    /// The values of [`COLUMNS`](Self::COLUMNS), in that order.
    fn values(&self) -> Result<Vec<Value>>;
}

/// The names of an entry's columns, joined by commas.
pub(crate) fn names<E: Entry>() -> String {
    E::COLUMNS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl Entry for LogEntry {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("source_kind", Kind::Text),
        ("source_id", Kind::Id),
        ("id", Kind::Id),
        ("seq", Kind::Int),
        ("level", Kind::Text),
        ("message", Kind::Text),
        ("timestamp", Kind::Time),
        ("metadata", Kind::Json),
    ];

    fn values(&self) -> Result<Vec<Value>> {
        log_values(self, self.message.clone()).map(Vec::from)
    }
}

/// The values of a line whose message is given apart: who needs the line no more gives it away.
pub(crate) fn log_values(line: &LogEntry, message: String) -> Result<[Value; 8]> {
    let (kind, id) = place_of_source(line.source)?;
    Ok([
        kind.into(),
        id,
        line.id.into(),
        line.seq.map_or(Value::Null, Value::number),
        line.level.as_str().into(),
        Value::Text(message),
        line.timestamp.into(),
        Value::json(&line.metadata)?,
    ])
}

pub(crate) fn read_log(row: &impl Columns) -> Result<LogEntry> {
    let source = match row.text("source_kind")?.as_str() {
        "session" => LogSource::Session(row.id("source_id", SessionId::from_u128)?),
        "build" => LogSource::Build(row.id("source_id", BuildId::from_u128)?),
        _ => LogSource::AssetJob(row.id("source_id", AssetJobId::from_u128)?),
    };
    Ok(LogEntry {
        id: row.id("id", LogId::from_u128)?,
        source,
        seq: row.maybe_int("seq")?.map(i64::cast_unsigned),
        level: row.parse("level")?,
        message: row.text("message")?,
        timestamp: row.time("timestamp")?,
        metadata: row.json("metadata")?,
    })
}

pub(crate) fn place_of_source(source: LogSource) -> Result<(&'static str, Value)> {
    match source {
        LogSource::Session(id) => Ok(("session", id.into())),
        LogSource::Build(id) => Ok(("build", id.into())),
        LogSource::AssetJob(id) => Ok(("asset", id.into())),
        other => Err(Error::unsupported("this store knows no such source of lines").with("source", other)),
    }
}

pub(crate) fn and_log<D: Dialect>(select: &mut Statement<D>, query: &LogQuery) -> Result<()> {
    if let Some(source) = query.source {
        let (kind, id) = place_of_source(source)?;
        select.and_equal("source_kind", Some(kind)).and_equal("source_id", Some(id));
    }
    let levels = |least: LogLevel| LogLevel::ALL.iter().copied().filter(|level| *level >= least).collect::<Vec<_>>();
    select
        .and_in("level", query.level.map(levels))
        .and("timestamp", ">=", query.since)
        .and("timestamp", "<", query.until)
        .and_contains("message", query.contains.as_deref());
    Ok(())
}

impl Entry for MetricSample {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("session_id", Kind::Id),
        ("metric_type", Kind::Text),
        ("value", Kind::Real),
        ("unit", Kind::Text),
        ("timestamp", Kind::Time),
    ];

    fn values(&self) -> Result<Vec<Value>> {
        Ok(vec![
            self.session_id.into(),
            Value::text(&self.metric_type),
            Value::Real(self.value),
            Value::text(&self.unit),
            self.timestamp.into(),
        ])
    }
}

/// A sample, and the number of its row.
pub(crate) fn read_sample(row: &impl Columns) -> Result<(i64, MetricSample)> {
    let sample = MetricSample {
        session_id: row.maybe_id("session_id", SessionId::from_u128)?,
        metric_type: row.text("metric_type")?,
        value: row.real("value")?,
        unit: row.text("unit")?,
        timestamp: row.time("timestamp")?,
    };
    Ok((row.int("id")?, sample))
}

pub(crate) fn read_bucket(row: &impl Columns) -> Result<MetricBucket> {
    Ok(MetricBucket {
        start: row.time("start")?,
        count: row.number("count")?,
        sum: row.real("sum")?,
        min: row.real("min")?,
        max: row.real("max")?,
    })
}

pub(crate) fn and_metric<D: Dialect>(select: &mut Statement<D>, query: MetricQuery, time: &str) {
    select
        .and_equal("session_id", query.session)
        .and_equal("metric_type", query.metric_type.map(Value::Text))
        .and(time, ">=", query.since)
        .and(time, "<", query.until);
}

impl Entry for NewEvent {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("id", Kind::Id),
        ("subject", Kind::Text),
        ("payload", Kind::Json),
        ("aggregate", Kind::Text),
        ("aggregate_version", Kind::Int),
        ("headers", Kind::Json),
        ("at", Kind::Time),
    ];

    fn values(&self) -> Result<Vec<Value>> {
        let aggregate = self.aggregate.as_ref();
        Ok(vec![
            self.id.into(),
            Value::text(&self.subject),
            Value::json(&self.payload)?,
            aggregate.map(|aggregate| aggregate.name.as_str()).into(),
            aggregate.map_or(Value::Null, |aggregate| Value::number(aggregate.version.0)),
            Value::json(&self.headers)?,
            self.at.into(),
        ])
    }
}

pub(crate) fn read_event(row: &impl Columns) -> Result<StoredEvent> {
    let aggregate = match row.maybe_text("aggregate")? {
        Some(name) => Some(Aggregate { name, version: Version(row.number("aggregate_version")?) }),
        None => None,
    };
    Ok(StoredEvent {
        seq: row.number("seq")?,
        event: NewEvent {
            id: row.id("id", EventId::from_u128)?,
            subject: row.parse("subject")?,
            payload: row.json("payload")?,
            aggregate,
            headers: row.json("headers")?,
            at: row.time("at")?,
        },
        published_at: row.maybe_time("published_at")?,
    })
}

pub(crate) fn and_event<D: Dialect>(select: &mut Statement<D>, query: EventQuery) {
    select.and_equal("aggregate", query.aggregate.map(Value::Text)).and_starts_with("subject", query.subject_prefix);
}

impl Entry for AuditEntry {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("id", Kind::Id),
        ("at", Kind::Time),
        ("user_id", Kind::Text),
        ("action", Kind::Text),
        ("target", Kind::Text),
        ("outcome", Kind::Text),
        ("detail", Kind::Json),
    ];

    fn values(&self) -> Result<Vec<Value>> {
        Ok(vec![
            self.id.into(),
            self.at.into(),
            self.user_id.as_ref().map(UserId::as_str).into(),
            Value::text(&self.action),
            Value::text(&self.target),
            Value::text(self.outcome),
            Value::json(&self.detail)?,
        ])
    }
}

pub(crate) fn read_audit(row: &impl Columns) -> Result<AuditEntry> {
    Ok(AuditEntry {
        id: row.id("id", AuditId::from_u128)?,
        at: row.time("at")?,
        user_id: row.maybe_parse("user_id")?,
        action: row.text("action")?,
        target: row.text("target")?,
        outcome: row.parse("outcome")?,
        detail: row.json("detail")?,
    })
}

pub(crate) fn and_audit<D: Dialect>(select: &mut Statement<D>, query: AuditQuery) {
    select.and_equal("user_id", query.user.map(Value::text)).and_equal("target", query.target.map(Value::Text));
}

impl Entry for Counter {
    const COLUMNS: &'static [(&'static str, Kind)] =
        &[("bucket", Kind::Time), ("name", Kind::Text), ("label", Kind::Text), ("value", Kind::Int)];

    fn values(&self) -> Result<Vec<Value>> {
        Ok(vec![self.bucket.into(), Value::text(&self.name), Value::text(&self.label), Value::Int(self.value)])
    }
}

pub(crate) fn read_counter(row: &impl Columns) -> Result<Counter> {
    Ok(Counter {
        name: row.text("name")?,
        label: row.text("label")?,
        bucket: row.time("bucket")?,
        value: row.int("value")?,
    })
}

pub(crate) fn and_counter<D: Dialect>(select: &mut Statement<D>, query: CounterQuery) {
    select
        .and_equal("name", query.name.map(Value::Text))
        .and_equal("label", query.label.map(Value::Text))
        .and("bucket", ">=", query.since)
        .and("bucket", "<", query.until);
}

pub(crate) fn read_quota(row: &impl Columns) -> Result<UserQuota> {
    Ok(UserQuota {
        user_id: row.parse("user_id")?,
        limits: QuotaLimits {
            max_containers: row.number("max_containers")?,
            max_memory: MemorySize::from_bytes(row.number("max_memory")?),
            max_cpu: Cpus::from_millis(row.number("max_cpu_millis")?),
            max_storage: MemorySize::from_bytes(row.number("max_storage")?),
        },
        used: QuotaUsage {
            containers: row.number("used_containers")?,
            memory: row.number("used_memory")?,
            cpu_millis: row.number("used_cpu_millis")?,
            storage: row.number("used_storage")?,
        },
        revision: Revision {
            version: Version(row.number("version")?),
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
            deleted_at: None,
        },
    })
}

/// The columns of limits, and of what is used of them, in one order.
pub(crate) const LIMITS: [&str; 4] = ["max_containers", "max_memory", "max_cpu_millis", "max_storage"];
pub(crate) const USED: [&str; 4] = ["used_containers", "used_memory", "used_cpu_millis", "used_storage"];

pub(crate) fn limit_values(limits: &QuotaLimits) -> [Value; 4] {
    [
        Value::Int(limits.max_containers.into()),
        Value::number(limits.max_memory.bytes()),
        Value::Int(limits.max_cpu.millis().into()),
        Value::number(limits.max_storage.bytes()),
    ]
}

pub(crate) fn usage_values(usage: &QuotaUsage) -> [Value; 4] {
    [
        Value::Int(usage.containers.into()),
        Value::number(usage.memory),
        Value::number(usage.cpu_millis),
        Value::number(usage.storage),
    ]
}

pub(crate) fn over_quota(user: &UserId, limit: &str) -> Error {
    Error::resource_exhausted("the user's quota is used up").with("user", user).with("limit", limit)
}

/// A cursor of samples: the time and the number of a row.
pub(crate) fn parse_sample_place(cursor: &slate_core::store::Cursor) -> Result<(Timestamp, i64)> {
    let parse = || {
        let (time, row) = cursor.as_str().split_once(':')?;
        Some((Timestamp::from_micros(time.parse().ok()?), row.parse().ok()?))
    };
    parse().ok_or_else(|| Error::invalid("not a cursor of this query"))
}
