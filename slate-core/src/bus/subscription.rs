use super::Message;
use crate::BoxStream;
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

/// What becomes of messages that a subscriber is too slow for. They are counted either way, never silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Messages that find the queue full are dropped; the default, as NATS does it.
    #[default]
    DropNewest,
    /// The oldest message in the queue is dropped: for what only matters while it is new.
    DropOldest,
}

/// How to subscribe.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscribeOptions {
    /// The queue group: each message goes to one of its members. Default none: each message goes to everybody.
    pub queue: Option<String>,
    /// Most messages that wait for the subscriber; default 65 536.
    pub capacity: usize,
    /// What becomes of the messages beyond.
    pub overflow: Overflow,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { queue: None, capacity: 65_536, overflow: Overflow::DropNewest }
    }
}

impl SubscribeOptions {
    /// Joins this queue group.
    #[must_use]
    pub fn with_queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// Sets how many messages may wait; at least 1.
    #[must_use]
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity.max(1);
        self
    }

    /// Sets what becomes of messages beyond the capacity.
    #[must_use]
    pub fn with_overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }
}

/// Messages as they come. Dropping it unsubscribes; it ends when the bus is closed.
pub struct Subscription {
    messages: BoxStream<Message>,
    dropped: Arc<AtomicU64>,
}

impl Subscription {
    /// Made by implementations: the messages, and the counter of those that were dropped.
    pub fn new(messages: BoxStream<Message>, dropped: Arc<AtomicU64>) -> Self {
        Self { messages, dropped }
    }

    /// How many messages were dropped because this subscriber was too slow.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The next message; `None` once the bus is closed.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|context| self.messages.as_mut().poll_next(context)).await
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.messages.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}
