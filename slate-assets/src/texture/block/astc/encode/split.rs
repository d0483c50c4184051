//! Which partitions and which lone channels are worth a trial.

use super::{
    Block,
    lanes::{Lanes, Piece},
    tables::{Split, Tables},
};
use crate::{
    simd::{self, Kernel},
    texture::block::{
        astc::MOST_TEXELS,
        line,
        wide::{LANES, Wide},
    },
};

/// The texels of a block's second cluster, as bits.
type Bits = [u32; MOST_TEXELS.div_ceil(32)];

/// The best partitions of two subsets of each block: near to two clusters of its texels, then by what lines leave.
pub(super) fn pairs(pieces: &[Piece<'_>], tables: &Tables, lined: usize, wanted: usize) -> Vec<Vec<u16>> {
    let mut out = Vec::with_capacity(pieces.len());
    let mut found = Candidates { near: Vec::new(), counts: vec![0; tables.splits[0].len()], scores: Vec::new() };
    for pieces in pieces.chunk_by(|a, b| a.key() == b.key()).flat_map(|alike| alike.chunks(LANES)) {
        let has_alpha = pieces[0].cut.kind.has_alpha();
        let clusters = if has_alpha {
            simd::run(Clusters::<4> { pieces, tables })
        } else {
            simd::run(Clusters::<3> { pieces, tables })
        };
        for (piece, clusters) in pieces.iter().zip(&clusters) {
            simd::run(Mismatch { clusters, tables, counts: &mut found.counts });
            found.nearest(tables.texels, lined);
            if has_alpha {
                simd::run(Leave::<4> { points: piece.points, splits: &tables.splits[0], found: &mut found });
            } else {
                simd::run(Leave::<3> { points: piece.points, splits: &tables.splits[0], found: &mut found });
            }
            out.push(found.best(wanted));
        }
    }
    out
}

/// Partitions of the block in hand.
struct Candidates {
    /// By partition how many texels are on the other side.
    counts: Vec<u8>,
    near: Vec<u16>,
    scores: Vec<(f32, u16)>,
}

impl Candidates {
    /// Those with the lowest scores, best first; of equal ones the first.
    fn best(&self, wanted: usize) -> Vec<u16> {
        let mut best: Vec<(f32, u16)> = Vec::with_capacity(wanted + 1);
        for &(score, at) in &self.scores {
            if best.len() < wanted || best.last().is_some_and(|(worst, _)| score < *worst) {
                best.insert(best.partition_point(|(other, _)| *other <= score), (score, at));
                best.truncate(wanted);
            }
        }
        best.into_iter().map(|(_, at)| at).collect()
    }

    /// Those with the fewest texels on the other side; of equal ones the first.
    fn nearest(&mut self, texels: usize, wanted: usize) {
        let mut sizes = [0usize; MOST_TEXELS / 2 + 1];
        self.counts.iter().for_each(|&count| sizes[usize::from(count)] += 1);
        let (mut room, mut last) = (wanted.min(self.counts.len()), 0);
        while last < texels / 2 && sizes[last] < room {
            room -= sizes[last];
            last += 1;
        }
        self.near.clear();
        for (&count, at) in self.counts.iter().zip(0..) {
            let count = usize::from(count);
            if count < last || count == last && room > 0 {
                room -= usize::from(count == last);
                self.near.push(at);
            }
        }
    }
}

/// Two clusters of each block, by two rounds of means from both sides of the longest axis.
struct Clusters<'a, const C: usize> {
    pieces: &'a [Piece<'a>],
    tables: &'a Tables,
}

impl<const C: usize> Kernel for Clusters<'_, C> {
    type Out = [Bits; LANES];

    #[inline(always)]
    fn run(self) -> [Bits; LANES] {
        let lanes = Lanes::<C, C>::new(self.pieces.iter().copied(), self.tables);
        let mut alongs = [[Wide::default(); 2]; MOST_TEXELS];
        lanes.line(0, &mut alongs);
        let (none, one) = (Wide::default(), Wide::splat(1.0));
        let mut sides = [Wide::default(); MOST_TEXELS];
        for (side, along) in sides.iter_mut().zip(&alongs).take(lanes.texels.len()) {
            *side = none.less(along[0], one, none);
        }
        for _ in 0..2 {
            let (mut count, mut sums) = (Wide::default(), [Wide::default(); C]);
            for (texel, side) in lanes.texels.iter().zip(&sides) {
                count = count + *side;
                for c in 0..C {
                    sums[c] = sums[c] + texel[c] * *side;
                }
            }
            let shares = [one.over(lanes.counts[0] - count), one.over(count)];
            // Where a texel is as near to one mean as to the other.
            let (mut slope, mut middle) = ([Wide::default(); C], Wide::default());
            for c in 0..C {
                let (first, second) = ((lanes.sums[0][c] - sums[c]) * shares[0], sums[c] * shares[1]);
                slope[c] = second - first;
                middle = middle + slope[c] * (first + second) * Wide::splat(0.5);
            }
            for (texel, side) in lanes.texels.iter().zip(&mut sides) {
                let mut along = Wide::default();
                for c in 0..C {
                    along = along + texel[c] * slope[c];
                }
                *side = middle.less(along, one, none);
            }
        }
        let mut out = [Bits::default(); LANES];
        for (at, side) in sides.iter().enumerate().take(lanes.texels.len()) {
            for (out, side) in out.iter_mut().zip(&side.0) {
                out[at / 32] |= u32::from(*side > 0.0) << (at % 32);
            }
        }
        out
    }
}

/// Counts for each partition the texels on the other side, either way round.
struct Mismatch<'a> {
    clusters: &'a Bits,
    tables: &'a Tables,
    counts: &'a mut [u8],
}

impl Kernel for Mismatch<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let texels = self.tables.texels as u8;
        self.counts.fill(0);
        for (seconds, cluster) in self.tables.seconds.iter().zip(self.clusters) {
            for (count, second) in self.counts.iter_mut().zip(seconds) {
                *count += (second ^ cluster).count_ones() as u8;
            }
        }
        for count in self.counts.iter_mut() {
            *count = (*count).min(texels - *count);
        }
    }
}

/// What lines through both subsets would leave, for partitions side by side: by covariances alone.
struct Leave<'a, const C: usize> {
    points: &'a [[f32; 4]],
    splits: &'a [Split],
    found: &'a mut Candidates,
}

/// Sums of up to four values and their ten products, and the room that they take in vectors.
const FEATURES: usize = 14;
const ROOM: usize = 16;

impl<const C: usize> Kernel for Leave<'_, C> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Self { points, splits, found } = self;
        let mut mean = [0.0f32; C];
        let share = 1.0 / points.len() as f32;
        for point in points {
            for c in 0..C {
                mean[c] += point[c] * share;
            }
        }
        let mut totals = [0.0f32; FEATURES];
        let mut features = [[0.0f32; ROOM]; MOST_TEXELS];
        for (features, point) in features.iter_mut().zip(points) {
            let mut at = C;
            for c in 0..C {
                features[c] = point[c] - mean[c];
            }
            for row in 0..C {
                for column in row..C {
                    features[at] = features[row] * features[column];
                    at += 1;
                }
            }
            for at in 0..at {
                totals[at] += features[at];
            }
        }
        found.scores.clear();
        for near in found.near.chunks(LANES) {
            let mut sums = [Wide::default(); FEATURES];
            let mut counts = Wide::default();
            for (lane, &split) in near.iter().enumerate() {
                let fewer = &splits[usize::from(split)].fewer;
                let mut sum = [0.0f32; ROOM];
                for &texel in fewer {
                    let features = &features[usize::from(texel)];
                    for feature in 0..ROOM {
                        sum[feature] += features[feature];
                    }
                }
                counts.0[lane] = fewer.len() as f32;
                for feature in 0..FEATURES {
                    sums[feature].0[lane] = sum[feature];
                }
            }
            let mut rest = [Wide::default(); FEATURES];
            for feature in 0..C + C * (C + 1) / 2 {
                rest[feature] = Wide::splat(totals[feature]) - sums[feature];
            }
            let first = Wide::splat(points.len() as f32) - counts;
            let score = left::<C>(&sums, counts) + left::<C>(&rest, first);
            found.scores.extend(near.iter().zip(&score.0).map(|(&at, &score)| (score, at)));
        }
    }
}

/// What lies off a line, and a share of what lies along it.
#[inline(always)]
fn left<const C: usize>(sums: &[Wide; FEATURES], count: Wide) -> Wide {
    let share = Wide::splat(1.0).over(count);
    let pairs = (0..C).flat_map(|row| (row..C).map(move |column| (row, column)));
    let [off, along] = line::spread(
        pairs.zip(&sums[C..]).map(|((row, column), sum)| (row == column, *sum - sums[row] * sums[column] * share)),
    );
    off + along * Wide::splat(0.008)
}

/// The colour channels, the one that follows the others least first.
pub(super) fn loosest(block: &Block) -> [u8; 3] {
    let points = &block.points;
    let line = line::through(points);
    let ends = [line.at(0.0), line.at(1.0)];
    let mut off = [0, 1, 2].map(|channel: usize| {
        let (mean, slope) = (ends[0][channel], ends[1][channel] - ends[0][channel]);
        let error: f32 = points.iter().map(|point| (point[channel] - mean - slope * line.share(point)).powi(2)).sum();
        (error, channel)
    });
    off.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    off.map(|(_, channel)| channel as u8)
}
