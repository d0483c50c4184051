//! Sample rates that are halves and doubles of each other, by way of the spectrum: a block is transformed, weighted by the
//! filter's response, folded or repeated to the other rate's length, and transformed back. For filters of hundreds of taps
//! that is a fifth of the sums.

use super::fft::Fft;
use crate::simd::{self, Kernel};
use slate_core::{Cancel, Result};
use std::f64::consts::PI;

/// The most octaves between two rates, as a factor: beyond, blocks would be long.
pub(super) const MOST: u64 = 8;

/// Changes the sample rate by a power of two. It delays nothing: frame 0 stays at time 0.
pub(super) struct Octaves {
    up: u64,
    down: u64,
    /// What each frequency of the higher rate's block is multiplied by, with the transforms' own factor.
    response: Vec<f32>,
    from: Fft,
    to: Fft,
    /// Frames of a block that are new, and what of a block lies before them, at the old rate and at the new one.
    hop: [usize; 2],
    lead: [usize; 2],
    /// The input still needed, a line for each channel; it begins a lead before the next block's first frame.
    lines: Vec<Vec<f32>>,
    /// What came of a block, likewise.
    done: Vec<Vec<f32>>,
    pushed: u64,
    made: u64,
}

impl Octaves {
    /// `up` or `down` is 1 and the other a power of two. `weight` tells the filter at so many frames of the lower rate from
    /// its middle; it has `crossings` of them on each side.
    pub(super) fn new(
        (up, down): (u64, u64),
        channels: usize,
        crossings: f64,
        weight: impl Fn(f64) -> f64,
        cancel: &Cancel,
    ) -> Result<Self> {
        let ratio = (up * down) as usize;
        // Of the filter, at the higher rate: whole frames of the lower one.
        let side = crossings.ceil() as usize * ratio;
        let size = (8 * side).next_power_of_two();
        let response = response(side, size, up as usize, |k| weight(k as f64 / ratio as f64), cancel)?;
        let scale = |rate: u64| move |count: usize| count / rate as usize;
        // At the old rate, whose frames are `up` of the higher rate's, and at the new one.
        let (old, new) = (scale(up), scale(down));
        let (hop, lead) = ([old(size - 2 * side), new(size - 2 * side)], [old(side), new(side)]);
        Ok(Self {
            up,
            down,
            response,
            from: Fft::new(old(size)),
            to: Fft::new(new(size)),
            hop,
            lead,
            lines: vec![vec![0.0; lead[0]]; channels],
            done: vec![Vec::new(); channels],
            pushed: 0,
            made: 0,
        })
    }

    /// Takes interleaved frames and appends what can be told by now to `out`.
    pub(super) fn push(&mut self, frames: &[f32], out: &mut Vec<f32>) {
        let channels = self.lines.len();
        for (channel, line) in self.lines.iter_mut().enumerate() {
            line.extend(frames.iter().skip(channel).step_by(channels));
        }
        self.pushed += (frames.len() / channels) as u64;
        let size = self.from.re.len();
        let mut at = 0;
        while self.lines[0].len() >= at + size {
            self.block(at, out);
            at += self.hop[0];
        }
        self.lines.iter_mut().for_each(|line| drop(line.drain(..at)));
    }

    /// Appends what is left: the input was all there is, and is followed by silence.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) {
        while self.owed() > 0 {
            let size = self.from.re.len();
            self.lines.iter_mut().for_each(|line| line.resize(size, 0.0));
            self.block(0, out);
            self.lines.iter_mut().for_each(|line| drop(line.drain(..self.hop[0])));
        }
    }

    /// Frames at the new rate: as long as the input, the last one before its end.
    fn owed(&self) -> u64 {
        (self.pushed * self.up).div_ceil(self.down) - self.made
    }

    fn block(&mut self, at: usize, out: &mut Vec<f32>) {
        let span = at..at + self.from.re.len();
        for (lines, done) in self.lines.chunks(2).zip(self.done.chunks_mut(2)) {
            // Of two channels as one complex sound; silence stays exactly that, whatever is beside it.
            let silent: Vec<bool> = lines.iter().map(|line| line[span.clone()].iter().all(|x| *x == 0.0)).collect();
            if silent.contains(&false) {
                self.from.re.copy_from_slice(&lines[0][span.clone()]);
                match lines.get(1) {
                    Some(line) => self.from.im.copy_from_slice(&line[span.clone()]),
                    None => self.from.im.fill(0.0),
                }
                simd::run(Block { from: &mut self.from, to: &mut self.to, response: &self.response });
            }
            for ((done, silent), values) in done.iter_mut().zip(silent).zip([&self.to.im, &self.to.re]) {
                done.clear();
                match silent {
                    true => done.resize(self.hop[1], 0.0),
                    false => done.extend_from_slice(&values[self.lead[1]..][..self.hop[1]]),
                }
            }
        }
        let count = self.owed().min(self.hop[1] as u64);
        self.made += count;
        let first = out.len();
        let channels = self.done.len();
        out.resize(first + count as usize * channels, 0.0);
        match &self.done[..] {
            [left, right] => {
                for ((frame, left), right) in out[first..].as_chunks_mut().0.iter_mut().zip(left).zip(right) {
                    *frame = [*left, *right];
                }
            }
            lines => {
                for (channel, line) in lines.iter().enumerate() {
                    out[first + channel..].iter_mut().step_by(channels).zip(line).for_each(|(to, x)| *to = *x);
                }
            }
        }
    }
}

/// The way of a block through the spectrum; the parts of what comes out are swapped.
struct Block<'a> {
    from: &'a mut Fft,
    to: &'a mut Fft,
    response: &'a [f32],
}

impl Kernel for Block<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Self { from, to, response } = self;
        from.inlined();
        let (old, new) = (from.re.len(), to.re.len());
        if old > new {
            weighted(&from.re[..new], response, &mut to.im);
            weighted(&from.im[..new], response, &mut to.re);
            for at in (new..old).step_by(new) {
                folded(&from.re[at..][..new], &response[at..], &mut to.im);
                folded(&from.im[at..][..new], &response[at..], &mut to.re);
            }
        } else {
            for at in (0..new).step_by(old) {
                weighted(&from.re, &response[at..], &mut to.im[at..][..old]);
                weighted(&from.im, &response[at..], &mut to.re[at..][..old]);
            }
        }
        to.inlined();
    }
}

#[inline(always)]
fn weighted(values: &[f32], weights: &[f32], out: &mut [f32]) {
    out.iter_mut().zip(values).zip(weights).for_each(|((out, value), weight)| *out = value * weight);
}

#[inline(always)]
fn folded(values: &[f32], weights: &[f32], out: &mut [f32]) {
    out.iter_mut().zip(values).zip(weights).for_each(|((out, value), weight)| *out += value * weight);
}

/// The spectrum of a filter that is the same to both sides, which is real. Each of its `phases` passes a constant unchanged,
/// so that there is no hum at their rate.
fn response(
    side: usize,
    size: usize,
    phases: usize,
    weight: impl Fn(usize) -> f64,
    cancel: &Cancel,
) -> Result<Vec<f32>> {
    let mut taps: Vec<f64> = (0..=side).map(weight).collect();
    // A phase and its mirror share their taps.
    for phase in 0..=phases / 2 {
        let is_own = |k: i64| k.rem_euclid(phases as i64) == phase as i64;
        let own = (-(side as i64)..=side as i64).filter(|&k| is_own(k));
        let sum: f64 = own.map(|k| taps[k.unsigned_abs() as usize]).sum();
        (0..=side).filter(|&k| is_own(k as i64) || is_own(-(k as i64))).for_each(|k| taps[k] /= sum);
    }
    let cosines: Vec<f64> = (0..size).map(|n| libm::cos(2.0 * PI * n as f64 / size as f64)).collect();
    let mut all = vec![0.0; size];
    for k in 0..=size / 2 {
        cancel.check()?;
        let sum: f64 = (1..=side).map(|n| taps[n] * cosines[n * k % size]).sum();
        let value = ((taps[0] + 2.0 * sum) / size as f64) as f32;
        all[k] = value;
        all[(size - k) % size] = value;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resampled(rates: (u64, u64), channels: usize, samples: &[f32], chunk: usize) -> Vec<f32> {
        let weight = |x: f64| if x == 0.0 { 1.0 } else { libm::sin(PI * x * 0.9) / (PI * x * 0.9) };
        let mut octaves = Octaves::new(rates, channels, 16.0, weight, &Cancel::new()).unwrap();
        let mut out = Vec::new();
        samples.chunks(chunk).for_each(|chunk| octaves.push(chunk, &mut out));
        octaves.finish(&mut out);
        out
    }

    #[test]
    fn pieces_and_vectors_don_t_matter() {
        let samples: Vec<f32> = (0..30_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7).collect();
        for (rates, channels) in [((1, 2), 2), ((2, 1), 3), ((1, 8), 1), ((4, 1), 2)] {
            let whole = resampled(rates, channels, &samples, samples.len());
            let frames = (samples.len() / channels) as u64;
            assert_eq!(whole.len() as u64, (frames * rates.0).div_ceil(rates.1) * channels as u64);
            assert!(whole == resampled(rates, channels, &samples, 7 * channels), "{rates:?}");
            assert!(whole == simd::plainly(|| resampled(rates, channels, &samples, 1000 * channels)), "{rates:?}");
        }
    }

    #[test]
    fn a_silent_channel_stays_silent_beside_a_loud_one() {
        let samples: Vec<f32> =
            (0..20_000u32).map(|at| if at % 2 == 0 { (at as f32 * 0.3).sin() } else { 0.0 }).collect();
        let out = resampled((1, 2), 2, &samples, 4096);
        assert!(out.iter().skip(1).step_by(2).all(|x| *x == 0.0) && out.iter().any(|x| x.abs() > 0.5));
    }

    #[test]
    fn a_constant_stays_one() {
        for rates in [(1, 2), (2, 1), (4, 1), (1, 8)] {
            let out = resampled(rates, 1, &[0.5; 20_000], 4096);
            let middle = &out[500..out.len() - 500];
            assert!(middle.iter().all(|x| (x - 0.5).abs() < 1e-6), "{rates:?}");
        }
    }
}
