//! Thousands of damaged files: no panic, no memory beyond the limits, and only errors that say what to do.
//!
//! The same damages each time. Where a decoder panics inside, that must come out as an error too.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use peak_alloc::PeakAlloc;
use slate_assets::{audio::AudioProcessor, model::ModelProcessor, texture::TextureProcessor};
use slate_core::{
    ErrorKind,
    asset::{
        AssetInput, AssetLimits, AudioFormat, AudioOptions, Compression, MeshCompression, ModelOptions, Processor,
        Supercompression, TextureFormat, TextureKind, TextureOptions,
    },
};
use support::Random;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const DECODED: u64 = 16 << 20;

fn limits() -> AssetLimits {
    let mut limits = AssetLimits::default();
    (limits.decoded_bytes, limits.input_bytes, limits.output_bytes) = (DECODED, 1 << 20, 8 << 20);
    (limits.pixels, limits.audio_seconds) = (1 << 20, 10);
    limits
}

fn damaged(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_slice(&seed[at.min(seed.len())..]),
            2 | 3 => bytes.iter_mut().skip(at).take(4).for_each(|byte| *byte = [0, 0xFF, 0x7F, 0x80][random.below(4)]),
            4 => bytes.iter_mut().skip(at.min(60)).take(1).for_each(|byte| *byte = random.next() as u8),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        }
    }
    bytes
}

fn attack<P: Processor>(processor: &P, name: &str, seed: &[u8], options: &P::Options, rounds: u32) {
    let limits = limits();
    let mut random = Random(seed.len() as u64);
    let (mut failed, mut passed) = (0, 0);
    for round in 0..rounds {
        let bytes = damaged(seed, &mut random);
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let input = AssetInput::from_bytes(name, bytes);
        match support::run(processor, &input, options, &limits) {
            Ok(_) => passed += 1,
            Err(error) => {
                failed += 1;
                let expected = [
                    ErrorKind::Corrupt,
                    ErrorKind::LimitExceeded,
                    ErrorKind::Unsupported,
                    ErrorKind::Invalid,
                    ErrorKind::PermissionDenied,
                    ErrorKind::ResourceExhausted,
                ];
                assert!(expected.contains(&error.kind()), "{name} round {round}: {error:?}");
            }
        }
        let used = MEMORY.peak_usage().saturating_sub(before) as u64;
        assert!(used <= 2 * DECODED + limits.output_bytes, "{name} round {round} took {used} bytes");
    }
    assert!(failed > rounds / 20, "{name}: {failed} failed, {passed} passed: the damages do nothing");
}

/// In one test: the memory of tests side by side can't be told apart.
#[test]
fn damaged_files_do_no_harm() {
    // Without a backtrace, which would be the most memory of all.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    for (name, seed) in support::pictures() {
        let mut options = TextureOptions::default();
        if support::is_hdr(name) {
            options.kind = TextureKind::Hdr;
        }
        attack(&TextureProcessor, name, &seed, &options, 1_500);
    }
    for packed in [false, true] {
        let seed = support::psd(13, 7, &Random(2).bytes(13 * 7 * 4), packed);
        attack(&TextureProcessor, "a.psd", &seed, &TextureOptions::default(), 1_500);
    }
    for compression in [tiff::encoder::Compression::Lzw, tiff::encoder::Compression::Deflate(Default::default())] {
        let mut seed = Vec::new();
        let encoder = tiff::encoder::TiffEncoder::new(std::io::Cursor::new(&mut seed)).unwrap();
        let mut encoder = encoder.with_compression(compression);
        let rgb = Random(6).bytes(13 * 7 * 3);
        let mut image = encoder.new_image::<tiff::encoder::colortype::RGB8>(13, 7).unwrap();
        let profile = moxcms::ColorProfile::new_adobe_rgb().encode().unwrap();
        image.encoder().write_tag(tiff::tags::Tag::IccProfile, &profile[..]).unwrap();
        image.rows_per_strip(2).unwrap();
        image.write_data(&rgb).unwrap();
        attack(&TextureProcessor, "a.tiff", &seed, &TextureOptions::default(), 3_000);
    }
    let (_, png) = support::pictures().swap_remove(0);
    let input = AssetInput::from_bytes("t.png", png);
    for (compression, format) in [
        (Compression::None, TextureFormat::Ktx2),
        (Compression::Bc7, TextureFormat::Ktx2),
        (Compression::Astc6x6, TextureFormat::Ktx2),
        (Compression::Etc2, TextureFormat::Ktx2),
        (Compression::Uastc, TextureFormat::Ktx2),
        (Compression::None, TextureFormat::Dds),
        (Compression::Bc1, TextureFormat::Dds),
    ] {
        for supercompression in [Supercompression::None, Supercompression::Zstd] {
            let mut options = TextureOptions::default();
            (options.compression, options.format) = (compression, format);
            if format == TextureFormat::Ktx2 {
                options.supercompression = supercompression;
            }
            let (_, files) = support::run(&TextureProcessor, &input, &options, &limits()).unwrap();
            let name = format!("t.{format}");
            attack(&TextureProcessor, &name, &files[name.as_str()], &TextureOptions::default(), 1_000);
        }
    }
    let mut options = TextureOptions::default();
    options.slices = Some(7);
    let (_, files) = support::run(&TextureProcessor, &input, &options, &limits()).unwrap();
    attack(&TextureProcessor, "t.ktx2", &files["t.ktx2"], &TextureOptions::default(), 1_000);
    let mut options = ModelOptions::default();
    options.generate_lods = false;
    options.scale = 2.0;
    let json = support::gltf(&support::data_uri(&support::triangle())).to_string();
    attack(&ModelProcessor, "m.gltf", json.as_bytes(), &options, 2_000);
    let input = AssetInput::from_bytes("m.gltf", json);
    let (_, files) = support::run(&ModelProcessor, &input, &options, &limits()).unwrap();
    attack(&ModelProcessor, "m.glb", &files["m.glb"], &options, 2_000);
    let rich = support::rich::rich().to_string();
    attack(&ModelProcessor, "m.gltf", rich.as_bytes(), &ModelOptions::default(), 400);
    let mut small = ModelOptions::default();
    small.compress = MeshCompression::Meshopt;
    let (_, files) = support::run(&ModelProcessor, &AssetInput::from_bytes("m.gltf", rich), &small, &limits()).unwrap();
    attack(&ModelProcessor, "m.glb", &files["m.glb"], &ModelOptions::default(), 600);
    let obj =
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvn 0 0 1\nusemtl a\nf 1/1/1 2/1/1 3/1/1 4/1/1\no b\nf -1 -2 -3\n";
    attack(&ModelProcessor, "m.obj", obj.as_bytes(), &options, 2_000);
    attack(&ModelProcessor, "m.fbx", support::fbx::square().as_bytes(), &options, 1_000);
    let mut options = AudioOptions::default();
    options.format = AudioFormat::Wav;
    // The seeds' own rate: most damages then reach the decoder, and few wait for a filter.
    options.sample_rate = 44_100;
    let samples: Vec<i16> = (0..3_000i32).map(|at| (at * 31 % 20_011) as i16).collect();
    attack(&AudioProcessor, "s.flac", &support::flac(44_100, &samples), &options, 1_500);
    attack(&AudioProcessor, "s.mp3", &support::silent_mp3(4), &options, 1_500);
    attack(&AudioProcessor, "s.wav", &support::wav(2, 44_100, &samples), &options, 1_500);
    attack(&AudioProcessor, "s.aiff", &support::aiff(44_100, &samples), &options, 1_500);
    attack(&AudioProcessor, "s.m4a", include_bytes!("data/tone.m4a"), &options, 1_500);
    attack(&AudioProcessor, "s.m4a", include_bytes!("data/surround.m4a"), &options, 1_500);
    (options.format, options.trim_silence, options.fade_out) = (AudioFormat::Ogg, Some(-50.0), 0.01);
    attack(&AudioProcessor, "s.wav", &support::wav(2, 44_100, &samples), &options, 300);
    let input = AssetInput::from_bytes("s.wav", support::wav(2, 44_100, &samples));
    let (_, files) = support::run(&AudioProcessor, &input, &options, &limits()).unwrap();
    attack(&AudioProcessor, "s.ogg", &files["s.ogg"], &options, 1_500);
    for format in [AudioFormat::Flac, AudioFormat::Mp3, AudioFormat::Opus] {
        let mut coded = AudioOptions::default();
        (coded.format, coded.sample_rate) = (format, 48_000);
        let (_, files) = support::run(&AudioProcessor, &input, &coded, &limits()).unwrap();
        let name = format!("s.{format}");
        options.format = AudioFormat::Wav;
        attack(&AudioProcessor, &name, &files[&name], &options, 700);
    }
    long_silence_takes_no_memory();
    many_channels_of_a_high_rate_are_encoded();
}

/// Two hours.
fn long_silence_takes_no_memory() {
    let frames = 2 * 3600 * 8_000;
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1F\0\0\x40\x1F\0\0\x01\0\x08\0data".to_vec();
    wav.extend((frames as u32).to_le_bytes());
    wav[4..8].copy_from_slice(&(36 + frames as u32).to_le_bytes());
    wav.resize(44 + frames, 0x80);
    let input = AssetInput::from_bytes("s.wav", wav);
    let mut options = AudioOptions::default();
    (options.sample_rate, options.channels, options.quality) = (8_000, 1, Some(4.0));
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let (report, files) = support::run(&AudioProcessor, &input, &options, &AssetLimits::default()).unwrap();
    let used = MEMORY.peak_usage().saturating_sub(before);
    assert_eq!(report["frames"], frames);
    assert!(report["loudness"].is_null() && files["s.ogg"].len() < 2 << 20, "{}", files["s.ogg"].len());
    assert!(used < 16 << 20, "{used} bytes");
}

fn many_channels_of_a_high_rate_are_encoded() {
    let samples: Vec<i16> = (0..8 * 20_000i32).map(|at| (at * 31 % 20_011) as i16).collect();
    let input = AssetInput::from_bytes("s.wav", support::wav(8, 192_000, &samples));
    for format in [AudioFormat::Ogg, AudioFormat::Flac] {
        let mut options = AudioOptions::default();
        (options.format, options.sample_rate, options.channels) = (format, 192_000, 8);
        let (report, _) = support::run(&AudioProcessor, &input, &options, &limits()).unwrap();
        assert_eq!((&report["frames"], &report["channels"]), (&20_000.into(), &8.into()));
    }
}
