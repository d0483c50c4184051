use crate::{Error, Result, wire::wire_enum};
use serde::{Deserialize, Serialize};

wire_enum! {
    /// The container and codec that a sound is written in.
    AudioFormat {
        /// RIFF WAVE, uncompressed.
        Wav = "wav",
        /// Ogg Vorbis.
        Ogg = "ogg",
        /// MPEG layer 3.
        Mp3 = "mp3",
        /// Ogg Opus.
        Opus = "opus",
        /// Free Lossless Audio Codec.
        Flac = "flac",
    }
}

wire_enum! {
    /// What a sound's level is brought to.
    Normalize {
        /// A loudness as it is heard: EBU R128.
        Loudness = "loudness",
        /// The highest peak, between the samples too.
        Peak = "peak",
    }
}

wire_enum! {
    /// The noise that is added before samples are rounded to fewer bits, so that no tone comes of rounding.
    Dither {
        /// None: samples are rounded to the nearest.
        None = "none",
        /// White noise, the same at all frequencies.
        Triangular = "triangular",
        /// As much noise, moved to where it is heard least.
        Shaped = "shaped",
    }
}

wire_enum! {
    /// How sharply what the lower of two sample rates can't hold is cut off. Whatever it is, tones stay where they are in time.
    Resampling {
        /// Flat to 0.83 of the lower rate's band, aliases below −80 dB, in about a third of the time of `high`.
        Fast = "fast",
        /// Flat to 0.91 of the band, aliases below −120 dB.
        High = "high",
        /// Flat to 0.95 of the band, aliases below −120 dB, in twice the time of `high`.
        Best = "best",
    }
}

wire_enum! {
    /// What a sound is for, and where.
    AudioPreset {
        /// Effects on a computer: one channel to be placed in space, by their peaks, without silence around them.
        SfxDesktop = "sfx-desktop",
        /// Effects on a phone.
        SfxMobile = "sfx-mobile",
        /// Music on a computer.
        MusicDesktop = "music-desktop",
        /// Music on a phone.
        MusicMobile = "music-mobile",
        /// Speech on a computer.
        VoiceDesktop = "voice-desktop",
        /// Speech on a phone.
        VoiceMobile = "voice-mobile",
    }
}

/// How a sound is processed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AudioOptions {
    /// Container and codec to write; default Ogg Vorbis.
    pub format: AudioFormat,
    /// Bitrate in kbit/s for lossy codecs, 8 to 512; default 192.
    pub bitrate: u32,
    /// Samples a second, 8000 to 192000; default 48000.
    pub sample_rate: u32,
    /// How well the sample rate is changed, where it is; default high.
    pub resampling: Resampling,
    /// Number of channels, 1 to 8; default 2.
    pub channels: u16,
    /// Whether to bring the sound to a common loudness; default `true`.
    pub normalize: bool,
    /// Ogg Vorbis: a quality from −1 (small) to 10 (largest) in the place of a bitrate; default: by the bitrate.
    pub quality: Option<f32>,
    /// Bits of a sample where nothing is lost: 16, 24, or for WAV 32, which are floats; default 16.
    pub bit_depth: u16,
    /// What `normalize` means; default loudness.
    pub normalize_to: Normalize,
    /// The loudness that is the goal in LUFS, −50 to −5; default −18.
    pub loudness: f32,
    /// The level that no peak goes over in dB below full scale, −20 to 0; default −1. With `normalizeTo: peak` it is
    /// the goal.
    pub ceiling: f32,
    /// Cuts what is below this level off the beginning and the end, in dB of full scale, −120 to −20; default: nothing
    /// is cut.
    pub trim_silence: Option<f32>,
    /// Seconds over which the sound comes in, 0 to 600; default 0.
    pub fade_in: f32,
    /// Seconds over which it goes out, 0 to 600; default 0.
    pub fade_out: f32,
    /// How samples lose bits; default shaped. Samples that lose none are never changed.
    pub dither: Dither,
    /// Whether to take out a constant that samples are off by; default `false`.
    pub remove_dc: bool,
    /// Whether titles and other comments are kept; default `true`. Loop points always are.
    pub keep_metadata: bool,
    /// Whether pictures are kept, such as an album's cover; default `false`. WAV has no place for any. Up to four PNG, JPEG,
    /// GIF or WebP of 8 MiB each are kept; the report tells how many were not.
    pub keep_pictures: bool,
    /// Whether the report tells the loudness and the true peak of what is written; default `true`. Without, it is done sooner.
    pub measure: bool,
    /// Whether the report tells how near what is written is to what was meant, by decoding it again; default `false`, because
    /// it takes longer than the rest.
    pub compare: bool,
    /// Whether to draw the sound's waveform and spectrum besides, as PNG; default `false`.
    pub preview: bool,
}

impl Default for AudioOptions {
    fn default() -> Self {
        Self {
            format: AudioFormat::Ogg,
            bitrate: 192,
            sample_rate: 48_000,
            resampling: Resampling::High,
            channels: 2,
            normalize: true,
            quality: None,
            bit_depth: 16,
            normalize_to: Normalize::Loudness,
            loudness: -18.0,
            ceiling: -1.0,
            trim_silence: None,
            fade_in: 0.0,
            fade_out: 0.0,
            dither: Dither::Shaped,
            remove_dc: false,
            keep_metadata: true,
            keep_pictures: false,
            measure: true,
            compare: false,
            preview: false,
        }
    }
}

impl AudioOptions {
    /// Options for a purpose, in Ogg Vorbis. Loudness is that of ASWG-R001: −23 LUFS in front of loudspeakers, −18 on the
    /// way; effects keep what they are beside each other.
    pub fn preset(preset: AudioPreset) -> Self {
        let sfx = Self { channels: 1, normalize_to: Normalize::Peak, trim_silence: Some(-60.0), ..Self::default() };
        let voice = Self { channels: 1, trim_silence: Some(-60.0), ..Self::default() };
        match preset {
            AudioPreset::SfxDesktop => Self { quality: Some(5.0), ..sfx },
            AudioPreset::SfxMobile => Self { quality: Some(3.0), sample_rate: 32_000, ..sfx },
            AudioPreset::MusicDesktop => Self { quality: Some(6.0), loudness: -23.0, ..Self::default() },
            AudioPreset::MusicMobile => Self { quality: Some(3.0), ..Self::default() },
            AudioPreset::VoiceDesktop => Self { quality: Some(4.0), loudness: -23.0, ..voice },
            AudioPreset::VoiceMobile => Self { quality: Some(2.0), sample_rate: 32_000, ..voice },
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// `Invalid`, naming the option and what it may be.
    pub fn validate(&self) -> Result<()> {
        if !(8..=512).contains(&self.bitrate) {
            return Err(Error::invalid("bitrate goes from 8 to 512 kbit/s").with("bitrate", self.bitrate));
        }
        if !(8_000..=192_000).contains(&self.sample_rate) {
            return Err(Error::invalid("sampleRate goes from 8000 to 192000").with("sampleRate", self.sample_rate));
        }
        if !(1..=8).contains(&self.channels) {
            return Err(Error::invalid("channels goes from 1 to 8").with("channels", self.channels));
        }
        if ![16, 24, 32].contains(&self.bit_depth) {
            return Err(Error::invalid("bitDepth is 16, 24 or 32").with("bitDepth", self.bit_depth));
        }
        let ranges = [
            ("quality goes from -1 to 10", self.quality, -1.0..=10.0),
            ("loudness goes from -50 to -5 LUFS", Some(self.loudness), -50.0..=-5.0),
            ("ceiling goes from -20 to 0 dB", Some(self.ceiling), -20.0..=0.0),
            ("trimSilence goes from -120 to -20 dB", self.trim_silence, -120.0..=-20.0),
            ("fadeIn goes from 0 to 600 seconds", Some(self.fade_in), 0.0..=600.0),
            ("fadeOut goes from 0 to 600 seconds", Some(self.fade_out), 0.0..=600.0),
        ];
        for (what, value, range) in ranges {
            // What is no number is in no range.
            if let Some(value) = value
                && !range.contains(&value)
            {
                return Err(Error::invalid(what).with("value", value));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_in_range_and_parses_as_written() {
        for &preset in AudioPreset::ALL {
            let options = AudioOptions::preset(preset);
            options.validate().unwrap();
            let text = serde_json::to_string(&options).unwrap();
            assert_eq!(serde_json::from_str::<AudioOptions>(&text).unwrap(), options, "{text}");
        }
    }
}
