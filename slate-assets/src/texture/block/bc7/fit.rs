//! Finds the endpoints and indices of subsets, several side by side: one in each lane.

use super::{
    Parity,
    ends::{End, Grid, Scale, nearer, off, round, value},
};
use crate::{
    simd::{self, Kernel},
    texture::block::{
        Texels, line,
        wide::{LANES, Wide, words},
    },
};

/// A subset to fit.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) texels: &'a Texels,
    /// The texels that are in it, as bits.
    pub(super) mask: u16,
    /// The channel that is fitted first, second and so on.
    pub(super) order: [u8; 4],
}

/// Endpoints as they are written, the indices in the order of the subset's texels, and the squared error.
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
    /// Rounds in which ends beyond the outermost texels are tried as well.
    pub(super) spreads: usize,
    /// Rounds in which endpoints are stepped one by one at last.
    pub(super) steps: usize,
}

/// The best endpoints found for each job, in their order.
pub(super) fn fit_all(jobs: &[Job<'_>], grid: &Grid, search: Search, out: &mut Vec<Fit>) {
    out.clear();
    out.resize(jobs.len(), Fit { codes: [[0; 4]; 2], lowest: [0; 2], indices: [0; 16], error: f32::MAX });
    // Those of a size together: all lanes go as far as the largest.
    let mut starts = [0usize; 18];
    jobs.iter().for_each(|job| starts[job.mask.count_ones() as usize + 1] += 1);
    (1..18).for_each(|size| starts[size] += starts[size - 1]);
    let mut order = vec![0; jobs.len()];
    for (at, job) in jobs.iter().enumerate() {
        let start = &mut starts[job.mask.count_ones() as usize];
        order[*start] = at;
        *start += 1;
    }
    for places in order.chunks(LANES) {
        match grid.channels {
            1 => simd::run(FitLanes::<1> { jobs, places, grid, search, out }),
            3 => simd::run(FitLanes::<3> { jobs, places, grid, search, out }),
            _ => simd::run(FitLanes::<4> { jobs, places, grid, search, out }),
        }
    }
}

struct FitLanes<'a, const C: usize> {
    jobs: &'a [Job<'a>],
    /// Which of them, as many as there are lanes or fewer.
    places: &'a [usize],
    grid: &'a Grid,
    search: Search,
    out: &'a mut [Fit],
}

impl<const C: usize> Kernel for FitLanes<'_, C> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let lanes = Lanes::<C>::of(self.jobs, self.places);
        let scale = Scale::of(self.grid);
        let best = lanes.fit(&scale, self.search);
        best.write(&scale, self.places, self.out);
    }
}

/// Subsets side by side.
struct Lanes<const C: usize> {
    /// By the number of a texel in its subset, and by channel; 0 where a subset has no more.
    planes: [[Wide; C]; 16],
    /// 1 for each texel that there is.
    there: [Wide; 16],
    count: Wide,
    sums: [Wide; C],
    /// Texels of the largest.
    most: usize,
}

/// The best so far of each lane.
#[derive(Clone, Copy)]
struct Found<const C: usize> {
    ends: [End<C>; 2],
    /// Of the second endpoint, by texel.
    weights: [Wide; 16],
    error: Wide,
}

impl<const C: usize> Lanes<C> {
    #[inline(always)]
    fn of(jobs: &[Job<'_>], places: &[usize]) -> Self {
        if places.len() == LANES && places.iter().all(|&place| jobs[place].mask == u16::MAX) {
            return Self::of_whole(jobs, places);
        }
        let mut planes = [[Wide::default(); C]; 16];
        let mut there = [Wide::default(); 16];
        let (mut count, mut most) = (Wide::default(), 0);
        for (lane, &place) in places.iter().enumerate() {
            let Job { texels, mask, order } = jobs[place];
            let (mut rest, mut number) = (mask, 0);
            while rest != 0 {
                let texel = &texels[rest.trailing_zeros() as usize & 15];
                for channel in 0..C {
                    planes[number][channel].0[lane] = texel[usize::from(order[channel] & 3)].into();
                }
                there[number].0[lane] = 1.0;
                number += 1;
                rest &= rest - 1;
            }
            count.0[lane] = number as f32;
            most = most.max(number);
        }
        Self::with(planes, there, count, most)
    }

    /// Of as many whole blocks as there are lanes.
    #[inline(always)]
    fn of_whole(jobs: &[Job<'_>], places: &[usize]) -> Self {
        let mut shifts = [[0; LANES]; C];
        let mut texels = [jobs[places[0]].texels; LANES];
        for (lane, &place) in places.iter().enumerate() {
            texels[lane] = jobs[place].texels;
            for channel in 0..C {
                shifts[channel][lane] = 8 * u32::from(jobs[place].order[channel] & 3);
            }
        }
        let mut planes = [[Wide::default(); C]; 16];
        for row in 0..4 {
            let words = words(&texels, row);
            for at in 0..4 {
                for channel in 0..C {
                    for lane in 0..LANES {
                        let value = (words[at][lane] >> shifts[channel][lane] & 255) as i32;
                        planes[row * 4 + at][channel].0[lane] = value as f32;
                    }
                }
            }
        }
        Self::with(planes, [Wide::splat(1.0); 16], Wide::splat(16.0), 16)
    }

    #[inline(always)]
    fn with(planes: [[Wide; C]; 16], there: [Wide; 16], count: Wide, most: usize) -> Self {
        let mut sums = [Wide::default(); C];
        for texel in &planes[..most] {
            for channel in 0..C {
                sums[channel] = sums[channel] + texel[channel];
            }
        }
        Self { planes, there, count, sums, most }
    }

    #[inline(always)]
    fn fit(&self, scale: &Scale, search: Search) -> Found<C> {
        let none = End { codes: [Wide::default(); C], lowest: Wide::default(), values: [Wide::default(); C] };
        let mut best = Found { ends: [none; 2], weights: [Wide::default(); 16], error: Wide::splat(f32::MAX) };
        let mut ends = self.line();
        for _ in 0..=search.refits {
            if !self.code(&ends, scale, search.all_lowest, &mut best) {
                break;
            }
            ends = self.refit(&best.weights, &best.ends);
        }
        for number in 0..search.spreads * 3 {
            let (low, high) = (number % 3 != 1, number % 3 != 0);
            let ends = self.refit(&self.drawn_in(&best.weights, low, high, scale), &best.ends);
            self.code(&ends, scale, search.all_lowest, &mut best);
        }
        for _ in 0..search.steps {
            if !self.step(&mut best, scale) {
                break;
            }
        }
        best
    }

    /// The ends of what the texels span along their longest axis.
    #[inline(always)]
    fn line(&self) -> [[Wide; C]; 2] {
        let share = Wide::splat(1.0).over(self.count);
        let mut mean = self.sums;
        for c in 0..C {
            mean[c] = mean[c] * share;
        }
        let mut matrix = [[Wide::default(); C]; C];
        for at in 0..self.most {
            let mut away = self.planes[at];
            for c in 0..C {
                away[c] = (away[c] - mean[c]) * self.there[at];
            }
            for row in 0..C {
                for column in row..C {
                    matrix[row][column] = matrix[row][column] + away[row] * away[column];
                }
            }
        }
        for row in 0..C {
            for column in 0..row {
                matrix[row][column] = matrix[column][row];
            }
        }
        let axis = line::axes(&matrix);
        let (mut low, mut high) = (Wide::default(), Wide::default());
        for at in 0..self.most {
            let mut along = Wide::default();
            for c in 0..C {
                along = along + (self.planes[at][c] - mean[c]) * axis[c];
            }
            along = along * self.there[at];
            (low, high) = (low.min(along), high.max(along));
        }
        let mut ends = [mean; 2];
        for c in 0..C {
            ends[0][c] = mean[c] + axis[c] * low;
            ends[1][c] = mean[c] + axis[c] * high;
        }
        ends
    }

    /// Rounds endpoints to the grid, and picks the weights; whether that helped any lane.
    #[inline(always)]
    fn code(&self, ends: &[[Wide; C]; 2], scale: &Scale, all_lowest: bool, best: &mut Found<C>) -> bool {
        let [zero, one] = [Wide::splat(0.0), Wide::splat(1.0)];
        let first = [round(&ends[0], zero, scale), round(&ends[1], zero, scale)];
        let second = [round(&ends[0], one, scale), round(&ends[1], one, scale)];
        let (mut tried, mut count) = ([first; 4], 1);
        if scale.parity != Parity::None && all_lowest {
            tried = [first, second, [first[0], second[1]], [second[0], first[1]]];
            count = if scale.parity == Parity::Each { 4 } else { 2 };
        } else if scale.parity != Parity::None {
            let mut zeros = [off(&first[0], &ends[0]), off(&first[1], &ends[1])];
            let mut ones = [off(&second[0], &ends[0]), off(&second[1], &ends[1])];
            if scale.parity == Parity::Shared {
                zeros = [zeros[0] + zeros[1]; 2];
                ones = [ones[0] + ones[1]; 2];
            }
            let near = nearer(ones[0], zeros[0], &second[0], &first[0]);
            tried[0] = [near, nearer(ones[1], zeros[1], &second[1], &first[1])];
        }
        let mut helped = false;
        for ends in &tried[..count] {
            helped |= best.take(&self.pick(ends, scale), self.most);
        }
        helped
    }

    /// The nearest weight of each texel by its place along the line, and the sum of squared errors: all exact in floats.
    #[inline(always)]
    fn pick(&self, ends: &[End<C>; 2], scale: &Scale) -> Found<C> {
        let near = ends[0].values;
        let mut far = ends[1].values;
        let mut length = Wide::default();
        for c in 0..C {
            far[c] = far[c] - near[c];
            length = length + far[c] * far[c];
        }
        let factor = scale.steps.over(length);
        let (mut slope, mut start, mut rounded) = (far, Wide::default(), near);
        for c in 0..C {
            slope[c] = far[c] * factor;
            start = start + near[c] * slope[c];
            // The whole number below the exact value plus a half, as decoders round.
            rounded[c] = near[c] + Wide::splat(1.0 / 128.0);
            far[c] = far[c] * Wide::splat(1.0 / 64.0);
        }
        let mut error = Wide::default();
        let mut weights = [Wide::default(); 16];
        for at in 0..self.most {
            let texel = &self.planes[at];
            let mut place = Wide::default() - start;
            for c in 0..C {
                place = place + texel[c] * slope[c];
            }
            let index = place.held(scale.steps).round();
            let weight = (index * scale.share).round();
            let mut sum = Wide::default();
            for c in 0..C {
                let off = texel[c] - (rounded[c] + far[c] * weight).round();
                sum = sum + off * off;
            }
            error = error + sum * self.there[at];
            weights[at] = weight;
        }
        Found { ends: *ends, weights, error }
    }

    /// The ends that fit the weights best, by least squares; those of before where the weights don't tell them apart.
    #[inline(always)]
    fn refit(&self, weights: &[Wide; 16], ends: &[End<C>; 2]) -> [[Wide; C]; 2] {
        let (mut f, mut ff, mut far) = (Wide::default(), Wide::default(), [Wide::default(); C]);
        for at in 0..self.most {
            let weight = weights[at] * Wide::splat(1.0 / 64.0) * self.there[at];
            f = f + weight;
            ff = ff + weight * weight;
            for c in 0..C {
                far[c] = far[c] + weight * self.planes[at][c];
            }
        }
        let nf = f - ff;
        let nn = self.count - f - nf;
        let determinant = nn * ff - nf * nf;
        let scale = Wide::splat(1.0).over(determinant);
        let least = Wide::splat(1e-4);
        let mut ends = [ends[0].values, ends[1].values];
        for c in 0..C {
            let near = self.sums[c] - far[c];
            ends[0][c] = least.less(determinant, (near * ff - far[c] * nf) * scale, ends[0][c]);
            ends[1][c] = least.less(determinant, (far[c] * nn - near * nf) * scale, ends[1][c]);
        }
        ends
    }

    /// The texels at the lowest or the highest weight, or both, a step further inside.
    #[inline(always)]
    fn drawn_in(&self, weights: &[Wide; 16], low: bool, high: bool, scale: &Scale) -> [Wide; 16] {
        let (mut least, mut most) = (Wide::splat(64.0), Wide::default());
        for at in 0..self.most {
            let weight = weights[at] * self.there[at];
            most = most.max(weight);
            // Places without a texel are as far off as can be.
            least = least.min(weights[at] + Wide::splat(64.0) - self.there[at] * Wide::splat(64.0));
        }
        let step = Wide::splat(64.0).over(scale.steps);
        let mut moved = *weights;
        for at in 0..self.most {
            let weight = weights[at];
            if low {
                moved[at] = least.less(weight, weight, weight + step);
            }
            if high {
                moved[at] = weight.less(most, moved[at], moved[at] - step);
            }
        }
        moved
    }

    /// Steps each value of both endpoints up and down; whether that helped any lane.
    #[inline(always)]
    fn step(&self, best: &mut Found<C>, scale: &Scale) -> bool {
        let mut helped = false;
        for end in 0..2 {
            for channel in 0..C {
                for step in [1.0, -1.0] {
                    let mut ends = best.ends;
                    let code = ends[end].codes[channel] + Wide::splat(step);
                    ends[end].codes[channel] = code.held(scale.most);
                    ends[end].values[channel] = value(ends[end].codes[channel], ends[end].lowest, scale);
                    helped |= best.take(&self.pick(&ends, scale), self.most);
                }
            }
        }
        helped
    }
}

impl<const C: usize> Found<C> {
    /// Takes over the lanes in which another of so many texels is better; whether there are any.
    #[inline(always)]
    fn take(&mut self, other: &Self, texels: usize) -> bool {
        let (new, old) = (other.error, self.error);
        for at in 0..texels {
            self.weights[at] = new.less(old, other.weights[at], self.weights[at]);
        }
        for end in 0..2 {
            self.ends[end] = nearer(new, old, &other.ends[end], &self.ends[end]);
        }
        self.error = new.less(old, new, old);
        new.is_less_anywhere(old)
    }

    #[inline(always)]
    fn write(&self, scale: &Scale, places: &[usize], out: &mut [Fit]) {
        let mut indices = [[0u8; LANES]; 16];
        for (at, weight) in self.weights.iter().enumerate() {
            indices[at] = (*weight * scale.steps * Wide::splat(1.0 / 64.0)).bytes();
        }
        let (mut codes, mut lowest) = ([[[0u8; LANES]; C]; 2], [[0u8; LANES]; 2]);
        for end in 0..2 {
            for c in 0..C {
                codes[end][c] = self.ends[end].codes[c].bytes();
            }
            lowest[end] = self.ends[end].lowest.bytes();
        }
        for (lane, &place) in places.iter().enumerate() {
            let fit = &mut out[place];
            for end in 0..2 {
                for c in 0..C {
                    fit.codes[end][c] = codes[end][c][lane];
                }
                fit.lowest[end] = lowest[end][lane];
            }
            for at in 0..16 {
                fit.indices[at] = indices[at][lane];
            }
            fit.error = self.error.0[lane];
        }
    }
}
