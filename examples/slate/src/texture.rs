use crate::{
    output::{Output, bytes},
    serve::interrupted,
};
use clap::Args;
use serde::Serialize;
use slate_assets::texture::{Comparison, Nearness, Sheet, TextureProcessor};
use slate_core::{
    Cancel, Error, Result,
    asset::{
        AlphaMode, AssetInput, AssetKind, AssetLimits, Compression, MemoryOutput, Processor, Progress, Report, Resize,
        Sizing, Supercompression, TextureFormat, TextureKind, TextureOptions, TexturePreset, Work,
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

/// What became of one texture.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    file: PathBuf,
    bytes: u64,
    #[serde(flatten)]
    nearness: Nearness,
    report: Report,
}

/// Compresses one texture or a folder of them.
pub(crate) async fn run(output: &Output, wanted: Wanted) -> Result<bool> {
    let options = options(&wanted)?;
    TextureProcessor.check(&options)?;
    let jobs = jobs(&wanted, options.format)?;
    let cancel = Cancel::new();
    let (mut sheet, mut documents, mut failed) = (Sheet::default(), BTreeMap::new(), 0);
    for (source, target) in jobs {
        let name = source.display().to_string();
        let work = {
            let (options, cancel) = (options.clone(), cancel.clone());
            move || make(&source, &target, &options, &cancel)
        };
        let mut work = tokio::task::spawn_blocking(work);
        let made = loop {
            tokio::select! {
                made = &mut work => break made.map_err(|error| Error::internal("the work ended").because(error))?,
                signal = interrupted(), if !cancel.is_canceled() => {
                    signal?;
                    cancel.cancel();
                }
            }
        };
        cancel.check()?;
        match made {
            Ok((made, comparison)) => {
                let Nearness { psnr, ssim, .. } = made.nearness;
                let file = made.file.display();
                output.line(format!("{name} -> {file}  {}  {psnr:.2} dB  SSIM {ssim:.4}", bytes(made.bytes)));
                sheet.add(&comparison);
                documents.insert(name, serde_json::json!(made));
            }
            Err(error) => {
                failed += 1;
                output.line(format!("{name}: FAILED: {error}"));
                let document = serde_json::json!({ "error": error.to_string(), "kind": error.kind().as_str() });
                documents.insert(name, document);
            }
        }
    }
    if let Some(path) = &wanted.sheet
        && failed < documents.len()
    {
        save(path, &sheet.png()?)?;
    }
    output.document(&documents)?;
    Ok(failed == 0)
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

/// Each source with the file to write.
fn jobs(wanted: &Wanted, format: TextureFormat) -> Result<Vec<(PathBuf, PathBuf)>> {
    if !wanted.input.is_dir() {
        let is_file = wanted.output.extension().is_some() && !wanted.output.is_dir();
        let name = wanted.input.with_extension(format.as_str());
        let target =
            if is_file { wanted.output.clone() } else { wanted.output.join(name.file_name().unwrap_or_default()) };
        return Ok(vec![(wanted.input.clone(), target)]);
    }
    let (mut jobs, mut folders) = (Vec::new(), vec![wanted.input.clone()]);
    while let Some(folder) = folders.pop() {
        let failed = |error| Error::io("read the textures", error).with("path", folder.display());
        for entry in fs::read_dir(&folder).map_err(failed)?.flatten() {
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && AssetKind::of_path(&path.to_string_lossy()) == AssetKind::Texture {
                let below = path.strip_prefix(&wanted.input).unwrap_or(&path).with_extension(format.as_str());
                jobs.push((path.clone(), wanted.output.join(below)));
            }
        }
    }
    jobs.sort();
    if jobs.is_empty() {
        return Err(Error::not_found("there are no textures below this folder").with("path", wanted.input.display()));
    }
    Ok(jobs)
}

fn make(source: &Path, target: &Path, options: &TextureOptions, cancel: &Cancel) -> Result<(Made, Comparison)> {
    let (limits, progress) = (AssetLimits::default(), Progress::ignored());
    let input = AssetInput::from_file(source)?;
    let mut output = MemoryOutput::new(limits.output_bytes);
    let mut work = Work { input: &input, output: &mut output, limits: &limits, cancel, progress: &progress };
    let report = TextureProcessor.process(&mut work, options)?;
    let (name, result) = output.take().into_iter().next().ok_or_else(|| Error::internal("nothing was written"))?;
    save(target, &result)?;
    let made = AssetInput::from_bytes(name, result.clone());
    let comparison = Comparison::of(&input, &made, options, &limits)?;
    let nearness = comparison.nearness();
    Ok((Made { file: target.to_owned(), bytes: result.len() as u64, nearness, report }, comparison))
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error| Error::io("write the texture", error).with("path", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}
