//! Textures: from PNG, JPEG, WebP, TGA, BMP, GIF, QOI, PSD, TIFF, Radiance HDR, EXR, KTX2 and DDS to PNG, JPEG, WebP,
//! KTX2 and DDS, the last two with or without block compression ([`block`]).
//!
//! What a texture means ([`TextureKind`]) decides how it is filtered: colours in linear light and weighted by alpha,
//! normals as vectors, masks as plain numbers, HDR as linear floats. An image that is neither resized nor converted
//! keeps its exact values. All filters are scalar code in a fixed order, so that bytes don't depend on the machine.

mod alpha;
pub mod block;
mod compare;
mod dds;
mod encode;
mod format;
mod icc;
pub mod ktx2;
mod math;
mod mip;
mod pack;
mod packbits;
mod packed;
mod pixels;
mod psd;
mod read;
mod resample;
mod tiff;
mod transfer;
mod volume;
mod webp;

pub use compare::{Comparison, Nearness, Sheet};
pub use pack::{Channel, Packing, Plane};
use pixels::{Floats, Pixels};
use resample::{Kernel, resample};
use slate_core::{
    Cancel, Error, Result,
    asset::{
        AlphaMode, AssetKind, AssetLimits, Processor, ProcessorInfo, Report, Sizing, TextureFormat, TextureKind,
        TextureOptions, Work,
    },
};

/// Reads an image, filters it by its kind and writes it; its output is named after the input.
///
/// - Alpha is straight unless it is asked for otherwise. EXIF orientation is applied.
/// - Colours of another space are brought to sRGB by their profile; the report's `iccProfile` says `srgb`, `converted`,
///   or `ignored` and why: profiles that are damaged, or have tables in the place of primaries, leave the colours as
///   they are.
/// - `quality` is the loss of JPEG and the effort of PNG; WebP is always lossless here, whatever the quality.
/// - JPEG drops alpha, PNG, JPEG and WebP hold no HDR, WebP and the colours of KTX2 and DDS have 8 bits a channel.
/// - Of a KTX2 or DDS file the largest level is read, of all layers and faces; the others are made anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextureProcessor;

impl Processor for TextureProcessor {
    type Options = TextureOptions;

    const INFO: ProcessorInfo = ProcessorInfo {
        name: "texture",
        version: 6,
        kind: AssetKind::Texture,
        reads: &[
            "bmp", "dds", "exr", "gif", "hdr", "jpeg", "jpg", "ktx2", "png", "psd", "qoi", "tga", "tif", "tiff", "webp",
        ],
        writes: &["dds", "jpg", "ktx2", "png", "webp"],
    };

    fn check(&self, options: &TextureOptions) -> Result<()> {
        options.validate()?;
        if options.kind == TextureKind::Hdr && !matches!(options.format, TextureFormat::Ktx2 | TextureFormat::Dds) {
            return Err(Error::unsupported(format!("{} holds no hdr values; choose ktx2 or dds", options.format)));
        }
        Ok(())
    }

    fn process(&self, work: &mut Work<'_>, options: &TextureOptions) -> Result<Report> {
        self.made(work, options, Place::File)
    }
}

/// Where a texture will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a file of its own.
    File,
    /// In a glTF, whose textures in UASTC have the channels of colours, whatever they hold.
    #[cfg_attr(not(feature = "model"), allow(dead_code, reason = "models ask for it"))]
    Gltf,
}

impl TextureProcessor {
    pub(crate) fn made(self, work: &mut Work<'_>, options: &TextureOptions, place: Place) -> Result<Report> {
        self.check(options)?;
        work.cancel.check()?;
        let options = &self.resolved(work, options)?;
        let source = read::read(work, options)?;
        let base = &source.images[0];
        let mut report = Report::new();
        report.insert("sourceFormat".into(), source.format.into());
        report.insert("sourceWidth".into(), base.width.into());
        report.insert("sourceHeight".into(), base.height.into());
        report.insert("sourceBits".into(), base.bits().into());
        report.insert("channels".into(), base.channels.into());
        report.insert("kind".into(), options.kind.as_str().into());
        if let Some(outcome) = source.profile {
            report.insert("iccProfile".into(), outcome.told().into());
        }
        if source.shape.textures() > 1 {
            report.insert("layers".into(), source.shape.layers.into());
            report.insert("faces".into(), source.shape.faces.into());
        }
        work.progress.report(0.3);
        let shape = source.shape;
        let images = if shape.depth > 0 {
            report.insert("depth".into(), shape.depth.into());
            options.holds_volumes()?;
            volume::levels(work, source.images, options)?
        } else {
            let images = source.images.into_iter().map(|image| levels(work, image, options));
            images.collect::<Result<Vec<_>>>()?
        };
        work.progress.report(0.5);
        report.insert("width".into(), images[0][0].width.into());
        report.insert("height".into(), images[0][0].height.into());
        report.insert("levels".into(), images[0].len().into());
        let name = format!("{}.{}", work.stem(), options.format);
        encode::write(work, &name, (&images, shape), (options, place), &mut report)?;
        work.progress.report(1.0);
        Ok(report)
    }

    /// The options with the kind that the source says, where they leave it to the source.
    fn resolved(self, work: &Work<'_>, options: &TextureOptions) -> Result<TextureOptions> {
        let mut options = options.clone();
        if options.kind == TextureKind::Auto {
            options.kind = read::kind_of(work.input)?;
            self.check(&options)?;
        }
        Ok(options)
    }
}

/// The size to resample to.
fn wanted_size(source: &Pixels, options: &TextureOptions) -> (u32, u32) {
    let (width, height) = options.resize.map_or((source.width, source.height), |size| (size.width, size.height));
    let side = |side: u32| match options.sizing {
        Sizing::PowerOfTwo => {
            let above = side.checked_next_power_of_two().unwrap_or(1 << 31);
            // Of the powers below and above the nearer one.
            if above - side > side - above / 2 { above / 2 } else { above }
        }
        Sizing::MultipleOfFour => side.next_multiple_of(4),
        _ => side,
    };
    (side(width), side(height))
}

/// What is left to do with levels once they are rounded: alpha multiplied in, or the coverage of a cut-out kept.
fn finish(mut levels: Vec<Pixels>, options: &TextureOptions) -> Vec<Pixels> {
    match options.alpha {
        AlphaMode::Premultiplied => levels.iter_mut().for_each(|level| alpha::multiply(level, options.kind)),
        AlphaMode::Cutout => {
            if let Some(wanted) = alpha::coverage(&levels[0], options.alpha_cutoff) {
                let smaller = levels.iter_mut().skip(1);
                smaller.for_each(|level| alpha::keep_coverage(level, wanted, options.alpha_cutoff));
            }
        }
        _ => {}
    }
    levels
}

/// The image at the size that is wanted, and as floats where that isn't its own.
fn resized(work: &Work<'_>, source: Pixels, options: &TextureOptions) -> Result<(Pixels, Option<Floats>)> {
    let (width, height) = wanted_size(&source, options);
    if (width, height) == (source.width, source.height) {
        return Ok((source, None));
    }
    let bits = source.bits();
    let floats = at_size(work.limits, work.cancel, source, (width, height), options.kind)?;
    Ok((floats.to_pixels(options.kind, bits), Some(floats)))
}

/// The image resampled, by the kernel of Lanczos.
fn at_size(
    limits: &AssetLimits,
    cancel: &Cancel,
    source: Pixels,
    (width, height): (u32, u32),
    kind: TextureKind,
) -> Result<Floats> {
    let room =
        source.bytes() + 32 * source.area() + 32 * u64::from(width) * u64::from(height).max(source.height.into());
    AssetLimits::check("the memory to resize", room, limits.decoded_bytes)?;
    let floats = Floats::of(&source, kind);
    drop(source);
    resample(&floats, Kernel::Lanczos, width, height, cancel)
}

/// The level after one that has no floats.
fn halved(work: &Work<'_>, source: &Pixels, options: &TextureOptions) -> Result<Floats> {
    if mip::kernel(options.mip_filter).is_none() {
        return mip::half_of_pixels(source, options.kind, work.cancel);
    }
    AssetLimits::check("the memory to filter", source.bytes() + 32 * source.area(), work.limits.decoded_bytes)?;
    mip::half(&Floats::of(source, options.kind), options, work.cancel)
}

/// The levels to write, largest first; level 0 has the source's exact values unless it is resized.
fn levels(work: &Work<'_>, source: Pixels, options: &TextureOptions) -> Result<Vec<Pixels>> {
    let bits = source.bits();
    let (base, mut filtered) = resized(work, source, options)?;
    if !matches!(options.format, TextureFormat::Ktx2 | TextureFormat::Dds) || !options.generate_mipmaps {
        return Ok(finish(vec![base], options));
    }
    let mut levels = vec![base];
    let in_bytes = options.kind == TextureKind::Color && mip::kernel(options.mip_filter).is_none() && bits == 8;
    if filtered.is_none() && in_bytes {
        let mut next = mip::light::first(&levels[0], work.cancel)?;
        while let Some((pixels, level)) = next {
            levels.push(pixels);
            next = level.next(work.cancel)?;
            if next.is_none() {
                filtered = Some(level.to_floats());
            }
        }
    }
    loop {
        work.cancel.check()?;
        let last = &levels[levels.len() - 1];
        if last.width == 1 && last.height == 1 {
            return Ok(finish(levels, options));
        }
        // Each level comes from the unrounded values of the one before.
        let next = match &filtered {
            Some(floats) => mip::half(floats, options, work.cancel)?,
            None => halved(work, last, options)?,
        };
        levels.push(next.to_pixels(options.kind, bits));
        filtered = Some(next);
    }
}
