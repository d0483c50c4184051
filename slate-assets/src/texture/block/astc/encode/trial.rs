//! One way to cut a block in subsets and planes, with the lines and weights that would be ideal for it.

use super::{dense, tables::Grid};
use crate::texture::block::{
    astc::{MOST_TEXELS, MOST_WEIGHTS, colors},
    line,
};

/// The texels of a block, as floats.
pub(super) struct Block {
    pub(super) points: [[f32; 4]; MOST_TEXELS],
    pub(super) count: usize,
}

/// A way to cut a block.
pub(super) struct Trial {
    pub(super) subsets: usize,
    pub(super) seed: u32,
    /// The endpoint mode of every subset.
    pub(super) kind: u32,
    /// The channel with weights of its own.
    pub(super) apart: Option<usize>,
    /// The subset of each texel.
    pub(super) subset: [u8; MOST_TEXELS],
    /// By plane and texel: the place along the line, 0 to 1, and the line's squared length.
    pub(super) places: [[f32; MOST_TEXELS]; 2],
    pub(super) lengths: [[f32; MOST_TEXELS]; 2],
    /// What no weight can mend.
    pub(super) off: f32,
}

impl Trial {
    /// `second` are the texels of the second subset, as bits.
    pub(super) fn new(block: &Block, kind: u32, apart: Option<usize>, pair: Option<(u32, [u64; 3])>) -> Self {
        let second = pair.map_or([0; 3], |(_, second)| second);
        let mut subset = [0; MOST_TEXELS];
        for (at, subset) in subset.iter_mut().enumerate().take(block.count) {
            *subset = (second[at / 64] >> (at % 64) & 1) as u8;
        }
        let mut trial = Self {
            subsets: if pair.is_some() { 2 } else { 1 },
            seed: pair.map_or(0, |(seed, _)| seed),
            kind,
            apart,
            subset,
            places: [[0.0; MOST_TEXELS]; 2],
            lengths: [[0.0; MOST_TEXELS]; 2],
            off: 0.0,
        };
        for wanted in 0..trial.subsets {
            trial.lay(block, wanted as u8);
        }
        trial
    }

    /// Values of all endpoints.
    pub(super) fn values(&self) -> usize {
        self.subsets * colors::count(self.kind)
    }

    /// Lays a line through one subset.
    fn lay(&mut self, block: &Block, wanted: u8) {
        let mut members = [0usize; MOST_TEXELS];
        let mut points = [[0.0f32; 4]; MOST_TEXELS];
        let mut count = 0;
        for at in (0..block.count).filter(|&at| self.subset[at] == wanted) {
            (members[count], points[count]) = (at, block.points[at]);
            if let Some(apart) = self.apart {
                points[count][apart] = 0.0;
            }
            count += 1;
        }
        let points = &points[..count];
        let line = line::through(points);
        self.off += (line.spread - line.along).max(0.0);
        let (mut low, mut high) = line.span(points);
        let ends = [line.at(low), line.at(high)];
        let sum = |end: &[f32; 4]| end[0] + end[1] + end[2];
        // The second endpoint is the lighter one.
        let turned = sum(&ends[0]) > sum(&ends[1]);
        if turned {
            (low, high) = (high, low);
        }
        let length = (high - low) * (high - low);
        for (point, &at) in points.iter().zip(&members) {
            self.lengths[0][at] = length;
            self.places[0][at] = if length > 0.0 { (line.share(point) - low) / (high - low) } else { 0.0 };
        }
        if let Some(apart) = self.apart {
            let values = || members[..count].iter().map(|&at| block.points[at][apart]);
            let (low, high) = values().fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
            for &at in &members[..count] {
                self.lengths[1][at] = (high - low) * (high - low);
                self.places[1][at] = if high > low { (block.points[at][apart] - low) / (high - low) } else { 0.0 };
            }
        }
    }

    /// The weights of a grid that come nearest to the ideal places, and what they leave.
    pub(super) fn fit(&self, plane: usize, grid: &Grid, texels: usize) -> ([f32; MOST_WEIGHTS], f32) {
        let (places, lengths) = (&self.places[plane], &self.lengths[plane]);
        let mut weights = [0.0f32; MOST_WEIGHTS];
        if grid.is_whole {
            weights[..texels].copy_from_slice(&places[..texels]);
            return (weights, 0.0);
        }
        if let Some(matrices) = &grid.matrices {
            return dense::fit(matrices, places, lengths);
        }
        let count = grid.shares.len();
        for (place, taps) in places.iter().zip(&grid.taps).take(texels) {
            for &(at, share) in taps {
                weights[usize::from(at)] += place * f32::from(share);
            }
        }
        for (weight, share) in weights.iter_mut().zip(&grid.shares) {
            *weight /= share;
        }
        // What is left, given back once more: neighbours have smoothed each other.
        let mut left = [0.0f32; MOST_WEIGHTS];
        for (place, taps) in places.iter().zip(&grid.taps).take(texels) {
            let off = place - mixed(taps, &weights);
            for &(at, share) in taps {
                left[usize::from(at)] += off * f32::from(share);
            }
        }
        for at in 0..count {
            weights[at] = (weights[at] + 1.4 * left[at] / grid.shares[at]).clamp(0.0, 1.0);
        }
        let mut error = 0.0;
        for (at, taps) in grid.taps.iter().enumerate().take(texels) {
            let off = places[at] - mixed(taps, &weights);
            error += off * off * lengths[at];
        }
        (weights, error)
    }
}

fn mixed(taps: &[(u8, u8); 4], weights: &[f32; MOST_WEIGHTS]) -> f32 {
    let part = |at: usize| weights[usize::from(taps[at].0)] * f32::from(taps[at].1);
    (part(0) + part(1) + part(2) + part(3)) * (1.0 / 16.0)
}
