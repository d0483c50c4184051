//! Checks a KTX2 file by the rules of its specification.

use super::{HEADER, IDENTIFIER, LEVEL_ENTRY, Super, alignment, descriptor};
use crate::texture::{
    block::BlockFormat,
    format::{Format, Plain, most_levels, side},
};

/// The keys that begin with "KTX" and mean something.
const KNOWN_KEYS: [&str; 11] = [
    "KTXanimData",
    "KTXastcDecodeMode",
    "KTXcubemapIncomplete",
    "KTXdxgiFormat__",
    "KTXglFormat",
    "KTXmapRange",
    "KTXmetalPixelFormat",
    "KTXorientation",
    "KTXswizzle",
    "KTXwriter",
    "KTXwriterScParams",
];

/// What is wrong with a KTX2 file: a sentence for each rule that it breaks; none for a sound one.
///
/// All rules of the specification that can be told without decoding texels, for the formats that are written here; levels
/// that are compressed once more are held against their lengths only.
pub fn check(bytes: &[u8]) -> Vec<String> {
    let mut check = Check { bytes, broken: Vec::new() };
    if bytes.len() < HEADER as usize || bytes[..12] != IDENTIFIER {
        return vec!["the file doesn't begin with the identifier and a whole header".to_owned()];
    }
    check.all();
    check.broken
}

struct Check<'a> {
    bytes: &'a [u8],
    broken: Vec<String>,
}

impl Check<'_> {
    fn word(&self, at: usize) -> u32 {
        self.bytes.get(at..at + 4).map_or(0, |four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
    }

    fn long(&self, at: usize) -> u64 {
        u64::from(self.word(at)) | u64::from(self.word(at + 4)) << 32
    }

    /// Notes `rule` where it isn't kept.
    fn must(&mut self, kept: bool, rule: impl Into<String>) {
        if !kept {
            self.broken.push(rule.into());
        }
    }

    fn all(&mut self) {
        let number = self.word(12);
        let described = self.bytes.get(self.word(48) as usize..).unwrap_or_default();
        let known = if number == 0 { descriptor::without_number(described).ok() } else { Format::of_vk(number) };
        let Some(format) = known else {
            return self.must(false, format!("vkFormat {number} is not known here"));
        };
        let type_size = match format {
            Format::Plain(Plain { bytes, .. }) => u32::from(bytes),
            Format::Block { .. } => 1,
        };
        self.must(self.word(16) == type_size, format!("typeSize is {type_size} for this format"));
        let (width, height, depth) = (self.word(20), self.word(24), self.word(28));
        self.must(width > 0, "pixelWidth is not 0");
        self.must(depth == 0 || height > 0, "pixelHeight is not 0 where pixelDepth isn't");
        self.must(height > 0 || format.block_size() == (1, 1), "pixelHeight is not 0 for block formats");
        let faces = self.word(36);
        self.must(matches!(faces, 1 | 6), "faceCount is 1 or 6");
        self.must(faces != 6 || (width == height && depth == 0), "the faces of a cube are square and flat");
        let levels = self.word(40);
        self.must(levels <= most_levels(width, height, depth), "levelCount is not over what the size allows");
        self.must(levels > 0 || format.block_size() == (1, 1), "levelCount is not 0 for block formats");
        let scheme = self.word(44);
        self.must(scheme <= 3, "supercompressionScheme is one of the known");
        self.must(scheme != 1, "BasisLZ goes with ETC1S only");
        self.must(number != 0 || depth == 0, "pixelDepth is 0 for UASTC");
        self.index(format, levels.max(1));
    }

    /// The sections in their order: index of levels, descriptor, keys and values, global data, levels.
    fn index(&mut self, format: Format, levels: u32) {
        let mut at = HEADER + LEVEL_ENTRY * u64::from(levels);
        if at > self.bytes.len() as u64 {
            return self.must(false, "the index of levels lies within the file");
        }
        let (dfd, dfd_length) = (self.word(48), self.word(52));
        self.must(u64::from(dfd) == at, "the descriptor follows the index of levels");
        at += u64::from(dfd_length);
        self.must(dfd_length.is_multiple_of(4), "the descriptor's length is a multiple of 4");
        self.descriptor(format, dfd as usize, dfd_length as usize);
        let (keys, keys_length) = (self.word(56), self.word(60));
        if keys_length == 0 {
            self.must(keys == 0, "kvdByteOffset is 0 where there are no keys");
        } else {
            self.must(u64::from(keys) == at, "keys and values follow the descriptor");
            at += u64::from(keys_length);
            self.keys(keys as usize, keys_length as usize);
        }
        self.must(self.long(64) == 0 && self.long(72) == 0, "there is global data with BasisLZ only");
        self.levels(format, levels, at);
    }

    fn descriptor(&mut self, format: Format, at: usize, length: usize) {
        let Some(found) = self.bytes.get(at..at.saturating_add(length)) else {
            return self.must(false, "the descriptor lies within the file");
        };
        let premultiplied = found.get(15).is_some_and(|flags| flags & 1 == 1);
        let mut wanted = descriptor::of(format, premultiplied);
        if let Format::Block { format: BlockFormat::Uastc(_), srgb: false } = format
            && let Some(&primaries @ (0 | 1)) = found.get(13)
        {
            // Plain numbers have no primaries; the usual encoder writes those of BT.709 all the same.
            wanted[13] = primaries;
        }
        let same = found.len() == wanted.len();
        let off = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
        self.must(same, format!("the descriptor of this format has {} bytes", wanted.len()));
        if let Some(off) = off {
            self.must(false, format!("byte {off} of the descriptor is {} for this format", wanted[off]));
        }
    }

    fn keys(&mut self, start: usize, length: usize) {
        let Some(end) = start.checked_add(length).filter(|end| *end <= self.bytes.len()) else {
            return self.must(false, "keys and values lie within the file");
        };
        let (mut at, mut last, mut has_writer) = (start, Vec::new(), false);
        while at < end {
            let size = self.word(at) as usize;
            let entry = self.bytes.get(at + 4..(at + 4).saturating_add(size)).filter(|_| at + 4 + size <= end);
            let Some(entry) = entry.filter(|entry| entry.len() >= 2) else {
                return self.must(false, "each key and value has at least 2 bytes and lies within its section");
            };
            let Some(nul) = entry.iter().position(|&byte| byte == 0).filter(|&nul| nul > 0) else {
                return self.must(false, "each key has a letter and ends in a NUL");
            };
            let (key, value) = (entry[..nul].to_vec(), entry[nul + 1..].to_vec());
            let padded = (at + 4 + size).next_multiple_of(4);
            let padding = self.bytes[(at + 4 + size).min(end)..padded.min(end)].iter().all(|&byte| byte == 0);
            self.must(padding, "keys and values are padded with zeros");
            self.must(last < key, "keys are sorted and none is there twice");
            self.key(&key, &value);
            has_writer |= key == b"KTXwriter";
            last = key;
            at = padded;
        }
        self.must(at == end, "the section of keys and values ends with its last padding");
        self.must(has_writer, "the writer is named");
    }

    fn key(&mut self, key: &[u8], value: &[u8]) {
        let Ok(name) = std::str::from_utf8(key) else { return self.must(false, "keys are UTF-8") };
        self.must(!name.starts_with('\u{FEFF}'), "keys have no byte order mark");
        if name.starts_with("KTX") || name.starts_with("ktx") {
            self.must(KNOWN_KEYS.contains(&name), format!("{name} is a key of the specification"));
        }
        let ends = value.last() == Some(&0) && std::str::from_utf8(value).is_ok();
        match name {
            "KTXorientation" => {
                let sound = match self.word(28) {
                    0 => matches!(value, [b'r' | b'l', b'd' | b'u', 0]),
                    _ => matches!(value, [b'r' | b'l', b'd' | b'u', b'o' | b'i', 0]),
                };
                self.must(sound, "KTXorientation is a letter for each dimension and a NUL");
            }
            "KTXwriter" | "KTXwriterScParams" => self.must(ends, format!("{name} is UTF-8 and ends in a NUL")),
            "KTXswizzle" => {
                let sound = value.len() == 5 && value[..4].iter().all(|letter| b"rgba01".contains(letter));
                self.must(sound && ends, "KTXswizzle is four letters and a NUL");
            }
            _ => {}
        }
    }

    fn levels(&mut self, format: Format, levels: u32, start: u64) {
        let plain = self.word(44) == 0;
        let align = alignment(format.block_bytes(), if plain { Super::None } else { Super::Zstd });
        let images = u64::from(self.word(32).max(1)) * u64::from(self.word(36));
        let mut end = start;
        for level in (0..levels).rev() {
            let entry = (HEADER + LEVEL_ENTRY * u64::from(level)) as usize;
            let (place, stored, whole) = (self.long(entry), self.long(entry + 8), self.long(entry + 16));
            let (width, height) = (side(self.word(20), level), side(self.word(24), level));
            let images = images.saturating_mul(side(self.word(28), level).into());
            let wanted = format.bytes(width, height).saturating_mul(images);
            self.must(whole == wanted, format!("level {level} has {wanted} bytes once decompressed"));
            self.must(!plain || stored == whole, format!("level {level} is as long as it says"));
            self.must(stored > 0, format!("level {level} is not empty"));
            self.must(place.is_multiple_of(align), format!("level {level} begins at a multiple of {align}"));
            let follows = place >= end && place < end.saturating_add(align);
            self.must(follows, format!("level {level} follows the smaller one, after its padding"));
            let gap = self.bytes.get(end as usize..place as usize).is_none_or(|gap| gap.iter().all(|&byte| byte == 0));
            self.must(gap, format!("the padding before level {level} is zero"));
            end = place.saturating_add(stored);
        }
        self.must(end == self.bytes.len() as u64, "the file ends with its largest level");
    }
}
