//! Strips and tiles.

use super::{Directory, Layout, ends, tag};
use crate::texture::{
    packbits,
    pixels::{Pixels, Samples},
};
use slate_core::{Cancel, Error, Result, asset::AssetLimits};
use weezl::{BitOrder, LzwStatus};

/// Where the chunks of a file are.
pub(super) struct Chunks {
    /// Place and length of each.
    places: Vec<(u32, u32)>,
}

impl Chunks {
    pub(super) fn read(directory: &mut Directory<'_>, layout: &Layout) -> Result<Self> {
        let (places, lengths) =
            if layout.is_tiled { (tag::TILE_OFFSETS, tag::TILE_BYTES) } else { (tag::STRIP_OFFSETS, tag::STRIP_BYTES) };
        let planes = if layout.is_planar { layout.samples } else { 1 };
        let count = layout.chunks() * u64::from(planes);
        let found = directory.numbers(places)?.unwrap_or_default();
        if (found.len() as u64) < count {
            return Err(Error::corrupt("the TIFF file has fewer strips or tiles than its size asks for"));
        }
        let lengths = match directory.numbers(lengths)? {
            Some(lengths) if lengths.len() as u64 >= count => lengths,
            // Some writers leave out the length of a single plain strip.
            None if count == 1 && layout.compression == 1 => {
                vec![u32::try_from(layout.chunk_bytes()).map_err(|_| ends())?]
            }
            _ => return Err(Error::corrupt("the TIFF file doesn't say how long its strips or tiles are")),
        };
        Ok(Self { places: found.into_iter().zip(lengths).take(count as usize).collect() })
    }

    /// Decodes all chunks; of each pixel the samples that are wanted.
    pub(super) fn decode(
        self,
        directory: &mut Directory<'_>,
        layout: &Layout,
        limits: &AssetLimits,
        cancel: &Cancel,
    ) -> Result<Pixels> {
        let (width, height) = (layout.width as usize, layout.height as usize);
        let channels = layout.channels as usize;
        let mut out = if layout.bits == 16 {
            Samples::U16(vec![0; width * height * channels])
        } else {
            Samples::U8(vec![0; width * height * channels])
        };
        let (across, in_plane) = (layout.width.div_ceil(layout.chunk.0) as usize, layout.chunks() as usize);
        let mut chunk = vec![0; layout.chunk_bytes() as usize];
        for (at, (place, length)) in self.places.into_iter().enumerate() {
            cancel.check()?;
            let plane = at / in_plane;
            if plane >= channels {
                break;
            }
            let (left, top) =
                (at % in_plane % across * layout.chunk.0 as usize, at % in_plane / across * layout.chunk.1 as usize);
            // The last strip ends with the picture; tiles are always whole.
            let rows =
                if layout.is_tiled { layout.chunk.1 as usize } else { (layout.chunk.1 as usize).min(height - top) };
            let line = layout.line() as usize;
            let bytes = &mut chunk[..rows * line];
            AssetLimits::check("the image's size in bytes", length.into(), limits.decoded_bytes)?;
            // No packing makes a chunk twice as long; many chunks may all claim the whole file.
            let most = bytes.len() as u64 * 2 + 4096;
            let packed = directory.at(place.into(), u64::from(length).min(most))?;
            unpack(&packed, bytes, layout.compression).map_err(|error| error.with("at byte", place))?;
            let seen = ((layout.chunk.0 as usize).min(width - left), rows.min(height - top));
            let step = layout.chunk_samples() as usize;
            let wanted = if layout.is_planar { 1 } else { channels };
            for (y, row) in bytes.chunks_exact_mut(line).enumerate().take(seen.1) {
                let start = ((top + y) * width + left) * channels;
                match &mut out {
                    Samples::U16(out) => {
                        let mut values: Vec<u16> = row.chunks_exact(2).map(|pair| directory.short(pair)).collect();
                        undo(&mut values, (step, plane), layout, u16::wrapping_add, |value| !value);
                        place_row(&mut out[start..], &values, (seen.0, step, wanted, channels, plane));
                    }
                    Samples::U8(out) if layout.bits == 8 => {
                        undo(row, (step, plane), layout, u8::wrapping_add, |value| !value);
                        place_row(&mut out[start..], row, (seen.0, step, wanted, channels, plane));
                    }
                    Samples::U8(out) => {
                        let values = spread(row, layout);
                        place_row(&mut out[start..], &values, (seen.0, 1, 1, channels, plane));
                    }
                    Samples::F32(_) => {}
                }
            }
        }
        Ok(Pixels { width: layout.width, height: layout.height, channels: layout.channels as u8, data: out })
    }
}

/// Undoes the predictor, and of greys white that is 0.
fn undo<T: Copy>(
    row: &mut [T],
    (step, plane): (usize, usize),
    layout: &Layout,
    add: fn(T, T) -> T,
    invert: fn(T) -> T,
) {
    if layout.is_predicted {
        for at in step..row.len() {
            row[at] = add(row[at], row[at - step]);
        }
    }
    if layout.photometric == 0 && plane == 0 {
        row.iter_mut().step_by(step).for_each(|value| *value = invert(*value));
    }
}

/// Puts a row of a chunk where it belongs: `wanted` of `step` samples of each pixel, from `plane` on.
fn place_row<T: Copy>(
    out: &mut [T],
    row: &[T],
    (count, step, wanted, channels, plane): (usize, usize, usize, usize, usize),
) {
    for (out, pixel) in out.chunks_exact_mut(channels).zip(row.chunks_exact(step)).take(count) {
        out[plane..plane + wanted].copy_from_slice(&pixel[..wanted]);
    }
}

/// Samples of less than 8 bits: the highest bits first. Grey goes from 0 to 255, indices are as they are.
fn spread(row: &[u8], layout: &Layout) -> Vec<u8> {
    let (bits, mask) = (layout.bits, (1u32 << layout.bits) - 1);
    let in_byte = 8 / bits;
    let factor = if layout.photometric == 3 { 1 } else { 255 / mask };
    let of = |byte: u8| {
        (0..in_byte).map(move |at| {
            let value = u32::from(byte) >> (8 - bits * (at + 1)) & mask;
            (if layout.photometric == 0 { mask - value } else { value } * factor) as u8
        })
    };
    row.iter().flat_map(|&byte| of(byte)).collect()
}

/// Unpacks exactly as many bytes as there is room for; what comes after them is left.
fn unpack(packed: &[u8], out: &mut [u8], compression: u32) -> Result<()> {
    let damaged = || Error::corrupt("a strip or tile of the TIFF file is damaged");
    match compression {
        1 => out.copy_from_slice(packed.get(..out.len()).ok_or_else(ends)?),
        5 => {
            let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
            let (mut from, mut to) = (0, 0);
            while to < out.len() {
                let step = decoder.decode_bytes(&packed[from..], &mut out[to..]);
                (from, to) = (from + step.consumed_in, to + step.consumed_out);
                let status = step.status.map_err(|_| damaged())?;
                if to < out.len() && !matches!(status, LzwStatus::Ok) {
                    return Err(damaged());
                }
            }
        }
        32_773 => packbits::unpack(packed, out)?,
        _ => {
            let inflated = miniz_oxide::inflate::decompress_slice_iter_to_slice(out, [packed].into_iter(), true, true);
            match inflated {
                Ok(count) if count == out.len() => {}
                // There is more, after all that is wanted.
                Err(miniz_oxide::inflate::TINFLStatus::HasMoreOutput) => {}
                _ => return Err(damaged()),
            }
        }
    }
    Ok(())
}
