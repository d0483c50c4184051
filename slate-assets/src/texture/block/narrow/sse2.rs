//! Four blocks in the vectors that every x86-64 has.

#![allow(unsafe_code, reason = "SSE2's instructions, which are part of x86-64")]

use super::{Lanes, Row};
use std::arch::x86_64::*;

pub(super) struct Sse2;

// SAFETY of all below: SSE2 is part of x86-64.
impl Lanes for Sse2 {
    const BLOCKS: usize = 4;

    type Bytes = __m128i;
    type Words = __m128i;
    type Floats = __m128;

    #[inline(always)]
    fn row(texels: Row<'_>) -> [__m128i; 4] {
        let texels: &[[u8; 4]; 16] = &texels.as_chunks().0[0];
        // SAFETY: see above; each of the four loads stays within the 16 texels.
        unsafe {
            let [mut a, mut b, mut c, mut d] = [_mm_setzero_si128(); 4];
            for (at, to) in [&mut a, &mut b, &mut c, &mut d].into_iter().enumerate() {
                *to = _mm_loadu_si128(texels.as_ptr().add(at * 4).cast());
            }
            [
                channel::<0>([a, b, c, d]),
                channel::<8>([a, b, c, d]),
                channel::<16>([a, b, c, d]),
                channel::<24>([a, b, c, d]),
            ]
        }
    }

    #[inline(always)]
    fn min(a: __m128i, b: __m128i) -> __m128i {
        unsafe { _mm_min_epu8(a, b) }
    }

    #[inline(always)]
    fn max(a: __m128i, b: __m128i) -> __m128i {
        unsafe { _mm_max_epu8(a, b) }
    }

    #[inline(always)]
    fn least(of: __m128i) -> __m128i {
        unsafe {
            let two = _mm_min_epu8(of, turned(of));
            _mm_min_epu8(_mm_srli_epi16(two, 8), _mm_and_si128(two, low()))
        }
    }

    #[inline(always)]
    fn most(of: __m128i) -> __m128i {
        unsafe {
            let two = _mm_max_epu8(of, turned(of));
            _mm_max_epu8(_mm_srli_epi16(two, 8), _mm_and_si128(two, low()))
        }
    }

    #[inline(always)]
    fn beyond(of: __m128i, base: __m128i) -> __m128i {
        unsafe { _mm_sub_epi8(of, _mm_or_si128(base, _mm_slli_epi16(base, 8))) }
    }

    #[inline(always)]
    fn products(a: __m128i, b: __m128i) -> __m128i {
        unsafe {
            // The first with the sign of the second, in 8 bits, by the second without its sign.
            let falls = _mm_cmpgt_epi8(_mm_setzero_si128(), b);
            let signed = _mm_sub_epi8(_mm_xor_si128(a, falls), falls);
            let by = _mm_sub_epi8(_mm_xor_si128(b, falls), falls);
            let even = _mm_mullo_epi16(_mm_srai_epi16(_mm_slli_epi16(signed, 8), 8), _mm_and_si128(by, low()));
            _mm_adds_epi16(even, _mm_mullo_epi16(_mm_srai_epi16(signed, 8), _mm_srli_epi16(by, 8)))
        }
    }

    #[inline(always)]
    fn sums(values: [__m128i; 4], by: &[__m128i; 4]) -> [__m128; 2] {
        unsafe {
            let (mut plain, mut weighed) = (_mm_setzero_si128(), _mm_setzero_si128());
            for row in 0..4 {
                let [even, odd] = Self::halves(values[row]);
                let [even_by, odd_by] = Self::halves(by[row]);
                plain = _mm_add_epi16(plain, _mm_add_epi16(even, odd));
                let products = _mm_add_epi16(_mm_mullo_epi16(even, even_by), _mm_mullo_epi16(odd, odd_by));
                weighed = _mm_add_epi16(weighed, products);
            }
            let one = _mm_set1_epi16(1);
            [_mm_cvtepi32_ps(_mm_madd_epi16(plain, one)), _mm_cvtepi32_ps(_mm_madd_epi16(weighed, one))]
        }
    }

    #[inline(always)]
    fn dot(row: &[__m128i; 4], by: &[__m128i; 3]) -> [__m128i; 2] {
        unsafe {
            let mut along = [_mm_setzero_si128(); 2];
            for c in 0..3 {
                let [even, odd] = Self::halves(row[c]);
                along[0] = _mm_add_epi16(along[0], _mm_mullo_epi16(even, by[c]));
                along[1] = _mm_add_epi16(along[1], _mm_mullo_epi16(odd, by[c]));
            }
            along
        }
    }

    #[inline(always)]
    fn passed([even, odd]: [__m128i; 2], thresholds: &[__m128i; 3]) -> __m128i {
        unsafe {
            let both = _mm_add_epi16(count(even, thresholds), _mm_slli_epi16(count(odd, thresholds), 8));
            _mm_sub_epi16(_mm_setzero_si128(), both)
        }
    }

    #[inline(always)]
    fn halves(of: __m128i) -> [__m128i; 2] {
        unsafe { [_mm_and_si128(of, low()), _mm_srli_epi16(of, 8)] }
    }

    #[inline(always)]
    fn joined([even, odd]: [__m128i; 2]) -> __m128i {
        unsafe { _mm_or_si128(even, _mm_slli_epi16(odd, 8)) }
    }

    #[inline(always)]
    fn word(value: i16) -> __m128i {
        unsafe { _mm_set1_epi16(value) }
    }

    #[inline(always)]
    fn add(a: __m128i, b: __m128i) -> __m128i {
        unsafe { _mm_add_epi16(a, b) }
    }

    #[inline(always)]
    fn sub(a: __m128i, b: __m128i) -> __m128i {
        unsafe { _mm_sub_epi16(a, b) }
    }

    #[inline(always)]
    fn mul(a: __m128i, b: __m128i) -> __m128i {
        unsafe { _mm_mullo_epi16(a, b) }
    }

    #[inline(always)]
    fn part(of: __m128i, by: __m128i) -> __m128i {
        unsafe {
            let (high, low) = (_mm_mulhi_epi16(of, by), _mm_mullo_epi16(of, by));
            let whole = _mm_or_si128(_mm_add_epi16(high, high), _mm_srli_epi16(low, 15));
            _mm_add_epi16(whole, _mm_and_si128(_mm_srli_epi16(low, 14), _mm_set1_epi16(1)))
        }
    }

    #[inline(always)]
    fn held_sum(a: __m128i, b: __m128i) -> __m128i {
        unsafe { _mm_adds_epi16(a, b) }
    }

    #[inline(always)]
    fn within(of: __m128i, most: __m128i) -> __m128i {
        unsafe { _mm_min_epi16(_mm_max_epi16(of, _mm_setzero_si128()), most) }
    }

    #[inline(always)]
    fn abs(of: __m128i) -> __m128i {
        unsafe { _mm_max_epi16(of, _mm_sub_epi16(_mm_setzero_si128(), of)) }
    }

    #[inline(always)]
    fn same(a: &[__m128i; 3], b: &[__m128i; 3], yes: __m128i, no: __m128i) -> __m128i {
        unsafe {
            let two = _mm_and_si128(_mm_cmpeq_epi16(a[0], b[0]), _mm_cmpeq_epi16(a[1], b[1]));
            choose(_mm_and_si128(two, _mm_cmpeq_epi16(a[2], b[2])), yes, no)
        }
    }

    #[inline(always)]
    fn falls(of: __m128i, yes: __m128i, no: __m128i) -> __m128i {
        unsafe { choose(_mm_srai_epi16(of, 15), yes, no) }
    }

    #[inline(always)]
    fn both(of: __m128i) -> __m128i {
        unsafe { _mm_adds_epi16(of, turned(of)) }
    }

    #[inline(always)]
    fn floats(of: __m128i) -> __m128 {
        unsafe { _mm_cvtepi32_ps(_mm_srai_epi32(of, 16)) }
    }

    #[inline(always)]
    fn round(of: __m128) -> __m128i {
        unsafe {
            let whole = _mm_cvtps_epi32(of);
            choose(second(), _mm_slli_epi32(whole, 16), whole)
        }
    }

    #[inline(always)]
    fn float(value: f32) -> __m128 {
        unsafe { _mm_set1_ps(value) }
    }

    #[inline(always)]
    fn plus(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_add_ps(a, b) }
    }

    #[inline(always)]
    fn minus(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_sub_ps(a, b) }
    }

    #[inline(always)]
    fn times(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_mul_ps(a, b) }
    }

    #[inline(always)]
    fn over(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_div_ps(a, b) }
    }

    #[inline(always)]
    fn held(of: __m128, most: __m128) -> __m128 {
        unsafe { _mm_min_ps(_mm_max_ps(of, _mm_setzero_ps()), most) }
    }

    #[inline(always)]
    fn squares([even, odd]: [__m128i; 2]) -> __m128 {
        unsafe { _mm_cvtepi32_ps(_mm_add_epi32(_mm_madd_epi16(even, even), _mm_madd_epi16(odd, odd))) }
    }

    #[inline(always)]
    fn store(of: __m128, out: &mut [f32]) {
        let out: &mut [f32; 4] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; there are as many numbers as blocks.
        unsafe { _mm_storeu_ps(out.as_mut_ptr(), of) }
    }

    #[inline(always)]
    fn bc1(first: __m128i, second: __m128i, thirds: &[__m128i; 4], out: &mut [[u8; 8]]) {
        let out: &mut [[u8; 8]; 4] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; both stores are within the four blocks.
        unsafe {
            let (upper, lower) = (_mm_slli_epi32(bits(thirds[1]), 8), _mm_slli_epi32(bits(thirds[3]), 24));
            let rest = _mm_or_si128(bits(thirds[0]), _mm_slli_epi32(bits(thirds[2]), 16));
            let word = _mm_or_si128(_mm_or_si128(upper, lower), rest);
            // Every other bit; none, one, two and three thirds are the selectors 0, 2, 3 and 1.
            let every = _mm_set1_epi32(0x5555_5555);
            let half = _mm_srli_epi32(word, 1);
            let higher = _mm_and_si128(_mm_xor_si128(word, half), every);
            let word = _mm_or_si128(_mm_add_epi32(higher, higher), _mm_and_si128(half, every));

            let more = _mm_subs_epu16(first, second);
            let most = _mm_add_epi16(second, more);
            let ends = choose(self::second(), _mm_sub_epi16(first, more), most);
            let word = _mm_xor_si128(word, _mm_andnot_si128(_mm_cmpeq_epi16(most, first), every));
            let word = _mm_andnot_si128(_mm_cmpeq_epi16(first, second), word);
            let low = _mm_unpacklo_epi32(ends, word);
            let high = _mm_unpackhi_epi32(ends, word);
            _mm_storeu_si128(out.as_mut_ptr().cast(), low);
            _mm_storeu_si128(out.as_mut_ptr().add(2).cast(), high);
        }
    }

    #[inline(always)]
    fn bc7(codes: &[[__m128i; 4]; 2], lowest: &[__m128i; 2], fifteenths: &[__m128i; 4], out: &mut [[u8; 16]]) {
        let out: &mut [[u8; 16]; 4] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; each of the four stores is within the four blocks.
        unsafe {
            // The first index' highest bit isn't written: ends are turned round where it is set.
            let turned = _mm_srai_epi32(_mm_slli_epi32(fifteenths[0], 28), 31);
            let (mut first, mut second) = (codes[0], codes[1]);
            for c in 0..4 {
                first[c] = _mm_and_si128(choose(turned, codes[1][c], codes[0][c]), _mm_set1_epi32(0x7F));
                second[c] = _mm_and_si128(choose(turned, codes[0][c], codes[1][c]), _mm_set1_epi32(0x7F));
            }
            let first_lowest = choose(turned, lowest[1], lowest[0]);
            let second_lowest = _mm_and_si128(choose(turned, lowest[0], lowest[1]), _mm_set1_epi32(1));
            let low = _mm_or_si128(nibbles(fifteenths[0]), _mm_slli_epi32(nibbles(fifteenths[1]), 16));
            let high = _mm_or_si128(nibbles(fifteenths[2]), _mm_slli_epi32(nibbles(fifteenths[3]), 16));
            let low = _mm_xor_si128(low, turned);
            let high = _mm_xor_si128(high, turned);

            let reds = _mm_or_si128(_mm_slli_epi32(first[0], 7), _mm_slli_epi32(second[0], 14));
            let greens = _mm_or_si128(_mm_slli_epi32(first[1], 21), _mm_slli_epi32(second[1], 28));
            let a = _mm_or_si128(_mm_or_si128(reds, greens), _mm_set1_epi32(1 << 6));
            let blues = _mm_or_si128(_mm_slli_epi32(first[2], 3), _mm_slli_epi32(second[2], 10));
            let alphas = _mm_or_si128(_mm_slli_epi32(first[3], 17), _mm_slli_epi32(second[3], 24));
            let b = _mm_or_si128(
                _mm_or_si128(blues, alphas),
                _mm_or_si128(_mm_srli_epi32(second[1], 4), _mm_slli_epi32(first_lowest, 31)),
            );
            let anchor = _mm_and_si128(low, _mm_set1_epi32(7));
            let c = _mm_add_epi32(_mm_add_epi32(low, anchor), second_lowest);

            let (some, others) = (_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
            let (rest, other_rest) = (_mm_unpacklo_epi32(c, high), _mm_unpackhi_epi32(c, high));
            let to = out.as_mut_ptr();
            _mm_storeu_si128(to.cast(), _mm_unpacklo_epi64(some, rest));
            _mm_storeu_si128(to.add(1).cast(), _mm_unpackhi_epi64(some, rest));
            _mm_storeu_si128(to.add(2).cast(), _mm_unpacklo_epi64(others, other_rest));
            _mm_storeu_si128(to.add(3).cast(), _mm_unpackhi_epi64(others, other_rest));
        }
    }
}

/// One channel, so many bits up, of the texels of four blocks.
#[inline(always)]
fn channel<const UP: i32>(blocks: [__m128i; 4]) -> __m128i {
    unsafe {
        let mut values = blocks;
        for at in 0..4 {
            values[at] = _mm_and_si128(_mm_srli_epi32(blocks[at], UP), _mm_set1_epi32(0xFF));
        }
        let [a, b, c, d] = values;
        _mm_packus_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d))
    }
}

/// `yes` where all bits of the mask are set, `no` where none is.
#[inline(always)]
fn choose(mask: __m128i, yes: __m128i, no: __m128i) -> __m128i {
    unsafe { _mm_or_si128(_mm_and_si128(mask, yes), _mm_andnot_si128(mask, no)) }
}

/// The second number of each block.
#[inline(always)]
fn second() -> __m128i {
    unsafe { _mm_set1_epi32(0xFFFF << 16) }
}

/// The lower byte of each number of 16 bits.
#[inline(always)]
fn low() -> __m128i {
    unsafe { _mm_set1_epi16(0xFF) }
}

/// Both numbers of each block in the place of the other.
#[inline(always)]
fn turned(of: __m128i) -> __m128i {
    unsafe { _mm_shufflehi_epi16(_mm_shufflelo_epi16(of, 0b10_11_00_01), 0b10_11_00_01) }
}

/// Less than nothing by as many thresholds as each number is beyond.
#[inline(always)]
fn count(along: __m128i, thresholds: &[__m128i; 3]) -> __m128i {
    unsafe {
        let [a, b, c] = *thresholds;
        let two = _mm_add_epi16(_mm_cmpgt_epi16(along, a), _mm_cmpgt_epi16(along, b));
        _mm_add_epi16(two, _mm_cmpgt_epi16(along, c))
    }
}

/// Two bits of each of four texels in a row together.
#[inline(always)]
fn bits(thirds: __m128i) -> __m128i {
    unsafe {
        let two = _mm_add_epi16(_mm_and_si128(thirds, low()), _mm_slli_epi16(_mm_srli_epi16(thirds, 8), 2));
        _mm_madd_epi16(two, _mm_set1_epi32(0x0010_0001))
    }
}

/// Four bits of each of four texels in a row together.
#[inline(always)]
fn nibbles(of: __m128i) -> __m128i {
    unsafe {
        let two = _mm_add_epi16(_mm_and_si128(of, low()), _mm_slli_epi16(_mm_srli_epi16(of, 8), 4));
        _mm_madd_epi16(two, _mm_set1_epi32(0x0100_0001))
    }
}
