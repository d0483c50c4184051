//! A folder of PNGs to a folder of KTX2: read, decoded, mip chains, BC7, written, on two threads, beside crate `ctt`.

use rayon::prelude::*;
use slate_assets::texture::{Comparison, TextureProcessor};
use slate_benches::{Result, Watch};
use slate_core::{
    Cancel,
    asset::{
        AssetInput, AssetLimits, Compression, MemoryOutput, Processor, Progress, TextureKind, TextureOptions, Work,
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const THREADS: usize = 2;

/// Rounds in which all contenders take turns, there and back, after one that isn't counted.
const ROUNDS: usize = 4;

/// A way to make the bytes of a KTX2 file of those of a PNG.
type Make = Box<dyn Fn(&Path) -> Result<Vec<u8>> + Send + Sync>;

struct Contender {
    name: String,
    make: Make,
    /// Of the quickest rounds.
    wall: Duration,
    cpu: Duration,
}

impl Contender {
    fn new(name: impl Into<String>, make: impl Fn(&Path) -> Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self { name: name.into(), make: Box::new(make), wall: Duration::MAX, cpu: Duration::MAX }
    }
}

/// Makes KTX2 files of the PNGs in a folder by every contender, and prints how quick each was and what it kept.
pub(super) fn run(folder: &Path) -> Result<()> {
    let mut sources: Vec<PathBuf> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "png"));
    sources.sort();
    let pixels: u64 = sources.iter().map(image::image_dimensions).try_fold(0, |sum, size| {
        let (width, height) = size?;
        Ok::<_, image::ImageError>(sum + u64::from(width) * u64::from(height))
    })?;
    let (out, pool) = (tempfile::tempdir()?, rayon::ThreadPoolBuilder::new().num_threads(THREADS).build()?);
    let mut contenders: Vec<Contender> = ours();
    #[cfg(feature = "peers")]
    contenders.extend(peers());
    for round in 0..=ROUNDS {
        for contender in &mut contenders {
            let mut watch = Watch::new();
            let one =
                |path: &PathBuf| -> Result<()> { Ok(fs::write(target(out.path(), path), (contender.make)(path)?)?) };
            let all = || sources.par_iter().try_for_each(one);
            watch.time(1, || pool.install(all))?;
            let sample = watch.sample();
            if round > 0 {
                (contender.wall, contender.cpu) = (contender.wall.min(sample.wall), contender.cpu.min(sample.cpu));
            }
        }
        contenders.reverse();
    }
    if ROUNDS.is_multiple_of(2) {
        contenders.reverse();
    }
    println!("{} pictures, {:.2} Mpixel", sources.len(), pixels as f64 / 1e6);
    println!("| contender | Mpixel/s | Mpixel a second of CPU | PSNR RGB | PSNR RGB by alpha |");
    println!("|---|---:|---:|---:|---:|");
    for contender in &contenders {
        let (mut plain, mut seen) = (0.0, 0.0);
        for path in &sources {
            let (source, made) = (AssetInput::from_file(path)?, (contender.make)(path)?);
            let made = AssetInput::from_bytes("made.ktx2", made);
            let near = Comparison::of(&source, &made, &options(90), &AssetLimits::default())?.nearness();
            (plain, seen) = (plain + near.psnr, seen + near.psnr_by_alpha);
        }
        let (rate, count) = (|time: Duration| pixels as f64 / 1e6 / time.as_secs_f64(), sources.len() as f64);
        let (wall, cpu) = (rate(contender.wall), rate(contender.cpu));
        println!("| {} | {wall:.2} | {cpu:.2} | {:.2} | {:.2} |", contender.name, plain / count, seen / count);
    }
    Ok(())
}

fn target(folder: &Path, source: &Path) -> PathBuf {
    folder.join(source.file_name().unwrap_or_default()).with_extension("ktx2")
}

fn options(quality: u8) -> TextureOptions {
    let mut options = TextureOptions::default();
    (options.compression, options.kind, options.quality) = (Compression::Bc7, TextureKind::Color, quality);
    options
}

fn ours() -> Vec<Contender> {
    let of =
        |quality: u8| Contender::new(format!("SLATE, quality {quality}"), move |path| slate(path, &options(quality)));
    let mut plain = options(90);
    plain.compression = Compression::None;
    let without = Contender::new("SLATE, without blocks: decoded, mip chain, written", move |path| slate(path, &plain));
    [5, 10, 35, 65, 85, 97].map(of).into_iter().chain([without]).collect()
}

fn slate(path: &Path, options: &TextureOptions) -> Result<Vec<u8>> {
    let input = AssetInput::from_file(path)?;
    let (limits, cancel, progress) = (AssetLimits::default(), Cancel::new(), Progress::ignored());
    let mut output = MemoryOutput::new(limits.output_bytes);
    let mut work = Work { input: &input, output: &mut output, limits: &limits, cancel: &cancel, progress: &progress };
    TextureProcessor.process(&mut work, options)?;
    Ok(output.take().into_values().next().ok_or("the processor wrote nothing")?.into())
}

/// `ctt` with both of its encoders of BC7 at each of its qualities, and as it is when nothing is asked for; decoded by `image`, as its
/// own command line does.
#[cfg(feature = "peers")]
fn peers() -> Vec<Contender> {
    use ctt::{Quality, encoders::Encoder};
    let plain = || ctt::encoders::bc7enc::Bc7encSettings { perceptual: false, ..Default::default() };
    let bc7e = |(name, quality): (&str, Quality)| {
        Contender::new(format!("ctt, bc7e {name}"), move |path| with_ctt(path, quality, Encoder::Bc7enc(plain())))
    };
    let bc7f = |(name, quality): (&str, Quality)| {
        Contender::new(format!("ctt, bc7f {name}"), move |path| {
            with_ctt(path, quality, Encoder::Bc7f(ctt::encoders::bc7f::Bc7fSettings::default()))
        })
    };
    let all = [
        ("ultra-fast", Quality::UltraFast),
        ("very-fast", Quality::VeryFast),
        ("fast", Quality::Fast),
        ("basic", Quality::Basic),
        ("slow", Quality::Slow),
        ("very-slow", Quality::VerySlow),
    ];
    let usual = Contender::new("ctt, as it comes", |path| with_ctt(path, Quality::default(), Encoder::Auto));
    all.into_iter().map(bc7e).chain(all.into_iter().map(bc7f)).chain([usual]).collect()
}

#[cfg(feature = "peers")]
fn with_ctt(path: &Path, quality: ctt::Quality, encoder: ctt::encoders::Encoder) -> Result<Vec<u8>> {
    use ctt::{AlphaMode, ColorSpace, ConvertSettings, Format, FormatDesc, ImageRef, SurfaceRef, TextureKind};
    let picture = image::open(path)?;
    let alpha = if picture.color().has_alpha() { AlphaMode::Straight } else { AlphaMode::Opaque };
    let picture = picture.into_rgba8();
    let (width, height) = picture.dimensions();
    let surface = SurfaceRef { data: &picture, width, height, depth: 1, stride: width * 4, slice_stride: 0 };
    let desc = FormatDesc { format: Format::R8G8B8A8_SRGB, color_space: ColorSpace::Srgb, alpha };
    let image = ImageRef { surfaces: vec![vec![surface]], kind: TextureKind::Texture2D, desc };
    let format = Some(ctt::TargetFormat::Compressed { format: Format::BC7_SRGB_BLOCK, encoder });
    match ctt::convert(image, ConvertSettings { format, quality, mipmap: true, ..Default::default() })? {
        ctt::PipelineOutput::Encoded(bytes) => Ok(bytes),
        ctt::PipelineOutput::Raw(_) => Err("ctt gave no file".into()),
    }
}
