//! Finds the endpoints and indices of one subset.

use super::{Mode, Parity, widen};
use crate::{
    simd::{self, Kernel},
    texture::block::{
        line::{Squares, principal},
        wide::{LANES, Wide},
    },
};
use std::sync::LazyLock;

/// How many vectors hold the texels of a block.
const CHUNKS: usize = 16 / LANES;

/// Texels of one subset, by channel, several at a time; a channel that isn't fitted is zero throughout.
#[derive(Clone, Copy)]
pub(super) struct Set {
    planes: [[Wide; CHUNKS]; 4],
    /// 1 for each texel that there is; the last ones may be filled up with others, which count for nothing.
    there: [Wide; CHUNKS],
    count: usize,
    chunks: usize,
}

/// What the endpoints of a subset may be.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    /// Bits of each channel, without the shared lowest one; 0 for a channel that isn't written.
    pub(super) bits: [u32; 4],
    pub(super) parity: Parity,
    /// Bits of an index.
    pub(super) index_bits: u32,
}

impl Grid {
    pub(super) fn of(mode: &Mode) -> Self {
        let (color, alpha) = (mode.color_bits, mode.alpha_bits);
        Self { bits: [color, color, color, alpha], parity: mode.parity, index_bits: mode.index_bits }
    }

    fn steps(&self) -> f32 {
        ((1 << self.index_bits) - 1) as f32
    }
}

/// Endpoints as they are written, the indices in the order of the set, and the squared error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub(super) codes: [[u8; 4]; 2],
    pub(super) lowest: [u8; 2],
    pub(super) indices: [u8; 16],
    pub(super) error: f32,
}

/// How long to look.
#[derive(Clone, Copy)]
pub(super) struct Search {
    /// Rounds of least squares.
    pub(super) refits: usize,
    /// Whether to try every lowest bit rather than the one that is nearest.
    pub(super) all_lowest: bool,
    /// Whether to step endpoints one by one at last.
    pub(super) steps: bool,
}

impl Set {
    /// The texels of `mask`, with as many of their channels as `channels` says.
    pub(super) fn of(texels: &[[f32; 4]; 16], mask: u16, channels: usize) -> Self {
        let mut planes = [[Wide::default(); CHUNKS]; 4];
        let mut there = [Wide::default(); CHUNKS];
        let mut count = 0;
        for (at, texel) in texels.iter().enumerate() {
            if mask >> at & 1 == 1 {
                for channel in 0..channels {
                    planes[channel][count / LANES].0[count % LANES] = texel[channel];
                }
                there[count / LANES].0[count % LANES] = 1.0;
                count += 1;
            }
        }
        Self { planes, there, count, chunks: count.div_ceil(LANES) }
    }

    /// One channel alone, as the first of the set.
    pub(super) fn of_channel(texels: &[[f32; 4]; 16], channel: usize) -> Self {
        let lone = texels.map(|texel| [texel[channel], 0.0, 0.0, 0.0]);
        Self::of(&lone, u16::MAX, 1)
    }

    /// The best endpoints found.
    pub(super) fn fit(&self, grid: &Grid, search: Search) -> Fit {
        simd::run(FitSet { set: self, grid, search })
    }

    #[inline(always)]
    fn fit_plain(&self, grid: &Grid, search: Search) -> Fit {
        let mut best = Fit { codes: [[0; 4]; 2], lowest: [0; 2], indices: [0; 16], error: f32::MAX };
        let mut ends = self.line();
        for _ in 0..=search.refits {
            let (fit, picked) = self.code(ends, grid, search.all_lowest);
            if fit.error >= best.error {
                break;
            }
            best = fit;
            self.keep(&mut best, &picked);
            if best.error == 0.0 {
                return best;
            }
            match self.refit(&picked, grid) {
                Some(next) => ends = next,
                None => break,
            }
        }
        if search.steps {
            self.step(&mut best, grid);
        }
        best
    }

    #[inline(always)]
    fn keep(&self, fit: &mut Fit, picked: &[Wide; CHUNKS]) {
        for at in 0..self.count {
            fit.indices[at] = picked[at / LANES].0[at % LANES] as u8;
        }
    }

    /// The ends of what the texels span along their longest axis.
    #[inline(always)]
    fn line(&self) -> [[f32; 4]; 2] {
        let share = 1.0 / self.count.max(1) as f32;
        let mut mean = [0.0f32; 4];
        for channel in 0..4 {
            let mut sum = Wide::default();
            for chunk in 0..self.chunks {
                sum = sum + self.planes[channel][chunk];
            }
            mean[channel] = sum.sum() * share;
        }
        let mut away = [[Wide::default(); CHUNKS]; 4];
        for channel in 0..4 {
            let mean = Wide::splat(mean[channel]);
            for chunk in 0..self.chunks {
                away[channel][chunk] = (self.planes[channel][chunk] - mean) * self.there[chunk];
            }
        }
        let mut matrix = [[0.0f32; 4]; 4];
        for row in 0..4 {
            for column in row..4 {
                let mut sum = Wide::default();
                for chunk in 0..self.chunks {
                    sum = sum + away[row][chunk] * away[column][chunk];
                }
                matrix[row][column] = sum.sum();
                matrix[column][row] = matrix[row][column];
            }
        }
        let (axis, _) = principal(&matrix);
        let (mut low, mut high) = (Wide::default(), Wide::default());
        for chunk in 0..self.chunks {
            let mut along = Wide::default();
            for channel in 0..4 {
                along = along + away[channel][chunk] * Wide::splat(axis[channel]);
            }
            (low, high) = (low.min(along), high.max(along));
        }
        let low = low.0.iter().fold(0.0f32, |least, &value| least.min(value));
        let high = high.0.iter().fold(0.0f32, |most, &value| most.max(value));
        let at = |share: f32| std::array::from_fn(|channel| mean[channel] + axis[channel] * share);
        [at(low), at(high)]
    }

    /// Rounds endpoints to the grid, and picks the indices.
    #[inline(always)]
    fn code(&self, ends: [[f32; 4]; 2], grid: &Grid, all_lowest: bool) -> (Fit, [Wide; CHUNKS]) {
        let tried: &[[usize; 2]] = match grid.parity {
            Parity::None => &[[NONE, NONE]],
            Parity::Shared => &[[0, 0], [1, 1]],
            Parity::Each => &[[0, 0], [0, 1], [1, 0], [1, 1]],
        };
        let lone = (tried.len() > 1 && !all_lowest).then(|| nearest_lowest(&ends, grid));
        let tried = lone.as_ref().map_or(tried, std::slice::from_ref);
        let mut best: Option<(Fit, [Wide; CHUNKS])> = None;
        for &lowest in tried {
            let codes = [round(ends[0], grid, lowest[0]), round(ends[1], grid, lowest[1])];
            let (error, picked) = self.pick(codes, lowest, grid);
            if best.as_ref().is_none_or(|best| error < best.0.error) {
                let lowest = lowest.map(|bit| (bit % NONE) as u8);
                best = Some((Fit { codes, lowest, indices: [0; 16], error }, picked));
            }
        }
        best.unwrap_or_else(|| {
            (Fit { codes: [[0; 4]; 2], lowest: [0; 2], indices: [0; 16], error: f32::MAX }, [Wide::default(); CHUNKS])
        })
    }

    /// The nearest index of each texel by its place along the line, and the sum of squared errors: all exact in floats.
    #[inline(always)]
    fn pick(&self, codes: [[u8; 4]; 2], lowest: [usize; 2], grid: &Grid) -> (f32, [Wide; CHUNKS]) {
        let a = color(codes[0], grid, lowest[0]);
        let b = color(codes[1], grid, lowest[1]);
        let delta: [f32; 4] = std::array::from_fn(|channel| b[channel] - a[channel]);
        let length = delta[0] * delta[0] + delta[1] * delta[1] + delta[2] * delta[2] + delta[3] * delta[3];
        let steps = grid.steps();
        let scale = if length > 0.0 { steps / length } else { 0.0 };
        let (near, far) = (a.map(Wide::splat), delta.map(Wide::splat));
        let slope = delta.map(|value| Wide::splat(value * scale));
        let (most, share) = (Wide::splat(steps), Wide::splat(64.0 / steps));
        let mut error = Wide::default();
        let mut picked = [Wide::default(); CHUNKS];
        for chunk in 0..self.chunks {
            let mut place = Wide::default();
            for channel in 0..4 {
                place = place + (self.planes[channel][chunk] - near[channel]) * slope[channel];
            }
            let index = place.max(Wide::default()).min(most).round();
            let weight = (index * share).round() * Wide::splat(1.0 / 64.0);
            let mut sum = Wide::default();
            for channel in 0..4 {
                // The whole number below the exact value plus a half, as decoders round.
                let value = (near[channel] + far[channel] * weight + Wide::splat(1.0 / 128.0)).round();
                let off = self.planes[channel][chunk] - value;
                sum = sum + off * off;
            }
            error = error + sum * self.there[chunk];
            picked[chunk] = index;
        }
        (error.sum(), picked)
    }

    #[inline(always)]
    fn refit(&self, picked: &[Wide; CHUNKS], grid: &Grid) -> Option<[[f32; 4]; 2]> {
        let (share, one) = (Wide::splat(64.0 / grid.steps()), Wide::splat(1.0));
        let (mut nn, mut nf, mut ff) = (Wide::default(), Wide::default(), Wide::default());
        let (mut near, mut far) = ([Wide::default(); 4], [Wide::default(); 4]);
        for chunk in 0..self.chunks {
            let there = self.there[chunk];
            let weight = (picked[chunk] * share).round() * Wide::splat(1.0 / 64.0);
            let (f, n) = (weight * there, (one - weight) * there);
            nn = nn + n * n;
            nf = nf + n * f;
            ff = ff + f * f;
            for channel in 0..4 {
                near[channel] = near[channel] + n * self.planes[channel][chunk];
                far[channel] = far[channel] + f * self.planes[channel][chunk];
            }
        }
        Squares::of([nn.sum(), nf.sum(), ff.sum()], near.map(Wide::sum), far.map(Wide::sum)).solve()
    }

    /// Steps each value of both endpoints up and down for as long as that helps.
    #[inline(always)]
    fn step(&self, best: &mut Fit, grid: &Grid) {
        let lowest =
            |fit: &Fit| fit.lowest.map(|bit| if grid.parity == Parity::None { NONE } else { usize::from(bit) });
        for _ in 0..4 {
            let before = best.error;
            for end in 0..2 {
                for channel in (0..4).filter(|&channel| grid.bits[channel] > 0) {
                    for up in [true, false] {
                        let mut codes = best.codes;
                        let value = codes[end][channel];
                        let stepped = if up { value.checked_add(1) } else { value.checked_sub(1) };
                        let Some(stepped) = stepped.filter(|&value| u32::from(value) < 1 << grid.bits[channel]) else {
                            continue;
                        };
                        codes[end][channel] = stepped;
                        let (error, picked) = self.pick(codes, lowest(best), grid);
                        if error < best.error {
                            (best.codes, best.error) = (codes, error);
                            self.keep(best, &picked);
                        }
                    }
                }
            }
            if best.error == before {
                return;
            }
        }
    }
}

struct FitSet<'a> {
    set: &'a Set,
    grid: &'a Grid,
    search: Search,
}

impl Kernel for FitSet<'_> {
    type Out = Fit;

    #[inline(always)]
    fn run(self) -> Fit {
        self.set.fit_plain(self.grid, self.search)
    }
}

/// The place in the tables of values without a shared lowest bit.
const NONE: usize = 2;

/// The code whose value is nearest, by bits (4 to 8), lowest bit (0, 1, none) and value.
static NEAREST: LazyLock<Vec<[[u8; 256]; 3]>> = LazyLock::new(|| {
    let table = |bits: u32, lowest: usize| {
        std::array::from_fn(|value| {
            let off = |code: u32| (widened(code, bits, lowest) as i32 - value as i32).abs();
            (0..1u32 << bits).min_by_key(|&code| off(code)).unwrap_or(0) as u8
        })
    };
    (0..=8).map(|bits| std::array::from_fn(|lowest| if bits < 4 { [0; 256] } else { table(bits, lowest) })).collect()
});

#[inline(always)]
fn widened(code: u32, bits: u32, lowest: usize) -> u32 {
    if lowest == NONE {
        widen(code, bits)
    } else if bits == 8 {
        code
    } else {
        widen(code << 1 | lowest as u32, bits + 1)
    }
}

#[inline(always)]
fn round(end: [f32; 4], grid: &Grid, lowest: usize) -> [u8; 4] {
    std::array::from_fn(|channel| {
        let value = (end[channel].clamp(0.0, 255.0) + 0.5) as u8;
        NEAREST[grid.bits[channel] as usize][lowest][usize::from(value)]
    })
}

#[inline(always)]
fn color(codes: [u8; 4], grid: &Grid, lowest: usize) -> [f32; 4] {
    std::array::from_fn(|channel| match grid.bits[channel] {
        0 => 0.0,
        bits => widened(u32::from(codes[channel]), bits, lowest) as f32,
    })
}

/// The lowest bits with which the rounded endpoints are nearest to the wanted ones.
#[inline(always)]
fn nearest_lowest(ends: &[[f32; 4]; 2], grid: &Grid) -> [usize; 2] {
    let off = |end: usize, lowest: usize| {
        let rounded = color(round(ends[end], grid, lowest), grid, lowest);
        let square = |channel: usize| {
            let off = rounded[channel] - ends[end][channel].clamp(0.0, 255.0);
            if grid.bits[channel] > 0 { off * off } else { 0.0 }
        };
        square(0) + square(1) + square(2) + square(3)
    };
    if grid.parity == Parity::Shared {
        let lowest = usize::from(off(0, 1) + off(1, 1) < off(0, 0) + off(1, 0));
        return [lowest; 2];
    }
    [0, 1].map(|end| usize::from(off(end, 1) < off(end, 0)))
}
