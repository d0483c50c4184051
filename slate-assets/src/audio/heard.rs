//! Which frames of what a codec decodes are the sound: encoders begin early and end late.

/// Frames to be left out at the beginning, and those to be heard after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) skip: u64,
    pub(super) left: u64,
}

impl Heard {
    /// Takes out of the next samples what is not to be heard.
    pub(super) fn trim(&mut self, samples: &mut Vec<f32>, channels: usize) {
        let frames = (samples.len() / channels) as u64;
        let first = self.skip.min(frames);
        let last = first + self.left.min(frames - first);
        self.skip -= first;
        self.left -= last - first;
        samples.truncate(last as usize * channels);
        samples.drain(..first as usize * channels);
    }
}
