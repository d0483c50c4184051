//! Eight opaque blocks side by side, by all modes: what is best is stepped up and down for as long as that helps.

use super::{
    lanes::{Block, Half, Halves, cut, fit, fit_exactly},
    pairs, slopes,
};
use crate::{
    simd::{self, Kernel},
    texture::block::{
        Effort,
        wide::{Eight, LANES, Wide, planes},
    },
};

/// The best of these blocks that thorough ways find.
pub(super) struct Search<'a> {
    pub(super) texels: &'a Eight<'a>,
    pub(super) effort: Effort,
}

impl Search<'_> {
    /// The blocks and their squared errors.
    pub(super) fn run(self) -> [(u64, f32); LANES] {
        let planes = simd::run(Planes(self.texels));
        let block = simd::run(Blocks {
            planes: &planes,
            kept: self.kept(),
            passes: self.passes(),
            exactly: self.effort >= Effort::HIGH,
        });
        let plane = simd::run(slopes::Search { planes: &planes, passes: self.passes() });
        let least = plane.error.min(block.error);
        let pairs = simd::run(pairs::Search { planes: &planes, least, effort: self.effort });
        std::array::from_fn(|lane| {
            let bits = if pairs.error.0[lane] < least.0[lane] {
                pairs.bits(self.texels[lane], lane)
            } else if plane.error.0[lane] < block.error.0[lane] {
                plane.bits(lane)
            } else {
                block.bits(lane)
            };
            (bits, least.0[lane].min(pairs.error.0[lane]))
        })
    }

    /// How many guesses at the colours of halves are stepped.
    fn kept(&self) -> usize {
        match self.effort {
            Effort::BEST => GUESSES,
            Effort::HIGH => 3,
            _ => 2,
        }
    }

    /// How often each half's colour, and each plane's, is stepped in every direction at most.
    fn passes(&self) -> usize {
        match self.effort {
            Effort::BEST => 6,
            Effort::HIGH => 2,
            _ => 1,
        }
    }
}

struct Planes<'a>(&'a Eight<'a>);

impl Kernel for Planes<'_> {
    type Out = [[Wide; 16]; 3];

    #[inline(always)]
    fn run(self) -> Self::Out {
        planes(self.0)
    }
}

/// Codes of a channel: how many there are but one, and what makes a value of one.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) most: Wide,
    scale: Wide,
    /// The share that is repeated below.
    low: Wide,
}

impl Grid {
    #[inline(always)]
    pub(super) fn of(most: f32, scale: f32, low: f32) -> Self {
        Self { most: Wide::splat(most), scale: Wide::splat(scale), low: Wide::splat(low) }
    }

    /// That of five bits where `differential` is 1, else that of four.
    #[inline(always)]
    fn of_halves(differential: Wide) -> Self {
        let either = |five: f32, four: f32| Wide::splat(0.5).less(differential, Wide::splat(five), Wide::splat(four));
        Self { most: either(31.0, 15.0), scale: either(8.0, 17.0), low: either(0.25, 0.0) }
    }

    #[inline(always)]
    pub(super) fn value(&self, code: Wide) -> Wide {
        code * self.scale + (code * self.low).floor()
    }
}

/// A colour's codes, what they leave of a half, and the sum of its steps.
#[derive(Clone, Copy)]
struct Found {
    code: [Wide; 3],
    error: Wide,
    steps: Wide,
}

/// Codes of a half with their bounds, both included.
struct Colors<'a> {
    texels: &'a [[Wide; 8]; 3],
    grid: Grid,
    low: [Wide; 3],
    high: [Wide; 3],
    /// Whether tables are told apart by what is left once colours are held to their range.
    exactly: bool,
}

impl Colors<'_> {
    /// Takes codes that are better, once they are within the bounds.
    #[inline(always)]
    fn take(&self, best: &mut Found, code: &[Wide; 3]) {
        let (mut held, mut values) = (*code, *code);
        for c in 0..3 {
            held[c] = code[c].max(self.low[c]).min(self.high[c]);
            values[c] = self.grid.value(held[c]);
        }
        let next = if self.exactly { fit_exactly(self.texels, &values) } else { fit::<true>(self.texels, &values) };
        for c in 0..3 {
            best.code[c] = next.error.less(best.error, held[c], best.code[c]);
        }
        best.steps = next.error.less(best.error, next.steps, best.steps);
        best.error = next.error.min(best.error);
    }
}

/// The colour nearest to the mean, and twice to where the texels would have it once the steps are taken away.
struct Means<'a>(Colors<'a>);

impl Kernel for Means<'_> {
    type Out = Found;

    #[inline(always)]
    fn run(self) -> Found {
        let colors = self.0;
        let mut means = [Wide::default(); 3];
        for c in 0..3 {
            for at in 0..8 {
                means[c] = means[c] + colors.texels[c][at];
            }
            means[c] = means[c] * Wide::splat(1.0 / 8.0);
        }
        let mut best = NONE;
        for _ in 0..3 {
            let mut code = [Wide::default(); 3];
            for c in 0..3 {
                let value = (means[c] - best.steps * Wide::splat(1.0 / 8.0)).held(Wide::splat(255.0));
                code[c] = (value * Wide::splat(1.0 / 255.0) * colors.grid.most).round();
            }
            colors.take(&mut best, &code);
        }
        best
    }
}

const NONE: Found = Found { code: [Wide([0.0; LANES]); 3], error: Wide([f32::MAX; LANES]), steps: Wide([0.0; LANES]) };

/// Steps of the channels, and of all three together: the lightness.
const STEPS: [[f32; 3]; 8] = [
    [-1.0, 0.0, 0.0],
    [1.0, 0.0, 0.0],
    [0.0, -1.0, 0.0],
    [0.0, 1.0, 0.0],
    [0.0, 0.0, -1.0],
    [0.0, 0.0, 1.0],
    [-1.0, -1.0, -1.0],
    [1.0, 1.0, 1.0],
];

/// The best of the colours that every step in turn leads to.
struct Around<'a>(Colors<'a>, Found);

impl Kernel for Around<'_> {
    type Out = Found;

    #[inline(always)]
    fn run(self) -> Found {
        let Self(colors, mut best) = self;
        for step in STEPS {
            let mut code = best.code;
            for c in 0..3 {
                code[c] = code[c] + Wide::splat(step[c]);
            }
            colors.take(&mut best, &code);
        }
        best
    }
}

/// Two colours for the halves of blocks.
#[derive(Clone, Copy)]
struct Both {
    flip: Wide,
    differential: Wide,
    halves: [Found; 2],
    error: Wide,
}

impl Both {
    /// What is better of both, lane by lane; the other goes where this was.
    #[inline(always)]
    fn sort(&mut self, other: &mut Self) {
        let (a, b) = (*self, *other);
        let better = |x: Wide, y: Wide| (b.error.less(a.error, y, x), b.error.less(a.error, x, y));
        (self.flip, other.flip) = better(a.flip, b.flip);
        (self.differential, other.differential) = better(a.differential, b.differential);
        for half in 0..2 {
            let (x, y) = (&a.halves[half], &b.halves[half]);
            for c in 0..3 {
                (self.halves[half].code[c], other.halves[half].code[c]) = better(x.code[c], y.code[c]);
            }
            (self.halves[half].error, other.halves[half].error) = better(x.error, y.error);
        }
        (self.error, other.error) = better(a.error, b.error);
    }
}

/// How many guesses at two colours there are, and at most are kept.
const GUESSES: usize = 4;

/// Blocks of two halves.
struct Blocks<'a> {
    planes: &'a [[Wide; 16]; 3],
    /// How many of the first guesses are stepped.
    kept: usize,
    /// How often in each direction at most.
    passes: usize,
    /// As of [`Colors`], once they are stepped.
    exactly: bool,
}

impl Kernel for Blocks<'_> {
    type Out = Block;

    #[inline(always)]
    fn run(self) -> Block {
        let none = Both { flip: Wide::default(), differential: Wide::default(), halves: [NONE; 2], error: NONE.error };
        let mut best = [none; GUESSES];
        for flip in [0.0, 1.0] {
            let halves = cut(self.planes, |beside, above| if flip > 0.5 { above } else { beside });
            for differential in [0.0, 1.0] {
                let mut next = guess(&halves, flip, differential);
                for place in &mut best[..self.kept] {
                    place.sort(&mut next);
                }
            }
        }
        let (first, others) = best.split_at_mut(1);
        self.step(&mut first[0]);
        for other in &mut others[..self.kept - 1] {
            self.step(other);
            first[0].sort(other);
        }
        let best = first[0];
        let halves = cut(self.planes, |beside, above| best.flip.less(Wide::splat(0.5), beside, above));
        let (mut found, grid) = ([Half::default(); 2], Grid::of_halves(best.differential));
        for half in 0..2 {
            let code = best.halves[half].code;
            let mut values = code;
            for c in 0..3 {
                values[c] = grid.value(code[c]);
            }
            found[half] =
                if self.exactly { fit_exactly(&halves[half], &values) } else { fit::<true>(&halves[half], &values) };
            found[half].code = code;
        }
        let error = found[0].error + found[1].error;
        Block { halves: found, flip: best.flip, differential: best.differential, error }
    }
}

/// The first guess at two colours of five bits, of which the second is a difference to the first from -4 to 3, or of
/// four bits.
#[inline(always)]
fn guess(halves: &Halves, flip: f32, differential: f32) -> Both {
    let (flip, differential) = (Wide::splat(flip), Wide::splat(differential));
    let grid = Grid::of_halves(differential);
    let free = |half: usize| {
        simd::run(Means(Colors {
            texels: &halves[half],
            grid,
            low: [Wide::default(); 3],
            high: [grid.most; 3],
            exactly: false,
        }))
    };
    let free = [free(0), free(1)];
    let mut both = Both { flip, differential, halves: free, error: free[0].error + free[1].error };
    let mut off = Wide::default();
    for c in 0..3 {
        // From -4 to 3 it is 3.5 from -0.5 at most.
        let difference = free[1].code[c] - free[0].code[c] + Wide::splat(0.5);
        off = off.max(difference * difference);
    }
    if differential.0[0] > 0.5 && Wide::splat(12.5).is_less_anywhere(off) {
        both.error = off.less(Wide::splat(12.5), both.error, NONE.error);
        for half in [1, 0] {
            let (low, high) = reach(half, &free[1 - half].code, grid, differential);
            let held = simd::run(Means(Colors { texels: &halves[half], grid, low, high, exactly: false }));
            let mut pair = Both { halves: free, ..both };
            pair.halves[half] = held;
            pair.error = held.error + free[1 - half].error;
            both.sort(&mut pair);
        }
    }
    both
}

/// The codes that a half may have beside those of the other.
#[inline(always)]
fn reach(half: usize, other: &[Wide; 3], grid: Grid, differential: Wide) -> ([Wide; 3], [Wide; 3]) {
    let (mut low, mut high) = ([Wide::default(); 3], [grid.most; 3]);
    let (down, up) = if half == 1 { (-4.0, 3.0) } else { (-3.0, 4.0) };
    for c in 0..3 {
        let (least, most) = (other[c] + Wide::splat(down), other[c] + Wide::splat(up));
        low[c] = Wide::splat(0.5).less(differential, least.max(low[c]), low[c]);
        high[c] = Wide::splat(0.5).less(differential, most.min(high[c]), high[c]);
    }
    (low, high)
}

impl Blocks<'_> {
    /// Steps the colours for as long as that helps.
    #[inline(always)]
    fn step(&self, both: &mut Both) {
        let halves = cut(self.planes, |beside, above| both.flip.less(Wide::splat(0.5), beside, above));
        let grid = Grid::of_halves(both.differential);
        for _ in 0..self.passes {
            let before = both.error;
            for half in 0..2 {
                let (low, high) = reach(half, &both.halves[1 - half].code, grid, both.differential);
                both.halves[half] = simd::run(Around(
                    Colors { texels: &halves[half], grid, low, high, exactly: self.exactly },
                    both.halves[half],
                ));
            }
            both.error = both.halves[0].error + both.halves[1].error;
            if !both.error.is_less_anywhere(before) {
                return;
            }
        }
    }
}
