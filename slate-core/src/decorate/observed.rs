use super::{Layer, Operation};
use crate::{BoxStream, ComponentKind, Result};
use futures_core::future::BoxFuture;
use futures_util::StreamExt;
use std::time::Instant;
use tracing::{Instrument, Span, field};

/// Watches calls: a span, a counter and a histogram for each. It changes nothing.
///
/// - The span `call` at level debug has the fields `component`, `operation` and `outcome`.
/// - `slate_{component}_ops_total{op, outcome}` counts calls, `slate_{component}_op_seconds{op, outcome}` measures them,
///   where the component is `store`, `bus`, `runtime`, `assets`, `blobs` or `cache`.
/// - `slate_{component}_stream_items_total{op, outcome}` counts what streams yielded.
///
/// The outcome is `ok`, the name of an [`ErrorKind`](crate::ErrorKind), or `dropped` where the caller didn't wait for the
/// end. No argument, id or message is in any of them, so no secret is, and the number of series is bounded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed;

impl Layer for Observed {
    async fn call<'a, R, F>(&'a self, operation: Operation, run: F) -> Result<R>
    where
        R: Send + 'a,
        F: Fn() -> BoxFuture<'a, Result<R>> + Send + Sync + 'a,
    {
        let mut watch = Watch::start(operation);
        let result = run().instrument(watch.span.clone()).await;
        watch.outcome = outcome(&result);
        result
    }

    fn stream<R: Send + 'static>(&self, operation: Operation, stream: BoxStream<Result<R>>) -> BoxStream<Result<R>> {
        let names = names(operation.kind);
        let count = move |item: &Result<R>| {
            metrics::counter!(names.items, "op" => operation.name, "outcome" => outcome(item)).increment(1);
        };
        stream.inspect(count).boxed()
    }
}

/// One call. It tells its outcome when it is dropped, so that a call that nobody waits for any more is counted too.
struct Watch {
    operation: Operation,
    span: Span,
    begin: Instant,
    outcome: &'static str,
}

impl Watch {
    fn start(operation: Operation) -> Self {
        let span = tracing::debug_span!(
            "call",
            component = operation.kind.as_str(),
            operation = operation.name,
            outcome = field::Empty
        );
        Self { operation, span, begin: Instant::now(), outcome: "dropped" }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let (names, op, outcome) = (names(self.operation.kind), self.operation.name, self.outcome);
        self.span.record("outcome", outcome);
        metrics::counter!(names.calls, "op" => op, "outcome" => outcome).increment(1);
        metrics::histogram!(names.seconds, "op" => op, "outcome" => outcome).record(self.begin.elapsed());
    }
}

fn outcome<R>(result: &Result<R>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => error.kind().as_str(),
    }
}

struct Names {
    calls: &'static str,
    seconds: &'static str,
    items: &'static str,
}

fn names(kind: ComponentKind) -> Names {
    macro_rules! of {
        ($component:literal) => {
            Names {
                calls: concat!("slate_", $component, "_ops_total"),
                seconds: concat!("slate_", $component, "_op_seconds"),
                items: concat!("slate_", $component, "_stream_items_total"),
            }
        };
    }
    match kind {
        ComponentKind::Runtime => of!("runtime"),
        ComponentKind::Store => of!("store"),
        ComponentKind::Bus => of!("bus"),
        ComponentKind::Assets => of!("assets"),
        ComponentKind::Blobs => of!("blobs"),
        ComponentKind::Cache => of!("cache"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_after_their_component() {
        use ComponentKind::{Assets, Blobs, Bus, Cache, Runtime, Store};
        for kind in [Runtime, Store, Bus, Assets, Blobs, Cache] {
            let Names { calls, seconds, items } = names(kind);
            assert_eq!(calls, format!("slate_{}_ops_total", kind.as_str()));
            assert_eq!(seconds, format!("slate_{}_op_seconds", kind.as_str()));
            assert_eq!(items, format!("slate_{}_stream_items_total", kind.as_str()));
        }
    }
}
