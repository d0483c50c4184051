//! Blocks side by side, one in each lane, all cut in one way: their lines.

use super::{
    Cut, Kind,
    tables::{MOST_SUBSETS, Tables},
};
use crate::texture::block::{
    astc::MOST_TEXELS,
    line,
    wide::{LANES, Wide},
};

/// A block and a way to cut it.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) points: &'a [[f32; 4]],
    pub(super) cut: Cut,
}

impl Piece<'_> {
    /// Those that may stand side by side are equal by this; it is below 256.
    pub(super) fn key(&self) -> u64 {
        let apart = self.cut.apart.map_or(0, |apart| u64::from(apart) + 1);
        (self.cut.kind as u64 * 5 + apart) * 4 + u64::from(self.cut.subsets)
    }
}

/// The places of values in groups of as many as there are lanes or fewer, equal by their keys, which are below 2³².
pub(super) fn groups(keys: impl Iterator<Item = u64>, mut each: impl FnMut(&[usize])) {
    let mut order: Vec<u64> = keys.zip(0..).map(|(key, at): (u64, u64)| key << 32 | at).collect();
    order.sort_unstable();
    for alike in order.chunk_by(|a, b| a >> 32 == b >> 32).flat_map(|alike| alike.chunks(LANES)) {
        let mut places = [0; LANES];
        places.iter_mut().zip(alike).for_each(|(place, key)| *place = (key & 0xFFFF_FFFF) as usize);
        each(&places[..alike.len()]);
    }
}

/// Of `C` channels the first `F` share their weights; the last one has its own where there is one more.
pub(super) struct Lanes<const C: usize, const F: usize> {
    pub(super) kind: Kind,
    pub(super) texels: Vec<[Wide; C]>,
    /// 1 for each texel that is in a subset, by subset; of one subset alone there is none.
    inside: Vec<[Wide; MOST_SUBSETS]>,
    pub(super) subsets: usize,
    pub(super) counts: [Wide; MOST_SUBSETS],
    pub(super) sums: [[Wide; C]; MOST_SUBSETS],
    /// The channels in the order in which they are here.
    order: [usize; 4],
}

/// A line through each lane's texels of a subset.
pub(super) struct Line<const C: usize> {
    /// Both ends of what they span.
    pub(super) ends: [[Wide; C]; 2],
    /// By plane how far along it the outermost ones are, from the mean.
    pub(super) low: [Wide; 2],
    pub(super) high: [Wide; 2],
    /// What lies off the line, squared.
    pub(super) off: Wide,
}

/// By texel and plane how far along the line it is, from the mean.
pub(super) type Alongs = [[Wide; 2]; MOST_TEXELS];

impl<const C: usize, const F: usize> Lanes<C, F> {
    pub(super) const PLANES: usize = if F < C { 2 } else { 1 };

    /// As many pieces as there are lanes or fewer.
    #[inline(always)]
    pub(super) fn new<'a>(pieces: impl Iterator<Item = Piece<'a>> + Clone, tables: &Tables) -> Self {
        let (mut order, mut kind, mut subsets) = ([0, 1, 2, 3], Kind::Colors, 1);
        if let Some(Piece { cut, .. }) = pieces.clone().next() {
            (kind, subsets) = (cut.kind, usize::from(cut.subsets));
            if let Some(apart) = cut.apart {
                order.swap(usize::from(apart) & 3, C - 1);
            }
        }
        let mut texels = vec![[Wide::default(); C]; tables.texels];
        let mut inside = vec![[Wide::default(); MOST_SUBSETS]; if subsets > 1 { tables.texels } else { 0 }];
        for (lane, piece) in pieces.take(LANES).enumerate() {
            for (texel, point) in texels.iter_mut().zip(piece.points) {
                for c in 0..C {
                    texel[c].0[lane] = point[order[c] & 3];
                }
            }
            if subsets > 1 {
                let split = &tables.splits[subsets - 2][usize::from(piece.cut.split)];
                for (inside, &subset) in inside.iter_mut().zip(&split.subset) {
                    inside[usize::from(subset)].0[lane] = 1.0;
                }
            }
        }
        let mut counts = [Wide::splat(tables.texels as f32); MOST_SUBSETS];
        let mut sums = [[Wide::default(); C]; MOST_SUBSETS];
        if subsets > 1 {
            counts = [Wide::default(); MOST_SUBSETS];
            for (texel, inside) in texels.iter().zip(&inside) {
                for subset in 0..subsets {
                    counts[subset] = counts[subset] + inside[subset];
                    for c in 0..C {
                        sums[subset][c] = sums[subset][c] + texel[c] * inside[subset];
                    }
                }
            }
        } else {
            for texel in &texels {
                for c in 0..C {
                    sums[0][c] = sums[0][c] + texel[c];
                }
            }
        }
        Self { kind, texels, inside, subsets, counts, sums, order }
    }

    /// The place of a channel here.
    pub(super) fn place(&self, channel: usize) -> usize {
        self.order.iter().position(|&other| other == channel).unwrap_or(0)
    }

    /// 1 where a texel is in the subset.
    #[inline(always)]
    pub(super) fn there(&self, at: usize, subset: usize) -> Wide {
        if self.subsets == 1 { Wide::splat(1.0) } else { self.inside[at][subset] }
    }

    /// Of the values of `S` subsets that of the one that a texel is in.
    #[inline(always)]
    pub(super) fn of<const S: usize>(&self, at: usize, values: &[Wide; S]) -> Wide {
        if S == 1 { values[0] } else { Wide::splat(0.5).less(self.inside[at][1], values[1], values[0]) }
    }

    /// The channels of a plane.
    #[inline(always)]
    pub(super) fn channels(plane: usize) -> std::ops::Range<usize> {
        if plane == 0 { 0..F } else { F..C }
    }

    /// The line through a subset along its longest axis, or through black where colours are scaled; adds where its texels are.
    #[inline(always)]
    pub(super) fn line(&self, subset: usize, alongs: &mut Alongs) -> Line<C> {
        let share = Wide::splat(1.0).over(self.counts[subset]);
        let mut mean = self.sums[subset];
        for c in 0..C {
            mean[c] = mean[c] * share;
        }
        let axis = self.axis(subset, &mean);
        // The mean is between the outermost ones, and texels elsewhere are as if they were there.
        let (mut low, mut high, mut off) = ([Wide::default(); 2], [Wide::default(); 2], Wide::default());
        for (at, (texel, along)) in self.texels.iter().zip(alongs).enumerate() {
            let there = self.there(at, subset);
            let (mut first, mut squares) = (Wide::default(), Wide::default());
            for c in 0..F {
                let away = (texel[c] - mean[c]) * there;
                first = first + away * axis[c];
                squares = squares + away * away;
            }
            off = off + (squares - first * first);
            let mut both = [first, Wide::default()];
            if F < C {
                both[1] = (texel[C - 1] - mean[C - 1]) * there;
            }
            for plane in 0..Self::PLANES {
                (low[plane], high[plane]) = (low[plane].min(both[plane]), high[plane].max(both[plane]));
                along[plane] = along[plane] + both[plane];
            }
        }
        let mut ends = [mean; 2];
        for c in 0..C {
            let (plane, axis) = if c < F { (0, axis[c]) } else { (1, Wide::splat(1.0)) };
            (ends[0][c], ends[1][c]) = (mean[c] + axis * low[plane], mean[c] + axis * high[plane]);
        }
        Line { ends, low, high, off: off.max(Wide::default()) }
    }

    #[inline(always)]
    fn axis(&self, subset: usize, mean: &[Wide; C]) -> [Wide; F] {
        if self.kind == Kind::Scaled {
            let (mut axis, mut squares) = ([Wide::default(); F], Wide::default());
            for c in 0..F {
                squares = squares + mean[c] * mean[c];
            }
            let share = Wide::splat(1.0).over(squares.sqrt());
            for c in 0..F {
                axis[c] = mean[c] * share;
            }
            return axis;
        }
        let mut matrix = [[Wide::default(); F]; F];
        for (at, texel) in self.texels.iter().enumerate() {
            let there = self.there(at, subset);
            let mut away = [Wide::default(); F];
            for c in 0..F {
                away[c] = (texel[c] - mean[c]) * there;
            }
            for row in 0..F {
                for column in row..F {
                    matrix[row][column] = matrix[row][column] + away[row] * away[column];
                }
            }
        }
        for row in 0..F {
            for column in 0..row {
                matrix[row][column] = matrix[column][row];
            }
        }
        line::axes(&matrix)
    }
}
