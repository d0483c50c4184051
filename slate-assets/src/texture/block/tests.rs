//! The machine's vectors give the bytes of plain code.

use super::{BlockFormat, Channels, Effort, Footprint, Surface, Values, encode};
use crate::simd::plainly;

/// Slopes, edges and noise in turn, with and without alpha.
fn surface() -> Surface {
    let (width, height) = (48u32, 24u32);
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut values = Vec::new();
    for at in 0..width * height {
        let (x, y) = (at % width, at / width);
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = state.to_be_bytes();
        let slope = [x * 5, y * 9, 255 - x * 4, if y < 12 { 255 } else { x * 5 }].map(|value| value as u8);
        for channel in 0..4 {
            values.push(match (x / 12, channel) {
                (_, 3) => slope[3],
                (0, _) => slope[channel],
                (1, _) => slope[channel] / 2 + noise[channel] / 8,
                (2, _) => {
                    if (x + y) % 7 < 3 {
                        slope[channel]
                    } else {
                        200
                    }
                }
                _ => noise[channel],
            });
        }
    }
    Surface::new(width, height, Values::Rgba8(values)).unwrap()
}

#[test]
fn vectors_give_the_same_bytes_as_plain_code() {
    let surface = surface();
    let astc = [(4, 4), (6, 6), (8, 5), (12, 12)]
        .map(|(width, height)| BlockFormat::Astc(Footprint::new(width, height).unwrap()));
    let fixed = [
        BlockFormat::Bc1,
        BlockFormat::Bc1Alpha,
        BlockFormat::Bc3,
        BlockFormat::Bc7,
        BlockFormat::Etc2Rgb,
        BlockFormat::Etc2Rgba1,
        BlockFormat::Etc2Rgba,
        BlockFormat::Uastc(Channels::Rgba),
        BlockFormat::Uastc(Channels::Rrrg),
    ];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for format in fixed.into_iter().chain(astc) {
        for effort in [Effort::INSTANT, Effort::FASTEST, Effort::FAST, Effort::NORMAL, Effort::HIGH] {
            let bytes = || encode(&surface, format, effort, &|| Ok(())).unwrap();
            let (vectors, plain) = pool.install(|| (bytes(), plainly(bytes)));
            assert_eq!(vectors, plain, "{format} {effort:?}");
        }
    }
}
