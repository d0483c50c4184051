//! The way of a sound from its file to the output's rate and channels, in pieces.

use super::{art::Picture, decode::Decoder, loops::Loop, mix::Mixer, peak, resample::Resampler};
use slate_core::{
    Error, Result,
    asset::{AssetLimits, AudioFormat, AudioOptions, Progress, Work},
};

/// What one pass over a sound told.
pub(super) struct Told {
    pub(super) format: &'static str,
    pub(super) source_channels: usize,
    pub(super) source_rate: u32,
    /// Frames at the output's rate.
    pub(super) frames: u64,
    /// The highest magnitude after mixing and resampling.
    pub(super) peak: f32,
    pub(super) non_finite: u64,
}

/// What a sound's header tells of what the output is to be.
pub(super) struct Kept {
    pub(super) tags: Vec<(String, String)>,
    pub(super) pictures: Vec<Picture>,
    /// How many pictures the output will not have.
    pub(super) pictures_dropped: usize,
    /// At the output's rate.
    pub(super) looped: Option<Loop>,
    /// Bits of the samples where nothing changes them on the way.
    pub(super) exact_bits: Option<u32>,
}

/// Looks at the header alone.
pub(super) fn kept(work: &Work<'_>, options: &AudioOptions) -> Result<Kept> {
    let decoder = Decoder::open(work.input, work.cancel)?;
    let untouched = decoder.rate == options.sample_rate
        && Mixer::new(&decoder.positions, options.channels.into()).keeps_all()
        && !options.remove_dc;
    let looped = decoder.looped.map(|looped| looped.at_rate(decoder.rate, options.sample_rate));
    let (mut pictures, mut pictures_dropped) = decoder.pictures;
    if !options.keep_pictures || options.format == AudioFormat::Wav {
        pictures_dropped += pictures.len();
        pictures.clear();
    }
    let exact_bits = decoder.bits.filter(|_| untouched);
    Ok(Kept { tags: decoder.tags, pictures, pictures_dropped, looped, exact_bits })
}

/// Decodes, mixes and resamples the whole input; `sink` takes interleaved samples, some at a time.
pub(super) fn stream(
    work: &Work<'_>,
    options: &AudioOptions,
    progress: &Progress,
    mut sink: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Told> {
    let mut decoder = Decoder::open(work.input, work.cancel)?;
    let (source_rate, source_channels) = (decoder.rate, decoder.positions.len());
    let mixer = Mixer::new(&decoder.positions, options.channels.into());
    let (rate, channels) = (options.sample_rate, usize::from(options.channels));
    let mut resampler = Resampler::new(source_rate, rate, channels, options.resampling, work.cancel)?;
    let mut blocker = options.remove_dc.then(|| DcBlocker::new(source_channels, source_rate));
    let most = work.limits.audio_seconds.saturating_mul(u64::from(source_rate));
    const NAME: &str = "the sound's length in frames";
    AssetLimits::check(NAME, decoder.announced_frames.unwrap_or(0), most)?;
    let (mut decoded, mut mixed, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let (mut source_frames, mut frames, mut peak, mut non_finite) = (0u64, 0u64, 0.0f32, 0u64);
    loop {
        work.cancel.check()?;
        out.clear();
        let more = decoder.next(&mut decoded)?;
        if more {
            non_finite += tame(&mut decoded);
            source_frames += (decoded.len() / source_channels) as u64;
            AssetLimits::check(NAME, source_frames, most)?;
            if let Some(blocker) = &mut blocker {
                blocker.run(&mut decoded);
            }
            mixer.mix(&decoded, &mut mixed);
            resampler.push(&mixed, &mut out);
        } else {
            resampler.finish(&mut out);
        }
        frames += (out.len() / usize::from(options.channels)) as u64;
        peak = peak.max(peak::loudest(&out));
        sink(&out)?;
        progress.report(decoder.share());
        if !more {
            break;
        }
    }
    decoder.check_whole(source_frames)?;
    if source_frames == 0 {
        return Err(Error::corrupt("the file holds no sound").with("asset", work.input.name()));
    }
    Ok(Told { format: decoder.format, source_channels, source_rate, frames, peak, non_finite })
}

/// Makes silence of what is no finite number, and tells how many there were; the rest stays within [`LOUDEST`].
fn tame(samples: &mut [f32]) -> u64 {
    // Nearly always: a look that vector units can do at once.
    let sane = samples.iter().fold(true, |sane, sample| sane & (sample.abs() <= LOUDEST));
    if sane {
        return 0;
    }
    let mut count = 0;
    for sample in samples {
        if !sample.is_finite() {
            (*sample, count) = (0.0, count + 1);
        }
        *sample = sample.clamp(-LOUDEST, LOUDEST);
    }
    count
}

/// 120 dB above full scale, far beyond what any format means: sums of such stay numbers.
const LOUDEST: f32 = 1e6;

/// Takes out what doesn't move: a high pass at 5 Hz.
struct DcBlocker {
    keep: f64,
    /// The last sample in and out of each channel.
    last: Vec<(f64, f64)>,
    begun: bool,
}

impl DcBlocker {
    fn new(channels: usize, rate: u32) -> Self {
        let keep = libm::exp(-2.0 * std::f64::consts::PI * 5.0 / f64::from(rate));
        Self { keep, last: vec![(0.0, 0.0); channels], begun: false }
    }

    fn run(&mut self, frames: &mut [f32]) {
        if !self.begun && frames.len() >= self.last.len() {
            // As if the first level had been there for ever: no thump at the beginning.
            self.last.iter_mut().zip(&*frames).for_each(|(last, sample)| last.0 = f64::from(*sample));
            self.begun = true;
        }
        for frame in frames.chunks_exact_mut(self.last.len()) {
            for (sample, (x, y)) in frame.iter_mut().zip(&mut self.last) {
                let now = f64::from(*sample);
                *y = now - *x + self.keep * *y;
                *x = now;
                *sample = *y as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_goes_and_a_tone_stays() {
        let mut blocker = DcBlocker::new(1, 48_000);
        let mut frames: Vec<f32> = (0..96_000).map(|n| 0.25 + 0.5 * (n as f32 * 0.1).sin()).collect();
        blocker.run(&mut frames);
        let end = &frames[48_000..];
        let mean = end.iter().sum::<f32>() / end.len() as f32;
        let peak = end.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        assert!(mean.abs() < 1e-3 && (0.49..0.51).contains(&peak), "{mean} {peak}");
    }
}
