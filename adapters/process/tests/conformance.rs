//! `ProcessBackend` keeps every sentence of the contract of `RuntimeBackend`.
#![cfg(target_os = "linux")]

mod common;

slate_core::runtime_conformance!(async { common::fixture().await });
