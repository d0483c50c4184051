use super::transfer::{LINEAR_8, LINEAR_16, rounding_8, to_srgb_16};
use rayon::prelude::*;
use slate_core::asset::TextureKind;

/// Added to alpha where it weighs a colour, so that the colour of wholly transparent pixels is kept, not black.
pub(super) const LEAST_WEIGHT: f32 = 1.0 / 65_536.0;

/// An image as it was read or will be written: rows from the top, interleaved channels.
pub(super) struct Pixels {
    pub(super) width: u32,
    pub(super) height: u32,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    pub(super) channels: u8,
    pub(super) data: Samples,
}

/// The samples of an image: 8 and 16 bits are in the source's transfer function, floats linear.
pub(super) enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
}

impl Pixels {
    pub(super) fn area(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    pub(super) fn bits(&self) -> u8 {
        match self.data {
            Samples::U8(_) => 8,
            Samples::U16(_) => 16,
            Samples::F32(_) => 32,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.area() * u64::from(self.channels) * u64::from(self.bits() / 8)
    }

    pub(super) fn has_alpha(&self) -> bool {
        matches!(self.channels, 2 | 4)
    }

    /// Whether a pixel is less than opaque.
    pub(super) fn is_translucent(&self) -> bool {
        let channels = usize::from(self.channels);
        self.has_alpha()
            && match &self.data {
                Samples::U8(samples) => samples.iter().skip(channels - 1).step_by(channels).any(|&a| a < u8::MAX),
                Samples::U16(samples) => samples.iter().skip(channels - 1).step_by(channels).any(|&a| a < u16::MAX),
                Samples::F32(samples) => samples.iter().skip(channels - 1).step_by(channels).any(|&a| a < 1.0),
            }
    }

    /// As many pixels as there is room for, from this one on, ready to be filtered: see [`Floats`].
    pub(super) fn working(&self, first: usize, kind: TextureKind, out: &mut [[f32; 4]]) {
        // With known channels this takes an eighth of the time.
        match self.channels {
            1 => self.working_of::<1>(first, kind, out),
            2 => self.working_of::<2>(first, kind, out),
            3 => self.working_of::<3>(first, kind, out),
            _ => self.working_of::<4>(first, kind, out),
        }
    }

    fn working_of<const C: usize>(&self, first: usize, kind: TextureKind, out: &mut [[f32; 4]]) {
        let srgb = matches!(kind, TextureKind::Color | TextureKind::Hdr);
        let (plain_8, plain_16) = (|sample: u8| f32::from(sample) / 255.0, |sample: u16| f32::from(sample) / 65_535.0);
        match &self.data {
            Samples::U8(samples) if srgb => {
                let light: &[f32; 256] = &LINEAR_8;
                ready::<C, _>(&samples[first * C..], kind, out, |sample| light[usize::from(sample)], plain_8);
            }
            Samples::U8(samples) => ready::<C, _>(&samples[first * C..], kind, out, plain_8, plain_8),
            Samples::U16(samples) if srgb => {
                let light: &[f32] = &LINEAR_16[..];
                ready::<C, _>(&samples[first * C..], kind, out, |sample| light[usize::from(sample)], plain_16);
            }
            Samples::U16(samples) => ready::<C, _>(&samples[first * C..], kind, out, plain_16, plain_16),
            Samples::F32(samples) => ready::<C, _>(&samples[first * C..], kind, out, |sample| sample, |sample| sample),
        }
    }
}

/// Pixels of `C` channels, whose samples stand for what `color` and, of the last of two or four, `alpha` tell.
#[inline(always)]
fn ready<const C: usize, T: Copy>(
    samples: &[T],
    kind: TextureKind,
    out: &mut [[f32; 4]],
    color: impl Fn(T) -> f32,
    alpha: impl Fn(T) -> f32,
) {
    for (out, pixel) in out.iter_mut().zip(samples.as_chunks::<C>().0) {
        let a = if C == 2 || C == 4 { alpha(pixel[C - 1]) } else { 1.0 };
        let r = color(pixel[0]);
        let [g, b] = if C > 2 { [color(pixel[1]), color(pixel[C.min(3) - 1])] } else { [r, r] };
        *out = match kind {
            TextureKind::Normal => [r * 2.0 - 1.0, g * 2.0 - 1.0, b * 2.0 - 1.0, a],
            TextureKind::Mask => [r, g, b, a],
            _ => {
                let weight = a + LEAST_WEIGHT;
                [r * weight, g * weight, b * weight, weight]
            }
        };
    }
}

/// An image while it is filtered: four floats a pixel, in which filters may be plain weighted sums.
///
/// Colours and HDR are linear light times alpha, normals are -1..=1, masks are as they are.
pub(super) struct Floats {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) channels: u8,
    pub(super) data: Vec<[f32; 4]>,
}

impl Floats {
    pub(super) fn of(pixels: &Pixels, kind: TextureKind) -> Self {
        let width = pixels.width as usize;
        let mut data = vec![[0.0; 4]; width * pixels.height as usize];
        data.par_chunks_mut(width).enumerate().for_each(|(y, row)| pixels.working(y * width, kind, row));
        Self { width: pixels.width, height: pixels.height, channels: pixels.channels, data }
    }

    pub(super) fn to_pixels(&self, kind: TextureKind, bits: u8) -> Pixels {
        let channels = usize::from(self.channels);
        let finished = |pixel: &[f32; 4]| finish(*pixel, kind);
        // Which of a pixel's four values go out, by the number of channels.
        let order: &'static [usize] = [&[0][..], &[0, 3], &[0, 1, 2], &[0, 1, 2, 3]][channels.clamp(1, 4) - 1];
        let srgb = matches!(kind, TextureKind::Color | TextureKind::Hdr);
        let data = match bits {
            8 => {
                let round = |value: f32| (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
                let to_srgb = rounding_8();
                let code = |value: f32, at: usize| if srgb && at < 3 { to_srgb.code(value) } else { round(value) };
                Samples::U8(self.each(finished, order, code))
            }
            16 => {
                let round = |value: f32| (f64::from(value.clamp(0.0, 1.0)) * 65_535.0 + 0.5) as u16;
                let code = |value: f32, at: usize| if srgb && at < 3 { to_srgb_16(value) } else { round(value) };
                Samples::U16(self.each(finished, order, code))
            }
            _ => Samples::F32(self.each(finished, order, |value, _| value)),
        };
        Pixels { width: self.width, height: self.height, channels: self.channels, data }
    }

    fn each<T: Copy + Default + Send + Sync>(
        &self,
        finish: impl Fn(&[f32; 4]) -> [f32; 4] + Sync,
        order: &[usize],
        code: impl Fn(f32, usize) -> T + Sync,
    ) -> Vec<T> {
        let mut out = vec![T::default(); self.data.len() * order.len()];
        let fill = |out: &mut [T], pixel: &[f32; 4], order: &[usize]| {
            let values = finish(pixel);
            out.iter_mut().zip(order).for_each(|(out, &at)| *out = code(values[at], at));
        };
        out.par_chunks_mut(order.len() * 4096).zip(self.data.par_chunks(4096)).for_each(|(out, pixels)| match order {
            // With known channels the inner loop is unrolled.
            [0, 1, 2] => out.chunks_exact_mut(3).zip(pixels).for_each(|(out, pixel)| fill(out, pixel, &[0, 1, 2])),
            [0, 1, 2, 3] => {
                out.chunks_exact_mut(4).zip(pixels).for_each(|(out, pixel)| fill(out, pixel, &[0, 1, 2, 3]));
            }
            _ => out.chunks_exact_mut(order.len()).zip(pixels).for_each(|(out, pixel)| fill(out, pixel, order)),
        });
        out
    }
}

/// From what filters work on to plain red, green, blue and alpha.
fn finish([x, y, z, w]: [f32; 4], kind: TextureKind) -> [f32; 4] {
    match kind {
        TextureKind::Normal => {
            let length = (x * x + y * y + z * z).sqrt();
            // Opposite normals cancel out: straight up is as good as any.
            let [x, y, z] = if length > 1e-6 { [x / length, y / length, z / length] } else { [0.0, 0.0, 1.0] };
            [x * 0.5 + 0.5, y * 0.5 + 0.5, z * 0.5 + 0.5, w]
        }
        TextureKind::Mask => [x, y, z, w],
        _ => {
            let weight = w.max(LEAST_WEIGHT);
            [x / weight, y / weight, z / weight, (w - LEAST_WEIGHT).max(0.0)]
        }
    }
}
