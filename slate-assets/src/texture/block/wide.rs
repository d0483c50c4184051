//! Eight numbers side by side: plain arrays, in the shape that compilers put in a vector register on every machine.

use std::ops::{Add, Mul, Sub};

/// How many there are.
pub(super) const LANES: usize = 8;

/// Floats; each operation is done on each of them alone, so that results don't depend on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Wide(pub(super) [f32; LANES]);

/// Added and taken away again, it leaves a small number rounded to the nearest whole.
const ROUNDING: f32 = 12_582_912.0;

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
        Self(std::array::from_fn(|at| if other.0[at] > 0.0 { self.0[at] / other.0[at] } else { 0.0 }))
    }

    /// The nearest whole numbers, for values from 0 to 255.
    #[inline(always)]
    pub(super) fn bytes(self) -> [u8; LANES] {
        // What is rounded stands in the lowest bits.
        (self + Self::splat(ROUNDING)).0.map(|value| value.to_bits() as u8)
    }

    #[inline(always)]
    pub(super) fn sum(self) -> f32 {
        let four: [f32; 4] = std::array::from_fn(|at| self.0[at] + self.0[at + 4]);
        (four[0] + four[1]) + (four[2] + four[3])
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
