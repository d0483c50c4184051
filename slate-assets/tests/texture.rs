//! Textures: exact values where nothing is filtered, an f64 reference where something is, and files to the letter.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use half::f16;
use image::ExtendedColorType::{L8, L16, La8, Rgb8, Rgba8, Rgba16};
use slate_assets::texture::TextureProcessor;
use slate_core::{
    Cancel, ErrorKind,
    asset::{
        AlphaMode, AssetInput, AssetLimits, Compression, MemoryOutput, MipFilter, Processor, Progress, Report, Resize,
        Sizing, TextureFormat, TextureKind, TextureOptions, Work,
    },
};
use support::{Random, png};

fn options(format: TextureFormat, kind: TextureKind) -> TextureOptions {
    let mut options = TextureOptions::default();
    (options.format, options.kind) = (format, kind);
    options.generate_mipmaps = format == TextureFormat::Ktx2;
    options
}

fn process(name: &str, bytes: &[u8], options: &TextureOptions) -> (Report, Vec<u8>) {
    let input = AssetInput::from_bytes(name, bytes.to_vec());
    let (report, files) = support::run(&TextureProcessor, &input, options, &AssetLimits::default()).unwrap();
    (report, files.values().next().unwrap().to_vec())
}

/// A KTX2 file, read by the book and by nothing of the writer.
struct Ktx {
    format: u32,
    type_size: u32,
    size: (u32, u32),
    descriptor: Vec<u8>,
    levels: Vec<Vec<u8>>,
}

fn ktx(bytes: &[u8]) -> Ktx {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    assert_eq!(&bytes[..12], b"\xABKTX 20\xBB\r\n\x1A\n");
    assert_eq!([word(28), word(32), word(36), word(44)], [0, 0, 1, 0], "depth, layers, faces, supercompression");
    let count = word(40) as usize;
    let (descriptor, descriptor_len) = (word(48) as usize, word(52) as usize);
    let (keys, keys_len) = (word(56) as usize, word(60) as usize);
    assert_eq!((descriptor, keys), (80 + 24 * count, descriptor + descriptor_len));
    assert_eq!((long(64), long(72)), (0, 0), "no global data");
    assert_eq!(word(descriptor) as usize, descriptor_len);
    let texel = bytes[descriptor + 4 + 16] as usize;
    let align = if texel.is_multiple_of(4) { texel } else { 4 };
    let mut levels = Vec::new();
    let mut end_of_smaller = keys + keys_len;
    for level in (0..count).rev() {
        let entry = 80 + 24 * level;
        let (at, len) = (long(entry), long(entry + 8));
        let (width, height) = ((word(20) as usize >> level).max(1), (word(24) as usize >> level).max(1));
        assert_eq!((len, long(entry + 16)), (width * height * texel, width * height * texel));
        assert_eq!(at % align, 0, "level {level} at {at}");
        assert!(at >= end_of_smaller && at < end_of_smaller + align, "smallest first, no gaps but padding");
        assert!(bytes[end_of_smaller..at].iter().all(|&byte| byte == 0));
        end_of_smaller = at + len;
        levels.insert(0, bytes[at..at + len].to_vec());
    }
    assert_eq!(end_of_smaller, bytes.len());
    let mut at = keys;
    let mut names = Vec::new();
    while at < keys + keys_len {
        let len = word(at) as usize;
        let entry = &bytes[at + 4..at + 4 + len];
        assert_eq!(entry.last(), Some(&0));
        names.push(String::from_utf8(entry.split(|&byte| byte == 0).next().unwrap().to_vec()).unwrap());
        at += (4 + len).next_multiple_of(4);
    }
    assert_eq!(names, ["KTXorientation", "KTXwriter"]);
    Ktx {
        format: word(12),
        type_size: word(16),
        size: (word(20), word(24)),
        descriptor: bytes[descriptor..descriptor + descriptor_len].to_vec(),
        levels,
    }
}

#[test]
fn png_and_webp_keep_every_value() {
    for (color, channels, depth) in [(L8, 1, 1), (Rgb8, 3, 1), (Rgba8, 4, 1), (L16, 1, 2), (Rgba16, 4, 2)] {
        let raw = Random(3).bytes(19 * 11 * channels * depth);
        let source = png(19, 11, color, &raw);
        let (_, out) = process("a.png", &source, &options(TextureFormat::Png, TextureKind::Color));
        let image = image::load_from_memory(&out).unwrap();
        assert_eq!(
            (image.color().bytes_per_pixel() as usize, image.as_bytes()),
            (channels * depth, &raw[..]),
            "{color:?}"
        );
        if depth == 1 {
            let mut options = options(TextureFormat::Webp, TextureKind::Color);
            options.quality = 100;
            let (report, out) = process("a.png", &source, &options);
            assert_eq!(report["lossless"], true);
            let expected = image::load_from_memory(&source).unwrap().to_rgba8();
            assert_eq!(image::load_from_memory(&out).unwrap().to_rgba8(), expected);
        }
    }
}

/// The mean square of what two pictures differ by, in steps of 8 bits.
fn mean_square(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>() / a.len() as f64
}

/// Soft hills with a little noise, and an alpha that is nearly opaque at one side.
fn hills(side: u32, channels: usize) -> Vec<u8> {
    let mut noise = Random(11);
    let mut out = Vec::new();
    for at in 0..side * side {
        let (x, y) = (f64::from(at % side), f64::from(at / side));
        let height = 100.0 + 60.0 * (x / 17.0).sin() * (y / 23.0).cos() + f64::from(noise.bytes(1)[0] % 12);
        let pixel = [height as u8, (height * 0.8) as u8, (height * 0.5 + 40.0) as u8, 255 - (at % side) as u8 / 2];
        out.extend(if channels == 2 { vec![pixel[0], pixel[3]] } else { pixel[..channels].to_vec() });
    }
    out
}

#[test]
fn webp_of_colours_loses_by_quality_and_never_its_alpha() {
    for (color, channels) in [(L8, 1), (La8, 2), (Rgb8, 3), (Rgba8, 4)] {
        let raw = hills(100, channels);
        let source = png(100, 100, color, &raw);
        let expected = image::load_from_memory(&source).unwrap().to_rgba8();
        let mut options = options(TextureFormat::Webp, TextureKind::Color);
        let mut before = (0, f64::INFINITY);
        for quality in [10, 50, 95] {
            options.quality = quality;
            let (report, out) = process("a.png", &source, &options);
            assert_eq!((&report["lossless"], report.get("lossyRefused")), (&false.into(), None), "{color:?} {quality}");
            let read = image::load_from_memory(&out).unwrap().to_rgba8();
            assert!(
                read.pixels().zip(expected.pixels()).all(|(read, wanted)| read[3] == wanted[3]),
                "alpha: {color:?}"
            );
            let now = (out.len(), mean_square(&read, &expected));
            assert!(now.0 > before.0 && now.1 < before.1, "{color:?} {quality}: {before:?}, {now:?}");
            before = now;
        }
        assert!(before.1 < 12.0, "{color:?}: {before:?}");
        options.quality = 100;
        assert!(process("a.png", &source, &options).1.len() > before.0);
    }
}

#[test]
fn webp_keeps_everything_of_normals_and_where_that_is_smaller() {
    let raw = hills(64, 3);
    let source = png(64, 64, Rgb8, &raw);
    for kind in [TextureKind::Normal, TextureKind::Mask] {
        let mut options = options(TextureFormat::Webp, kind);
        options.quality = 10;
        let (report, out) = process("a.png", &source, &options);
        assert_eq!(report["lossless"], true, "{kind}");
        assert_eq!(image::load_from_memory(&out).unwrap().to_rgb8().as_raw(), &raw, "{kind}");
    }
    let checks: Vec<u8> = (0..64 * 64).flat_map(|at| [[255, 0, 40], [10, 0, 90]][(at / 9 + at / 640) % 2]).collect();
    let drawing = png(64, 64, Rgb8, &checks);
    let (report, out) = process("a.png", &drawing, &options(TextureFormat::Webp, TextureKind::Color));
    assert_eq!(report["lossless"], true);
    assert_eq!(image::load_from_memory(&out).unwrap().to_rgb8().as_raw(), &checks);
}

#[test]
fn jpeg_is_near_and_smaller_with_less_quality() {
    let raw: Vec<u8> = (0..64 * 64).flat_map(|at| [(at % 64 * 4) as u8, (at / 64 * 4) as u8, 128]).collect();
    let source = png(64, 64, Rgb8, &raw);
    let mut options = options(TextureFormat::Jpeg, TextureKind::Color);
    let (_, fine) = process("a.png", &source, &options);
    options.quality = 20;
    let (_, coarse) = process("a.png", &source, &options);
    assert!(coarse.len() < fine.len());
    let image = image::load_from_memory(&fine).unwrap().to_rgb8();
    let worst = image.as_raw().iter().zip(&raw).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(worst <= 16, "{worst}");
}

#[test]
fn every_format_is_read_and_written_as_ktx2() {
    for (name, bytes) in support::pictures() {
        let kind = if support::is_hdr(name) { TextureKind::Hdr } else { TextureKind::Color };
        let (report, out) = process(name, &bytes, &options(TextureFormat::Ktx2, kind));
        let file = ktx(&out);
        assert_eq!((file.size, file.levels.len()), ((13, 7), 4), "{name}");
        assert_eq!(report["sourceFormat"], name[2..]);
        let expected =
            image::load_from_memory_with_format(&bytes, image::ImageFormat::from_path(name).unwrap()).unwrap();
        if kind == TextureKind::Color {
            assert_eq!(file.levels[0], expected.to_rgba8().into_raw(), "{name}");
        } else {
            let half: Vec<_> = expected.to_rgba32f().iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
            assert!(file.levels[0] == half, "{name}");
        }
    }
}

#[test]
fn the_descriptor_says_what_the_format_says() {
    let rgba = png(4, 4, Rgba8, &Random(1).bytes(64));
    let rgba16 = png(4, 4, Rgba16, &Random(1).bytes(128));
    let grey = png(4, 4, L8, &Random(1).bytes(16));
    let cases = [
        (&rgba, TextureKind::Color, 43, 1, 4, 2),
        (&rgba16, TextureKind::Color, 43, 1, 4, 2),
        (&rgba, TextureKind::Normal, 37, 1, 4, 1),
        (&rgba16, TextureKind::Mask, 91, 2, 4, 1),
        (&grey, TextureKind::Mask, 9, 1, 1, 1),
        (&grey, TextureKind::Color, 43, 1, 4, 2),
        (&rgba, TextureKind::Hdr, 97, 2, 4, 1),
    ];
    for (source, kind, format, type_size, channels, transfer) in cases {
        let (_, out) = process("a.png", source, &options(TextureFormat::Ktx2, kind));
        let file = ktx(&out);
        assert_eq!((file.format, file.type_size), (format, type_size), "{kind}");
        assert_eq!((file.descriptor[12], file.descriptor[13], file.descriptor[14]), (1, 1, transfer));
        assert_eq!(file.descriptor.len(), 28 + 16 * channels);
        if channels == 4 {
            let alpha = if format == 97 {
                0xCF
            } else if transfer == 2 {
                0x1F
            } else {
                0x0F
            };
            assert_eq!(file.descriptor[28 + 48 + 3], alpha, "{kind}");
        }
        let reader = ktx2::Reader::new(&out[..]).unwrap();
        let header = reader.header();
        assert_eq!(header.format.map(|format| format.value()), Some(format));
        assert_eq!(reader.levels().count(), 3);
        for (level, expected) in reader.levels().zip(&file.levels) {
            assert_eq!(level.data, expected);
        }
    }
}

/// The mean over the area that a pixel covers, in f64, straight from level 0 and in no hurry.
fn reference(source: &[[f64; 4]], width: usize, height: usize, level: u32, x: usize, y: usize) -> [f64; 4] {
    let weights = |at: usize, size: usize| {
        // The cascade of means over halves, as a list of shares of level 0.
        let mut shares = vec![(at, 1.0)];
        for step in (0..level).rev() {
            let old = (size >> step).max(1);
            let new = (size >> (step + 1)).max(1);
            shares = shares
                .iter()
                .flat_map(|&(at, share)| {
                    let (from, to) = (at as f64 * old as f64 / new as f64, (at + 1) as f64 * old as f64 / new as f64);
                    (0..old).filter_map(move |pixel| {
                        let part = (to.min(pixel as f64 + 1.0) - from.max(pixel as f64)).max(0.0) / (to - from);
                        (part > 1e-12).then_some((pixel, share * part))
                    })
                })
                .collect();
        }
        shares
    };
    let mut sum = [0.0; 4];
    for (row, row_share) in weights(y, height) {
        for (column, column_share) in weights(x, width) {
            for (sum, value) in sum.iter_mut().zip(source[row * width + column]) {
                *sum += value * row_share * column_share;
            }
        }
    }
    sum
}

#[test]
fn mips_match_a_reference_in_linear_light_weighted_by_alpha() {
    let linear = |v: f64| if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
    let srgb = |v: f64| if v <= 0.0031308 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
    for (width, height) in [(16, 16), (13, 7), (1, 9), (17, 2)] {
        let raw = Random(width as u64).bytes(width * height * 4);
        let source: Vec<[f64; 4]> = raw
            .chunks(4)
            .map(|p| {
                let a = f64::from(p[3]) / 255.0;
                let c = |v: u8| linear(f64::from(v) / 255.0) * a;
                [c(p[0]), c(p[1]), c(p[2]), a]
            })
            .collect();
        let bytes = png(width as u32, height as u32, Rgba8, &raw);
        let (_, out) = process("a.png", &bytes, &options(TextureFormat::Ktx2, TextureKind::Color));
        for (level, texels) in ktx(&out).levels.iter().enumerate().skip(1) {
            let row = (width >> level).max(1);
            for (at, texel) in texels.chunks(4).enumerate() {
                let sum = reference(&source, width, height, level as u32, at % row, at / row);
                let c = |v: f64| srgb(v / sum[3]) * 255.0;
                let expected = [c(sum[0]), c(sum[1]), c(sum[2]), sum[3] * 255.0];
                for (value, expected) in texel.iter().zip(expected) {
                    assert!(
                        (f64::from(*value) - expected).abs() < 0.55,
                        "{width}x{height} level {level}: {value} {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn normals_stay_unit_and_masks_stay_linear() {
    let raw: Vec<u8> = [[255u8, 128, 128], [128, 255, 128], [128, 128, 255], [200, 60, 200]].concat();
    let bytes = png(2, 2, Rgb8, &raw);
    let (_, out) = process("n.png", &bytes, &options(TextureFormat::Ktx2, TextureKind::Normal));
    let texel: Vec<f64> = ktx(&out).levels[1][..3].iter().map(|v| f64::from(*v) / 127.5 - 1.0).collect();
    let length = texel.iter().map(|v| v * v).sum::<f64>().sqrt();
    assert!((length - 1.0).abs() < 0.01, "{texel:?}");
    let (_, out) =
        process("m.png", &png(2, 2, L8, &[0, 255, 255, 255]), &options(TextureFormat::Ktx2, TextureKind::Mask));
    assert_eq!(ktx(&out).levels[1], [191]);
    let (_, out) =
        process("c.png", &png(2, 2, L8, &[0, 255, 255, 255]), &options(TextureFormat::Ktx2, TextureKind::Color));
    assert_eq!(ktx(&out).levels[1], [225, 225, 225, 255], "three quarters of the light, not of the code");
}

#[test]
fn transparent_pixels_lend_no_colour() {
    let raw = [[255u8, 0, 0, 255], [0, 255, 0, 0], [0, 255, 0, 0], [0, 255, 0, 0]].concat();
    let source = png(2, 2, Rgba8, &raw);
    let (_, out) = process("a.png", &source, &options(TextureFormat::Ktx2, TextureKind::Color));
    let texel = &ktx(&out).levels[1];
    assert_eq!((texel[0], texel[3]), (255, 64));
    assert!(texel[1] <= 3, "{texel:?}");
    let clear = png(2, 2, Rgba8, &[10, 200, 30, 0].repeat(4));
    let (_, out) = process("a.png", &clear, &options(TextureFormat::Ktx2, TextureKind::Color));
    assert_eq!(ktx(&out).levels[1], [10, 200, 30, 0], "what is wholly transparent keeps its colour");
}

#[test]
fn resizing_gives_the_size_asked_for_in_linear_light() {
    let raw: Vec<u8> = (0..64 * 64).map(|at| if (at + at / 64) % 2 == 0 { 255 } else { 0 }).collect();
    let mut options = options(TextureFormat::Png, TextureKind::Color);
    options.resize = Some(Resize { width: 8, height: 20 });
    let (report, out) = process("a.png", &png(64, 64, L8, &raw), &options);
    let image = image::load_from_memory(&out).unwrap();
    assert_eq!((image.width(), image.height(), report["width"].as_u64()), (8, 20, Some(8)));
    let middle = image.to_luma8().get_pixel(4, 10).0[0];
    assert!(middle.abs_diff(188) <= 4, "half the light of a checkerboard is 188, not 128: {middle}");
}

#[test]
fn exif_orientation_is_applied() {
    let image = image::RgbImage::from_fn(16, 8, |x, _| image::Rgb(if x < 8 { [255, 0, 0] } else { [0, 0, 255] }));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    image.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let jpeg = jpeg.into_inner();
    // One entry: orientation 6, turned a quarter to the right.
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let mut turned = jpeg[..2].to_vec();
    turned.extend([0xFF, 0xE1]);
    turned.extend((exif.len() as u16 + 2).to_be_bytes());
    turned.extend(exif);
    turned.extend(&jpeg[2..]);
    let (_, out) = process("a.jpg", &turned, &options(TextureFormat::Png, TextureKind::Color));
    let image = image::load_from_memory(&out).unwrap().to_rgb8();
    assert_eq!(image.dimensions(), (8, 16));
    assert!(image.get_pixel(4, 2).0[0] > 200 && image.get_pixel(4, 13).0[2] > 200);
}

#[test]
fn what_is_not_there_is_refused_with_what_to_choose() {
    let hdr = TextureProcessor.check(&options(TextureFormat::Png, TextureKind::Hdr)).unwrap_err();
    assert_eq!(hdr.kind(), ErrorKind::Unsupported);
    assert!(hdr.message().contains("choose ktx2"));
    let input = AssetInput::from_bytes("a.xcf", &b"gimp xcf"[..]);
    let error = support::run(&TextureProcessor, &input, &TextureOptions::default(), &AssetLimits::default());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn photoshop_documents_give_their_flattened_picture() {
    let rgba = Random(4).bytes(9 * 5 * 4);
    for packed in [false, true] {
        let psd = support::psd(9, 5, &rgba, packed);
        let (report, out) = process("a.psd", &psd, &options(TextureFormat::Png, TextureKind::Color));
        assert_eq!(image::load_from_memory(&out).unwrap().to_rgba8().into_raw(), rgba);
        assert_eq!(report["sourceFormat"], "psd");
    }
}

#[test]
fn sides_are_brought_to_what_is_asked() {
    let source = png(37, 21, Rgb8, &Random(6).bytes(37 * 21 * 3));
    for (sizing, wanted) in
        [(Sizing::PowerOfTwo, (32, 16)), (Sizing::MultipleOfFour, (40, 24)), (Sizing::Any, (37, 21))]
    {
        let mut options = options(TextureFormat::Png, TextureKind::Color);
        options.sizing = sizing;
        let (_, out) = process("a.png", &source, &options);
        let image = image::load_from_memory(&out).unwrap();
        assert_eq!((image.width(), image.height()), wanted, "{sizing}");
    }
}

#[test]
fn cut_outs_keep_their_coverage_on_every_level() {
    // A fence: lines of one texel in four, which a plain mean makes all of one quarter.
    let raw: Vec<u8> = (0..64 * 64).flat_map(|at| [90, 140, 60, if at % 64 % 4 == 0 { 255 } else { 0 }]).collect();
    let source = png(64, 64, Rgba8, &raw);
    let share =
        |level: &[u8]| level.chunks_exact(4).filter(|texel| texel[3] >= 128).count() as f64 / (level.len() / 4) as f64;
    let mut options = options(TextureFormat::Ktx2, TextureKind::Color);
    let (_, plain) = process("a.png", &source, &options);
    assert_eq!(share(&ktx(&plain).levels[3]), 0.0, "the fence is gone");
    options.alpha = AlphaMode::Cutout;
    let (_, kept) = process("a.png", &source, &options);
    for (level, texels) in ktx(&kept).levels.iter().enumerate().take(2) {
        assert!((share(texels) - 0.25).abs() <= 0.25, "level {level}: {}", share(texels));
    }
    assert!(share(&ktx(&kept).levels[3]) > 0.0, "the fence is there");
    options.compression = Compression::Etc2;
    let (report, _) = process("a.png", &source, &options);
    assert_eq!(report["vkFormat"], 150);
}

#[test]
fn premultiplied_colours_are_said_to_be_and_come_back() {
    let raw: Vec<u8> = (0..16u8).flat_map(|at| [200, 100, 50, 100 + at * 10]).collect();
    for format in [TextureFormat::Ktx2, TextureFormat::Dds] {
        let mut options = options(format, TextureKind::Color);
        (options.alpha, options.generate_mipmaps) = (AlphaMode::Premultiplied, false);
        let (_, out) = process("a.png", &png(4, 4, Rgba8, &raw), &options);
        let texels = &out[out.len() - 64..];
        // 200 is 0.5776 of light; of 100 in 255 it is 0.2265, which is 131.
        assert_eq!(texels[..4], [131, 63, 29, 100]);
        if format == TextureFormat::Ktx2 {
            assert_eq!(ktx2::Reader::new(&out[..]).unwrap().is_alpha_premultiplied(), Some(true));
        }
        options.alpha = AlphaMode::Straight;
        let (_, back) = process(&format!("a.{format}"), &out, &options);
        let texels = &back[back.len() - 64..];
        assert!(texels.iter().zip(&raw).all(|(a, b)| a.abs_diff(*b) <= 2), "{texels:?}");
    }
}

#[test]
fn limits_hold_before_pixels_are_decoded() {
    for (name, bytes) in support::pictures() {
        let input = AssetInput::from_bytes(name, bytes);
        let kind = if support::is_hdr(name) { TextureKind::Hdr } else { TextureKind::Color };
        let changes: [fn(&mut AssetLimits); 3] = [|l| l.pixels = 90, |l| l.decoded_bytes = 500, |l| l.input_bytes = 20];
        for change in changes {
            let mut limits = AssetLimits::default();
            change(&mut limits);
            let error =
                support::run(&TextureProcessor, &input, &options(TextureFormat::Ktx2, kind), &limits).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{name}: {error:?}");
        }
    }
}

#[test]
fn canceled_work_ends_as_canceled_at_every_step() {
    let bytes = png(300, 300, Rgb8, &Random(5).bytes(270_000));
    for stop_at in [0.3, 0.7] {
        let (cancel, mut output) = (Cancel::new(), MemoryOutput::new(1 << 30));
        let progress = Progress::new({
            let cancel = cancel.clone();
            move |share| {
                if share > stop_at {
                    cancel.cancel();
                }
            }
        });
        let input = AssetInput::from_bytes("a.png", bytes.clone());
        let limits = AssetLimits::default();
        let mut work =
            Work { input: &input, output: &mut output, limits: &limits, cancel: &cancel, progress: &progress };
        let error = TextureProcessor.process(&mut work, &TextureOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Canceled, "{error:?}");
    }
}

#[test]
fn sharper_filters_keep_more_and_none_of_them_changes_what_is_flat() {
    // Stripes of four texels, and a flat part.
    let raw: Vec<u8> =
        (0..64 * 64).flat_map(|at| if at % 64 < 32 { [(at / 4 % 2 * 200 + 20) as u8; 3] } else { [90; 3] }).collect();
    let source = png(64, 64, Rgb8, &raw);
    let mut contrasts = Vec::new();
    for &filter in MipFilter::ALL {
        let mut options = options(TextureFormat::Ktx2, TextureKind::Color);
        options.mip_filter = filter;
        let file = ktx(&process("a.png", &source, &options).1);
        assert_eq!(file.levels.len(), 7, "{filter}");
        let row: Vec<u8> = file.levels[2][16 * 8 * 4..].chunks_exact(4).take(16).map(|texel| texel[0]).collect();
        assert_eq!(row[12], 90, "{filter}: {row:?}");
        contrasts.push(row[1..7].iter().max().unwrap() - row[1..7].iter().min().unwrap());
        // The same bytes on one thread and on many.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert!(pool.install(|| process("a.png", &source, &options).1) == process("a.png", &source, &options).1);
    }
    let [flat, triangle, kaiser, lanczos] = contrasts[..] else { panic!("{contrasts:?}") };
    assert!(triangle < kaiser && kaiser <= lanczos && flat >= kaiser, "{contrasts:?}");
}

#[test]
fn sharp_filters_keep_normals_of_length_one_and_colours_under_their_alpha() {
    let raw = Random(5).bytes(32 * 32 * 4);
    for filter in [MipFilter::Kaiser, MipFilter::Lanczos] {
        let mut options = options(TextureFormat::Ktx2, TextureKind::Normal);
        options.mip_filter = filter;
        let file = ktx(&process("a.png", &png(32, 32, Rgba8, &raw), &options).1);
        for texel in file.levels[1..].iter().flat_map(|level| level.chunks_exact(4)) {
            let length: f32 = texel[..3].iter().map(|&value| (f32::from(value) / 127.5 - 1.0).powi(2)).sum();
            assert!((length.sqrt() - 1.0).abs() < 0.02, "{filter}: {texel:?}");
        }
        // Where all is green, or not there, all is green.
        let green: Vec<u8> =
            raw.chunks_exact(4).flat_map(|t| if t[3] < 128 { [255, 0, 0, 0] } else { [0, 255, 0, t[3]] }).collect();
        options.kind = TextureKind::Color;
        let file = ktx(&process("a.png", &png(32, 32, Rgba8, &green), &options).1);
        for texel in file.levels[1..].iter().flat_map(|level| level.chunks_exact(4)).filter(|texel| texel[3] > 8) {
            assert!(texel[1] > 250 && texel[0] < 10, "{filter}: {texel:?}");
        }
    }
}
