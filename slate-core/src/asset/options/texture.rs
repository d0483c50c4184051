use crate::{Error, Result, wire::wire_enum};
use serde::{Deserialize, Serialize};

/// A size to fit a texture to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// Width in pixels, 1 to 16384.
    pub width: u32,
    /// Height in pixels, 1 to 16384.
    pub height: u32,
}

/// How a texture is processed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TextureOptions {
    /// Container to write; default KTX2.
    pub format: TextureFormat,
    /// Block compression; default none. Only KTX2 and DDS can hold one.
    pub compression: Compression,
    /// How levels are compressed once more; default none. Only KTX2 has it.
    pub supercompression: Supercompression,
    /// Whether to write the whole mip chain; default `true`. Only KTX2 and DDS can hold one.
    pub generate_mipmaps: bool,
    /// What levels are filtered by; default box.
    pub mip_filter: MipFilter,
    /// Effort or loss, 0 (quick) to 100 (best); default 90. Of block compression below 10 the least effort, below 20 one guess,
    /// below 50 a little, below 80 some, below 95 much, then all there is. WebP of colours throws away what is seen least below 100,
    /// unless keeping everything takes no more bytes; of normals and masks it keeps everything.
    pub quality: u8,
    /// How much nearness block compression gives up so that what compresses the file later finds more to repeat, 0 to 100;
    /// default 0, which gives up nothing. Blocks are chosen by squared error and this number times the bits that they will
    /// take: of BC7 and ASTC 4x4 4 to 16 are useful, of larger ASTC, BC1 and BC3 16 to 64. Only they know it.
    pub rate_distortion: f32,
    /// Slices of a volume that lie below each other in the source, from the nearest to the furthest; default: the source is a
    /// picture, or is a volume itself.
    pub slices: Option<u32>,
    /// Exact size to resample to; default: the source's own. Of a volume it is that of a slice.
    pub resize: Option<Resize>,
    /// What sides are brought to; default as they are.
    pub sizing: Sizing,
    /// What the values mean; default: as the source says.
    pub kind: TextureKind,
    /// What alpha is; default straight.
    pub alpha: AlphaMode,
    /// The alpha, above 0 and at most 1, from which on a cut-out is there; default 0.5.
    pub alpha_cutoff: f32,
}

impl Default for TextureOptions {
    fn default() -> Self {
        Self {
            format: TextureFormat::Ktx2,
            compression: Compression::None,
            supercompression: Supercompression::None,
            generate_mipmaps: true,
            mip_filter: MipFilter::Box,
            quality: 90,
            rate_distortion: 0.0,
            slices: None,
            resize: None,
            sizing: Sizing::Any,
            kind: TextureKind::Auto,
            alpha: AlphaMode::Straight,
            alpha_cutoff: 0.5,
        }
    }
}

impl TextureOptions {
    /// The largest width and height that may be asked for, in pixels.
    pub const MAX_SIDE: u32 = 16_384;
    /// The most slices of a volume: what Direct3D 11 allows.
    pub const MAX_SLICES: u32 = 2048;

    /// What suits a place and what the values mean; every other option is the default.
    ///
    /// - Desktop: KTX2 with BC7, BC5 for normals, BC6H for HDR.
    /// - Mobile: KTX2 with ASTC of 6×6, of 4×4 for normals, and half floats for HDR.
    /// - Web: WebP, which every browser shows, with a quality of 90; HDR in KTX2 with half floats and zstd.
    /// - Pixel art: KTX2 without compression and mipmaps.
    ///
    /// Of an automatic kind it is taken that there are colours.
    pub fn preset(preset: TexturePreset, kind: TextureKind) -> Self {
        use TextureKind::{Hdr, Normal};
        let mut options = Self { kind, ..Self::default() };
        options.compression = match (preset, kind) {
            (TexturePreset::Desktop, Normal) => Compression::Bc5,
            (TexturePreset::Desktop, Hdr) => Compression::Bc6h,
            (TexturePreset::Desktop, _) => Compression::Bc7,
            (TexturePreset::Mobile, Normal) => Compression::Astc,
            (TexturePreset::Mobile, Hdr) | (TexturePreset::Web | TexturePreset::PixelArt, _) => Compression::None,
            (TexturePreset::Mobile, _) => Compression::Astc6x6,
        };
        match (preset, kind) {
            (TexturePreset::Web, Hdr) => options.supercompression = Supercompression::Zstd,
            (TexturePreset::Web, _) => (options.format, options.generate_mipmaps) = (TextureFormat::Webp, false),
            (TexturePreset::PixelArt, _) => options.generate_mipmaps = false,
            _ => {}
        }
        options
    }

    /// Checks every range and that format, compression and mipmaps go together.
    ///
    /// # Errors
    /// `Invalid`, naming the option and what it may be.
    pub fn validate(&self) -> Result<()> {
        if self.quality > 100 {
            return Err(Error::invalid("quality goes from 0 to 100").with("quality", self.quality));
        }
        if let Some(Resize { width, height }) = self.resize {
            let fits = |side| (1..=Self::MAX_SIDE).contains(&side);
            if !fits(width) || !fits(height) {
                return Err(Error::invalid("resize takes a width and a height from 1 to 16384")
                    .with("width", width)
                    .with("height", height));
            }
        }
        let holds_blocks = matches!(self.format, TextureFormat::Ktx2 | TextureFormat::Dds);
        let (format, compression) = (self.format, self.compression);
        if !holds_blocks && compression != Compression::None {
            return Err(Error::invalid(format!(
                "{format} can't hold {compression}: choose ktx2 or dds for it, or compression none"
            )));
        }
        if format == TextureFormat::Dds && compression.is_for_mobile() {
            return Err(Error::invalid(format!("dds can't hold {compression}: choose ktx2")));
        }
        if format != TextureFormat::Ktx2 && self.supercompression != Supercompression::None {
            return Err(Error::invalid(format!(
                "{format} can't be supercompressed: choose ktx2, or supercompression none"
            )));
        }
        if !(0.0..=100.0).contains(&self.rate_distortion) {
            return Err(
                Error::invalid("rateDistortion goes from 0 to 100").with("rateDistortion", self.rate_distortion)
            );
        }
        if self.rate_distortion > 0.0 && !compression.has_rate_distortion() {
            return Err(Error::invalid(format!(
                "{compression} has no rateDistortion: choose bc1, bc3, bc7 or astc, or rateDistortion 0"
            )));
        }
        if let Some(slices) = self.slices {
            if !(1..=Self::MAX_SLICES).contains(&slices) {
                return Err(Error::invalid("slices goes from 1 to 2048").with("slices", slices));
            }
            self.holds_volumes()?;
        }
        if !(self.alpha_cutoff > 0.0 && self.alpha_cutoff <= 1.0) {
            return Err(Error::invalid("alphaCutoff is above 0 and at most 1").with("alphaCutoff", self.alpha_cutoff));
        }
        if self.alpha == AlphaMode::Premultiplied {
            if !holds_blocks {
                return Err(Error::invalid(format!(
                    "{format} can't say that alpha is premultiplied: choose ktx2 or dds"
                )));
            }
            if self.kind == TextureKind::Normal {
                return Err(Error::invalid("normals can't be premultiplied: choose alpha straight"));
            }
        }
        self.kind_fits()?;
        if !holds_blocks && self.generate_mipmaps {
            return Err(Error::invalid(
                "this format holds one level: choose ktx2 or dds, or set generateMipmaps to false",
            )
            .with("format", self.format));
        }
        Ok(())
    }

    /// Whether a volume can be written: in KTX2 or DDS, plain or in BC, because graphics interfaces have no others; and without
    /// a cut-out, whose coverage would be kept slice by slice.
    ///
    /// # Errors
    /// `Invalid`, naming what can be chosen.
    pub fn holds_volumes(&self) -> Result<()> {
        let (format, compression) = (self.format, self.compression);
        if !matches!(format, TextureFormat::Ktx2 | TextureFormat::Dds) {
            return Err(Error::invalid(format!("{format} holds no volume: choose ktx2 or dds")));
        }
        if compression.is_for_mobile() {
            return Err(Error::invalid(format!("{compression} holds no volume: choose bc7 or none")));
        }
        if self.alpha == AlphaMode::Cutout {
            return Err(Error::invalid("a volume holds no cut-out: choose alpha straight"));
        }
        Ok(())
    }

    /// Whether the compression can hold what the values mean; it is asked again once the source has said it.
    fn kind_fits(&self) -> Result<()> {
        use {Compression as C, TextureKind as K};
        let compression = self.compression;
        let wanted = match (self.kind, compression) {
            (K::Auto, _) | (_, C::None) | (K::Hdr, C::Bc6h) => return Ok(()),
            (K::Hdr, _) => "holds no light beyond 1.0: choose bc6h or none",
            (_, C::Bc6h) => "holds linear light: choose bc7 or astc, or kind hdr",
            (K::Mask, _) => return Ok(()),
            (_, C::Bc4 | C::EacR11) => "holds one linear channel: choose bc7 or astc, or kind mask",
            (K::Color, C::Bc5 | C::EacRg11) => "holds two linear channels: choose bc7 or astc, or kind normal or mask",
            _ => return Ok(()),
        };
        Err(Error::invalid(format!("{compression} {wanted}")).with("kind", self.kind))
    }
}

impl Compression {
    /// Whether it is read by graphics processors of phones, or is turned into what others read, and DDS files have no number
    /// for it.
    const fn is_for_mobile(self) -> bool {
        !matches!(self, Self::None | Self::Bc1 | Self::Bc3 | Self::Bc4 | Self::Bc5 | Self::Bc6h | Self::Bc7)
    }

    /// Whether blocks of it can be chosen by what they cost once they are compressed.
    fn has_rate_distortion(self) -> bool {
        matches!(self, Self::Bc1 | Self::Bc3 | Self::Bc7) || self.as_str().starts_with("astc")
    }
}

wire_enum! {
    /// The container that a texture is written in.
    TextureFormat {
        /// PNG: lossless, one level.
        Png = "png",
        /// JPEG: lossy, opaque, one level.
        Jpeg = "jpg",
        /// WebP: lossy of colours, alpha and all else lossless; one level.
        Webp = "webp",
        /// DirectDraw Surface: block formats and mipmaps.
        Dds = "dds",
        /// Khronos Texture 2: block formats, mipmaps, supercompression.
        Ktx2 = "ktx2",
    }
}

wire_enum! {
    /// A block compression that graphics processors read directly.
    Compression {
        /// Plain pixels.
        None = "none",
        /// BC1: RGB, 4 bits a pixel.
        Bc1 = "bc1",
        /// BC3: RGBA, 8 bits a pixel.
        Bc3 = "bc3",
        /// BC4: one channel, 4 bits a pixel.
        Bc4 = "bc4",
        /// BC5: two channels, 8 bits a pixel.
        Bc5 = "bc5",
        /// BC6H: RGB half floats, 8 bits a pixel.
        Bc6h = "bc6h",
        /// BC7: RGBA, 8 bits a pixel.
        Bc7 = "bc7",
        /// ETC2: RGB in 4 bits a pixel, RGBA in 8.
        Etc2 = "etc2",
        /// EAC: one channel of 11 bits, 4 bits a pixel.
        EacR11 = "eac-r11",
        /// EAC: two channels of 11 bits, 8 bits a pixel.
        EacRg11 = "eac-rg11",
        /// UASTC, 8 bits a pixel: of Basis Universal, whose readers turn it into what a graphics processor has.
        Uastc = "uastc",
        /// ASTC 4×4, 8 bits a pixel.
        Astc = "astc",
        /// ASTC 5×4, 6.4 bits a pixel.
        Astc5x4 = "astc-5x4",
        /// ASTC 5×5, 5.12 bits a pixel.
        Astc5x5 = "astc-5x5",
        /// ASTC 6×5, 4.27 bits a pixel.
        Astc6x5 = "astc-6x5",
        /// ASTC 6×6, 3.56 bits a pixel.
        Astc6x6 = "astc-6x6",
        /// ASTC 8×5, 3.2 bits a pixel.
        Astc8x5 = "astc-8x5",
        /// ASTC 8×6, 2.67 bits a pixel.
        Astc8x6 = "astc-8x6",
        /// ASTC 8×8, 2 bits a pixel.
        Astc8x8 = "astc-8x8",
        /// ASTC 10×5, 2.56 bits a pixel.
        Astc10x5 = "astc-10x5",
        /// ASTC 10×6, 2.13 bits a pixel.
        Astc10x6 = "astc-10x6",
        /// ASTC 10×8, 1.6 bits a pixel.
        Astc10x8 = "astc-10x8",
        /// ASTC 10×10, 1.28 bits a pixel.
        Astc10x10 = "astc-10x10",
        /// ASTC 12×10, 1.07 bits a pixel.
        Astc12x10 = "astc-12x10",
        /// ASTC 12×12, 0.89 bits a pixel.
        Astc12x12 = "astc-12x12",
    }
}

wire_enum! {
    /// How the levels of a KTX2 file are compressed once more, without loss.
    Supercompression {
        /// Not at all: graphics processors read the levels as they are.
        None = "none",
        /// Zstandard: smaller files, for loaders that know it.
        Zstd = "zstd",
    }
}

wire_enum! {
    /// What the levels of a mip chain are filtered by. Sharper ones may ring at hard edges.
    MipFilter {
        /// The mean of the area that a texel covers: soft, and never rings.
        Box = "box",
        /// A tent twice as wide: softer, and without stairs.
        Triangle = "triangle",
        /// A sinc of three lobes in a Kaiser window (alpha 4): sharp, with little ringing.
        Kaiser = "kaiser",
        /// A sinc of three lobes in a sinc: a little sharper.
        Lanczos = "lanczos",
    }
}

wire_enum! {
    /// What a texture's alpha is.
    AlphaMode {
        /// Beside the colours, which stay as they are.
        Straight = "straight",
        /// The colours are multiplied by it, in linear light. Only KTX2 and DDS say so.
        Premultiplied = "premultiplied",
        /// Where it is below the cutoff there is nothing. Every level keeps the share of texels above it, so that leaves
        /// and fences don't dissolve; BC1 and ETC2 spend one bit a texel on it.
        Cutout = "cutout",
    }
}

wire_enum! {
    /// What a texture's sides are brought to, after a resize to an exact size.
    Sizing {
        /// As they are.
        Any = "any",
        /// Each to the nearest power of two.
        PowerOfTwo = "power-of-two",
        /// Each to the next multiple of four, as some graphics interfaces want of block compression.
        MultipleOfFour = "multiple-of-four",
    }
}

wire_enum! {
    /// Where textures will be shown; see [`TextureOptions::preset`].
    TexturePreset {
        /// Computers and consoles.
        Desktop = "desktop",
        /// Phones and tablets.
        Mobile = "mobile",
        /// Browsers.
        Web = "web",
        /// Few pixels that are to stay as they are.
        PixelArt = "pixel-art",
    }
}

wire_enum! {
    /// What a texture's values mean; it decides how it is filtered and encoded.
    TextureKind {
        /// As the source says: HDR for an image of linear light beyond 1.0, colour for every other.
        Auto = "auto",
        /// Colours in sRGB.
        Color = "color",
        /// Tangent-space normals.
        Normal = "normal",
        /// Linear data: roughness, masks, heights.
        Mask = "mask",
        /// Linear light beyond 1.0.
        Hdr = "hdr",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid() {
        for &preset in TexturePreset::ALL {
            for &kind in TextureKind::ALL {
                TextureOptions::preset(preset, kind).validate().unwrap();
            }
        }
    }
}
