//! Blocks that share bytes with an earlier one: its mode and endpoints with weights of their own, or its mode and weights
//! with endpoints of their own.

use super::{
    Dialect,
    ends::{Coder, Kind},
    fit::HELD,
    tables::{Grid, Tables, WEIGHT_CODES},
};
use crate::texture::block::{
    Footprint,
    astc::{
        MOST_TEXELS, MOST_WEIGHTS,
        decode::Block,
        grid,
        ise::{NEAREST, RANGES},
    },
    wide::{LANES, Wide},
};

/// A block that others may share bytes with, taken apart.
pub(crate) struct Parts {
    bits: u128,
    block: Block,
    grid: &'static Grid,
    texels: usize,
    /// By subset, its endpoints.
    lines: [Line; 4],
    /// By texel.
    subset: [u8; MOST_TEXELS],
    /// By texel and channel, how far the weight is above the subset's mean, where all of a subset have a length of 1.
    along: [[f32; 4]; MOST_TEXELS],
    /// By subset and plane.
    weights: [[Weights; 2]; 4],
    /// How the endpoints of all subsets are written, where that is written here.
    kind: Option<Kind>,
}

/// Two endpoints.
#[derive(Clone, Copy, Default)]
struct Line {
    low: [f32; 4],
    /// By plane, the way to the other endpoint in the channels of the plane, and 1 by its squared length.
    ways: [[f32; 4]; 2],
    inverse: [f32; 2],
}

/// The weights of a subset's texels, of 0 to 1.
#[derive(Clone, Copy, Default)]
struct Weights {
    count: f32,
    mean: f32,
    /// 1 by the root of the sum of the squared distances from the mean; 0 where all are equal.
    inverse: f32,
}

impl Parts {
    /// Takes a block apart; `None` where it has no endpoints, or isn't legal.
    pub(crate) fn of(bytes: [u8; 16], footprint: Footprint) -> Option<Self> {
        let bits = u128::from_le_bytes(bytes);
        if bits & 0x1FF == 0x1FC {
            return None;
        }
        let (block, tables) = (Block::of(bits, footprint)?, Tables::get(footprint));
        let grid = &tables.grids[tables.grid_of[block.mode.size.0][block.mode.size.1]?];
        let kinds = &block.kinds[..block.subsets as usize];
        let kind = Kind::of_mode(kinds[0]).filter(|_| kinds.iter().all(|kind| *kind == kinds[0]));
        let mut subset = [0; MOST_TEXELS];
        for (at, subset) in subset.iter_mut().enumerate().take(tables.texels) {
            *subset = block.subset(at, footprint) as u8;
        }
        let mut parts = Self {
            bits,
            grid,
            texels: tables.texels,
            lines: [Line::default(); 4],
            subset,
            along: [[0.0; 4]; MOST_TEXELS],
            weights: [[Weights::default(); 2]; 4],
            kind,
            block,
        };
        for subset in 0..parts.block.subsets as usize {
            parts.lines[subset] = parts.line(subset);
        }
        parts.weigh();
        Some(parts)
    }

    /// The plane that holds the weights of a channel.
    fn plane(&self, channel: usize) -> usize {
        usize::from(self.block.apart == Some(channel))
    }

    fn line(&self, subset: usize) -> Line {
        let [low, high] = self.block.ends[subset].map(|end| end.map(|value| value as f32));
        let mut line = Line { low, ..Line::default() };
        for channel in 0..4 {
            line.ways[self.plane(channel)][channel] = high[channel] - low[channel];
        }
        for (way, inverse) in line.ways.iter().zip(&mut line.inverse) {
            let squares: f32 = way.iter().map(|value| value * value).sum();
            *inverse = if squares > 0.0 { 1.0 / squares } else { 0.0 };
        }
        line
    }

    /// Works out what is known of the weights.
    fn weigh(&mut self) {
        let planes = if self.block.mode.dual { 2 } else { 1 };
        for plane in 0..planes {
            let mut mixed = [0.0; MOST_TEXELS];
            for (mixed, taps) in mixed.iter_mut().zip(&self.grid.taps).take(self.texels) {
                *mixed = grid::mix(taps, &self.block.weights[plane]) as f32 / 64.0;
            }
            let of_texels = || mixed.iter().zip(self.subset).take(self.texels);
            for (number, weights) in self.weights.iter_mut().enumerate() {
                let of_subset = || of_texels().filter(|(_, subset)| usize::from(*subset) == number);
                let count = of_subset().count().max(1) as f32;
                let mean = of_subset().map(|(weight, _)| *weight).sum::<f32>() / count;
                let squares: f32 = of_subset().map(|(weight, _)| (weight - mean) * (weight - mean)).sum();
                let inverse = if squares > 1e-5 { 1.0 / squares.sqrt() } else { 0.0 };
                weights[plane] = Weights { count, mean, inverse };
            }
            for at in 0..self.texels {
                let weights = self.weights[usize::from(self.subset[at])][plane];
                for channel in 0..4 {
                    if self.plane(channel) == plane {
                        self.along[at][channel] = (mixed[at] - weights.mean) * weights.inverse;
                    }
                }
            }
        }
    }

    /// The bytes, from and to, that [`with_ends`](Self::with_ends) keeps.
    pub(crate) fn end_bytes(&self) -> (usize, usize) {
        (0, (128 - self.block.mode.bits()) as usize / 8)
    }

    /// The bytes, from and to, that [`with_weights`](Self::with_weights) keeps.
    pub(crate) fn weight_bytes(&self) -> (usize, usize) {
        (self.block.color_bits.1.div_ceil(8) as usize, 16)
    }

    /// The least squared error that texels may have with these endpoints, but for rounding: that of every one's nearest place
    /// between them.
    pub(crate) fn bound_with_ends(&self, texels: &[[f32; 4]]) -> f32 {
        let mut sum = [0.0; 4];
        for (texel, subset) in texels.iter().zip(self.subset) {
            let Line { low, ways: [one, two], inverse } = &self.lines[usize::from(subset) & 3];
            let off: [f32; 4] = std::array::from_fn(|c| texel[c] - low[c]);
            let dot = |way: &[f32; 4]| off[0] * way[0] + off[1] * way[1] + off[2] * way[2] + off[3] * way[3];
            let place = [(dot(one) * inverse[0]).clamp(0.0, 1.0), (dot(two) * inverse[1]).clamp(0.0, 1.0)];
            for c in 0..4 {
                let left = off[c] - place[0] * one[c] - place[1] * two[c];
                sum[c] += left * left;
            }
        }
        sum.iter().sum()
    }

    /// The least squared error that texels may have with these weights, but for rounding, whatever their endpoints; `None`
    /// where endpoints are in a way that isn't written here.
    pub(crate) fn bound_with_weights(&self, texels: &[[f32; 4]]) -> Option<f32> {
        self.kind?;
        let (mut squares, sums) = ([0.0; 4], self.sums(texels));
        for texel in texels {
            (0..4).for_each(|c| squares[c] += texel[c] * texel[c]);
        }
        for (subset, [plain, along]) in sums.iter().enumerate().take(self.block.subsets as usize) {
            let count = self.weights[subset][0].count;
            (0..4).for_each(|c| squares[c] -= plain[c] * plain[c] / count + along[c] * along[c]);
        }
        Some(squares.iter().sum::<f32>().max(0.0))
    }

    /// By subset, the texels added up, and added up by how far along their weights are.
    fn sums(&self, texels: &[[f32; 4]]) -> [[[f32; 4]; 2]; 4] {
        let mut sums = [[[0.0; 4]; 2]; 4];
        for ((texel, subset), along) in texels.iter().zip(self.subset).zip(&self.along) {
            let [plain, by_weight] = &mut sums[usize::from(subset) & 3];
            for c in 0..4 {
                plain[c] += texel[c];
                by_weight[c] += texel[c] * along[c];
            }
        }
        sums
    }

    /// The block with the mode and endpoints of this one, and the weights that fit the texels.
    pub(crate) fn with_ends(&self, texels: &[[f32; 4]]) -> [u8; 16] {
        let (mode, count) = (self.block.mode, self.grid.shares.len());
        let planes = if mode.dual { 2 } else { 1 };
        let mut codes = [0; MOST_WEIGHTS];
        for plane in 0..planes {
            // How far along the line between its ends each texel is, times the line's squared length, and that.
            let mut places = [[0.0; 2]; MOST_TEXELS];
            for ((place, texel), subset) in places.iter_mut().zip(texels).zip(self.subset) {
                let line = &self.lines[usize::from(subset) & 3];
                let way = &line.ways[plane];
                let along: f32 = (0..4).map(|c| (texel[c] - line.low[c]) * way[c]).sum();
                let length: f32 = way.iter().map(|value| value * value).sum();
                *place = [along.clamp(0.0, length), length];
            }
            let weights = self.spread(&places);
            for (at, weight) in weights.iter().enumerate().take(count) {
                let weight = (weight.clamp(0.0, 1.0) * 64.0 + 0.5) as usize;
                codes[at * planes + plane] = WEIGHT_CODES[mode.range][weight];
            }
        }
        let head = (1u128 << (128 - mode.bits())) - 1;
        (self.bits & head | mode.range().write(&codes[..count * planes]).reverse_bits()).to_le_bytes()
    }

    /// From texels to the weights of the grid.
    fn spread(&self, places: &[[f32; 2]; MOST_TEXELS]) -> [f32; MOST_WEIGHTS] {
        let over = |along: f32, length: f32| if length > 0.0 { along / length } else { 0.0 };
        let mut weights = [0.0; MOST_WEIGHTS];
        if self.grid.is_whole {
            weights.iter_mut().zip(places).for_each(|(weight, [along, length])| *weight = over(*along, *length));
            return weights;
        }
        let mut lengths = [0.0; MOST_WEIGHTS];
        for (at, members) in self.grid.members.iter().enumerate() {
            let mut sum = 0.0;
            for &(texel, share) in members {
                let [along, length] = places[usize::from(texel)];
                sum += along * share;
                lengths[at] += length * share;
            }
            weights[at] = over(sum, lengths[at]);
        }
        for _ in 0..2 {
            // Neighbours smooth each other: give back what is left.
            let mut left = [0.0; MOST_TEXELS];
            for ((left, [along, length]), taps) in left.iter_mut().zip(places).zip(&self.grid.taps).take(self.texels) {
                let mixed: f32 = taps.iter().map(|&(at, share)| weights[usize::from(at)] * f32::from(share)).sum();
                *left = along - mixed / 16.0 * length;
            }
            for (at, members) in self.grid.members.iter().enumerate() {
                let sum: f32 = members.iter().map(|&(texel, share)| left[usize::from(texel)] * share).sum();
                weights[at] += 1.4 * over(sum, lengths[at]);
            }
        }
        weights
    }

    /// The block with the mode and weights of this one, and the endpoints that fit the texels.
    pub(crate) fn with_weights(&self, texels: &[[f32; 4]]) -> Option<[u8; 16]> {
        let coder = Coder {
            dialect: Dialect::Astc,
            kind: self.kind?,
            alpha: 3,
            blue: 2,
            held: [&HELD[self.block.colors]; LANES],
        };
        let (nearest, sums) = (&NEAREST[self.block.colors], self.sums(texels));
        let (mut codes, mut count) = ([0; 18], 0);
        for (subset, [plain, along]) in sums.iter().enumerate().take(self.block.subsets as usize) {
            let mut ends = [[Wide::default(); 4]; 2];
            for c in 0..4 {
                let Weights { count, mean, inverse } = self.weights[subset][self.plane(c)];
                let (middle, slope) = (plain[c] / count, along[c] * inverse);
                ends[0][c] = Wide::splat(middle - slope * mean);
                ends[1][c] = Wide::splat(middle + slope * (1.0 - mean));
            }
            coder.written(
                &coder.code(&ends),
                |channel| channel,
                |value| {
                    codes[count] = nearest[value.0[0] as usize & 255];
                    count += 1;
                },
            );
        }
        let (from, to) = self.block.color_bits;
        let mask = ((1u128 << (to - from)) - 1) << from;
        Some((self.bits & !mask | RANGES[self.block.colors].write(&codes[..count]) << from).to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texture::block::{
        Effort,
        astc::{decode, encode},
    };

    /// Colours between two, in the order of a hash of the texel's place.
    fn texels(count: usize, ends: [[u8; 4]; 2]) -> Vec<[u8; 4]> {
        let mix = |low: u8, high: u8, share: u32| ((u32::from(low) * (8 - share) + u32::from(high) * share) / 8) as u8;
        let share = |at: usize| (at as u32).wrapping_mul(0x9E37_79B9) >> 16 & 7;
        (0..count).map(|at| std::array::from_fn(|c| mix(ends[0][c], ends[1][c], share(at)))).collect()
    }

    fn squares(block: [u8; 16], texels: &[[u8; 4]], footprint: Footprint) -> f32 {
        let square = |(a, b): (&u8, &u8)| (f32::from(*a) - f32::from(*b)).powi(2);
        decode(block, footprint).iter().zip(texels).flat_map(|(a, b)| a.iter().zip(b)).map(square).sum()
    }

    fn own(texels: &[[u8; 4]], footprint: Footprint) -> [u8; 16] {
        let mut block = [0; 16];
        encode(texels, footprint, Effort::NORMAL, &mut block);
        block
    }

    #[test]
    fn what_is_shared_is_shared_and_the_rest_fits() {
        for (width, height, alpha) in [(4, 4, 255), (4, 4, 90), (6, 6, 255), (8, 5, 128), (12, 12, 255)] {
            let footprint = Footprint::new(width, height).unwrap();
            let count = footprint.width() * footprint.height();
            let ends = [[40, 60, 90, alpha], [190, 170, 140, 255]];
            let block = own(&texels(count, ends), footprint);
            let parts = Parts::of(block, footprint).unwrap();

            // The same pattern in other colours.
            let other = texels(count, [[10, 20, 60, alpha], [150, 160, 170, 255]]);
            let points: Vec<[f32; 4]> = other.iter().map(|texel| texel.map(f32::from)).collect();
            let found = parts.with_weights(&points).unwrap();
            let (from, to) = parts.weight_bytes();
            assert_eq!(found[from..to], block[from..to]);
            let (error, best) = (squares(found, &other, footprint), squares(own(&other, footprint), &other, footprint));
            assert!(error <= best * 1.5 + 16.0 * count as f32, "{width}x{height}: {error} beside {best}");
            let bound = parts.bound_with_weights(&points).unwrap();
            // What is decoded is rounded: by a half at most.
            let rounding = (count as f32).sqrt();
            assert!(bound.sqrt() <= error.sqrt() + rounding, "{width}x{height}: {bound} above {error}");

            // The same colours in another order.
            let mut other = texels(count, ends);
            other.reverse();
            let points: Vec<[f32; 4]> = other.iter().map(|texel| texel.map(f32::from)).collect();
            let found = parts.with_ends(&points);
            let (from, to) = parts.end_bytes();
            assert_eq!(found[from..to], block[from..to]);
            let (error, best) = (squares(found, &other, footprint), squares(own(&other, footprint), &other, footprint));
            assert!(error <= best * 1.5 + 16.0 * count as f32, "{width}x{height}: {error} beside {best}");
            let bound = parts.bound_with_ends(&points);
            // What is decoded is rounded: by a half at most.
            let rounding = (count as f32).sqrt();
            assert!(bound.sqrt() <= error.sqrt() + rounding, "{width}x{height}: {bound} above {error}");
        }
    }

    #[test]
    fn weights_and_endpoints_of_ones_own_come_back() {
        let footprint = Footprint::new(6, 6).unwrap();
        for seed in 0..40u8 {
            let (low, high) = (seed.wrapping_mul(37) % 100, 150 + seed);
            let texels = texels(36, [[low, 30, high, 255], [high, 140, low, 255]]);
            let block = own(&texels, footprint);
            let parts = Parts::of(block, footprint).unwrap();
            let points: Vec<[f32; 4]> = texels.iter().map(|texel| texel.map(f32::from)).collect();
            let best = squares(block, &texels, footprint);
            for found in [Some(parts.with_ends(&points)), parts.with_weights(&points)].into_iter().flatten() {
                let error = squares(found, &texels, footprint);
                assert!(error <= best * 1.2 + 72.0, "{error} beside {best}");
            }
        }
        let one = own(&[[9, 8, 7, 255]; 36], footprint);
        assert!(Parts::of(one, footprint).is_none(), "a block of one colour has no endpoints");
        assert!(Parts::of([0; 16], footprint).is_none());
    }
}
