//! NATS keeps the contract of the bus, in both versions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use slate_core::bus::EventBus;
use slate_harness::{NatsVersion, require, shared, unique};
use slate_nats::{NatsBus, NatsOptions};
use std::sync::Arc;

async fn bus(version: NatsVersion) -> Option<Arc<dyn EventBus>> {
    let url = require(shared::nats(version))?;
    let options = NatsOptions::new(url).with_prefix(unique("conf"));
    Some(Arc::new(NatsBus::connect(options).await.unwrap()))
}

mod v2_9 {
    slate_core::bus_conformance!(super::bus(super::NatsVersion::V2_9));
}

mod v2_15 {
    slate_core::bus_conformance!(super::bus(super::NatsVersion::V2_15));
}
