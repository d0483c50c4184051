//! A sound as a picture, for people who would rather look: its waveform above, its spectrum below.

use super::vorbis::Spectrum;
use slate_core::{Error, Result, asset::WriteSeek};
use std::io::BufWriter;

/// Pixels across and in the heights of both parts.
const WIDTH: usize = 1200;
const WAVE: usize = 200;
const BANDS: usize = 256;
/// Samples of one spectrum.
const BLOCK: usize = 1024;
/// The quietest level that is drawn, in decibels.
const FLOOR: f32 = -110.0;

/// Gathers columns: whenever there are twice as many as are drawn, two become one, so that a long sound takes no more
/// memory than a short one.
pub(super) struct Preview {
    channels: usize,
    spectrum: Spectrum,
    block: Vec<f32>,
    /// Blocks in a column, and in the one that is being filled.
    blocks: usize,
    filled: usize,
    column: Column,
    columns: Vec<Column>,
}

#[derive(Clone)]
struct Column {
    low: f32,
    high: f32,
    powers: Vec<f32>,
}

impl Column {
    fn new() -> Self {
        Self { low: 0.0, high: 0.0, powers: vec![0.0; BANDS] }
    }

    fn join(&mut self, other: &Self) {
        (self.low, self.high) = (self.low.min(other.low), self.high.max(other.high));
        self.powers.iter_mut().zip(&other.powers).for_each(|(power, other)| *power = power.max(*other));
    }
}

impl Preview {
    pub(super) fn new(channels: usize) -> Self {
        Self {
            channels,
            spectrum: Spectrum::new(BLOCK),
            block: Vec::with_capacity(2 * BLOCK),
            blocks: 1,
            filled: 0,
            column: Column::new(),
            columns: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, frames: &[f32]) {
        for frame in frames.chunks_exact(self.channels) {
            self.block.push(frame.iter().sum::<f32>() / self.channels as f32);
            if self.block.len() == 2 * BLOCK {
                self.look();
                self.block.drain(..BLOCK);
            }
        }
    }

    fn look(&mut self) {
        let now = &self.block[..BLOCK];
        let (low, high) = now.iter().fold((0.0f32, 0.0f32), |(low, high), &x| (low.min(x), high.max(x)));
        let powers = self.spectrum.powers(&self.block);
        let per = BLOCK / BANDS;
        let powers = powers.chunks(per).map(|part| part.iter().fold(0.0f32, |most, power| most.max(*power))).collect();
        self.column.join(&Column { low, high, powers });
        self.filled += 1;
        if self.filled < self.blocks {
            return;
        }
        self.columns.push(std::mem::replace(&mut self.column, Column::new()));
        self.filled = 0;
        if self.columns.len() == 2 * WIDTH {
            let halves = self.columns.chunks(2).map(|pair| {
                let mut first = pair[0].clone();
                pair.iter().skip(1).for_each(|second| first.join(second));
                first
            });
            self.columns = halves.collect();
            self.blocks *= 2;
        }
    }

    /// Draws what was gathered as an 8-bit grey PNG.
    pub(super) fn finish(mut self, out: Box<dyn WriteSeek>) -> Result<()> {
        self.block.resize(2 * BLOCK, 0.0);
        self.look();
        if self.filled > 0 {
            self.columns.push(self.column.clone());
        }
        let height = WAVE + BANDS;
        let mut pixels = vec![16u8; WIDTH * height];
        for x in 0..WIDTH {
            let column = &self.columns[x * self.columns.len() / WIDTH];
            let row = |value: f32| ((1.0 - value.clamp(-1.0, 1.0)) / 2.0 * (WAVE - 1) as f32) as usize;
            (row(column.high)..=row(column.low)).for_each(|y| pixels[y * WIDTH + x] = 220);
            for (band, power) in column.powers.iter().enumerate() {
                let level = 10.0 * libm::log10f(power.max(1e-12));
                let share = ((level - FLOOR) / -FLOOR).clamp(0.0, 1.0);
                pixels[(height - 1 - band) * WIDTH + x] = (share * 255.0) as u8;
            }
        }
        let failed = |error: png::EncodingError| match error {
            png::EncodingError::IoError(error) => Error::io("write the output", error),
            error => Error::internal("the picture can't be written").because(error),
        };
        let mut encoder = png::Encoder::new(BufWriter::new(out), WIDTH as u32, height as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&pixels).map_err(failed)?;
        writer.finish().map_err(failed)
    }
}
