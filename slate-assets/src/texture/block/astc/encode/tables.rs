//! What is known of a footprint before any texel is seen.

use crate::texture::block::{
    Footprint,
    astc::{
        MOST_TEXELS,
        grid::{self, Taps},
        ise::{self, RANGES},
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
}

/// A mode that fits in the footprint.
pub(super) struct Choice {
    pub(super) bits: u32,
    pub(super) mode: Mode,
    /// The place of its grid.
    pub(super) grid: usize,
}

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
                grids.push(Grid { size: mode.size, taps, shares, is_whole: mode.size == block });
                grids.len() - 1
            });
            choices.push(Choice { bits, mode, grid });
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
        Self { texels, grids, choices, pairs }
    }
}
