#![doc = include_str!("../README.md")]

#[cfg(feature = "archive")]
pub mod archive;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod common;
mod maintenance;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use maintenance::{Maintain, Maintained, MaintenanceOptions};
