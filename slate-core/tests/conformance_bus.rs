//! The bus of this process keeps the contract.

use slate_core::{bus::EventBus, memory::MemoryBus};
use std::sync::Arc;

slate_core::bus_conformance!(async { Arc::new(MemoryBus::new()) as Arc<dyn EventBus> });
