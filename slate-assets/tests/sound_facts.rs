//! What games and people rely on beside the samples: seams, titles, pictures of a sound, presets, and an engine that plays it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use slate_assets::audio::AudioProcessor;
use slate_core::asset::{AssetInput, AssetLimits, AudioFormat, AudioOptions, AudioPreset, Dither};
use std::{fs, path::Path};
use support::{
    Random, float_wav,
    sounds::{beats, floats, foreign, run},
    wav,
};

const FORMATS: [AudioFormat; 5] =
    [AudioFormat::Wav, AudioFormat::Ogg, AudioFormat::Flac, AudioFormat::Opus, AudioFormat::Mp3];

fn tone(at: usize) -> f64 {
    (at as f64 * 480.0 * std::f64::consts::TAU / 48_000.0).sin() * 0.5
}

/// The whole file is the loop: its seam lies where codecs begin and end, and know of no neighbours.
#[test]
fn a_file_that_loops_as_a_whole_has_no_seam() {
    let folder = tempfile::tempdir().unwrap();
    let frames = 48_000;
    let sound: Vec<i16> = (0..frames).flat_map(|at| [(tone(at) * 32_767.0) as i16; 2]).collect();
    for format in FORMATS {
        let (_, made) = run("s.wav", &wav(2, 48_000, &sound), |options| {
            (options.format, options.normalize, options.quality) = (format, false, Some(6.0));
        });
        let (_, back) = floats(&format!("s.{format}"), &made, 2, 48_000);
        assert_eq!(back.len(), 2 * frames, "{format}");
        let file = folder.path().join(format!("s.{format}"));
        fs::write(&file, &made).unwrap();
        let heard = by_ffmpeg(&file).unwrap_or_else(|| back.clone());
        assert_eq!(heard.len(), 2 * frames, "{format}, by ffmpeg");
        for (who, samples) in [("", &back), (", by ffmpeg", &heard)] {
            // From 20 ms before the seam to 20 ms after it, beside the tone going on.
            let around = (frames - 960..frames).chain(0..960);
            let off = |at: usize| (f64::from(samples[2 * at]) - tone(at)).powi(2);
            let rms = (around.map(off).sum::<f64>() / 1_920.0).sqrt();
            assert!(rms < 0.5 / 2f64.sqrt() * 0.05, "{format}{who}: {rms}");
            let jump = f64::from(samples[0] - samples[2 * (frames - 1)]).abs();
            let step = 0.5 * std::f64::consts::TAU * 480.0 / 48_000.0;
            assert!(jump < 1.5 * step + 0.01, "{format}{who}: {jump} beside {step}");
        }
    }
}

fn by_ffmpeg(file: &Path) -> Option<Vec<f32>> {
    let out = tempfile::NamedTempFile::new().unwrap();
    let [from, to] = [file, out.path()].map(|path| path.to_str().unwrap());
    foreign("ffmpeg", &["-v", "error", "-xerror", "-y", "-i", from, "-c:a", "pcm_f32le", "-f", "f32le", to])?;
    let bytes = fs::read(out.path()).unwrap();
    Some(bytes.chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect())
}

#[test]
fn titles_go_through_every_codec_that_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("s.flac");
    let (_, plain) = run("s.wav", &wav(2, 48_000, &beats(30_000)), |options| options.format = AudioFormat::Flac);
    fs::write(&source, plain).unwrap();
    let path = source.to_str().unwrap();
    let set = ["--set-tag=TITLE=Größe = 愛", "--set-tag=ARTIST=Nobody", "--set-tag=MOOD=calm", path];
    if foreign("metaflac", &set).is_none() {
        return;
    }
    let mut source = ("s.flac".to_owned(), fs::read(&source).unwrap());
    for format in [AudioFormat::Ogg, AudioFormat::Mp3, AudioFormat::Opus, AudioFormat::Flac] {
        let (_, made) = run(&source.0, &source.1, |options| options.format = format);
        let (_, without) = run(&source.0, &source.1, |options| {
            (options.format, options.keep_metadata) = (format, false);
        });
        let name = format!("s.{format}");
        let told = |bytes: &[u8]| {
            let file = folder.path().join(&name);
            fs::write(&file, bytes).unwrap();
            let path = file.to_str().unwrap();
            let asked = ["-v", "error", "-show_entries", "format_tags:stream_tags", "-of", "default", path];
            let mut told = foreign("ffprobe", &asked).unwrap_or_default();
            if format == AudioFormat::Ogg {
                told += &foreign("vorbiscomment", &["-R", "-l", path]).unwrap_or_default();
            }
            told
        };
        let with = told(&made);
        for title in ["Größe = 愛", "Nobody", "calm"] {
            assert!(with.contains(title), "{format}: {with}");
        }
        assert!(!told(&without).contains("Nobody"), "{format}");
        source = (name, made);
    }
    // WAV has a place for the usual ones.
    let (_, made) = run(&source.0, &source.1, |options| options.format = AudioFormat::Wav);
    let file = folder.path().join("s.wav");
    fs::write(&file, &made).unwrap();
    let asked = ["-v", "error", "-show_entries", "format_tags", "-of", "default", file.to_str().unwrap()];
    if let Some(told) = foreign("ffprobe", &asked) {
        assert!(told.contains("title=Größe = 愛") && told.contains("artist=Nobody"), "{told}");
    }
    let (_, flac) = run("s.wav", &made, |options| options.format = AudioFormat::Flac);
    let has = |text: &str| flac.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(has("TITLE=Größe = 愛") && has("ARTIST=Nobody") && !has("MOOD"));
}

#[test]
fn a_preview_shows_the_wave_and_the_spectrum() {
    let mut options = AudioOptions::default();
    (options.format, options.normalize, options.preview) = (AudioFormat::Wav, false, true);
    // Silence, then 6 kHz at half of full scale.
    let value = |at: usize| if at < 48_000 { 0.0 } else { (at as f64 * 0.25 * std::f64::consts::PI).sin() * 16_384.0 };
    let sound: Vec<i16> = (0..96_000).flat_map(|at| [value(at) as i16; 2]).collect();
    let input = AssetInput::from_bytes("s.wav", wav(2, 48_000, &sound));
    let (_, files) = support::run(&AudioProcessor, &input, &options, &AssetLimits::default()).unwrap();
    let picture = image::load_from_memory(&files["s.png"]).unwrap().to_luma8();
    let (width, height) = picture.dimensions();
    assert_eq!((width, height), (1200, 456));
    let wave = |x: u32| (0..200).filter(|y| picture.get_pixel(x, *y)[0] > 200).count();
    assert!(wave(width / 4) <= 2, "silence is a line: {}", wave(width / 4));
    assert!((95..=105).contains(&wave(width * 3 / 4)), "half of full scale: {}", wave(width * 3 / 4));
    // The spectrum goes from 24 kHz above to nothing below: the tone is a quarter up.
    let column = |x: u32| -> Vec<u8> { (200..height).map(|y| picture.get_pixel(x, y)[0]).collect() };
    assert!(column(width / 4).iter().all(|level| *level < 30), "silence has no spectrum");
    let loud = column(width * 3 / 4);
    let (at, most) = loud.iter().enumerate().max_by_key(|(_, level)| **level).unwrap();
    assert!((189..=194).contains(&at) && *most > 200, "{most} in row {at}");
    assert!(loud[..128].iter().all(|level| *level < *most / 2), "the upper half is quiet");
}

#[test]
fn presets_do_what_they_are_for() {
    let mut sound = vec![0i16; 2 * 20_000];
    sound.extend(beats(100_000));
    let bytes = wav(2, 48_000, &sound);
    let mut sizes = Vec::new();
    for &preset in AudioPreset::ALL {
        let options = AudioOptions::preset(preset);
        let input = AssetInput::from_bytes("s.wav", bytes.clone());
        let (report, files) = support::run(&AudioProcessor, &input, &options, &AssetLimits::default()).unwrap();
        let music = matches!(preset, AudioPreset::MusicDesktop | AudioPreset::MusicMobile);
        let effect = matches!(preset, AudioPreset::SfxDesktop | AudioPreset::SfxMobile);
        assert_eq!(report["format"], "ogg", "{preset}");
        assert_eq!(report["channels"], if music { 2 } else { 1 }, "{preset}");
        // Silence is cut but of music.
        assert_eq!(report["cutFrames"].as_u64().unwrap() > 10_000, !music, "{preset}: {report:?}");
        let told = if effect { report["truePeak"].as_f64() } else { report["loudness"].as_f64() };
        let goal = if effect { options.ceiling } else { options.loudness };
        assert!((told.unwrap() - f64::from(goal)).abs() <= 0.15, "{preset}: {told:?} for {goal}");
        let size = files["s.ogg"].len() as f64;
        let rate = size * 8.0 / report["seconds"].as_f64().unwrap() / 1_000.0;
        assert!((report["bitrate"].as_f64().unwrap() - rate).abs() < 0.01, "{preset}: {rate} in {report:?}");
        sizes.push(size);
    }
    for pair in sizes.chunks(2) {
        assert!(pair[1] < pair[0], "the file for a phone is the smaller one: {sizes:?}");
    }
}

#[test]
fn shaped_noise_is_where_it_is_heard_least() {
    // 24 bits to 16: what is lost, below 4 kHz and above 16 kHz.
    let sound: Vec<f32> = (0..96_000).map(|at| (at as f32 * 0.05).sin() * 0.01).collect();
    let bytes = float_wav(1, sound.iter().copied());
    let noise = |dither: Dither| {
        let (_, made) = run("s.wav", &bytes, |options| {
            (options.format, options.channels, options.normalize, options.dither) =
                (AudioFormat::Wav, 1, false, dither);
        });
        let reader = hound::WavReader::new(&made[..]).unwrap();
        let lost: Vec<f64> = (reader.into_samples::<i16>())
            .zip(&sound)
            .map(|(sample, before)| f64::from(sample.unwrap()) - f64::from(*before) * 32_768.0)
            .collect();
        // Running means of 12 samples keep what is below 4 kHz; differences of neighbours what is above.
        let low: f64 = lost.windows(12).map(|part| (part.iter().sum::<f64>() / 12.0).powi(2)).sum();
        let high: f64 = lost.windows(2).map(|pair| ((pair[1] - pair[0]) / 2.0).powi(2)).sum();
        (low, high)
    };
    let (plain, shaped) = (noise(Dither::Triangular), noise(Dither::Shaped));
    assert!(shaped.0 < 0.35 * plain.0, "below: {} beside {}", shaped.0, plain.0);
    assert!(shaped.1 > 1.5 * plain.1, "above: {} beside {}", shaped.1, plain.1);
}

#[test]
fn a_constant_is_taken_out() {
    let sound: Vec<i16> = (0..96_000).map(|at| 3_000 + ((at as f64 * 0.1).sin() * 8_000.0) as i16).collect();
    let mean = |remove: bool| {
        let (_, made) = run("s.wav", &wav(1, 48_000, &sound), |options| {
            (options.format, options.channels, options.normalize) = (AudioFormat::Flac, 1, false);
            options.remove_dc = remove;
        });
        let (_, back) = floats("s.flac", &made, 1, 48_000);
        assert_eq!(back.len(), 96_000);
        back[48_000..].iter().map(|sample| f64::from(*sample)).sum::<f64>() / 48_000.0
    };
    assert!((mean(false) - 3_000.0 / 32_768.0).abs() < 1e-3);
    assert!(mean(true).abs() < 1e-4, "{}", mean(true));
}

/// Godot 3 plays the file, without a window, and tells what it heard.
#[test]
fn godot_plays_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/play.gd");
    let mut random = Random(9);
    for (channels, rate, quality) in [(1u16, 44_100u32, 1.0f32), (2, 48_000, 6.0)] {
        let frames = 72_000 + random.below(999);
        let value = |at: usize| (at as f64 * 440.0 * std::f64::consts::TAU / 48_000.0).sin() * 16_384.0;
        let sound: Vec<i16> = (0..frames).flat_map(|at| vec![value(at) as i16; channels.into()]).collect();
        let (report, made) = run("s.wav", &wav(channels, 48_000, &sound), |options| {
            (options.channels, options.sample_rate, options.quality) = (channels, rate, Some(quality));
            options.normalize = false;
        });
        let file = folder.path().join(format!("{channels}.ogg"));
        fs::write(&file, made).unwrap();
        // Its logs go where its project would be.
        let words = ["--path", folder.path().to_str().unwrap(), "-s", script, file.to_str().unwrap()];
        let Some(told) = foreign("godot3-server", &words) else { return };
        let value = |name: &str| -> f64 {
            let line = told.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{told}"));
            line[name.len()..].trim().parse().unwrap()
        };
        assert!((value("seconds") - report["seconds"].as_f64().unwrap()).abs() < 1e-3, "{told}");
        // The tone sets in at once, which rings a little at the lowest quality.
        assert!((0.45..0.65).contains(&value("peak")), "{told}");
        assert!((value("hertz") - 440.0).abs() < 0.5, "{told}");
    }
}

#[test]
fn what_is_written_is_held_against_what_was_meant() {
    let source = wav(2, 48_000, &beats(100_000));
    let compared = |name: &str, change: &dyn Fn(&mut AudioOptions)| {
        let (report, _) = run("s.wav", &source, |options| {
            (options.normalize, options.compare) = (false, true);
            change(options);
        });
        let number = |key: &str| report[key].as_f64();
        println!("{name}: {:?} {:?} {:?}", number("signalToNoise"), number("noiseToMask"), number("disturbedFrames"));
        (report["identical"].as_bool().unwrap(), number("signalToNoise"), number("noiseToMask").unwrap())
    };
    for format in [AudioFormat::Wav, AudioFormat::Flac] {
        assert_eq!(compared("exact", &|options| options.format = format), (true, None, -90.0), "{format}");
    }
    // Two bytes of shaped noise are told, and not heard.
    let halved = compared("levelled", &|options| {
        (options.format, options.normalize) = (AudioFormat::Wav, true);
    });
    assert!(!halved.0 && halved.1.unwrap() > 60.0 && halved.2 < -30.0, "{halved:?}");
    let quality = |quality: f32| compared(&format!("Vorbis {quality}"), &|options| options.quality = Some(quality));
    let all = [1.0, 4.0, 6.0, 9.0].map(quality);
    for pair in all.windows(2) {
        assert!(pair[0].1 < pair[1].1 && pair[0].2 > pair[1].2, "{all:?}");
    }
    // Whose decoders are aligned to the sample, at other rates and channels, too: a frame's shift would leave no signal.
    for (format, bitrate, rate) in [
        (AudioFormat::Opus, 256, 48_000),
        (AudioFormat::Opus, 128, 24_000),
        (AudioFormat::Mp3, 256, 44_100),
        (AudioFormat::Mp3, 96, 22_050),
    ] {
        for channels in [1, 2] {
            let told = compared(&format!("{format} {bitrate} {rate}"), &|options| {
                (options.format, options.bitrate, options.sample_rate) = (format, bitrate, rate);
                options.channels = channels;
            });
            assert!(told.1.unwrap() > 12.0, "{format} {rate}: {told:?}");
        }
    }
    let (report, _) = run("s.wav", &source, |_| {});
    assert!(report.get("noiseToMask").is_none());
}
