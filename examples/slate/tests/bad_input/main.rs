//! Bad input, bad neighbours and bad luck: each is answered with a clear error and the right exit code, and nothing is lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod assets;
mod builds;
mod bus;
mod config;
mod disk;
mod faults;
mod orchestrators;
#[path = "../support/service.rs"]
mod service;
mod sessions;
mod support;
