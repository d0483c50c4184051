//! Chooses subsets, planes and modes of blocks by estimates, and fits the most promising ones side by side.

mod dialect;
mod ends;
mod fit;
mod lanes;
mod rank;
mod repeat;
mod split;
mod tables;
#[cfg(test)]
mod tests;
mod weigh;
mod weights;

use crate::texture::block::{
    Effort, Footprint,
    astc::{MOST_WEIGHTS, colors, ise::RANGES},
};
use dialect::Dialect;
pub(in crate::texture::block) use dialect::{Found, Mode, search};
use ends::Kind;
use fit::{Fit, Job, Search, fit_all};
use lanes::Piece;
pub(crate) use repeat::Parts;
pub(in crate::texture::block) use tables::Tables;

/// How far each effort goes.
pub(in crate::texture::block) struct Plan {
    /// Modes that are fitted for each way to cut a block.
    pub(in crate::texture::block) modes: usize,
    /// How each candidate is fitted first.
    pub(in crate::texture::block) search: Search,
    /// Partitions of two subsets that are ranked by lines, and that are fitted.
    pub(in crate::texture::block) lined: usize,
    pub(in crate::texture::block) pairs: usize,
    /// Channels that are tried with weights of their own, where alpha isn't.
    pub(in crate::texture::block) apart: usize,
    /// A block whose squared error for each texel is at most this isn't looked at with partitions.
    pub(in crate::texture::block) enough: f32,
    /// How many of the best candidates are fitted once more, and how.
    pub(in crate::texture::block) finalists: usize,
    pub(in crate::texture::block) finer: Search,
    /// Candidates of two subsets that are fitted, the most promising of all.
    pub(in crate::texture::block) fitted: usize,
    /// The share of an estimated error that is sure to be left: where it is above the best found, nothing is fitted.
    pub(in crate::texture::block) sure: f32,
}

pub(in crate::texture::block) const fn look(rounds: usize, spreads: usize, steps: usize) -> Search {
    Search { rounds, spreads, steps }
}

const fn plan(modes: usize, quick: Search, [lined, pairs, apart]: [usize; 3], enough: f32) -> Plan {
    Plan {
        modes,
        search: quick,
        lined,
        pairs,
        apart,
        enough,
        finalists: 0,
        finer: quick,
        fitted: usize::MAX,
        sure: 0.7,
    }
}

const PLANS: [Plan; 5] = [
    plan(1, look(1, 0, 0), [24, 1, 0], 6.0),
    plan(2, look(1, 0, 0), [32, 1, 1], 4.0),
    Plan { finalists: 1, finer: look(2, 1, 0), ..plan(2, look(1, 0, 0), [48, 2, 1], 4.0) },
    Plan { finalists: 3, finer: look(3, 1, 1), ..plan(3, look(1, 0, 0), [128, 6, 2], 2.0) },
    Plan { finalists: 8, finer: look(3, 2, 1), fitted: 40, sure: 0.6, ..plan(6, look(1, 0, 0), [256, 16, 3], 0.0) },
];

/// Blocks that are encoded together: more of them fill more lanes.
pub(crate) const TOGETHER: usize = 256;

/// How the texels of a block are cut and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    kind: Kind,
    /// The channel with weights of its own.
    apart: Option<u8>,
    subsets: u8,
    /// The place of the partition among those of so many subsets.
    split: u16,
}

impl Cut {
    fn whole(kind: Kind) -> Self {
        Self { kind, apart: None, subsets: 1, split: 0 }
    }
}

/// Encodes blocks, 16 bytes each; `texels` are those of a block after the other, each in rows.
pub(crate) fn encode(texels: &[[u8; 4]], footprint: Footprint, effort: Effort, out: &mut [u8]) {
    let tables = Tables::get(footprint);
    let plan = &PLANS[effort.at_most(4)];
    for (texels, out) in texels.chunks(TOGETHER * tables.texels).zip(out.chunks_mut(TOGETHER * 16)) {
        Blocks::new(texels, tables, plan).write(out);
    }
}

/// A mode for a way to cut a block.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    block: usize,
    cut: Cut,
    /// The place of the mode.
    choice: usize,
    /// The place of the range of its colours.
    colors: usize,
    /// As it is estimated, then as it is.
    error: f32,
}

/// The texels of a block, as floats.
struct Block {
    points: Vec<[f32; 4]>,
    /// How its endpoints are written at first.
    kind: Kind,
}

impl Block {
    fn new(texels: &[[u8; 4]], dialect: Dialect) -> Self {
        let points = texels.iter().map(|texel| texel.map(f32::from)).collect();
        let opaque = texels.iter().all(|texel| texel[3] == 255);
        let grey = texels.iter().all(|[r, g, b, _]| r == g && g == b);
        let kind = match (grey, opaque) {
            (true, true) => Kind::Grey,
            (true, false) => Kind::GreyAlpha,
            (false, true) => Kind::Colors,
            (false, false) => Kind::ColorsAlpha,
        };
        Self { points, kind: dialect.kind(kind) }
    }
}

/// Blocks while they are looked at.
struct Blocks<'a> {
    tables: &'a Tables,
    plan: &'static Plan,
    blocks: Vec<Block>,
    best: Vec<Option<(Candidate, Fit)>>,
    /// The first texel, and whether all others are equal to it.
    firsts: Vec<([u8; 4], bool)>,
}

impl<'a> Blocks<'a> {
    fn new(texels: &[[u8; 4]], tables: &'a Tables, plan: &'static Plan) -> Self {
        let count = texels.len() / tables.texels;
        let mut all = Self {
            tables,
            plan,
            blocks: Vec::with_capacity(count),
            best: vec![None; count],
            firsts: Vec::with_capacity(count),
        };
        for texels in texels.chunks_exact(tables.texels) {
            all.blocks.push(Block::new(texels, tables.dialect));
            all.firsts.push((texels[0], texels.iter().all(|texel| *texel == texels[0])));
        }
        all
    }

    fn write(mut self, out: &mut [u8]) {
        self.search();
        for (at, out) in out.chunks_exact_mut(16).enumerate() {
            let found = self.best[at].as_ref().map(|(candidate, fit)| self.pack(candidate, fit));
            out.copy_from_slice(&found.unwrap_or_else(|| void_extent(self.firsts[at].0)));
        }
    }

    fn search(&mut self) {
        let plan = self.plan;
        let wanted: Vec<usize> = (0..self.blocks.len()).filter(|&at| !self.firsts[at].1).collect();
        let mut candidates = self.ranked(&self.whole(&wanted));
        self.fit(&mut candidates, plan.search);
        let first = candidates.len();
        candidates.extend(self.ranked(&self.apart(&wanted)));
        let mut split = self.ranked(&self.split(&wanted));
        for of_one in split.chunk_by_mut(|a, b| a.block == b.block) {
            of_one.sort_by(|a, b| a.error.total_cmp(&b.error));
            candidates.extend(&of_one[..of_one.len().min(plan.fitted)]);
        }
        self.fit(&mut candidates[first..], plan.search);
        if plan.finalists > 0 {
            candidates.sort_by(|a, b| a.block.cmp(&b.block).then(a.error.total_cmp(&b.error)));
            let mut finalists: Vec<Candidate> = Vec::new();
            for of_one in candidates.chunk_by(|a, b| a.block == b.block) {
                finalists.extend(&of_one[..of_one.len().min(plan.finalists)]);
            }
            self.fit(&mut finalists, plan.finer);
        }
    }

    /// Blocks as they are, and with alpha apart.
    fn whole(&self, wanted: &[usize]) -> Vec<(usize, Cut)> {
        let mut cuts = Vec::with_capacity(wanted.len() * 2);
        for &at in wanted {
            let kind = self.blocks[at].kind;
            cuts.push((at, Cut::whole(kind)));
            if kind == Kind::Colors && self.tables.dialect == Dialect::Astc {
                cuts.push((at, Cut::whole(Kind::Scaled)));
            }
            if kind.has_alpha() {
                cuts.push((at, Cut { apart: Some(3), ..Cut::whole(kind) }));
            }
        }
        cuts
    }

    /// Blocks with a colour channel apart.
    fn apart(&self, wanted: &[usize]) -> Vec<(usize, Cut)> {
        let mut cuts = Vec::new();
        for &at in wanted.iter().filter(|_| self.plan.apart > 0) {
            let kind = self.blocks[at].kind;
            if matches!(kind, Kind::Colors | Kind::ColorsAlpha) {
                let channels = split::loosest(&self.blocks[at]).into_iter().take(self.plan.apart);
                cuts.extend(channels.map(|channel| (at, Cut { apart: Some(channel), ..Cut::whole(kind) })));
            }
        }
        cuts
    }

    /// Blocks in two subsets, where they aren't good enough yet.
    fn split(&self, wanted: &[usize]) -> Vec<(usize, Cut)> {
        let Plan { pairs, lined, enough, .. } = *self.plan;
        let is_hard = |at: usize| pairs > 0 && self.bound(at) > enough * self.tables.texels as f32;
        let hard: Vec<usize> = wanted.iter().copied().filter(|&at| is_hard(at)).collect();
        let pieces: Vec<Piece<'_>> = hard.iter().map(|&at| self.piece(at, Cut::whole(self.blocks[at].kind))).collect();
        let mut cuts = Vec::with_capacity(hard.len() * pairs * 2);
        for (&at, splits) in hard.iter().zip(split::pairs(&pieces, self.tables, lined, pairs)) {
            let kind = self.blocks[at].kind;
            for split in splits {
                let cut = Cut { subsets: 2, split, ..Cut::whole(kind) };
                cuts.push((at, cut));
                if kind == Kind::Colors && self.tables.dialect == Dialect::Astc {
                    cuts.push((at, Cut { kind: Kind::Scaled, ..cut }));
                }
            }
        }
        cuts
    }

    /// The error of the best so far.
    fn bound(&self, at: usize) -> f32 {
        self.best[at].as_ref().map_or(f32::MAX, |(_, fit)| fit.error)
    }

    fn piece(&self, block: usize, cut: Cut) -> Piece<'_> {
        Piece { points: &self.blocks[block].points, cut }
    }

    /// The best modes for ways to cut blocks, where they may be better than what there is.
    fn ranked(&self, cuts: &[(usize, Cut)]) -> Vec<Candidate> {
        let pieces: Vec<Piece<'_>> = cuts.iter().map(|&(block, cut)| self.piece(block, cut)).collect();
        let mut out = Vec::with_capacity(cuts.len() * self.plan.modes);
        let sure = self.plan.sure;
        for (&(block, cut), best) in cuts.iter().zip(rank::rank_all(&pieces, self.tables, self.plan.modes)) {
            let (entries, bound) = (self.tables.entries(cut), self.bound(block));
            let may = |at: usize| cut.split < entries[at].splits;
            for (error, at) in best.iter().take_while(|(error, _)| error * sure < bound).filter(|&(_, at)| may(at)) {
                out.push(Candidate { block, cut, choice: entries[at].choice, colors: entries[at].colors, error });
            }
        }
        out
    }

    /// Fits candidates, and keeps the best of each block.
    fn fit(&mut self, candidates: &mut [Candidate], search: Search) {
        let job = |candidate: &Candidate| Job {
            piece: self.piece(candidate.block, candidate.cut),
            choice: &self.tables.choices[candidate.choice],
            colors: candidate.colors,
        };
        let jobs: Vec<Job<'_>> = candidates.iter().map(job).collect();
        let fits = fit_all(&jobs, self.tables, search);
        for (candidate, fit) in candidates.iter_mut().zip(&fits) {
            candidate.error = fit.error;
            let best = &mut self.best[candidate.block];
            if best.as_ref().is_none_or(|(_, best)| fit.error < best.error) {
                *best = Some((*candidate, *fit));
            }
        }
    }

    fn pack(&self, candidate: &Candidate, fit: &Fit) -> [u8; 16] {
        let Candidate { cut, choice, colors, .. } = candidate;
        let choice = &self.tables.choices[*choice];
        let (subsets, mode) = (u128::from(cut.subsets), cut.kind.mode());
        let mut bits = u128::from(choice.bits) | (subsets - 1) << 11;
        let start = if cut.subsets == 1 {
            bits |= u128::from(mode) << 13;
            17
        } else {
            let seed = self.tables.splits[usize::from(cut.subsets) - 2][usize::from(cut.split)].seed;
            // Two zero bits before the mode say that all subsets have it.
            bits |= u128::from(seed) << 13 | u128::from(mode) << 25;
            29
        };
        let values = usize::from(cut.subsets) * colors::count(mode);
        bits |= RANGES[*colors].write(&fit.colors[..values]) << start;
        let (range, planes) = (RANGES[choice.mode.range], if cut.apart.is_some() { 2 } else { 1 });
        let count = self.tables.grids[choice.grid].shares.len();
        let mut weights = [0; MOST_WEIGHTS];
        for (at, weight) in weights.iter_mut().enumerate().take(count * planes) {
            *weight = fit.weights[at % planes * count + at / planes];
        }
        let length = range.length((count * planes) as u32);
        if let Some(apart) = cut.apart {
            bits |= u128::from(apart) << (128 - length - 2);
        }
        (bits | range.write(&weights[..count * planes]).reverse_bits()).to_le_bytes()
    }
}

/// A block of one colour.
fn void_extent(texel: [u8; 4]) -> [u8; 16] {
    let mut block = [0xFC, 0xFD, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0];
    for (at, value) in texel.into_iter().enumerate() {
        (block[8 + at * 2], block[9 + at * 2]) = (value, value);
    }
    block
}
