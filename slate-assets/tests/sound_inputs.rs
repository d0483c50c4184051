//! What sounds are read from: every depth and container, as other programs write them, and headers that lie.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use slate_assets::audio::AudioProcessor;
use slate_core::{
    ErrorKind,
    asset::{AssetInput, AssetLimits, AudioFormat, AudioOptions, Resampling},
};
use std::fs;
use support::{
    float_wav,
    sounds::{beats, floats, foreign, run},
    wav,
};

/// How far what came back is above what it is not, in decibels.
fn likeness(before: &[i16], after: &[f32]) -> f64 {
    let pairs = before.iter().zip(after).map(|(before, after)| (f64::from(*before) / 32_768.0, f64::from(*after)));
    let (power, error) = pairs.fold((0.0, 0.0), |(power, error), (a, b)| (power + a * a, error + (a - b) * (a - b)));
    10.0 * (power / error).log10()
}

#[test]
fn every_depth_and_container_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (source, frames) = (folder.path().join("source.wav"), 50_001);
    let before = beats(frames);
    fs::write(&source, wav(2, 48_000, &before)).unwrap();
    let exact = f64::INFINITY;
    let kinds = [
        ("a.wav", "pcm_u8", "wav", 25.0),
        ("a.wav", "pcm_s16le", "wav", exact),
        ("a.wav", "pcm_s24le", "wav", exact),
        ("a.wav", "pcm_s32le", "wav", exact),
        ("a.wav", "pcm_f32le", "wav", exact),
        ("a.wav", "pcm_f64le", "wav", exact),
        ("a.wav", "pcm_alaw", "wav", 25.0),
        ("a.wav", "pcm_mulaw", "wav", 25.0),
        ("a.aiff", "pcm_s8", "aiff", 25.0),
        ("a.aiff", "pcm_s16be", "aiff", exact),
        ("a.aiff", "pcm_s24be", "aiff", exact),
        ("a.aiff", "pcm_s32be", "aiff", exact),
        // Compressed AIFF, by name: turned bytes, and floats.
        ("a.aif", "pcm_s16le", "aiff", exact),
        ("a.aif", "pcm_f32be", "aiff", exact),
        ("a.flac", "flac", "flac", exact),
        ("a.ogg", "libvorbis", "ogg", 8.0),
        ("a.opus", "libopus", "opus", 6.0),
        ("a.mp3", "libmp3lame", "mp3", 8.0),
        ("a.m4a", "aac", "m4a", 8.0),
        ("a.mp4", "aac", "m4a", 8.0),
    ];
    for (name, codec, told, least) in kinds {
        let out = folder.path().join(name);
        let [from, to] = [&source, &out].map(|path| path.to_str().unwrap());
        let words = ["-v", "error", "-y", "-i", from, "-b:a", "192k", "-c:a", codec, "-strict", "-2", to];
        if foreign("ffmpeg", &words).is_none() {
            return;
        }
        let (report, back) = floats(name, &fs::read(&out).unwrap(), 2, 48_000);
        let what = format!("{codec} in {name}");
        assert_eq!(report["sourceFormat"], told, "{what}");
        assert_eq!(back.len(), 2 * frames, "{what}");
        assert!(likeness(&before, &back) >= least, "{what}: {} dB", likeness(&before, &back));
    }
    // Frames of AAC without a container tell neither where they begin nor where they end: 1024 frames come before.
    let out = folder.path().join("a.aac");
    let [from, to] = [&source, &out].map(|path| path.to_str().unwrap());
    if foreign("ffmpeg", &["-v", "error", "-y", "-i", from, "-b:a", "192k", "-c:a", "aac", to]).is_some() {
        let (report, back) = floats("a.aac", &fs::read(&out).unwrap(), 2, 48_000);
        assert_eq!(report["sourceFormat"], "aac");
        assert!((2 * frames..=2 * (frames + 3 * 1024)).contains(&back.len()), "{}", back.len());
        assert!(likeness(&before, &back[2 * 1024..]) > 8.0, "{}", likeness(&before, &back[2 * 1024..]));
    }
}

/// A WAV of 1000 frames whose word at `at` is another.
fn lying(at: usize, word: u32) -> Vec<u8> {
    let mut bytes = wav(2, 48_000, &beats(1_000));
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    bytes
}

#[test]
fn headers_that_lie_are_told_or_do_no_harm() {
    let run = |name: &str, bytes: Vec<u8>| {
        let mut options = AudioOptions::default();
        (options.format, options.normalize) = (AudioFormat::Wav, false);
        support::run(&AudioProcessor, &AssetInput::from_bytes(name, bytes), &options, &AssetLimits::default())
    };
    let refused = [ErrorKind::Corrupt, ErrorKind::Unsupported, ErrorKind::LimitExceeded];
    // Of WAV: a length beyond the file's end, no and too many channels, no rate, an absurd one, and samples of no bits.
    let lies = [(40, u32::MAX - 8), (40, 1 << 30), (22, 0), (22, 0xFFFF), (24, 0), (24, u32::MAX), (34, 0), (34, 4096)];
    for (at, word) in lies {
        // Channels and bits are half words.
        let word = if at == 22 || at == 34 { word | if at == 22 { 48_000 << 16 } else { 0x6164_0000 } } else { word };
        let error = run("s.wav", lying(at, word)).unwrap_err();
        assert!(refused.contains(&error.kind()), "{word} at {at}: {error:?}");
    }
    // Of FLAC: 2^36 − 1 samples. Of Ogg: a last page that tells of millennia, and one of the past.
    let mut flac = support::flac(48_000, &[100; 3_000]);
    flac[21] |= 0x0F;
    flac[22..26].fill(0xFF);
    assert!(refused.contains(&run("s.flac", flac).unwrap_err().kind()));
    for format in [AudioFormat::Ogg, AudioFormat::Opus] {
        let (_, made) = self::run("s.wav", &wav(2, 48_000, &beats(30_000)), |options| options.format = format);
        let page = made.windows(4).rposition(|word| word == b"OggS").unwrap();
        for granule in [i64::MAX, 1, -2] {
            let mut bytes = made.clone();
            bytes[page + 6..page + 14].copy_from_slice(&granule.to_le_bytes());
            let crc = crc(&bytes[page..]);
            bytes[page + 22..page + 26].copy_from_slice(&crc.to_le_bytes());
            match run(&format!("s.{format}"), bytes) {
                Ok((report, _)) => assert!(report["frames"].as_u64().unwrap() <= 31_000, "{format}: {report:?}"),
                Err(error) => assert!(refused.contains(&error.kind()), "{format}: {error:?}"),
            }
        }
    }
}

/// A page's sum with its own field as zeros: RFC 3533, section 6.
fn crc(page: &[u8]) -> u32 {
    page.iter().enumerate().fold(0u32, |sum, (at, byte)| {
        let byte = if (22..26).contains(&at) { 0 } else { *byte };
        (0..8).fold(sum ^ (u32::from(byte) << 24), |sum, _| (sum << 1) ^ if sum >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
    })
}

#[test]
fn values_that_are_no_numbers_reach_no_encoder() {
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE / 2.0];
    let value =
        |at: usize| if at.is_multiple_of(97) { odd[at / 97 % odd.len()] } else { (at as f32 * 0.01).sin() * 0.4 };
    let bytes = float_wav(2, (0..40_000).map(value));
    for format in [AudioFormat::Wav, AudioFormat::Ogg, AudioFormat::Flac, AudioFormat::Opus, AudioFormat::Mp3] {
        for normalize in [false, true] {
            let (report, made) = run("s.wav", &bytes, |options| {
                (options.format, options.normalize, options.preview) = (format, normalize, false);
            });
            assert!(report["nonFiniteSamples"].as_u64().unwrap() > 200, "{format}: {report:?}");
            let (back, samples) = floats(&format!("s.{format}"), &made, 2, 48_000);
            assert_eq!((samples.len(), &back["nonFiniteSamples"]), (40_000, &0.into()), "{format}");
            assert!(samples.iter().all(|sample| sample.is_finite()), "{format}");
        }
    }
}

#[test]
fn cut_files_of_every_format_end_as_errors_or_short() {
    let source = wav(2, 48_000, &beats(30_000));
    for format in [AudioFormat::Wav, AudioFormat::Ogg, AudioFormat::Flac, AudioFormat::Opus, AudioFormat::Mp3] {
        let (_, made) = run("s.wav", &source, |options| options.format = format);
        for share in [0, 1, 5, 20, 50, 90, 99] {
            let cut = made[..made.len() * share / 100].to_vec();
            let mut options = AudioOptions::default();
            (options.format, options.normalize, options.resampling) = (AudioFormat::Wav, false, Resampling::Fast);
            let input = AssetInput::from_bytes(format!("s.{format}"), cut);
            match support::run(&AudioProcessor, &input, &options, &AssetLimits::default()) {
                Ok((report, _)) => {
                    // Formats of a known length tell that some of it is missing.
                    assert!(!matches!(format, AudioFormat::Wav | AudioFormat::Flac), "{format} at {share} %");
                    assert!(report["frames"].as_u64().unwrap() <= 30_000, "{format} at {share} %");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{format} at {share} %: {error:?}"),
            }
        }
    }
}

#[test]
fn surround_aac_is_refused_as_such() {
    let input = AssetInput::from_bytes("s.m4a", include_bytes!("data/surround.m4a").to_vec());
    let error = support::run(&AudioProcessor, &input, &AudioOptions::default(), &AssetLimits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
}
