use crate::{
    Component, ComponentKind, Descriptor, EventId, Result,
    bus::{ConsumeOptions, Deliveries, Delivery, DurableBus, Message, Settle, SubjectFilter},
    model::StoredEvent,
};
use async_trait::async_trait;
use futures_util::stream;
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// [`DurableBus`] in this process: it outlives its consumers, but not the process. Clones are the same bus.
///
/// It holds the last [`MAX`](Self::MAX) events; who reads later finds the older ones in the store.
#[derive(Clone, Default)]
pub struct MemoryDurableBus(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    events: VecDeque<Message>,
    ids: HashSet<EventId>,
    /// The number of the first event that is held.
    first: u64,
    consumers: HashMap<String, Consumer>,
}

struct Consumer {
    next: u64,
    /// Events that are out, and when they come again.
    out: BTreeMap<u64, Out>,
}

struct Out {
    attempt: u64,
    again: Instant,
}

impl MemoryDurableBus {
    /// Most events that are held: 100 000.
    pub const MAX: usize = 100_000;

    /// A bus without events.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(self: &Arc<Self>, filter: &SubjectFilter, options: &ConsumeOptions) -> Delivery {
        loop {
            let changed = self.changed.notified();
            let wait = match self.lock().take(filter, options) {
                Ok((number, attempt, message)) => {
                    let settle = Told { shared: Arc::clone(self), consumer: options.name.clone(), number, attempt };
                    return Delivery::new(message, attempt, Box::new(settle));
                }
                Err(wait) => wait,
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(wait) => {}
            }
        }
    }
}

impl State {
    /// The next event of a consumer: its number, which delivery it is, and its message; or when to look again.
    fn take(&mut self, filter: &SubjectFilter, options: &ConsumeOptions) -> Result<(u64, u64, Message), Instant> {
        let now = Instant::now();
        let idle = now + Duration::from_secs(3600);
        let Some(consumer) = self.consumers.get_mut(&options.name) else { return Err(idle) };
        let event = |number: u64| self.events.get(usize::try_from(number.checked_sub(self.first)?).ok()?);
        consumer.out.retain(|number, _| event(*number).is_some());
        if let Some((number, out)) = consumer.out.iter_mut().find(|(_, out)| out.again <= now)
            && let Some(message) = event(*number)
        {
            (out.attempt, out.again) = (out.attempt + 1, now + options.work_time);
            return Ok((*number, out.attempt, message.clone()));
        }
        if consumer.out.len() < options.in_flight {
            consumer.next = consumer.next.max(self.first);
            while let Some(message) = event(consumer.next) {
                let number = consumer.next;
                consumer.next += 1;
                if filter.matches(&message.subject) {
                    consumer.out.insert(number, Out { attempt: 1, again: now + options.work_time });
                    return Ok((number, 1, message.clone()));
                }
            }
        }
        Err(consumer.out.values().map(|out| out.again).min().unwrap_or(idle))
    }
}

/// What tells of one delivery. A later delivery of the same event makes it void.
struct Told {
    shared: Arc<Shared>,
    consumer: String,
    number: u64,
    attempt: u64,
}

impl Told {
    fn tell(&self, then: impl FnOnce(&mut BTreeMap<u64, Out>)) {
        if let Some(consumer) = self.shared.lock().consumers.get_mut(&self.consumer)
            && consumer.out.get(&self.number).is_some_and(|out| out.attempt == self.attempt)
        {
            then(&mut consumer.out);
        }
        self.shared.changed.notify_waiters();
    }
}

#[async_trait]
impl Settle for Told {
    async fn acknowledge(self: Box<Self>) -> Result<()> {
        self.tell(|out| {
            out.remove(&self.number);
        });
        Ok(())
    }

    async fn retry(self: Box<Self>, after: Duration) -> Result<()> {
        self.tell(|out| {
            if let Some(out) = out.get_mut(&self.number) {
                out.again = Instant::now() + after;
            }
        });
        Ok(())
    }
}

#[async_trait]
impl Component for MemoryDurableBus {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Bus, "memory.durable")
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl DurableBus for MemoryDurableBus {
    async fn publish(&self, event: &StoredEvent) -> Result<()> {
        let message = event.to_message()?;
        message.check()?;
        let mut state = self.0.lock();
        if state.ids.insert(event.event.id) {
            state.events.push_back(message);
        }
        if state.events.len() > Self::MAX
            && let Some(oldest) = state.events.pop_front()
        {
            state.first += 1;
            if let Some(id) = oldest.event_id() {
                state.ids.remove(&id);
            }
        }
        drop(state);
        self.0.changed.notify_waiters();
        Ok(())
    }

    async fn consume(&self, filter: &SubjectFilter, options: ConsumeOptions) -> Result<Deliveries> {
        options.check()?;
        let mut state = self.0.lock();
        let next = if options.from_start { state.first } else { state.first + state.events.len() as u64 };
        state.consumers.entry(options.name.clone()).or_insert_with(|| Consumer { next, out: BTreeMap::new() });
        drop(state);
        let work = (Arc::clone(&self.0), filter.clone(), options);
        Ok(Deliveries::new(Box::pin(stream::unfold(work, |(shared, filter, options)| async move {
            let delivery = shared.next(&filter, &options).await;
            Some((delivery, (shared, filter, options)))
        }))))
    }
}

impl fmt::Debug for MemoryDurableBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDurableBus").field("events", &self.0.lock().events.len()).finish_non_exhaustive()
    }
}
