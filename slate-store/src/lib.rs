#![doc = include_str!("../README.md")]

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod common;
#[cfg(feature = "sqlite")]
pub mod sqlite;
