//! Ranks partitions by how well lines would fit their subsets, without fitting any.

use crate::{
    simd::{self, Kernel},
    texture::block::{
        Texels, line, partitions,
        wide::{LANES, Wide},
    },
};
use std::sync::LazyLock;

/// Of partitions side by side.
const GROUPS: usize = 64 / LANES;

struct Masks {
    /// 1 where a texel is in the subset, by subset but the first, texel and group of partitions.
    inside: Vec<[[Wide; GROUPS]; 16]>,
    /// One by the number of texels in it, by subset and group of partitions.
    shares: Vec<[Wide; GROUPS]>,
}

static TWO: LazyLock<Masks> = LazyLock::new(|| Masks::of(2));
static THREE: LazyLock<Masks> = LazyLock::new(|| Masks::of(3));

impl Masks {
    fn of(subsets: usize) -> Self {
        let mask = |subset: usize, group: usize, lane: usize| partitions::mask(subsets, group * LANES + lane, subset);
        let wide = |of: &dyn Fn(usize, usize) -> f32| -> [Wide; GROUPS] {
            std::array::from_fn(|group| Wide(std::array::from_fn(|lane| of(group, lane))))
        };
        let inside = |subset: usize| {
            std::array::from_fn(|texel| {
                wide(&|group, lane| f32::from(u8::from(mask(subset, group, lane) >> texel & 1 == 1)))
            })
        };
        let share = |subset: usize| wide(&|group, lane| 1.0 / mask(subset, group, lane).count_ones() as f32);
        Self { inside: (1..subsets).map(inside).collect(), shares: (0..subsets).map(share).collect() }
    }
}

/// What lines would leave of the squared differences, by partition.
pub(super) struct Estimates {
    /// Off the lines.
    off: [Wide; GROUPS],
    /// Along the lines, where indices round.
    along: [Wide; GROUPS],
}

/// Sums over texels: up to four values and their ten products.
const FEATURES: usize = 14;

/// The pairs of channels whose products are summed, in the order of the features.
const PAIRS: [(usize, usize); 10] = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2), (0, 3), (1, 3), (2, 3), (3, 3)];

impl Estimates {
    /// The first `partitions` partitions of two or three subsets; `channels` is 3 where alpha doesn't count.
    pub(super) fn new(texels: &Texels, subsets: usize, channels: usize, partitions: usize) -> Self {
        let masks: &Masks = if subsets == 2 { &TWO } else { &THREE };
        let groups = partitions.div_ceil(LANES).min(GROUPS);
        // Known numbers of channels let all loops be unrolled.
        match channels {
            3 => simd::run(New::<3> { texels, masks, groups }),
            _ => simd::run(New::<4> { texels, masks, groups }),
        }
    }

    /// The best of the first partitions, best first, with the errors to expect if an index rounds away `rounding` of what
    /// lies along the lines.
    pub(super) fn best(&self, partitions: usize, rounding: f32, wanted: usize) -> Best {
        simd::run(Rank { estimates: self, partitions, rounding, wanted: wanted.min(MOST).min(partitions) })
    }
}

/// The most partitions that are taken.
const MOST: usize = 32;

struct Rank<'a> {
    estimates: &'a Estimates,
    partitions: usize,
    rounding: f32,
    wanted: usize,
}

impl Kernel for Rank<'_> {
    type Out = Best;

    #[inline(always)]
    fn run(self) -> Best {
        // Floats that aren't negative are in the order of their bits; the lowest give way to the partition's number.
        let mut keys = [i32::MAX; 64];
        for (group, keys) in keys.chunks_exact_mut(LANES).enumerate() {
            let error = self.estimates.off[group] + self.estimates.along[group] * Wide::splat(self.rounding);
            for lane in 0..LANES {
                keys[lane] = error.0[lane].max(0.0).to_bits() as i32 & !63 | (group * LANES + lane) as i32;
            }
        }
        keys[self.partitions..].fill(i32::MAX);
        let mut best = Best { keys: [0; MOST], count: self.wanted };
        let mut last = -1;
        for out in &mut best.keys[..self.wanted] {
            let mut least = [i32::MAX; LANES];
            for keys in keys.chunks_exact(LANES) {
                for lane in 0..LANES {
                    let key = if keys[lane] > last { keys[lane] } else { i32::MAX };
                    least[lane] = least[lane].min(key);
                }
            }
            last = least.iter().fold(i32::MAX, |least, &key| least.min(key));
            *out = last;
        }
        best
    }
}

struct New<'a, const C: usize> {
    texels: &'a Texels,
    masks: &'a Masks,
    groups: usize,
}

impl<const C: usize> Kernel for New<'_, C> {
    type Out = Estimates;

    #[inline(always)]
    fn run(self) -> Estimates {
        let features = features::<C>(self.texels);
        let mut totals = [0.0f32; FEATURES];
        for texel in &features {
            totals.iter_mut().zip(texel).for_each(|(total, value)| *total += value);
        }
        let mut found = Estimates { off: [Wide::default(); GROUPS], along: [Wide::default(); GROUPS] };
        let (others, shares) = (&self.masks.inside, &self.masks.shares);
        for group in 0..self.groups {
            // Sums of values are taken from their mean, so that all together have none.
            let mut rest = [Wide::default(); FEATURES];
            for at in 4..FEATURES {
                rest[at] = Wide::splat(totals[at]);
            }
            for (inside, share) in others.iter().zip(&shares[1..]) {
                let mut sums = [Wide::default(); FEATURES];
                for (texel, features) in features.iter().enumerate() {
                    let mask = inside[texel][group];
                    for at in 0..C {
                        sums[at] = sums[at] + mask * Wide::splat(features[at]);
                    }
                    for at in 4..4 + C * (C + 1) / 2 {
                        sums[at] = sums[at] + mask * Wide::splat(features[at]);
                    }
                }
                for at in 0..FEATURES {
                    rest[at] = rest[at] - sums[at];
                }
                found.add::<C>(group, &sums, share[group]);
            }
            found.add::<C>(group, &rest, shares[0][group]);
        }
        found
    }
}

impl Estimates {
    /// Adds what one subset of some partitions leaves.
    #[inline(always)]
    fn add<const C: usize>(&mut self, group: usize, sums: &[Wide; FEATURES], share: Wide) {
        let pairs = PAIRS.iter().enumerate().take(C * (C + 1) / 2);
        let [off, along] = line::spread(
            pairs.map(|(at, &(row, column))| (row == column, sums[4 + at] - sums[row] * sums[column] * share)),
        );
        self.along[group] = self.along[group] + along;
        self.off[group] = self.off[group] + off;
    }
}

/// A short list, best first.
pub(super) struct Best {
    /// The errors' bits, the lowest six of which are the partitions' numbers.
    keys: [i32; MOST],
    count: usize,
}

impl Best {
    pub(super) fn iter(&self) -> impl Iterator<Item = (f32, usize)> + '_ {
        self.keys[..self.count].iter().map(|&key| (f32::from_bits(key as u32 & !63), key as usize & 63))
    }
}

/// How the channels of a block spread: what is left where one of them has endpoints and indices of its own.
pub(super) struct Lone {
    /// Sums of the products of what channels differ from their mean by.
    products: [[f32; 4]; 4],
}

impl Lone {
    pub(super) fn new(texels: &Texels) -> Self {
        let mut products = [[0.0; 4]; 4];
        for texel in &features::<4>(texels) {
            for (at, &(row, column)) in PAIRS.iter().enumerate() {
                products[row][column] += texel[4 + at];
            }
        }
        for row in 1..4 {
            for column in 0..row {
                products[row][column] = products[column][row];
            }
        }
        Self { products }
    }

    /// The error to expect with the last channel of an order alone, and indices of so many bits for the others and for it.
    pub(super) fn error(&self, order: [u8; 4], [others, lone]: [u32; 2]) -> f32 {
        let [a, b, c, d] = order.map(|channel| usize::from(channel & 3));
        let (mut trace, mut squares) = (0.0, 0.0);
        for (row, column) in [(a, a), (b, b), (c, c), (a, b), (a, c), (b, c)] {
            let product = self.products[row][column];
            squares += product * product * if row == column { 1.0 } else { 2.0 };
            trace += if row == column { product } else { 0.0 };
        }
        // As `line::spread` has it: near the greatest eigenvalue, and never below.
        let along = squares.sqrt().min(trace);
        // What lies along is rounded to steps.
        let rounded = |spread: f32, bits: u32| spread / ((1 << bits) - 1) as f32 / ((1 << bits) - 1) as f32;
        trace - along + rounded(along, others) + rounded(self.products[d][d], lone)
    }
}

#[inline(always)]
fn features<const C: usize>(texels: &Texels) -> [[f32; FEATURES]; 16] {
    let mut mean = [0.0f32; 4];
    for texel in texels {
        for channel in 0..C {
            mean[channel] += f32::from(texel[channel]) * (1.0 / 16.0);
        }
    }
    let mut out = [[0.0; FEATURES]; 16];
    for (features, texel) in out.iter_mut().zip(texels) {
        for channel in 0..C {
            features[channel] = f32::from(texel[channel]) - mean[channel];
        }
        for (at, &(a, b)) in PAIRS.iter().enumerate().take(C * (C + 1) / 2) {
            features[4 + at] = features[a] * features[b];
        }
    }
    out
}
