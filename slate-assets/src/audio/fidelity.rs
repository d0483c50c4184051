//! How near what was written is to what was meant: it is decoded again, in step with the sound that went in.

use super::{
    chain::stream,
    decode::Decoder,
    hearing::Ear,
    mix::Mixer,
    resample::Resampler,
    shape::{Plan, Shaper},
};
use slate_core::{
    Cancel, Result,
    asset::{AssetInput, AudioOptions, Progress, Report, Work},
};

/// What is told of two sounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// The power of the sound over that of all differences, in decibels. `None` where nothing differs.
    signal_to_noise: Option<f64>,
    /// The mean of what differs over what the sound hides, in decibels; −90 at the least. `None` where nothing is heard.
    noise_to_mask: Option<f64>,
    /// The share of frames that have noise plainly above the mask in some band. `None` likewise.
    disturbed: Option<f64>,
}

impl Told {
    pub(super) fn report(&self, report: &mut Report) {
        report.insert("identical".into(), self.signal_to_noise.is_none().into());
        report.insert("signalToNoise".into(), self.signal_to_noise.into());
        report.insert("noiseToMask".into(), self.noise_to_mask.into());
        report.insert("disturbedFrames".into(), self.disturbed.into());
    }
}

/// Makes the sound of `plan` once more and holds `written` against it.
pub(super) fn measure(
    work: &Work<'_>,
    options: &AudioOptions,
    plan: Plan,
    written: &AssetInput,
    progress: &Progress,
) -> Result<Told> {
    let channels = usize::from(options.channels);
    let mut shaper = Shaper::new(plan, channels, options.sample_rate);
    let mut fidelity = Fidelity::new(channels, options.sample_rate);
    let mut again = Again::open(written, options, work.cancel)?;
    let mut out = Vec::new();
    stream(work, options, progress, |frames| {
        out.clear();
        shaper.push(frames, &mut out);
        fidelity.push(&out, again.next(out.len())?);
        Ok(())
    })?;
    out.clear();
    shaper.finish(&mut out);
    fidelity.push(&out, again.next(out.len())?);
    Ok(fidelity.finish())
}

/// What was written, at the rate that was asked for: Opus comes back with 48000 samples a second.
struct Again {
    decoder: Decoder,
    mixer: Mixer,
    resampler: Resampler,
    decoded: Vec<f32>,
    mixed: Vec<f32>,
    ready: Vec<f32>,
    /// Samples of `ready` that were given out.
    given: usize,
    ended: bool,
}

impl Again {
    fn open(written: &AssetInput, options: &AudioOptions, cancel: &Cancel) -> Result<Self> {
        let decoder = Decoder::open(written, cancel)?;
        let channels = usize::from(options.channels);
        let mixer = Mixer::new(&decoder.positions, channels);
        let resampler = Resampler::new(decoder.rate, options.sample_rate, channels, options.resampling, cancel)?;
        let (decoded, mixed, ready) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { decoder, mixer, resampler, decoded, mixed, ready, given: 0, ended: false })
    }

    /// The next samples. What is missing at the end is silence, and counts as such.
    fn next(&mut self, count: usize) -> Result<&[f32]> {
        self.ready.drain(..self.given);
        while self.ready.len() < count {
            if self.ended {
                self.ready.resize(count, 0.0);
            } else if self.decoder.next(&mut self.decoded)? {
                self.mixer.mix(&self.decoded, &mut self.mixed);
                self.resampler.push(&self.mixed, &mut self.ready);
            } else {
                self.resampler.finish(&mut self.ready);
                self.ended = true;
            }
        }
        self.given = count;
        Ok(&self.ready[..count])
    }
}

/// Follows two sounds in step.
struct Fidelity {
    ear: Ear,
    channels: Vec<Channel>,
    signal: f64,
    noise: f64,
    /// Frames that were heard, those of them that are disturbed, and the sum of their ratios.
    heard: u64,
    disturbed: u64,
    ratios: f64,
}

/// What is not heard yet, before and after, and what the last frame left.
struct Channel {
    lines: [Vec<f32>; 2],
    masks: Vec<f64>,
}

impl Fidelity {
    fn new(channels: usize, rate: u32) -> Self {
        let ear = Ear::new(rate);
        let channel = || Channel { lines: [Vec::new(), Vec::new()], masks: ear.masks() };
        let channels = (0..channels).map(|_| channel()).collect();
        Self { ear, channels, signal: 0.0, noise: 0.0, heard: 0, disturbed: 0, ratios: 0.0 }
    }

    /// As many interleaved samples of both.
    fn push(&mut self, before: &[f32], after: &[f32]) {
        for (before, after) in before.iter().zip(after) {
            let off = f64::from(*before) - f64::from(*after);
            self.signal += f64::from(*before) * f64::from(*before);
            self.noise += off * off;
        }
        let count = self.channels.len();
        for (at, channel) in self.channels.iter_mut().enumerate() {
            for (line, samples) in channel.lines.iter_mut().zip([before, after]) {
                line.extend(samples.iter().skip(at).step_by(count));
            }
        }
        self.listen();
    }

    fn listen(&mut self) {
        let size = self.ear.size();
        for Channel { lines: [before, after], masks } in &mut self.channels {
            let mut at = 0;
            while before.len() >= at + size {
                if let Some(frame) = self.ear.hear(&before[at..at + size], &after[at..at + size], masks) {
                    self.heard += 1;
                    self.disturbed += u64::from(frame.disturbed);
                    self.ratios += frame.ratio;
                }
                at += size / 2;
            }
            before.drain(..at);
            after.drain(..at);
        }
    }

    fn finish(mut self) -> Told {
        // Silence after the end, so that the last samples are in a frame, too.
        let size = self.ear.size();
        for line in self.channels.iter_mut().flat_map(|channel| &mut channel.lines) {
            line.resize(line.len().next_multiple_of(size / 2).max(size), 0.0);
        }
        self.listen();
        let decibels = |ratio: f64| 10.0 * libm::log10(ratio);
        let frames = self.heard as f64;
        Told {
            signal_to_noise: (self.noise > 0.0).then(|| decibels((self.signal / self.noise).max(1e-20))),
            noise_to_mask: (self.heard > 0).then(|| decibels(self.ratios / frames + 1e-9)),
            disturbed: (self.heard > 0).then(|| self.disturbed as f64 / frames),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    fn tone(at: usize) -> f32 {
        0.5 * (at as f32 * 0.131).sin()
    }

    /// White, of a power of 1.
    fn noise(at: usize) -> f32 {
        let mixed = (at as u32).wrapping_mul(2_654_435_761);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519);
        ((mixed ^ (mixed >> 13)) as f32 / 2_147_483_648.0 - 1.0) * 3f32.sqrt()
    }

    fn compared(level: f32, piece: usize, count: usize) -> Told {
        let before: Vec<f32> = (0..2 * count).map(|at| tone(at / 2)).collect();
        let after: Vec<f32> = before.iter().enumerate().map(|(at, x)| x + level * noise(at)).collect();
        let mut fidelity = Fidelity::new(2, RATE);
        before.chunks(2 * piece).zip(after.chunks(2 * piece)).for_each(|(a, b)| fidelity.push(a, b));
        fidelity.finish()
    }

    #[test]
    fn known_noise_has_its_known_ratio() {
        // A sine of 0.5 has a power of 1/8.
        for decibels in [20.0, 40.0, 60.0] {
            let level = (0.125 / 10f32.powf(decibels / 10.0)).sqrt();
            let told = compared(level, 1000, 48_000).signal_to_noise.unwrap();
            assert!((told - f64::from(decibels)).abs() < 0.1, "{told} for {decibels}");
        }
    }

    #[test]
    fn ten_decibels_more_noise_are_ten_decibels_more_above_the_mask() {
        let [low, high] = [1e-4, 1e-4 * 10f32.sqrt()].map(|level| compared(level, 1000, 48_000));
        let more = high.noise_to_mask.unwrap() - low.noise_to_mask.unwrap();
        assert!((9.0..11.0).contains(&more), "{low:?} {high:?}");
        assert_eq!(compared(1e-7, 1000, 48_000).disturbed, Some(0.0));
        assert_eq!(compared(0.1, 1000, 48_000).disturbed, Some(1.0));
    }

    #[test]
    fn what_is_the_same_is_told_so() {
        let told = compared(0.0, 1000, 10_000);
        assert!(told.signal_to_noise.is_none() && told.noise_to_mask == Some(-90.0), "{told:?}");
    }

    #[test]
    fn pieces_don_t_matter_and_short_sounds_count() {
        let both = [7, 4800].map(|piece| compared(0.01, piece, 5000).noise_to_mask);
        assert_eq!(both[0], both[1]);
        assert!(compared(0.01, 100, 100).noise_to_mask.is_some());
        let silent = Fidelity::new(1, 8_000).finish();
        assert!(silent.noise_to_mask.is_none() && silent.signal_to_noise.is_none());
    }
}
