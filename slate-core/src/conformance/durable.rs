//! The contract of [`DurableBus`], sentence by sentence.

use crate::{
    EventId, SessionId, Timestamp, Version,
    bus::{ConsumeOptions, Deliveries, Delivery, DurableBus, Subject as BusSubject, SubjectFilter},
    model::{Aggregate, NewEvent, StoredEvent},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

type Subject = Arc<dyn DurableBus>;

/// Longer than any event takes to come.
const SOON: Duration = Duration::from_secs(20);
/// How long a test waits for an event that must not come.
const NEVER: Duration = Duration::from_millis(300);

fn event(subject: &str, version: u64) -> StoredEvent {
    let event = NewEvent {
        id: EventId::new(),
        subject: BusSubject::new(subject).unwrap(),
        payload: serde_json::json!({ "version": version }),
        aggregate: Some(Aggregate { name: format!("session:{}", SessionId::from_u128(1)), version: Version(version) }),
        headers: BTreeMap::new(),
        at: Timestamp::from_millis(1_761_748_200_123),
    };
    StoredEvent { seq: version, event, published_at: None }
}

async fn consume(bus: &Subject, filter: &str, options: ConsumeOptions) -> Deliveries {
    bus.consume(&SubjectFilter::new(filter).unwrap(), options).await.unwrap()
}

async fn next(deliveries: &mut Deliveries) -> Delivery {
    tokio::time::timeout(SOON, deliveries.next()).await.expect("an event in time").expect("the bus is open")
}

fn version(delivery: &Delivery) -> u64 {
    delivery.message.headers[crate::bus::headers::VERSION].parse().unwrap()
}

async fn nothing(deliveries: &mut Deliveries) {
    let unwanted = tokio::time::timeout(NEVER, deliveries.next()).await;
    assert!(unwanted.is_err(), "unwanted: {unwanted:?}");
}

/// An event is delivered to each consumer whose filter matches, as it was stored.
pub async fn an_event_is_delivered_to_each_consumer(bus: Subject) {
    let mut one = consume(&bus, "conf.a", ConsumeOptions::new("one")).await;
    let mut other = consume(&bus, "conf.>", ConsumeOptions::new("other")).await;
    let mut none = consume(&bus, "conf.b", ConsumeOptions::new("none")).await;
    let sent = event("conf.a", 1);
    bus.publish(&sent).await.unwrap();
    for deliveries in [&mut one, &mut other] {
        let delivery = next(deliveries).await;
        assert_eq!(delivery.message, sent.to_message().unwrap());
        assert_eq!((delivery.attempt, delivery.message.event_id()), (1, Some(sent.event.id)));
        delivery.acknowledge().await.unwrap();
    }
    nothing(&mut none).await;
    nothing(&mut one).await;
}

/// A consumer goes on where it ended; one of a new name begins where it is told.
pub async fn a_consumer_goes_on_where_it_ended(bus: Subject) {
    let options = ConsumeOptions::new("worker");
    drop(consume(&bus, "conf.a", options.clone()).await);
    for number in 1..=3 {
        bus.publish(&event("conf.a", number)).await.unwrap();
    }
    for number in 1..=3 {
        let mut deliveries = consume(&bus, "conf.a", options.clone()).await;
        let delivery = next(&mut deliveries).await;
        assert_eq!(version(&delivery), number);
        delivery.acknowledge().await.unwrap();
    }
    let mut all = consume(&bus, "conf.a", ConsumeOptions::new("all").from_start()).await;
    assert_eq!(version(&next(&mut all).await), 1);
    let mut late = consume(&bus, "conf.a", ConsumeOptions::new("late")).await;
    nothing(&mut late).await;
}

/// What isn't acknowledged in time comes again, and so does what is to be retried.
pub async fn what_is_not_acknowledged_comes_again(bus: Subject) {
    let options = ConsumeOptions::new("worker").with_work_time(Duration::from_millis(500));
    let mut deliveries = consume(&bus, "conf.a", options).await;
    bus.publish(&event("conf.a", 1)).await.unwrap();
    let forgotten = next(&mut deliveries).await;
    let again = next(&mut deliveries).await;
    assert_eq!((version(&again), forgotten.attempt, again.attempt), (1, 1, 2));
    again.retry(Duration::from_millis(50)).await.unwrap();
    let again = next(&mut deliveries).await;
    assert_eq!((version(&again), again.attempt), (1, 3));
    again.acknowledge().await.unwrap();
    nothing(&mut deliveries).await;
}

/// Events come in order, also where one is retried.
pub async fn events_come_in_order(bus: Subject) {
    let mut deliveries = consume(&bus, "conf.>", ConsumeOptions::new("worker")).await;
    for number in 1..=50 {
        bus.publish(&event(&format!("conf.{number}"), number)).await.unwrap();
    }
    for number in 1..=50 {
        let mut delivery = next(&mut deliveries).await;
        assert_eq!(version(&delivery), number);
        if number % 10 == 0 {
            delivery.retry(Duration::from_millis(20)).await.unwrap();
            delivery = next(&mut deliveries).await;
            assert_eq!((version(&delivery), delivery.attempt), (number, 2), "not overtaken");
        }
        delivery.acknowledge().await.unwrap();
    }
}

/// An event that is published again is delivered once.
pub async fn a_repeat_is_dropped(bus: Subject) {
    let mut deliveries = consume(&bus, "conf.a", ConsumeOptions::new("worker")).await;
    let (one, other) = (event("conf.a", 1), event("conf.a", 2));
    for event in [&one, &one, &other, &one] {
        bus.publish(event).await.unwrap();
    }
    for expected in [1, 2] {
        let delivery = next(&mut deliveries).await;
        assert_eq!(version(&delivery), expected);
        delivery.acknowledge().await.unwrap();
    }
    nothing(&mut deliveries).await;
}

/// Members of one consumer share the work.
pub async fn members_share_the_work(bus: Subject) {
    let options = ConsumeOptions::new("workers").with_in_flight(8);
    let mut members = vec![consume(&bus, "conf.a", options.clone()).await, consume(&bus, "conf.a", options).await];
    for number in 1..=40 {
        bus.publish(&event("conf.a", number)).await.unwrap();
    }
    let mut done = Vec::new();
    while done.len() < 40 {
        let [one, other] = members.as_mut_slice() else { unreachable!("two members") };
        let delivery = tokio::time::timeout(SOON, async {
            tokio::select! { one = one.next() => one, other = other.next() => other }
        });
        let delivery = delivery.await.expect("an event in time").unwrap();
        done.push(version(&delivery));
        delivery.acknowledge().await.unwrap();
    }
    done.sort_unstable();
    assert_eq!(done, (1..=40).collect::<Vec<_>>());
}

/// A consumer's name is checked.
pub async fn a_consumers_name_is_checked(bus: Subject) {
    let long = "x".repeat(65);
    for name in ["", "a b", "a.b", "a>", "ä", &long] {
        let filter = SubjectFilter::new("conf.a").unwrap();
        let refused = bus.consume(&filter, ConsumeOptions::new(name)).await.unwrap_err();
        assert_eq!(refused.kind(), crate::ErrorKind::Invalid, "{name:?}");
    }
    bus.ping().await.unwrap();
}

/// Makes one test for each sentence of the contract of [`DurableBus`]; `$make` is a future of a fresh `Arc<dyn DurableBus>`,
/// or of an `Option` of it where the server may be missing.
#[macro_export]
macro_rules! durable_conformance {
    ($make:expr) => {
        $crate::conformance_tests!(
            durable,
            $make,
            [
                an_event_is_delivered_to_each_consumer,
                a_consumer_goes_on_where_it_ended,
                what_is_not_acknowledged_comes_again,
                events_come_in_order,
                a_repeat_is_dropped,
                members_share_the_work,
                a_consumers_name_is_checked,
            ]
        );
    };
}
