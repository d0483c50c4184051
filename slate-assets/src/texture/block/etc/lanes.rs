//! Eight opaque blocks side by side: two halves, or a plane.

use super::{TABLES, paint::plane_bits};
use crate::{
    simd::Kernel,
    texture::block::{
        Effort,
        wide::{Eight, LANES, Wide, planes},
    },
};

/// The best of these blocks that quick ways find, and their squared errors.
pub(super) struct Encode<'a> {
    pub(super) texels: &'a Eight<'a>,
    pub(super) effort: Effort,
}

impl Kernel for Encode<'_> {
    type Out = [(u64, f32); LANES];

    #[inline(always)]
    fn run(self) -> Self::Out {
        let planes = planes(self.texels);
        let block = if self.effort < Effort::FAST {
            let flip = flip(&planes);
            Block::of::<0>(&cut(&planes, |beside, above| flip.less(Wide::splat(0.5), beside, above)), flip)
        } else {
            let mut best = Block::of::<1>(&cut(&planes, |beside, _| beside), Wide::default());
            best.take(&Block::of::<1>(&cut(&planes, |_, above| above), Wide::splat(1.0)));
            best
        };
        let plane = Plane::of(&planes);
        std::array::from_fn(|lane| {
            let (of_plane, of_block) = (plane.error.0[lane], block.error.0[lane]);
            if of_plane < of_block { (plane.bits(lane), of_plane) } else { (block.bits(lane), of_block) }
        })
    }
}

/// Red, green and blue of the texels of either half.
pub(super) type Halves = [[[Wide; 8]; 3]; 2];

/// The texels of the halves beside each other, and above each other: both in the order in which their selectors are written.
const BESIDE: [[usize; 8]; 2] = [[0, 4, 8, 12, 1, 5, 9, 13], [2, 6, 10, 14, 3, 7, 11, 15]];
const ABOVE: [[usize; 8]; 2] = [[0, 4, 1, 5, 2, 6, 3, 7], [8, 12, 9, 13, 10, 14, 11, 15]];

#[inline(always)]
pub(super) fn cut(planes: &[[Wide; 16]; 3], choose: impl Fn(Wide, Wide) -> Wide) -> Halves {
    let mut halves = [[[Wide::default(); 8]; 3]; 2];
    for half in 0..2 {
        for c in 0..3 {
            for at in 0..8 {
                halves[half][c][at] = choose(planes[c][BESIDE[half][at]], planes[c][ABOVE[half][at]]);
            }
        }
    }
    halves
}

/// 1 where halves above each other differ less from their means than halves beside each other, else 0.
#[inline(always)]
fn flip(planes: &[[Wide; 16]; 3]) -> Wide {
    // Of either cut the squared sums are what takes from the squares, which both have in common.
    let mut gain = Wide::default();
    for c in 0..3 {
        let mut corners = [Wide::default(); 4];
        for at in 0..16 {
            let corner = at / 8 * 2 + at % 4 / 2;
            corners[corner] = corners[corner] + planes[c][at];
        }
        let [left, right] = [corners[0] + corners[2], corners[1] + corners[3]];
        let [top, bottom] = [corners[0] + corners[1], corners[2] + corners[3]];
        // Both pairs have one sum: the squares of their differences tell them apart.
        gain = gain + (top - bottom) * (top - bottom) - (left - right) * (left - right);
    }
    Wide::default().less(gain, Wide::splat(1.0), Wide::default())
}

/// A half with its colour.
#[derive(Clone, Copy, Default)]
pub(super) struct Half {
    pub(super) code: [Wide; 3],
    table: Wide,
    pub(super) error: Wide,
    /// A bit for each texel: whether its step is the large one, and whether it is negative.
    large: [u32; LANES],
    negative: [u32; LANES],
    /// The sum of the steps.
    pub(super) steps: Wide,
}

/// Blocks of two halves.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) halves: [Half; 2],
    pub(super) flip: Wide,
    /// 1 where the second colour is a difference to the first, 0 where both have four bits.
    pub(super) differential: Wide,
    pub(super) error: Wide,
}

impl Block {
    #[inline(always)]
    fn of<const REFITS: usize>(halves: &Halves, flip: Wide) -> Self {
        let mut means = [[Wide::default(); 3]; 2];
        for half in 0..2 {
            for c in 0..3 {
                for at in 0..8 {
                    means[half][c] = means[half][c] + halves[half][c][at];
                }
                means[half][c] = means[half][c] * Wide::splat(1.0 / 8.0);
            }
        }
        if REFITS == 0 {
            return Self::with::<false>(halves, flip, &means);
        }
        let mut best = Self::with::<true>(halves, flip, &means);
        for _ in 0..REFITS {
            // Where the texels would have their mean once the steps are taken away.
            let mut next = means;
            for half in 0..2 {
                for c in 0..3 {
                    next[half][c] = next[half][c] - best.halves[half].steps * Wide::splat(1.0 / 8.0);
                }
            }
            best.take(&Self::with::<true>(halves, flip, &next));
        }
        best
    }

    /// The blocks with the codes that are nearest to these colours.
    #[inline(always)]
    fn with<const EXACT: bool>(halves: &Halves, flip: Wide, colors: &[[Wide; 3]; 2]) -> Self {
        let (mut fine, mut off) = ([[Wide::default(); 3]; 2], Wide::default());
        for c in 0..3 {
            fine[0][c] = code(colors[0][c], 31.0);
            fine[1][c] = code(colors[1][c], 31.0);
            // From -4 to 3 it is 3.5 from -0.5 at most.
            let difference = fine[1][c] - fine[0][c] + Wide::splat(0.5);
            off = off.max(difference * difference);
        }
        let differential = off.less(Wide::splat(12.5), Wide::splat(1.0), Wide::default());
        let mut found = [Half::default(); 2];
        for half in 0..2 {
            let (mut codes, mut values) = ([Wide::default(); 3], [Wide::default(); 3]);
            for c in 0..3 {
                let (five, four) = (fine[half][c], code(colors[half][c], 15.0));
                codes[c] = off.less(Wide::splat(12.5), five, four);
                let widened = five * Wide::splat(8.0) + (five * Wide::splat(0.25)).floor();
                values[c] = off.less(Wide::splat(12.5), widened, four * Wide::splat(17.0));
            }
            found[half] = Half { code: codes, ..fit::<EXACT>(&halves[half], &values) };
        }
        Self { halves: found, flip, differential, error: found[0].error + found[1].error }
    }

    /// Takes what is better, block by block.
    #[inline(always)]
    fn take(&mut self, other: &Self) {
        let error = self.error;
        self.flip = other.error.less(error, other.flip, self.flip);
        self.differential = other.error.less(error, other.differential, self.differential);
        for half in 0..2 {
            let (to, from) = (&mut self.halves[half], &other.halves[half]);
            for c in 0..3 {
                to.code[c] = other.error.less(error, from.code[c], to.code[c]);
            }
            to.table = other.error.less(error, from.table, to.table);
            to.error = other.error.less(error, from.error, to.error);
            to.steps = other.error.less(error, from.steps, to.steps);
            for lane in 0..LANES {
                let is_better = other.error.0[lane] < error.0[lane];
                to.large[lane] = if is_better { from.large[lane] } else { to.large[lane] };
                to.negative[lane] = if is_better { from.negative[lane] } else { to.negative[lane] };
            }
        }
        self.error = other.error.min(error);
    }

    #[inline(always)]
    pub(super) fn bits(&self, lane: usize) -> u64 {
        let [a, b] = &self.halves;
        let (is_above, is_differential) = (self.flip.0[lane] > 0.5, self.differential.0[lane] > 0.5);
        let mut bits = (a.table.0[lane] as u64) << 37 | (b.table.0[lane] as u64) << 34;
        bits |= u64::from(is_above) << 32 | u64::from(is_differential) << 33;
        for c in 0..3 {
            let (first, second) = (a.code[c].0[lane] as i64, b.code[c].0[lane] as i64);
            let low = 56 - 8 * c;
            bits |= if is_differential {
                (first as u64) << (low + 3) | ((second - first) as u64 & 7) << low
            } else {
                (first as u64) << (low + 4) | (second as u64) << low
            };
        }
        let placed = |first: u32, second: u32| {
            // Selectors are written column by column.
            let spread = |eight: u32| eight & 3 | (eight & 12) << 2 | (eight & 48) << 4 | (eight & 192) << 6;
            if is_above { spread(first) | spread(second) << 2 } else { first | second << 8 }
        };
        let (low, high) = (placed(a.large[lane], b.large[lane]), placed(a.negative[lane], b.negative[lane]));
        bits | u64::from(low) | u64::from(high) << 16
    }
}

/// The code nearest to a value, of those up to `most`.
#[inline(always)]
fn code(value: Wide, most: f32) -> Wide {
    (value.held(Wide::splat(255.0)) * Wide::splat(most / 255.0)).round()
}

/// The table that fits the texels of a half best around a colour, and what it leaves: if not `EXACT`, as if no colour left its
/// range, and without the sum of the steps.
#[inline(always)]
pub(super) fn fit<const EXACT: bool>(texels: &[[Wide; 8]; 3], color: &[Wide; 3]) -> Half {
    // Twice how much lighter each texel is, and without its sign.
    let (mut lighter, mut sizes, mut all) = ([Wide::default(); 8], [Wide::default(); 8], Wide::default());
    for at in 0..8 {
        let sum = (texels[0][at] - color[0]) + (texels[1][at] - color[1]) + (texels[2][at] - color[2]);
        lighter[at] = sum;
        sizes[at] = sum.max(Wide::default() - sum) * Wide::splat(2.0);
        all = all + sizes[at];
    }
    let (mut table, mut small, mut large) = (Wide::default(), Wide::default(), Wide::default());
    let mut least = Wide::splat(f32::MAX);
    for (number, steps) in TABLES.iter().enumerate() {
        // Of the error what depends on the steps, as if no colour left its range: that of small steps everywhere, less what
        // large ones gain beyond the size from which on they do.
        let [a, b] = [steps[0] as f32, steps[1] as f32];
        let mut beyond = Wide::default();
        for size in sizes {
            beyond = beyond + (size - Wide::splat(3.0 * (a + b))).max(Wide::default());
        }
        let error = Wide::splat(24.0 * a * a) - Wide::splat(a) * all - Wide::splat(b - a) * beyond;
        let [a, b] = [Wide::splat(a), Wide::splat(b)];
        table = error.less(least, Wide::splat(number as f32), table);
        small = error.less(least, a, small);
        large = error.less(least, b, large);
        least = least.min(error);
    }
    let mut half = Half { table, ..Half::default() };
    let middle = (small + large) * Wide::splat(3.0);
    for at in 0..8 {
        for lane in 0..LANES {
            half.large[lane] |= u32::from(sizes[at].0[lane] >= middle.0[lane]) << at;
            half.negative[lane] |= u32::from(lighter[at].0[lane] < 0.0) << at;
        }
    }
    if !EXACT {
        half.error = least;
        for c in 0..3 {
            for texel in texels[c] {
                half.error = half.error + (texel - color[c]) * (texel - color[c]);
            }
        }
        return half;
    }
    for at in 0..8 {
        let size = sizes[at].less(middle, small, large);
        let step = lighter[at].less(Wide::default(), Wide::default() - size, size);
        half.steps = half.steps + step;
        for c in 0..3 {
            let off = texels[c][at] - (color[c] + step).held(Wide::splat(255.0));
            half.error = half.error + off * off;
        }
    }
    half
}

/// Blocks that are planes: the codes at the origin, four to the right and four down.
pub(super) struct Plane {
    pub(super) codes: [[Wide; 3]; 3],
    pub(super) error: Wide,
}

impl Plane {
    #[inline(always)]
    pub(super) fn of(planes: &[[Wide; 16]; 3]) -> Self {
        let (mut codes, mut error) = ([[Wide::default(); 3]; 3], Wide::default());
        for c in 0..3 {
            let (mut sum, mut over, mut under) = (Wide::default(), Wide::default(), Wide::default());
            let mut squares = Wide::default();
            for at in 0..16 {
                squares = squares + planes[c][at] * planes[c][at];
                sum = sum + planes[c][at];
                over = over + planes[c][at] * Wide::splat((at % 4) as f32 - 1.5);
                under = under + planes[c][at] * Wide::splat((at / 4) as f32 - 1.5);
            }
            // The sum of squared offsets of four columns in four rows is 20.
            let (dx, dy) = (over * Wide::splat(1.0 / 20.0), under * Wide::splat(1.0 / 20.0));
            let slopes = [dx, dy];
            let origin = sum * Wide::splat(1.0 / 16.0) - (dx + dy) * Wide::splat(1.5);
            let ends = [origin, origin + dx * Wide::splat(4.0), origin + dy * Wide::splat(4.0)];
            let (most, low) = if c == 1 { (127.0, 1.0 / 64.0) } else { (63.0, 1.0 / 16.0) };
            let mut values = ends;
            for end in 0..3 {
                codes[end][c] = (ends[end].held(Wide::splat(255.0)) * Wide::splat(most / 255.0)).round();
                // The highest bits are repeated below.
                let repeated = (codes[end][c] * Wide::splat(low)).floor();
                values[end] = codes[end][c] * Wide::splat(256.0 / (most + 1.0)) + repeated;
            }
            let quarter = Wide::splat(0.25);
            let (dx, dy) = ((values[1] - values[0]) * quarter, (values[2] - values[0]) * quarter);
            // What no plane reaches, and by how much this one is off the best: in its middle, and in either direction. Values are
            // rounded at last, by a twelfth of a square on average.
            let (middle, mean) = (values[0] + (dx + dy) * Wide::splat(1.5), sum * Wide::splat(1.0 / 16.0));
            let (off, off_x, off_y) = (middle - mean, dx - slopes[0], dy - slopes[1]);
            let least = squares - sum * mean - over * slopes[0] - under * slopes[1] + Wide::splat(16.0 / 12.0);
            let steep = (off_x * off_x + off_y * off_y) * Wide::splat(20.0);
            error = error + least + off * off * Wide::splat(16.0) + steep;
        }
        Self { codes, error }
    }

    #[inline(always)]
    pub(super) fn bits(&self, lane: usize) -> u64 {
        let code = |end: usize, c: usize| self.codes[end][c].0[lane] as i32;
        plane_bits([0, 1, 2].map(|end| [code(end, 0), code(end, 1), code(end, 2)]))
    }
}

/// As `fit`, but for each table with what colours beyond their range truly leave.
#[inline(always)]
pub(super) fn fit_exactly(texels: &[[Wide; 8]; 3], color: &[Wide; 3]) -> Half {
    let mut lighter = [Wide::default(); 8];
    for at in 0..8 {
        lighter[at] = (texels[0][at] - color[0]) + (texels[1][at] - color[1]) + (texels[2][at] - color[2]);
    }
    let (mut best, mut middle) = (Half { error: Wide::splat(f32::MAX), ..Half::default() }, Wide::default());
    for (number, steps) in TABLES.iter().enumerate() {
        let [small, large] = steps.map(|step| Wide::splat(step as f32));
        // Three times the middle between the steps.
        let between = (small + large) * Wide::splat(1.5);
        let (mut error, mut sum) = (Wide::default(), Wide::default());
        for at in 0..8 {
            let size = lighter[at].max(Wide::default() - lighter[at]).less(between, small, large);
            let step = lighter[at].less(Wide::default(), Wide::default() - size, size);
            sum = sum + step;
            for c in 0..3 {
                let off = texels[c][at] - (color[c] + step).held(Wide::splat(255.0));
                error = error + off * off;
            }
        }
        best.table = error.less(best.error, Wide::splat(number as f32), best.table);
        best.steps = error.less(best.error, sum, best.steps);
        middle = error.less(best.error, between, middle);
        best.error = error.min(best.error);
    }
    for at in 0..8 {
        for lane in 0..LANES {
            let sum = lighter[at].0[lane];
            best.large[lane] |= u32::from(sum.abs() >= middle.0[lane]) << at;
            best.negative[lane] |= u32::from(sum < 0.0) << at;
        }
    }
    best
}
