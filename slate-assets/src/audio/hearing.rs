//! How much of a difference is heard: a noise-to-mask ratio in the manner of ITU-R BS.1387's. It orders encodings of the same
//! sound; it gives no grades.
//!
//! Spectra of a 24th of a second are weighted by the ear's canal, gathered in quarters of a Bark and spread to their
//! neighbours; the noise is the difference of magnitudes.

use super::fft::Fft;
use std::f64::consts::PI;

/// Bands in Bark, and where they begin and end in Hz.
const BAND: f64 = 0.25;
const LOW: f64 = 80.0;
const HIGH: f64 = 18_000.0;
/// The sound pressure level of full scale, in decibels.
const FULL_SCALE: f64 = 92.0;
/// The weighted energy from which on a frame is heard at all.
const HEARD: f64 = 1e3;
/// How far above its mask noise in a band disturbs, as a factor: 1.5 dB.
const DISTURBING: f64 = 1.412_537_544_622_754_4;

/// The model for one rate.
pub(super) struct Ear {
    fft: Fft,
    window: Vec<f32>,
    weights: Vec<f64>,
    bands: Vec<Band>,
    /// Squares of the magnitudes before, and of what they differ by after.
    energy: Vec<f64>,
    noise: Vec<f64>,
    /// Of each band, and what has spread to it.
    gathered: Vec<f64>,
    spread: Vec<f64>,
}

struct Band {
    /// The first bin and the shares of it and of those after it that belong here.
    first: usize,
    shares: Vec<f64>,
    /// The ear's own noise.
    inner: f64,
    /// The part of the upper slope that doesn't depend on the level, in decibels a Bark.
    slope: f64,
    /// The mask below a masker, as a factor.
    below: f64,
    /// How much of the last mask is left a hop later.
    after: f64,
    /// What spreads to it where every band has an energy of 1.
    even: f64,
}

/// What one frame of one channel told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// The mean of noise over mask, as a factor.
    pub(super) ratio: f64,
    /// Whether noise in a band is plainly above its mask.
    pub(super) disturbed: bool,
}

impl Ear {
    pub(super) fn new(rate: u32) -> Self {
        let size = (rate as usize / 24).next_power_of_two();
        let (hop, width) = (size / 2, f64::from(rate) / size as f64);
        let high = HIGH.min(f64::from(rate) / 2.0);
        let bark = |hertz: f64| 7.0 * libm::asinh(hertz / 650.0);
        let hertz = |bark: f64| 650.0 * libm::sinh(bark / 7.0);
        let count = libm::ceil((bark(high) - bark(LOW)) / BAND) as usize;
        let edge = |band: usize| if band == count { high } else { hertz(bark(LOW) + BAND * band as f64) };
        let band = |at: usize| {
            let (from, to) = (edge(at) / width, edge(at + 1) / width);
            let first = (from + 0.5) as usize;
            let share = |bin: usize| (to.min(bin as f64 + 0.5) - from.max(bin as f64 - 0.5)).max(0.0);
            let centre = hertz(bark(LOW) + BAND * (at as f64 + 0.5));
            let below = if at as f64 * BAND <= 12.0 { 3.0 } else { 0.25 * BAND * at as f64 };
            Band {
                first,
                shares: (first..=(to + 0.5) as usize).take_while(|bin| *bin <= hop).map(share).collect(),
                inner: libm::pow(10.0, 0.145_6 * libm::pow(centre / 1000.0, -0.8)),
                slope: -24.0 - 230.0 / centre,
                below: libm::pow(10.0, -below / 10.0),
                after: libm::exp(-(hop as f64) / f64::from(rate) / (0.008 + 100.0 / centre * 0.022)),
                even: 1.0,
            }
        };
        let weight = |bin: usize| {
            let f = (bin as f64 * width / 1000.0).max(0.001);
            let ear =
                -2.184 * libm::pow(f, -0.8) + 6.5 * libm::exp(-0.6 * (f - 3.3) * (f - 3.3)) - 1e-3 * libm::pow(f, 3.6);
            libm::pow(10.0, (ear + FULL_SCALE) / 20.0) / (size as f64 / 4.0)
        };
        let mut ear = Self {
            fft: Fft::new(size),
            window: (0..size).map(|n| (0.5 - 0.5 * libm::cos(2.0 * PI * n as f64 / size as f64)) as f32).collect(),
            weights: (0..=hop).map(weight).collect(),
            bands: (0..count).map(band).collect(),
            energy: vec![0.0; hop + 1],
            noise: vec![0.0; hop + 1],
            gathered: vec![1.0; count],
            spread: vec![0.0; count],
        };
        ear.spread();
        ear.bands.iter_mut().zip(&ear.spread).for_each(|(band, even)| band.even = *even);
        ear
    }

    /// Samples of a frame; the next one begins half of them later.
    pub(super) fn size(&self) -> usize {
        self.window.len()
    }

    /// What is left of masks before the first frame of a channel.
    pub(super) fn masks(&self) -> Vec<f64> {
        vec![0.0; self.bands.len()]
    }

    /// Listens to one frame of a channel, before and after; `None` where there is next to nothing to hear. `masks` is what
    /// its last frame left.
    pub(super) fn hear(&mut self, before: &[f32], after: &[f32], masks: &mut [f64]) -> Option<Frame> {
        self.transform(before, after);
        let gather = |band: &Band, powers: &[f64]| -> f64 {
            band.shares.iter().zip(&powers[band.first..]).map(|(share, power)| share * power).sum()
        };
        for (gathered, band) in self.gathered.iter_mut().zip(&self.bands) {
            *gathered = gather(band, &self.energy).max(1e-12) + band.inner;
        }
        self.spread();
        let (mut sum, mut worst) = (0.0, 0.0f64);
        for ((band, mask), spread) in self.bands.iter().zip(masks).zip(&self.spread) {
            let now = spread / band.even;
            *mask = band.after * *mask + (1.0 - band.after) * now;
            let ratio = gather(band, &self.noise) / (mask.max(now) * band.below);
            sum += ratio;
            worst = worst.max(ratio);
        }
        let heard = self.energy.iter().sum::<f64>() > HEARD;
        heard.then(|| Frame { ratio: sum / self.bands.len() as f64, disturbed: worst > DISTURBING })
    }

    /// Both spectra by one transform: the sound before is its real part, the one after its imaginary.
    fn transform(&mut self, before: &[f32], after: &[f32]) {
        // Exactly: the parts of a transform differ in their last bits.
        let same = before == after;
        let Fft { re, im, .. } = &mut self.fft;
        for (to, samples) in [(re, before), (im, after)] {
            to.iter_mut().zip(samples).zip(&self.window).for_each(|((to, sample), window)| *to = sample * window);
        }
        self.fft.run();
        let size = self.window.len();
        for (bin, weight) in self.weights.iter().enumerate() {
            let mirror = (size - bin) % size;
            let at = |bin: usize| (f64::from(self.fft.re[bin]), f64::from(self.fft.im[bin]));
            let ((a, b), (c, d)) = (at(bin), at(mirror));
            let before = weight / 2.0 * ((a + c) * (a + c) + (b - d) * (b - d)).sqrt();
            let after = weight / 2.0 * ((b + d) * (b + d) + (a - c) * (a - c)).sqrt();
            self.energy[bin] = before * before;
            self.noise[bin] = (before - after) * (before - after);
        }
        if same {
            self.noise.fill(0.0);
        }
    }

    /// Each band's energy over its neighbours, upwards the further the louder; sums by the power of 0.4.
    fn spread(&mut self) {
        const DOWN: f64 = -2.7 * BAND * std::f64::consts::LN_10;
        let count = self.bands.len();
        self.spread.fill(0.0);
        // What reaches down, and each band's own part of it.
        for at in 0..count {
            let loud = libm::log(self.gathered[at]);
            let up = (self.bands[at].slope * std::f64::consts::LN_10 + 2.0 * loud) * BAND / 10.0;
            // So that spreading adds no energy: the sums of both slopes, which are geometric.
            let slope = |rate: f64, bands: usize| libm::expm1(rate * bands as f64) / libm::expm1(rate);
            let all = slope(DOWN, at + 1) + slope(up.min(-1e-6), count - at) - 1.0;
            let own = libm::exp(0.4 * (loud - libm::log(all)));
            self.gathered[at] = own;
            let (mut reach, rise) = (own, libm::exp(0.4 * up));
            for other in &mut self.spread[at + 1..] {
                reach *= rise;
                *other += reach;
            }
        }
        let (mut reach, fall) = (0.0, libm::exp(0.4 * DOWN));
        for (spread, own) in self.spread.iter_mut().zip(&self.gathered).rev() {
            reach = reach * fall + own;
            *spread += reach;
        }
        self.spread.iter_mut().for_each(|sum| *sum = *sum * *sum * sum.sqrt());
    }
}
