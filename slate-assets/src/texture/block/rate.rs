//! Blocks chosen by what they cost once the file is compressed: by squared error and, for each bit that Zstandard and
//! its like will probably take, lambda more.
//!
//! Such compressors spend little on bytes that were there before. So each block is also tried as a repetition of a recent
//! one: whole, or with its indices and endpoints of its own, or the other way round.

use super::{BlockFormat, Surface, Texels, Values, bc1, bc4, bc7};
use rayon::prelude::*;
use slate_core::{Error, Result};

/// Blocks that are looked at by themselves, at least: so that threads don't matter.
const STRIPE: usize = 4096;
/// Recent blocks that are repeated whole.
const WHOLE: usize = 192;
/// Recent blocks that are repeated in part.
const PARTS: usize = 32;

/// Makes the blocks of a surface easier to compress, of BC1, BC3 and BC7; of other formats they stay.
///
/// `lambda` is squared error, summed over the channels of a block's texels, that a bit is worth: 4 to 16 is useful for
/// BC7, and 16 to 64 for BC1 and BC3. No more error is added than that for each bit of the blocks. Where a block is
/// nearly flat, an error counts up to five times. `row` is asked before each stripe of rows.
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
    let parts: &[Part] = match format {
        BlockFormat::Bc1 => &[Part { at: 0, size: 8, coding: Coding::Colors(bc1::Alpha::None) }],
        BlockFormat::Bc1Alpha => &[Part { at: 0, size: 8, coding: Coding::Colors(bc1::Alpha::Punched) }],
        BlockFormat::Bc3 => &[
            Part { at: 0, size: 8, coding: Coding::Alpha },
            Part { at: 8, size: 8, coding: Coding::Colors(bc1::Alpha::Elsewhere) },
        ],
        BlockFormat::Bc7 => &[Part { at: 0, size: 16, coding: Coding::Bc7 }],
        _ => return Ok(()),
    };
    let Values::Rgba8(values) = &surface.values else { return Ok(()) };
    let (width, height, across) = (surface.width as usize, surface.height as usize, surface.width.div_ceil(4) as usize);
    let rows = STRIPE.div_ceil(across);
    let stride = format.block_bytes();
    blocks.par_chunks_mut(across * rows * stride).enumerate().try_for_each(|(stripe, blocks)| {
        let texels = |at: usize| -> Texels {
            let (x, y) = (at % across, stripe * rows + at / across);
            std::array::from_fn(|texel| {
                let (x, y) = ((x * 4 + texel % 4).min(width - 1), (y * 4 + texel / 4).min(height - 1));
                let at = (y * width + x) * 4;
                [values[at], values[at + 1], values[at + 2], values[at + 3]]
            })
        };
        let mut stripe = Stripe { blocks, stride, lambda, run: Run::default(), seen: vec![Vec::new(); parts.len()] };
        for at in 0..stripe.blocks.len() / stride {
            if at % across == 0 {
                row()?;
            }
            let texels = texels(at);
            for (number, part) in parts.iter().enumerate() {
                stripe.choose(at, &texels, number, part);
            }
        }
        Ok(())
    })
}

/// A part of a block that is chosen by itself.
struct Part {
    at: usize,
    size: usize,
    coding: Coding,
}

#[derive(Clone, Copy)]
enum Coding {
    Colors(bc1::Alpha),
    Alpha,
    Bc7,
}

impl Coding {
    /// What the bytes look like; channels that they don't hold are 0.
    fn decode(self, bytes: &[u8; 16]) -> Texels {
        let half = || std::array::from_fn(|at| bytes[at]);
        match self {
            Self::Colors(alpha) => {
                let mut texels = bc1::decode(half(), alpha == bc1::Alpha::Elsewhere);
                if alpha != bc1::Alpha::Punched {
                    texels.iter_mut().for_each(|texel| texel[3] = 0);
                }
                texels
            }
            Self::Alpha => bc4::decode(half()).map(|alpha| [0, 0, 0, alpha]),
            Self::Bc7 => bc7::decode(*bytes),
        }
    }

    /// The texels as [`decode`](Self::decode) should give them.
    fn wanted(self, texels: &Texels) -> Texels {
        texels.map(|[r, g, b, a]| match self {
            Self::Colors(bc1::Alpha::Punched) if a < 128 => [0; 4],
            Self::Colors(bc1::Alpha::Punched) => [r, g, b, 255],
            Self::Colors(_) => [r, g, b, 0],
            Self::Alpha => [0, 0, 0, a],
            Self::Bc7 => [r, g, b, a],
        })
    }

    /// Blocks that have bytes of an earlier one, and which of them.
    fn variants(self, wanted: &Texels, earlier: &[u8; 16]) -> [Option<([u8; 16], usize, usize)>; 2] {
        let wide = |bytes: [u8; 8]| std::array::from_fn(|at| if at < 8 { bytes[at] } else { 0 });
        let half = || std::array::from_fn(|at| earlier[at]);
        match self {
            Self::Colors(alpha) => [
                bc1::with_selectors(wanted, half(), alpha).map(|bytes| (wide(bytes), 4, 8)),
                bc1::with_ends(wanted, half(), alpha).map(|bytes| (wide(bytes), 0, 4)),
            ],
            Self::Alpha => {
                [bc4::with_selectors(&wanted.map(|texel| texel[3]), half()).map(|bytes| (wide(bytes), 2, 8)), None]
            }
            Self::Bc7 => [
                bc7::with_indices(wanted, *earlier).map(|bytes| (bytes, 8, 16)),
                bc7::with_ends(wanted, *earlier).map(|bytes| (bytes, 0, 8)),
            ],
        }
    }
}

fn error(a: &Texels, b: &Texels) -> f32 {
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
fn weight(texels: &Texels) -> f32 {
    let mut widest = 0.0f32;
    for channel in 0..4 {
        let (mut sum, mut squares) = (0i32, 0i32);
        for texel in texels {
            let value = i32::from(texel[channel]);
            sum += value;
            squares += value * value;
        }
        widest = widest.max((squares * 16 - sum * sum) as f32 / 256.0);
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

/// Blocks that are chosen one after the other.
struct Stripe<'a> {
    blocks: &'a mut [u8],
    stride: usize,
    lambda: f32,
    run: Run,
    /// What the parts of all blocks look like, up to here.
    seen: Vec<Vec<Texels>>,
}

impl Stripe<'_> {
    fn part(&self, at: usize, part: &Part) -> [u8; 16] {
        let start = at * self.stride + part.at;
        std::array::from_fn(|byte| if byte < part.size { self.blocks[start + byte] } else { 0 })
    }

    fn choose(&mut self, at: usize, texels: &Texels, number: usize, part: &Part) {
        let coding = part.coding;
        let wanted = coding.wanted(texels);
        let weight = weight(&wanted);
        let own = self.part(at, part);
        let mut seen = coding.decode(&own);
        let own_error = error(&seen, &wanted);
        let (mut best, mut run) = (own, Run { open: false, ..self.run });
        let mut cost = own_error * weight + self.lambda * Run::LITERAL * part.size as f32;
        for distance in 1..=at.min(WHOLE) {
            let (earlier, back) = (at - distance, distance * self.stride);
            let taken = Run { last: back, open: true };
            let bits = self.run.bits(part.size, (0, part.size), back);
            let whole = error(&self.seen[number][earlier], &wanted) * weight + self.lambda * bits;
            if whole < cost {
                (best, run, cost) = (self.part(earlier, part), taken, whole);
                seen = self.seen[number][earlier];
            }
            if distance > PARTS {
                continue;
            }
            for (bytes, from, to) in coding.variants(&wanted, &self.part(earlier, part)).into_iter().flatten() {
                let bits = self.run.bits(part.size, (from, to), back);
                if self.lambda * bits >= cost {
                    continue;
                }
                let found = coding.decode(&bytes);
                let next = error(&found, &wanted) * weight + self.lambda * bits;
                if next < cost {
                    (best, run, cost) = (bytes, Run { last: back, open: to == part.size }, next);
                    seen = found;
                }
            }
        }
        let start = at * self.stride + part.at;
        self.blocks[start..start + part.size].copy_from_slice(&best[..part.size]);
        self.run = run;
        self.seen[number].push(seen);
    }
}
