//! How far each effort goes.

use super::fit::Search;
use crate::texture::block::Effort;

/// What is tried, and how long.
pub(super) struct Plan {
    /// How each candidate is fitted first.
    pub(super) search: Search,
    /// Partitions of two subsets that are fitted in mode 1, or in mode 7.
    pub(super) two: usize,
    /// Partitions of two subsets that are fitted in mode 3: colours are finer there, and indices coarser.
    pub(super) fine: usize,
    /// Partitions of three subsets that are fitted.
    pub(super) three: usize,
    /// Rotations that are tried in modes 4 and 5: of opaque blocks, and of others, where alpha alone comes first.
    pub(super) rotations: usize,
    pub(super) with_alpha: usize,
    /// How many of the best candidates are fitted once more, and how.
    pub(super) finalists: usize,
    pub(super) finer: Search,
    /// A block whose squared error is at most this is good enough.
    pub(super) enough: f32,
    /// A block whose squared error is at most this isn't looked at with three subsets.
    pub(super) hard: f32,
    /// Two subsets aren't fitted whose error is estimated to be so many times that of the best yet.
    pub(super) hopeful: f32,
}

const fn search(refits: usize, all_lowest: bool, spreads: usize, steps: usize) -> Search {
    Search { refits, all_lowest, spreads, steps }
}

const fn plan(search: Search, counts: [usize; 5], finalists: usize, finer: Search, limits: [f32; 3]) -> Plan {
    let ([two, fine, three, rotations, with_alpha], [enough, hard, hopeful]) = (counts, limits);
    Plan { search, two, fine, three, rotations, with_alpha, finalists, finer, enough, hard, hopeful }
}

/// By effort.
const PLANS: [Plan; 6] = [
    plan(QUICK, [1, 0, 0, 0, 1], 0, QUICK, [4000.0, f32::MAX, 2.0]),
    plan(QUICK, [1, 0, 0, 0, 1], 0, QUICK, [400.0, f32::MAX, 2.0]),
    plan(QUICK, [1, 0, 1, 0, 1], 0, QUICK, [80.0, 600.0, 2.0]),
    plan(GUESS, [3, 1, 2, 0, 4], 1, search(1, false, 1, 0), [60.0, 300.0, 2.0]),
    plan(GUESS, [6, 3, 1, 4, 4], 2, search(1, true, 1, 1), [20.0, 150.0, 2.0]),
    plan(GUESS, [16, 8, 8, 4, 4], 8, search(2, true, 2, 4), [0.0, 0.0, 4.0]),
];

/// One guess: what is behind by little now is often ahead when it is fitted finer.
const GUESS: Search = search(0, false, 0, 0);
const QUICK: Search = search(1, false, 0, 0);

/// No plan has more finalists.
pub(super) const MOST_FINALISTS: usize = 8;

impl Plan {
    pub(super) fn of(effort: Effort) -> &'static Self {
        &PLANS[usize::from(effort.0).min(5)]
    }
}
