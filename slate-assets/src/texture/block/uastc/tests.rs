//! Blocks are read as they are written, and what is searched by is what is shown.

use super::{
    Block, Coded, decode,
    encode::found_with_errors,
    hints::Hints,
    mode::{MODES, Partitions, SOLID},
    refine::refine,
    texels,
};
use crate::texture::block::{Effort, Texels, astc::ise::RANGES, partitions};

/// Numbers below `end` that look random.
fn random(seed: u32) -> impl FnMut(u32) -> u32 {
    let mut state = seed;
    move |end| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % end
    }
}

#[test]
fn every_beginning_is_one_modes() {
    let count: u32 = MODES.iter().map(|mode| 128 >> mode.code.1).sum();
    // One of the longest codes is free.
    assert_eq!(count, 127);
    for bits in (0..128u32).filter(|bits| *bits != 0x45) {
        let fits = |at: &usize| bits & ((1 << MODES[*at].code.1) - 1) == MODES[*at].code.0;
        assert_eq!((0..MODES.len()).filter(fits).count(), 1, "{bits:07b}");
    }
}

#[test]
fn blocks_of_every_mode_come_back() {
    let mut next = random(1);
    for (number, mode) in MODES.iter().enumerate().filter(|(number, _)| *number != SOLID) {
        for round in 0..60 {
            let split = round % mode.partitions.all().len();
            let apart = mode.dual.then(|| mode.fixed_apart().unwrap_or(round % mode.ends.channels()));
            let mut coded = Coded { number, split, apart, colors: [0; 18], weights: [[0; 16]; 2] };
            let values = mode.ends.channels() * 2 * mode.subsets;
            coded.colors[..values].fill_with(|| next(RANGES[mode.colors].levels) as u8);
            for plane in coded.weights.iter_mut().take(if mode.dual { 2 } else { 1 }) {
                plane.fill_with(|| next(1 << mode.weight_bits) as u8);
            }
            let block = coded.write(&Hints::default());
            assert_eq!(decode(block), texels(&coded), "mode {number}");
            let Some(Block::Coded(read)) = Block::read(block) else { panic!("mode {number}") };
            assert_eq!((read.number, read.split, read.apart), (number, split, apart));
            // Whichever hints there are.
            let other = coded.write(&Hints::of(&decode(block), mode, Effort::HIGH));
            assert_eq!(Block::read(other), Block::read(block), "mode {number}");
        }
    }
}

#[test]
fn partitions_are_those_of_bc7() {
    let named = |subsets: &[u8; 16]| {
        // By the order in which they come up.
        let mut names = [None; 3];
        let mut count = 0;
        subsets.map(|subset| {
            *names[usize::from(subset)].get_or_insert_with(|| {
                count += 1;
                count - 1
            })
        })
    };
    let of_bc7 = |count: usize, at: usize| -> [u8; 16] {
        std::array::from_fn(|texel| partitions::subset(count, at, texel) as u8)
    };
    for (partitions, count) in [(Partitions::Two, 2), (Partitions::Three, 3)] {
        for (seed, subsets) in partitions.all() {
            assert!((0..64).any(|at| named(&of_bc7(count, at)) == named(subsets)), "{seed}");
        }
    }
    for (seed, subsets) in Partitions::Joined.all() {
        let joins = |of_three: [u8; 16]| {
            (0..3).any(|alone| named(&of_three.map(|subset| u8::from(subset == alone))) == named(subsets))
        };
        assert!((0..64).any(|at| joins(of_bc7(3, at))), "{seed}");
    }
}

/// Slopes between several colours, some in two parts, some grey, some with alpha.
fn picture(seed: u32) -> Texels {
    let mut next = random(seed);
    let ends = [0, 1, 2, 3].map(|_| [next(256), next(256), next(256), next(256)]);
    let noise = 1 + next(20);
    std::array::from_fn(|at| {
        let side = if seed.is_multiple_of(3) { usize::from(at % 4 > 1) * 2 } else { 0 };
        let share = next(256);
        let value = |channel: usize| (ends[side][channel] * share + ends[side + 1][channel] * (255 - share)) / 255;
        let mut texel = [0, 1, 2, 3].map(|channel| (value(channel) + next(noise)).min(255) as u8);
        if seed.is_multiple_of(5) {
            texel = [texel[0], texel[0], texel[0], texel[3]];
        }
        if seed.is_multiple_of(2) {
            texel[3] = 255;
        }
        texel
    })
}

/// The sum of squared differences.
fn off(shown: &Texels, wanted: &Texels) -> f32 {
    let channel = |(a, b): (u8, u8)| (f32::from(a) - f32::from(b)).powi(2);
    shown.iter().zip(wanted).flat_map(|(a, b)| a.iter().copied().zip(*b)).map(channel).sum()
}

#[test]
fn errors_are_those_of_what_is_shown() {
    let pictures: Vec<Texels> = (0..200).map(picture).collect();
    for effort in [Effort::FASTEST, Effort::NORMAL, Effort::HIGH] {
        for ((coded, error), texels) in found_with_errors(&pictures, effort).into_iter().zip(&pictures) {
            let shown = decode(coded.write(&Hints::default()));
            assert_eq!(off(&shown, texels), error, "mode {}", coded.number);
        }
    }
}

#[test]
fn refining_comes_nearer_or_leaves_a_block_as_it_is() {
    let pictures: Vec<Texels> = (0..200).map(picture).collect();
    let (mut before, mut after) = (0.0, 0.0);
    for ((mut coded, error), texels) in found_with_errors(&pictures, Effort::FAST).into_iter().zip(&pictures) {
        refine(&mut coded, texels, 4);
        let found = off(&decode(coded.write(&Hints::default())), texels);
        assert!(found <= error, "mode {}: {found} after {error}", coded.number);
        (before, after) = (before + error, after + found);
    }
    assert!(after < 0.95 * before, "{after} after {before}");
}
