//! The sentences of [`LogStore`](crate::store::LogStore) and [`MetricStore`](crate::store::MetricStore).

use super::fixtures::*;
use crate::{
    ErrorKind, SessionId,
    model::{LogEntry, LogLevel, MetricBucket},
    store::{LogQuery, MetricQuery, PageRequest, Store},
};
use std::{sync::Arc, time::Duration};

async fn messages(store: &dyn Store, query: LogQuery) -> Vec<String> {
    let page = store.logs(query, PageRequest::first(1000)).await.unwrap();
    page.items.into_iter().map(|entry| entry.message).collect()
}

pub async fn append_logs_stores_every_line_as_it_is(store: Arc<dyn Store>) {
    let source = source();
    let mut first = line(source, "first\n\t\"ä\" \u{1F600}");
    first.metadata = serde_json::json!({ "line": 42, "nested": { "a": null } });
    let second = LogEntry { level: LogLevel::Error, ..line(source, "") }.with_seq(u64::from(u32::MAX) * 7);
    let longest = line(source, &"x".repeat(LogEntry::MAX_MESSAGE));
    let lines = vec![first, second, longest];
    assert_eq!(store.append_logs(lines.clone()).await.unwrap(), 3);
    assert_eq!(store.logs(LogQuery::all(), PageRequest::default()).await.unwrap().items, lines);
    assert_eq!(store.append_logs(Vec::new()).await.unwrap(), 0);
}

pub async fn a_line_whose_source_and_seq_or_id_is_stored_is_left_out_silently(store: Arc<dyn Store>) {
    let (source, other) = (source(), source());
    let known = line(source, "known");
    assert_eq!(store.append_logs(vec![known.clone(), line(source, "one").with_seq(1)]).await.unwrap(), 2);
    let again = vec![
        LogEntry { message: "changed".into(), ..known },
        line(source, "one again").with_seq(1),
        line(other, "one of another").with_seq(1),
        line(source, "two").with_seq(2),
        line(source, "two again").with_seq(2),
        line(source, "unnumbered"),
        line(source, "unnumbered"),
    ];
    assert_eq!(store.append_logs(again).await.unwrap(), 4);
    let expected = ["known", "one", "two", "unnumbered", "unnumbered"];
    assert_eq!(messages(&*store, LogQuery::all().of_source(source)).await, expected);
    assert_eq!(messages(&*store, LogQuery::all().of_source(other)).await, ["one of another"]);
}

pub async fn of_concurrent_appends_of_one_place_exactly_one_is_stored(store: Arc<dyn Store>) {
    let source = source();
    let tasks = (0..16).map(|_| {
        let lines = (1..=20).map(|seq| line(source, "x").with_seq(seq)).collect();
        let store = store.clone();
        tokio::spawn(async move { store.append_logs(lines).await.unwrap() })
    });
    let mut stored = 0;
    for task in tasks.collect::<Vec<_>>() {
        stored += task.await.unwrap();
    }
    assert_eq!(stored, 20);
    assert_eq!(store.count_logs(LogQuery::all()).await.unwrap(), 20);
}

pub async fn logs_yields_lines_of_one_source_in_the_order_in_which_they_were_appended(store: Arc<dyn Store>) {
    let (source, other) = (source(), source());
    let mut expected = Vec::new();
    for batch in 0..5 {
        let mut lines = Vec::new();
        for index in 0..700 {
            let text = format!("{batch}/{index}");
            lines.push(line(other, &text));
            // Their times run backwards: only the order of appending counts.
            lines.push(LogEntry { timestamp: at(-i64::from(batch * 1000 + index)), ..line(source, &text) });
            expected.push(text);
        }
        assert_eq!(store.append_logs(lines).await.unwrap(), 1400);
    }
    let (mut seen, mut page) = (Vec::new(), PageRequest::first(999));
    loop {
        let found = store.logs(LogQuery::all().of_source(source), page.clone()).await.unwrap();
        seen.extend(found.items.into_iter().map(|entry| entry.message));
        let Some(next) = found.next else { break };
        page = page.after(Some(next));
    }
    assert_eq!(seen, expected);
    let newest = store.logs(LogQuery::all().of_source(source), PageRequest::newest(2)).await.unwrap();
    assert_eq!(newest.items.iter().map(|entry| entry.message.as_str()).collect::<Vec<_>>(), ["4/699", "4/698"]);
    let next = store.logs(LogQuery::all().of_source(source), PageRequest::newest(1).after(newest.next)).await.unwrap();
    assert_eq!(next.items[0].message, "4/697");
}

pub async fn logs_are_found_by_level_time_and_text(store: Arc<dyn Store>) {
    let source = source();
    let levels = [LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error];
    let lines = levels.into_iter().zip(0..).map(|(level, second)| LogEntry {
        level,
        timestamp: at(second),
        ..line(source, &format!("{level} 100%_done"))
    });
    store.append_logs(lines.collect()).await.unwrap();
    let count = |query: LogQuery| async {
        let listed = messages(&*store, query.clone()).await.len() as u64;
        assert_eq!(store.count_logs(query).await.unwrap(), listed, "count and list agree");
        listed
    };
    for (level, expected) in levels.into_iter().zip([4, 3, 2, 1]) {
        assert_eq!(count(LogQuery::all().at_least(level)).await, expected);
    }
    assert_eq!(count(LogQuery::all().since(at(1))).await, 3);
    assert_eq!(count(LogQuery::all().until(at(1))).await, 1);
    assert_eq!(count(LogQuery::all().since(at(1)).until(at(3))).await, 2);
    assert_eq!(count(LogQuery::all().containing("ing 100%_d".into())).await, 1);
    assert_eq!(count(LogQuery::all().containing("100%".into())).await, 4);
    assert_eq!(count(LogQuery::all().containing("100x_".into())).await, 0);
    assert_eq!(count(LogQuery::all().containing("Error".into())).await, 0);
}

pub async fn an_offset_leaves_out_the_first_lines_of_the_list(store: Arc<dyn Store>) {
    let source = source();
    store.append_logs((0..10).map(|index| line(source, &index.to_string())).collect()).await.unwrap();
    let query = LogQuery::all().of_source(source).with_offset(3);
    let page = store.logs(query.clone(), PageRequest::first(2)).await.unwrap();
    assert_eq!(page.items.iter().map(|entry| entry.message.as_str()).collect::<Vec<_>>(), ["3", "4"]);
    let page = store.logs(query, PageRequest::first(2).after(page.next)).await.unwrap();
    assert_eq!(page.items.iter().map(|entry| entry.message.as_str()).collect::<Vec<_>>(), ["8", "9"]);
    assert_eq!(page.next, None);
}

pub async fn last_log_seq_is_the_greatest_stored_of_the_source(store: Arc<dyn Store>) {
    let (source, other) = (source(), source());
    assert_eq!(store.last_log_seq(source).await.unwrap(), None);
    let lines = vec![line(source, "a").with_seq(5), line(source, "b").with_seq(3), line(other, "c").with_seq(9)];
    store.append_logs(lines).await.unwrap();
    store.append_logs(vec![line(source, "unnumbered")]).await.unwrap();
    assert_eq!(store.last_log_seq(source).await.unwrap(), Some(5));
}

pub async fn too_many_or_too_long_lines_give_limit_exceeded_and_all_are_refused(store: Arc<dyn Store>) {
    let source = source();
    let many = (0..10_001).map(|_| line(source, "x")).collect();
    expect_kind(store.append_logs(many).await, ErrorKind::LimitExceeded);
    let long = LogEntry { message: "x".repeat(LogEntry::MAX_MESSAGE + 1), ..line(source, "") };
    expect_kind(store.append_logs(vec![line(source, "good"), long]).await, ErrorKind::LimitExceeded);
    assert_eq!(store.count_logs(LogQuery::all()).await.unwrap(), 0);
    assert_eq!(store.append_logs((0..10_000).map(|_| line(source, "x")).collect()).await.unwrap(), 10_000);
}

pub async fn purge_logs_removes_the_oldest_lines_written_before_a_time(store: Arc<dyn Store>) {
    let source = source();
    let lines = (0..10).map(|second| LogEntry { timestamp: at(9 - second), ..line(source, &(9 - second).to_string()) });
    store.append_logs(lines.collect()).await.unwrap();
    assert_eq!(store.purge_logs(at(5), 3).await.unwrap(), 3);
    assert_eq!(messages(&*store, LogQuery::all()).await, ["9", "8", "7", "6", "5", "4", "3"]);
    assert_eq!(store.purge_logs(at(5), 100).await.unwrap(), 2);
    assert_eq!(messages(&*store, LogQuery::all()).await, ["9", "8", "7", "6", "5"]);
    assert_eq!(store.purge_logs(at(5), 100).await.unwrap(), 0);
}

pub async fn samples_that_are_not_finite_give_invalid_and_all_are_refused(store: Arc<dyn Store>) {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        expect_kind(store.append_metrics(vec![sample(None, 0, 1.0), sample(None, 0, bad)]).await, ErrorKind::Invalid);
    }
    let many = (0..10_001).map(|_| sample(None, 0, 1.0)).collect();
    expect_kind(store.append_metrics(many).await, ErrorKind::LimitExceeded);
    assert_eq!(store.metrics(MetricQuery::all(), PageRequest::default()).await.unwrap().items, []);
}

pub async fn metrics_yields_samples_by_the_time_of_measurement(store: Arc<dyn Store>) {
    let session = SessionId::new();
    let seconds = [5, 1, 3, 1, 4];
    let samples: Vec<_> =
        seconds.into_iter().map(|second| sample(Some(session), second, second as f64 + 0.1)).collect();
    store.append_metrics(samples[..2].to_vec()).await.unwrap();
    store.append_metrics(samples[2..].to_vec()).await.unwrap();
    let mut memory = sample(None, 2, f64::MIN_POSITIVE);
    memory.metric_type = "memory".into();
    store.append_metrics(vec![memory.clone()]).await.unwrap();
    let found = |query: MetricQuery, page: PageRequest| async {
        store.metrics(query, page).await.unwrap().items.into_iter().map(|sample| sample.timestamp).collect::<Vec<_>>()
    };
    let times = |seconds: &[i64]| seconds.iter().copied().map(at).collect::<Vec<_>>();
    let all = PageRequest::default;
    assert_eq!(found(MetricQuery::all(), all()).await, times(&[1, 1, 2, 3, 4, 5]));
    assert_eq!(found(MetricQuery::all(), PageRequest::newest(3)).await, times(&[5, 4, 3]));
    assert_eq!(found(MetricQuery::all().of_session(session), all()).await, times(&[1, 1, 3, 4, 5]));
    assert_eq!(found(MetricQuery::all().since(at(3)).until(at(5)), all()).await, times(&[3, 4]));
    let page = store.metrics(MetricQuery::all().of_type("memory".into()), all()).await.unwrap();
    assert_eq!((page.items, page.next), (vec![memory], None));
    for (mut page, expected) in [
        (PageRequest::first(1), [1, 1, 2, 3, 4, 5]),
        (PageRequest::newest(1), [5, 4, 3, 2, 1, 1]),
        (PageRequest::newest(6), [5, 4, 3, 2, 1, 1]),
    ] {
        let mut seen = Vec::new();
        loop {
            let got = store.metrics(MetricQuery::all(), page.clone()).await.unwrap();
            assert!(!got.items.is_empty(), "a page that another one leads to holds something");
            seen.extend(got.items.into_iter().map(|sample| sample.timestamp));
            let Some(next) = got.next else { break };
            page = page.after(Some(next));
        }
        assert_eq!(seen, times(&expected));
    }
}

pub async fn metric_buckets_covers_just_the_samples_of_the_query_in_spans_since_the_epoch(store: Arc<dyn Store>) {
    let session = SessionId::new();
    let at_micros = |micros, value| {
        let timestamp = crate::Timestamp::from_micros(micros);
        crate::model::MetricSample { timestamp, ..sample(Some(session), 0, value) }
    };
    let second = 1_000_000;
    let samples = vec![
        at_micros(-1, 7.0),
        at_micros(0, 1.0),
        at_micros(10 * second - 1, 4.0),
        at_micros(10 * second, -2.0),
        at_micros(45 * second, 9.0),
        sample(None, 0, 100.0),
    ];
    store.append_metrics(samples).await.unwrap();
    let query = MetricQuery::all().of_session(session);
    let bucket = |start, count, sum, min, max| MetricBucket {
        start: crate::Timestamp::from_micros(start * second),
        count,
        sum,
        min,
        max,
    };
    let expected = [
        bucket(-10, 1, 7.0, 7.0, 7.0),
        bucket(0, 2, 5.0, 1.0, 4.0),
        bucket(10, 1, -2.0, -2.0, -2.0),
        bucket(40, 1, 9.0, 9.0, 9.0),
    ];
    let ten = Duration::from_secs(10);
    assert_eq!(store.metric_buckets(query.clone(), ten).await.unwrap(), expected);
    // A span's bucket holds only what the query wants of it.
    let from_middle = query.clone().since(crate::Timestamp::from_micros(5 * second));
    assert_eq!(store.metric_buckets(from_middle, ten).await.unwrap()[0], bucket(0, 1, 4.0, 4.0, 4.0));
    expect_kind(store.metric_buckets(query.clone(), Duration::from_millis(999)).await, ErrorKind::Invalid);
    let year = store.metric_buckets(query, Duration::MAX).await.unwrap();
    assert_eq!(year.iter().map(|bucket| bucket.count).sum::<u64>(), 5);
}

pub async fn purge_metrics_removes_the_oldest_samples_measured_before_a_time(store: Arc<dyn Store>) {
    store.append_metrics((0..10).map(|second| sample(None, 9 - second, 0.0)).collect()).await.unwrap();
    assert_eq!(store.purge_metrics(at(5), 3).await.unwrap(), 3);
    let left = store.metrics(MetricQuery::all(), PageRequest::default()).await.unwrap().items;
    assert_eq!((left.len(), left[0].timestamp), (7, at(3)));
    assert_eq!(store.purge_metrics(at(5), 100).await.unwrap(), 2);
    assert_eq!(store.purge_metrics(at(5), 100).await.unwrap(), 0);
}
