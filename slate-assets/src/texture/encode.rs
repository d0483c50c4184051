use super::{
    Place,
    block::Effort,
    dds,
    format::{Shape, Stored},
    ktx2, packed,
    pixels::{Pixels, Samples},
    webp,
};
use image::{
    ExtendedColorType, ImageEncoder, ImageError,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType, PngEncoder},
    },
};
use slate_core::{
    Error, Result,
    asset::{AlphaMode, AssetLimits, Report, Supercompression, TextureFormat, TextureKind, TextureOptions, Work},
};
use std::{
    io::Write,
    sync::{Mutex, PoisonError},
};

/// Writes images with their levels in the container asked for; only KTX2 and DDS get more than one of either.
pub(super) fn write(
    work: &mut Work<'_>,
    name: &str,
    (images, shape): (&[Vec<Pixels>], Shape),
    (options, place): (&TextureOptions, Place),
    report: &mut Report,
) -> Result<()> {
    let base =
        images.first().and_then(|image| image.first()).ok_or_else(|| Error::internal("a texture without a level"))?;
    let stored = match options.format {
        TextureFormat::Ktx2 | TextureFormat::Dds => Some(stored(work, (images, shape), (options, place), report)?),
        format if images.len() > 1 => {
            return Err(Error::unsupported(format!(
                "{format} holds one image; choose ktx2 or dds for cubes, arrays and volumes"
            )));
        }
        _ => None,
    };
    work.progress.report(0.95);
    let mut out = Stopping { inner: work.output.create(name)?, cancel: work.cancel.clone() };
    match (options.format, &stored) {
        (TextureFormat::Png, _) => png(&mut out, base, options.quality),
        (TextureFormat::Jpeg, _) => {
            report.insert("alphaDropped".into(), base.has_alpha().into());
            jpeg(&mut out, base, options.quality)
        }
        (TextureFormat::Webp, _) => webp::encoded(base, options).and_then(|file| {
            report.insert("lossless".into(), (file.is_lossless && base.bits() == 8).into());
            if let Some(reason) = file.refused {
                report.insert("lossyRefused".into(), reason.to_string().into());
            }
            out.write_all(&file.bytes).map_err(|error| Error::io("write the output", error))
        }),
        (TextureFormat::Ktx2, Some(stored)) => {
            let zstd = options.supercompression == Supercompression::Zstd;
            ktx2::write(&mut out, stored, zstd.then(|| zstd_level(options.quality)))
        }
        (TextureFormat::Dds, Some(stored)) => dds::write(&mut out, stored),
        (other, _) => return Err(Error::unsupported(format!("{other} is not written; choose ktx2"))),
    }
    .and_then(|()| out.flush().map_err(|error| Error::io("write the output", error)))
    // A canceled writer fails as a disk does; who asked wants to know the reason.
    .map_err(|error| work.cancel.check().err().unwrap_or(error))
}

/// Zstandard's own levels.
fn zstd_level(quality: u8) -> i32 {
    match quality {
        0..50 => 1,
        50..80 => 3,
        80..95 => 9,
        _ => 19,
    }
}

/// Encodes all levels of all images, rows of blocks side by side.
fn stored(
    work: &Work<'_>,
    (images, shape): (&[Vec<Pixels>], Shape),
    (options, place): (&TextureOptions, Place),
    report: &mut Report,
) -> Result<Stored> {
    let base = &images[0][0];
    let has_alpha = images.iter().any(|image| image[0].is_translucent());
    let format = packed::format(base, options, has_alpha, place)?;
    report.insert("vkFormat".into(), format.vk().into());
    if options.kind == TextureKind::Hdr {
        report.insert("clampedValues".into(), images.iter().flatten().map(packed::clamped).sum::<u64>().into());
    }
    let size = |level: &Pixels| format.bytes(level.width, level.height);
    AssetLimits::check(
        "the outputs' size in bytes",
        images.iter().flatten().map(size).sum(),
        work.limits.output_bytes,
    )?;
    // Rows of blocks, gone through twice where bytes are saved.
    let rounds = if options.rate_distortion > 0.0 { 2 } else { 1 };
    let rows = |level: &Pixels| rounds * u64::from(level.height.div_ceil(format.block_size().1));
    let (all, done) = (images.iter().flatten().map(rows).sum::<u64>(), Mutex::new(0u64));
    let progress = work.progress.part(0.5, 0.95);
    let row = || {
        // Counted and told in one, so that what is told never falls.
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += 1;
        progress.report(*done as f32 / all as f32);
        work.cancel.check()
    };
    let effort = Effort::of_quality(options.quality);
    let mut levels = Vec::with_capacity(images[0].len());
    for level in 0..images[0].len() {
        let mut bytes = Vec::new();
        // Of a volume there are fewer slices from level to level.
        for image in images.iter().filter_map(|levels| levels.get(level)) {
            bytes.extend(packed::encode(image, format, (effort, options.rate_distortion), &row)?);
        }
        levels.push(bytes);
    }
    Ok(Stored {
        format,
        width: base.width,
        height: base.height,
        shape,
        premultiplied: options.alpha == AlphaMode::Premultiplied && has_alpha,
        levels,
    })
}

pub(super) fn png(out: &mut dyn Write, pixels: &Pixels, quality: u8) -> Result<()> {
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

pub(super) fn color_8(channels: u8) -> ExtendedColorType {
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

pub(super) fn error_of(error: ImageError) -> Error {
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
