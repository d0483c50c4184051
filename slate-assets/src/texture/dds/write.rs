use super::MAGIC;
use crate::texture::format::{Format, Stored};
use slate_core::{Error, Result};
use std::io::Write;

/// Writes a texture with the DX10 header.
pub(crate) fn write(out: &mut dyn Write, stored: &Stored) -> Result<()> {
    let number = stored.format.dxgi().ok_or_else(|| {
        Error::unsupported("dds has no number for this format: choose ktx2, or a compression from bc1 to bc7")
    })?;
    let (shape, levels) = (stored.shape, stored.levels.len() as u32);
    let mipmaps = levels > 1;
    // Capabilities, height, width and pixel format; then the length of a row or of the whole first level.
    let is_block = matches!(stored.format, Format::Block { .. });
    let is_volume = shape.depth > 0;
    let flags = 0x1007
        | if is_volume { 0x80_0000 } else { 0 }
        | if mipmaps { 0x2_0000 } else { 0 }
        | if is_block { 0x8_0000 } else { 0x8 };
    let pitch = if is_block {
        stored.format.bytes(stored.width, stored.height)
    } else {
        u64::from(stored.width) * stored.format.block_bytes()
    };
    let mut head = Vec::from(MAGIC);
    let mut word = |word: u32| head.extend(word.to_le_bytes());
    [124, flags, stored.height, stored.width, pitch as u32, shape.depth, levels].into_iter().for_each(&mut word);
    (0..11).for_each(|_| word(0));
    // A pixel format of four letters.
    [32, 4, u32::from_le_bytes(*b"DX10"), 0, 0, 0, 0, 0].into_iter().for_each(&mut word);
    let complex = mipmaps || shape.textures() > 1 || is_volume;
    word(0x1000 | if complex { 0x8 } else { 0 } | if mipmaps { 0x40_0000 } else { 0 });
    word(if shape.faces == 6 {
        0xFE00
    } else if is_volume {
        0x20_0000
    } else {
        0
    });
    (0..3).for_each(|_| word(0));
    let cube = if shape.faces == 6 { 4 } else { 0 };
    let alpha = if stored.premultiplied { 2 } else { 1 };
    [number, if is_volume { 4 } else { 3 }, cube, shape.layers.max(1), alpha].into_iter().for_each(&mut word);

    let failed = |error| Error::io("write the output", error);
    out.write_all(&head).map_err(failed)?;
    let textures = shape.textures() as usize;
    // Here each texture has all its levels together.
    for texture in 0..textures {
        for level in &stored.levels {
            let size = level.len() / textures;
            out.write_all(&level[texture * size..][..size]).map_err(failed)?;
        }
    }
    Ok(())
}
