//! Blocks taken apart and put together: their fields in order, from the lowest bit.

use super::{
    hints::{Hints, SolidHint},
    mode::{MODES, Mode, SOLID, SOLID_CODE},
    partition::Subsets,
};
use crate::texture::block::{
    astc::ise::{Kind, RANGES, Range},
    bits::{Reader, Writer},
};

/// What a block shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Block {
    Solid([u8; 4]),
    Coded(Coded),
}

/// A block of more than one colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Coded {
    /// The number of its mode.
    pub(super) number: usize,
    /// The place of its partition among those of the mode.
    pub(super) split: usize,
    /// The channel that has the second plane's weights.
    pub(super) apart: Option<usize>,
    /// By subset and channel the codes of both ends.
    pub(super) colors: [u8; 18],
    /// The codes of the weights by plane, in rows.
    pub(super) weights: [[u8; 16]; 2],
}

impl Coded {
    pub(super) fn mode(&self) -> &'static Mode {
        &MODES[self.number]
    }

    /// The subset of each texel.
    pub(super) fn partition(&self) -> &'static Subsets {
        &self.mode().partitions.all()[self.split].1
    }

    /// Codes of colours that there are.
    fn count(&self) -> usize {
        self.mode().ends.channels() * 2 * self.mode().subsets
    }

    /// Whether the highest bit of a texel's weight is left out, because it is zero: in the first texel of each subset.
    fn is_anchor(&self, at: usize) -> bool {
        let subsets = self.partition();
        !subsets[..at].contains(&subsets[at])
    }
}

impl Block {
    /// The block of these bytes; none where it has no mode or partition that there is.
    pub(super) fn read(bytes: [u8; 16]) -> Option<Self> {
        let number = Mode::of(u32::from(bytes[0]))?;
        let (mode, mut bits) = (&MODES[number], Reader::new(bytes));
        bits.take(mode.code.1);
        if number == SOLID {
            return Some(Self::Solid(std::array::from_fn(|_| bits.take(8) as u8)));
        }
        bits.take(Hints::length(mode));
        let split = bits.take(mode.partition_bits()) as usize;
        if split >= mode.partitions.all().len() {
            return None;
        }
        let fixed = mode.fixed_apart();
        let apart = if mode.dual && fixed.is_none() { Some(bits.take(2) as usize) } else { fixed };
        let mut coded = Coded { number, split, apart, colors: [0; 18], weights: [[0; 16]; 2] };
        let count = coded.count();
        read_colors(&mut bits, RANGES[mode.colors], &mut coded.colors[..count]);
        for at in 0..16 {
            let length = mode.weight_bits - u32::from(coded.is_anchor(at));
            for plane in coded.weights.iter_mut().take(if mode.dual { 2 } else { 1 }) {
                plane[at] = bits.take(length) as u8;
            }
        }
        Some(Self::Coded(coded))
    }
}

impl Coded {
    /// The bytes of the block.
    pub(super) fn write(mut self, hints: &Hints) -> [u8; 16] {
        self.settle();
        let (mode, mut bits) = (self.mode(), Writer::default());
        bits.put(mode.code.0, mode.code.1);
        hints.write(mode, &mut bits);
        bits.put(self.split as u32, mode.partition_bits());
        if let Some(apart) = self.apart.filter(|_| mode.fixed_apart().is_none()) {
            bits.put(apart as u32, 2);
        }
        write_colors(&mut bits, RANGES[mode.colors], &self.colors[..self.count()]);
        for at in 0..16 {
            let length = mode.weight_bits - u32::from(self.is_anchor(at));
            for plane in self.weights.iter().take(if mode.dual { 2 } else { 1 }) {
                bits.put(plane[at].into(), length);
            }
        }
        bits.bytes()
    }

    /// Turns ends and weights round where the highest bit of a first weight is set; what is shown stays.
    fn settle(&mut self) {
        let (mode, subsets) = (self.mode(), self.partition());
        let most = (1u8 << mode.weight_bits) - 1;
        let channels = mode.ends.channels();
        for plane in 0..if mode.dual { 2 } else { 1 } {
            for subset in 0..mode.subsets {
                let inside = |at: usize| usize::from(subsets[at]) == subset;
                let first = (0..16).find(|&at| inside(at)).unwrap_or(0);
                if self.weights[plane][first] >> (mode.weight_bits - 1) == 0 {
                    continue;
                }
                for at in (0..16).filter(|&at| inside(at)) {
                    self.weights[plane][at] = most - self.weights[plane][at];
                }
                for place in 0..channels {
                    // Of grey with alpha the second value is alpha.
                    let channel = if channels == 2 && place == 1 { 3 } else { place };
                    if usize::from(mode.dual && self.apart == Some(channel)) == plane {
                        let at = (subset * channels + place) * 2;
                        self.colors.swap(at, at + 1);
                    }
                }
            }
        }
    }
}

/// The bytes of a block of one colour.
pub(super) fn solid(color: [u8; 4], hint: SolidHint) -> [u8; 16] {
    let mut bits = Writer::default();
    bits.put(SOLID_CODE.0, SOLID_CODE.1);
    color.iter().for_each(|&value| bits.put(value.into(), 8));
    hint.write(&mut bits);
    bits.bytes()
}

/// How many values share their digits, what these are to the base of, and the bits of as many as there are.
fn packing(range: Range) -> (usize, u32, &'static [u32]) {
    match range.kind {
        Kind::Bits => (1, 1, &[0, 0]),
        Kind::Trits => (5, 3, &[0, 2, 4, 5, 7, 8]),
        Kind::Quints => (3, 5, &[0, 3, 5, 7]),
    }
}

/// The digits of all colours come first, each group of them as one number; then the bits of each.
fn read_colors(bits: &mut Reader, range: Range, out: &mut [u8]) {
    let (group, base, lengths) = packing(range);
    for chunk in out.chunks_mut(group) {
        let mut packed = bits.take(lengths[chunk.len()]);
        for digit in chunk {
            *digit = (packed % base) as u8;
            packed /= base;
        }
    }
    for value in out {
        *value = (u32::from(*value) << range.bits | bits.take(range.bits)) as u8;
    }
}

fn write_colors(bits: &mut Writer, range: Range, values: &[u8]) {
    let (group, base, lengths) = packing(range);
    for chunk in values.chunks(group) {
        let packed = chunk.iter().rev().fold(0, |all, &value| all * base + (u32::from(value) >> range.bits));
        bits.put(packed, lengths[chunk.len()]);
    }
    for &value in values {
        bits.put(u32::from(value) & ((1 << range.bits) - 1), range.bits);
    }
}
