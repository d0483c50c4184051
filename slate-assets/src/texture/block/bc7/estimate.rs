//! Ranks partitions by how well lines would fit their subsets, without fitting any.

use crate::{
    simd::{self, Kernel},
    texture::block::{
        partitions,
        wide::{LANES, Wide},
    },
};
use std::sync::LazyLock;

/// Of partitions side by side.
const GROUPS: usize = 64 / LANES;

/// 1 where a texel is in the subset, by subset, texel and group of partitions.
struct Masks {
    subsets: usize,
    inside: Vec<[[Wide; GROUPS]; 16]>,
}

static TWO: LazyLock<Masks> = LazyLock::new(|| Masks::of(2));
static THREE: LazyLock<Masks> = LazyLock::new(|| Masks::of(3));

impl Masks {
    fn of(subsets: usize) -> Self {
        let inside = |subset: usize, texel: usize, partition: usize| {
            f32::from(u8::from(partitions::subset(subsets, partition, texel) == subset))
        };
        let of_subset = |subset: usize| {
            std::array::from_fn(|texel| {
                std::array::from_fn(|group| {
                    Wide(std::array::from_fn(|lane| inside(subset, texel, group * LANES + lane)))
                })
            })
        };
        Self { subsets, inside: (1..subsets).map(of_subset).collect() }
    }
}

/// What lines would leave of the squared differences, by partition.
pub(super) struct Estimates {
    /// Off the lines.
    off: [Wide; GROUPS],
    /// Along the lines, where indices round.
    along: [Wide; GROUPS],
}

/// Sums over texels: count, four values and their ten products.
const FEATURES: usize = 15;

/// The pairs of channels whose products are summed, in the order of the features.
const PAIRS: [(usize, usize); 10] = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2), (0, 3), (1, 3), (2, 3), (3, 3)];

impl Estimates {
    /// The first `partitions` partitions of two or three subsets; `channels` is 3 where alpha doesn't count.
    pub(super) fn new(texels: &[[f32; 4]; 16], subsets: usize, channels: usize, partitions: usize) -> Self {
        simd::run(New { texels, subsets, channels, partitions })
    }

    #[inline(always)]
    fn new_plain(texels: &[[f32; 4]; 16], subsets: usize, channels: usize, partitions: usize) -> Self {
        let masks: &Masks = if subsets == 2 { &TWO } else { &THREE };
        let pairs = if channels == 3 { 6 } else { 10 };
        let features = features(texels, channels);
        let mut totals = [0.0f32; FEATURES];
        for texel in &features {
            totals.iter_mut().zip(texel).for_each(|(total, value)| *total += value);
        }
        let mut found = Self { off: [Wide::default(); GROUPS], along: [Wide::default(); GROUPS] };
        for group in 0..partitions.div_ceil(LANES).min(GROUPS) {
            let mut rest = totals.map(Wide::splat);
            for inside in masks.inside.iter().take(masks.subsets - 1) {
                let mut sums = [Wide::default(); FEATURES];
                for (texel, features) in features.iter().enumerate() {
                    let mask = inside[texel][group];
                    sums[0] = sums[0] + mask;
                    for at in 1..1 + channels {
                        sums[at] = sums[at] + mask * Wide::splat(features[at]);
                    }
                    for at in 5..5 + pairs {
                        sums[at] = sums[at] + mask * Wide::splat(features[at]);
                    }
                }
                for at in 0..FEATURES {
                    rest[at] = rest[at] - sums[at];
                }
                found.add(group, &sums, pairs);
            }
            found.add(group, &rest, pairs);
        }
        found
    }

    /// Adds what one subset of some partitions leaves.
    #[inline(always)]
    fn add(&mut self, group: usize, sums: &[Wide; FEATURES], pairs: usize) {
        let share = Wide::splat(1.0).over(sums[0]);
        let mut matrix = [[Wide::default(); 4]; 4];
        for (at, &(row, column)) in PAIRS.iter().enumerate().take(pairs) {
            let value = sums[5 + at] - sums[1 + row] * sums[1 + column] * share;
            matrix[row][column] = value;
            matrix[column][row] = value;
        }
        let channels = if pairs == 6 { 3 } else { 4 };
        let (mut trace, mut once, mut twice) = (Wide::default(), Wide::default(), Wide::default());
        for row in 0..channels {
            trace = trace + matrix[row][row];
            for column in row..channels {
                let mut square = Wide::default();
                for (at, value) in matrix[row].iter().enumerate().take(channels) {
                    square = square + *value * matrix[at][column];
                }
                let count = Wide::splat(if row == column { 1.0 } else { 2.0 });
                twice = twice + count * square * square;
                once = once + count * matrix[row][column] * matrix[row][column];
            }
        }
        // The norm of the squared matrix over that of the matrix is near its greatest eigenvalue, and never above.
        let along = twice.over(once).sqrt();
        self.along[group] = self.along[group] + along;
        self.off[group] = self.off[group] + (trace - along).max(Wide::default());
    }

    /// The error to expect of one partition, if an index rounds away `rounding` of what lies along the lines.
    fn error(&self, partition: usize, rounding: f32) -> f32 {
        let at = |values: &[Wide; GROUPS]| values[partition / LANES].0[partition % LANES];
        at(&self.off) + at(&self.along) * rounding
    }

    /// The best partitions, best first, with the errors to expect; fewer where there are fewer.
    pub(super) fn best<const N: usize>(&self, partitions: usize, rounding: f32, wanted: usize) -> Best<N> {
        let mut best = Best { ranked: [(f32::MAX, 0); N], count: 0 };
        for partition in 0..partitions {
            best.add(self.error(partition, rounding), partition, wanted.min(N));
        }
        best
    }
}

struct New<'a> {
    texels: &'a [[f32; 4]; 16],
    subsets: usize,
    channels: usize,
    partitions: usize,
}

impl Kernel for New<'_> {
    type Out = Estimates;

    #[inline(always)]
    fn run(self) -> Estimates {
        // Known numbers of channels let both loops be unrolled.
        match self.channels {
            3 => Estimates::new_plain(self.texels, self.subsets, 3, self.partitions),
            _ => Estimates::new_plain(self.texels, self.subsets, 4, self.partitions),
        }
    }
}

/// A short list, best first.
pub(super) struct Best<const N: usize> {
    ranked: [(f32, usize); N],
    count: usize,
}

impl<const N: usize> Best<N> {
    fn add(&mut self, error: f32, partition: usize, most: usize) {
        if most == 0 || (self.count == most && error >= self.ranked[most - 1].0) {
            return;
        }
        self.count = (self.count + 1).min(most);
        let mut at = self.count - 1;
        while at > 0 && error < self.ranked[at - 1].0 {
            self.ranked[at] = self.ranked[at - 1];
            at -= 1;
        }
        self.ranked[at] = (error, partition);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (f32, usize)> + '_ {
        self.ranked.iter().take(self.count).copied()
    }
}

#[inline(always)]
fn features(texels: &[[f32; 4]; 16], channels: usize) -> [[f32; FEATURES]; 16] {
    let mut mean = [0.0f32; 4];
    for texel in texels {
        mean.iter_mut().zip(texel).for_each(|(mean, value)| *mean += value / 16.0);
    }
    texels.map(|texel| {
        let away: [f32; 4] = std::array::from_fn(|at| if at < channels { texel[at] - mean[at] } else { 0.0 });
        let mut features = [1.0; FEATURES];
        features[1..5].copy_from_slice(&away);
        for (feature, &(a, b)) in features[5..].iter_mut().zip(&PAIRS) {
            *feature = away[a] * away[b];
        }
        features
    })
}
