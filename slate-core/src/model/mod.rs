//! The records that SLATE keeps, as plain data.

mod hash;

pub use hash::Sha256Hex;
