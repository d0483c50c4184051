//! Prints the digest of one output of each kind, so that two machines can be held against each other.
//!
//! What goes in is made here in whole numbers, the same everywhere. `dev/arm` holds this machine against a 64-bit ARM.

use hound::{SampleFormat, WavSpec, WavWriter};
use serde_json::json;
use slate_assets::{audio::AudioProcessor, model::ModelProcessor, texture::TextureProcessor};
use slate_core::{
    Cancel, Result,
    asset::{AssetInput, AssetLimits, MemoryOutput, Processor, Progress, Work},
    model::Sha256Hex,
};
use std::{fmt::Write, io::Cursor};

fn main() -> Result<()> {
    let picture = AssetInput::from_bytes("picture.tga", picture());
    for compression in ["bc1", "bc3", "bc7", "etc2", "astc", "uastc"] {
        for quality in [0, 15, 40, 70] {
            print(&TextureProcessor, &picture, &json!({ "compression": compression, "quality": quality }))?;
        }
    }
    for options in [
        json!({ "compression": "bc5", "kind": "normal" }),
        json!({ "format": "webp", "quality": 80, "generateMipmaps": false }),
        json!({ "format": "png", "generateMipmaps": false, "resize": { "width": 100, "height": 70 } }),
    ] {
        print(&TextureProcessor, &picture, &options)?;
    }

    let surface = AssetInput::from_bytes("surface.obj", surface());
    for options in [json!({ "lodLevels": [0.5, 0.1] }), json!({ "compress": "meshopt" })] {
        print(&ModelProcessor, &surface, &options)?;
    }

    let sound = AssetInput::from_bytes("sound.wav", sound());
    for format in ["ogg", "opus", "mp3", "flac", "wav"] {
        print(&AudioProcessor, &sound, &json!({ "format": format, "sampleRate": 48000, "normalize": true }))?;
    }
    Ok(())
}

/// One line for each file that comes of this input.
fn print<P: Processor>(processor: &P, input: &AssetInput, options: &serde_json::Value) -> Result<()> {
    let chosen: P::Options = serde_json::from_value(options.clone()).expect("options of this processor");
    let (limits, cancel, progress) = (AssetLimits::default(), Cancel::new(), Progress::ignored());
    let mut output = MemoryOutput::new(limits.output_bytes);
    let mut work = Work { input, output: &mut output, limits: &limits, cancel: &cancel, progress: &progress };
    processor.process(&mut work, &chosen)?;
    for (name, bytes) in output.take() {
        println!("{} {name} of {options}", Sha256Hex::of(&bytes));
    }
    Ok(())
}

/// Numbers as if drawn by lot, the same each time.
struct Lot(u32);

impl Lot {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }
}

/// A Targa file of slopes, edges and noise, whose size is no multiple of a block's.
fn picture() -> Vec<u8> {
    const SIDES: [u8; 2] = [150, 90];
    let mut lot = Lot(1);
    let mut out = vec![0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, SIDES[0], 0, SIDES[1], 0, 32, 0x28];
    for (y, x) in (0..SIDES[1]).flat_map(|y| (0..SIDES[0]).map(move |x| (y, x))) {
        let noise = (lot.next() % 16) as u8;
        let edge = if (x / 20 + y / 20) % 2 == 0 { 40 } else { 0 };
        out.extend([x + noise, 2 * y + noise, 60 + edge + noise, if x < 120 { 255 } else { y }]);
    }
    out
}

/// Hills of squares, as OBJ: so many that they are simplified in pieces.
fn surface() -> Vec<u8> {
    const SIDE: u32 = 180;
    let mut lot = Lot(2);
    let mut out = String::new();
    for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
        let height = (x * y) % 97 + lot.next() % 8;
        writeln!(out, "v {x} {}.{height:02} {y}", height / 50).expect("memory takes it");
    }
    for (y, x) in (1..SIDE).flat_map(|y| (1..SIDE).map(move |x| (y, x))) {
        let at = (y - 1) * SIDE + x;
        writeln!(out, "f {at} {} {} {}", at + SIDE, at + SIDE + 1, at + 1).expect("memory takes it");
    }
    out.into_bytes()
}

/// Three seconds of a triangle wave that fades, with noise, as WAV of 44100 Hz in stereo.
fn sound() -> Vec<u8> {
    let mut lot = Lot(3);
    let shape = WavSpec { channels: 2, sample_rate: 44_100, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut out = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut out, shape).expect("memory takes it");
    for at in 0..3 * shape.sample_rate {
        let loud = 20_000 - (at % 22_050) as i32 / 2;
        for length in [100, 67] {
            let wave = (at % length) as i32 * 4 * loud / length as i32 - 2 * loud;
            let noise = (lot.next() % 512) as i32;
            writer.write_sample(wave.abs() - loud + noise).expect("memory takes it");
        }
    }
    writer.finalize().expect("memory takes it");
    out.into_inner()
}
