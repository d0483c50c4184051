//! The levels of a chain: each of half the size, made from the unrounded values of the one before.

pub(super) mod light;

use super::{
    pixels::{Floats, LEAST_WEIGHT, Pixels, Samples},
    resample::{self, Kernel, resample},
    transfer::LINEAR_8,
};
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
        return filter(width, height, source.channels, kind, cancel, |at| source.data[at]);
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
    let (width, height, light): (_, _, &[f32; 256]) = (source.width, source.height, &LINEAR_8);
    match (&source.data, kind, source.channels) {
        // With known channels this takes an eighth of the time.
        (Samples::U8(samples), TextureKind::Color, 3) => {
            filter(width, height, 3, kind, cancel, |at| working_color::<3>(samples, light, at))
        }
        (Samples::U8(samples), TextureKind::Color, 4) => {
            filter(width, height, 4, kind, cancel, |at| working_color::<4>(samples, light, at))
        }
        _ => filter(width, height, source.channels, kind, cancel, |at| source.working(at, kind)),
    }
}

/// [`Pixels::working`] of a colour of 8 bits.
#[inline(always)]
fn working_color<const C: usize>(samples: &[u8], light: &[f32; 256], at: usize) -> [f32; 4] {
    let pixel = &samples.as_chunks::<C>().0[at];
    let weight = if C == 4 { f32::from(pixel[C - 1]) / 255.0 + LEAST_WEIGHT } else { 1.0 + LEAST_WEIGHT };
    let [r, g, b] = [0, 1, 2].map(|channel: usize| light[usize::from(pixel[channel])] * weight);
    [r, g, b, weight]
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

fn filter(
    width: u32,
    height: u32,
    channels: u8,
    kind: TextureKind,
    cancel: &Cancel,
    pixel: impl Fn(usize) -> [f32; 4] + Sync,
) -> Result<Floats> {
    let (new_width, new_height) = ((width / 2).max(1), (height / 2).max(1));
    let all_columns: Vec<Taps> = (0..new_width).map(|x| taps(x, width, new_width)).collect();
    let mut data = vec![[0.0f32; 4]; new_width as usize * new_height as usize];
    data.par_chunks_mut(new_width as usize).enumerate().try_for_each(|(y, row)| {
        cancel.check()?;
        let (rows, row_count) = taps(y as u32, height, new_height);
        for (x, out) in row.iter_mut().enumerate() {
            let (columns, column_count) = all_columns[x];
            let mut sum = [0.0f32; 4];
            for (dy, row_share) in rows.iter().enumerate().take(row_count) {
                for (dx, column_share) in columns.iter().enumerate().take(column_count) {
                    let source = pixel((y * 2 + dy) * width as usize + x * 2 + dx);
                    let share = row_share * column_share;
                    for (sum, value) in sum.iter_mut().zip(source) {
                        *sum += value * share;
                    }
                }
            }
            *out = if kind == TextureKind::Normal { unit(sum) } else { sum };
        }
        Ok::<_, slate_core::Error>(())
    })?;
    Ok(Floats { width: new_width, height: new_height, channels, data })
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
    fn colors_of_bytes_are_what_any_pixel_is() {
        let samples: Vec<u8> = (0..=255u8).flat_map(|value| [value, 255 - value, value / 3, value]).collect();
        for channels in [3u8, 4] {
            let count = samples.len() / usize::from(channels);
            let data = Samples::U8(samples[..count * usize::from(channels)].to_vec());
            let pixels = Pixels { width: count as u32, height: 1, channels, data };
            for at in 0..count {
                let found = if channels == 3 {
                    working_color::<3>(&samples, &LINEAR_8, at)
                } else {
                    working_color::<4>(&samples, &LINEAR_8, at)
                };
                assert_eq!(found, pixels.working(at, TextureKind::Color), "{channels} channels, {at}");
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
