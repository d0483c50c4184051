//! The mip chain of a large texture: how quick, and how near to the mean of the light that it shows.

use bytes::Bytes;
use image::{ImageFormat, RgbImage, imageops};
use slate_assets::texture::TextureProcessor;
use slate_benches::{Contest, Result, Sample, Watch, assets, inputs};
use slate_core::asset::TextureOptions;
use std::{io::Cursor, sync::LazyLock};

const SIDE: u32 = 2048;
/// Megapixels of level 0, times 1000 so that the units are whole.
const KILOPIXELS: usize = (SIDE as usize * SIDE as usize) / 1000;

pub(super) fn run() -> Result<()> {
    let image = texture()?;
    let mut tga = Cursor::new(Vec::new());
    image.write_to(&mut tga, ImageFormat::Tga)?;
    let tga = Bytes::from(tga.into_inner());
    let (image, tga) = (&image, &tga);
    let light = mean_light(image);
    let quality = |level: &[u8]| format!("{:.1} dB", psnr(level, &light));
    let ideal: Vec<u8> = light.iter().map(|&light| to_srgb(light)).collect();
    let threads = |count| rayon::ThreadPoolBuilder::new().num_threads(count).build();
    let (one, two) = (threads(1)?, threads(2)?);
    let slate = |mipmaps: bool| {
        let mut options = TextureOptions::default();
        options.generate_mipmaps = mipmaps;
        assets::process(&TextureProcessor, "large.tga", tga.clone(), &options).map(|(made, _)| made)
    };
    let ours = second_level(&slate(true)?)?;
    // What isn't the chain: reading the Targa and writing the container, alike for all.
    Contest::new(format!("Mip chain of {SIDE}² RGB, Targa in, bytes out; level 1's PSNR in linear light"), "kilopixel")
        .noted("image: thumbnail, in gamma space (peer)", quality(&half(image)), || chain(tga, half))
        .noted("image: resize, triangle, in gamma space", quality(&triangle(image)), || chain(tga, triangle))
        .noted("plain loop: box in linear light, f32, powf", quality(&plain(image)), || chain(tga, plain))
        .noted("SLATE, 1 thread", quality(&ours), || timed(|| one.install(|| slate(true))))
        .noted("SLATE, 2 threads", quality(&ours), || timed(|| two.install(|| slate(true))))
        .noted("SLATE, 1 thread, no chain: Targa → KTX2 only", "", || timed(|| one.install(|| slate(false))))
        .noted("read the Targa only", format!("best in 8 bits: {}", quality(&ideal)), || {
            timed(|| Ok(read(tga)?.into_raw()))
        })
        .run()
}

/// Lantern's cobbles, side by side, with a little noise so that no tile is like another.
fn texture() -> Result<RgbImage> {
    let tile = image::open(inputs::lantern("textures")?.join("cobbles.png"))?.into_rgb8();
    let mut numbers = inputs::Numbers::new(1);
    Ok(RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let mut pixel = *tile.get_pixel(x % tile.width(), y % tile.height());
        pixel.0.iter_mut().for_each(|value| *value = value.saturating_add((numbers.share() * 8.0) as u8));
        pixel
    }))
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<Sample> {
    let mut watch = Watch::new();
    watch.time(KILOPIXELS, work)?;
    Ok(watch.sample())
}

fn read(tga: &[u8]) -> Result<RgbImage> {
    Ok(image::load_from_memory_with_format(tga, ImageFormat::Tga)?.into_rgb8())
}

fn chain(tga: &[u8], next: impl Fn(&RgbImage) -> RgbImage) -> Result<Sample> {
    timed(|| {
        let mut level = read(tga)?;
        let mut out = level.as_raw().clone();
        while level.width() > 1 {
            level = next(&level);
            out.extend_from_slice(&level);
        }
        Ok(out)
    })
}

fn half(image: &RgbImage) -> RgbImage {
    imageops::thumbnail(image, image.width() / 2, image.height() / 2)
}

fn triangle(image: &RgbImage) -> RgbImage {
    imageops::resize(image, image.width() / 2, image.height() / 2, imageops::FilterType::Triangle)
}

fn plain(image: &RgbImage) -> RgbImage {
    static LINEAR: LazyLock<[f32; 256]> =
        LazyLock::new(|| std::array::from_fn(|code| to_linear(code as f64 / 255.0) as f32));
    let linear = &*LINEAR;
    RgbImage::from_fn(image.width() / 2, image.height() / 2, |x, y| {
        let of = |dx, dy| image.get_pixel(x * 2 + dx, y * 2 + dy).0.map(|value| linear[usize::from(value)]);
        let (a, b, c, d) = (of(0, 0), of(1, 0), of(0, 1), of(1, 1));
        image::Rgb(std::array::from_fn(|at| {
            let mean = (a[at] + b[at] + c[at] + d[at]) * 0.25;
            let code = if mean <= 0.003_130_8 { mean * 12.92 } else { 1.055 * mean.powf(1.0 / 2.4) - 0.055 };
            (code * 255.0 + 0.5) as u8
        }))
    })
}

fn second_level(ktx2: &[u8]) -> Result<Vec<u8>> {
    let reader = ktx2::Reader::new(ktx2).map_err(|error| format!("no KTX2: {error}"))?;
    let level = reader.levels().nth(1).ok_or("no second level")?.data;
    let pixels = SIDE as usize / 2 * (SIDE as usize / 2);
    match level.len() / pixels {
        3 => Ok(level.to_vec()),
        4 => Ok(level.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()),
        bytes => Err(format!("{bytes} bytes a pixel").into()),
    }
}

/// The reference: the mean of the light of each two by two pixels, in double precision.
fn mean_light(image: &RgbImage) -> Vec<f64> {
    let light = |x, y, channel: usize| to_linear(f64::from(image.get_pixel(x, y).0[channel]) / 255.0);
    let mut out = Vec::with_capacity(KILOPIXELS * 750);
    for y in (0..image.height()).step_by(2) {
        for x in (0..image.width()).step_by(2) {
            for channel in 0..3 {
                let sum = light(x, y, channel)
                    + light(x + 1, y, channel)
                    + light(x, y + 1, channel)
                    + light(x + 1, y + 1, channel);
                out.push(sum / 4.0);
            }
        }
    }
    out
}

fn psnr(level: &[u8], light: &[f64]) -> f64 {
    assert_eq!(level.len(), light.len());
    let squares: f64 =
        level.iter().zip(light).map(|(&value, light)| (to_linear(f64::from(value) / 255.0) - light).powi(2)).sum();
    10.0 * (light.len() as f64 / squares).log10()
}

fn to_linear(value: f64) -> f64 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn to_srgb(light: f64) -> u8 {
    let value = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (value * 255.0).round() as u8
}
