use super::{Layer, Operation, Repeat, settings::settings};
use crate::{
    BoxStream, ComponentKind, Error, Result,
    chance::{mix, of_text, share},
};
use futures_core::future::BoxFuture;
use futures_util::{StreamExt, stream};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

settings! {
    /// Which faults [`Faulty`] makes. Rates are shares of the calls, 0.0 to 1.0; all are 0 by default.
    FaultyOptions {
        /// What the faults follow from; default 0.
        seed / with_seed: u64 = 0,
        /// Calls that fail with `Unavailable` or `ResourceExhausted` without being made; default 0.
        errors / with_errors: f64 = 0.0,
        /// Calls that are made, but whose answer is lost; default 0.
        lost / with_lost: f64 = 0.0,
        /// Calls that are made late; default 0.
        delays / with_delays: f64 = 0.0,
        /// The longest delay; default 20 ms.
        longest_delay / with_longest_delay: Duration = Duration::from_millis(20),
        /// Streams that break with `Unavailable` within their first 16 items; default 0.
        broken_streams / with_broken_streams: f64 = 0.0,
    }
}

/// Makes faults on purpose, for tests.
///
/// The n-th call of a verb meets the same fate for the same seed, whatever is called in between. A lost answer is replaced
/// by `TimedOut`, which says that the work may have happened; of a call that is safe to repeat, by `Unavailable` as often,
/// which for it makes no difference. A call that fails by itself keeps its own error. Clones share the counts.
#[derive(Clone, Debug)]
pub struct Faulty {
    options: FaultyOptions,
    calls: Arc<Mutex<HashMap<(ComponentKind, &'static str), u64>>>,
}

impl Faulty {
    /// Makes the faults that `options` say.
    pub fn new(options: FaultyOptions) -> Self {
        Self { options, calls: Arc::default() }
    }

    /// The fate of the next call of this operation.
    fn next(&self, operation: Operation) -> Fate {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry((operation.kind, operation.name)).or_default();
        *count += 1;
        Fate(mix(self.options.seed ^ of_text(operation.kind.as_str())) ^ mix(of_text(operation.name)) ^ mix(*count))
    }
}

impl Layer for Faulty {
    async fn call<'a, R, F>(&'a self, operation: Operation, run: F) -> Result<R>
    where
        R: Send + 'a,
        F: Fn() -> BoxFuture<'a, Result<R>> + Send + Sync + 'a,
    {
        let (fate, options) = (self.next(operation), &self.options);
        let fault = |error: Error| Err(error.at(operation.kind.as_str(), operation.name));
        if fate.meets(1, options.delays) {
            tokio::time::sleep(options.longest_delay.mul_f64(fate.share(2))).await;
        }
        if fate.meets(3, options.errors) {
            return fault(if fate.meets(4, 0.5) {
                Error::unavailable("a fault on purpose: not reached")
            } else {
                Error::resource_exhausted("a fault on purpose: no room")
            });
        }
        let value = run().await?;
        if fate.meets(5, options.lost) {
            return fault(if operation.repeat == Repeat::Always && fate.meets(6, 0.5) {
                Error::unavailable("a fault on purpose: the connection broke")
            } else {
                Error::timed_out("a fault on purpose: the answer was lost")
            });
        }
        Ok(value)
    }

    fn stream<R: Send + 'static>(&self, operation: Operation, stream: BoxStream<Result<R>>) -> BoxStream<Result<R>> {
        let fate = self.next(operation);
        if !fate.meets(1, self.options.broken_streams) {
            return stream;
        }
        let error =
            Error::unavailable("a fault on purpose: the stream broke").at(operation.kind.as_str(), operation.name);
        stream.take((fate.share(2) * 16.0) as usize).chain(stream::iter([Err(error)])).boxed()
    }
}

/// What chance has in store for one call.
#[derive(Clone, Copy)]
struct Fate(u64);

impl Fate {
    /// A share from 0 up to 1, another one for each question.
    fn share(self, question: u64) -> f64 {
        share(mix(self.0 ^ mix(question)))
    }

    fn meets(self, question: u64, rate: f64) -> bool {
        self.share(question) < rate
    }
}
