use super::{
    Journal,
    task::{Handle, repeat},
};
use crate::{Cancel, Result, WorkerId, bus::EventBus};
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

/// Publishes one batch; whether there may be more.
async fn publish_some(
    journal: &Journal,
    bus: &dyn EventBus,
    worker: &WorkerId,
    options: &RelayOptions,
) -> Result<bool> {
    let store = journal.store();
    let waiting = store.unpublished(options.batch).await?;
    if waiting.is_empty() || store.lease(NAME, worker, options.lease).await?.is_none() {
        return Ok(false);
    }
    let mut published = Vec::with_capacity(waiting.len());
    let mut failure = None;
    for event in &waiting {
        // Stops at the first that fails: a later event of the same aggregate must not overtake it.
        match bus.publish(event.to_message()?).await {
            Ok(()) => published.push(event.event.id),
            Err(error) if error.kind() == crate::ErrorKind::LimitExceeded => {
                tracing::error!(event = %event.event.id, %error, "an event is too large to be published");
                published.push(event.event.id);
            }
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
