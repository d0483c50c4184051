use crate::wire::wire_enum;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a session's instance that ended is started again. The orchestrator does it, whatever the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RestartPolicy {
    /// After which ends; default failures.
    pub on: RestartOn,
    /// Most restarts in a row; default 5. The end after the last is the session's.
    pub max_restarts: u32,
    /// Wait before the first restart of a row in milliseconds, doubled for each further one; default 1 s.
    pub backoff_ms: u64,
    /// Longest wait in milliseconds; default 1 min.
    pub max_backoff_ms: u64,
    /// A run that lasted so many milliseconds ends a row; default 10 min.
    pub steady_ms: u64,
}

wire_enum! {
    /// The ends after which an instance is started again.
    RestartOn {
        /// An exit code other than 0, a signal, a failed health check, too much memory.
        Failure = "failure",
        /// Every end that nobody asked for, success as well.
        End = "end",
    }
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { on: RestartOn::Failure, max_restarts: 5, backoff_ms: 1_000, max_backoff_ms: 60_000, steady_ms: 600_000 }
    }
}

impl RestartPolicy {
    /// After failures, at most so often in a row, with the default waits.
    pub fn on_failure(max_restarts: u32) -> Self {
        Self { max_restarts, ..Self::default() }
    }

    /// Sets the first and the longest wait.
    #[must_use]
    pub fn with_backoff(mut self, first: Duration, most: Duration) -> Self {
        let millis = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        (self.backoff_ms, self.max_backoff_ms) = (millis(first), millis(most));
        self
    }

    /// The wait before restart number `nth` of a row, counted from 1.
    pub fn wait(&self, nth: u32) -> Duration {
        let millis = self.backoff_ms.saturating_mul(1 << nth.saturating_sub(1).min(40));
        Duration::from_millis(millis.min(self.max_backoff_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most() {
        let waits: Vec<_> = [1, 2, 3, 7, 99].map(|nth| RestartPolicy::default().wait(nth).as_millis()).into();
        assert_eq!(waits, [1_000, 2_000, 4_000, 60_000, 60_000]);
    }

    #[test]
    fn a_partial_record_keeps_the_other_defaults() {
        let read: RestartPolicy = serde_json::from_str(r#"{"on":"end","maxRestarts":2}"#).unwrap();
        assert_eq!(read, RestartPolicy { on: RestartOn::End, max_restarts: 2, ..RestartPolicy::default() });
    }
}
