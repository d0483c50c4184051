//! SLATE's core: what services that run game-engine work are made of, without saying with what.
//!
//! Runtime sessions, builds, assets, logs, events and metrics, as a library: traits for what differs from place to place, the
//! records and decisions that don't, services on top of them, and an implementation of every trait in this process. A laptop
//! and a cluster run the same services; only other pieces are plugged in.
//!
//! ```
//! use slate_core::{asset::NoAssets, engine::Engines, memory::*, model::*, policy::MountPolicy, runtime::*, service::*, store::*};
//! use slate_core::{Result, UserId};
//! use std::{sync::Arc, time::Duration};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<()> {
//!     // The pieces: here all of them are in memory.
//!     let runtime = MemoryRuntime::new().with_program("game", |io: ProgramIo| async move {
//!         io.print(&format!("{} is played", io.args()[0])).await;
//!         0
//!     });
//!     let (store, blobs) = (Arc::new(MemoryStore::new()), Arc::new(MemoryBlobs::default()));
//!     let bus = Arc::new(MemoryBus::new());
//!     let pieces = Pieces::new(store.clone(), bus, Arc::new(runtime), Arc::new(NoAssets), blobs);
//!     let journal = pieces.journal.clone();
//!
//!     // The services that work on them.
//!     let builds = BuildWorkerOptions::new(std::env::temp_dir().join("slate"), Engines::new());
//!     let services = start_all(pieces, ServicesOptions::new(builds)).await?;
//!
//!     // A wish: it is recorded, and an orchestrator fulfils it.
//!     let project = Project::new("Breakout", UserId::new("ada")?, journal.now());
//!     store.create(project.clone().into()).await?;
//!     let spec = RuntimeSpec::new("play", ["game", "Breakout"]);
//!     let wish = NewSession::new(project.id, project.owner_id, RuntimeType::Custom, "memory", spec);
//!     let session = Sessions::new(journal, MountPolicy::none(), None).create(wish).await?;
//!     while !store.session(session.id).await?.status.is_final() {
//!         tokio::time::sleep(Duration::from_millis(10)).await;
//!     }
//!     services.shutdown().await?;
//!
//!     let lines = LogQuery::all().of_source(LogSource::Session(session.id));
//!     assert_eq!(store.logs(lines, PageRequest::first(10)).await?.items[0].message, "Breakout is played");
//!     Ok(())
//! }
//! ```
//!
//! # The parts
//!
//! What differs from place to place, as traits with their contracts:
//! - [`runtime`]: [`RuntimeBackend`](runtime::RuntimeBackend) runs instances: processes, containers, pods.
//! - [`store`]: [`Store`](store::Store) keeps records, events and lines; [`ChangeSet`](store::ChangeSet) changes them.
//! - [`bus`]: [`EventBus`](bus::EventBus) carries messages; subjects and events have types.
//! - [`asset`]: [`AssetPipeline`](asset::AssetPipeline) makes of textures, models and sounds what engines load.
//! - [`blob`], [`cache`] and [`Clock`]: large bytes, forgettable values, and the time.
//!
//! What doesn't, as plain data and pure functions:
//! - [`model`]: the records. [`session`], [`build`], [`policy`], [`engine`]: the decisions about them.
//!
//! What is made of them:
//! - [`service`]: orchestrator, builds, assets, logs, analytics and the relay, and what asks them for work.
//! - [`memory`]: every trait in this process, for laptops and tests.
//! - [`decorate`]: layers around any implementation: observed, retrying, limited, cached, faulty.
//! - `conformance` (feature of the same name): the contracts as tests, for who implements a trait.
//!
//! Everything returns [`Error`], whose [`ErrorKind`] says what to do next.

mod cancel;
mod chance;
mod component;
mod error;
mod id;
mod task;
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
    AssetId, AssetJobId, AuditId, BuildId, EventId, FileId, InstanceId, LogId, PoolMemberId, ProjectId, SessionId,
    TemplateId, UserId, Version, WorkerId,
};
pub use time::{Clock, SystemClock, Timestamp, unix_millis};

#[cfg(feature = "conformance")]
pub mod conformance;
