//! All lanes give the bytes of plain ones.

use super::{Kernel, Lanes, plain::Plain};
use crate::texture::block::{bc1, bc7};

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

/// By machine, what this work gives where kernels are run with its lanes.
fn on_all<T>(work: impl Fn(&dyn Fn(Any<'_>)) -> T) -> Vec<(&'static str, T)> {
    let mut out = vec![("plain", work(&|kernel| kernel.run::<Plain>()))];
    cfg_select! {
        target_arch = "x86_64" => {
            out.push(("SSE2", work(&|kernel| kernel.run::<super::sse2::Sse2>())));
            if let Some(found) = super::avx2::Avx2::found() {
                out.push(("AVX2", work(&|kernel| found.run(kernel))));
            }
            if let Some(found) = super::avx512::Avx512::found() {
                out.push(("AVX-512", work(&|kernel| found.run(kernel))));
            }
        }
        all(target_arch = "aarch64", target_endian = "little") => {
            out.push(("NEON", work(&|kernel| kernel.run::<super::neon::Neon>())));
        }
        _ => {}
    }
    out
}

/// Either kernel.
enum Any<'a> {
    Bc1(bc1::Strips<'a>),
    Bc7(bc7::Strips<'a>),
}

impl Kernel for Any<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        match self {
            Self::Bc1(strips) => strips.run::<L>(),
            Self::Bc7(strips) => strips.run::<L>(),
        }
    }
}

const WIDTHS: [usize; 9] = [1, 3, 4, 31, 64, 67, 128, 1000, 4096];

#[test]
fn all_lanes_give_the_same_blocks_of_bc1() {
    for width in WIDTHS {
        let texels = lines(width);
        let mut plain = Vec::new();
        for refits in [0, 1, 3] {
            let all = on_all(|run| {
                let mut out = vec![[0; 8]; width.div_ceil(4)];
                run(Any::Bc1(bc1::Strips { lines: texels.each_ref().map(Vec::as_slice), refits, out: &mut out }));
                out
            });
            for (machine, blocks) in &all {
                assert!(*blocks == all[0].1, "{machine}, {width} texels, {refits} fits");
            }
            plain.push(all[0].1.clone());
        }
        assert!(width < 64 || plain[0] != plain[1], "nothing was fitted");
    }
}

#[test]
fn all_lanes_give_the_same_blocks_of_bc7() {
    for (width, opaque) in WIDTHS.into_iter().flat_map(|width| [(width, false), (width, true)]) {
        let mut texels = lines(width);
        if opaque {
            texels.iter_mut().flatten().for_each(|texel| texel[3] = 255);
        }
        let mut plain = Vec::new();
        for refits in [0, 1, 3] {
            let all = on_all(|run| {
                let count = width.div_ceil(4);
                let (mut out, mut errors) = (vec![[0; 16]; count], vec![0.0; count]);
                let lines = texels.each_ref().map(Vec::as_slice);
                run(Any::Bc7(bc7::Strips { lines, refits, out: &mut out, errors: &mut errors }));
                (out, errors)
            });
            for (machine, blocks) in &all {
                assert!(*blocks == all[0].1, "{machine}, {width} texels, {refits} fits");
            }
            plain.push(all[0].1.0.clone());
        }
        assert!(width < 64 || plain[0] != plain[1], "nothing was fitted");
    }
}
