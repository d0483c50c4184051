//! The modified discrete cosine transform, by a complex FFT of a quarter of its length.

use super::super::fft::Fft;
use std::f64::consts::PI;

/// Turns `2 * len` windowed samples into `len` coefficients, scaled so that decoders need no factor of their own.
pub(super) struct Mdct {
    len: usize,
    /// `exp(-iπ(4n+1)/(4·len))`, before the FFT.
    before: Vec<(f32, f32)>,
    /// `exp(-iπk/len)`, after it.
    after: Vec<(f32, f32)>,
    fft: Fft,
    folded: Vec<f32>,
}

impl Mdct {
    pub(super) fn new(len: usize) -> Self {
        let twist = |offset: usize| {
            let of = move |n: usize| {
                let angle = -PI * (4 * n + offset) as f64 / (4 * len) as f64;
                (libm::cos(angle) as f32, libm::sin(angle) as f32)
            };
            (0..len / 2).map(of).collect()
        };
        Self { len, before: twist(1), after: twist(0), fft: Fft::new(len / 2), folded: vec![0.0; len] }
    }

    pub(super) fn forward(&mut self, samples: &[f32], out: &mut [f32]) {
        let (len, half) = (self.len, self.len / 2);
        // The transform of (a, b, c, d) is the DCT-IV of (-reversed c - d, a - reversed b).
        let (a, b) = (&samples[..half], &samples[half..len]);
        let (c, d) = (&samples[len..len + half], &samples[len + half..2 * len]);
        let (first, second) = self.folded.split_at_mut(half);
        for ((to, c), d) in first.iter_mut().zip(c.iter().rev()).zip(d) {
            *to = -c - d;
        }
        for ((to, a), b) in second.iter_mut().zip(a).zip(b.iter().rev()) {
            *to = a - b;
        }
        for (n, &(cos, sin)) in self.before.iter().enumerate() {
            let (re, im) = (self.folded[2 * n], self.folded[len - 1 - 2 * n]);
            self.fft.re[n] = re * cos - im * sin;
            self.fft.im[n] = re * sin + im * cos;
        }
        self.fft.run();
        let scale = 2.0 / len as f32;
        for (k, &(cos, sin)) in self.after.iter().enumerate() {
            let (re, im) = (self.fft.re[k] * scale, self.fft.im[k] * scale);
            out[2 * k] = re * cos - im * sin;
            out[len - 1 - 2 * k] = -(re * sin + im * cos);
        }
    }
}

/// What a piece of sound is made of, to be looked at.
pub(in super::super) struct Spectrum {
    mdct: Mdct,
    slope: Vec<f32>,
    windowed: Vec<f32>,
    values: Vec<f32>,
    powers: Vec<f32>,
}

impl Spectrum {
    /// For pieces of `2 * len` samples.
    pub(in super::super) fn new(len: usize) -> Self {
        let zeros = || vec![0.0; len];
        Self { mdct: Mdct::new(len), slope: slope(len), windowed: Vec::new(), values: zeros(), powers: zeros() }
    }

    /// The power at each of `len` frequencies; a full tone has about 1.
    pub(in super::super) fn powers(&mut self, samples: &[f32]) -> &[f32] {
        self.windowed.clear();
        self.windowed.extend_from_slice(samples);
        let (rise, fall) = self.windowed.split_at_mut(self.slope.len());
        rise.iter_mut().zip(&self.slope).for_each(|(sample, weight)| *sample *= weight);
        fall.iter_mut().rev().zip(&self.slope).for_each(|(sample, weight)| *sample *= weight);
        self.mdct.forward(&self.windowed, &mut self.values);
        for (k, power) in self.powers.iter_mut().enumerate() {
            // A coefficient alone depends on the phase.
            let before = if k == 0 { 0.0 } else { self.values[k - 1] };
            let after = self.values.get(k + 1).copied().unwrap_or(0.0);
            *power = self.values[k] * self.values[k] + (after - before) * (after - before);
        }
        &self.powers
    }
}

/// The rising half of Vorbis' window, `len` samples long: Vorbis I, section 1.3.2.3.
pub(super) fn slope(len: usize) -> Vec<f32> {
    let value = |n: usize| {
        let sine = libm::sin((n as f64 + 0.5) / len as f64 * PI / 2.0);
        libm::sin(PI / 2.0 * sine * sine) as f32
    };
    (0..len).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_of_its_definition() {
        for len in [32, 64, 128, 1024] {
            let samples: Vec<f32> =
                (0..2 * len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7 - 0.8).collect();
            let mut out = vec![0.0; len];
            Mdct::new(len).forward(&samples, &mut out);
            for (k, value) in out.iter().enumerate() {
                let sum: f64 = (samples.iter().enumerate())
                    .map(|(n, sample)| {
                        let angle = PI / len as f64 * (n as f64 + 0.5 + len as f64 / 2.0) * (k as f64 + 0.5);
                        f64::from(*sample) * angle.cos()
                    })
                    .sum();
                let expected = sum * 2.0 / len as f64;
                assert!((expected - f64::from(*value)).abs() < 1e-5, "{len} at {k}: {expected} {value}");
            }
        }
    }
}
