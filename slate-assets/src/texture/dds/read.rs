use super::{DX10, HEADER, MAGIC};
use crate::texture::{
    block::BlockFormat,
    format::{Format, Plain, Shape, Transfer, most_levels, side},
};
use slate_core::{
    Error, Result,
    asset::{AssetLimits, ReadSeek},
};
use std::io::SeekFrom;

/// What the header says, checked.
pub(crate) struct Header {
    pub(crate) format: Format,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) shape: Shape,
    pub(crate) levels: u32,
    pub(crate) premultiplied: bool,
    /// Whether a fourth channel is only there to fill up.
    pub(crate) opaque: bool,
    data: u64,
}

impl Header {
    /// Reads the header, and checks the sizes of all levels against the file's.
    pub(crate) fn read(file: &mut dyn ReadSeek, length: u64) -> Result<Self> {
        let mut head = [0; HEADER as usize];
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut head)).map_err(|_| ends())?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if head[..4] != MAGIC || word(4) != 124 || word(76) != 32 {
            return Err(Error::corrupt("this is no DDS file: its header isn't one"));
        }
        let (height, width, caps) = (word(12), word(16), word(112));
        if width == 0 || height == 0 {
            return Err(Error::corrupt("the DDS file has no texels").with("at byte", 12));
        }
        let depth = if caps & 0x20_0000 != 0 { word(24).max(1) } else { 0 };
        let levels = word(28).max(1);
        if levels > most_levels(width, height, depth) {
            return Err(Error::corrupt("the DDS file has more levels than its size allows").with("levels", levels));
        }
        let mut header = Self {
            format: Format::Block { format: BlockFormat::Bc7, srgb: false },
            width,
            height,
            shape: Shape { layers: 0, faces: if caps & 0x200 != 0 { 6 } else { 1 }, depth },
            levels,
            premultiplied: false,
            opaque: false,
            data: HEADER,
        };
        if word(80) & 4 != 0 && &head[84..88] == b"DX10" {
            header.read_dx10(file)?;
        } else {
            if caps & 0x200 != 0 && caps & 0xFC00 != 0xFC00 {
                return Err(Error::unsupported("only DDS cubes with all six faces are read").with("at byte", 112));
            }
            let masks = [word(92), word(96), word(100), word(104)];
            (header.format, header.opaque) = legacy(word(80), &head[84..88], word(88), masks)?;
            header.premultiplied = matches!(&head[84..88], b"DXT4" | b"DXT2");
        }
        header.shape = header.shape.checked()?;
        if header.shape.faces == 6 && width != height {
            return Err(Error::corrupt("the faces of a DDS cube are square"));
        }
        let all = header.texture_bytes().saturating_mul(header.shape.textures().into());
        if header.data.checked_add(all).is_none_or(|end| end > length) {
            return Err(Error::corrupt("the DDS file is shorter than its header says").with("bytes", length));
        }
        Ok(header)
    }

    fn read_dx10(&mut self, file: &mut dyn ReadSeek) -> Result<()> {
        let mut head = [0; DX10 as usize];
        file.seek(SeekFrom::Start(HEADER)).and_then(|_| file.read_exact(&mut head)).map_err(|_| ends())?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        self.format = Format::of_dxgi(word(0))
            .ok_or_else(|| Error::unsupported("this DDS file's format is not read").with("dxgiFormat", word(0)))?;
        self.shape.depth = match word(4) {
            3 => 0,
            4 => self.shape.depth.max(1),
            _ => return Err(Error::unsupported("DDS textures of one dimension are not read").with("at byte", 132)),
        };
        self.shape.faces = if word(8) & 4 != 0 { 6 } else { 1 };
        let layers = word(12);
        if layers > Shape::MOST_LAYERS {
            return Err(Error::limit_exceeded("the texture has more layers than 2048").with("layers", layers));
        }
        self.shape.layers = if layers > 1 { layers } else { 0 };
        (self.premultiplied, self.opaque) = (word(16) & 7 == 2, word(16) & 7 == 3);
        self.data = HEADER + DX10;
        Ok(())
    }

    /// Bytes of one texture with all its levels.
    fn texture_bytes(&self) -> u64 {
        let level = |level| {
            let image = self.format.bytes(side(self.width, level), side(self.height, level));
            image.saturating_mul(side(self.shape.depth, level).into())
        };
        (0..self.levels).fold(0u64, |all, at| all.saturating_add(level(at)))
    }

    /// Bytes of the largest level, with all its images.
    pub(crate) fn bytes(&self) -> u64 {
        self.format.bytes(self.width, self.height).saturating_mul(self.shape.images(0).into())
    }
}

/// The largest level of all images, one after the other.
pub(crate) fn read(file: &mut dyn ReadSeek, header: &Header, limits: &AssetLimits) -> Result<Vec<u8>> {
    AssetLimits::check("the texture's size in bytes", header.bytes(), limits.decoded_bytes)?;
    let mut bytes = vec![0; header.bytes() as usize];
    let size = bytes.len() / header.shape.textures() as usize;
    for (texture, out) in bytes.chunks_exact_mut(size).enumerate() {
        let place = header.data + texture as u64 * header.texture_bytes();
        let read = file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(out));
        read.map_err(|error| Error::io("read the texture", error))?;
    }
    Ok(bytes)
}

/// The formats of files without a DXGI number, and whether a fourth channel is only there to fill up.
fn legacy(flags: u32, letters: &[u8], bits: u32, masks: [u32; 4]) -> Result<(Format, bool)> {
    let block = |format| Ok((Format::Block { format, srgb: false }, false));
    let plain = |channels, bgr, opaque| {
        Ok((Format::Plain(Plain { channels, bytes: 1, transfer: Transfer::Linear, bgr }), opaque))
    };
    if flags & 4 != 0 {
        return match letters {
            b"DXT1" => block(BlockFormat::Bc1Alpha),
            b"DXT4" | b"DXT5" => block(BlockFormat::Bc3),
            b"ATI1" | b"BC4U" => block(BlockFormat::Bc4),
            b"ATI2" | b"BC5U" => block(BlockFormat::Bc5),
            other => Err(Error::unsupported("this DDS file's format is not read").with("fourCC", other.escape_ascii())),
        };
    }
    match (bits, masks) {
        (32, [0xFF, 0xFF00, 0xFF_0000, alpha]) => plain(4, false, alpha == 0 || flags & 1 == 0),
        (32, [0xFF_0000, 0xFF00, 0xFF, alpha]) => plain(4, true, alpha == 0 || flags & 1 == 0),
        (8, [0xFF, ..]) if flags & 0x2_0000 != 0 => plain(1, false, false),
        (16, [0xFF, .., 0xFF00]) if flags & 0x2_0000 != 0 => plain(2, false, false),
        _ => Err(Error::unsupported("this DDS file's bit masks are not read").with("bits", bits)),
    }
}

fn ends() -> Error {
    Error::corrupt("the DDS file ends within its header")
}
