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
        AssetInput, AssetLimits, AudioFormat, AudioOptions, MeshCompression, ModelOptions, Processor, TextureKind,
        TextureOptions,
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
    for (name, seed) in support::pictures() {
        let mut options = TextureOptions::default();
        if name == "a.hdr" {
            options.kind = TextureKind::Hdr;
        }
        attack(&TextureProcessor, name, &seed, &options, 1_500);
    }
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
}
