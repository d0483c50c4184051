//! Eight blocks in AVX2's vectors.

#![allow(unsafe_code, reason = "AVX2's instructions, which are run where they were looked for")]

use super::{Kernel, Lanes, Row};
use std::arch::x86_64::*;

/// A machine that has AVX2.
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn found() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    pub(super) fn run(&self, kernel: impl Kernel) {
        // SAFETY: AVX2 was found.
        unsafe { run(kernel) }
    }
}

#[target_feature(enable = "avx2")]
fn run(kernel: impl Kernel) {
    kernel.run::<Avx2>();
}

// SAFETY of all below: only `run` has kernels use these lanes, where AVX2 was found.
impl Lanes for Avx2 {
    const BLOCKS: usize = 8;

    type Bytes = __m256i;
    type Words = __m256i;
    type Floats = __m256;

    #[inline(always)]
    fn row(texels: Row<'_>) -> [__m256i; 4] {
        let texels: &[[u8; 4]; 32] = &texels.as_chunks().0[0];
        // SAFETY: see above; each of the four loads stays within the 32 texels.
        unsafe {
            // Reds, greens, blues and alphas of each block together.
            let apart =
                _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
            let [mut a, mut b, mut c, mut d] = [apart; 4];
            for (at, to) in [&mut a, &mut b, &mut c, &mut d].into_iter().enumerate() {
                *to = _mm256_shuffle_epi8(_mm256_loadu_si256(texels.as_ptr().add(at * 8).cast()), apart);
            }
            let (left, right) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
            let (red, green) = (_mm256_unpacklo_epi64(left, right), _mm256_unpackhi_epi64(left, right));
            let (left, right) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
            [red, green, _mm256_unpacklo_epi64(left, right), _mm256_unpackhi_epi64(left, right)]
        }
    }

    #[inline(always)]
    fn min(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_min_epu8(a, b) }
    }

    #[inline(always)]
    fn max(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_max_epu8(a, b) }
    }

    #[inline(always)]
    fn least(of: __m256i) -> __m256i {
        unsafe {
            let two = _mm256_min_epu8(of, turned(of));
            _mm256_min_epu8(_mm256_srli_epi16(two, 8), _mm256_and_si256(two, low()))
        }
    }

    #[inline(always)]
    fn most(of: __m256i) -> __m256i {
        unsafe {
            let two = _mm256_max_epu8(of, turned(of));
            _mm256_max_epu8(_mm256_srli_epi16(two, 8), _mm256_and_si256(two, low()))
        }
    }

    #[inline(always)]
    fn beyond(of: __m256i, base: __m256i) -> __m256i {
        unsafe { _mm256_sub_epi8(of, _mm256_or_si256(base, _mm256_slli_epi16(base, 8))) }
    }

    #[inline(always)]
    fn products(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_maddubs_epi16(_mm256_abs_epi8(b), _mm256_sign_epi8(a, b)) }
    }

    #[inline(always)]
    fn sums(values: [__m256i; 4], by: &[__m256i; 4]) -> [__m256; 2] {
        unsafe {
            let (mut plain, mut weighed) = (_mm256_setzero_si256(), _mm256_setzero_si256());
            for row in 0..4 {
                plain = _mm256_add_epi16(plain, _mm256_maddubs_epi16(values[row], _mm256_set1_epi8(1)));
                weighed = _mm256_add_epi16(weighed, _mm256_maddubs_epi16(values[row], by[row]));
            }
            let one = _mm256_set1_epi16(1);
            [_mm256_cvtepi32_ps(_mm256_madd_epi16(plain, one)), _mm256_cvtepi32_ps(_mm256_madd_epi16(weighed, one))]
        }
    }

    #[inline(always)]
    fn dot(row: &[__m256i; 4], by: &[__m256i; 3]) -> [__m256i; 2] {
        unsafe {
            let mut along = [_mm256_setzero_si256(); 2];
            for c in 0..3 {
                let even = _mm256_maddubs_epi16(row[c], _mm256_and_si256(by[c], low()));
                let odd = _mm256_maddubs_epi16(row[c], _mm256_slli_epi16(by[c], 8));
                along = [_mm256_add_epi16(along[0], even), _mm256_add_epi16(along[1], odd)];
            }
            along
        }
    }

    #[inline(always)]
    fn passed([even, odd]: [__m256i; 2], thresholds: &[__m256i; 3]) -> __m256i {
        unsafe {
            let both = _mm256_add_epi16(count(even, thresholds), _mm256_slli_epi16(count(odd, thresholds), 8));
            _mm256_sub_epi16(_mm256_setzero_si256(), both)
        }
    }

    #[inline(always)]
    fn halves(of: __m256i) -> [__m256i; 2] {
        unsafe { [_mm256_and_si256(of, low()), _mm256_srli_epi16(of, 8)] }
    }

    #[inline(always)]
    fn joined([even, odd]: [__m256i; 2]) -> __m256i {
        unsafe { _mm256_or_si256(even, _mm256_slli_epi16(odd, 8)) }
    }

    #[inline(always)]
    fn word(value: i16) -> __m256i {
        unsafe { _mm256_set1_epi16(value) }
    }

    #[inline(always)]
    fn add(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_add_epi16(a, b) }
    }

    #[inline(always)]
    fn sub(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_sub_epi16(a, b) }
    }

    #[inline(always)]
    fn mul(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_mullo_epi16(a, b) }
    }

    #[inline(always)]
    fn part(of: __m256i, by: __m256i) -> __m256i {
        unsafe { _mm256_mulhrs_epi16(of, by) }
    }

    #[inline(always)]
    fn held_sum(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_adds_epi16(a, b) }
    }

    #[inline(always)]
    fn within(of: __m256i, most: __m256i) -> __m256i {
        unsafe { _mm256_min_epi16(_mm256_max_epi16(of, _mm256_setzero_si256()), most) }
    }

    #[inline(always)]
    fn abs(of: __m256i) -> __m256i {
        unsafe { _mm256_abs_epi16(of) }
    }

    #[inline(always)]
    fn same(a: &[__m256i; 3], b: &[__m256i; 3], yes: __m256i, no: __m256i) -> __m256i {
        unsafe {
            let two = _mm256_and_si256(_mm256_cmpeq_epi16(a[0], b[0]), _mm256_cmpeq_epi16(a[1], b[1]));
            _mm256_blendv_epi8(no, yes, _mm256_and_si256(two, _mm256_cmpeq_epi16(a[2], b[2])))
        }
    }

    #[inline(always)]
    fn falls(of: __m256i, yes: __m256i, no: __m256i) -> __m256i {
        unsafe { _mm256_blendv_epi8(no, yes, _mm256_srai_epi16(of, 15)) }
    }

    #[inline(always)]
    fn both(of: __m256i) -> __m256i {
        unsafe { _mm256_adds_epi16(of, turned(of)) }
    }

    #[inline(always)]
    fn floats(of: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_srai_epi32(of, 16)) }
    }

    #[inline(always)]
    fn round(of: __m256) -> __m256i {
        unsafe {
            let whole = _mm256_cvtps_epi32(of);
            _mm256_blend_epi16(whole, _mm256_slli_epi32(whole, 16), 0xAA)
        }
    }

    #[inline(always)]
    fn float(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn plus(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn minus(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn times(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn over(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn held(of: __m256, most: __m256) -> __m256 {
        unsafe { _mm256_min_ps(_mm256_max_ps(of, _mm256_setzero_ps()), most) }
    }

    #[inline(always)]
    fn squares([even, odd]: [__m256i; 2]) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_madd_epi16(even, even), _mm256_madd_epi16(odd, odd))) }
    }

    #[inline(always)]
    fn store(of: __m256, out: &mut [f32]) {
        let out: &mut [f32; 8] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; there are as many numbers as blocks.
        unsafe {
            let ordered = _mm256_permutevar8x32_ps(of, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
            _mm256_storeu_ps(out.as_mut_ptr(), ordered);
        }
    }

    #[inline(always)]
    fn bc1(first: __m256i, second: __m256i, thirds: &[__m256i; 4], out: &mut [[u8; 8]]) {
        let out: &mut [[u8; 8]; 8] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; both stores are within the eight blocks.
        unsafe {
            let (upper, lower) = (_mm256_slli_epi32(bits(thirds[1]), 8), _mm256_slli_epi32(bits(thirds[3]), 24));
            let rest = _mm256_or_si256(bits(thirds[0]), _mm256_slli_epi32(bits(thirds[2]), 16));
            let word = _mm256_or_si256(_mm256_or_si256(upper, lower), rest);
            // Every other bit; none, one, two and three thirds are the selectors 0, 2, 3 and 1.
            let every = _mm256_set1_epi32(0x5555_5555);
            let half = _mm256_srli_epi32(word, 1);
            let higher = _mm256_and_si256(_mm256_xor_si256(word, half), every);
            let word = _mm256_or_si256(_mm256_add_epi32(higher, higher), _mm256_and_si256(half, every));

            let most = _mm256_max_epu16(first, second);
            let ends = _mm256_blend_epi16(most, _mm256_min_epu16(first, second), 0xAA);
            let word = _mm256_xor_si256(word, _mm256_andnot_si256(_mm256_cmpeq_epi16(most, first), every));
            let word = _mm256_andnot_si256(_mm256_cmpeq_epi16(first, second), word);
            let low = _mm256_permute4x64_epi64(_mm256_unpacklo_epi32(ends, word), 0b11_01_10_00);
            let high = _mm256_permute4x64_epi64(_mm256_unpackhi_epi32(ends, word), 0b11_01_10_00);
            _mm256_storeu_si256(out.as_mut_ptr().cast(), low);
            _mm256_storeu_si256(out.as_mut_ptr().add(4).cast(), high);
        }
    }

    #[inline(always)]
    fn bc7(codes: &[[__m256i; 4]; 2], lowest: &[__m256i; 2], fifteenths: &[__m256i; 4], out: &mut [[u8; 16]]) {
        let out: &mut [[u8; 16]; 8] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; each of the four stores is within the eight blocks.
        unsafe {
            // The first index' highest bit isn't written: ends are turned round where it is set.
            let turned = _mm256_srai_epi32(_mm256_slli_epi32(fifteenths[0], 28), 31);
            let (mut first, mut second) = (codes[0], codes[1]);
            for c in 0..4 {
                first[c] =
                    _mm256_and_si256(_mm256_blendv_epi8(codes[0][c], codes[1][c], turned), _mm256_set1_epi32(0x7F));
                second[c] =
                    _mm256_and_si256(_mm256_blendv_epi8(codes[1][c], codes[0][c], turned), _mm256_set1_epi32(0x7F));
            }
            let first_lowest = _mm256_blendv_epi8(lowest[0], lowest[1], turned);
            let second_lowest =
                _mm256_and_si256(_mm256_blendv_epi8(lowest[1], lowest[0], turned), _mm256_set1_epi32(1));
            let low = _mm256_or_si256(nibbles(fifteenths[0]), _mm256_slli_epi32(nibbles(fifteenths[1]), 16));
            let high = _mm256_or_si256(nibbles(fifteenths[2]), _mm256_slli_epi32(nibbles(fifteenths[3]), 16));
            let low = _mm256_xor_si256(low, turned);
            let high = _mm256_xor_si256(high, turned);

            let reds = _mm256_or_si256(_mm256_slli_epi32(first[0], 7), _mm256_slli_epi32(second[0], 14));
            let greens = _mm256_or_si256(_mm256_slli_epi32(first[1], 21), _mm256_slli_epi32(second[1], 28));
            let a = _mm256_or_si256(_mm256_or_si256(reds, greens), _mm256_set1_epi32(1 << 6));
            let blues = _mm256_or_si256(_mm256_slli_epi32(first[2], 3), _mm256_slli_epi32(second[2], 10));
            let alphas = _mm256_or_si256(_mm256_slli_epi32(first[3], 17), _mm256_slli_epi32(second[3], 24));
            let b = _mm256_or_si256(
                _mm256_or_si256(blues, alphas),
                _mm256_or_si256(_mm256_srli_epi32(second[1], 4), _mm256_slli_epi32(first_lowest, 31)),
            );
            let anchor = _mm256_and_si256(low, _mm256_set1_epi32(7));
            let c = _mm256_add_epi32(_mm256_add_epi32(low, anchor), second_lowest);

            let (some, others) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
            let (rest, other_rest) = (_mm256_unpacklo_epi32(c, high), _mm256_unpackhi_epi32(c, high));
            let to = out.as_mut_ptr();
            _mm256_storeu_si256(to.cast(), _mm256_unpacklo_epi64(some, rest));
            _mm256_storeu_si256(to.add(2).cast(), _mm256_unpackhi_epi64(some, rest));
            _mm256_storeu_si256(to.add(4).cast(), _mm256_unpacklo_epi64(others, other_rest));
            _mm256_storeu_si256(to.add(6).cast(), _mm256_unpackhi_epi64(others, other_rest));
        }
    }
}

/// The lower byte of each number of 16 bits.
#[inline(always)]
fn low() -> __m256i {
    unsafe { _mm256_set1_epi16(0xFF) }
}

/// Both numbers of each block in the place of the other.
#[inline(always)]
fn turned(of: __m256i) -> __m256i {
    unsafe { _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(of, 0b10_11_00_01), 0b10_11_00_01) }
}

/// Less than nothing by as many thresholds as each number is beyond.
#[inline(always)]
fn count(along: __m256i, thresholds: &[__m256i; 3]) -> __m256i {
    unsafe {
        let [a, b, c] = *thresholds;
        let two = _mm256_add_epi16(_mm256_cmpgt_epi16(along, a), _mm256_cmpgt_epi16(along, b));
        _mm256_add_epi16(two, _mm256_cmpgt_epi16(along, c))
    }
}

/// Two bits of each of four texels in a row together.
#[inline(always)]
fn bits(thirds: __m256i) -> __m256i {
    unsafe {
        let two = _mm256_maddubs_epi16(thirds, _mm256_set1_epi16(0x0401));
        _mm256_madd_epi16(two, _mm256_set1_epi32(0x0010_0001))
    }
}

/// Four bits of each of four texels in a row together.
#[inline(always)]
fn nibbles(of: __m256i) -> __m256i {
    unsafe {
        let two = _mm256_maddubs_epi16(of, _mm256_set1_epi16(0x1001));
        _mm256_madd_epi16(two, _mm256_set1_epi32(0x0100_0001))
    }
}
