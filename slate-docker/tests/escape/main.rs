//! Attempts to get out: what a spec may not ask for, what a path may not lead to, and what a program can't do from inside.
//!
//! | file | what is tried | against what |
//! |---|---|---|
//! | `asked.rs` | specs that ask for more than is granted | the policy alone: no engine |
//! | `door.rs` | sessions that ask for it through the services | the services in memory, a real engine |
//! | `folders.rs` | links, swaps, devices, sockets in place of a project's folder | a real engine, and a service that may mount |
//! | `inside.rs` | what a hostile program does once it runs | a real container |
//! | `network.rs` | the host, a metadata address, other projects | real containers |
//! | `forged.rs` | containers that somebody else made in the backend's name | a real engine |
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod asked;
mod door;
mod folders;
mod forged;
mod inside;
mod network;
