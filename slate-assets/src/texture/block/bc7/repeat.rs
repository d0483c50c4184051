//! Blocks of mode 6 that share bytes with others: one line of colours with 16 steps, which most blocks can be.

use super::{decode, mix};
use crate::texture::block::{Texels, line::Squares, partitions};

/// Where the indices begin: after the mode, two endpoints of four channels, and a lowest bit for each.
const INDICES: u32 = 65;

fn is_six(block: [u8; 16]) -> bool {
    block[0].trailing_zeros() == 6
}

/// The block that has the last eight bytes of another, which are its indices, with the endpoints that fit them best.
pub(crate) fn with_indices(texels: &Texels, other: [u8; 16]) -> Option<[u8; 16]> {
    if !is_six(other) {
        return None;
    }
    let bits = u128::from_le_bytes(other);
    let (weights, mut squares) = (partitions::weights(4), Squares::default());
    for (texel, index) in texels.iter().zip(indices(bits)) {
        squares.add(texel.map(f32::from), weights[index] as f32 / 64.0);
    }
    let ends = squares.solve()?;
    let second_lowest = (bits >> 64 & 1) as u32;
    let of = |lowest: u32| {
        let mut head = 1u128 << 6;
        for channel in 0..4 {
            for (end, lowest) in [lowest, second_lowest].into_iter().enumerate() {
                let value = (ends[end][channel].clamp(0.0, 255.0) - lowest as f32) / 2.0;
                let code = (value.max(0.0) + 0.5) as u128;
                head |= code.min(127) << (7 + channel * 14 + end * 7);
            }
        }
        (head | u128::from(lowest) << 63 | bits >> 64 << 64).to_le_bytes()
    };
    let error = |block: &[u8; 16]| -> i32 {
        let square = |(a, b): (u8, u8)| (i32::from(a) - i32::from(b)).pow(2);
        decode(*block).into_iter().zip(texels).flat_map(|(a, b)| a.into_iter().zip(*b)).map(square).sum()
    };
    [of(1), of(0)].into_iter().min_by_key(error)
}

/// The block that has the first eight bytes of another, which are its endpoints, with the indices that fit best.
pub(crate) fn with_ends(texels: &Texels, other: [u8; 16]) -> Option<[u8; 16]> {
    if !is_six(other) {
        return None;
    }
    let bits = u128::from_le_bytes(other);
    let end = |end: u32| -> [u32; 4] {
        std::array::from_fn(|channel| {
            let code = (bits >> (7 + channel as u32 * 14 + end * 7)) as u32 & 127;
            code << 1 | (bits >> (63 + end)) as u32 & 1
        })
    };
    let (a, b) = (end(0), end(1));
    let palette: [[u8; 4]; 16] = std::array::from_fn(|index| {
        std::array::from_fn(|channel| mix(a[channel], b[channel], partitions::weights(4)[index]))
    });
    let (mut out, mut at) = (bits & ((1 << INDICES) - 1), INDICES);
    for (place, texel) in texels.iter().enumerate() {
        let off = |color: &[u8; 4]| -> i32 {
            color.iter().zip(texel).map(|(&a, &b)| (i32::from(a) - i32::from(b)).pow(2)).sum()
        };
        // The first texel's highest bit isn't written.
        let width = if place == 0 { 3 } else { 4 };
        let index = (0..1usize << width).min_by_key(|&index| off(&palette[index])).unwrap_or(0);
        out |= (index as u128) << at;
        at += width;
    }
    Some(out.to_le_bytes())
}

fn indices(bits: u128) -> [usize; 16] {
    let mut at = INDICES;
    std::array::from_fn(|place| {
        let width = if place == 0 { 3 } else { 4 };
        at += width;
        (bits >> (at - width)) as usize & ((1 << width) - 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texture::block::{Effort, bc7::encode};

    #[test]
    fn what_is_shared_is_shared_and_the_rest_fits() {
        let slope = |step: u8, from: u8| -> Texels {
            std::array::from_fn(|at| [from + at as u8 * step, 90, 255 - from - at as u8 * step, 255])
        };
        let (texels, mut blocks) = (slope(5, 40), [[0; 16]]);
        encode([0, 4, 8, 12].map(|from| &texels[from..from + 4]), Effort::FASTEST, &mut blocks);
        let [other] = blocks;
        assert!(is_six(other));
        let near = |block: [u8; 16], texels: &Texels, most: u8| {
            for (found, wanted) in decode(block).iter().zip(texels) {
                let worst = found.iter().zip(wanted).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                assert!(worst <= most, "{found:?} for {wanted:?}");
            }
        };
        // The same slope from another colour on.
        let block = with_indices(&slope(5, 60), other).unwrap();
        assert_eq!(block[8..], other[8..]);
        near(block, &slope(5, 60), 3);
        // The same colours the other way round.
        let mut turned = slope(5, 40);
        turned.reverse();
        turned[0] = slope(5, 40)[0];
        let block = with_ends(&turned, other).unwrap();
        assert_eq!(block[..8], other[..8]);
        near(block, &turned, 4);
    }
}
