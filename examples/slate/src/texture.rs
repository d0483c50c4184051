//! `slate texture IN OUT`: textures compressed, and how near they come to their sources.

use crate::{
    config::Config,
    convert::{self, Job, Made},
    output::{Output, bytes},
    pieces::Opened,
    serve::interrupted,
};
use clap::Args;
use futures_util::{StreamExt, stream};
use slate_assets::texture::{Channel, Comparison, Nearness, Packing, Plane, Sheet, TextureProcessor};
use slate_core::{
    Cancel, Error, Result,
    asset::{
        AlphaMode, AssetInput, AssetLimits, AssetOptions, Compression, MipFilter, Processor, Resize, Sizing,
        Supercompression, TextureFormat, TextureKind, TextureOptions, TexturePreset,
    },
    blob::write_file,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
};

#[derive(Args)]
pub(crate) struct Wanted {
    /// An image or a texture, or a folder with all of them below it.
    input: PathBuf,
    /// The texture to write, whose extension is its format; or a folder.
    output: PathBuf,
    /// What to begin from: desktop, mobile, web or pixel-art.
    #[arg(long)]
    preset: Option<String>,
    /// The format in a folder: ktx2, dds, png, jpg or webp [default: ktx2, or the preset's].
    #[arg(long)]
    format: Option<String>,
    /// bc1, bc3, bc4, bc5, bc6h, bc7, etc2, eac-r11, eac-rg11, uastc, astc, astc-6x6 and so on, or none.
    #[arg(long)]
    compression: Option<String>,
    /// How levels of KTX2 are compressed once more: none or zstd.
    #[arg(long)]
    supercompression: Option<String>,
    /// What the values mean: auto, color, normal, mask or hdr.
    #[arg(long)]
    kind: Option<String>,
    /// What alpha is: straight, premultiplied or cutout.
    #[arg(long)]
    alpha: Option<String>,
    /// Effort, 0 to 100.
    #[arg(long)]
    quality: Option<u8>,
    /// Writes the whole mip chain.
    #[arg(long, conflicts_with = "no_mipmaps")]
    mipmaps: bool,
    /// Writes the largest level only.
    #[arg(long)]
    no_mipmaps: bool,
    /// What levels are filtered by: box, triangle, kaiser or lanczos.
    #[arg(long)]
    mip_filter: Option<String>,
    /// How much nearness blocks give up for files that zstd makes smaller, 0 to 100: for bc1, bc3, bc7 and astc.
    #[arg(long, value_name = "LAMBDA")]
    rate_distortion: Option<f32>,
    /// Cuts the source into this many slices of a volume, from top to bottom.
    #[arg(long)]
    slices: Option<u32>,
    /// Channels to take from other images, for example g=rough.png,b=metal.png:r,a=-smooth.png:a; with a minus inverted. IN
    /// gives the others.
    #[arg(long, value_name = "CHANNEL=FILE[:CHANNEL],…")]
    pack: Option<String>,
    /// Resamples to this size, for example 1024x512.
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    resize: Option<String>,
    /// Brings sides to power-of-two or multiple-of-four.
    #[arg(long)]
    sizing: Option<String>,
    /// Draws sources, results and their differences side by side.
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
}

/// Compresses one texture or a folder of them.
pub(crate) async fn run(config: &Config, output: &Output, wanted: Wanted) -> Result<bool> {
    let options = options(&wanted)?;
    TextureProcessor.check(&options)?;
    let asked = AssetOptions::Texture(options.clone());
    let is_file = wanted.output.extension().is_some() && !wanted.output.is_dir();
    // Lives as long as its files are read.
    let packed = wanted.pack.as_deref().map(|planes| pack(&wanted.input, planes)).transpose()?;
    let input = packed.as_ref().map_or(&wanted.input, |(_, input)| input);
    let jobs = Job::all_of(input, &wanted.output, is_file, asked)?;
    let opened = Opened::open(config).await?;
    let done = convert::run(&*opened.pieces.assets, output, "textures", jobs).await?;
    let (mut sheet, mut documents, mut failed) = (Sheet::default(), BTreeMap::new(), 0);
    for (name, made) in done {
        let compared = match made {
            Ok(made) => compare(&name, &made, &options).await.map(|comparison| (made, comparison)),
            Err(error) => Err(error),
        };
        let told = match compared {
            Ok((made, comparison)) => {
                sheet.add(&comparison);
                tell(output, &name, &made, &comparison.nearness())
            }
            Err(error) => {
                failed += 1;
                convert::tell_failure(output, &name, &error)
            }
        };
        documents.insert(name, told);
    }
    if let Some(path) = &wanted.sheet
        && failed < documents.len()
    {
        let picture = sheet.png()?.into();
        write_file(path, stream::iter([Ok(picture)]).boxed()).await?;
    }
    output.document(&documents)?;
    opened.close().await;
    Ok(failed == 0)
}

/// Packs channels of other images into those of `input`; the result is in a folder that goes with what is returned.
fn pack(input: &Path, planes: &str) -> Result<(tempfile::TempDir, PathBuf)> {
    let mut packing = Packing::default();
    for channel in ["r", "g", "b"] {
        packing = packing.with(channel.parse()?, plane(input, channel, false)?);
    }
    for text in planes.split(',') {
        let (to, from) = text.split_once('=').ok_or_else(|| {
            Error::invalid("--pack takes channels and files: g=rough.png,b=metal.png:r").with("pack", text)
        })?;
        let (from, invert) = from.strip_prefix('-').map_or((from, false), |from| (from, true));
        // A path may have a colon of its own.
        let (path, channel) = match from.rsplit_once(':') {
            Some((path, channel)) if Channel::from_str(channel).is_ok() => (path, channel),
            _ => (from, to),
        };
        packing = packing.with(to.parse()?, plane(Path::new(path), channel, invert)?);
    }
    let stem = AssetInput::from_file(input)?.stem();
    let packed = packing.pack(&stem, &AssetLimits::default(), &Cancel::new())?;
    let failed = |error| Error::io("keep the packed image", error);
    let folder = tempfile::tempdir().map_err(failed)?;
    let path = folder.path().join(packed.name());
    std::fs::write(&path, packed.bytes(&AssetLimits::default())?).map_err(failed)?;
    Ok((folder, path))
}

fn plane(path: &Path, channel: &str, invert: bool) -> Result<Plane> {
    Ok(Plane { input: AssetInput::from_file(path)?, channel: channel.parse()?, invert })
}

/// Reads the result again and holds it against its source.
async fn compare(source: &str, made: &Made, options: &TextureOptions) -> Result<Comparison> {
    let file = made.files.first().ok_or_else(|| Error::internal("nothing was written"))?;
    let (source, result, options) = (PathBuf::from(source), file.clone(), options.clone());
    let work = move || {
        let (source, result) = (AssetInput::from_file(&source)?, AssetInput::from_file(&result)?);
        Comparison::of(&source, &result, &options, &AssetLimits::default())
    };
    tokio::select! {
        compared = tokio::task::spawn_blocking(work) => {
            compared.map_err(|error| Error::internal("the comparison ended").because(error))?
        }
        signal = interrupted() => {
            signal?;
            Err(Error::canceled("interrupted"))
        }
    }
}

fn tell(output: &Output, name: &str, made: &Made, nearness: &Nearness) -> serde_json::Value {
    let (file, size) = (made.files.first(), made.output.output_bytes());
    let shown = file.map(|file| file.display().to_string()).unwrap_or_default();
    let Nearness { psnr, ssim, .. } = nearness;
    output.line(format!("{name} -> {shown}  {}  {psnr:.2} dB  SSIM {ssim:.4}", bytes(size)));
    let mut told = serde_json::json!(nearness);
    told["file"] = serde_json::json!(file);
    told["bytes"] = size.into();
    told["report"] = serde_json::json!(made.output.report);
    told
}

fn options(wanted: &Wanted) -> Result<TextureOptions> {
    fn set<T: FromStr<Err = Error>>(value: &mut T, text: Option<&String>, flag: &'static str) -> Result<()> {
        if let Some(text) = text {
            *value = text.parse().map_err(|error: Error| error.with("option", flag))?;
        }
        Ok(())
    }
    let mut kind = TextureKind::Auto;
    set(&mut kind, wanted.kind.as_ref(), "--kind")?;
    let mut options = match &wanted.preset {
        Some(preset) => TextureOptions::preset(TexturePreset::from_str(preset)?, kind),
        None => TextureOptions::default(),
    };
    options.kind = kind;
    set::<Compression>(&mut options.compression, wanted.compression.as_ref(), "--compression")?;
    set::<Supercompression>(&mut options.supercompression, wanted.supercompression.as_ref(), "--supercompression")?;
    set::<AlphaMode>(&mut options.alpha, wanted.alpha.as_ref(), "--alpha")?;
    set::<MipFilter>(&mut options.mip_filter, wanted.mip_filter.as_ref(), "--mip-filter")?;
    set::<Sizing>(&mut options.sizing, wanted.sizing.as_ref(), "--sizing")?;
    let extension = wanted.output.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if let Some(format) = &wanted.format {
        options.format = format.parse()?;
    } else if let Ok(format) = TextureFormat::from_str(&extension.to_ascii_lowercase()) {
        options.format = format;
    }
    options.quality = wanted.quality.unwrap_or(options.quality);
    options.rate_distortion = wanted.rate_distortion.unwrap_or(options.rate_distortion);
    options.slices = wanted.slices;
    let chains = matches!(options.format, TextureFormat::Ktx2 | TextureFormat::Dds);
    options.generate_mipmaps = wanted.mipmaps || (options.generate_mipmaps && chains && !wanted.no_mipmaps);
    if let Some(text) = &wanted.resize {
        let size = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
        let (width, height) =
            size.ok_or_else(|| Error::invalid("--resize takes a width and a height: 1024x512").with("resize", text))?;
        options.resize = Some(Resize { width, height });
    }
    Ok(options)
}
