//! Many blocks in plain arrays, in the shape that compilers put in vector registers: numbers of 8 bits are held in 16, too.

use super::{Lanes, Row};
use crate::texture::block::turn;

const BLOCKS: usize = 32;

pub(super) struct Plain;

/// One number of each block.
type Each = [i16; BLOCKS];
/// By texel.
type Bytes = [Each; 4];
/// Those of the first and second texel, or half of the texels, and those of the others.
type Words = [Each; 2];
type Floats = [f32; BLOCKS];

#[inline(always)]
fn each(one: impl Fn(usize) -> i16) -> Each {
    let mut out = [0; BLOCKS];
    for block in 0..BLOCKS {
        out[block] = one(block);
    }
    out
}

#[inline(always)]
fn plus(a: Each, b: Each) -> Each {
    each(|block| a[block].wrapping_add(b[block]))
}

#[inline(always)]
fn times(a: Each, b: Each) -> Each {
    each(|block| a[block].wrapping_mul(b[block]))
}

#[inline(always)]
fn bytes(one: impl Fn(usize, usize) -> i16) -> Bytes {
    [each(|block| one(0, block)), each(|block| one(1, block)), each(|block| one(2, block)), each(|block| one(3, block))]
}

#[inline(always)]
fn words(one: impl Fn(usize, usize) -> i16) -> Words {
    [each(|block| one(0, block)), each(|block| one(1, block))]
}

#[inline(always)]
fn floats(one: impl Fn(usize) -> f32) -> Floats {
    let mut out = [0.0; BLOCKS];
    for block in 0..BLOCKS {
        out[block] = one(block);
    }
    out
}

/// By masks of all bits or none: no lane then waits for a branch of its own.
#[inline(always)]
fn choose(mask: Words, yes: Words, no: Words) -> Words {
    words(|place, block| yes[place][block] & mask[place][block] | no[place][block] & !mask[place][block])
}

/// What is left of each block's four numbers, two of which leave one.
#[inline(always)]
fn fold(of: Bytes, one: impl Fn(i16, i16) -> i16) -> Words {
    [each(|block| one(one(of[0][block], of[1][block]), one(of[2][block], of[3][block]))); 2]
}

impl Lanes for Plain {
    const BLOCKS: usize = BLOCKS;

    type Bytes = Bytes;
    type Words = Words;
    type Floats = Floats;

    #[inline(always)]
    fn row(texels: Row<'_>) -> [Bytes; 4] {
        let blocks: &[[[u8; 4]; 4]; BLOCKS] = &texels.as_chunks().0.as_chunks().0[0];
        let mut out = [[[0; BLOCKS]; 4]; 4];
        for (at, eight) in blocks.as_chunks::<8>().0.iter().enumerate() {
            let turned = turn::turned(&eight.each_ref());
            for c in 0..4 {
                for texel in 0..4 {
                    for block in 0..8 {
                        out[c][texel][at * 8 + block] = (turned[texel][block] >> (8 * c) & 255) as i16;
                    }
                }
            }
        }
        out
    }

    #[inline(always)]
    fn min(a: Bytes, b: Bytes) -> Bytes {
        bytes(|texel, block| a[texel][block].min(b[texel][block]))
    }

    #[inline(always)]
    fn max(a: Bytes, b: Bytes) -> Bytes {
        bytes(|texel, block| a[texel][block].max(b[texel][block]))
    }

    #[inline(always)]
    fn least(of: Bytes) -> Words {
        fold(of, i16::min)
    }

    #[inline(always)]
    fn most(of: Bytes) -> Words {
        fold(of, i16::max)
    }

    #[inline(always)]
    fn beyond(of: Bytes, base: Words) -> Bytes {
        bytes(|texel, block| of[texel][block].wrapping_sub(base[0][block]))
    }

    #[inline(always)]
    fn products(a: Bytes, b: Bytes) -> Words {
        // The first with the sign of the second, in 8 bits, by the second without its sign.
        let all = bytes(|texel, block| {
            let (a, b) = (a[texel][block], b[texel][block]);
            let signed = if b < 0 { i16::from(a.wrapping_neg() as i8) } else { a };
            signed.wrapping_mul(b.wrapping_abs())
        });
        words(|place, block| all[2 * place][block].saturating_add(all[2 * place + 1][block]))
    }

    // Apart from what calls it: compilers else look for sums across lanes.
    #[inline(never)]
    fn sums(values: [Bytes; 4], by: &[Bytes; 4]) -> [Floats; 2] {
        // Sixteen products are within 16 bits without a sign.
        let (mut plain, mut weighed) = ([0u16; BLOCKS], [0u16; BLOCKS]);
        for row in 0..4 {
            for texel in 0..4 {
                for block in 0..BLOCKS {
                    let (value, by) = (values[row][texel][block] as u16, by[row][texel][block] as u16);
                    plain[block] = plain[block].wrapping_add(value);
                    weighed[block] = weighed[block].wrapping_add(value.wrapping_mul(by));
                }
            }
        }
        [floats(|block| plain[block].into()), floats(|block| weighed[block].into())]
    }

    #[inline(always)]
    fn dot(row: &[Bytes; 4], by: &[Words; 3]) -> [Words; 2] {
        let mut along = [[0; BLOCKS]; 4];
        for texel in 0..4 {
            for c in 0..3 {
                along[texel] = plus(along[texel], times(row[c][texel], by[c][0]));
            }
        }
        [[along[0], along[2]], [along[1], along[3]]]
    }

    #[inline(always)]
    fn passed([even, odd]: [Words; 2], thresholds: &[Words; 3]) -> Bytes {
        let along = [even[0], odd[0], even[1], odd[1]];
        let mut counts = [[0; BLOCKS]; 4];
        for texel in 0..4 {
            for threshold in thresholds {
                let passed = each(|block| i16::from(along[texel][block] > threshold[0][block]));
                counts[texel] = plus(counts[texel], passed);
            }
        }
        counts
    }

    #[inline(always)]
    fn halves(of: Bytes) -> [Words; 2] {
        [[of[0], of[2]], [of[1], of[3]]]
    }

    #[inline(always)]
    fn joined([even, odd]: [Words; 2]) -> Bytes {
        [even[0], odd[0], even[1], odd[1]]
    }

    #[inline(always)]
    fn word(value: i16) -> Words {
        [[value; BLOCKS]; 2]
    }

    #[inline(always)]
    fn add(a: Words, b: Words) -> Words {
        [plus(a[0], b[0]), plus(a[1], b[1])]
    }

    #[inline(always)]
    fn sub(a: Words, b: Words) -> Words {
        words(|place, block| a[place][block].wrapping_sub(b[place][block]))
    }

    #[inline(always)]
    fn mul(a: Words, b: Words) -> Words {
        [times(a[0], b[0]), times(a[1], b[1])]
    }

    #[inline(always)]
    fn part(of: Words, by: Words) -> Words {
        words(|place, block| ((i32::from(of[place][block]) * i32::from(by[place][block]) + 0x4000) >> 15) as i16)
    }

    #[inline(always)]
    fn held_sum(a: Words, b: Words) -> Words {
        words(|place, block| a[place][block].saturating_add(b[place][block]))
    }

    #[inline(always)]
    fn within(of: Words, most: Words) -> Words {
        words(|place, block| of[place][block].max(0).min(most[place][block]))
    }

    #[inline(always)]
    fn abs(of: Words) -> Words {
        words(|place, block| of[place][block].wrapping_abs())
    }

    #[inline(always)]
    fn same(a: &[Words; 3], b: &[Words; 3], yes: Words, no: Words) -> Words {
        let mut differs = [[0; BLOCKS]; 2];
        for c in 0..3 {
            differs = words(|place, block| differs[place][block] | (a[c][place][block] ^ b[c][place][block]));
        }
        choose(words(|place, block| -i16::from(differs[place][block] == 0)), yes, no)
    }

    #[inline(always)]
    fn falls(of: Words, yes: Words, no: Words) -> Words {
        choose(words(|place, block| of[place][block] >> 15), yes, no)
    }

    #[inline(always)]
    fn both(of: Words) -> Words {
        [each(|block| of[0][block].saturating_add(of[1][block])); 2]
    }

    #[inline(always)]
    fn floats(of: Words) -> Floats {
        floats(|block| of[0][block].into())
    }

    #[inline(always)]
    fn round(of: Floats) -> Words {
        // Added, it leaves whole numbers in the lowest bits, rounded as floats are.
        const ROUNDING: f32 = 12_582_912.0;
        [each(|block| (of[block] + ROUNDING).to_bits() as i16); 2]
    }

    #[inline(always)]
    fn float(value: f32) -> Floats {
        [value; BLOCKS]
    }

    #[inline(always)]
    fn plus(a: Floats, b: Floats) -> Floats {
        floats(|block| a[block] + b[block])
    }

    #[inline(always)]
    fn minus(a: Floats, b: Floats) -> Floats {
        floats(|block| a[block] - b[block])
    }

    #[inline(always)]
    fn times(a: Floats, b: Floats) -> Floats {
        floats(|block| a[block] * b[block])
    }

    #[inline(always)]
    fn over(a: Floats, b: Floats) -> Floats {
        floats(|block| a[block] / b[block])
    }

    #[inline(always)]
    fn held(of: Floats, most: Floats) -> Floats {
        floats(|block| {
            let of = if of[block] > 0.0 { of[block] } else { 0.0 };
            if of < most[block] { of } else { most[block] }
        })
    }

    #[inline(always)]
    fn squares([even, odd]: [Words; 2]) -> Floats {
        let mut sums = [0; BLOCKS];
        for values in [even[0], odd[0], even[1], odd[1]] {
            for block in 0..BLOCKS {
                sums[block] += i32::from(values[block]) * i32::from(values[block]);
            }
        }
        floats(|block| sums[block] as f32)
    }

    #[inline(always)]
    fn store(of: Floats, out: &mut [f32]) {
        out[..BLOCKS].copy_from_slice(&of);
    }

    #[inline(always)]
    fn bc1(first: Words, second: Words, thirds: &[Bytes; 4], out: &mut [[u8; 8]]) {
        // Every other bit: the lower of each selector.
        const LOWER: u32 = 0x5555_5555;
        let mut halves = [[0; BLOCKS]; 2];
        for half in 0..2 {
            for at in (0..8).rev() {
                let texels = thirds[half * 2 + at / 4][at % 4];
                halves[half] = each(|block| halves[half][block] << 2 | texels[block]);
            }
        }
        let (mut ends, mut words) = ([0; BLOCKS], [0; BLOCKS]);
        for block in 0..BLOCKS {
            let (first, second) = (u32::from(first[0][block] as u16), u32::from(second[0][block] as u16));
            // None, one, two and three thirds are the selectors 0, 2, 3 and 1.
            let word = u32::from(halves[0][block] as u16) | u32::from(halves[1][block] as u16) << 16;
            let word = ((word ^ word >> 1) & LOWER) << 1 | word >> 1 & LOWER;
            let turned = if first < second { LOWER } else { 0 };
            let kept = if first == second { 0 } else { u32::MAX };
            words[block] = (word ^ turned) & kept;
            ends[block] = first.max(second) | first.min(second) << 16;
        }
        for (out, (ends, word)) in out.iter_mut().zip(ends.into_iter().zip(words)) {
            *out = (u64::from(word) << 32 | u64::from(ends)).to_le_bytes();
        }
    }

    #[inline(always)]
    fn bc7(codes: &[[Words; 4]; 2], lowest: &[Words; 2], fifteenths: &[Bytes; 4], out: &mut [[u8; 16]]) {
        let mut halves = [[0u64; BLOCKS]; 4];
        for row in 0..4 {
            for block in 0..BLOCKS {
                let [a, b, c, d] = fifteenths[row].map(|texels| texels[block] as u64);
                halves[row][block] = a | b << 4 | c << 8 | d << 12;
            }
        }
        for (block, out) in out.iter_mut().enumerate() {
            let [a, b, c, d] = halves.map(|half| half[block]);
            let indices = a | b << 16 | c << 32 | d << 48;
            // The first index' highest bit isn't written: it is none.
            let turned = indices & 8 != 0;
            let indices = if turned { !indices } else { indices };
            let [first, second] = if turned { [1, 0] } else { [0, 1] };
            let mut ends = 1 << 6;
            for channel in 0..4 {
                for (at, end) in [first, second].into_iter().enumerate() {
                    ends |= (codes[end][channel][0][block] as u64) << (7 + 14 * channel + 7 * at);
                }
            }
            ends |= (lowest[first][0][block] as u64) << 63;
            let rest = indices + (indices & 7) + lowest[second][0][block] as u64;
            *out = (u128::from(rest) << 64 | u128::from(ends)).to_le_bytes();
        }
    }
}
