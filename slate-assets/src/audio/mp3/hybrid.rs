//! The filter bank of layer 3: a polyphase filter cuts the sound in 32 bands, a cosine transform each of these in 18 lines.
//! ISO/IEC 11172-3, 2.4.3.4 and annex C.1.3.

use rusty_mp3::{decode::synth_window::SYNTH_D, frame::BlockType};
use std::{f64::consts::PI, sync::Arc};

/// Lines of a granule, and as many frames.
pub(super) const LINES: usize = 576;
const BANDS: usize = 32;
/// Samples of a band in a granule.
const SLOTS: usize = 18;

/// One channel's.
pub(super) struct Hybrid {
    tables: Arc<Tables>,
    /// The last 512 samples, the newest first.
    past: [f32; 512],
    /// The granule before, by bands.
    before: [[f32; SLOTS]; BANDS],
}

struct Tables {
    window: [f32; 512],
    /// By what goes in, then by band.
    cosines: [[f32; BANDS]; 32],
    long: [[f32; SLOTS]; 36],
    short: [[f32; 6]; 12],
    /// Of long blocks, of those before and after short ones, and of short ones.
    windows: [[f32; 36]; 3],
    short_window: [f32; 12],
    /// Cosines and sines of the turns that take aliases away.
    turns: [(f32, f32); 8],
}

impl Tables {
    fn new() -> Self {
        let cos = |x: f64| libm::cos(x) as f32;
        let sin = |x: f64| libm::sin(x) as f32;
        let matrix = |size: usize, n: usize, k: usize| {
            // The decoder's transform has no factor: all of it is here.
            let angle = PI / (2 * size) as f64 * (2 * n + 1 + size / 2) as f64 * (2 * k + 1) as f64;
            (libm::cos(angle) * 4.0 / size as f64) as f32
        };
        let slope = |n: usize| sin(PI / 36.0 * (n as f64 + 0.5));
        let steep = |n: usize| sin(PI / 12.0 * (n as f64 + 0.5));
        let start = std::array::from_fn(|n| match n {
            0..18 => slope(n),
            18..24 => 1.0,
            24..30 => steep(n - 18),
            _ => 0.0,
        });
        let mut stop: [f32; 36] = start;
        stop.reverse();
        Self {
            window: std::array::from_fn(|at| SYNTH_D[at] / 32.0),
            cosines: std::array::from_fn(|at| {
                std::array::from_fn(|band| cos(PI / 64.0 * ((2 * band + 1) * at) as f64))
            }),
            long: std::array::from_fn(|n| std::array::from_fn(|k| matrix(36, n, k))),
            short: std::array::from_fn(|n| std::array::from_fn(|k| matrix(12, n, k))),
            windows: [std::array::from_fn(slope), start, stop],
            short_window: std::array::from_fn(steep),
            turns: [-0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037].map(|c: f64| {
                let length = libm::sqrt(1.0 + c * c);
                ((1.0 / length) as f32, (c / length) as f32)
            }),
        }
    }
}

impl Hybrid {
    /// One for each channel.
    pub(super) fn all(channels: usize) -> Vec<Self> {
        let tables = Arc::new(Tables::new());
        let one = || Self { tables: Arc::clone(&tables), past: [0.0; 512], before: [[0.0; SLOTS]; BANDS] };
        (0..channels).map(|_| one()).collect()
    }

    /// The lines of the granule before and this one, as the bitstream has long blocks; those of the three short blocks are
    /// side by side.
    pub(super) fn granule(&mut self, samples: &[f32; LINES], kind: BlockType) -> [f32; LINES] {
        let now = self.bands(samples);
        let mut lines = [0.0; LINES];
        for (band, (before, now)) in self.before.iter().zip(&now).enumerate() {
            let mut both = [0.0; 36];
            both[..SLOTS].copy_from_slice(before);
            both[SLOTS..].copy_from_slice(now);
            let out = &mut lines[band * SLOTS..(band + 1) * SLOTS];
            match kind {
                BlockType::Short => self.tables.short_lines(&both, out),
                BlockType::Long => self.tables.long_lines(&both, 0, out),
                BlockType::Start => self.tables.long_lines(&both, 1, out),
                BlockType::Stop => self.tables.long_lines(&both, 2, out),
            }
        }
        self.before = now;
        if kind != BlockType::Short {
            self.tables.turn(&mut lines);
        }
        lines
    }

    /// The polyphase filter.
    fn bands(&mut self, samples: &[f32; LINES]) -> [[f32; SLOTS]; BANDS] {
        let Tables { window, cosines, .. } = &*self.tables;
        let mut out = [[0.0; SLOTS]; BANDS];
        for (slot, new) in samples.as_chunks::<32>().0.iter().enumerate() {
            self.past.copy_within(..480, 32);
            self.past[..32].iter_mut().zip(new.iter().rev()).for_each(|(past, new)| *past = *new);
            let mut folded = [0.0f32; 64];
            for (past, window) in self.past.as_chunks::<64>().0.iter().zip(window.as_chunks::<64>().0) {
                for at in 0..64 {
                    folded[at] += past[at] * window[at];
                }
            }
            // The cosines of 64 values are those of 32, up to their signs.
            let mut half = [0.0f32; 32];
            half[0] = folded[16];
            for at in 1..32 {
                half[at] = folded[16 + at] + if at <= 16 { folded[16 - at] } else { -folded[80 - at] };
            }
            let mut sums = [0.0f32; BANDS];
            for (value, cosines) in half.iter().zip(cosines) {
                for band in 0..BANDS {
                    sums[band] += value * cosines[band];
                }
            }
            for (band, sum) in sums.into_iter().enumerate() {
                // Every other band is upside down.
                out[band][slot] = if band % 2 == 1 && slot % 2 == 1 { -sum } else { sum };
            }
        }
        out
    }
}

impl Tables {
    fn long_lines(&self, both: &[f32; 36], window: usize, out: &mut [f32]) {
        let mut sums = [0.0f32; SLOTS];
        for ((value, window), cosines) in both.iter().zip(&self.windows[window]).zip(&self.long) {
            let value = value * window;
            for k in 0..SLOTS {
                sums[k] += value * cosines[k];
            }
        }
        out.copy_from_slice(&sums);
    }

    fn short_lines(&self, both: &[f32; 36], out: &mut [f32]) {
        for block in 0..3 {
            let part = &both[6 + 6 * block..][..12];
            let mut sums = [0.0f32; 6];
            for ((value, window), cosines) in part.iter().zip(&self.short_window).zip(&self.short) {
                let value = value * window;
                for k in 0..6 {
                    sums[k] += value * cosines[k];
                }
            }
            for (k, sum) in sums.into_iter().enumerate() {
                out[block + 3 * k] = sum;
            }
        }
    }

    /// Takes away what neighbouring bands hear of each other.
    fn turn(&self, lines: &mut [f32; LINES]) {
        for edge in (SLOTS..LINES).step_by(SLOTS) {
            for (at, (cos, sin)) in self.turns.iter().enumerate() {
                let (low, high) = (lines[edge - 1 - at], lines[edge + at]);
                lines[edge - 1 - at] = low * cos + high * sin;
                lines[edge + at] = high * cos - low * sin;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusty_mp3::encode::{antialias, filterbank, mdct};
    use rusty_mp3::frame::GranuleSideInfo;

    #[test]
    fn it_is_the_filter_bank_of_the_crate() {
        let (mut hybrid, mut past, mut before) = (Hybrid::all(1).remove(0), [0.0; 512], [0.0; LINES]);
        let kinds = [BlockType::Long, BlockType::Start, BlockType::Short, BlockType::Stop, BlockType::Long];
        let mut noise = 1u32;
        for kind in kinds {
            let samples: [f32; LINES] = std::array::from_fn(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 8) as f32 / 16_777_216.0 - 0.5
            });
            let ours = hybrid.granule(&samples, kind);
            let mut theirs = mdct::forward(&filterbank::analyze(&samples, &mut past), kind, &mut before);
            let side = GranuleSideInfo {
                window_switching: kind != BlockType::Long,
                block_type: kind,
                ..GranuleSideInfo::default()
            };
            antialias::expand(&side, &mut theirs);
            let off = ours.iter().zip(&theirs).fold(0.0f32, |off, (a, b)| off.max((a - b).abs()));
            assert!(off < 1e-6, "{kind:?}: {off}");
        }
    }
}
