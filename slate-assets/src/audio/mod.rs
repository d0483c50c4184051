//! Sounds: from WAV, MP3, Ogg Vorbis and FLAC to 16-bit WAV.
//!
//! A sound streams from decoder to file in chunks: an hour takes no more memory than a second. The mixer and the
//! resampler are scalar code in a fixed order, so that bytes don't depend on the machine's vector units.

mod decode;
mod mix;
mod ogg;
mod resample;
mod sink;
mod vorbis;
mod wav;

use decode::Decoder;
use mix::Mixer;
use resample::Resampler;
use slate_core::{
    Error, Result,
    asset::{AssetKind, AssetLimits, AudioFormat, AudioOptions, Processor, ProcessorInfo, Progress, Report, Work},
};
use wav::WavWriter;

/// −1 dB below full scale: room for what a lossy encoder or a player's filter adds.
const PEAK: f32 = 0.891_250_9;

/// Reads a sound, mixes its channels, resamples it, sets its level and writes a WAV named after the input.
///
/// - `normalize` brings the highest sample to −1 dBFS, in a pass of its own. It is peak, not loudness: EBU R128 is not
///   available yet.
/// - Mono goes to both sides of stereo; down-mixes follow ITU-R BS.775, scaled so that none clips.
/// - `bitrate` has no meaning for WAV and is ignored.
/// - Values that are no finite numbers become silence; how many is in the report.
#[derive(Clone, Copy, Debug, Default)]
pub struct AudioProcessor;

impl Processor for AudioProcessor {
    type Options = AudioOptions;

    const INFO: ProcessorInfo = ProcessorInfo {
        name: "audio",
        version: 1,
        kind: AssetKind::Audio,
        reads: &["flac", "mp3", "ogg", "wav"],
        writes: &["wav"],
    };

    fn check(&self, options: &AudioOptions) -> Result<()> {
        options.validate()?;
        if options.format != AudioFormat::Wav {
            return Err(Error::unsupported(format!("{} is not available yet; choose wav", options.format)));
        }
        Ok(())
    }

    fn process(&self, work: &mut Work<'_>, options: &AudioOptions) -> Result<Report> {
        self.check(options)?;
        AssetLimits::check("the input's size in bytes", work.input.len(), work.limits.input_bytes)?;
        let mut gain = 1.0;
        if options.normalize {
            let measured = stream(work, options, &work.progress.part(0.0, 0.5), |_| Ok(()))?;
            if measured.peak > 0.0 {
                gain = PEAK / measured.peak;
            }
        }
        let name = format!("{}.wav", work.stem());
        let mut writer = WavWriter::new(work.output.create(&name)?, options.channels, options.sample_rate)?;
        let progress = work.progress.part(if options.normalize { 0.5 } else { 0.0 }, 1.0);
        let told = stream(work, options, &progress, |samples| writer.write(samples, gain))?;
        let clipped = writer.finish()?;
        work.progress.report(1.0);

        let mut report = Report::new();
        report.insert("sourceFormat".into(), told.format.into());
        report.insert("sourceChannels".into(), told.source_channels.into());
        report.insert("sourceSampleRate".into(), told.source_rate.into());
        report.insert("channels".into(), options.channels.into());
        report.insert("sampleRate".into(), options.sample_rate.into());
        report.insert("frames".into(), told.frames.into());
        report.insert("seconds".into(), (told.frames as f64 / f64::from(options.sample_rate)).into());
        report.insert("sourcePeak".into(), f64::from(told.peak).into());
        report.insert("peak".into(), f64::from((told.peak * gain).min(1.0)).into());
        report.insert("gain".into(), f64::from(gain).into());
        report.insert("clippedSamples".into(), clipped.into());
        report.insert("nonFiniteSamples".into(), told.non_finite.into());
        Ok(report)
    }
}

/// What one pass over a sound told.
struct Told {
    format: &'static str,
    source_channels: usize,
    source_rate: u32,
    /// Frames at the output's rate.
    frames: u64,
    /// The highest magnitude after mixing and resampling.
    peak: f32,
    non_finite: u64,
}

/// Decodes, mixes and resamples the whole input; `sink` takes interleaved samples, some at a time.
fn stream(
    work: &Work<'_>,
    options: &AudioOptions,
    progress: &Progress,
    mut sink: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Told> {
    let mut decoder = Decoder::open(work.input, work.cancel)?;
    let (source_rate, source_channels) = (decoder.rate, decoder.positions.len());
    let mixer = Mixer::new(&decoder.positions, usize::from(options.channels))?;
    let mut resampler = Resampler::new(source_rate, options.sample_rate, usize::from(options.channels), work.cancel)?;
    let most = work.limits.audio_seconds.saturating_mul(u64::from(source_rate));
    const NAME: &str = "the sound's length in frames";
    AssetLimits::check(NAME, decoder.announced_frames.unwrap_or(0), most)?;
    let (mut decoded, mut mixed, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let (mut source_frames, mut frames, mut peak, mut non_finite) = (0u64, 0u64, 0.0f32, 0u64);
    loop {
        work.cancel.check()?;
        out.clear();
        let more = decoder.next(&mut decoded)?;
        if more {
            for sample in decoded.iter_mut().filter(|sample| !sample.is_finite()) {
                (*sample, non_finite) = (0.0, non_finite + 1);
            }
            source_frames += (decoded.len() / source_channels) as u64;
            AssetLimits::check(NAME, source_frames, most)?;
            mixer.mix(&decoded, &mut mixed);
            resampler.push(&mixed, &mut out);
        } else {
            resampler.finish(&mut out);
        }
        frames += (out.len() / usize::from(options.channels)) as u64;
        peak = out.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
        sink(&out)?;
        progress.report(decoder.share());
        if !more {
            break;
        }
    }
    decoder.check_whole(source_frames)?;
    if source_frames == 0 {
        return Err(Error::corrupt("the file holds no sound").with("asset", work.input.name()));
    }
    Ok(Told { format: decoder.format, source_channels, source_rate, frames, peak, non_finite })
}
