use super::{
    MemoryStore, PLACE,
    records::{bounds, holds},
};
use crate::{
    Error, Result, Timestamp,
    model::{MetricBucket, MetricSample},
    store::{
        Cursor, MetricQuery, MetricStore, Order, Page, PageRequest,
        check::{self, MAX_BATCH},
    },
};
use async_trait::async_trait;
use std::{collections::BTreeMap, time::Duration};

/// When it was measured, and the how-manieth it was to be stored.
type Key = (Timestamp, u64);

/// The stored samples.
#[derive(Default)]
pub(super) struct Metrics {
    samples: BTreeMap<Key, MetricSample>,
    stored: u64,
}

const FIRST: Key = (Timestamp::from_micros(i64::MIN), 0);
const LAST: Key = (Timestamp::from_micros(i64::MAX), u64::MAX);

fn is_wanted(query: &MetricQuery, sample: &MetricSample) -> bool {
    holds(query.session.as_ref(), |session| sample.session_id == Some(*session))
        && holds(query.metric_type.as_ref(), |metric| sample.metric_type == *metric)
        && holds(query.since.as_ref(), |since| sample.timestamp >= *since)
        && holds(query.until.as_ref(), |until| sample.timestamp < *until)
}

fn parse_key(cursor: &Cursor) -> Result<Key> {
    let parse = || {
        let (time, number) = cursor.as_str().split_once(':')?;
        Some((Timestamp::from_micros(time.parse().ok()?), number.parse().ok()?))
    };
    parse().ok_or_else(|| Error::invalid("not a cursor of this query"))
}

#[async_trait]
impl MetricStore for MemoryStore {
    async fn append_metrics(&self, samples: Vec<MetricSample>) -> Result<()> {
        check::check_samples(&samples).map_err(|error| error.at(PLACE, "append_metrics"))?;
        let mut state = self.state();
        for sample in samples {
            state.metrics.stored += 1;
            let key = (sample.timestamp, state.metrics.stored);
            state.metrics.samples.insert(key, sample);
        }
        Ok(())
    }

    async fn metrics(&self, query: MetricQuery, page: PageRequest) -> Result<Page<MetricSample>> {
        let list = || {
            let limit = page.checked_limit()?;
            let after = page.after.as_ref().map(parse_key).transpose()?;
            let state = self.state();
            let range = state.metrics.samples.range(bounds(page.order, after, FIRST, LAST));
            let wanted = |(_, sample): &(&Key, &MetricSample)| is_wanted(&query, sample);
            let owned = |(key, sample): (&Key, &MetricSample)| (*key, sample.clone());
            let found: Vec<_> = match page.order {
                Order::Ascending => range.filter(wanted).take(limit + 1).map(owned).collect(),
                Order::Descending => range.rev().filter(wanted).take(limit + 1).map(owned).collect(),
            };
            let page = Page::from_overfull(found, limit, |((time, number), _)| {
                Cursor::new(format!("{}:{number}", time.as_micros()))
            });
            Ok(Page { items: page.items.into_iter().map(|(_, sample)| sample).collect(), next: page.next })
        };
        list().map_err(|error: Error| error.at(PLACE, "metrics"))
    }

    async fn metric_buckets(&self, query: MetricQuery, span: Duration) -> Result<Vec<MetricBucket>> {
        let span = check::span_micros(span).map_err(|error| error.at(PLACE, "metric_buckets"))?;
        let state = self.state();
        let mut buckets: BTreeMap<Timestamp, MetricBucket> = BTreeMap::new();
        for sample in state.metrics.samples.values().filter(|sample| is_wanted(&query, sample)) {
            let start = check::span_start(sample.timestamp, span);
            let value = sample.value;
            let empty = MetricBucket { start, count: 0, sum: 0.0, min: value, max: value };
            let bucket = buckets.entry(start).or_insert(empty);
            bucket.count += 1;
            bucket.sum += value;
            bucket.min = bucket.min.min(value);
            bucket.max = bucket.max.max(value);
        }
        Ok(buckets.into_values().take(MAX_BATCH).collect())
    }

    async fn purge_metrics(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut state = self.state();
        let old: Vec<Key> =
            state.metrics.samples.range(..(before, 0)).take(limit as usize).map(|(key, _)| *key).collect();
        for key in &old {
            state.metrics.samples.remove(key);
        }
        Ok(old.len() as u64)
    }
}
