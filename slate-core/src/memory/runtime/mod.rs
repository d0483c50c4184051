//! [`MemoryRuntime`]: instances that are tasks of this process.

mod backend;
mod builtin;
mod instance;
mod program;
mod resident;

pub use backend::MemoryRuntime;
pub use program::ProgramIo;
