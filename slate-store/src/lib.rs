#![doc = include_str!("../README.md")]

<<<<<<< HEAD
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod common;
mod maintenance;
#[cfg(feature = "postgres")]
pub mod postgres;
=======
#[cfg(feature = "archive")]
pub mod archive;
>>>>>>> main
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use maintenance::{Maintain, Maintained, MaintenanceOptions};
