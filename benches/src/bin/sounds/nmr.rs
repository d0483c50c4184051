//! A noise-to-mask ratio of our own, in the manner of BS.1387's: how far what a codec changed is below what the sound
//! itself hides. It is no PEAQ and gives no grades: it orders encodings of the same sounds.
//!
//! Spectra of 2048 samples are weighted by the ear's canal, gathered in quarters of a Bark and spread to their neighbours;
//! the noise is the difference of magnitudes. −10 dB is transparent to most ears, 0 dB is plainly heard.

use super::fft::Fft;
use std::f64::consts::PI;

const SIZE: usize = 2048;
const HOP: usize = 1024;
const BAND: f64 = 0.25;
const LOW: f64 = 80.0;
const HIGH: f64 = 18_000.0;

/// The model, for 48 kHz.
pub(super) struct Ear {
    fft: Fft,
    window: Vec<f64>,
    weights: Vec<f64>,
    /// For each band, shares of the bins it is made of.
    bands: Vec<Vec<(usize, f64)>>,
    centres: Vec<f64>,
    inner: Vec<f64>,
    /// The mask below a masker, as a factor.
    below: Vec<f64>,
    /// How much of a band's last mask is left a hop later.
    after: Vec<f64>,
    even: Vec<f64>,
}

/// What one encoding did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// The mean ratio, in dB.
    pub(super) ratio: f64,
    /// The share of frames with a band that is more than 1.5 dB above its mask.
    pub(super) disturbed: f64,
}

impl Ear {
    pub(super) fn new() -> Self {
        let z = |f: f64| 7.0 * (f / 650.0).asinh();
        let hertz = |z: f64| 650.0 * (z / 7.0).sinh();
        let count = ((z(HIGH) - z(LOW)) / BAND).ceil() as usize;
        let edge = |band: usize| if band == count { HIGH } else { hertz(z(LOW) + BAND * band as f64) };
        let width = 48_000.0 / SIZE as f64;
        let bands = (0..count).map(|band| {
            let share = |bin: usize| {
                let (from, to) = ((bin as f64 - 0.5) * width, (bin as f64 + 0.5) * width);
                ((to.min(edge(band + 1)) - from.max(edge(band))) / width).max(0.0)
            };
            (0..=SIZE / 2).map(|bin| (bin, share(bin))).filter(|(_, share)| *share > 0.0).collect()
        });
        let centres: Vec<f64> = (0..count).map(|band| hertz(z(LOW) + BAND * (band as f64 + 0.5))).collect();
        let weight = |bin: usize| {
            let f = (bin as f64 * width / 1000.0).max(0.001);
            let decibels = -2.184 * f.powf(-0.8) + 6.5 * (-0.6 * (f - 3.3).powi(2)).exp() - 1e-3 * f.powf(3.6);
            // Full scale is 92 dB of sound pressure.
            10f64.powf((decibels + 92.0) / 20.0) / (SIZE as f64 / 4.0)
        };
        let mask = |band: usize| if band as f64 * BAND <= 12.0 { 3.0 } else { 0.25 * BAND * band as f64 };
        let after = |f: &f64| (-(HOP as f64) / 48_000.0 / (0.008 + 100.0 / f * 0.022)).exp();
        let mut ear = Self {
            fft: Fft::new(SIZE),
            window: (0..SIZE).map(|n| 0.5 - 0.5 * (2.0 * PI * n as f64 / SIZE as f64).cos()).collect(),
            weights: (0..=SIZE / 2).map(weight).collect(),
            bands: bands.collect(),
            inner: centres.iter().map(|f| 10f64.powf(0.145_6 * (f / 1000.0).powf(-0.8))).collect(),
            below: (0..count).map(|band| 10f64.powf(-mask(band) / 10.0)).collect(),
            after: centres.iter().map(after).collect(),
            centres,
            even: vec![1.0; count],
        };
        ear.even = ear.spread(&vec![1.0; count]);
        ear
    }

    /// Interleaved stereo of the same sound, before and after.
    pub(super) fn compare(&self, before: &[f32], after: &[f32]) -> Told {
        let channels: Vec<Told> = (0..2).filter_map(|channel| self.channel(before, after, channel)).collect();
        let count = channels.len().max(1) as f64;
        let mean = |of: fn(&Told) -> f64| channels.iter().map(of).sum::<f64>() / count;
        Told { ratio: mean(|told| told.ratio), disturbed: mean(|told| told.disturbed) }
    }

    fn channel(&self, before: &[f32], after: &[f32], channel: usize) -> Option<Told> {
        let frames = before.len().min(after.len()) / 2;
        let mut left = vec![0.0; self.bands.len()];
        let (mut sum, mut disturbed, mut live) = (0.0, 0usize, 0usize);
        for from in (0..frames.saturating_sub(SIZE - 1)).step_by(HOP) {
            let [a, b] = [before, after].map(|samples| self.spectrum(samples, from, channel));
            let gather = |of: &dyn Fn(usize) -> f64| -> Vec<f64> {
                self.bands.iter().map(|band| band.iter().map(|&(bin, share)| of(bin) * share).sum()).collect()
            };
            let energy: Vec<f64> =
                gather(&|bin| a[bin] * a[bin]).iter().zip(&self.inner).map(|(e, inner)| e.max(1e-12) + inner).collect();
            let noise = gather(&|bin| (a[bin] - b[bin]).powi(2));
            let spread = self.spread(&energy);
            let mut worst = 0.0f64;
            let mut mean = 0.0;
            for band in 0..self.bands.len() {
                let now = spread[band] / self.even[band];
                left[band] = self.after[band] * left[band] + (1.0 - self.after[band]) * now;
                let ratio = noise[band] / (left[band].max(now) * self.below[band]);
                mean += ratio / self.bands.len() as f64;
                worst = worst.max(ratio);
            }
            if a.iter().map(|x| x * x).sum::<f64>() > 1e3 {
                live += 1;
                sum += mean;
                disturbed += usize::from(10.0 * worst.log10() > 1.5);
            }
        }
        let count = live as f64;
        (live > 0).then(|| Told { ratio: 10.0 * (sum / count + 1e-9).log10(), disturbed: disturbed as f64 / count })
    }

    fn spectrum(&self, samples: &[f32], from: usize, channel: usize) -> Vec<f64> {
        let mut re: Vec<f64> =
            (0..SIZE).map(|n| f64::from(samples[(from + n) * 2 + channel]) * self.window[n]).collect();
        let mut im = vec![0.0; SIZE];
        self.fft.run(&mut re, &mut im);
        (0..=SIZE / 2).map(|bin| (re[bin] * re[bin] + im[bin] * im[bin]).sqrt() * self.weights[bin]).collect()
    }

    /// Each band's energy over its neighbours, upwards the further the louder; sums by the power of 0.4.
    fn spread(&self, energy: &[f64]) -> Vec<f64> {
        let count = energy.len();
        let down = 10f64.powf(-2.7 * BAND);
        let ups: Vec<f64> = (energy.iter().zip(&self.centres))
            .map(|(e, f)| 10f64.powf((-24.0 - 230.0 / f + 2.0 * e.log10()) * BAND / 10.0))
            .collect();
        let scaled: Vec<f64> = (0..count)
            .map(|at| {
                let low = (1.0 - down.powi(at as i32 + 1)) / (1.0 - down);
                let high = (1.0 - ups[at].powi((count - at) as i32)) / (1.0 - ups[at]);
                (energy[at] / (low + high - 1.0)).powf(0.4)
            })
            .collect();
        let mut out = vec![0.0; count];
        let (mut reach, fall) = (0.0, down.powf(0.4));
        for at in (0..count).rev() {
            reach = reach * fall + scaled[at];
            out[at] += reach;
        }
        for at in 0..count {
            let (mut reach, rise) = (scaled[at], ups[at].powf(0.4));
            for other in &mut out[at + 1..] {
                reach *= rise;
                *other += reach;
            }
        }
        out.iter().map(|sum| sum.powf(2.5)).collect()
    }
}
