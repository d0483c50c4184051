//! Encoders of sounds, beside those of other people: bitrate, how much of the noise is hidden, and CPU time.
//!
//! ```sh
//! python3 benches/sounds.py /tmp/sounds      # makes the sounds: needs fluidsynth, a sound font, sox and espeak-ng
//! cargo run --release -p slate-benches --bin sounds /tmp/sounds
//! ```

mod nmr;

use bytes::Bytes;
use nmr::Ear;
use slate_assets::audio::AudioProcessor;
use slate_benches::{Result, Watch};
use slate_core::{
    Cancel,
    asset::{AssetInput, AssetLimits, AudioFormat, AudioOptions, MemoryOutput, Processor, Progress, Work},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
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
    let folder = std::env::args().nth(1).ok_or("name a folder of stereo WAV files of 48 kHz and 16 bits")?;
    let mut sounds: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    sounds.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    sounds.sort();
    let ear = Ear::new();
    let scratch = tempfile::tempdir()?;
    println!("{} sounds\n", sounds.len());
    println!("| encoder | kbit/s | noise to mask | disturbed frames | times as fast as played (CPU) |");
    println!("|---|---:|---:|---:|---:|");
    for way in WAYS {
        if let Some(program) = way.program
            && Command::new(program).stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
        {
            println!("| {} | skipped: {program} is not here | | | |", way.name);
            continue;
        }
        let (mut rate, mut ratio, mut disturbed, mut seconds, mut cpu) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for sound in &sounds {
            let out = scratch.path().join("out").with_extension(way.extension);
            cpu += encode(way, sound, &out)?;
            let [before, after] = [sound, &out].map(|path| floats(path));
            let (before, after) = (before?, after?);
            let length = before.len() as f64 / 2.0 / 48_000.0;
            let told = ear.compare(&before, &after);
            rate += fs::metadata(&out)?.len() as f64 * 8.0 / length / 1000.0;
            ratio += told.ratio;
            disturbed += told.disturbed;
            seconds += length;
            if std::env::var_os("SLATE_VERBOSE").is_some() {
                eprintln!("{} {}: {:.1} dB", way.name, sound.display(), told.ratio);
            }
        }
        let count = sounds.len() as f64;
        println!(
            "| {} | {:.0} | {:.1} dB | {:.1} % | {:.0}× |",
            way.name,
            rate / count,
            ratio / count,
            disturbed / count * 100.0,
            seconds / cpu.max(1e-9)
        );
    }
    Ok(())
}

/// Encodes one sound; the CPU seconds of it, for programs with their start.
fn encode(way: &Way, sound: &Path, out: &Path) -> Result<f64> {
    let Some(program) = way.program else {
        let mut options = AudioOptions::default();
        options.normalize = false;
        (way.change)(&mut options);
        let bytes = Bytes::from(fs::read(sound)?);
        let mut watch = Watch::new();
        let made = watch.time(1, || process(bytes, &options))?;
        fs::write(out, made)?;
        return Ok(watch.sample().cpu.as_secs_f64());
    };
    let place = |argument: &&str| match *argument {
        "IN" => sound.as_os_str().to_owned(),
        "OUT" => out.as_os_str().to_owned(),
        other => other.into(),
    };
    let before = children()?;
    let done = Command::new(program).args(way.arguments.iter().map(place)).stdin(Stdio::null()).output()?;
    if !done.status.success() {
        return Err(format!("{program} failed: {}", String::from_utf8_lossy(&done.stderr)).into());
    }
    Ok(children()? - before)
}

/// CPU seconds of the programs that have ended, as Linux tells them in steps of 10 ms.
fn children() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).ok_or("an odd /proc/self/stat")?.parse::<f64>()?) };
    // The fourteenth and fifteenth after the name.
    Ok((ticks(13)? + ticks(14)?) / 100.0)
}

fn process(bytes: Bytes, options: &AudioOptions) -> Result<Bytes> {
    let input = AssetInput::from_bytes("sound.wav", bytes);
    let (limits, cancel, progress) = (AssetLimits::default(), Cancel::new(), Progress::ignored());
    let mut output = MemoryOutput::new(limits.output_bytes);
    let mut work = Work { input: &input, output: &mut output, limits: &limits, cancel: &cancel, progress: &progress };
    AudioProcessor.process(&mut work, options)?;
    Ok(output.take().into_values().next().ok_or("nothing was written")?)
}

/// Decoded by SLATE to interleaved stereo floats.
fn floats(path: &Path) -> Result<Vec<f32>> {
    let mut options = AudioOptions::default();
    (options.format, options.bit_depth, options.normalize) = (AudioFormat::Wav, 32, false);
    let input = AssetInput::from_file(path)?;
    let (limits, cancel, progress) = (AssetLimits::default(), Cancel::new(), Progress::ignored());
    let mut output = MemoryOutput::new(limits.output_bytes);
    let mut work = Work { input: &input, output: &mut output, limits: &limits, cancel: &cancel, progress: &progress };
    AudioProcessor.process(&mut work, &options)?;
    let wav = output.take().into_values().next().ok_or("nothing was decoded")?;
    Ok(hound::WavReader::new(&wav[..])?.into_samples::<f32>().collect::<Result<_, _>>()?)
}
