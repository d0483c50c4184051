//! What the encoder says of its blocks is what the decoder makes of them, on every machine.

use super::{Alpha, decode, search::Search};
use crate::{
    simd::plainly,
    texture::block::{Effort, Texels, wide::eights},
};

/// Slopes, two colours, two colours with noise, lightness alone, and noise, near the ends of the range too.
fn blocks() -> Vec<Texels> {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()
    };
    (0..320)
        .map(|kind| {
            let [one, two] = [next(), next()];
            std::array::from_fn(|at| {
                let noise = next();
                let texel: [u8; 3] = std::array::from_fn(|c| match kind % 5 {
                    0 => one[c] / 4 + (at % 4) as u8 * (two[c] / 8) + (at / 4) as u8 * (two[c + 3] / 8),
                    1 => {
                        if noise[3] > 128 {
                            one[c]
                        } else {
                            two[c]
                        }
                    }
                    2 => (if noise[3] > 128 { one[c] } else { two[c] }).saturating_add(noise[4] / 8),
                    3 => one[c].saturating_sub(noise[3] / 4),
                    _ => noise[c],
                });
                [texel[0], texel[1], texel[2], 255]
            })
        })
        .collect()
}

#[test]
fn etc_blocks_leave_what_the_search_says() {
    let (blocks, mut before) = (blocks(), f64::MAX);
    for effort in [Effort::NORMAL, Effort::HIGH, Effort::BEST] {
        let mut all = 0.0;
        for (first, texels) in eights(&blocks) {
            let found = Search { texels: &texels, effort }.run();
            let plain = plainly(|| Search { texels: &texels, effort }.run());
            assert_eq!(found, plain, "blocks from {first} {effort:?}");
            for (lane, (bits, error)) in found.into_iter().enumerate() {
                let decoded = decode(bits.to_be_bytes(), Alpha::None);
                let off = decoded.iter().zip(texels[lane]).flat_map(|(a, b)| (0..3).map(|c| a[c].abs_diff(b[c])));
                let left: u32 = off.map(|off| u32::from(off).pow(2)).sum();
                assert_eq!(left as f32, error, "block {} {effort:?}", first + lane);
                all += f64::from(left);
            }
        }
        assert!(all < before, "{effort:?} leaves {all}, less effort {before}");
        before = all;
    }
}
