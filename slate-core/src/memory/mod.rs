//! Every trait in this process: no server, nothing kept when the process ends. The reference for the other
//! implementations, and all that a laptop or a test needs.

mod runtime;

pub use runtime::{MemoryRuntime, ProgramIo};
