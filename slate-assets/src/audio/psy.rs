//! What is heard: how much noise each part of a spectrum hides, by Bark bands.
//!
//! A masker reaches 27 dB a Bark downwards, and upwards the further the louder it is (Terhardt, 1979); noise hides more
//! than a tone does. Below the threshold in quiet nothing is heard.

use super::math::{decibels, log2, power};

/// How many bands a Bark has.
const PER_BARK: f64 = 3.0;
/// The sound pressure level of full scale, for the shape of masks.
const FULL_SCALE: f32 = 92.0;

/// How a quality is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tune {
    /// Decibels by which the quantiser's noise may be above the mask.
    pub(super) over: f32,
    /// The mask below a masker that is noise, or a tone, in decibels.
    pub(super) noise: f32,
    pub(super) tone: f32,
    /// How far noise follows what quiet costs: 1 makes the most of each bit, where all noise is as bad.
    pub(super) tilt: f32,
    /// The threshold in quiet: where 0 dB is, below full scale.
    pub(super) quiet: f32,
}

/// The model for one size of block.
pub(super) struct Psy {
    coded: usize,
    bands: Vec<Band>,
    /// Whether tones can be told from noise: short blocks can't, and what sets in there hides as little as a tone.
    tonal: bool,
    /// For each coefficient, its band from the left and how far it is to the next, for smooth curves.
    places: Vec<(u16, f32)>,
    powers: Vec<f32>,
    /// Sums up to each coefficient of powers and of their logarithms.
    sums: Vec<(f64, f64)>,
    energy: Vec<f32>,
    mask: Vec<f32>,
    level: Vec<f32>,
}

struct Band {
    from: usize,
    to: usize,
    /// Where its tonality is looked for.
    wide: (usize, usize),
    /// Decibels above the threshold's 0 dB.
    quiet: f32,
    /// How wide a Bark is here beside one at 4 kHz, in decibels: what it costs to be quieter by a bit.
    wide_by: f32,
    /// Its own part of the upper slope: 24 + 230/f dB a Bark.
    slope: f32,
    /// How far it counts as a tone whatever it looks like: 1 up to 8 Bark, 0 from 16 on. The harmonics of voices and basses
    /// are as near to each other as a block's lines are wide, and would be taken for noise.
    low: f32,
    /// How much more than its own energy would gather in it if all bands were the same.
    gathered: f32,
}

/// The critical-band rate of a frequency: Traunmüller, 1990.
pub(super) fn bark(hertz: f64) -> f64 {
    26.81 * hertz / (1960.0 + hertz)
}

/// Hertz in a Bark near a frequency.
fn width_of_bark(hertz: f64) -> f64 {
    (1960.0 + hertz) * (1960.0 + hertz) / (26.81 * 1960.0)
}

impl Psy {
    pub(super) fn new(len: usize, coded: usize, rate: u32, tonal: bool) -> Self {
        let hertz = f64::from(rate) / 2.0 / len as f64;
        let mut bands: Vec<Band> = Vec::new();
        let mut from = 0;
        while from < coded {
            let wanted = bark((from as f64 + 0.5) * hertz) + 1.0 / PER_BARK;
            let mut to = from + 1;
            while to < coded && bark((to as f64 + 0.5) * hertz) < wanted {
                to += 1;
            }
            let middle = (from + to) as f64 / 2.0 * hertz;
            let reach = ((to - from) * 2).max(5);
            bands.push(Band {
                from,
                to,
                wide: (from.saturating_sub(reach), (to + reach).min(coded)),
                quiet: quiet(middle),
                wide_by: (10.0 * libm::log10(width_of_bark(middle) / width_of_bark(4000.0))) as f32,
                low: (2.0 - bark(middle) / 8.0).clamp(0.0, 1.0) as f32,
                slope: (24.0 + 230.0 / middle) as f32,
                gathered: 1.0,
            });
            from = to;
        }
        let mut places = Vec::with_capacity(coded);
        let middle = |band: usize| (bands[band].from + bands[band].to - 1) as f32 / 2.0;
        for k in 0..coded {
            let at = bands.partition_point(|band| band.to <= k);
            let left = if (k as f32) < middle(at) { at.saturating_sub(1) } else { at };
            let right = (left + 1).min(bands.len() - 1);
            let width = (middle(right) - middle(left)).max(1.0);
            places.push((left as u16, ((k as f32 - middle(left)) / width).clamp(0.0, 1.0)));
        }
        let count = bands.len();
        let mut psy = Self {
            coded,
            bands,
            tonal,
            places,
            powers: vec![0.0; coded],
            sums: vec![(0.0, 0.0); coded + 1],
            energy: vec![1e-4; count],
            mask: vec![0.0; count],
            level: vec![0.0; count],
        };
        // Noise that is as loud in every band masks itself by what the bands' offsets say, and by no more.
        psy.spread();
        for (band, mask) in psy.bands.iter_mut().zip(&psy.mask) {
            band.gathered = mask / 1e-4;
        }
        psy
    }

    /// Replaces `out` by the quantiser's step for each coefficient, in decibels of amplitude; `ease` more noise is let in.
    pub(super) fn steps(&mut self, x: &[f32], tune: &Tune, ease: f32, out: &mut Vec<f32>) {
        self.measure(x);
        self.spread();
        for (at, band) in self.bands.iter().enumerate() {
            let tone = if self.tonal { self.tonality(band).max(band.low) } else { 1.0 };
            let below = tune.noise + (tune.tone - tune.noise) * tone;
            let over = tune.over + tune.tilt * band.wide_by + ease;
            let hidden = decibels(self.mask[at] / band.gathered) - below + over;
            let width = (band.to - band.from) as f32;
            let quiet = band.quiet - tune.quiet + over.max(0.0);
            // A quantiser of step s makes noise of s²/12.
            self.level[at] = hidden.max(quiet) - decibels(width) + 10.791_8;
        }
        out.clear();
        out.extend(self.places.iter().map(|&(left, share)| {
            let left = usize::from(left);
            let right = (left + 1).min(self.level.len() - 1);
            self.level[left] + (self.level[right] - self.level[left]) * share
        }));
    }

    /// The power near each coefficient: a coefficient alone depends on the phase, its neighbours tell the rest.
    fn measure(&mut self, x: &[f32]) {
        let (mut sum, mut logs) = (0.0, 0.0);
        for k in 0..self.coded {
            let before = if k == 0 { 0.0 } else { x[k - 1] };
            let after = x.get(k + 1).copied().unwrap_or(0.0);
            let power = 0.5 * x[k] * x[k] + 0.25 * (after - before) * (after - before) + 1e-14;
            self.powers[k] = power;
            sum += f64::from(power);
            logs += f64::from(log2(power));
            self.sums[k + 1] = (sum, logs);
        }
        for (energy, band) in self.energy.iter_mut().zip(&self.bands) {
            *energy = (self.sums[band.to].0 - self.sums[band.from].0).max(1e-14) as f32;
        }
    }

    /// 0 for noise, 1 for a tone: how far the mean of logarithms is below the mean.
    fn tonality(&self, band: &Band) -> f32 {
        let (from, to) = band.wide;
        let count = (to - from) as f64;
        let sum = (self.sums[to].0 - self.sums[from].0) / count;
        let logs = (self.sums[to].1 - self.sums[from].1) / count;
        let flatness = 3.010_3 * (log2(sum.max(1e-20) as f32) - logs as f32);
        ((flatness - 4.0) / 9.0).clamp(0.0, 1.0)
    }

    /// Lets each band's energy reach its neighbours.
    fn spread(&mut self) {
        const DOWN: f32 = 27.0 / PER_BARK as f32;
        self.mask.copy_from_slice(&self.energy);
        let down = power(-DOWN);
        let mut reach = 0.0;
        for (mask, energy) in self.mask.iter_mut().zip(&self.energy).rev() {
            *mask += reach;
            reach = (reach + energy) * down;
        }
        for at in 0..self.bands.len() {
            let level = decibels(self.energy[at]) + FULL_SCALE;
            let slope = (self.bands[at].slope - 0.2 * level).clamp(6.0, 40.0) / PER_BARK as f32;
            let up = power(-slope);
            let mut reach = self.energy[at] * up;
            for mask in &mut self.mask[at + 1..] {
                *mask += reach;
                reach *= up;
                if reach < 1e-14 {
                    break;
                }
            }
        }
    }
}

/// The threshold in quiet in decibels of sound pressure: Terhardt, 1979, with BS.1387's milder rise at high
/// frequencies, for players that are turned up.
fn quiet(hertz: f64) -> f32 {
    let f = (hertz / 1000.0).max(0.02);
    let value = 3.64 * libm::pow(f, -0.8) - 6.5 * libm::exp(-0.6 * (f - 3.3) * (f - 3.3)) + 1e-3 * libm::pow(f, 3.6);
    value.min(70.0) as f32
}
