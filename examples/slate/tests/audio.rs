//! `slate audio`, as a person runs it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/json.rs"]
mod json;

use json::slate;
use serde_json::Value;
use std::{f32::consts::TAU, fs, path::Path};

const RATE: u32 = 44_100;

/// Its report, and the bytes of what it made.
fn made(folder: &Path, out: &str, options: &[&str]) -> (Value, Vec<u8>) {
    let (sound, told) = slate(folder, &[&["audio", "in.wav", out], options].concat());
    assert!(sound, "{options:?}: {told}");
    (told["in.wav"]["report"].clone(), fs::read(folder.join(out)).unwrap())
}

/// One channel of floats, with a title and a loop.
fn write_source(folder: &Path, samples: &[f32]) {
    let mut chunks = Vec::new();
    let mut chunk = |name: &[u8; 4], bytes: &[u8]| {
        chunks.extend(name);
        chunks.extend((bytes.len() as u32).to_le_bytes());
        chunks.extend(bytes);
    };
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    chunk(b"fmt ", &words(&[0x0001_0003, RATE, 4 * RATE, 0x0020_0004]));
    chunk(b"LIST", b"INFOINAM\x06\0\0\0Thaw!\0");
    chunk(b"smpl", &words(&[0, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, 1000, 9_999, 0, 0]));
    chunk(b"data", &samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>());
    let mut file = b"RIFF".to_vec();
    file.extend((chunks.len() as u32 + 4).to_le_bytes());
    file.extend(b"WAVE");
    file.extend(chunks);
    fs::write(folder.join("in.wav"), file).unwrap();
}

fn tone(at: usize) -> f32 {
    0.4 * (at as f32 * 440.0 * TAU / RATE as f32).sin()
}

/// The samples of a WAV file of one channel and 16 bits.
fn samples(file: &[u8]) -> Vec<f32> {
    let data = file.windows(4).position(|name| name == b"data").unwrap() + 8;
    file[data..].as_chunks().0.iter().map(|pair| f32::from(i16::from_le_bytes(*pair)) / 32_768.0).collect()
}

fn holds(file: &[u8], text: &str) -> bool {
    file.windows(text.len()).any(|bytes| bytes == text.as_bytes())
}

#[test]
fn the_resampling_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    write_source(folder.path(), &(0..30_000).map(tone).collect::<Vec<f32>>());
    let by = |quality: &str| {
        made(folder.path(), &format!("{quality}.wav"), &["--as-is", "--channels", "1", "--resampling", quality])
    };
    let [(report, fast), (_, high), (_, best)] = ["fast", "high", "best"].map(by);
    assert!(report["sampleRate"] == 48_000 && report["frames"] == 32_654, "{report}");
    assert!(fast != high && high != best && fast.len() == best.len());
    let (sound, told) = slate(folder.path(), &["audio", "in.wav", "a.wav", "--resampling", "magic"]);
    assert!(!sound && told.to_string().contains("best"), "{told}");
}

#[test]
fn the_dither_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    // A third of a step of 16 bits, which rounding takes away.
    write_source(folder.path(), &[1e-5; 20_000]);
    let by = |dither: &str| {
        let options = ["--as-is", "--channels", "1", "--rate", "44100", "--dither", dither];
        samples(&made(folder.path(), &format!("{dither}.wav"), &options).1)
    };
    let mean = |samples: &[f32]| samples.iter().sum::<f32>() / samples.len() as f32;
    assert!(by("none")[..20_000].iter().all(|sample| *sample == 0.0));
    for dither in ["triangular", "shaped"] {
        let kept = mean(&by(dither)[..20_000]);
        assert!((0.8e-5..1.2e-5).contains(&kept), "{dither}: {kept}");
    }
}

#[test]
fn a_constant_is_taken_out_on_wish() {
    let folder = tempfile::tempdir().unwrap();
    write_source(folder.path(), &(0..44_100).map(|at| 0.25 + tone(at)).collect::<Vec<f32>>());
    let mean = |name: &str, more: &[&str]| {
        let (_, file) = made(folder.path(), name, &[&["--as-is", "--channels", "1"], more].concat());
        let samples = samples(&file);
        samples[24_000..48_000].iter().sum::<f32>() / 24_000.0
    };
    let (kept, gone) = (mean("with.wav", &[]), mean("without.wav", &["--remove-dc"]));
    assert!((0.24..0.26).contains(&kept) && gone.abs() < 0.005, "{kept} {gone}");
}

#[test]
fn titles_are_dropped_on_wish_and_loops_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    write_source(folder.path(), &(0..30_000).map(tone).collect::<Vec<f32>>());
    let (_, with) = made(folder.path(), "with.flac", &["--rate", "44100"]);
    assert!(holds(&with, "TITLE=Thaw!") && holds(&with, "LOOPSTART=1000"));
    let (report, without) = made(folder.path(), "without.flac", &["--rate", "44100", "--drop-titles"]);
    assert!(!holds(&without, "Thaw") && holds(&without, "LOOPSTART=1000"));
    assert!(report["loopStart"] == 1000 && report["loopLength"] == 9000, "{report}");
}

#[test]
fn measuring_is_left_out_on_wish() {
    let folder = tempfile::tempdir().unwrap();
    write_source(folder.path(), &(0..30_000).map(tone).collect::<Vec<f32>>());
    let (told, with) = made(folder.path(), "with.ogg", &[]);
    let (untold, without) = made(folder.path(), "without.ogg", &["--no-measure"]);
    assert!(told["loudness"].is_f64() && told["truePeak"].is_f64(), "{told}");
    assert!(untold["loudness"].is_null() && untold["truePeak"].is_null() && untold["peak"].is_f64(), "{untold}");
    assert!(with == without);
}

#[test]
fn what_is_written_is_compared_on_wish() {
    let folder = tempfile::tempdir().unwrap();
    let noise = |at: usize| ((at as u32).wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0 - 0.5;
    write_source(folder.path(), &(0..60_000).map(|at| tone(at) + 0.2 * noise(at)).collect::<Vec<f32>>());
    let ratio = |name: &str, quality: &str| {
        let (report, _) = made(folder.path(), name, &["--quality", quality, "--compare"]);
        assert_eq!(report["identical"], false, "{report}");
        (report["noiseToMask"].as_f64().unwrap(), report["signalToNoise"].as_f64().unwrap())
    };
    let (low, high) = (ratio("low.ogg", "1"), ratio("high.ogg", "7"));
    assert!(low.0 > high.0 + 3.0 && low.1 + 3.0 < high.1, "{low:?} {high:?}");
    let (report, _) = made(folder.path(), "plain.ogg", &[]);
    assert!(report.get("identical").is_none(), "{report}");
}
