//! Blocks that are chosen for what compresses the file later.
#![allow(clippy::unwrap_used, clippy::field_reassign_with_default, reason = "a test fails by panicking")]

mod support;

use slate_assets::texture::{
    TextureProcessor,
    block::{BlockFormat, Effort, Footprint, Surface, Values, decode, economize, encode},
};
use slate_core::{
    ErrorKind,
    asset::{AssetInput, AssetLimits, Compression, Supercompression, TextureOptions},
};

fn surface(name: &str) -> Surface {
    let path = format!("{}/../examples/projects/lantern/assets/textures/{name}.png", env!("CARGO_MANIFEST_DIR"));
    let image = image::open(path).unwrap().into_rgba8();
    Surface::new(image.width(), image.height(), Values::Rgba8(image.into_raw())).unwrap()
}

fn astc(width: u8, height: u8) -> BlockFormat {
    BlockFormat::Astc(Footprint::new(width, height).unwrap())
}

/// Bytes once compressed, and the sum of squared errors of all four channels.
fn measured(surface: &Surface, blocks: &[u8], format: BlockFormat) -> (usize, f64) {
    let size = rusty_zstd::compress(blocks, 9).unwrap().len();
    let found = decode(blocks, surface.width, surface.height, format, &|| Ok(())).unwrap();
    let (Values::Rgba8(a), Values::Rgba8(b)) = (&surface.values, &found.values) else { unreachable!() };
    (size, a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum())
}

#[test]
fn more_lambda_makes_smaller_files_that_stay_near() {
    for name in ["cobbles", "planks"] {
        let surface = surface(name);
        let formats = [
            (BlockFormat::Bc1, 0.85),
            (BlockFormat::Bc3, 0.85),
            (BlockFormat::Bc7, 0.5),
            (astc(4, 4), 0.6),
            (astc(6, 6), 0.85),
            (astc(10, 8), 0.95),
        ];
        for (format, least) in formats {
            let plain = encode(&surface, format, Effort::NORMAL, &|| Ok(())).unwrap();
            let (whole, before) = measured(&surface, &plain, format);
            let mut last = whole;
            for lambda in [1.0f32, 4.0, 16.0] {
                let mut blocks = plain.clone();
                economize(&mut blocks, &surface, format, lambda, &|| Ok(())).unwrap();
                let (size, squares) = measured(&surface, &blocks, format);
                assert!(size < last, "{name} {format} {lambda}: {size} after {last}");
                // No more is given up than lambda for each bit of all blocks.
                let bound = f64::from(lambda) * 8.0 * plain.len() as f64;
                assert!(squares <= before + bound, "{name} {format} {lambda}: {squares} after {before}");
                last = size;
            }
            assert!((last as f64) < least * whole as f64, "{name} {format}: {last} of {whole}");
        }
    }
}

#[test]
fn the_same_bytes_on_one_thread_and_on_many_and_other_formats_stay() {
    let surface = surface("cobbles");
    let formats =
        [BlockFormat::Bc1, BlockFormat::Bc1Alpha, BlockFormat::Bc7, BlockFormat::Etc2Rgb, astc(4, 4), astc(5, 5)];
    for format in formats {
        let plain = encode(&surface, format, Effort::FASTEST, &|| Ok(())).unwrap();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut blocks = plain.clone();
            pool.install(|| economize(&mut blocks, &surface, format, 5.0, &|| Ok(()))).unwrap();
            blocks
        };
        let (one, many) = (with(1), with(4));
        assert!(one == many, "{format}");
        assert_eq!(one == plain, format == BlockFormat::Etc2Rgb, "{format}");
    }
    let short = economize(&mut [0; 16], &surface, BlockFormat::Bc7, 1.0, &|| Ok(())).unwrap_err();
    assert_eq!(short.kind(), ErrorKind::Invalid);
}

#[test]
fn the_option_makes_the_file_smaller() {
    let path = format!("{}/../examples/projects/lantern/assets/textures/cobbles.png", env!("CARGO_MANIFEST_DIR"));
    let input = AssetInput::from_file(path).unwrap();
    let size = |compression: Compression, lambda: f32| {
        let mut options = TextureOptions::default();
        (options.compression, options.quality, options.supercompression) = (compression, 20, Supercompression::Zstd);
        options.rate_distortion = lambda;
        let (_, files) = support::run(&TextureProcessor, &input, &options, &AssetLimits::default()).unwrap();
        let file = &files["cobbles.ktx2"];
        assert_eq!(slate_assets::texture::ktx2::check(file), Vec::<String>::new());
        file.len()
    };
    for (compression, lambda) in [(Compression::Bc7, 8.0), (Compression::Astc6x6, 32.0)] {
        let (plain, less) = (size(compression, 0.0), size(compression, lambda));
        assert!(less * 10 < plain * 9, "{compression}: {less} of {plain}");
    }
}
