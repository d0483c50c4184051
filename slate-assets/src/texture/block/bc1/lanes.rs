//! Eight opaque blocks of four colours side by side.
//!
//! Texels are held as their distance from the mean of their block: then the sums over the texels of one choice of selectors,
//! of the shares, their squares, and the texels by their shares, tell both its error and the colours that fit it best.

use super::{MOST, SHIFT};
use crate::{
    simd::{self, Kernel},
    texture::block::{
        Effort, line,
        wide::{Eight, LANES, Wide, planes},
    },
};

/// Eight blocks as they are written.
pub(super) struct Packed {
    /// Both colours, the first in the lower half; the first is never less.
    pub(super) ends: [u32; LANES],
    /// The selectors.
    pub(super) words: [u32; LANES],
}

/// Blocks of eight times sixteen texels.
pub(super) fn encode(texels: &Eight<'_>, effort: Effort) -> Packed {
    let (lanes, axis, mut best) = simd::run(Guess { texels, refits: 3 });
    if effort >= Effort::NORMAL {
        best.take(&simd::run(Cluster { lanes: &lanes, axis: &axis }));
    }
    for _ in 0..[0, 0, 1, 2, 4][effort.at_most(4)] {
        best = simd::run(Step { lanes: &lanes, best });
    }
    best.packed()
}

/// The blocks by the axis of each.
struct Guess<'a> {
    texels: &'a Eight<'a>,
    refits: usize,
}

impl Kernel for Guess<'_> {
    type Out = (Lanes, [Wide; 3], Found);

    #[inline(always)]
    fn run(self) -> Self::Out {
        let lanes = Lanes::new(self.texels);
        let axis = line::axes(&lanes.matrix());
        let found = lanes.refined(lanes.ends_by_axis(&axis), self.refits);
        (lanes, axis, found)
    }
}

/// The blocks by the best cut along the axis of each.
struct Cluster<'a> {
    lanes: &'a Lanes,
    axis: &'a [Wide; 3],
}

impl Kernel for Cluster<'_> {
    type Out = Found;

    #[inline(always)]
    fn run(self) -> Found {
        self.lanes.refined(self.lanes.clusters(self.axis), 2)
    }
}

/// What steps around the best make better.
struct Step<'a> {
    lanes: &'a Lanes,
    best: Found,
}

impl Kernel for Step<'_> {
    type Out = Found;

    #[inline(always)]
    fn run(mut self) -> Found {
        self.lanes.neighbors(&mut self.best);
        self.best
    }
}

/// A block whose texels lie no further apart is nearly of one colour.
const NEAR: f32 = 4.0;

/// The two colours, in codes of 5, 6 and 5 bits.
pub(super) type Codes = [[Wide; 3]; 2];

struct Lanes {
    /// Red, green and blue of all texels, without the mean.
    planes: [[Wide; 16]; 3],
    mean: [Wide; 3],
    /// The sum of squares of all of them.
    square: Wide,
}

/// Codes with the selectors that fit them best.
#[derive(Clone, Copy, Default)]
struct Found {
    codes: Codes,
    error: Wide,
    /// Thirds of the way from the first to the second colour, two bits a texel.
    thirds: [u32; LANES],
    sums: Sums,
}

/// Sums over all texels, each of which is a share of the way from the first colour to the second.
#[derive(Clone, Copy, Default)]
struct Sums {
    shares: Wide,
    squares: Wide,
    /// Of the texels by their shares.
    texels: [Wide; 3],
}

impl Sums {
    /// By how much of the texels' sum each end lies off the mean, the first one to the other side.
    #[inline(always)]
    fn shares_of_ends(&self) -> [Wide; 2] {
        let Self { shares, squares, .. } = *self;
        let determinant = Wide::splat(16.0) * squares - shares * shares;
        // Where all selectors are alike it is nothing, and both colours are the mean.
        let scale = Wide::splat(0.01).less(determinant, Wide::splat(1.0).over(determinant), Wide::default());
        [shares * scale, (Wide::splat(16.0) - shares) * scale]
    }
}

impl Lanes {
    #[inline(always)]
    fn new(texels: &Eight<'_>) -> Self {
        let mut planes = planes(texels);
        let mut sums = [Wide::default(); 3];
        for c in 0..3 {
            for at in 0..16 {
                sums[c] = sums[c] + planes[c][at];
            }
        }
        let (mut mean, mut square) = (sums, Wide::default());
        for c in 0..3 {
            mean[c] = sums[c] * Wide::splat(1.0 / 16.0);
            for at in 0..16 {
                planes[c][at] = planes[c][at] - mean[c];
                square = square + planes[c][at] * planes[c][at];
            }
        }
        Self { planes, mean, square }
    }

    #[inline(always)]
    fn matrix(&self) -> [[Wide; 3]; 3] {
        let mut matrix = [[Wide::default(); 3]; 3];
        for at in 0..16 {
            for row in 0..3 {
                for column in row..3 {
                    matrix[row][column] = matrix[row][column] + self.planes[row][at] * self.planes[column][at];
                }
            }
        }
        for row in 1..3 {
            for column in 0..row {
                matrix[row][column] = matrix[column][row];
            }
        }
        matrix
    }

    #[inline(always)]
    fn along(&self, axis: &[Wide; 3], at: usize) -> Wide {
        self.planes[0][at] * axis[0] + self.planes[1][at] * axis[1] + self.planes[2][at] * axis[2]
    }

    #[inline(always)]
    fn ends_by_axis(&self, axis: &[Wide; 3]) -> Codes {
        let (mut low, mut high) = (Wide::default(), Wide::default());
        for at in 0..16 {
            let along = self.along(axis, at);
            low = low.min(along);
            high = high.max(along);
        }
        // Drawn in by a sixteenth: the outermost texels are few.
        let inset = (high - low) * Wide::splat(1.0 / 16.0);
        let mut codes = [[Wide::default(); 3]; 2];
        for c in 0..3 {
            let most = Wide::splat(MOST[c]);
            let mut ends = [high - inset, low + inset];
            for end in &mut ends {
                *end = ((axis[c] * *end + self.mean[c]) * Wide::splat(MOST[c] / 255.0)).held(most);
            }
            let [a, b] = ends;
            let (first, second) = (a.round(), b.round());
            // Colours that are nearly one are taken apart: what lies between is reached by thirds.
            let below = floor(a.min(b)).held(most - Wide::splat(1.0));
            let span = high - low;
            codes[0][c] = span.less(Wide::splat(NEAR), below + Wide::splat(1.0), first);
            codes[1][c] = span.less(Wide::splat(NEAR), below, second);
        }
        codes
    }

    /// What a code stands for, without the mean.
    #[inline(always)]
    fn value(&self, code: Wide, c: usize) -> Wide {
        (code * Wide::splat(255.0 / MOST[c])).round() - self.mean[c]
    }

    /// The code just below a value without the mean, that has one above it.
    #[inline(always)]
    fn below(&self, value: Wide, c: usize) -> Wide {
        floor((value + self.mean[c]) * Wide::splat(MOST[c] / 255.0)).held(Wide::splat(MOST[c] - 1.0))
    }

    /// The selectors that fit the codes best.
    #[inline(always)]
    fn pick(&self, codes: &Codes) -> Found {
        let (mut from, mut step) = ([Wide::default(); 3], [Wide::default(); 3]);
        let mut length = Wide::default();
        for c in 0..3 {
            from[c] = self.value(codes[0][c], c);
            step[c] = (self.value(codes[1][c], c) - from[c]) * Wide::splat(1.0 / 3.0);
            length = length + step[c] * step[c];
        }
        let share = Wide::splat(1.0).over(length);
        let slope = [step[0] * share, step[1] * share, step[2] * share];
        let start = Wide::default() - from[0] * slope[0] - from[1] * slope[1] - from[2] * slope[2];
        let mut halves = [Wide::default(); 2];
        let (mut shares, mut squares, mut sums) = (Wide::default(), Wide::default(), [Wide::default(); 3]);
        for at in (0..16).rev() {
            let place = (start + self.along(&slope, at)).held(Wide::splat(3.0));
            let third = place.round();
            halves[at / 8] = halves[at / 8] * Wide::splat(4.0) + third;
            shares = shares + third;
            squares = squares + third * third;
            for c in 0..3 {
                sums[c] = sums[c] + third * self.planes[c][at];
            }
        }
        // The sum of all texels is nothing: they are without their mean.
        let (mut error, mut double) = (self.square, Wide::default());
        for c in 0..3 {
            error = error + Wide::splat(16.0) * from[c] * from[c] + step[c] * step[c] * squares;
            double = double + step[c] * (from[c] * shares - sums[c]);
        }
        let third = Wide::splat(1.0 / 3.0);
        Found {
            codes: *codes,
            error: error + double + double,
            thirds: joined(halves),
            sums: Sums {
                shares: shares * third,
                squares: squares * Wide::splat(1.0 / 9.0),
                texels: [sums[0] * third, sums[1] * third, sums[2] * third],
            },
        }
    }

    /// Fits selectors to the codes, and codes to those, for as long as that helps, so many times at most.
    #[inline(always)]
    fn refined(&self, mut codes: Codes, times: usize) -> Found {
        let mut best = Found { error: Wide::splat(f32::MAX), ..Found::default() };
        for _ in 0..=times {
            if !best.take(&self.pick(&codes)) {
                break;
            }
            codes = self.refit(&best.sums);
        }
        best
    }

    /// The codes that fit the selectors best: the corner, of the four around the solution by least squares, with the least
    /// error in each channel.
    #[inline(always)]
    fn refit(&self, of: &Sums) -> Codes {
        let &Sums { shares, squares, texels: sums } = of;
        let (near, mixed) = (Wide::splat(16.0) - shares - shares + squares, shares - squares);
        let [first, second] = of.shares_of_ends();
        let double = mixed + mixed;
        let mut codes = [[Wide::default(); 3]; 2];
        for c in 0..3 {
            let ends = [self.below(Wide::default() - first * sums[c], c), self.below(second * sums[c], c)];
            let sum = sums[c] + sums[c];
            let mut least = Wide::splat(f32::MAX);
            for [a, b] in [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] {
                let (a, b) = (ends[0] + Wide::splat(a), ends[1] + Wide::splat(b));
                let (x, y) = (self.value(a, c), self.value(b, c));
                let error = near * x * x + double * x * y + squares * y * y + sum * (x - y);
                codes[0][c] = error.less(least, a, codes[0][c]);
                codes[1][c] = error.less(least, b, codes[1][c]);
                least = least.min(error);
            }
        }
        codes
    }

    /// The colours for the best of all ways to cut the texels, in their order along the axis, in four runs.
    #[inline(always)]
    fn clusters(&self, axis: &[Wide; 3]) -> Codes {
        let mut sorted = [Sorted { key: Wide::default(), texel: [Wide::default(); 3] }; 16];
        for at in 0..16 {
            sorted[at].key = self.along(axis, at);
            for of in 0..3 {
                sorted[at].texel[of] = self.planes[of][at];
            }
        }
        sort(&mut sorted);
        // Sums of the first so many texels.
        let mut sums = [[Wide::default(); 3]; 17];
        for at in 0..16 {
            for of in 0..3 {
                sums[at + 1][of] = sums[at][of] + sorted[at].texel[of];
            }
        }
        let (mut most, mut best, mut at) = (Wide::splat(-1.0), Wide::default(), 0);
        for a in 0..17 {
            for b in a..17 {
                let mut two = sums[a];
                for of in 0..3 {
                    two[of] = two[of] + sums[b][of];
                }
                for last in &sums[b..] {
                    // Three times the sum of the texels by their shares, turned round: that of all texels is nothing.
                    let (r, g, b) = (two[0] + last[0], two[1] + last[1], two[2] + last[2]);
                    let gain = (r * r + g * g + b * b) * Wide::splat(CUTS[at].weight);
                    best = most.less(gain, Wide::splat(at as f32), best);
                    most = most.max(gain);
                    at += 1;
                }
            }
        }
        let mut of = Sums::default();
        for lane in 0..LANES {
            let cut = &CUTS[best.0[lane] as usize];
            (of.shares.0[lane], of.squares.0[lane]) = (cut.shares, cut.squares);
            for c in 0..3 {
                let sum: f32 = cut.begins.iter().map(|&begin| sums[usize::from(begin)][c].0[lane]).sum();
                of.texels[c].0[lane] = sum * (-1.0 / 3.0);
            }
        }
        self.refit(&of)
    }

    /// Steps each channel of both colours up and down.
    #[inline(always)]
    fn neighbors(&self, best: &mut Found) {
        for end in 0..2 {
            for c in 0..3 {
                for step in [1.0, -1.0] {
                    let mut codes = best.codes;
                    codes[end][c] = (codes[end][c] + Wide::splat(step)).held(Wide::splat(MOST[c]));
                    best.take(&self.pick(&codes));
                }
            }
        }
    }
}

impl Found {
    /// Takes what is better, block by block; whether any was.
    #[inline(always)]
    fn take(&mut self, other: &Self) -> bool {
        let error = self.error;
        for end in 0..2 {
            for c in 0..3 {
                self.codes[end][c] = other.error.less(error, other.codes[end][c], self.codes[end][c]);
            }
        }
        self.sums.shares = other.error.less(error, other.sums.shares, self.sums.shares);
        self.sums.squares = other.error.less(error, other.sums.squares, self.sums.squares);
        for c in 0..3 {
            self.sums.texels[c] = other.error.less(error, other.sums.texels[c], self.sums.texels[c]);
        }
        for lane in 0..LANES {
            let is_better = other.error.0[lane] < error.0[lane];
            self.thirds[lane] = if is_better { other.thirds[lane] } else { self.thirds[lane] };
        }
        self.error = other.error.min(error);
        other.error.is_less_anywhere(error)
    }

    #[inline(always)]
    fn packed(&self) -> Packed {
        pack(&self.codes, &self.thirds)
    }
}

/// Two bits a texel, of numbers that hold those of eight texels each. As floats they are put together without a look at any
/// lane alone, for which compilers turn whole loops around.
#[inline(always)]
fn joined(halves: [Wide; 2]) -> [u32; LANES] {
    let ((_, low), (_, high)) = (halves[0].rounded(), halves[1].rounded());
    let mut joined = [0u32; LANES];
    for lane in 0..LANES {
        joined[lane] = low[lane] & 0xFFFF | high[lane] << 16;
    }
    joined
}

/// Blocks of these codes, with two bits a texel for the thirds of the way from the first to the second.
#[inline(always)]
fn pack(codes: &Codes, thirds: &[u32; LANES]) -> Packed {
    // Every other bit: the lower of each selector.
    const LOWER: u32 = 0x5555_5555;
    let (first, second) = (color(&codes[0]), color(&codes[1]));
    let mut packed = Packed { ends: [0; LANES], words: [0; LANES] };
    for lane in 0..LANES {
        packed.ends[lane] = first[lane].max(second[lane]) | first[lane].min(second[lane]) << 16;
    }
    for lane in 0..LANES {
        // None, one, two and three thirds are the selectors 0, 2, 3 and 1.
        let word = ((thirds[lane] ^ thirds[lane] >> 1) & LOWER) << 1 | thirds[lane] >> 1 & LOWER;
        let turned = if first[lane] < second[lane] { LOWER } else { 0 };
        let kept = if first[lane] == second[lane] { 0 } else { u32::MAX };
        packed.words[lane] = (word ^ turned) & kept;
    }
    packed
}

/// Colours as they are written.
#[inline(always)]
fn color(codes: &[Wide; 3]) -> [u32; LANES] {
    let shifted = |c: usize| Wide::splat((1 << SHIFT[c]) as f32);
    let (_, bits) = (codes[0] * shifted(0) + codes[1] * shifted(1) + codes[2] * shifted(2)).rounded();
    bits.map(|bits| bits & 0xFFFF)
}

/// The whole number just below, of a whole one perhaps the one before: the value lies between it and the next in any case.
#[inline(always)]
fn floor(value: Wide) -> Wide {
    (value - Wide::splat(0.5)).round()
}

/// A way to cut sixteen texels in four runs.
#[derive(Clone, Copy)]
struct Cut {
    /// Where the second, third and fourth run begin.
    begins: [u8; 3],
    shares: f32,
    squares: f32,
    /// What the squared sum of the texels by their shares is weighed by, but for a factor, to tell how much of the error goes.
    weight: f32,
}

/// All ways, the last beginning running quickest.
const CUTS: [Cut; 969] = cuts();

const fn cuts() -> [Cut; 969] {
    let mut cuts = [Cut { begins: [0; 3], shares: 0.0, squares: 0.0, weight: 0.0 }; 969];
    let (mut count, mut a) = (0, 0);
    while a <= 16 {
        let mut b = a;
        while b <= 16 {
            let mut c = b;
            while c <= 16 {
                let (second, third, fourth) = ((b - a) as f32, (c - b) as f32, (16 - c) as f32);
                let shares = (second + 2.0 * third) / 3.0 + fourth;
                let squares = (second + 4.0 * third) / 9.0 + fourth;
                // One run that has all tells no colours apart.
                let is_one = a == 16 || b - a == 16 || c - b == 16 || c == 0;
                let weight = if is_one { 0.0 } else { 1.0 / (16.0 * squares - shares * shares) };
                cuts[count] = Cut { begins: [a as u8, b as u8, c as u8], shares, squares, weight };
                count += 1;
                c += 1;
            }
            b += 1;
        }
        a += 1;
    }
    cuts
}

/// A texel and where it is along the axis.
#[derive(Clone, Copy)]
struct Sorted {
    key: Wide,
    texel: [Wide; 3],
}

/// Batcher's odd-even merge sort: the same steps for all lanes.
#[inline(always)]
fn sort(sorted: &mut [Sorted; 16]) {
    for pairs in [1, 2, 4, 8] {
        let mut gap = pairs;
        while gap > 0 {
            for low in (gap % pairs..16 - gap).step_by(2 * gap) {
                for at in low..(low + gap).min(16 - gap) {
                    if at / (2 * pairs) == (at + gap) / (2 * pairs) {
                        order(sorted, at, at + gap);
                    }
                }
            }
            gap /= 2;
        }
    }
}

#[inline(always)]
fn order(sorted: &mut [Sorted; 16], first: usize, second: usize) {
    let (a, b) = (sorted[first], sorted[second]);
    sorted[first].key = a.key.min(b.key);
    sorted[second].key = a.key.max(b.key);
    for of in 0..3 {
        sorted[first].texel[of] = b.key.less(a.key, b.texel[of], a.texel[of]);
        sorted[second].texel[of] = b.key.less(a.key, a.texel[of], b.texel[of]);
    }
}
