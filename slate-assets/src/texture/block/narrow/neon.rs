//! Four blocks in the vectors that every 64-bit ARM has.

#![allow(unsafe_code, reason = "NEON's instructions, which are part of 64-bit ARM")]

use super::{Lanes, Row};
use std::arch::aarch64::*;

pub(super) struct Neon;

// SAFETY of all below: NEON is part of 64-bit ARM.
impl Lanes for Neon {
    const BLOCKS: usize = 4;

    type Bytes = uint8x16_t;
    type Words = int16x8_t;
    type Floats = float32x4_t;

    #[inline(always)]
    fn row(texels: Row<'_>) -> [uint8x16_t; 4] {
        let texels: &[[u8; 4]; 16] = &texels.as_chunks().0[0];
        // SAFETY: see above; as many bytes are read as there are.
        let uint8x16x4_t(red, green, blue, alpha) = unsafe { vld4q_u8(texels.as_ptr().cast()) };
        [red, green, blue, alpha]
    }

    #[inline(always)]
    fn min(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        unsafe { vminq_u8(a, b) }
    }

    #[inline(always)]
    fn max(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        unsafe { vmaxq_u8(a, b) }
    }

    #[inline(always)]
    fn least(of: uint8x16_t) -> int16x8_t {
        unsafe {
            let [even, odd] = Self::halves(vminq_u8(of, turned(of)));
            vminq_s16(even, odd)
        }
    }

    #[inline(always)]
    fn most(of: uint8x16_t) -> int16x8_t {
        unsafe {
            let [even, odd] = Self::halves(vmaxq_u8(of, turned(of)));
            vmaxq_s16(even, odd)
        }
    }

    #[inline(always)]
    fn beyond(of: uint8x16_t, base: int16x8_t) -> uint8x16_t {
        unsafe { vsubq_u8(of, Self::joined([base; 2])) }
    }

    #[inline(always)]
    fn products(a: uint8x16_t, b: uint8x16_t) -> int16x8_t {
        unsafe {
            // The first with the sign of the second, in 8 bits, by the second without its sign.
            let b = vreinterpretq_s8_u8(b);
            let falls = vcltzq_s8(b);
            let signed = vreinterpretq_s16_u8(vsubq_u8(veorq_u8(a, falls), falls));
            let [even_by, odd_by] = Self::halves(vreinterpretq_u8_s8(vabsq_s8(b)));
            let even = vmulq_s16(vshrq_n_s16::<8>(vshlq_n_s16::<8>(signed)), even_by);
            vqaddq_s16(even, vmulq_s16(vshrq_n_s16::<8>(signed), odd_by))
        }
    }

    #[inline(always)]
    fn sums(values: [uint8x16_t; 4], by: &[uint8x16_t; 4]) -> [float32x4_t; 2] {
        unsafe {
            let (mut plain, mut weighed) = (Self::word(0), Self::word(0));
            for row in 0..4 {
                let [even, odd] = Self::halves(values[row]);
                let [even_by, odd_by] = Self::halves(by[row]);
                plain = vaddq_s16(plain, vaddq_s16(even, odd));
                weighed = vmlaq_s16(vmlaq_s16(weighed, even, even_by), odd, odd_by);
            }
            [vcvtq_f32_s32(vpaddlq_s16(plain)), vcvtq_f32_s32(vpaddlq_s16(weighed))]
        }
    }

    #[inline(always)]
    fn dot(row: &[uint8x16_t; 4], by: &[int16x8_t; 3]) -> [int16x8_t; 2] {
        unsafe {
            let mut along = [Self::word(0); 2];
            for c in 0..3 {
                let [even, odd] = Self::halves(row[c]);
                along = [vmlaq_s16(along[0], even, by[c]), vmlaq_s16(along[1], odd, by[c])];
            }
            along
        }
    }

    #[inline(always)]
    fn passed([even, odd]: [int16x8_t; 2], thresholds: &[int16x8_t; 3]) -> uint8x16_t {
        Self::joined([count(even, thresholds), count(odd, thresholds)])
    }

    #[inline(always)]
    fn halves(of: uint8x16_t) -> [int16x8_t; 2] {
        unsafe {
            let of = vreinterpretq_u16_u8(of);
            [vandq_u16(of, vdupq_n_u16(0xFF)), vshrq_n_u16::<8>(of)].map(|half| vreinterpretq_s16_u16(half))
        }
    }

    #[inline(always)]
    fn joined([even, odd]: [int16x8_t; 2]) -> uint8x16_t {
        unsafe { vreinterpretq_u8_s16(vsliq_n_s16::<8>(even, odd)) }
    }

    #[inline(always)]
    fn word(value: i16) -> int16x8_t {
        unsafe { vdupq_n_s16(value) }
    }

    #[inline(always)]
    fn add(a: int16x8_t, b: int16x8_t) -> int16x8_t {
        unsafe { vaddq_s16(a, b) }
    }

    #[inline(always)]
    fn sub(a: int16x8_t, b: int16x8_t) -> int16x8_t {
        unsafe { vsubq_s16(a, b) }
    }

    #[inline(always)]
    fn mul(a: int16x8_t, b: int16x8_t) -> int16x8_t {
        unsafe { vmulq_s16(a, b) }
    }

    #[inline(always)]
    fn part(of: int16x8_t, by: int16x8_t) -> int16x8_t {
        unsafe { vqrdmulhq_s16(of, by) }
    }

    #[inline(always)]
    fn held_sum(a: int16x8_t, b: int16x8_t) -> int16x8_t {
        unsafe { vqaddq_s16(a, b) }
    }

    #[inline(always)]
    fn within(of: int16x8_t, most: int16x8_t) -> int16x8_t {
        unsafe { vminq_s16(vmaxq_s16(of, Self::word(0)), most) }
    }

    #[inline(always)]
    fn abs(of: int16x8_t) -> int16x8_t {
        unsafe { vabsq_s16(of) }
    }

    #[inline(always)]
    fn same(a: &[int16x8_t; 3], b: &[int16x8_t; 3], yes: int16x8_t, no: int16x8_t) -> int16x8_t {
        unsafe {
            let two = vandq_u16(vceqq_s16(a[0], b[0]), vceqq_s16(a[1], b[1]));
            vbslq_s16(vandq_u16(two, vceqq_s16(a[2], b[2])), yes, no)
        }
    }

    #[inline(always)]
    fn falls(of: int16x8_t, yes: int16x8_t, no: int16x8_t) -> int16x8_t {
        unsafe { vbslq_s16(vcltzq_s16(of), yes, no) }
    }

    #[inline(always)]
    fn both(of: int16x8_t) -> int16x8_t {
        unsafe { vqaddq_s16(of, vrev32q_s16(of)) }
    }

    #[inline(always)]
    fn floats(of: int16x8_t) -> float32x4_t {
        unsafe { vcvtq_f32_s32(vshrq_n_s32::<16>(vreinterpretq_s32_s16(of))) }
    }

    #[inline(always)]
    fn round(of: float32x4_t) -> int16x8_t {
        unsafe {
            let whole = vcvtnq_s32_f32(of);
            vreinterpretq_s16_s32(vsliq_n_s32::<16>(whole, whole))
        }
    }

    #[inline(always)]
    fn float(value: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    fn plus(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn minus(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn times(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn over(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn held(of: float32x4_t, most: float32x4_t) -> float32x4_t {
        unsafe { vminnmq_f32(vmaxnmq_f32(of, Self::float(0.0)), most) }
    }

    #[inline(always)]
    fn squares([even, odd]: [int16x8_t; 2]) -> float32x4_t {
        unsafe {
            let low = |of| vget_low_s16(of);
            let first = vmlal_s16(vmull_s16(low(even), low(even)), low(odd), low(odd));
            let last = vmlal_high_s16(vmull_high_s16(even, even), odd, odd);
            vcvtq_f32_s32(vpaddq_s32(first, last))
        }
    }

    #[inline(always)]
    fn store(of: float32x4_t, out: &mut [f32]) {
        let out: &mut [f32; 4] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; there are as many numbers as blocks.
        unsafe { vst1q_f32(out.as_mut_ptr(), of) }
    }

    #[inline(always)]
    fn bc1(first: int16x8_t, second: int16x8_t, thirds: &[uint8x16_t; 4], out: &mut [[u8; 8]]) {
        let out: &mut [[u8; 8]; 4] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; as many bytes are written as the four blocks have.
        unsafe {
            let (upper, lower) = (vshlq_n_u32::<8>(bits(thirds[1])), vshlq_n_u32::<24>(bits(thirds[3])));
            let rest = vorrq_u32(bits(thirds[0]), vshlq_n_u32::<16>(bits(thirds[2])));
            let word = vorrq_u32(vorrq_u32(upper, lower), rest);
            // Every other bit; none, one, two and three thirds are the selectors 0, 2, 3 and 1.
            let every = vdupq_n_u32(0x5555_5555);
            let half = vshrq_n_u32::<1>(word);
            let higher = vandq_u32(veorq_u32(word, half), every);
            let word = vorrq_u32(vaddq_u32(higher, higher), vandq_u32(half, every));

            let (first, second) = (vreinterpretq_u16_s16(first), vreinterpretq_u16_s16(second));
            let (more, less) = (vmaxq_u16(first, second), vminq_u16(first, second));
            // The greater in the lower half.
            let ends = vsliq_n_u32::<16>(vreinterpretq_u32_u16(more), vreinterpretq_u32_u16(less));
            let unturned = vreinterpretq_u32_u16(vceqq_u16(more, first));
            let word = veorq_u32(word, vbicq_u32(every, unturned));
            let word = vbicq_u32(word, vreinterpretq_u32_u16(vceqq_u16(first, second)));
            vst2q_u32(out.as_mut_ptr().cast(), uint32x4x2_t(ends, word));
        }
    }

    #[inline(always)]
    fn bc7(codes: &[[int16x8_t; 4]; 2], lowest: &[int16x8_t; 2], fifteenths: &[uint8x16_t; 4], out: &mut [[u8; 16]]) {
        let out: &mut [[u8; 16]; 4] = &mut out.as_chunks_mut().0[0];
        // SAFETY: see above; as many bytes are written as the four blocks have.
        unsafe {
            // The first index' highest bit isn't written: ends are turned round where it is set.
            let highest = vshlq_n_s32::<28>(vreinterpretq_s32_u8(fifteenths[0]));
            let turned = vreinterpretq_u32_s32(vshrq_n_s32::<31>(highest));
            let choose = |yes: int16x8_t, no: int16x8_t, mask: u32| {
                let chosen = vbslq_u32(turned, vreinterpretq_u32_s16(yes), vreinterpretq_u32_s16(no));
                vandq_u32(chosen, vdupq_n_u32(mask))
            };
            let [mut first, mut second] = [[vdupq_n_u32(0); 4]; 2];
            for c in 0..4 {
                first[c] = choose(codes[1][c], codes[0][c], 0x7F);
                second[c] = choose(codes[0][c], codes[1][c], 0x7F);
            }
            let [first_lowest, second_lowest] = [choose(lowest[1], lowest[0], 1), choose(lowest[0], lowest[1], 1)];
            let low = vsliq_n_u32::<16>(nibbles(fifteenths[0]), nibbles(fifteenths[1]));
            let high = vsliq_n_u32::<16>(nibbles(fifteenths[2]), nibbles(fifteenths[3]));
            let (low, high) = (veorq_u32(low, turned), veorq_u32(high, turned));

            // Each is put in above what is there: the mode, reds, greens; greens, blues, alphas, the first lowest bit.
            let a = vsliq_n_u32::<7>(vdupq_n_u32(1 << 6), first[0]);
            let a = vsliq_n_u32::<14>(a, second[0]);
            let a = vsliq_n_u32::<28>(vsliq_n_u32::<21>(a, first[1]), second[1]);
            let b = vsliq_n_u32::<3>(vshrq_n_u32::<4>(second[1]), first[2]);
            let b = vsliq_n_u32::<17>(vsliq_n_u32::<10>(b, second[2]), first[3]);
            let b = vsliq_n_u32::<31>(vsliq_n_u32::<24>(b, second[3]), first_lowest);
            let anchor = vandq_u32(low, vdupq_n_u32(7));
            let c = vaddq_u32(vaddq_u32(low, anchor), second_lowest);
            vst4q_u32(out.as_mut_ptr().cast(), uint32x4x4_t(a, b, c, high));
        }
    }
}

/// Both numbers of 16 bits of each block in the place of the other.
#[inline(always)]
fn turned(of: uint8x16_t) -> uint8x16_t {
    unsafe { vreinterpretq_u8_u16(vrev32q_u16(vreinterpretq_u16_u8(of))) }
}

/// How many thresholds each number is beyond.
#[inline(always)]
fn count(along: int16x8_t, thresholds: &[int16x8_t; 3]) -> int16x8_t {
    unsafe {
        let [a, b, c] = thresholds.map(|threshold| vreinterpretq_s16_u16(vcgtq_s16(along, threshold)));
        // What is so has all bits set: it is less than nothing by one.
        vnegq_s16(vaddq_s16(vaddq_s16(a, b), c))
    }
}

/// Two bits of each of four texels in a row together.
#[inline(always)]
fn bits(thirds: uint8x16_t) -> uint32x4_t {
    unsafe {
        let thirds = vreinterpretq_u16_u8(thirds);
        let two = vreinterpretq_u32_u16(vsraq_n_u16::<6>(thirds, thirds));
        let two = vandq_u32(two, vdupq_n_u32(0x000F_000F));
        vandq_u32(vsraq_n_u32::<12>(two, two), vdupq_n_u32(0xFF))
    }
}

/// Four bits of each of four texels in a row together.
#[inline(always)]
fn nibbles(of: uint8x16_t) -> uint32x4_t {
    unsafe {
        let of = vreinterpretq_u16_u8(of);
        let two = vreinterpretq_u32_u16(vsraq_n_u16::<4>(of, of));
        let two = vandq_u32(two, vdupq_n_u32(0x00FF_00FF));
        vandq_u32(vsraq_n_u32::<8>(two, two), vdupq_n_u32(0xFFFF))
    }
}
