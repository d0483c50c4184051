//! Blocks chosen by what they cost once the file is compressed: by squared error and, for each bit that Zstandard and
//! its like will probably take, lambda more.
//!
//! Such compressors spend little on bytes that were there before. So each block is also tried as a repetition of a recent
//! one: whole, or with its indices and endpoints of its own, or the other way round.

mod astc;
mod small;

use super::{BlockFormat, Surface, Values, surface::push_block};
use rayon::prelude::*;
use slate_core::{Error, Result};

/// Blocks that are looked at by themselves, at least: so that threads don't matter.
const STRIPE: usize = 4096;
/// Recent blocks that are repeated whole.
const WHOLE: usize = 192;
/// Recent blocks that are repeated in part.
const PARTS: usize = 32;

/// Makes the blocks of a surface easier to compress, of BC1, BC3, BC7 and ASTC; of other formats they stay.
///
/// `lambda` is squared error, summed over the channels of a block's texels, that a bit is worth: 4 to 16 is useful for
/// BC7 and ASTC 4×4, 16 to 64 for larger ASTC, BC1 and BC3. No more error is added than that for each bit of the blocks.
/// Where a block is nearly flat, an error counts up to five times. `row` is asked before each row of blocks.
///
/// # Errors
/// `Invalid` where there are not as many bytes as blocks of the surface; whatever `row` gives.
pub fn economize(
    blocks: &mut [u8],
    surface: &Surface,
    format: BlockFormat,
    lambda: f32,
    row: &(dyn Fn() -> Result<()> + Sync),
) -> Result<()> {
    if blocks.len() as u64 != format.bytes(surface.width, surface.height) {
        return Err(Error::invalid("there are not as many bytes as blocks").with("format", format));
    }
    if let BlockFormat::Astc(footprint) = format {
        return stripes(blocks, surface, format, row, || astc::Stripe::new(footprint, lambda));
    }
    match small::parts(format) {
        Some(parts) => {
            stripes(blocks, surface, format, row, || small::Stripe::new(parts, format.block_bytes(), lambda))
        }
        None => Ok(()),
    }
}

/// Chooses blocks one after the other.
trait Chooser {
    /// Chooses the block at a place, which is how many were chosen before, and stands in the blocks as it was encoded.
    fn choose(&mut self, blocks: &mut [u8], at: usize, texels: &[[u8; 4]]);
}

/// Has the blocks of a surface chosen, stripes of rows side by side, each by a new chooser.
fn stripes<C: Chooser>(
    blocks: &mut [u8],
    surface: &Surface,
    format: BlockFormat,
    row: &(dyn Fn() -> Result<()> + Sync),
    new: impl Fn() -> C + Sync,
) -> Result<()> {
    let Values::Rgba8(values) = &surface.values else { return Ok(()) };
    let across = format.blocks(surface.width, surface.height).0 as usize;
    let (width, height) = format.block_size();
    let size = (width as usize, height as usize);
    let (rows, stride) = (STRIPE.div_ceil(across), format.block_bytes());
    blocks.par_chunks_mut(across * rows * stride).enumerate().try_for_each(|(stripe, blocks)| {
        let (mut chooser, mut texels) = (new(), Vec::with_capacity(size.0 * size.1));
        for at in 0..blocks.len() / stride {
            if at % across == 0 {
                row()?;
            }
            texels.clear();
            push_block(values, surface, (at % across, stripe * rows + at / across), size, &mut texels);
            chooser.choose(blocks, at, &texels);
        }
        Ok(())
    })
}

fn error(a: &[[u8; 4]], b: &[[u8; 4]]) -> f32 {
    let mut sum = 0;
    for (a, b) in a.iter().zip(b) {
        for channel in 0..4 {
            let off = i32::from(a[channel]) - i32::from(b[channel]);
            sum += off * off;
        }
    }
    sum as f32
}

/// How much an error counts: more where there is nothing that hides it.
fn weight(texels: &[[u8; 4]]) -> f32 {
    let (mut widest, count) = (0.0f32, texels.len() as i32);
    for channel in 0..4 {
        let (mut sum, mut squares) = (0i32, 0i32);
        for texel in texels {
            let value = i32::from(texel[channel]);
            sum += value;
            squares += value * value;
        }
        widest = widest.max((squares * count - sum * sum) as f32 / (count * count) as f32);
    }
    1.0 + 4.0 * (1.0 - (widest.sqrt() / 10.0).min(1.0))
}

/// What a compressor has just done.
#[derive(Clone, Copy, Default)]
struct Run {
    /// Bytes back to what was repeated last.
    last: usize,
    /// Whether that goes on up to here.
    open: bool,
}

impl Run {
    /// Bits of a byte that isn't repeated.
    const LITERAL: f32 = 7.5;

    /// Bits of a part of which the bytes from `from` to `to` are those that were there `back` bytes before.
    fn bits(self, size: usize, (from, to): (usize, usize), back: usize) -> f32 {
        let literal = Self::LITERAL * (size - (to - from)) as f32;
        if from == 0 && self.open && self.last == back {
            return literal + 0.5;
        }
        // A length and an offset; the offset is known where it is the last one.
        let pair = if self.last == back { 11.0 } else { 11.0 + (usize::BITS - back.leading_zeros()) as f32 };
        // What is shorter than six bytes is seldom found.
        let short = if to - from < 6 { 6.0 * (to - from) as f32 } else { 0.0 };
        literal + pair.max(short)
    }
}
