//! Writes KTX 2.0 files, after the Khronos specification of that name, version 2.0.4.

use super::{
    encode::to_8,
    pixels::{Pixels, Samples},
};
use half::f16;
use slate_core::{Error, Result, asset::TextureKind};
use std::io::Write;

const IDENTIFIER: [u8; 12] = [0xAB, b'K', b'T', b'X', b' ', b'2', b'0', 0xBB, b'\r', b'\n', 0x1A, b'\n'];
/// Keys in ascending order; each value ends in a NUL. The writer's number is the processor's version.
const KEY_VALUES: [(&str, &str); 2] = [("KTXorientation", "rd"), ("KTXwriter", "slate-assets texture 1")];
const HEADER: u64 = 80;
const LEVEL_ENTRY: u64 = 24;

/// How a texel is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The number of the `VkFormat`.
    pub(super) vk_format: u32,
    /// Channels of a texel.
    channels: u8,
    /// Bytes of a channel.
    bytes: u8,
    transfer: Transfer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transfer {
    Srgb,
    Linear,
    Float,
}

impl Layout {
    /// The layout that fits an image: colours are RGBA in 8 bits, as every graphics processor samples them.
    pub(super) fn of(pixels: &Pixels, kind: TextureKind) -> Self {
        let linear = |vk_format, channels, bytes| Self { vk_format, channels, bytes, transfer: Transfer::Linear };
        match (kind, pixels.bits(), pixels.channels) {
            (TextureKind::Hdr, ..) => Self { vk_format: 97, channels: 4, bytes: 2, transfer: Transfer::Float },
            (TextureKind::Mask, 8, 1) => linear(9, 1, 1),
            (TextureKind::Mask, 8, 2) => linear(16, 2, 1),
            (TextureKind::Mask, 16, 1) => linear(70, 1, 2),
            (TextureKind::Mask, 16, 2) => linear(77, 2, 2),
            (TextureKind::Mask | TextureKind::Normal, 16, _) => linear(91, 4, 2),
            (TextureKind::Mask | TextureKind::Normal, ..) => linear(37, 4, 1),
            _ => Self { vk_format: 43, channels: 4, bytes: 1, transfer: Transfer::Srgb },
        }
    }

    fn texel_bytes(self) -> u64 {
        u64::from(self.channels) * u64::from(self.bytes)
    }
}

/// Writes the levels, given largest first; the file holds the smallest first, so that a reader may stream it.
pub(super) fn write(out: &mut dyn Write, layout: &Layout, levels: &[Pixels]) -> Result<()> {
    let base = levels.first().ok_or_else(|| Error::internal("a texture without a level"))?;
    let (descriptor, key_values) = (descriptor(layout), key_values());
    let descriptor_at = HEADER + LEVEL_ENTRY * levels.len() as u64;
    let key_values_at = descriptor_at + descriptor.len() as u64;
    let mut at = key_values_at + key_values.len() as u64;
    // Uncompressed levels begin at multiples of the texel's size and of 4.
    let align = lcm(layout.texel_bytes(), 4);
    let mut places = vec![(0, 0); levels.len()];
    for (place, level) in places.iter_mut().zip(levels).rev() {
        at = at.next_multiple_of(align);
        *place = (at, level.area() * layout.texel_bytes());
        at += place.1;
    }

    let mut head = Vec::with_capacity(at.min(4096) as usize);
    head.extend(IDENTIFIER);
    let words = [layout.vk_format, u32::from(layout.bytes), base.width, base.height, 0, 0, 1, levels.len() as u32, 0];
    words.iter().for_each(|word| head.extend(word.to_le_bytes()));
    for word in [descriptor_at, descriptor.len() as u64, key_values_at, key_values.len() as u64] {
        head.extend((word as u32).to_le_bytes());
    }
    // No supercompression, so no global data.
    head.extend([0; 16]);
    for (offset, size) in &places {
        [*offset, *size, *size].iter().for_each(|word| head.extend(word.to_le_bytes()));
    }
    head.extend(descriptor);
    head.extend(key_values);

    let failed = |error| Error::io("write the output", error);
    out.write_all(&head).map_err(failed)?;
    let mut written = head.len() as u64;
    for ((offset, size), level) in places.iter().zip(levels).rev() {
        let texels = texels(level, layout);
        out.write_all(&vec![0; (offset - written) as usize]).map_err(failed)?;
        out.write_all(&texels).map_err(failed)?;
        written = offset + size;
    }
    Ok(())
}

/// How many values of a level are beyond what half floats hold.
pub(super) fn clamped(level: &Pixels) -> u64 {
    match &level.data {
        Samples::F32(samples) => samples.iter().filter(|&&sample| sample > f16::MAX.to_f32()).count() as u64,
        _ => 0,
    }
}

/// The data format descriptor: one basic block, after the Khronos Data Format Specification 1.3, section 5.
fn descriptor(layout: &Layout) -> Vec<u8> {
    const RGBSDA: u8 = 1;
    const BT709: u8 = 1;
    let samples = u16::from(layout.channels);
    let block = 24 + 16 * samples;
    let mut bytes = Vec::new();
    bytes.extend((u32::from(block) + 4).to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(2u16.to_le_bytes());
    bytes.extend(block.to_le_bytes());
    let transfer = if layout.transfer == Transfer::Srgb { 2 } else { 1 };
    // Straight alpha; texel blocks of 1×1×1×1, written less one.
    bytes.extend([RGBSDA, BT709, transfer, 0, 0, 0, 0, 0]);
    bytes.extend([layout.channels * layout.bytes, 0, 0, 0, 0, 0, 0, 0]);
    let bits = layout.bytes * 8;
    for channel in 0..layout.channels {
        let alpha = channel == 3;
        let id = if alpha { 15 } else { channel };
        let (qualifiers, lower, upper) = match layout.transfer {
            Transfer::Float => (0x80 | 0x40, (-1.0f32).to_bits(), 1.0f32.to_bits()),
            // Alpha is linear where the colours are not.
            Transfer::Srgb if alpha => (0x10, 0, (1u32 << bits) - 1),
            _ => (0, 0, (1u32 << bits) - 1),
        };
        bytes.extend((u16::from(channel) * u16::from(bits)).to_le_bytes());
        bytes.extend([bits - 1, id | qualifiers]);
        bytes.extend([0; 4]);
        bytes.extend(lower.to_le_bytes());
        bytes.extend(upper.to_le_bytes());
    }
    bytes
}

fn key_values() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in KEY_VALUES {
        bytes.extend((key.len() as u32 + value.len() as u32 + 2).to_le_bytes());
        bytes.extend(key.as_bytes());
        bytes.push(0);
        bytes.extend(value.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// One level's texels: grey is spread over red, green and blue where the layout has four channels; no alpha is opaque.
fn texels(level: &Pixels, layout: &Layout) -> Vec<u8> {
    match (&level.data, layout.bytes) {
        (Samples::U8(samples), _) => spread(samples, level.channels, layout.channels, u8::MAX),
        (Samples::U16(samples), 1) => {
            let samples: Vec<u8> = samples.iter().map(|&sample| to_8(sample)).collect();
            spread(&samples, level.channels, layout.channels, u8::MAX)
        }
        (Samples::U16(samples), _) => {
            let wide = spread(samples, level.channels, layout.channels, u16::MAX);
            wide.iter().flat_map(|sample| sample.to_le_bytes()).collect()
        }
        (Samples::F32(samples), _) => {
            let wide = spread(samples, level.channels, layout.channels, 1.0);
            let half = |sample: &f32| f16::from_f32(sample.clamp(0.0, f16::MAX.to_f32())).to_le_bytes();
            wide.iter().flat_map(half).collect()
        }
    }
}

fn spread<T: Copy>(samples: &[T], from: u8, to: u8, opaque: T) -> Vec<T> {
    if from == to {
        return samples.to_vec();
    }
    let rgba = |pixel: &[T]| match *pixel {
        [l] => [l, l, l, opaque],
        [l, a] => [l, l, l, a],
        [r, g, b] => [r, g, b, opaque],
        [r, g, b, a, ..] => [r, g, b, a],
        [] => [opaque; 4],
    };
    samples.chunks_exact(usize::from(from).max(1)).flat_map(rgba).collect()
}

fn lcm(a: u64, b: u64) -> u64 {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}
