//! Eight opaque blocks of four colours side by side, without a look at what comes out.

use super::{
    MOST,
    lanes::{Codes, Lanes, NEAR, Packed, Sums, floor, pack},
};
use crate::{
    simd::Kernel,
    texture::block::{
        line,
        wide::{Eight, LANES, Wide, planes},
    },
};

/// Shares of the way along the axis of the texels, the colours that fit those best, and the selectors that fit these.
pub(super) struct Once<'a> {
    pub(super) texels: &'a Eight<'a>,
}

impl Kernel for Once<'_> {
    type Out = Packed;

    #[inline(always)]
    fn run(self) -> Self::Out {
        let lanes = Lanes::new(self.texels);
        let codes = codes_along(&lanes, &line::axes(&lanes.matrix()));
        let (mut from, mut step) = ([Wide::default(); 3], [Wide::default(); 3]);
        for c in 0..3 {
            from[c] = lanes.value(codes[0][c], c);
            step[c] = lanes.value(codes[1][c], c) - from[c];
        }
        pack(&codes, &thirds(&lanes.planes, &from, &step))
    }
}

/// The colours that fit the texels best, each a third of the way along the axis.
#[inline(always)]
fn codes_along(lanes: &Lanes, axis: &[Wide; 3]) -> Codes {
    let mut along = [Wide::default(); 16];
    let (mut low, mut high) = (Wide::default(), Wide::default());
    for at in 0..16 {
        along[at] = lanes.along(axis, at);
        low = low.min(along[at]);
        high = high.max(along[at]);
    }
    // Drawn in by a sixteenth: the outermost texels are few.
    let span = high - low;
    let inset = span * Wide::splat(1.0 / 16.0);
    let scale = Wide::splat(3.0 / 0.875).over(span);
    let start = (low + inset) * scale;
    let (mut shares, mut squares, mut sums) = (Wide::default(), Wide::default(), [Wide::default(); 3]);
    for at in 0..16 {
        let third = (along[at] * scale - start).held(Wide::splat(3.0)).round();
        shares = shares + third;
        squares = squares + third * third;
        for c in 0..3 {
            sums[c] = sums[c] + third * lanes.planes[c][at];
        }
    }
    let third = Wide::splat(1.0 / 3.0);
    let texels = [sums[0] * third, sums[1] * third, sums[2] * third];
    let mut codes =
        lanes.refit_near(&Sums { shares: shares * third, squares: squares * Wide::splat(1.0 / 9.0), texels });
    for c in 0..3 {
        // Colours that are nearly one are taken apart: what lies between is reached by thirds.
        let most = Wide::splat(MOST[c] - 1.0);
        let below = floor(lanes.mean[c] * Wide::splat(MOST[c] / 255.0)).held(most);
        codes[0][c] = span.less(Wide::splat(NEAR), below + Wide::splat(1.0), codes[0][c]);
        codes[1][c] = span.less(Wide::splat(NEAR), below, codes[1][c]);
    }
    codes
}

/// The corners of the texels' range between which they lie, and the selectors that fit these.
pub(super) struct Range<'a> {
    pub(super) texels: &'a Eight<'a>,
}

impl Kernel for Range<'_> {
    type Out = Packed;

    #[inline(always)]
    fn run(self) -> Self::Out {
        let planes = planes(self.texels);
        let (mut low, mut high) = ([planes[0][0], planes[1][0], planes[2][0]], [Wide::default(); 3]);
        for c in 0..3 {
            for at in 0..16 {
                low[c] = low[c].min(planes[c][at]);
                high[c] = high[c].max(planes[c][at]);
            }
        }
        // Whether red and blue rise where green does.
        let (mut red, mut blue) = (Wide::default(), Wide::default());
        let middle = [0, 1, 2].map(|c: usize| (low[c] + high[c]) * Wide::splat(0.5));
        for at in 0..16 {
            let green = planes[1][at] - middle[1];
            red = red + green * (planes[0][at] - middle[0]);
            blue = blue + green * (planes[2][at] - middle[2]);
        }
        let falls = [red, Wide::splat(1.0), blue];
        let (mut codes, mut from, mut step) = ([[Wide::default(); 3]; 2], [Wide::default(); 3], [Wide::default(); 3]);
        for c in 0..3 {
            // Drawn in by a sixteenth: the outermost texels are few.
            let inset = (high[c] - low[c]) * Wide::splat(1.0 / 16.0);
            let (low, high) = (low[c] + inset, high[c] - inset);
            let none = Wide::default();
            let ends = [falls[c].less(none, low, high), falls[c].less(none, high, low)];
            for end in 0..2 {
                codes[end][c] = (ends[end] * Wide::splat(MOST[c] / 255.0)).round();
            }
            let unit = Wide::splat(255.0 / MOST[c]);
            from[c] = codes[0][c] * unit;
            step[c] = codes[1][c] * unit - from[c];
        }
        pack(&codes, &thirds(&planes, &from, &step))
    }
}

/// How many thirds of the way from the first colour each texel is nearest to, two bits a texel.
#[inline(always)]
fn thirds(planes: &[[Wide; 16]; 3], from: &[Wide; 3], step: &[Wide; 3]) -> [u32; LANES] {
    let share = Wide::splat(3.0).over(step[0] * step[0] + step[1] * step[1] + step[2] * step[2]);
    let slope = [step[0] * share, step[1] * share, step[2] * share];
    let start = from[0] * slope[0] + from[1] * slope[1] + from[2] * slope[2];
    let mut halves = [Wide::default(); 2];
    for at in (0..16).rev() {
        let along = planes[0][at] * slope[0] + planes[1][at] * slope[1] + planes[2][at] * slope[2];
        let third = (along - start).held(Wide::splat(3.0)).round();
        halves[at / 8] = halves[at / 8] * Wide::splat(4.0) + third;
    }
    joined(halves)
}

/// Two bits a texel, of numbers that hold those of eight texels each. As floats they are put together without a look at any
/// lane alone, for which compilers turn whole loops around.
#[inline(always)]
pub(super) fn joined(halves: [Wide; 2]) -> [u32; LANES] {
    let ((_, low), (_, high)) = (halves[0].rounded(), halves[1].rounded());
    let mut joined = [0u32; LANES];
    for lane in 0..LANES {
        joined[lane] = low[lane] & 0xFFFF | high[lane] << 16;
    }
    joined
}
