//! Rules without I/O: the built-in templates, what specs may ask for, and what every container is held to.

mod audit;
mod hardening;
mod judge;
mod mounts;
mod patterns;
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
pub use ports::PortRules;
pub use presets::Preset;
pub use security::{GpuGrant, SecurityPolicy};
pub use templates::builtin_templates;
pub use verdict::{Refusal, Verdict};
