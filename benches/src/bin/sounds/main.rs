//! Sounds beside other people's programs: encoders by bitrate, grade and CPU time, decoders and the rest by speed,
//! resampling by what becomes of tones.
//!
//! ```sh
//! python3 benches/sounds.py /tmp/sounds      # makes the sounds: needs fluidsynth, a sound font, sox and espeak-ng
//! cargo run --release -p slate-benches --bin sounds -- --rounds 5 --sounds /tmp/sounds
//! cargo run --release -p slate-benches --bin sounds decoded resampled --sounds /tmp/sounds     # tables by their titles
//! cargo run --release -p slate-benches --bin sounds odg --sounds /tmp/sounds --only Vorbis       # encoders by their names
//! ```

mod fft;
mod nmr;
mod peaq;
mod run;
mod speed;
mod sweeps;

use bytes::Bytes;
use nmr::Ear;
use peaq::Peaq;
use rayon::prelude::*;
use run::{children, floats, process, told};
use slate_benches::{Result, Watch, is_wanted};
use slate_core::asset::{AudioFormat, AudioOptions};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// One way to encode: `None` for the arguments is SLATE itself.
struct Way {
    name: &'static str,
    program: Option<&'static str>,
    arguments: &'static [&'static str],
    extension: &'static str,
    change: fn(&mut AudioOptions),
}

const fn peer(
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    extension: &'static str,
) -> Way {
    Way { name, program: Some(program), arguments, extension, change: |_| {} }
}

const fn slate(name: &'static str, extension: &'static str, change: fn(&mut AudioOptions)) -> Way {
    Way { name, program: None, arguments: &[], extension, change }
}

fn quality(options: &mut AudioOptions, quality: f32) {
    options.quality = Some(quality);
}

fn format(options: &mut AudioOptions, format: AudioFormat, bitrate: u32) {
    (options.format, options.bitrate) = (format, bitrate);
}

const WAYS: &[Way] = &[
    peer("oggenc -q 1", "oggenc", &["-Q", "-q", "1", "IN", "-o", "OUT"], "ogg"),
    slate("SLATE Vorbis, quality 1", "ogg", |options| quality(options, 1.0)),
    peer("oggenc -q 4", "oggenc", &["-Q", "-q", "4", "IN", "-o", "OUT"], "ogg"),
    slate("SLATE Vorbis, quality 4", "ogg", |options| quality(options, 4.0)),
    slate("SLATE Vorbis, 128 kbit/s", "ogg", |options| options.bitrate = 128),
    peer("oggenc -q 6", "oggenc", &["-Q", "-q", "6", "IN", "-o", "OUT"], "ogg"),
    slate("SLATE Vorbis, quality 6", "ogg", |options| quality(options, 6.0)),
    peer("oggenc -q 8", "oggenc", &["-Q", "-q", "8", "IN", "-o", "OUT"], "ogg"),
    slate("SLATE Vorbis, quality 8", "ogg", |options| quality(options, 8.0)),
    peer(
        "ffmpeg libopus 96k",
        "ffmpeg",
        &["-v", "error", "-y", "-i", "IN", "-c:a", "libopus", "-b:a", "96k", "OUT"],
        "opus",
    ),
    slate("SLATE Opus, 96 kbit/s", "opus", |options| format(options, AudioFormat::Opus, 96)),
    peer(
        "ffmpeg libmp3lame 128k",
        "ffmpeg",
        &["-v", "error", "-y", "-i", "IN", "-c:a", "libmp3lame", "-b:a", "128k", "OUT"],
        "mp3",
    ),
    slate("SLATE MP3, 128 kbit/s", "mp3", |options| format(options, AudioFormat::Mp3, 128)),
    peer("flac -5", "flac", &["-s", "-f", "-5", "IN", "-o", "OUT"], "flac"),
    slate("SLATE FLAC", "flac", |options| format(options, AudioFormat::Flac, 128)),
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--sounds").skip(1);
    let folder = arguments.next().ok_or("name a folder of stereo WAV files of 48 kHz and 16 bits: --sounds DIR")?;
    let mut sounds: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    sounds.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    sounds.sort();
    let scratch = tempfile::tempdir()?;
    speed::run(&sounds, scratch.path())?;
    sweeps::run(scratch.path())?;
    encoders(&sounds, scratch.path())
}

/// What each encoder makes of each sound.
fn encoders(sounds: &[PathBuf], scratch: &Path) -> Result<()> {
    let title = format!("ODG of encoders on {} sounds", sounds.len());
    if !is_wanted(&title) {
        return Ok(());
    }
    let only = std::env::args().skip_while(|argument| argument != "--only").nth(1);
    let (ear, peaq) = (Ear::new(), Peaq::new());
    println!("### {title}\n");
    println!(
        "| encoder | kbit/s | ODG, mean | ODG, worst | noise to mask | disturbed frames | times as fast as played (CPU) |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for way in WAYS.iter().filter(|way| only.as_ref().is_none_or(|only| way.name.contains(only))) {
        if let Some(program) = way.program
            && !run::is_here(program)
        {
            println!("| {} | skipped: {program} is not here | | | | | |", way.name);
            continue;
        }
        // One at a time: the CPU time of a program is told for all that have ended.
        let mut coded = Vec::new();
        let (mut rate, mut seconds, mut cpu) = (0.0, 0.0, 0.0);
        for (at, sound) in sounds.iter().enumerate() {
            let out = scratch.join(format!("out{at}")).with_extension(way.extension);
            cpu += encode(way, sound, &out)?;
            coded.push((sound, out));
        }
        let judged: Vec<_> = (coded.par_iter())
            .map(|(sound, out)| -> Result<_> {
                let (before, after) = (floats(sound, run::RATE)?, floats(out, run::RATE)?);
                let length = before.len() as f64 / 2.0 / f64::from(run::RATE);
                let grade = peaq.grade(&before, &after).ok_or("a silent sound has no grade")?;
                Ok((
                    length,
                    fs::metadata(out)?.len() as f64 * 8.0 / length / 1000.0,
                    grade,
                    ear.compare(&before, &after),
                ))
            })
            .collect::<Result<_>>()?;
        let count = sounds.len() as f64;
        let (mut ratio, mut disturbed, mut grades, mut worst) = (0.0, 0.0, 0.0, f64::MAX);
        for ((sound, _), (length, kilobits, grade, told)) in coded.iter().zip(judged) {
            (rate, seconds, grades) = (rate + kilobits, seconds + length, grades + grade);
            (ratio, disturbed, worst) = (ratio + told.ratio, disturbed + told.disturbed, worst.min(grade));
            if std::env::var_os("SLATE_VERBOSE").is_some() {
                eprintln!(
                    "{}\t{}\t{kilobits:.0} kbit/s\tODG {grade:.2}\tNMR {:.1} dB",
                    way.name,
                    sound.file_stem().unwrap_or_default().display(),
                    told.ratio
                );
            }
        }
        println!(
            "| {} | {:.0} | {:.2} | {worst:.2} | {:.1} dB | {:.1} % | {:.0}× |",
            way.name,
            rate / count,
            grades / count,
            ratio / count,
            disturbed / count * 100.0,
            seconds / cpu.max(1e-9)
        );
    }
    println!();
    Ok(())
}

/// Encodes one sound; the CPU seconds of it, for programs with their start.
fn encode(way: &Way, sound: &Path, out: &Path) -> Result<f64> {
    let Some(program) = way.program else {
        let mut options = run::options(AudioFormat::Ogg);
        (way.change)(&mut options);
        let bytes = Bytes::from(fs::read(sound)?);
        let mut watch = Watch::new();
        let (made, _) = watch.time(1, || process("sound.wav", bytes, &options))?;
        fs::write(out, made)?;
        return Ok(watch.sample().cpu.as_secs_f64());
    };
    let place = |argument: &&'static str| match *argument {
        "IN" => sound.to_str().unwrap_or_default().to_owned(),
        "OUT" => out.to_str().unwrap_or_default().to_owned(),
        other => other.to_owned(),
    };
    let words: Vec<String> = std::iter::once(program.to_owned()).chain(way.arguments.iter().map(place)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let before = children()?;
    told(&words)?;
    Ok(children()? - before)
}
