//! Speed beside others' programs, on a sound of minutes so that their start doesn't count; a folder of short ones, where it
//! does.

use super::run::{self, RATE, floats, is_here, options, process, program, slate, told, wav};
use bytes::Bytes;
use rayon::prelude::*;
use slate_benches::{Contest, Result, Watch, is_wanted};
use slate_core::asset::{AudioFormat, AudioOptions};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// All sounds one after the other.
struct Long {
    path: PathBuf,
    bytes: Bytes,
    seconds: usize,
}

pub(super) fn run(sounds: &[PathBuf], scratch: &Path) -> Result<()> {
    if ["ffmpeg", "oggenc", "flac", "opusenc"].iter().any(|program| !is_here(program)) {
        println!("speed beside others: skipped: ffmpeg, oggenc, flac or opusenc is not here\n");
        return Ok(());
    }
    let mut samples = Vec::new();
    for sound in sounds {
        samples.extend(floats(sound, RATE)?);
    }
    let path = scratch.join("long.wav");
    let bytes = wav(&samples, RATE, 16)?;
    fs::write(&path, &bytes)?;
    let long = Long { path, bytes: bytes.into(), seconds: samples.len() / 2 / RATE as usize };
    decoders(&long, scratch)?;
    encoders(&long, scratch)?;
    loudness(&long, -18.0, scratch)?;
    loudness(&long, -11.0, scratch)?;
    folder(&samples, scratch)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn decoders(long: &Long, scratch: &Path) -> Result<()> {
    const KINDS: [(&str, &str, &[&str]); 6] = [
        ("WAV", "wav", &["-c:a", "pcm_s16le"]),
        ("FLAC", "flac", &["-c:a", "flac"]),
        ("Ogg Vorbis", "ogg", &["-c:a", "libvorbis", "-q:a", "4"]),
        ("Opus", "opus", &["-c:a", "libopus", "-b:a", "96k"]),
        ("MP3", "mp3", &["-c:a", "libmp3lame", "-b:a", "128k"]),
        ("AAC", "m4a", &["-c:a", "aac", "-b:a", "128k"]),
    ];
    for (name, extension, codec) in KINDS {
        let title = format!("Decoded to WAV of floats: {name}");
        if !is_wanted(&title) {
            continue;
        }
        let path = scratch.join("coded").with_extension(extension);
        let mut words = vec!["ffmpeg", "-v", "error", "-y", "-i", text(&long.path)];
        words.extend(codec);
        words.push(text(&path));
        told(&words)?;
        let bytes = Bytes::from(fs::read(&path)?);
        let mut options = options(AudioFormat::Wav);
        options.bit_depth = 32;
        let mut unmeasured = options.clone();
        unmeasured.measure = false;
        let out = scratch.join("decoded.wav");
        let peer = [
            "ffmpeg",
            "-v",
            "error",
            "-threads",
            "1",
            "-y",
            "-i",
            text(&path),
            "-ar",
            "48000",
            "-c:a",
            "pcm_f32le",
            text(&out),
        ];
        Contest::new(title, "second of sound")
            .contender("ffmpeg (peer)", || program(&peer, long.seconds))
            .contender("SLATE, which measures loudness and true peak too", || {
                slate(&path, &bytes, &options, long.seconds)
            })
            .contender("SLATE without measuring", || slate(&path, &bytes, &unmeasured, long.seconds))
            .run()?;
    }
    Ok(())
}

fn encoders(long: &Long, scratch: &Path) -> Result<()> {
    let out = |extension: &str| scratch.join("out").with_extension(extension);
    let (ogg, flac, opus, mp3) = (out("ogg"), out("flac"), out("opus"), out("mp3"));
    let source = text(&long.path);
    let mut vorbis = options(AudioFormat::Ogg);
    vorbis.quality = Some(4.0);
    let at = |format: AudioFormat, bitrate: u32| {
        let mut options = options(format);
        options.bitrate = bitrate;
        options
    };
    let lame = ["ffmpeg", "-v", "error", "-y", "-i", source, "-c:a", "libmp3lame", "-b:a", "128k", text(&mp3)];
    let kinds: [(&str, &str, &[&str], AudioOptions); 4] = [
        ("Ogg Vorbis, quality 4", "oggenc (peer)", &["oggenc", "-Q", "-q", "4", source, "-o", text(&ogg)], vorbis),
        ("FLAC", "flac -5 (peer)", &["flac", "-s", "-f", "-5", source, "-o", text(&flac)], at(AudioFormat::Flac, 128)),
        (
            "Opus, 96 kbit/s",
            "opusenc (peer)",
            &["opusenc", "--quiet", "--bitrate", "96", source, text(&opus)],
            at(AudioFormat::Opus, 96),
        ),
        ("MP3, 128 kbit/s", "LAME by ffmpeg (peer)", &lame, at(AudioFormat::Mp3, 128)),
    ];
    for (name, peer, words, options) in kinds {
        Contest::new(format!("Encoded: {name}"), "second of sound")
            .contender(peer, || program(words, long.seconds))
            .contender("SLATE, which measures loudness and true peak too", || {
                slate(&long.path, &long.bytes, &options, long.seconds)
            })
            .run()?;
    }
    Ok(())
}

/// To a loudness with −1 dB of true peak at the most: the louder, the more the limiters have to do.
fn loudness(long: &Long, goal: f32, scratch: &Path) -> Result<()> {
    let title = format!("Brought to {goal} LUFS, true peak −1 dB, WAV of 16 bits");
    if !is_wanted(&title) {
        return Ok(());
    }
    let filter_begins = format!("loudnorm=I={goal}:TP=-1:LRA=20");
    let out = scratch.join("level.wav");
    let twice = || -> Result<()> {
        let first = told(&[
            "ffmpeg",
            "-hide_banner",
            "-nostats",
            "-i",
            text(&long.path),
            "-af",
            &format!("{filter_begins}:print_format=json"),
            "-f",
            "null",
            "-",
        ])?;
        let said = String::from_utf8_lossy(&first.stderr);
        let json = said.get(said.rfind('{').ok_or("loudnorm told nothing")?..).unwrap_or_default();
        let json = json.get(..=json.rfind('}').ok_or("loudnorm told no end")?).unwrap_or_default();
        let measured: serde_json::Value = serde_json::from_str(json)?;
        let of = |key: &str| measured[key].as_str().unwrap_or_default().to_owned();
        let filter = format!(
            "{filter_begins}:measured_I={}:measured_TP={}:measured_LRA={}:measured_thresh={}:offset={}:linear=true",
            of("input_i"),
            of("input_tp"),
            of("input_lra"),
            of("input_thresh"),
            of("target_offset"),
        );
        told(&["ffmpeg", "-v", "error", "-y", "-i", text(&long.path), "-af", &filter, "-ar", "48000", text(&out)])?;
        Ok(())
    };
    twice()?;
    let peer = measured(&out)?;
    let mut options = options(AudioFormat::Wav);
    (options.normalize, options.loudness) = (true, goal);
    let (made, report) = process("long.wav", long.bytes.clone(), &options)?;
    fs::write(&out, &made)?;
    let own = format!(
        "{}; by its own report {:.2} LUFS, {:.2} dBTP, limited by {:.1} dB",
        measured(&out)?,
        report["loudness"].as_f64().unwrap_or(f64::NAN),
        report["truePeak"].as_f64().unwrap_or(f64::NAN),
        report["limitedBy"].as_f64().unwrap_or(f64::NAN)
    );
    Contest::new(title, "second of sound")
        .noted("ffmpeg loudnorm, two passes (peer)", peer, || {
            let (wall, before) = (std::time::Instant::now(), run::children()?);
            twice()?;
            let cpu = std::time::Duration::from_secs_f64(run::children()? - before);
            Ok(slate_benches::Sample { units: long.seconds as f64, wall: wall.elapsed(), cpu })
        })
        .noted("SLATE", own, || slate(&long.path, &long.bytes, &options, long.seconds))
        .run()
}

/// Loudness and true peak as ffmpeg measures them.
fn measured(path: &Path) -> Result<String> {
    let done =
        told(&["ffmpeg", "-hide_banner", "-nostats", "-i", text(path), "-af", "ebur128=peak=true", "-f", "null", "-"])?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let last = |key: &str| {
        let line = said.lines().rev().find(|line| line.trim_start().starts_with(key)).unwrap_or_default();
        line.trim_start().trim_start_matches(key).trim().to_owned()
    };
    Ok(format!("{}, {} by ffmpeg's ebur128", last("I:"), last("Peak:")))
}

/// 200 clips of two seconds to Ogg Vorbis.
fn folder(samples: &[f32], scratch: &Path) -> Result<()> {
    const TITLE: &str = "A folder of 200 clips of two seconds to Ogg Vorbis, quality 4";
    const CLIPS: usize = 200;
    if !is_wanted(TITLE) {
        return Ok(());
    }
    let clip = RATE as usize * 4;
    let folder = scratch.join("clips");
    fs::create_dir_all(&folder)?;
    let mut clips = Vec::new();
    for at in 0..CLIPS {
        let from = at * (samples.len().saturating_sub(clip) / CLIPS) / 2 * 2;
        let piece = samples.get(from..from + clip).ok_or("too few sounds for a folder of clips")?;
        let path = folder.join(format!("clip{at:03}.wav"));
        fs::write(&path, wav(piece, RATE, 16)?)?;
        clips.push(path);
    }
    let shell = format!(
        "cd '{}' && for f in *.wav; do ffmpeg -v error -y -i \"$f\" -c:a libvorbis -q:a 4 \"${{f%.wav}}.ogg\" </dev/null || exit 1; done",
        text(&folder)
    );
    let mut options = options(AudioFormat::Ogg);
    options.quality = Some(4.0);
    let one = |path: &PathBuf| -> Result<()> {
        let (made, _) = process("clip.wav", fs::read(path)?.into(), &options)?;
        Ok(fs::write(path.with_extension("ogg"), made)?)
    };
    Contest::new(TITLE, "clip")
        .contender("a shell loop of ffmpeg (peer)", || program(&["sh", "-c", &shell], CLIPS))
        .contender("SLATE, one thread", || {
            let mut watch = Watch::new();
            watch.time(CLIPS, || clips.iter().try_for_each(one))?;
            Ok(watch.sample())
        })
        .contender("SLATE, a thread for each core", || {
            let mut watch = Watch::new();
            watch.time(CLIPS, || clips.par_iter().try_for_each(one))?;
            Ok(watch.sample())
        })
        .run()
}
