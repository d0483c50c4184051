//! Keeps a sound below a ceiling, between its samples too: it looks ahead, so that the level goes down before a peak
//! and not with it.

use super::peak;
use std::{collections::VecDeque, ops::Range};

/// How far it looks ahead.
const AHEAD: f64 = 0.005;
/// How long the level takes to come back by two thirds.
const RELEASE: f64 = 0.08;

/// Turns frames down together where any channel would be too high; frame 0 stays at time 0.
pub(super) struct Limiter {
    channels: usize,
    ceiling: f32,
    ahead: usize,
    back: f32,
    /// Frames not yet given out; the first is preceded by `peak::BEFORE` that were.
    lines: Vec<Vec<f32>>,
    /// Frames at the front of the lines that were given out already.
    done: usize,
    /// The gains that the frames looked at need: frame and gain, rising, for the lowest ahead.
    lowest: VecDeque<(u64, f32)>,
    looked: u64,
    given: u64,
    level: f32,
    /// The last levels: their mean is the gain.
    levels: VecDeque<f32>,
    sum: f64,
    /// What the frames that are looked at need.
    needs: Vec<f32>,
    /// The lowest gain so far.
    pub(super) least: f32,
}

impl Limiter {
    pub(super) fn new(channels: usize, rate: u32, ceiling: f32) -> Self {
        let ahead = ((f64::from(rate) * AHEAD) as usize).max(1);
        Self {
            channels,
            ceiling,
            ahead,
            back: (1.0 - libm::exp(-1.0 / (f64::from(rate) * RELEASE))) as f32,
            lines: vec![vec![0.0; peak::BEFORE]; channels],
            done: peak::BEFORE,
            lowest: VecDeque::new(),
            looked: 0,
            given: 0,
            level: 1.0,
            levels: VecDeque::from(vec![1.0; ahead]),
            sum: ahead as f64,
            needs: Vec::new(),
            least: 1.0,
        }
    }

    /// Takes interleaved frames and appends those that are decided to `out`.
    pub(super) fn push(&mut self, frames: &[f32], out: &mut Vec<f32>) {
        for (channel, line) in self.lines.iter_mut().enumerate() {
            line.extend(frames.iter().skip(channel).step_by(self.channels));
        }
        self.run(out);
    }

    /// Appends what is left.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) {
        let missing = self.ahead + peak::AFTER;
        self.lines.iter_mut().for_each(|line| line.resize(line.len() + missing, 0.0));
        self.run(out);
    }

    fn run(&mut self, out: &mut Vec<f32>) {
        let len = self.lines[0].len();
        // A place in the lines is a frame plus this.
        let offset = self.done as i64 - self.given as i64;
        let first = (self.looked as i64 + offset) as usize;
        let mut needs = std::mem::take(&mut self.needs);
        self.need(first..len.saturating_sub(peak::AFTER), &mut needs);
        for &needed in &needs {
            while self.lowest.back().is_some_and(|&(_, gain)| gain >= needed) {
                self.lowest.pop_back();
            }
            self.lowest.push_back((self.looked, needed));
            self.looked += 1;
            if self.looked <= self.ahead as u64 {
                // The gain at the beginning is a mean of levels that were never heard.
                self.follow();
                continue;
            }
            self.follow();
            let gain = (self.sum / self.ahead as f64).min(1.0) as f32;
            self.least = self.least.min(gain);
            let at = self.done;
            out.extend(self.lines.iter().map(|line| line[at] * gain));
            self.done += 1;
            self.given += 1;
        }
        self.needs = needs;
        let old = self.done - peak::BEFORE;
        if old > 4096 {
            self.lines.iter_mut().for_each(|line| drop(line.drain(..old)));
            self.done = peak::BEFORE;
        }
    }

    /// Replaces `needs` by the gains at which the frames at these places, and what is right after each, are below the
    /// ceiling.
    fn need(&self, places: Range<usize>, needs: &mut Vec<f32>) {
        const STRETCH: usize = 64;
        needs.clear();
        needs.resize(places.len(), 1.0);
        for (needs, from) in needs.chunks_mut(STRETCH).zip(places.step_by(STRETCH)) {
            for line in &self.lines {
                let around = &line[from - peak::BEFORE..from + needs.len() + peak::AFTER];
                if peak::loudest(around) * *peak::MOST > self.ceiling {
                    let mut tops = [0.0; STRETCH];
                    let tops = &mut tops[..needs.len()];
                    peak::between(around, tops);
                    for (need, top) in needs.iter_mut().zip(tops).filter(|(_, top)| **top > self.ceiling) {
                        *need = need.min(self.ceiling / *top);
                    }
                }
            }
        }
    }

    /// One step of the level: at once down to the lowest that is ahead, and slowly back.
    fn follow(&mut self) {
        let keep = (self.looked - 1).saturating_sub(self.ahead as u64);
        while self.lowest.front().is_some_and(|&(frame, _)| frame < keep) {
            self.lowest.pop_front();
        }
        let lowest = self.lowest.front().map_or(1.0, |&(_, gain)| gain);
        self.level = lowest.min(self.level + (1.0 - self.level) * self.back);
        self.levels.push_back(self.level);
        let old = self.levels.pop_front().unwrap_or(1.0);
        // Whole steps, so that the sum doesn't drift.
        self.sum += f64::from(self.level) - f64::from(old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(samples: &[f32], ceiling: f32, piece: usize) -> Vec<f32> {
        let mut limiter = Limiter::new(1, 48_000, ceiling);
        let mut out = Vec::new();
        samples.chunks(piece).for_each(|piece| limiter.push(piece, &mut out));
        limiter.finish(&mut out);
        out
    }

    #[test]
    fn nothing_goes_over_and_what_is_low_stays() {
        let samples: Vec<f32> = (0..48_000)
            .map(|n| (n as f32 * 0.7).sin() * if (20_000..20_400).contains(&n) { 1.7 } else { 0.3 })
            .collect();
        let out = limited(&samples, 0.5, 1000);
        assert_eq!(out.len(), samples.len());
        let mut peak = peak::TruePeak::new();
        peak.push(out.iter().copied());
        let (_, most) = peak.finish();
        assert!(most <= 0.505, "{most}");
        assert!(out[..19_000] == samples[..19_000]);
        assert!(out[19_000..20_400].iter().any(|sample| sample.abs() > 0.45));
        assert!(out == limited(&samples, 0.5, 7));
        assert!(limited(&[0.1; 10], 0.5, 3) == [0.1; 10]);
    }
}
