//! `MemoryRuntime` keeps every sentence of the contract of `RuntimeBackend`.
#![cfg(feature = "conformance")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

slate_core::runtime_conformance!(async { support::runtime_fixture(|runtime| runtime) });
