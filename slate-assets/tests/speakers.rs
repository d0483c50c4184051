//! Surround: each speaker's sound comes out of the same speaker, through every codec and by other people's programs.
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
    asset::{AssetInput, AssetLimits, AudioFormat, AudioOptions},
};
use std::{fs, path::Path};
use support::{
    sounds::{floats, foreign, run, wav_of},
    wav,
};

/// The usual layouts, as ffmpeg names them and as WAVE masks them.
const LAYOUTS: [(u16, &str, u32); 6] =
    [(3, "3.0", 0x7), (4, "quad", 0x33), (5, "5.0", 0x37), (6, "5.1", 0x3F), (7, "6.1", 0x70F), (8, "7.1", 0x63F)];
const FRAMES: u32 = 24_001;

/// A tone of its own for each channel; low, because one may be the subwoofer's.
fn tones(channels: u16) -> Vec<i16> {
    let value = |frame: u32, channel: u16| {
        let frequency = 40.0 + 11.0 * f64::from(channel);
        ((f64::from(frame) * frequency * std::f64::consts::TAU / 48_000.0).sin() * 9_000.0) as i16
    };
    (0..FRAMES).flat_map(|frame| (0..channels).map(move |channel| value(frame, channel))).collect()
}

/// Holds each channel to that of the tones which `order` names.
fn check(what: &str, samples: &[f32], order: &[usize]) {
    let channels = order.len();
    let before = tones(channels as u16);
    assert_eq!(samples.len(), before.len(), "{what}");
    for (channel, &from) in order.iter().enumerate() {
        let pairs = samples.chunks(channels).zip(before.chunks(channels));
        let (power, error) = pairs.fold((0.0, 0.0), |(power, error), (after, before)| {
            let (after, before) = (f64::from(after[channel]), f64::from(before[from]) / 32_768.0);
            (power + before * before, error + (after - before) * (after - before))
        });
        let told = 10.0 * (power / error).log10();
        assert!(told > 10.0, "{what}: channel {channel} is {told} dB above what is not it");
    }
}

fn in_order(channels: u16) -> Vec<usize> {
    (0..usize::from(channels)).collect()
}

/// What ffmpeg makes of a file, in its order, which is WAVE's.
fn by_ffmpeg(file: &Path) -> Option<Vec<f32>> {
    let out = tempfile::NamedTempFile::new().unwrap();
    let [from, to] = [file, out.path()].map(|path| path.to_str().unwrap());
    foreign("ffmpeg", &["-v", "error", "-xerror", "-y", "-i", from, "-c:a", "pcm_f32le", "-f", "f32le", to])?;
    let bytes = fs::read(out.path()).unwrap();
    Some(bytes.chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect())
}

#[test]
fn every_codec_keeps_each_speaker_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (channels, layout, mask) in LAYOUTS {
        let source = wav_of(channels, Some(mask), &tones(channels));
        for format in [AudioFormat::Wav, AudioFormat::Ogg, AudioFormat::Flac, AudioFormat::Opus] {
            let what = format!("{layout} as {format}");
            let (report, made) = run("s.wav", &source, |options| {
                (options.format, options.channels, options.normalize) = (format, channels, false);
                (options.quality, options.bitrate) = (Some(8.0), 500);
            });
            assert_eq!((&report["channels"], &report["frames"]), (&channels.into(), &FRAMES.into()), "{what}");
            if format == AudioFormat::Wav {
                assert_eq!(made[40..44], mask.to_le_bytes(), "{what}");
            }
            let (report, back) = floats(&format!("s.{format}"), &made, channels, 48_000);
            assert_eq!(report["sourceChannels"], channels, "{what}");
            check(&what, &back, &in_order(channels));
            let file = folder.path().join(format!("{channels}.{format}"));
            fs::write(&file, made).unwrap();
            let path = file.to_str().unwrap();
            let asked = ["-v", "error", "-show_entries", "stream=channel_layout", "-of", "csv=p=0", path];
            if let Some(told) = foreign("ffprobe", &asked) {
                // Of FLAC it calls those at the sides what others have behind.
                assert_eq!(told.trim().trim_end_matches("(side)"), layout, "{what}");
            }
            if let Some(heard) = by_ffmpeg(&file) {
                check(&format!("{what}, by ffmpeg"), &heard, &in_order(channels));
            }
            match format {
                AudioFormat::Opus => drop(foreign("opusinfo", &[path])),
                AudioFormat::Ogg => drop(foreign("oggz-validate", &[path])),
                AudioFormat::Flac => drop(foreign("flac", &["-s", "-t", "-w", path])),
                _ => {}
            }
        }
    }
}

#[test]
fn what_other_encoders_write_is_read_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (channels, layout, _) in LAYOUTS {
        let samples = tones(channels);
        let source = folder.path().join("s.raw");
        // No WAV: its header may tell other speakers, and they would be mixed.
        fs::write(&source, samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        let codecs: [(&str, &[&str]); 4] = [
            ("opus", &["-c:a", "libopus", "-b:a", "400k", "-mapping_family", "1"]),
            ("ogg", &["-c:a", "libvorbis", "-q:a", "8"]),
            ("flac", &["-c:a", "flac"]),
            ("wav", &["-c:a", "pcm_s16le"]),
        ];
        for (extension, codec) in codecs {
            let out = folder.path().join(format!("s.{extension}"));
            let [from, to] = [&source, &out].map(|path| path.to_str().unwrap());
            let count = channels.to_string();
            let before = ["-v", "error", "-y", "-f", "s16le", "-ar", "48000", "-ac", &count, "-channel_layout", layout];
            let words: Vec<&str> =
                before.into_iter().chain(["-i", from]).chain(codec.iter().copied()).chain([to]).collect();
            if foreign("ffmpeg", &words).is_none() {
                return;
            }
            let (name, bytes) = (format!("s.{extension}"), fs::read(&out).unwrap());
            let (report, back) = floats(&name, &bytes, channels, 48_000);
            assert_eq!(report["sourceChannels"], channels, "{layout} as {extension}");
            check(&format!("{layout} as {extension}"), &back, &in_order(channels));
            // Mixed down where that is asked for.
            assert_eq!(floats(&name, &bytes, 2, 48_000).1.len(), 2 * FRAMES as usize, "{layout} as {extension}");
            let cut = AssetInput::from_bytes(&*name, bytes[..40].to_vec());
            assert!(support::run(&AudioProcessor, &cut, &AudioOptions::default(), &AssetLimits::default()).is_err());
        }
    }
}

#[test]
fn other_layouts_become_the_usual_ones() {
    let folder = tempfile::tempdir().unwrap();
    // A 6.1 with its surround in the rear is told as left, right, centre: ours is centre, left, right.
    let rear = wav_of(7, Some(0x13F), &tones(7));
    let order = [0, 1, 2, 3, 6, 4, 5];
    for format in [AudioFormat::Wav, AudioFormat::Ogg, AudioFormat::Flac, AudioFormat::Opus] {
        let (_, made) = run("s.wav", &rear, |options| {
            (options.format, options.channels, options.normalize) = (format, 7, false);
            (options.quality, options.bitrate) = (Some(8.0), 500);
        });
        check(&format!("{format}"), &floats(&format!("s.{format}"), &made, 7, 48_000).1, &order);
        let file = folder.path().join(format!("s.{format}"));
        fs::write(&file, made).unwrap();
        if let Some(heard) = by_ffmpeg(&file) {
            check(&format!("{format}, by ffmpeg"), &heard, &order);
        }
    }
    // A header without speakers, and one by a program that sets a bit for each channel.
    for channels in [4u16, 5, 7, 8] {
        let plain = wav_of(channels, None, &tones(channels));
        check("a plain header", &floats("s.wav", &plain, channels, 48_000).1, &in_order(channels));
        if channels > 4 {
            let counted = wav_of(channels, Some((1 << channels) - 1), &tones(channels));
            check("a counted mask", &floats("s.wav", &counted, channels, 48_000).1, &in_order(channels));
        }
    }
}

#[test]
fn mp3_says_what_to_do_with_more_than_two_channels() {
    let surround = wav(6, 48_000, &[100; 6 * 4_800]);
    let mut options = AudioOptions::default();
    (options.format, options.channels) = (AudioFormat::Mp3, 6);
    let input = AssetInput::from_bytes("s.wav", surround.clone());
    let error = support::run(&AudioProcessor, &input, &options, &AssetLimits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("choose 1, 2 or ogg"), "{error}");
    let (report, _) = run("s.wav", &surround, |options| (options.format, options.channels) = (AudioFormat::Mp3, 2));
    assert_eq!((&report["sourceChannels"], &report["channels"]), (&6.into(), &2.into()));
}
