//! Alpha: multiplied into colours and out of them, and kept in cut-outs.

use super::{
    pixels::{Pixels, Samples},
    transfer::{LINEAR_8, LINEAR_16, to_srgb_8, to_srgb_16},
};
use slate_core::asset::TextureKind;

/// Multiplies the colours by alpha: colours in linear light, masks as they are.
pub(super) fn multiply(pixels: &mut Pixels, kind: TextureKind) {
    each_color(pixels, kind, |value, alpha| value * alpha);
}

/// Divides the colours by alpha; what is wholly transparent stays as it is.
pub(super) fn divide(pixels: &mut Pixels, kind: TextureKind) {
    each_color(pixels, kind, |value, alpha| if alpha > 0.0 { (value / alpha).min(1.0) } else { value });
}

fn each_color(pixels: &mut Pixels, kind: TextureKind, change: impl Fn(f32, f32) -> f32) {
    if !pixels.has_alpha() {
        return;
    }
    let (channels, srgb) = (usize::from(pixels.channels), kind == TextureKind::Color);
    let last = channels - 1;
    match &mut pixels.data {
        Samples::U8(samples) => {
            for pixel in samples.chunks_exact_mut(channels).filter(|pixel| pixel[last] < u8::MAX) {
                let alpha = f32::from(pixel[last]) / 255.0;
                for value in &mut pixel[..last] {
                    *value = if srgb {
                        to_srgb_8(change(LINEAR_8[usize::from(*value)], alpha))
                    } else {
                        (change(f32::from(*value) / 255.0, alpha) * 255.0 + 0.5) as u8
                    };
                }
            }
        }
        Samples::U16(samples) => {
            for pixel in samples.chunks_exact_mut(channels).filter(|pixel| pixel[last] < u16::MAX) {
                let alpha = f32::from(pixel[last]) / 65_535.0;
                for value in &mut pixel[..last] {
                    *value = if srgb {
                        to_srgb_16(change(LINEAR_16[usize::from(*value)], alpha))
                    } else {
                        (f64::from(change(f32::from(*value) / 65_535.0, alpha)) * 65_535.0 + 0.5) as u16
                    };
                }
            }
        }
        Samples::F32(samples) => {
            for pixel in samples.chunks_exact_mut(channels) {
                let alpha = pixel[last];
                pixel[..last].iter_mut().for_each(|value| *value = change(*value, alpha));
            }
        }
    }
}

/// The share of texels whose alpha is at least the cutoff; `None` without alpha.
pub(super) fn coverage(pixels: &Pixels, cutoff: f32) -> Option<f64> {
    let alphas = alphas(pixels)?;
    let count = alphas.iter().filter(|&&alpha| alpha >= cutoff).count();
    Some(count as f64 / alphas.len() as f64)
}

/// Scales alpha so that the share of texels at or above the cutoff is `wanted` again, as near as whole texels allow.
pub(super) fn keep_coverage(pixels: &mut Pixels, wanted: f64, cutoff: f32) {
    let Some(mut alphas) = alphas(pixels) else { return };
    let count = (wanted * alphas.len() as f64 + 0.5) as usize;
    if count == 0 {
        return;
    }
    alphas.sort_by(|a, b| b.total_cmp(a));
    // The last of the texels that are to be there.
    let least = alphas[count.min(alphas.len()) - 1];
    if least > 0.0 {
        // A little more than enough, for rounding.
        scale(pixels, cutoff / least * 1.000_01);
    }
}

fn alphas(pixels: &Pixels) -> Option<Vec<f32>> {
    if !pixels.has_alpha() {
        return None;
    }
    let channels = usize::from(pixels.channels);
    Some(match &pixels.data {
        Samples::U8(samples) => {
            samples.iter().skip(channels - 1).step_by(channels).map(|&alpha| f32::from(alpha) / 255.0).collect()
        }
        Samples::U16(samples) => {
            samples.iter().skip(channels - 1).step_by(channels).map(|&alpha| f32::from(alpha) / 65_535.0).collect()
        }
        Samples::F32(samples) => samples.iter().skip(channels - 1).step_by(channels).copied().collect(),
    })
}

fn scale(pixels: &mut Pixels, factor: f32) {
    let channels = usize::from(pixels.channels);
    match &mut pixels.data {
        Samples::U8(samples) => {
            let scaled = |alpha: u8| (f32::from(alpha) * factor).min(255.0).ceil() as u8;
            samples.iter_mut().skip(channels - 1).step_by(channels).for_each(|alpha| *alpha = scaled(*alpha));
        }
        Samples::U16(samples) => {
            let scaled = |alpha: u16| (f32::from(alpha) * factor).min(65_535.0).ceil() as u16;
            samples.iter_mut().skip(channels - 1).step_by(channels).for_each(|alpha| *alpha = scaled(*alpha));
        }
        Samples::F32(samples) => {
            let alphas = samples.iter_mut().skip(channels - 1).step_by(channels);
            alphas.for_each(|alpha| *alpha = (*alpha * factor).min(1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Pixels {
        let data = (0..64u8).flat_map(|at| [200, 90, 30, at * 4]).collect();
        Pixels { width: 8, height: 8, channels: 4, data: Samples::U8(data) }
    }

    #[test]
    fn coverage_is_kept_to_a_texel() {
        for wanted in [0.1, 0.5, 0.9] {
            let mut pixels = picture();
            keep_coverage(&mut pixels, wanted, 0.5);
            let found = coverage(&pixels, 0.5).unwrap();
            assert!((found - wanted).abs() <= 1.0 / 64.0, "{found} for {wanted}");
        }
    }

    #[test]
    fn what_is_multiplied_comes_back_where_there_is_alpha_enough() {
        let mut pixels = picture();
        multiply(&mut pixels, TextureKind::Color);
        let Samples::U8(multiplied) = &pixels.data else { unreachable!() };
        assert_eq!(multiplied[32 * 4], 147, "128 in 255 of the light of 200");
        divide(&mut pixels, TextureKind::Color);
        let Samples::U8(found) = &pixels.data else { unreachable!() };
        for texel in found.chunks_exact(4).skip(32) {
            assert!(texel[0].abs_diff(200) <= 2 && texel[1].abs_diff(90) <= 2, "{texel:?}");
        }
    }
}
