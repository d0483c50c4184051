//! How high a sound goes between its samples: four times as many, by a windowed sinc.

use crate::simd::{self, Kernel};
use std::f64::consts::PI;
use std::sync::LazyLock;

/// Samples that a value in between is made of.
const TAPS: usize = 24;

/// The weights for the values at a quarter and at a half of the way between two samples.
fn weights(quarters: usize) -> [f64; TAPS] {
    let middle = (TAPS / 2 - 1) as f64 + quarters as f64 / 4.0;
    let weight = |tap: usize| {
        let x = tap as f64 - middle;
        let window = 0.5 + 0.5 * libm::cos(PI * x / (TAPS / 2 + 1) as f64);
        libm::sin(PI * x) / (PI * x) * window
    };
    let sum: f64 = (0..TAPS).map(weight).sum();
    std::array::from_fn(|tap| weight(tap) / sum)
}

/// For the sum and the difference of each sample before with its mirror behind: what both have in the values at one and at
/// three quarters, the sum then the difference, and what the sum has in the one at a half. The filter for three quarters is
/// that for one quarter, mirrored.
static FOLDED: LazyLock<[[f32; 3]; TAPS / 2]> = LazyLock::new(|| {
    let (quarter, half) = (weights(1), weights(2));
    std::array::from_fn(|tap| {
        let (near, far) = (quarter[tap], quarter[TAPS - 1 - tap]);
        [(near + far) / 2.0, (near - far) / 2.0, half[tap]].map(|weight| weight as f32)
    })
});

/// No value in between is higher than this times the samples around it.
pub(super) static MOST: LazyLock<f32> = LazyLock::new(|| {
    let most = |quarters: usize| weights(quarters).iter().map(|weight| weight.abs()).sum::<f64>();
    (most(1).max(most(2)) * 1.001) as f32
});

/// Follows one channel.
#[derive(Clone)]
pub(super) struct TruePeak {
    line: Vec<f32>,
    most: f32,
    /// Of the samples alone.
    sample: f32,
}

impl TruePeak {
    pub(super) fn new() -> Self {
        Self { line: vec![0.0; TAPS - 1], most: 0.0, sample: 0.0 }
    }

    pub(super) fn push(&mut self, samples: impl Iterator<Item = f32>) {
        self.line.extend(samples);
        self.look();
    }

    /// The highest magnitudes, of the samples and with what is between them: what comes after is silence.
    pub(super) fn finish(&mut self) -> (f32, f32) {
        self.line.resize(self.line.len() + TAPS, 0.0);
        self.look();
        (self.sample, self.most)
    }

    fn look(&mut self) {
        // Most stretches are too low to matter, which their samples tell.
        const STRETCH: usize = 64;
        let last = self.line.len().saturating_sub(TAPS - 1);
        for from in (0..last).step_by(STRETCH) {
            let stretch = &self.line[from..(from + STRETCH + TAPS - 1).min(self.line.len())];
            let loudest_here = loudest(stretch);
            (self.sample, self.most) = (self.sample.max(loudest_here), self.most.max(loudest_here));
            if loudest_here * *MOST <= self.most {
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
        let folded = &*FOLDED;
        for (at, tops) in self.tops.chunks_mut(LANES).enumerate() {
            let line = &self.line[at * LANES..];
            let most = match line.first_chunk() {
                Some(span) => highest(span, folded),
                None => {
                    let mut span = [0.0; SPAN];
                    span[..line.len()].copy_from_slice(line);
                    highest(&span, folded)
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
fn highest(line: &[f32; SPAN], folded: &[[f32; 3]; TAPS / 2]) -> [f32; LANES] {
    let mut most: [f32; LANES] = std::array::from_fn(|lane| line[lane + BEFORE].abs());
    let (mut sums, mut differences, mut halves) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
    for (tap, [sum, difference, half]) in folded.iter().enumerate() {
        let (before, behind) = (&line[tap..][..LANES], &line[TAPS - 1 - tap..][..LANES]);
        for lane in 0..LANES {
            let both = before[lane] + behind[lane];
            sums[lane] += both * sum;
            halves[lane] += both * half;
            differences[lane] += (before[lane] - behind[lane]) * difference;
        }
    }
    for lane in 0..LANES {
        for value in [sums[lane] + differences[lane], halves[lane], sums[lane] - differences[lane]] {
            most[lane] = if value.abs() > most[lane] { value.abs() } else { most[lane] };
        }
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
    fn values_in_between_are_those_of_their_filters() {
        let line: [f32; TAPS] =
            std::array::from_fn(|at| ((at as u32 + 3).wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7 - 0.8);
        let value = |quarters: usize| -> f64 {
            line.iter().zip(weights(quarters)).map(|(sample, weight)| f64::from(*sample) * weight).sum()
        };
        let most =
            [value(1), value(2), value(3), f64::from(line[BEFORE])].map(f64::abs).into_iter().fold(0.0, f64::max);
        let mut tops = [0.0];
        between(&line, &mut tops);
        assert!((f64::from(tops[0]) - most).abs() < 1e-6, "{tops:?} {most}");
    }

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
