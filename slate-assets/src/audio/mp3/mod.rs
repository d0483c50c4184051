//! MPEG layer 3, by an encoder of our own on the code tables and the tags of the crate `rusty_mp3`.
//!
//! A sound is cut into granules of 576 frames, with long blocks, or short ones where something sets in ([`kinds`]); each is
//! transformed ([`hybrid`]), and the model of hearing that Ogg Vorbis has, too, says how much noise each line hides ([`mask`]).
//! Bands are quantised as coarsely as that allows ([`quantize`], [`scale`]), or by as many decibels more as the bit rate makes
//! necessary, the same in all of a frame ([`coder`]); what easy frames leave over, hard ones use ([`reservoir`]).
//!
//! LAME's tag in the first frame tells where the sound begins and ends.

mod coder;
mod hybrid;
mod id3;
mod kinds;
mod mask;
mod quantize;
mod reservoir;
mod scale;

use super::{
    art::Picture,
    sink::{Encoded, Encoder, failed},
};
use coder::Coder;
use rusty_mp3::{
    encode::lametag::{
        ENCODER_DELAY, TagInfo, TagStats, extra_priming, frames_for, padding_for, tag_frame, tag_header,
    },
    encoder_header,
    header::FrameHeader,
};
use slate_core::{Error, Result, asset::WriteSeek};
use std::io::{BufWriter, Seek, SeekFrom, Write};

pub(super) const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// Writes one or two channels.
pub(super) struct Mp3Encoder {
    out: BufWriter<Box<dyn WriteSeek>>,
    coder: Coder,
    channels: usize,
    frames: u64,
    /// A frame's length, in frames of sound.
    length: usize,
    /// Where the first frame is, after the title: it tells of all the others.
    first: u64,
    header: FrameHeader,
    stats: TagStats,
}

impl Mp3Encoder {
    /// `kilobits` a second are brought to the nearest that there is.
    pub(super) fn new(
        out: Box<dyn WriteSeek>,
        channels: u16,
        rate: u32,
        kilobits: u32,
        comments: &[(String, String)],
        pictures: &[Picture],
    ) -> Result<Self> {
        let stream = encoder_header(rate, channels, kilobits)
            .map_err(|error| Error::unsupported(format!("MP3 has no such sound: {error}")).with("sampleRate", rate))?;
        let header = tag_header(&stream);
        let mut out = BufWriter::with_capacity(64 * 1024, out);
        let title = id3::tag(comments, pictures);
        out.write_all(&title).map_err(failed)?;
        let mut encoder = Self {
            out,
            channels: channels.into(),
            frames: 0,
            length: stream.version.samples_per_frame(),
            first: title.len() as u64,
            stats: TagStats::new(header.frame_size()),
            coder: Coder::new(stream),
            header,
        };
        encoder.tell(0, 0)?;
        Ok(encoder)
    }

    /// Writes the first frame.
    fn tell(&mut self, delay: usize, padding: u64) -> Result<()> {
        let info = TagInfo { vbr: false, delay, padding: padding as usize };
        self.out.write_all(&tag_frame(&self.header, &self.stats, &info)).map_err(failed)
    }

    fn made(&mut self, make: impl FnOnce(&mut Coder, &mut dyn FnMut(Vec<u8>))) -> Result<()> {
        let Self { out, coder, stats, .. } = self;
        let mut written = Ok(());
        make(coder, &mut |frame| {
            stats.add_frame(&frame);
            if written.is_ok() {
                written = out.write_all(&frame);
            }
        });
        written.map_err(failed)
    }
}

impl Encoder for Mp3Encoder {
    fn push(&mut self, frames: &[f32]) -> Result<()> {
        self.frames += (frames.len() / self.channels) as u64;
        self.coder.push(frames);
        self.made(|coder, mut out| coder.frames(&mut out))
    }

    fn finish(mut self: Box<Self>) -> Result<Encoded> {
        let primed = if self.frames < self.length as u64 { extra_priming(self.frames, self.length) } else { 0 };
        self.coder.prime(primed);
        let delay = ENCODER_DELAY + primed;
        let frames = frames_for(self.frames, delay, self.length);
        self.made(|coder, mut out| coder.finish(frames, &mut out))?;
        self.out.seek(SeekFrom::Start(self.first)).map_err(failed)?;
        self.tell(delay, padding_for(self.frames, delay, self.length))?;
        self.out.flush().map_err(failed)?;
        Ok(Encoded::default())
    }
}
