#![doc = include_str!("../README.md")]

#[cfg(feature = "archive")]
pub mod archive;
#[cfg(feature = "sqlite")]
pub mod sqlite;
