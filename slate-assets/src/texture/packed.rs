//! Between pixels and the texels of a container, plain or in blocks.

use super::{
    Place,
    block::{self, BlockFormat, Channels, Effort, Footprint, Surface, Values},
    encode::to_8,
    format::{Format, Plain, Transfer},
    pixels::{Pixels, Samples},
    transfer::to_srgb_8,
};
use half::f16;
use slate_core::{
    Error, Result,
    asset::{AlphaMode, Compression, TextureKind, TextureOptions},
};

/// Asked before each row of blocks.
pub(super) type Row<'a> = &'a (dyn Fn() -> Result<()> + Sync);

/// The format that holds pixels of a kind: colours without blocks are RGBA of 8 bits, as every graphics processor samples
/// them.
pub(super) fn format(pixels: &Pixels, options: &TextureOptions, has_alpha: bool, place: Place) -> Result<Format> {
    let (kind, compression) = (options.kind, options.compression);
    let plain = |channels, bytes, transfer| Format::Plain(Plain { channels, bytes, transfer, bgr: false });
    let linear = |channels, bytes| plain(channels, bytes, Transfer::Linear);
    let format = match compression {
        Compression::None => {
            return Ok(match (kind, pixels.bits(), pixels.channels) {
                (TextureKind::Hdr, ..) => plain(4, 2, Transfer::Float),
                (TextureKind::Mask, 8, 1) => linear(1, 1),
                (TextureKind::Mask, 8, 2) => linear(2, 1),
                (TextureKind::Mask, 16, 1) => linear(1, 2),
                (TextureKind::Mask, 16, 2) => linear(2, 2),
                (TextureKind::Mask | TextureKind::Normal, 16, _) => linear(4, 2),
                (TextureKind::Mask | TextureKind::Normal, ..) => linear(4, 1),
                _ => plain(4, 1, Transfer::Srgb),
            });
        }
        Compression::Bc1 if has_alpha => BlockFormat::Bc1Alpha,
        Compression::Bc1 => BlockFormat::Bc1,
        Compression::Bc3 => BlockFormat::Bc3,
        Compression::Bc4 => BlockFormat::Bc4,
        Compression::Bc5 => BlockFormat::Bc5,
        Compression::Bc6h => BlockFormat::Bc6h,
        Compression::Bc7 => BlockFormat::Bc7,
        Compression::Etc2 if has_alpha && options.alpha == AlphaMode::Cutout => BlockFormat::Etc2Rgba1,
        Compression::Etc2 if has_alpha => BlockFormat::Etc2Rgba,
        Compression::Etc2 => BlockFormat::Etc2Rgb,
        Compression::EacR11 => BlockFormat::EacR11,
        Compression::EacRg11 => BlockFormat::EacRg11,
        Compression::Astc => BlockFormat::Astc(Footprint::ALL[0]),
        Compression::Uastc => BlockFormat::Uastc(match (kind, pixels.channels) {
            (TextureKind::Mask, 1) if place == Place::File => Channels::Rrr,
            (TextureKind::Mask, 2) if place == Place::File => Channels::Rrrg,
            _ if has_alpha => Channels::Rgba,
            _ => Channels::Rgb,
        }),
        other => {
            // The others are named after their footprints: `astc-6x6`.
            let size = other.as_str().strip_prefix("astc-").and_then(|size| size.split_once('x'));
            let side = |text: &str| text.parse().ok();
            let footprint = size.and_then(|(width, height)| Footprint::new(side(width)?, side(height)?));
            BlockFormat::Astc(footprint.ok_or_else(|| Error::unsupported(format!("{other} is not written")))?)
        }
    };
    Ok(Format::Block { format, srgb: kind == TextureKind::Color && format.has_srgb() })
}

/// The bytes of an image in a format that [`format`] gave.
///
/// `lambda` is what a bit of the compressed file is worth: see [`block::economize`].
pub(super) fn encode(
    pixels: &Pixels,
    format: Format,
    (effort, lambda): (Effort, f32),
    row: Row<'_>,
) -> Result<Vec<u8>> {
    let format = match format {
        Format::Plain(plain) => {
            row()?;
            return Ok(texels(pixels, plain));
        }
        Format::Block { format, .. } => format,
    };
    let values = match &pixels.data {
        Samples::U16(samples) if matches!(format, BlockFormat::EacR11 | BlockFormat::EacRg11) => {
            Values::Rg16(pairs(samples, pixels.channels))
        }
        Samples::U8(samples) => Values::Rgba8(quads(samples, pixels.channels, format)),
        Samples::U16(samples) => {
            let samples: Vec<u8> = samples.iter().map(|&sample| to_8(sample)).collect();
            Values::Rgba8(quads(&samples, pixels.channels, format))
        }
        Samples::F32(samples) => {
            let wide = spread(samples, pixels.channels, 4, 1.0);
            let half = |sample: &f32| f16::from_f32(sample.clamp(0.0, f16::MAX.to_f32())).to_bits();
            Values::Rgb16F(wide.chunks_exact(4).flat_map(|texel| &texel[..3]).map(half).collect())
        }
    };
    let surface = Surface::new(pixels.width, pixels.height, values)?;
    let mut blocks = block::encode(&surface, format, effort, row)?;
    if lambda > 0.0 {
        block::economize(&mut blocks, &surface, format, lambda, row)?;
    }
    Ok(blocks)
}

/// Four channels; of two the second is in green where the format has only two.
fn quads(samples: &[u8], channels: u8, format: BlockFormat) -> Vec<u8> {
    if channels == 2 && format.channels() == 2 {
        return samples.chunks_exact(2).flat_map(|pair| [pair[0], pair[1], 0, u8::MAX]).collect();
    }
    spread(samples, channels, 4, u8::MAX)
}

fn pairs(samples: &[u16], channels: u8) -> Vec<u16> {
    match channels {
        1 => samples.iter().flat_map(|&sample| [sample, sample]).collect(),
        channels => samples.chunks_exact(channels.into()).flat_map(|texel| [texel[0], texel[1]]).collect(),
    }
}

/// Plain texels: grey is spread over red, green and blue where the layout has four channels; no alpha is opaque.
fn texels(pixels: &Pixels, plain: Plain) -> Vec<u8> {
    match (&pixels.data, plain.bytes) {
        (Samples::U8(samples), _) => spread(samples, pixels.channels, plain.channels, u8::MAX),
        (Samples::U16(samples), 1) => {
            let samples: Vec<u8> = samples.iter().map(|&sample| to_8(sample)).collect();
            spread(&samples, pixels.channels, plain.channels, u8::MAX)
        }
        (Samples::U16(samples), _) => {
            let wide = spread(samples, pixels.channels, plain.channels, u16::MAX);
            wide.iter().flat_map(|sample| sample.to_le_bytes()).collect()
        }
        (Samples::F32(samples), _) => {
            let wide = spread(samples, pixels.channels, plain.channels, 1.0);
            let half = |sample: &f32| f16::from_f32(sample.clamp(0.0, f16::MAX.to_f32())).to_le_bytes();
            wide.iter().flat_map(half).collect()
        }
    }
}

fn spread<T: Copy>(samples: &[T], from: u8, to: u8, opaque: T) -> Vec<T> {
    if from == to {
        return samples.to_vec();
    }
    let mut out = vec![opaque; samples.len() / usize::from(from).max(1) * 4];
    let texels = out.as_chunks_mut::<4>().0.iter_mut();
    match from {
        1 => texels.zip(samples).for_each(|(texel, &l)| *texel = [l, l, l, opaque]),
        2 => texels.zip(samples.as_chunks().0).for_each(|(texel, &[l, a])| *texel = [l, l, l, a]),
        3 => texels.zip(samples.as_chunks().0).for_each(|(texel, &[r, g, b])| *texel = [r, g, b, opaque]),
        _ => texels.zip(samples.as_chunks().0).for_each(|(texel, pixel)| *texel = *pixel),
    }
    out
}

/// Red, green, blue and alpha of 8 bits; light is cut off at 1.0 and put in sRGB.
pub(super) fn to_rgba8(pixels: &Pixels) -> Vec<u8> {
    let bytes: Vec<u8> = match &pixels.data {
        Samples::U8(samples) => samples.clone(),
        Samples::U16(samples) => samples.iter().map(|&sample| to_8(sample)).collect(),
        Samples::F32(samples) => samples.iter().map(|&sample| to_srgb_8(sample)).collect(),
    };
    spread(&bytes, pixels.channels, 4, u8::MAX)
}

/// How many values of a level are beyond what half floats hold.
pub(super) fn clamped(level: &Pixels) -> u64 {
    match &level.data {
        Samples::F32(samples) => samples.iter().filter(|&&sample| sample > f16::MAX.to_f32()).count() as u64,
        _ => 0,
    }
}

/// The most bytes that an image takes once it is decoded.
pub(super) fn decoded_bytes(format: Format, width: u32, height: u32) -> u64 {
    let texel = match format {
        Format::Plain(plain) if plain.transfer == Transfer::Float => 16,
        Format::Plain(plain) => u64::from(plain.channels) * u64::from(plain.bytes),
        // As its decoder gives it, and as pixels.
        Format::Block { format: BlockFormat::Bc6h, .. } => 18,
        Format::Block { .. } => 8,
    };
    u64::from(width) * u64::from(height) * texel
}

/// The pixels of an image as a container holds it; `opaque` drops a fourth channel that is only there to fill up.
pub(super) fn decode(
    bytes: &[u8],
    format: Format,
    size: (u32, u32),
    kind: TextureKind,
    opaque: bool,
    row: Row<'_>,
) -> Result<Pixels> {
    let (width, height) = size;
    let (channels, data) = match format {
        Format::Plain(plain) => (plain.channels, plain_samples(bytes, plain)),
        Format::Block { format, .. } => match block::decode(bytes, width, height, format, row)?.values {
            Values::Rgba8(values) => {
                let (channels, values) = narrowed(values, format, kind);
                (channels, Samples::U8(values))
            }
            Values::Rg16(values) => match format.channels() {
                1 => (1, Samples::U16(values.chunks_exact(2).map(|pair| pair[0]).collect())),
                _ => {
                    let of = |pair: &[u16]| [pair[0], pair[1], third(pair[0], pair[1], u16::MAX, kind)];
                    (3, Samples::U16(values.chunks_exact(2).flat_map(of).collect()))
                }
            },
            Values::Rgb16F(values) => {
                (3, Samples::F32(values.iter().map(|&half| light(f16::from_bits(half).to_f32())).collect()))
            }
        },
    };
    let pixels = Pixels { width, height, channels, data };
    Ok(if opaque && channels == 4 { without_alpha(&pixels) } else { pixels })
}

fn plain_samples(bytes: &[u8], plain: Plain) -> Samples {
    let word = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]);
    match (plain.transfer, plain.bytes) {
        (Transfer::Float, 2) => {
            Samples::F32(bytes.chunks_exact(2).map(|pair| light(f16::from_bits(word(pair)).to_f32())).collect())
        }
        (Transfer::Float, _) => {
            let of = |four: &[u8]| light(f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
            Samples::F32(bytes.chunks_exact(4).map(of).collect())
        }
        (_, 2) => Samples::U16(bytes.chunks_exact(2).map(word).collect()),
        _ if plain.bgr => Samples::U8(bytes.chunks_exact(4).flat_map(|t| [t[2], t[1], t[0], t[3]]).collect()),
        _ => Samples::U8(bytes.to_vec()),
    }
}

/// Light is a number from 0 up: whatever else a damaged file holds would spread through every filter.
fn light(value: f32) -> f32 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

/// As many channels as the format has; of two the third is rebuilt for normals.
fn narrowed(values: Vec<u8>, format: BlockFormat, kind: TextureKind) -> (u8, Vec<u8>) {
    let texels = values.chunks_exact(4);
    match format.channels() {
        1 => (1, texels.map(|texel| texel[0]).collect()),
        2 => {
            let of = |t: &[u8]| [t[0], t[1], to_8(third(wide(t[0]), wide(t[1]), u16::MAX, kind))];
            (3, texels.flat_map(of).collect())
        }
        3 => (3, texels.flat_map(|texel| [texel[0], texel[1], texel[2]]).collect()),
        _ => (4, values),
    }
}

/// The 16-bit value that stands for the same.
pub(super) fn wide(value: u8) -> u16 {
    u16::from(value) * 257
}

/// The third value of a normal of length 1; 0 where the two aren't of a normal.
fn third(x: u16, y: u16, most: u16, kind: TextureKind) -> u16 {
    if kind != TextureKind::Normal {
        return 0;
    }
    let signed = |value: u16| f64::from(value) / f64::from(most) * 2.0 - 1.0;
    let (x, y) = (signed(x), signed(y));
    let z = (1.0 - x * x - y * y).max(0.0).sqrt();
    ((z * 0.5 + 0.5) * f64::from(most) + 0.5) as u16
}

fn without_alpha(pixels: &Pixels) -> Pixels {
    fn rgb<T: Copy>(samples: &[T]) -> Vec<T> {
        samples.chunks_exact(4).flat_map(|texel| [texel[0], texel[1], texel[2]]).collect()
    }
    let data = match &pixels.data {
        Samples::U8(samples) => Samples::U8(rgb(samples)),
        Samples::U16(samples) => Samples::U16(rgb(samples)),
        Samples::F32(samples) => Samples::F32(rgb(samples)),
    };
    Pixels { width: pixels.width, height: pixels.height, channels: 3, data }
}
