//! Images brought to other sizes by kernels wider than a texel.

use super::{math::sin, pixels::Floats};
use crate::simd;
use rayon::prelude::*;
use slate_core::{Cancel, Result};
use std::f64::consts::PI;

/// The pixels that one output pixel is made of along one side: the first one, and the weight of each.
pub(super) struct Taps {
    pub(super) first: usize,
    pub(super) weights: Vec<f32>,
}

/// What weighs the pixels around a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Straight down to nothing at a distance of 1.
    Triangle,
    /// A sinc of three lobes in a window of Kaiser's with alpha 4.
    Kaiser,
    /// A sinc of three lobes in a window of the first lobe of another.
    Lanczos,
}

/// Resamples by a kernel, widened where the image gets smaller; edges are clamped.
pub(super) fn resample(source: &Floats, kernel: Kernel, width: u32, height: u32, cancel: &Cancel) -> Result<Floats> {
    let (old_width, channels) = (source.width as usize, source.channels);
    let columns = taps(kernel, source.width, width);
    let mut wide = vec![[0.0f32; 4]; width as usize * source.height as usize];
    wide.par_chunks_mut(width as usize).zip(source.data.par_chunks(old_width)).try_for_each(|(out, row)| {
        cancel.check()?;
        simd::run(Across { row, columns: &columns, out });
        Ok::<_, slate_core::Error>(())
    })?;
    let rows = taps(kernel, source.height, height);
    let mut data = vec![[0.0f32; 4]; width as usize * height as usize];
    data.par_chunks_mut(width as usize).zip(&rows).try_for_each(|(out, taps)| {
        cancel.check()?;
        simd::run(Down { rows: &wide[taps.first * width as usize..], weights: &taps.weights, out });
        Ok::<_, slate_core::Error>(())
    })?;
    Ok(Floats { width, height, channels, data })
}

/// A row of an image brought to another width.
struct Across<'a> {
    row: &'a [[f32; 4]],
    columns: &'a [Taps],
    out: &'a mut [[f32; 4]],
}

impl simd::Kernel for Across<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        for (out, taps) in self.out.iter_mut().zip(self.columns) {
            let mut sum = [0.0; 4];
            for (pixel, &weight) in self.row[taps.first..].iter().zip(&taps.weights) {
                add(&mut sum, pixel, weight);
            }
            *out = sum;
        }
    }
}

/// A row of an image brought to another height.
struct Down<'a> {
    /// From the first that counts on, each as long as `out`.
    rows: &'a [[f32; 4]],
    weights: &'a [f32],
    out: &'a mut [[f32; 4]],
}

/// Pixels of a row that are summed together, so that their sums stay in registers.
const TOGETHER: usize = 8;

impl simd::Kernel for Down<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let width = self.out.len();
        let (many, rest) = self.out.as_chunks_mut::<TOGETHER>();
        let left = width - rest.len();
        for (at, out) in many.iter_mut().enumerate() {
            let mut sums = [[0.0; 4]; TOGETHER];
            for (y, &weight) in self.weights.iter().enumerate() {
                let row = &self.rows[y * width + at * TOGETHER..][..TOGETHER];
                for (sum, pixel) in sums.iter_mut().zip(row) {
                    add(sum, pixel, weight);
                }
            }
            *out = sums;
        }
        for (x, out) in rest.iter_mut().enumerate() {
            for (y, &weight) in self.weights.iter().enumerate() {
                add(out, &self.rows[y * width + left + x], weight);
            }
        }
    }
}

#[inline(always)]
pub(super) fn add(sum: &mut [f32; 4], pixel: &[f32; 4], weight: f32) {
    for (sum, value) in sum.iter_mut().zip(pixel) {
        *sum += value * weight;
    }
}

/// What each of `new` pixels is made of, of `old` ones.
pub(super) fn taps(kernel: Kernel, old: u32, new: u32) -> Vec<Taps> {
    let ratio = f64::from(old) / f64::from(new);
    let scale = ratio.max(1.0);
    let reach = kernel.radius() * scale;
    let last = i64::from(old) - 1;
    (0..new)
        .map(|at| {
            let center = (f64::from(at) + 0.5) * ratio - 0.5;
            let (from, to) = ((center - reach).ceil() as i64, (center + reach).floor() as i64);
            let (first, end) = (from.clamp(0, last), to.clamp(0, last));
            let mut weights = vec![0.0f64; (end - first + 1) as usize];
            for tap in from..=to {
                weights[(tap.clamp(0, last) - first) as usize] += kernel.at((tap as f64 - center) / scale);
            }
            let sum: f64 = weights.iter().sum();
            Taps { first: first as usize, weights: weights.iter().map(|weight| (weight / sum) as f32).collect() }
        })
        .collect()
}

impl Kernel {
    fn radius(self) -> f64 {
        if self == Self::Triangle { 1.0 } else { 3.0 }
    }

    fn at(self, x: f64) -> f64 {
        if x == 0.0 {
            return 1.0;
        }
        if x.abs() >= self.radius() {
            return 0.0;
        }
        match self {
            Self::Triangle => 1.0 - x.abs(),
            Self::Kaiser => {
                let window = bessel(4.0 * (1.0 - x * x / 9.0).sqrt()) / bessel(4.0);
                sin(PI * x) / (PI * x) * window
            }
            Self::Lanczos => 3.0 * sin(PI * x) * sin(PI * x / 3.0) / (PI * PI * x * x),
        }
    }
}

/// The modified Bessel function of the first kind and order 0, by its series, which is down to nothing at the 30th term for
/// all that is asked here.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for at in 1..30 {
        term *= x * x / f64::from(4 * at * at);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_image_stays_flat_at_any_size() {
        let source = Floats { width: 7, height: 5, channels: 4, data: vec![[0.25, 0.5, 0.75, 1.0]; 35] };
        for kernel in [Kernel::Triangle, Kernel::Kaiser, Kernel::Lanczos] {
            for (width, height) in [(1, 1), (3, 9), (20, 2), (7, 5)] {
                let out = resample(&source, kernel, width, height, &Cancel::new()).unwrap();
                assert_eq!(out.data.len(), (width * height) as usize);
                for pixel in &out.data {
                    for (value, expected) in pixel.iter().zip([0.25, 0.5, 0.75, 1.0]) {
                        assert!((value - expected).abs() < 1e-5, "{kernel:?} {width}x{height}: {pixel:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_ramp_stays_a_ramp() {
        let data = (0..64).map(|x| [x as f32; 4]).collect();
        let source = Floats { width: 64, height: 1, channels: 1, data };
        for kernel in [Kernel::Triangle, Kernel::Kaiser, Kernel::Lanczos] {
            let out = resample(&source, kernel, 32, 1, &Cancel::new()).unwrap();
            for (at, pixel) in out.data.iter().enumerate().skip(4).take(24) {
                assert!((pixel[0] - (at as f32 * 2.0 + 0.5)).abs() < 0.02, "{kernel:?} at {at}: {}", pixel[0]);
            }
        }
    }

    #[test]
    fn a_sinc_keeps_more_of_a_fine_pattern_than_a_tent() {
        // Six texels a wave: three once halved.
        let data = (0..96).map(|x| [sin(PI * (f64::from(x) + 0.5) / 3.0) as f32; 4]).collect();
        let source = Floats { width: 96, height: 1, channels: 1, data };
        let strength = |kernel| {
            let out = resample(&source, kernel, 48, 1, &Cancel::new()).unwrap();
            out.data[8..40].iter().map(|pixel| pixel[0].abs()).sum::<f32>() / 32.0
        };
        let [triangle, kaiser, lanczos] = [Kernel::Triangle, Kernel::Kaiser, Kernel::Lanczos].map(strength);
        assert!(triangle < 0.8 * kaiser && kaiser < lanczos * 1.1 && lanczos < 0.75, "{triangle} {kaiser} {lanczos}");
        assert!((bessel(4.0) - 11.301_921_952_136_33).abs() < 1e-12);
    }
}
