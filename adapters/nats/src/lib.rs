#![doc = include_str!("../README.md")]

mod bus;
mod durable;
mod link;
mod options;
mod wire;

pub use bus::NatsBus;
pub use durable::{DurableOptions, NatsDurable};
pub use options::{NatsAuth, NatsOptions, NatsTls};

/// The component's name in errors.
const COMPONENT: &str = "bus.nats";

/// A message that is not well formed, and so was given to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Malformed {
    /// Its subject, as the server has it.
    pub subject: String,
    /// What is wrong.
    pub reason: String,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.reason, self.subject.escape_debug())
    }
}
