//! Sounds: from WAV, AIFF, FLAC, MP3, Ogg Vorbis, Opus and AAC to WAV, FLAC, Ogg Vorbis, Opus and MP3.
//!
//! A sound streams from decoder to file in pieces (`chain`, `shape`, an `Encoder` of `sink`): an hour takes no
//! more memory than a second. All of it is plain sums in a fixed order and `libm`'s functions, so that bytes don't
//! depend on the machine's vector units.

mod art;
mod attack;
mod chain;
mod decode;
mod dither;
mod fft;
mod fidelity;
mod flac;
mod heard;
mod hearing;
mod layout;
mod level;
mod limiter;
mod loops;
mod loudness;
mod m4a;
mod math;
mod mix;
mod mp3;
mod octaves;
mod ogg;
mod opus;
mod peak;
mod preview;
mod psy;
mod resample;
mod shape;
mod sink;
mod tags;
mod vorbis;
mod wav;

use art::Picture;
use chain::{Kept, stream};
use dither::Quantizer;
use flac::FlacEncoder;
use level::Levelled;
use loudness::Meter;
use mp3::Mp3Encoder;
use opus::OpusEncoder;
use preview::Preview;
use shape::Shaper;
use sink::{Counted, Encoder};
use slate_core::{
    Error, Result,
    asset::{AssetInput, AssetKind, AssetLimits, AudioFormat, AudioOptions, Processor, ProcessorInfo, Report, Work},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tempfile::NamedTempFile;
use vorbis::{Rate, VorbisEncoder};
use wav::WavEncoder;

/// Reads a sound, mixes its channels, resamples it, sets its level and writes it, named after the input.
///
/// - `normalize` brings the sound to a loudness by EBU R128 with a ceiling for true peaks, by a limiter that looks ahead
///   where it must; or to a true peak, with `normalizeTo: peak`. A sound shorter than 400 ms is measured whole.
///   It is never made more than 40 dB louder, and the limiter takes 12 dB at most: the report tells what came of it.
/// - Mono goes to both sides of stereo; down-mixes follow ITU-R BS.775, scaled so that none clips. Other layouts become
///   the one that Vorbis, FLAC and Opus have for as many channels: what has a speaker of its own there keeps it.
/// - Loop points (`smpl` and `cue ` of WAV, `LOOPSTART` and `LOOPLENGTH` of tags) move with the rate and with what is
///   cut off, which is never a part of the loop.
/// - `bitrate` is an average over the sound; it has no meaning for WAV.
/// - The report has the loudness, the true peak and the length of what was written, and its bitrate in kbit/s, titles and
///   pictures included.
/// - With `compare`, what was written is decoded again and held against the sound that went into the encoder:
///   `signalToNoise` in decibels (`null` where every sample is the same, which `identical` says, too), `noiseToMask`, which is
///   how far what differs is above what the sound itself hides, in decibels, and `disturbedFrames`, the share of
///   frames of 43 ms with a band plainly above that (`null` for silence). A ratio of −10 dB is transparent to most ears, at 0
///   dB the loss is plainly heard. They order encodings of one sound; they are no grades, and different sounds can't be compared by
///   them. What is cut beyond full scale and added as dither counts as a difference.
/// - Values that are no finite numbers become silence; how many is in the report.
#[derive(Clone, Copy, Debug, Default)]
pub struct AudioProcessor;

impl Processor for AudioProcessor {
    type Options = AudioOptions;

    const INFO: ProcessorInfo = ProcessorInfo {
        name: "audio",
        version: 6,
        kind: AssetKind::Audio,
        reads: &["aac", "aif", "aiff", "flac", "m4a", "mp3", "ogg", "opus", "wav"],
        writes: &["flac", "mp3", "ogg", "opus", "wav"],
    };

    fn check(&self, options: &AudioOptions) -> Result<()> {
        options.validate()?;
        let (rates, name): (&[u32], _) = match options.format {
            AudioFormat::Opus => (&opus::RATES, "Opus"),
            AudioFormat::Mp3 => (&mp3::RATES, "MP3"),
            AudioFormat::Flac if options.bit_depth == 32 => {
                return Err(Error::unsupported("FLAC is written with bitDepth 16 or 24").with("bitDepth", 32));
            }
            AudioFormat::Wav | AudioFormat::Ogg | AudioFormat::Flac => return Ok(()),
            other => {
                return Err(Error::unsupported(format!("{other} is not written; choose ogg, opus, mp3, flac or wav")));
            }
        };
        if !rates.contains(&options.sample_rate) {
            return Err(Error::unsupported(format!("{name} has no such sample rate; choose 48000"))
                .with("sampleRate", options.sample_rate));
        }
        if options.format == AudioFormat::Mp3 && options.channels > 2 {
            return Err(Error::unsupported("MP3 is written with one or two channels; choose 1, 2 or ogg")
                .with("channels", options.channels));
        }
        Ok(())
    }

    fn process(&self, work: &mut Work<'_>, options: &AudioOptions) -> Result<Report> {
        self.check(options)?;
        AssetLimits::check("the input's size in bytes", work.input.len(), work.limits.input_bytes)?;
        let mut kept = chain::kept(work, options)?;
        let Levelled { plan, source, share } = level::level(work, options, kept.looped)?;
        let length = plan.end - plan.first;
        kept.looped = kept.looped.and_then(|looped| looped.within(plan.first, plan.end));
        let exact = plan.gain == 1.0 && plan.ceiling.is_none() && plan.fade_in + plan.fade_out == 0;
        kept.exact_bits = kept.exact_bits.filter(|_| exact);

        let channels = usize::from(options.channels);
        let copy = options.compare.then(NamedTempFile::new).transpose();
        let copy = copy.map_err(|error| Error::io("make a file to compare with", error))?;
        let (mut encoder, written) = encoder(work, options, &kept, copy.as_ref())?;
        let mut shaper = Shaper::new(plan, channels, options.sample_rate);
        let mut meter = options.measure.then(|| Meter::new(channels, options.sample_rate));
        let (mut frames, mut peak) = (0, 0.0f32);
        let mut preview = options.preview.then(|| Preview::new(channels));
        let mut out = Vec::new();
        let mut write = |out: &[f32]| {
            frames += (out.len() / channels) as u64;
            match &mut meter {
                Some(meter) => meter.push(out),
                None => peak = peak.max(peak::loudest(out)),
            }
            if let Some(preview) = &mut preview {
                preview.push(out);
            }
            encoder.push(out)
        };
        let most = if options.compare { share + (1.0 - share) * WRITTEN } else { 1.0 };
        let told = stream(work, options, &work.progress.part(share, most), |frames| {
            out.clear();
            shaper.push(frames, &mut out);
            write(&out)
        })?;
        out.clear();
        let limited = shaper.finish(&mut out);
        write(&out)?;
        let encoded = encoder.finish()?;
        if let Some(preview) = preview {
            preview.finish(work.output.create(&format!("{}.png", work.stem()))?)?;
        }
        let heard = meter.map(Meter::finish);
        peak = heard.map_or(peak, |heard| heard.sample_peak);
        let compared = copy.map(|copy| -> Result<_> {
            let written = AssetInput::from_file(copy.path())?;
            fidelity::measure(work, options, plan, &written, &work.progress.part(most, 1.0))
        });
        let compared = compared.transpose()?;
        work.progress.report(1.0);

        let decibels = |magnitude: f32| 20.0 * libm::log10(f64::from(magnitude.max(1e-10)));
        let mut report = Report::new();
        report.insert("sourceFormat".into(), told.format.into());
        report.insert("sourceChannels".into(), told.source_channels.into());
        report.insert("sourceSampleRate".into(), told.source_rate.into());
        report.insert("format".into(), options.format.as_str().into());
        report.insert("channels".into(), options.channels.into());
        report.insert("sampleRate".into(), options.sample_rate.into());
        report.insert("frames".into(), frames.into());
        report.insert("seconds".into(), (frames as f64 / f64::from(options.sample_rate)).into());
        let bits = written.load(Ordering::Relaxed) as f64 * 8.0;
        let lasts = frames.max(1) as f64 / f64::from(options.sample_rate);
        report.insert("bitrate".into(), (bits / lasts / 1000.0).into());
        if options.format == AudioFormat::Ogg {
            report.insert("quality".into(), options.quality.into());
        }
        report.insert("cutFrames".into(), (told.frames - length.min(told.frames)).into());
        report.insert("sourcePeak".into(), f64::from(told.peak).into());
        report.insert("sourceLoudness".into(), source.and_then(|source| source.integrated).into());
        report.insert("peak".into(), f64::from(peak.min(1.0)).into());
        report.insert("truePeak".into(), heard.map(|heard| decibels(heard.true_peak)).into());
        report.insert("loudness".into(), heard.and_then(|heard| heard.integrated).into());
        report.insert("loudnessRange".into(), heard.map(|heard| heard.range).into());
        report.insert("gain".into(), f64::from(plan.gain).into());
        report.insert("limitedBy".into(), (0.0 - decibels(limited)).max(0.0).into());
        report.insert("clippedSamples".into(), encoded.clipped.into());
        report.insert("nonFiniteSamples".into(), told.non_finite.into());
        report.insert("picturesKept".into(), kept.pictures.len().into());
        report.insert("picturesDropped".into(), kept.pictures_dropped.into());
        if let Some(compared) = compared {
            compared.report(&mut report);
        }
        if let Some(looped) = kept.looped {
            report.insert("loopStart".into(), looped.start.into());
            report.insert("loopLength".into(), (looped.end - looped.start).into());
        }
        Ok(report)
    }
}

/// The share of the work that encoding is where the result is compared.
const WRITTEN: f32 = 0.6;

/// With the count of the bytes that it will have written; they go to `copy`, too.
fn encoder(
    work: &mut Work<'_>,
    options: &AudioOptions,
    kept: &Kept,
    copy: Option<&NamedTempFile>,
) -> Result<(Box<dyn Encoder>, Arc<AtomicU64>)> {
    let copy = copy.map(NamedTempFile::reopen).transpose();
    let copy = copy.map_err(|error| Error::io("make a file to compare with", error))?;
    let (out, written) = Counted::new(work.output.create(&format!("{}.{}", work.stem(), options.format))?, copy);
    let out = Box::new(out);
    let (channels, rate) = (options.channels, options.sample_rate);
    let mut comments = if options.keep_metadata { kept.tags.clone() } else { Vec::new() };
    comments.retain(|(name, _)| !name.starts_with("LOOP"));
    comments.extend(kept.looped.iter().flat_map(|looped| looped.tags()));
    if matches!(options.format, AudioFormat::Ogg | AudioFormat::Opus) {
        comments.extend(kept.pictures.iter().map(Picture::comment));
    }
    let exact = kept.exact_bits.is_some_and(|bits| bits <= options.bit_depth.into());
    let quantizer = || Quantizer::new(channels.into(), rate, options.bit_depth.min(24), options.dither, exact);
    let encoder: Box<dyn Encoder> = match options.format {
        AudioFormat::Wav => {
            Box::new(WavEncoder::new(out, channels, rate, options.bit_depth, quantizer(), kept.looped, &comments)?)
        }
        AudioFormat::Flac => {
            Box::new(FlacEncoder::new(out, channels, rate, options.bit_depth, quantizer(), &comments, &kept.pictures)?)
        }
        AudioFormat::Opus => Box::new(OpusEncoder::new(out, channels, rate, options.bitrate, &comments)?),
        AudioFormat::Mp3 => Box::new(Mp3Encoder::new(out, channels, rate, options.bitrate, &comments, &kept.pictures)?),
        _ => {
            let wanted = options.quality.map_or(Rate::Average(options.bitrate), Rate::Quality);
            Box::new(VorbisEncoder::new(out, channels, rate, wanted, &comments)?)
        }
    };
    Ok((encoder, written))
}
