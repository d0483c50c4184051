use super::{HEADER, IDENTIFIER, LEVEL_ENTRY, descriptor};
use crate::{
    guard,
    texture::format::{Format, Shape, most_levels, side},
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
    zstd: bool,
    /// Place, length and length once decompressed of the first level.
    first: (u64, u64, u64),
}

impl Header {
    /// Reads the header, and checks the sizes of all levels against the file's.
    pub(crate) fn read(file: &mut dyn ReadSeek, length: u64) -> Result<Self> {
        let mut head = [0; HEADER as usize];
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut head)).map_err(|_| ends("its header"))?;
        if head[..12] != IDENTIFIER {
            return Err(Error::corrupt("this is no KTX2 file: its first bytes are others"));
        }
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let described = described(file, word(48).into(), word(52), length)?;
        let format = match word(12) {
            0 => descriptor::without_number(&described)?,
            number => Format::of_vk(number)
                .ok_or_else(|| Error::unsupported("this KTX2 file's format is not read").with("vkFormat", number))?,
        };
        let (width, height, depth) = (word(20), word(24), word(28));
        if width == 0 || height == 0 {
            return Err(Error::unsupported("KTX2 textures of one dimension are not read").with("at byte", 20));
        }
        if depth > 0 && word(12) == 0 {
            return Err(Error::corrupt("UASTC holds no volume").with("at byte", 28));
        }
        let shape = Shape { layers: word(32), faces: word(36), depth }.checked()?;
        if shape.layers > Shape::MOST_LAYERS {
            return Err(Error::limit_exceeded("the texture has more layers than 2048").with("layers", shape.layers));
        }
        if !matches!(shape.faces, 1 | 6) || (shape.faces == 6 && width != height) {
            return Err(Error::corrupt("a KTX2 texture has one face, or six square ones").with("faces", shape.faces));
        }
        let levels = word(40).max(1);
        if levels > most_levels(width, height, depth) {
            return Err(Error::corrupt("the KTX2 file has more levels than its size allows").with("levels", levels));
        }
        let zstd = match word(44) {
            0 => false,
            2 => true,
            other => {
                return Err(Error::unsupported("of KTX2's compressions only zstd is read").with("scheme", other));
            }
        };
        let premultiplied = described[15] & 1 == 1;
        let mut header = Self { format, width, height, shape, levels, premultiplied, zstd, first: (0, 0, 0) };
        header.read_index(file, length)?;
        Ok(header)
    }

    fn read_index(&mut self, file: &mut dyn ReadSeek, length: u64) -> Result<()> {
        let mut index = vec![0; (LEVEL_ENTRY * u64::from(self.levels)) as usize];
        let read = file.seek(SeekFrom::Start(HEADER)).and_then(|_| file.read_exact(&mut index));
        read.map_err(|_| ends("its index of levels"))?;
        for (level, entry) in index.chunks_exact(LEVEL_ENTRY as usize).enumerate() {
            let long = |at: usize| entry[at..at + 8].iter().rev().fold(0u64, |all, &byte| all << 8 | u64::from(byte));
            let (place, stored, whole) = (long(0), long(8), long(16));
            let expected = self.level_bytes(level as u32);
            let inside = place.checked_add(stored).is_some_and(|end| end <= length);
            if !inside || whole != expected || (!self.zstd && stored != whole) {
                return Err(Error::corrupt("a level of the KTX2 file isn't as long as its format and size say")
                    .with("level", level)
                    .with("at byte", HEADER + LEVEL_ENTRY * level as u64));
            }
            if level == 0 {
                self.first = (place, stored, whole);
            }
        }
        Ok(())
    }

    /// Bytes of a level with all its images.
    fn level_bytes(&self, level: u32) -> u64 {
        let image = self.format.bytes(side(self.width, level), side(self.height, level));
        image.saturating_mul(self.shape.images(level).into())
    }

    /// Bytes of the largest level.
    pub(crate) fn bytes(&self) -> u64 {
        self.first.2
    }
}

/// The largest level, with all its images, decompressed.
pub(crate) fn read(file: &mut dyn ReadSeek, header: &Header, limits: &AssetLimits) -> Result<Vec<u8>> {
    let (place, stored, whole) = header.first;
    let room = if header.zstd { stored.saturating_add(whole) } else { whole };
    AssetLimits::check("the texture's size in bytes", room, limits.decoded_bytes)?;
    let mut bytes = vec![0; stored as usize];
    let read = file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(&mut bytes));
    read.map_err(|error| Error::io("read the texture", error))?;
    if !header.zstd {
        return Ok(bytes);
    }
    let level = guard::decoder("zstd", || {
        rusty_zstd::decompress_with_limit(&bytes, rusty_zstd::DecompressOptions::default(), whole as usize)
            .map_err(|error| Error::corrupt(format!("the KTX2 file's first level is damaged: {error:?}")))
    })?;
    if level.len() as u64 != whole {
        return Err(Error::corrupt("the KTX2 file's first level has another length once decompressed"));
    }
    Ok(level)
}

/// The descriptor as far as it is read: up to its first sample.
fn described(file: &mut dyn ReadSeek, place: u64, size: u32, length: u64) -> Result<[u8; 44]> {
    if size < 28 || place.saturating_add(size.into()) > length {
        return Err(Error::corrupt("the KTX2 file has no data format descriptor").with("at byte", 48));
    }
    let mut bytes = [0; 44];
    let there = &mut bytes[..size.min(44) as usize];
    let read = file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(there));
    read.map_err(|_| ends("its data format descriptor"))?;
    Ok(bytes)
}

fn ends(within: &str) -> Error {
    Error::corrupt(format!("the KTX2 file ends within {within}"))
}
