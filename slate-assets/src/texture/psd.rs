//! Photoshop documents: the flattened picture that is kept beside the layers, after Adobe's file format specification.

use super::{
    packbits,
    pixels::{Pixels, Samples},
};
use slate_core::{
    Error, Result,
    asset::{AssetLimits, ReadSeek},
};
use std::io::{Read, SeekFrom};

/// Reads the flattened picture: grey or RGB of 8 or 16 bits, with alpha where there is a further channel.
pub(super) fn read(file: &mut dyn ReadSeek, length: u64, limits: &AssetLimits) -> Result<Pixels> {
    let mut head = [0; 26];
    file.read_exact(&mut head).map_err(|_| ends())?;
    let short = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let long = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (count, height, width, depth, mode) = (short(12), long(14), long(18), short(22), short(24));
    if short(4) != 1 {
        return Err(Error::unsupported("large Photoshop documents are not read; save the picture as png or psd"));
    }
    let colors = match mode {
        1 => 1,
        3 => 3,
        _ => return Err(Error::unsupported("only grey and RGB Photoshop documents are read").with("mode", mode)),
    };
    if !matches!(depth, 8 | 16) || usize::from(count) < colors || count > 56 || width == 0 || height == 0 {
        let what = "only Photoshop documents of 8 and 16 bits with all their channels are read";
        return Err(Error::unsupported(what).with("depth", depth).with("channels", count));
    }
    let area = u64::from(width) * u64::from(height);
    AssetLimits::check("the image's number of pixels", area, limits.pixels)?;
    let (channels, bytes) = (if usize::from(count) > colors { colors + 1 } else { colors }, u64::from(depth / 8));
    // The planes; the pixels; and a float level of a quarter of the size with its output.
    let room = area.saturating_mul(channels as u64 * bytes * 2 + 8);
    AssetLimits::check("the decoded image's size in bytes", room, limits.decoded_bytes)?;
    // The palette, the resources and the layers.
    let mut at = 26;
    for _ in 0..3 {
        file.seek(SeekFrom::Start(at)).map_err(|_| ends())?;
        let mut size = [0; 4];
        file.read_exact(&mut size).map_err(|_| ends())?;
        at += 4 + u64::from(u32::from_be_bytes(size));
        if at > length {
            return Err(ends());
        }
    }
    file.seek(SeekFrom::Start(at)).map_err(|_| ends())?;
    let mut packed = Vec::new();
    file.take(length).read_to_end(&mut packed).map_err(|error| Error::io("read the image", error))?;
    let (kind, packed) = packed.split_at_checked(2).ok_or_else(ends)?;
    let line = width as usize * bytes as usize;
    let planes = match kind {
        [0, 0] => {
            let whole = line * height as usize * channels;
            packed.get(..whole).ok_or_else(ends)?.to_vec()
        }
        [0, 1] => unpack(packed, line, height as usize, (channels, count.into()))?,
        _ => return Err(Error::unsupported("this compression of Photoshop documents is not read")),
    };
    let (texels, step) = (area as usize, area as usize * bytes as usize);
    let data = if depth == 8 {
        Samples::U8((0..texels).flat_map(|at| (0..channels).map(move |c| c * step + at)).map(|at| planes[at]).collect())
    } else {
        let places = (0..texels).flat_map(|at| (0..channels).map(move |c| c * step + at * 2));
        Samples::U16(places.map(|at| u16::from_be_bytes([planes[at], planes[at + 1]])).collect())
    };
    Ok(Pixels { width, height, channels: channels as u8, data })
}

/// Undoes PackBits, row by row, for the first channels of all; the lengths of all rows come first.
fn unpack(packed: &[u8], line: usize, height: usize, (wanted, all): (usize, usize)) -> Result<Vec<u8>> {
    let (lengths, mut rest) = packed.split_at_checked(height * all * 2).ok_or_else(ends)?;
    let mut out = vec![0; line * height * wanted];
    for (length, out) in lengths.chunks_exact(2).zip(out.chunks_exact_mut(line)) {
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let (row, after) = rest.split_at_checked(length).ok_or_else(ends)?;
        packbits::unpack(row, out)?;
        rest = after;
    }
    Ok(out)
}

fn ends() -> Error {
    Error::corrupt("the Photoshop document ends too early")
}
