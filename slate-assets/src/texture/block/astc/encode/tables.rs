//! What is known of a footprint before any texel is seen.

use super::{Cut, Dialect, dialect};
use crate::texture::block::{
    Footprint,
    astc::{
        MOST_TEXELS, colors,
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
    /// For each weight the texels that have a share of it, in sixteenths.
    pub(super) members: Vec<Vec<(u8, f32)>>,
    /// For each weight the sum of its shares, in sixteenths, and of their squares.
    pub(super) shares: Vec<f32>,
    pub(super) squares: Vec<f32>,
    /// For each texel the weights that it is mixed of; shares of nothing fill up.
    pub(super) mixes: Vec<[(u8, f32); 4]>,
    /// Whether there is a weight for each texel.
    pub(super) is_whole: bool,
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

impl Grid {
    fn new(block: (usize, usize), size: (usize, usize)) -> Self {
        let taps = grid::taps(block, size);
        let mut shares = vec![0.0; size.0 * size.1];
        let mut members = vec![Vec::new(); shares.len()];
        for (texel, taps) in (0..).zip(&taps[..block.0 * block.1]) {
            for &(at, share) in taps.iter().filter(|(_, share)| *share > 0) {
                shares[usize::from(at)] += f32::from(share);
                members[usize::from(at)].push((texel, f32::from(share)));
            }
        }
        let square = |members: &Vec<(u8, f32)>| members.iter().map(|(_, share)| share * share).sum();
        let squares = members.iter().map(square).collect();
        let texels = &taps[..block.0 * block.1];
        let mixes = texels.iter().map(|taps| taps.map(|(at, share)| (at, f32::from(share) / 16.0))).collect();
        Self { size, taps, members, shares, squares, mixes, is_whole: size == block }
    }
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

/// A mode with colours of a range: what is known of its error.
pub(super) struct Entry {
    /// The place of the mode.
    pub(super) choice: usize,
    /// The place of its grid.
    pub(super) grid: usize,
    /// The place of the range of its colours.
    pub(super) colors: usize,
    /// What rounding its weights leaves of the squared length of a line.
    pub(super) weights: f32,
    /// What rounding its colours leaves of a channel of all texels.
    pub(super) colors_error: f32,
    /// The partitions that it may go with are those before this one.
    pub(super) splits: u16,
}

impl Entry {
    fn new((at, choice): (usize, &Choice), colors: usize, texels: usize, splits: u16) -> Self {
        let colors_error = texels as f32 * 255.0 * 255.0 * 0.45 * ROUNDING[colors];
        Self { choice: at, grid: choice.grid, colors, weights: choice.rounding, colors_error, splits }
    }
}

/// The most subsets that are written.
pub(super) const MOST_SUBSETS: usize = 2;

/// A partition.
pub(super) struct Split {
    pub(super) seed: u32,
    /// The subset of each texel.
    pub(super) subset: Vec<u8>,
    /// Of two subsets, the texels of that which has fewer.
    pub(super) fewer: Vec<u8>,
}

impl Split {
    fn new(seed: u32, subset: Vec<u8>) -> Self {
        let seconds = subset.iter().filter(|subset| **subset > 0).count();
        let fewer = u8::from(seconds * 2 <= subset.len());
        let fewer = (0..).zip(&subset).filter(|(_, subset)| **subset == fewer).map(|(at, _)| at).collect();
        Self { seed, subset, fewer }
    }
}

/// All tables of a footprint.
pub(in crate::texture::block) struct Tables {
    pub(super) dialect: Dialect,
    pub(super) texels: usize,
    pub(super) grids: Vec<Grid>,
    pub(super) choices: Vec<Choice>,
    /// By planes and subsets, both less one, and by pairs of values of all endpoints less one.
    entries: [[[Vec<Entry>; 8]; MOST_SUBSETS]; 2],
    /// The block's width and height.
    pub(super) size: (usize, usize),
    /// What grids of each width span, as vectors at right angles, of a value for each texel of a row; and columns likewise.
    pub(super) across: Vec<Vec<Vec<f32>>>,
    pub(super) down: Vec<Vec<Vec<f32>>>,
    /// The place of the grid of a width and height.
    pub(super) grid_of: [[Option<usize>; 13]; 13],
    /// Partitions by the number of subsets less two, without those that are equal to others, or have a subset without texels.
    pub(super) splits: [Vec<Split>; MOST_SUBSETS - 1],
    /// The second subset's texels of each partition of two, as bits: 32 texels of all partitions after the other.
    pub(super) seconds: Vec<Vec<u32>>,
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
                grids.push(Grid::new(block, mode.size));
                grids.len() - 1
            });
            choices.push(Choice::new(bits, mode, grid, mode.size == block));
        }
        let splits = [splits(block, 2)];
        let words = |word: usize| {
            let of = |split: &Split| seconds(&split.subset[word * 32..(word * 32 + 32).min(texels)]);
            splits[0].iter().map(of).collect()
        };
        let words = (0..texels.div_ceil(32)).map(words).collect();
        let entries = std::array::from_fn(|planes| {
            std::array::from_fn(|subsets| {
                std::array::from_fn(|pairs| entries(&choices, (planes == 1, subsets, pairs), texels))
            })
        });
        let mut grid_of = [[None; 13]; 13];
        grids.iter().enumerate().for_each(|(at, grid)| grid_of[grid.size.0][grid.size.1] = Some(at));
        let across = (2..=block.0).map(|weights| spanned(block.0, weights)).collect();
        let down = (2..=block.1).map(|weights| spanned(block.1, weights)).collect();
        let dialect = Dialect::Astc;
        Self { dialect, texels, grids, choices, entries, size: block, across, down, grid_of, splits, seconds: words }
    }

    /// Those of UASTC: blocks of 4×4 texels with a weight for each, in these modes and partitions of two subsets.
    pub(in crate::texture::block) fn of_modes(modes: &[dialect::Mode], partitions: &[(u32, [u8; 16])]) -> Self {
        let (block, texels) = ((4, 4), 16);
        let mut entries: [[[Vec<Entry>; 8]; MOST_SUBSETS]; 2] = Default::default();
        let mut choices = Vec::with_capacity(modes.len());
        for (at, mode) in modes.iter().enumerate() {
            let weights = Mode { size: block, range: mode.weights, dual: mode.dual };
            let rounding = ROUNDING[mode.weights];
            choices.push(Choice { bits: 0, mode: weights, grid: 0, colors: [[None; 8]; 2], rounding });
            let pairs = mode.subsets * mode.channels;
            let entry = Entry::new((at, &choices[at]), mode.colors, texels, mode.partitions);
            entries[usize::from(mode.dual)][mode.subsets - 1][pairs - 1].push(entry);
        }
        let mut grid_of = [[None; 13]; 13];
        grid_of[block.0][block.1] = Some(0);
        let splits = partitions.iter().map(|(seed, subset)| Split::new(*seed, subset.to_vec())).collect();
        let seconds = partitions.iter().map(|(_, subset)| seconds(subset)).collect();
        Self {
            dialect: Dialect::Uastc,
            texels,
            grids: vec![Grid::new(block, block)],
            choices,
            entries,
            size: block,
            // There are no coarser grids to weigh.
            across: Vec::new(),
            down: Vec::new(),
            grid_of,
            splits: [splits],
            seconds: vec![seconds],
        }
    }

    /// The modes for a way to cut a block.
    pub(super) fn entries(&self, cut: Cut) -> &[Entry] {
        let pairs = usize::from(cut.subsets) * colors::count(cut.kind.mode()) / 2;
        &self.entries[usize::from(cut.apart.is_some())][usize::from(cut.subsets) - 1][pairs - 1]
    }
}

/// The texels of the second subset, of at most 32.
fn seconds(subset: &[u8]) -> u32 {
    subset.iter().enumerate().fold(0, |bits, (at, &one)| bits | u32::from(one) << at)
}

/// The modes that have room for so many colours.
fn entries(choices: &[Choice], (dual, subsets, pairs): (bool, usize, usize), texels: usize) -> Vec<Entry> {
    let of = |(at, choice): (usize, &Choice)| {
        let colors = usize::from(choice.colors[subsets][pairs]?);
        Some(Entry::new((at, choice), colors, texels, u16::MAX))
    };
    choices.iter().enumerate().filter(|(_, choice)| choice.mode.dual == dual).filter_map(of).collect()
}

/// What so many weights in a row can say of so many texels, as vectors of length 1 at right angles to each other.
fn spanned(texels: usize, weights: usize) -> Vec<Vec<f32>> {
    let taps = grid::taps((texels, 2), (weights, 2));
    let mut all: Vec<Vec<f64>> = Vec::new();
    for weight in 0..weights {
        let of = |texel: usize| {
            let shares = taps[texel].iter().filter(|(at, _)| usize::from(*at) == weight);
            shares.map(|&(_, share)| f64::from(share)).sum()
        };
        let mut vector: Vec<f64> = (0..texels).map(of).collect();
        for other in &all {
            let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
            vector.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
        }
        let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        all.push(vector.into_iter().map(|value| value / length).collect());
    }
    all.into_iter().map(|vector| vector.into_iter().map(|value| value as f32).collect()).collect()
}

/// The partitions of a block in so many subsets.
fn splits(block: (usize, usize), subsets: usize) -> Vec<Split> {
    let texels = block.0 * block.1;
    let mut all: Vec<Split> = Vec::new();
    for seed in 0..partition::COUNT {
        let place = |at: usize| ((at % block.0) as u32, (at / block.0) as u32);
        let of = |at: usize| partition::subset(seed, place(at).0, place(at).1, subsets as u32, texels < 31) as u8;
        let subset: Vec<u8> = (0..texels).map(of).collect();
        let is_there = |wanted: usize| subset.iter().any(|&subset| usize::from(subset) == wanted);
        // Subsets are the same whichever comes first.
        let is_known = |split: &Split| same(&split.subset, &subset, subsets);
        if !(0..subsets).all(is_there) || all.iter().any(is_known) {
            continue;
        }
        all.push(Split::new(seed, subset));
    }
    all
}

/// Whether two partitions differ in the order of their subsets at most.
fn same(a: &[u8], b: &[u8], subsets: usize) -> bool {
    let mut names = [None; MOST_SUBSETS];
    a.iter().zip(b).all(|(&a, &b)| *names[usize::from(a)].get_or_insert(b) == b)
        && names[..subsets].iter().all(Option::is_some)
}
