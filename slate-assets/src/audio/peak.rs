//! How high a sound goes between its samples: four times as many, by a windowed sinc.

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
            for window in stretch.windows(TAPS) {
                self.most = self.most.max(around(window));
            }
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

/// The highest magnitude from the sample before the middle of [`TAPS`] samples up to the next.
pub(super) fn around(window: &[f32]) -> f32 {
    let mut most = window[TAPS / 2 - 1].abs();
    for taps in BETWEEN.iter() {
        let mut sums = [0.0f32; 8];
        for (samples, taps) in window.chunks_exact(8).zip(taps.chunks_exact(8)) {
            for ((sum, sample), tap) in sums.iter_mut().zip(samples).zip(taps) {
                *sum += sample * tap;
            }
        }
        let value = ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
        most = most.max(value.abs());
    }
    most
}

/// Samples before and after the one that [`around`] begins with.
pub(super) const BEFORE: usize = TAPS / 2 - 1;
pub(super) const AFTER: usize = TAPS / 2;
