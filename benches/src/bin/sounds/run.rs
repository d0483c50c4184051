//! Runs SLATE's processor in this process and others' programs beside it, both by CPU time and by the clock.

use bytes::Bytes;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use slate_assets::audio::AudioProcessor;
pub(super) use slate_benches::programs::{children, is_here, program, told};
use slate_benches::{Result, Sample, Watch, assets};
use slate_core::asset::{AudioFormat, AudioOptions, Report};
use std::{ffi::OsStr, fs, io::Cursor, path::Path};

pub(super) const RATE: u32 = 48_000;

/// The defaults, without a change of level.
pub(super) fn options(format: AudioFormat) -> AudioOptions {
    let mut options = AudioOptions::default();
    (options.format, options.normalize) = (format, false);
    options
}

/// What SLATE makes of a sound, and its report.
pub(super) fn process(name: &str, bytes: Bytes, options: &AudioOptions) -> Result<(Bytes, Report)> {
    assets::process(&AudioProcessor, name, bytes, options)
}

/// SLATE on a file whose bytes are in memory; `units` of work.
pub(super) fn slate(path: &Path, bytes: &Bytes, options: &AudioOptions, units: usize) -> Result<Sample> {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let mut watch = Watch::new();
    watch.time(units, || process(name, bytes.clone(), options))?;
    Ok(watch.sample())
}

/// Any sound as interleaved floats at its own rate.
pub(super) fn floats(path: &Path, rate: u32) -> Result<Vec<f32>> {
    let mut options = options(AudioFormat::Wav);
    (options.bit_depth, options.sample_rate) = (32, rate);
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let (wav, _) = process(name, fs::read(path)?.into(), &options)?;
    Ok(WavReader::new(&wav[..])?.into_samples::<f32>().collect::<Result<_, _>>()?)
}

/// Stereo as WAV: of floats, or of 16 bits.
pub(super) fn wav(samples: &[f32], rate: u32, bits: u16) -> Result<Vec<u8>> {
    let sample_format = if bits == 32 { SampleFormat::Float } else { SampleFormat::Int };
    let spec = WavSpec { channels: 2, sample_rate: rate, bits_per_sample: bits, sample_format };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec)?;
    for &sample in samples {
        if bits == 32 {
            writer.write_sample(sample)?;
        } else {
            writer.write_sample((sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16)?;
        }
    }
    writer.finalize()?;
    Ok(bytes.into_inner())
}
