//! Rules without I/O: the built-in templates, what a user may mount, what every container is held to, how large a pool is.

mod hardening;
mod mounts;
mod pool;
mod templates;

pub use hardening::{Hardening, Scratch};
pub use mounts::MountPolicy;
pub use pool::{Demand, HeldBack, Idle, PoolPlan, PoolSpec, PoolStatus};
pub use templates::builtin_templates;
