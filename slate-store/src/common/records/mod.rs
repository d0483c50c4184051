//! Each kind of record as a table.

mod assets;
mod builds;
mod files;
mod projects;
mod sessions;
mod templates;
