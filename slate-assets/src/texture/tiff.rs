//! TIFF pictures, after Adobe's TIFF 6.0: what other decoders take beyond the limits while they read a header isn't taken here.

mod chunk;

use super::pixels::{Pixels, Samples};
use chunk::Chunks;
use slate_core::{
    Cancel, Error, Result,
    asset::{AssetLimits, ReadSeek},
};
use std::{
    collections::BTreeMap,
    io::{Read, SeekFrom},
};

/// The first picture of a file, upright.
pub(super) struct Picture {
    pub(super) pixels: Pixels,
    /// Its colour profile.
    pub(super) profile: Option<Vec<u8>>,
}

mod tag {
    pub(super) const WIDTH: u16 = 256;
    pub(super) const HEIGHT: u16 = 257;
    pub(super) const BITS: u16 = 258;
    pub(super) const COMPRESSION: u16 = 259;
    pub(super) const PHOTOMETRIC: u16 = 262;
    pub(super) const STRIP_OFFSETS: u16 = 273;
    pub(super) const ORIENTATION: u16 = 274;
    pub(super) const SAMPLES: u16 = 277;
    pub(super) const ROWS_PER_STRIP: u16 = 278;
    pub(super) const STRIP_BYTES: u16 = 279;
    pub(super) const PLANAR: u16 = 284;
    pub(super) const PREDICTOR: u16 = 317;
    pub(super) const PALETTE: u16 = 320;
    pub(super) const TILE_WIDTH: u16 = 322;
    pub(super) const TILE_HEIGHT: u16 = 323;
    pub(super) const TILE_OFFSETS: u16 = 324;
    pub(super) const TILE_BYTES: u16 = 325;
    pub(super) const EXTRA_SAMPLES: u16 = 338;
    pub(super) const SAMPLE_FORMAT: u16 = 339;
    pub(super) const PROFILE: u16 = 34_675;
}

/// Reads the first picture: grey, RGB or palette of 1 to 16 bits, with alpha or without, in strips or tiles, plain or packed
/// by LZW, Deflate or PackBits.
pub(super) fn read(file: &mut dyn ReadSeek, length: u64, limits: &AssetLimits, cancel: &Cancel) -> Result<Picture> {
    let mut directory = Directory::read(file, length)?;
    let layout = Layout::read(&mut directory)?;
    let area = u64::from(layout.width) * u64::from(layout.height);
    AssetLimits::check("the image's number of pixels", area, limits.pixels)?;
    // The samples with those of the palette, and their upright copy; a chunk, packed and not; the places of all chunks; and a
    // float level of a quarter of the size with its output.
    let sample = u64::from(layout.bits.div_ceil(8));
    let room = area.saturating_mul(u64::from(layout.channels).max(3) * sample * 2 + 8);
    let room = room.saturating_add(layout.chunk_bytes().saturating_mul(3)).saturating_add(layout.chunks() * 48);
    AssetLimits::check("the decoded image's size in bytes", room, limits.decoded_bytes)?;
    let palette = layout.palette(&mut directory)?;
    let orientation = directory.number(tag::ORIENTATION, 1)?;
    let profile = directory.bytes(tag::PROFILE)?;
    let mut pixels = Chunks::read(&mut directory, &layout)?.decode(&mut directory, &layout, limits, cancel)?;
    if let Some(palette) = palette {
        pixels = painted(&pixels, &palette);
    }
    if layout.is_associated {
        divide(&mut pixels);
    }
    Ok(Picture { pixels: upright(pixels, orientation), profile })
}

/// The entries of the first directory.
struct Directory<'a> {
    file: &'a mut dyn ReadSeek,
    length: u64,
    is_big_endian: bool,
    /// Type, number of values, and the values or their place.
    entries: BTreeMap<u16, (u16, u32, [u8; 4])>,
}

impl<'a> Directory<'a> {
    fn read(file: &'a mut dyn ReadSeek, length: u64) -> Result<Self> {
        let mut head = [0; 8];
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut head)).map_err(|_| ends())?;
        let is_big_endian = &head[..2] == b"MM";
        let mut directory = Self { file, length, is_big_endian, entries: BTreeMap::new() };
        match directory.short(&head[2..]) {
            42 => {}
            43 => {
                return Err(Error::unsupported("big TIFF files are not read; save the picture as a plain tiff or png"));
            }
            _ => return Err(Error::corrupt("this is no TIFF file: its first bytes are others")),
        }
        let place = u64::from(directory.long(&head[4..]));
        let count = directory.at(place, 2)?;
        let count = usize::from(directory.short(&count));
        let table = directory.at(place + 2, count as u64 * 12)?;
        for entry in table.chunks_exact(12) {
            let value = [entry[8], entry[9], entry[10], entry[11]];
            let read = (directory.short(&entry[2..]), directory.long(&entry[4..]), value);
            // Of two with one number the first is taken.
            directory.entries.entry(directory.short(entry)).or_insert(read);
        }
        Ok(directory)
    }

    fn short(&self, bytes: &[u8]) -> u16 {
        let pair = [bytes[0], bytes[1]];
        if self.is_big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    }

    fn long(&self, bytes: &[u8]) -> u32 {
        let four = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if self.is_big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    }

    /// Bytes of the file; none is taken before it is known to be there.
    fn at(&mut self, place: u64, count: u64) -> Result<Vec<u8>> {
        if place.checked_add(count).is_none_or(|end| end > self.length) {
            return Err(ends().with("at byte", place));
        }
        let mut bytes = Vec::new();
        let read =
            self.file.seek(SeekFrom::Start(place)).and_then(|_| (&mut *self.file).take(count).read_to_end(&mut bytes));
        match read {
            Ok(read) if read as u64 == count => Ok(bytes),
            Ok(_) => Err(ends()),
            Err(error) => Err(Error::io("read the image", error)),
        }
    }

    /// The bytes of an entry's values, and the size of each.
    fn raw(&mut self, tag: u16) -> Result<Option<(Vec<u8>, usize)>> {
        let Some(&(kind, count, value)) = self.entries.get(&tag) else { return Ok(None) };
        let size = match kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 13 => 4,
            _ => {
                return Err(Error::corrupt("a value of the TIFF file is of a type that it can't have").with("tag", tag));
            }
        };
        let bytes = u64::from(count) * size;
        let raw = match bytes {
            0 => return Ok(None),
            1..=4 => value[..bytes as usize].to_vec(),
            _ => self.at(self.long(&value).into(), bytes).map_err(|error| error.with("tag", tag))?,
        };
        Ok(Some((raw, size as usize)))
    }

    fn bytes(&mut self, tag: u16) -> Result<Option<Vec<u8>>> {
        Ok(self.raw(tag)?.map(|(raw, _)| raw))
    }

    fn numbers(&mut self, tag: u16) -> Result<Option<Vec<u32>>> {
        let Some((raw, size)) = self.raw(tag)? else { return Ok(None) };
        let of = |bytes: &[u8]| match size {
            1 => bytes[0].into(),
            2 => self.short(bytes).into(),
            _ => self.long(bytes),
        };
        Ok(Some(raw.chunks_exact(size).map(of).collect()))
    }

    fn number(&mut self, tag: u16, default: u32) -> Result<u32> {
        Ok(self.numbers(tag)?.map_or(default, |numbers| numbers[0]))
    }

    /// A size, which is not 0.
    fn size(&mut self, tag: u16) -> Result<u32> {
        match self.number(tag, 0)? {
            0 => Err(Error::corrupt("the TIFF file doesn't say how large it is").with("tag", tag)),
            size => Ok(size),
        }
    }
}

/// How the samples lie in the file.
struct Layout {
    width: u32,
    height: u32,
    /// Size of a strip or tile.
    chunk: (u32, u32),
    is_tiled: bool,
    /// Bits of a sample: 1, 2, 4, 8 or 16.
    bits: u32,
    /// Samples of a pixel in the file; those that are wanted come first.
    samples: u32,
    /// Samples of a pixel that are wanted.
    channels: u32,
    /// Whether each sample of a pixel is in chunks of its own.
    is_planar: bool,
    compression: u32,
    is_predicted: bool,
    photometric: u32,
    /// Whether colours are multiplied by alpha.
    is_associated: bool,
}

impl Layout {
    fn read(directory: &mut Directory<'_>) -> Result<Self> {
        let refused = |what: &'static str, key: &'static str, value: u32| {
            Err(Error::unsupported(format!("{what}; save the picture as png or as a plain tiff")).with(key, value))
        };
        let (width, height) = (directory.size(tag::WIDTH)?, directory.size(tag::HEIGHT)?);
        let photometric = directory.number(tag::PHOTOMETRIC, 1)?;
        let colors = match photometric {
            0 | 1 | 3 => 1,
            2 => 3,
            other => return refused("of TIFF only grey, RGB and palettes are read", "photometric", other),
        };
        let samples = directory.number(tag::SAMPLES, 1)?;
        let all_bits = directory.numbers(tag::BITS)?.unwrap_or_else(|| vec![1]);
        let bits = all_bits[0];
        let small = matches!(bits, 1 | 2 | 4) && samples == 1;
        if !(small || matches!(bits, 8 | 16))
            || all_bits.iter().any(|&other| other != bits)
            || photometric == 3 && bits > 8
        {
            return refused(
                "of TIFF only samples of 8 and 16 bits, and grey and palettes of less, are read",
                "bits",
                bits,
            );
        }
        if directory.numbers(tag::SAMPLE_FORMAT)?.is_some_and(|formats| formats.iter().any(|&format| format != 1)) {
            return refused("of TIFF only whole numbers without a sign are read", "bits", bits);
        }
        if samples < colors || samples > 8 {
            return refused("of TIFF up to 8 samples of a pixel are read, and all of its colour", "samples", samples);
        }
        let extra = directory.numbers(tag::EXTRA_SAMPLES)?.map_or(0, |kinds| kinds[0]);
        let has_alpha = samples > colors && matches!(extra, 1 | 2) && photometric != 3;
        let compression = directory.number(tag::COMPRESSION, 1)?;
        if !matches!(compression, 1 | 5 | 8 | 32_773 | 32_946) {
            let what = "of TIFF's compressions LZW, Deflate and PackBits are read";
            return refused(what, "compression", compression);
        }
        let predictor = directory.number(tag::PREDICTOR, 1)?;
        if !(predictor == 1 || predictor == 2 && bits >= 8) {
            return refused("this predictor of TIFF is not read", "predictor", predictor);
        }
        let is_tiled = directory.entries.contains_key(&tag::TILE_OFFSETS);
        let chunk = if is_tiled {
            (directory.size(tag::TILE_WIDTH)?, directory.size(tag::TILE_HEIGHT)?)
        } else {
            (width, directory.number(tag::ROWS_PER_STRIP, height)?.clamp(1, height))
        };
        Ok(Self {
            width,
            height,
            chunk,
            is_tiled,
            bits,
            samples,
            channels: colors + u32::from(has_alpha),
            is_planar: directory.number(tag::PLANAR, 1)? == 2 && samples > 1,
            compression,
            is_predicted: predictor == 2,
            photometric,
            is_associated: has_alpha && extra == 1,
        })
    }

    /// Samples of a pixel in a chunk.
    fn chunk_samples(&self) -> u32 {
        if self.is_planar { 1 } else { self.samples }
    }

    /// Bytes of a row of a chunk.
    fn line(&self) -> u64 {
        (u64::from(self.chunk.0) * u64::from(self.chunk_samples() * self.bits)).div_ceil(8)
    }

    /// Bytes of a whole chunk.
    fn chunk_bytes(&self) -> u64 {
        self.line().saturating_mul(self.chunk.1.into())
    }

    /// Chunks of the picture, or of one of its planes.
    fn chunks(&self) -> u64 {
        u64::from(self.width.div_ceil(self.chunk.0)) * u64::from(self.height.div_ceil(self.chunk.1))
    }

    /// The colours of the palette, red, green and blue of 8 bits.
    fn palette(&self, directory: &mut Directory<'_>) -> Result<Option<Vec<[u8; 3]>>> {
        if self.photometric != 3 {
            return Ok(None);
        }
        let count = 1usize << self.bits;
        let numbers = directory.numbers(tag::PALETTE)?.filter(|numbers| numbers.len() == count * 3);
        let numbers = numbers.ok_or_else(|| Error::corrupt("the TIFF file's palette isn't as long as it must be"))?;
        // Planes of 16 bits.
        let of = |at: usize| [0, 1, 2].map(|plane| (numbers[plane * count + at] >> 8) as u8);
        Ok(Some((0..count).map(of).collect()))
    }
}

/// The colours that the indices stand for.
fn painted(pixels: &Pixels, palette: &[[u8; 3]]) -> Pixels {
    let data = match &pixels.data {
        Samples::U8(indices) => {
            indices.iter().flat_map(|&at| palette.get(usize::from(at)).copied().unwrap_or([0; 3])).collect()
        }
        _ => Vec::new(),
    };
    Pixels { width: pixels.width, height: pixels.height, channels: 3, data: Samples::U8(data) }
}

/// Divides the colours by alpha as they are, in the file's own transfer function: so do those who write such files.
fn divide(pixels: &mut Pixels) {
    let channels = usize::from(pixels.channels);
    fn each<T: Copy + Into<u64> + TryFrom<u64>>(samples: &mut [T], channels: usize, most: T) {
        for pixel in samples.chunks_exact_mut(channels) {
            let alpha = pixel[channels - 1].into();
            if alpha > 0 && alpha < most.into() {
                for value in &mut pixel[..channels - 1] {
                    let whole = ((*value).into() * most.into() + alpha / 2) / alpha;
                    *value = T::try_from(whole.min(most.into())).unwrap_or(most);
                }
            }
        }
    }
    match &mut pixels.data {
        Samples::U8(samples) => each(samples, channels, u8::MAX),
        Samples::U16(samples) => each(samples, channels, u16::MAX),
        Samples::F32(_) => {}
    }
}

/// Turns and mirrors by the number that EXIF and TIFF have for it.
fn upright(pixels: Pixels, orientation: u32) -> Pixels {
    fn turned<T: Copy>(samples: &[T], channels: usize, (w, h): (usize, usize), orientation: u32) -> Vec<T> {
        let (width, height) = if orientation > 4 { (h, w) } else { (w, h) };
        let mut out = Vec::with_capacity(samples.len());
        for y in 0..height {
            for x in 0..width {
                let (x, y) = match orientation {
                    2 => (w - 1 - x, y),
                    3 => (w - 1 - x, h - 1 - y),
                    4 => (x, h - 1 - y),
                    5 => (y, x),
                    6 => (y, h - 1 - x),
                    7 => (w - 1 - y, h - 1 - x),
                    _ => (w - 1 - y, x),
                };
                out.extend_from_slice(&samples[(y * w + x) * channels..][..channels]);
            }
        }
        out
    }
    if !(2..=8).contains(&orientation) {
        return pixels;
    }
    let (size, channels) = ((pixels.width as usize, pixels.height as usize), usize::from(pixels.channels));
    let data = match &pixels.data {
        Samples::U8(samples) => Samples::U8(turned(samples, channels, size, orientation)),
        Samples::U16(samples) => Samples::U16(turned(samples, channels, size, orientation)),
        Samples::F32(samples) => Samples::F32(turned(samples, channels, size, orientation)),
    };
    let (width, height) = if orientation > 4 { (pixels.height, pixels.width) } else { (pixels.width, pixels.height) };
    Pixels { width, height, channels: pixels.channels, data }
}

fn ends() -> Error {
    Error::corrupt("the TIFF file ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_turned_as_exif_says() {
        let raw: Vec<u8> = (0..2 * 5 * 3).collect();
        for orientation in 1..=8u8 {
            let source = Pixels { width: 5, height: 2, channels: 3, data: Samples::U8(raw.clone()) };
            let found = upright(source, orientation.into());
            let mut expected = image::DynamicImage::from(image::RgbImage::from_raw(5, 2, raw.clone()).unwrap());
            expected.apply_orientation(image::metadata::Orientation::from_exif(orientation).unwrap());
            assert_eq!((found.width, found.height), (expected.width(), expected.height()));
            assert!(matches!(found.data, Samples::U8(data) if data == expected.as_bytes()), "{orientation}");
        }
    }
}
