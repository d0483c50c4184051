//! The modified discrete cosine transform, by a complex FFT of a quarter of its length.

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

/// A complex FFT by Stockham's method, radix 4: each pass reads and writes in order, so that vector units can do it.
struct Fft {
    re: Vec<f32>,
    im: Vec<f32>,
    re2: Vec<f32>,
    im2: Vec<f32>,
    /// For each pass of radix 4, three factors for each of its groups.
    passes: Vec<Vec<[(f32, f32); 3]>>,
}

impl Fft {
    fn new(size: usize) -> Self {
        let (mut passes, mut n) = (Vec::new(), size);
        while n >= 4 {
            let factor = |p: usize, times: usize| {
                let angle = -2.0 * PI * (p * times) as f64 / n as f64;
                (libm::cos(angle) as f32, libm::sin(angle) as f32)
            };
            passes.push((0..n / 4).map(|p| [factor(p, 1), factor(p, 2), factor(p, 3)]).collect());
            n /= 4;
        }
        let zeros = || vec![0.0; size];
        Self { re: zeros(), im: zeros(), re2: zeros(), im2: zeros(), passes }
    }

    /// Transforms `re` and `im` in place.
    fn run(&mut self) {
        let (mut n, mut s) = (self.re.len(), 1);
        for factors in &self.passes {
            let quarter = n / 4 * s;
            let (ar, br, cr, dr) = quarters(&self.re, quarter);
            let (ai, bi, ci, di) = quarters(&self.im, quarter);
            for (p, &[w1, w2, w3]) in factors.iter().enumerate() {
                let from = p * s..(p + 1) * s;
                let (ar, br, cr, dr) = (&ar[from.clone()], &br[from.clone()], &cr[from.clone()], &dr[from.clone()]);
                let (ai, bi, ci, di) = (&ai[from.clone()], &bi[from.clone()], &ci[from.clone()], &di[from]);
                let to = 4 * p * s..4 * (p + 1) * s;
                let (r0, r1, r2, r3) = quarters_mut(&mut self.re2[to.clone()], s);
                let (i0, i1, i2, i3) = quarters_mut(&mut self.im2[to], s);
                for q in 0..s {
                    let (sum_r, sum_i) = (ar[q] + cr[q], ai[q] + ci[q]);
                    let (dif_r, dif_i) = (ar[q] - cr[q], ai[q] - ci[q]);
                    let (other_r, other_i) = (br[q] + dr[q], bi[q] + di[q]);
                    // j times b - d.
                    let (turn_r, turn_i) = (di[q] - bi[q], br[q] - dr[q]);
                    (r0[q], i0[q]) = (sum_r + other_r, sum_i + other_i);
                    (r1[q], i1[q]) = times((dif_r - turn_r, dif_i - turn_i), w1);
                    (r2[q], i2[q]) = times((sum_r - other_r, sum_i - other_i), w2);
                    (r3[q], i3[q]) = times((dif_r + turn_r, dif_i + turn_i), w3);
                }
            }
            std::mem::swap(&mut self.re, &mut self.re2);
            std::mem::swap(&mut self.im, &mut self.im2);
            n /= 4;
            s *= 4;
        }
        if n == 2 {
            for values in [&mut self.re, &mut self.im] {
                let (low, high) = values.split_at_mut(s);
                for (a, b) in low.iter_mut().zip(high) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
        }
    }
}

fn times((re, im): (f32, f32), (cos, sin): (f32, f32)) -> (f32, f32) {
    (re * cos - im * sin, re * sin + im * cos)
}

fn quarters(values: &[f32], quarter: usize) -> (&[f32], &[f32], &[f32], &[f32]) {
    let (a, rest) = values.split_at(quarter);
    let (b, rest) = rest.split_at(quarter);
    let (c, d) = rest.split_at(quarter);
    (a, b, c, d)
}

fn quarters_mut(values: &mut [f32], quarter: usize) -> (&mut [f32], &mut [f32], &mut [f32], &mut [f32]) {
    let (a, rest) = values.split_at_mut(quarter);
    let (b, rest) = rest.split_at_mut(quarter);
    let (c, d) = rest.split_at_mut(quarter);
    (a, b, c, d)
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
