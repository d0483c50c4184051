//! Where the block encoders live: one module for each family, each from pixels to blocks.
//!
//! None is here yet; what is asked of them is refused with what to choose instead.

use slate_core::{Error, asset::Compression};

/// The refusal of a block compression.
pub(super) fn unavailable(compression: Compression) -> Error {
    Error::unsupported(format!("{compression} is not available yet; choose compression none"))
}
