//! Which subset each texel is in: the partitions of ASTC that are partitions of BC7, too.

use super::mode::Partitions;
use crate::texture::block::astc::partition::subset;
use std::sync::LazyLock;

/// ASTC's numbers of partitions of two subsets, by those that are written here.
const TWO: [u32; 30] = [
    28, 20, 16, 29, 91, 9, 107, 72, 149, 204, 50, 114, 496, 17, 78, 39, 252, 828, 43, 156, 116, 210, 476, 273, 684,
    359, 246, 195, 694, 524,
];
const THREE: [u32; 11] = [260, 74, 32, 156, 183, 15, 745, 0, 335, 902, 254];
const JOINED: [u32; 19] = [36, 48, 61, 137, 161, 183, 226, 281, 302, 307, 479, 495, 593, 594, 605, 799, 812, 988, 993];

/// The subset of each texel, in rows.
pub(super) type Subsets = [u8; 16];

/// ASTC's number of each partition, and its subsets.
type Table<const N: usize> = LazyLock<[(u32, Subsets); N]>;

static NONE: Table<1> = LazyLock::new(|| [(0, [0; 16])]);
static ALL_TWO: Table<30> = LazyLock::new(|| TWO.map(|seed| of(seed, 2)));
static ALL_THREE: Table<11> = LazyLock::new(|| THREE.map(|seed| of(seed, 3)));
static ALL_JOINED: Table<19> = LazyLock::new(|| JOINED.map(|seed| of(seed, 2)));

fn of(seed: u32, subsets: u32) -> (u32, Subsets) {
    let of = |at: u32| subset(seed, at % 4, at / 4, subsets, true) as u8;
    (seed, std::array::from_fn(|at| of(at as u32)))
}

impl Partitions {
    /// ASTC's number of each, and its subsets.
    pub(super) fn all(self) -> &'static [(u32, Subsets)] {
        match self {
            Self::None => &*NONE,
            Self::Two => &*ALL_TWO,
            Self::Three => &*ALL_THREE,
            Self::Joined => &*ALL_JOINED,
        }
    }
}
