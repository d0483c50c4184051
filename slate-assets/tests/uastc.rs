//! UASTC: what Basis Universal's own encoder and transcoder make of it, beside what is made here.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use image::ExtendedColorType::{L8, La8, Rgb8, Rgba8};
use serde_json::{Value, json};
use slate_assets::texture::{
    TextureProcessor,
    block::{BlockFormat, Channels, Effort, Footprint, Surface, Values, decode, encode},
    ktx2::check,
};
use slate_core::{
    ErrorKind,
    asset::{
        AssetInput, AssetLimits, Compression, Processor, Report, Supercompression, TextureFormat, TextureKind,
        TextureOptions,
    },
};
use std::{env, fs, path::Path, process::Command};
use support::{Random, png};

const RGBA: BlockFormat = BlockFormat::Uastc(Channels::Rgba);

/// Blocks of every mode, 16 bytes each, and what the reference transcoder shows: 64 bytes of RGBA.
const BLOCKS: &[u8] = include_bytes!("data/uastc.bin");

fn rgba(blocks: &[u8], width: u32, height: u32, format: BlockFormat) -> Vec<u8> {
    match decode(blocks, width, height, format, &|| Ok(())).unwrap().values {
        Values::Rgba8(values) => values,
        other => panic!("{other:?}"),
    }
}

/// The bits that blocks of each mode begin with.
const CODES: [(u8, u32); 19] = [
    (0x01, 4),
    (0x35, 6),
    (0x1D, 5),
    (0x03, 5),
    (0x13, 5),
    (0x0B, 5),
    (0x1B, 5),
    (0x07, 5),
    (0x17, 5),
    (0x0F, 5),
    (0x02, 3),
    (0x00, 2),
    (0x06, 3),
    (0x1F, 5),
    (0x0D, 5),
    (0x05, 7),
    (0x15, 6),
    (0x25, 6),
    (0x09, 4),
];

fn mode(block: &[u8]) -> usize {
    CODES.iter().position(|(code, bits)| block[0] & (0xFF >> (8 - bits)) == *code).unwrap()
}

/// A picture of several characters, by quarters: slopes, edges, noise, greys; with or without alpha.
fn picture(width: u32, height: u32, alpha: bool) -> Vec<u8> {
    let mut random = Random(33);
    let mut out = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let noise = random.next();
            let of = |at: u32| (noise >> (8 * at)) as u8;
            let slope = [x * 3, y * 4, 255 - x, 40 + 2 * y].map(|value| value.min(255) as u8);
            let texel = match (2 * x / width, 2 * y / height) {
                (0, 0) => [slope[0], slope[1], slope[2], slope[3]],
                (1, 0) if (x / 3 + y / 5) % 2 == 0 => [200 + of(0) / 16, slope[1] / 2, 20, slope[0]],
                (1, 0) => [10, 60 + of(1) / 32, 200, 255 - slope[3] / 2],
                (0, 1) => [slope[0] / 2 + of(0) / 8, slope[1] / 2 + of(1) / 4, of(2) / 2 + 60, 128 + of(3) / 2],
                _ => [slope[0] / 2 + of(0) / 16; 4],
            };
            out.extend([texel[0], texel[1], texel[2], if alpha { texel[3] } else { 255 }]);
        }
    }
    out
}

fn psnr(a: &[u8], b: &[u8], channels: usize) -> f64 {
    let (mut squares, mut count) = (0.0, 0.0);
    for (a, b) in a.chunks_exact(4).zip(b.chunks_exact(4)) {
        for channel in 0..channels {
            squares += (f64::from(a[channel]) - f64::from(b[channel])).powi(2);
            count += 1.0;
        }
    }
    10.0 * (65_025.0 * count / f64::max(squares, 1e-9)).log10()
}

fn process(name: &str, bytes: &[u8], options: &TextureOptions) -> (Report, Vec<u8>) {
    let input = AssetInput::from_bytes(name, bytes.to_vec());
    let (report, files) = support::run(&TextureProcessor, &input, options, &AssetLimits::default()).unwrap();
    (report, files.values().next().unwrap().to_vec())
}

fn options(kind: TextureKind) -> TextureOptions {
    let mut options = TextureOptions::default();
    (options.compression, options.kind, options.quality) = (Compression::Uastc, kind, 60);
    options
}

#[test]
fn blocks_of_every_mode_show_what_the_reference_shows() {
    let mut seen = [0; 19];
    for block in BLOCKS.chunks_exact(80) {
        let mode = mode(block);
        assert_eq!(rgba(&block[..16], 4, 4, RGBA), &block[16..], "mode {mode}: {:02x?}", &block[..16]);
        seen[mode] += 1;
    }
    assert!(seen.iter().all(|&count| count >= 5), "{seen:?}");
}

#[test]
fn a_block_without_a_mode_or_partition_is_corrupt() {
    let sound: Vec<u8> = BLOCKS[..16].repeat(4);
    // The code that is kept free; a partition of two subsets beyond the last.
    let mut free = sound.clone();
    free[32] = 0x45;
    let beyond = (0x1D_u128 | 31 << 20).to_le_bytes();
    for bad in [free, [&sound[..48], &beyond[..]].concat()] {
        let error = decode(&bad, 8, 8, RGBA, &|| Ok(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    assert!(decode(&sound, 8, 8, RGBA, &|| Ok(())).is_ok());
}

/// Blocks of several characters, one below the other: noise along a line, with alpha or one channel apart, of two colours,
/// of greys.
fn column(kind: usize, blocks: usize) -> Surface {
    let (mut random, mut values) = (Random(5), Vec::new());
    for _ in 0..blocks {
        let colors: Vec<u8> = random.bytes(8);
        for at in 0..16 {
            let noise = random.bytes(2);
            let (share, free) = (u32::from(noise[0]), noise[1]);
            let mixed = |at: usize| (u32::from(colors[at]) * share + u32::from(colors[at + 4]) * (255 - share)) / 255;
            let mixed = [0, 1, 2, 3].map(|at| mixed(at) as u8);
            let one = usize::from(at % 4 > 1) * 4;
            values.extend(match kind {
                0 => [mixed[0], mixed[1], mixed[2], 255],
                1 => [mixed[0], mixed[1], mixed[2], free],
                2 => [mixed[0], mixed[1], free, 255],
                3 => mixed,
                4 => [mixed[0], mixed[0], mixed[0], free],
                5 => [mixed[0], mixed[0], mixed[0], 255],
                6 => [colors[one], colors[one + 1] ^ (free & 7), colors[one + 2], 255],
                7 => [colors[one], colors[one + 1], colors[one + 2] ^ (free & 31), colors[one + 3]],
                8 => [colors[one] ^ (free & 15), colors[one] ^ (free & 15), colors[one] ^ (free & 15), colors[one + 3]],
                9 => [colors[0] / 2 + at * 3, colors[1] / 2 + at * 5, colors[2] / 2 + at, 255],
                _ => [colors[0], colors[1], colors[2], colors[3]],
            });
        }
    }
    Surface::new(4, 4 * blocks as u32, Values::Rgba8(values)).unwrap()
}

#[test]
fn more_effort_comes_nearer_and_every_useful_mode_is_used() {
    let (mut used, mut last) = ([0; 19], 0.0);
    for effort in [Effort::FASTEST, Effort::FAST, Effort::NORMAL, Effort::HIGH, Effort::BEST] {
        let mut mean = 0.0;
        for (kind, least) in [34.0, 26.0, 27.0, 30.0, 27.0, 40.0, 40.0, 33.0, 40.0, 44.0, 90.0].into_iter().enumerate()
        {
            let surface = column(kind, 60);
            let Values::Rgba8(values) = &surface.values else { unreachable!() };
            let blocks = encode(&surface, RGBA, effort, &|| Ok(())).unwrap();
            blocks.chunks_exact(16).for_each(|block| used[mode(block)] += 1);
            let found = psnr(&rgba(&blocks, 4, 240, RGBA), values, 4);
            println!("{effort:?} {kind}: {found:.2} dB");
            assert!(effort < Effort::NORMAL || found > least, "{effort:?} {kind}: {found:.2} dB");
            mean += found.min(60.0) / 11.0;
        }
        println!("{effort:?}: {mean:.2} dB");
        assert!(mean > last, "{effort:?}: {mean:.2} dB after {last:.2}");
        last = mean;
    }
    // One has three subsets, and one has a better one beside it that is otherwise the same.
    let unused: Vec<usize> = (0..19).filter(|&mode| used[mode] == 0).collect();
    println!("{used:?}");
    assert!(unused.iter().all(|mode| [1, 3].contains(mode)), "{unused:?}");
}

#[test]
fn files_say_what_their_channels_hold() {
    let bytes = picture(20, 12, true);
    let of = |channels: &[usize]| -> Vec<u8> {
        bytes.chunks_exact(4).flat_map(|texel| channels.iter().map(|&at| texel[at]).collect::<Vec<_>>()).collect()
    };
    let cases = [
        (TextureKind::Color, png(20, 12, Rgb8, &of(&[0, 1, 2])), 0, 2, 1),
        (TextureKind::Color, png(20, 12, Rgba8, &bytes), 3, 2, 1),
        (TextureKind::Normal, png(20, 12, Rgb8, &of(&[0, 1, 2])), 0, 1, 0),
        (TextureKind::Mask, png(20, 12, L8, &of(&[0])), 4, 1, 0),
        (TextureKind::Mask, png(20, 12, La8, &of(&[0, 3])), 5, 1, 0),
    ];
    for (kind, source, channel, transfer, primaries) in cases {
        for supercompression in [Supercompression::None, Supercompression::Zstd] {
            let mut options = options(kind);
            options.supercompression = supercompression;
            let (report, file) = process("a.png", &source, &options);
            assert_eq!(check(&file), Vec::<String>::new());
            let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
            assert_eq!((word(12), word(16), &report["vkFormat"]), (0, 1, &0.into()));
            let descriptor = &file[word(48) as usize..][..44];
            assert_eq!((descriptor[12], descriptor[13], descriptor[14]), (166, primaries, transfer));
            assert_eq!((&descriptor[16..21], &descriptor[28..32]), (&[3, 3, 0, 0, 16][..], &[0, 0, 127, channel][..]));
            // And it is read as what it is.
            let mut back = TextureOptions::default();
            (back.format, back.generate_mipmaps, back.kind) = (TextureFormat::Png, false, kind);
            let (report, again) = process("a.ktx2", &file, &back);
            let channels = match channel {
                0 | 5 => 3,
                3 => 4,
                _ => 1,
            };
            assert_eq!(report["channels"], json!(channels));
            let found = image::load_from_memory(&again).unwrap().to_rgba8().into_raw();
            let wanted = image::load_from_memory(&source).unwrap().to_rgba8().into_raw();
            // Two numbers come back as two channels.
            let wanted =
                if channel == 5 { wanted.chunks_exact(4).flat_map(|t| [t[0], t[3], 0, 255]).collect() } else { wanted };
            let near = psnr(&found, &wanted, 4);
            println!("{kind} {channel}: {near:.1} dB");
            assert!(near > 27.0, "{kind} {channel}: {near:.1} dB");
        }
    }
}

#[test]
fn what_cannot_hold_uastc_is_refused_by_name() {
    let mut dds = options(TextureKind::Color);
    dds.format = TextureFormat::Dds;
    let mut light = options(TextureKind::Hdr);
    light.quality = 10;
    let mut sliced = options(TextureKind::Color);
    sliced.slices = Some(4);
    let mut cheap = options(TextureKind::Color);
    cheap.rate_distortion = 4.0;
    for (options, text) in [
        (dds, "dds can't hold uastc: choose ktx2"),
        (light, "choose bc6h or none"),
        (sliced, "uastc holds no volume: choose bc7 or none"),
        (cheap, "uastc has no rateDistortion: choose bc1, bc3, bc7 or astc, or rateDistortion 0"),
    ] {
        let error = TextureProcessor.check(&options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(text), "{error:?}");
    }
}

#[test]
fn other_files_of_basis_universal_are_refused_by_name() {
    let source = png(8, 8, Rgb8, &Random(4).bytes(192));
    let (_, sound) = process("a.png", &source, &options(TextureKind::Color));
    let descriptor = u32::from_le_bytes(sound[48..52].try_into().unwrap()) as usize;
    let error = |at: usize, byte: u8| {
        let mut file = sound.clone();
        file[at] = byte;
        let input = AssetInput::from_bytes("a.ktx2", file);
        support::run(&TextureProcessor, &input, &TextureOptions::default(), &AssetLimits::default()).unwrap_err()
    };
    let etc1s = error(descriptor + 12, 163);
    assert_eq!(etc1s.kind(), ErrorKind::Unsupported);
    assert!(etc1s.message().contains("ETC1S"), "{etc1s}");
    assert_eq!(error(descriptor + 12, 167).kind(), ErrorKind::Unsupported);
    assert_eq!(error(44, 1).kind(), ErrorKind::Unsupported, "BasisLZ");
    assert_eq!(error(descriptor + 31, 7).kind(), ErrorKind::Corrupt);
    assert_eq!(error(28, 1).kind(), ErrorKind::Corrupt, "a volume");
}

#[test]
fn the_checker_finds_what_is_broken_in_uastc() {
    let source = png(20, 20, Rgb8, &picture(20, 15, true));
    let (_, sound) = process("a.png", &source, &options(TextureKind::Color));
    assert_eq!(check(&sound), Vec::<String>::new());
    let descriptor = 80 + 24 * 5;
    for at in [12, 16, 20, 28, 36, 40, 44, 48, 52].into_iter().chain(descriptor..descriptor + 44) {
        // The flag of multiplied alpha may be either, so may the transfer function and the channels.
        if ![14, 15, 31].contains(&(at - at.min(descriptor))) {
            let mut broken = sound.clone();
            broken[at] ^= 1;
            assert!(!check(&broken).is_empty(), "byte {at}");
        }
    }
}

/// Has Basis Universal's own programs do jobs in a folder; whether they are there.
fn basis(folder: &Path, jobs: &[Value]) -> bool {
    let modules = [
        support::node::python_module("numpy", "2.4.6", "numpy"),
        support::node::python_module("opengl-basisu", "0.1.0a2", "opengl_basisu"),
        support::node::python_module("alktx2", "0.1.7", "alktx2"),
    ];
    let Some(modules) = modules.into_iter().collect::<Option<Vec<_>>>() else { return false };
    fs::write(folder.join("jobs.json"), json!(jobs).to_string()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/basis.py");
    let path = env::join_paths(modules).unwrap();
    let output = Command::new("python3").env("PYTHONPATH", path).arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// What graphics processors show of the reference's transcodes.
fn targets() -> [(&'static str, BlockFormat); 4] {
    [
        ("astc_4x4", BlockFormat::Astc(Footprint::ALL[0])),
        ("bc7", BlockFormat::Bc7),
        ("etc2", BlockFormat::Etc2Rgba),
        ("bc3", BlockFormat::Bc3),
    ]
}

#[test]
fn the_reference_transcoder_reads_what_is_written_and_makes_others_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut jobs, mut files) = (Vec::new(), Vec::new());
    for alpha in [false, true] {
        let values = picture(96, 64, alpha);
        fs::write(folder.path().join(format!("{alpha}.raw")), &values).unwrap();
        jobs.push(json!(["encode", format!("{alpha}.raw"), 96, 64, {"quality": 100, "effort": 2}]));
        jobs.extend(targets().map(|(target, _)| json!(["transcode", format!("{alpha}.ktx2"), target])));
        for quality in [10, 40, 60, 85, 95] {
            let mut options = options(TextureKind::Color);
            options.quality = quality;
            options.supercompression = [Supercompression::None, Supercompression::Zstd][usize::from(quality > 50)];
            let (_, file) = process("a.png", &png(96, 64, Rgba8, &values), &options);
            let name = format!("{alpha}-{quality}.ktx2");
            fs::write(folder.path().join(&name), &file).unwrap();
            jobs.push(json!(["transcode", name, "rgba8"]));
            jobs.extend(targets().map(|(target, _)| json!(["transcode", name, target])));
            files.push((alpha, quality, file));
        }
    }
    if !basis(folder.path(), &jobs) {
        return;
    }
    for (alpha, quality, file) in files {
        let source = picture(96, 64, alpha);
        let name = format!("{alpha}-{quality}");
        let raw = |name: &str, extension: &str| fs::read(folder.path().join(format!("{name}.{extension}"))).unwrap();
        let mut back = TextureOptions::default();
        (back.format, back.generate_mipmaps) = (TextureFormat::Png, false);
        let png = process("a.ktx2", &file, &back).1;
        let ours = image::load_from_memory(&png).unwrap().to_rgba8().into_raw();
        assert!(raw(&name, "rgba8") == ours, "{name}");
        for (target, format) in targets() {
            let near = |name: &str| psnr(&rgba(&raw(name, target), 96, 64, format), &source, 4);
            let (ours, theirs) = (near(&name), near(&alpha.to_string()));
            println!("{name} as {target}: {ours:.2} dB, and the reference's own {theirs:.2}");
            // The quickest effort gives no channel weights of its own, which this picture is made for.
            let behind = if quality < 20 { 3.5 } else { 0.3 };
            assert!(ours > theirs - behind, "{name}: {ours:.2} dB as {target}, {theirs:.2} of the reference's own");
        }
    }
}

#[test]
fn files_of_the_reference_encoder_are_read_as_it_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let (mut jobs, mut names) = (Vec::new(), Vec::new());
    for (alpha, effort, zstd) in [(false, 2, 0), (false, 8, 3), (true, 2, 3), (true, 8, 0)] {
        let name = format!("{alpha}-{effort}");
        fs::write(folder.path().join(format!("{name}.raw")), picture(48, 40, alpha)).unwrap();
        let mut options = json!({"quality": 100, "effort": effort, "mipmaps": true});
        if zstd > 0 {
            options["zstd_supercompression_level"] = zstd.into();
        }
        jobs.push(json!(["encode", format!("{name}.raw"), 48, 40, options]));
        jobs.push(json!(["transcode", format!("{name}.ktx2"), "rgba8"]));
        names.push(name);
    }
    if !basis(folder.path(), &jobs) {
        return;
    }
    for name in names {
        let file = fs::read(folder.path().join(format!("{name}.ktx2"))).unwrap();
        assert_eq!(check(&file), Vec::<String>::new(), "{name}");
        let mut back = TextureOptions::default();
        (back.format, back.generate_mipmaps) = (TextureFormat::Png, false);
        let png = process("a.ktx2", &file, &back).1;
        let ours = image::load_from_memory(&png).unwrap().to_rgba8().into_raw();
        assert!(fs::read(folder.path().join(format!("{name}.rgba8"))).unwrap() == ours, "{name}");
    }
}
