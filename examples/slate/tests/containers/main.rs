//! Sessions and builds in containers of a real engine, which `DOCKER_HOST` names (`dev/engine start` makes one): a real game
//! engine, restarts, and orchestrators that are killed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod crash;
mod engine;
mod godot;
mod restarts;
#[path = "../support/service.rs"]
mod service;
mod support;
