//! Eight numbers side by side: plain arrays, in the shape that compilers put in a vector register on every machine.

use super::{Texels, turn};
use std::ops::{Add, Mul, Sub};

/// How many there are.
pub(super) const LANES: usize = 8;

/// Floats; each operation is done on each of them alone, so that results don't depend on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Wide(pub(super) [f32; LANES]);

/// Added and taken away again, it leaves a small number rounded to the nearest whole.
const ROUNDING: f32 = 12_582_912.0;

/// Blocks eight at a time, each time with the place of the first; where fewer are left, the last one fills up.
#[inline]
pub(super) fn eights(blocks: &[Texels]) -> impl Iterator<Item = (usize, Eight<'_>)> {
    blocks.chunks(LANES).enumerate().map(|(at, some)| {
        let mut eight = [&some[some.len() - 1]; LANES];
        eight.iter_mut().zip(some).for_each(|(to, from)| *to = from);
        (at * LANES, eight)
    })
}

/// Eight blocks, wherever they are.
pub(super) type Eight<'a> = [&'a Texels; LANES];

/// The texels of a row of eight blocks, by the place in the row, side by side.
#[inline(always)]
pub(super) fn words(texels: &Eight<'_>, row: usize) -> [[u32; LANES]; 4] {
    let mut rows = [&texels[0].as_chunks::<4>().0[row]; LANES];
    for lane in 0..LANES {
        rows[lane] = &texels[lane].as_chunks::<4>().0[row];
    }
    turn::turned(&rows)
}

/// Red, green and blue of eight blocks side by side, from 0 to 255.
#[inline(always)]
pub(super) fn planes(texels: &Eight<'_>) -> [[Wide; 16]; 3] {
    let mut planes = [[Wide::default(); 16]; 3];
    for row in 0..4 {
        let words = words(texels, row);
        for at in 0..4 {
            for c in 0..3 {
                // Below 256: the same as a signed number, which machines turn into floats quicker.
                planes[c][row * 4 + at] = Wide(words[at].map(|word| (word >> (8 * c) & 255) as i32 as f32));
            }
        }
    }
    planes
}

impl Wide {
    #[inline(always)]
    pub(super) fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    /// `yes` where this is less than `other`, else `no`.
    #[inline(always)]
    pub(super) fn less(self, other: Self, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|at| if self.0[at] < other.0[at] { yes.0[at] } else { no.0[at] }))
    }

    /// Whether this is less than `other` in any lane.
    #[inline(always)]
    pub(super) fn is_less_anywhere(self, other: Self) -> bool {
        (0..LANES).any(|at| self.0[at] < other.0[at])
    }

    #[inline(always)]
    pub(super) fn min(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| if self.0[at] < other.0[at] { self.0[at] } else { other.0[at] }))
    }

    #[inline(always)]
    pub(super) fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| if self.0[at] > other.0[at] { self.0[at] } else { other.0[at] }))
    }

    /// No less than 0, and no more than `most`.
    #[inline(always)]
    pub(super) fn held(self, most: Self) -> Self {
        self.max(Self::splat(0.0)).min(most)
    }

    /// The nearest whole numbers, for values below four million.
    #[inline(always)]
    pub(super) fn round(self) -> Self {
        self + Self::splat(ROUNDING) - Self::splat(ROUNDING)
    }

    /// The whole numbers just below, for values from 0 to a thousand that are in 256ths.
    #[inline(always)]
    pub(super) fn floor(self) -> Self {
        (self - Self::splat(511.0 / 1024.0)).round()
    }

    /// The nearest whole numbers, for values below four million, and their lowest bits.
    #[inline(always)]
    pub(super) fn rounded(self) -> (Self, [u32; LANES]) {
        let raised = self + Self::splat(ROUNDING);
        (raised - Self::splat(ROUNDING), raised.0.map(f32::to_bits))
    }

    #[inline(always)]
    pub(super) fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }

    /// `self / other`, and 0 where `other` is 0.
    #[inline(always)]
    pub(super) fn over(self, other: Self) -> Self {
        // Divided everywhere and chosen afterwards: no lane then waits for a branch of its own.
        let quotient = Self(std::array::from_fn(|at| self.0[at] / other.0[at]));
        Self::default().less(other, quotient, Self::default())
    }

    /// The first lane that holds the least number, and that.
    #[inline(always)]
    pub(super) fn least(self) -> (usize, f32) {
        let mut best = (0, self.0[0]);
        for lane in 1..LANES {
            if self.0[lane] < best.1 {
                best = (lane, self.0[lane]);
            }
        }
        best
    }

    /// The nearest whole numbers, for values from 0 to 255.
    #[inline(always)]
    pub(super) fn bytes(self) -> [u8; LANES] {
        // What is rounded stands in the lowest bits.
        (self + Self::splat(ROUNDING)).0.map(|value| value.to_bits() as u8)
    }
}

impl Add for Wide {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] + other.0[at]))
    }
}

impl Sub for Wide {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] - other.0[at]))
    }
}

impl Mul for Wide {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] * other.0[at]))
    }
}
