//! The levels of a chain: each of half the size, made from the unrounded values of the one before.

pub(super) mod light;

use super::{
    pixels::{Floats, LEAST_WEIGHT, Pixels, Samples},
    resample::{self, Kernel, resample},
    transfer::LINEAR_8,
};
use crate::simd;
use rayon::prelude::*;
use slate_core::{
    Cancel, Result,
    asset::{MipFilter, TextureKind, TextureOptions},
};

/// Pixels of the larger image that a pixel of the smaller one covers along one side, with their shares.
type Taps = ([f32; 3], usize);

/// The kernel of a filter; none for the box, which is the mean of the area that a pixel covers.
pub(super) fn kernel(filter: MipFilter) -> Option<Kernel> {
    match filter {
        MipFilter::Triangle => Some(Kernel::Triangle),
        MipFilter::Kaiser => Some(Kernel::Kaiser),
        MipFilter::Lanczos => Some(Kernel::Lanczos),
        _ => None,
    }
}

/// The next level of the chain: half the size, rounded down.
pub(super) fn half(source: &Floats, options: &TextureOptions, cancel: &Cancel) -> Result<Floats> {
    let (width, height, kind) = (source.width, source.height, options.kind);
    let Some(kernel) = kernel(options.mip_filter) else {
        return half_by_box(source, kind, cancel);
    };
    let mut level = resample(source, kernel, (width / 2).max(1), (height / 2).max(1), cancel)?;
    level
        .data
        .par_chunks_mut(4096)
        .for_each(|pixels| pixels.iter_mut().for_each(|pixel| *pixel = settled(*pixel, kind)));
    Ok(level)
}

/// The next level by the box straight from an image as it was read, without a copy of it in floats.
pub(super) fn half_of_pixels(source: &Pixels, kind: TextureKind, cancel: &Cancel) -> Result<Floats> {
    let is_even = source.width.is_multiple_of(2) && source.height.is_multiple_of(2);
    if let (Samples::U8(samples), TextureKind::Color, true) = (&source.data, kind, is_even) {
        match source.channels {
            3 => return half_of_bytes::<3>(source, samples, cancel),
            4 => return half_of_bytes::<4>(source, samples, cancel),
            _ => {}
        }
    }
    let means = Means::new(source.width, source.height, kind);
    let width = source.width as usize;
    let data = means.rows(cancel, |rows, first, out| {
        let mut pixels = vec![[0.0; 4]; rows.1 * width];
        source.working(first, kind, &mut pixels);
        means.row(&pixels, rows, out);
    })?;
    Ok(means.floats(source.channels, data))
}

/// The commonest case, of whole squares of colours of 8 bits: the same sums in the same order, row by row.
fn half_of_bytes<const C: usize>(source: &Pixels, samples: &[u8], cancel: &Cancel) -> Result<Floats> {
    let (width, height) = (source.width / 2, source.height / 2);
    let light: &[f32; 256] = &LINEAR_8;
    let mut data = vec![[0.0f32; 4]; width as usize * height as usize];
    let rows = samples.par_chunks_exact(source.width as usize * C * 2);
    data.par_chunks_exact_mut(width as usize).zip(rows).try_for_each(|(out, rows)| {
        cancel.check()?;
        let (upper, lower) = rows.split_at(rows.len() / 2);
        for ((out, upper), lower) in out.iter_mut().zip(upper.chunks_exact(2 * C)).zip(lower.chunks_exact(2 * C)) {
            let mut sum = [0.0f32; 4];
            for pixel in [&upper[..C], &upper[C..], &lower[..C], &lower[C..]] {
                let weight = if C == 4 { f32::from(pixel[C - 1]) / 255.0 + LEAST_WEIGHT } else { 1.0 + LEAST_WEIGHT };
                for channel in 0..3 {
                    sum[channel] += light[usize::from(pixel[channel])] * weight * 0.25;
                }
                sum[3] += weight * 0.25;
            }
            *out = sum;
        }
        Ok::<_, slate_core::Error>(())
    })?;
    Ok(Floats { width, height, channels: source.channels, data })
}

/// Half the number of slices of a volume, rounded down; one stays one.
pub(super) fn half_of_depth(slices: Vec<Floats>, options: &TextureOptions, cancel: &Cancel) -> Result<Vec<Floats>> {
    let (old, kind) = (slices.len() as u32, options.kind);
    if old == 1 {
        return Ok(slices);
    }
    let new = old / 2;
    let all = match kernel(options.mip_filter) {
        Some(kernel) => resample::taps(kernel, old, new),
        None => (0..new)
            .map(|at| {
                let (weights, count) = taps(at, old, new);
                resample::Taps { first: at as usize * 2, weights: weights[..count].to_vec() }
            })
            .collect(),
    };
    let (width, height, channels) = (slices[0].width, slices[0].height, slices[0].channels);
    let of = |taps: &resample::Taps| {
        cancel.check()?;
        let mut data = vec![[0.0; 4]; slices[0].data.len()];
        for (slice, &weight) in slices[taps.first..].iter().zip(&taps.weights) {
            data.iter_mut().zip(&slice.data).for_each(|(out, pixel)| resample::add(out, pixel, weight));
        }
        data.iter_mut().for_each(|pixel| *pixel = settled(*pixel, kind));
        Ok(Floats { width, height, channels, data })
    };
    all.par_iter().map(of).collect()
}

/// Normals of length 1; of all else nothing below 0, where sharp filters ring.
fn settled(pixel: [f32; 4], kind: TextureKind) -> [f32; 4] {
    if kind == TextureKind::Normal { unit(pixel) } else { pixel.map(|value| value.max(0.0)) }
}

/// The next level by the box.
fn half_by_box(source: &Floats, kind: TextureKind, cancel: &Cancel) -> Result<Floats> {
    let means = Means::new(source.width, source.height, kind);
    let data = means.rows(cancel, |rows, first, out| means.row(&source.data[first..], rows, out))?;
    Ok(means.floats(source.channels, data))
}

/// The means of the areas that the pixels of the next level cover.
struct Means {
    old: (u32, u32),
    new: (u32, u32),
    kind: TextureKind,
    columns: Vec<Taps>,
}

impl Means {
    fn new(width: u32, height: u32, kind: TextureKind) -> Self {
        let new = ((width / 2).max(1), (height / 2).max(1));
        let columns = (0..new.0).map(|x| taps(x, width, new.0)).collect();
        Self { old: (width, height), new, kind, columns }
    }

    /// All rows of the level, each from the shares of the larger image's rows and the place of their first pixel.
    fn rows(&self, cancel: &Cancel, row: impl Fn(Taps, usize, &mut [[f32; 4]]) + Sync) -> Result<Vec<[f32; 4]>> {
        let mut data = vec![[0.0f32; 4]; self.new.0 as usize * self.new.1 as usize];
        data.par_chunks_mut(self.new.0 as usize).enumerate().try_for_each(|(y, out)| {
            cancel.check()?;
            row(taps(y as u32, self.old.1, self.new.1), y * 2 * self.old.0 as usize, out);
            Ok::<_, slate_core::Error>(())
        })?;
        Ok(data)
    }

    /// A row of the level, from these rows of the larger image and their shares.
    fn row(&self, pixels: &[[f32; 4]], (shares, count): Taps, out: &mut [[f32; 4]]) {
        let columns = &self.columns[..];
        let width = self.old.0 as usize;
        // Known counts let the loops be unrolled; each side has as many pixels for all.
        match (count, columns[0].1) {
            (2, 2) => simd::run(MeanRow::<2, 2> { pixels, width, shares, columns, out }),
            (2, 3) => simd::run(MeanRow::<2, 3> { pixels, width, shares, columns, out }),
            (3, 2) => simd::run(MeanRow::<3, 2> { pixels, width, shares, columns, out }),
            (3, 3) => simd::run(MeanRow::<3, 3> { pixels, width, shares, columns, out }),
            (1, 1) => simd::run(MeanRow::<1, 1> { pixels, width, shares, columns, out }),
            (1, 2) => simd::run(MeanRow::<1, 2> { pixels, width, shares, columns, out }),
            (1, _) => simd::run(MeanRow::<1, 3> { pixels, width, shares, columns, out }),
            (2, _) => simd::run(MeanRow::<2, 1> { pixels, width, shares, columns, out }),
            _ => simd::run(MeanRow::<3, 1> { pixels, width, shares, columns, out }),
        }
        if self.kind == TextureKind::Normal {
            out.iter_mut().for_each(|pixel| *pixel = unit(*pixel));
        }
    }

    fn floats(&self, channels: u8, data: Vec<[f32; 4]>) -> Floats {
        Floats { width: self.new.0, height: self.new.1, channels, data }
    }
}

/// A row of means of `R` rows and `C` columns.
struct MeanRow<'a, const R: usize, const C: usize> {
    /// From the first row on.
    pixels: &'a [[f32; 4]],
    width: usize,
    shares: [f32; 3],
    columns: &'a [Taps],
    out: &'a mut [[f32; 4]],
}

impl<const R: usize, const C: usize> simd::Kernel for MeanRow<'_, R, C> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        for (x, (out, (columns, _))) in self.out.iter_mut().zip(self.columns).enumerate() {
            let mut sum = [0.0f32; 4];
            for row in 0..R {
                let pixels = &self.pixels[row * self.width + x * 2..][..C];
                for column in 0..C {
                    let share = self.shares[row] * columns[column];
                    for channel in 0..4 {
                        sum[channel] += pixels[column][channel] * share;
                    }
                }
            }
            *out = sum;
        }
    }
}

/// An odd side of 2m+1 pixels is cut in m equal parts: each covers two whole pixels and a bit, spread over three.
fn taps(at: u32, old: u32, new: u32) -> Taps {
    if old == 1 {
        ([1.0, 0.0, 0.0], 1)
    } else if old.is_multiple_of(2) {
        ([0.5, 0.5, 0.0], 2)
    } else {
        let (at, old, new) = (at as f32, old as f32, new as f32);
        ([(new - at) / old, new / old, (at + 1.0) / old], 3)
    }
}

fn unit([x, y, z, w]: [f32; 4]) -> [f32; 4] {
    let length = (x * x + y * y + z * z).sqrt();
    if length > 1e-6 { [x / length, y / length, z / length, w] } else { [0.0, 0.0, 1.0, w] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_of_bytes_are_the_means_of_any_pixels() {
        let kind = TextureKind::Color;
        for channels in [3u8, 4] {
            let samples =
                (0..64 * 32 * u32::from(channels)).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let pixels = Pixels { width: 64, height: 32, channels, data: Samples::U8(samples) };
            let quick = half_of_pixels(&pixels, kind, &Cancel::new()).unwrap();
            let by_means = half_by_box(&Floats::of(&pixels, kind), kind, &Cancel::new()).unwrap();
            assert!(quick.data == by_means.data, "{channels} channels");
        }
    }

    #[test]
    fn means_are_the_sums_of_their_shares() {
        for (width, height) in [(1, 1), (1, 2), (1, 5), (2, 1), (2, 3), (7, 1), (4, 4), (9, 6), (6, 9), (11, 13)] {
            let data: Vec<[f32; 4]> =
                (0..width * height).map(|at| [at as f32, 1.0, (at * at % 17) as f32, 0.5]).collect();
            let source = Floats { width, height, channels: 4, data };
            let half = half_by_box(&source, TextureKind::Mask, &Cancel::new()).unwrap();
            for (at, found) in half.data.iter().enumerate() {
                let (x, y) = (at as u32 % half.width, at as u32 / half.width);
                let ((across, columns), (down, rows)) = (taps(x, width, half.width), taps(y, height, half.height));
                let mut wanted = [0.0f32; 4];
                for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                    let pixel = source.data[(y as usize * 2 + row) * width as usize + x as usize * 2 + column];
                    (0..4).for_each(|c| wanted[c] += pixel[c] * (down[row] * across[column]));
                }
                assert_eq!(*found, wanted, "{width}x{height} at {x}, {y}");
            }
        }
    }

    #[test]
    fn the_shares_of_a_pixel_are_one() {
        for old in [1, 2, 3, 5, 6, 7, 101, 16_383] {
            let new = (old / 2).max(1);
            for at in 0..new {
                let (shares, count) = taps(at, old, new);
                let sum: f32 = shares[..count].iter().sum();
                assert!((sum - 1.0).abs() < 1e-6, "{at} of {old}: {sum}");
                assert!(at as usize * 2 + count <= old as usize);
            }
        }
    }
}
