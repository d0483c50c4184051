//! Runs the inner loops of the encoders with the vector instructions that this machine has.
//!
//! A [`Kernel`] is written once, in plain Rust, and compiled once for each set of instructions. Rust neither fuses nor
//! reorders operations on floats, whatever the set: each gives the same bytes, and a test holds them to it.

#![allow(
    unsafe_code,
    reason = "code for instructions that not every machine has may be called where it was looked for"
)]

/// An inner loop: it and what it calls is inlined always, so that it is compiled for the instructions of its caller.
pub(super) trait Kernel {
    /// What it gives.
    type Out;

    /// Does the work; to be marked `#[inline(always)]`.
    fn run(self) -> Self::Out;
}

/// Runs a kernel with AVX2 or SSE4.1 where there is either, else with what every machine of its kind has.
#[inline]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    if !plain() {
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: this machine has AVX2.
            return unsafe { with_avx2(kernel) };
        }
        if std::arch::is_x86_feature_detected!("sse4.1") {
            // SAFETY: this machine has SSE4.1.
            return unsafe { with_sse41(kernel) };
        }
    }
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<K: Kernel>(kernel: K) -> K::Out {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.1")]
fn with_sse41<K: Kernel>(kernel: K) -> K::Out {
    kernel.run()
}

#[cfg(all(target_arch = "x86_64", not(test)))]
#[inline(always)]
fn plain() -> bool {
    false
}

#[cfg(all(target_arch = "x86_64", test))]
use tests::plain;

#[cfg(test)]
mod tests {
    use crate::texture::block::{BlockFormat, Effort, Footprint, Surface, Values, encode};
    use std::cell::Cell;

    thread_local! {
        static PLAIN: Cell<bool> = const { Cell::new(false) };
    }

    #[cfg(target_arch = "x86_64")]
    pub(super) fn plain() -> bool {
        PLAIN.get()
    }

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
        ];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        for format in fixed.into_iter().chain(astc) {
            for effort in [Effort::FASTEST, Effort::FAST, Effort::NORMAL, Effort::HIGH] {
                let with = |plain: bool| {
                    pool.install(|| {
                        PLAIN.set(plain);
                        let bytes = encode(&surface, format, effort, &|| Ok(())).unwrap();
                        PLAIN.set(false);
                        bytes
                    })
                };
                assert_eq!(with(false), with(true), "{format} {effort:?}");
            }
        }
    }
}
