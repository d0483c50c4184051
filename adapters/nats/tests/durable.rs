//! JetStream keeps the contract of the durable bus, in both versions, and goes on when its server or consumer is lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use slate_core::{
    EventId, Timestamp,
    bus::{ConsumeOptions, DurableBus, Subject, SubjectFilter},
    model::{NewEvent, StoredEvent},
};
use slate_harness::{Nats, NatsCluster, NatsVersion, require, shared, unique};
use slate_nats::{DurableOptions, NatsBus, NatsDurable, NatsOptions};
use std::{sync::Arc, time::Duration};
use support::{SOON, connect, quick};

async fn durable(version: NatsVersion) -> Option<Arc<dyn DurableBus>> {
    let url = require(shared::nats(version))?;
    let prefix = unique("durable");
    let bus = NatsBus::connect(NatsOptions::new(url).with_prefix(&prefix)).await.unwrap();
    let options = DurableOptions::default().with_stream(prefix).with_in_memory(true).with_max_bytes(1 << 20);
    Some(Arc::new(NatsDurable::open(&bus, options).await.unwrap()))
}

mod v2_9 {
    slate_core::durable_conformance!(super::durable(super::NatsVersion::V2_9));
}

mod v2_15 {
    slate_core::durable_conformance!(super::durable(super::NatsVersion::V2_15));
}

fn event(number: u64) -> StoredEvent {
    let event = NewEvent {
        id: EventId::new(),
        subject: Subject::new("a").unwrap(),
        payload: serde_json::json!(number),
        aggregate: None,
        headers: Default::default(),
        at: Timestamp::EPOCH,
    };
    StoredEvent { seq: number, event, published_at: None }
}

/// Publishes until the event is taken, as the relay does.
async fn publish(bus: &NatsDurable, event: &StoredEvent) {
    let taken = async {
        while bus.publish(event).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, taken).await.expect("taken in time");
}

/// Events `from..to` come, each acknowledged, in order.
async fn come(deliveries: &mut slate_core::bus::Deliveries, from: u64, to: u64) {
    let mut next = from;
    while next < to {
        let delivery = tokio::time::timeout(SOON, deliveries.next()).await.expect("an event in time").unwrap();
        let number: u64 = delivery.message.parse().unwrap();
        assert_eq!(number, next);
        next += 1;
        // A lost acknowledgement is made good by dropping the repeat.
        let _told = delivery.acknowledge().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_no_event_and_no_place() {
    for version in NatsVersion::ALL {
        let Some(mut server) = require(Nats::start(version)) else { continue };
        let options = quick(server.url()).with_timeout(Duration::from_millis(1000));
        let options_of_stream = DurableOptions::default().with_heartbeat(Duration::from_millis(500));
        let bus = NatsDurable::open(&connect(options).await, options_of_stream).await.unwrap();
        let filter = SubjectFilter::new("a").unwrap();
        let consumer = ConsumeOptions::new("c").with_work_time(Duration::from_secs(1));
        let mut deliveries = bus.consume(&filter, consumer).await.unwrap();
        for number in 0..20 {
            publish(&bus, &event(number)).await;
        }
        come(&mut deliveries, 0, 10).await;
        server.kill9().unwrap();
        // It may be on its way even so; published again under its id it comes once.
        let next = event(20);
        assert!(bus.publish(&next).await.is_err());
        server.restart().unwrap();
        come(&mut deliveries, 10, 20).await;
        publish(&bus, &next).await;
        publish(&bus, &event(21)).await;
        come(&mut deliveries, 20, 22).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_was_deleted_is_made_anew() {
    let Some(server) = require(Nats::start(NatsVersion::V2_15)) else { return };
    let options = DurableOptions::default().with_heartbeat(Duration::from_millis(500));
    let bus = NatsDurable::open(&connect(quick(server.url())).await, options).await.unwrap();
    let filter = SubjectFilter::new("a").unwrap();
    let mut deliveries = bus.consume(&filter, ConsumeOptions::new("c").from_start()).await.unwrap();
    publish(&bus, &event(0)).await;
    come(&mut deliveries, 0, 1).await;
    let foreign = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    foreign.get_stream("SLATE").await.unwrap().delete_consumer("c").await.unwrap();
    publish(&bus, &event(1)).await;
    // It begins at the start; what was acknowledged before is passed over.
    come(&mut deliveries, 1, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_hold_events_without_one() {
    for version in NatsVersion::ALL {
        let Some(mut cluster) = require(NatsCluster::start(version)) else { continue };
        let urls = cluster.urls();
        let options = quick(&urls[0]).with_servers(urls).with_timeout(Duration::from_secs(2));
        let client = connect(options).await;
        let options = DurableOptions::default().with_replicas(3_usize).with_heartbeat(Duration::from_millis(500));
        let bus = NatsDurable::open(&client, options).await.unwrap();
        let filter = SubjectFilter::new("a").unwrap();
        let consumer = ConsumeOptions::new("c").from_start().with_work_time(Duration::from_secs(1));
        let mut deliveries = bus.consume(&filter, consumer).await.unwrap();
        for number in 0..10 {
            publish(&bus, &event(number)).await;
        }
        come(&mut deliveries, 0, 5).await;
        cluster.servers()[0].kill9().unwrap();
        for number in 10..20 {
            publish(&bus, &event(number)).await;
        }
        come(&mut deliveries, 5, 20).await;
    }
}
