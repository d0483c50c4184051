//! Servers that die, links that break, messages that are malformed: the bus goes on, and tells what was lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use slate_core::{
    Component, ErrorKind,
    bus::{BusState, EventBus},
};
use slate_harness::{Faults, Nats, NatsCluster, NatsVersion, Proxy, require};
use slate_nats::NatsOptions;
use std::time::Duration;
use support::{connect, goes_on, listen, message, next, quick, reaches, text};

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_outlive_a_killed_server() {
    for version in NatsVersion::ALL {
        let Some(mut server) = require(Nats::start(version)) else { continue };
        let (one, other) = (connect(quick(server.url())).await, connect(quick(server.url())).await);
        let mut heard = listen(&other, "a.>").await;
        one.publish(message("a.b", "before")).await.unwrap();
        assert_eq!(text(&mut heard).await, "before");

        server.kill9().unwrap();
        reaches(&one, BusState::Connecting).await;
        let refused = one.publish(message("a.b", "meanwhile")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "at once, and not kept in memory");
        assert!(one.ping().await.is_err() && one.flush().await.is_err());

        server.restart().unwrap();
        reaches(&one, BusState::Connected).await;
        reaches(&other, BusState::Connected).await;
        goes_on(&one, &mut heard, "a.b").await;
        one.ping().await.unwrap();
        assert!(one.flush().await.is_err(), "what was published around the loss may be lost");
        one.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_told_from_one_that_works() {
    let Some(server) = require(Nats::start(NatsVersion::V2_15)) else { return };
    let bus = connect(quick(server.url()).with_timeout(Duration::from_millis(300))).await;
    bus.ping().await.unwrap();
    server.stop().unwrap();
    let error = bus.ping().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Unavailable), "{error}");
    reaches(&bus, BusState::Connecting).await;
    server.cont().unwrap();
    reaches(&bus, BusState::Connected).await;
    bus.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_or_half_open_link_is_made_anew() {
    for version in NatsVersion::ALL {
        let Some(server) = require(Nats::start(version)) else { continue };
        let proxy = Proxy::start(server.port()).unwrap();
        // Through its own address alone: the server would tell the way around the proxy otherwise.
        let through = quick(format!("nats://127.0.0.1:{}", proxy.port()));
        let (near, far) = (connect(quick(server.url())).await, connect(through).await);
        let mut heard = listen(&far, "a").await;
        for breaks in [Proxy::cut, Proxy::half_open] {
            let links = proxy.links();
            breaks(&proxy);
            goes_on(&near, &mut heard, "a").await;
            assert!(proxy.links() > links, "over another link");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_tells_that_something_may_be_lost() {
    let Some(server) = require(Nats::start(NatsVersion::V2_15)) else { return };
    let proxy = Proxy::start(server.port()).unwrap();
    let far = connect(quick(format!("nats://127.0.0.1:{}", proxy.port()))).await;
    far.publish(message("a", 1)).await.unwrap();
    far.flush().await.unwrap();
    proxy.half_open();
    far.publish(message("a", 2)).await.unwrap();
    reaches(&far, BusState::Connecting).await;
    reaches(&far, BusState::Connected).await;
    let error = far.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "2 vanished: {error}");
    far.flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_come_in_pieces_are_put_together() {
    for version in NatsVersion::ALL {
        let Some(server) = require(Nats::start(version)) else { continue };
        let proxy = Proxy::start(server.port()).unwrap();
        proxy.set(Faults { split: Some(42), ..Faults::default() });
        let bus = connect(NatsOptions::new(format!("nats://127.0.0.1:{}", proxy.port()))).await;
        let mut heard = listen(&bus, "a.*").await;
        for number in 0..200_usize {
            let payload = "x".repeat(number * 7);
            let sent =
                message(&format!("a.{number}"), &payload).with_header("traceparent", format!("00-{number}-1-01"));
            bus.publish(sent.clone()).await.unwrap();
            assert_eq!(next(&mut heard).await, sent);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_goes_on_without_one_of_its_nodes() {
    for version in NatsVersion::ALL {
        let Some(mut cluster) = require(NatsCluster::start(version)) else { continue };
        let urls = cluster.urls();
        // Each knows one node; the others are learnt from it.
        let (one, other) = (connect(quick(&urls[0])).await, connect(quick(&urls[1])).await);
        let mut heard = listen(&other, "a").await;
        goes_on(&one, &mut heard, "a").await;
        cluster.servers()[0].kill9().unwrap();
        reaches(&one, BusState::Connecting).await;
        reaches(&one, BusState::Connected).await;
        goes_on(&one, &mut heard, "a").await;
        cluster.servers()[1].kill9().unwrap();
        reaches(&other, BusState::Connecting).await;
        reaches(&other, BusState::Connected).await;
        goes_on(&one, &mut heard, "a").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_stop_no_subscriber() {
    let Some(server) = require(Nats::start(NatsVersion::V2_15)) else { return };
    let bus = connect(NatsOptions::new(server.url()).with_prefix("p")).await;
    let (mut heard, mut malformed) = (listen(&bus, ">").await, bus.malformed());
    let foreign = async_nats::connect(server.url()).await.unwrap();
    let long = format!("p.{}", vec!["t"; 40].join("."));
    for subject in ["p.ä", &long, "p.a"] {
        foreign.publish(subject.to_owned(), "x".into()).await.unwrap();
    }
    foreign.publish_with_reply("p.b", "elsewhere.c", "x".into()).await.unwrap();
    foreign.publish("p.c", "x".into()).await.unwrap();
    assert_eq!(next(&mut heard).await.subject.as_str(), "a");
    assert_eq!(next(&mut heard).await.subject.as_str(), "c");
    assert_eq!(bus.malformed_count(), 3);
    for subject in ["p.ä", &long, "p.b"] {
        assert_eq!(malformed.recv().await.unwrap().subject, subject);
    }
    assert_eq!(heard.dropped(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_connection_waits_for_the_server() {
    let Some(mut server) = require(Nats::start(NatsVersion::V2_15)) else { return };
    server.kill9().unwrap();
    let at_once = quick(server.url()).with_first_wait(Duration::ZERO);
    assert_eq!(slate_nats::NatsBus::connect(at_once).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let waiting = tokio::spawn(connect(quick(server.url())));
    server.restart().unwrap();
    waiting.await.unwrap().ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_before_closing_arrives() {
    let Some(server) = require(Nats::start(NatsVersion::V2_15)) else { return };
    let (one, other) = (connect(quick(server.url())).await, connect(quick(server.url())).await);
    let mut heard = listen(&other, "a").await;
    for number in 0..1000 {
        one.publish(message("a", number)).await.unwrap();
    }
    one.close().await.unwrap();
    for number in 0..1000 {
        assert_eq!(text(&mut heard).await, number.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_without_a_server_ends_the_subscriptions_too() {
    let Some(mut server) = require(Nats::start(NatsVersion::V2_15)) else { return };
    let bus = connect(quick(server.url())).await;
    let mut heard = listen(&bus, "a").await;
    server.kill9().unwrap();
    reaches(&bus, BusState::Connecting).await;
    assert_eq!(bus.close().await.unwrap_err().kind(), ErrorKind::TimedOut);
    let end = tokio::time::timeout(support::SOON, heard.next()).await.unwrap();
    assert!(end.is_none(), "{end:?}");
    assert_eq!(bus.status().state, BusState::Closed);
}
