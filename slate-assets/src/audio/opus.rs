//! Ogg Opus (RFC 7845), by the crate `ropus`: libopus in whole numbers, the same bits on every machine.

use super::{
    heard::Heard,
    ogg::{self, OggWriter},
    sink::{Encoded, Encoder},
    tags,
    vorbis::wave_channel,
};
use ropus::{
    Application, Bitrate, Channels, DecodeMode, Decoder, Encoder as Codec, OPUS_APPLICATION_AUDIO, OPUS_OK,
    OpusMSDecoder, OpusMSEncoder,
};
use slate_core::{
    Error, Result,
    asset::{AssetInput, WriteSeek},
};
use std::io::{Read, Seek, SeekFrom};

/// What Opus counts in, whatever the sound's own rate.
const CLOCK: u64 = 48_000;
/// The most bytes of a packet that are made for a stream.
const PACKET: usize = 4000;
/// Packets a second.
const PACKETS: usize = 50;
pub(super) const RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// Writes one to eight channels.
pub(super) struct OpusEncoder {
    ogg: OggWriter,
    coder: Coder,
    channels: usize,
    rate: u64,
    /// What the codec is late by, at 48 kHz.
    skip: u64,
    waiting: Vec<f32>,
    pushed: u64,
    packets: u64,
    packet: Vec<u8>,
}

impl OpusEncoder {
    pub(super) fn new(
        out: Box<dyn WriteSeek>,
        channels: u16,
        rate: u32,
        kilobits: u32,
        comments: &[(String, String)],
    ) -> Result<Self> {
        let (coder, mapping) = Coder::new(channels, rate, kilobits.min(256 * u32::from(channels)))?;
        let skip = coder.late() * CLOCK / u64::from(rate);
        let mut head = b"OpusHead\x01".to_vec();
        head.push(channels as u8);
        head.extend((skip as u16).to_le_bytes());
        head.extend(rate.to_le_bytes());
        // No gain.
        head.extend([0; 2]);
        head.extend(mapping);
        let mut tags = b"OpusTags".to_vec();
        tags.extend(tags::comments(comments));
        let mut ogg = OggWriter::new(out, ogg::serial(&[&head, &tags]));
        ogg.packet(&head, 0)?;
        ogg.flush(false)?;
        ogg.packet(&tags, 0)?;
        ogg.flush(false)?;
        Ok(Self {
            ogg,
            coder,
            channels: channels.into(),
            rate: rate.into(),
            skip,
            waiting: Vec::new(),
            pushed: 0,
            packets: 0,
            packet: vec![0; PACKET * usize::from(channels)],
        })
    }

    fn size(&self) -> usize {
        self.rate as usize / PACKETS * self.channels
    }

    fn encode(&mut self, from: usize, end: Option<u64>) -> Result<()> {
        let frames = &self.waiting[from..from + self.size()];
        let len = self.coder.code(frames, self.channels, &mut self.packet)?;
        self.packets += 1;
        let place = self.packets * CLOCK / PACKETS as u64;
        self.ogg.packet(&self.packet[..len], end.map_or(place, |end| place.min(end)))
    }
}

impl Encoder for OpusEncoder {
    fn push(&mut self, frames: &[f32]) -> Result<()> {
        self.pushed += (frames.len() / self.channels) as u64;
        self.waiting.extend_from_slice(frames);
        let size = self.size();
        let whole = self.waiting.len() / size * size;
        // The last packet is kept: it may be the one that the sound ends in.
        for from in (0..whole.saturating_sub(size)).step_by(size) {
            self.encode(from, None)?;
        }
        self.waiting.drain(..whole.saturating_sub(size));
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Encoded> {
        let end = self.skip + self.pushed * CLOCK / self.rate;
        let (size, mut from) = (self.size(), 0);
        while self.packets * CLOCK / (PACKETS as u64) < end {
            self.waiting.resize(self.waiting.len().max(from + size), 0.0);
            self.encode(from, Some(end))?;
            from += size;
        }
        self.ogg.finish()?;
        Ok(Encoded::default())
    }
}

enum Coder {
    One(Box<Codec>),
    /// Several streams in each packet, and its frames in the order of Vorbis.
    Many(Box<OpusMSEncoder>, Vec<i16>),
}

impl Coder {
    /// With what a file's header tells of its channels: RFC 7845, section 5.1.1.
    fn new(channels: u16, rate: u32, kilobits: u32) -> Result<(Self, Vec<u8>)> {
        let failed = |told: &dyn std::fmt::Display| Error::internal(format!("the Opus encoder can't begin: {told}"));
        if channels <= 2 {
            let layout = if channels == 1 { Channels::Mono } else { Channels::Stereo };
            let codec = Codec::builder(rate, layout, Application::Audio)
                .bitrate(Bitrate::Bits(kilobits * 1000))
                .vbr(true)
                .build()
                .map_err(|error| failed(&error))?;
            return Ok((Self::One(Box::new(codec)), vec![0]));
        }
        let (mut codec, streams, coupled, places) =
            OpusMSEncoder::new_surround(rate as i32, channels.into(), 1, OPUS_APPLICATION_AUDIO)
                .map_err(|code| failed(&format!("code {code}")))?;
        for code in [codec.set_bitrate(kilobits as i32 * 1000), codec.set_vbr(1)] {
            if code != OPUS_OK {
                return Err(failed(&format!("code {code}")));
            }
        }
        let mut mapping = vec![1, streams as u8, coupled as u8];
        mapping.extend(places);
        Ok((Self::Many(Box::new(codec), Vec::new()), mapping))
    }

    /// Frames that the codec is late by.
    fn late(&self) -> u64 {
        match self {
            Self::One(codec) => codec.lookahead().into(),
            Self::Many(codec, _) => codec.get_encoder(0).map_or(0, |first| first.get_lookahead().max(0) as u64),
        }
    }

    fn code(&mut self, frames: &[f32], channels: usize, packet: &mut [u8]) -> Result<usize> {
        let failed = |told: &dyn std::fmt::Display| Error::internal(format!("the Opus encoder failed: {told}"));
        match self {
            Self::One(codec) => codec.encode_float(frames, packet).map_err(|error| failed(&error)),
            Self::Many(codec, whole) => {
                whole.clear();
                for frame in frames.chunks_exact(channels) {
                    // As the codec makes whole numbers of floats.
                    let sample = |at| (frame[wave_channel(channels, at)] * 32_768.0).clamp(-32_768.0, 32_767.0);
                    whole.extend((0..channels).map(|at| sample(at).round_ties_even() as i16));
                }
                let (count, most) = (frames.len() / channels, packet.len());
                let len = codec.encode(whole, count as i32, packet, most as i32);
                len.map(|len| len as usize).map_err(|code| failed(&format!("code {code}")))
            }
        }
    }
}

/// Reads packets that a container gave, up to eight channels. It counts for itself what is to be heard: the container's own
/// count differs between streams of one page and of many.
pub(super) struct OpusDecoder {
    codec: Streams,
    channels: usize,
    out: Vec<f32>,
    heard: Heard,
}

/// Sounds of more than two channels are several streams in one packet.
enum Streams {
    One(Box<Decoder>),
    Many(Box<OpusMSDecoder>, Vec<i32>),
}

/// Opus is decoded at this rate.
pub(super) const RATE: u32 = CLOCK as u32;
/// The most frames of a packet: 120 ms.
const LONGEST: usize = RATE as usize * 120 / 1000;

impl OpusDecoder {
    /// `head` is the stream's first packet; `end` is where its last page says that it ends.
    pub(super) fn new(head: &[u8], channels: usize, end: Option<u64>) -> Result<Self> {
        let family = head.get(18).copied().unwrap_or(0);
        let failed = |error: &dyn std::fmt::Display| Error::corrupt(format!("the Opus stream can't begin: {error}"));
        let gain = head.get(16..18).map_or(0, |gain| i16::from_le_bytes([gain[0], gain[1]]));
        let codec = match (family, channels) {
            (0 | 1, 1 | 2) => {
                let layout = if channels == 1 { Channels::Mono } else { Channels::Stereo };
                let mut codec = Decoder::new(RATE, layout).map_err(|error| failed(&error))?;
                codec.set_gain(gain.into()).map_err(|error| failed(&error))?;
                Streams::One(Box::new(codec))
            }
            (1, 3..=8) => {
                let layout = head.get(19..21 + channels).ok_or_else(|| failed(&"its header is cut short"))?;
                let (streams, coupled, places) = (layout[0], layout[1], &layout[2..]);
                let mut mapping = vec![0; channels];
                places.iter().enumerate().for_each(|(at, &place)| mapping[wave_channel(channels, at)] = place);
                let codec = OpusMSDecoder::new(RATE as i32, channels as i32, streams.into(), coupled.into(), &mapping);
                let mut codec = codec.map_err(|code| failed(&format!("code {code}")))?;
                if codec.set_gain(gain.into()) != 0 {
                    return Err(failed(&"its gain is none"));
                }
                Streams::Many(Box::new(codec), vec![0; LONGEST * channels])
            }
            _ => {
                return Err(Error::unsupported(
                    "Opus of this channel mapping is not read; save it with 1 to 8 speakers",
                )
                .with("family", family)
                .with("channels", channels));
            }
        };
        let skip = head.get(10..12).map_or(0, |skip| u16::from_le_bytes([skip[0], skip[1]]));
        let left = end.map_or(u64::MAX, |end| end.saturating_sub(skip.into()));
        Ok(Self { codec, channels, out: vec![0.0; LONGEST * channels], heard: Heard { skip: skip.into(), left } })
    }

    /// Replaces `samples` by a packet's, without the frames that are not to be heard.
    pub(super) fn decode(&mut self, packet: &[u8], samples: &mut Vec<f32>) -> Result<()> {
        let damaged = |error: &dyn std::fmt::Display| Error::corrupt(format!("the sound is damaged: {error}"));
        let frames = match &mut self.codec {
            Streams::One(codec) => {
                codec.decode_float(packet, &mut self.out, DecodeMode::Normal).map_err(|error| damaged(&error))?
            }
            Streams::Many(codec, whole) => {
                let made = codec.decode24(Some(packet), packet.len() as i32, whole, LONGEST as i32, false);
                let made = made.map_err(|code| damaged(&format!("code {code}")))? as usize;
                for (sample, whole) in self.out.iter_mut().zip(&whole[..made * self.channels]) {
                    *sample = *whole as f32 / 8_388_608.0;
                }
                made
            }
        };
        samples.clear();
        samples.extend_from_slice(&self.out[..frames * self.channels]);
        self.heard.trim(samples, self.channels);
        Ok(())
    }
}

/// Where the last page of an Ogg file says that its stream ends.
pub(super) fn end_of(input: &AssetInput) -> Option<u64> {
    const PAGE: u64 = 65_307;
    let mut file = input.open().ok()?;
    file.seek(SeekFrom::Start(input.len().saturating_sub(PAGE))).ok()?;
    let mut tail = Vec::new();
    file.take(PAGE).read_to_end(&mut tail).ok()?;
    let pages = tail.windows(14).rev().filter(|page| page.starts_with(b"OggS\0"));
    pages.filter_map(|page| page[6..14].try_into().ok().map(u64::from_le_bytes)).find(|granule| *granule != u64::MAX)
}
