//! MPEG layer 3, by the crate `rusty_mp3`; LAME's tag in the first frame tells where the sound begins and ends.

use super::{
    art::Picture,
    sink::{Encoded, Encoder, failed},
};
use rusty_mp3::{Error as Mp3Error, Mp3Encoder as Codec, Mp3EncoderConfig};
use slate_core::{Error, Result, asset::WriteSeek};
use std::{
    ffi::OsString,
    io::{BufWriter, Seek, SeekFrom, Write},
};

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

/// `rusty_mp3` lets variables of the environment change what it writes, and has no other way to set or to ignore them.
/// The same input has to give the same bytes, so nothing is written where there is one.
fn check_environment() -> Result<()> {
    check_names(std::env::vars_os().map(|(name, _)| name))
}

fn check_names(mut names: impl Iterator<Item = OsString>) -> Result<()> {
    let changes = |name: &OsString| {
        let name = name.as_encoded_bytes();
        name.starts_with(b"MP3_") || name.starts_with(b"RFF_MP3_")
    };
    match names.find(changes) {
        None => Ok(()),
        Some(name) => Err(Error::unsupported(
            "MP3 is not written while the environment has variables that begin with MP3_ or RFF_MP3_: its encoder reads them, \
             and the same input would give other bytes; unset them",
        )
        .with("variable", name.to_string_lossy())),
    }
}

impl Mp3Encoder {
    pub(super) fn new(
        out: Box<dyn WriteSeek>,
        channels: u16,
        rate: u32,
        kilobits: u32,
        comments: &[(String, String)],
        pictures: &[Picture],
    ) -> Result<Self> {
        check_environment()?;
        let mut out = BufWriter::with_capacity(64 * 1024, out);
        let title = id3(comments, pictures);
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
fn id3(comments: &[(String, String)], pictures: &[Picture]) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use slate_core::ErrorKind;

    #[test]
    fn variables_that_would_change_bytes_are_refused() {
        let check = |names: &[&str]| check_names(names.iter().map(OsString::from));
        assert!(check(&["PATH", "MP3", "HOME", "LAME_MP3_X"]).is_ok());
        for name in ["MP3_RESERVOIR", "MP3_SMR_DB", "RFF_MP3_XRPOW"] {
            let error = check(&["PATH", name]).unwrap_err();
            assert!(error.kind() == ErrorKind::Unsupported && format!("{error:?}").contains(name), "{error:?}");
        }
    }
}
