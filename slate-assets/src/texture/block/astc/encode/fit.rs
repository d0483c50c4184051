//! Fits modes to blocks side by side, all of one grid of weights and one kind of endpoints: weights and colours in turn.

use super::{
    ends::{Coded, Coder, Held},
    lanes::{Lanes, Piece, groups},
    tables::{Choice, Tables, WEIGHT_CODES},
    weigh::{Mixed, Scratch, Weigher, Weights},
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
    let (mut out, mut scratch) = (vec![Fit::NONE; jobs.len()], Scratch::default());
    groups(jobs.iter().map(|job| (job.choice.grid as u64) << 8 | job.piece.key()), |places| {
        let cut = jobs[places[0]].piece.cut;
        let work = Work { jobs, places, tables, search, scratch: &mut scratch, out: &mut out };
        match (cut.kind.has_alpha(), cut.apart.is_some(), cut.subsets) {
            (false, true, _) => simd::run(FitLanes::<3, 2, 1>(work)),
            (true, true, _) => simd::run(FitLanes::<4, 3, 1>(work)),
            (false, false, 1) => simd::run(FitLanes::<3, 3, 1>(work)),
            (true, false, 1) => simd::run(FitLanes::<4, 4, 1>(work)),
            (false, false, _) => simd::run(FitLanes::<3, 3, 2>(work)),
            (true, false, _) => simd::run(FitLanes::<4, 4, 2>(work)),
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
    scratch: &'a mut Scratch,
    out: &'a mut [Fit],
}

/// Of `C` channels the first `F` share their weights; the last one has its own where there is one more. Of `S` subsets.
struct FitLanes<'a, const C: usize, const F: usize, const S: usize>(Work<'a>);

impl<const C: usize, const F: usize, const S: usize> Kernel for FitLanes<'_, C, F, S> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Work { jobs, places, tables, search, scratch, out } = self.0;
        let fitter = Fitter::<C, F, S>::of(jobs, places, tables);
        let best = fitter.fit(search, scratch);
        fitter.write(&best, &scratch.best, (jobs, places), out);
    }
}

/// By range and wanted bytes, what the range holds.
pub(super) static HELD: LazyLock<[Held; RANGES.len()]> = LazyLock::new(|| {
    std::array::from_fn(|range| {
        std::array::from_fn(|wanted| f32::from(COLORS[range][usize::from(NEAREST[range][wanted])]))
    })
});

/// Blocks side by side and what they may be written with.
struct Fitter<'a, const C: usize, const F: usize, const S: usize> {
    lanes: Lanes<C, F>,
    weigher: Weigher<'a>,
    coder: Coder<'a>,
}

/// The endpoints of each subset.
pub(super) type Ends<const C: usize, const S: usize> = [[[Wide; C]; 2]; S];

/// The best so far of each lane.
struct Found<const C: usize, const S: usize> {
    coded: [Coded<C>; S],
    error: Wide,
}

impl<'a, const C: usize, const F: usize, const S: usize> Fitter<'a, C, F, S> {
    const PLANES: usize = Lanes::<C, F>::PLANES;

    #[inline(always)]
    fn of(jobs: &[Job<'_>], places: &[usize], tables: &'a Tables) -> Self {
        let lanes = Lanes::<C, F>::new(places.iter().map(|&place| jobs[place].piece), tables);
        let (alpha, blue) = (lanes.place(3), lanes.place(2));
        let mut coder = Coder { dialect: tables.dialect, kind: lanes.kind, alpha, blue, held: [&HELD[0]; LANES] };
        let mut weigher = Weigher::of(&tables.grids[jobs[places[0]].choice.grid]);
        for (lane, &place) in places.iter().enumerate() {
            let job = &jobs[place];
            coder.held[lane] = &HELD[job.colors];
            weigher.set(lane, job.choice.mode.range);
        }
        Self { lanes, weigher, coder }
    }

    #[inline(always)]
    fn fit(&self, search: Search, scratch: &mut Scratch) -> Found<C, S> {
        let mut best = Found { coded: [Coded::NONE; S], error: Wide::splat(f32::MAX) };
        let mut ends = [[[Wide::default(); C]; 2]; S];
        for subset in 0..S {
            ends[subset] = self.lanes.line(subset, &mut scratch.alongs).ends;
        }
        for round in 0..=search.rounds {
            if !self.attempt(&ends, scratch, &mut best) || round == search.rounds {
                break;
            }
            self.refit(&scratch.mixed, &mut ends);
        }
        for number in 0..search.spreads * 3 {
            let (low, high) = (number % 3 != 1, number % 3 != 0);
            self.stretched(&best, low, high, &mut ends);
            self.attempt(&ends, scratch, &mut best);
            self.refit(&scratch.mixed, &mut ends);
            self.attempt(&ends, scratch, &mut best);
        }
        for _ in 0..search.steps {
            let ends = best.coded.map(|coded| coded.ends);
            if self.weigher.grid.is_whole || !self.weigher.step(&self.lanes, &ends, &mut best.error, scratch) {
                break;
            }
            self.weigher.mix(&scratch.best[..Self::PLANES], &mut scratch.mixed);
            let mut ends = ends;
            self.refit(&scratch.mixed, &mut ends);
            self.attempt(&ends, scratch, &mut best);
        }
        best
    }

    /// Rounds ends to what may be written and finds their weights, which are left in `mixed`; whether that helped any lane.
    #[inline(always)]
    fn attempt(&self, ends: &Ends<C, S>, scratch: &mut Scratch, best: &mut Found<C, S>) -> bool {
        let mut coded = [Coded::NONE; S];
        for subset in 0..S {
            coded[subset] = self.coder.code(&ends[subset]);
        }
        let ends = coded.map(|coded| coded.ends);
        self.weigher.weigh(&self.lanes, &ends, scratch);
        self.weigher.mix(&scratch.weights[..Self::PLANES], &mut scratch.mixed);
        let error = self.error(&ends, &scratch.mixed);
        let old = best.error;
        if !best.take(&coded, error) {
            return false;
        }
        let weights = scratch.best.iter_mut().zip(&scratch.weights).take(Self::PLANES);
        for (ours, theirs) in weights {
            for (ours, theirs) in ours.iter_mut().zip(theirs).take(self.weigher.grid.shares.len()) {
                *ours = error.less(old, *theirs, *ours);
            }
        }
        true
    }

    /// The best ends, half a step further apart at either or at both.
    #[inline(always)]
    fn stretched(&self, best: &Found<C, S>, low: bool, high: bool, ends: &mut Ends<C, S>) {
        let share = Wide::splat(0.5).over(self.weigher.steps);
        for subset in 0..S {
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

    /// The sum of squared errors.
    #[inline(always)]
    fn error(&self, ends: &Ends<C, S>, mixed: &Mixed) -> Wide {
        let mut error = Wide::default();
        let (scale, offset) = self.coder.dialect.rounding();
        let (mut rounded, mut delta) = ([[Wide::default(); S]; C], [[Wide::default(); S]; C]);
        for c in 0..C {
            for subset in 0..S {
                let [low, high] = &ends[subset];
                rounded[c][subset] = low[c] * Wide::splat(scale) + Wide::splat(offset);
                delta[c][subset] = (high[c] - low[c]) * Wide::splat(scale / 64.0);
            }
        }
        for (at, texel) in self.lanes.texels.iter().enumerate().take(MOST_TEXELS) {
            for c in 0..C {
                let weight = mixed[usize::from(c >= F)][at];
                let value = self.lanes.of(at, &rounded[c]) + self.lanes.of(at, &delta[c]) * weight;
                let off = texel[c] - value.round();
                error = error + off * off;
            }
        }
        error
    }

    /// The ends that fit the weights best, by least squares; those of before where the weights don't tell them apart.
    #[inline(always)]
    fn refit(&self, mixed: &Mixed, ends: &mut Ends<C, S>) {
        for (subset, ends) in ends.iter_mut().enumerate() {
            self.refit_subset(subset, mixed, ends);
        }
    }

    #[inline(always)]
    fn refit_subset(&self, subset: usize, mixed: &Mixed, ends: &mut [[Wide; C]; 2]) {
        for plane in 0..Self::PLANES {
            let (mut f, mut ff, mut far) = (Wide::default(), Wide::default(), [Wide::default(); C]);
            for (at, (texel, mixed)) in self.lanes.texels.iter().zip(&mixed[plane]).enumerate() {
                let weight = *mixed * Wide::splat(1.0 / 64.0) * self.lanes.there(at, subset);
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

    fn write(&self, best: &Found<C, S>, weights: &Weights, (jobs, places): (&[Job<'_>], &[usize]), out: &mut [Fit]) {
        let count = self.weigher.grid.shares.len();
        for (lane, &place) in places.iter().enumerate() {
            let (job, fit) = (&jobs[place], &mut out[place]);
            let (nearest, codes) = (&NEAREST[job.colors], &WEIGHT_CODES[job.choice.mode.range]);
            let mut room = fit.colors.iter_mut();
            let mut put = |value: Wide| {
                if let Some(color) = room.next() {
                    *color = nearest[value.0[lane] as usize & 255];
                }
            };
            for coded in &best.coded {
                self.coder.written(coded, |channel| self.lanes.place(channel), &mut put);
            }
            for plane in 0..Self::PLANES {
                for (code, weight) in fit.weights[plane * count..].iter_mut().zip(&weights[plane]).take(count) {
                    *code = codes[weight.0[lane] as usize & 127];
                }
            }
            fit.error = best.error.0[lane];
        }
    }
}

impl<const C: usize, const S: usize> Found<C, S> {
    /// Takes over the lanes in which another is better; whether there are any.
    #[inline(always)]
    fn take(&mut self, coded: &[Coded<C>; S], error: Wide) -> bool {
        let old = self.error;
        if !error.is_less_anywhere(old) {
            return false;
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
        true
    }
}
