//! Fits modes to blocks side by side, all of one grid of weights and one kind of endpoints: weights and colours in turn.

use super::{
    ends::{Coded, Coder, Held},
    lanes::{Alongs, Lanes, Piece, groups},
    tables::{Choice, Grid, MOST_SUBSETS, Tables, WEIGHT_CODES},
    weights::{SCALES, level_of, weight},
};
use crate::{
    simd::{self, Kernel},
    texture::block::{
        astc::{
            MOST_TEXELS, MOST_WEIGHTS,
            ise::{COLORS, NEAREST, RANGES},
        },
        wide::{LANES, Wide},
    },
};
use std::sync::LazyLock;

/// A way to write a block, to be fitted.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) piece: Piece<'a>,
    pub(super) choice: &'a Choice,
    /// The place of the range of its colours.
    pub(super) colors: usize,
}

/// How long to look.
#[derive(Clone, Copy)]
pub(in crate::texture::block) struct Search {
    /// Rounds of least squares and new weights.
    pub(in crate::texture::block) rounds: usize,
    /// Rounds in which ends further apart are tried as well.
    pub(in crate::texture::block) spreads: usize,
    /// Rounds in which weights are stepped one by one at last, where a texel's is mixed of several.
    pub(in crate::texture::block) steps: usize,
}

/// What was found for a job: codes of colours and weights as they are written, and the squared error.
#[derive(Clone, Copy)]
pub(super) struct Fit {
    pub(super) colors: [u8; 18],
    /// The second plane's after the first's.
    pub(super) weights: [u8; MOST_WEIGHTS],
    pub(super) error: f32,
}

impl Fit {
    pub(super) const NONE: Self = Self { colors: [0; 18], weights: [0; MOST_WEIGHTS], error: f32::MAX };
}

/// The best found for each job, in their order.
pub(super) fn fit_all(jobs: &[Job<'_>], tables: &Tables, search: Search) -> Vec<Fit> {
    let mut out = vec![Fit::NONE; jobs.len()];
    groups(jobs.iter().map(|job| (job.choice.grid as u64) << 8 | job.piece.key()), |places| {
        let cut = jobs[places[0]].piece.cut;
        let work = Work { jobs, places, tables, search, out: &mut out };
        match (cut.kind.has_alpha(), cut.apart.is_some()) {
            (false, false) => simd::run(FitLanes::<3, 3>(work)),
            (false, true) => simd::run(FitLanes::<3, 2>(work)),
            (true, false) => simd::run(FitLanes::<4, 4>(work)),
            (true, true) => simd::run(FitLanes::<4, 3>(work)),
        }
    });
    out
}

struct Work<'a> {
    jobs: &'a [Job<'a>],
    /// Which of them, as many as there are lanes or fewer.
    places: &'a [usize],
    tables: &'a Tables,
    search: Search,
    out: &'a mut [Fit],
}

/// Of `C` channels the first `F` share their weights; the last one has its own where there is one more.
struct FitLanes<'a, const C: usize, const F: usize>(Work<'a>);

impl<const C: usize, const F: usize> Kernel for FitLanes<'_, C, F> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Work { jobs, places, tables, search, out } = self.0;
        let fitter = Fitter::<C, F>::of(jobs, places, tables);
        let best = fitter.fit(search);
        fitter.write(&best, jobs, places, out);
    }
}

/// By range and wanted bytes, what the range holds.
pub(super) static HELD: LazyLock<[Held; RANGES.len()]> = LazyLock::new(|| {
    std::array::from_fn(|range| {
        std::array::from_fn(|wanted| f32::from(COLORS[range][usize::from(NEAREST[range][wanted])]))
    })
});

/// Blocks side by side and what they may be written with.
struct Fitter<'a, const C: usize, const F: usize> {
    lanes: Lanes<C, F>,
    grid: &'a Grid,
    coder: Coder<'a>,
    /// Of the weights.
    steps: Wide,
    step: Wide,
}

/// The best so far of each lane.
struct Found<const C: usize> {
    coded: [Coded<C>; MOST_SUBSETS],
    /// By plane.
    weights: [[Wide; MOST_WEIGHTS]; 2],
    error: Wide,
}

/// The weight of each texel, 0 to 64, by plane.
type Mixed = Alongs;

impl<'a, const C: usize, const F: usize> Fitter<'a, C, F> {
    const PLANES: usize = Lanes::<C, F>::PLANES;

    #[inline(always)]
    fn of(jobs: &[Job<'_>], places: &[usize], tables: &'a Tables) -> Self {
        let lanes = Lanes::<C, F>::of(places.iter().map(|&place| jobs[place].piece), tables);
        let (alpha, blue) = (lanes.place(3), lanes.place(2));
        let mut coder = Coder { dialect: tables.dialect, kind: lanes.kind, alpha, blue, held: [&HELD[0]; LANES] };
        let (mut steps, mut step) = (Wide::default(), Wide::default());
        for (lane, &place) in places.iter().enumerate() {
            let job = &jobs[place];
            coder.held[lane] = &HELD[job.colors];
            let scale = SCALES[job.choice.mode.range];
            (steps.0[lane], step.0[lane]) = (scale.steps, scale.step);
        }
        Self { lanes, grid: &tables.grids[jobs[places[0]].choice.grid], coder, steps, step }
    }

    #[inline(always)]
    fn fit(&self, search: Search) -> Found<C> {
        let mut best = Found {
            coded: [Coded::NONE; MOST_SUBSETS],
            weights: [[Wide::default(); MOST_WEIGHTS]; 2],
            error: Wide::splat(f32::MAX),
        };
        let (mut ends, mut mixed) = ([[[Wide::default(); C]; 2]; MOST_SUBSETS], [[Wide::default(); 2]; MOST_TEXELS]);
        for subset in 0..self.lanes.subsets {
            ends[subset] = self.lanes.line(subset, &mut mixed).ends;
        }
        for round in 0..=search.rounds {
            if !self.attempt(&ends, &mut mixed, &mut best) || round == search.rounds {
                break;
            }
            self.refit(&mixed, &mut ends);
        }
        for number in 0..search.spreads * 3 {
            let (low, high) = (number % 3 != 1, number % 3 != 0);
            self.stretched(&best, low, high, &mut ends);
            self.attempt(&ends, &mut mixed, &mut best);
            self.refit(&mixed, &mut ends);
            self.attempt(&ends, &mut mixed, &mut best);
        }
        for _ in 0..search.steps {
            if self.grid.is_whole || !self.step(&mut best) {
                break;
            }
            self.mix(&best.weights, &mut mixed);
            self.refit(&mixed, &mut ends);
            self.attempt(&ends, &mut mixed, &mut best);
        }
        best
    }

    /// Rounds ends to what may be written and finds their weights, which are left in `mixed`; whether that helped any lane.
    #[inline(always)]
    fn attempt(&self, ends: &[[[Wide; C]; 2]; MOST_SUBSETS], mixed: &mut Mixed, best: &mut Found<C>) -> bool {
        let mut coded = [Coded::NONE; MOST_SUBSETS];
        for subset in 0..self.lanes.subsets {
            coded[subset] = self.coder.code(&ends[subset]);
        }
        let weights = self.weigh(&coded);
        self.mix(&weights, mixed);
        let error = self.error(&coded, mixed);
        best.take(&coded, &weights, error, self.grid.shares.len())
    }

    /// The best ends, half a step further apart at either or at both.
    #[inline(always)]
    fn stretched(&self, best: &Found<C>, low: bool, high: bool, ends: &mut [[[Wide; C]; 2]; MOST_SUBSETS]) {
        let share = Wide::splat(0.5).over(self.steps);
        for subset in 0..self.lanes.subsets {
            ends[subset] = best.coded[subset].ends;
            for c in 0..C {
                let more = (ends[subset][1][c] - ends[subset][0][c]) * share;
                if low {
                    ends[subset][0][c] = ends[subset][0][c] - more;
                }
                if high {
                    ends[subset][1][c] = ends[subset][1][c] + more;
                }
            }
        }
    }

    /// Steps each weight of the grid up and down where that helps; whether it did in any lane.
    #[inline(always)]
    fn step(&self, best: &mut Found<C>) -> bool {
        let before = best.error;
        // By plane the sums that texels' weights are rounded from, and each texel's error.
        let mut sums = [[Wide::splat(0.5); 2]; MOST_TEXELS];
        for (sums, taps) in sums.iter_mut().zip(&self.grid.taps).take(self.lanes.texels.len()) {
            for &(weight, share) in taps.iter().filter(|(_, share)| *share > 0) {
                for plane in 0..Self::PLANES {
                    let part = best.weights[plane][usize::from(weight) & 63] * Wide::splat(f32::from(share) / 16.0);
                    sums[plane] = sums[plane] + part;
                }
            }
        }
        let mut errors = [Wide::default(); MOST_TEXELS];
        for at in 0..self.lanes.texels.len() {
            errors[at] = self.texel_error(at, &best.coded, &sums[at]);
        }
        for plane in 0..Self::PLANES {
            for (at, members) in self.grid.members.iter().enumerate() {
                for up in [1.0, -1.0] {
                    let now = best.weights[plane][at & 63];
                    let level = level_of(now, self.steps);
                    let next = weight((level + Wide::splat(up)).held(self.steps), self.steps, self.step);
                    let change = (next - now) * Wide::splat(1.0 / 16.0);
                    let mut gain = Wide::default();
                    let mut found = [Wide::default(); MOST_TEXELS];
                    for (found, &(texel, share)) in found.iter_mut().zip(members) {
                        let texel = usize::from(texel);
                        let mut moved = sums[texel];
                        moved[plane] = moved[plane] + change * Wide::splat(share);
                        *found = self.texel_error(texel, &best.coded, &moved);
                        gain = gain + errors[texel] - *found;
                    }
                    let none = Wide::default();
                    best.weights[plane][at & 63] = none.less(gain, next, now);
                    best.error = best.error - gain.max(none);
                    let change = none.less(gain, change, none);
                    for (found, &(texel, share)) in found.iter().zip(members) {
                        let texel = usize::from(texel);
                        sums[texel][plane] = sums[texel][plane] + change * Wide::splat(share);
                        errors[texel] = none.less(gain, *found, errors[texel]);
                    }
                }
            }
        }
        best.error.is_less_anywhere(before)
    }

    /// The squared error of a texel, given the sums that its weights are rounded from.
    #[inline(always)]
    fn texel_error(&self, at: usize, coded: &[Coded<C>; MOST_SUBSETS], sums: &[Wide; 2]) -> Wide {
        let weights = [sums[0].floor() * Wide::splat(1.0 / 64.0), sums[1].floor() * Wide::splat(1.0 / 64.0)];
        let mut error = Wide::default();
        for subset in 0..self.lanes.subsets {
            let [low, high] = &coded[subset].ends;
            let mut sum = Wide::default();
            for c in 0..C {
                let value = low[c] + (high[c] - low[c]) * weights[usize::from(c >= F)] + Wide::splat(1.0 / 128.0);
                let off = self.lanes.texels[at][c] - value.round();
                sum = sum + off * off;
            }
            error = error + sum * self.lanes.there(at, subset);
        }
        error
    }

    /// The weights of the grid that come nearest to the texels, as they may be written.
    #[inline(always)]
    fn weigh(&self, coded: &[Coded<C>; MOST_SUBSETS]) -> [[Wide; MOST_WEIGHTS]; 2] {
        let mut out = [[Wide::default(); MOST_WEIGHTS]; 2];
        // How far along the line between its ends each texel is, times the line's squared length, and that.
        let mut places = [[Wide::default(); 2]; MOST_TEXELS];
        for plane in 0..Self::PLANES {
            for (at, (texel, place)) in self.lanes.texels.iter().zip(&mut places).enumerate() {
                *place = [Wide::default(); 2];
                for subset in 0..self.lanes.subsets {
                    let [low, high] = &coded[subset].ends;
                    let (mut along, mut length) = (Wide::default(), Wide::default());
                    for c in Lanes::<C, F>::channels(plane) {
                        let delta = high[c] - low[c];
                        along = along + (texel[c] - low[c]) * delta;
                        length = length + delta * delta;
                    }
                    let there = self.lanes.there(at, subset);
                    place[0] = place[0] + along.held(length) * there;
                    place[1] = place[1] + length * there;
                }
            }
            let weights = &mut out[plane];
            if self.grid.is_whole {
                for (weight, [along, length]) in weights.iter_mut().zip(&places).take(self.lanes.texels.len()) {
                    *weight = self.rounded(along.over(*length));
                }
                continue;
            }
            self.spread(&places, weights);
        }
        out
    }

    /// From texels to the weights of a coarser grid.
    #[inline(always)]
    fn spread(&self, places: &[[Wide; 2]; MOST_TEXELS], weights: &mut [Wide; MOST_WEIGHTS]) {
        let count = self.grid.shares.len();
        let mut sums = [[Wide::default(); 2]; MOST_WEIGHTS];
        for ([along, length], taps) in places.iter().zip(&self.grid.taps).take(self.lanes.texels.len()) {
            for &(weight, share) in taps.iter().filter(|(_, share)| *share > 0) {
                let (sum, share) = (&mut sums[usize::from(weight) & 63], Wide::splat(f32::from(share)));
                sum[0] = sum[0] + *along * share;
                sum[1] = sum[1] + *length * share;
            }
        }
        for (weight, [along, length]) in weights.iter_mut().zip(&sums).take(count) {
            *weight = along.over(*length);
        }
        for _ in 0..2 {
            // Neighbours smooth each other: give back what is left.
            let mut left = [Wide::default(); MOST_WEIGHTS];
            for ([along, length], taps) in places.iter().zip(&self.grid.taps).take(self.lanes.texels.len()) {
                let mut mixed = Wide::default();
                for &(weight, share) in taps.iter().filter(|(_, share)| *share > 0) {
                    mixed = mixed + weights[usize::from(weight) & 63] * Wide::splat(f32::from(share) / 16.0);
                }
                let off = *along - mixed * *length;
                for &(weight, share) in taps.iter().filter(|(_, share)| *share > 0) {
                    let sum = &mut left[usize::from(weight) & 63];
                    *sum = *sum + off * Wide::splat(f32::from(share));
                }
            }
            for ((weight, left), [_, length]) in weights.iter_mut().zip(&left).zip(&sums).take(count) {
                *weight = *weight + Wide::splat(1.4) * left.over(*length);
            }
        }
        weights[..count].iter_mut().for_each(|weight| *weight = self.rounded(*weight));
    }

    /// The weight, 0 to 64, that is nearest to a share of one.
    #[inline(always)]
    fn rounded(&self, share: Wide) -> Wide {
        weight((share * self.steps).held(self.steps).round(), self.steps, self.step)
    }

    #[inline(always)]
    fn mix(&self, weights: &[[Wide; MOST_WEIGHTS]; 2], mixed: &mut Mixed) {
        for plane in 0..Self::PLANES {
            if self.grid.is_whole {
                for (mixed, weight) in mixed.iter_mut().zip(&weights[plane]).take(self.lanes.texels.len()) {
                    mixed[plane] = *weight;
                }
                continue;
            }
            for (mixed, taps) in mixed.iter_mut().zip(&self.grid.taps).take(self.lanes.texels.len()) {
                let mut sum = Wide::splat(0.5);
                for &(weight, share) in taps.iter().filter(|(_, share)| *share > 0) {
                    sum = sum + weights[plane][usize::from(weight) & 63] * Wide::splat(f32::from(share) / 16.0);
                }
                mixed[plane] = sum.floor();
            }
        }
    }

    /// The sum of squared errors.
    #[inline(always)]
    fn error(&self, coded: &[Coded<C>; MOST_SUBSETS], mixed: &Mixed) -> Wide {
        let mut error = Wide::default();
        let (scale, offset) = self.coder.dialect.rounding();
        for subset in 0..self.lanes.subsets {
            let [low, high] = &coded[subset].ends;
            let (mut rounded, mut delta) = (*low, *low);
            for c in 0..C {
                rounded[c] = low[c] * Wide::splat(scale) + Wide::splat(offset);
                delta[c] = (high[c] - low[c]) * Wide::splat(scale / 64.0);
            }
            for (at, (texel, mixed)) in self.lanes.texels.iter().zip(mixed).enumerate() {
                let mut sum = Wide::default();
                for c in 0..C {
                    let weight = mixed[usize::from(c >= F)];
                    let off = texel[c] - (rounded[c] + delta[c] * weight).round();
                    sum = sum + off * off;
                }
                error = error + sum * self.lanes.there(at, subset);
            }
        }
        error
    }

    /// The ends that fit the weights best, by least squares; those of before where the weights don't tell them apart.
    #[inline(always)]
    fn refit(&self, mixed: &Mixed, ends: &mut [[[Wide; C]; 2]; MOST_SUBSETS]) {
        for (subset, ends) in ends.iter_mut().enumerate().take(self.lanes.subsets) {
            self.refit_subset(subset, mixed, ends);
        }
    }

    #[inline(always)]
    fn refit_subset(&self, subset: usize, mixed: &Mixed, ends: &mut [[Wide; C]; 2]) {
        for plane in 0..Self::PLANES {
            let (mut f, mut ff, mut far) = (Wide::default(), Wide::default(), [Wide::default(); C]);
            for (at, (texel, mixed)) in self.lanes.texels.iter().zip(mixed).enumerate() {
                let weight = mixed[plane] * Wide::splat(1.0 / 64.0) * self.lanes.there(at, subset);
                f = f + weight;
                ff = ff + weight * weight;
                for c in Lanes::<C, F>::channels(plane) {
                    far[c] = far[c] + weight * texel[c];
                }
            }
            let nf = f - ff;
            let nn = self.lanes.counts[subset] - f - nf;
            let determinant = nn * ff - nf * nf;
            let (scale, least) = (Wide::splat(1.0).over(determinant), Wide::splat(1e-3));
            for c in Lanes::<C, F>::channels(plane) {
                let near = self.lanes.sums[subset][c] - far[c];
                ends[0][c] = least.less(determinant, (near * ff - far[c] * nf) * scale, ends[0][c]);
                ends[1][c] = least.less(determinant, (far[c] * nn - near * nf) * scale, ends[1][c]);
            }
        }
    }

    fn write(&self, best: &Found<C>, jobs: &[Job<'_>], places: &[usize], out: &mut [Fit]) {
        let count = self.grid.shares.len();
        for (lane, &place) in places.iter().enumerate() {
            let (job, fit) = (&jobs[place], &mut out[place]);
            let (nearest, codes) = (&NEAREST[job.colors], &WEIGHT_CODES[job.choice.mode.range]);
            let mut room = fit.colors.iter_mut();
            let mut put = |value: Wide| {
                if let Some(color) = room.next() {
                    *color = nearest[value.0[lane] as usize & 255];
                }
            };
            for coded in &best.coded[..self.lanes.subsets] {
                self.coder.written(coded, |channel| self.lanes.place(channel), &mut put);
            }
            for plane in 0..Self::PLANES {
                for (code, weight) in fit.weights[plane * count..].iter_mut().zip(&best.weights[plane]).take(count) {
                    *code = codes[weight.0[lane] as usize & 127];
                }
            }
            fit.error = best.error.0[lane];
        }
    }
}

impl<const C: usize> Found<C> {
    /// Takes over the lanes in which another is better; whether there are any.
    #[inline(always)]
    fn take(
        &mut self,
        coded: &[Coded<C>; MOST_SUBSETS],
        weights: &[[Wide; MOST_WEIGHTS]; 2],
        error: Wide,
        count: usize,
    ) -> bool {
        let old = self.error;
        for plane in 0..2 {
            for (ours, theirs) in self.weights[plane].iter_mut().zip(&weights[plane]).take(count) {
                *ours = error.less(old, *theirs, *ours);
            }
        }
        for (ours, theirs) in self.coded.iter_mut().zip(coded) {
            for end in 0..2 {
                for c in 0..C {
                    ours.values[end][c] = error.less(old, theirs.values[end][c], ours.values[end][c]);
                    ours.ends[end][c] = error.less(old, theirs.ends[end][c], ours.ends[end][c]);
                }
            }
        }
        self.error = error.less(old, error, old);
        error.is_less_anywhere(old)
    }
}
