//! Titles and pictures before the first frame.

use crate::audio::art::Picture;

/// An ID3v2.3 tag; what has no field of its own is a `TXXX`.
pub(super) fn tag(comments: &[(String, String)], pictures: &[Picture]) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut frame = |id: &[u8; 4], body: &[u8]| {
        frames.extend(id);
        frames.extend((body.len() as u32).to_be_bytes());
        frames.extend([0, 0]);
        frames.extend(body);
    };
    for (name, value) in comments {
        let (id, own) = match name.as_str() {
            "TITLE" => (b"TIT2", true),
            "ARTIST" => (b"TPE1", true),
            "ALBUM" => (b"TALB", true),
            "GENRE" => (b"TCON", true),
            "TRACKNUMBER" => (b"TRCK", true),
            "DATE" => (b"TYER", true),
            "COPYRIGHT" => (b"TCOP", true),
            "BPM" => (b"TBPM", true),
            _ => (b"TXXX", false),
        };
        // UTF-16 with a mark: what ID3v2.3 has for all of Unicode.
        let mut text = vec![1];
        let wide = |text: &mut Vec<u8>, value: &str| {
            text.extend([0xFF, 0xFE]);
            value.encode_utf16().for_each(|unit| text.extend(unit.to_le_bytes()));
        };
        if !own {
            wide(&mut text, name);
            text.extend([0, 0]);
        }
        wide(&mut text, value);
        frame(id, &text);
    }
    pictures.iter().for_each(|picture| frame(b"APIC", &picture.apic()));
    if frames.is_empty() {
        return frames;
    }
    let size = frames.len() as u32;
    let mut tag = b"ID3\x03\0\0".to_vec();
    tag.extend([21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7F));
    tag.extend(frames);
    tag
}
