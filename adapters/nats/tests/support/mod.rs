//! What the tests share.
#![allow(dead_code, clippy::needless_pass_by_value, reason = "each test file uses a part of it, with plain values")]

use slate_core::bus::{BusState, EventBus, EventBusExt, Message, Subject, Subscription};
use slate_nats::{NatsBus, NatsOptions};
use std::time::Duration;

/// Longer than anything takes that must happen.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// How long a test waits for what must not happen.
pub(crate) const NEVER: Duration = Duration::from_millis(200);

/// Options that mend a link quickly.
pub(crate) fn quick(url: impl Into<String>) -> NatsOptions {
    NatsOptions::new(url).with_pause(Duration::from_millis(100)).with_ping(Duration::from_millis(200))
}

pub(crate) async fn connect(options: NatsOptions) -> NatsBus {
    NatsBus::connect(options).await.unwrap()
}

pub(crate) fn message(subject: &str, payload: impl std::fmt::Display) -> Message {
    Message::new(Subject::new(subject).unwrap(), payload.to_string())
}

pub(crate) async fn next(subscription: &mut Subscription) -> Message {
    tokio::time::timeout(SOON, subscription.next()).await.expect("a message in time").expect("the bus is open")
}

pub(crate) async fn text(subscription: &mut Subscription) -> String {
    String::from_utf8(next(subscription).await.payload.to_vec()).unwrap()
}

pub(crate) async fn nothing(subscription: &mut Subscription) {
    let unwanted = tokio::time::timeout(NEVER, subscription.next()).await;
    assert!(unwanted.is_err(), "unwanted: {unwanted:?}");
}

pub(crate) async fn reaches(bus: &NatsBus, wanted: BusState) {
    let mut states = bus.states();
    let reached = states.wait_for(|state| *state == wanted);
    tokio::time::timeout(SOON, reached).await.expect("the state in time").unwrap();
}

/// Publishes until one message comes through: after a loss either side may still be on its way back.
pub(crate) async fn goes_on(from: &NatsBus, to: &mut Subscription, subject: &str) {
    let end = tokio::time::Instant::now() + SOON;
    for number in 0_u32.. {
        assert!(tokio::time::Instant::now() < end, "nothing comes through");
        let sent = from.publish(message(subject, format!("again {number}"))).await;
        if sent.is_ok() && tokio::time::timeout(NEVER, to.next()).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What was sent in vain before may come late; after this one everything is as before.
    from.publish(message(subject, "last")).await.unwrap();
    while text(to).await != "last" {}
}

pub(crate) async fn listen(bus: &NatsBus, filter: &str) -> Subscription {
    bus.listen(filter).await.unwrap()
}
