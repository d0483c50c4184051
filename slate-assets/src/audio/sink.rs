//! What every encoder is to the rest: frames in, a finished file out.

use slate_core::{Error, Result};
use std::io;

/// Takes interleaved frames of the output's rate and channels, and writes a file of them.
///
/// The file plays exactly as many frames as were pushed, wherever its format can say so.
pub(super) trait Encoder {
    /// Appends frames; values beyond ±1 are beyond full scale.
    fn push(&mut self, frames: &[f32]) -> Result<()>;

    /// Writes what is left and tells what came of it.
    fn finish(self: Box<Self>) -> Result<Encoded>;
}

/// What an encoder tells of its file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Encoded {
    /// Samples that were beyond full scale and had to be cut, in formats that can't hold them.
    pub(super) clipped: u64,
}

pub(super) fn failed(error: io::Error) -> Error {
    Error::io("write the output", error)
}
