use super::{
    ktx2,
    pixels::{Pixels, Samples},
};
use image::{
    ExtendedColorType, ImageEncoder, ImageError,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType, PngEncoder},
        webp::WebPEncoder,
    },
};
use slate_core::{
    Error, Result,
    asset::{Report, TextureFormat, TextureKind, TextureOptions, Work},
};
use std::io::Write;

/// Writes the levels in the container asked for; only KTX2 gets more than one.
pub(super) fn write(
    work: &mut Work<'_>,
    name: &str,
    levels: &[Pixels],
    options: &TextureOptions,
    report: &mut Report,
) -> Result<()> {
    let base = levels.first().ok_or_else(|| Error::internal("a texture without a level"))?;
    let mut out = Stopping { inner: work.output.create(name)?, cancel: work.cancel.clone() };
    match options.format {
        TextureFormat::Png => png(&mut out, base, options.quality),
        TextureFormat::Jpeg => {
            report.insert("alphaDropped".into(), base.has_alpha().into());
            jpeg(&mut out, base, options.quality)
        }
        TextureFormat::Webp => {
            report.insert("lossless".into(), (base.bits() == 8).into());
            webp(&mut out, base)
        }
        TextureFormat::Ktx2 => {
            let layout = ktx2::Layout::of(base, options.kind);
            report.insert("vkFormat".into(), layout.vk_format.into());
            if options.kind == TextureKind::Hdr {
                report.insert("clampedValues".into(), levels.iter().map(ktx2::clamped).sum::<u64>().into());
            }
            ktx2::write(&mut out, &layout, levels)
        }
        other => return Err(Error::unsupported(format!("{other} is not available yet; choose ktx2"))),
    }
    .and_then(|()| out.flush().map_err(|error| Error::io("write the output", error)))
    // A canceled writer fails as a disk does; who asked wants to know the reason.
    .map_err(|error| work.cancel.check().err().unwrap_or(error))
}

fn png(out: &mut dyn Write, pixels: &Pixels, quality: u8) -> Result<()> {
    let effort = match quality {
        0..50 => CompressionType::Fast,
        50..100 => CompressionType::Default,
        _ => CompressionType::Best,
    };
    let encoder = PngEncoder::new_with_quality(out, effort, FilterType::Adaptive);
    let (bytes, color) = match &pixels.data {
        Samples::U8(samples) => (samples.clone(), color_8(pixels.channels)),
        Samples::U16(samples) => (samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect(), color_16(pixels)),
        Samples::F32(_) => return Err(Error::internal("floats can't be written as png")),
    };
    encoder.write_image(&bytes, pixels.width, pixels.height, color).map_err(error_of)
}

fn jpeg(out: &mut dyn Write, pixels: &Pixels, quality: u8) -> Result<()> {
    if pixels.width > u32::from(u16::MAX) || pixels.height > u32::from(u16::MAX) {
        return Err(Error::unsupported("jpg holds 65535 pixels a side at most; choose ktx2 or png, or resize"));
    }
    let samples = samples_8(pixels)?;
    let channels = usize::from(pixels.channels);
    let (bytes, color) = match channels {
        1 => (samples, ExtendedColorType::L8),
        2 => (samples.iter().step_by(2).copied().collect(), ExtendedColorType::L8),
        3 => (samples, ExtendedColorType::Rgb8),
        _ => {
            let opaque = samples.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]);
            (opaque.collect(), ExtendedColorType::Rgb8)
        }
    };
    let encoder = JpegEncoder::new_with_quality(out, quality.max(1));
    encoder.write_image(&bytes, pixels.width, pixels.height, color).map_err(error_of)
}

fn webp(out: &mut dyn Write, pixels: &Pixels) -> Result<()> {
    if pixels.width > 16_384 || pixels.height > 16_384 {
        return Err(Error::unsupported("webp holds 16384 pixels a side at most; choose ktx2 or png, or resize"));
    }
    let bytes = samples_8(pixels)?;
    let encoder = WebPEncoder::new_lossless(out);
    encoder.write_image(&bytes, pixels.width, pixels.height, color_8(pixels.channels)).map_err(error_of)
}

/// The samples with 8 bits; 16-bit ones are rounded to the nearest.
pub(super) fn samples_8(pixels: &Pixels) -> Result<Vec<u8>> {
    match &pixels.data {
        Samples::U8(samples) => Ok(samples.clone()),
        Samples::U16(samples) => Ok(samples.iter().map(|&sample| to_8(sample)).collect()),
        Samples::F32(_) => Err(Error::internal("floats can't be written as bytes")),
    }
}

/// The 8-bit value nearest to a 16-bit one.
pub(super) fn to_8(sample: u16) -> u8 {
    ((u32::from(sample) * 255 + 32_767) / 65_535) as u8
}

fn color_8(channels: u8) -> ExtendedColorType {
    match channels {
        1 => ExtendedColorType::L8,
        2 => ExtendedColorType::La8,
        3 => ExtendedColorType::Rgb8,
        _ => ExtendedColorType::Rgba8,
    }
}

fn color_16(pixels: &Pixels) -> ExtendedColorType {
    match pixels.channels {
        1 => ExtendedColorType::L16,
        2 => ExtendedColorType::La16,
        3 => ExtendedColorType::Rgb16,
        _ => ExtendedColorType::Rgba16,
    }
}

fn error_of(error: ImageError) -> Error {
    match error {
        ImageError::IoError(error) => Error::io("write the output", error),
        error => Error::internal(format!("can't encode the image: {error}")).because(error),
    }
}

/// A writer that fails once the work is canceled: encoders ask nothing else.
struct Stopping {
    inner: Box<dyn slate_core::asset::WriteSeek>,
    cancel: slate_core::Cancel,
}

impl Write for Stopping {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.cancel.is_canceled() {
            return Err(std::io::Error::other("the work was canceled"));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
