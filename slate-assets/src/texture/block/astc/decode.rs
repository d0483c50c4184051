use super::{
    MOST_TEXELS, MOST_WEIGHTS, colors, grid,
    ise::{self, RANGES, Range},
    mode::Mode,
    partition,
};
use crate::texture::block::Footprint;

/// What the specification shows for a block that isn't legal, or not of the LDR profile.
const MAGENTA: [u8; 4] = [255, 0, 255, 255];

/// Decodes a block; texels are in rows of the footprint.
pub(crate) fn decode(block: [u8; 16], footprint: Footprint) -> [[u8; 4]; MOST_TEXELS] {
    let bits = u128::from_le_bytes(block);
    if bits & 0x1FF == 0x1FC {
        return [void_extent(bits).unwrap_or(MAGENTA); MOST_TEXELS];
    }
    Block::of(bits, footprint).map_or([MAGENTA; MOST_TEXELS], |block| block.texels(footprint))
}

fn field(bits: u128, at: u32, count: u32) -> u32 {
    (bits >> at) as u32 & ((1u64 << count) - 1) as u32
}

/// One colour for the whole block.
fn void_extent(bits: u128) -> Option<[u8; 4]> {
    // No LDR colour, or reserved bits that aren't set.
    if field(bits, 9, 1) == 1 || field(bits, 10, 2) != 3 {
        return None;
    }
    let [left, right, top, bottom] = [12, 25, 38, 51].map(|at| field(bits, at, 13));
    let everywhere = [left, right, top, bottom].iter().all(|&side| side == 0x1FFF);
    if !everywhere && (left >= right || top >= bottom) {
        return None;
    }
    Some([64, 80, 96, 112].map(|at| to_8(field(bits, at, 16))))
}

/// The nearest 8 bits.
fn to_8(value: u32) -> u8 {
    ((value * 255 + 32_767) / 65_535) as u8
}

/// A legal block, taken apart.
pub(super) struct Block {
    pub(super) mode: Mode,
    pub(super) subsets: u32,
    seed: u32,
    /// By subset, how its endpoints are written.
    pub(super) kinds: [u32; 4],
    /// The place of the range of the colours, the bit they begin at, and the one after their last.
    pub(super) colors: usize,
    pub(super) color_bits: (u32, u32),
    pub(super) ends: [[[i32; 4]; 2]; 4],
    /// The channel with weights of its own, where there is one.
    pub(super) apart: Option<usize>,
    /// By plane, 0 to 64.
    pub(super) weights: [[u8; MOST_WEIGHTS]; 2],
}

impl Block {
    pub(super) fn of(bits: u128, footprint: Footprint) -> Option<Self> {
        let mode = Mode::of(field(bits, 0, 11))?;
        let subsets = field(bits, 11, 2) + 1;
        if mode.size.0 > footprint.width() || mode.size.1 > footprint.height() || (mode.dual && subsets == 4) {
            return None;
        }
        let mut end = 128 - mode.bits();
        let mut kinds = [0; 4];
        let (seed, start);
        if subsets == 1 {
            (seed, start) = (0, 17);
            kinds[0] = field(bits, 13, 4);
        } else {
            (seed, start) = (field(bits, 13, 10), 29);
            let low = field(bits, 23, 2);
            if low == 0 {
                kinds = [field(bits, 25, 4); 4];
            } else {
                // A bit of class and two of kind for each subset; those that have no room here are below the weights.
                let extra = 3 * subsets - 4;
                end -= extra;
                let packed = field(bits, 25, 4) | field(bits, end, extra) << 4;
                for subset in 0..subsets {
                    let class = low - 1 + (packed >> subset & 1);
                    kinds[subset as usize] = class << 2 | packed >> (subsets + 2 * subset) & 3;
                }
            }
        }
        let all_kinds = kinds;
        let kinds = &kinds[..subsets as usize];
        let apart = mode.dual.then(|| {
            end -= 2;
            field(bits, end, 2) as usize
        });
        let count: usize = kinds.iter().map(|&kind| colors::count(kind)).sum();
        if count > 18 || end < start || !kinds.iter().all(|&kind| colors::is_ldr(kind)) {
            return None;
        }
        // Colours of fewer than six values aren't legal.
        let range = Range::widest(count as u32, end - start).filter(|&range| range >= 4)?;
        let mut values = [0; 18];
        let bit = |at: u32| (bits >> at) as u32 & 1;
        RANGES[range].read(&bit, start, count, &mut values);
        values.iter_mut().for_each(|value| *value = ise::COLORS[range][usize::from(*value)]);
        let mut ends = [[[0; 4]; 2]; 4];
        let mut at = 0;
        for (ends, &kind) in ends.iter_mut().zip(kinds) {
            *ends = colors::ends(kind, &values[at..]);
            at += colors::count(kind);
        }
        let weights = weights(bits, mode);
        let color_bits = (start, start + RANGES[range].length(count as u32));
        Some(Self { mode, subsets, seed, kinds: all_kinds, colors: range, color_bits, ends, apart, weights })
    }

    /// The subset of a texel.
    pub(super) fn subset(&self, texel: usize, footprint: Footprint) -> usize {
        let (x, y) = ((texel % footprint.width()) as u32, (texel / footprint.width()) as u32);
        let is_small = footprint.width() * footprint.height() < 31;
        partition::subset(self.seed, x, y, self.subsets, is_small)
    }

    fn texels(&self, footprint: Footprint) -> [[u8; 4]; MOST_TEXELS] {
        let block = (footprint.width(), footprint.height());
        let taps = grid::taps(block, self.mode.size);
        let mut out = [[0; 4]; MOST_TEXELS];
        for (at, (out, taps)) in out.iter_mut().zip(&taps).enumerate().take(block.0 * block.1) {
            let [low, high] = self.ends[self.subset(at, footprint)];
            let weight = grid::mix(taps, &self.weights[0]);
            let other = if self.mode.dual { grid::mix(taps, &self.weights[1]) } else { weight };
            *out = std::array::from_fn(|channel| {
                mix(low[channel], high[channel], if self.apart == Some(channel) { other } else { weight })
            });
        }
        out
    }
}

/// Both endpoints, widened to 16 bits, mixed, and rounded to 8.
pub(super) fn mix(low: i32, high: i32, weight: u32) -> u8 {
    let wide = |value: i32| value as u32 * 257;
    to_8((wide(low) * (64 - weight) + wide(high) * weight + 32) >> 6)
}

/// The weights of each plane, 0 to 64; they are written from the block's last bit down.
fn weights(bits: u128, mode: Mode) -> [[u8; MOST_WEIGHTS]; 2] {
    let mut values = [0; MOST_WEIGHTS];
    mode.range().read(&|at| (bits >> (127 - at)) as u32 & 1, 0, mode.weights(), &mut values);
    let mut planes = [[0; MOST_WEIGHTS]; 2];
    for (at, &value) in values.iter().enumerate().take(mode.weights()) {
        let wide = ise::weight(mode.range(), value.into()) as u8;
        if mode.dual {
            planes[at % 2][at / 2] = wide;
        } else {
            planes[0][at] = wide;
        }
    }
    planes
}
