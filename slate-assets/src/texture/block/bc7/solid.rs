//! Blocks of one colour, which mode 5 has exactly.

use super::{
    MODES,
    fit::Fit,
    mix, widen,
    write::{Found, NOTHING},
};
use crate::texture::block::partitions;

/// The index of all texels, and its bits.
const INDEX: (u8, u32) = (1, 2);

/// The block of a colour: no texel is off.
pub(super) fn encode([red, green, blue, alpha]: [u8; 4]) -> [u8; 16] {
    let [red, green, blue] = [red, green, blue].map(ends);
    let codes = [0, 1].map(|end| [red[end], green[end], blue[end], 0]);
    let color = Fit { codes, indices: [INDEX.0; 16], ..NOTHING };
    // Alpha has all of its bits.
    let alpha = Fit { codes: [[alpha; 4]; 2], ..NOTHING };
    let mode = &MODES[5];
    Found { mode, partition: 0, rotation: 0, selector: 0, fits: [color, NOTHING, NOTHING], alpha: Some(alpha) }.pack()
}

/// Codes of 7 bits between which a value lies.
fn ends(value: u8) -> [u8; 2] {
    let weight = partitions::weights(INDEX.1)[usize::from(INDEX.0)];
    let near = (value / 2).saturating_sub(2)..=(value / 2 + 2).min(127);
    let all = near.clone().flat_map(|first| near.clone().map(move |second| [first, second]));
    let off = |&[first, second]: &[u8; 2]| mix(widen(first.into(), 7), widen(second.into(), 7), weight).abs_diff(value);
    all.min_by_key(off).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texture::block::bc7::decode;

    #[test]
    fn every_value_is_exact() {
        for value in 0..=255u8 {
            let color = [value, 255 - value, value.rotate_left(3), value ^ 90];
            assert_eq!(decode(encode(color)), [color; 16]);
        }
    }
}
