use super::{math::sin, pixels::Floats};
use rayon::prelude::*;
use slate_core::{Cancel, Result};
use std::f64::consts::PI;

/// The pixels that one output pixel is made of along one side: the first one, and the weight of each.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// Resamples by a Lanczos filter of three lobes, widened where the image gets smaller; edges are clamped.
pub(super) fn lanczos3(source: &Floats, width: u32, height: u32, cancel: &Cancel) -> Result<Floats> {
    let (old_width, channels) = (source.width as usize, source.channels);
    let columns = taps(source.width, width);
    let mut wide = vec![[0.0f32; 4]; width as usize * source.height as usize];
    wide.par_chunks_mut(width as usize).zip(source.data.par_chunks(old_width)).try_for_each(|(out, row)| {
        cancel.check()?;
        for (out, taps) in out.iter_mut().zip(&columns) {
            for (pixel, &weight) in row[taps.first..].iter().zip(&taps.weights) {
                add(out, pixel, weight);
            }
        }
        Ok::<_, slate_core::Error>(())
    })?;
    let rows = taps(source.height, height);
    let mut data = vec![[0.0f32; 4]; width as usize * height as usize];
    data.par_chunks_mut(width as usize).zip(&rows).try_for_each(|(out, taps)| {
        cancel.check()?;
        let from = wide[taps.first * width as usize..].chunks_exact(width as usize);
        for (row, &weight) in from.zip(&taps.weights) {
            out.iter_mut().zip(row).for_each(|(out, pixel)| add(out, pixel, weight));
        }
        Ok::<_, slate_core::Error>(())
    })?;
    Ok(Floats { width, height, channels, data })
}

fn add(sum: &mut [f32; 4], pixel: &[f32; 4], weight: f32) {
    for (sum, value) in sum.iter_mut().zip(pixel) {
        *sum += value * weight;
    }
}

fn taps(old: u32, new: u32) -> Vec<Taps> {
    let ratio = f64::from(old) / f64::from(new);
    let scale = ratio.max(1.0);
    let last = i64::from(old) - 1;
    (0..new)
        .map(|at| {
            let center = (f64::from(at) + 0.5) * ratio - 0.5;
            let (from, to) = ((center - 3.0 * scale).ceil() as i64, (center + 3.0 * scale).floor() as i64);
            let (first, end) = (from.clamp(0, last), to.clamp(0, last));
            let mut weights = vec![0.0f64; (end - first + 1) as usize];
            for tap in from..=to {
                weights[(tap.clamp(0, last) - first) as usize] += lanczos((tap as f64 - center) / scale);
            }
            let sum: f64 = weights.iter().sum();
            Taps { first: first as usize, weights: weights.iter().map(|weight| (weight / sum) as f32).collect() }
        })
        .collect()
}

fn lanczos(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    if x.abs() >= 3.0 {
        return 0.0;
    }
    3.0 * sin(PI * x) * sin(PI * x / 3.0) / (PI * PI * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_image_stays_flat_at_any_size() {
        let source = Floats { width: 7, height: 5, channels: 4, data: vec![[0.25, 0.5, 0.75, 1.0]; 35] };
        for (width, height) in [(1, 1), (3, 9), (20, 2), (7, 5)] {
            let out = lanczos3(&source, width, height, &Cancel::new()).unwrap();
            assert_eq!(out.data.len(), (width * height) as usize);
            for pixel in &out.data {
                for (value, expected) in pixel.iter().zip([0.25, 0.5, 0.75, 1.0]) {
                    assert!((value - expected).abs() < 1e-5, "{width}x{height}: {pixel:?}");
                }
            }
        }
    }

    #[test]
    fn a_ramp_stays_a_ramp() {
        let data = (0..64).map(|x| [x as f32; 4]).collect();
        let out = lanczos3(&Floats { width: 64, height: 1, channels: 1, data }, 32, 1, &Cancel::new()).unwrap();
        for (at, pixel) in out.data.iter().enumerate().skip(4).take(24) {
            assert!((pixel[0] - (at as f32 * 2.0 + 0.5)).abs() < 0.02, "{at}: {}", pixel[0]);
        }
    }
}
