mod trie;

use crate::{
    Component, ComponentKind, Descriptor, Error, Result,
    bus::{BusState, BusStatus, EventBus, Mailbox, Message, Subject, SubjectFilter, SubscribeOptions, Subscription},
    chance::mix,
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use trie::{Entry, Trie};

const COMPONENT: &str = "bus.memory";

/// [`EventBus`] in this process, with the subject grammar of NATS. Clones are the same bus.
///
/// Publishing takes time by the number of subscriptions that match, not by how many there are: filters are kept in a trie.
#[derive(Clone, Default)]
pub struct MemoryBus(Arc<Shared>);

#[derive(Default)]
struct Shared {
    trie: RwLock<Trie>,
    closed: AtomicBool,
    turn: AtomicU64,
    published: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
}

impl MemoryBus {
    /// A bus that nobody listens on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes at once, without an executor; returns how many subscriptions took the message.
    ///
    /// # Errors
    /// As for [`EventBus::publish`].
    pub fn publish_now(&self, message: Message) -> Result<usize> {
        self.open("publish")?;
        message.check()?;
        let shared = &*self.0;
        shared.published.fetch_add(1, Ordering::Relaxed);
        let trie = shared.trie.read().unwrap_or_else(PoisonError::into_inner);
        let mut taken = 0;
        let mut groups: BTreeMap<&str, Vec<&Arc<Mailbox>>> = BTreeMap::new();
        let mut last: Option<&Arc<Mailbox>> = None;
        trie.visit(&message.subject, &mut |entry| match &entry.queue {
            Some(queue) => groups.entry(queue).or_default().push(&entry.mailbox),
            // One message stays behind for whoever comes last, so that a single subscriber costs no copy.
            None => {
                if let Some(mailbox) = last.replace(&entry.mailbox) {
                    taken += usize::from(shared.deliver(mailbox, message.clone()));
                }
            }
        });
        for members in groups.into_values() {
            taken += usize::from(shared.deliver_to_one(&members, &message));
        }
        if let Some(mailbox) = last {
            taken += usize::from(shared.deliver(mailbox, message));
        }
        Ok(taken)
    }

    fn subscribe_now(&self, filter: &SubjectFilter, options: &SubscribeOptions) -> Result<Subscription> {
        self.open("subscribe")?;
        if options.queue.as_ref().is_some_and(|queue| queue.is_empty() || queue.len() > 128) {
            return Err(Error::invalid("a queue group's name is 1 to 128 bytes").at(COMPONENT, "subscribe"));
        }
        let mailbox = Mailbox::new(options);
        let entry = Entry { queue: options.queue.as_deref().map(Into::into), mailbox: Arc::clone(&mailbox) };
        self.0.trie.write().unwrap_or_else(PoisonError::into_inner).insert(filter, entry);
        let guard = Unsubscribe { bus: Arc::downgrade(&self.0), filter: filter.clone(), mailbox: Arc::clone(&mailbox) };
        if self.0.closed.load(Ordering::Acquire) {
            mailbox.close();
        }
        Ok(mailbox.subscription(guard))
    }

    fn open(&self, operation: &'static str) -> Result<()> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(Error::unavailable("the bus is closed").at(COMPONENT, operation));
        }
        Ok(())
    }
}

impl Shared {
    fn deliver(&self, mailbox: &Mailbox, message: Message) -> bool {
        let pushed = mailbox.push(message);
        self.dropped.fetch_add(u64::from(pushed.lost), Ordering::Relaxed);
        self.delivered.fetch_add(u64::from(pushed.taken), Ordering::Relaxed);
        pushed.taken
    }

    /// The first member is drawn; one whose mailbox is full is passed over while another has room. Plain turns would favour a
    /// member whenever the groups that take turns with it share a divisor with its group's size.
    fn deliver_to_one(&self, members: &[&Arc<Mailbox>], message: &Message) -> bool {
        let first = mix(self.turn.fetch_add(1, Ordering::Relaxed)) as usize;
        let in_turn = |offset: usize| members[first.wrapping_add(offset) % members.len()];
        let chosen = (0..members.len()).map(in_turn).find(|mailbox| mailbox.has_room()).unwrap_or_else(|| in_turn(0));
        self.deliver(chosen, message.clone())
    }
}

/// Takes a subscription out of the trie when it is dropped.
struct Unsubscribe {
    bus: Weak<Shared>,
    filter: SubjectFilter,
    mailbox: Arc<Mailbox>,
}

impl Drop for Unsubscribe {
    fn drop(&mut self) {
        if let Some(bus) = self.bus.upgrade() {
            let mut trie = bus.trie.write().unwrap_or_else(PoisonError::into_inner);
            trie.remove(&self.filter, &self.mailbox);
        }
    }
}

#[async_trait]
impl Component for MemoryBus {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Bus, "memory")
    }

    async fn ping(&self) -> Result<()> {
        self.open("ping")
    }
}

#[async_trait]
impl EventBus for MemoryBus {
    async fn publish(&self, message: Message) -> Result<()> {
        self.publish_now(message).map(drop)
    }

    async fn subscribe(&self, filter: &SubjectFilter, options: SubscribeOptions) -> Result<Subscription> {
        self.subscribe_now(filter, &options)
    }

    async fn request(&self, message: Message, timeout: Duration) -> Result<Message> {
        let inbox = Subject::new(format!("_INBOX.{}", uuid::Uuid::now_v7().simple()))?;
        let mut answers = self.subscribe_now(&inbox.clone().into(), &SubscribeOptions::default().with_capacity(1))?;
        let subject = message.subject.clone();
        if self.publish_now(message.with_reply(inbox))? == 0 {
            return Err(Error::unavailable("nobody listens on this subject: is the service started?")
                .with("subject", subject)
                .at(COMPONENT, "request"));
        }
        match tokio::time::timeout(timeout, answers.next()).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Error::unavailable("the bus was closed").at(COMPONENT, "request")),
            Err(_) => Err(Error::timed_out("no answer in time").with("subject", subject).at(COMPONENT, "request")),
        }
    }

    async fn flush(&self) -> Result<()> {
        self.open("flush")
    }

    fn status(&self) -> BusStatus {
        let shared = &*self.0;
        let closed = shared.closed.load(Ordering::Acquire);
        let mut status = BusStatus::new(if closed { BusState::Closed } else { BusState::Connected });
        status.subscriptions = shared.trie.read().unwrap_or_else(PoisonError::into_inner).len() as u64;
        status.published = shared.published.load(Ordering::Relaxed);
        status.delivered = shared.delivered.load(Ordering::Relaxed);
        status.dropped = shared.dropped.load(Ordering::Relaxed);
        status
    }

    async fn close(&self) -> Result<()> {
        self.0.closed.store(true, Ordering::Release);
        self.0.trie.read().unwrap_or_else(PoisonError::into_inner).each(&mut |entry| entry.mailbox.close());
        Ok(())
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryBus").field(&self.status()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Overflow;

    fn message(subject: &str) -> Message {
        Message::new(Subject::new(subject).unwrap(), "x")
    }

    #[test]
    fn status_counts_everything() {
        let bus = MemoryBus::new();
        let filter = SubjectFilter::new("a.*").unwrap();
        let slow = bus.subscribe_now(&filter, &SubscribeOptions::default().with_capacity(1)).unwrap();
        assert_eq!(bus.publish_now(message("a.b")).unwrap(), 1);
        assert_eq!(bus.publish_now(message("a.b")).unwrap(), 0);
        assert_eq!(bus.publish_now(message("b")).unwrap(), 0);
        let status = bus.status();
        assert_eq!((status.published, status.delivered, status.dropped, status.subscriptions), (3, 1, 1, 1));
        assert_eq!(slow.dropped(), 1);
        drop(slow);
        assert_eq!(bus.status().subscriptions, 0);
    }

    #[tokio::test]
    async fn the_oldest_can_be_dropped_instead() {
        let bus = MemoryBus::new();
        let options = SubscribeOptions::default().with_capacity(2).with_overflow(Overflow::DropOldest);
        let mut newest = bus.subscribe_now(&SubjectFilter::new(">").unwrap(), &options).unwrap();
        for name in ["a", "b", "c"] {
            assert_eq!(bus.publish_now(message(name)).unwrap(), 1);
        }
        assert_eq!(newest.next().await.unwrap().subject.as_str(), "b");
        assert_eq!(newest.next().await.unwrap().subject.as_str(), "c");
        assert_eq!(newest.dropped(), 1);
    }

    #[test]
    fn every_subscription_that_took_a_message_is_counted() {
        let bus = MemoryBus::new();
        let filter = SubjectFilter::new("a").unwrap();
        let _all: Vec<_> = (0..4).map(|_| bus.subscribe_now(&filter, &SubscribeOptions::default()).unwrap()).collect();
        let group = SubscribeOptions::default().with_queue("q");
        let _group: Vec<_> = (0..2).map(|_| bus.subscribe_now(&filter, &group).unwrap()).collect();
        assert_eq!(bus.publish_now(message("a")).unwrap(), 5, "four for themselves, and one of the group");
    }

    #[tokio::test]
    async fn a_full_member_is_passed_over() {
        let bus = MemoryBus::new();
        let options = SubscribeOptions::default().with_queue("q").with_capacity(1);
        let filter = SubjectFilter::new("a").unwrap();
        let members: Vec<_> = (0..16).map(|_| bus.subscribe_now(&filter, &options).unwrap()).collect();
        for _ in 0..16 {
            assert_eq!(bus.publish_now(message("a")).unwrap(), 1);
        }
        assert_eq!(bus.publish_now(message("a")).unwrap(), 0);
        assert_eq!(members.iter().map(Subscription::dropped).sum::<u64>(), 1);
    }

    #[tokio::test]
    async fn a_closed_bus_can_not_do_its_work() {
        let bus = MemoryBus::new();
        bus.ping().await.unwrap();
        bus.flush().await.unwrap();
        bus.close().await.unwrap();
        for refused in [bus.ping().await, bus.flush().await] {
            assert_eq!(refused.unwrap_err().kind(), crate::ErrorKind::Unavailable);
        }
    }

    #[test]
    fn its_debug_output_tells_how_it_is() {
        let text = format!("{:?}", MemoryBus::new());
        assert!(text.contains("Connected") && text.contains("published: 0"), "{text}");
    }

    #[test]
    fn queue_names_are_checked() {
        let bus = MemoryBus::new();
        let filter = SubjectFilter::new("a").unwrap();
        for (name, sound) in [("", false), ("q", true), (&*"q".repeat(128), true), (&*"q".repeat(129), false)] {
            assert_eq!(bus.subscribe_now(&filter, &SubscribeOptions::default().with_queue(name)).is_ok(), sound);
        }
    }
}
