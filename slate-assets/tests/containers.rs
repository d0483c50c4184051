//! KTX2 and DDS: what is written keeps the rules, others read it, and it comes back; with every format, cubes and arrays.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use image::ExtendedColorType::{L16, Rgb8, Rgba8};
use slate_assets::texture::{TextureProcessor, ktx2::check};
use slate_core::{
    ErrorKind,
    asset::{
        AssetInput, AssetLimits, Compression, MipFilter, Processor, Report, Supercompression, TextureFormat,
        TextureKind, TextureOptions,
    },
};
use std::io::Read;
use support::{Random, png};

fn process(name: &str, bytes: &[u8], options: &TextureOptions) -> (Report, Vec<u8>) {
    let input = AssetInput::from_bytes(name, bytes.to_vec());
    let (report, files) = support::run(&TextureProcessor, &input, options, &AssetLimits::default()).unwrap();
    (report, files.values().next().unwrap().to_vec())
}

fn options(format: TextureFormat, compression: Compression, kind: TextureKind) -> TextureOptions {
    let mut options = TextureOptions::default();
    (options.format, options.compression, options.kind, options.quality) = (format, compression, kind, 30);
    options
}

/// A picture of slopes with a little noise, so that block formats hold it well.
fn picture(width: u32, height: u32, channels: usize) -> Vec<u8> {
    let mut random = Random(9);
    let mut out = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let noise = random.next() % 3;
            let value = |at: u32| (40 + x * 3 * (at + 1) / 2 + y * 2 + noise).min(255) as u8;
            out.extend((0..channels as u32).map(value));
        }
    }
    out
}

/// Every compression with a kind that it holds.
fn compressions() -> impl Iterator<Item = (Compression, TextureKind)> {
    Compression::ALL.iter().map(|&compression| {
        let kind = match compression {
            Compression::Bc4 | Compression::EacR11 => TextureKind::Mask,
            Compression::Bc5 | Compression::EacRg11 => TextureKind::Normal,
            Compression::Bc6h => TextureKind::Hdr,
            _ => TextureKind::Color,
        };
        (compression, kind)
    })
}

#[test]
fn every_ktx2_file_keeps_the_rules_and_others_read_it() {
    let opaque = png(29, 14, Rgb8, &picture(29, 14, 3));
    let clear = png(29, 14, Rgba8, &picture(29, 14, 4));
    for (compression, kind) in compressions() {
        for supercompression in [Supercompression::None, Supercompression::Zstd] {
            for source in [&opaque, &clear] {
                let mut options = options(TextureFormat::Ktx2, compression, kind);
                options.supercompression = supercompression;
                let (report, out) = process("a.png", source, &options);
                assert_eq!(check(&out), Vec::<String>::new(), "{compression} {supercompression}");
                let reader = ktx2::Reader::new(&out[..]).unwrap();
                let header = reader.header();
                assert_eq!((header.pixel_width, header.pixel_height, header.level_count), (29, 14, 5));
                if compression == Compression::Uastc {
                    // It has no number there, and `uastc.rs` looks at its descriptor.
                    assert_eq!((header.format, &report["vkFormat"]), (None, &0.into()));
                    continue;
                }
                assert_eq!(u64::from(header.format.unwrap().value()), report["vkFormat"].as_u64().unwrap());
                let (wanted, type_size) = ktx2::dfd::Basic::from_format(header.format.unwrap()).unwrap();
                assert_eq!(reader.basic_dfd().unwrap().to_vec(), wanted.to_vec(), "{compression} {kind}");
                assert_eq!(header.type_size, type_size);
                for level in reader.levels() {
                    if supercompression == Supercompression::Zstd {
                        let mut whole = Vec::new();
                        ruzstd::decoding::StreamingDecoder::new(level.data).unwrap().read_to_end(&mut whole).unwrap();
                        assert_eq!(whole.len() as u64, level.uncompressed_byte_length);
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_written_comes_back() {
    for (compression, kind) in compressions() {
        for format in [TextureFormat::Ktx2, TextureFormat::Dds] {
            let mut options = options(format, compression, kind);
            if options.validate().is_err() {
                assert_eq!(format, TextureFormat::Dds, "{compression}");
                continue;
            }
            let source = picture(26, 19, 3);
            let (_, out) = process("a.png", &png(26, 19, Rgb8, &source), &options);
            if kind == TextureKind::Hdr {
                (options.format, options.compression) = (TextureFormat::Ktx2, Compression::None);
                let (report, _) = process(&format!("a.{format}"), &out, &options);
                assert_eq!((&report["kind"], &report["sourceBits"]), (&"hdr".into(), &32.into()));
                continue;
            }
            let mut back = TextureOptions::default();
            (back.format, back.generate_mipmaps, back.kind) = (TextureFormat::Png, false, kind);
            let (report, png) = process(&format!("a.{format}"), &out, &back);
            assert_eq!(report["sourceFormat"], format.as_str());
            let found = image::load_from_memory(&png).unwrap().to_rgb8().into_raw();
            // Masks hold red only, and of normals blue is rebuilt.
            let channels = match kind {
                TextureKind::Mask if compression != Compression::None => 1,
                TextureKind::Normal => 2,
                _ => 3,
            };
            let (mut squares, mut count) = (0.0, 0.0);
            for (found, wanted) in found.chunks_exact(3).zip(source.chunks_exact(3)) {
                for channel in 0..channels {
                    squares += (f64::from(found[channel]) - f64::from(wanted[channel])).powi(2);
                    count += 1.0;
                }
            }
            let psnr = 10.0 * (65_025.0 * count / f64::max(squares, 1e-9)).log10();
            let pixels = f64::from(found.len() as u32) / 3.0;
            let bits = (out.len() as f64 - 300.0) * 8.0 / pixels;
            assert!(psnr > if bits > 4.0 { 36.0 } else { 28.0 }, "{compression} in {format}: {psnr:.1} dB");
        }
    }
}

#[test]
fn a_dds_file_has_the_new_header_and_every_level() {
    let source = picture(32, 16, 3);
    let (_, out) = process(
        "a.png",
        &png(32, 16, Rgb8, &source),
        &options(TextureFormat::Dds, Compression::Bc7, TextureKind::Color),
    );
    let word = |at: usize| u32::from_le_bytes(out[at..at + 4].try_into().unwrap());
    assert_eq!((&out[..4], word(4), word(12), word(16), word(28)), (&b"DDS "[..], 124, 16, 32, 6));
    assert_eq!((&out[84..88], word(128), word(132), word(140)), (&b"DX10"[..], 99, 3, 1));
    // 8×4 blocks, then 4×2, 2×1, 1×1, 1×1, 1×1 of 16 bytes each.
    assert_eq!(out.len(), 148 + 16 * (32 + 8 + 2 + 1 + 1 + 1));
}

/// A DDS file with the old header.
fn legacy(letters: &[u8; 4], width: u32, height: u32, caps: u32, data: &[u8]) -> Vec<u8> {
    let mut out = b"DDS ".to_vec();
    let mut words = [0u32; 31];
    (words[0], words[1], words[2], words[3]) = (124, 0x1007, height, width);
    (words[18], words[19], words[20]) = (32, 4, u32::from_le_bytes(*letters));
    (words[26], words[27]) = (0x1000, caps);
    words.iter().for_each(|word| out.extend(word.to_le_bytes()));
    out.extend(data);
    out
}

#[test]
fn cubes_and_arrays_stay_what_they_are() {
    let mut random = Random(3);
    let faces = random.bytes(6 * 4 * 8);
    let cube = legacy(b"DXT1", 8, 8, 0xFE00, &faces);
    for format in [TextureFormat::Ktx2, TextureFormat::Dds] {
        let (report, out) = process("cube.dds", &cube, &options(format, Compression::Bc7, TextureKind::Color));
        assert_eq!((&report["faces"], &report["levels"]), (&6.into(), &4.into()));
        if format == TextureFormat::Ktx2 {
            assert_eq!(check(&out), Vec::<String>::new());
            assert_eq!(ktx2::Reader::new(&out[..]).unwrap().header().face_count, 6);
        }
        let name = format!("cube.{format}");
        let (report, again) =
            process(&name, &out, &options(TextureFormat::Ktx2, Compression::None, TextureKind::Color));
        assert_eq!((&report["faces"], again[36]), (&6.into(), 6), "{format}");
        let mut flat = TextureOptions::default();
        (flat.format, flat.generate_mipmaps) = (TextureFormat::Png, false);
        let input = AssetInput::from_bytes(name, out);
        let error = support::run(&TextureProcessor, &input, &flat, &AssetLimits::default()).unwrap_err();
        assert!(error.message().contains("choose ktx2 or dds"), "{error:?}");
    }
    // An array of three, by the new header.
    let (_, mut array) = process("a.png", &png(8, 8, Rgba8, &picture(8, 8, 4)), &{
        let mut options = options(TextureFormat::Dds, Compression::None, TextureKind::Color);
        options.generate_mipmaps = false;
        options
    });
    let texels = array[148..].to_vec();
    array[140] = 3;
    array.extend([&texels[..], &texels[..]].concat());
    let (report, out) =
        process("array.dds", &array, &options(TextureFormat::Ktx2, Compression::Etc2, TextureKind::Color));
    assert_eq!((&report["layers"], out[32]), (&3.into(), 3));
    assert_eq!(check(&out), Vec::<String>::new());
}

#[test]
fn what_cannot_go_together_says_what_can() {
    let mut wrong = options(TextureFormat::Webp, Compression::Bc7, TextureKind::Color);
    wrong.generate_mipmaps = false;
    let cases = [
        (wrong.clone(), "webp can't hold bc7: choose ktx2 or dds for it, or compression none"),
        (options(TextureFormat::Dds, Compression::Astc6x6, TextureKind::Color), "dds can't hold astc-6x6: choose ktx2"),
        (
            options(TextureFormat::Ktx2, Compression::Bc5, TextureKind::Color),
            "choose bc7 or astc, or kind normal or mask",
        ),
        (options(TextureFormat::Ktx2, Compression::Bc6h, TextureKind::Color), "choose bc7 or astc, or kind hdr"),
        (options(TextureFormat::Ktx2, Compression::Bc7, TextureKind::Hdr), "choose bc6h or none"),
    ];
    for (options, text) in cases {
        let error = TextureProcessor.check(&options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(text), "{error:?}");
    }
}

#[test]
fn the_checker_finds_what_is_broken() {
    let source = png(20, 20, Rgb8, &picture(20, 20, 3));
    let (_, sound) = process("a.png", &source, &options(TextureFormat::Ktx2, Compression::Bc1, TextureKind::Color));
    assert_eq!(check(&sound), Vec::<String>::new());
    // vkFormat, typeSize, width, faces, levels, supercompression, descriptor, key values, global data, first level.
    for at in [12, 16, 20, 36, 40, 44, 48, 52, 56, 60, 64, 80, 88, 96] {
        let mut broken = sound.clone();
        broken[at] ^= 1;
        assert!(!check(&broken).is_empty(), "byte {at}");
    }
    let descriptor = 80 + 24 * 5;
    for at in descriptor..descriptor + 44 + 4 {
        // The flag of multiplied alpha may be either.
        if at != descriptor + 15 {
            let mut broken = sound.clone();
            broken[at] ^= 1;
            assert!(!check(&broken).is_empty(), "byte {at} of the descriptor or the first length");
        }
    }
    assert!(!check(&sound[..sound.len() - 1]).is_empty());
    assert!(!check(&[&sound[..], &[0]].concat()).is_empty());
    assert!(!check(b"").is_empty());
}

#[test]
fn threads_do_not_change_a_byte() {
    let source = png(70, 53, Rgba8, &picture(70, 53, 4));
    let grey = png(70, 53, L16, &Random(1).bytes(70 * 53 * 2));
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, four) = (pool(1), pool(4));
    for (compression, kind) in compressions() {
        let source = if kind == TextureKind::Mask { &grey } else { &source };
        let options = options(TextureFormat::Ktx2, compression, kind);
        let run = || process("a.png", source, &options).1;
        assert!(one.install(run) == four.install(run), "{compression}");
    }
}

#[test]
fn volumes_are_cut_filtered_and_read_by_both_containers() {
    // Six slices of 8 by 4, one below the other, each of one grey.
    let greys = [0u8, 40, 80, 120, 160, 200];
    let strip: Vec<u8> = greys.iter().flat_map(|&grey| [grey; 8 * 4 * 3]).collect();
    let source = png(8, 24, Rgb8, &strip);
    for compression in [Compression::None, Compression::Bc1, Compression::Bc7] {
        for format in [TextureFormat::Ktx2, TextureFormat::Dds] {
            let mut wanted = options(format, compression, TextureKind::Mask);
            wanted.slices = Some(6);
            let (report, out) = process("a.png", &source, &wanted);
            assert_eq!((&report["depth"], &report["levels"]), (&6.into(), &4.into()), "{format} {compression}");
            let word = |at: usize| u32::from_le_bytes(out[at..at + 4].try_into().unwrap());
            if format == TextureFormat::Ktx2 {
                assert_eq!(check(&out), Vec::<String>::new());
                let reader = ktx2::Reader::new(&out[..]).unwrap();
                let header = reader.header();
                assert_eq!((header.pixel_width, header.pixel_height, header.pixel_depth), (8, 4, 6));
                if compression == Compression::None {
                    let levels: Vec<Vec<u8>> = reader.levels().map(|level| level.data.to_vec()).collect();
                    // Pairs of slices, then three of them by the mean of all.
                    let reds = |level: usize, size: usize| -> Vec<u8> {
                        levels[level].chunks_exact(size * 4).map(|slice| slice[0]).collect()
                    };
                    assert_eq!((reds(0, 32), reds(1, 8)), (greys.to_vec(), vec![20, 100, 180]));
                    assert_eq!((reds(2, 2), reds(3, 1)), (vec![100], vec![100]));
                }
            } else {
                assert_eq!((word(24), word(112) & 0x20_0000, word(132)), (6, 0x20_0000, 4));
            }
            // From either container to the other, and with a filter that is wider than two slices.
            for to in [TextureFormat::Ktx2, TextureFormat::Dds] {
                let mut again = options(to, Compression::None, TextureKind::Mask);
                again.mip_filter = MipFilter::Kaiser;
                let (report, back) = process(&format!("a.{format}"), &out, &again);
                assert_eq!((&report["depth"], &report["levels"]), (&6.into(), &4.into()));
                let start = back.len() - 4 * (8 * 4 * 6);
                if to == TextureFormat::Ktx2 {
                    for (at, slice) in back[start..].chunks_exact(8 * 4 * 4).enumerate() {
                        assert!(slice[0].abs_diff(greys[at]) <= 4, "{format} {compression}: {} of {at}", slice[0]);
                    }
                }
            }
        }
    }
}

#[test]
fn volumes_that_cannot_be_are_refused() {
    let source = png(8, 24, Rgb8, &[9; 8 * 24 * 3]);
    let error = |options: &TextureOptions, name: &str, bytes: &[u8]| {
        let input = AssetInput::from_bytes(name, bytes.to_vec());
        support::run(&TextureProcessor, &input, options, &AssetLimits::default()).unwrap_err()
    };
    let mut wanted = options(TextureFormat::Ktx2, Compression::None, TextureKind::Color);
    wanted.slices = Some(5);
    assert_eq!(error(&wanted, "a.png", &source).kind(), ErrorKind::Invalid, "24 rows are no 5 slices");
    wanted.slices = Some(6);
    let (_, volume) = process("a.png", &source, &wanted);
    assert_eq!(error(&wanted, "a.ktx2", &volume).kind(), ErrorKind::Invalid, "a volume isn't cut");
    wanted.slices = None;
    wanted.compression = Compression::Astc;
    let refused = error(&wanted, "a.ktx2", &volume);
    assert!(refused.message().contains("choose bc7 or none"), "{refused}");
    let mut flat = options(TextureFormat::Png, Compression::None, TextureKind::Color);
    flat.generate_mipmaps = false;
    assert!(error(&flat, "a.ktx2", &volume).message().contains("choose ktx2 or dds"));
    let mut array = volume;
    array[32] = 2;
    wanted.compression = Compression::None;
    assert_eq!(error(&wanted, "a.ktx2", &array).kind(), ErrorKind::Unsupported, "an array of volumes");
}
