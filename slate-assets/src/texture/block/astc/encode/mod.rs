//! Chooses subsets, planes and the mode of a block by estimates, and fits the most promising ones.

mod dense;
mod fit;
mod split;
mod tables;
mod trial;

use crate::texture::block::{Effort, Footprint, astc::MOST_TEXELS};
use fit::Found;
use tables::{ROUNDING, Tables};
use trial::{Block, Trial};

/// How far each effort goes.
struct Plan {
    /// Modes that are fitted for each trial.
    modes: usize,
    /// Rounds of least squares and new weights for each mode.
    rounds: usize,
    /// Whether weights are stepped one by one at last.
    steps: bool,
    /// Partitions of two subsets that are ranked by lines, and that are fitted.
    lined: usize,
    pairs: usize,
    /// Channels that are tried with weights of their own, where alpha isn't.
    apart: usize,
}

const PLANS: [Plan; 5] = [
    Plan { modes: 1, rounds: 1, steps: false, lined: 0, pairs: 0, apart: 0 },
    Plan { modes: 2, rounds: 1, steps: false, lined: 4, pairs: 1, apart: 0 },
    Plan { modes: 3, rounds: 2, steps: false, lined: 16, pairs: 2, apart: 1 },
    Plan { modes: 4, rounds: 2, steps: true, lined: 32, pairs: 4, apart: 2 },
    Plan { modes: 8, rounds: 3, steps: true, lined: 96, pairs: 12, apart: 3 },
];

/// Encodes the texels of a block, in rows.
pub(crate) fn encode(texels: &[[u8; 4]], footprint: Footprint, effort: Effort) -> [u8; 16] {
    if texels.iter().all(|texel| *texel == texels[0]) {
        return void_extent(texels[0]);
    }
    let tables = Tables::get(footprint);
    let plan = &PLANS[effort.at_most(4)];
    let mut block = Block { points: [[0.0; 4]; MOST_TEXELS], count: tables.texels };
    for (point, texel) in block.points.iter_mut().zip(texels) {
        *point = texel.map(f32::from);
    }
    let opaque = texels.iter().all(|texel| texel[3] == 255);
    let grey = texels.iter().all(|[r, g, b, _]| r == g && g == b);
    let kind = match (grey, opaque) {
        (true, true) => 0,
        (true, false) => 4,
        (false, true) => 8,
        (false, false) => 12,
    };
    let mut best: Option<Found> = None;
    let single = Trial::new(&block, kind, None, None);
    try_modes(&block, tables, &single, plan, &mut best);
    if !opaque {
        try_modes(&block, tables, &Trial::new(&block, kind, Some(3), None), plan, &mut best);
    }
    if !grey {
        for channel in split::loosest(&block).into_iter().take(plan.apart) {
            try_modes(&block, tables, &Trial::new(&block, kind, Some(channel), None), plan, &mut best);
        }
    }
    if plan.pairs > 0 && best.as_ref().is_none_or(|best| best.error > tables.texels as f32) {
        for (seed, second) in split::pairs(&block, tables, plan.lined, plan.pairs) {
            let trial = Trial::new(&block, kind, None, Some((seed, second)));
            try_modes(&block, tables, &trial, plan, &mut best);
        }
    }
    best.map_or_else(|| void_extent(texels[0]), |best| best.pack())
}

/// Ranks all modes for a trial, and fits the best of them.
fn try_modes(block: &Block, tables: &Tables, trial: &Trial, plan: &Plan, best: &mut Option<Found>) {
    let bound = best.as_ref().map_or(f32::MAX, |best| best.error);
    if trial.off >= bound {
        return;
    }
    let texels = tables.texels as f32;
    let mut fits: Vec<Option<f32>> = vec![None; tables.grids.len()];
    let mean = |plane: usize| trial.lengths[plane][..tables.texels].iter().sum::<f32>();
    let lengths = [mean(0), if trial.apart.is_some() { mean(1) } else { 0.0 }];
    let channels = if trial.kind == 12 || trial.kind == 4 { 4.0 } else { 3.0 };
    let mut ranked: Vec<(f32, usize, usize)> = Vec::with_capacity(plan.modes);
    let (values, kinds) = (trial.values() / 2 - 1, &tables.modes[usize::from(trial.apart.is_some())]);
    for &at in kinds {
        let choice = &tables.choices[at];
        let Some(colors) = choice.colors[trial.subsets - 1][values] else { continue };
        let weight_error = (lengths[0] + lengths[1]) * choice.rounding;
        let color_error = texels * channels * 255.0 * 255.0 * 0.45 * ROUNDING[usize::from(colors)];
        let rough = trial.off + weight_error + color_error;
        let worst = ranked.get(plan.modes - 1).map_or(bound, |(worst, ..)| worst.min(bound));
        if rough >= worst {
            continue;
        }
        let grid = *fits[choice.grid].get_or_insert_with(|| {
            let grid = &tables.grids[choice.grid];
            let other = if trial.apart.is_some() { trial.fit(1, grid, tables.texels).1 } else { 0.0 };
            trial.fit(0, grid, tables.texels).1 + other
        });
        let error = rough + grid;
        let place = ranked.partition_point(|(other, ..)| *other <= error);
        if place < plan.modes {
            ranked.truncate(plan.modes - 1);
            ranked.insert(place, (error, at, colors.into()));
        }
    }
    for (estimate, at, colors) in ranked {
        if best.as_ref().is_none_or(|best| estimate * 0.6 < best.error) {
            fit::fit(block, tables, trial, (&tables.choices[at], colors), plan, best);
        }
    }
}

/// A block of one colour.
fn void_extent(texel: [u8; 4]) -> [u8; 16] {
    let mut block = [0xFC, 0xFD, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0];
    for (at, value) in texel.into_iter().enumerate() {
        (block[8 + at * 2], block[9 + at * 2]) = (value, value);
    }
    block
}
