use super::{Message, SubjectFilter};
use crate::{BoxStream, Component, EventId, Result, model::StoredEvent};
use async_trait::async_trait;
use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Carries events that must arrive: at least once, and in order. [`EventBus`](super::EventBus) is for what may be lost.
///
/// Only a [`StoredEvent`] can be published, so nothing travels here that the store doesn't hold: the store is the record, and
/// whoever comes after the transport forgot an event reads it there.
///
/// # Contract
/// - An event is delivered to each consumer whose filter matches, again and again until it is acknowledged.
/// - A consumer is known by its name: it goes on where it ended, in whatever process. Those of one name share the work.
/// - With one event [in flight](ConsumeOptions::in_flight), a consumer's events come in the order of their publication, so those
///   of one aggregate in the order of its versions, also where one is retried.
/// - After [`resume`](DurableBus::resume), what this one publishes is `Conflict` from when on the transport may have forgotten
///   what it took before (its server died), or somebody else has published: call `resume` again, and publish the last events
///   again in their order.
/// - An event that is published again within the transport's window is delivered once; so is one whose acknowledgement was lost,
///   to the consumer that acknowledged it.
#[async_trait]
pub trait DurableBus: Component {
    /// Begins to publish as the only one, from what the transport holds now. A transport that forgets nothing has nothing to do.
    ///
    /// # Errors
    /// `Unavailable` or `TimedOut`.
    async fn resume(&self) -> Result<()> {
        Ok(())
    }

    /// Another number than before wherever the transport may have forgotten something since: its link was lost and made again.
    /// Whoever publishes then resumes, even where nothing waits to be published.
    fn epoch(&self) -> u64 {
        0
    }

    /// Publishes an event; returns when the transport holds it.
    ///
    /// # Errors
    /// `Unavailable` or `TimedOut`: publish it again; `Conflict` as the contract says; `LimitExceeded` as for
    /// [`Message::check`].
    async fn publish(&self, event: &StoredEvent) -> Result<()>;

    /// The events that match, for the consumer of this name.
    ///
    /// # Errors
    /// `Invalid` for a name that the transport can't have; `Unavailable` or `TimedOut`.
    async fn consume(&self, filter: &SubjectFilter, options: ConsumeOptions) -> Result<Deliveries>;
}

/// How to consume.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumeOptions {
    /// The consumer's name: 1 to 64 letters, digits, `-` and `_`.
    pub name: String,
    /// Where a consumer of a new name begins: with everything that the transport holds, or, the default, with what comes from
    /// now on.
    pub from_start: bool,
    /// How long the work on one event may take until it is given to another; default 30 s.
    pub work_time: Duration,
    /// Most events that are out and not acknowledged, over all members; default 1. With more, one that is retried comes after
    /// later ones.
    pub in_flight: usize,
}

impl ConsumeOptions {
    /// The defaults, under this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), from_start: false, work_time: Duration::from_secs(30), in_flight: 1 }
    }

    /// Begins with everything that the transport holds, where the name is new.
    #[must_use]
    pub fn from_start(mut self) -> Self {
        self.from_start = true;
        self
    }

    /// Sets how long the work on one event may take.
    #[must_use]
    pub fn with_work_time(mut self, time: Duration) -> Self {
        self.work_time = time;
        self
    }

    /// Sets how many events may be out; at least 1.
    #[must_use]
    pub fn with_in_flight(mut self, count: usize) -> Self {
        self.in_flight = count.max(1);
        self
    }

    /// Checks the name. Every transport calls it.
    ///
    /// # Errors
    /// `Invalid` where it breaks the rule.
    pub fn check(&self) -> Result<()> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=64).contains(&self.name.len()) && self.name.bytes().all(fits) {
            return Ok(());
        }
        Err(crate::Error::invalid("a consumer's name is 1 to 64 letters, digits, '-' and '_'"))
    }
}

/// An event that was delivered. One that is dropped without a word comes again once its work time is over.
pub struct Delivery {
    /// The event's message.
    pub message: Message,
    /// Which delivery of it this is, from 1.
    pub attempt: u64,
    settle: Box<dyn Settle>,
    seen: Option<Arc<Mutex<Seen>>>,
}

/// Tells a transport what became of a delivery. For implementations of [`DurableBus`].
#[async_trait]
pub trait Settle: Send {
    /// The event is dealt with; returns when the transport knows.
    ///
    /// # Errors
    /// `Unavailable` or `TimedOut`: it will be delivered again.
    async fn acknowledge(self: Box<Self>) -> Result<()>;

    /// The event is to come again after this time.
    ///
    /// # Errors
    /// `Unavailable` or `TimedOut`: it will come again when its work time is over.
    async fn retry(self: Box<Self>, after: Duration) -> Result<()>;
}

impl Delivery {
    /// Made by implementations.
    pub fn new(message: Message, attempt: u64, settle: Box<dyn Settle>) -> Self {
        Self { message, attempt, settle, seen: None }
    }

    /// Says that the event is dealt with; call it after its effect is stored.
    ///
    /// # Errors
    /// Those of [`Settle::acknowledge`]. Then this consumer drops the repeat by itself; another one may get it.
    pub async fn acknowledge(self) -> Result<()> {
        if let (Some(id), Some(seen)) = (self.message.event_id(), &self.seen) {
            seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        }
        self.settle.acknowledge().await
    }

    /// Says that the event is to come again after this time.
    ///
    /// # Errors
    /// Those of [`Settle::retry`].
    pub async fn retry(self, after: Duration) -> Result<()> {
        self.settle.retry(after).await
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.message)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// A consumer's events as they come. Dropping it leaves the consumer where it is.
pub struct Deliveries {
    stream: BoxStream<Delivery>,
    seen: Arc<Mutex<Seen>>,
}

impl Deliveries {
    /// Made by implementations.
    pub fn new(stream: BoxStream<Delivery>) -> Self {
        Self { stream, seen: Arc::default() }
    }

    /// The next event; `None` once the bus is closed. An event that was acknowledged here before is passed over.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            let mut delivery = std::future::poll_fn(|context| self.stream.as_mut().poll_next(context)).await?;
            let id = delivery.message.event_id();
            let repeated =
                id.is_some_and(|id| self.seen.lock().unwrap_or_else(PoisonError::into_inner).ids.contains(&id));
            if !repeated {
                delivery.seen = Some(Arc::clone(&self.seen));
                return Some(delivery);
            }
            metrics::counter!("slate_bus_duplicates_total").increment(1);
            // Where this is lost too, it comes once more.
            let _told: Result<()> = delivery.settle.acknowledge().await;
        }
    }
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

/// The ids that were acknowledged last.
#[derive(Default)]
struct Seen {
    ids: HashSet<EventId>,
    order: VecDeque<EventId>,
}

impl Seen {
    /// Most ids that are remembered.
    const MAX: usize = 10_000;

    fn insert(&mut self, id: EventId) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > Self::MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}
