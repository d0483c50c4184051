use super::{Message, SubjectFilter, SubscribeOptions, Subscription};
use crate::{Component, Result, wire::wire_enum};
use async_trait::async_trait;
use serde::Serialize;
use std::time::Duration;

/// Carries messages between services: in this process, or over NATS.
///
/// The bus is transport, not record: what must not be lost is in the store, and the bus says that it is there.
///
/// # Contract
/// - A message is delivered to every subscription whose filter matches and that was there before, and to one member of each
///   queue group.
/// - Messages of one publisher arrive at a subscriber in the order in which they were published.
/// - A subscriber that is too slow loses messages by its stated policy, and `dropped` counts each; publishers and other
///   subscribers don't wait for it.
/// - A subscription that is dropped receives nothing more and holds nothing.
/// - `request` returns the first answer; without anybody who listens it fails at once with `Unavailable`; without an answer
///   in time it fails with `TimedOut`.
/// - A payload over [`Message::MAX_PAYLOAD`] gives `LimitExceeded` and is delivered to nobody.
/// - After `close`, publishing and subscribing give `Unavailable`, and each subscription ends after what waits in it.
#[async_trait]
pub trait EventBus: Component {
    /// Publishes a message; returns when the bus has taken it.
    ///
    /// # Errors
    /// As the contract says.
    async fn publish(&self, message: Message) -> Result<()>;

    /// Subscribes; what is published after this returns is delivered.
    ///
    /// # Errors
    /// As the contract says.
    async fn subscribe(&self, filter: &SubjectFilter, options: SubscribeOptions) -> Result<Subscription>;

    /// Publishes a message and waits for the first answer.
    ///
    /// # Errors
    /// As the contract says.
    async fn request(&self, message: Message, timeout: Duration) -> Result<Message>;

    /// Returns when everything published so far has reached the server.
    ///
    /// # Errors
    /// `Unavailable` or `TimedOut`.
    async fn flush(&self) -> Result<()>;

    /// How the bus is now, as far as this side knows.
    fn status(&self) -> BusStatus;

    /// Delivers what waits and ends.
    ///
    /// # Errors
    /// `TimedOut` where something couldn't be delivered.
    async fn close(&self) -> Result<()>;
}

wire_enum! {
    /// Whether a bus is connected.
    BusState {
        /// It works; a bus in this process always does until it is closed.
        Connected = "connected",
        /// It looks for its server.
        Connecting = "connecting",
        /// It was closed.
        Closed = "closed",
    }
}

/// How a bus is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BusStatus {
    /// Whether it is connected.
    pub state: BusState,
    /// Subscriptions of this side.
    pub subscriptions: u64,
    /// Messages published by this side.
    pub published: u64,
    /// Messages handed to subscriptions of this side.
    pub delivered: u64,
    /// Messages dropped because a subscriber of this side was too slow.
    pub dropped: u64,
}

impl BusStatus {
    /// A bus in this state that has carried nothing.
    pub const fn new(state: BusState) -> Self {
        Self { state, subscriptions: 0, published: 0, delivered: 0, dropped: 0 }
    }
}
