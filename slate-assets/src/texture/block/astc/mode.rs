//! The block mode: how large the grid of weights is, what their range is, and whether there are two planes of them.

use super::{
    MOST_WEIGHTS,
    ise::{RANGES, Range},
};

/// What the first eleven bits of a block say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    /// Weights in a row of the grid, and rows.
    pub(super) size: (usize, usize),
    /// The place of the weights' range among the ranges.
    pub(super) range: usize,
    pub(super) dual: bool,
}

impl Mode {
    /// The mode of these bits, where it is a legal one.
    pub(super) fn of(bits: u32) -> Option<Self> {
        let field = |at: u32, count: u32| bits >> at & ((1 << count) - 1);
        let (a, b) = (field(5, 2), field(7, 2));
        let (mut high, mut dual) = (field(9, 1), field(10, 1) == 1);
        let (level, size);
        if bits & 3 != 0 {
            level = field(4, 1) | (bits & 3) << 1;
            size = match field(2, 2) {
                0 => (b + 4, a + 2),
                1 => (b + 8, a + 2),
                2 => (a + 2, b + 8),
                _ if b < 2 => (a + 2, (b & 1) + 6),
                _ => ((b & 1) + 2, a + 2),
            };
        } else {
            if bits & 15 == 0 {
                return None;
            }
            level = field(4, 1) | field(2, 2) << 1;
            size = match b {
                0 => (12, a + 2),
                1 => (a + 2, 12),
                2 => {
                    (high, dual) = (0, false);
                    (a + 6, field(9, 2) + 6)
                }
                _ if a == 0 => (6, 10),
                _ if a == 1 => (10, 6),
                _ => return None,
            };
        }
        if level < 2 {
            return None;
        }
        let range = (level - 2 + 6 * high) as usize;
        let mode = Self { size: (size.0 as usize, size.1 as usize), range, dual };
        (mode.weights() <= MOST_WEIGHTS && (24..=96).contains(&mode.bits())).then_some(mode)
    }

    pub(super) fn range(self) -> Range {
        RANGES[self.range]
    }

    /// All weights, of both planes.
    pub(super) fn weights(self) -> usize {
        self.size.0 * self.size.1 * if self.dual { 2 } else { 1 }
    }

    /// Bits of all weights.
    pub(super) fn bits(self) -> u32 {
        self.range().length(self.weights() as u32)
    }

    /// Every legal mode whose grid fits in a block of this size, with its bits; of equal ones the first.
    pub(super) fn all(width: usize, height: usize) -> Vec<(u32, Self)> {
        let mut all: Vec<(u32, Self)> = Vec::new();
        for bits in 0..2048 {
            if bits & 0x1FF == 0x1FC {
                continue;
            }
            if let Some(mode) = Self::of(bits)
                && mode.size.0 <= width
                && mode.size.1 <= height
                && all.iter().all(|(_, other)| *other != mode)
            {
                all.push((bits, mode));
            }
        }
        all
    }
}
