//! Sixteen blocks in the vectors of AVX-512.

#![allow(unsafe_code, reason = "instructions of AVX-512, which are run where they were looked for")]

use super::{Kernel, Lanes, Row};
use std::arch::x86_64::*;

/// A machine that has AVX-512 for whole numbers of 8 and 16 bits.
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn found() -> Option<Self> {
        let found = std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512bw");
        found.then_some(Self(()))
    }

    pub(super) fn run(&self, kernel: impl Kernel) {
        // SAFETY: AVX-512 was found.
        unsafe { run(kernel) }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn run(kernel: impl Kernel) {
    kernel.run::<Avx512>();
}

// SAFETY of all below: only `run` has kernels use these lanes, where AVX-512 was found.
impl Lanes for Avx512 {
    const BLOCKS: usize = 16;

    type Bytes = __m512i;
    type Words = __m512i;
    type Floats = __m512;

    #[inline(always)]
    fn row(texels: Row<'_>) -> [__m512i; 4] {
        let texels: &[[u8; 4]; 64] = &texels.as_chunks().0[0];
        // SAFETY: see above; each of the four loads stays within the 64 texels.
        unsafe {
            // Reds, greens, blues and alphas of each block together.
            let apart = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
            let [mut a, mut b, mut c, mut d] = [apart; 4];
            for (at, to) in [&mut a, &mut b, &mut c, &mut d].into_iter().enumerate() {
                *to = _mm512_shuffle_epi8(_mm512_loadu_si512(texels.as_ptr().add(at * 16).cast()), apart);
            }
            let (left, right) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
            let (red, green) = (_mm512_unpacklo_epi64(left, right), _mm512_unpackhi_epi64(left, right));
            let (left, right) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
            [red, green, _mm512_unpacklo_epi64(left, right), _mm512_unpackhi_epi64(left, right)]
        }
    }

    #[inline(always)]
    fn min(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_min_epu8(a, b) }
    }

    #[inline(always)]
    fn max(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_max_epu8(a, b) }
    }

    #[inline(always)]
    fn least(of: __m512i) -> __m512i {
        unsafe {
            let two = _mm512_min_epu8(of, turned(of));
            _mm512_min_epu8(_mm512_srli_epi16(two, 8), _mm512_and_si512(two, low()))
        }
    }

    #[inline(always)]
    fn most(of: __m512i) -> __m512i {
        unsafe {
            let two = _mm512_max_epu8(of, turned(of));
            _mm512_max_epu8(_mm512_srli_epi16(two, 8), _mm512_and_si512(two, low()))
        }
    }

    #[inline(always)]
    fn beyond(of: __m512i, base: __m512i) -> __m512i {
        unsafe { _mm512_sub_epi8(of, _mm512_or_si512(base, _mm512_slli_epi16(base, 8))) }
    }

    #[inline(always)]
    fn products(a: __m512i, b: __m512i) -> __m512i {
        unsafe {
            let signed = _mm512_mask_sub_epi8(a, _mm512_movepi8_mask(b), _mm512_setzero_si512(), a);
            _mm512_maddubs_epi16(_mm512_abs_epi8(b), signed)
        }
    }

    #[inline(always)]
    fn sums(values: [__m512i; 4], by: &[__m512i; 4]) -> [__m512; 2] {
        unsafe {
            let (mut plain, mut weighed) = (_mm512_setzero_si512(), _mm512_setzero_si512());
            for row in 0..4 {
                plain = _mm512_add_epi16(plain, _mm512_maddubs_epi16(values[row], _mm512_set1_epi8(1)));
                weighed = _mm512_add_epi16(weighed, _mm512_maddubs_epi16(values[row], by[row]));
            }
            let one = _mm512_set1_epi16(1);
            [_mm512_cvtepi32_ps(_mm512_madd_epi16(plain, one)), _mm512_cvtepi32_ps(_mm512_madd_epi16(weighed, one))]
        }
    }

    #[inline(always)]
    fn dot(row: &[__m512i; 4], by: &[__m512i; 3]) -> [__m512i; 2] {
        unsafe {
            let mut along = [_mm512_setzero_si512(); 2];
            for c in 0..3 {
                let even = _mm512_maddubs_epi16(row[c], _mm512_and_si512(by[c], low()));
                let odd = _mm512_maddubs_epi16(row[c], _mm512_slli_epi16(by[c], 8));
                along = [_mm512_add_epi16(along[0], even), _mm512_add_epi16(along[1], odd)];
            }
            along
        }
    }

    #[inline(always)]
    fn passed([even, odd]: [__m512i; 2], thresholds: &[__m512i; 3]) -> __m512i {
        unsafe { _mm512_or_si512(count(even, thresholds), _mm512_slli_epi16(count(odd, thresholds), 8)) }
    }

    #[inline(always)]
    fn halves(of: __m512i) -> [__m512i; 2] {
        unsafe { [_mm512_and_si512(of, low()), _mm512_srli_epi16(of, 8)] }
    }

    #[inline(always)]
    fn joined([even, odd]: [__m512i; 2]) -> __m512i {
        unsafe { _mm512_or_si512(even, _mm512_slli_epi16(odd, 8)) }
    }

    #[inline(always)]
    fn word(value: i16) -> __m512i {
        unsafe { _mm512_set1_epi16(value) }
    }

    #[inline(always)]
    fn add(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_add_epi16(a, b) }
    }

    #[inline(always)]
    fn sub(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_sub_epi16(a, b) }
    }

    #[inline(always)]
    fn mul(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_mullo_epi16(a, b) }
    }

    #[inline(always)]
    fn part(of: __m512i, by: __m512i) -> __m512i {
        unsafe { _mm512_mulhrs_epi16(of, by) }
    }

    #[inline(always)]
    fn held_sum(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_adds_epi16(a, b) }
    }

    #[inline(always)]
    fn within(of: __m512i, most: __m512i) -> __m512i {
        unsafe { _mm512_min_epi16(_mm512_max_epi16(of, _mm512_setzero_si512()), most) }
    }

    #[inline(always)]
    fn abs(of: __m512i) -> __m512i {
        unsafe { _mm512_abs_epi16(of) }
    }

    #[inline(always)]
    fn same(a: &[__m512i; 3], b: &[__m512i; 3], yes: __m512i, no: __m512i) -> __m512i {
        unsafe {
            let two = _mm512_mask_cmpeq_epi16_mask(_mm512_cmpeq_epi16_mask(a[0], b[0]), a[1], b[1]);
            _mm512_mask_blend_epi16(_mm512_mask_cmpeq_epi16_mask(two, a[2], b[2]), no, yes)
        }
    }

    #[inline(always)]
    fn falls(of: __m512i, yes: __m512i, no: __m512i) -> __m512i {
        unsafe { _mm512_mask_blend_epi16(_mm512_movepi16_mask(of), no, yes) }
    }

    #[inline(always)]
    fn both(of: __m512i) -> __m512i {
        unsafe { _mm512_adds_epi16(of, turned(of)) }
    }

    #[inline(always)]
    fn floats(of: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_srai_epi32(of, 16)) }
    }

    #[inline(always)]
    fn round(of: __m512) -> __m512i {
        unsafe {
            let whole = _mm512_cvtps_epi32(of);
            _mm512_mask_blend_epi16(SECOND, whole, _mm512_slli_epi32(whole, 16))
        }
    }

    #[inline(always)]
    fn float(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn plus(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn minus(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn times(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn over(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn held(of: __m512, most: __m512) -> __m512 {
        unsafe { _mm512_min_ps(_mm512_max_ps(of, _mm512_setzero_ps()), most) }
    }

    #[inline(always)]
    fn squares([even, odd]: [__m512i; 2]) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_madd_epi16(even, even), _mm512_madd_epi16(odd, odd))) }
    }

    #[inline(always)]
    fn store(of: __m512, out: &mut [f32]) {
        let out: &mut [f32; 16] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; there are as many numbers as blocks.
        unsafe {
            let ordered =
                _mm512_permutexvar_ps(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), of);
            _mm512_storeu_ps(out.as_mut_ptr(), ordered);
        }
    }

    #[inline(always)]
    fn bc1(first: __m512i, second: __m512i, thirds: &[__m512i; 4], out: &mut [[u8; 8]]) {
        let out: &mut [[u8; 8]; 16] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; both stores are within the sixteen blocks.
        unsafe {
            let (upper, lower) = (_mm512_slli_epi32(bits(thirds[1]), 8), _mm512_slli_epi32(bits(thirds[3]), 24));
            let rest = _mm512_or_si512(bits(thirds[0]), _mm512_slli_epi32(bits(thirds[2]), 16));
            let word = _mm512_or_si512(_mm512_or_si512(upper, lower), rest);
            // Every other bit; none, one, two and three thirds are the selectors 0, 2, 3 and 1.
            let every = _mm512_set1_epi32(0x5555_5555);
            let half = _mm512_srli_epi32(word, 1);
            let higher = _mm512_and_si512(_mm512_xor_si512(word, half), every);
            let word = _mm512_or_si512(_mm512_add_epi32(higher, higher), _mm512_and_si512(half, every));

            let most = _mm512_max_epu16(first, second);
            let ends = _mm512_mask_blend_epi16(SECOND, most, _mm512_min_epu16(first, second));
            let turned = _mm512_mask_xor_epi32(word, _mm512_cmpneq_epi32_mask(most, first), word, every);
            let word = _mm512_maskz_mov_epi32(_mm512_cmpneq_epi32_mask(first, second), turned);
            let (some, others) = (_mm512_unpacklo_epi32(ends, word), _mm512_unpackhi_epi32(ends, word));
            let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
            _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_permutexvar_epi64(order, some));
            _mm512_storeu_si512(out.as_mut_ptr().add(8).cast(), _mm512_permutexvar_epi64(order, others));
        }
    }

    #[inline(always)]
    fn bc7(codes: &[[__m512i; 4]; 2], lowest: &[__m512i; 2], fifteenths: &[__m512i; 4], out: &mut [[u8; 16]]) {
        let out: &mut [[u8; 16]; 16] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; each of the four stores is within the sixteen blocks.
        unsafe {
            // The first index' highest bit isn't written: ends are turned round where it is set.
            let turned = _mm512_test_epi32_mask(fifteenths[0], _mm512_set1_epi32(8));
            let (mut first, mut second) = (codes[0], codes[1]);
            for c in 0..4 {
                first[c] = _mm512_and_si512(
                    _mm512_mask_blend_epi32(turned, codes[0][c], codes[1][c]),
                    _mm512_set1_epi32(0x7F),
                );
                second[c] = _mm512_and_si512(
                    _mm512_mask_blend_epi32(turned, codes[1][c], codes[0][c]),
                    _mm512_set1_epi32(0x7F),
                );
            }
            let first_lowest = _mm512_mask_blend_epi32(turned, lowest[0], lowest[1]);
            let second_lowest =
                _mm512_and_si512(_mm512_mask_blend_epi32(turned, lowest[1], lowest[0]), _mm512_set1_epi32(1));
            let low = _mm512_or_si512(nibbles(fifteenths[0]), _mm512_slli_epi32(nibbles(fifteenths[1]), 16));
            let high = _mm512_or_si512(nibbles(fifteenths[2]), _mm512_slli_epi32(nibbles(fifteenths[3]), 16));
            let low = _mm512_mask_xor_epi32(low, turned, low, _mm512_set1_epi32(-1));
            let high = _mm512_mask_xor_epi32(high, turned, high, _mm512_set1_epi32(-1));

            let reds = _mm512_or_si512(_mm512_slli_epi32(first[0], 7), _mm512_slli_epi32(second[0], 14));
            let greens = _mm512_or_si512(_mm512_slli_epi32(first[1], 21), _mm512_slli_epi32(second[1], 28));
            let a = _mm512_or_si512(_mm512_or_si512(reds, greens), _mm512_set1_epi32(1 << 6));
            let blues = _mm512_or_si512(_mm512_slli_epi32(first[2], 3), _mm512_slli_epi32(second[2], 10));
            let alphas = _mm512_or_si512(_mm512_slli_epi32(first[3], 17), _mm512_slli_epi32(second[3], 24));
            let b = _mm512_or_si512(
                _mm512_or_si512(blues, alphas),
                _mm512_or_si512(_mm512_srli_epi32(second[1], 4), _mm512_slli_epi32(first_lowest, 31)),
            );
            let anchor = _mm512_and_si512(low, _mm512_set1_epi32(7));
            let c = _mm512_add_epi32(_mm512_add_epi32(low, anchor), second_lowest);

            let (some, others) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let (rest, other_rest) = (_mm512_unpacklo_epi32(c, high), _mm512_unpackhi_epi32(c, high));
            let to = out.as_mut_ptr();
            _mm512_storeu_si512(to.cast(), _mm512_unpacklo_epi64(some, rest));
            _mm512_storeu_si512(to.add(4).cast(), _mm512_unpackhi_epi64(some, rest));
            _mm512_storeu_si512(to.add(8).cast(), _mm512_unpacklo_epi64(others, other_rest));
            _mm512_storeu_si512(to.add(12).cast(), _mm512_unpackhi_epi64(others, other_rest));
        }
    }
}

/// The second number of each block.
const SECOND: __mmask32 = 0xAAAA_AAAA;

/// The lower byte of each number of 16 bits.
#[inline(always)]
fn low() -> __m512i {
    unsafe { _mm512_set1_epi16(0xFF) }
}

/// Both numbers of each block in the place of the other.
#[inline(always)]
fn turned(of: __m512i) -> __m512i {
    unsafe { _mm512_ror_epi32(of, 16) }
}

/// How many thresholds each number is beyond.
#[inline(always)]
fn count(along: __m512i, thresholds: &[__m512i; 3]) -> __m512i {
    unsafe {
        let one = _mm512_set1_epi16(1);
        let [a, b, c] = *thresholds;
        let first = _mm512_maskz_mov_epi16(_mm512_cmpgt_epi16_mask(along, a), one);
        let second = _mm512_mask_add_epi16(first, _mm512_cmpgt_epi16_mask(along, b), first, one);
        _mm512_mask_add_epi16(second, _mm512_cmpgt_epi16_mask(along, c), second, one)
    }
}

/// Two bits of each of four texels in a row together.
#[inline(always)]
fn bits(thirds: __m512i) -> __m512i {
    unsafe {
        let two = _mm512_maddubs_epi16(thirds, _mm512_set1_epi16(0x0401));
        _mm512_madd_epi16(two, _mm512_set1_epi32(0x0010_0001))
    }
}

/// Four bits of each of four texels in a row together.
#[inline(always)]
fn nibbles(of: __m512i) -> __m512i {
    unsafe {
        let two = _mm512_maddubs_epi16(of, _mm512_set1_epi16(0x1001));
        _mm512_madd_epi16(two, _mm512_set1_epi32(0x0100_0001))
    }
}
