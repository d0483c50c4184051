//! How high a sound goes between its samples: four times as many, by a windowed sinc.

use crate::simd::{self, Kernel};
use std::f64::consts::PI;
use std::sync::LazyLock;

/// Samples that a value in between is made of.
const TAPS: usize = 24;

/// The three values between two samples, each as a sum over [`TAPS`] samples around them.
static BETWEEN: LazyLock<[[f32; TAPS]; 3]> = LazyLock::new(|| {
    std::array::from_fn(|phase| {
        let middle = (TAPS / 2 - 1) as f64 + (phase + 1) as f64 / 4.0;
        let weight = |tap: usize| {
            let x = tap as f64 - middle;
            let window = 0.5 + 0.5 * libm::cos(PI * x / (TAPS / 2 + 1) as f64);
            libm::sin(PI * x) / (PI * x) * window
        };
        let sum: f64 = (0..TAPS).map(weight).sum();
        std::array::from_fn(|tap| (weight(tap) / sum) as f32)
    })
});

/// No value in between is higher than this times the samples around it.
pub(super) static MOST: LazyLock<f32> = LazyLock::new(|| {
    BETWEEN.iter().map(|taps| taps.iter().map(|tap| tap.abs()).sum::<f32>()).fold(1.0, f32::max) * 1.001
});

/// Follows one channel.
#[derive(Clone)]
pub(super) struct TruePeak {
    line: Vec<f32>,
    most: f32,
}

impl TruePeak {
    pub(super) fn new() -> Self {
        Self { line: vec![0.0; TAPS - 1], most: 0.0 }
    }

    pub(super) fn push(&mut self, samples: impl Iterator<Item = f32>) {
        self.line.extend(samples);
        self.look();
    }

    /// The highest magnitude so far: what comes after is silence.
    pub(super) fn finish(&mut self) -> f32 {
        self.line.resize(self.line.len() + TAPS, 0.0);
        self.look();
        self.most
    }

    fn look(&mut self) {
        // Most stretches are too low to matter, which their samples tell.
        const STRETCH: usize = 64;
        let last = self.line.len().saturating_sub(TAPS - 1);
        for from in (0..last).step_by(STRETCH) {
            let stretch = &self.line[from..(from + STRETCH + TAPS - 1).min(self.line.len())];
            if loudest(stretch) * *MOST <= self.most {
                continue;
            }
            let mut tops = [0.0; STRETCH];
            let tops = &mut tops[..stretch.len() + 1 - TAPS];
            between(stretch, tops);
            self.most = self.most.max(loudest(tops));
        }
        self.line.drain(..last);
    }
}

/// The highest magnitude. Eight at a time, which vector units can do at once.
pub(super) fn loudest(samples: &[f32]) -> f32 {
    let higher = |most: f32, sample: f32| if sample.abs() > most { sample.abs() } else { most };
    let (mut lanes, chunks) = ([0.0f32; 8], samples.chunks_exact(8));
    let rest = chunks.remainder();
    for chunk in chunks {
        for (most, sample) in lanes.iter_mut().zip(chunk) {
            *most = higher(*most, *sample);
        }
    }
    lanes.iter().chain(rest).copied().fold(0.0, higher)
}

/// Replaces `tops` by the highest magnitude from each sample up to the next; `line` has [`BEFORE`] samples before the
/// first of them and [`AFTER`] after the last.
pub(super) fn between(line: &[f32], tops: &mut [f32]) {
    simd::run(Between { line, tops });
}

struct Between<'a> {
    line: &'a [f32],
    tops: &'a mut [f32],
}

impl Kernel for Between<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let phases = &*BETWEEN;
        for (at, tops) in self.tops.chunks_mut(LANES).enumerate() {
            let line = &self.line[at * LANES..];
            let most = match line.first_chunk() {
                Some(span) => highest(span, phases),
                None => {
                    let mut span = [0.0; SPAN];
                    span[..line.len()].copy_from_slice(line);
                    highest(&span, phases)
                }
            };
            tops.copy_from_slice(&most[..tops.len()]);
        }
    }
}

/// Neighbours that are looked at together, and the samples they need.
const LANES: usize = 16;
const SPAN: usize = LANES + TAPS - 1;

/// Each is summed in the order of its samples, so that neighbours don't matter.
#[inline(always)]
fn highest(line: &[f32; SPAN], phases: &[[f32; TAPS]; 3]) -> [f32; LANES] {
    let mut most: [f32; LANES] = std::array::from_fn(|lane| line[lane + BEFORE].abs());
    for taps in phases {
        let mut sums = [0.0f32; LANES];
        for (tap, samples) in taps.iter().zip(line.windows(LANES)) {
            sums.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += sample * tap);
        }
        most.iter_mut().zip(sums).for_each(|(most, sum)| *most = if sum.abs() > *most { sum.abs() } else { *most });
    }
    most
}

/// Samples that [`between`] needs around each.
pub(super) const BEFORE: usize = TAPS / 2 - 1;
pub(super) const AFTER: usize = TAPS / 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_and_neighbours_don_t_matter() {
        let line: Vec<f32> = (0..200u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7 - 0.8).collect();
        let tops = |line: &[f32]| {
            let mut tops = vec![0.0; line.len() + 1 - TAPS];
            between(line, &mut tops);
            tops
        };
        let whole = tops(&line);
        assert!(whole == simd::plainly(|| tops(&line)));
        let single: Vec<f32> = line.windows(TAPS).flat_map(tops).collect();
        assert!(whole == single);
    }
}
