//! The traits in this process: for tests, for laptops, and as the reference that other implementations are held against.

mod store;

pub use store::MemoryStore;
