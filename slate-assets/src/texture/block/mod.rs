//! Block compression: 4×4 texels (ASTC: up to 12×12) in 8 or 16 bytes, as graphics processors read them, or, of UASTC, as
//! readers quickly make it for them.
//!
//! Each format is a file or folder of its own, written from its specification, with a decoder and an encoder on plain
//! arrays. [`encode`] and [`decode`] do whole surfaces, rows of blocks side by side on all threads of the pool; the bytes
//! don't depend on how many there are.

#![allow(
    clippy::needless_range_loop,
    reason = "channels, texels and planes are walked by number, several arrays at a time"
)]

mod astc;
mod bc1;
mod bc4;
mod bc6h;
mod bc7;
mod bits;
mod eac;
mod etc;
mod format;
mod line;
mod narrow;
mod partitions;
mod rate;
mod surface;
#[cfg(test)]
mod tests;
mod turn;
mod uastc;
mod wide;

pub use format::{BlockFormat, Channels, Footprint};
pub use rate::economize;
pub use surface::{Surface, Values, decode, encode};

/// The texels of a 4×4 block, in rows.
type Texels = [[u8; 4]; 16];

/// How long an encoder looks for better blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effort(u8);

impl Effort {
    /// For drafts: of BC1 and BC3 the ends of the range of a block's colours, of BC7 one guess; of other formats
    /// [`FASTEST`](Self::FASTEST).
    pub const INSTANT: Self = Self(0);
    /// One guess for each block, of BC7 another for those that it leaves much of: for previews.
    pub const FASTEST: Self = Self(1);
    /// A guess and what corrects it most.
    pub const FAST: Self = Self(2);
    /// The modes that matter, with the likeliest partitions.
    pub const NORMAL: Self = Self(3);
    /// All modes, with more partitions, and steps around the best.
    pub const HIGH: Self = Self(4);
    /// Ten times as long for the last tenths of a decibel.
    pub const BEST: Self = Self(5);

    /// The effort of a quality from 0 to 100: below 10 instant, below 20 the fastest, below 50 fast, below 80 normal, below 95
    /// high.
    pub fn of_quality(quality: u8) -> Self {
        match quality {
            0..10 => Self::INSTANT,
            10..20 => Self::FASTEST,
            20..50 => Self::FAST,
            50..80 => Self::NORMAL,
            80..95 => Self::HIGH,
            _ => Self::BEST,
        }
    }

    /// The steps above [`FASTEST`](Self::FASTEST), up to `most`.
    fn at_most(self, most: usize) -> usize {
        usize::from(self.0).saturating_sub(1).min(most)
    }
}
