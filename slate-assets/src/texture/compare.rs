//! How near a texture is to what it was made from, in numbers and as a picture.

use super::{
    TextureProcessor, levels,
    packed::to_rgba8,
    read::{self, Source},
};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use slate_core::{
    Cancel, Error, Result,
    asset::{AssetInput, AssetLimits, MemoryOutput, Progress, TextureKind, TextureOptions, Work},
};

/// A texture beside its source, at the size of its largest level: the first image of cubes and arrays.
pub struct Comparison {
    width: usize,
    height: usize,
    /// Red, green, blue and alpha of 8 bits.
    source: Vec<u8>,
    result: Vec<u8>,
}

/// How near two images are; a number of decibels is 99 where they are equal.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Nearness {
    /// Peak signal to noise ratio of red, green and blue, in decibels.
    pub psnr: f64,
    /// The same with each texel's error counted by its alpha: what is seen.
    pub psnr_by_alpha: f64,
    /// Peak signal to noise ratio of alpha, in decibels.
    pub psnr_of_alpha: f64,
    /// Structural similarity of the lightness, 1 where they are equal: the mean over windows of 8×8 texels, each 4 on.
    pub ssim: f64,
}

impl Comparison {
    /// Reads both; the source is brought to the result's size as `options` say. Light beyond 1.0 is cut off.
    ///
    /// # Errors
    /// Those of reading either; `Invalid` where the sizes differ nevertheless.
    pub fn of(
        source: &AssetInput,
        result: &AssetInput,
        options: &TextureOptions,
        limits: &AssetLimits,
    ) -> Result<Self> {
        let mut options = options.clone();
        options.generate_mipmaps = false;
        let (cancel, progress) = (Cancel::new(), Progress::ignored());
        let mut outputs = [MemoryOutput::new(0), MemoryOutput::new(0)];
        let [one, other] = &mut outputs;
        let of_source = Work { input: source, output: one, limits, cancel: &cancel, progress: &progress };
        let of_result = Work { input: result, output: other, limits, cancel: &cancel, progress: &progress };
        let first = |Source { images, .. }: Source| {
            images.into_iter().next().ok_or_else(|| Error::internal("a texture without an image"))
        };
        options = TextureProcessor.resolved(&of_source, &options)?;
        let source = levels(&of_source, first(read::read(&of_source, &options)?)?, &options)?;
        let source = source.into_iter().next().ok_or_else(|| Error::internal("no level"))?;
        // It is in slices already.
        let result = first(read::whole(&of_result, &options)?)?;
        if (source.width, source.height) != (result.width, result.height) {
            return Err(Error::invalid("the two textures aren't of one size"));
        }
        let (width, height) = (source.width as usize, source.height as usize);
        let (mut source, mut result) = (to_rgba8(&source), to_rgba8(&result));
        if options.kind == TextureKind::Mask {
            // What the format doesn't hold isn't compared.
            let channels = held_channels(&result);
            for pixels in [&mut source, &mut result] {
                pixels.chunks_exact_mut(4).for_each(|texel| texel[channels..3].fill(0));
            }
        }
        Ok(Self { width, height, source, result })
    }

    /// How near the texture is to its source.
    pub fn nearness(&self) -> Nearness {
        let (mut color, mut seen, mut weight, mut alpha) = (0.0, 0.0, 0.0, 0.0);
        for (a, b) in self.source.chunks_exact(4).zip(self.result.chunks_exact(4)) {
            let square = |at: usize| (f64::from(a[at]) - f64::from(b[at])).powi(2);
            let (rgb, share) = (square(0) + square(1) + square(2), f64::from(a[3]) / 255.0);
            color += rgb;
            seen += rgb * share;
            weight += share;
            alpha += square(3);
        }
        let texels = (self.width * self.height) as f64;
        Nearness {
            psnr: decibels(color, texels * 3.0),
            psnr_by_alpha: decibels(seen, weight * 3.0),
            psnr_of_alpha: decibels(alpha, texels),
            ssim: self.ssim(),
        }
    }

    fn ssim(&self) -> f64 {
        const C1: f64 = 6.5025;
        const C2: f64 = 58.5225;
        let light = |pixels: &[u8]| -> Vec<f64> {
            let of = |t: &[u8]| 0.2126 * f64::from(t[0]) + 0.7152 * f64::from(t[1]) + 0.0722 * f64::from(t[2]);
            pixels.chunks_exact(4).map(of).collect()
        };
        let (a, b) = (light(&self.source), light(&self.result));
        let (side_x, side_y) = (self.width.min(8), self.height.min(8));
        let (mut sum, mut windows) = (0.0, 0.0);
        for top in (0..=self.height - side_y).step_by(4) {
            for left in (0..=self.width - side_x).step_by(4) {
                let (mut sa, mut sb, mut saa, mut sbb, mut sab) = (0.0, 0.0, 0.0, 0.0, 0.0);
                for y in top..top + side_y {
                    for at in y * self.width + left..y * self.width + left + side_x {
                        sa += a[at];
                        sb += b[at];
                        saa += a[at] * a[at];
                        sbb += b[at] * b[at];
                        sab += a[at] * b[at];
                    }
                }
                let count = (side_x * side_y) as f64;
                let (ma, mb) = (sa / count, sb / count);
                let (va, vb, vab) = (saa / count - ma * ma, sbb / count - mb * mb, sab / count - ma * mb);
                sum += (2.0 * ma * mb + C1) * (2.0 * vab + C2) / ((ma * ma + mb * mb + C1) * (va + vb + C2));
                windows += 1.0;
            }
        }
        sum / windows
    }
}

fn decibels(squares: f64, count: f64) -> f64 {
    if squares <= 0.0 { 99.0 } else { (10.0 * (65_025.0 * count / squares).log10()).min(99.0) }
}

/// How many of red, green and blue hold anything; 3 where blue does.
fn held_channels(pixels: &[u8]) -> usize {
    let holds = |channel: usize| pixels.chunks_exact(4).any(|texel| texel[channel] > 0);
    (0..3).rev().find(|&channel| holds(channel)).map_or(1, |channel| channel + 1)
}

/// A contact sheet: a row for each texture, of its source, the result and eight times their difference.
#[derive(Default)]
pub struct Sheet {
    rows: Vec<[Vec<u8>; 3]>,
}

/// The side of a picture on the sheet.
const SIDE: usize = 256;
const GAP: usize = 8;

impl Sheet {
    /// The most rows of a sheet.
    pub const MOST_ROWS: usize = 64;

    /// Adds a row; those beyond [`MOST_ROWS`](Self::MOST_ROWS) are left out.
    pub fn add(&mut self, comparison: &Comparison) {
        if self.rows.len() >= Self::MOST_ROWS {
            return;
        }
        let mut error = vec![0; comparison.source.len()];
        let pairs = comparison.source.chunks_exact(4).zip(comparison.result.chunks_exact(4));
        for (out, (a, b)) in error.chunks_exact_mut(4).zip(pairs) {
            (0..3).for_each(|at| out[at] = a[at].abs_diff(b[at]).saturating_mul(8));
            // A difference of alpha is shown as white.
            let alpha = a[3].abs_diff(b[3]).saturating_mul(8);
            (0..3).for_each(|at| out[at] = out[at].saturating_add(alpha));
            out[3] = 255;
        }
        let size = (comparison.width, comparison.height);
        self.rows.push([&comparison.source, &comparison.result, &error].map(|pixels| thumbnail(pixels, size)));
    }

    /// The sheet as a PNG.
    ///
    /// # Errors
    /// `Invalid` without a row.
    pub fn png(&self) -> Result<Vec<u8>> {
        if self.rows.is_empty() {
            return Err(Error::invalid("a contact sheet has at least one texture"));
        }
        let (width, height) = (3 * (SIDE + GAP) + GAP, self.rows.len() * (SIDE + GAP) + GAP);
        let mut sheet = vec![32u8; width * height * 3];
        for (row, pictures) in self.rows.iter().enumerate() {
            for (column, picture) in pictures.iter().enumerate() {
                let (left, top) = (GAP + column * (SIDE + GAP), GAP + row * (SIDE + GAP));
                for (y, line) in picture.chunks_exact(SIDE * 3).enumerate() {
                    sheet[((top + y) * width + left) * 3..][..SIDE * 3].copy_from_slice(line);
                }
            }
        }
        let mut out = Vec::new();
        PngEncoder::new(&mut out)
            .write_image(&sheet, width as u32, height as u32, ExtendedColorType::Rgb8)
            .map_err(|error| Error::internal("can't write the contact sheet").because(error))?;
        Ok(out)
    }
}

/// Fits a picture in a square, over a chequered ground; small ones are shown in whole steps.
fn thumbnail(pixels: &[u8], (width, height): (usize, usize)) -> Vec<u8> {
    let longest = width.max(height);
    let (across, down) = (width * SIDE / longest, height * SIDE / longest);
    let mut out = vec![32u8; SIDE * SIDE * 3];
    for y in 0..down.max(1) {
        for x in 0..across.max(1) {
            let (left, right) = (x * width / across.max(1), ((x + 1) * width).div_ceil(across.max(1)));
            let (top, bottom) = (y * height / down.max(1), ((y + 1) * height).div_ceil(down.max(1)));
            let ground = if (x / 8 + y / 8) % 2 == 0 { 96 } else { 144 };
            let (mut sums, mut count) = ([0u32; 3], 0);
            for row in top..bottom.clamp(top + 1, height) {
                for column in left..right.clamp(left + 1, width) {
                    let texel = &pixels[(row * width + column) * 4..][..4];
                    let alpha = u32::from(texel[3]);
                    for at in 0..3 {
                        sums[at] += (u32::from(texel[at]) * alpha + ground * (255 - alpha)) / 255;
                    }
                    count += 1;
                }
            }
            (0..3).for_each(|at| out[(y * SIDE + x) * 3 + at] = (sums[at] / count) as u8);
        }
    }
    out
}
