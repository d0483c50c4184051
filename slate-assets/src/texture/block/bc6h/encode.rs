//! Chooses the mode and the partition of a block, by its error in the space that BC6H mixes in: near a logarithm of light.

use super::{
    finish,
    layout::{LAYOUTS, Layout},
    mix, widen,
};
use crate::texture::block::{Effort, bits::Writer, line, partitions};

/// The texels of a block, ready to be searched.
struct Block {
    /// The 16-bit values whose mix gives the texel.
    points: [[f32; 4]; 16],
    halves: [[i32; 3]; 16],
}

/// A block to be written, and its squared error in steps of half floats.
struct Found {
    layout: &'static Layout,
    partition: usize,
    /// As they are, not as differences.
    ends: [[u32; 3]; 4],
    indices: [u8; 16],
    error: i64,
}

/// Encodes the bits of half floats, none of which is negative or not a number.
pub(crate) fn encode(texels: &[[u16; 3]; 16], effort: Effort) -> [u8; 16] {
    let halves = texels.map(|texel| texel.map(|half| i32::from(half.min(0x7BFF))));
    let points = halves.map(|[r, g, b]| [r, g, b, 0].map(|half| half as f32 * (64.0 / 31.0)));
    let block = Block { points, halves };
    let refits = 1 + effort.at_most(4);
    let layouts = &*LAYOUTS;
    let line = line::through(&block.points).ends(&block.points);
    let mut best: Option<Found> = None;
    for layout in layouts.iter().filter(|layout| layout.subsets == 1) {
        block.fit(layout, 0, [line, line], refits, &mut best);
    }
    let partitions = [0, 1, 3, 8, 32][effort.at_most(4)];
    if partitions > 0 && best.as_ref().is_none_or(|best| best.error > 0) {
        for (partition, ends) in block.ranked(partitions) {
            for layout in layouts.iter().filter(|layout| layout.subsets == 2) {
                block.fit(layout, partition, ends, refits, &mut best);
            }
        }
    }
    best.map_or([0; 16], |best| best.pack())
}

impl Block {
    /// The partitions of two subsets that lines leave least of, with the ends of those lines.
    fn ranked(&self, wanted: usize) -> Vec<(usize, [[[f32; 4]; 2]; 2])> {
        let mut all: Vec<_> = (0..32)
            .map(|partition| {
                let mut off = 0.0;
                let ends = [0, 1].map(|subset| {
                    let (points, count) = self.subset(partition, subset);
                    let line = line::through(&points[..count]);
                    off += line.spread - line.along;
                    line.ends(&points[..count])
                });
                (off, partition, ends)
            })
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.into_iter().take(wanted).map(|(_, partition, ends)| (partition, ends)).collect()
    }

    fn subset(&self, partition: usize, subset: usize) -> ([[f32; 4]; 16], usize) {
        let mut points = [[0.0; 4]; 16];
        let mut count = 0;
        for (at, point) in self.points.iter().enumerate() {
            if partitions::subset(2, partition, at) == subset {
                points[count] = *point;
                count += 1;
            }
        }
        (points, count)
    }

    /// Rounds the ends to the mode, fits them by least squares a few times, and keeps the best that the mode can write.
    fn fit(
        &self,
        layout: &'static Layout,
        partition: usize,
        mut ends: [[[f32; 4]; 2]; 2],
        refits: usize,
        best: &mut Option<Found>,
    ) {
        let mut last = i64::MAX;
        for _ in 0..=refits {
            let mut codes = [[0u32; 3]; 4];
            for end in 0..layout.subsets * 2 {
                codes[end] = std::array::from_fn(|channel| round(ends[end / 2][end % 2][channel], layout.bits));
            }
            let (indices, error) = self.pick(layout, partition, &codes);
            let found = Found { layout, partition, ends: codes, indices, error }.turned();
            if found.is_writable() && best.as_ref().is_none_or(|best| found.error < best.error) {
                *best = Some(found);
            }
            if error >= last {
                return;
            }
            last = error;
            let mut squares = [line::Squares::default(); 2];
            for (at, point) in self.points.iter().enumerate() {
                let weight = partitions::weights(layout.index_bits())[usize::from(indices[at])];
                squares[partitions::subset(layout.subsets, partition, at)].add(*point, weight as f32 / 64.0);
            }
            for (ends, squares) in ends.iter_mut().zip(&squares).take(layout.subsets) {
                *ends = squares.solve().unwrap_or(*ends);
            }
        }
    }

    fn pick(&self, layout: &Layout, partition: usize, codes: &[[u32; 3]; 4]) -> ([u8; 16], i64) {
        let weights = partitions::weights(layout.index_bits());
        let wide = codes.map(|code| code.map(|value| widen(value, layout.bits)));
        let mut palettes = [[[0i32; 3]; 16]; 2];
        for (subset, palette) in palettes.iter_mut().enumerate().take(layout.subsets) {
            for (color, &weight) in palette.iter_mut().zip(weights) {
                *color = std::array::from_fn(|c| {
                    i32::from(finish(mix(wide[subset * 2][c], wide[subset * 2 + 1][c], weight)))
                });
            }
        }
        let mut total = 0;
        let indices = std::array::from_fn(|at| {
            let palette = &palettes[partitions::subset(layout.subsets, partition, at)];
            let (mut least, mut index) = (i64::MAX, 0);
            for (code, color) in palette.iter().enumerate().take(weights.len()) {
                let error = (0..3).map(|c| i64::from(self.halves[at][c] - color[c]).pow(2)).sum();
                if error < least {
                    (least, index) = (error, code as u8);
                }
            }
            total += least;
            index
        });
        (indices, total)
    }
}

/// The code of `bits` bits whose widened value is nearest.
fn round(value: f32, bits: u32) -> u32 {
    let value = value.clamp(0.0, 65_535.0);
    if bits >= 15 {
        return value as u32;
    }
    let most = (1u32 << bits) - 1;
    let code = ((value * (1u32 << bits) as f32 / 65_536.0) as u32).min(most);
    let off = |code: u32| (widen(code, bits) as f32 - value).abs();
    let (below, above) = (code.saturating_sub(1), (code + 1).min(most));
    [below, above].into_iter().fold(code, |best, code| if off(code) < off(best) { code } else { best })
}

impl Found {
    /// Turns subsets round whose anchor's index has the highest bit, which isn't written.
    fn turned(mut self) -> Self {
        let bits = self.layout.index_bits();
        let most = (1u8 << bits) - 1;
        for subset in 0..self.layout.subsets {
            let anchor = partitions::anchor(self.layout.subsets, self.partition, subset);
            if self.indices[anchor] >> (bits - 1) == 1 {
                self.ends.swap(subset * 2, subset * 2 + 1);
                for at in (0..16).filter(|&at| partitions::subset(self.layout.subsets, self.partition, at) == subset) {
                    self.indices[at] = most - self.indices[at];
                }
            }
        }
        self
    }

    /// Whether the differences to the first endpoint have room.
    fn is_writable(&self) -> bool {
        let layout = self.layout;
        !layout.transformed
            || (1..layout.subsets * 2).all(|end| {
                (0..3).all(|channel| {
                    let delta = i64::from(self.ends[end][channel]) - i64::from(self.ends[0][channel]);
                    let half = 1i64 << (layout.deltas[channel] - 1);
                    (-half..half).contains(&delta)
                })
            })
    }

    fn pack(&self) -> [u8; 16] {
        let layout = self.layout;
        let mut written = self.ends;
        for end in written.iter_mut().skip(1) {
            for channel in 0..3 {
                if layout.transformed {
                    let mask = (1 << layout.deltas[channel]) - 1;
                    end[channel] = end[channel].wrapping_sub(self.ends[0][channel]) & mask;
                }
            }
        }
        let mut out = Writer::default();
        out.put(layout.code.into(), layout.code_bits);
        for field in &layout.fields {
            let value = if field.end == 4 { self.partition as u32 } else { written[field.end][field.channel] };
            out.put(value >> field.bit & 1, 1);
        }
        for (texel, &index) in self.indices.iter().enumerate() {
            let anchor = partitions::is_anchor(layout.subsets, self.partition, texel);
            out.put(index.into(), layout.index_bits() - u32::from(anchor));
        }
        out.bytes()
    }
}
