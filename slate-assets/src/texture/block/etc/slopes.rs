//! Blocks that are planes, eight side by side, with their exact errors.

use super::{lanes::Plane, search::Grid};
use crate::{simd::Kernel, texture::block::wide::Wide};

/// From the nearest planes by least squares, each channel alone.
pub(super) struct Search<'a> {
    pub(super) planes: &'a [[Wide; 16]; 3],
    pub(super) passes: usize,
}

impl Kernel for Search<'_> {
    type Out = Plane;

    #[inline(always)]
    fn run(self) -> Plane {
        let mut best = Plane::of(self.planes);
        best.error = Wide::default();
        for c in 0..3 {
            let (most, scale, low) = if c == 1 { (127.0, 2.0, 1.0 / 64.0) } else { (63.0, 4.0, 1.0 / 16.0) };
            let grid = Grid::of(most, scale, low);
            let mut codes = [best.codes[0][c], best.codes[1][c], best.codes[2][c]];
            let mut least = Wide::splat(f32::MAX);
            let mut before = least;
            // First as it is, then a step up and down at each end.
            for trial in 0..1 + 6 * self.passes {
                let mut next = codes;
                if trial > 0 {
                    let (end, step) = ((trial - 1) / 2 % 3, if trial % 2 == 0 { 1.0 } else { -1.0 });
                    next[end] = (next[end] + Wide::splat(step)).held(grid.most);
                }
                let mut values = next;
                for end in 0..3 {
                    values[end] = grid.value(next[end]);
                }
                let error = plane_error(&self.planes[c], values);
                for end in 0..3 {
                    codes[end] = error.less(least, next[end], codes[end]);
                }
                least = error.min(least);
                if trial % 6 == 0 {
                    if !least.is_less_anywhere(before) {
                        break;
                    }
                    before = least;
                }
            }
            (0..3).for_each(|end| best.codes[end][c] = codes[end]);
            best.error = best.error + least;
        }
        best
    }
}

/// What a plane leaves of a channel: its values at the origin, four to the right and four down.
#[inline(always)]
fn plane_error(texels: &[Wide; 16], [origin, right, down]: [Wide; 3]) -> Wide {
    let quarter = Wide::splat(0.25);
    let (dx, dy) = ((right - origin) * quarter, (down - origin) * quarter);
    let mut error = Wide::default();
    for (at, &texel) in texels.iter().enumerate() {
        let value = origin + dx * Wide::splat((at % 4) as f32) + dy * Wide::splat((at / 4) as f32);
        let off = (value + Wide::splat(0.5)).floor().held(Wide::splat(255.0)) - texel;
        error = error + off * off;
    }
    error
}
