use super::{
    art::{self, Picture},
    heard::Heard,
    layout,
    loops::{self, Loop},
    opus::{self, OpusDecoder},
    wav,
};
use crate::guard;
use slate_core::{
    Cancel, Error, Result,
    asset::{AssetInput, ReadSeek},
};
use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use symphonia::core::{
    audio::{Position, sample::SampleFormat},
    codecs::audio::{AudioDecoder, AudioDecoderOptions, well_known::CODEC_ID_OPUS},
    errors::Error as Symphonia,
    formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::{MetadataOptions, RawValue},
};

/// The fastest converters there are; more is a damaged header.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// Yields a sound's samples, packet by packet.
pub(super) struct Decoder {
    pub(super) format: &'static str,
    pub(super) rate: u32,
    /// Where each channel of a frame belongs, in order.
    pub(super) positions: Vec<Position>,
    /// Bits of the samples, where they are whole numbers.
    pub(super) bits: Option<u32>,
    /// Titles and the like, by name; no pictures.
    pub(super) tags: Vec<(String, String)>,
    /// Pictures that can be kept, and how many can't.
    pub(super) pictures: (Vec<Picture>, usize),
    pub(super) looped: Option<Loop>,
    /// The number of frames that the header tells.
    pub(super) announced_frames: Option<u64>,
    reader: Box<dyn FormatReader>,
    codec: Codec,
    track: u32,
    heard: Heard,
    read: Arc<AtomicU64>,
    len: u64,
}

enum Codec {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<OpusDecoder>),
}

impl Decoder {
    pub(super) fn open(input: &AssetInput, cancel: &Cancel) -> Result<Self> {
        let format = detect(input)?;
        let (read, len) = (Arc::new(AtomicU64::new(0)), input.len());
        let source = Source { inner: input.open()?, len, read: Arc::clone(&read), cancel: cancel.clone() };
        guard::decoder(format, || {
            let stream = MediaSourceStream::new(Box::new(source), Default::default());
            let mut hint = Hint::new();
            hint.with_extension(format);
            let probed = symphonia::default::get_probe().probe(
                &hint,
                stream,
                FormatOptions::default(),
                MetadataOptions::default(),
            );
            let mut reader = probed.map_err(|error| match error {
                // Its first bytes were those of the format: the rest is missing.
                Symphonia::Unsupported(_) => Error::corrupt("the file ends, or is damaged, before its sound begins"),
                error => error_of(error),
            })?;
            let track = reader.default_track(TrackType::Audio).ok_or_else(|| Error::corrupt("no sound track"))?;
            let params = track.codec_params.as_ref().and_then(|params| params.audio());
            let params = params.ok_or_else(|| Error::unsupported("the sound's codec is not known"))?;
            let announced_frames = track.num_frames;
            let id = track.id;
            let channels = params.channels.as_ref().ok_or_else(|| Error::corrupt("the header tells no channels"))?;
            // Before a decoder makes room for them.
            let positions = layout::told(channels, format, input)?;
            let opus = params.codec == CODEC_ID_OPUS;
            let codec = if opus {
                let head = params.extra_data.as_deref().unwrap_or_default();
                Codec::Opus(Box::new(OpusDecoder::new(head, channels.count(), opus::end_of(input))?))
            } else {
                let codecs = symphonia::default::get_codecs();
                let options = AudioDecoderOptions::default();
                Codec::Symphonia(codecs.make_audio_decoder(params, &options).map_err(error_of)?)
            };
            let rate = if opus { Some(opus::RATE) } else { params.sample_rate };
            let rate = rate.ok_or_else(|| Error::corrupt("the header tells no sample rate"))?;
            let format = if opus { "opus" } else { format };
            if !RATES.contains(&rate) {
                return Err(
                    Error::unsupported("sounds are read from 1000 to 384000 samples a second").with("rate", rate)
                );
            }
            let lossless = matches!(format, "wav" | "flac" | "aiff");
            let floats = matches!(params.sample_format, Some(SampleFormat::F32 | SampleFormat::F64));
            let bits = params.bits_per_sample.filter(|_| lossless && !floats);
            let pictures = pictures_of(&mut *reader);
            let mut tags = tags(&mut *reader);
            if format == "wav" {
                // The reader gives none of those that it finds, and looks for none behind the samples.
                tags.extend(comments(wav::titles(input)));
            }
            let mut heard = Heard { skip: 0, left: u64::MAX };
            if format == "m4a" {
                let told = tags.iter().find(|(name, _)| name.ends_with("ITUNSMPB"));
                let told = told.and_then(|(_, text)| Heard::of_comment(text)).or_else(|| Heard::of_edits(input, rate));
                heard = told.unwrap_or(heard);
                // Of the file that it was.
                tags.retain(|(name, _)| !name.ends_with("ITUNSMPB"));
            }
            let looped = Loop::of_tags(&tags);
            Ok(Self {
                format,
                rate,
                positions,
                bits,
                tags,
                pictures,
                looped,
                announced_frames,
                reader,
                codec,
                track: id,
                heard,
                read,
                len,
            })
        })
        .map_err(|error| cancel.check().err().unwrap_or(error).with("format", format))
        .map(|mut decoder| {
            if format == "wav" {
                decoder.looped = decoder.looped.or_else(|| loops::of_wav(input));
            }
            decoder
        })
    }

    /// Replaces `samples` by the next packet's, interleaved; `false` at the end.
    pub(super) fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool> {
        let (reader, codec) = (&mut self.reader, &mut self.codec);
        let (track, rate, channels) = (self.track, self.rate, self.positions.len());
        let heard = &mut self.heard;
        guard::decoder(self.format, || {
            loop {
                let Some(packet) = reader.next_packet().map_err(error_of)? else { return Ok(false) };
                if packet.track_id != track {
                    continue;
                }
                let decoder = match codec {
                    Codec::Symphonia(decoder) => decoder,
                    Codec::Opus(decoder) => {
                        decoder.decode(&packet.data, samples)?;
                        return Ok(true);
                    }
                };
                let decoded = decoder.decode(&packet).map_err(error_of)?;
                let spec = decoded.spec();
                if spec.rate() != rate || spec.channels().count() != channels {
                    return Err(Error::unsupported("sounds that change their rate or channels midway are not read"));
                }
                samples.clear();
                decoded.copy_to_vec_interleaved(samples);
                heard.trim(samples, channels);
                return Ok(true);
            }
        })
    }

    /// The share of the input that was read.
    pub(super) fn share(&self) -> f32 {
        self.read.load(Ordering::Relaxed) as f32 / self.len.max(1) as f32
    }

    /// Refuses a file that ended before what its header tells. MP3 and Ogg headers are estimates.
    pub(super) fn check_whole(&self, frames: u64) -> Result<()> {
        match self.announced_frames {
            Some(announced) if matches!(self.format, "wav" | "aiff" | "flac") && frames < announced => {
                Err(Error::corrupt("the sound is cut short").with("frames", frames).with("announced", announced))
            }
            _ => Ok(()),
        }
    }
}

fn detect(input: &AssetInput) -> Result<&'static str> {
    let mut head = Vec::new();
    let read = input.open()?.take(16).read_to_end(&mut head);
    read.map_err(|error| Error::io("read the sound", error).with("asset", input.name()))?;
    match &head[..] {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Ok("wav"),
        [b'f', b'L', b'a', b'C', ..] => Ok("flac"),
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..] => Ok("aiff"),
        [b'O', b'g', b'g', b'S', ..] => Ok("ogg"),
        [b'I', b'D', b'3', ..] => Ok("mp3"),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Ok("m4a"),
        [0xFF, second, ..] if second & 0xF6 == 0xF0 => Ok("aac"),
        [0xFF, second, ..] if second & 0xE0 == 0xE0 => Ok("mp3"),
        _ if matches!(
            input.extension().as_str(),
            "wav" | "aif" | "aiff" | "flac" | "ogg" | "opus" | "mp3" | "m4a" | "aac"
        ) =>
        {
            Err(Error::corrupt(format!("this is no {} sound: its first bytes are others", input.extension())))
        }
        _ => {
            Err(Error::unsupported("this sound format is not read; save it as wav, aiff, flac, ogg, opus, mp3 or m4a")
                .with("asset", input.name()))
        }
    }
}

fn pictures_of(reader: &mut dyn FormatReader) -> (Vec<Picture>, usize) {
    let mut metadata = reader.metadata();
    metadata.skip_to_latest().map_or_else(Default::default, |revision| art::pictures(&revision.media.visuals))
}

/// What is told of the sound, as names and values. What is long is no title.
fn tags(reader: &mut dyn FormatReader) -> Vec<(String, String)> {
    let mut metadata = reader.metadata();
    let Some(revision) = metadata.skip_to_latest() else { return Vec::new() };
    let named = revision.media.tags.iter().filter_map(|tag| {
        let text = match &tag.raw.value {
            RawValue::String(text) => text.to_string(),
            RawValue::UnsignedInt(number) => number.to_string(),
            RawValue::SignedInt(number) => number.to_string(),
            _ => return None,
        };
        // ID3's free fields are named by a part of their own.
        let free =
            tag.raw.sub_fields.iter().flatten().find(|part| tag.raw.key == "TXXX" && part.field == "DESCRIPTION");
        Some(match free.map(|part| &part.value) {
            Some(RawValue::String(name)) => (name.to_string(), text),
            _ => (tag.raw.key.clone(), text),
        })
    });
    comments(named)
}

/// What of a file's tags is kept, by its name in Vorbis comments.
fn comments(tags: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    const TAGS: usize = 200;
    const LENGTH: usize = 4096;
    let named = tags.into_iter().filter_map(|(name, text)| {
        let name = comment_name(&name);
        let fits = !name.is_empty() && name.len() <= 100 && text.len() <= LENGTH;
        // Of encoders, and of the level before it was changed.
        let stale =
            ["ENCODER", "ENCODED_BY", "ENCODERSETTINGS"].contains(&name.as_str()) || name.starts_with("REPLAYGAIN");
        (fits && !stale).then_some((name, text))
    });
    named.take(TAGS).collect()
}

/// A tag's name as Vorbis comments have it.
fn comment_name(key: &str) -> String {
    let plain = match key {
        "TIT2" | "TT2" | "NAME" => "TITLE",
        "TPE1" | "TP1" | "AUTH" => "ARTIST",
        "TALB" | "TAL" => "ALBUM",
        "TCON" | "TCO" => "GENRE",
        "TRCK" | "TRK" => "TRACKNUMBER",
        "TDRC" | "TYER" | "TYE" => "DATE",
        "TCOP" | "TCR" | "(c) " => "COPYRIGHT",
        "TBPM" | "TBP" => "BPM",
        "COMM" | "COM" => "COMMENT",
        "TSSE" | "TENC" | "ISFT" => "ENCODER",
        key => wav::TITLES.iter().find(|(id, _)| *id == key).map_or(key, |(_, name)| name),
    };
    let fits = |c: &char| (' '..='}').contains(c) && *c != '=';
    plain.chars().filter(fits).collect::<String>().to_ascii_uppercase()
}

fn error_of(error: Symphonia) -> Error {
    match error {
        Symphonia::IoError(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Error::permission_denied("can't read the sound").because(error)
        }
        Symphonia::Unsupported(what) => Error::unsupported(format!("this variant of the format is not read: {what}")),
        Symphonia::LimitError(what) => Error::limit_exceeded(format!("the sound's {what} is over its limit")),
        error => Error::corrupt(format!("the sound is damaged: {error}")),
    }
}

/// Tells how far it was read, and ends early once the work is canceled.
struct Source {
    inner: Box<dyn ReadSeek>,
    len: u64,
    read: Arc<AtomicU64>,
    cancel: Cancel,
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_canceled() {
            return Err(io::Error::other("the work was canceled"));
        }
        let count = self.inner.read(out)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.inner.seek(to)?;
        self.read.store(at, Ordering::Relaxed);
        Ok(at)
    }
}

impl symphonia::core::io::MediaSource for Source {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len)
    }
}
