//! What is known of a footprint before any texel is seen.

use super::dense::Matrices;
use crate::texture::block::{
    Footprint,
    astc::{
        MOST_TEXELS,
        grid::{self, Taps},
        ise::{self, RANGES, Range},
        mode::Mode,
        partition,
    },
};
use std::sync::LazyLock;

/// A grid of weights.
pub(super) struct Grid {
    pub(super) size: (usize, usize),
    pub(super) taps: [Taps; MOST_TEXELS],
    /// For each weight the sum of its shares, in sixteenths.
    pub(super) shares: Vec<f32>,
    /// Whether there is a weight for each texel.
    pub(super) is_whole: bool,
    /// None for large blocks.
    pub(super) matrices: Option<Matrices>,
}

/// A mode that fits in the footprint.
pub(super) struct Choice {
    pub(super) bits: u32,
    pub(super) mode: Mode,
    /// The place of its grid.
    pub(super) grid: usize,
    /// The range of the colours that have room beside the weights, where there is a legal one: by subsets and by pairs of
    /// values of all endpoints, both less one.
    pub(super) colors: [[Option<u8>; 8]; 2],
    /// What rounding its weights leaves of a span of one, squared.
    pub(super) rounding: f32,
}

impl Choice {
    fn new(bits: u32, mode: Mode, grid: usize, is_whole: bool) -> Self {
        let planes = if mode.dual { 2 } else { 0 };
        let room = |subsets: usize| 128u32.checked_sub(mode.bits() + planes + if subsets == 0 { 17 } else { 29 });
        let range = |subsets, pairs: usize| {
            Range::widest(pairs as u32 * 2 + 2, room(subsets)?).filter(|&range| range >= 4).map(|range| range as u8)
        };
        let colors = [0, 1].map(|subsets| std::array::from_fn(|pairs| range(subsets, pairs)));
        // A texel mixes several weights where the grid is smaller, so that their errors are evened out.
        let rounding = ROUNDING[mode.range] * if is_whole { 1.0 } else { 0.6 };
        Self { bits, mode, grid, colors, rounding }
    }
}

/// What rounding a value to one of a range's levels leaves of a span of one, squared.
pub(super) static ROUNDING: LazyLock<[f32; RANGES.len()]> =
    LazyLock::new(|| RANGES.map(|range| 1.0 / (12.0 * ((range.levels - 1) as f32 * (range.levels - 1) as f32))));

/// A partition of two subsets: its number, and the texels of the second as bits.
pub(super) struct Pair {
    pub(super) seed: u32,
    pub(super) second: [u64; 3],
}

/// All tables of a footprint.
pub(super) struct Tables {
    pub(super) texels: usize,
    pub(super) grids: Vec<Grid>,
    pub(super) choices: Vec<Choice>,
    /// The places of those with one plane of weights, and of those with two.
    pub(super) modes: [Vec<usize>; 2],
    /// Without those that are equal to others, or have a subset without texels.
    pub(super) pairs: Vec<Pair>,
}

static TABLES: [LazyLock<Tables>; 14] = [
    LazyLock::new(|| Tables::of(0)),
    LazyLock::new(|| Tables::of(1)),
    LazyLock::new(|| Tables::of(2)),
    LazyLock::new(|| Tables::of(3)),
    LazyLock::new(|| Tables::of(4)),
    LazyLock::new(|| Tables::of(5)),
    LazyLock::new(|| Tables::of(6)),
    LazyLock::new(|| Tables::of(7)),
    LazyLock::new(|| Tables::of(8)),
    LazyLock::new(|| Tables::of(9)),
    LazyLock::new(|| Tables::of(10)),
    LazyLock::new(|| Tables::of(11)),
    LazyLock::new(|| Tables::of(12)),
    LazyLock::new(|| Tables::of(13)),
];

/// The weight's code that is nearest, by range and weight of 0 to 64.
pub(super) static WEIGHT_CODES: LazyLock<[[u8; 65]; 12]> = LazyLock::new(|| {
    std::array::from_fn(|range| {
        std::array::from_fn(|wanted| {
            let off = |code: u32| (ise::weight(RANGES[range], code) as i32 - wanted as i32).abs();
            (0..RANGES[range].levels).min_by_key(|&code| off(code)).unwrap_or(0) as u8
        })
    })
});

/// The weight of a code, by range.
pub(super) static WEIGHTS: LazyLock<[[u8; 32]; 12]> = LazyLock::new(|| {
    std::array::from_fn(|range| {
        std::array::from_fn(|code| {
            if (code as u32) < RANGES[range].levels { ise::weight(RANGES[range], code as u32) as u8 } else { 0 }
        })
    })
});

impl Tables {
    pub(super) fn get(footprint: Footprint) -> &'static Self {
        &TABLES[footprint.index()]
    }

    fn of(index: usize) -> Self {
        let footprint = Footprint::ALL[index];
        let block = (footprint.width(), footprint.height());
        let texels = block.0 * block.1;
        let mut grids: Vec<Grid> = Vec::new();
        let mut choices = Vec::new();
        for (bits, mode) in Mode::all(block.0, block.1) {
            let known = grids.iter().position(|grid| grid.size == mode.size);
            let grid = known.unwrap_or_else(|| {
                let taps = grid::taps(block, mode.size);
                let mut shares = vec![0.0; mode.size.0 * mode.size.1];
                for &(at, share) in taps[..texels].iter().flatten() {
                    shares[usize::from(at)] += f32::from(share);
                }
                let matrices = Matrices::of(&taps[..texels], &shares);
                grids.push(Grid { size: mode.size, taps, shares, is_whole: mode.size == block, matrices });
                grids.len() - 1
            });
            choices.push(Choice::new(bits, mode, grid, mode.size == block));
        }
        let mut pairs: Vec<Pair> = Vec::new();
        for seed in 0..partition::COUNT {
            let mut second = [0u64; 3];
            for at in 0..texels {
                let (x, y) = ((at % block.0) as u32, (at / block.0) as u32);
                if partition::subset(seed, x, y, 2, texels < 31) == 1 {
                    second[at / 64] |= 1 << (at % 64);
                }
            }
            let count: u32 = second.iter().map(|word| word.count_ones()).sum();
            let known = pairs.iter().any(|pair| pair.second == second);
            if count > 0 && (count as usize) < texels && !known {
                pairs.push(Pair { seed, second });
            }
        }
        let mut modes = [Vec::new(), Vec::new()];
        (0..choices.len()).for_each(|at| modes[usize::from(choices[at].mode.dual)].push(at));
        Self { texels, grids, choices, modes, pairs }
    }
}
