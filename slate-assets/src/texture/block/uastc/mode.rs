//! What the modes hold.

use Ends::{GreyAlpha, Rgb, Rgba};

/// How a subset's endpoints are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    GreyAlpha,
    Rgb,
    Rgba,
}

impl Ends {
    /// Values of an endpoint.
    pub(super) const fn channels(self) -> usize {
        match self {
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// Which partitions a mode may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partitions {
    None,
    /// Those of two subsets that BC7 has, too.
    Two,
    /// Those of three subsets that BC7 has, too.
    Three,
    /// Those of two subsets that are three of BC7, two of which are joined.
    Joined,
}

/// A mode other than that of one colour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    /// The bits that a block of it begins with, and how many.
    pub(super) code: (u32, u32),
    pub(super) ends: Ends,
    pub(super) subsets: usize,
    pub(super) partitions: Partitions,
    /// Whether one channel has weights of its own.
    pub(super) dual: bool,
    /// Bits of a weight.
    pub(super) weight_bits: u32,
    /// The place of the range of the colours among ASTC's.
    pub(super) colors: usize,
}

/// The number of the mode that has one colour.
pub(super) const SOLID: usize = 8;

/// The code of the mode that has one colour.
pub(super) const SOLID_CODE: (u32, u32) = (0x17, 5);

const fn mode(code: (u32, u32), ends: Ends, weight_bits: u32, colors: usize) -> Mode {
    Mode { code, ends, subsets: 1, partitions: Partitions::None, dual: false, weight_bits, colors }
}

const fn dual(mode: Mode) -> Mode {
    Mode { dual: true, ..mode }
}

const fn split(partitions: Partitions, mode: Mode) -> Mode {
    Mode { subsets: if matches!(partitions, Partitions::Three) { 3 } else { 2 }, partitions, ..mode }
}

/// The modes by their numbers; that of one colour stands there with its code alone.
pub(super) const MODES: [Mode; 19] = [
    mode((0x01, 4), Rgb, 4, 19),
    mode((0x35, 6), Rgb, 2, 20),
    split(Partitions::Two, mode((0x1D, 5), Rgb, 3, 8)),
    split(Partitions::Three, mode((0x03, 5), Rgb, 2, 7)),
    split(Partitions::Two, mode((0x13, 5), Rgb, 2, 12)),
    mode((0x0B, 5), Rgb, 3, 20),
    dual(mode((0x1B, 5), Rgb, 2, 18)),
    split(Partitions::Joined, mode((0x07, 5), Rgb, 2, 12)),
    mode(SOLID_CODE, Rgba, 1, 20),
    split(Partitions::Two, mode((0x0F, 5), Rgba, 2, 8)),
    mode((0x02, 3), Rgba, 4, 13),
    dual(mode((0x00, 2), Rgba, 2, 13)),
    mode((0x06, 3), Rgba, 3, 19),
    dual(mode((0x1F, 5), Rgba, 1, 20)),
    mode((0x0D, 5), Rgba, 2, 20),
    mode((0x05, 7), GreyAlpha, 4, 20),
    split(Partitions::Two, mode((0x15, 6), GreyAlpha, 2, 20)),
    dual(mode((0x25, 6), GreyAlpha, 2, 20)),
    mode((0x09, 4), Rgb, 5, 11),
];

impl Mode {
    /// The number of the mode of a block that begins with these bits.
    pub(super) fn of(bits: u32) -> Option<usize> {
        MODES.iter().position(|mode| bits & ((1 << mode.code.1) - 1) == mode.code.0)
    }

    /// The place of the range of the weights among ASTC's.
    pub(super) const fn weights(&self) -> usize {
        [0, 0, 2, 5, 8, 11][self.weight_bits as usize]
    }

    /// Whether it has hints for ETC1's colours, and the second one for BC1: where there was no room for more alpha, it hasn't.
    pub(super) fn has_bias(&self) -> bool {
        self.ends != Rgba || self.subsets == 2 || self.colors == 20
    }

    pub(super) fn has_alpha(&self) -> bool {
        self.ends != Rgb
    }

    /// The channel that has weights of its own without being named.
    pub(super) fn fixed_apart(&self) -> Option<usize> {
        (self.dual && self.ends == GreyAlpha).then_some(3)
    }

    /// Bits of a partition's number.
    pub(super) const fn partition_bits(&self) -> u32 {
        match self.partitions {
            Partitions::None => 0,
            Partitions::Two | Partitions::Joined => 5,
            Partitions::Three => 4,
        }
    }
}
