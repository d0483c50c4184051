//! MPEG layer 3, by the crate `rusty_mp3`; LAME's tag in the first frame tells where the sound begins and ends.

use super::sink::{Encoded, Encoder, failed};
use rusty_mp3::{Error as Mp3Error, Mp3Encoder as Codec, Mp3EncoderConfig};
use slate_core::{Error, Result, asset::WriteSeek};
use std::io::{BufWriter, Seek, SeekFrom, Write};

pub(super) const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// Writes one or two channels.
pub(super) struct Mp3Encoder {
    out: BufWriter<Box<dyn WriteSeek>>,
    codec: Codec,
    channels: u16,
    rate: u32,
    /// Where the first frame is: after the title.
    first: u64,
}

impl Mp3Encoder {
    pub(super) fn new(
        out: Box<dyn WriteSeek>,
        channels: u16,
        rate: u32,
        kilobits: u32,
        comments: &[(String, String)],
    ) -> Result<Self> {
        let mut out = BufWriter::with_capacity(64 * 1024, out);
        let title = id3(comments);
        out.write_all(&title).map_err(failed)?;
        let codec = Codec::new(Mp3EncoderConfig { bitrate_kbps: kilobits, vbr_quality: None });
        Ok(Self { out, codec, channels, rate, first: title.len() as u64 })
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            match self.codec.next_packet() {
                Ok(packet) => self.out.write_all(&packet).map_err(failed)?,
                Err(Mp3Error::Again | Mp3Error::Eof) => return Ok(()),
                Err(error) => return Err(problem(&error)),
            }
        }
    }
}

impl Encoder for Mp3Encoder {
    fn push(&mut self, frames: &[f32]) -> Result<()> {
        self.codec.push_pcm_f32(frames, self.channels, self.rate).map_err(|error| problem(&error))?;
        self.drain()
    }

    fn finish(mut self: Box<Self>) -> Result<Encoded> {
        self.codec.finish();
        self.drain()?;
        if let Some(tag) = self.codec.lame_tag_frame() {
            (self.out.seek(SeekFrom::Start(self.first))).and_then(|_| self.out.write_all(tag)).map_err(failed)?;
        }
        self.out.flush().map_err(failed)?;
        Ok(Encoded::default())
    }
}

fn problem(error: &Mp3Error) -> Error {
    Error::internal(format!("the MP3 encoder failed: {error}"))
}

/// An ID3v2.3 tag; what has no field of its own is a `TXXX`.
fn id3(comments: &[(String, String)]) -> Vec<u8> {
    let mut frames = Vec::new();
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
        frames.extend(id);
        frames.extend((text.len() as u32).to_be_bytes());
        frames.extend([0, 0]);
        frames.extend(text);
    }
    if frames.is_empty() {
        return frames;
    }
    let size = frames.len() as u32;
    let mut tag = b"ID3\x03\0\0".to_vec();
    tag.extend([21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7F));
    tag.extend(frames);
    tag
}
