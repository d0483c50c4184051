//! Ranks partitions by how well lines would fit their subsets, without fitting any: eight blocks side by side.

use crate::{
    simd::{self, Kernel},
    texture::block::{
        Texels, line, partitions,
        wide::{Eight, LANES, Wide, words},
    },
};

/// Of two or three subsets.
const PARTITIONS: usize = 64;

/// What lines would leave of the squared differences, by partition.
pub(super) struct Estimates {
    /// Off the lines.
    off: [Wide; PARTITIONS],
    /// Along the lines, where indices round.
    along: [Wide; PARTITIONS],
}

/// The pairs of channels whose products are summed: six of three channels, ten of four.
const PAIRS: [(usize, usize); 10] = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2), (0, 3), (1, 3), (2, 3), (3, 3)];

impl Estimates {
    /// The first `partitions` partitions of two or three subsets; `channels` is 3 where alpha doesn't count.
    pub(super) fn new(blocks: &Eight<'_>, subsets: usize, channels: usize, partitions: usize) -> Self {
        // Known numbers of channels let all loops be unrolled.
        match channels {
            3 => simd::run(New::<3, 9> { blocks, subsets, partitions }),
            _ => simd::run(New::<4, 14> { blocks, subsets, partitions }),
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
        let mut keys = [[i32::MAX; LANES]; PARTITIONS];
        for (partition, keys) in keys.iter_mut().enumerate().take(self.partitions) {
            let estimates = self.estimates;
            let error = estimates.off[partition] + estimates.along[partition] * Wide::splat(self.rounding);
            for lane in 0..LANES {
                keys[lane] = error.0[lane].max(0.0).to_bits() as i32 & !63 | partition as i32;
            }
        }
        let mut best = Best { keys: [[0; LANES]; MOST], count: self.wanted };
        let mut last = [-1; LANES];
        for out in &mut best.keys[..self.wanted] {
            let mut least = [i32::MAX; LANES];
            for keys in &keys[..self.partitions] {
                for lane in 0..LANES {
                    let key = if keys[lane] > last[lane] { keys[lane] } else { i32::MAX };
                    least[lane] = least[lane].min(key);
                }
            }
            last = least;
            *out = last;
        }
        best
    }
}

/// `S` sums: of each of `C` channels, and of the products of each two.
struct New<'a, const C: usize, const S: usize> {
    blocks: &'a Eight<'a>,
    subsets: usize,
    partitions: usize,
}

/// Sums over some texels: of values, and then of products.
type Sums<const S: usize> = [Wide; S];

impl<const C: usize, const S: usize> Kernel for New<'_, C, S> {
    type Out = Estimates;

    #[inline(always)]
    fn run(self) -> Estimates {
        let rows = self.rows();
        let mut shares = [Wide::splat(1.0); 17];
        for count in 1..17 {
            shares[count] = Wide::splat(1.0 / count as f32);
        }
        let all = of_rows(&rows, u16::MAX);
        let mut found = Estimates { off: [Wide::default(); PARTITIONS], along: [Wide::default(); PARTITIONS] };
        for partition in 0..self.partitions {
            let (mut rest, mut left) = (all, 16);
            for subset in 1..self.subsets {
                let mask = partitions::mask(self.subsets, partition, subset);
                let sums = of_rows(&rows, mask);
                for at in 0..S {
                    rest[at] = rest[at] - sums[at];
                }
                let inside = mask.count_ones() as usize;
                left -= inside;
                found.add::<C, S>(partition, &sums, shares[inside & 15]);
            }
            found.add::<C, S>(partition, &rest, shares[left & 15]);
        }
        found
    }
}

/// By row, and by which of its four texels are taken, their sums: those of any subset are four of them.
type Rows<const S: usize> = [[Sums<S>; 16]; 4];

impl<const C: usize, const S: usize> New<'_, C, S> {
    #[inline(always)]
    fn rows(&self) -> Rows<S> {
        let mut planes = [[Wide::default(); C]; 16];
        let mut mean = [Wide::default(); C];
        for row in 0..4 {
            let words = words(self.blocks, row);
            for at in 0..4 {
                for c in 0..C {
                    for lane in 0..LANES {
                        // Below 256: the same as a signed number, which machines turn into floats quicker.
                        planes[row * 4 + at][c].0[lane] = (words[at][lane] >> (8 * c) & 255) as i32 as f32;
                    }
                    mean[c] = mean[c] + planes[row * 4 + at][c];
                }
            }
        }
        for c in 0..C {
            mean[c] = mean[c] * Wide::splat(1.0 / 16.0);
        }
        let mut rows = [[[Wide::default(); S]; 16]; 4];
        for row in 0..4 {
            for at in 0..4 {
                let mut texel = [Wide::default(); S];
                for c in 0..C {
                    texel[c] = planes[row * 4 + at][c] - mean[c];
                }
                for product in C..S {
                    let (a, b) = PAIRS[product - C];
                    texel[product] = texel[a] * texel[b];
                }
                // With each of those before it.
                for others in 0..1 << at {
                    for sum in 0..S {
                        rows[row][others | 1 << at][sum] = rows[row][others][sum] + texel[sum];
                    }
                }
            }
        }
        rows
    }
}

#[inline(always)]
fn of_rows<const S: usize>(rows: &Rows<S>, mask: u16) -> Sums<S> {
    let row = |at: usize| &rows[at][usize::from(mask >> (4 * at) & 15)];
    let [a, b, c, d] = [row(0), row(1), row(2), row(3)];
    let mut sums = *a;
    for at in 0..S {
        sums[at] = (a[at] + b[at]) + (c[at] + d[at]);
    }
    sums
}

impl Estimates {
    /// Adds what one subset of a partition leaves; `share` is one by how many texels it has.
    #[inline(always)]
    fn add<const C: usize, const S: usize>(&mut self, partition: usize, sums: &Sums<S>, share: Wide) {
        let pairs = PAIRS.iter().enumerate().take(S - C);
        let [off, along] = line::spread(
            pairs.map(|(at, &(row, column))| (row == column, sums[C + at] - sums[row] * sums[column] * share)),
        );
        self.off[partition] = self.off[partition] + off;
        self.along[partition] = self.along[partition] + along;
    }
}

/// A short list for each of eight blocks, best first.
pub(super) struct Best {
    /// The errors' bits, the lowest six of which are the partitions' numbers.
    keys: [[i32; LANES]; MOST],
    count: usize,
}

impl Best {
    /// Of one of the blocks.
    pub(super) fn of(&self, lane: usize) -> impl Iterator<Item = (f32, usize)> + '_ {
        self.keys[..self.count]
            .iter()
            .map(move |keys| (f32::from_bits(keys[lane] as u32 & !63), keys[lane] as usize & 63))
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
        for texel in &centered(texels) {
            for (row, column) in PAIRS {
                products[row][column] += texel[row] * texel[column];
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

/// Texels from their mean on.
#[inline(always)]
fn centered(texels: &Texels) -> [[f32; 4]; 16] {
    let mut mean = [0.0f32; 4];
    for texel in texels {
        for channel in 0..4 {
            mean[channel] += f32::from(texel[channel]) * (1.0 / 16.0);
        }
    }
    texels.map(|texel| std::array::from_fn(|channel| f32::from(texel[channel]) - mean[channel]))
}
