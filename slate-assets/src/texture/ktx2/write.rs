use super::{HEADER, IDENTIFIER, LEVEL_ENTRY, Super, alignment, descriptor};
use crate::texture::{
    TextureProcessor,
    format::{Format, Plain, Stored},
};
use slate_core::{Error, Result, asset::Processor};
use std::{borrow::Cow, io::Write};

/// Writes a texture; the file holds the smallest level first, so that a reader may stream it.
///
/// `zstd` is the level of compression, where there is to be one.
pub(crate) fn write(out: &mut dyn Write, stored: &Stored, zstd: Option<i32>) -> Result<()> {
    let (descriptor, key_values) = (descriptor::of(stored.format, stored.premultiplied), key_values(stored));
    let supercompression = if zstd.is_some() { Super::Zstd } else { Super::None };
    let levels = stored.levels.iter().map(|level| compressed(level, zstd)).collect::<Result<Vec<_>>>()?;
    let descriptor_at = HEADER + LEVEL_ENTRY * levels.len() as u64;
    let key_values_at = descriptor_at + descriptor.len() as u64;
    let mut at = key_values_at + key_values.len() as u64;
    let align = alignment(stored.format.block_bytes(), supercompression);
    let mut places = vec![0; levels.len()];
    for (place, level) in places.iter_mut().zip(&levels).rev() {
        at = at.next_multiple_of(align);
        *place = at;
        at += level.len() as u64;
    }

    let mut head = Vec::with_capacity(at.min(4096) as usize);
    head.extend(IDENTIFIER);
    let (shape, count) = (stored.shape, levels.len() as u32);
    let words = [stored.format.vk(), type_size(stored.format), stored.width, stored.height, stored.shape.depth];
    words.iter().for_each(|word| head.extend(word.to_le_bytes()));
    let words = [shape.layers, shape.faces, count, supercompression as u32];
    words.iter().for_each(|word| head.extend(word.to_le_bytes()));
    for word in [descriptor_at, descriptor.len() as u64, key_values_at, key_values.len() as u64] {
        head.extend((word as u32).to_le_bytes());
    }
    // Neither of the compressions has global data.
    head.extend([0; 16]);
    for ((place, level), whole) in places.iter().zip(&levels).zip(&stored.levels) {
        [*place, level.len() as u64, whole.len() as u64].iter().for_each(|word| head.extend(word.to_le_bytes()));
    }
    head.extend(descriptor);
    head.extend(key_values);

    let failed = |error| Error::io("write the output", error);
    out.write_all(&head).map_err(failed)?;
    let mut written = head.len() as u64;
    for (place, level) in places.iter().zip(&levels).rev() {
        out.write_all(&vec![0; (place - written) as usize]).map_err(failed)?;
        out.write_all(level).map_err(failed)?;
        written = place + level.len() as u64;
    }
    Ok(())
}

fn compressed(level: &[u8], zstd: Option<i32>) -> Result<Cow<'_, [u8]>> {
    let Some(effort) = zstd else { return Ok(level.into()) };
    rusty_zstd::compress(level, effort)
        .map(Cow::Owned)
        .map_err(|error| Error::internal(format!("can't compress a level: {error:?}")))
}

/// Bytes of what has an order of bytes: a channel, or 1 where texels are in blocks.
fn type_size(format: Format) -> u32 {
    match format {
        Format::Plain(Plain { bytes, .. }) => bytes.into(),
        Format::Block { .. } => 1,
    }
}

/// Keys in ascending order; each value ends in a NUL. The axes go to the right, down and into the volume.
fn key_values(stored: &Stored) -> Vec<u8> {
    let mut bytes = Vec::new();
    let orientation = if stored.shape.depth > 0 { "rdi" } else { "rd" };
    let writer = format!("slate-assets texture {}", TextureProcessor::INFO.version);
    for (key, value) in [("KTXorientation", orientation), ("KTXwriter", &writer)] {
        bytes.extend((key.len() as u32 + value.len() as u32 + 2).to_le_bytes());
        bytes.extend(key.as_bytes());
        bytes.push(0);
        bytes.extend(value.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}
