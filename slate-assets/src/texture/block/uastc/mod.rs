//! UASTC LDR 4×4, which Basis Universal's readers turn into what a graphics processor has: ASTC in nineteen modes, packed
//! in another way, with hints for who makes ETC and BC1 of it. Its meaning is that of the ASTC block with the same numbers.
//! After Binomial's "UASTC LDR 4x4 Texture Specification".

mod encode;
mod hints;
mod layout;
mod mode;
mod partition;
mod refine;
#[cfg(test)]
mod tests;

use super::{
    Texels,
    astc::{ise, ise::COLORS, ise::RANGES},
};
pub(super) use encode::encode;
use layout::{Block, Coded};
use mode::Ends;

/// Whether a block has a mode and a partition that there are.
pub(super) fn is_legal(block: [u8; 16]) -> bool {
    Block::read(block).is_some()
}

/// Decodes a block; texels are in rows, and magenta where it isn't legal.
pub(super) fn decode(block: [u8; 16]) -> Texels {
    match Block::read(block) {
        Some(Block::Solid(color)) => [color; 16],
        Some(Block::Coded(coded)) => texels(&coded),
        None => [[255, 0, 255, 255]; 16],
    }
}

fn texels(coded: &Coded) -> Texels {
    let mode = coded.mode();
    let (range, subset) = (RANGES[mode.weights()], coded.partition());
    let ends = ends(coded);
    std::array::from_fn(|at| {
        let [low, high] = ends[usize::from(subset[at])];
        let weights = coded.weights.map(|plane| ise::weight(range, plane[at].into()));
        std::array::from_fn(|channel| {
            mix(low[channel], high[channel], weights[usize::from(coded.apart == Some(channel))])
        })
    })
}

/// Both endpoints of each subset.
fn ends(coded: &Coded) -> [[[u8; 4]; 2]; 3] {
    let mode = coded.mode();
    let mut ends = [[[255; 4]; 2]; 3];
    let values = coded.colors.map(|code| COLORS[mode.colors][usize::from(code)]);
    let of_one = mode.ends.channels() * 2;
    for (ends, values) in ends.iter_mut().zip(values.chunks(of_one)).take(mode.subsets) {
        for (end, color) in ends.iter_mut().enumerate() {
            let value = |channel: usize| values[channel * 2 + end];
            *color = match mode.ends {
                Ends::GreyAlpha => [value(0), value(0), value(0), value(1)],
                Ends::Rgb => [value(0), value(1), value(2), 255],
                Ends::Rgba => [value(0), value(1), value(2), value(3)],
            };
        }
    }
    ends
}

/// Both endpoints, widened to 16 bits, and mixed; the upper 8 bits of that.
fn mix(low: u8, high: u8, weight: u32) -> u8 {
    let wide = |value: u8| u32::from(value) * 257;
    ((wide(low) * (64 - weight) + wide(high) * weight + 32) >> 14) as u8
}
