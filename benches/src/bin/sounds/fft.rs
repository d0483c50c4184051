//! A Fourier transform for the models of hearing: plain, in doubles, no crate's.

use std::f64::consts::PI;

/// Of a power of two.
pub(super) struct Fft {
    /// `exp(-2πik/size)` for the first half.
    turns: Vec<(f64, f64)>,
    /// Where each value comes from.
    order: Vec<usize>,
}

impl Fft {
    pub(super) fn new(size: usize) -> Self {
        let turn = |k: usize| {
            let (sin, cos) = (-2.0 * PI * k as f64 / size as f64).sin_cos();
            (cos, sin)
        };
        let bits = size.trailing_zeros();
        Self {
            turns: (0..size / 2).map(turn).collect(),
            order: (0..size).map(|at| at.reverse_bits() >> (usize::BITS - bits)).collect(),
        }
    }

    /// Transforms in place.
    pub(super) fn run(&self, re: &mut [f64], im: &mut [f64]) {
        let size = re.len();
        for (at, &other) in self.order.iter().enumerate() {
            if at < other {
                re.swap(at, other);
                im.swap(at, other);
            }
        }
        let mut half = 1;
        while half < size {
            let stride = size / 2 / half;
            for from in (0..size).step_by(2 * half) {
                for k in 0..half {
                    let (cos, sin) = self.turns[k * stride];
                    let (low, high) = (from + k, from + k + half);
                    let (r, i) = (re[high] * cos - im[high] * sin, re[high] * sin + im[high] * cos);
                    (re[high], im[high]) = (re[low] - r, im[low] - i);
                    (re[low], im[low]) = (re[low] + r, im[low] + i);
                }
            }
            half *= 2;
        }
    }
}
