//! The data format descriptor: one basic block, after the Khronos Data Format Specification 1.3, section 5, and 1.4 for
//! UASTC.

use crate::texture::{
    block::{BlockFormat, Channels},
    format::{Format, Plain, Transfer},
};
use slate_core::{Error, Result};

const ALPHA: u8 = 15;
/// Qualifiers of a channel.
const LINEAR: u8 = 0x10;
const SIGNED: u8 = 0x40;
const FLOAT: u8 = 0x80;

/// The colour models of Basis Universal.
const ETC1S: u8 = 163;
const UASTC: u8 = 166;

/// The transfer function of sRGB.
const SRGB: u8 = 2;

/// The format of a file that has no `VkFormat`: UASTC, as its descriptor says.
pub(super) fn without_number(descriptor: &[u8]) -> Result<Format> {
    let byte = |at: usize| descriptor.get(at).copied().unwrap_or(0);
    match byte(12) {
        UASTC => {}
        ETC1S => {
            return Err(Error::unsupported(
                "this KTX2 file holds ETC1S (BasisLZ), which is not read: transcode it before, or make it anew as UASTC",
            ));
        }
        other => {
            return Err(Error::unsupported("this KTX2 file's format is not read").with("colour model", other));
        }
    }
    let number = byte(31) & 15;
    let channels = Channels::ALL.into_iter().find(|channels| uastc_channel(*channels) == number);
    let channels = channels.ok_or_else(|| Error::corrupt("UASTC has no such channels").with("channel", number))?;
    Ok(Format::Block { format: BlockFormat::Uastc(channels), srgb: byte(14) == SRGB })
}

/// What a sample of UASTC holds.
fn uastc_channel(channels: Channels) -> u8 {
    match channels {
        Channels::Rgb => 0,
        Channels::Rgba => 3,
        Channels::Rrr => 4,
        Channels::Rrrg => 5,
        Channels::Rg => 6,
    }
}

/// The colour primaries: those of BT.709, and none where UASTC holds plain numbers, as glTF wants it.
fn primaries(format: Format) -> u8 {
    u8::from(!matches!(format, Format::Block { format: BlockFormat::Uastc(_), srgb: false }))
}

/// One sample: where its bits are, what they mean, and what stands for 0 and 1.
struct Sample {
    offset: u16,
    bits: u16,
    channel: u8,
    lower: u32,
    upper: u32,
}

/// The descriptor of a format.
pub(super) fn of(format: Format, premultiplied: bool) -> Vec<u8> {
    let (model, samples) = match format {
        Format::Plain(plain) => (1, of_plain(plain)),
        Format::Block { format, srgb } => of_block(format, srgb),
    };
    let block = 24 + 16 * samples.len() as u16;
    let mut bytes = Vec::new();
    bytes.extend((u32::from(block) + 4).to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(2u16.to_le_bytes());
    bytes.extend(block.to_le_bytes());
    let transfer = if format.is_srgb() { SRGB } else { 1 };
    // Sizes of blocks are written less one.
    let (width, height) = format.block_size();
    bytes.extend([
        model,
        primaries(format),
        transfer,
        u8::from(premultiplied),
        (width - 1) as u8,
        (height - 1) as u8,
        0,
        0,
    ]);
    bytes.extend([format.block_bytes() as u8, 0, 0, 0, 0, 0, 0, 0]);
    for sample in samples {
        bytes.extend(sample.offset.to_le_bytes());
        bytes.extend([(sample.bits - 1) as u8, sample.channel]);
        bytes.extend([0; 4]);
        bytes.extend(sample.lower.to_le_bytes());
        bytes.extend(sample.upper.to_le_bytes());
    }
    bytes
}

fn of_plain(plain: Plain) -> Vec<Sample> {
    let bits = u16::from(plain.bytes) * 8;
    let order: &[u8] = if plain.bgr { &[2, 1, 0, ALPHA] } else { &[0, 1, 2, ALPHA] };
    let of = |(at, &channel): (usize, &u8)| {
        let (qualifiers, lower, upper) = match plain.transfer {
            Transfer::Float => (FLOAT | SIGNED, (-1.0f32).to_bits(), 1.0f32.to_bits()),
            // Alpha is linear where the colours are not.
            Transfer::Srgb if channel == ALPHA => (LINEAR, 0, (1u32 << bits) - 1),
            _ => (0, 0, (1u32 << bits) - 1),
        };
        Sample { offset: at as u16 * bits, bits, channel: channel | qualifiers, lower, upper }
    };
    order.iter().enumerate().take(plain.channels.into()).map(of).collect()
}

/// The colour model of a block format, and its samples: each the whole block or a half of it.
fn of_block(format: BlockFormat, srgb: bool) -> (u8, Vec<Sample>) {
    let of_uastc = if let BlockFormat::Uastc(channels) = format { [uastc_channel(channels)] } else { [0] };
    let (model, channels): (u8, &[u8]) = match format {
        BlockFormat::Bc1 => (128, &[0]),
        BlockFormat::Bc1Alpha => (128, &[1]),
        BlockFormat::Bc3 => (130, &[ALPHA, 0]),
        BlockFormat::Bc4 => (131, &[0]),
        BlockFormat::Bc5 => (132, &[0, 1]),
        BlockFormat::Bc6h => (133, &[0]),
        BlockFormat::Bc7 => (134, &[0]),
        BlockFormat::Etc2Rgb => (161, &[2]),
        // Both are the same bits.
        BlockFormat::Etc2Rgba1 => (161, &[2, ALPHA]),
        BlockFormat::Etc2Rgba => (161, &[ALPHA, 2]),
        BlockFormat::EacR11 => (161, &[0]),
        BlockFormat::EacRg11 => (161, &[0, 1]),
        BlockFormat::Astc(_) => (162, &[0]),
        BlockFormat::Uastc(_) => (UASTC, &of_uastc),
    };
    let bytes = format.block_bytes() as u16;
    let bits = if channels.len() == 1 { bytes * 8 } else { 64 };
    let stride = if bytes > 8 { 64 } else { 0 };
    let of = |(at, &channel): (usize, &u8)| {
        let linear = if srgb && channel == ALPHA { LINEAR } else { 0 };
        let (qualifiers, upper) =
            if format == BlockFormat::Bc6h { (FLOAT, 1.0f32.to_bits()) } else { (linear, u32::MAX) };
        Sample { offset: at as u16 * stride, bits, channel: channel | qualifiers, lower: 0, upper }
    };
    (model, channels.iter().enumerate().map(of).collect())
}
