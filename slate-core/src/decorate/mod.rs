//! Layers around any implementation of a trait: watched, repeated, limited, cached, or made faulty on purpose.
//!
//! [`Layered`] wraps an `Arc` of a store, bus, runtime backend, asset pipeline, blobs or cache, and is one itself. It
//! delegates every verb through one hook, [`Layer::call`], so that a layer is written once for all of them:
//!
//! | layer | does |
//! |---|---|
//! | [`Observed`] | a span, a counter and a histogram for each call |
//! | [`Retrying`] | repeats calls whose error advises it and that are safe to repeat |
//! | [`Limited`] | so many calls at a time, a bounded waiting line, a time-out |
//! | [`Cached`] | reads records by id through a cache, which writes and events keep true |
//! | [`Faulty`] | for tests: errors, delays and lost replies, from a seed |
//!
//! Layers nest; the outermost comes first. Retrying outside of limited gives the place in the line back between two
//! attempts, and observed outermost sees what the caller sees:
//!
//! ```
//! use slate_core::{decorate::{Layered, Limited, Observed, Retrying}, memory::MemoryStore, store::Store};
//! use std::sync::Arc;
//!
//! let store = Arc::new(MemoryStore::new());
//! let store = Arc::new(Layered::new(store, Limited::default()));
//! let store = Arc::new(Layered::new(store, Retrying::default()));
//! let store: Arc<dyn Store> = Arc::new(Layered::new(store, Observed));
//! ```
//!
//! Streams (logs, lists, measurements, changes, bytes) aren't repeated, limited or cached: they pass through
//! [`Layer::stream`], where only `Observed` counts and `Faulty` breaks them.

mod assets;
mod bus;
mod cached;
mod faulty;
mod layer;
mod layered;
mod limited;
mod observed;
mod retrying;
mod runtime;
mod settings;
mod small;
mod store;

pub use cached::{Cached, CachedOptions, Invalidation, warm};
pub use faulty::{Faulty, FaultyOptions};
pub use layer::{Layer, Operation, Pace, Repeat};
pub use layered::Layered;
pub use limited::{Limited, LimitedOptions};
pub use observed::Observed;
pub use retrying::{Retrying, RetryingOptions};
