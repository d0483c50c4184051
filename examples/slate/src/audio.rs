use crate::{
    output::{Output, bytes},
    serve::interrupted,
};
use clap::Args;
use futures_util::{StreamExt, stream};
use serde_json::json;
use slate_assets::audio::AudioProcessor;
use slate_core::{
    Cancel, Error, Result,
    asset::{
        AssetInput, AssetKind, AssetLimits, AudioFormat, AudioOptions, AudioPreset, Normalize, Output as SoundOutput,
        Processor, Progress, Report, Work, WriteSeek,
    },
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

#[derive(Args)]
pub(crate) struct Wanted {
    /// A sound, or a folder with all of them below it.
    input: PathBuf,
    /// The sound to write, whose extension is its format; or a folder.
    output: PathBuf,
    /// What to begin from: sfx, music or voice, then -desktop or -mobile.
    #[arg(long)]
    preset: Option<String>,
    /// The format in a folder: ogg, opus, mp3, flac or wav [default: ogg].
    #[arg(long)]
    format: Option<String>,
    /// Kilobits a second on average, of ogg, opus and mp3 [default: 192].
    #[arg(long, conflicts_with = "quality")]
    bitrate: Option<u32>,
    /// The quality of ogg in the place of a bitrate, -1 to 10.
    #[arg(long, allow_negative_numbers = true)]
    quality: Option<f32>,
    /// Samples a second [default: 48000].
    #[arg(long)]
    rate: Option<u32>,
    /// Channels [default: 2].
    #[arg(long)]
    channels: Option<u16>,
    /// Bits of a sample of flac and wav: 16, 24 or 32 [default: 16].
    #[arg(long)]
    bits: Option<u16>,
    /// The loudness that is the goal, in LUFS [default: -18].
    #[arg(long, allow_negative_numbers = true)]
    loudness: Option<f32>,
    /// Brings the highest sample to the ceiling in the place of a loudness.
    #[arg(long, conflicts_with_all = ["loudness", "as_is"])]
    peak: bool,
    /// The ceiling of peaks in dB [default: -1].
    #[arg(long, allow_negative_numbers = true)]
    ceiling: Option<f32>,
    /// Leaves the level as it is.
    #[arg(long)]
    as_is: bool,
    /// Cuts what is below this level in dB off both ends.
    #[arg(long, value_name = "DB", allow_negative_numbers = true)]
    trim: Option<f32>,
    /// Seconds to come in over.
    #[arg(long)]
    fade_in: Option<f32>,
    /// Seconds to go out over.
    #[arg(long)]
    fade_out: Option<f32>,
    /// Draws the waveform and the spectrum beside each result.
    #[arg(long)]
    preview: bool,
}

/// Converts one sound or a folder of them.
pub(crate) async fn run(output: &Output, wanted: Wanted) -> Result<bool> {
    let options = options(&wanted)?;
    AudioProcessor.check(&options)?;
    let jobs = jobs(&wanted, options.format)?;
    let cancel = Cancel::new();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut bar = output.bar("sounds", jobs.len() as u64);
    let mut results = stream::iter(jobs)
        .map(|(source, target)| {
            let (options, cancel) = (options.clone(), cancel.clone());
            async move {
                let name = source.display().to_string();
                let work = tokio::task::spawn_blocking(move || make(&source, &target, &options, &cancel));
                let made = work.await.unwrap_or_else(|error| Err(Error::internal("the work ended").because(error)));
                (name, made)
            }
        })
        .buffer_unordered(threads);
    let mut done = BTreeMap::new();
    loop {
        tokio::select! {
            result = results.next() => match result {
                Some((name, made)) => {
                    bar.step(done.len() as u64 + 1, &name);
                    done.insert(name, made);
                }
                None => break,
            },
            signal = interrupted(), if !cancel.is_canceled() => {
                signal?;
                cancel.cancel();
            }
        }
    }
    drop(results);
    bar.finish();
    cancel.check()?;
    tell(output, done)
}

/// Tells what came of each; whether all went well.
fn tell(output: &Output, done: BTreeMap<String, Result<Made>>) -> Result<bool> {
    let (mut documents, mut failed) = (BTreeMap::new(), 0);
    for (name, made) in done {
        match made {
            Ok(Made { file, size, report }) => {
                let number = |key: &str| report.get(key).and_then(serde_json::Value::as_f64);
                let level = |key: &str| number(key).map_or_else(|| "silence".to_owned(), |level| format!("{level:.1}"));
                output.line(format!(
                    "{name} -> {}  {}  {:.2} s  {} LUFS  {} dBTP",
                    file.display(),
                    bytes(size),
                    number("seconds").unwrap_or(0.0),
                    level("loudness"),
                    level("truePeak"),
                ));
                documents.insert(name, json!({ "file": file, "bytes": size, "report": report }));
            }
            Err(error) => {
                failed += 1;
                output.line(format!("{name}: FAILED: {error}"));
                documents.insert(name, json!({ "error": error.to_string(), "kind": error.kind().as_str() }));
            }
        }
    }
    output.document(&documents)?;
    Ok(failed == 0)
}

fn options(wanted: &Wanted) -> Result<AudioOptions> {
    let mut options = match &wanted.preset {
        Some(preset) => AudioOptions::preset(AudioPreset::from_str(preset)?),
        None => AudioOptions::default(),
    };
    let extension = wanted.output.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if let Some(format) = &wanted.format {
        options.format = format.parse()?;
    } else if let Ok(format) = AudioFormat::from_str(&extension.to_ascii_lowercase()) {
        options.format = format;
    }
    if let Some(bitrate) = wanted.bitrate {
        (options.bitrate, options.quality) = (bitrate, None);
    }
    options.quality = wanted.quality.or(options.quality);
    options.sample_rate = wanted.rate.unwrap_or(options.sample_rate);
    options.channels = wanted.channels.unwrap_or(options.channels);
    options.bit_depth = wanted.bits.unwrap_or(options.bit_depth);
    if let Some(loudness) = wanted.loudness {
        (options.loudness, options.normalize_to) = (loudness, Normalize::Loudness);
    }
    if wanted.peak {
        options.normalize_to = Normalize::Peak;
    }
    options.ceiling = wanted.ceiling.unwrap_or(options.ceiling);
    options.normalize &= !wanted.as_is;
    options.trim_silence = wanted.trim.or(options.trim_silence);
    options.fade_in = wanted.fade_in.unwrap_or(options.fade_in);
    options.fade_out = wanted.fade_out.unwrap_or(options.fade_out);
    options.preview |= wanted.preview;
    Ok(options)
}

/// Sources and the files that they become.
fn jobs(wanted: &Wanted, format: AudioFormat) -> Result<Vec<(PathBuf, PathBuf)>> {
    if !wanted.input.is_dir() {
        let named = wanted.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(format.as_str()));
        let target = if named { wanted.output.clone() } else { renamed(&wanted.output, &wanted.input, format) };
        return Ok(vec![(wanted.input.clone(), target)]);
    }
    let (mut jobs, mut folders) = (Vec::new(), vec![wanted.input.clone()]);
    while let Some(folder) = folders.pop() {
        let failed = |error| Error::io("read the sounds", error).with("path", folder.display());
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && AssetKind::of_path(&path.to_string_lossy()) == AssetKind::Audio {
                let below = folder.strip_prefix(&wanted.input).unwrap_or(Path::new(""));
                jobs.push((path.clone(), renamed(&wanted.output.join(below), &path, format)));
            }
        }
    }
    if jobs.is_empty() {
        return Err(Error::not_found("there are no sounds in this folder").with("path", wanted.input.display()));
    }
    jobs.sort();
    // Two sources of one name would write one file.
    let mut targets: Vec<_> = jobs.iter().map(|(_, target)| target).collect();
    targets.sort();
    if let Some(pair) = targets.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::invalid("two sounds would become the same file").with("file", pair[0].display()));
    }
    Ok(jobs)
}

fn renamed(folder: &Path, source: &Path, format: AudioFormat) -> PathBuf {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    folder.join(format!("{stem}.{format}"))
}

struct Made {
    file: PathBuf,
    size: u64,
    report: Report,
}

fn make(source: &Path, target: &Path, options: &AudioOptions, cancel: &Cancel) -> Result<Made> {
    let (input, limits, progress) = (AssetInput::from_file(source)?, AssetLimits::default(), Progress::ignored());
    if fs::canonicalize(target).is_ok_and(|target| fs::canonicalize(source).is_ok_and(|source| source == target)) {
        return Err(Error::invalid("a sound can't be written over itself").with("file", target.display()));
    }
    fs::create_dir_all(target.parent().unwrap_or(Path::new(""))).map_err(|error| failed(target, error))?;
    let mut output = Files { target: target.to_owned(), made: Vec::new() };
    let mut work = Work { input: &input, output: &mut output, limits: &limits, cancel, progress: &progress };
    let report = AudioProcessor.process(&mut work, options)?;
    output.keep()?;
    let size = fs::metadata(target).map_err(|error| failed(target, error))?.len();
    Ok(Made { file: target.to_owned(), size, report })
}

/// Writes beside the target and takes its place once all is done; what is not kept is removed.
struct Files {
    target: PathBuf,
    /// The files under their working names, and what they become.
    made: Vec<(PathBuf, PathBuf)>,
}

impl SoundOutput for Files {
    fn create(&mut self, name: &str) -> Result<Box<dyn WriteSeek>> {
        let picture = Path::new(name).extension().is_some_and(|extension| extension == "png");
        let file = if picture { self.target.with_extension("png") } else { self.target.clone() };
        let mut part = file.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let opened = fs::File::create(&part).map_err(|error| failed(&part, error))?;
        self.made.push((part, file));
        Ok(Box::new(opened))
    }
}

impl Files {
    fn keep(mut self) -> Result<()> {
        for (part, file) in std::mem::take(&mut self.made) {
            fs::rename(&part, &file).map_err(|error| failed(&file, error))?;
        }
        Ok(())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for (part, _) in &self.made {
            // Whether or not it could be removed, the work has failed for another reason, which is told.
            let _ = fs::remove_file(part);
        }
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::io("write the sound", error).with("path", path.display())
}
