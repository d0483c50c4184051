use super::{
    alpha, dds,
    format::{Format, Shape},
    icc, ktx2, packed,
    pixels::{Floats, Pixels, Samples},
    psd, tiff, volume,
};
use crate::guard;
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    error::{LimitErrorKind, UnsupportedErrorKind},
};
use slate_core::{
    Cancel, Error, Result,
    asset::{AssetInput, AssetLimits, ReadSeek, TextureKind, TextureOptions, Work},
};
use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// Decoded images, upright.
pub(super) struct Source {
    pub(super) format: &'static str,
    /// As many as the shape says, all of one size.
    pub(super) images: Vec<Pixels>,
    pub(super) shape: Shape,
    /// What became of the colour profile, where there was one.
    pub(super) profile: Option<icc::Outcome>,
}

impl Source {
    fn flat(format: &'static str, image: Pixels, profile: Option<icc::Outcome>) -> Self {
        Self { format, images: vec![image], shape: Shape::FLAT, profile }
    }
}

/// What a file is, by its signature.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image(ImageFormat),
    Psd,
    Tiff,
    Ktx2,
    Dds,
}

/// Reads and decodes the input; sizes are held against the limits before memory is taken for the pixels.
pub(super) fn read(work: &Work<'_>, options: &TextureOptions) -> Result<Source> {
    let mut source = whole(work, options)?;
    let Some(slices) = options.slices else { return Ok(source) };
    let image = source.images.pop().filter(|_| source.images.is_empty() && source.shape.depth == 0);
    let image = image.ok_or_else(|| Error::invalid("slices are cut of one picture, and this is more than one"))?;
    source.images = volume::cut(&image, slices)?;
    source.shape.depth = slices;
    Ok(source)
}

/// The source as it is in the file.
pub(super) fn whole(work: &Work<'_>, options: &TextureOptions) -> Result<Source> {
    let limits = work.limits;
    AssetLimits::check("the input's size in bytes", work.input.len(), limits.input_bytes)?;
    let (kind, name) = detect(work.input)?;
    let format = match kind {
        Kind::Image(format) => format,
        Kind::Psd => {
            let pixels = psd::read(&mut *work.input.open()?, work.input.len(), limits)?;
            return Ok(Source::flat(name, as_kind(pixels, name, options)?, None));
        }
        Kind::Tiff => {
            let picture = tiff::read(&mut *work.input.open()?, work.input.len(), limits, work.cancel);
            let tiff::Picture { mut pixels, profile } = picture.map_err(|error| error.with("format", name))?;
            let outcome = in_srgb(&mut pixels, profile, options);
            return Ok(Source::flat(name, as_kind(pixels, name, options)?, outcome));
        }
        Kind::Ktx2 | Kind::Dds => return container(work, kind, name, options),
    };
    let open = Watched { inner: work.input.open()?, cancel: work.cancel.clone(), chunk: Vec::new(), at: 0 };
    let image =
        guard::decoder(name, || decode(open, format, options, limits).map_err(|error| error.with("format", name)));
    work.cancel.check()?;
    let (image, profile) = image?;
    let mut pixels = of_image(image)?;
    let outcome = in_srgb(&mut pixels, profile, options);
    Ok(Source::flat(name, as_kind(pixels, name, options)?, outcome))
}

/// Follows a colour profile where there are colours; numbers that are none stay as they are.
fn in_srgb(pixels: &mut Pixels, profile: Option<Vec<u8>>, options: &TextureOptions) -> Option<icc::Outcome> {
    let profile = profile?;
    Some(match options.kind {
        TextureKind::Color | TextureKind::Hdr => icc::to_srgb(pixels, &profile),
        _ => icc::Outcome::Ignored("the values are no colours"),
    })
}

/// Floats for HDR, and for nothing else.
fn as_kind(pixels: Pixels, name: &'static str, options: &TextureOptions) -> Result<Pixels> {
    if matches!(pixels.data, Samples::F32(_)) == (options.kind == TextureKind::Hdr) {
        return Ok(pixels);
    }
    if options.kind != TextureKind::Hdr {
        return Err(Error::invalid("this image is linear light beyond 1.0: choose kind hdr").with("format", name));
    }
    Ok(Floats::of(&pixels, options.kind).to_pixels(options.kind, 32))
}

/// What a container's header says.
struct Header {
    format: Format,
    size: (u32, u32),
    shape: Shape,
    premultiplied: bool,
    opaque: bool,
    /// Bytes of the largest level.
    bytes: u64,
}

impl From<&ktx2::Header> for Header {
    fn from(header: &ktx2::Header) -> Self {
        let (size, shape) = ((header.width, header.height), header.shape);
        let (format, premultiplied) = (header.format, header.premultiplied);
        Self { format, size, shape, premultiplied, opaque: false, bytes: header.bytes() }
    }
}

impl From<&dds::Header> for Header {
    fn from(header: &dds::Header) -> Self {
        let (size, shape) = ((header.width, header.height), header.shape);
        let (format, premultiplied, opaque) = (header.format, header.premultiplied, header.opaque);
        Self { format, size, shape, premultiplied, opaque, bytes: header.bytes() }
    }
}

/// Reads the largest level of a texture file.
fn container(work: &Work<'_>, kind: Kind, name: &'static str, options: &TextureOptions) -> Result<Source> {
    let mut file = work.input.open()?;
    let (file, length) = (&mut *file, work.input.len());
    let named = |error: Error| error.with("format", name);
    let (header, bytes) = if kind == Kind::Ktx2 {
        let header = ktx2::Header::read(file, length).map_err(named)?;
        let checked = Header::from(&header).checked(work, options).map_err(named)?;
        (checked, ktx2::read(file, &header, work.limits).map_err(named)?)
    } else {
        let header = dds::Header::read(file, length).map_err(named)?;
        let checked = Header::from(&header).checked(work, options).map_err(named)?;
        (checked, dds::read(file, &header, work.limits).map_err(named)?)
    };
    let size = header.format.bytes(header.size.0, header.size.1) as usize;
    let row = || work.cancel.check();
    let of = |image: &[u8]| {
        let mut pixels = packed::decode(image, header.format, header.size, options.kind, header.opaque, &row)?;
        if header.premultiplied {
            alpha::divide(&mut pixels, options.kind);
        }
        as_kind(pixels, name, options)
    };
    let images = bytes.chunks_exact(size).map(of).collect::<Result<Vec<_>>>().map_err(named)?;
    Ok(Source { format: name, images, shape: header.shape, profile: None })
}

impl Header {
    /// Holds the sizes against the limits.
    fn checked(self, work: &Work<'_>, options: &TextureOptions) -> Result<Self> {
        let images = u64::from(self.shape.images(0));
        let area = u64::from(self.size.0) * u64::from(self.size.1);
        AssetLimits::check("the image's number of pixels", area.saturating_mul(images), work.limits.pixels)?;
        // The texels; the pixels; and a float level of a quarter of the size with its output.
        let pixels = packed::decoded_bytes(self.format, self.size.0, self.size.1);
        let more = if options.kind == TextureKind::Hdr { 32 * area } else { 8 * area };
        let room = self.bytes.saturating_mul(2).saturating_add(pixels.saturating_add(more).saturating_mul(images));
        AssetLimits::check("the decoded image's size in bytes", room, work.limits.decoded_bytes)?;
        Ok(self)
    }
}

/// What the values mean, as far as the file says so: light beyond 1.0; of KTX2 what isn't in sRGB is a mask, of KTX2 and DDS
/// two channels are a normal map and one is a mask; all else are colours.
pub(super) fn kind_of(input: &AssetInput) -> Result<TextureKind> {
    let kind = detect(input)?.0;
    let format = match kind {
        Kind::Image(ImageFormat::Hdr | ImageFormat::OpenExr) => return Ok(TextureKind::Hdr),
        Kind::Image(_) | Kind::Psd | Kind::Tiff => return Ok(TextureKind::Color),
        Kind::Ktx2 => ktx2::Header::read(&mut *input.open()?, input.len())?.format,
        Kind::Dds => dds::Header::read(&mut *input.open()?, input.len())?.format,
    };
    let channels = match format {
        Format::Plain(plain) => plain.channels,
        Format::Block { format, .. } => format.channels(),
    };
    Ok(match (channels, format) {
        _ if format.is_float() => TextureKind::Hdr,
        (2, Format::Block { .. }) => TextureKind::Normal,
        _ if format.is_srgb() => TextureKind::Color,
        (1 | 2, _) => TextureKind::Mask,
        _ if kind == Kind::Ktx2 => TextureKind::Mask,
        _ => TextureKind::Color,
    })
}

/// The format by its signature; a TGA has none and goes by its extension.
fn detect(input: &AssetInput) -> Result<(Kind, &'static str)> {
    let mut head = Vec::new();
    let read = input.open()?.take(16).read_to_end(&mut head);
    read.map_err(|error| Error::io("read the image", error).with("asset", input.name()))?;
    let extension = input.extension();
    let image = |format, name| Some((Kind::Image(format), name));
    let found = match &head[..] {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => image(ImageFormat::Png, "png"),
        [0xFF, 0xD8, 0xFF, ..] => image(ImageFormat::Jpeg, "jpg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => image(ImageFormat::WebP, "webp"),
        [b'#', b'?', b'R', b'A', b'D' | b'G', ..] | [b'#', b'?', b'R', b'G', b'B', b'E', ..] => {
            image(ImageFormat::Hdr, "hdr")
        }
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => image(ImageFormat::Gif, "gif"),
        [0x76, 0x2F, 0x31, 0x01, ..] => image(ImageFormat::OpenExr, "exr"),
        [b'q', b'o', b'i', b'f', ..] => image(ImageFormat::Qoi, "qoi"),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some((Kind::Tiff, "tiff")),
        [b'8', b'B', b'P', b'S', ..] => Some((Kind::Psd, "psd")),
        [0xAB, b'K', b'T', b'X', b' ', b'2', b'0', 0xBB, ..] => Some((Kind::Ktx2, "ktx2")),
        [b'D', b'D', b'S', b' ', ..] => Some((Kind::Dds, "dds")),
        _ if extension == "tga" => image(ImageFormat::Tga, "tga"),
        [b'B', b'M', ..] => image(ImageFormat::Bmp, "bmp"),
        _ => None,
    };
    found.ok_or_else(|| match extension.as_str() {
        "png" | "jpg" | "jpeg" | "webp" | "hdr" | "bmp" | "gif" | "exr" | "qoi" | "psd" | "tif" | "tiff" | "ktx2"
        | "dds" => Error::corrupt(format!("this is no {extension} image: its first bytes are others")),
        _ => Error::unsupported(
            "this image format is not read; save it as png, jpg, webp, tga, tiff, psd, hdr, exr, ktx2 or dds",
        )
        .with("asset", input.name()),
    })
}

fn decode(
    source: Watched,
    format: ImageFormat,
    options: &TextureOptions,
    limits: &AssetLimits,
) -> Result<(DynamicImage, Option<Vec<u8>>)> {
    let mut reader = ImageReader::with_format(source, format);
    let mut allowed = Limits::no_limits();
    allowed.max_alloc = Some(limits.decoded_bytes);
    reader.limits(allowed);
    let mut decoder = reader.into_decoder().map_err(error_of)?;
    let (width, height) = decoder.dimensions();
    let area = u64::from(width) * u64::from(height);
    if area == 0 {
        return Err(Error::corrupt("the image has no pixels"));
    }
    AssetLimits::check("the image's number of pixels", area, limits.pixels)?;
    // The pixels; their upright copy; and a float level of a quarter of the size with its output.
    let hdr = if options.kind == TextureKind::Hdr { 32 * area } else { 8 * area };
    let room = area.saturating_mul(u64::from(decoder.color_type().bytes_per_pixel()) * 2).saturating_add(hdr);
    AssetLimits::check("the decoded image's size in bytes", room, limits.decoded_bytes)?;
    let orientation = decoder.orientation().map_err(error_of)?;
    // One that can't be got out is as good as one that can't be understood.
    let profile = decoder.icc_profile().unwrap_or_else(|_| Some(Vec::new()));
    let mut image = DynamicImage::from_decoder(decoder).map_err(error_of)?;
    image.apply_orientation(orientation);
    Ok((image, profile))
}

fn of_image(image: DynamicImage) -> Result<Pixels> {
    let (width, height) = (image.width(), image.height());
    let channels = image.color().channel_count();
    let data = match image {
        DynamicImage::ImageLuma8(image) => Samples::U8(image.into_raw()),
        DynamicImage::ImageLumaA8(image) => Samples::U8(image.into_raw()),
        DynamicImage::ImageRgb8(image) => Samples::U8(image.into_raw()),
        DynamicImage::ImageRgba8(image) => Samples::U8(image.into_raw()),
        DynamicImage::ImageLuma16(image) => Samples::U16(image.into_raw()),
        DynamicImage::ImageLumaA16(image) => Samples::U16(image.into_raw()),
        DynamicImage::ImageRgb16(image) => Samples::U16(image.into_raw()),
        DynamicImage::ImageRgba16(image) => Samples::U16(image.into_raw()),
        DynamicImage::ImageRgb32F(image) => Samples::F32(finite(image.into_raw())),
        DynamicImage::ImageRgba32F(image) => Samples::F32(finite(image.into_raw())),
        _ => return Err(Error::unsupported("this pixel layout is not read")),
    };
    Ok(Pixels { width, height, channels, data })
}

/// Light is a number from 0 up: whatever else a damaged file holds would spread through every filter.
fn finite(mut samples: Vec<f32>) -> Vec<f32> {
    for sample in &mut samples {
        *sample = if sample.is_finite() { sample.max(0.0) } else { 0.0 };
    }
    samples
}

/// Names a decoder's error by what the caller does next.
fn error_of(error: ImageError) -> Error {
    match &error {
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::DimensionError | LimitErrorKind::InsufficientMemory => {
                Error::limit_exceeded("the decoded image's size in bytes is over its limit").because(error)
            }
            _ => Error::unsupported("this image can't be read within limits").because(error),
        },
        ImageError::Unsupported(unsupported) => match unsupported.kind() {
            UnsupportedErrorKind::GenericFeature(_) | UnsupportedErrorKind::Color(_) => {
                Error::unsupported(format!("this variant of the format is not read: {error}")).because(error)
            }
            _ => Error::corrupt(format!("the image is damaged: {error}")).because(error),
        },
        ImageError::IoError(io) if io.kind() == io::ErrorKind::Interrupted => Error::canceled("the work was canceled"),
        ImageError::IoError(io) if io.kind() == io::ErrorKind::PermissionDenied => {
            Error::permission_denied("can't read the image").because(error)
        }
        _ => Error::corrupt(format!("the image is damaged: {error}")).because(error),
    }
}

/// A reader that ends early once the work is canceled: decoders ask nothing else.
struct Watched {
    inner: Box<dyn ReadSeek>,
    cancel: Cancel,
    chunk: Vec<u8>,
    at: usize,
}

impl BufRead for Watched {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.chunk.len() {
            if self.cancel.is_canceled() {
                return Err(io::Error::other("the work was canceled"));
            }
            self.chunk.resize(64 * 1024, 0);
            self.at = 0;
            let count = self.inner.read(&mut self.chunk);
            self.chunk.truncate(*count.as_ref().unwrap_or(&0));
            count?;
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at = (self.at + count).min(self.chunk.len());
    }
}

impl Read for Watched {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let chunk = self.fill_buf()?;
        let count = chunk.len().min(out.len());
        out[..count].copy_from_slice(&chunk[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let ahead = (self.chunk.len() - self.at) as i64;
        let to = match to {
            // The inner reader is further than who reads here.
            SeekFrom::Current(offset) => SeekFrom::Current(
                offset.checked_sub(ahead).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?,
            ),
            other => other,
        };
        (self.chunk, self.at) = (Vec::new(), 0);
        self.inner.seek(to)
    }
}
