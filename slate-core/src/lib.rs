//! SLATE's core: what services that run game-engine work are made of, without saying with what.
//!
//! - [`runtime`], [`store`], [`bus`], [`asset`]: the four traits; [`blob`], [`cache`] and [`Clock`]: the small ones.
//! - [`model`]: the records; [`session`], [`build`], [`policy`], [`engine`]: pure decisions about them.
#![doc = ""]

mod cancel;
mod component;
mod error;
mod id;
mod time;
mod wire;

pub mod asset;
pub mod blob;
pub mod build;
pub mod bus;
pub mod cache;
pub mod decorate;
pub mod engine;
pub mod memory;
pub mod model;
pub mod policy;
pub mod runtime;
pub mod service;
pub mod session;
pub mod store;

pub use cancel::Cancel;
pub use component::{BoxStream, Component, ComponentKind, Descriptor};
pub use error::{Error, ErrorKind, Result, Retry};
pub use id::{
    AssetId, AssetJobId, AuditId, BuildId, EventId, FileId, InstanceId, LogId, ProjectId, SessionId, TemplateId,
    UserId, Version, WorkerId,
};
pub use time::{Clock, SystemClock, Timestamp, unix_millis};

#[cfg(feature = "conformance")]
pub mod conformance;
