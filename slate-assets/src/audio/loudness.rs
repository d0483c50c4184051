//! How loud a sound is: ITU-R BS.1770-5 and EBU Tech 3341 (integrated, with gates), EBU Tech 3342 (its range), and the
//! true peak between the samples.

use super::peak::TruePeak;
use std::f64::consts::PI;

/// Steps of 100 ms in a block of 400 ms, and in a short-term block of 3 s.
const BLOCK: usize = 4;
const SHORT: usize = 30;
/// Blocks below this are silence.
const ABSOLUTE: f64 = -70.0;

/// Listens to a sound from its beginning to its end.
pub(super) struct Meter {
    weights: Vec<f64>,
    /// For each pair of channels.
    filters: Vec<[Biquad; 2]>,
    peaks: Vec<TruePeak>,
    /// Frames of a step of 100 ms, to the next whole frame.
    step: usize,
    filled: usize,
    frames: u64,
    /// The weighted sum of squares of the step that is being filled, and of each before: one for each 100 ms.
    sum: f64,
    steps: Vec<f64>,
}

/// What a meter tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loudness {
    /// LUFS; `None` where all is silence.
    pub(super) integrated: Option<f64>,
    /// LU; 0 where the sound is shorter than three seconds.
    pub(super) range: f64,
    /// The highest magnitudes, of the samples and with what is between them.
    pub(super) sample_peak: f32,
    pub(super) true_peak: f32,
    pub(super) frames: u64,
}

impl Meter {
    /// For interleaved frames in the order of WAVE.
    pub(super) fn new(channels: usize, rate: u32) -> Self {
        let filters = k_weighting(rate);
        Self {
            weights: (0..channels).map(|channel| weight(channels, channel)).collect(),
            filters: vec![filters; channels.div_ceil(2)],
            peaks: vec![TruePeak::new(); channels],
            step: (rate as usize).div_ceil(10),
            filled: 0,
            frames: 0,
            sum: 0.0,
            steps: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, frames: &[f32]) {
        let channels = self.weights.len();
        let mut rest = frames;
        while !rest.is_empty() {
            let count = (self.step - self.filled).min(rest.len() / channels);
            let (now, later) = rest.split_at(count * channels);
            for (pair, filters) in self.filters.iter_mut().enumerate() {
                let first = 2 * pair;
                let weights = &self.weights[first..channels.min(first + 2)];
                let sums = match weights.len() {
                    2 => squares(filters, now.chunks_exact(channels).map(|frame| [frame[first], frame[first + 1]])),
                    _ => squares(filters, now.chunks_exact(channels).map(|frame| [frame[first], 0.0])),
                };
                sums.iter().zip(weights).for_each(|(sum, weight)| self.sum += sum * weight);
                filters.iter_mut().for_each(Biquad::settle);
            }
            self.filled += count;
            self.frames += count as u64;
            if self.filled == self.step {
                self.steps.push(self.sum);
                (self.filled, self.sum) = (0, 0.0);
            }
            rest = later;
        }
        for (channel, peak) in self.peaks.iter_mut().enumerate() {
            peak.push(frames.iter().skip(channel).step_by(channels).copied());
        }
    }

    pub(super) fn finish(mut self) -> Loudness {
        let peaks = self.peaks.iter_mut().map(TruePeak::finish);
        let (sample_peak, true_peak) =
            peaks.fold((0.0f32, 0.0f32), |(sample, most), peak| (sample.max(peak.0), most.max(peak.1)));
        Loudness { integrated: self.integrated(), range: self.range(), sample_peak, true_peak, frames: self.frames }
    }

    /// The mean square of each run of `count` steps, one begun with each step.
    fn blocks(&self, count: usize) -> impl Iterator<Item = f64> {
        self.steps.windows(count).map(move |steps| steps.iter().sum::<f64>() / (count * self.step) as f64)
    }

    fn integrated(&self) -> Option<f64> {
        let mut blocks: Vec<f64> = self.blocks(BLOCK).collect();
        if blocks.is_empty() {
            // Shorter than a block: all of it is one, as if it were repeated.
            let sum = self.steps.iter().sum::<f64>() + self.sum;
            blocks.push(sum / self.frames.max(1) as f64);
        }
        let loud = gated(&blocks, power(ABSOLUTE))?;
        let mean = gated(&blocks, power(ABSOLUTE).max(loud / 10.0))?;
        Some(lufs(mean))
    }

    fn range(&self) -> f64 {
        let blocks: Vec<f64> = self.blocks(SHORT).collect();
        let Some(loud) = gated(&blocks, power(ABSOLUTE)) else { return 0.0 };
        let gate = power(ABSOLUTE).max(loud / 100.0);
        let mut heard: Vec<f64> = blocks.into_iter().filter(|&block| block > gate).collect();
        heard.sort_by(f64::total_cmp);
        let at = |share: f64| heard.get((share * (heard.len().max(1) - 1) as f64).round() as usize).copied();
        match (at(0.1), at(0.95)) {
            (Some(low), Some(high)) => lufs(high) - lufs(low),
            _ => 0.0,
        }
    }
}

fn gated(blocks: &[f64], gate: f64) -> Option<f64> {
    let (sum, count) =
        blocks.iter().filter(|block| **block > gate).fold((0.0, 0u64), |(sum, count), block| (sum + block, count + 1));
    (count > 0).then(|| sum / count as f64)
}

fn lufs(power: f64) -> f64 {
    10.0 * libm::log10(power) - 0.691
}

fn power(lufs: f64) -> f64 {
    libm::pow(10.0, (lufs + 0.691) / 10.0)
}

/// Surround counts 1.5 dB more, low-frequency effects don't count. By the usual order for this number of channels.
fn weight(channels: usize, channel: usize) -> f64 {
    match (channels, channel) {
        (6.., 3) => 0.0,
        (4, 2..) | (5, 3..) | (6.., 4..) => 1.41,
        _ => 1.0,
    }
}

/// The sums of squares of two channels, filtered.
fn squares(filters: &mut [Biquad; 2], frames: impl Iterator<Item = [f32; 2]>) -> [f64; 2] {
    let [mut shelf, mut high] = *filters;
    let mut sums = [0.0; 2];
    for frame in frames {
        let values = high.next(shelf.next(frame.map(f64::from)));
        sums = std::array::from_fn(|lane| sums[lane] + values[lane] * values[lane]);
    }
    *filters = [shelf, high];
    sums
}

/// One filter for two channels side by side: vector units can do both at once, and the sums are the same without any.
///
/// The transposed direct form, with the output's way into the state put in: a state waits for the last one alone, by one
/// product and one difference.
#[derive(Clone, Copy, Default)]
struct Biquad {
    b: f64,
    a: [f64; 2],
    /// What of a sample goes to the states.
    c: [f64; 2],
    state: [[f64; 2]; 2],
}

impl Biquad {
    /// Of the usual coefficients, whose first below is 1.
    fn new(b: [f64; 3], a: [f64; 2]) -> Self {
        Self { b: b[0], a, c: [b[1] - a[0] * b[0], b[2] - a[1] * b[0]], state: [[0.0; 2]; 2] }
    }

    #[inline]
    fn next(&mut self, x: [f64; 2]) -> [f64; 2] {
        let Self { b, a, c, state: [one, two] } = *self;
        self.state = [
            std::array::from_fn(|lane| c[0] * x[lane] + two[lane] - a[0] * one[lane]),
            std::array::from_fn(|lane| c[1] * x[lane] - a[1] * one[lane]),
        ];
        std::array::from_fn(|lane| b * x[lane] + one[lane])
    }

    /// What is too small to matter becomes nothing: tiny numbers are slow.
    fn settle(&mut self) {
        self.state.as_flattened_mut().iter_mut().filter(|state| state.abs() < 1e-30).for_each(|state| *state = 0.0);
    }
}

/// The filters of BS.1770, annex 1, for any rate: the head's shelf, then the high pass. The analogue prototypes are those
/// whose bilinear transforms at 48 kHz are the tables of the recommendation.
fn k_weighting(rate: u32) -> [Biquad; 2] {
    let tangent = |frequency: f64| libm::tan(PI * frequency / f64::from(rate));
    let k = tangent(1_681.974_450_955_533);
    let (gain, q) = (libm::pow(10.0, 3.999_843_853_973_347 / 20.0), 0.707_175_236_955_419_6);
    let band = libm::pow(gain, 0.499_666_774_154_541_6);
    let a0 = 1.0 + k / q + k * k;
    let shelf = Biquad::new(
        [(gain + band * k / q + k * k) / a0, 2.0 * (k * k - gain) / a0, (gain - band * k / q + k * k) / a0],
        [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0],
    );
    let (k, q) = (tangent(38.135_470_876_024_44), 0.500_327_037_323_877_3);
    let a0 = 1.0 + k / q + k * k;
    let high = Biquad::new([1.0, -2.0, 1.0], [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0]);
    [shelf, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    /// Tones of 1 kHz in both channels: seconds and dBFS.
    fn heard(parts: &[(f64, f64)], frequency: f64) -> Loudness {
        let mut meter = Meter::new(2, RATE);
        let mut at = 0u64;
        for &(seconds, level) in parts {
            let peak = 10f64.powf(level / 20.0);
            let count = (seconds * f64::from(RATE)) as u64;
            let frames: Vec<f32> = (at..at + count)
                .flat_map(|n| [(peak * (n as f64 * 2.0 * PI * frequency / f64::from(RATE)).sin()) as f32; 2])
                .collect();
            frames.chunks(999 * 2).for_each(|piece| meter.push(piece));
            at += count;
        }
        meter.finish()
    }

    #[test]
    fn the_minimum_requirements_of_tech_3341() {
        // Cases 1 to 5; case 6 is of five channels.
        let cases: [(&[(f64, f64)], f64); 5] = [
            (&[(20.0, -23.0)], -23.0),
            (&[(20.0, -33.0)], -33.0),
            (&[(10.0, -36.0), (60.0, -23.0), (10.0, -36.0)], -23.0),
            (&[(10.0, -72.0), (10.0, -36.0), (60.0, -23.0), (10.0, -36.0), (10.0, -72.0)], -23.0),
            (&[(20.0, -26.0), (20.1, -20.0), (20.0, -26.0)], -23.0),
        ];
        for (parts, expected) in cases {
            let told = heard(parts, 1_000.0).integrated.unwrap();
            assert!((told - expected).abs() <= 0.1, "{parts:?}: {told}");
        }
        let levels = [-28.0, -28.0, -24.0, -30.0, -30.0].map(|level: f64| 10f64.powf(level / 20.0));
        let mut meter = Meter::new(5, RATE);
        for n in 0..20 * u64::from(RATE) {
            let wave = (n as f64 * 2.0 * PI * 1_000.0 / f64::from(RATE)).sin();
            meter.push(&levels.map(|level| (level * wave) as f32));
        }
        let told = meter.finish().integrated.unwrap();
        assert!((told + 23.0).abs() <= 0.1, "case 6: {told}");
    }

    #[test]
    fn the_minimum_requirements_of_tech_3342() {
        let cases: [(&[(f64, f64)], f64); 4] = [
            (&[(20.0, -20.0), (20.0, -30.0)], 10.0),
            (&[(20.0, -20.0), (20.0, -15.0)], 5.0),
            (&[(20.0, -40.0), (20.0, -20.0)], 20.0),
            (&[(20.0, -50.0), (20.0, -35.0), (20.0, -20.0), (20.0, -35.0), (20.0, -50.0)], 15.0),
        ];
        for (parts, expected) in cases {
            let told = heard(parts, 1_000.0).range;
            assert!((told - expected).abs() <= 1.0, "{parts:?}: {told}");
        }
    }

    #[test]
    fn peaks_between_the_samples_are_seen() {
        // Tech 3341, cases 15 to 19: a quarter of the rate, whose samples miss the top, within +0.2 and -0.4 dB.
        for (frequency, phase, level) in
            [(4.0, 0.0, -6.0), (4.0, 45.0, -6.0), (6.0, 60.0, -6.0), (8.0, 67.5, -6.0), (4.0, 45.0, 3.0)]
        {
            let peak = 10f64.powf(level / 20.0);
            let mut meter = Meter::new(1, RATE);
            let frames: Vec<f32> = (0..RATE)
                .map(|n| {
                    let fade = f64::from(n.min(RATE - n)).min(4_800.0) / 4_800.0;
                    (fade * peak * (2.0 * PI * f64::from(n) / frequency + phase * PI / 180.0).sin()) as f32
                })
                .collect();
            meter.push(&frames);
            let told = 20.0 * f64::from(meter.finish().true_peak).log10();
            assert!((-0.4..=0.2).contains(&(told - level)), "1/{frequency} at {phase}°: {told} for {level}");
        }
    }

    #[test]
    fn short_sounds_and_silence_have_an_answer() {
        let whole = heard(&[(20.0, -20.0)], 1_000.0).integrated.unwrap();
        let short = heard(&[(0.15, -20.0)], 1_000.0).integrated.unwrap();
        assert!((whole - short).abs() < 0.2, "{whole} {short}");
        assert!(heard(&[(2.0, -200.0)], 1_000.0).integrated.is_none());
        assert!(Meter::new(1, RATE).finish().integrated.is_none());
    }
}
