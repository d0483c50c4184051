use std::fmt;

/// The size of an ASTC block in texels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Footprint {
    width: u8,
    height: u8,
}

impl Footprint {
    /// The fourteen sizes of the specification, smallest first.
    pub const ALL: [Self; 14] = [
        Self { width: 4, height: 4 },
        Self { width: 5, height: 4 },
        Self { width: 5, height: 5 },
        Self { width: 6, height: 5 },
        Self { width: 6, height: 6 },
        Self { width: 8, height: 5 },
        Self { width: 8, height: 6 },
        Self { width: 8, height: 8 },
        Self { width: 10, height: 5 },
        Self { width: 10, height: 6 },
        Self { width: 10, height: 8 },
        Self { width: 10, height: 10 },
        Self { width: 12, height: 10 },
        Self { width: 12, height: 12 },
    ];

    /// The footprint of this size; `None` where the specification has none.
    pub fn new(width: u8, height: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|footprint| (footprint.width, footprint.height) == (width, height))
    }

    /// Texels in a row of a block.
    pub fn width(self) -> usize {
        self.width.into()
    }

    /// Rows of a block.
    pub fn height(self) -> usize {
        self.height.into()
    }

    /// The place among [`ALL`](Self::ALL).
    pub(super) fn index(self) -> usize {
        Self::ALL.iter().position(|footprint| *footprint == self).unwrap_or(0)
    }
}

/// A block format that is encoded and decoded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockFormat {
    /// BC1: opaque colours.
    Bc1,
    /// BC1 with one bit of alpha.
    Bc1Alpha,
    /// BC3: colours and alpha.
    Bc3,
    /// BC4: one channel.
    Bc4,
    /// BC5: two channels.
    Bc5,
    /// BC6H: unsigned half floats, RGB.
    Bc6h,
    /// BC7: colours and alpha.
    Bc7,
    /// ETC2: opaque colours.
    Etc2Rgb,
    /// ETC2 with one bit of alpha.
    Etc2Rgba1,
    /// ETC2 colours with EAC alpha.
    Etc2Rgba,
    /// EAC: one channel of 11 bits.
    EacR11,
    /// EAC: two channels of 11 bits.
    EacRg11,
    /// ASTC: colours and alpha.
    Astc(Footprint),
    /// UASTC of 4×4 texels, which readers turn into one of the others.
    Uastc(Channels),
}

/// What the four channels of UASTC are used for; as surfaces they are in red, or red and green, where there are fewer than three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channels {
    /// Opaque colours, normals, or three numbers.
    Rgb,
    /// The same with alpha.
    Rgba,
    /// One number, as grey.
    Rrr,
    /// Two numbers: one as grey, one as alpha. They are nearer so than as red and green.
    Rrrg,
    /// Two numbers, as red and green.
    Rg,
}

impl Channels {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rgb, Self::Rgba, Self::Rrr, Self::Rrrg, Self::Rg];

    /// From where they are on a surface to where they are in a block.
    pub(super) fn in_block(self, [r, g, b, a]: [u8; 4]) -> [u8; 4] {
        match self {
            Self::Rgb => [r, g, b, 255],
            Self::Rgba => [r, g, b, a],
            Self::Rrr => [r, r, r, 255],
            Self::Rrrg => [r, r, r, g],
            Self::Rg => [r, g, 0, 255],
        }
    }

    /// From where they are in a block to where they are on a surface.
    pub(super) fn on_surface(self, [r, g, b, a]: [u8; 4]) -> [u8; 4] {
        match self {
            Self::Rgb => [r, g, b, 255],
            Self::Rgba => [r, g, b, a],
            Self::Rrr => [r, 0, 0, 255],
            Self::Rrrg => [r, a, 0, 255],
            Self::Rg => [r, g, 0, 255],
        }
    }
}

impl BlockFormat {
    /// All formats.
    pub fn all() -> impl Iterator<Item = Self> {
        let fixed = [
            Self::Bc1,
            Self::Bc1Alpha,
            Self::Bc3,
            Self::Bc4,
            Self::Bc5,
            Self::Bc6h,
            Self::Bc7,
            Self::Etc2Rgb,
            Self::Etc2Rgba1,
            Self::Etc2Rgba,
            Self::EacR11,
            Self::EacRg11,
        ];
        fixed.into_iter().chain(Footprint::ALL.map(Self::Astc)).chain(Channels::ALL.map(Self::Uastc))
    }

    /// Texels in a row of a block, and rows of a block.
    pub fn block_size(self) -> (u32, u32) {
        match self {
            Self::Astc(footprint) => (footprint.width.into(), footprint.height.into()),
            _ => (4, 4),
        }
    }

    /// Bytes of a block: 8 or 16.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::Bc1 | Self::Bc1Alpha | Self::Bc4 | Self::Etc2Rgb | Self::Etc2Rgba1 | Self::EacR11 => 8,
            _ => 16,
        }
    }

    /// Bytes of a surface of this size in texels; blocks that stick out count whole.
    pub fn bytes(self, width: u32, height: u32) -> u64 {
        let (across, down) = self.blocks(width, height);
        u64::from(across) * u64::from(down) * self.block_bytes() as u64
    }

    /// Blocks in a row, and rows of blocks.
    pub fn blocks(self, width: u32, height: u32) -> (u32, u32) {
        let (block_width, block_height) = self.block_size();
        (width.div_ceil(block_width), height.div_ceil(block_height))
    }

    /// Channels that come back: 1 and 2 for single channels, 3 without alpha, else 4.
    pub fn channels(self) -> u8 {
        match self {
            Self::Bc4 | Self::EacR11 | Self::Uastc(Channels::Rrr) => 1,
            Self::Bc5 | Self::EacRg11 | Self::Uastc(Channels::Rrrg | Channels::Rg) => 2,
            Self::Bc1 | Self::Bc6h | Self::Etc2Rgb | Self::Uastc(Channels::Rgb) => 3,
            _ => 4,
        }
    }

    /// Whether it may hold colours in sRGB.
    pub fn has_srgb(self) -> bool {
        !matches!(self, Self::Bc6h) && self.channels() > 2
    }
}

impl fmt::Display for BlockFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bc1 => "BC1",
            Self::Bc1Alpha => "BC1 with alpha",
            Self::Bc3 => "BC3",
            Self::Bc4 => "BC4",
            Self::Bc5 => "BC5",
            Self::Bc6h => "BC6H",
            Self::Bc7 => "BC7",
            Self::Etc2Rgb => "ETC2 RGB",
            Self::Etc2Rgba1 => "ETC2 RGBA1",
            Self::Etc2Rgba => "ETC2 RGBA",
            Self::EacR11 => "EAC R11",
            Self::EacRg11 => "EAC RG11",
            Self::Astc(footprint) => return write!(f, "ASTC {}x{}", footprint.width, footprint.height),
            Self::Uastc(Channels::Rgb) => "UASTC RGB",
            Self::Uastc(Channels::Rgba) => "UASTC RGBA",
            Self::Uastc(Channels::Rrr) => "UASTC RRR",
            Self::Uastc(Channels::Rrrg) => "UASTC RRRG",
            Self::Uastc(Channels::Rg) => "UASTC RG",
        })
    }
}
