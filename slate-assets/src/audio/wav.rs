//! RIFF WAVE out: 16 and 24 bits or floats, with loop points and titles; and its chunks, for what decoders don't tell.

use super::{
    dither::Quantizer,
    layout,
    loops::Loop,
    sink::{Encoded, Encoder, failed},
};
use slate_core::{
    Result,
    asset::{AssetInput, AssetLimits, WriteSeek},
};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};

/// Writes PCM; the sizes are put in at the end.
///
/// More than two channels or 16 bits take the extensible form, which tells where each channel belongs: Microsoft,
/// "Multiple channel audio data and WAVE files".
pub(super) struct WavEncoder {
    out: BufWriter<Box<dyn WriteSeek>>,
    /// `None`: floats.
    quantizer: Option<Quantizer>,
    bytes: u16,
    header: u32,
    data: u64,
    /// The chunks behind the samples.
    tail: Vec<u8>,
    coded: Vec<u8>,
}

/// KSDATAFORMAT_SUBTYPE_PCM and _IEEE_FLOAT but for their first byte, which is the format's number.
const SUBTYPE: [u8; 15] = [0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
/// Samples that are coded at a time.
const PIECE: usize = 4096;
/// The titles that a list of them has, and their names as Vorbis comments: the RIFF MCI standard of 1991, and what tools have
/// made of it.
pub(super) const TITLES: [(&str, &str); 8] = [
    ("INAM", "TITLE"),
    ("IART", "ARTIST"),
    ("IPRD", "ALBUM"),
    ("IGNR", "GENRE"),
    ("ITRK", "TRACKNUMBER"),
    ("ICRD", "DATE"),
    ("ICOP", "COPYRIGHT"),
    ("ICMT", "COMMENT"),
];

impl WavEncoder {
    /// `bits` is 16, 24 or 32, which are floats and need no quantiser. Comments that are no [`TITLES`] have no place.
    pub(super) fn new(
        out: Box<dyn WriteSeek>,
        channels: u16,
        rate: u32,
        bits: u16,
        quantizer: Quantizer,
        looped: Option<Loop>,
        comments: &[(String, String)],
    ) -> Result<Self> {
        let float = bits == 32;
        let kind: u16 = if float { 3 } else { 1 };
        let extensible = channels > 2 || bits == 24;
        let frame = channels * bits / 8;
        let mut head = Vec::new();
        head.extend(b"RIFF\0\0\0\0WAVEfmt ");
        head.extend(if extensible { 40u32 } else { 16 }.to_le_bytes());
        head.extend(if extensible { 0xFFFE } else { kind }.to_le_bytes());
        head.extend(channels.to_le_bytes());
        head.extend(rate.to_le_bytes());
        head.extend((rate * u32::from(frame)).to_le_bytes());
        head.extend(frame.to_le_bytes());
        head.extend(bits.to_le_bytes());
        if extensible {
            head.extend(22u16.to_le_bytes());
            head.extend(bits.to_le_bytes());
            let speakers = layout::USUAL.get(usize::from(channels) - 1).copied().unwrap_or(0);
            head.extend(speakers.to_le_bytes());
            head.push(kind as u8);
            head.extend(SUBTYPE);
        }
        head.extend(b"data\0\0\0\0");
        let mut out = BufWriter::with_capacity(64 * 1024, out);
        out.write_all(&head).map_err(failed)?;
        let quantizer = (!float).then_some(quantizer);
        let mut tail = looped.map_or_else(Vec::new, |looped| looped.chunk(rate));
        tail.extend(list(comments));
        let header = head.len() as u32;
        Ok(Self { out, quantizer, bytes: bits / 8, header, data: 0, tail, coded: Vec::new() })
    }
}

impl Encoder for WavEncoder {
    fn push(&mut self, frames: &[f32]) -> Result<()> {
        self.data += frames.len() as u64 * u64::from(self.bytes);
        let size = self.data + 1 + u64::from(self.header) + self.tail.len() as u64;
        AssetLimits::check("the size of a wav file", size, u64::from(u32::MAX))?;
        let width = usize::from(self.bytes);
        for piece in frames.chunks(PIECE) {
            self.coded.clear();
            match &mut self.quantizer {
                None => self.coded.extend(piece.iter().flat_map(|sample| sample.to_le_bytes())),
                Some(quantizer) if width == 2 => {
                    self.coded.extend(piece.iter().flat_map(|sample| (quantizer.next(*sample) as i16).to_le_bytes()));
                }
                Some(quantizer) => {
                    piece.iter().for_each(|sample| self.coded.extend(&quantizer.next(*sample).to_le_bytes()[..width]));
                }
            }
            self.out.write_all(&self.coded).map_err(failed)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Encoded> {
        let data = self.data as u32;
        let mut tail = vec![0; usize::from(data % 2 == 1)];
        tail.append(&mut self.tail);
        let whole = self.header - 8 + data + tail.len() as u32;
        let put = |out: &mut BufWriter<Box<dyn WriteSeek>>, at: u32, size: u32| {
            out.seek(SeekFrom::Start(at.into())).and_then(|_| out.write_all(&size.to_le_bytes()))
        };
        (self.out.write_all(&tail))
            .and_then(|()| put(&mut self.out, 4, whole))
            .and_then(|()| put(&mut self.out, self.header - 4, data))
            .and_then(|()| self.out.flush())
            .map_err(failed)?;
        Ok(Encoded { clipped: self.quantizer.map_or(0, |quantizer| quantizer.clipped()) })
    }
}

/// The first chunk of that name, or as much of it as `most` bytes.
pub(super) fn chunk(input: &AssetInput, wanted: &[u8; 4], most: u32) -> Option<Vec<u8>> {
    find(input, wanted, most, |_| true)
}

/// A list of titles; nothing where there are none. Texts are UTF-8, as most tools have it by now.
fn list(comments: &[(String, String)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (id, title) in TITLES {
        if let Some((_, text)) = comments.iter().find(|(name, _)| name == title) {
            let text = text.split('\0').next().unwrap_or_default();
            list.extend(id.as_bytes());
            list.extend((text.len() as u32 + 1).to_le_bytes());
            list.extend(text.as_bytes());
            // An end, and another one where the length is odd.
            list.extend(&[0, 0][..2 - text.len() % 2]);
        }
    }
    if list.is_empty() { list } else { [b"LIST", &(list.len() as u32 + 4).to_le_bytes()[..], b"INFO", &list].concat() }
}

/// The names and texts of a list of [`TITLES`] and others, wherever it stands in the file.
pub(super) fn titles(input: &AssetInput) -> Vec<(String, String)> {
    /// Bytes of a list; what is beyond them is not read.
    const MOST: u32 = 256 << 10;
    let Some(list) = find(input, b"LIST", MOST, |list| list.starts_with(b"INFO")) else { return Vec::new() };
    let (mut titles, mut rest) = (Vec::new(), &list[4..]);
    while let Some((head, after)) = rest.split_at_checked(8) {
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let Some(text) = after.get(..size) else { break };
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        // What isn't UTF-8 is of the machines that had a byte for a letter.
        let text =
            std::str::from_utf8(text).map_or_else(|_| text.iter().copied().map(char::from).collect(), str::to_owned);
        titles.push((String::from_utf8_lossy(&head[..4]).into_owned(), text));
        rest = after.get(size + size % 2..).unwrap_or_default();
    }
    titles
}

/// The first chunk of that name that fits, or as much of it as `most` bytes.
fn find(input: &AssetInput, wanted: &[u8; 4], most: u32, fits: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    /// Chunks that are looked at; more is a damaged file.
    const CHUNKS: usize = 1000;
    let mut file = input.open().ok()?;
    let mut at = 12u64;
    for _ in 0..CHUNKS {
        let (mut name, mut size) = ([0; 4], [0; 4]);
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut name).ok()?;
        file.read_exact(&mut size).ok()?;
        let size = u32::from_le_bytes(size);
        if name == *wanted {
            let mut bytes = Vec::new();
            (&mut file).take(size.min(most).into()).read_to_end(&mut bytes).ok()?;
            if fits(&bytes) {
                return Some(bytes);
            }
        }
        at += 8 + u64::from(size) + u64::from(size % 2);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_of_any_length_are_found_where_they_are_written() {
        let pair = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        let comments = [("TITLE", "Thaw"), ("MOOD", "calm"), ("DATE", "2026-11-22"), ("ARTIST", "Zoë"), ("ALBUM", "")];
        let list = list(&comments.map(pair));
        assert_eq!(list.len() % 2, 0);
        let file = [b"RIFF\0\0\0\0WAVEdata\x03\0\0\0abc\0", &list[..]].concat();
        let found = titles(&AssetInput::from_bytes("a.wav", file));
        let known = [("INAM", "Thaw"), ("IART", "Zoë"), ("IPRD", ""), ("ICRD", "2026-11-22")];
        assert_eq!(found, known.map(pair));
        assert!(super::list(&[pair(("MOOD", "calm"))]).is_empty());
    }

    #[test]
    fn titles_are_found_behind_the_samples_and_beside_other_lists() {
        let list = |form: &[u8], rest: &[u8]| {
            let size = (form.len() + rest.len()) as u32;
            [b"LIST", &size.to_le_bytes()[..], form, rest].concat()
        };
        let titles_of = |list: &[u8]| {
            let other = b"LIST\x06\0\0\0adtl\0\0";
            let file = [b"RIFF\0\0\0\0WAVE", &other[..], b"data\x03\0\0\0abc\0", list].concat();
            titles(&AssetInput::from_bytes("a.wav", file))
        };
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        // The first text has an odd length, the second is in Latin-1.
        let two = list(b"INFO", b"INAM\x05\0\0\0Thaw\0\0IART\x04\0\0\0Zo\xEB\0");
        assert_eq!(titles_of(&two), [pair("INAM", "Thaw"), pair("IART", "Zo\u{eb}")]);
        // What is cut off is left out.
        assert_eq!(titles_of(&two[..two.len() - 2]), [pair("INAM", "Thaw")]);
        assert_eq!(titles_of(&list(b"INFO", b"INAM\xFF\xFF\xFF\xFF")), []);
        assert_eq!(titles_of(b""), []);
    }
}
