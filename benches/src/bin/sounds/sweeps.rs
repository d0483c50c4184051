//! Resampling beside soxr: how quick, and what becomes of tones across the band.

use super::run::{floats, is_here, options, process, program, slate, told, wav};
use slate_benches::{Contest, Result, is_wanted};
use slate_core::asset::AudioFormat;
use std::{f64::consts::PI, fs, path::Path};

/// Tones of each measurement, evenly over the band.
const TONES: usize = 40;
const SECONDS: f64 = 1.0;
const LEVEL: f64 = 0.5;

type Resample<'a> = &'a dyn Fn(&Path, &Path, u32) -> Result<()>;

/// What became of the tones, in decibels and samples.
struct Kept {
    ripple: f64,
    added: f64,
    aliases: f64,
    late: f64,
}

pub(super) fn run(scratch: &Path) -> Result<()> {
    if !is_here("sox") {
        println!("resampling beside soxr: skipped: sox is not here\n");
        return Ok(());
    }
    for (from, to) in [(44_100, 48_000), (48_000, 44_100), (96_000, 48_000)] {
        let title = format!("Resampled, {from} → {to} Hz, WAV of floats, stereo");
        if is_wanted(&title) {
            contest(&title, from, to, scratch)?;
        }
    }
    Ok(())
}

fn contest(title: &str, from: u32, to: u32, scratch: &Path) -> Result<()> {
    const LENGTH: usize = 120;
    let long = scratch.join("resample.wav");
    let out = scratch.join("resampled.wav");
    let mut state = 1u32;
    let noise: Vec<f32> = (0..from as usize * LENGTH * 2)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 33_554_432.0 - 0.25
        })
        .collect();
    let bytes = bytes::Bytes::from(wav(&noise, from, 32)?);
    fs::write(&long, &bytes)?;
    let mut own = options(AudioFormat::Wav);
    (own.bit_depth, own.sample_rate) = (32, to);
    let mut plain = own.clone();
    plain.sample_rate = from;
    let mut unmeasured = own.clone();
    unmeasured.measure = false;
    let name = |path: &Path| path.to_str().unwrap_or_default().to_owned();
    let (rate, source, target) = (to.to_string(), name(&long), name(&out));
    let hq = ["sox", &source, "-b", "32", "-e", "float", &target, "rate", "-h", &rate];
    let none = ["sox", &source, "-b", "32", "-e", "float", &target];
    let by_sox = |from: &Path, to: &Path, rate: u32| {
        let (from, to, rate) = (name(from), name(to), rate.to_string());
        told(&["sox", &from, "-b", "32", "-e", "float", &to, "rate", "-h", &rate]).map(drop)
    };
    let by_slate = |from: &Path, to: &Path, rate: u32| -> Result<()> {
        let mut options = options(AudioFormat::Wav);
        (options.bit_depth, options.sample_rate) = (32, rate);
        Ok(fs::write(to, process("tone.wav", fs::read(from)?.into(), &options)?.0)?)
    };
    Contest::new(title, "second of sound")
        .noted("sox rate -h: soxr HQ (peer)", tones(&by_sox, from, to, scratch)?.told(), || program(&hq, LENGTH))
        .noted("SLATE, which measures loudness and true peak too", tones(&by_slate, from, to, scratch)?.told(), || {
            slate(&long, &bytes, &own, LENGTH)
        })
        .noted("SLATE without measuring what it writes, which sox doesn't do either", "", || {
            slate(&long, &bytes, &unmeasured, LENGTH)
        })
        .noted("sox, read and write only", "", || program(&none, LENGTH))
        .noted("SLATE, read and write only", "", || slate(&long, &bytes, &plain, LENGTH))
        .run()
}

impl Kept {
    fn told(&self) -> String {
        let Self { ripple, added, aliases, late } = self;
        let aliases = if aliases.is_finite() { format!("{aliases:.0} dB") } else { "none".into() };
        format!("ripple {ripple:.4} dB, added {added:.0} dB, aliases {aliases}, late by {late:.5} samples")
    }
}

/// Tones up to 0.91 of the lower rate's band have to stay as they are; those from its end on have to go.
fn tones(resample: Resample<'_>, from: u32, to: u32, scratch: &Path) -> Result<Kept> {
    let half = f64::from(from.min(to)) / 2.0;
    let mut kept = Kept { ripple: 0.0, added: f64::MIN, aliases: f64::NEG_INFINITY, late: 0.0 };
    for at in 0..TONES {
        let frequency = 20.0 + (0.91 * half - 20.0) * at as f64 / (TONES - 1) as f64;
        let out = one(resample, frequency, from, to, scratch)?;
        let (size, phase, rest) = fitted(&out, frequency, to);
        kept.ripple = kept.ripple.max((20.0 * (size / LEVEL).log10()).abs());
        kept.added = kept.added.max(20.0 * (rest / (LEVEL / 2f64.sqrt())).log10());
        kept.late = kept.late.max((phase / (2.0 * PI * frequency) * f64::from(to)).abs());
    }
    if from > to {
        for at in 0..TONES / 2 {
            let top = f64::from(from) / 2.0;
            let frequency = half * 1.001 + (top * 0.99 - half) * at as f64 / (TONES / 2 - 1) as f64;
            let out = one(resample, frequency, from, to, scratch)?;
            let rms = (out.iter().map(|x| x * x).sum::<f64>() / out.len() as f64).sqrt();
            kept.aliases = kept.aliases.max(20.0 * (rms.max(1e-12) / (LEVEL / 2f64.sqrt())).log10());
        }
    }
    Ok(kept)
}

/// The middle of one tone, resampled; its first sample is a whole second in.
fn one(resample: Resample<'_>, frequency: f64, from: u32, to: u32, scratch: &Path) -> Result<Vec<f64>> {
    let (source, target) = (scratch.join("tone.wav"), scratch.join("toned.wav"));
    let count = (f64::from(from) * (SECONDS + 2.0)) as usize;
    let value = |n: usize| (LEVEL * (2.0 * PI * frequency * n as f64 / f64::from(from)).sin()) as f32;
    let samples: Vec<f32> = (0..count).flat_map(|n| [value(n); 2]).collect();
    fs::write(&source, wav(&samples, from, 32)?)?;
    resample(&source, &target, to)?;
    let out = floats(&target, to)?;
    let (first, last) = (to as usize, (f64::from(to) * (1.0 + SECONDS)) as usize);
    Ok(out.chunks_exact(2).map(|frame| f64::from(frame[0])).take(last).skip(first).collect())
}

/// The tone in it by least squares, how far its phase is off, and the rest's RMS.
fn fitted(out: &[f64], frequency: f64, rate: u32) -> (f64, f64, f64) {
    let wave = |n: usize| (2.0 * PI * frequency * (n + rate as usize) as f64 / f64::from(rate)).sin_cos();
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, x) in out.iter().enumerate() {
        let (s, c) = wave(n);
        (ss, cc, sc) = (ss + s * s, cc + c * c, sc + s * c);
        (xs, xc) = (xs + x * s, xc + x * c);
    }
    let whole = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / whole, (xc * ss - xs * sc) / whole);
    let rest: f64 = (out.iter().enumerate())
        .map(|(n, x)| {
            let (s, c) = wave(n);
            (x - a * s - b * c).powi(2)
        })
        .sum();
    ((a * a + b * b).sqrt(), b.atan2(a), (rest / out.len() as f64).sqrt())
}
