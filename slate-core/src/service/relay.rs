use super::{
    Journal,
    task::{Handle, repeat},
};
use crate::{
    Cancel, ErrorKind, Result, WorkerId,
    bus::{DurableBus, EventBus, Message, Overflow, Subject, SubscribeOptions, Subscription, filters},
    model::StoredEvent,
    store::{EventQuery, PageRequest, Store},
};
use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Mutex;

const NAME: &str = "relay";
/// Rung by a relay that found events but not the lease, for the one that has it.
const WAITING: &str = "slate.outbox.waiting";
/// How long before it dies a transport may forget what it took. JetStream writes to its files after it acknowledges; what it
/// holds yet is dropped as a repeat.
const FORGETFUL: Duration = Duration::from_secs(60);
/// Most events that are published again for that.
const MOST_FORGOTTEN: usize = 10_000;
/// Shortest time between two rings of one relay.
const RING_EVERY: Duration = Duration::from_millis(20);

/// How the relay works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayOptions {
    /// Most events published in one round; default 500.
    pub batch: u32,
    /// Longest wait until the store is asked again, where no bell rang; default 1 s.
    pub poll: Duration,
    /// How long one relay keeps the others away; default 10 s.
    pub lease: Duration,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self { batch: 500, poll: Duration::from_secs(1), lease: Duration::from_secs(10) }
    }
}

/// Publishes the events that the store holds: each at least once, those of one aggregate in order.
///
/// One relay works at a time, by a lease; a crash between publishing and noting it leads to a repeat, which consumers drop by
/// the event's id. The others watch the events of their own process and ring the one at work, so that an event that any
/// process stored is on the bus at once.
#[derive(Debug)]
pub struct Relay;

impl Relay {
    /// Starts it. With `durable`, each event goes there first, for consumers that must not miss any; the bus tells whoever
    /// listens just then.
    pub fn start(
        journal: Journal,
        bus: Arc<dyn EventBus>,
        durable: Option<Arc<dyn DurableBus>>,
        options: RelayOptions,
    ) -> Handle {
        let cancel = Cancel::new();
        let worker = WorkerId::unique(NAME);
        let outlets = Outlets { bus, durable, resumed: Mutex::new(None) };
        Handle::spawn(NAME, cancel.clone(), async move {
            // Only the newest ring matters; without a subscription the poll finds what waits.
            let options_of_ring = SubscribeOptions::default().with_capacity(1).with_overflow(Overflow::DropOldest);
            let ring = Mutex::new(outlets.bus.subscribe(&filters::outbox(), options_of_ring).await.ok());
            // Rings are answered, not handed on: relays without the lease would ring each other for ever.
            let own = AtomicBool::new(true);
            repeat(NAME, &cancel, || async {
                let round = publish_some(&journal, &outlets, &worker, &options).await?;
                if round == Round::Others && own.load(Ordering::Relaxed) {
                    outlets.bus.publish(Message::new(Subject::new(WAITING)?, Vec::new())).await?;
                    tokio::time::sleep(RING_EVERY).await;
                }
                if round != Round::Full {
                    let rung = tokio::select! {
                        () = journal.rung() => true,
                        () = heard(&ring) => false,
                        () = tokio::time::sleep(options.poll) => false,
                        () = cancel.canceled() => false,
                    };
                    own.store(rung, Ordering::Relaxed);
                }
                Ok(Duration::ZERO)
            })
            .await;
            // What was stored while the other services ended is still published.
            while let Ok(Round::Full) = publish_some(&journal, &outlets, &worker, &options).await {}
            if let Err(error) = journal.store().release_lease(NAME, &worker).await {
                tracing::warn!(%error, "the relay's lease could not be given back");
            }
        })
    }
}

/// The event's envelope alone: who is told learns that it happened, and finds its data in the store by the event's id.
fn without_data(event: &StoredEvent) -> StoredEvent {
    let mut event = event.clone();
    let payload = &mut event.event.payload;
    let bytes = payload.to_string().len();
    payload["data"] = serde_json::json!({ "tooLarge": true, "bytes": bytes });
    event
}

/// Where events go.
struct Outlets {
    bus: Arc<dyn EventBus>,
    durable: Option<Arc<dyn DurableBus>>,
    /// The term of the lease and the epoch of the durable transport in which that is known to hold all that was published.
    resumed: Mutex<Option<(u64, u64)>>,
}

impl Outlets {
    /// Makes sure, at the beginning of a term and after the transport forgot something, that it holds what was published last.
    async fn resume(&self, store: &dyn Store, term: u64) -> Result<()> {
        let Some(durable) = &self.durable else { return Ok(()) };
        let mut resumed = self.resumed.lock().await;
        // Read before, so that a link that is lost meanwhile is seen the next time.
        let now = Some((term, durable.epoch()));
        if *resumed == now {
            return Ok(());
        }
        durable.resume().await?;
        for event in recently_published(store).await? {
            let event = fitting(&event)?;
            durable.publish(&event).await?;
        }
        *resumed = now;
        Ok(())
    }

    /// Whether the durable transport may have forgotten something since it was looked after.
    async fn may_have_forgotten(&self) -> bool {
        match &self.durable {
            Some(durable) => self.resumed.lock().await.is_none_or(|(_, epoch)| epoch != durable.epoch()),
            None => false,
        }
    }

    async fn publish(&self, event: &StoredEvent) -> Result<()> {
        let event = fitting(event)?;
        if let Some(durable) = &self.durable
            && let Err(error) = durable.publish(&event).await
        {
            if error.kind() == ErrorKind::Conflict {
                *self.resumed.lock().await = None;
            }
            return Err(error);
        }
        self.bus.publish(event.to_message()?).await
    }
}

/// The events that a transport may have forgotten when its server died, oldest first.
async fn recently_published(store: &dyn Store) -> Result<Vec<StoredEvent>> {
    let (mut recent, mut newest) = (Vec::new(), None);
    let mut page = PageRequest::newest(PageRequest::MAX_LIMIT);
    loop {
        let events = store.events(EventQuery::all(), page.clone()).await?;
        newest = newest.max(events.items.iter().filter_map(|event| event.published_at).max());
        let is_recent = |event: &StoredEvent| {
            event.published_at.zip(newest).is_some_and(|(at, newest)| newest.since(at) <= FORGETFUL)
        };
        let found = recent.len();
        recent.extend(events.items.into_iter().filter(is_recent));
        let more = events.next.filter(|_| recent.len() > found && recent.len() < MOST_FORGOTTEN);
        let Some(next) = more else { break };
        page = page.after(Some(next));
    }
    recent.reverse();
    Ok(recent)
}

/// The event, or its envelope alone where it is too large for a message.
fn fitting(event: &StoredEvent) -> Result<Cow<'_, StoredEvent>> {
    match event.to_message()?.check() {
        Err(error) if error.kind() == ErrorKind::LimitExceeded => {
            tracing::warn!(event = %event.event.id, %error, "an event is too large for the bus: its data stays in the store");
            Ok(Cow::Owned(without_data(event)))
        }
        checked => checked.map(|()| Cow::Borrowed(event)),
    }
}

/// Returns when another relay rings.
async fn heard(ring: &Mutex<Option<Subscription>>) {
    let mut ring = ring.lock().await;
    if let Some(subscription) = &mut *ring
        && subscription.next().await.is_some()
    {
        return;
    }
    *ring = None;
    std::future::pending::<()>().await;
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// A whole batch was published; there may be more.
    Full,
    /// Nothing waits any more.
    Done,
    /// Something waits, and another relay has the lease.
    Others,
}

/// Publishes one batch.
async fn publish_some(
    journal: &Journal,
    outlets: &Outlets,
    worker: &WorkerId,
    options: &RelayOptions,
) -> Result<Round> {
    let store = journal.store();
    // Asked before, so that an idle relay writes nothing.
    let idle = store.unpublished(1).await?.is_empty();
    if idle && !outlets.may_have_forgotten().await {
        return Ok(Round::Done);
    }
    let Some(term) = store.lease(NAME, worker, options.lease).await? else {
        return Ok(if idle { Round::Done } else { Round::Others });
    };
    outlets.resume(&**store, term).await?;
    // Read under the lease: what the relay before has published by now is not published again.
    let waiting = store.unpublished(options.batch).await?;
    let mut published = Vec::with_capacity(waiting.len());
    let mut failure = None;
    for event in &waiting {
        // Stops at the first that fails: a later event of the same aggregate must not overtake it.
        match outlets.publish(event).await {
            Ok(()) => published.push(event.event.id),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    outlets.bus.flush().await?;
    store.mark_published(&published).await?;
    metrics::counter!("slate_outbox_published_total").increment(published.len() as u64);
    match failure {
        Some(error) => Err(error),
        None if waiting.len() as u32 >= options.batch => Ok(Round::Full),
        None => Ok(Round::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BuildId, ProjectId, SystemClock, Timestamp, UserId,
        bus::{
            EventBusExt, Subscription,
            event::{BuildEvent, BuildEventKind, Event},
        },
        memory::{MemoryBus, MemoryStore},
        model::Json,
        store::{ChangeSet, EventQuery, PageRequest},
    };

    #[tokio::test(start_paused = true)]
    async fn a_relay_without_the_lease_rings_the_one_that_has_it() {
        let store = Arc::new(MemoryStore::new());
        let bus = Arc::new(MemoryBus::new());
        let mut heard: Subscription = bus.listen("slate.build.>").await.unwrap();
        let mut options = RelayOptions::default();
        (options.poll, options.lease) = (Duration::from_secs(3600), Duration::from_secs(7200));
        let journals = [(); 2].map(|()| Journal::new(store.clone(), Arc::new(SystemClock)));
        let relays =
            journals.each_ref().map(|journal| Relay::start(journal.clone(), bus.clone(), None, options.clone()));
        let user = UserId::new("u").unwrap();
        // Whichever has the lease: events of both processes are published, though nobody polls.
        for journal in [&journals[0], &journals[1], &journals[0]] {
            let event = BuildEvent::new(
                BuildEventKind::Started,
                BuildId::new(),
                ProjectId::new(),
                user.clone(),
                Timestamp::EPOCH,
            );
            let stored = Event::from(event).to_stored(None).unwrap();
            journal.apply(ChangeSet::new().event(stored.clone())).await.unwrap();
            let message = tokio::time::timeout(Duration::from_secs(60), heard.next()).await.unwrap().unwrap();
            assert_eq!(message.event_id(), Some(stored.id));
        }
        for relay in relays {
            relay.shutdown(Duration::from_secs(5)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_event_too_large_for_the_bus_is_told_without_its_data_and_whole_in_the_store() {
        let journal = Journal::new(Arc::new(MemoryStore::new()), Arc::new(SystemClock));
        let bus = Arc::new(MemoryBus::new());
        let mut heard: Subscription = bus.listen("slate.>").await.unwrap();
        let user = UserId::new("u").unwrap();
        let kind = BuildEventKind::Completed;
        let event = BuildEvent::new(kind, BuildId::new(), ProjectId::new(), user, Timestamp::EPOCH)
            .with_data(serde_json::json!({ "artifacts": "x".repeat(2 << 20) }));
        let stored = Event::from(event).to_stored(None).unwrap();
        let relay = Relay::start(journal.clone(), bus.clone(), None, RelayOptions::default());
        journal.apply(ChangeSet::new().event(stored.clone())).await.unwrap();
        let message = heard.next().await.unwrap();
        assert_eq!(message.event_id(), Some(stored.id));
        let told: Json = message.parse().unwrap();
        assert_eq!((&told["data"]["tooLarge"], &told["buildId"]), (&true.into(), &stored.payload["buildId"]), "{told}");
        relay.shutdown(Duration::from_secs(5)).await.unwrap();
        assert!(journal.store().unpublished(1).await.unwrap().is_empty());
        let kept = journal.store().events(EventQuery::all(), PageRequest::first(1)).await.unwrap().items;
        assert_eq!(kept[0].event.payload, stored.payload);
    }
}
