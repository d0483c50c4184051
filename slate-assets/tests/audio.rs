//! Sounds: exact values where nothing is changed, and measured ones where something is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use slate_assets::audio::AudioProcessor;
use slate_core::{
    Cancel, ErrorKind,
    asset::{
        AssetInput, AssetLimits, AudioFormat, AudioOptions, AudioPreset, Dither, MemoryOutput, Normalize, Processor,
        Progress, Report, Work,
    },
};
use support::{float_wav, wav};

fn options(channels: u16, rate: u32, normalize: bool) -> AudioOptions {
    let mut options = AudioOptions::default();
    (options.format, options.channels, options.sample_rate, options.normalize) =
        (AudioFormat::Wav, channels, rate, normalize);
    // Exact values: no loudness, and nothing added where bits are lost.
    (options.normalize_to, options.dither) = (Normalize::Peak, Dither::None);
    options
}

fn process(bytes: &[u8], options: &AudioOptions) -> (Report, hound::WavSpec, Vec<i16>) {
    let input = AssetInput::from_bytes("s.wav", bytes.to_vec());
    let (report, files) = support::run(&AudioProcessor, &input, options, &AssetLimits::default()).unwrap();
    let out = &files["s.wav"];
    assert_eq!(u32::from_le_bytes(out[4..8].try_into().unwrap()) as usize, out.len() - 8);
    let mut reader = hound::WavReader::new(&out[..]).unwrap();
    let samples = reader.samples::<i16>().collect::<Result<_, _>>().unwrap();
    (report, reader.spec(), samples)
}

fn tone(count: usize, rate: u32, loud: f64) -> Vec<i16> {
    (0..count).map(|at| ((at as f64 * 440.0 * std::f64::consts::TAU / f64::from(rate)).sin() * loud) as i16).collect()
}

#[test]
fn unchanged_sounds_keep_every_sample() {
    let samples: Vec<i16> = (-32_768..=32_767).step_by(3).map(|v| v as i16).collect();
    for channels in [1, 2, 6] {
        let whole = &samples[..samples.len() / 6 * 6];
        let (report, spec, out) = process(&wav(channels, 48_000, whole), &options(channels, 48_000, false));
        assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (channels, 48_000, 16));
        assert!(out == whole, "{channels} channels");
        assert_eq!(report["frames"], whole.len() / usize::from(channels));
        assert_eq!(report["clippedSamples"], 0);
    }
}

/// Every other top of this tone lies between the samples, 3 dB above them.
#[test]
fn peaks_between_the_samples_are_below_the_ceiling_too() {
    let quarter: Vec<i16> = (0..24_000).map(|at| [6_000i16, 6_000, -6_000, -6_000][at % 4]).collect();
    let (report, _, out) = process(&wav(1, 48_000, &quarter), &options(1, 48_000, true));
    let peak = report["truePeak"].as_f64().unwrap();
    assert!((-1.1..=-0.99).contains(&peak), "{peak}");
    let highest = out[1_000..20_000].iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!((20_000..22_000).contains(&highest), "{highest}");
    for preset in [AudioPreset::SfxDesktop, AudioPreset::SfxMobile] {
        let mut options = AudioOptions::preset(preset);
        options.format = AudioFormat::Wav;
        let (report, _, _) = process(&wav(1, 48_000, &quarter), &options);
        let peak = report["truePeak"].as_f64().unwrap();
        assert!((-1.1..=-0.9).contains(&peak), "{preset}: {peak}");
    }
}

#[test]
fn normalizing_brings_the_peak_to_minus_one_decibel() {
    for loud in [100.0, 8_000.0, 32_000.0] {
        let (report, _, out) = process(&wav(1, 48_000, &tone(48_000, 48_000, loud)), &options(1, 48_000, true));
        let peak = out.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        // 29 205 is the ceiling; the tone's top between two samples is a few steps of 16 bits higher than those.
        assert!((29_175..=29_206).contains(&peak), "{peak}");
        assert!((report["peak"].as_f64().unwrap() - 0.891_25).abs() < 1e-3);
        assert_eq!(report["seconds"], 1.0);
    }
    let (report, _, out) = process(&wav(1, 48_000, &[0; 100]), &options(1, 48_000, true));
    assert!(out.iter().all(|sample| *sample == 0) && report["gain"] == 1.0, "silence stays silence");
}

#[test]
fn rates_and_channels_become_what_was_asked_for() {
    let (report, spec, out) = process(&wav(1, 44_100, &tone(44_100, 44_100, 20_000.0)), &options(2, 48_000, false));
    assert_eq!((spec.channels, spec.sample_rate, out.len()), (2, 48_000, 96_000));
    assert_eq!((&report["sourceSampleRate"], &report["sourceChannels"]), (&44_100.into(), &1.into()));
    let expected = tone(48_000, 48_000, 20_000.0);
    for at in 100..47_900 {
        assert_eq!(out[at * 2], out[at * 2 + 1]);
        assert!(out[at * 2].abs_diff(expected[at]) <= 8, "{at}: {} {}", out[at * 2], expected[at]);
    }
}

#[test]
fn values_that_are_no_numbers_become_silence() {
    let bytes = float_wav(1, [0.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.25, 3.0]);
    let (report, _, out) = process(&bytes, &options(1, 48_000, false));
    assert_eq!(out, [16_384, 0, 0, 0, -8_192, 32_767]);
    assert_eq!((&report["nonFiniteSamples"], &report["clippedSamples"]), (&3.into(), &1.into()));
}

#[test]
fn flac_and_mp3_are_read() {
    let samples: Vec<i16> = (0..3_000i32).map(|at| (at * 37 % 20_011) as i16 - 9_000).collect();
    let run = |name: &str, bytes: Vec<u8>| {
        let input = AssetInput::from_bytes(name, bytes);
        support::run(&AudioProcessor, &input, &options(1, 44_100, false), &AssetLimits::default())
    };
    let flac = support::flac(44_100, &samples);
    let (report, files) = run("s.flac", flac.clone()).unwrap();
    assert_eq!(report["sourceFormat"], "flac");
    let expected: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert!(files["s.wav"][44..] == expected);
    assert_eq!(run("s.flac", flac[..flac.len() - 500].to_vec()).unwrap_err().kind(), ErrorKind::Corrupt);

    let (report, files) = run("s.mp3", support::silent_mp3(20)).unwrap();
    assert_eq!(report["sourceFormat"], "mp3");
    // A frame has 1152 samples; a decoder may trim its delay.
    let frames = (files["s.wav"].len() - 44) / 2;
    assert!((18 * 1152..=20 * 1152).contains(&frames), "{frames}");
    assert!(files["s.wav"][44..].iter().all(|&byte| byte == 0));
}

#[test]
fn damage_and_limits_are_told_apart() {
    let whole = wav(2, 48_000, &tone(20_000, 48_000, 9_000.0));
    let run = |bytes: &[u8], limits: &AssetLimits| {
        let input = AssetInput::from_bytes("s.wav", bytes.to_vec());
        support::run(&AudioProcessor, &input, &options(2, 48_000, true), limits).unwrap_err().kind()
    };
    let limits = AssetLimits::default();
    for cut in [0, 3, 11, 30, 44, 1_000, whole.len() - 4] {
        assert_eq!(run(&whole[..cut], &limits), ErrorKind::Corrupt, "cut at {cut}");
    }
    let mut short = limits.clone();
    short.audio_seconds = 0;
    assert_eq!(run(&whole, &short), ErrorKind::LimitExceeded);
    let mut small = limits.clone();
    small.input_bytes = 100;
    assert_eq!(run(&whole, &small), ErrorKind::LimitExceeded);
}

#[test]
fn surround_is_mixed_down_where_that_was_asked_for() {
    let frames = 9_600;
    // Left, right, centre, low frequencies, and both behind: a tone in the centre alone.
    let six: Vec<i16> = tone(frames, 48_000, 20_000.0).iter().flat_map(|sample| [0, 0, *sample, 0, 0, 0]).collect();
    for format in [AudioFormat::Opus, AudioFormat::Mp3] {
        for channels in [1, 2] {
            let mut options = options(channels, 48_000, false);
            options.format = format;
            let input = AssetInput::from_bytes("s.wav", wav(6, 48_000, &six));
            let (report, files) = support::run(&AudioProcessor, &input, &options, &AssetLimits::default()).unwrap();
            assert_eq!((&report["sourceChannels"], &report["channels"]), (&6.into(), &channels.into()));
            let name = format!("s.{format}");
            let input = AssetInput::from_bytes(&*name, files[name.as_str()].clone());
            let mut back = self::options(channels, 48_000, false);
            back.format = AudioFormat::Wav;
            let (report, _) = support::run(&AudioProcessor, &input, &back, &AssetLimits::default()).unwrap();
            assert_eq!((&report["sourceChannels"], &report["frames"]), (&channels.into(), &frames.into()));
            assert!(report["peak"].as_f64().unwrap() > 0.1, "{format}, {channels}: the centre is gone");
        }
    }
}

#[test]
fn other_outputs_are_refused_with_what_to_choose() {
    let refused = [
        (AudioFormat::Mp3, 6, 48_000, 16, "choose 1, 2 or ogg"),
        (AudioFormat::Mp3, 2, 96_000, 16, "choose 48000"),
        (AudioFormat::Opus, 2, 44_100, 16, "choose 48000"),
        (AudioFormat::Flac, 2, 48_000, 32, "bitDepth 16 or 24"),
    ];
    for (format, channels, rate, bits, choice) in refused {
        let mut options = options(channels, rate, true);
        (options.format, options.bit_depth) = (format, bits);
        let error = AudioProcessor.check(&options).unwrap_err();
        assert_eq!((error.kind(), error.message().contains(choice)), (ErrorKind::Unsupported, true), "{error}");
    }
    let input = AssetInput::from_bytes("s.mid", &b"MThd"[..]);
    let error = support::run(&AudioProcessor, &input, &options(2, 48_000, true), &AssetLimits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn canceled_work_ends_as_canceled() {
    let input = AssetInput::from_bytes("s.wav", wav(1, 48_000, &tone(480_000, 48_000, 9_000.0)));
    let (cancel, mut output, limits) = (Cancel::new(), MemoryOutput::new(1 << 30), AssetLimits::default());
    let progress = Progress::new({
        let cancel = cancel.clone();
        move |share| {
            if share > 0.6 {
                cancel.cancel();
            }
        }
    });
    let mut work = Work { input: &input, output: &mut output, limits: &limits, cancel: &cancel, progress: &progress };
    let error = AudioProcessor.process(&mut work, &options(2, 44_100, true)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Canceled);
}
