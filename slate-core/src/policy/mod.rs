//! Rules without I/O: the built-in templates, what specs may ask for, what every container is held to, how large a pool is.

mod audit;
mod hardening;
mod judge;
mod mounts;
mod patterns;
mod pool;
mod ports;
mod presets;
mod security;
mod templates;
mod verdict;

pub use audit::{Finding, InspectedInstance, InspectedMount, Severity, audit};
pub use hardening::{Hardening, Scratch};
pub use judge::{is_display_socket, is_unprivileged};
pub use mounts::MountPolicy;
pub use patterns::{ImagePattern, NamePattern};
pub use pool::{Demand, HeldBack, Idle, PoolPlan, PoolSpec, PoolStatus};
pub use ports::PortRules;
pub use presets::Preset;
pub use security::{GpuGrant, SecurityPolicy};
pub use templates::builtin_templates;
pub use verdict::{Refusal, Verdict};
