//! Which blocks granules have: short ones where a sound sets in, which long ones would smear to before it begins.

use super::hybrid::LINES;
use crate::audio::attack::{Ear, STEP};
use rusty_mp3::frame::BlockType;
use std::collections::VecDeque;

/// How much louder than before a sound has to set in, as a factor of power.
const ATTACK: f32 = 20.0;
/// How many samples later a sound comes out of the polyphase filter.
const LATER: u64 = 240;
/// Where in the window of a granule, which is two granules long, what sets in is smeared most.
const SMEARED: std::ops::Range<u64> = 300..800;
/// Samples that have to be known beyond the granule after the one that is chosen.
pub(super) const AHEAD: u64 = STEP as u64;

/// Listens to a sound, and chooses.
pub(super) struct Kinds {
    ears: Vec<Ear>,
    /// Frames that were listened to, and where a sound set in.
    heard: u64,
    attacks: VecDeque<u64>,
    /// What the last granule was.
    last: BlockType,
}

impl Kinds {
    pub(super) fn new(channels: usize) -> Self {
        Self { ears: vec![Ear::default(); channels], heard: 0, attacks: VecDeque::new(), last: BlockType::Long }
    }

    /// Listens to all that is new in the channels' lines, which begin at frame `start`.
    pub(super) fn listen(&mut self, lines: &[Vec<f32>], start: u64) {
        let end = start + lines[0].len() as u64;
        while self.heard + STEP as u64 <= end {
            let from = (self.heard - start) as usize;
            let mut attack = false;
            for (ear, line) in self.ears.iter_mut().zip(lines) {
                attack |= ear.hear(&line[from..from + STEP], ATTACK);
            }
            if attack {
                self.attacks.push_back(self.heard);
            }
            self.heard += STEP as u64;
        }
    }

    /// The kind of a granule: long blocks and short ones have others between them.
    pub(super) fn next(&mut self, granule: u64) -> BlockType {
        let begins = |granule: u64| granule * LINES as u64;
        // The window begins a granule before.
        let place = |at: u64, granule: u64| (at + LATER + LINES as u64).checked_sub(begins(granule));
        while self.attacks.front().is_some_and(|at| place(*at, granule) < Some(SMEARED.start)) {
            self.attacks.pop_front();
        }
        let smears = |granule: u64| {
            self.attacks.iter().any(|at| place(*at, granule).is_some_and(|place| SMEARED.contains(&place)))
        };
        let was_short = self.last == BlockType::Short;
        let can_be_short = was_short || self.last == BlockType::Start;
        self.last = match (smears(granule), smears(granule + 1)) {
            (true, _) if can_be_short => BlockType::Short,
            (_, true) if was_short => BlockType::Short,
            (_, true) => BlockType::Start,
            _ if was_short => BlockType::Stop,
            _ => BlockType::Long,
        };
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_gets_short_blocks_with_others_around_them() {
        // Silence with a click every quarter of a second.
        let line: Vec<f32> = (0..96_000).map(|at| if at % 12_000 < 4 { 0.5 } else { 1e-5 }).collect();
        let mut kinds = Kinds::new(1);
        kinds.listen(&[line], 0);
        let chosen: Vec<BlockType> = (0..160).map(|granule| kinds.next(granule)).collect();
        for pair in chosen.windows(2) {
            let fits = match pair[0] {
                BlockType::Long | BlockType::Stop => matches!(pair[1], BlockType::Long | BlockType::Start),
                BlockType::Start | BlockType::Short => matches!(pair[1], BlockType::Short | BlockType::Stop),
            };
            assert!(fits, "{pair:?}");
        }
        let short = chosen.iter().filter(|kind| **kind == BlockType::Short).count();
        assert!((6..=14).contains(&short), "{short}");
    }
}
