//! Rules without I/O: the built-in templates and what a user may mount.

mod mounts;
mod templates;

pub use mounts::MountPolicy;
pub use templates::builtin_templates;
