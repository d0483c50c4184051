//! Short ways for the tests of sounds: one that runs the processor, one that runs other people's programs.
#![allow(clippy::field_reassign_with_default, reason = "options are open-ended")]

use super::Random;
use slate_assets::audio::AudioProcessor;
use slate_core::asset::{AssetInput, AssetLimits, AudioFormat, AudioOptions, Report};
use std::process::Command;

pub(crate) fn run(name: &str, bytes: &[u8], change: impl FnOnce(&mut AudioOptions)) -> (Report, Vec<u8>) {
    let mut options = AudioOptions::default();
    change(&mut options);
    let input = AssetInput::from_bytes(name, bytes.to_vec());
    let (report, files) = super::run(&AudioProcessor, &input, &options, &AssetLimits::default()).unwrap();
    let (_, file) = files.into_iter().next().unwrap();
    (report, file.to_vec())
}

/// Decoded to floats, interleaved, as they are.
pub(crate) fn floats(name: &str, bytes: &[u8], channels: u16, rate: u32) -> (Report, Vec<f32>) {
    let (report, out) = run(name, bytes, |options| {
        (options.format, options.bit_depth, options.normalize) = (AudioFormat::Wav, 32, false);
        (options.channels, options.sample_rate) = (channels, rate);
    });
    let reader = hound::WavReader::new(&out[..]).unwrap();
    (report, reader.into_samples::<f32>().map(Result::unwrap).collect())
}

/// Something like music: a chord with beats in it.
pub(crate) fn beats(frames: usize) -> Vec<i16> {
    let mut random = Random(11);
    (0..frames)
        .flat_map(|at| {
            let t = at as f64 / 48_000.0;
            let beat = (-(t % 0.25) * 30.0).exp();
            let noise = f64::from(random.next()) / f64::from(u32::MAX) - 0.5;
            let chord: f64 = [220.0, 277.2, 329.6].iter().map(|f| (t * f * std::f64::consts::TAU).sin()).sum();
            let value = chord * 0.08 + beat * noise * 0.5;
            [(value * 32_767.0) as i16, (value * 20_000.0) as i16]
        })
        .collect()
}

/// Runs a program, where there is one; `None` is said aloud.
pub(crate) fn foreign(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(done) => {
            let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{program} {arguments:?}: {text}");
            Some(text)
        }
        Err(error) => {
            let required = std::env::var_os("SLATE_REQUIRE_SERVICES").is_some_and(|value| value == "1");
            assert!(!required, "{program} is required: {error}");
            println!("skipped: {program} is not here ({error})");
            None
        }
    }
}

/// A WAV file of 48 kHz and 16 bits, with a header that tells the speakers, or with one that doesn't.
pub(crate) fn wav_of(channels: u16, speakers: Option<u32>, samples: &[i16]) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
    bytes.extend(if speakers.is_some() { 40u32 } else { 16 }.to_le_bytes());
    bytes.extend(if speakers.is_some() { 0xFFFEu16 } else { 1 }.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(48_000u32.to_le_bytes());
    bytes.extend((96_000 * u32::from(channels)).to_le_bytes());
    bytes.extend((2 * channels).to_le_bytes());
    bytes.extend(16u16.to_le_bytes());
    if let Some(speakers) = speakers {
        bytes.extend([22, 0, 16, 0]);
        bytes.extend(speakers.to_le_bytes());
        bytes.extend([1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
    }
    bytes.extend(b"data");
    bytes.extend((2 * samples.len() as u32).to_le_bytes());
    samples.iter().for_each(|sample| bytes.extend(sample.to_le_bytes()));
    let size = bytes.len() as u32 - 8;
    bytes[4..8].copy_from_slice(&size.to_le_bytes());
    bytes
}
