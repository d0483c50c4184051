//! Chooses the mode, the partition and the rotation of blocks: all candidates of a mode are fitted side by side.

use super::{
    MODES, Mode, Parity,
    ends::Grid,
    estimate::{Estimates, Lone},
    fit::{Fit, Job, Search, fit_all},
};
use crate::texture::block::{Effort, Texels, bits::Writer, partitions};

/// How far each effort goes.
struct Plan {
    /// How each candidate is fitted first.
    search: Search,
    /// Partitions of two subsets that are fitted in mode 1, or in mode 7.
    two: usize,
    /// Partitions of two subsets that are fitted in mode 3: colours are finer there, and indices coarser.
    fine: usize,
    /// Partitions of three subsets that are fitted.
    three: usize,
    /// Rotations that are tried in modes 4 and 5.
    rotations: usize,
    /// How many of the best candidates are fitted once more, and how.
    finalists: usize,
    finer: Search,
    /// A block whose squared error is at most this is good enough.
    enough: f32,
    /// A block whose squared error is at most this isn't looked at with three subsets.
    hard: f32,
}

const fn search(refits: usize, all_lowest: bool, spreads: usize, steps: usize) -> Search {
    Search { refits, all_lowest, spreads, steps }
}

const fn plan(quick: Search, counts: [usize; 4], finalists: usize, finer: Search, enough: [f32; 2]) -> Plan {
    let [two, fine, three, rotations] = counts;
    Plan { search: quick, two, fine, three, rotations, finalists, finer, enough: enough[0], hard: enough[1] }
}

/// By effort.
const PLANS: [Plan; 5] = [
    plan(QUICK, [0, 0, 0, 0], 0, QUICK, [60.0, 0.0]),
    plan(QUICK, [1, 0, 1, 0], 0, QUICK, [60.0, 800.0]),
    plan(GUESS, [3, 1, 1, 0], 1, search(1, false, 1, 0), [60.0, 400.0]),
    plan(GUESS, [6, 3, 1, 4], 2, search(1, true, 1, 1), [20.0, 200.0]),
    plan(GUESS, [16, 8, 8, 4], 8, search(2, true, 2, 4), [0.0, 0.0]),
];

/// One guess: what is behind by little now is often ahead when it is fitted finer.
const GUESS: Search = search(0, false, 0, 0);
const QUICK: Search = search(1, false, 0, 0);

/// What isn't fitted: whose error is estimated to be so many times that of the best yet.
struct Hopeful {
    partition: f32,
    alpha: f32,
    /// Of a channel other than alpha that is alone.
    lone: f32,
}

const HOPEFUL: Hopeful = Hopeful { partition: 2.0, alpha: 4.0, lone: 1.2 };

/// No plan has more finalists.
const MOST_FINALISTS: usize = 8;

/// Blocks that are encoded together.
const TOGETHER: usize = 64;

/// Encodes blocks, 16 bytes each.
pub(crate) fn encode(blocks: &[Texels], effort: Effort, out: &mut [u8]) {
    for (blocks, out) in blocks.chunks(TOGETHER).zip(out.chunks_mut(TOGETHER * 16)) {
        let found = Blocks::new(blocks, &PLANS[effort.at_most(4)]).found();
        for (found, out) in found.into_iter().zip(out.chunks_exact_mut(16)) {
            out.copy_from_slice(&found.pack());
        }
    }
}

/// Blocks while they are looked at.
struct Blocks<'a> {
    texels: &'a [Texels],
    opaque: Vec<bool>,
    plan: &'static Plan,
    best: Vec<Found>,
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

    /// The channels in the order in which they are fitted: the last one may be alone.
    fn order(&self) -> [u8; 4] {
        let mut order = [0, 1, 2, 3];
        if self.rotation > 0 {
            order.swap(self.rotation - 1, 3);
        }
        order
    }
}

/// A whole block: everything that is written.
#[derive(Clone, Copy)]
struct Found {
    mode: &'static Mode,
    partition: usize,
    rotation: usize,
    selector: u32,
    /// By subset; indices are in the order of the subset's texels.
    fits: [Fit; 3],
    /// Alpha, in modes 4 and 5.
    alpha: Option<Fit>,
    error: f32,
}

const NOTHING: Fit = Fit { codes: [[0; 4]; 2], lowest: [0; 2], indices: [0; 16], error: 0.0 };

impl<'a> Blocks<'a> {
    fn new(texels: &'a [Texels], plan: &'static Plan) -> Self {
        let opaque = texels.iter().map(|texels| texels.iter().all(|texel| texel[3] == 255)).collect();
        let none = Found {
            mode: &MODES[6],
            partition: 0,
            rotation: 0,
            selector: 0,
            fits: [NOTHING; 3],
            alpha: None,
            error: f32::MAX,
        };
        Self { texels, opaque, plan, best: vec![none; texels.len()], fits: Vec::new(), alphas: Vec::new() }
    }

    fn found(mut self) -> Vec<Found> {
        let plan = self.plan;
        let mut candidates: Vec<Candidate> = (0..self.texels.len()).map(|block| Candidate::of(block, 6, 0)).collect();
        self.fit(&mut candidates, plan.search);
        let rest: Vec<usize> = (0..self.texels.len()).filter(|&block| self.best[block].error > plan.enough).collect();
        let first = candidates.len();
        for &block in &rest {
            self.two(block, &mut candidates);
        }
        self.fit(&mut candidates[first..], plan.search);
        let first = candidates.len();
        for &block in &rest {
            self.split(block, &mut candidates);
        }
        self.fit(&mut candidates[first..], plan.search);
        let first = candidates.len();
        for &block in rest.iter().filter(|&&block| self.best[block].error > plan.hard) {
            self.three(block, &mut candidates);
        }
        self.fit(&mut candidates[first..], plan.search);
        if plan.finalists > 0 {
            let mut finalists = self.finalists(&candidates, &rest);
            self.fit(&mut finalists, plan.finer);
        }
        self.best
    }

    /// The best candidates of each of these blocks, the best first.
    fn finalists(&self, candidates: &[Candidate], blocks: &[usize]) -> Vec<Candidate> {
        let wanted = self.plan.finalists.min(MOST_FINALISTS);
        let mut best = vec![[(f32::MAX, 0); MOST_FINALISTS]; self.texels.len()];
        for (at, one) in candidates.iter().enumerate() {
            let best = &mut best[one.block][..wanted];
            if let Some(place) = best.iter().position(|(error, _)| one.error < *error) {
                best[place..].rotate_right(1);
                best[place] = (one.error, at);
            }
        }
        let of = |block: &usize| best[*block].into_iter().filter(|(error, _)| *error < f32::MAX);
        blocks.iter().flat_map(of).map(|(_, at)| candidates[at]).collect()
    }

    /// Modes 4 and 5: one channel has endpoints and indices of its own.
    fn split(&self, block: usize, out: &mut Vec<Candidate>) {
        let rotations = self.plan.rotations;
        if rotations == 0 && self.opaque[block] {
            return;
        }
        let lone = Lone::new(&self.texels[block]);
        // Alpha first; the others only where they are asked for.
        for rotation in 0..rotations.max(usize::from(!self.opaque[block])) {
            if rotation == 0 && self.opaque[block] && rotations < 4 {
                continue;
            }
            let of = |number, selector| Candidate { rotation, selector, ..Candidate::of(block, number, 0) };
            let order = of(5, 0).order();
            let is_alpha = rotation == 0 && !self.opaque[block];
            let enough = self.best[block].error * if is_alpha { HOPEFUL.alpha } else { HOPEFUL.lone };
            for (number, selector, bits) in [(5, 0, [2, 2]), (4, 0, [2, 3]), (4, 1, [3, 2])] {
                if lone.error(order, bits) < enough {
                    out.push(of(number, selector));
                }
            }
        }
    }

    /// Modes 1 and 3, or 7 where there is alpha.
    fn two(&self, block: usize, out: &mut Vec<Candidate>) {
        let (two, opaque) = (self.plan.two, self.opaque[block]);
        if two == 0 {
            return;
        }
        let estimates = Estimates::new(&self.texels[block], 2, if opaque { 3 } else { 4 }, 64);
        let mut add = |number: usize, rounding: f32, wanted: usize| {
            for (error, partition) in estimates.best(64, rounding, wanted).iter() {
                if error < self.best[block].error * HOPEFUL.partition {
                    out.push(Candidate::of(block, number, partition));
                }
            }
        };
        if opaque {
            add(1, 1.0 / 49.0, two);
            add(3, 1.0 / 9.0, self.plan.fine);
        } else {
            add(7, 1.0 / 9.0, two);
        }
    }

    /// Modes 0 and 2.
    fn three(&self, block: usize, out: &mut Vec<Candidate>) {
        if self.plan.three == 0 || !self.opaque[block] {
            return;
        }
        let estimates = Estimates::new(&self.texels[block], 3, 3, 64);
        for (number, partitions, rounding) in [(2, 64, 1.0 / 9.0), (0, 16, 1.0 / 49.0)] {
            for (error, partition) in estimates.best(partitions, rounding, self.plan.three).iter() {
                if error < self.best[block].error {
                    out.push(Candidate::of(block, number, partition));
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
                jobs.push(Job { texels: &self.texels[one.block], mask, order: [0, 1, 2, 3] });
            }
        }
        fit_all(&jobs, &Grid::of(mode), search, &mut self.fits);
        for (one, fits) in these.iter_mut().zip(self.fits.chunks_exact(mode.subsets)) {
            one.error = fits.iter().map(|fit| fit.error).sum();
            if one.error < self.best[one.block].error {
                let mut all = [NOTHING; 3];
                all[..mode.subsets].copy_from_slice(fits);
                self.best[one.block] = Found::of(one, all, None);
            }
        }
    }

    fn fit_split(&mut self, these: &mut [&mut Candidate], search: Search) {
        let (mode, selector) = (these[0].mode, these[0].selector);
        let mut widths = [mode.index_bits, mode.second_bits];
        if selector == 1 {
            widths.swap(0, 1);
        }
        let job = |one: &Candidate, order| Job { texels: &self.texels[one.block], mask: u16::MAX, order };
        let grid = |channels, bits, index_bits| Grid { channels, bits, parity: Parity::None, index_bits };
        let lone = |one: &&mut Candidate| job(one, [one.order()[3]; 4]);
        let jobs: Vec<Job<'_>> = these.iter().map(lone).collect();
        fit_all(&jobs, &grid(1, mode.alpha_bits, widths[1]), search, &mut self.alphas);
        // Where one channel alone is as far off, the others needn't be looked at.
        let hopeful: Vec<usize> =
            (0..these.len()).filter(|&at| self.alphas[at].error < self.best[these[at].block].error).collect();
        let jobs: Vec<Job<'_>> = hopeful.iter().map(|&at| job(these[at], these[at].order())).collect();
        fit_all(&jobs, &grid(3, mode.color_bits, widths[0]), search, &mut self.fits);
        for (&at, fit) in hopeful.iter().zip(&self.fits) {
            let (one, alpha) = (&mut *these[at], self.alphas[at]);
            one.error = fit.error + alpha.error;
            if one.error < self.best[one.block].error {
                self.best[one.block] = Found::of(one, [*fit, NOTHING, NOTHING], Some(alpha));
            }
        }
    }
}

impl Found {
    fn of(one: &Candidate, fits: [Fit; 3], alpha: Option<Fit>) -> Self {
        let Candidate { mode, partition, rotation, selector, error, .. } = *one;
        Self { mode, partition, rotation, selector, fits, alpha, error }
    }

    fn pack(mut self) -> [u8; 16] {
        let mode = self.mode;
        let (mut first, mut second) = (mode.index_bits, mode.second_bits);
        if self.selector == 1 {
            (first, second) = (second, first);
        }
        let (mut color, mut anchors) = ([0; 16], 0);
        for (subset, fit) in self.fits.iter_mut().enumerate().take(mode.subsets) {
            let (anchor, mask) = (
                partitions::anchor(mode.subsets, self.partition, subset),
                partitions::mask(mode.subsets, self.partition, subset),
            );
            // The place of the anchor among the subset's texels.
            turn(fit, (mask & ((1 << anchor) - 1)).count_ones() as usize, first);
            anchors |= 1 << anchor;
            if mask == u16::MAX {
                color = fit.indices;
                break;
            }
            let mut rest = mask;
            for index in fit.indices.iter().take(mask.count_ones() as usize) {
                color[rest.trailing_zeros() as usize & 15] = *index;
                rest &= rest.wrapping_sub(1);
            }
        }
        if let Some(alpha) = &mut self.alpha {
            turn(alpha, 0, second);
        }
        let mut out = Writer::default();
        out.put(1 << mode.number, mode.number + 1);
        out.put(self.partition as u32, mode.partition_bits);
        out.put(self.rotation as u32, mode.rotation_bits);
        out.put(self.selector, mode.selector_bits);
        self.write_ends(&mut out);
        let mut sets = [Some((color, first)), self.alpha.map(|alpha| (alpha.indices, second))];
        if self.selector == 1 {
            sets.swap(0, 1);
        }
        for (indices, bits) in sets.into_iter().flatten() {
            let (mut all, mut at) = (0u64, 0);
            for (texel, &index) in indices.iter().enumerate() {
                all |= u64::from(index) << at;
                at += bits - u32::from(anchors >> texel & 1 == 1);
            }
            out.put_long(all, at);
        }
        out.bytes()
    }

    fn write_ends(&self, out: &mut Writer) {
        let mode = self.mode;
        for channel in 0..3 {
            for fit in self.fits.iter().take(mode.subsets) {
                fit.codes.iter().for_each(|code| out.put(code[channel].into(), mode.color_bits));
            }
        }
        match &self.alpha {
            Some(alpha) => alpha.codes.iter().for_each(|code| out.put(code[0].into(), mode.alpha_bits)),
            None if mode.alpha_bits > 0 => {
                for fit in self.fits.iter().take(mode.subsets) {
                    fit.codes.iter().for_each(|code| out.put(code[3].into(), mode.alpha_bits));
                }
            }
            None => {}
        }
        for fit in self.fits.iter().take(mode.subsets) {
            match mode.parity {
                Parity::None => {}
                Parity::Shared => out.put(fit.lowest[0].into(), 1),
                Parity::Each => fit.lowest.iter().for_each(|&bit| out.put(bit.into(), 1)),
            }
        }
    }
}

/// Turns a subset round where its anchor's index has the highest bit, which isn't written.
fn turn(fit: &mut Fit, anchor: usize, bits: u32) {
    if fit.indices[anchor] >> (bits - 1) & 1 == 1 {
        let most = (1u8 << bits) - 1;
        fit.codes.swap(0, 1);
        fit.lowest.swap(0, 1);
        fit.indices.iter_mut().for_each(|index| *index = most - *index);
    }
}
