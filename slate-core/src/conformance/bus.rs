//! The contract of [`EventBus`], sentence by sentence.

use crate::{
    ErrorKind,
    bus::{BusState, EventBus, EventBusExt, Message, Subject, SubjectFilter, SubscribeOptions, Subscription},
};
use std::{sync::Arc, time::Duration};

type Bus = Arc<dyn EventBus>;

/// Longer than any message takes to arrive where a test waits for one that must come.
const SOON: Duration = Duration::from_secs(10);
/// How long a test waits for a message that must not come.
const NEVER: Duration = Duration::from_millis(150);

fn message(subject: &str, payload: u32) -> Message {
    Message::new(Subject::new(subject).unwrap(), payload.to_string())
}

async fn text(subscription: &mut Subscription) -> String {
    let message = tokio::time::timeout(SOON, subscription.next()).await.expect("a message").expect("the bus is open");
    String::from_utf8(message.payload.to_vec()).unwrap()
}

async fn nothing(subscription: &mut Subscription) {
    let unwanted = tokio::time::timeout(NEVER, subscription.next()).await;
    assert!(unwanted.is_err(), "unwanted: {unwanted:?}");
}

async fn join(bus: &Bus, filter: &str, queue: &str) -> Subscription {
    let options = SubscribeOptions::default().with_queue(queue);
    bus.subscribe(&SubjectFilter::new(filter).unwrap(), options).await.unwrap()
}

/// A message is delivered to every subscription whose filter matches.
pub async fn a_message_reaches_every_matching_subscription(bus: Bus) {
    let mut matching = Vec::new();
    for filter in ["conf.a.b", "conf.a.*", "conf.*.b", "conf.>", "conf.a.>", "*.a.b"] {
        matching.push(bus.listen(filter).await.unwrap());
    }
    let mut others = Vec::new();
    for filter in ["conf.a", "conf.a.c", "conf.*", "conf.a.b.*", "conf.a.b.>", "other.>"] {
        others.push(bus.listen(filter).await.unwrap());
    }
    bus.publish(message("conf.a.b", 1)).await.unwrap();
    for subscription in &mut matching {
        assert_eq!(text(subscription).await, "1");
    }
    for subscription in &mut others {
        nothing(subscription).await;
    }
}

/// Headers, payload and subject arrive as they were sent.
pub async fn a_message_arrives_as_it_was_sent(bus: Bus) {
    let mut all = bus.listen("conf.sent.>").await.unwrap();
    let sent = Message::new(Subject::new("conf.sent.x").unwrap(), vec![0, 255, 10])
        .with_header("Slate-Version", "7")
        .with_header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    bus.publish(sent.clone()).await.unwrap();
    assert_eq!(tokio::time::timeout(SOON, all.next()).await.unwrap().unwrap(), sent);
}

/// One member of each queue group gets a message, and members share the work.
pub async fn one_member_of_each_queue_group_gets_a_message(bus: Bus) {
    let (mut first, mut second) = (join(&bus, "conf.q.*", "workers").await, join(&bus, "conf.q.*", "workers").await);
    let (mut other, mut plain) = (join(&bus, "conf.q.>", "others").await, bus.listen("conf.q.>").await.unwrap());
    for index in 0..100 {
        bus.publish(message("conf.q.job", index)).await.unwrap();
    }
    for subscription in [&mut other, &mut plain] {
        for index in 0..100 {
            assert_eq!(text(subscription).await, index.to_string());
        }
    }
    let mut seen = Vec::new();
    let mut shares = [0, 0];
    for _ in 0..100 {
        let (share, job) = tokio::select! {
            job = text(&mut first) => (0, job),
            job = text(&mut second) => (1, job),
        };
        shares[share] += 1;
        seen.push(job.parse::<u32>().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
    assert!(shares.iter().all(|&share| share > 0), "both work: {shares:?}");
    nothing(&mut first).await;
    nothing(&mut second).await;
}

/// Messages of one publisher arrive in order.
pub async fn messages_of_one_publisher_arrive_in_order(bus: Bus) {
    let mut all = bus.listen("conf.order.>").await.unwrap();
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            let bus = Arc::clone(&bus);
            tokio::spawn(async move {
                for index in 0..500 {
                    bus.publish(message(&format!("conf.order.{publisher}"), index)).await.unwrap();
                }
            })
        })
        .collect();
    let mut next = [0; 4];
    for _ in 0..2000 {
        let message = tokio::time::timeout(SOON, all.next()).await.unwrap().unwrap();
        let publisher: usize = message.subject.tokens().last().unwrap().parse().unwrap();
        let index: u32 = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
        assert_eq!(index, next[publisher]);
        next[publisher] += 1;
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
}

/// A slow subscriber loses messages by policy, each is counted, and nobody waits for it.
pub async fn a_slow_subscriber_loses_messages_and_counts_them(bus: Bus) {
    let filter = SubjectFilter::new("conf.slow").unwrap();
    let mut slow = bus.subscribe(&filter, SubscribeOptions::default().with_capacity(10)).await.unwrap();
    let mut quick = bus.subscribe(&filter, SubscribeOptions::default()).await.unwrap();
    for index in 0..200 {
        bus.publish(message("conf.slow", index)).await.unwrap();
    }
    bus.flush().await.unwrap();
    for index in 0..200 {
        assert_eq!(text(&mut quick).await, index.to_string());
    }
    let mut received: u64 = 0;
    while tokio::time::timeout(NEVER, slow.next()).await.is_ok() {
        received += 1;
    }
    assert!((1..200).contains(&received), "{received} of 200 in a queue of 10");
    assert_eq!(received + slow.dropped(), 200);
}

/// A dropped subscription receives nothing and holds nothing.
pub async fn a_dropped_subscription_holds_nothing(bus: Bus) {
    let before = bus.status().subscriptions;
    let mut group = vec![join(&bus, "conf.drop", "q").await, join(&bus, "conf.drop", "q").await];
    assert_eq!(bus.status().subscriptions, before + 2);
    drop(group.remove(0));
    bus.flush().await.unwrap();
    for _ in 0..20 {
        bus.publish(message("conf.drop", 1)).await.unwrap();
        assert_eq!(text(&mut group[0]).await, "1");
    }
    drop(group);
    assert_eq!(bus.status().subscriptions, before);
}

/// A request returns the first answer.
pub async fn a_request_returns_the_answer(bus: Bus) {
    let mut questions = bus.listen("conf.ask").await.unwrap();
    let answering = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move {
            while let Some(question) = questions.next().await {
                let number: u32 = question.parse().unwrap();
                bus.answer(&question, &(number * 2)).await.unwrap();
                bus.answer(&question, &0).await.unwrap();
            }
        }
    });
    let asking = (0..50).map(|number| {
        let bus = Arc::clone(&bus);
        tokio::spawn(async move {
            let answer: u32 = bus.ask(Subject::new("conf.ask").unwrap(), &number, SOON).await.unwrap();
            assert_eq!(answer, number * 2);
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
    answering.abort();
}

/// A request that nobody listens to fails at once.
pub async fn a_request_without_listeners_fails_at_once(bus: Bus) {
    let asked = bus.request(message("conf.nobody", 1), SOON * 6);
    let error = tokio::time::timeout(SOON, asked).await.expect("at once").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

/// A request that nobody answers times out.
pub async fn a_request_without_an_answer_times_out(bus: Bus) {
    let _silent = bus.listen("conf.silent").await.unwrap();
    let error = bus.request(message("conf.silent", 1), Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

/// A payload of just the limit is carried, one over it is refused.
pub async fn a_payload_over_the_limit_is_refused(bus: Bus) {
    let mut all = bus.listen("conf.large").await.unwrap();
    let subject = Subject::new("conf.large").unwrap();
    let error = bus.publish(Message::new(subject.clone(), vec![0; Message::MAX_PAYLOAD + 1])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    bus.publish(Message::new(subject, vec![0; Message::MAX_PAYLOAD])).await.unwrap();
    let message = tokio::time::timeout(SOON, all.next()).await.unwrap().unwrap();
    assert_eq!(message.payload.len(), Message::MAX_PAYLOAD);
    nothing(&mut all).await;
}

/// After `close`, verbs fail as Unavailable, and a subscription ends after what waits in it.
pub async fn a_closed_bus_delivers_what_waits_and_ends(bus: Bus) {
    let mut waiting = bus.listen("conf.close").await.unwrap();
    let mut idle = bus.listen("conf.idle").await.unwrap();
    let ended = tokio::spawn(async move { idle.next().await });
    bus.publish(message("conf.close", 1)).await.unwrap();
    bus.flush().await.unwrap();
    bus.close().await.unwrap();
    assert_eq!(text(&mut waiting).await, "1");
    assert!(tokio::time::timeout(SOON, waiting.next()).await.unwrap().is_none());
    assert!(tokio::time::timeout(SOON, ended).await.unwrap().unwrap().is_none());
    assert_eq!(bus.publish(message("conf.close", 2)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(bus.listen("conf.close").await.unwrap_err().kind(), ErrorKind::Unavailable);
    let asked = bus.request(message("conf.close", 2), SOON).await.unwrap_err();
    assert_eq!(asked.kind(), ErrorKind::Unavailable);
    assert_eq!(bus.status().state, BusState::Closed);
    assert!(bus.ping().await.is_err());
}

/// It tells that it is connected, and pings.
pub async fn an_open_bus_says_so(bus: Bus) {
    bus.ping().await.unwrap();
    bus.flush().await.unwrap();
    assert_eq!(bus.status().state, BusState::Connected);
    assert_eq!(bus.descriptor().kind, crate::ComponentKind::Bus);
}

/// Makes one test for each sentence of the contract of [`EventBus`]; `$make` is a future of a fresh `Arc<dyn EventBus>`,
/// or of an `Option` of it where the server may be missing.
#[macro_export]
macro_rules! bus_conformance {
    ($make:expr) => {
        $crate::conformance_tests!(
            bus,
            $make,
            [
                a_message_reaches_every_matching_subscription,
                a_message_arrives_as_it_was_sent,
                one_member_of_each_queue_group_gets_a_message,
                messages_of_one_publisher_arrive_in_order,
                a_slow_subscriber_loses_messages_and_counts_them,
                a_dropped_subscription_holds_nothing,
                a_request_returns_the_answer,
                a_request_without_listeners_fails_at_once,
                a_request_without_an_answer_times_out,
                a_payload_over_the_limit_is_refused,
                a_closed_bus_delivers_what_waits_and_ends,
                an_open_bus_says_so,
            ]
        );
    };
}
