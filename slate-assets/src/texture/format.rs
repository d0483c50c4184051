//! The texel formats of containers, by their numbers in Vulkan and DXGI.

use super::block::{BlockFormat, Footprint};
use slate_core::{Error, Result};

/// How a container's texels are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Plain(Plain),
    Block { format: BlockFormat, srgb: bool },
}

/// Texels one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) channels: u8,
    /// Bytes of a channel.
    pub(super) bytes: u8,
    pub(super) transfer: Transfer,
    /// Whether blue comes first.
    pub(super) bgr: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    Srgb,
    Linear,
    Float,
}

const fn plain(channels: u8, bytes: u8, transfer: Transfer, bgr: bool) -> Plain {
    Plain { channels, bytes, transfer, bgr }
}

/// VkFormat, DXGI_FORMAT (0 where there is none) and layout of what isn't in blocks.
const PLAIN: [(u32, u32, Plain); 16] = [
    (9, 61, plain(1, 1, Transfer::Linear, false)),
    (15, 0, plain(1, 1, Transfer::Srgb, false)),
    (16, 49, plain(2, 1, Transfer::Linear, false)),
    (22, 0, plain(2, 1, Transfer::Srgb, false)),
    (23, 0, plain(3, 1, Transfer::Linear, false)),
    (29, 0, plain(3, 1, Transfer::Srgb, false)),
    (37, 28, plain(4, 1, Transfer::Linear, false)),
    (43, 29, plain(4, 1, Transfer::Srgb, false)),
    (44, 87, plain(4, 1, Transfer::Linear, true)),
    (50, 91, plain(4, 1, Transfer::Srgb, true)),
    (70, 56, plain(1, 2, Transfer::Linear, false)),
    (77, 35, plain(2, 2, Transfer::Linear, false)),
    (91, 11, plain(4, 2, Transfer::Linear, false)),
    (97, 10, plain(4, 2, Transfer::Float, false)),
    (106, 6, plain(3, 4, Transfer::Float, false)),
    (109, 2, plain(4, 4, Transfer::Float, false)),
];

/// VkFormat and DXGI_FORMAT of what is in blocks; the one in sRGB is the next number.
const BLOCKS: [(u32, u32, BlockFormat); 12] = [
    (131, 71, BlockFormat::Bc1),
    (133, 71, BlockFormat::Bc1Alpha),
    (137, 77, BlockFormat::Bc3),
    (139, 80, BlockFormat::Bc4),
    (141, 83, BlockFormat::Bc5),
    (143, 95, BlockFormat::Bc6h),
    (145, 98, BlockFormat::Bc7),
    (147, 0, BlockFormat::Etc2Rgb),
    (149, 0, BlockFormat::Etc2Rgba1),
    (151, 0, BlockFormat::Etc2Rgba),
    (153, 0, BlockFormat::EacR11),
    (155, 0, BlockFormat::EacRg11),
];

/// The first of the numbers of ASTC: two for each footprint, in the order of [`Footprint::ALL`].
const ASTC: u32 = 157;

impl Format {
    /// The number of the `VkFormat`.
    pub(super) fn vk(self) -> u32 {
        match self {
            Self::Plain(plain) => PLAIN.iter().find(|(.., other)| *other == plain).map_or(0, |(vk, ..)| *vk),
            Self::Block { format: BlockFormat::Astc(footprint), srgb } => {
                let place = Footprint::ALL.iter().position(|other| *other == footprint).unwrap_or(0);
                ASTC + 2 * place as u32 + u32::from(srgb)
            }
            Self::Block { format, srgb } => {
                BLOCKS.iter().find(|(.., other)| *other == format).map_or(0, |(vk, ..)| vk + u32::from(srgb))
            }
        }
    }

    /// The format of this `VkFormat`, where it is read here.
    pub(super) fn of_vk(number: u32) -> Option<Self> {
        if let Some((.., plain)) = PLAIN.iter().find(|(vk, ..)| *vk == number) {
            return Some(Self::Plain(*plain));
        }
        if (ASTC..ASTC + 28).contains(&number) {
            let footprint = Footprint::ALL[((number - ASTC) / 2) as usize];
            return Some(Self::Block { format: BlockFormat::Astc(footprint), srgb: (number - ASTC) % 2 == 1 });
        }
        BLOCKS.iter().find_map(|&(vk, _, format)| match number.checked_sub(vk) {
            Some(0) => Some(Self::Block { format, srgb: false }),
            Some(1) if format.has_srgb() => Some(Self::Block { format, srgb: true }),
            _ => None,
        })
    }

    /// The number of the `DXGI_FORMAT`, where there is one.
    pub(super) fn dxgi(self) -> Option<u32> {
        let number = match self {
            Self::Plain(plain) => PLAIN.iter().find(|(.., other)| *other == plain).map_or(0, |(_, dxgi, _)| *dxgi),
            Self::Block { format, srgb } => match BLOCKS.iter().find(|(.., other)| *other == format) {
                Some(&(_, dxgi, _)) if dxgi > 0 => dxgi + u32::from(srgb),
                _ => 0,
            },
        };
        (number > 0).then_some(number)
    }

    /// The format of this `DXGI_FORMAT`, where it is read here; BC1 may have alpha.
    pub(super) fn of_dxgi(number: u32) -> Option<Self> {
        if number == 0 {
            return None;
        }
        if let Some((.., plain)) = PLAIN.iter().find(|(_, dxgi, _)| *dxgi == number) {
            return Some(Self::Plain(*plain));
        }
        BLOCKS.iter().rev().find_map(|&(_, dxgi, format)| match number.checked_sub(dxgi) {
            Some(0) if dxgi > 0 => Some(Self::Block { format, srgb: false }),
            Some(1) if dxgi > 0 && format.has_srgb() => Some(Self::Block { format, srgb: true }),
            _ => None,
        })
    }

    /// Texels in a row of a block, and its rows; 1 and 1 without blocks.
    pub(super) fn block_size(self) -> (u32, u32) {
        match self {
            Self::Plain(_) => (1, 1),
            Self::Block { format, .. } => format.block_size(),
        }
    }

    /// Bytes of a texel or block.
    pub(super) fn block_bytes(self) -> u64 {
        match self {
            Self::Plain(plain) => u64::from(plain.channels) * u64::from(plain.bytes),
            Self::Block { format, .. } => format.block_bytes() as u64,
        }
    }

    /// Bytes of an image of this size.
    pub(super) fn bytes(self, width: u32, height: u32) -> u64 {
        let (block_width, block_height) = self.block_size();
        let (across, down) = (width.div_ceil(block_width), height.div_ceil(block_height));
        (u64::from(across) * u64::from(down)).saturating_mul(self.block_bytes())
    }

    /// Whether colours are in sRGB.
    pub(super) fn is_srgb(self) -> bool {
        match self {
            Self::Plain(plain) => plain.transfer == Transfer::Srgb,
            Self::Block { srgb, .. } => srgb,
        }
    }

    /// Whether values may be beyond 1.
    pub(super) fn is_float(self) -> bool {
        match self {
            Self::Plain(plain) => plain.transfer == Transfer::Float,
            Self::Block { format, .. } => format == BlockFormat::Bc6h,
        }
    }
}

/// A texture as a container holds it.
pub(super) struct Stored {
    pub(super) format: Format,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) shape: Shape,
    /// Whether colours are multiplied by alpha.
    pub(super) premultiplied: bool,
    /// Largest first; in each the images of all layers, and of all faces of each.
    pub(super) levels: Vec<Vec<u8>>,
}

/// How many images a texture is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Images of an array; 0 where it is none.
    pub(super) layers: u32,
    /// 6 for a cube, else 1.
    pub(super) faces: u32,
    /// Slices of a volume, which halve from level to level; 0 where it is none.
    pub(super) depth: u32,
}

impl Shape {
    /// One image.
    pub(super) const FLAT: Self = Self { layers: 0, faces: 1, depth: 0 };
    /// The most layers of an array: what Direct3D 11 allows.
    pub(super) const MOST_LAYERS: u32 = 2048;

    /// The most slices of a volume: the same.
    pub(super) const MOST_SLICES: u32 = 2048;

    /// Textures of one size that this one is made of.
    pub(super) fn textures(self) -> u32 {
        self.layers.max(1) * self.faces
    }

    /// Images of a level.
    pub(super) fn images(self, level: u32) -> u32 {
        self.textures() * side(self.depth, level)
    }

    /// Refuses a volume of more slices than are allowed, and one that is an array or a cube besides.
    pub(super) fn checked(self) -> Result<Self> {
        if self.depth > Self::MOST_SLICES {
            return Err(Error::limit_exceeded("the volume has more slices than 2048").with("slices", self.depth));
        }
        if self.depth > 0 && (self.layers > 0 || self.faces > 1) {
            return Err(Error::unsupported("arrays and cubes of volumes are not read"));
        }
        Ok(self)
    }
}

/// The size of a level's side.
pub(super) fn side(base: u32, level: u32) -> u32 {
    base.checked_shr(level).unwrap_or(0).max(1)
}

/// The most levels that a texture of this size may have; the depth of what is no volume is 0.
pub(super) fn most_levels(width: u32, height: u32, depth: u32) -> u32 {
    32 - width.max(height).max(depth).max(1).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in 0..200 {
            if let Some(format) = Format::of_vk(number) {
                assert_eq!(format.vk(), number);
            }
            if let Some(format) = Format::of_dxgi(number) {
                assert_eq!(format.dxgi(), Some(number));
            }
        }
        assert_eq!(Format::of_vk(140), None, "signed BC4");
        assert_eq!(Format::of_dxgi(81), None, "signed BC4");
    }

    #[test]
    fn a_chain_ends_at_one() {
        assert_eq!((most_levels(1, 1, 0), most_levels(256, 3, 0), most_levels(2, 1, 257)), (1, 9, 9));
        assert_eq!((side(5, 1), side(5, 9), side(5, 40)), (2, 1, 1));
    }
}
