//! What `maintain` does, whatever the database.

use crate::common::*;
use slate_core::{
    AuditId, SessionId, Timestamp, Version,
    model::{AuditEntry, AuditOutcome, LogEntry, LogLevel, LogSource, MetricBucket, MetricSample, Sha256Hex},
    store::{
        AuditQuery, Change, ChangeSet, EventQuery, Idempotency, LogQuery, MetricQuery, PageRequest, ProjectQuery, Store,
    },
};
use slate_store::{Maintain, Maintained, MaintenanceOptions};
use std::time::Duration;

const HOUR: i64 = 3_600_000_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

fn sample(timestamp: Timestamp, value: f64) -> MetricSample {
    MetricSample { session_id: None, metric_type: "cpu".into(), value, unit: "percent".into(), timestamp }
}

pub(crate) async fn what_is_old_goes_and_what_is_young_stays(store: &dyn Store, upkeep: &dyn Maintain) {
    let now = Timestamp::now();
    let old = Timestamp::from_micros((now - DAY * 40).as_micros().div_euclid(HOUR) * HOUR);
    let source = LogSource::Session(SessionId::new());
    let line = |at| LogEntry::new(source, LogLevel::Info, "x", at);
    store.append_logs(vec![line(old), line(old), line(now)]).await.unwrap();
    store.append_metrics(vec![sample(old, 1.0), sample(old + DAY / 48, 3.0), sample(now, 5.0)]).await.unwrap();
    let audit = |at| {
        Change::Audit(AuditEntry {
            id: AuditId::new(),
            at,
            user_id: None,
            action: "x".into(),
            target: "y".into(),
            outcome: AuditOutcome::Allowed,
            detail: serde_json::Value::Null,
        })
    };
    let (mut published, mut waiting, young) = (event("a", 1), event("a", 2), event("a", 3));
    (published.at, waiting.at) = (old, old);
    let request = Idempotency {
        scope: "s".into(),
        key: "k".into(),
        request: Sha256Hex::of(b"r"),
        result: serde_json::Value::Null,
    };
    let set = ChangeSet::new().change(audit(old)).change(audit(now)).once(request.clone());
    store.apply(set.events([published.clone(), waiting.clone(), young.clone()])).await.unwrap();
    store.mark_published(&[published.id, young.id]).await.unwrap();

    let options = MaintenanceOptions::default().with_audit(Some(DAY * 30));
    let first = upkeep.maintain(&options).await.unwrap();
    assert_eq!((first.rolled_up, first.events, first.audit, first.idempotency), (1, 1, 1, 0));
    assert_eq!((first.partitions, first.logs, first.metrics), (0, 2, 2));
    let again = upkeep.maintain(&options).await.unwrap();
    assert_eq!(again, Maintained::default(), "doing it twice is as good as once");
    assert_eq!(store.count_logs(LogQuery::all()).await.unwrap(), 1);
    let samples = store.metrics(MetricQuery::all(), PageRequest::default()).await.unwrap().items;
    assert_eq!(samples, [sample(now, 5.0)]);
    let sums = upkeep.hourly_metrics(MetricQuery::all()).await.unwrap();
    assert_eq!(sums, [MetricBucket { start: old, count: 2, sum: 4.0, min: 1.0, max: 3.0 }]);
    let left = store.events(EventQuery::all(), PageRequest::default()).await.unwrap().items;
    assert_eq!(left.iter().map(|event| event.event.id).collect::<Vec<_>>(), [waiting.id, young.id]);
    assert_eq!(store.audits(AuditQuery::all(), PageRequest::default()).await.unwrap().items.len(), 1);

    // With nothing kept, all goes but what still waits to be published.
    let none = Some(Duration::ZERO);
    let options = options.with_logs(none).with_events(none).with_idempotency(none).with_rollups(none).with_audit(none);
    let last = upkeep.maintain(&options).await.unwrap();
    assert_eq!((last.logs, last.events, last.idempotency, last.rollups, last.audit), (1, 1, 1, 1, 1));
    assert_eq!(store.unpublished(10).await.unwrap().len(), 1);
    assert_eq!(store.apply(ChangeSet::new().once(request)).await.unwrap().replayed, None, "the key is free again");
}

pub(crate) async fn what_something_points_to_is_not_purged(store: &dyn Store, upkeep: &dyn Maintain) {
    let (kept, gone) = (project(), project());
    let (live, dead) = (build(kept.id), build(gone.id));
    let set = ChangeSet::new().create(kept.clone()).create(gone.clone()).create(live.clone()).create(dead.clone());
    store.apply(set.delete(dead.id, Version(1)).delete(gone.id, Version(1)).delete(kept.id, Version(1))).await.unwrap();
    let options = MaintenanceOptions::default();
    assert_eq!(upkeep.maintain(&options).await.unwrap().deleted, 0, "they were deleted just now");
    let options = options.with_deleted(Some(Duration::ZERO));
    assert_eq!(upkeep.maintain(&options).await.unwrap().deleted, 2, "a build and its project, in one go");
    assert_eq!(store.build(live.id).await.unwrap(), live);
    // Purged for good: the id of what something still points to is taken, that of what is gone is not.
    assert!(store.apply(ChangeSet::new().create(kept)).await.is_err());
    store.apply(ChangeSet::new().create(gone.clone())).await.unwrap();
    assert_eq!(store.projects(ProjectQuery::all(), PageRequest::default()).await.unwrap().items, [gone]);
}
