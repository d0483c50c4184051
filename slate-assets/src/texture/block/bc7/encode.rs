//! Chooses the mode, the partition and the rotation of blocks: all candidates of a mode are fitted side by side.

use super::{
    MODES, Mode, Parity,
    ends::Grid,
    estimate::{Estimates, Lone},
    fit::{Fit, Job, Search, fit_all},
    plan::{MOST_FINALISTS, Plan},
    write::{Found, NOTHING},
};
use crate::texture::block::{Texels, partitions, wide::LANES};

/// What else isn't fitted: whose error is estimated to be so many times that of the best yet.
struct Hopeful {
    /// Of three subsets: with few texels in each, estimates are too high by far.
    three: f32,
    alpha: f32,
    /// Of a channel other than alpha that is alone.
    lone: f32,
}

const HOPEFUL: Hopeful = Hopeful { three: 6.0, alpha: 4.0, lone: 1.5 };

/// Blocks that are encoded together.
const TOGETHER: usize = 64;

/// A block of which mode 6 leaves much.
pub(super) struct Hard {
    /// Its place in the row.
    pub(super) at: usize,
    pub(super) texels: Texels,
    /// The squared error that mode 6 leaves.
    pub(super) error: f32,
}

/// Looks for blocks that leave less.
pub(super) fn improve(hard: &[Hard], plan: &'static Plan, mut put: impl FnMut(usize, [u8; 16])) {
    for hard in hard.chunks(TOGETHER) {
        let better = Blocks::new(hard, plan).better();
        for (found, one) in better.into_iter().zip(hard) {
            if let Some(found) = found {
                put(one.at, found.pack());
            }
        }
    }
}

/// Blocks while they are looked at.
struct Blocks<'a> {
    texels: Vec<&'a Texels>,
    opaque: Vec<bool>,
    plan: &'static Plan,
    /// The least that anything left of each block yet.
    left: Vec<f32>,
    /// What left less than the first guess.
    best: Vec<Option<Found>>,
    /// Of the job in hand.
    fits: Vec<Fit>,
    alphas: Vec<Fit>,
}

/// What may become of a block.
#[derive(Clone, Copy)]
struct Candidate {
    block: usize,
    mode: &'static Mode,
    partition: usize,
    rotation: usize,
    selector: u32,
    error: f32,
}

impl Candidate {
    fn of(block: usize, number: usize, partition: usize) -> Self {
        Self { block, mode: &MODES[number], partition, rotation: 0, selector: 0, error: f32::MAX }
    }

    fn with(&self, fits: [Fit; 3], alpha: Option<Fit>) -> Found {
        let Self { mode, partition, rotation, selector, .. } = *self;
        Found { mode, partition, rotation, selector, fits, alpha }
    }

    /// The channels in the order in which they are fitted: the last one may be alone.
    fn order(&self) -> [u8; 4] {
        let mut order = [0, 1, 2, 3];
        if self.rotation > 0 {
            order.swap(self.rotation - 1, 3);
        }
        order
    }
}

impl<'a> Blocks<'a> {
    fn new(hard: &'a [Hard], plan: &'static Plan) -> Self {
        Self {
            texels: hard.iter().map(|one| &one.texels).collect(),
            opaque: hard.iter().map(|one| one.texels.iter().all(|texel| texel[3] == 255)).collect(),
            plan,
            left: hard.iter().map(|one| one.error).collect(),
            best: vec![None; hard.len()],
            fits: Vec::new(),
            alphas: Vec::new(),
        }
    }

    fn better(mut self) -> Vec<Option<Found>> {
        let plan = self.plan;
        let blocks: Vec<usize> = (0..self.texels.len()).collect();
        // What was guessed may be fitted finer.
        let guessed = |&block: &usize| Candidate { error: self.left[block], ..Candidate::of(block, 6, 0) };
        let mut candidates: Vec<Candidate> = blocks.iter().map(guessed).collect();
        let first = candidates.len();
        self.two(&blocks, &mut candidates);
        self.fit(&mut candidates[first..], plan.search);
        let first = candidates.len();
        for &block in &blocks {
            self.split(block, &mut candidates);
        }
        self.fit(&mut candidates[first..], plan.search);
        let first = candidates.len();
        let hard: Vec<usize> = blocks.iter().copied().filter(|&block| self.left[block] > plan.hard).collect();
        self.three(&hard, &mut candidates);
        self.fit(&mut candidates[first..], plan.search);
        if plan.finalists > 0 {
            let mut finalists = self.finalists(&candidates);
            self.fit(&mut finalists, plan.finer);
        }
        self.best
    }

    /// The best candidates of each block, the best first.
    fn finalists(&self, candidates: &[Candidate]) -> Vec<Candidate> {
        let wanted = self.plan.finalists.min(MOST_FINALISTS);
        let mut best = vec![[(f32::MAX, 0); MOST_FINALISTS]; self.texels.len()];
        for (at, one) in candidates.iter().enumerate() {
            let best = &mut best[one.block][..wanted];
            if let Some(place) = best.iter().position(|(error, _)| one.error < *error) {
                best[place..].rotate_right(1);
                best[place] = (one.error, at);
            }
        }
        let all = best.into_iter().flatten().filter(|(error, _)| *error < f32::MAX);
        all.map(|(_, at)| candidates[at]).collect()
    }

    /// Modes 4 and 5: one channel has endpoints and indices of its own.
    fn split(&self, block: usize, out: &mut Vec<Candidate>) {
        let opaque = self.opaque[block];
        let rotations = if opaque { self.plan.rotations } else { self.plan.with_alpha };
        if rotations == 0 {
            return;
        }
        let lone = Lone::new(self.texels[block]);
        for rotation in 0..rotations {
            let of = |number, selector| Candidate { rotation, selector, ..Candidate::of(block, number, 0) };
            let order = of(5, 0).order();
            let is_alpha = rotation == 0 && !opaque;
            let enough = self.left[block] * if is_alpha { HOPEFUL.alpha } else { HOPEFUL.lone };
            for (number, selector, bits) in [(5, 0, [2, 2]), (4, 0, [2, 3]), (4, 1, [3, 2])] {
                if lone.error(order, bits) < enough {
                    out.push(of(number, selector));
                }
            }
        }
    }

    /// Modes 1 and 3, or 7 where there is alpha.
    fn two(&self, blocks: &[usize], out: &mut Vec<Candidate>) {
        if self.plan.two == 0 {
            return;
        }
        let (opaque, others) = blocks.iter().partition::<Vec<usize>, _>(|block| self.opaque[**block]);
        self.ranked(&opaque, [2, 3], &[(1, 64, 1.0 / 49.0, self.plan.two), (3, 64, 1.0 / 9.0, self.plan.fine)], out);
        self.ranked(&others, [2, 4], &[(7, 64, 1.0 / 9.0, self.plan.two)], out);
    }

    /// Modes 0 and 2.
    fn three(&self, blocks: &[usize], out: &mut Vec<Candidate>) {
        if self.plan.three == 0 {
            return;
        }
        let opaque: Vec<usize> = blocks.iter().copied().filter(|block| self.opaque[*block]).collect();
        let wanted = self.plan.three;
        self.ranked(&opaque, [3, 3], &[(2, 64, 1.0 / 9.0, wanted), (0, 16, 1.0 / 49.0, wanted)], out);
    }

    /// Adds the likeliest partitions of each of these blocks: of modes, each with how many partitions it has, how much an index
    /// of it rounds away, and how many are wanted.
    fn ranked(
        &self,
        blocks: &[usize],
        [subsets, channels]: [usize; 2],
        modes: &[(usize, usize, f32, usize)],
        out: &mut Vec<Candidate>,
    ) {
        let hopeful = if subsets == 2 { self.plan.hopeful } else { HOPEFUL.three };
        for some in blocks.chunks(LANES) {
            let mut eight = [self.texels[some[0]]; LANES];
            eight.iter_mut().zip(some).for_each(|(to, block)| *to = self.texels[*block]);
            let estimates = Estimates::new(&eight, subsets, channels, 64);
            for &(number, partitions, rounding, wanted) in modes.iter().filter(|mode| mode.3 > 0) {
                let best = estimates.best(partitions, rounding, wanted);
                for (lane, &block) in some.iter().enumerate() {
                    for (error, partition) in best.of(lane) {
                        if error < self.left[block] * hopeful {
                            out.push(Candidate::of(block, number, partition));
                        }
                    }
                }
            }
        }
    }

    /// Fits candidates, mode by mode, and keeps the best of each block.
    fn fit(&mut self, candidates: &mut [Candidate], search: Search) {
        let kind = |one: &Candidate| (one.mode.number * 2 + one.selector) as usize;
        let mut by_kind = [const { Vec::new() }; 16];
        candidates.iter_mut().for_each(|one| by_kind[kind(one)].push(one));
        for these in by_kind.iter_mut().filter(|these| !these.is_empty()) {
            if these[0].mode.second_bits > 0 {
                self.fit_split(these, search);
            } else {
                self.fit_subsets(these, search);
            }
        }
    }

    fn fit_subsets(&mut self, these: &mut [&mut Candidate], search: Search) {
        let mode = these[0].mode;
        let mut jobs = Vec::with_capacity(these.len() * mode.subsets);
        for one in &*these {
            for subset in 0..mode.subsets {
                let mask = partitions::mask(mode.subsets, one.partition, subset);
                jobs.push(Job { texels: self.texels[one.block], mask, order: [0, 1, 2, 3] });
            }
        }
        fit_all(&jobs, &Grid::of(mode), search, &mut self.fits);
        for (one, fits) in these.iter_mut().zip(self.fits.chunks_exact(mode.subsets)) {
            one.error = fits.iter().map(|fit| fit.error).sum();
            if one.error < self.left[one.block] {
                let mut all = [NOTHING; 3];
                all[..mode.subsets].copy_from_slice(fits);
                self.left[one.block] = one.error;
                self.best[one.block] = Some(one.with(all, None));
            }
        }
    }

    fn fit_split(&mut self, these: &mut [&mut Candidate], search: Search) {
        let (mode, selector) = (these[0].mode, these[0].selector);
        let mut widths = [mode.index_bits, mode.second_bits];
        if selector == 1 {
            widths.swap(0, 1);
        }
        let job = |one: &Candidate, order| Job { texels: self.texels[one.block], mask: u16::MAX, order };
        let grid = |channels, bits, index_bits| Grid { channels, bits, parity: Parity::None, index_bits };
        let lone = |one: &&mut Candidate| job(one, [one.order()[3]; 4]);
        let jobs: Vec<Job<'_>> = these.iter().map(lone).collect();
        fit_all(&jobs, &grid(1, mode.alpha_bits, widths[1]), search, &mut self.alphas);
        // Where one channel alone is as far off, the others needn't be looked at.
        let hopeful: Vec<usize> =
            (0..these.len()).filter(|&at| self.alphas[at].error < self.left[these[at].block]).collect();
        let jobs: Vec<Job<'_>> = hopeful.iter().map(|&at| job(these[at], these[at].order())).collect();
        fit_all(&jobs, &grid(3, mode.color_bits, widths[0]), search, &mut self.fits);
        for (&at, fit) in hopeful.iter().zip(&self.fits) {
            let (one, alpha) = (&mut *these[at], self.alphas[at]);
            one.error = fit.error + alpha.error;
            if one.error < self.left[one.block] {
                self.left[one.block] = one.error;
                self.best[one.block] = Some(one.with([*fit, NOTHING, NOTHING], Some(alpha)));
            }
        }
    }
}
