//! Rules without I/O: the built-in templates, what a user may mount, and what every container is held to.

mod hardening;
mod mounts;
mod templates;

pub use hardening::{Hardening, Scratch};
pub use mounts::MountPolicy;
pub use templates::builtin_templates;
