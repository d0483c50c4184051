use super::{
    Journal,
    task::{Handle, repeat},
};
use crate::{
    Cancel, ErrorKind, Result, WorkerId,
    bus::{EventBus, Message},
    model::StoredEvent,
};
use std::{sync::Arc, time::Duration};

const NAME: &str = "relay";

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
/// the event's id.
#[derive(Debug)]
pub struct Relay;

impl Relay {
    /// Starts it.
    pub fn start(journal: Journal, bus: Arc<dyn EventBus>, options: RelayOptions) -> Handle {
        let cancel = Cancel::new();
        let worker = WorkerId::unique(NAME);
        Handle::spawn(NAME, cancel.clone(), async move {
            repeat(NAME, &cancel, || async {
                let full = publish_some(&journal, &*bus, &worker, &options).await?;
                if !full {
                    tokio::select! {
                        () = journal.rung() => {}
                        () = tokio::time::sleep(options.poll) => {}
                        () = cancel.canceled() => {}
                    }
                }
                Ok(Duration::ZERO)
            })
            .await;
            // What was stored while the other services ended is still published.
            while let Ok(true) = publish_some(&journal, &*bus, &worker, &options).await {}
            if let Err(error) = journal.store().release_lease(NAME, &worker).await {
                tracing::warn!(%error, "the relay's lease could not be given back");
            }
        })
    }
}

/// The event's envelope alone: who is told learns that it happened, and finds its data in the store by the event's id.
fn without_data(event: &StoredEvent) -> Result<Message> {
    let mut event = event.clone();
    let payload = &mut event.event.payload;
    let bytes = payload.to_string().len();
    payload["data"] = serde_json::json!({ "tooLarge": true, "bytes": bytes });
    event.to_message()
}

/// Publishes one batch; whether there may be more.
async fn publish_some(
    journal: &Journal,
    bus: &dyn EventBus,
    worker: &WorkerId,
    options: &RelayOptions,
) -> Result<bool> {
    let store = journal.store();
    // Asked before, so that an idle relay writes nothing.
    if store.unpublished(1).await?.is_empty() || store.lease(NAME, worker, options.lease).await?.is_none() {
        return Ok(false);
    }
    // Read under the lease: what the relay before has published by now is not published again.
    let waiting = store.unpublished(options.batch).await?;
    let mut published = Vec::with_capacity(waiting.len());
    let mut failure = None;
    for event in &waiting {
        // Stops at the first that fails: a later event of the same aggregate must not overtake it.
        let mut result = bus.publish(event.to_message()?).await;
        if let Err(error) = &result
            && error.kind() == ErrorKind::LimitExceeded
        {
            tracing::warn!(event = %event.event.id, %error, "an event is too large for the bus: its data stays in the store");
            result = bus.publish(without_data(event)?).await;
        }
        match result {
            Ok(()) => published.push(event.event.id),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    bus.flush().await?;
    store.mark_published(&published).await?;
    metrics::counter!("slate_outbox_published_total").increment(published.len() as u64);
    match failure {
        Some(error) => Err(error),
        None => Ok(waiting.len() as u32 >= options.batch),
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
        let relay = Relay::start(journal.clone(), bus.clone(), RelayOptions::default());
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
