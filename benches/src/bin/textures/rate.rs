//! What blocks take once they are compressed, and what they keep, by lambda.

use super::{pixels, quality};
use slate_assets::texture::block::{BlockFormat, Effort, Footprint, economize, encode};
use slate_benches::{Result, Watch};

const LAMBDAS: [f32; 8] = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// The level of zstd that KTX2 files of quality 80 to 94 take.
const LEVEL: i32 = 9;

/// Of the formats whose names hold one of the words; of all where there are none.
pub(super) fn run(pictures: &[slate_assets::texture::block::Surface], words: &[String]) -> Result<()> {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    println!("| format | lambda | bits a pixel with zstd | PSNR RGB | Mpixel/s |");
    println!("|---|---:|---:|---:|---:|");
    let all: usize = pictures.iter().map(pixels).sum();
    let astc = [(4, 4), (6, 6), (8, 8)].map(|(width, height)| Footprint::new(width, height).map(BlockFormat::Astc));
    for format in [BlockFormat::Bc7, BlockFormat::Bc1, BlockFormat::Bc3].into_iter().chain(astc.into_iter().flatten()) {
        let name = format.to_string().to_lowercase();
        if !words.is_empty() && !words.iter().any(|word| name.contains(&word.to_lowercase())) {
            continue;
        }
        for lambda in LAMBDAS {
            let (mut watch, mut blocks, mut size) = (Watch::new(), Vec::new(), 0);
            for picture in pictures {
                let mut encoded = one.install(|| encode(picture, format, Effort::NORMAL, &|| Ok(())))?;
                watch.time(1, || one.install(|| economize(&mut encoded, picture, format, lambda, &|| Ok(()))))?;
                size += rusty_zstd::compress(&encoded, LEVEL).map_err(|error| format!("{error:?}"))?.len();
                blocks.push(encoded);
            }
            let (plain, _) = quality(pictures, &blocks, format)?;
            let (bits, rate) = (size as f64 * 8.0 / all as f64, all as f64 / 1e6 / watch.sample().cpu.as_secs_f64());
            println!("| {format} | {lambda} | {bits:.2} | {plain:.2} | {rate:.2} |");
        }
    }
    Ok(())
}
