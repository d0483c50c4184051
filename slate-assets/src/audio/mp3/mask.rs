//! How much noise each line of a granule hides.

use super::hybrid::LINES;
use crate::audio::{
    math::power,
    psy::{Psy, Tune},
};
use rusty_mp3::frame::BlockType;

/// What was best on the sounds of `benches/sounds.py` at 128 kbit/s, by the grade of `benches`' `peaq.rs`.
const TUNE: Tune = Tune { over: 0.0, noise: 7.0, tone: 10.0, tilt: 0.9, quiet: 105.0 };
/// Decibels below the threshold in quiet to which noise is brought where there are bits for it.
const BELOW_QUIET: f32 = -10.0;
/// So much less noise that nothing but the threshold in quiet is left.
const NOTHING: f32 = -200.0;

/// The lines of a granule of one channel, with what hides in them.
#[derive(Clone)]
pub(super) struct Masked {
    /// As the filter bank has them.
    pub(super) lines: [f32; LINES],
    /// The noise by which each is as good as it is.
    pub(super) hidden: [f32; LINES],
    /// The noise that isn't heard even in silence.
    pub(super) quiet: [f32; LINES],
}

/// The model of hearing for a rate.
pub(super) struct Masks {
    short: Psy,
    long: Psy,
    /// The noise that isn't heard in silence, in short blocks and in long ones.
    quiet: [[f32; LINES]; 2],
    steps: Vec<f32>,
}

impl Masks {
    /// For the lines below `top` Hz: what is above isn't coded.
    pub(super) fn new(top: f64, rate: u32) -> Self {
        let coded = |lines: usize| (top / f64::from(rate) * 2.0 * lines as f64) as usize;
        let (short, long) = (coded(LINES / 3), coded(LINES));
        let mut masks = Self {
            short: Psy::new(LINES / 3, short, rate, false),
            long: Psy::new(LINES, long, rate, true),
            quiet: [[0.0; LINES]; 2],
            steps: Vec::new(),
        };
        masks.quiet = [BlockType::Short, BlockType::Long].map(|kind| {
            let quiet = masks.noise(&[0.0; LINES], kind, NOTHING);
            quiet.map(|noise| noise * power(BELOW_QUIET))
        });
        masks
    }

    /// Takes away the lines that aren't coded, and finds what hides in the others.
    pub(super) fn masked(&mut self, mut lines: [f32; LINES], kind: BlockType) -> Masked {
        let quiet = self.quiet[usize::from(kind != BlockType::Short)];
        lines.iter_mut().zip(&quiet).filter(|(_, quiet)| **quiet == 0.0).for_each(|(line, _)| *line = 0.0);
        Masked { lines, hidden: self.noise(&lines, kind, 0.0), quiet }
    }

    /// The noise that each line hides, with so many decibels more; none in lines that aren't coded.
    fn noise(&mut self, lines: &[f32; LINES], kind: BlockType, more: f32) -> [f32; LINES] {
        // A quantiser of step s makes noise of s²/12.
        let noise = |step: f32| power(step) / 12.0;
        let mut hidden = [0.0; LINES];
        if kind == BlockType::Short {
            for block in 0..3 {
                let own: [f32; LINES / 3] = std::array::from_fn(|at| lines[3 * at + block]);
                self.short.steps(&own, &TUNE, more, &mut self.steps);
                self.steps.iter().enumerate().for_each(|(at, step)| hidden[3 * at + block] = noise(*step));
            }
        } else {
            self.long.steps(lines, &TUNE, more, &mut self.steps);
            self.steps.iter().zip(&mut hidden).for_each(|(step, hidden)| *hidden = noise(*step));
        }
        hidden
    }
}
