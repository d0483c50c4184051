//! Finds the modes of blocks by the search that ASTC has, and packs them.

use super::{
    decode,
    hints::{Hints, SolidHint},
    layout::{Coded, solid},
    mode::{MODES, Partitions},
    refine::refine,
};
use crate::texture::block::{
    Effort, Texels,
    astc::encode::{self as astc, Found, Plan, Tables, look},
};
use std::sync::LazyLock;

/// The modes that are looked for, by their numbers. Mode 1 is mode 5 with fewer weights, 3 has three subsets, and 4 stands for
/// 7, too.
const WANTED: [usize; 15] = [0, 2, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];

/// The mode with joined partitions that is otherwise as mode 4.
const JOINED: (usize, usize) = (4, 7);

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let two = Partitions::Two.all();
    let modes: Vec<astc::Mode> = WANTED
        .iter()
        .map(|&number| {
            let mode = &MODES[number];
            astc::Mode {
                dual: mode.dual,
                subsets: mode.subsets,
                channels: mode.ends.channels(),
                weights: mode.weights(),
                colors: mode.colors,
                partitions: if mode.subsets == 1 || number == JOINED.0 { u16::MAX } else { two.len() as u16 },
            }
        })
        .collect();
    Tables::of_modes(&modes, &[two, Partitions::Joined.all()].concat())
});

const PLANS: [Plan; 5] = [
    Plan { modes: 1, lined: 16, pairs: 1, ..QUICK },
    Plan { modes: 2, lined: 24, pairs: 1, apart: 1, ..QUICK },
    Plan { lined: 32, pairs: 2, apart: 1, finalists: 1, finer: look(2, 1, 0), ..QUICK },
    Plan { modes: 3, search: look(2, 0, 0), lined: 49, pairs: 6, apart: 2, enough: 2.0, ..FINE },
    Plan { modes: 4, search: look(3, 0, 0), lined: 49, pairs: 20, apart: 3, enough: 0.0, finalists: 8, ..FINEST },
];

const QUICK: Plan = Plan {
    modes: 2,
    search: look(1, 0, 0),
    lined: 16,
    pairs: 1,
    apart: 0,
    enough: 4.0,
    finalists: 0,
    finer: look(1, 0, 0),
    fitted: usize::MAX,
    sure: 0.6,
};

const FINE: Plan = Plan { finalists: 3, finer: look(3, 1, 0), ..QUICK };
const FINEST: Plan = Plan { finer: look(4, 3, 0), ..FINE };

/// Rounds in which the ends of what was found are stepped, by effort.
const REFINED: [usize; 5] = [1, 1, 2, 4, 9];

/// Blocks that are looked at together.
const TOGETHER: usize = 64;

/// Encodes blocks, 16 bytes each.
pub(in crate::texture::block) fn encode(texels: &[Texels], effort: Effort, out: &mut [u8]) {
    let plan = &PLANS[effort.at_most(4)];
    for (texels, out) in texels.chunks(TOGETHER).zip(out.chunks_mut(TOGETHER * 16)) {
        let found = astc::search(texels.as_flattened(), &TABLES, plan);
        for ((texels, found), out) in texels.iter().zip(found).zip(out.chunks_exact_mut(16)) {
            let block = match found {
                None => solid(texels[0], SolidHint::of(texels[0])),
                Some(found) => {
                    let mut coded = coded(&found);
                    refine(&mut coded, texels, REFINED[effort.at_most(4)]);
                    packed(&coded, effort)
                }
            };
            out.copy_from_slice(&block);
        }
    }
}

fn coded(found: &Found) -> Coded {
    let number = WANTED[found.mode];
    let (number, split) = match found.partition.checked_sub(Partitions::Two.all().len()) {
        // Of the modes with two subsets only this one goes with what comes after the common partitions.
        Some(joined) if number == JOINED.0 => (JOINED.1, joined),
        _ => (number, found.partition),
    };
    let apart = found.apart.map(usize::from);
    Coded { number, split, apart, colors: found.colors, weights: found.weights }
}

fn packed(coded: &Coded, effort: Effort) -> [u8; 16] {
    let shown = decode(coded.write(&Hints::default()));
    coded.write(&Hints::of(&shown, coded.mode(), effort))
}

/// Blocks before they are packed, and the errors that they were chosen by.
#[cfg(test)]
pub(super) fn found_with_errors(texels: &[Texels], effort: Effort) -> Vec<(Coded, f32)> {
    let found = astc::search(texels.as_flattened(), &TABLES, &PLANS[effort.at_most(4)]);
    found.into_iter().flatten().map(|found| (coded(&found), found.error)).collect()
}
