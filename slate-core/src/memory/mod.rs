//! Every trait in this process: no server, nothing kept when the process ends. The reference for the other
//! implementations, and all that a laptop or a test needs.

mod blobs;
mod bus;
mod cache;
mod clock;
mod durable;
mod runtime;
mod store;
mod tiered;

pub use blobs::MemoryBlobs;
pub use bus::MemoryBus;
pub use cache::MemoryCache;
pub use clock::ManualClock;
pub use durable::MemoryDurableBus;
pub use runtime::{MemoryRuntime, ProgramIo};
pub use store::MemoryStore;
pub use tiered::TieredCache;
