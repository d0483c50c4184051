//! Fits one mode to one trial: weights and colours in turn, until neither gets better.

use super::{
    Plan,
    tables::{Choice, Grid, Tables, WEIGHT_CODES, WEIGHTS},
    trial::{Block, Trial},
};
use crate::texture::block::{
    astc::{
        MOST_TEXELS, MOST_WEIGHTS, colors, grid,
        ise::{COLORS, NEAREST, RANGES},
    },
    line::Squares,
};

/// A block to be written, and its squared error.
pub(super) struct Found {
    bits: u32,
    subsets: u32,
    seed: u32,
    kind: u32,
    apart: Option<usize>,
    color_range: usize,
    colors: [u8; 16],
    color_count: usize,
    weight_range: usize,
    /// In the order in which they are written.
    weights: [u8; MOST_WEIGHTS],
    weight_count: usize,
    pub(super) error: f32,
}

/// A mode and a trial under work.
struct Work<'a> {
    block: &'a Block,
    trial: &'a Trial,
    grid: &'a Grid,
    choice: &'a Choice,
    color_range: usize,
    planes: usize,
}

/// Codes of the weights, by plane.
type Codes = [[u8; MOST_WEIGHTS]; 2];
/// The weight of each texel, 0 to 1, by plane.
type Mixed = [[f32; MOST_TEXELS]; 2];

/// Fits a mode with colours of a range, and keeps the result where it is better.
pub(super) fn fit(
    block: &Block,
    tables: &Tables,
    trial: &Trial,
    (choice, color_range): (&Choice, usize),
    plan: &Plan,
    best: &mut Option<Found>,
) {
    let grid = &tables.grids[choice.grid];
    let planes = if trial.apart.is_some() { 2 } else { 1 };
    let work = Work { block, trial, grid, choice, color_range, planes };
    let mut codes = [[0; MOST_WEIGHTS]; 2];
    for (plane, codes) in codes.iter_mut().enumerate().take(planes) {
        let (weights, _) = trial.fit(plane, grid, block.count);
        work.round(&weights, codes);
    }
    let mut last = f32::MAX;
    for round in 0..=plan.rounds {
        let mut mixed = work.mix(&codes);
        let (values, ends, turned) = work.colors(&mixed);
        if turned {
            work.turn(&mut codes);
            mixed = work.mix(&codes);
        }
        let mut error = work.error(&ends, &mixed);
        if plan.steps && round == plan.rounds {
            work.step(&ends, &mut codes, &mut error);
        }
        if best.as_ref().is_none_or(|best| error < best.error) {
            *best = Some(work.found(values, &codes, error));
        }
        if error >= last * 0.999 && !(plan.steps && round + 1 == plan.rounds) {
            return;
        }
        last = error;
        if round < plan.rounds {
            work.reweigh(&ends, &mut codes);
        }
    }
}

impl Work<'_> {
    fn count(&self) -> usize {
        self.grid.shares.len()
    }

    fn round(&self, weights: &[f32; MOST_WEIGHTS], codes: &mut [u8; MOST_WEIGHTS]) {
        let table = &WEIGHT_CODES[self.choice.mode.range];
        for (code, weight) in codes.iter_mut().zip(weights).take(self.count()) {
            *code = table[(weight.clamp(0.0, 1.0) * 64.0 + 0.5) as usize];
        }
    }

    fn mix(&self, codes: &Codes) -> Mixed {
        let table = &WEIGHTS[self.choice.mode.range];
        let mut mixed = [[0.0; MOST_TEXELS]; 2];
        for plane in 0..self.planes {
            let wide = codes[plane].map(|code| table[usize::from(code & 31)]);
            for (mixed, taps) in mixed[plane].iter_mut().zip(&self.grid.taps).take(self.block.count) {
                *mixed = grid::mix(taps, &wide) as f32 / 64.0;
            }
        }
        mixed
    }

    /// The best colours for the weights by least squares, as values, as endpoints, and whether the two had to change
    /// places.
    fn colors(&self, mixed: &Mixed) -> ([u8; 16], [[[f32; 4]; 2]; 2], bool) {
        let mut ends = [[[0.0f32; 4]; 2]; 2];
        for (subset, ends) in ends.iter_mut().enumerate().take(self.trial.subsets) {
            let mut squares = [Squares::default(); 2];
            let (mut sum, mut count) = ([0.0f32; 4], 0.0f32);
            for at in (0..self.block.count).filter(|&at| usize::from(self.trial.subset[at]) == subset) {
                for plane in 0..self.planes {
                    squares[plane].add(self.block.points[at], mixed[plane][at]);
                }
                (0..4).for_each(|channel| sum[channel] += self.block.points[at][channel]);
                count += 1.0;
            }
            let flat = [sum.map(|value| value / count.max(1.0)); 2];
            *ends = squares[0].solve().unwrap_or(flat);
            if let Some(apart) = self.trial.apart {
                let lone = squares[1].solve().unwrap_or(flat);
                (ends[0][apart], ends[1][apart]) = (lone[0][apart], lone[1][apart]);
            }
        }
        let sums = |ends: &[[f32; 4]; 2]| [0, 1].map(|end: usize| ends[end][0] + ends[end][1] + ends[end][2]);
        let ordered = !matches!(self.trial.kind, 8 | 12);
        let backwards = |ends: &[[f32; 4]; 2]| sums(ends)[0] > sums(ends)[1];
        // One grid weighs all subsets: they turn together or not at all.
        let turned = !ordered && ends[..self.trial.subsets].iter().all(backwards);
        let mut values = [0; 16];
        for (subset, ends) in ends.iter_mut().enumerate().take(self.trial.subsets) {
            if turned {
                ends.swap(0, 1);
            }
            let at = subset * colors::count(self.trial.kind);
            self.code(ends, &mut values[at..]);
        }
        (values, ends, turned)
    }

    /// Rounds the endpoints of a subset to the range, and to the order that the endpoint mode asks for.
    fn code(&self, ends: &mut [[f32; 4]; 2], values: &mut [u8]) {
        let (nearest, wide) = (&NEAREST[self.color_range], &COLORS[self.color_range]);
        let order: &[usize] = match self.trial.kind {
            0 => &[0],
            4 => &[0, 3],
            8 => &[0, 1, 2],
            _ => &[0, 1, 2, 3],
        };
        for (place, &channel) in order.iter().enumerate() {
            for end in 0..2 {
                let value = (ends[end][channel].clamp(0.0, 255.0) + 0.5) as usize;
                values[place * 2 + end] = nearest[value];
            }
        }
        if order.len() >= 3 {
            let sum = |end: usize| (0..3).map(|at| u32::from(wide[usize::from(values[at * 2 + end])])).sum::<u32>();
            if sum(1) < sum(0) {
                // Too near to tell apart, or turned against the other subset: one colour is as good as both.
                for place in 0..3 {
                    let middle = (ends[0][order[place]] + ends[1][order[place]]) / 2.0;
                    let code = nearest[(middle.clamp(0.0, 255.0) + 0.5) as usize];
                    (values[place * 2], values[place * 2 + 1]) = (code, code);
                }
            }
        }
        let bytes: [u8; 8] = std::array::from_fn(|at| wide[usize::from(values.get(at).copied().unwrap_or(0))]);
        *ends = colors::ends(self.trial.kind, &bytes).map(|end| end.map(|value| value as f32));
    }

    fn turn(&self, codes: &mut Codes) {
        let (codes_of, wide) = (&WEIGHT_CODES[self.choice.mode.range], &WEIGHTS[self.choice.mode.range]);
        for plane in codes.iter_mut().take(self.planes) {
            for code in plane.iter_mut().take(self.count()) {
                *code = codes_of[usize::from(64 - wide[usize::from(*code)])];
            }
        }
    }

    fn texel_error(&self, ends: &[[[f32; 4]; 2]; 2], at: usize, weights: [f32; 2]) -> f32 {
        let [low, high] = &ends[usize::from(self.trial.subset[at])];
        let mut error = 0.0;
        for channel in 0..4 {
            let weight = if self.trial.apart == Some(channel) { weights[1] } else { weights[0] };
            let off = low[channel] + (high[channel] - low[channel]) * weight - self.block.points[at][channel];
            error += off * off;
        }
        error
    }

    fn error(&self, ends: &[[[f32; 4]; 2]; 2], mixed: &Mixed) -> f32 {
        (0..self.block.count).map(|at| self.texel_error(ends, at, [mixed[0][at], mixed[1][at]])).sum()
    }

    /// New weights for the colours as they were rounded.
    fn reweigh(&self, ends: &[[[f32; 4]; 2]; 2], codes: &mut Codes) {
        for (plane, codes) in codes.iter_mut().enumerate().take(self.planes) {
            let mut sums = [0.0f32; MOST_WEIGHTS];
            let mut shares = [1e-6f32; MOST_WEIGHTS];
            // How far along the line between its ends each texel is, and the line's squared length.
            let mut places = [(0.0f32, 0.0f32); MOST_TEXELS];
            for (at, (taps, place)) in self.grid.taps.iter().zip(&mut places).enumerate().take(self.block.count) {
                let [low, high] = &ends[usize::from(self.trial.subset[at])];
                let (mut along, mut length) = (0.0, 0.0);
                for channel in (0..4).filter(|&channel| (self.trial.apart == Some(channel)) == (plane == 1)) {
                    let delta = high[channel] - low[channel];
                    along += (self.block.points[at][channel] - low[channel]) * delta;
                    length += delta * delta;
                }
                *place = (along, length);
                for &(weight, share) in taps {
                    let share = f32::from(share);
                    sums[usize::from(weight)] += (along.clamp(0.0, length)) * share;
                    shares[usize::from(weight)] += length * share;
                }
            }
            let weights = std::array::from_fn(|at| sums[at] / shares[at]);
            if self.grid.is_whole {
                self.round(&weights, codes);
                continue;
            }
            // Neighbours smooth each other: give back what is left.
            let mut left = [0.0f32; MOST_WEIGHTS];
            for (taps, (along, length)) in self.grid.taps.iter().zip(places).take(self.block.count) {
                let mixed: f32 =
                    taps.iter().map(|&(weight, share)| weights[usize::from(weight)] * f32::from(share)).sum();
                let mixed = mixed / 16.0;
                for &(weight, share) in taps {
                    left[usize::from(weight)] += (along - mixed * length) * f32::from(share);
                }
            }
            let weights: [f32; MOST_WEIGHTS] = std::array::from_fn(|at| weights[at] + 1.4 * left[at] / shares[at]);
            self.round(&weights, codes);
        }
    }

    /// Steps each weight up and down where that helps.
    fn step(&self, ends: &[[[f32; 4]; 2]; 2], codes: &mut Codes, error: &mut f32) {
        let (codes_of, wide) = (&WEIGHT_CODES[self.choice.mode.range], &WEIGHTS[self.choice.mode.range]);
        let mut weights = [[0u8; MOST_WEIGHTS]; 2];
        for plane in 0..self.planes {
            weights[plane] = codes[plane].map(|code| wide[usize::from(code & 31)]);
        }
        let stride = 64.0 / (RANGES[self.choice.mode.range].levels - 1) as f32;
        let mut touched = [[false; MOST_TEXELS]; 1];
        for plane in 0..self.planes {
            for at in 0..self.count() {
                let members = &mut touched[0];
                members.fill(false);
                for (texel, taps) in self.grid.taps.iter().enumerate().take(self.block.count) {
                    members[texel] = taps.iter().any(|&(weight, share)| share > 0 && usize::from(weight) == at);
                }
                let cost = |weights: &[[u8; MOST_WEIGHTS]; 2]| -> f32 {
                    (0..self.block.count)
                        .filter(|&texel| members[texel])
                        .map(|texel| {
                            let of = |plane: usize| grid::mix(&self.grid.taps[texel], &weights[plane]) as f32 / 64.0;
                            let second = if self.planes == 2 { of(1) } else { 0.0 };
                            self.texel_error(ends, texel, [of(0), second])
                        })
                        .sum()
                };
                let now = weights[plane][at];
                let (mut least, mut choice) = (cost(&weights), now);
                let before = least;
                for step in [-stride, stride] {
                    let next = (f32::from(now) + step + 0.5).clamp(0.0, 64.0) as usize;
                    let next = wide[usize::from(codes_of[next])];
                    weights[plane][at] = next;
                    let found = cost(&weights);
                    if next != now && found < least {
                        (least, choice) = (found, next);
                    }
                }
                weights[plane][at] = choice;
                codes[plane][at] = codes_of[usize::from(choice)];
                *error += least - before;
            }
        }
    }

    fn found(&self, colors: [u8; 16], codes: &Codes, error: f32) -> Found {
        let mut weights = [0; MOST_WEIGHTS];
        let weight_count = self.count() * self.planes;
        for (at, weight) in weights.iter_mut().enumerate().take(weight_count) {
            *weight = codes[at % self.planes][at / self.planes];
        }
        Found {
            bits: self.choice.bits,
            subsets: self.trial.subsets as u32,
            seed: self.trial.seed,
            kind: self.trial.kind,
            apart: self.trial.apart,
            color_range: self.color_range,
            colors,
            color_count: self.trial.values(),
            weight_range: self.choice.mode.range,
            weights,
            weight_count,
            error,
        }
    }
}

impl Found {
    pub(super) fn pack(&self) -> [u8; 16] {
        let mut bits = u128::from(self.bits) | u128::from(self.subsets - 1) << 11;
        let start = if self.subsets == 1 {
            bits |= u128::from(self.kind) << 13;
            17
        } else {
            // Two zero bits before the mode say that all subsets have it.
            bits |= u128::from(self.seed) << 13 | u128::from(self.kind) << 25;
            29
        };
        bits |= RANGES[self.color_range].write(&self.colors[..self.color_count]) << start;
        let range = RANGES[self.weight_range];
        let length = range.length(self.weight_count as u32);
        if let Some(apart) = self.apart {
            bits |= (apart as u128) << (128 - length - 2);
        }
        (bits | range.write(&self.weights[..self.weight_count]).reverse_bits()).to_le_bytes()
    }
}
