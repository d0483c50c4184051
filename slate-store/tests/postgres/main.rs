//! The store in Postgres, on real servers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod conformance;
mod faults;
mod schema;
mod support;
