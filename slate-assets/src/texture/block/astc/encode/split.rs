//! Which partitions and which lone channels are worth a trial.

use super::{tables::Tables, trial::Block};
use crate::texture::block::{astc::MOST_TEXELS, line};

/// The best partitions of two subsets: near to two clusters of the texels, then by what lines leave.
pub(super) fn pairs(block: &Block, tables: &Tables, lined: usize, wanted: usize) -> Vec<(u32, [u64; 3])> {
    let points = &block.points[..block.count];
    let clusters = clusters(points);
    let count = block.count as u32;
    // By how many texels are on the other side, either way round.
    let mut near: Vec<(u32, usize)> = tables
        .pairs
        .iter()
        .enumerate()
        .map(|(at, pair)| {
            let off: u32 = (0..3).map(|word| (pair.second[word] ^ clusters[word]).count_ones()).sum();
            (off.min(count - off), at)
        })
        .collect();
    let lined = lined.min(near.len());
    if lined == 0 {
        return Vec::new();
    }
    near.select_nth_unstable(lined - 1);
    near.truncate(lined);
    let mut ranked: Vec<(f32, usize)> =
        near.into_iter().map(|(_, at)| (left(points, &tables.pairs[at].second), at)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    ranked.into_iter().take(wanted).map(|(_, at)| (tables.pairs[at].seed, tables.pairs[at].second)).collect()
}

/// What a line through each subset leaves.
fn left(points: &[[f32; 4]], second: &[u64; 3]) -> f32 {
    let mut sides = [[[0.0f32; 4]; MOST_TEXELS]; 2];
    let mut counts = [0; 2];
    for (at, point) in points.iter().enumerate() {
        let side = (second[at / 64] >> (at % 64) & 1) as usize;
        sides[side][counts[side]] = *point;
        counts[side] += 1;
    }
    (0..2)
        .map(|side| {
            let line = line::through(&sides[side][..counts[side]]);
            (line.spread - line.along).max(0.0) + line.along * 0.02
        })
        .sum()
}

/// Two clusters, by three rounds of means from both sides of the longest axis.
fn clusters(points: &[[f32; 4]]) -> [u64; 3] {
    let line = line::through(points);
    let mut sides = [0u64; 3];
    for (at, point) in points.iter().enumerate() {
        sides[at / 64] |= u64::from(line.share(point) > 0.0) << (at % 64);
    }
    for _ in 0..3 {
        let mut sums = [[0.0f32; 5]; 2];
        for (at, point) in points.iter().enumerate() {
            let sum = &mut sums[(sides[at / 64] >> (at % 64) & 1) as usize];
            (0..4).for_each(|channel| sum[channel] += point[channel]);
            sum[4] += 1.0;
        }
        if sums[0][4] == 0.0 || sums[1][4] == 0.0 {
            break;
        }
        let means = sums.map(|sum| [0, 1, 2, 3].map(|channel: usize| sum[channel] / sum[4]));
        let off = |point: &[f32; 4], mean: &[f32; 4]| (0..4).map(|c| (point[c] - mean[c]).powi(2)).sum::<f32>();
        sides = [0; 3];
        for (at, point) in points.iter().enumerate() {
            sides[at / 64] |= u64::from(off(point, &means[1]) < off(point, &means[0])) << (at % 64);
        }
    }
    sides
}

/// The colour channels, the one that follows the others least first.
pub(super) fn loosest(block: &Block) -> [usize; 3] {
    let points = &block.points[..block.count];
    let line = line::through(points);
    let ends = [line.at(0.0), line.at(1.0)];
    let mut off = [0, 1, 2].map(|channel: usize| {
        let (mean, slope) = (ends[0][channel], ends[1][channel] - ends[0][channel]);
        let error: f32 = points.iter().map(|point| (point[channel] - mean - slope * line.share(point)).powi(2)).sum();
        (error, channel)
    });
    off.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    off.map(|(_, channel)| channel)
}
