//! Sounds from 44.1 to 48 kHz: how quick, and what is in a pure tone afterwards that isn't the tone.

use bytes::Bytes;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rubato::{FftFixedIn, Resampler, SincFixedIn, SincInterpolationParameters, SincInterpolationType, WindowFunction};
use slate_assets::audio::AudioProcessor;
use slate_benches::{Contest, Result, Watch, assets};
use slate_core::asset::{AudioFormat, AudioOptions};
use std::{f64::consts::PI, io::Cursor};

const FROM: u32 = 44_100;
const TO: u32 = 48_000;
const SECONDS: usize = 30;
const CHANNELS: usize = 2;
const LEVEL: f64 = 0.891;

type Resample = fn(&[f32]) -> Result<Vec<f32>>;

pub(super) fn run() -> Result<()> {
    let sound = wav_of(&tone(440.0, SECONDS), 32)?;
    let sound = &sound;
    let timed = |work: &dyn Fn(Bytes) -> Result<Bytes>| {
        let mut watch = Watch::new();
        watch.time(SECONDS, || work(sound.clone()))?;
        Ok(watch.sample())
    };
    let by = |resample: Resample| move |wav: Bytes| with(&wav, resample);
    let title = format!("WAV, stereo, {FROM} → {TO} Hz, to 16 bits; THD+N of tones of 1 and 15 kHz");
    Contest::new(title, "second of sound")
        .noted("linear interpolation (peer)", quality(by(linear))?, || timed(&by(linear)))
        .noted("rubato, FFT", quality(by(rubato_fft))?, || timed(&by(rubato_fft)))
        .noted("rubato, windowed sinc of 128", quality(by(rubato_sinc))?, || timed(&by(rubato_sinc)))
        .noted("SLATE", quality(slate)?, || timed(&slate))
        .noted("read and write only, no resampling (limit)", limit()?, || timed(&by(|samples| Ok(samples.to_vec()))))
        .run()
}

fn slate(wav: Bytes) -> Result<Bytes> {
    let mut options = AudioOptions::default();
    options.format = AudioFormat::Wav;
    options.sample_rate = TO;
    options.normalize = false;
    Ok(assets::process(&AudioProcessor, "tone.wav", wav, &options)?.0)
}

/// Reads a WAV, resamples it by something else, and writes a WAV.
fn with(wav: &[u8], resample: Resample) -> Result<Bytes> {
    let samples = WavReader::new(wav)?.into_samples::<f32>().collect::<Result<Vec<_>, _>>()?;
    wav_of(&resample(&samples)?, 16)
}

fn linear(samples: &[f32]) -> Result<Vec<f32>> {
    let frames = samples.len() / CHANNELS;
    let step = f64::from(FROM) / f64::from(TO);
    let count = (frames as f64 / step) as usize;
    let mut out = Vec::with_capacity(count * CHANNELS);
    for frame in 0..count {
        let place = frame as f64 * step;
        let (at, share) = (place as usize, place.fract() as f32);
        let next = (at + 1).min(frames - 1);
        for channel in 0..CHANNELS {
            let (a, b) = (samples[at * CHANNELS + channel], samples[next * CHANNELS + channel]);
            out.push(a + (b - a) * share);
        }
    }
    Ok(out)
}

fn rubato_fft(samples: &[f32]) -> Result<Vec<f32>> {
    through(FftFixedIn::new(FROM as usize, TO as usize, 1024, 2, CHANNELS)?, samples)
}

fn rubato_sinc(samples: &[f32]) -> Result<Vec<f32>> {
    let parameters = SincInterpolationParameters {
        sinc_len: 128,
        f_cutoff: 0.94,
        oversampling_factor: 160,
        interpolation: SincInterpolationType::Nearest,
        window: WindowFunction::BlackmanHarris2,
    };
    through(SincFixedIn::new(f64::from(TO) / f64::from(FROM), 1.0, parameters, 1024, CHANNELS)?, samples)
}

fn through(mut resampler: impl Resampler<f32>, samples: &[f32]) -> Result<Vec<f32>> {
    let mut lines: Vec<Vec<f32>> =
        (0..CHANNELS).map(|channel| samples.iter().skip(channel).step_by(CHANNELS).copied().collect()).collect();
    let (mut out, mut at) = (Vec::new(), 0);
    let length = lines[0].len();
    lines.iter_mut().for_each(|line| line.resize(length + 4096, 0.0));
    while at < length {
        let wanted = resampler.input_frames_next();
        let input: Vec<&[f32]> = lines.iter().map(|line| &line[at..at + wanted]).collect();
        let made = resampler.process(&input, None)?;
        for frame in 0..made[0].len() {
            out.extend(made.iter().map(|line| line[frame]));
        }
        at += wanted;
    }
    Ok(out)
}

fn tone(frequency: f64, seconds: usize) -> Vec<f32> {
    let value = |at: usize| (LEVEL * (2.0 * PI * frequency * (at as f64 / f64::from(FROM))).sin()) as f32;
    (0..FROM as usize * seconds).flat_map(|at| [value(at); CHANNELS]).collect()
}

fn wav_of(samples: &[f32], bits: u16) -> Result<Bytes> {
    let float = bits == 32;
    let sample_rate = if float { FROM } else { TO };
    let sample_format = if float { SampleFormat::Float } else { SampleFormat::Int };
    let spec = WavSpec { channels: CHANNELS as u16, sample_rate, bits_per_sample: bits, sample_format };
    let mut bytes = Cursor::new(Vec::with_capacity(samples.len() * usize::from(bits / 8) + 64));
    let mut writer = WavWriter::new(&mut bytes, spec)?;
    for &sample in samples {
        if float {
            writer.write_sample(sample)?;
        } else {
            writer.write_sample((sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16)?;
        }
    }
    writer.finalize()?;
    Ok(bytes.into_inner().into())
}

fn quality(resample: impl Fn(Bytes) -> Result<Bytes>) -> Result<String> {
    let of = |frequency: f64| {
        let wav = resample(wav_of(&tone(frequency, 3), 32)?)?;
        let samples = WavReader::new(&wav[..])?.into_samples::<i16>().collect::<Result<Vec<_>, _>>()?;
        let left: Vec<f64> = samples.iter().step_by(CHANNELS).map(|&sample| f64::from(sample) / 32_767.0).collect();
        Ok::<_, slate_benches::BoxError>(noise(&left, frequency))
    };
    Ok(format!("{:.0} / {:.0} dB", of(997.0)?, of(15_013.0)?))
}

/// What rounding to 16 bits alone leaves.
fn limit() -> Result<String> {
    let of = |frequency: f64| {
        let value = |at: usize| LEVEL * (2.0 * PI * frequency * (at as f64 / f64::from(TO)) + 0.1).sin();
        let rounded: Vec<f64> = (0..TO as usize * 3).map(|at| (value(at) * 32_767.0).round() / 32_767.0).collect();
        noise(&rounded, frequency)
    };
    Ok(format!("16 bits: {:.0} / {:.0} dB", of(997.0), of(15_013.0)))
}

/// THD+N: what is left of the middle second once the tone itself is taken out, beside the tone.
fn noise(samples: &[f64], frequency: f64) -> f64 {
    // A second has whole turns of the tone, so that sine, cosine and constant don't mix.
    let second = &samples[TO as usize..2 * TO as usize];
    let turn = |at: usize| 2.0 * PI * frequency * at as f64 / f64::from(TO);
    let part = |wave: fn(f64) -> f64| {
        second.iter().enumerate().map(|(at, value)| value * wave(turn(at))).sum::<f64>() * 2.0 / second.len() as f64
    };
    let (sine, cosine) = (part(f64::sin), part(f64::cos));
    let rest: f64 = second
        .iter()
        .enumerate()
        .map(|(at, value)| (value - sine * turn(at).sin() - cosine * turn(at).cos()).powi(2))
        .sum::<f64>()
        / second.len() as f64;
    10.0 * (rest / ((sine * sine + cosine * cosine) / 2.0)).log10()
}
