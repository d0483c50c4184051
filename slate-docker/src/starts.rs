//! The queue in which starts wait for their turn.

use crate::error::PLACE;
use slate_core::{Error, Result};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Lets few starts run at once and a bounded number wait: an engine starts about nine containers a second on two cores,
/// and beyond that each further one only makes all of them slower.
#[derive(Debug)]
pub(crate) struct Starts {
    turns: Semaphore,
    waiting: AtomicUsize,
    most: usize,
}

impl Starts {
    pub(crate) fn new(at_once: usize, waiting: usize) -> Self {
        Self { turns: Semaphore::new(at_once.clamp(1, 1024)), waiting: AtomicUsize::new(0), most: waiting }
    }

    /// Waits for a turn, in the order of asking.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let _place = self.place()?;
        self.turns.acquire().await.map_err(|error| Error::internal("the queue of starts is closed").because(error))
    }

    fn place(&self) -> Result<Place<'_>> {
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.most {
            return Ok(place);
        }
        let error = Error::resource_exhausted("too many instances wait to be started");
        Err(error.with("limit", self.most).at(PLACE, "start"))
    }
}

struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slate_core::ErrorKind;

    #[tokio::test]
    async fn few_run_at_once_and_few_wait() {
        let starts = Starts::new(1, 1);
        let first = starts.turn().await.unwrap();
        let mut second = Box::pin(starts.turn());
        assert!(futures_util::poll!(&mut second).is_pending());
        assert_eq!(starts.turn().await.unwrap_err().kind(), ErrorKind::ResourceExhausted);
        drop(first);
        drop(second.await.unwrap());
        // A waiter that gave up leaves its place.
        let first = starts.turn().await.unwrap();
        {
            let mut given_up = Box::pin(starts.turn());
            assert!(futures_util::poll!(&mut given_up).is_pending());
        }
        let mut second = Box::pin(starts.turn());
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        drop(second.await.unwrap());
    }
}
