//! What is read beside the formats that `image` knows, and colours of other spaces than sRGB.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use image::{ExtendedColorType, ImageEncoder};
use moxcms::{ColorProfile, Layout, TransformOptions};
use slate_assets::texture::{Channel, Packing, Plane, TextureProcessor};
use slate_core::{
    Cancel, ErrorKind,
    asset::{AssetInput, AssetLimits, Report, TextureFormat, TextureKind, TextureOptions},
};
use std::io::Cursor;
use support::{Random, png};
use tiff::{
    encoder::{Compression, DeflateLevel, Predictor, TiffEncoder, colortype},
    tags::Tag,
};

fn read(name: &str, bytes: &[u8], kind: TextureKind) -> slate_core::Result<(Report, image::DynamicImage)> {
    let mut options = TextureOptions::default();
    (options.format, options.generate_mipmaps, options.kind) = (TextureFormat::Png, false, kind);
    let input = AssetInput::from_bytes(name, bytes.to_vec());
    let (report, files) = support::run(&TextureProcessor, &input, &options, &AssetLimits::default())?;
    Ok((report, image::load_from_memory(files.values().next().unwrap()).unwrap()))
}

/// A file of one strip of so many rows, of any tags: for what the encoder doesn't write.
fn by_hand(entries: &[(u16, u16, Vec<u32>)], data: &[u8]) -> Vec<u8> {
    let mut entries: Vec<_> = entries.to_vec();
    entries.push((273, 4, vec![8]));
    entries.push((279, 4, vec![data.len() as u32]));
    entries.sort_by_key(|(tag, ..)| *tag);
    let mut out = b"MM\0*".to_vec();
    let directory = (8 + data.len()).next_multiple_of(2);
    out.extend((directory as u32).to_be_bytes());
    out.extend(data);
    out.resize(directory, 0);
    out.extend((entries.len() as u16).to_be_bytes());
    let mut further = Vec::new();
    let place = directory + 2 + entries.len() * 12 + 4;
    for (tag, kind, values) in &entries {
        [*tag, *kind].iter().for_each(|number| out.extend(number.to_be_bytes()));
        out.extend((values.len() as u32).to_be_bytes());
        let mut bytes: Vec<u8> = match kind {
            3 => values.iter().flat_map(|&value| (value as u16).to_be_bytes()).collect(),
            _ => values.iter().flat_map(|value| value.to_be_bytes()).collect(),
        };
        if bytes.len() > 4 {
            out.extend(((place + further.len()) as u32).to_be_bytes());
            further.extend(bytes);
        } else {
            bytes.resize(4, 0);
            out.extend(bytes);
        }
    }
    out.extend([0; 4]);
    out.extend(further);
    out
}

#[test]
fn tiff_of_every_packing_and_depth_keeps_every_value() {
    let bytes = Random(4).bytes(61 * 37 * 4);
    let words: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    for (packing, compression) in [
        ("plain", Compression::Uncompressed),
        ("lzw", Compression::Lzw),
        ("packbits", Compression::Packbits),
        ("deflate", Compression::Deflate(DeflateLevel::Fast)),
    ] {
        for predictor in [Predictor::None, Predictor::Horizontal] {
            let mut files = [const { Vec::new() }; 4];
            for (at, file) in files.iter_mut().enumerate() {
                let mut encoder = TiffEncoder::new(Cursor::new(file)).unwrap().with_compression(compression);
                encoder = encoder.with_predictor(predictor);
                match at {
                    0 => encoder.write_image::<colortype::Gray8>(61, 37, &bytes[..61 * 37]),
                    1 => encoder.write_image::<colortype::RGB8>(61, 37, &bytes[..61 * 37 * 3]),
                    2 => encoder.write_image::<colortype::Gray16>(61, 37, &words[..61 * 37]),
                    _ => encoder.write_image::<colortype::RGB16>(61, 12, &words[..61 * 12 * 3]),
                }
                .unwrap();
            }
            let [grey, rgb, grey16, rgb16] = files
                .map(|file| read("a.tiff", &file, TextureKind::Color).unwrap_or_else(|error| panic!("{error:?}")).1);
            assert!(grey.into_luma8().into_raw() == bytes[..61 * 37], "{packing} {predictor:?}");
            assert!(rgb.into_rgb8().into_raw() == bytes[..61 * 37 * 3], "{packing} {predictor:?}");
            assert!(grey16.into_luma16().into_raw() == words[..61 * 37], "{packing} {predictor:?}");
            assert!(rgb16.into_rgb16().into_raw() == words[..61 * 12 * 3], "{packing} {predictor:?}");
        }
    }
}

#[test]
fn tiff_of_palettes_planes_and_tiles_is_read_upright() {
    let size = |width, height| vec![(256, 3, vec![width]), (257, 3, vec![height])];
    // Two bits an index, and a palette of four colours of 16 bits.
    let mut palette = size(3, 2);
    let colors = [0, 0xFFFF, 0x8000, 0x0100, 0, 0, 0x4000, 0, 0xFFFF, 0, 0, 0x0200].to_vec();
    palette.extend([(258, 3, vec![2]), (262, 3, vec![3]), (320, 3, colors)]);
    let (_, found) = read("a.tif", &by_hand(&palette, &[0b00_01_10_00, 0b11_01_00_00]), TextureKind::Color).unwrap();
    let expected = [[0, 0, 255], [255, 0, 0], [128, 64, 0], [1, 0, 2], [255, 0, 0], [0, 0, 255]].concat();
    assert_eq!(found.into_rgb8().into_raw(), expected);

    // White is 0, one bit a pixel, turned by a quarter.
    let mut bits = size(3, 2);
    bits.extend([(262, 3, vec![0]), (274, 3, vec![6])]);
    let (_, found) = read("a.tif", &by_hand(&bits, &[0b0110_0000, 0b1000_0000]), TextureKind::Mask).unwrap();
    assert_eq!((found.width(), found.height()), (2, 3));
    assert_eq!(found.into_luma8().into_raw(), [0, 255, 255, 0, 255, 0]);

    // Three planes, each a strip.
    let planes = [[1u8, 2, 3, 4], [11, 12, 13, 14], [21, 22, 23, 24]].concat();
    let mut rgb = size(2, 2);
    rgb.extend([(258, 3, vec![8, 8, 8]), (262, 3, vec![2]), (277, 3, vec![3]), (284, 3, vec![2])]);
    let mut file = by_hand(&rgb, &planes);
    let strips = |file: &mut Vec<u8>, tag: u16, values: [u32; 3]| {
        let end = file.len() as u32;
        let directory = u32::from_be_bytes(file[4..8].try_into().unwrap()) as usize;
        let at = (0..12).map(|at| directory + 2 + at * 12).find(|&at| file[at..at + 2] == tag.to_be_bytes()).unwrap();
        file[at + 4..at + 8].copy_from_slice(&3u32.to_be_bytes());
        file[at + 8..at + 12].copy_from_slice(&end.to_be_bytes());
        values.iter().for_each(|value| file.extend(value.to_be_bytes()));
    };
    strips(&mut file, 273, [8, 12, 16]);
    strips(&mut file, 279, [4, 4, 4]);
    let (_, found) = read("a.tif", &file, TextureKind::Color).unwrap();
    assert_eq!(found.into_rgb8().into_raw(), [1, 11, 21, 2, 12, 22, 3, 13, 23, 4, 14, 24]);

    // A tile wider and higher than the picture, with alpha that colours are multiplied by.
    let mut tile = size(2, 1);
    tile.extend([(258, 3, vec![8; 4]), (262, 3, vec![2]), (277, 3, vec![4]), (338, 3, vec![1])]);
    tile.extend([(322, 3, vec![16]), (323, 3, vec![16]), (324, 4, vec![8]), (325, 4, vec![1024])]);
    let mut data = vec![50, 100, 128, 128, 9, 8, 7, 0];
    data.resize(1024, 77);
    let (_, found) = read("a.tif", &by_hand(&tile, &data), TextureKind::Color).unwrap();
    assert_eq!(found.into_rgba8().into_raw(), [100, 199, 255, 128, 9, 8, 7, 0]);
}

#[test]
fn tiff_that_is_not_read_is_refused_as_such() {
    let of = |entry: (u16, u16, Vec<u32>)| {
        let mut entries = vec![(256, 3, vec![2]), (257, 3, vec![2]), (258, 3, vec![8])];
        entries.retain(|(tag, ..)| *tag != entry.0);
        entries.push(entry);
        read("a.tif", &by_hand(&entries, &[0; 4]), TextureKind::Color).map(|_| ()).unwrap_err().kind()
    };
    assert_eq!(of((258, 3, vec![32])), ErrorKind::Unsupported, "32 bits");
    assert_eq!(of((259, 3, vec![7])), ErrorKind::Unsupported, "JPEG inside");
    assert_eq!(of((262, 3, vec![5])), ErrorKind::Unsupported, "inks");
    assert_eq!(of((339, 3, vec![3])), ErrorKind::Unsupported, "floats");
    assert_eq!(of((317, 3, vec![3])), ErrorKind::Unsupported, "the predictor of floats");
    assert_eq!(of((257, 3, vec![3])), ErrorKind::Corrupt, "a strip that is too short");
    assert_eq!(of((256, 4, vec![1 << 30])), ErrorKind::LimitExceeded, "too wide");
}

/// An image with a profile, in every format that takes one.
fn profiled(rgb: &[u8], width: u32, profile: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let height = rgb.len() as u32 / 3 / width;
    let mut png = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
    encoder.set_icc_profile(profile.to_vec()).unwrap();
    encoder.write_image(rgb, width, height, ExtendedColorType::Rgb8).unwrap();
    let mut webp = Vec::new();
    let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
    encoder.set_icc_profile(profile.to_vec()).unwrap();
    encoder.write_image(rgb, width, height, ExtendedColorType::Rgb8).unwrap();
    let mut tiff = Vec::new();
    let mut encoder = TiffEncoder::new(Cursor::new(&mut tiff)).unwrap();
    let mut image = encoder.new_image::<colortype::RGB8>(width, height).unwrap();
    image.encoder().write_tag(Tag::IccProfile, profile).unwrap();
    image.write_data(rgb).unwrap();
    let mut jpeg = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 100);
    encoder.set_icc_profile(profile.to_vec()).unwrap();
    encoder.write_image(rgb, width, height, ExtendedColorType::Rgb8).unwrap();
    vec![("a.png", png), ("a.webp", webp), ("a.tiff", tiff), ("a.jpg", jpeg)]
}

#[test]
fn colours_of_other_spaces_come_out_as_others_convert_them() {
    // Mild colours: where one is outside of sRGB, cutting it off is a matter of taste.
    let mut random = Random(8);
    let rgb: Vec<u8> = (0..64 * 64 * 3).map(|_| 70 + random.next() as u8 % 110).collect();
    for (name, profile) in [
        ("Adobe RGB", ColorProfile::new_adobe_rgb()),
        ("Display P3", ColorProfile::new_display_p3()),
        ("BT.2020", ColorProfile::new_bt2020()),
    ] {
        let bytes = profile.encode().unwrap();
        let transform = profile
            .create_transform_8bit(Layout::Rgb, &ColorProfile::new_srgb(), Layout::Rgb, TransformOptions::default())
            .unwrap();
        for (file, picture) in profiled(&rgb, 64, &bytes) {
            let (report, found) = read(file, &picture, TextureKind::Color).unwrap();
            assert_eq!(report["iccProfile"], "converted", "{name} {file}");
            let plain = if file == "a.jpg" {
                image::load_from_memory(&picture).unwrap().into_rgb8().into_raw()
            } else {
                rgb.clone()
            };
            let mut expected = vec![0; rgb.len()];
            transform.transform(&plain, &mut expected).unwrap();
            let found = found.into_rgb8().into_raw();
            let worst = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst <= 1, "{name} {file}: {worst}");
            assert!(found != plain, "{name} {file}");
            // Numbers that aren't colours stay.
            let (report, found) = read(file, &picture, TextureKind::Mask).unwrap();
            assert!(report["iccProfile"].as_str().unwrap().starts_with("ignored"), "{name} {file}");
            assert!(found.into_rgb8().into_raw() == plain, "{name} {file}");
        }
    }
}

#[test]
fn srgb_and_damaged_profiles_leave_colours_as_they_are() {
    let rgb = Random(9).bytes(16 * 16 * 3);
    let srgb = ColorProfile::new_srgb().encode().unwrap();
    let damaged = [&srgb[..100], &[7; 300]].concat();
    let mut tables = srgb.clone();
    let at = tables.windows(4).position(|four| four == b"rXYZ").unwrap();
    tables[at..at + 4].copy_from_slice(b"A2B0");
    for (profile, told) in [(&srgb, "srgb"), (&damaged, "ignored"), (&tables, "ignored: the profile has tables")] {
        for (file, picture) in profiled(&rgb, 16, profile) {
            let (report, found) = read(file, &picture, TextureKind::Color).unwrap();
            assert!(report["iccProfile"].as_str().unwrap().starts_with(told), "{file}: {report:?}");
            if file != "a.jpg" {
                assert!(found.into_rgb8().into_raw() == rgb, "{file} {told}");
            }
        }
    }
    assert!(
        !read("a.png", &png(16, 16, ExtendedColorType::Rgb8, &rgb), TextureKind::Color)
            .unwrap()
            .0
            .contains_key("iccProfile")
    );
}

#[test]
fn greys_and_sixteen_bits_follow_their_profile() {
    let grey: Vec<u8> = (0..=255).collect();
    let gamma = ColorProfile::new_gray_with_gamma(1.8).encode().unwrap();
    let mut file = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut file);
    encoder.set_icc_profile(gamma.clone()).unwrap();
    encoder.write_image(&grey, 16, 16, ExtendedColorType::L8).unwrap();
    let (report, found) = read("a.png", &file, TextureKind::Color).unwrap();
    assert_eq!(report["iccProfile"], "converted");
    for (code, &found) in found.into_luma8().as_raw().iter().enumerate() {
        let light = (code as f64 / 255.0).powf(1.8);
        let srgb = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
        assert!((f64::from(found) - srgb * 255.0).abs() < 0.8, "{code}: {found}");
    }

    let mut random = Random(10);
    let deep: Vec<u16> = (0..16 * 16 * 3).map(|_| 18_000 + (random.next() % 28_000) as u16).collect();
    let profile = ColorProfile::new_display_p3();
    let mut file = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut file);
    encoder.set_icc_profile(profile.encode().unwrap()).unwrap();
    let bytes: Vec<u8> = deep.iter().flat_map(|value| value.to_ne_bytes()).collect();
    encoder.write_image(&bytes, 16, 16, ExtendedColorType::Rgb16).unwrap();
    let found = read("a.png", &file, TextureKind::Color).unwrap().1.into_rgb16().into_raw();
    let srgb = ColorProfile::new_srgb();
    let transform =
        profile.create_transform_16bit(Layout::Rgb, &srgb, Layout::Rgb, TransformOptions::default()).unwrap();
    let mut expected = vec![0; deep.len()];
    transform.transform(&deep, &mut expected).unwrap();
    let worst = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    // Others take short cuts here: to within a thousandth or so.
    assert!(worst <= 100, "{worst} in 65535");
}

#[test]
fn channels_of_several_images_become_one() {
    let (width, height) = (8, 4);
    let [occlusion, smoothness] = [Random(1).bytes(32), Random(2).bytes(32)];
    let metal = Random(3).bytes(32 * 4);
    let input = |name: &str, bytes: Vec<u8>| AssetInput::from_bytes(name, bytes);
    let plane = |input: &AssetInput, channel, invert| Plane { input: input.clone(), channel, invert };
    let a = input("ao.png", png(width, height, ExtendedColorType::L8, &occlusion));
    let b = input("smooth.png", png(width, height, ExtendedColorType::L8, &smoothness));
    let c = input("metal.png", png(width, height, ExtendedColorType::Rgba8, &metal));
    let packing = Packing::default()
        .with(Channel::Red, plane(&a, Channel::Red, false))
        .with(Channel::Green, plane(&b, Channel::Green, true))
        .with(Channel::Blue, plane(&c, Channel::Alpha, false));
    let (limits, cancel) = (AssetLimits::default(), Cancel::new());
    let packed = packing.pack("orm", &limits, &cancel).unwrap();
    let found = image::load_from_memory(&packed.bytes(&limits).unwrap()).unwrap();
    assert_eq!((packed.name(), found.color()), ("orm.png", image::ColorType::Rgb8));
    for (at, pixel) in found.to_rgb8().pixels().enumerate() {
        assert_eq!(pixel.0, [occlusion[at], 255 - smoothness[at], metal[at * 4 + 3]]);
    }

    // An image of half the size and 16 bits: all become 16 bits, and it is brought to the others' size.
    let flat: Vec<u8> = [0x3412u16; 8].iter().flat_map(|value| value.to_ne_bytes()).collect();
    let d = input("flat.png", png(4, 2, ExtendedColorType::L16, &flat));
    let packed = packing.with(Channel::Alpha, plane(&d, Channel::Red, false)).pack("x", &limits, &cancel).unwrap();
    let found = image::load_from_memory(&packed.bytes(&limits).unwrap()).unwrap().into_rgba16();
    for (at, pixel) in found.pixels().enumerate() {
        assert_eq!((pixel.0[0], pixel.0[3]), (u16::from(occlusion[at]) * 257, 0x3412));
    }

    assert_eq!(Packing::default().pack("x", &limits, &cancel).unwrap_err().kind(), ErrorKind::Invalid);
    let broken = Packing::default().with(Channel::Red, plane(&input("b.png", vec![1, 2, 3]), Channel::Red, false));
    let error = broken.pack("x", &limits, &cancel).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.context().contains(&("asset", "b.png".to_owned())), "{error}");
}
