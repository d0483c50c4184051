//! An hour of sound takes no more memory than a minute of it, whichever way it goes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use peak_alloc::PeakAlloc;
use slate_assets::audio::AudioProcessor;
use slate_core::{
    Cancel, Error, Result,
    asset::{AssetInput, AssetLimits, AudioFormat, AudioOptions, Output, Processor, Progress, Report, Work, WriteSeek},
};
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use support::Random;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const RATE: u32 = 8_000;
/// What an hour may take more than a minute: 8 bytes for each of its 36 000 steps of loudness, in a vector that doubles, and the
/// picture's columns, 2400 at the most, of which a minute has fewer.
const MORE: usize = 6 << 20;

/// Results go to files: kept in memory, they would be what is measured.
struct Folder<'a>(&'a Path);

impl Output for Folder<'_> {
    fn create(&mut self, name: &str) -> Result<Box<dyn WriteSeek>> {
        let file = File::create(self.0.join(name)).map_err(|error| Error::io("create the output", error))?;
        Ok(Box::new(file))
    }
}

/// A beat and a voice-like tone under noise, one channel of 16 bits.
fn write_wav(path: &Path, seconds: u32) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    let count = seconds * RATE;
    out.write_all(b"RIFF").unwrap();
    out.write_all(&(36 + 2 * count).to_le_bytes()).unwrap();
    out.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0").unwrap();
    [RATE, 2 * RATE, 0x0010_0002].iter().for_each(|word| out.write_all(&word.to_le_bytes()).unwrap());
    out.write_all(b"data").unwrap();
    out.write_all(&(2 * count).to_le_bytes()).unwrap();
    let mut random = Random(4);
    for at in 0..count {
        let beat = 4_000_u32.saturating_sub(at % 4_000) as i32;
        let noise = random.below(4_000) as i32 - 2_000;
        let tone = ((at * 37) % 2_000) as i32 - 1_000;
        out.write_all(&((noise * beat / 4_000 + tone * 4) as i16).to_le_bytes()).unwrap();
    }
    out.flush().unwrap();
}

/// What came of it, and the most memory that it took.
fn made(from: &Path, folder: &Path, options: &AudioOptions) -> (Report, usize) {
    let (limits, cancel, progress) = (AssetLimits::default(), Cancel::new(), Progress::ignored());
    let input = AssetInput::from_file(from).unwrap();
    let mut output = Folder(folder);
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let mut work = Work { input: &input, output: &mut output, limits: &limits, cancel: &cancel, progress: &progress };
    let report = AudioProcessor.process(&mut work, options).unwrap();
    (report, MEMORY.peak_usage() - before)
}

#[test]
fn an_hour_takes_no_more_memory_than_a_minute() {
    for_an_hour(&[AudioFormat::Wav, AudioFormat::Ogg, AudioFormat::Flac]);
}

#[test]
fn an_hour_of_opus_takes_no_more_memory_than_a_minute() {
    for_an_hour(&[AudioFormat::Opus]);
}

#[test]
fn an_hour_of_mp3_takes_no_more_memory_than_a_minute() {
    for_an_hour(&[AudioFormat::Mp3]);
}

/// One at a time: memory is counted for the whole program.
static ALONE: Mutex<()> = Mutex::new(());

fn for_an_hour(formats: &[AudioFormat]) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let sources: [(u32, PathBuf); 2] = [60, 3_600].map(|seconds| {
        let path = folder.path().join(format!("{seconds}.wav"));
        write_wav(&path, seconds);
        (seconds, path)
    });
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    for &format in formats {
        let mut taken = Vec::new();
        for (seconds, source) in &sources {
            let frames = u64::from(seconds * RATE);
            let mut options = AudioOptions::default();
            (options.format, options.channels, options.sample_rate) = (format, 1, RATE);
            options.bitrate = 24;
            // What looks at a whole sound, once: loudness, a limiter that has work, ends that are cut, a picture.
            options.normalize = format == AudioFormat::Wav;
            options.compare = format == AudioFormat::Ogg;
            if options.normalize {
                (options.loudness, options.trim_silence, options.preview) = (-14.0, Some(-90.0), true);
            }
            let (report, encoding) = made(source, &out, &options);
            assert_eq!(report["frames"], frames, "{format}");
            let coded = out.join(format!("{seconds}.{format}"));
            let mut back = AudioOptions::default();
            (back.format, back.channels, back.sample_rate, back.normalize) = (AudioFormat::Flac, 1, 16_000, false);
            let decoded = folder.path().join("back");
            std::fs::create_dir_all(&decoded).unwrap();
            let (report, decoding) = made(&coded, &decoded, &back);
            assert_eq!(report["frames"], 2 * frames, "{format}");
            taken.push((encoding, decoding));
        }
        println!("{format}: {taken:?} bytes for a minute and for an hour, to it and from it");
        let [minute, hour] = taken[..] else { panic!() };
        assert!(hour.0 <= minute.0 + MORE && hour.1 <= minute.1 + MORE, "{format}: {taken:?}");
        assert!(hour.0.max(hour.1) < 24 << 20, "{format}: {taken:?}");
    }
}
