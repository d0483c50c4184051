//! Rows of eight blocks turned into lanes: the first texels of all, the second ones, and so on.

#![allow(unsafe_code, reason = "texels are read sixteen bytes at a time, and shuffled with what every x86-64 has")]

use super::wide::LANES;

/// A row of a block, as numbers with red in the lowest bits.
type Row = [[u8; 4]; 4];

/// By column the texels of all rows.
#[inline(always)]
pub(super) fn turned(rows: &[&Row; LANES]) -> [[u32; LANES]; 4] {
    #[cfg(target_arch = "x86_64")]
    {
        let [a, b, c, d, e, f, g, h] = *rows;
        let (first, second) = (x86::turned([a, b, c, d]), x86::turned([e, f, g, h]));
        let mut out = [[0; LANES]; 4];
        for at in 0..4 {
            out[at][..4].copy_from_slice(&first[at]);
            out[at][4..].copy_from_slice(&second[at]);
        }
        out
    }
    #[cfg(not(target_arch = "x86_64"))]
    plainly(rows)
}

/// The same one by one, which compilers don't see the order in.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn plainly(rows: &[&Row; LANES]) -> [[u32; LANES]; 4] {
    std::array::from_fn(|at| rows.map(|row| u32::from_le_bytes(row[at])))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
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
