//! Rows of eight blocks turned into lanes: the first texels of all, the second ones, and so on.

#![allow(
    unsafe_code,
    reason = "texels are read sixteen bytes at a time, and shuffled with what every x86-64 or 64-bit ARM has"
)]

use super::wide::LANES;

/// A row of a block, as numbers with red in the lowest bits.
type Row = [[u8; 4]; 4];

/// By column the texels of all rows.
#[inline(always)]
pub(super) fn turned(rows: &[&Row; LANES]) -> [[u32; LANES]; 4] {
    cfg_select! {
        any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")) => {
            let [a, b, c, d, e, f, g, h] = *rows;
            let (first, second) = (machine::turned([a, b, c, d]), machine::turned([e, f, g, h]));
            let mut out = [[0; LANES]; 4];
            for at in 0..4 {
                out[at][..4].copy_from_slice(&first[at]);
                out[at][4..].copy_from_slice(&second[at]);
            }
            out
        }
        _ => plainly(rows),
    }
}

/// The same one by one, which compilers don't see the order in.
#[cfg(any(test, not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))))]
fn plainly(rows: &[&Row; LANES]) -> [[u32; LANES]; 4] {
    std::array::from_fn(|at| rows.map(|row| u32::from_le_bytes(row[at])))
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use super::Row;
    use std::{
        arch::x86_64::{
            __m128i, _mm_loadu_si128, _mm_unpackhi_epi32, _mm_unpackhi_epi64, _mm_unpacklo_epi32, _mm_unpacklo_epi64,
        },
        mem::transmute,
    };

    #[inline(always)]
    pub(super) fn turned(rows: [&Row; 4]) -> [[u32; 4]; 4] {
        // SAFETY: a row has sixteen bytes, wherever they lie; SSE2 is part of x86-64; four times four numbers are four vectors.
        unsafe {
            let load = |row: &Row| _mm_loadu_si128(row.as_ptr().cast());
            let (a, b, c, d) = (load(rows[0]), load(rows[1]), load(rows[2]), load(rows[3]));
            let (left, right) = (_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
            let (other_left, other_right) = (_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
            transmute::<[__m128i; 4], [[u32; 4]; 4]>([
                _mm_unpacklo_epi64(left, other_left),
                _mm_unpackhi_epi64(left, other_left),
                _mm_unpacklo_epi64(right, other_right),
                _mm_unpackhi_epi64(right, other_right),
            ])
        }
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod machine {
    use super::Row;
    use std::{
        arch::aarch64::{
            uint32x4_t, vld1q_u8, vreinterpretq_u32_u8, vreinterpretq_u32_u64, vreinterpretq_u64_u32, vtrn1q_u32,
            vtrn1q_u64, vtrn2q_u32, vtrn2q_u64,
        },
        mem::transmute,
    };

    #[inline(always)]
    pub(super) fn turned(rows: [&Row; 4]) -> [[u32; 4]; 4] {
        // SAFETY: a row has sixteen bytes, wherever they lie; NEON is part of 64-bit ARM; four times four numbers are four vectors.
        unsafe {
            let [a, b, c, d] = rows.map(|row| vreinterpretq_u32_u8(vld1q_u8(row.as_ptr().cast())));
            let upper = |one, other| {
                vreinterpretq_u32_u64(vtrn1q_u64(vreinterpretq_u64_u32(one), vreinterpretq_u64_u32(other)))
            };
            let lower = |one, other| {
                vreinterpretq_u32_u64(vtrn2q_u64(vreinterpretq_u64_u32(one), vreinterpretq_u64_u32(other)))
            };
            let (even, odd) = (vtrn1q_u32(a, b), vtrn2q_u32(a, b));
            let (other_even, other_odd) = (vtrn1q_u32(c, d), vtrn2q_u32(c, d));
            transmute::<[uint32x4_t; 4], [[u32; 4]; 4]>([
                upper(even, other_even),
                upper(odd, other_odd),
                lower(even, other_even),
                lower(odd, other_odd),
            ])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_those_taken_one_by_one() {
        let rows: [Row; LANES] = std::array::from_fn(|lane| {
            std::array::from_fn(|at| std::array::from_fn(|channel| (lane * 16 + at * 4 + channel) as u8))
        });
        let rows = rows.each_ref();
        assert_eq!(turned(&rows), plainly(&rows));
        assert_eq!(turned(&rows)[1][3], u32::from_le_bytes([52, 53, 54, 55]));
    }
}
