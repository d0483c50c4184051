use super::Unsubscribe;
use crate::bus::{Message, Overflow};
use futures_core::Stream;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// The bounded queue of one subscription.
pub(super) struct Mailbox {
    state: Mutex<State>,
    capacity: usize,
    overflow: Overflow,
    dropped: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    waker: Option<Waker>,
    closed: bool,
}

/// What became of a message: whether it was taken, and whether any was lost over it.
pub(super) struct Pushed {
    pub(super) taken: bool,
    pub(super) any: bool,
}

impl Mailbox {
    pub(super) fn new(capacity: usize, overflow: Overflow) -> Self {
        Self { state: Mutex::default(), capacity, overflow, dropped: Arc::default() }
    }

    pub(super) fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    pub(super) fn has_room(&self) -> bool {
        self.lock().waiting.len() < self.capacity
    }

    pub(super) fn push(&self, message: Message) -> Pushed {
        let mut state = self.lock();
        let full = state.waiting.len() >= self.capacity;
        if full {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            if self.overflow == Overflow::DropNewest {
                return Pushed { taken: false, any: true };
            }
            state.waiting.pop_front();
        }
        state.waiting.push_back(message);
        let waker = state.waker.take();
        // Woken outside of the lock, or the subscriber would wake only to wait for it.
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Pushed { taken: true, any: full }
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The subscriber's end. It takes all that waits at once, so that the lock is shared once a batch, not once a message.
pub(super) struct Receiver {
    mailbox: Arc<Mailbox>,
    taken: VecDeque<Message>,
    _unsubscribe: Unsubscribe,
}

impl Receiver {
    pub(super) fn new(mailbox: Arc<Mailbox>, unsubscribe: Unsubscribe) -> Self {
        Self { mailbox, taken: VecDeque::new(), _unsubscribe: unsubscribe }
    }
}

impl Stream for Receiver {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = &mut *self;
        if let Some(message) = this.taken.pop_front() {
            return Poll::Ready(Some(message));
        }
        let mut state = this.mailbox.lock();
        std::mem::swap(&mut state.waiting, &mut this.taken);
        match this.taken.pop_front() {
            Some(message) => Poll::Ready(Some(message)),
            None if state.closed => Poll::Ready(None),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
