//! How `books.bin` came about: codes for what the encoder itself makes of a folder of sounds, in rounds. Each round
//! codes everything with the books of the round before, which chooses the cheapest class for each part; each book then
//! gets the code that fits what it was chosen for.
//!
//! ```sh
//! SLATE_SOUNDS=folder cargo test -p slate-assets train_books -- --ignored
//! ```
//!
//! The folder is that of `benches/sounds.sh`: music by a generator of chords and rhythms, played by a free sound font;
//! speech by espeak-ng; tones, sweeps and noise. Half of it is kept for measuring.

use super::{
    block::{BlockCoder, Blocks},
    book::lengths,
    quality::{Keeper, Rate},
    setup::Setup,
    tables,
};
use std::{fs, path::Path};

const QUALITIES: [&[f32]; tables::BANDS] = [&[-0.5, 1.0, 2.0], &[3.0, 4.0, 5.0, 6.0], &[7.0, 8.5, 10.0]];
const ROUNDS: usize = 6;
/// The longest code: decoders' tables stay small.
const LONGEST: u8 = 20;

type Set = Vec<Vec<u8>>;

#[test]
#[ignore = "makes books.bin anew, from a folder of sounds"]
fn train_books() {
    let folder = std::env::var("SLATE_SOUNDS").unwrap();
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let sounds: Vec<_> =
        paths.iter().filter(|path| path.extension().is_some_and(|e| e == "wav")).map(|path| read(path)).collect();
    let mut all = Vec::new();
    for qualities in QUALITIES {
        for paired in [true, false] {
            let mut set = first();
            for round in 0..ROUNDS {
                let (next, bits) = again(&set, &sounds, qualities, paired);
                println!("{qualities:?} {} round {round}: {bits} bits", if paired { "pairs" } else { "singles" });
                set = next;
            }
            for (lens, shape) in set.iter().zip(tables::shapes()) {
                all.extend((0..shape.entries).filter(|&entry| shape.holds(entry)).map(|entry| lens[entry]));
            }
        }
    }
    fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/audio/vorbis/books.bin"), all).unwrap();
}

/// Interleaved stereo, and its rate.
fn read(path: &Path) -> (u32, Vec<f32>) {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    let samples: Vec<f32> = reader.samples::<i16>().map(|s| f32::from(s.unwrap()) / 32_768.0).collect();
    let stereo = if spec.channels == 1 { samples.iter().flat_map(|&s| [s, s]).collect() } else { samples };
    (spec.sample_rate, stereo)
}

/// Books to begin with: the greater a value, the rarer; the classes of one shape differ in how much.
fn first() -> Set {
    let counts = |at: usize, shape: &tables::Shape| -> Vec<u64> {
        let decay = match at {
            15 => 3.0,
            16 => 1.6,
            17 => 0.6,
            18 | 20 => 1.0,
            19 | 21 => 0.5,
            22 => 0.35,
            _ => 0.2,
        };
        (0..shape.entries)
            .map(|entry| {
                let Some(lattice) = shape.lattice else { return 1 + (1000.0 * (-0.1 * entry as f64).exp()) as u64 };
                let (mut rest, mut sum) = (entry, 0.0);
                for _ in 0..shape.dim {
                    sum += ((rest % lattice.values()) as f64 - f64::from(lattice.most)).abs();
                    rest /= lattice.values();
                }
                1 + (1e9 * (-decay * sum).exp()) as u64
            })
            .collect()
    };
    (tables::shapes().iter().enumerate())
        .map(|(at, shape)| lengths(&counts(at, shape), |entry| shape.holds(entry), LONGEST))
        .collect()
}

fn again(set: &Set, sounds: &[(u32, Vec<f32>)], qualities: &[f32], paired: bool) -> (Set, u64) {
    let shapes = tables::shapes();
    let mut counts: Vec<Vec<u64>> = shapes.iter().map(|shape| vec![0; shape.entries]).collect();
    let mut bits = 0;
    let channels = if paired { 2 } else { 1 };
    for (rate, stereo) in sounds {
        let frames: Vec<f32> =
            if paired { stereo.clone() } else { stereo.chunks(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect() };
        for &quality in qualities {
            let keeper = Keeper::new(Rate::Quality(quality), channels, *rate);
            let setup = Setup::of(channels, *rate, keeper.top(), [256, 2048], set);
            let mut blocks = Blocks::new(channels, setup.blocks, keeper.attack());
            let mut coder = BlockCoder::new(setup);
            blocks.push(&frames);
            blocks.end();
            while let Some(block) = blocks.next(Some((frames.len() / channels) as u64)) {
                bits += coder.code(&blocks, &block, keeper.tune(), 0.0).len() as u64 * 8;
                coder.symbols.iter().for_each(|symbol| counts[symbol.book()][symbol.entry()] += 1);
            }
        }
    }
    let next = (counts.iter().zip(&shapes).enumerate())
        .map(|(at, (counts, shape))| {
            // Nothing that can be is impossible; what was never seen is a little likelier near zero.
            let prior: u64 = counts.iter().sum::<u64>() / 20_000 + 1;
            let smooth: Vec<u64> = counts.iter().map(|count| count * 16 + prior).collect();
            let _ = at;
            lengths(&smooth, |entry| shape.holds(entry), LONGEST)
        })
        .collect();
    (next, bits)
}

/// For measuring: encodes each sound of `SLATE_SOUNDS` into `SLATE_OUT` at quality `SLATE_QUALITY`.
#[test]
#[ignore = "writes files for measuring"]
fn encode_folder() {
    use super::super::sink::Encoder;
    use slate_core::asset::{MemoryOutput, Output};
    let [from, to, quality] = ["SLATE_SOUNDS", "SLATE_OUT", "SLATE_QUALITY"].map(|name| std::env::var(name).unwrap());
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "wav") {
            continue;
        }
        let (rate, frames) = read(&path);
        let mut output = MemoryOutput::new(1 << 30);
        let out = output.create("a.ogg").unwrap();
        let wanted = Rate::Quality(quality.parse().unwrap());
        let mut encoder = Box::new(super::VorbisEncoder::new(out, 2, rate, wanted, &[]).unwrap());
        encoder.push(&frames).unwrap();
        encoder.finish().unwrap();
        let name = format!("{}.ogg", path.file_stem().unwrap().to_str().unwrap());
        fs::write(Path::new(&to).join(name), &output.take()["a.ogg"]).unwrap();
    }
}
