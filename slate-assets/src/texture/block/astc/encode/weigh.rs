//! The weights of a grid that come nearest to texels between known endpoints, side by side.

use super::{
    fit::Ends,
    lanes::{Alongs, Lanes},
    tables::Grid,
    weights::{SCALES, level_of, weight},
};
use crate::texture::block::{
    astc::{MOST_TEXELS, MOST_WEIGHTS},
    wide::Wide,
};

/// Weights, 0 to 64, by plane.
pub(super) type Weights = [[Wide; MOST_WEIGHTS]; 2];

/// The weight of each texel, 0 to 64, by plane.
pub(super) type Mixed = [[Wide; MOST_TEXELS]; 2];

/// Room for what is worked out, kept from one group of jobs to the next: clearing it takes longer than some of the work.
pub(super) struct Scratch {
    pub(super) alongs: Alongs,
    /// What was found last, and what texels make of it.
    pub(super) weights: Weights,
    pub(super) mixed: Mixed,
    /// The best so far of each lane.
    pub(super) best: Weights,
    /// Of the plane in hand: what is left of the way of each texel, and its line's squared length.
    left: [Wide; MOST_TEXELS],
    lengths: [Wide; MOST_TEXELS],
    /// By weight, 16 by the sum of its texels' lengths by the squares of its shares of them in sixteenths.
    scales: [Wide; MOST_WEIGHTS],
    /// By plane the sums that texels' weights are rounded from.
    sums: [[Wide; 2]; MOST_TEXELS],
    /// The texels' errors, and what those of one weight would become.
    errors: [Wide; MOST_TEXELS],
    moved: [Wide; MOST_TEXELS],
}

impl Default for Scratch {
    fn default() -> Self {
        let none = Wide::splat(0.0);
        Self {
            alongs: [[none; 2]; MOST_TEXELS],
            weights: [[none; MOST_WEIGHTS]; 2],
            mixed: [[none; MOST_TEXELS]; 2],
            best: [[none; MOST_WEIGHTS]; 2],
            left: [none; MOST_TEXELS],
            lengths: [none; MOST_TEXELS],
            scales: [none; MOST_WEIGHTS],
            sums: [[none; 2]; MOST_TEXELS],
            errors: [none; MOST_TEXELS],
            moved: [none; MOST_TEXELS],
        }
    }
}

/// A grid, and by lane the levels of its weights.
pub(super) struct Weigher<'a> {
    pub(super) grid: &'a Grid,
    pub(super) steps: Wide,
    step: Wide,
}

impl<'a> Weigher<'a> {
    #[inline(always)]
    pub(super) fn of(grid: &'a Grid) -> Self {
        Self { grid, steps: Wide::default(), step: Wide::default() }
    }

    /// Sets the range of a lane's weights.
    #[inline(always)]
    pub(super) fn set(&mut self, lane: usize, range: usize) {
        (self.steps.0[lane], self.step.0[lane]) = (SCALES[range].steps, SCALES[range].step);
    }

    /// The weight, 0 to 64, that is nearest to a share of one.
    #[inline(always)]
    fn rounded(&self, share: Wide) -> Wide {
        weight((share * self.steps).held(self.steps).round(), self.steps, self.step)
    }

    /// Finds the weights for these ends, as they may be written.
    #[inline(always)]
    pub(super) fn weigh<const C: usize, const F: usize, const S: usize>(
        &self,
        lanes: &Lanes<C, F>,
        ends: &Ends<C, S>,
        scratch: &mut Scratch,
    ) {
        for plane in 0..Lanes::<C, F>::PLANES {
            let (mut slopes, mut start, mut lengths) =
                ([[Wide::default(); S]; C], [Wide::default(); S], [Wide::default(); S]);
            for subset in 0..S {
                let [low, high] = &ends[subset];
                for c in Lanes::<C, F>::channels(plane) {
                    slopes[c][subset] = high[c] - low[c];
                    lengths[subset] = lengths[subset] + slopes[c][subset] * slopes[c][subset];
                }
                let share = Wide::splat(1.0).over(lengths[subset]);
                for c in Lanes::<C, F>::channels(plane) {
                    slopes[c][subset] = slopes[c][subset] * share;
                    start[subset] = start[subset] - slopes[c][subset] * low[c];
                }
            }
            let line = Line { slopes: &slopes, start: &start };
            if self.grid.is_whole {
                for (at, weight) in scratch.weights[plane].iter_mut().enumerate().take(lanes.texels.len()) {
                    *weight = self.rounded(line.place(lanes, plane, at));
                }
                continue;
            }
            for (at, left) in scratch.left.iter_mut().enumerate().take(lanes.texels.len()) {
                *left = line.place(lanes, plane, at);
            }
            if S > 1 {
                for (at, length) in scratch.lengths.iter_mut().enumerate().take(lanes.texels.len()) {
                    *length = lanes.of(at, &lengths);
                }
            }
            self.spread::<S>(lanes.texels.len(), plane, scratch);
        }
    }

    /// From texels to the weights of a coarser grid: the mean of what they reach, then in turns what each alone leaves least
    /// of, at last rounded. `left` goes from where texels are to what is left of that.
    #[inline(always)]
    fn spread<const S: usize>(&self, texels: usize, plane: usize, scratch: &mut Scratch) {
        let Scratch { weights, left, lengths, scales, .. } = scratch;
        let weights = &mut weights[plane];
        for (at, members) in self.grid.members.iter().enumerate().take(MOST_WEIGHTS) {
            let (mut sum, mut length, mut squares) = (Wide::default(), Wide::default(), Wide::default());
            for &(texel, share) in members {
                let (place, share) = (left[usize::from(texel)], Wide::splat(share));
                if S == 1 {
                    sum = sum + place * share;
                } else {
                    let part = lengths[usize::from(texel)] * share;
                    sum = sum + place * part;
                    length = length + part;
                    squares = squares + part * share;
                }
            }
            if S == 1 {
                weights[at] = sum * Wide::splat(1.0 / self.grid.shares[at]);
            } else {
                weights[at] = sum.over(length);
                scales[at] = Wide::splat(16.0).over(squares);
            }
        }
        for (left, taps) in left.iter_mut().zip(&self.grid.mixes).take(texels) {
            for &(weight, share) in taps {
                *left = *left - weights[usize::from(weight) & 63] * Wide::splat(share);
            }
        }
        for is_last in SWEEPS {
            for (at, members) in self.grid.members.iter().enumerate().take(MOST_WEIGHTS) {
                let mut more = Wide::default();
                for &(texel, share) in members {
                    let left = left[usize::from(texel)] * Wide::splat(share);
                    more = more + if S == 1 { left } else { left * lengths[usize::from(texel)] };
                }
                let now = weights[at];
                let scale = if S == 1 { Wide::splat(16.0 / self.grid.squares[at]) } else { scales[at] };
                let mut next = now + more * scale;
                if is_last {
                    weights[at] = self.rounded(next);
                    next = weights[at] * Wide::splat(1.0 / 64.0);
                } else {
                    weights[at] = next;
                }
                let change = (next - now) * Wide::splat(1.0 / 16.0);
                for &(texel, share) in members {
                    let left = &mut left[usize::from(texel)];
                    *left = *left - change * Wide::splat(share);
                }
            }
        }
    }

    /// What texels make of the weights of a grid.
    #[inline(always)]
    pub(super) fn mix(&self, weights: &[[Wide; MOST_WEIGHTS]], mixed: &mut Mixed) {
        for (mixed, weights) in mixed.iter_mut().zip(weights) {
            if self.grid.is_whole {
                let count = self.grid.shares.len();
                mixed[..count].copy_from_slice(&weights[..count]);
                continue;
            }
            for (mixed, taps) in mixed.iter_mut().zip(&self.grid.mixes) {
                *mixed = sum(taps, weights).floor();
            }
        }
    }

    /// Steps each of the best weights of the grid up and down where that helps, given the error; whether it did in any lane.
    #[inline(always)]
    pub(super) fn step<const C: usize, const F: usize, const S: usize>(
        &self,
        lanes: &Lanes<C, F>,
        ends: &Ends<C, S>,
        error: &mut Wide,
        scratch: &mut Scratch,
    ) -> bool {
        let before = *error;
        let Scratch { best: weights, sums, errors, moved, .. } = scratch;
        for (at, taps) in self.grid.mixes.iter().enumerate().take(lanes.texels.len()) {
            for plane in 0..Lanes::<C, F>::PLANES {
                sums[at][plane] = sum(taps, &weights[plane]);
            }
            errors[at] = texel_error(lanes, ends, at, &sums[at]);
        }
        for plane in 0..Lanes::<C, F>::PLANES {
            for (at, members) in self.grid.members.iter().enumerate().take(MOST_WEIGHTS) {
                for up in [1.0, -1.0] {
                    let now = weights[plane][at];
                    let level = level_of(now, self.steps);
                    let next = weight((level + Wide::splat(up)).held(self.steps), self.steps, self.step);
                    let change = (next - now) * Wide::splat(1.0 / 16.0);
                    let mut gain = Wide::default();
                    for (found, &(texel, share)) in moved.iter_mut().zip(members) {
                        let texel = usize::from(texel);
                        let mut sums = sums[texel];
                        sums[plane] = sums[plane] + change * Wide::splat(share);
                        *found = texel_error(lanes, ends, texel, &sums);
                        gain = gain + errors[texel] - *found;
                    }
                    let none = Wide::default();
                    if !none.is_less_anywhere(gain) {
                        continue;
                    }
                    weights[plane][at] = none.less(gain, next, now);
                    *error = *error - gain.max(none);
                    let change = none.less(gain, change, none);
                    for (found, &(texel, share)) in moved.iter().zip(members) {
                        let texel = usize::from(texel);
                        sums[texel][plane] = sums[texel][plane] + change * Wide::splat(share);
                        errors[texel] = none.less(gain, *found, errors[texel]);
                    }
                }
            }
        }
        error.is_less_anywhere(before)
    }
}

/// Whether a turn over all weights is the one that rounds them.
const SWEEPS: [bool; 2] = [false, true];

/// How far along the line between its ends a texel of a subset is, as a share of it: the sum of its channels by the slopes.
struct Line<'a, const C: usize, const S: usize> {
    slopes: &'a [[Wide; S]; C],
    start: &'a [Wide; S],
}

impl<const C: usize, const S: usize> Line<'_, C, S> {
    #[inline(always)]
    fn place<const F: usize>(&self, lanes: &Lanes<C, F>, plane: usize, at: usize) -> Wide {
        let mut along = lanes.of(at, self.start);
        for c in Lanes::<C, F>::channels(plane) {
            along = along + lanes.texels[at][c] * lanes.of(at, &self.slopes[c]);
        }
        along
    }
}

/// What a texel's weight is rounded down from.
#[inline(always)]
fn sum(taps: &[(u8, f32); 4], weights: &[Wide; MOST_WEIGHTS]) -> Wide {
    let mut sum = Wide::splat(0.5);
    for &(weight, share) in taps {
        sum = sum + weights[usize::from(weight) & 63] * Wide::splat(share);
    }
    sum
}

/// The squared error of a texel, given the sums that its weights are rounded from.
#[inline(always)]
fn texel_error<const C: usize, const F: usize, const S: usize>(
    lanes: &Lanes<C, F>,
    ends: &Ends<C, S>,
    at: usize,
    sums: &[Wide; 2],
) -> Wide {
    let weights = [sums[0].floor() * Wide::splat(1.0 / 64.0), sums[1].floor() * Wide::splat(1.0 / 64.0)];
    let mut error = Wide::default();
    for c in 0..C {
        let (mut low, mut high) = ([Wide::default(); S], [Wide::default(); S]);
        for subset in 0..S {
            (low[subset], high[subset]) = (ends[subset][0][c], ends[subset][1][c]);
        }
        let (low, high) = (lanes.of(at, &low), lanes.of(at, &high));
        let value = low + (high - low) * weights[usize::from(c >= F)] + Wide::splat(1.0 / 128.0);
        let off = lanes.texels[at][c] - value.round();
        error = error + off * off;
    }
    error
}
