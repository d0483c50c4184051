//! The bus in memory: what a publish costs among many subscriptions, and how many messages arrive.

use bytes::Bytes;
use futures_util::FutureExt;
use slate_benches::{BoxError, Contest, Result, Sample, Watch};
use slate_core::{
    bus::{EventBus, Message, Subject, SubjectFilter, SubscribeOptions, Subscription},
    memory::MemoryBus,
};
use std::{cell::RefCell, collections::VecDeque, hint::black_box};
use tokio::sync::broadcast;

const PAYLOAD: &[u8] = &[b'x'; 200];
/// Messages between two times that the subscribers are emptied.
const BURST: usize = 256;

fn main() -> Result<()> {
    for count in [10, 1_000, 10_000] {
        publish_to_one_of(count)?;
    }
    publish_beside_others()?;
    deliver(1)?;
    deliver(10)
}

/// The filter and a subject that it, and no other of the set, matches.
fn pair(index: usize) -> Result<(SubjectFilter, Subject)> {
    let (filter, subject) = match index % 3 {
        0 => (format!("slate.runtime.log.{index}"), format!("slate.runtime.log.{index}")),
        1 => (format!("slate.runtime.*.{index}"), format!("slate.runtime.status.{index}")),
        _ => (format!("slate.build.{index}.>"), format!("slate.build.{index}.log")),
    };
    Ok((SubjectFilter::new(filter)?, Subject::new(subject)?))
}

fn message(subject: &Subject) -> Message {
    Message::new(subject.clone(), Bytes::from_static(PAYLOAD))
}

/// A memory bus with subscriptions, and the subject of each.
struct Subscribed {
    bus: MemoryBus,
    subscriptions: Vec<Subscription>,
    subjects: Vec<Subject>,
    next: usize,
}

impl Subscribed {
    fn new(count: usize) -> Result<Self> {
        let bus = MemoryBus::new();
        let (mut subscriptions, mut subjects) = (Vec::new(), Vec::new());
        for index in 0..count {
            let (filter, subject) = pair(index)?;
            let subscribing = bus.subscribe(&filter, SubscribeOptions::default()).now_or_never();
            subscriptions.push(subscribing.ok_or("the memory bus waits for nobody")??);
            subjects.push(subject);
        }
        Ok(Self { bus, subscriptions, subjects, next: 0 })
    }

    /// Publishes in bursts to one subscription after the other; only the publishing is timed.
    fn publish(&mut self, messages: usize) -> Result<Sample> {
        let mut watch = Watch::new();
        for _ in 0..messages / BURST {
            let first = self.next;
            let taken = watch.time(BURST, || {
                let mut taken = 0;
                for step in 0..BURST {
                    taken += self.bus.publish_now(message(&self.subjects[(first + step) % self.subjects.len()]))?;
                }
                Ok::<_, BoxError>(taken)
            })?;
            assert_eq!(taken, BURST, "each message has one taker");
            for step in 0..BURST {
                let index = (first + step) % self.subjects.len();
                while self.subscriptions[index].next().now_or_never().flatten().is_some() {}
            }
            self.next = (first + BURST) % self.subjects.len();
        }
        Ok(watch.sample())
    }
}

/// What publishing is without an index: every filter is asked.
struct Scanned {
    filters: Vec<(SubjectFilter, RefCell<VecDeque<Message>>)>,
    subjects: Vec<Subject>,
}

impl Scanned {
    fn new(count: usize) -> Result<Self> {
        let pairs = (0..count).map(pair).collect::<Result<Vec<_>>>()?;
        let (filters, subjects) =
            pairs.into_iter().map(|(filter, subject)| ((filter, RefCell::default()), subject)).unzip();
        Ok(Self { filters, subjects })
    }

    fn publish(&self, messages: usize) -> Result<Sample> {
        let mut watch = Watch::new();
        let mut next = 0;
        while next < messages {
            let burst = BURST.min(messages - next);
            watch.time(burst, || {
                for step in 0..burst {
                    let message = message(&self.subjects[(next + step) % self.subjects.len()]);
                    for (_, waiting) in self.filters.iter().filter(|(filter, _)| filter.matches(&message.subject)) {
                        waiting.borrow_mut().push_back(message.clone());
                    }
                }
            });
            let taken: usize = self.filters.iter().map(|(_, waiting)| waiting.borrow_mut().drain(..).count()).sum();
            assert_eq!(taken, burst, "each message has one taker");
            next += burst;
        }
        Ok(watch.sample())
    }
}

/// The least that handing a message over can cost: one channel, one receiver, no subject looked at.
fn broadcast_publish(messages: usize) -> Result<Sample> {
    let (sender, mut receiver) = broadcast::channel(BURST * 2);
    let subject = Subject::new("slate.runtime.log.0")?;
    let mut watch = Watch::new();
    for _ in 0..messages / BURST {
        watch.time(BURST, || {
            for _ in 0..BURST {
                let _ = sender.send(message(&subject));
            }
        });
        while receiver.try_recv().is_ok() {}
    }
    Ok(watch.sample())
}

fn publish_to_one_of(count: usize) -> Result<()> {
    let scanned = Scanned::new(count)?;
    let mut subscribed = Subscribed::new(count)?;
    // About as much time for each, so that a disturbance hits all alike.
    let scans = (4_000_000 / count).clamp(BURST, 100_000);
    Contest::new(format!("Publish to one of {count} subscriptions"), "message")
        .contender("every filter asked in turn (`SubjectFilter::matches`)", || scanned.publish(scans))
        .contender("MemoryBus", || subscribed.publish(200_000))
        .contender("tokio broadcast, no filters (limit)", || broadcast_publish(200_000))
        .run()
}

fn publish_beside_others() -> Result<()> {
    let (mut few, mut some, mut many) = (Subscribed::new(10)?, Subscribed::new(1_000)?, Subscribed::new(10_000)?);
    // The same ten subjects, whatever else is subscribed: what others cost, not what a cold cache costs.
    for subscribed in [&mut some, &mut many] {
        subscribed.subjects.truncate(10);
    }
    Contest::new("The same ten subjects, beside idle subscriptions", "message")
        .contender("of 10 subscriptions", || few.publish(200_000))
        .contender("of 1 000", || some.publish(200_000))
        .contender("of 10 000", || many.publish(200_000))
        .run()
}

/// Publish and receive, until each subscriber has each message.
fn deliver(receivers: usize) -> Result<()> {
    let subject = Subject::new("slate.runtime.log.lantern")?;
    let filter = SubjectFilter::new("slate.runtime.*.lantern")?;
    let mut plain = Subscribed::new(0)?;
    let mut crowded = Subscribed::new(10_000)?;
    for subscribed in [&mut plain, &mut crowded] {
        for _ in 0..receivers {
            let subscribing = subscribed.bus.subscribe(&filter, SubscribeOptions::default()).now_or_never();
            subscribed.subscriptions.push(subscribing.ok_or("the memory bus waits for nobody")??);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (runtime, subject) = (&runtime, &subject);
    let over_bus = |subscribed: &mut Subscribed| {
        let listening = subscribed.subscriptions.len() - receivers;
        let mut watch = Watch::new();
        let messages = 400_000 / receivers / BURST * BURST;
        runtime.block_on(watch.time_async(messages, async {
            for _ in 0..messages / BURST {
                for _ in 0..BURST {
                    subscribed.bus.publish(message(subject)).await?;
                }
                for subscription in &mut subscribed.subscriptions[listening..] {
                    for _ in 0..BURST {
                        black_box(subscription.next().await.ok_or("the bus has ended")?);
                    }
                }
            }
            Ok::<_, BoxError>(())
        }))?;
        Ok(watch.sample())
    };
    let over_broadcast = || {
        let (sender, first) = broadcast::channel(BURST * 2);
        let mut all: Vec<_> = (1..receivers).map(|_| sender.subscribe()).chain([first]).collect();
        let mut watch = Watch::new();
        let messages = 400_000 / receivers / BURST * BURST;
        runtime.block_on(watch.time_async(messages, async {
            for _ in 0..messages / BURST {
                for _ in 0..BURST {
                    sender.send(message(subject))?;
                }
                for receiver in &mut all {
                    for _ in 0..BURST {
                        black_box(receiver.recv().await?);
                    }
                }
            }
            Ok::<_, BoxError>(())
        }))?;
        Ok(watch.sample())
    };
    Contest::new(format!("Delivered, 200 B, 1 → {receivers}"), "message")
        .contender("tokio broadcast, no filters (limit)", over_broadcast)
        .contender("MemoryBus", || over_bus(&mut plain))
        .contender("MemoryBus with 10 000 further subscriptions", || over_bus(&mut crowded))
        .run()
}
