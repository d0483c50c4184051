//! `slate audio IN OUT`: sounds made ready for a game, with their loudness told.

use crate::{
    config::Config,
    convert::{self, Done, Job, Made},
    output::{Output, bytes},
    pieces::Opened,
};
use clap::Args;
use serde_json::{Value, json};
use slate_assets::audio::AudioProcessor;
use slate_core::{
    Result,
    asset::{AssetOptions, AudioFormat, AudioOptions, AudioPreset, Normalize, Processor, Report},
};
use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

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
    /// How well the rate is changed: fast, high or best [default: high].
    #[arg(long)]
    resampling: Option<String>,
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
    /// The noise where bits are lost: none, triangular or shaped [default: shaped].
    #[arg(long)]
    dither: Option<String>,
    /// Takes out a constant that samples are off by.
    #[arg(long)]
    remove_dc: bool,
    /// Leaves out titles and other comments of the source; loop points stay.
    #[arg(long)]
    drop_titles: bool,
    /// Keeps the cover and other pictures of the source.
    #[arg(long)]
    keep_pictures: bool,
    /// Leaves out the measuring of what is written, which takes time.
    #[arg(long)]
    no_measure: bool,
    /// Decodes what is written again and tells how near it is to what was meant, which takes longer than the rest.
    #[arg(long)]
    compare: bool,
    /// Draws the waveform and the spectrum beside each result.
    #[arg(long)]
    preview: bool,
}

/// Converts one sound or a folder of them.
pub(crate) async fn run(config: &Config, output: &Output, wanted: Wanted) -> Result<bool> {
    let options = options(&wanted)?;
    AudioProcessor.check(&options)?;
    let format = options.format.as_str();
    let options = AssetOptions::Audio(options);
    let is_file = wanted.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(format));
    let jobs = Job::all_of(&wanted.input, &wanted.output, is_file, options)?;
    let opened = Opened::open(config).await?;
    let done = convert::run(&*opened.pieces.assets, output, "sounds", jobs).await?;
    let sound = tell(output, format, &done)?;
    opened.close().await;
    Ok(sound)
}

/// Tells what came of each; whether all went well.
fn tell(output: &Output, format: &str, done: &Done) -> Result<bool> {
    let (mut documents, mut failed) = (BTreeMap::new(), 0);
    for (name, made) in done {
        let told = match made {
            Ok(made) => tell_sound(output, format, name, made),
            Err(error) => {
                failed += 1;
                convert::tell_failure(output, name, error)
            }
        };
        documents.insert(name, told);
    }
    output.document(&documents)?;
    Ok(failed == 0)
}

fn tell_sound(output: &Output, format: &str, name: &str, made: &Made) -> Value {
    let report = &made.output.report;
    let number = |key: &str| report.get(key).and_then(Value::as_f64);
    // Not measured, there is no true peak either.
    let none = if number("truePeak").is_some() { "silence" } else { "unmeasured" };
    let level = |key: &str| number(key).map_or_else(|| none.to_owned(), |level| format!("{level:.1}"));
    // Beside a sound there may be its pictures.
    let is_sound = |file: &&PathBuf| file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(format));
    let file = made.files.iter().find(is_sound);
    let size = made.output.files.iter().filter(|file| file.name.ends_with(format)).map(|file| file.size).sum();
    output.line(format!(
        "{name} -> {}  {}  {:.2} s  {} LUFS  {} dBTP{}",
        file.map(|file| file.display().to_string()).unwrap_or_default(),
        bytes(size),
        number("seconds").unwrap_or(0.0),
        level("loudness"),
        level("truePeak"),
        nearness(report),
    ));
    json!({ "file": file, "bytes": size, "report": report })
}

/// What comparing told, where that was asked for.
fn nearness(report: &Report) -> String {
    let number = |key: &str| report.get(key).and_then(Value::as_f64);
    match (report.get("identical"), number("signalToNoise"), number("noiseToMask")) {
        (None, ..) => String::new(),
        (_, Some(signal), Some(mask)) => format!("  {signal:.1} dB over its noise  {mask:.1} dB of noise to mask"),
        (_, Some(signal), None) => format!("  {signal:.1} dB over its noise"),
        (_, None, _) => "  identical".to_owned(),
    }
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
    if let Some(resampling) = &wanted.resampling {
        options.resampling = resampling.parse()?;
    }
    if let Some(dither) = &wanted.dither {
        options.dither = dither.parse()?;
    }
    options.remove_dc |= wanted.remove_dc;
    options.keep_metadata &= !wanted.drop_titles;
    options.keep_pictures |= wanted.keep_pictures;
    options.measure &= !wanted.no_measure;
    options.compare |= wanted.compare;
    options.preview |= wanted.preview;
    Ok(options)
}
