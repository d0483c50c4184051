use super::octaves::{self, Octaves};
use crate::simd::{self, Kernel};
use slate_core::{Cancel, Error, Result, asset::Resampling};
use std::f64::consts::PI;

/// A windowed sinc's shape.
struct Shape {
    /// Zero crossings of the filter on each side, at the lower of both rates.
    crossings: f64,
    /// The share of the lower rate's band where the filter is half way down: as much above it as is below 1, nothing passes,
    /// and as much below it everything does.
    band: f64,
    /// Of the Kaiser window: how far down the stop band is from the lower rate's end on.
    beta: f64,
}

impl Shape {
    fn of(quality: Resampling) -> Self {
        match quality {
            Resampling::Fast => Self { crossings: 32.0, band: 0.916, beta: 8.5 },
            Resampling::Best => Self { crossings: 176.0, band: 0.9775, beta: 12.45 },
            // 121 dB down, flat to 0.91.
            _ => Self { crossings: 88.0, band: 0.955, beta: 12.45 },
        }
    }

    /// Kaiser's window, `half` to each side.
    fn window(&self, half: f64) -> impl Fn(f64) -> f64 {
        let (beta, most) = (self.beta, bessel(self.beta));
        move |x| bessel(beta * (1.0 - (x / half) * (x / half)).max(0.0).sqrt()) / most
    }
}

/// Sums of one output sample: more than a vector unit is late by.
const LANES: usize = 16;
/// Sums that are gathered before they are totalled; at least one frame's.
const TILE: usize = 32;
/// Taps of all positions together: rates that share hardly a factor would take seconds to prepare.
const TAPS: u64 = 4 << 20;

/// Changes the sample rate by a windowed sinc. It delays nothing: frame 0 stays at time 0.
pub(super) enum Resampler {
    /// There is nothing to change.
    Same,
    /// A half, a double and the like.
    Octaves(Box<Octaves>),
    /// Any other ratio.
    Phases(Phases),
}

impl Resampler {
    pub(super) fn new(from: u32, to: u32, channels: usize, quality: Resampling, cancel: &Cancel) -> Result<Self> {
        let shape = Shape::of(quality);
        let shared = gcd(from, to);
        let (up, down) = (u64::from(to / shared), u64::from(from / shared));
        let ratio = up * down;
        if ratio == 1 {
            return Ok(Self::Same);
        }
        if up.min(down) == 1 && ratio <= octaves::MOST && ratio.is_power_of_two() {
            let half = shape.crossings.ceil();
            let window = shape.window(half);
            let weight = |x: f64| window(x) * sinc(x * shape.band);
            return Ok(Self::Octaves(Box::new(Octaves::new((up, down), channels, half, weight, cancel)?)));
        }
        let pass = (f64::from(to) / f64::from(from)).min(1.0);
        let taps = (2.0 * (shape.crossings / pass).ceil()) as usize;
        let taps = taps.next_multiple_of(LANES);
        if up.saturating_mul(taps as u64) > TAPS {
            return Err(Error::unsupported(
                "these sample rates have no common step that is small enough; choose 48000",
            )
            .with("from", from)
            .with("to", to));
        }
        let filter = filter(&shape, up, taps, pass, cancel)?;
        let lines = vec![vec![0.0; taps / 2 - 1]; channels];
        Ok(Self::Phases(Phases { channels, up, down, taps, filter, lines, at: 0, position: 0, pushed: 0, made: 0 }))
    }

    /// Takes interleaved frames and appends what can be told by now to `out`.
    pub(super) fn push(&mut self, frames: &[f32], out: &mut Vec<f32>) {
        match self {
            Self::Same => out.extend_from_slice(frames),
            Self::Octaves(octaves) => octaves.push(frames, out),
            Self::Phases(phases) => phases.push(frames, out),
        }
    }

    /// Appends what is left: the input was all there is, and is followed by silence.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) {
        match self {
            Self::Same => {}
            Self::Octaves(octaves) => octaves.finish(out),
            Self::Phases(phases) => phases.finish(out),
        }
    }
}

/// A polyphase filter: one set of taps for each of the `up` positions that an output sample can have between two input
/// samples.
pub(super) struct Phases {
    channels: usize,
    /// Output frames for `down` input frames.
    up: u64,
    down: u64,
    taps: usize,
    /// `taps` weights for each position.
    filter: Vec<f32>,
    /// The input still needed, a line for each channel; it begins half a filter before the first frame.
    lines: Vec<Vec<f32>>,
    /// The place of the next output frame in the lines, and its position there.
    at: usize,
    position: u64,
    /// Output frames still owed for the input pushed so far, times `down`.
    pushed: u64,
    made: u64,
}

impl Phases {
    fn push(&mut self, frames: &[f32], out: &mut Vec<f32>) {
        for (channel, line) in self.lines.iter_mut().enumerate() {
            line.extend(frames.iter().skip(channel).step_by(self.channels));
        }
        self.pushed += (frames.len() / self.channels) as u64;
        self.drain(out);
    }

    fn finish(&mut self, out: &mut Vec<f32>) {
        self.lines.iter_mut().for_each(|line| line.resize(line.len() + self.taps, 0.0));
        self.drain(out);
    }

    fn drain(&mut self, out: &mut Vec<f32>) {
        simd::run(Drain { phases: self, out });
        let done = self.at.min(self.lines.first().map_or(0, Vec::len));
        self.lines.iter_mut().for_each(|line| drop(line.drain(..done)));
        self.at -= done;
    }
}

/// Appends all frames that the input reaches.
struct Drain<'a> {
    phases: &'a mut Phases,
    out: &'a mut Vec<f32>,
}

impl Kernel for Drain<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Self { phases: Phases { up, down, taps, filter, lines, at, position, pushed, made, .. }, out } = self;
        let (up, down, taps) = (*up, *down, *taps);
        let (len, channels) = (lines.first().map_or(0, Vec::len), lines.len());
        let mut tile = [[0.0f32; LANES]; TILE];
        loop {
            let mut filled = 0;
            // As long as the input: the last frame lies before the input's end.
            while filled + channels <= TILE && *at + taps <= len && *made * down < *pushed * up {
                let weights = &filter[*position as usize * taps..][..taps];
                let span = *at..*at + taps;
                for (pair, sums) in lines.chunks(2).zip(tile[filled..].chunks_mut(2)) {
                    match pair {
                        [left, right] => {
                            let both = dots([&left[span.clone()], &right[span.clone()]], weights);
                            sums.copy_from_slice(&both);
                        }
                        _ => sums[..1].copy_from_slice(&dots([&pair[0][span.clone()]], weights)),
                    }
                }
                filled += channels;
                *made += 1;
                *position += down;
                *at += (*position / up) as usize;
                *position %= up;
            }
            if filled == 0 {
                return;
            }
            out.extend(tile[..filled].iter().map(|sums| total(*sums)));
        }
    }
}

/// The sums of every sixteenth, for channels side by side: each weight is loaded once. They become one only when a tile is
/// full: compilers that see both would take apart the vectors.
#[inline(always)]
fn dots<const CHANNELS: usize>(samples: [&[f32]; CHANNELS], weights: &[f32]) -> [[f32; LANES]; CHANNELS] {
    let mut sums = [[0.0f32; LANES]; CHANNELS];
    let samples = samples.map(|samples| samples.as_chunks::<LANES>().0);
    for (at, weights) in weights.as_chunks::<LANES>().0.iter().enumerate() {
        for (sums, samples) in sums.iter_mut().zip(samples) {
            *sums = std::array::from_fn(|lane| sums[lane] + samples[at][lane] * weights[lane]);
        }
    }
    sums
}

#[inline(always)]
fn total(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

fn filter(shape: &Shape, up: u64, taps: usize, pass: f64, cancel: &Cancel) -> Result<Vec<f32>> {
    let (half, cut) = (taps as f64 / 2.0, pass * shape.band);
    let window = shape.window(half);
    let mut all = Vec::with_capacity(up as usize * taps);
    for position in 0..up {
        cancel.check()?;
        let shift = half - 1.0 + position as f64 / up as f64;
        let weights: Vec<f64> = (0..taps)
            .map(|tap| {
                let x = tap as f64 - shift;
                sinc(x * cut) * window(x)
            })
            .collect();
        // Each set passes a constant unchanged, so that there is no hum at the rate of the positions.
        let sum: f64 = weights.iter().sum();
        all.extend(weights.iter().map(|weight| (weight / sum) as f32));
    }
    Ok(all)
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { libm::sin(PI * x) / (PI * x) }
}

/// The modified Bessel function of the first kind and order 0, by its series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)) * (x / 2.0 / f64::from(k));
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resampled(from: u32, to: u32, samples: &[f32], chunk: usize) -> Vec<f32> {
        resampled_by(Resampling::High, from, to, samples, chunk)
    }

    fn resampled_by(quality: Resampling, from: u32, to: u32, samples: &[f32], chunk: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(from, to, 1, quality, &Cancel::new()).unwrap();
        let mut out = Vec::new();
        samples.chunks(chunk).for_each(|chunk| resampler.push(chunk, &mut out));
        resampler.finish(&mut out);
        out
    }

    #[test]
    fn a_tone_stays_the_same_tone() {
        for (from, to) in [(44_100, 48_000), (48_000, 44_100), (48_000, 16_000), (8_000, 48_000), (96_000, 44_100)] {
            let tone = |rate: u32, at: usize| (1_000.0 * 2.0 * PI * at as f64 / f64::from(rate)).sin();
            let samples: Vec<f32> = (0..from as usize).map(|at| tone(from, at) as f32).collect();
            let out = resampled(from, to, &samples, 1152);
            assert_eq!(out.len(), to as usize, "{from} to {to}");
            for (at, value) in out.iter().enumerate().skip(500).take(out.len() - 1000) {
                assert!((f64::from(*value) - tone(to, at)).abs() < 2e-4, "{from} to {to} at {at}");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_can_not_hold_is_gone() {
        let samples: Vec<f32> =
            (0..48_000).map(|at| (15_000.0 * 2.0 * PI * f64::from(at) / 48_000.0).sin() as f32).collect();
        let out = resampled(48_000, 16_000, &samples, 4096);
        let loudest = out.iter().skip(200).take(15_000).fold(0.0f32, |most, value| most.max(value.abs()));
        assert!(loudest < 1e-4, "{loudest}");
    }

    /// The tone of this frequency in the middle of `out` by least squares: its size, how many samples it is late, and the
    /// RMS of all else.
    fn fitted(out: &[f32], frequency: f64, rate: u32) -> (f64, f64, f64) {
        let turn = 2.0 * PI * frequency / f64::from(rate);
        let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let middle = || out.iter().enumerate().skip(1_000).take(out.len() - 2_000);
        for (n, x) in middle() {
            let ((s, c), x) = ((turn * n as f64).sin_cos(), f64::from(*x));
            (ss, cc, sc, xs, xc) = (ss + s * s, cc + c * c, sc + s * c, xs + x * s, xc + x * c);
        }
        let whole = ss * cc - sc * sc;
        let (a, b) = ((xs * cc - xc * sc) / whole, (xc * ss - xs * sc) / whole);
        let rest: f64 = middle()
            .map(|(n, x)| {
                let (s, c) = (turn * n as f64).sin_cos();
                (f64::from(*x) - a * s - b * c).powi(2)
            })
            .sum();
        (a.hypot(b), b.atan2(a) / turn, (rest / middle().count() as f64).sqrt())
    }

    #[test]
    fn the_band_passes_untouched_and_nothing_folds_back() {
        let decibels = |ratio: f64| 20.0 * ratio.log10();
        let levels =
            [(Resampling::Fast, 0.83, -80.0), (Resampling::High, 0.91, -120.0), (Resampling::Best, 0.95, -120.0)];
        for ((quality, flat, least), (from, to)) in levels.into_iter().flat_map(|level| {
            [(44_100u32, 48_000u32), (48_000, 44_100), (96_000, 48_000), (24_000, 48_000), (96_000, 24_000)]
                .map(|rates| (level, rates))
        }) {
            let half = f64::from(from.min(to)) / 2.0;
            let tone = |frequency: f64| -> Vec<f32> {
                let value = |n: u32| (f64::from(n) * 2.0 * PI * frequency / f64::from(from)).sin() as f32;
                resampled_by(quality, from, to, &(0..from / 4).map(value).collect::<Vec<f32>>(), 4096)
            };
            for step in 0..=16 {
                let frequency = 40.0 + (flat * half - 40.0) * f64::from(step) / 16.0;
                let (size, late, rest) = fitted(&tone(frequency), frequency, to);
                let what = format!("{quality}, {from} to {to}, {frequency:.0} Hz");
                assert!(decibels(size).abs() < 0.001, "{what}: {} dB", decibels(size));
                assert!(late.abs() < 1e-3, "{what}: {late} samples late");
                assert!(decibels(rest * 2f64.sqrt()) < least, "{what}: {} dB besides", decibels(rest * 2f64.sqrt()));
            }
            if from > to {
                for step in 0..8 {
                    let frequency = 1.001 * half + (0.49 * f64::from(from) - 1.001 * half) * f64::from(step) / 7.0;
                    let out = tone(frequency);
                    let middle = &out[1_000..out.len() - 1_000];
                    let power = middle.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / middle.len() as f64;
                    let left = decibels((2.0 * power).sqrt());
                    assert!(left < least, "{quality}, {from} to {to}, {frequency:.0} Hz: {left} dB are left");
                }
            }
        }
    }

    #[test]
    fn vectors_give_the_same_samples_as_plain_code() {
        let samples: Vec<f32> = (0..30_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7).collect();
        for channels in 1..=3 {
            let made = || {
                let mut resampler = Resampler::new(48_000, 44_100, channels, Resampling::High, &Cancel::new()).unwrap();
                let mut out = Vec::new();
                resampler.push(&samples, &mut out);
                resampler.finish(&mut out);
                out
            };
            let (vectors, plain) = (made(), simd::plainly(made));
            assert!(vectors.len() > 27_000 && vectors == plain, "{channels} channels");
        }
    }

    #[test]
    fn chunks_don_t_matter() {
        let samples: Vec<f32> = (0..5000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7).collect();
        assert_eq!(resampled(44_100, 48_000, &samples, 1), resampled(44_100, 48_000, &samples, 5000));
    }
}
