use super::{Message, Overflow, SubscribeOptions, Subscription};
use futures_core::Stream;
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// The bounded queue of one subscription, for implementations of [`EventBus`](super::EventBus): it keeps the subscriber's
/// overflow policy and counts what is lost.
pub struct Mailbox {
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

/// What became of a message that was put in a [`Mailbox`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// Whether it waits for the subscriber now.
    pub taken: bool,
    /// Whether a message was lost over it: this one or an older one.
    pub lost: bool,
}

/// What became of messages that were put in a [`Mailbox`] at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushedAll {
    /// How many wait for the subscriber now, or did until others took their place.
    pub taken: u64,
    /// How many were lost over it: of these or older ones.
    pub lost: u64,
}

impl Mailbox {
    /// An empty mailbox by the subscriber's wishes.
    pub fn new(options: &SubscribeOptions) -> Arc<Self> {
        let (capacity, overflow) = (options.capacity.max(1), options.overflow);
        Arc::new(Self { state: Mutex::default(), capacity, overflow, dropped: Arc::default() })
    }

    /// The subscriber's end. `guard` is dropped with it: its `Drop` unsubscribes. There is one such end for a mailbox.
    pub fn subscription(self: &Arc<Self>, guard: impl Send + Unpin + 'static) -> Subscription {
        let receiver = Receiver { mailbox: Arc::clone(self), taken: VecDeque::new(), _guard: guard };
        Subscription::new(Box::pin(receiver), Arc::clone(&self.dropped))
    }

    /// Whether a message would be taken without another being lost.
    pub fn has_room(&self) -> bool {
        self.lock().waiting.len() < self.capacity
    }

    /// Puts a message in, or drops one by the policy.
    pub fn push(&self, message: Message) -> Pushed {
        let pushed = self.push_all([message]);
        Pushed { taken: pushed.taken > 0, lost: pushed.lost > 0 }
    }

    /// Puts messages in as [`push`](Self::push) does, in their order, and wakes the subscriber once. The subscriber waits
    /// while the iterator works.
    pub fn push_all(&self, messages: impl IntoIterator<Item = Message>) -> PushedAll {
        let mut pushed = PushedAll::default();
        let mut state = self.lock();
        for message in messages {
            if state.waiting.len() >= self.capacity {
                pushed.lost += 1;
                if self.overflow == Overflow::DropNewest {
                    continue;
                }
                state.waiting.pop_front();
            }
            pushed.taken += 1;
            state.waiting.push_back(message);
        }
        let waker = if pushed.taken > 0 { state.waker.take() } else { None };
        if pushed.lost > 0 {
            self.dropped.fetch_add(pushed.lost, Ordering::Relaxed);
        }
        // Woken outside of the lock, or the subscriber would wake only to wait for it.
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        pushed
    }

    /// Ends the subscription after what waits in it.
    pub fn close(&self) {
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

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.lock().waiting.len();
        f.debug_struct("Mailbox").field("waiting", &waiting).field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// The subscriber's end. It takes all that waits at once, so that the lock is shared once a batch, not once a message.
struct Receiver<G> {
    mailbox: Arc<Mailbox>,
    taken: VecDeque<Message>,
    _guard: G,
}

impl<G: Unpin> Stream for Receiver<G> {
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
