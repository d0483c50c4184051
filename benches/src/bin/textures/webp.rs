//! Lossy WebP beside libwebp's: bytes and CPU time by what is kept.

use bytes::Bytes;
use slate_assets::texture::{Comparison, TextureProcessor};
use slate_benches::{Result, Watch, assets, programs};
use slate_core::asset::{AssetInput, AssetLimits, TextureFormat, TextureKind, TextureOptions};
use std::{
    fs,
    path::{Path, PathBuf},
};

const QUALITIES: [u8; 5] = [50, 70, 80, 90, 95];

/// What an encoder made of all pictures.
#[derive(Default)]
struct Made {
    bytes: usize,
    seconds: f64,
    psnr: f64,
    ssim: f64,
}

/// Both read PNGs and write WebP: ours in this process, libwebp's as a program with its start.
pub(super) fn run(folder: &Path) -> Result<()> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "png"));
    paths.sort();
    let out = tempfile::tempdir()?;
    let out = out.path().join("out.webp");
    let mut encoders = vec!["SLATE"];
    encoders.extend(programs::is_here("cwebp").then_some(["cwebp -m 4", "cwebp -m 6"]).into_iter().flatten());
    println!("| quality | encoder | bits a pixel | PSNR RGB | SSIM | Mpixel/s |");
    println!("|---:|---|---:|---:|---:|---:|");
    for quality in QUALITIES {
        let mut made: Vec<Made> = encoders.iter().map(|_| Made::default()).collect();
        let mut pixels = 0.0;
        for path in &paths {
            let source = Bytes::from(fs::read(path)?);
            let (width, height) = image::image_dimensions(path)?;
            pixels += f64::from(width) * f64::from(height);
            for (encoder, made) in encoders.iter().zip(&mut made) {
                let result = match encoder.strip_prefix("cwebp -m ") {
                    Some(method) => {
                        let quality = quality.to_string();
                        let (from, to) = (path.to_string_lossy(), out.to_string_lossy());
                        let words = ["cwebp", "-quiet", "-m", method, "-q", &quality, &from, "-o", &to];
                        made.seconds += programs::program(&words, 1)?.cpu.as_secs_f64();
                        Bytes::from(fs::read(&out)?)
                    }
                    None => {
                        let mut watch = Watch::new();
                        let result = watch
                            .time(1, || assets::process(&TextureProcessor, "a.png", source.clone(), &options(quality)))?
                            .0;
                        made.seconds += watch.sample().cpu.as_secs_f64();
                        result
                    }
                };
                made.bytes += result.len();
                let [one, other] = [("a.png", &source), ("a.webp", &result)]
                    .map(|(name, bytes)| AssetInput::from_bytes(name, bytes.clone()));
                let nearness = Comparison::of(&one, &other, &options(quality), &AssetLimits::default())?.nearness();
                made.psnr += nearness.psnr / paths.len() as f64;
                made.ssim += nearness.ssim / paths.len() as f64;
            }
        }
        for (encoder, Made { bytes, seconds, psnr, ssim }) in encoders.iter().zip(made) {
            let (bits, rate) = (bytes as f64 * 8.0 / pixels, pixels / 1e6 / seconds);
            println!("| {quality} | {encoder} | {bits:.2} | {psnr:.2} | {ssim:.4} | {rate:.2} |");
        }
    }
    Ok(())
}

fn options(quality: u8) -> TextureOptions {
    let mut options = TextureOptions::default();
    (options.format, options.kind) = (TextureFormat::Webp, TextureKind::Color);
    (options.quality, options.generate_mipmaps) = (quality, false);
    options
}
