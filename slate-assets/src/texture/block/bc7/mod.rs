//! BC7: eight modes of one to three subsets. Khronos Data Format 1.3, section 20.1.

mod encode;
mod ends;
mod estimate;
mod fit;
mod plan;
mod quick;
mod repeat;
mod rows;
mod solid;
mod write;

#[cfg(test)]
pub(super) use quick::Strips;
pub(super) use repeat::{with_ends, with_indices};
pub(super) use rows::encode;

use super::{bits::Reader, partitions};

/// How the lowest bits of endpoints are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parity {
    /// As part of each value.
    None,
    /// Once for both endpoints of a subset.
    Shared,
    /// Once for each endpoint.
    Each,
}

/// One of the eight modes.
#[derive(Clone, Copy, Debug)]
struct Mode {
    number: u32,
    subsets: usize,
    partition_bits: u32,
    rotation_bits: u32,
    selector_bits: u32,
    color_bits: u32,
    alpha_bits: u32,
    parity: Parity,
    index_bits: u32,
    /// Of the second set of indices, where there is one.
    second_bits: u32,
}

const fn mode(number: u32, subsets: usize, widths: [u32; 5], parity: Parity, indices: [u32; 2]) -> Mode {
    let [partition_bits, rotation_bits, selector_bits, color_bits, alpha_bits] = widths;
    let [index_bits, second_bits] = indices;
    Mode {
        number,
        subsets,
        partition_bits,
        rotation_bits,
        selector_bits,
        color_bits,
        alpha_bits,
        parity,
        index_bits,
        second_bits,
    }
}

const MODES: [Mode; 8] = [
    mode(0, 3, [4, 0, 0, 4, 0], Parity::Each, [3, 0]),
    mode(1, 2, [6, 0, 0, 6, 0], Parity::Shared, [3, 0]),
    mode(2, 3, [6, 0, 0, 5, 0], Parity::None, [2, 0]),
    mode(3, 2, [6, 0, 0, 7, 0], Parity::Each, [2, 0]),
    mode(4, 1, [0, 2, 1, 5, 6], Parity::None, [2, 3]),
    mode(5, 1, [0, 2, 0, 7, 8], Parity::None, [2, 2]),
    mode(6, 1, [0, 0, 0, 7, 7], Parity::Each, [4, 0]),
    mode(7, 2, [6, 0, 0, 5, 5], Parity::Each, [2, 0]),
];

/// Widens a value of `bits` bits to 8 by repeating its highest ones.
fn widen(value: u32, bits: u32) -> u32 {
    let value = value << (8 - bits);
    value | value >> bits
}

fn mix(a: u32, b: u32, weight: u32) -> u8 {
    ((a * (64 - weight) + b * weight + 32) >> 6) as u8
}

/// Decodes a block; one of the reserved mode is transparent black.
pub(super) fn decode(block: [u8; 16]) -> [[u8; 4]; 16] {
    let number = block[0].trailing_zeros();
    let Some(mode) = MODES.get(number as usize) else { return [[0; 4]; 16] };
    let mut bits = Reader::new(block);
    bits.take(number + 1);
    let partition = bits.take(mode.partition_bits) as usize;
    let rotation = bits.take(mode.rotation_bits) as usize;
    let selector = bits.take(mode.selector_bits);
    let ends = ends(&mut bits, mode);
    let mut read = |width: u32| -> [u32; 16] {
        std::array::from_fn(|texel| bits.take(width - u32::from(partitions::is_anchor(mode.subsets, partition, texel))))
    };
    let first = read(mode.index_bits);
    let second = if mode.second_bits > 0 { read(mode.second_bits) } else { first };
    let (mut color, mut alpha) = ((first, mode.index_bits), (second, mode.second_bits.max(mode.index_bits)));
    if mode.second_bits > 0 {
        alpha.1 = mode.second_bits;
    }
    if selector == 1 {
        (color, alpha) = (alpha, color);
    }
    std::array::from_fn(|texel| {
        let [a, b] = ends[partitions::subset(mode.subsets, partition, texel)];
        let color = partitions::weights(color.1)[color.0[texel] as usize];
        let alpha = partitions::weights(alpha.1)[alpha.0[texel] as usize];
        let mut out: [u8; 4] = std::array::from_fn(|at| mix(a[at], b[at], if at < 3 { color } else { alpha }));
        if rotation > 0 {
            out.swap(rotation - 1, 3);
        }
        out
    })
}

/// The endpoints of each subset, in 8 bits.
fn ends(bits: &mut Reader, mode: &Mode) -> [[[u32; 4]; 2]; 3] {
    let mut ends = [[[255; 4]; 2]; 3];
    let channels = if mode.alpha_bits > 0 { 4 } else { 3 };
    let width = |channel| if channel < 3 { mode.color_bits } else { mode.alpha_bits };
    for channel in 0..channels {
        for subset in ends.iter_mut().take(mode.subsets) {
            subset.iter_mut().for_each(|end| end[channel] = bits.take(width(channel)));
        }
    }
    let extra = u32::from(mode.parity != Parity::None);
    for subset in ends.iter_mut().take(mode.subsets) {
        let shared = if mode.parity == Parity::Shared { bits.take(1) } else { 0 };
        for end in subset {
            let lowest = if mode.parity == Parity::Each { bits.take(1) } else { shared };
            for channel in 0..channels {
                let value = if extra == 1 { end[channel] << 1 | lowest } else { end[channel] };
                end[channel] = widen(value, width(channel) + extra);
            }
        }
    }
    ends
}
