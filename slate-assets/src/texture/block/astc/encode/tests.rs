//! What is fitted is what decoders will show.

use super::{Blocks, PLANS, Tables};
use crate::texture::block::{
    Footprint,
    astc::{MOST_TEXELS, decode},
};

/// Slopes of several colours, with noise and, from the middle on, with alpha.
fn texels(count: usize, seed: u32) -> Vec<[u8; 4]> {
    let mut state = seed;
    let mut next = move |end: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % end
    };
    let ends = [0, 1, 2, 3].map(|_| [next(256), next(256), next(256), next(256)]);
    let noise = 1 + next(24);
    let mut out = Vec::with_capacity(count);
    for at in 0..count {
        let side = if seed.is_multiple_of(3) { usize::from(at % 5 > 2) * 2 } else { 0 };
        let share = next(256);
        let grey = seed.is_multiple_of(7);
        let value = |channel: usize| {
            let channel = if grey && channel < 3 { 0 } else { channel };
            (ends[side][channel] * share + ends[side + 1][channel] * (255 - share)) / 255
        };
        let grain = next(noise);
        let texel = [0, 1, 2].map(|channel: usize| (value(channel) + if grey { grain } else { next(noise) }).min(255));
        let alpha = if seed.is_multiple_of(2) { 255 } else { value(3) };
        out.push([texel[0], texel[1], texel[2], alpha].map(|value| value as u8));
    }
    out
}

#[test]
fn errors_are_those_of_what_is_decoded() {
    let footprints = [(4, 4), (5, 4), (6, 6), (8, 8), (12, 10)];
    for (width, height) in footprints {
        let footprint = Footprint::new(width, height).unwrap();
        let tables = Tables::get(footprint);
        for plan in &PLANS[..4] {
            let all: Vec<Vec<[u8; 4]>> = (0..40).map(|seed| texels(tables.texels, seed)).collect();
            let mut blocks = Blocks::new(&all.concat(), tables, plan);
            blocks.search();
            for (texels, best) in all.iter().zip(&blocks.best) {
                let (candidate, fit) = best.as_ref().unwrap();
                let found: [[u8; 4]; MOST_TEXELS] = decode(blocks.pack(candidate, fit), footprint);
                let channels = if candidate.cut.kind.has_alpha() { 4 } else { 3 };
                let squares = |(a, b): (&[u8; 4], &[u8; 4])| -> f32 {
                    (0..channels).map(|at| (f32::from(a[at]) - f32::from(b[at])).powi(2)).sum()
                };
                let error: f32 = texels.iter().zip(&found).map(squares).sum();
                assert_eq!(error, fit.error, "{candidate:?}");
            }
        }
    }
}

#[test]
fn every_partition_is_there_once() {
    let tables = Tables::get(Footprint::new(4, 4).unwrap());
    let bits: Vec<u32> = tables.seconds[0].clone();
    for (at, second) in bits.iter().enumerate() {
        assert!(*second != 0 && *second != 0xFFFF);
        assert!(!bits[..at].iter().any(|other| other == second || *other == !second & 0xFFFF), "{second:04x}");
    }
}

#[test]
fn every_weight_is_of_some_texel() {
    for footprint in Footprint::ALL {
        for grid in &Tables::get(footprint).grids {
            let is_used = |(sum, squares): (&f32, &f32)| *sum > 0.0 && *squares > 0.0;
            assert!(grid.shares.iter().zip(&grid.squares).all(is_used), "{footprint:?}: {:?}", grid.size);
            // What texels are mixed of adds up to one.
            let whole = |taps: &[(u8, f32); 4]| taps.iter().map(|(_, share)| share).sum::<f32>() == 1.0;
            assert!(grid.mixes.len() == footprint.width() * footprint.height() && grid.mixes.iter().all(whole));
        }
    }
}
