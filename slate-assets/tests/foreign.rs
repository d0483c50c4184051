//! Readers of other hands on what is written: ktx-parse of npm on every KTX2 file; Pillow and texture2ddecoder of PyPI on
//! pixels, beside our own decoder. Skipped aloud where they can't be fetched.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use image::ExtendedColorType::Rgba8;
use serde_json::json;
use slate_assets::texture::{
    TextureProcessor,
    block::{BlockFormat, Effort, Footprint, Surface, Values, decode, encode},
};
use slate_core::asset::{
    AssetInput, AssetLimits, Compression, Supercompression, TextureFormat, TextureKind, TextureOptions,
};
use std::{env, fs, process::Command};
use support::png;

const PILLOW: (&str, &str, &str) = ("pillow", "13.0.0", "PIL");
const DECODER: (&str, &str, &str) = ("texture2ddecoder", "1.0.6", "texture2ddecoder");

/// Slopes in every channel, with some noise on them.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let mut random = support::Random(21);
    let of = |at: u32, channel: u32, noise: u32| {
        let (x, y) = (at % width, at / width);
        (30 + x * (2 + channel) + y * (4 - channel) + noise % 12).min(255) as u8
    };
    (0..width * height)
        .flat_map(|at| {
            let noise = random.next();
            [0, 1, 2, 3].map(|channel| of(at, channel, noise >> (channel * 4)))
        })
        .collect()
}

fn write(bytes: &[u8], name: &str, options: &TextureOptions) -> Vec<u8> {
    let input = AssetInput::from_bytes(name, bytes.to_vec());
    let (_, files) = support::run(&TextureProcessor, &input, options, &AssetLimits::default()).unwrap();
    files.values().next().unwrap().to_vec()
}

fn kind_of(compression: Compression) -> TextureKind {
    match compression {
        Compression::Bc4 | Compression::EacR11 | Compression::Bc5 | Compression::EacRg11 => TextureKind::Mask,
        Compression::Bc6h => TextureKind::Hdr,
        _ => TextureKind::Color,
    }
}

#[test]
fn ktx_parse_reads_every_ktx2_file_as_it_was_meant() {
    let Some(module) = support::node::module("ktx-parse", "2.0.0") else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = png(24, 36, Rgba8, &picture(24, 36));
    let mut count = 0;
    for &compression in Compression::ALL {
        for &supercompression in Supercompression::ALL {
            for (shape, slices) in [("flat", None), ("volume", Some(6)), ("small", None)] {
                let mut options = TextureOptions::default();
                (options.compression, options.supercompression) = (compression, supercompression);
                (options.kind, options.quality, options.slices) = (kind_of(compression), 10, slices);
                options.generate_mipmaps = shape != "small";
                if options.validate().is_err() {
                    continue;
                }
                let file = write(&source, "a.png", &options);
                fs::write(folder.path().join(format!("{compression}-{supercompression}-{shape}.ktx2")), file).unwrap();
                count += 1;
            }
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/ktx.mjs");
    let output = Command::new("node").arg(script).arg(module).arg(folder.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let found: serde_json::Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(found.as_object().unwrap().len(), count);
    assert!(count > 100, "{count}");
    for (name, told) in found.as_object().unwrap() {
        let file = fs::read(folder.path().join(name)).unwrap();
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let numbers: Vec<u32> = [12, 16, 20, 24, 28, 32, 36, 44].map(word).to_vec();
        assert_eq!(told["numbers"], json!(numbers), "{name}: {told}");
        let volume = name.contains("volume");
        assert_eq!(numbers[2..5], if volume { [24, 6, 6] } else { [24, 36, 0] }, "{name}");
        let levels = told["levels"].as_array().unwrap();
        assert_eq!(
            levels.len(),
            if name.contains("small") {
                1
            } else if volume {
                5
            } else {
                6
            },
            "{name}"
        );
        for level in levels {
            let whole = name.contains("-none-");
            assert_eq!(level[0] == level[1], whole, "{name}: {told}");
        }
        assert_eq!(told["keys"], json!(["KTXorientation", "KTXwriter"]), "{name}");
    }
}

/// Has a Python script decode the jobs of a folder.
fn decode_by_python(folder: &std::path::Path, jobs: &[serde_json::Value], modules: &std::path::Path) {
    fs::write(folder.join("jobs.json"), json!(jobs).to_string()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/textures.py");
    let output = Command::new("python3").env("PYTHONPATH", modules).arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn pillow_reads_dds_as_we_do() {
    let Some(modules) = support::node::python_module(PILLOW.0, PILLOW.1, PILLOW.2) else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = png(37, 26, Rgba8, &picture(37, 26));
    let (mut jobs, mut ours) = (Vec::new(), Vec::new());
    for compression in
        [Compression::None, Compression::Bc1, Compression::Bc3, Compression::Bc4, Compression::Bc5, Compression::Bc7]
    {
        let mut options = TextureOptions::default();
        // As plain numbers: Pillow knows few of the formats in sRGB.
        (options.format, options.compression, options.kind) = (TextureFormat::Dds, compression, TextureKind::Mask);
        options.quality = 60;
        let file = write(&source, "a.png", &options);
        let mut back = TextureOptions::default();
        (back.format, back.generate_mipmaps, back.kind) = (TextureFormat::Png, false, options.kind);
        let png = write(&file, "a.dds", &back);
        ours.push(image::load_from_memory(&png).unwrap().into_rgba8().into_raw());
        let name = format!("{compression}.dds");
        fs::write(folder.path().join(&name), file).unwrap();
        jobs.push(json!([name, "pillow", 37, 26, 4, 4]));
    }
    decode_by_python(folder.path(), &jobs, &modules);
    for (job, ours) in jobs.iter().zip(&ours) {
        let name = job[0].as_str().unwrap();
        let theirs = fs::read(folder.path().join(format!("{name}.raw"))).unwrap();
        // BC1's and BC4's steps in between may be rounded either way; of BC5 Pillow tells two channels.
        let (most, channels) = match name {
            "bc7.dds" | "none.dds" => (0, 4),
            "bc5.dds" => (1, 2),
            _ => (4, 4),
        };
        let pairs = ours.chunks_exact(4).zip(theirs.chunks_exact(4));
        let worst = pairs.flat_map(|(a, b)| (0..channels).map(|at| a[at].abs_diff(b[at])).collect::<Vec<_>>()).max();
        assert!(worst.unwrap() <= most, "{name}: {worst:?}");
        assert_eq!(ours.len(), theirs.len(), "{name}");
    }
}

#[test]
fn texture2ddecoder_reads_blocks_as_we_do() {
    let Some(modules) = support::node::python_module(DECODER.0, DECODER.1, DECODER.2) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (width, height) = (60, 44);
    let surface = Surface::new(width, height, Values::Rgba8(picture(width, height))).unwrap();
    let fixed = [
        (BlockFormat::Bc1, "decode_bc1", 4),
        (BlockFormat::Bc3, "decode_bc3", 4),
        (BlockFormat::Bc4, "decode_bc4", 1),
        (BlockFormat::Bc5, "decode_bc5", 1),
        (BlockFormat::Bc7, "decode_bc7", 0),
        (BlockFormat::Etc2Rgb, "decode_etc2", 0),
        (BlockFormat::Etc2Rgba1, "decode_etc2a1", 0),
        (BlockFormat::Etc2Rgba, "decode_etc2a8", 0),
        (BlockFormat::EacR11, "decode_eacr", 1),
        (BlockFormat::EacRg11, "decode_eacrg", 1),
    ];
    // Of ASTC the eight bits are rounded from sixteen in two ways.
    let astc = Footprint::ALL.map(|footprint| (BlockFormat::Astc(footprint), "decode_astc", 1));
    let formats: Vec<_> = fixed.into_iter().chain(astc).collect();
    let mut jobs = Vec::new();
    for (format, decoder, _) in &formats {
        let name = format!("{format}.blocks").replace(' ', "-");
        fs::write(folder.path().join(&name), encode(&surface, *format, Effort::NORMAL, &|| Ok(())).unwrap()).unwrap();
        let size = format.block_size();
        jobs.push(json!([name, decoder, width, height, size.0, size.1]));
    }
    decode_by_python(folder.path(), &jobs, &modules);
    for ((format, _, most), job) in formats.iter().zip(&jobs) {
        let name = job[0].as_str().unwrap();
        let blocks = fs::read(folder.path().join(name)).unwrap();
        let theirs = fs::read(folder.path().join(format!("{name}.raw"))).unwrap();
        let ours = match decode(&blocks, width, height, *format, &|| Ok(())).unwrap().values {
            Values::Rgba8(values) => values,
            Values::Rg16(values) => {
                values.chunks_exact(2).flat_map(|pair| [(pair[0] >> 8) as u8, (pair[1] >> 8) as u8, 0, 255]).collect()
            }
            _ => unreachable!(),
        };
        let channels = usize::from(format.channels());
        for (at, (a, b)) in ours.chunks_exact(4).zip(theirs.chunks_exact(4)).enumerate() {
            if *format == BlockFormat::Etc2Rgba1 && a[3] == 0 && b[3] == 0 {
                // What has no colour has one there.
                continue;
            }
            let off = [a[0].abs_diff(b[2]), a[1].abs_diff(b[1]), a[2].abs_diff(b[0]), a[3].abs_diff(b[3])];
            let worst = off[..channels].iter().max().unwrap();
            assert!(worst <= most, "{format} texel {at}: {a:?}, and theirs is {b:?} with blue first");
        }
        assert_eq!(ours.len(), theirs.len(), "{format}");
    }
}
