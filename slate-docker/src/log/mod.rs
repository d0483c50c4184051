//! A container's output.

mod bell;
mod entry;
mod follow;

pub(crate) use entry::Numbering;
pub(crate) use follow::follow;
