//! A signal that asks work to stop.

use crate::{Error, Result};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// A flag that many hold and any may raise; once raised it stays so.
///
/// Synchronous work asks [`check`](Self::check) now and then, asynchronous work awaits
/// [`canceled`](Self::canceled). Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    raised: AtomicBool,
    waiters: Notify,
}

impl Cancel {
    /// A flag that isn't raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag. Doing it twice is as good as once.
    pub fn cancel(&self) {
        self.0.raised.store(true, Ordering::Release);
        self.0.waiters.notify_waiters();
    }

    /// Whether the flag is raised.
    pub fn is_canceled(&self) -> bool {
        self.0.raised.load(Ordering::Acquire)
    }

    /// `Ok` while the flag isn't raised.
    ///
    /// # Errors
    /// `Canceled` once it is.
    pub fn check(&self) -> Result<()> {
        if self.is_canceled() { Err(Error::canceled("the work was canceled")) } else { Ok(()) }
    }

    /// Returns once the flag is raised.
    pub async fn canceled(&self) {
        loop {
            let waiting = self.0.waiters.notified();
            if self.is_canceled() {
                return;
            }
            waiting.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wakes_every_waiter() {
        let cancel = Cancel::new();
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let cancel = cancel.clone();
                tokio::spawn(async move { cancel.canceled().await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(cancel.check().is_ok());
        cancel.cancel();
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(cancel.check().unwrap_err().kind(), crate::ErrorKind::Canceled);
        cancel.canceled().await;
    }
}
