//! The complex Fourier transform that codecs and resampling share.

use crate::simd::{self, Kernel};
use std::f64::consts::PI;

/// By Stockham's method, radix 4: each pass reads and writes in order, so that vector units can do it.
pub(super) struct Fft {
    pub(super) re: Vec<f32>,
    pub(super) im: Vec<f32>,
    re2: Vec<f32>,
    im2: Vec<f32>,
    /// For each pass of radix 4, the factors of its groups: cosines and sines of the first, second and third.
    passes: Vec<[Vec<f32>; 6]>,
}

/// Groups of the first pass that are done side by side: its own are of one each.
const LANES: usize = 8;

impl Fft {
    /// `size` is a power of two.
    pub(super) fn new(size: usize) -> Self {
        let (mut passes, mut n) = (Vec::new(), size);
        while n >= 4 {
            let factors = std::array::from_fn(|at| {
                let of = |p: usize| {
                    let angle = -2.0 * PI * (p * (at / 2 + 1)) as f64 / n as f64;
                    (if at % 2 == 0 { libm::cos(angle) } else { libm::sin(angle) }) as f32
                };
                (0..n / 4).map(of).collect()
            });
            passes.push(factors);
            n /= 4;
        }
        let zeros = || vec![0.0; size];
        Self { re: zeros(), im: zeros(), re2: zeros(), im2: zeros(), passes }
    }

    /// Transforms `re` and `im` in place. Swapped before and after, it goes back.
    pub(super) fn run(&mut self) {
        simd::run(Run(self));
    }

    /// The same, to be compiled for the instructions of a kernel that calls it.
    #[inline(always)]
    pub(super) fn inlined(&mut self) {
        let (mut n, mut s) = (self.re.len(), 1);
        for factors in &self.passes {
            let quarter = n / 4 * s;
            let from = (quarters(&self.re, quarter), quarters(&self.im, quarter));
            if s == 1 && quarter.is_multiple_of(LANES) {
                first(from, factors, &mut self.re2, &mut self.im2);
            } else {
                further(from, factors, s, &mut self.re2, &mut self.im2);
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

struct Run<'a>(&'a mut Fft);

impl Kernel for Run<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        self.0.inlined();
    }
}

type Quarters<'a> = [&'a [f32]; 4];

/// Real and imaginary parts of four values, and of what comes of them.
type Four = ([f32; 4], [f32; 4]);

/// Whose groups are single values: several groups at once.
#[inline(always)]
fn first((re, im): (Quarters<'_>, Quarters<'_>), factors: &[Vec<f32>; 6], re2: &mut [f32], im2: &mut [f32]) {
    let re = re.map(|quarter| quarter.as_chunks::<LANES>().0);
    let im = im.map(|quarter| quarter.as_chunks::<LANES>().0);
    let factors = factors.each_ref().map(|factors| factors.as_chunks::<LANES>().0);
    let to = re2.as_chunks_mut::<{ 4 * LANES }>().0.iter_mut().zip(im2.as_chunks_mut::<{ 4 * LANES }>().0);
    for (at, (re2, im2)) in to.enumerate() {
        let (mut out_re, mut out_im) = ([[0.0; LANES]; 4], [[0.0; LANES]; 4]);
        for lane in 0..LANES {
            let from = (re.map(|quarter| quarter[at][lane]), im.map(|quarter| quarter[at][lane]));
            let (re, im) = butterfly(from, factors.map(|factors| factors[at][lane]));
            for part in 0..4 {
                (out_re[part][lane], out_im[part][lane]) = (re[part], im[part]);
            }
        }
        for lane in 0..LANES {
            for part in 0..4 {
                (re2[4 * lane + part], im2[4 * lane + part]) = (out_re[part][lane], out_im[part][lane]);
            }
        }
    }
}

/// Of groups of `s` values that have their factors in common.
#[inline(always)]
fn further(
    (re, im): (Quarters<'_>, Quarters<'_>),
    factors: &[Vec<f32>; 6],
    s: usize,
    re2: &mut [f32],
    im2: &mut [f32],
) {
    let to = re2.chunks_exact_mut(4 * s).zip(im2.chunks_exact_mut(4 * s));
    for (p, (re2, im2)) in to.enumerate() {
        let ([ar, br, cr, dr], [ai, bi, ci, di]) =
            (re.map(|quarter| &quarter[p * s..][..s]), im.map(|quarter| &quarter[p * s..][..s]));
        let factors = factors.each_ref().map(|factors| factors[p]);
        let ([r0, r1, r2, r3], [i0, i1, i2, i3]) = (quarters_mut(re2, s), quarters_mut(im2, s));
        for q in 0..s {
            let (re, im) = butterfly(([ar[q], br[q], cr[q], dr[q]], [ai[q], bi[q], ci[q], di[q]]), factors);
            [r0[q], r1[q], r2[q], r3[q]] = re;
            [i0[q], i1[q], i2[q], i3[q]] = im;
        }
    }
}

#[inline(always)]
fn butterfly(([ar, br, cr, dr], [ai, bi, ci, di]): Four, [c1, s1, c2, s2, c3, s3]: [f32; 6]) -> Four {
    let (sum_r, sum_i) = (ar + cr, ai + ci);
    let (dif_r, dif_i) = (ar - cr, ai - ci);
    let (other_r, other_i) = (br + dr, bi + di);
    // j times b - d.
    let (turn_r, turn_i) = (di - bi, br - dr);
    let (r1, i1) = times((dif_r - turn_r, dif_i - turn_i), (c1, s1));
    let (r2, i2) = times((sum_r - other_r, sum_i - other_i), (c2, s2));
    let (r3, i3) = times((dif_r + turn_r, dif_i + turn_i), (c3, s3));
    ([sum_r + other_r, r1, r2, r3], [sum_i + other_i, i1, i2, i3])
}

#[inline(always)]
fn times((re, im): (f32, f32), (cos, sin): (f32, f32)) -> (f32, f32) {
    (re * cos - im * sin, re * sin + im * cos)
}

#[inline(always)]
fn quarters(values: &[f32], quarter: usize) -> Quarters<'_> {
    std::array::from_fn(|at| &values[at * quarter..][..quarter])
}

#[inline(always)]
fn quarters_mut(values: &mut [f32], quarter: usize) -> [&mut [f32]; 4] {
    let (low, high) = values.split_at_mut(2 * quarter);
    let ((a, b), (c, d)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transformed(size: usize) -> Fft {
        let mut fft = Fft::new(size);
        let value = |n: u32| (n.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7 - 0.8;
        fft.re.iter_mut().zip(0..).for_each(|(re, n)| *re = value(n));
        fft.im.iter_mut().zip(7..).for_each(|(im, n)| *im = value(n));
        fft.run();
        fft
    }

    #[test]
    fn it_is_the_sum_of_its_definition() {
        for size in [2, 4, 8, 16, 32, 64, 512, 1024] {
            let out = transformed(size);
            let value = |n: u32| f64::from((n.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7 - 0.8);
            for k in 0..size {
                let (mut re, mut im) = (0.0, 0.0);
                for n in 0..size {
                    let (sin, cos) = (-2.0 * PI * ((n * k) % size) as f64 / size as f64).sin_cos();
                    let (a, b) = (value(n as u32), value(n as u32 + 7));
                    (re, im) = (re + a * cos - b * sin, im + a * sin + b * cos);
                }
                let off = (re - f64::from(out.re[k])).hypot(im - f64::from(out.im[k]));
                assert!(off < 1e-6 * size as f64, "{size} at {k}: {off}");
            }
        }
    }

    #[test]
    fn vectors_give_the_same_values_as_plain_code() {
        for size in [8, 64, 2048] {
            let (vectors, plain) = (transformed(size), simd::plainly(|| transformed(size)));
            assert!(vectors.re == plain.re && vectors.im == plain.im, "{size}");
        }
    }
}
