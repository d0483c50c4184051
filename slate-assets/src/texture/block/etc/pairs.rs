//! T and H blocks, eight side by side: two colours, with others around them at one of eight distances.

use super::{
    DISTANCES,
    paint::{Kind, pair_bits},
};
use crate::{
    simd::Kernel,
    texture::block::{Effort, Texels, wide::Wide},
};

/// Looks for the colours of blocks, of which other modes leave `least`.
pub(super) struct Search<'a> {
    pub(super) planes: &'a [[Wide; 16]; 3],
    pub(super) least: Wide,
    pub(super) effort: Effort,
}

/// Two colours of four bits with their distance.
#[derive(Clone, Copy)]
pub(super) struct Pairs {
    codes: [[Wide; 3]; 2],
    /// 1 where there are colours around both, 0 where around the second one alone.
    around_both: Wide,
    distance: Wide,
    pub(super) error: Wide,
}

impl Kernel for Search<'_> {
    type Out = Pairs;

    #[inline(always)]
    fn run(self) -> Pairs {
        let mut codes = clusters(self.planes);
        for code in codes.as_flattened_mut() {
            *code = (code.held(Wide::splat(255.0)) * Wide::splat(15.0 / 255.0)).round();
        }
        let [a, b] = codes;
        let mut best =
            Pairs { codes, around_both: Wide::default(), distance: Wide::default(), error: Wide::splat(f32::MAX) };
        for (codes, around_both) in [([a, b], 0.0), ([b, a], 0.0), ([a, b], 1.0)] {
            let first = Pairs { codes, around_both: Wide::splat(around_both), ..best };
            let mut found = Pairs { error: Wide::splat(f32::MAX), ..first };
            for distance in 0..DISTANCES.len() {
                self.take(&mut found, Pairs { distance: Wide::splat(distance as f32), ..first });
            }
            if self.effort >= Effort::BEST {
                self.step(&mut found);
            }
            best.keep(&found);
        }
        // Steps gain some, hardly ever more than this.
        if self.effort == Effort::HIGH && best.error.is_less_anywhere(self.least * Wide::splat(1.5)) {
            self.step(&mut best);
        }
        best
    }
}

impl Search<'_> {
    /// Steps each channel up and down, at the same distance and its neighbours, for as long as that helps.
    #[inline(always)]
    fn step(&self, best: &mut Pairs) {
        for _ in 0..if self.effort >= Effort::BEST { 4 } else { 1 } {
            let before = best.error;
            for at in 0..6 * 2 {
                let mut next = *best;
                let code = &mut next.codes[at / 6][at / 2 % 3];
                *code = (*code + Wide::splat(if at % 2 == 0 { -1.0 } else { 1.0 })).held(Wide::splat(15.0));
                for off in [0.0, -1.0, 1.0] {
                    let distance = (next.distance + Wide::splat(off)).held(Wide::splat(7.0));
                    self.take(best, Pairs { distance, ..next });
                }
            }
            if !best.error.is_less_anywhere(before) {
                return;
            }
        }
    }

    /// Takes a pair, whatever its error says, where it is better.
    #[inline(always)]
    fn take(&self, best: &mut Pairs, mut next: Pairs) {
        let mut distance = Wide::default();
        for (index, &value) in DISTANCES.iter().enumerate() {
            distance = Wide::splat(index as f32 - 0.5).less(next.distance, Wide::splat(value as f32), distance);
        }
        let half = Wide::splat(0.5);
        let mut colors = [[Wide::default(); 3]; 4];
        for c in 0..3 {
            let [one, two] = [next.codes[0][c] * Wide::splat(17.0), next.codes[1][c] * Wide::splat(17.0)];
            let other = half.less(next.around_both, one - distance, two);
            let four = [one + distance * next.around_both, other, two + distance, two - distance];
            for at in 0..4 {
                colors[at][c] = four[at].held(Wide::splat(255.0));
            }
        }
        let mut error = Wide::default();
        for at in 0..16 {
            let mut least = Wide::splat(f32::MAX);
            for color in &colors {
                let mut off = Wide::default();
                for c in 0..3 {
                    off = off + (self.planes[c][at] - color[c]) * (self.planes[c][at] - color[c]);
                }
                least = off.min(least);
            }
            error = error + least;
        }
        // Around both, equal colours can't say an even distance.
        let mut apart = next.distance - (next.distance * half).floor() * Wide::splat(2.0);
        apart = apart + Wide::splat(1.0) - next.around_both;
        for c in 0..3 {
            let off = next.codes[0][c] - next.codes[1][c];
            apart = apart + off * off;
        }
        next.error = apart.less(half, Wide::splat(f32::MAX), error);
        best.keep(&next);
    }
}

impl Pairs {
    /// What is better, lane by lane.
    #[inline(always)]
    fn keep(&mut self, other: &Self) {
        let error = self.error;
        for which in 0..2 {
            for c in 0..3 {
                self.codes[which][c] = other.error.less(error, other.codes[which][c], self.codes[which][c]);
            }
        }
        self.around_both = other.error.less(error, other.around_both, self.around_both);
        self.distance = other.error.less(error, other.distance, self.distance);
        self.error = other.error.min(error);
    }

    pub(super) fn bits(&self, texels: &Texels, lane: usize) -> u64 {
        let codes = self.codes.map(|code| code.map(|code| code.0[lane] as i32));
        let kind = if self.around_both.0[lane] > 0.5 { Kind::H } else { Kind::T };
        pair_bits(&texels.map(|[r, g, b, _]| [r, g, b].map(i32::from)), codes, kind, self.distance.0[lane] as usize)
    }
}

/// The means of two clusters: of the texels beyond the mean along the longest axis, and of the others.
#[inline(always)]
fn clusters(planes: &[[Wide; 16]; 3]) -> [[Wide; 3]; 2] {
    let mut mean = [Wide::default(); 3];
    for c in 0..3 {
        for at in 0..16 {
            mean[c] = mean[c] + planes[c][at];
        }
        mean[c] = mean[c] * Wide::splat(1.0 / 16.0);
    }
    let mut spread = [[Wide::default(); 3]; 3];
    for at in 0..16 {
        let off = [planes[0][at] - mean[0], planes[1][at] - mean[1], planes[2][at] - mean[2]];
        for row in 0..3 {
            for column in 0..3 {
                spread[row][column] = spread[row][column] + off[row] * off[column];
            }
        }
    }
    // The widest channel's covariances, then turned to the longest axis.
    let mut axis = spread[0];
    let mut widest = spread[0][0];
    for row in 1..3 {
        for c in 0..3 {
            axis[c] = widest.less(spread[row][row], spread[row][c], axis[c]);
        }
        widest = widest.max(spread[row][row]);
    }
    for _ in 0..4 {
        let mut next = axis;
        for row in 0..3 {
            next[row] = axis[0] * spread[row][0] + axis[1] * spread[row][1] + axis[2] * spread[row][2];
        }
        let size = (next[0] * next[0] + next[1] * next[1] + next[2] * next[2]).sqrt();
        for c in 0..3 {
            axis[c] = next[c].over(size);
        }
    }
    let mut means = [mean; 2];
    // Texels of the second cluster are those with more than `from` along `axis`.
    let mut from = mean[0] * axis[0] + mean[1] * axis[1] + mean[2] * axis[2];
    for _ in 0..4 {
        let (mut sums, mut count) = ([Wide::default(); 3], Wide::default());
        let mut all = [Wide::default(); 3];
        for at in 0..16 {
            let along = planes[0][at] * axis[0] + planes[1][at] * axis[1] + planes[2][at] * axis[2];
            let one = from.less(along, Wide::splat(1.0), Wide::default());
            count = count + one;
            for c in 0..3 {
                sums[c] = sums[c] + one * planes[c][at];
                all[c] = all[c] + planes[c][at];
            }
        }
        let rest = Wide::splat(16.0) - count;
        for c in 0..3 {
            means[1][c] = Wide::default().less(count, sums[c].over(count), mean[c]);
            means[0][c] = Wide::default().less(rest, (all[c] - sums[c]).over(rest), mean[c]);
        }
        // What is nearer to one mean than to the other.
        from = Wide::default();
        for c in 0..3 {
            axis[c] = means[1][c] - means[0][c];
            from = from + axis[c] * (means[1][c] + means[0][c]) * Wide::splat(0.5);
        }
    }
    means
}
