//! `slate serve` on Postgres, NATS and Redis: five services in five processes, a client that knows only the documents, and
//! servers that die under it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod foreign;
mod high_availability;
#[path = "../support/service.rs"]
mod service;
mod support;
