//! Block encoders: Mpixel/s on one thread, and what they keep, by format and effort.
//!
//! ```sh
//! cargo run --release -p slate-benches --bin textures            # all formats on the generated pictures
//! cargo run --release -p slate-benches --bin textures bc7 astc   # those whose name holds a word
//! cargo run --release -p slate-benches --bin textures -- --pictures DIR    # crops of the PNGs in a folder
//! cargo run --release -p slate-benches --bin textures -- [WORD] --rate [--pictures DIR]    # sizes with zstd, by lambda
//! cargo run --release -p slate-benches --bin textures -- --webp --pictures DIR      # beside Debian's cwebp
//! cargo run --release -p slate-benches --bin textures -- --folder --pictures DIR    # PNGs to KTX2, two threads
//! cargo run --release -p slate-benches --features peers --bin textures     # beside bc7f, bc7e, ISPC, etcpak, astcenc
//! ```
//!
//! `benches/pictures.py DIR` fetches photographs.

mod folder;
#[cfg(feature = "peers")]
mod peers;
mod pictures;
mod rate;
mod webp;

use slate_assets::texture::block::{BlockFormat, Channels, Effort, Footprint, Surface, Values, decode, encode};
use slate_benches::{Result, Watch};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const EFFORTS: [(&str, Effort); 6] = [
    ("instant", Effort::INSTANT),
    ("fastest", Effort::FASTEST),
    ("fast", Effort::FAST),
    ("normal", Effort::NORMAL),
    ("high", Effort::HIGH),
    ("best", Effort::BEST),
];

/// Rounds in which all encoders of a format take turns, after one that isn't counted.
const ROUNDS: usize = 5;

/// An encoder of this length has been measured well enough.
const ENOUGH: Duration = Duration::from_secs(4);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.iter().position(|word| word == "--pictures").and_then(|at| arguments.get(at + 1));
    if arguments.iter().any(|word| word == "--webp") {
        return webp::run(Path::new(folder.ok_or("--webp takes --pictures DIR")?));
    }
    let by_rate = arguments.iter().any(|word| word == "--rate");
    if arguments.iter().any(|word| word == "--folder") {
        return folder::run(Path::new(folder.ok_or("--folder needs --pictures DIR")?));
    }
    let pictures = match folder {
        Some(folder) => pictures::of(Path::new(folder), if by_rate { u32::MAX } else { pictures::SIDE as u32 })?,
        None => pictures::generated()?,
    };
    let words: Vec<String> = arguments.iter().take_while(|word| !word.starts_with("--")).cloned().collect();
    if by_rate {
        return rate::run(&pictures, &words);
    }
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    println!("| format | encoder | Mpixel/s | PSNR RGB | PSNR RGBA by alpha |");
    println!("|---|---|---:|---:|---:|");
    for format in formats() {
        let name = format.to_string();
        let wanted = words.is_empty() || words.iter().any(|word| name.to_lowercase().contains(&word.to_lowercase()));
        if !wanted {
            continue;
        }
        let mut encoders = ours(&pictures, format);
        #[cfg(feature = "peers")]
        encoders.extend(peers::of(&pictures, format)?);
        one.install(|| measure(&mut encoders))?;
        for Encoder { name: encoder, seconds, blocks, .. } in &encoders {
            let (plain, seen) = quality(&pictures, blocks, format)?;
            let pixels: usize = pictures.iter().map(pixels).sum();
            println!("| {name} | {encoder} | {:.2} | {plain:.2} | {seen:.2} |", pixels as f64 / 1e6 / seconds);
        }
    }
    Ok(())
}

fn formats() -> Vec<BlockFormat> {
    let footprint = |width, height| Footprint::new(width, height).map(BlockFormat::Astc);
    let fixed = [BlockFormat::Bc1, BlockFormat::Bc3, BlockFormat::Bc5, BlockFormat::Bc7];
    let mobile = [BlockFormat::Etc2Rgb, BlockFormat::Etc2Rgba, BlockFormat::EacRg11];
    let astc = [footprint(4, 4), footprint(6, 6), footprint(8, 8), Some(BlockFormat::Uastc(Channels::Rgba))];
    fixed.into_iter().chain(mobile).chain(astc.into_iter().flatten()).collect()
}

/// One way to encode all pictures, and how it fared.
struct Encoder<'a> {
    name: String,
    /// Gives the blocks of each picture.
    run: Box<dyn Fn() -> Result<Vec<Vec<u8>>> + Send + 'a>,
    /// CPU time of the quickest round.
    seconds: f64,
    spent: Duration,
    blocks: Vec<Vec<u8>>,
}

impl<'a> Encoder<'a> {
    fn new(name: impl Into<String>, run: impl Fn() -> Result<Vec<Vec<u8>>> + Send + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run), seconds: f64::MAX, spent: Duration::ZERO, blocks: Vec::new() }
    }
}

fn ours(pictures: &[Surface], format: BlockFormat) -> Vec<Encoder<'_>> {
    let of = |(name, effort): (&str, Effort)| {
        Encoder::new(format!("SLATE {name}"), move || {
            Ok(pictures.iter().map(|picture| encode(picture, format, effort, &|| Ok(()))).collect::<Result<_, _>>()?)
        })
    };
    let has_instant = matches!(format, BlockFormat::Bc1 | BlockFormat::Bc3 | BlockFormat::Bc7);
    EFFORTS.into_iter().filter(|(_, effort)| has_instant || *effort > Effort::INSTANT).map(of).collect()
}

fn pixels(picture: &Surface) -> usize {
    picture.width as usize * picture.height as usize
}

/// Lets the encoders take turns: A B C, A B C.
fn measure(encoders: &mut [Encoder<'_>]) -> Result<()> {
    for round in 0..=ROUNDS {
        for encoder in encoders.iter_mut().filter(|encoder| encoder.spent < ENOUGH) {
            let (began, mut watch) = (Instant::now(), Watch::new());
            encoder.blocks = watch.time(1, || (encoder.run)())?;
            encoder.spent += began.elapsed();
            // The first round is the only one of those that take very long.
            if round > 0 || encoder.spent > ENOUGH {
                encoder.seconds = encoder.seconds.min(watch.sample().cpu.as_secs_f64());
            }
        }
    }
    Ok(())
}

/// The mean decibels of all pictures, plain and weighted by alpha.
fn quality(pictures: &[Surface], blocks: &[Vec<u8>], format: BlockFormat) -> Result<(f64, f64)> {
    let (mut plain, mut seen) = (0.0, 0.0);
    for (picture, blocks) in pictures.iter().zip(blocks) {
        let found = decode(blocks, picture.width, picture.height, format, &|| Ok(()))?;
        plain += decibels(picture, &found, format, false);
        seen += decibels(picture, &found, format, true);
    }
    let count = pictures.len() as f64;
    Ok((plain / count, seen / count))
}

/// Of the channels that a format holds; with alpha, colours are weighted by it.
fn decibels(wanted: &Surface, found: &Surface, format: BlockFormat, by_alpha: bool) -> f64 {
    let wide = |surface: &Surface| -> Vec<u8> {
        match &surface.values {
            Values::Rg16(values) => {
                values.chunks_exact(2).flat_map(|pair| [(pair[0] >> 8) as u8, (pair[1] >> 8) as u8, 0, 255]).collect()
            }
            Values::Rgba8(values) => values.clone(),
            _ => Vec::new(),
        }
    };
    let channels = usize::from(format.channels());
    let (mut squares, mut count) = (0.0, 0.0);
    for (a, b) in wide(wanted).chunks_exact(4).zip(wide(found).chunks_exact(4)) {
        let square = |at: usize| (f64::from(a[at]) - f64::from(b[at])).powi(2);
        let share = if by_alpha { f64::from(a[3]) / 255.0 } else { 1.0 };
        (0..channels.min(3)).for_each(|at| squares += square(at) * share);
        count += share * channels.min(3) as f64;
        if by_alpha && channels == 4 {
            squares += square(3);
            count += 1.0;
        }
    }
    if squares <= 0.0 { 99.0 } else { 10.0 * (65_025.0 * count / squares).log10() }
}
