//! The chain of opaque colours of 8 bits by the box, in whole numbers: linear light in 16 bits, from table to table.

use super::super::{
    pixels::{Floats, LEAST_WEIGHT, Pixels, Samples},
    transfer::{self, Light},
};
use rayon::prelude::*;
use slate_core::{Cancel, Error, Result};

/// A level in linear light.
pub(in super::super) struct Level {
    width: u32,
    height: u32,
    channels: u8,
    /// Rows of interleaved channels; alpha, where there is any, is full throughout.
    light: Vec<u16>,
}

/// Samples that a thread takes at least.
const AT_ONCE: usize = 1 << 15;

/// The level after this one as it will be written and in linear light, if it is of opaque colours of 8 bits with even sides.
pub(in super::super) fn first(source: &Pixels, cancel: &Cancel) -> Result<Option<(Pixels, Level)>> {
    let (Samples::U8(samples), true) = (&source.data, is_whole(source.width, source.height)) else { return Ok(None) };
    let light = transfer::light();
    let of = |sample: u8| light.of(sample);
    match source.channels {
        1 => half::<1, _>((source.width, source.height), samples, of, cancel).map(Some),
        3 => half::<3, _>((source.width, source.height), samples, of, cancel).map(Some),
        4 if !source.is_translucent() => half::<4, _>((source.width, source.height), samples, of, cancel).map(Some),
        _ => Ok(None),
    }
}

impl Level {
    /// The level after this one, if its sides are even.
    pub(in super::super) fn next(&self, cancel: &Cancel) -> Result<Option<(Pixels, Self)>> {
        if !is_whole(self.width, self.height) {
            return Ok(None);
        }
        let (size, of) = ((self.width, self.height), u32::from);
        match self.channels {
            1 => half::<1, _>(size, &self.light, of, cancel),
            3 => half::<3, _>(size, &self.light, of, cancel),
            _ => half::<4, _>(size, &self.light, of, cancel),
        }
        .map(Some)
    }

    /// For filters that need floats.
    pub(in super::super) fn to_floats(&self) -> Floats {
        let weight = 1.0 + LEAST_WEIGHT;
        let value = |light: u16| f32::from(light) / 65_535.0 * weight;
        let texel = |texel: &[u16]| match texel {
            [grey] => [value(*grey), value(*grey), value(*grey), weight],
            texel => [value(texel[0]), value(texel[1]), value(texel[2]), weight],
        };
        let data = self.light.par_chunks_exact(usize::from(self.channels)).map(texel).collect();
        Floats { width: self.width, height: self.height, channels: self.channels, data }
    }
}

fn is_whole(width: u32, height: u32) -> bool {
    width.is_multiple_of(2) && height.is_multiple_of(2)
}

/// The means of squares of four; `light` gives a sample's linear light in 16 bits.
fn half<const C: usize, T: Copy + Sync>(
    (width, height): (u32, u32),
    samples: &[T],
    light: impl Fn(T) -> u32 + Sync,
    cancel: &Cancel,
) -> Result<(Pixels, Level)> {
    let (width, height) = (width / 2, height / 2);
    let line = width as usize * C;
    let (mut means, mut codes) = (vec![0u16; line * height as usize], vec![0u8; line * height as usize]);
    let to_code: &Light = transfer::light();
    let rows = means.par_chunks_exact_mut(line).zip(codes.par_chunks_exact_mut(line));
    let rows = rows.zip(samples.par_chunks_exact(line * 4)).with_min_len(AT_ONCE.div_ceil(line));
    rows.try_for_each(|((means, codes), rows)| {
        cancel.check()?;
        let (upper, lower) = rows.split_at(line * 2);
        let squares = upper.chunks_exact(2 * C).zip(lower.chunks_exact(2 * C));
        let out = means.chunks_exact_mut(C).zip(codes.chunks_exact_mut(C));
        for ((means, codes), (upper, lower)) in out.zip(squares) {
            for channel in 0..C {
                if channel == 3 {
                    (means[3], codes[3]) = (u16::MAX, u8::MAX);
                    continue;
                }
                let (first, second) = (light(upper[channel]), light(upper[C + channel]));
                let sum = first + second + light(lower[channel]) + light(lower[C + channel]);
                means[channel] = ((sum + 2) >> 2) as u16;
                codes[channel] = to_code.code(means[channel]);
            }
        }
        Ok::<_, Error>(())
    })?;
    let pixels = Pixels { width, height, channels: C as u8, data: Samples::U8(codes) };
    Ok((pixels, Level { width, height, channels: C as u8, light: means }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texture::mip::half_by_box;
    use slate_core::asset::TextureKind;

    #[test]
    fn the_levels_are_those_of_floats() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for channels in [1u8, 3, 4] {
            let samples = |at: usize| if channels == 4 && at % 4 == 3 { 255 } else { next() / (1 + (at / 4096) as u8) };
            let data = Samples::U8((0..48 * 96 * usize::from(channels)).map(samples).collect());
            let source = Pixels { width: 48, height: 96, channels, data };
            let cancel = Cancel::new();
            let (mut pixels, mut level) = first(&source, &cancel).unwrap().unwrap();
            let kind = TextureKind::Color;
            let mut floats = half_by_box(&Floats::of(&source, kind), kind, &cancel).unwrap();
            let mut levels = 1;
            loop {
                let (Samples::U8(found), Samples::U8(wanted)) = (&pixels.data, floats.to_pixels(kind, 8).data) else {
                    unreachable!()
                };
                let off: Vec<u8> = found.iter().zip(&wanted).map(|(a, b)| a.abs_diff(*b)).collect();
                assert!(off.iter().all(|&off| off <= 1), "{channels} channels, level {levels}");
                let moved = off.iter().filter(|&&off| off > 0).count();
                assert!(moved * 50 <= off.len(), "{channels} channels, level {levels}: {moved} of {}", off.len());
                let Some(next) = level.next(&cancel).unwrap() else { break };
                (pixels, level) = next;
                floats = half_by_box(&floats, kind, &cancel).unwrap();
                levels += 1;
            }
            // 24×48, 12×24, 6×12 and 3×6.
            assert_eq!((levels, pixels.width, pixels.height), (4, 3, 6));
            let again = level.to_floats().to_pixels(kind, 8);
            assert!(matches!((again.data, pixels.data), (Samples::U8(a), Samples::U8(b)) if a == b));
        }
    }

    #[test]
    fn alpha_and_odd_sides_are_left_to_floats() {
        let of = |width: u32, channels: u8| {
            let data = Samples::U8(vec![100; width as usize * 2 * usize::from(channels)]);
            first(&Pixels { width, height: 2, channels, data }, &Cancel::new()).unwrap().is_some()
        };
        assert_eq!((of(4, 3), of(4, 4), of(3, 3), of(4, 2)), (true, false, false, false));
    }
}
