//! Each kind of record as a table.

mod assets;
mod builds;
mod files;
pub(crate) mod pools;
mod projects;
mod sessions;
mod templates;
