//! Sounds as games need them: loudness, loops, lengths, and files that other programs read.
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
    asset::{AssetInput, AssetLimits, AudioFormat, AudioOptions, Dither},
};
use std::fs;
use support::{
    sounds::{beats, floats, foreign, run},
    wav,
};

fn tone(frames: usize, frequency: f64, loud: f64) -> Vec<i16> {
    let value = |at: usize| (at as f64 * frequency * std::f64::consts::TAU / 48_000.0).sin() * loud * 32_767.0;
    (0..frames).flat_map(|at| [value(at) as i16; 2]).collect()
}

#[test]
fn loudness_meets_its_goal_and_peaks_their_ceiling() {
    for (sound, goal) in [(beats(200_000), -16.0), (tone(100_000, 997.0, 0.01), -23.0), (beats(10_000), -18.0)] {
        let (report, _) = run("s.wav", &wav(2, 48_000, &sound), |options| {
            (options.format, options.loudness) = (AudioFormat::Wav, goal);
        });
        let told = report["loudness"].as_f64().unwrap();
        assert!((told - f64::from(goal)).abs() <= 0.1, "{told} for {goal}");
        assert!(report["truePeak"].as_f64().unwrap() <= -1.0, "{report:?}");
    }
    // The limiter has work to do, and the goal is met all the same.
    let (report, out) = run("s.wav", &wav(2, 48_000, &beats(200_000)), |options| {
        (options.format, options.loudness, options.bit_depth) = (AudioFormat::Wav, -11.0, 32);
    });
    assert!(report["limitedBy"].as_f64().unwrap() > 0.5, "{report:?}");
    assert!((report["loudness"].as_f64().unwrap() + 11.0).abs() <= 0.1, "{report:?}");
    assert!(report["truePeak"].as_f64().unwrap() <= -1.0, "{report:?}");
    let file = tempfile::NamedTempFile::with_suffix(".wav").unwrap();
    fs::write(file.path(), out).unwrap();
    let path = file.path().to_str().unwrap();
    let arguments = ["-hide_banner", "-nostats", "-i", path, "-af", "ebur128=peak=true", "-f", "null", "-"];
    if let Some(text) = foreign("ffmpeg", &arguments) {
        let summary = &text[text.rfind("Summary").unwrap()..];
        let value = |name: &str| -> f64 {
            let rest = &summary[summary.find(name).unwrap() + name.len()..];
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        assert!((value("I:") + 11.0).abs() <= 0.1 && value("Peak:") <= -0.9, "{summary}");
    }
    let silence = run("s.wav", &wav(2, 48_000, &[0; 9_600]), |options| options.format = AudioFormat::Wav);
    assert!(silence.0["loudness"].is_null() && silence.0["gain"] == 1.0);
}

#[test]
fn wav_is_written_in_every_depth() {
    let source: Vec<i16> = (-20_000..20_000).step_by(7).map(|value| value as i16).collect();
    let source = &source[..source.len() / 2 * 2];
    let bytes = wav(2, 48_000, source);
    for (bits, format) in
        [(16, hound::SampleFormat::Int), (24, hound::SampleFormat::Int), (32, hound::SampleFormat::Float)]
    {
        let (_, out) = run("s.wav", &bytes, |options| {
            (options.format, options.bit_depth, options.normalize) = (AudioFormat::Wav, bits, false);
        });
        let reader = hound::WavReader::new(&out[..]).unwrap();
        assert_eq!((reader.spec().bits_per_sample, reader.spec().sample_format), (bits, format));
        // And read again: nothing was lost on the way there and back.
        let (_, back) = floats("s.wav", &out, 2, 48_000);
        assert!(back.iter().zip(source).all(|(a, b)| *a == f32::from(*b) / 32_768.0), "{bits}");
    }
    let (_, aiff) = floats("s.aiff", &support::aiff(44_100, source), 1, 44_100);
    assert!(aiff.iter().zip(source).all(|(a, b)| *a == f32::from(*b) / 32_768.0));
    assert_eq!(aiff.len(), source.len());
}

#[test]
fn ogg_has_the_length_of_its_source() {
    for frames in [1usize, 63, 577, 1_024, 2_049, 3_001, 9_999, 48_000, 100_001] {
        let bytes = wav(2, 48_000, &beats(frames));
        let (report, ogg) = run("s.wav", &bytes, |options| options.normalize = false);
        assert_eq!(report["frames"], frames);
        let (_, back) = floats("s.ogg", &ogg, 2, 48_000);
        assert_eq!(back.len(), frames * 2);
        let file = tempfile::NamedTempFile::with_suffix(".ogg").unwrap();
        fs::write(file.path(), &ogg).unwrap();
        let out = tempfile::NamedTempFile::with_suffix(".wav").unwrap();
        let [from, to] = [&file, &out].map(|file| file.path().to_str().unwrap());
        if foreign("oggdec", &["-Q", "-o", to, from]).is_some() {
            assert_eq!(hound::WavReader::open(to).unwrap().duration(), frames as u32, "oggdec");
        }
        // FFmpeg doesn't cut what is shorter than two blocks.
        if frames > 2_048 && foreign("ffmpeg", &["-v", "error", "-xerror", "-y", "-i", from, to]).is_some() {
            assert_eq!(hound::WavReader::open(to).unwrap().duration(), frames as u32, "ffmpeg");
        }
    }
}

#[test]
fn bitrates_are_kept_on_average() {
    let bytes = wav(2, 48_000, &beats(960_000));
    for bitrate in [64, 96, 160] {
        let (_, ogg) = run("s.wav", &bytes, |options| options.bitrate = bitrate);
        let told = ogg.len() as f64 * 8.0 / 20.0 / 1000.0;
        assert!((told / f64::from(bitrate) - 1.0).abs() < 0.06, "{told} for {bitrate}");
    }
}

#[test]
fn mp3_keeps_its_bitrate_and_length_at_every_rate() {
    let folder = tempfile::tempdir().unwrap();
    let rates = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
    for (rate, channels) in rates.into_iter().flat_map(|rate| [(rate, 1u16), (rate, 2)]) {
        let samples: Vec<i16> =
            beats(rate as usize * 3).into_iter().take(rate as usize * 3 * usize::from(channels)).collect();
        // The least and the most that a granule can take, and something between.
        for bitrate in if rate < 32_000 { [8, 48, 160] } else { [32, 128, 320] } {
            let (_, mp3) = run("s.wav", &wav(channels, rate, &samples), |options| {
                (options.format, options.bitrate, options.sample_rate) = (AudioFormat::Mp3, bitrate, rate);
                (options.channels, options.normalize) = (channels, false);
            });
            let name = format!("{rate} Hz, {channels} channels, {bitrate} kbit/s");
            // The first frame tells of the others, and the last one is filled up.
            let frames = 3.0 * f64::from(rate) / if rate < 32_000 { 576.0 } else { 1152.0 };
            let told = mp3.len() as f64 * 8.0 / 3000.0 / f64::from(bitrate);
            assert!(told > 1.0 && told < 1.0 + 4.0 / frames + 500.0 / mp3.len() as f64, "{name}: {told}");
            let (_, back) = floats("s.mp3", &mp3, channels, rate);
            assert_eq!(back.len(), samples.len(), "{name}");
            let [path, out] = ["s.mp3", "out.wav"].map(|name| folder.path().join(name));
            fs::write(&path, &mp3).unwrap();
            let [path, out] = [&path, &out].map(|path| path.to_str().unwrap());
            if foreign("ffmpeg", &["-v", "warning", "-xerror", "-y", "-i", path, "-c:a", "pcm_f32le", out]).is_some() {
                let theirs: Vec<f32> =
                    hound::WavReader::open(out).unwrap().into_samples().map(Result::unwrap).collect();
                assert_eq!(theirs.len(), samples.len(), "{name}");
                let off = theirs.iter().zip(&back).fold(0.0f32, |off, (a, b)| off.max((a - b).abs()));
                assert!(off < 1e-3, "{name}: {off} beside ffmpeg");
            }
        }
    }
}

#[test]
fn what_is_silent_is_cut_and_ends_are_faded() {
    let mut sound = vec![0i16; 2 * 10_000];
    sound.extend(tone(20_000, 440.0, 0.5));
    sound.extend([0; 2 * 10_000]);
    let (report, out) = run("s.wav", &wav(2, 48_000, &sound), |options| {
        (options.format, options.bit_depth, options.normalize) = (AudioFormat::Wav, 32, false);
        (options.trim_silence, options.fade_in, options.fade_out) = (Some(-60.0), 0.01, 0.1);
    });
    let frames = report["frames"].as_u64().unwrap();
    assert!((19_990..=20_000).contains(&frames), "{frames}");
    let samples: Vec<f32> = hound::WavReader::new(&out[..]).unwrap().into_samples().map(Result::unwrap).collect();
    let peak = |range: std::ops::Range<usize>| samples[range].iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
    assert!(peak(0..100) < 0.05 && peak(2_000..30_000) > 0.49 && peak(samples.len() - 100..samples.len()) < 0.01);
}

#[test]
fn loops_move_with_rate_format_and_cuts() {
    // A tone of whole turns in its loop, between 0.5 and 1.5 seconds.
    let sound = tone(96_000, 480.0, 0.5);
    let mut bytes = wav(2, 48_000, &sound);
    let mut chunk = b"smpl\x3C\0\0\0".to_vec();
    [0u32, 0, 20_833, 60, 0, 0, 0, 1, 0, 0, 0, 24_000, 71_999, 0, 0].iter().for_each(|w| chunk.extend(w.to_le_bytes()));
    bytes.extend(chunk);
    let size = bytes.len() as u32 - 8;
    bytes[4..8].copy_from_slice(&size.to_le_bytes());
    let ways = [
        (AudioFormat::Wav, 44_100),
        (AudioFormat::Ogg, 48_000),
        (AudioFormat::Ogg, 44_100),
        (AudioFormat::Flac, 44_100),
        (AudioFormat::Opus, 48_000),
        (AudioFormat::Mp3, 44_100),
    ];
    for (format, rate) in ways {
        let (report, out) = run("s.wav", &bytes, |options| {
            (options.format, options.sample_rate, options.quality) = (format, rate, Some(8.0));
            options.normalize = false;
        });
        let (start, length) = (u64::from(rate) / 2, u64::from(rate));
        assert_eq!((&report["loopStart"], &report["loopLength"]), (&start.into(), &length.into()));
        // Read again: the loop is in the file, and a tone goes on over its end.
        let (report, back) = floats(&format!("s.{format}"), &out, 2, rate);
        assert!(report.contains_key("loopStart"), "{format} at {rate}: {report:?}");
        assert_eq!((&report["loopStart"], &report["loopLength"]), (&start.into(), &length.into()));
        let (start, end) = (start as usize, (start + length) as usize);
        let step = 0.5 * std::f64::consts::TAU * 480.0 / f64::from(rate);
        let jump = f64::from(back[2 * start] - back[2 * (end - 1)]).abs();
        assert!(jump < step * 1.1 + 0.02, "{format} at {rate}: {jump} beside {step}");
        let across = (0..2_000).map(|at| f64::from(back[2 * (start + at)] - back[2 * (end + at)]).powi(2)).sum::<f64>();
        let (rms, tone) = ((across / 2_000.0).sqrt(), 0.5 / std::f64::consts::SQRT_2);
        assert!(rms < tone * 0.05, "{format} at {rate}: {rms} beside {tone}");
    }
    let (report, _) = run("s.wav", &bytes, |options| {
        (options.format, options.trim_silence, options.normalize) = (AudioFormat::Wav, Some(-20.0), false);
    });
    assert_eq!(report["loopLength"], 48_000);
}

#[test]
fn other_programs_read_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let frames = 70_000;
    for channels in [1u16, 2, 6] {
        let samples: Vec<i16> = beats(frames * 4).into_iter().take(frames * usize::from(channels)).collect();
        let (_, ogg) = run("s.wav", &wav(channels, 48_000, &samples), |options| options.channels = channels);
        let path = folder.path().join(format!("{channels}.ogg"));
        fs::write(&path, &ogg).unwrap();
        let path = path.to_str().unwrap();
        let out = folder.path().join("out.wav");
        let out = out.to_str().unwrap();
        foreign("oggz-validate", &[path]);
        if let Some(text) = foreign("soxi", &["-s", path]) {
            assert_eq!(text.trim(), frames.to_string(), "soxi, {channels} channels");
        }
        if foreign("oggdec", &["-Q", "-o", out, path]).is_some() {
            assert_eq!(hound::WavReader::open(out).unwrap().duration(), frames as u32, "oggdec, {channels} channels");
        }
        if foreign("ffmpeg", &["-v", "error", "-xerror", "-y", "-i", path, out]).is_some() {
            assert_eq!(hound::WavReader::open(out).unwrap().duration(), frames as u32, "ffmpeg, {channels} channels");
        }
        if let Some(text) = foreign("vorbiscomment", &["-l", path]) {
            assert!(text.trim().is_empty(), "{text}");
        }
    }
}

#[test]
fn every_format_has_its_checker_and_the_length_of_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let checkers: [(AudioFormat, &str, &[&str]); 3] = [
        (AudioFormat::Flac, "flac", &["-s", "-t", "-w"]),
        (AudioFormat::Opus, "opusinfo", &[]),
        (AudioFormat::Mp3, "mp3val", &[]),
    ];
    for (format, checker, arguments) in checkers {
        for (channels, frames) in [(1u16, 48_000usize), (2, 100_003), (2, 1_500)] {
            let samples: Vec<i16> = beats(frames * 2).into_iter().take(frames * usize::from(channels)).collect();
            let (report, bytes) = run("s.wav", &wav(channels, 48_000, &samples), |options| {
                (options.format, options.channels, options.normalize) = (format, channels, false);
            });
            assert_eq!(report["frames"], frames);
            let what = format!("{format}, {channels} channels, {frames} frames");
            let (report, back) = floats(&format!("s.{format}"), &bytes, channels, 48_000);
            assert_eq!(back.len(), samples.len(), "{what}");
            assert_eq!(report["sourceFormat"], format.as_str());
            let error: f64 =
                back.iter().zip(&samples).map(|(a, b)| f64::from(*a - f32::from(*b) / 32_768.0).powi(2)).sum();
            let power: f64 = samples.iter().map(|b| (f64::from(*b) / 32_768.0).powi(2)).sum();
            let least = if format == AudioFormat::Flac { f64::INFINITY } else { 6.0 };
            assert!(10.0 * (power / error).log10() >= least, "{what}: {}", 10.0 * (power / error).log10());
            let path = folder.path().join(format!("{channels}-{frames}.{format}"));
            fs::write(&path, &bytes).unwrap();
            let path = path.to_str().unwrap();
            let all: Vec<&str> = arguments.iter().copied().chain([path]).collect();
            if let Some(text) = foreign(checker, &all) {
                // A file without a title, or a very short one, is none to warn of.
                let known = |line: &str| line.contains("No supported tags") || line.contains("Too few MPEG frames");
                let warned = text.lines().any(|line| line.contains("WARNING") && !known(line));
                assert!(!warned, "{what}: {text}");
            }
            // Debian's sox reads no Opus, and of MP3 it counts whole frames.
            if format == AudioFormat::Flac
                && let Some(text) = foreign("soxi", &["-s", path])
            {
                assert_eq!(text.trim(), frames.to_string(), "soxi: {what}");
            }
            let out = folder.path().join("out.wav");
            let out = out.to_str().unwrap();
            if foreign("ffmpeg", &["-v", "error", "-xerror", "-y", "-i", path, out]).is_some() {
                assert_eq!(hound::WavReader::open(out).unwrap().duration(), frames as u32, "ffmpeg: {what}");
            }
        }
    }
}

#[test]
fn flac_keeps_every_sample_of_every_depth() {
    let mut random = support::Random(3);
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 24,
        sample_format: hound::SampleFormat::Int,
    };
    for kind in 0..4 {
        let samples: Vec<i32> = (0..20_002)
            .map(|at| match kind {
                0 => random.next() as i32 >> 8,
                1 => ((at as f64 * 0.01).sin() * 8_000_000.0) as i32,
                2 => {
                    if at % 2 == 0 {
                        -8_388_608
                    } else {
                        8_388_607
                    }
                }
                _ => 77,
            })
            .collect();
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
        let (_, flac) = run("s.wav", &bytes.into_inner(), |options| {
            (options.format, options.bit_depth, options.sample_rate) = (AudioFormat::Flac, 24, 44_100);
            options.normalize = false;
        });
        let (_, back) = floats("s.flac", &flac, 2, 44_100);
        assert!(back.iter().zip(&samples).all(|(a, b)| *a == *b as f32 / 8_388_608.0), "{kind}");
        let path = tempfile::NamedTempFile::with_suffix(".flac").unwrap();
        fs::write(path.path(), flac).unwrap();
        foreign("flac", &["-s", "-t", "-w", path.path().to_str().unwrap()]);
    }
}

#[test]
fn files_of_other_encoders_have_their_length() {
    let folder = tempfile::tempdir().unwrap();
    let (source, frames) = (folder.path().join("s.wav"), 50_001);
    fs::write(&source, wav(2, 48_000, &beats(frames))).unwrap();
    for (name, codec) in [("s.mp3", "libmp3lame"), ("s.ogg", "libvorbis"), ("s.flac", "flac"), ("s.aiff", "pcm_s24be")]
    {
        let out = folder.path().join(name);
        let [from, to] = [&source, &out].map(|path| path.to_str().unwrap());
        if foreign("ffmpeg", &["-v", "error", "-y", "-i", from, "-c:a", codec, to]).is_some() {
            let (_, back) = floats(name, &fs::read(&out).unwrap(), 2, 48_000);
            assert_eq!(back.len(), frames * 2, "{name}");
        }
    }
}

#[test]
fn pictures_are_kept_where_that_was_asked_for() {
    // As large as covers are: more than a page of Ogg, and more than a decoder looks at by itself.
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\0\0\0\x01\0\x08\x02\0\0\0".to_vec();
    png.extend(support::Random(5).bytes(150_000));
    // An MP3 with the picture as its front cover.
    let (_, mp3) = run("s.wav", &wav(2, 48_000, &beats(20_000)), |options| options.format = AudioFormat::Mp3);
    let mut body = b"\0image/png\0\x03\0".to_vec();
    body.extend(&png);
    let mut tagged = b"ID3\x03\0\0".to_vec();
    tagged.extend([21, 14, 7, 0].map(|shift| ((body.len() + 10) >> shift) as u8 & 0x7F));
    tagged.extend(b"APIC");
    tagged.extend((body.len() as u32).to_be_bytes());
    tagged.extend([0, 0]);
    tagged.extend(body);
    tagged.extend(mp3);
    let mut source = ("s.mp3".to_owned(), tagged);
    for format in [AudioFormat::Flac, AudioFormat::Ogg, AudioFormat::Opus, AudioFormat::Mp3, AudioFormat::Wav] {
        let (report, plain) = run(&source.0, &source.1, |options| options.format = format);
        assert_eq!((&report["picturesKept"], &report["picturesDropped"]), (&0.into(), &1.into()), "{format}");
        let keep = |options: &mut AudioOptions| (options.format, options.keep_pictures) = (format, true);
        let (report, kept) = run(&source.0, &source.1, keep);
        let expected = if format == AudioFormat::Wav { 0 } else { 1 };
        assert_eq!(report["picturesKept"], expected, "{format}");
        if expected == 1 {
            assert!(kept.len() > plain.len() + png.len(), "{format}");
            let file = tempfile::NamedTempFile::with_suffix(format!(".{format}")).unwrap();
            fs::write(file.path(), &kept).unwrap();
            let out = tempfile::NamedTempFile::with_suffix(".png").unwrap();
            let [from, to] = [&file, &out].map(|file| file.path().to_str().unwrap());
            let arguments = ["-v", "error", "-y", "-i", from, "-map", "0:v", "-c", "copy", "-f", "image2", to];
            if foreign("ffmpeg", &arguments).is_some() {
                assert!(fs::read(to).unwrap() == png, "{format}: another picture came out");
            }
            // The next format gets it from this one.
            source = (format!("s.{format}"), kept);
        }
    }
}

#[test]
fn the_same_bytes_each_time() {
    let bytes = wav(2, 44_100, &beats(60_000));
    let make = || run("s.wav", &bytes, |_| {}).1;
    let first = make();
    let others = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(others.iter().all(|other| *other == first));
}

#[test]
fn dither_is_added_where_bits_are_lost_alone() {
    let sound = tone(10_000, 440.0, 0.3);
    let make = |dither: Dither, gain: bool| {
        run("s.wav", &wav(2, 48_000, &sound), |options| {
            (options.format, options.dither, options.normalize) = (AudioFormat::Wav, dither, gain);
        })
        .1
    };
    assert!(make(Dither::Shaped, false) == make(Dither::None, false));
    assert!(make(Dither::Shaped, true) != make(Dither::None, true));
}

#[test]
fn a_quality_that_is_none_is_refused() {
    let mut options = AudioOptions::default();
    options.quality = Some(11.0);
    let input = AssetInput::from_bytes("s.wav", wav(1, 48_000, &[0; 100]));
    let error = support::run(&AudioProcessor, &input, &options, &AssetLimits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
