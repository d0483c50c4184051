//! Which part of an MP4 file's sound is to be heard: encoders of AAC begin early and end late, and the file tells by how much.

use super::heard::Heard;
use slate_core::asset::{AssetInput, ReadSeek};
use std::io::{Read, SeekFrom};

/// Boxes that are looked at; more is a damaged file.
const BOXES: usize = 10_000;
/// The most bytes of a box that are read.
const MOST: u64 = 256;

impl Heard {
    /// Of iTunes' comment: four numbers or more, in hexadecimal; the second to fourth are delay, padding and length.
    pub(super) fn of_comment(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().skip(1).map(|word| u64::from_str_radix(word, 16));
        let (skip, _, left) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        (left > 0).then_some(Self { skip, left })
    }

    /// Of the edit list of the first track of sound: ISO/IEC 14496-12, section 8.6.6. What is damaged has none.
    pub(super) fn of_edits(input: &AssetInput, rate: u32) -> Option<Self> {
        let mut boxes = Boxes { file: input.open().ok()?, left: BOXES };
        let movie = boxes.find((0, input.len()), b"moov")?;
        let movie_scale = scale(&boxes.content(movie, b"mvhd")?)?.0;
        let mut rest = movie;
        loop {
            let track = boxes.find(rest, b"trak")?;
            rest.0 = track.1;
            let media = boxes.find(track, b"mdia")?;
            if boxes.content(media, b"hdlr")?.get(8..12) != Some(b"soun") {
                continue;
            }
            let (media_scale, length) = scale(&boxes.content(media, b"mdhd")?)?;
            let edits = boxes.find(track, b"edts")?;
            let edits = boxes.content(edits, b"elst")?;
            let (lasts, begins) = first_edit(&edits)?;
            let in_media = u128::from(lasts) * u128::from(media_scale);
            let lasts = u64::try_from((in_media + u128::from(movie_scale) / 2) / u128::from(movie_scale)).ok()?;
            // The movie often counts in milliseconds: then what the track itself counts is nearer.
            let whole = length.checked_sub(begins)?;
            let tick = u64::from(media_scale.div_ceil(movie_scale));
            let left = if lasts == 0 || whole <= lasts + tick { whole } else { lasts };
            let frames = |time: u64| u64::try_from(u128::from(time) * u128::from(rate) / u128::from(media_scale)).ok();
            return Some(Self { skip: frames(begins)?, left: frames(left)? });
        }
    }
}

/// The scale and the length of a header of a movie or of a medium.
fn scale(bytes: &[u8]) -> Option<(u32, u64)> {
    let (at, wide) = if *bytes.first()? == 1 { (20, true) } else { (12, false) };
    let length = if wide { long(bytes, at + 4)? } else { word(bytes, at + 4)?.into() };
    word(bytes, at).filter(|scale| *scale > 0).map(|scale| (scale, length))
}

/// How long the first edit lasts that is no pause, and where it begins.
fn first_edit(bytes: &[u8]) -> Option<(u64, u64)> {
    let wide = *bytes.first()? == 1;
    let size = if wide { 20 } else { 12 };
    (0..word(bytes, 4)?.min(8) as usize).find_map(|entry| {
        let at = 8 + entry * size;
        let (lasts, begins) = if wide {
            (long(bytes, at)?, i64::from_be_bytes(bytes.get(at + 8..at + 16)?.try_into().ok()?))
        } else {
            (word(bytes, at)?.into(), i32::from_be_bytes(bytes.get(at + 4..at + 8)?.try_into().ok()?).into())
        };
        Some((lasts, u64::try_from(begins).ok()?))
    })
}

/// Looks for boxes in a file; a part of it is told as from and to.
struct Boxes {
    file: Box<dyn ReadSeek>,
    left: usize,
}

impl Boxes {
    /// Where the content of the first box of this name is.
    fn find(&mut self, within: (u64, u64), name: &[u8; 4]) -> Option<(u64, u64)> {
        let (mut at, end) = within;
        while at.checked_add(8)? <= end {
            self.left = self.left.checked_sub(1)?;
            let head = self.read((at, at + 16))?;
            let (size, from) = match word(&head, 0)? {
                0 => (end - at, at + 8),
                1 => (long(&head, 8)?, at + 16),
                size => (size.into(), at + 8),
            };
            let next = at.checked_add(size).filter(|next| *next >= from && *next <= end)?;
            if head.get(4..8)? == name {
                return Some((from, next));
            }
            at = next;
        }
        None
    }

    /// The first bytes of the content of that box.
    fn content(&mut self, within: (u64, u64), name: &[u8; 4]) -> Option<Vec<u8>> {
        let part = self.find(within, name)?;
        self.read(part)
    }

    fn read(&mut self, (from, to): (u64, u64)) -> Option<Vec<u8>> {
        self.file.seek(SeekFrom::Start(from)).ok()?;
        let mut bytes = Vec::new();
        (&mut self.file).take((to - from).min(MOST)).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&(body.len() as u32 + 8).to_be_bytes()[..], name, &body].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn file(movie_scale: u32, length: u32, lasts: u32, begins: u32) -> Vec<u8> {
        let track = |kind: &[u8; 4], edits: &[u8]| {
            let header = boxed(b"mdhd", &[&words(&[0, 0, 0, 44_100, length, 0])]);
            let handler = boxed(b"hdlr", &[&words(&[0, 0]), kind, &[0; 12]]);
            boxed(b"trak", &[edits, &boxed(b"mdia", &[&header, &handler])])
        };
        let edits = boxed(b"edts", &[&boxed(b"elst", &[&words(&[0, 2, 9, u32::MAX, 0, lasts, begins, 0])])]);
        let movie = boxed(b"mvhd", &[&words(&[0, 0, 0, movie_scale, lasts, 0])]);
        [boxed(b"free", &[]), boxed(b"moov", &[&movie, &track(b"vide", &[]), &track(b"soun", &edits)])].concat()
    }

    fn heard(bytes: Vec<u8>) -> Option<(u64, u64)> {
        Heard::of_edits(&AssetInput::from_bytes("a.m4a", bytes), 44_100).map(|Heard { skip, left }| (skip, left))
    }

    #[test]
    fn edits_tell_what_is_heard() {
        // By a movie that counts in milliseconds, and by one that counts in samples.
        assert_eq!(heard(file(1_000, 51_025, 1_134, 1_024)), Some((1_024, 50_001)));
        assert_eq!(heard(file(44_100, 53_248, 50_001, 2_112)), Some((2_112, 50_001)));
        let whole = file(44_100, 53_248, 50_001, 2_112);
        for cut in 0..whole.len() {
            assert_eq!(heard(whole[..cut].to_vec()), None, "cut at {cut}");
        }
        let comment = " 00000000 00000840 000001CA 000000000000C351 00000000";
        assert_eq!(Heard::of_comment(comment), Some(Heard { skip: 0x840, left: 50_001 }));
        assert_eq!(Heard::of_comment("00000000 00000840"), None);
    }
}
