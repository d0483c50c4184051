//! All lanes give the bytes of plain ones.

use super::{Plainly, avx2::Avx2, avx512::Avx512};
use crate::{simd, texture::block::bc1::Strips};

/// Four lines of texels: noise, slopes, and the ends of the range.
fn lines(width: usize) -> [Vec<[u8; 4]>; 4] {
    let mut state = 0x9E37_79B9_7F4A_7C15u64 ^ width as u64;
    [0, 1, 2, 3].map(|row| {
        let texel = |column: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let [r, g, b, a, ..] = state.to_be_bytes();
            match column / 4 % 6 {
                0 => [r, g, b, a],
                1 => [r % 8 + 100, 255 - column as u8, column as u8, a],
                2 => [r >> 7, g >> 7, b >> 7, a >> 7].map(|bit| bit * 255),
                3 => [column as u8; 4],
                4 => [17, 200 + (row as u8 & 1), 90, 255],
                _ => [r / 4, 255 - r / 4, 128 + r / 2, g],
            }
        };
        (0..width).map(texel).collect()
    })
}

#[test]
fn all_lanes_give_the_same_blocks() {
    for width in [1, 3, 4, 31, 64, 67, 128, 1000, 4096] {
        let texels = lines(width);
        let mut blocks: Vec<(&str, usize, Vec<[u8; 8]>)> = Vec::new();
        for refits in [0, 1, 3] {
            let by = |run: &dyn Fn(Strips<'_>)| {
                let mut out = vec![[0; 8]; width.div_ceil(4)];
                run(Strips { lines: texels.each_ref().map(Vec::as_slice), refits, out: &mut out });
                out
            };
            let plain = by(&|strips| simd::plainly(|| simd::run(Plainly(strips))));
            blocks.push(("plain", refits, plain.clone()));
            if let Some(found) = Avx2::found() {
                assert!(by(&|strips| found.run(strips)) == plain, "AVX2, {width} texels, {refits} fits");
            }
            if let Some(found) = Avx512::found() {
                assert!(by(&|strips| found.run(strips)) == plain, "AVX-512, {width} texels, {refits} fits");
            }
        }
        assert!(width < 64 || blocks[0].2 != blocks[1].2, "nothing was fitted");
    }
}
