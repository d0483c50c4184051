//! Runs SLATE's processor in this process and others' programs beside it, both by CPU time and by the clock.

use bytes::Bytes;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use slate_assets::audio::AudioProcessor;
use slate_benches::{Result, Sample, Watch};
use slate_core::{
    Cancel,
    asset::{AssetInput, AssetLimits, AudioFormat, AudioOptions, MemoryOutput, Processor, Progress, Report, Work},
};
use std::{
    ffi::OsStr,
    fs,
    io::Cursor,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

pub(super) const RATE: u32 = 48_000;

/// The defaults, without a change of level.
pub(super) fn options(format: AudioFormat) -> AudioOptions {
    let mut options = AudioOptions::default();
    (options.format, options.normalize) = (format, false);
    options
}

/// What SLATE makes of a sound, and its report.
pub(super) fn process(name: &str, bytes: Bytes, options: &AudioOptions) -> Result<(Bytes, Report)> {
    let input = AssetInput::from_bytes(name, bytes);
    let limits = AssetLimits::default();
    let (cancel, progress) = (Cancel::new(), Progress::ignored());
    let mut output = MemoryOutput::new(limits.output_bytes);
    let mut work = Work { input: &input, output: &mut output, limits: &limits, cancel: &cancel, progress: &progress };
    let report = AudioProcessor.process(&mut work, options)?;
    Ok((output.take().into_values().next().ok_or("nothing was written")?, report))
}

/// SLATE on a file whose bytes are in memory; `units` of work.
pub(super) fn slate(path: &Path, bytes: &Bytes, options: &AudioOptions, units: usize) -> Result<Sample> {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let mut watch = Watch::new();
    watch.time(units, || process(name, bytes.clone(), options))?;
    Ok(watch.sample())
}

/// A program, with its start.
pub(super) fn program(words: &[&str], units: usize) -> Result<Sample> {
    let (wall, before) = (Instant::now(), children()?);
    told(words)?;
    let cpu = Duration::from_secs_f64((children()? - before).max(0.0));
    Ok(Sample { units: units as f64, wall: wall.elapsed(), cpu })
}

/// A program that has to end well, and what it said.
pub(super) fn told(words: &[&str]) -> Result<Output> {
    let [name, rest @ ..] = words else { return Err("no program".into()) };
    let done = Command::new(name).args(rest).stdin(Stdio::null()).output()?;
    if !done.status.success() {
        return Err(format!("{name} failed: {}", String::from_utf8_lossy(&done.stderr)).into());
    }
    Ok(done)
}

pub(super) fn is_here(program: &str) -> bool {
    Command::new(program).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// CPU seconds of the programs that have ended, as Linux tells them in steps of 10 ms.
pub(super) fn children() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).ok_or("an odd /proc/self/stat")?.parse::<f64>()?) };
    // The fourteenth and fifteenth after the name.
    Ok((ticks(13)? + ticks(14)?) / 100.0)
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
