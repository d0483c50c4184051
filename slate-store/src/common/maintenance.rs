//! What is removed when its time has passed.

use crate::{Maintained, MaintenanceOptions};
use std::time::Duration;

/// Rows of a table that are removed when they are old enough.
pub(crate) struct Purge {
    pub(crate) table: &'static str,
    /// The columns that name a row.
    pub(crate) key: &'static str,
    /// The column that tells its age.
    pub(crate) time: &'static str,
    /// What else must hold.
    pub(crate) condition: String,
    pub(crate) keep: Duration,
    /// Whether whole partitions can be removed before.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "only Postgres has partitions"))]
    pub(crate) is_partitioned: bool,
    count: fn(&mut Maintained) -> &mut u64,
}

impl Purge {
    /// Where to count what was removed.
    pub(crate) fn count<'a>(&self, done: &'a mut Maintained) -> &'a mut u64 {
        (self.count)(done)
    }
}

/// The tables of records, those that point before those that are pointed to, with the columns by which others point to each.
const RECORDS: [(&str, &[(&str, &str)]); 8] = [
    ("slate_asset_jobs", &[]),
    ("slate_assets", &[("slate_asset_jobs", "asset_id")]),
    ("slate_files", &[("slate_assets", "file_id")]),
    ("slate_build_jobs", &[]),
    ("slate_runtime_sessions", &[]),
    ("slate_container_templates", &[]),
    ("slate_pool_members", &[]),
    (
        "slate_projects",
        &[
            ("slate_asset_jobs", "project_id"),
            ("slate_assets", "project_id"),
            ("slate_files", "project_id"),
            ("slate_build_jobs", "project_id"),
            ("slate_runtime_sessions", "project_id"),
        ],
    ),
];

/// All that these options remove, in an order in which it can be removed.
pub(crate) fn purges(options: &MaintenanceOptions) -> Vec<Purge> {
    let mut all = Vec::new();
    let mut add = |keep: Option<Duration>, table, key, time, condition: String, count| {
        let is_partitioned = matches!(table, "slate_runtime_logs" | "slate_runtime_metrics");
        all.extend(keep.map(|keep| Purge { table, key, time, condition, keep, is_partitioned, count }));
    };
    let always = || "true".to_owned();
    add(options.logs, "slate_runtime_logs", "source_id, id", "timestamp", always(), |done| &mut done.logs);
    let day = Duration::from_secs(24 * 3600);
    let metrics = options.metrics.map(|keep| keep.max(day));
    add(metrics, "slate_runtime_metrics", "timestamp, id", "timestamp", always(), |done| &mut done.metrics);
    add(options.rollups, "slate_metric_rollups", "start, session_id, metric_type", "start", always(), |done| {
        &mut done.rollups
    });
    add(options.idempotency, "slate_idempotency", "scope, key", "created_at", always(), |done| &mut done.idempotency);
    let published = "published_at IS NOT NULL".to_owned();
    add(options.events, "slate_outbox", "seq", "at", published, |done| &mut done.events);
    add(options.audit, "slate_audit", "id", "at", always(), |done| &mut done.audit);
    for (table, pointed_by) in RECORDS {
        let free = |(from, column): &(&str, &str)| {
            format!(" AND NOT EXISTS (SELECT 1 FROM {from} AS p WHERE p.{column} = {table}.id)")
        };
        let condition = format!("deleted_at IS NOT NULL{}", pointed_by.iter().map(free).collect::<String>());
        add(options.deleted, table, "id", "deleted_at", condition, |done| &mut done.deleted);
    }
    all
}
