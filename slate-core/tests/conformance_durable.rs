//! The durable bus of this process keeps the contract.

use slate_core::{bus::DurableBus, memory::MemoryDurableBus};
use std::sync::Arc;

slate_core::durable_conformance!(async { Arc::new(MemoryDurableBus::new()) as Arc<dyn DurableBus> });
