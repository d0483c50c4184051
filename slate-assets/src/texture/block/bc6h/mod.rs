//! BC6H, unsigned: fourteen modes of one or two subsets of half floats. Khronos Data Format 1.3, section 20.2.

mod encode;
mod layout;

pub(super) use encode::encode;

use super::{bits::Reader, partitions};
use layout::{LAYOUTS, Layout};

/// Decodes a block to the bits of half floats; one of a reserved mode is black.
pub(super) fn decode(block: [u8; 16]) -> [[u16; 3]; 16] {
    let Some(layout) = LAYOUTS.iter().find(|layout| layout.is_of(block[0])) else { return [[0; 3]; 16] };
    let mut bits = Reader::new(block);
    bits.take(layout.code_bits);
    // By endpoint and channel.
    let mut ends = [[0u32; 3]; 4];
    let mut partition = 0;
    for field in &layout.fields {
        let bit = bits.take(1);
        match field.end {
            4 => partition |= (bit as usize) << field.bit,
            end => ends[end][field.channel] |= bit << field.bit,
        }
    }
    let ends = layout.undo(ends).map(|end| end.map(|value| widen(value, layout.bits)));
    let (subsets, width) = (layout.subsets, layout.index_bits());
    std::array::from_fn(|texel| {
        let index = bits.take(width - u32::from(partitions::is_anchor(subsets, partition, texel)));
        let weight = partitions::weights(width)[index as usize];
        let subset = partitions::subset(subsets, partition, texel);
        let [a, b] = [ends[subset * 2], ends[subset * 2 + 1]];
        std::array::from_fn(|channel| finish(mix(a[channel], b[channel], weight)))
    })
}

/// An endpoint of `bits` bits to 16.
fn widen(value: u32, bits: u32) -> u32 {
    if bits >= 15 || value == 0 {
        value
    } else if value == (1 << bits) - 1 {
        0xFFFF
    } else {
        ((value << 16) + 0x8000) >> bits
    }
}

fn mix(a: u32, b: u32, weight: u32) -> u32 {
    (a * (64 - weight) + b * weight + 32) >> 6
}

/// From the 16 bits that are mixed to those of a half float, the greatest of which is finite.
fn finish(value: u32) -> u16 {
    ((value * 31) >> 6) as u16
}

impl Layout {
    /// Endpoints from what is written, where all but the first are differences to it.
    fn undo(&self, mut ends: [[u32; 3]; 4]) -> [[u32; 3]; 4] {
        if self.transformed {
            for end in 1..4 {
                for channel in 0..3 {
                    let width = self.deltas[channel];
                    let delta = ends[end][channel];
                    let negative = delta >> (width - 1) & 1 == 1;
                    let delta = if negative { delta.wrapping_sub(1 << width) } else { delta };
                    ends[end][channel] = ends[0][channel].wrapping_add(delta) & ((1 << self.bits) - 1);
                }
            }
        }
        ends
    }
}
