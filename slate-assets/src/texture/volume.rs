//! Volumes: slices that are filtered into each other from level to level.

use super::{
    finish, halved, mip,
    pixels::{Floats, Pixels, Samples},
    resized,
};
use slate_core::{
    Error, Result,
    asset::{TextureOptions, Work},
};

/// Cuts a picture into slices of the same height, from top to bottom.
pub(super) fn cut(source: &Pixels, slices: u32) -> Result<Vec<Pixels>> {
    if !source.height.is_multiple_of(slices) {
        return Err(Error::invalid("the height is no multiple of the number of slices")
            .with("height", source.height)
            .with("slices", slices));
    }
    let (width, height, channels) = (source.width, source.height / slices, source.channels);
    let size = width as usize * height as usize * usize::from(channels);
    let of = |data| Pixels { width, height, channels, data };
    Ok(match &source.data {
        Samples::U8(all) => all.chunks_exact(size).map(|slice| of(Samples::U8(slice.to_vec()))).collect(),
        Samples::U16(all) => all.chunks_exact(size).map(|slice| of(Samples::U16(slice.to_vec()))).collect(),
        Samples::F32(all) => all.chunks_exact(size).map(|slice| of(Samples::F32(slice.to_vec()))).collect(),
    })
}

/// The levels of each slice, largest first: of the further ones there are fewer, because slices halve in number as well.
pub(super) fn levels(work: &Work<'_>, slices: Vec<Pixels>, options: &TextureOptions) -> Result<Vec<Vec<Pixels>>> {
    let mut out = Vec::with_capacity(slices.len());
    // What was resized isn't kept in floats: there may be two thousand slices.
    for slice in slices {
        out.push(vec![resized(work, slice, options)?.0]);
    }
    let bits = out[0][0].bits();
    if options.generate_mipmaps {
        let mut last: Option<Vec<Floats>> = None;
        loop {
            let largest = last.as_ref().map_or(out.len(), Vec::len);
            let end = &out[0][out[0].len() - 1];
            if largest == 1 && end.width == 1 && end.height == 1 {
                break;
            }
            let flat = match &last {
                Some(slices) => {
                    slices.iter().map(|slice| mip::half(slice, options, work.cancel)).collect::<Result<Vec<_>>>()?
                }
                None => out.iter().map(|levels| halved(work, &levels[0], options)).collect::<Result<Vec<_>>>()?,
            };
            let slices = mip::half_of_depth(flat, options, work.cancel)?;
            for (levels, slice) in out.iter_mut().zip(&slices) {
                levels.push(slice.to_pixels(options.kind, bits));
            }
            last = Some(slices);
        }
    }
    Ok(out.into_iter().map(|levels| finish(levels, options)).collect())
}
