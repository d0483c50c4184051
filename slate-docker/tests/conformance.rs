//! `DockerBackend` keeps every sentence of the contract of `RuntimeBackend`, on a real engine.

mod common;

slate_core::runtime_conformance!(async { common::fixture().await });
