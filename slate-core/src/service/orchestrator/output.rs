//! What a running instance puts out: lines and measurements.

use super::Context;
use crate::{
    InstanceId, Result, SessionId,
    model::{LogEntry, LogLevel, LogSource, MetricSample},
    runtime::{LogCursor, LogOptions, LogStream, ResourceSample},
    service::LogSink,
};
use futures_util::StreamExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Carries an instance's lines to the log aggregator, from where the store's end until the instance has ended.
pub(super) async fn follow_logs(
    context: &Context,
    logs: &LogSink,
    session: SessionId,
    instance: &InstanceId,
    carried: &AtomicU64,
) -> Result<()> {
    let source = LogSource::Session(session);
    let after = context.journal.store().last_log_seq(source).await?.map(LogCursor);
    let mut options = LogOptions::default().with_follow(true);
    options.after = after;
    // Taken in bunches: one message to the aggregator for all that is there.
    let mut chunks = context.runtime.logs(instance, options).ready_chunks(256);
    while let Some(bunch) = chunks.next().await {
        let mut entries = Vec::with_capacity(bunch.len());
        let mut broken = None;
        for chunk in bunch {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            };
            if chunk.lost_before > 0 {
                let message =
                    format!("{} lines are gone: they were rotated away before they were read", chunk.lost_before);
                entries.push(LogEntry::new(source, LogLevel::Warning, message, chunk.at));
            }
            let level = if chunk.stream == LogStream::Stderr { LogLevel::Warning } else { LogLevel::Info };
            let mut entry = LogEntry::new(source, level, chunk.text(), chunk.at).with_seq(chunk.cursor.0);
            if chunk.partial && entry.metadata.is_null() {
                // A part of a line that goes on in the next entry.
                entry.metadata = serde_json::json!({ "partial": true });
            }
            entries.push(entry);
        }
        let count = entries.len() as u64;
        logs.submit(entries).await?;
        carried.fetch_add(count, Ordering::Relaxed);
        if let Some(error) = broken {
            return Err(error);
        }
    }
    Ok(())
}

/// A sample as the metrics of a session.
pub(super) fn samples_of(session: SessionId, sample: &ResourceSample) -> Vec<MetricSample> {
    let values = [
        ("cpu_percent", sample.cpu_percent, "percent"),
        ("memory_usage", sample.memory_usage as f64, "bytes"),
        ("network_rx_bytes", sample.network_rx_bytes as f64, "bytes"),
        ("network_tx_bytes", sample.network_tx_bytes as f64, "bytes"),
        ("block_read_bytes", sample.block_read_bytes as f64, "bytes"),
        ("block_write_bytes", sample.block_write_bytes as f64, "bytes"),
        ("pids", sample.pids as f64, "count"),
    ];
    values
        .into_iter()
        .map(|(metric_type, value, unit)| MetricSample {
            session_id: Some(session),
            metric_type: metric_type.into(),
            value,
            unit: unit.into(),
            timestamp: sample.timestamp,
        })
        .collect()
}
