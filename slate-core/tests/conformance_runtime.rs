//! `MemoryRuntime` keeps every sentence of the contract of `RuntimeBackend`.
#![cfg(feature = "conformance")]

mod support;

slate_core::runtime_conformance!(async { support::runtime_fixture(|runtime| runtime) });
