//! [`MemoryRuntime`]: instances that are tasks of this process.

mod backend;
mod builtin;
mod instance;
mod program;

pub use backend::MemoryRuntime;
pub use program::ProgramIo;
