use super::{
    MemoryStore, PLACE,
    records::{bounds, holds},
};
use crate::{
    Error, EventId, Result, Timestamp, WorkerId,
    model::{NewEvent, StoredEvent},
    store::{Cursor, EventQuery, EventStore, Order, Page, PageRequest, check::MAX_BATCH},
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The stored events, and the leases of those who publish them.
#[derive(Default)]
pub(super) struct Events {
    pub(super) stored: BTreeMap<u64, StoredEvent>,
    seqs: BTreeMap<EventId, u64>,
    waiting: BTreeSet<u64>,
    last: u64,
    leases: BTreeMap<String, NamedLease>,
}

#[derive(Default)]
struct NamedLease {
    term: u64,
    held: Option<(WorkerId, Timestamp)>,
}

impl Events {
    pub(super) fn contains(&self, id: EventId) -> bool {
        self.seqs.contains_key(&id)
    }

    pub(super) fn push(&mut self, event: NewEvent) {
        self.last += 1;
        self.seqs.insert(event.id, self.last);
        self.waiting.insert(self.last);
        self.stored.insert(self.last, StoredEvent { seq: self.last, event, published_at: None });
    }

    fn remove(&mut self, seq: u64) {
        if let Some(event) = self.stored.remove(&seq) {
            self.seqs.remove(&event.event.id);
        }
    }

    fn lease(&mut self, name: &str, worker: &WorkerId, now: Timestamp, until: Timestamp) -> Option<u64> {
        let lease = self.leases.entry(name.to_owned()).or_default();
        match &mut lease.held {
            Some((holder, end)) if *end > now => {
                if holder != worker {
                    return None;
                }
                *end = until;
            }
            _ => {
                lease.term += 1;
                lease.held = Some((worker.clone(), until));
            }
        }
        Some(lease.term)
    }
}

fn is_wanted(query: &EventQuery, event: &NewEvent) -> bool {
    let of = |name: &String| event.aggregate.as_ref().is_some_and(|aggregate| aggregate.name == *name);
    holds(query.aggregate.as_ref(), of)
        && holds(query.subject_prefix.as_ref(), |prefix| event.subject.as_str().starts_with(prefix.as_str()))
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn unpublished(&self, limit: u32) -> Result<Vec<StoredEvent>> {
        let state = self.state();
        let oldest = state.events.waiting.iter().take(MAX_BATCH.min(limit as usize));
        Ok(oldest.filter_map(|seq| state.events.stored.get(seq)).cloned().collect())
    }

    async fn mark_published(&self, ids: &[EventId]) -> Result<()> {
        let now = self.now();
        let events = &mut self.state().events;
        for id in ids {
            let Some(seq) = events.seqs.get(id) else { continue };
            if events.waiting.remove(seq)
                && let Some(event) = events.stored.get_mut(seq)
            {
                event.published_at = Some(now);
            }
        }
        Ok(())
    }

    async fn events(&self, query: EventQuery, page: PageRequest) -> Result<Page<StoredEvent>> {
        let list = || {
            let limit = page.checked_limit()?;
            let after = page.after.as_ref().map(Cursor::parse::<u64>).transpose()?;
            let state = self.state();
            let range = state.events.stored.range(bounds(page.order, after, 0, u64::MAX)).map(|(_, event)| event);
            let wanted = |event: &&StoredEvent| is_wanted(&query, &event.event);
            let found: Vec<_> = match page.order {
                Order::Ascending => range.filter(wanted).take(limit + 1).cloned().collect(),
                Order::Descending => range.rev().filter(wanted).take(limit + 1).cloned().collect(),
            };
            Ok(Page::from_overfull(found, limit, |event| Cursor::new(event.seq.to_string())))
        };
        list().map_err(|error: Error| error.at(PLACE, "events"))
    }

    async fn count_events(&self, query: EventQuery) -> Result<u64> {
        let state = self.state();
        Ok(state.events.stored.values().filter(|event| is_wanted(&query, &event.event)).count() as u64)
    }

    async fn purge_events(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let events = &mut self.state().events;
        let is_old = |event: &&StoredEvent| event.published_at.is_some() && event.event.at < before;
        let old: Vec<u64> = events.stored.values().filter(is_old).take(limit as usize).map(|event| event.seq).collect();
        old.iter().for_each(|seq| events.remove(*seq));
        Ok(old.len() as u64)
    }

    async fn lease(&self, name: &str, worker: &WorkerId, ttl: Duration) -> Result<Option<u64>> {
        let now = self.now();
        Ok(self.state().events.lease(name, worker, now, now + ttl))
    }

    async fn release_lease(&self, name: &str, worker: &WorkerId) -> Result<()> {
        let events = &mut self.state().events;
        if let Some(lease) = events.leases.get_mut(name)
            && lease.held.as_ref().is_some_and(|(holder, _)| holder == worker)
        {
            lease.held = None;
        }
        Ok(())
    }
}
