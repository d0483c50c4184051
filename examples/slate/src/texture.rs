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
use slate_assets::texture::{Comparison, Nearness, Sheet, TextureProcessor};
use slate_core::{
    Error, Result,
    asset::{
        AlphaMode, AssetInput, AssetLimits, AssetOptions, Compression, Processor, Resize, Sizing, Supercompression,
        TextureFormat, TextureKind, TextureOptions, TexturePreset,
    },
    blob::write_file,
};
use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

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
    /// bc1, bc3, bc4, bc5, bc6h, bc7, etc2, eac-r11, eac-rg11, astc, astc-6x6 and so on, or none.
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
    let jobs = Job::all_of(&wanted.input, &wanted.output, is_file, asked)?;
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
    set::<Sizing>(&mut options.sizing, wanted.sizing.as_ref(), "--sizing")?;
    let extension = wanted.output.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if let Some(format) = &wanted.format {
        options.format = format.parse()?;
    } else if let Ok(format) = TextureFormat::from_str(&extension.to_ascii_lowercase()) {
        options.format = format;
    }
    options.quality = wanted.quality.unwrap_or(options.quality);
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
