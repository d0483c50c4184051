use crate::{Cancel, Error, Result};
use std::{fmt, future::Future, time::Duration};
use tokio::task::JoinHandle;

/// A running service. Dropping it asks the service to end without waiting; [`shutdown`](Self::shutdown) waits.
pub struct Handle {
    name: &'static str,
    cancel: Cancel,
    task: Option<JoinHandle<()>>,
}

impl Handle {
    /// Runs `work` until it ends by itself after `cancel` is raised.
    pub(super) fn spawn(name: &'static str, cancel: Cancel, work: impl Future<Output = ()> + Send + 'static) -> Self {
        let task = tokio::spawn(async move {
            tracing::info!(service = name, "started");
            work.await;
            tracing::info!(service = name, "ended");
        });
        Self { name, cancel, task: Some(task) }
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.task.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Asks the service to end, and waits until it has written what it holds.
    ///
    /// # Errors
    /// `TimedOut` after `limit`, when it was ended by force; `Internal` where it had ended by a mistake.
    pub async fn shutdown(mut self, limit: Duration) -> Result<()> {
        self.cancel.cancel();
        let Some(mut task) = self.task.take() else { return Ok(()) };
        match tokio::time::timeout(limit, &mut task).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(Error::internal("the service ended by a mistake").with("service", self.name).because(error))
            }
            Err(_) => {
                task.abort();
                Err(Error::timed_out("the service didn't end in time").with("service", self.name))
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("name", &self.name).field("running", &self.is_running()).finish()
    }
}

/// Waits that grow from `first` to `most` by doubling.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) most: Duration,
}

impl Backoff {
    /// The wait after `failures` failures in a row, at least one.
    pub(super) fn wait(self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.most)
    }
}

/// Runs `work` over and over, waiting between rounds as it says, until `cancel` is raised. An error is told and waited out.
pub(super) async fn repeat<F>(name: &'static str, cancel: &Cancel, mut work: impl FnMut() -> F)
where
    F: Future<Output = Result<Duration>>,
{
    const RETRY: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(5) };
    let mut failures = 0;
    while !cancel.is_canceled() {
        let pause = match work().await {
            Ok(pause) => {
                failures = 0;
                pause
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(service = name, failures, %error, "a round failed and will be tried again");
                RETRY.wait(failures)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cancel.canceled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most() {
        let backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(1) };
        let waits: Vec<_> = [1, 2, 3, 4, 5, 99].map(|failures| backoff.wait(failures).as_millis()).into();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    }

    #[tokio::test]
    async fn shutdown_waits_for_the_end() {
        let cancel = Cancel::new();
        let handle = Handle::spawn("test", cancel.clone(), async move { cancel.canceled().await });
        assert!(handle.is_running());
        handle.shutdown(Duration::from_secs(5)).await.unwrap();
        let stuck = Handle::spawn("stuck", Cancel::new(), std::future::pending());
        let error = stuck.shutdown(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::TimedOut);
    }
}
