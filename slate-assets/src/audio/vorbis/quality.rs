//! What a quality or a bitrate means: how much noise is let in, up to where, and how an average is kept.

use crate::audio::psy::Tune;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Rate {
    /// −1 (small) to 10 (nearly transparent to machines, too).
    Quality(f32),
    /// Kilobits a second, on average over the sound.
    Average(u32),
}

/// By quality −1 to 10: kilobits a second of stereo at 48 kHz, on average over the sounds of `benches/sounds.py`.
const STEREO: [f32; 12] = [48.0, 62.0, 76.0, 90.0, 107.0, 126.0, 152.0, 187.0, 212.0, 240.0, 293.0, 420.0];
/// Noise above the mask in decibels: where the bitrates of libvorbis' qualities are met.
const OVER: [f32; 12] = [6.7, 3.5, 1.0, -0.95, -2.9, -5.2, -8.1, -11.6, -13.6, -15.6, -19.3, -28.0];
/// What is coded, in Hz.
const TOP: [f32; 12] = [
    14_500.0, 16_000.0, 17_500.0, 18_500.0, 19_500.0, 20_300.0, 20_800.0, 21_300.0, 22_000.0, 22_500.0, 24_000.0,
    48_000.0,
];

/// Keeps to a quality, or to an average.
pub(super) struct Keeper {
    quality: f32,
    rate: u32,
    nominal: u32,
    /// Bits a second that are kept to.
    average: Option<f64>,
    /// Bits spent beyond the average so far.
    debt: f64,
}

impl Keeper {
    pub(super) fn new(wanted: Rate, channels: usize, rate: u32) -> Self {
        // Pairs share much; lower rates have less to tell.
        let share = (channels as f32 * 0.5).max(0.6) * (rate as f32 / 46_000.0).clamp(0.2, 1.6);
        match wanted {
            Rate::Quality(quality) => {
                let quality = quality.clamp(-1.0, 10.0);
                let nominal = (at(&STEREO, quality) * share * 1000.0) as u32;
                Self { quality, rate, nominal, average: None, debt: 0.0 }
            }
            Rate::Average(kilobits) => {
                let wanted = kilobits as f32 / share;
                let above = STEREO.partition_point(|&rate| rate < wanted).clamp(1, STEREO.len() - 1);
                let (low, high) = (STEREO[above - 1], STEREO[above]);
                let quality = ((wanted - low) / (high - low) + above as f32 - 2.0).clamp(-1.0, 10.0);
                let nominal = kilobits * 1000;
                Self { quality, rate, nominal, average: Some(f64::from(nominal)), debt: 0.0 }
            }
        }
    }

    pub(super) fn nominal(&self) -> u32 {
        self.nominal
    }

    /// The highest frequency that is coded.
    pub(super) fn top(&self) -> f64 {
        f64::from(at(&TOP, self.quality)).min(f64::from(self.rate) / 2.0)
    }

    /// Which of the sets of codebooks fits.
    pub(super) fn band(&self) -> usize {
        match self.quality {
            ..2.5 => 0,
            ..6.5 => 1,
            _ => 2,
        }
    }

    /// How much louder than before a sound has to set in, as a factor of power.
    pub(super) fn attack(&self) -> f32 {
        14.0
    }

    pub(super) fn tune(&self) -> Tune {
        // Who asks for more may listen louder; who asks for little gains more by what is plainly heard.
        let quiet = 98.0 + (self.quality - 4.0).max(0.0) - 4.0 * (3.0 - self.quality).clamp(0.0, 2.0);
        Tune { over: at(&OVER, self.quality), noise: 6.0, tone: 14.0, tilt: 1.0, quiet }
    }

    /// Decibels of noise to let in besides, so that the average is met.
    pub(super) fn ease(&self) -> f32 {
        let Some(average) = self.average else { return 0.0 };
        // A second and a half of debt is a step of quality and more.
        (self.debt / (average * 1.5) * 8.0).clamp(-8.0, 24.0) as f32
    }

    /// Takes note of a packet for `frames` more frames of sound.
    pub(super) fn spent(&mut self, bits: u64, frames: u64) {
        if let Some(average) = self.average {
            self.debt += bits as f64 - average * frames as f64 / f64::from(self.rate);
            // What was saved is not all spent later: a loud end after a long silence would be no better for it.
            self.debt = self.debt.max(-average * 3.0);
        }
    }
}

/// A table's value at a quality, between its rows too.
fn at(table: &[f32; 12], quality: f32) -> f32 {
    let place = (quality + 1.0).clamp(0.0, 11.0);
    let low = (place as usize).min(10);
    table[low] + (table[low + 1] - table[low]) * (place - low as f32)
}
