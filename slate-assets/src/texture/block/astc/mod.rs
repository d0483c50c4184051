//! ASTC, the LDR profile, blocks in two dimensions. Khronos Data Format 1.3, section 23.

mod colors;
mod decode;
pub(super) mod encode;
mod grid;
pub(super) mod ise;
mod mode;
pub(super) mod partition;

pub(super) use decode::decode;
pub(super) use encode::{Parts, TOGETHER, encode};

/// The most texels of a block: 12×12.
pub(super) const MOST_TEXELS: usize = 144;

/// The most weights of a block, both planes together.
const MOST_WEIGHTS: usize = 64;
