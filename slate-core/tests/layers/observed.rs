use crate::{probe::Probe, project};
use futures_util::StreamExt;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use slate_core::{
    ErrorKind,
    blob::{BlobKey, Blobs, BlobsExt},
    decorate::{Layered, Observed},
    memory::{MemoryBlobs, MemoryRuntime, MemoryStore},
    runtime::{RuntimeBackend, RuntimeSpec},
    store::{ProjectStore, StoreExt},
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::{Event, Subscriber, field, span};

/// Counts by `name op outcome`: of histograms, how often something was recorded.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<String, u64>>>);

struct Slot(Counts, String);

impl Slot {
    fn of(counts: &Counts, key: &Key) -> Arc<Self> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(Self(counts.clone(), format!("{} {}", key.name(), labels.join(" "))))
    }
}

impl CounterFn for Slot {
    fn increment(&self, value: u64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
    }

    fn absolute(&self, _: u64) {}
}

impl HistogramFn for Slot {
    fn record(&self, seconds: f64) {
        assert!(seconds >= 0.0);
        self.increment(1);
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Slot::of(self, key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Slot::of(self, key))
    }
}

#[tokio::test]
async fn every_call_is_counted_and_measured_by_its_outcome() {
    let counts = Counts::default();
    let _recording = metrics::set_default_local_recorder(&counts);
    let probe = Probe::default();
    let store = Layered::new(Arc::new(Layered::new(Arc::new(MemoryStore::new()), probe.clone())), Observed);
    let project = project("x");
    store.create(project.clone().into()).await.unwrap();
    store.project(project.id).await.unwrap();
    store.project(project.id).await.unwrap();
    probe.fail("project", ErrorKind::TimedOut);
    store.project(project.id).await.unwrap_err();
    let _gate = probe.hold("project");
    assert!(tokio::time::timeout(Duration::from_millis(1), store.project(project.id)).await.is_err());
    let seen = counts.0.lock().unwrap().clone();
    let expected = [("apply", "ok", 1), ("project", "dropped", 1), ("project", "ok", 2), ("project", "timed-out", 1)];
    let both = expected.iter().flat_map(|(op, outcome, count)| {
        ["slate_store_ops_total", "slate_store_op_seconds"]
            .map(|name| (format!("{name} op={op} outcome={outcome}"), *count))
    });
    assert_eq!(seen, both.collect());
}

#[tokio::test]
async fn the_items_of_streams_are_counted() {
    let counts = Counts::default();
    let _recording = metrics::set_default_local_recorder(&counts);
    let blobs = Layered::new(Arc::new(MemoryBlobs::default()), Observed);
    for key in ["a", "b"] {
        blobs.put_bytes(&BlobKey::new(key).unwrap(), "x".into()).await.unwrap();
    }
    assert_eq!(blobs.list("").count().await, 2);
    assert_eq!(blobs.get(&BlobKey::new("none").unwrap(), None).count().await, 1);
    let seen = counts.0.lock().unwrap().clone();
    assert_eq!(seen["slate_blobs_stream_items_total op=list outcome=ok"], 2);
    assert_eq!(seen["slate_blobs_stream_items_total op=get outcome=not-found"], 1);
}

/// Writes down every value of every span and event.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<String>>);

impl field::Visit for Spans {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        self.0.lock().unwrap().push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("slate_core::decorate")
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        span.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn a_span_names_the_call_and_holds_nothing_of_its_arguments() {
    let spans = Spans::default();
    let _collecting = tracing::subscriber::set_default(spans.clone());
    let runtime = Layered::new(Arc::new(MemoryRuntime::new()), Observed);
    runtime.create(&RuntimeSpec::new("game", ["print", "x"]).with_secret("TOKEN", "hunter2")).await.unwrap();
    let seen = spans.0.lock().unwrap().clone();
    assert_eq!(seen, r#"component="runtime" operation="create" outcome="ok" "#);
}
