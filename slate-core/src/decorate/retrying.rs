use super::{Layer, Operation, Repeat, settings::settings};
use crate::{
    Error, ErrorKind, Result, Retry,
    chance::{mix, share},
};
use futures_core::future::BoxFuture;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

settings! {
    /// How [`Retrying`] repeats.
    RetryingOptions {
        /// Most attempts of a call, the first one included; default 5. With 1 nothing is repeated.
        attempts / with_attempts: u32 = 5,
        /// The pause after the first attempt; it doubles after each further one; default 50 ms.
        first / with_first: Duration = Duration::from_millis(50),
        /// The longest pause; an error that asks for a longer one is returned at once; default 5 s.
        longest / with_longest: Duration = Duration::from_secs(5),
        /// The time after which no attempt is begun any more; default 30 s.
        total / with_total: Duration = Duration::from_secs(30),
        /// Where the jitter starts; give each process another one, so that they don't come back together; default 0.
        seed / with_seed: u64 = 0,
    }
}

/// Repeats calls that failed for now, after pauses that grow.
///
/// A call is repeated where its error's advice is [`Retry::Backoff`] or [`Retry::After`], and where that is safe:
///
/// - calls with [`Repeat::Always`]: reads, and writes that a second time change nothing more, like
///   [`apply`](crate::store::ChangeStore::apply) under an idempotency key;
/// - calls with [`Repeat::Unapplied`] only after `Unavailable` or `ResourceExhausted`, which say that nothing happened. An
///   implementation that can't know it says `TimedOut`;
/// - calls with [`Repeat::Never`] aren't.
///
/// A pause is one half fixed and one half jitter. The last error is returned as it is, with the number of `attempts` added.
/// Nothing is spawned: whoever drops the call ends it, during an attempt or a pause. Clones share the jitter.
#[derive(Clone, Debug)]
pub struct Retrying {
    options: RetryingOptions,
    chance: Arc<AtomicU64>,
}

impl Retrying {
    /// Repeats as `options` say.
    pub fn new(options: RetryingOptions) -> Self {
        let chance = Arc::new(AtomicU64::new(options.seed));
        Self { options, chance }
    }
}

impl Default for Retrying {
    fn default() -> Self {
        Self::new(RetryingOptions::default())
    }
}

impl Layer for Retrying {
    async fn call<'a, R, F>(&'a self, operation: Operation, run: F) -> Result<R>
    where
        R: Send + 'a,
        F: Fn() -> BoxFuture<'a, Result<R>> + Send + Sync + 'a,
    {
        let begin = Instant::now();
        let mut attempt = 1;
        loop {
            let error = match run().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let jitter = share(mix(self.chance.fetch_add(1, Ordering::Relaxed)));
            let Some(pause) = pause(&self.options, operation, &error, attempt, begin.elapsed(), jitter) else {
                return Err(if attempt > 1 { error.with("attempts", attempt) } else { error });
            };
            tracing::debug!(
                component = operation.kind.as_str(),
                operation = operation.name,
                attempt,
                kind = error.kind().as_str(),
                "tried again"
            );
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }
}

/// How long to wait before the next attempt; `None` where there is to be none.
fn pause(
    options: &RetryingOptions,
    operation: Operation,
    error: &Error,
    attempt: u32,
    elapsed: Duration,
    jitter: f64,
) -> Option<Duration> {
    let pause = match error.retry() {
        Retry::Backoff => {
            let full = options.first.saturating_mul(1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX));
            full.min(options.longest).mul_f64(0.5 + jitter / 2.0)
        }
        Retry::After(asked) if asked <= options.longest => asked,
        _ => return None,
    };
    let go_on =
        attempt < options.attempts && elapsed + pause < options.total && is_safe(operation.repeat, error.kind());
    go_on.then_some(pause)
}

fn is_safe(repeat: Repeat, kind: ErrorKind) -> bool {
    match repeat {
        Repeat::Always => true,
        Repeat::Unapplied => matches!(kind, ErrorKind::Unavailable | ErrorKind::ResourceExhausted),
        Repeat::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ComponentKind;

    const SECOND: Duration = Duration::from_secs(1);

    fn options() -> RetryingOptions {
        RetryingOptions::default().with_first(SECOND).with_longest(SECOND * 8)
    }

    fn after(error: &Error, repeat: Repeat, attempt: u32, elapsed: Duration) -> Option<Duration> {
        pause(&options(), Operation::new(ComponentKind::Store, "x", repeat), error, attempt, elapsed, 1.0)
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let options = options().with_attempts(100).with_total(SECOND * 1000);
        let operation = Operation::new(ComponentKind::Store, "x", Repeat::Always);
        let error = Error::unavailable("x");
        let pauses = [1, 2, 3, 4, 5, 40, 99].map(|n| pause(&options, operation, &error, n, SECOND, 1.0));
        assert_eq!(pauses, [1, 2, 4, 8, 8, 8, 8].map(|seconds| Some(SECOND * seconds)));
        assert_eq!(pause(&options, operation, &error, 2, SECOND, 0.0), Some(SECOND), "half of it is jitter");
    }

    #[test]
    fn no_attempt_is_made_over_a_limit() {
        let error = Error::unavailable("x");
        assert!(after(&error, Repeat::Always, 4, SECOND).is_some());
        assert!(after(&error, Repeat::Always, 5, SECOND).is_none(), "the fifth attempt is the last");
        assert!(after(&error, Repeat::Always, 1, SECOND * 28).is_some());
        assert!(after(&error, Repeat::Always, 1, SECOND * 29).is_none(), "it would begin after the total time");
    }

    #[test]
    fn a_pause_asked_for_is_kept_unless_it_is_too_long() {
        let asked = |pause| Error::resource_exhausted("x").retry_as(Retry::After(pause));
        assert_eq!(after(&asked(SECOND * 8), Repeat::Always, 1, SECOND), Some(SECOND * 8));
        assert_eq!(after(&asked(SECOND * 9), Repeat::Always, 1, SECOND), None);
    }

    #[test]
    fn only_what_is_safe_and_advised_is_repeated() {
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, "x");
            let unapplied = matches!(kind, ErrorKind::Unavailable | ErrorKind::ResourceExhausted);
            let always = unapplied || kind == ErrorKind::TimedOut;
            assert_eq!(after(&error, Repeat::Always, 1, SECOND).is_some(), always, "{kind}");
            assert_eq!(after(&error, Repeat::Unapplied, 1, SECOND).is_some(), unapplied, "{kind}");
            assert!(after(&error, Repeat::Never, 1, SECOND).is_none(), "{kind}");
        }
    }
}
