//! What is done to a sound at its own level: its ends cut and faded, its gain, its ceiling.

use super::limiter::Limiter;

/// Finds where a sound is loud enough to be one.
pub(super) struct Edges {
    channels: usize,
    threshold: f32,
    at: u64,
    first: Option<u64>,
    last: u64,
}

impl Edges {
    pub(super) fn new(channels: usize, threshold: f32) -> Self {
        Self { channels, threshold, at: 0, first: None, last: 0 }
    }

    pub(super) fn push(&mut self, frames: &[f32]) {
        for frame in frames.chunks_exact(self.channels) {
            if frame.iter().any(|sample| sample.abs() >= self.threshold) {
                self.first.get_or_insert(self.at);
                self.last = self.at;
            }
            self.at += 1;
        }
    }

    /// The first frame that is heard, and the one after the last; all of a sound that never is.
    pub(super) fn finish(&self) -> (u64, u64) {
        self.first.map_or((0, self.at), |first| (first, self.last + 1))
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Frames from `first` up to `end`.
    pub(super) first: u64,
    pub(super) end: u64,
    /// Frames over which it comes in and goes out.
    pub(super) fade_in: u64,
    pub(super) fade_out: u64,
    pub(super) gain: f32,
    /// The magnitude that nothing goes over.
    pub(super) ceiling: Option<f32>,
}

/// Does it, in pieces.
pub(super) struct Shaper {
    plan: Plan,
    channels: usize,
    at: u64,
    shaped: Vec<f32>,
    limiter: Option<Limiter>,
}

impl Shaper {
    pub(super) fn new(plan: Plan, channels: usize, rate: u32) -> Self {
        let limiter = plan.ceiling.map(|ceiling| Limiter::new(channels, rate, ceiling));
        Self { plan, channels, at: 0, shaped: Vec::new(), limiter }
    }

    /// Appends to `out`.
    pub(super) fn push(&mut self, frames: &[f32], out: &mut Vec<f32>) {
        let Plan { first, end, fade_in, fade_out, gain, .. } = self.plan;
        let count = (frames.len() / self.channels) as u64;
        let from = first.clamp(self.at, self.at + count) - self.at;
        let to = end.clamp(self.at, self.at + count) - self.at;
        self.shaped.clear();
        if from < to {
            let part = &frames[from as usize * self.channels..to as usize * self.channels];
            self.shaped.extend(part.iter().map(|sample| sample * gain));
            let begin = self.at + from;
            let flat = begin >= first + fade_in && self.at + to + fade_out <= end;
            if !flat {
                for (frame, at) in self.shaped.chunks_exact_mut(self.channels).zip(begin..) {
                    let level = slope(at - first + 1, fade_in) * slope(end - at, fade_out);
                    frame.iter_mut().for_each(|sample| *sample *= level);
                }
            }
        }
        self.at += count;
        match &mut self.limiter {
            Some(limiter) => limiter.push(&self.shaped, out),
            None => out.extend_from_slice(&self.shaped),
        }
    }

    /// Appends what is left; the lowest gain of the limiter.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) -> f32 {
        match &mut self.limiter {
            Some(limiter) => {
                limiter.finish(out);
                limiter.least
            }
            None => 1.0,
        }
    }
}

/// Half a cosine: no corner at either end.
fn slope(at: u64, length: u64) -> f32 {
    if at > length {
        return 1.0;
    }
    (0.5 - 0.5 * libm::cos(std::f64::consts::PI * at as f64 / (length + 1) as f64)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_found_cut_and_faded() {
        let mut frames = vec![0.0f32; 200];
        frames[60..140].fill(0.5);
        let mut edges = Edges::new(2, 0.1);
        frames.chunks(14).for_each(|piece| edges.push(piece));
        assert_eq!(edges.finish(), (30, 70));
        let plan = Plan { first: 30, end: 70, fade_in: 10, fade_out: 5, gain: 2.0, ceiling: None };
        for piece in [2, 14, 200] {
            let (mut shaper, mut out) = (Shaper::new(plan, 2, 48_000), Vec::new());
            frames.chunks(piece).for_each(|piece| shaper.push(piece, &mut out));
            shaper.finish(&mut out);
            assert_eq!(out.len(), 80);
            assert!(out[..22].is_sorted() && out[0] > 0.0 && out[22] == 1.0);
            assert!(out[68..].iter().rev().is_sorted() && out[79] < 0.1);
        }
        assert_eq!(Edges::new(1, 0.1).finish(), (0, 0));
    }
}
