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

    /// One pixel ready to be filtered: see [`Floats`].
    pub(super) fn working(&self, at: usize, kind: TextureKind) -> [f32; 4] {
        let start = at * usize::from(self.channels);
        let range = start..start + usize::from(self.channels);
        let srgb = matches!(kind, TextureKind::Color | TextureKind::Hdr);
        let mut raw = [0.0; 4];
        match &self.data {
            Samples::U8(samples) => {
                let alpha = self.has_alpha().then_some(usize::from(self.channels) - 1);
                for (channel, &sample) in samples[range].iter().enumerate() {
                    let linear = srgb && alpha != Some(channel);
                    raw[channel] = if linear { LINEAR_8[usize::from(sample)] } else { f32::from(sample) / 255.0 };
                }
            }
            Samples::U16(samples) => {
                let alpha = self.has_alpha().then_some(usize::from(self.channels) - 1);
                for (channel, &sample) in samples[range].iter().enumerate() {
                    let linear = srgb && alpha != Some(channel);
                    raw[channel] = if linear { LINEAR_16[usize::from(sample)] } else { f32::from(sample) / 65_535.0 };
                }
            }
            Samples::F32(samples) => raw[..usize::from(self.channels)].copy_from_slice(&samples[range]),
        }
        let [r, g, b, a] = match self.channels {
            1 => [raw[0], raw[0], raw[0], 1.0],
            2 => [raw[0], raw[0], raw[0], raw[1]],
            3 => [raw[0], raw[1], raw[2], 1.0],
            _ => raw,
        };
        match kind {
            TextureKind::Normal => [r * 2.0 - 1.0, g * 2.0 - 1.0, b * 2.0 - 1.0, a],
            TextureKind::Mask => [r, g, b, a],
            _ => {
                let weight = a + LEAST_WEIGHT;
                [r * weight, g * weight, b * weight, weight]
            }
        }
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
        let count = pixels.width as usize * pixels.height as usize;
        let data = (0..count).into_par_iter().map(|at| pixels.working(at, kind)).collect();
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
                let code =
                    |value: f32, at: usize| if srgb && at < 3 { to_srgb.code(value) as u8 } else { round(value) };
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
