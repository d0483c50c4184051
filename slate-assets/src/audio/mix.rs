use slate_core::{Error, Result};
use std::f32::consts::FRAC_1_SQRT_2;
use symphonia::core::audio::Position;

/// Turns frames of one channel layout into frames of another, by a matrix.
pub(super) struct Mixer {
    from: usize,
    to: usize,
    /// Row by row: the share of each source channel in an output channel. `None`: nothing to do.
    shares: Option<Vec<f32>>,
}

impl Mixer {
    pub(super) fn new(positions: &[Position], to: usize) -> Result<Self> {
        let from = positions.len();
        let shares = match (from, to) {
            _ if from == to => None,
            // One voice is in the middle: as loud from each side.
            (1, _) => Some((0..to).map(|channel| if channel < 2 { 1.0 } else { 0.0 }).collect()),
            (_, 1) => {
                let [left, right] = [sides(positions, 0), sides(positions, 1)];
                Some(scaled(left.iter().zip(&right).map(|(left, right)| left + right).collect()))
            }
            (_, 2) => Some([scaled(sides(positions, 0)), scaled(sides(positions, 1))].concat()),
            // Stereo on more speakers plays from the front two.
            (2, _) => Some((0..to * 2).map(|at| if at == 0 || at == 3 { 1.0 } else { 0.0 }).collect()),
            _ => {
                return Err(Error::unsupported(
                    "this channel mix is not available; choose channels 1, 2 or the source's",
                )
                .with("source", from)
                .with("channels", to));
            }
        };
        Ok(Self { from, to, shares })
    }

    /// Replaces `out` by the mix of `frames`; both interleaved.
    pub(super) fn mix(&self, frames: &[f32], out: &mut Vec<f32>) {
        out.clear();
        let Some(shares) = &self.shares else {
            out.extend_from_slice(frames);
            return;
        };
        out.reserve(frames.len() / self.from * self.to);
        for frame in frames.chunks_exact(self.from) {
            for row in shares.chunks_exact(self.from) {
                out.push(row.iter().zip(frame).map(|(share, sample)| share * sample).sum());
            }
        }
    }
}

/// How loud each channel is heard on the left (0) or right (1) side of stereo: ITU-R BS.775-4, annex 4, without LFE.
fn sides(positions: &[Position], side: usize) -> Vec<f32> {
    const FRONT: [Position; 2] = [Position::FRONT_LEFT, Position::FRONT_RIGHT];
    const BACK: [Position; 2] = [Position::REAR_LEFT, Position::REAR_RIGHT];
    const SIDE: [Position; 2] = [Position::SIDE_LEFT, Position::SIDE_RIGHT];
    let share = |&position: &Position| {
        if position == FRONT[side] {
            1.0
        } else if [FRONT[1 - side], BACK[1 - side], SIDE[1 - side], Position::LFE1].contains(&position) {
            0.0
        } else if position == BACK[side] || position == SIDE[side] || position == Position::FRONT_CENTER {
            FRAC_1_SQRT_2
        } else {
            // A rear centre, or a height speaker: heard from both sides, and from behind.
            0.5
        }
    };
    positions.iter().map(share).collect()
}

/// Scaled so that full scale on every channel stays full scale.
fn scaled(mut row: Vec<f32>) -> Vec<f32> {
    let sum: f32 = row.iter().sum();
    if sum > 1.0 {
        row.iter_mut().for_each(|share| *share /= sum);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(from: u32, to: usize, frame: &[f32]) -> Vec<f32> {
        let positions: Vec<_> = Position::from_wave_channel_count(from).unwrap().iter().collect();
        let mut out = Vec::new();
        Mixer::new(&positions, to).unwrap().mix(frame, &mut out);
        out
    }

    #[test]
    fn mono_and_stereo() {
        assert_eq!(mix(1, 2, &[0.5, -1.0]), [0.5, 0.5, -1.0, -1.0]);
        assert_eq!(mix(2, 1, &[1.0, 0.5]), [0.75]);
        assert_eq!(mix(2, 2, &[0.1, 0.2]), [0.1, 0.2]);
        assert_eq!(mix(2, 4, &[0.1, 0.2]), [0.1, 0.2, 0.0, 0.0]);
    }

    #[test]
    fn surround_follows_itu() {
        let whole = 1.0 + 2.0 * FRAC_1_SQRT_2;
        // Left, right, centre, LFE, left behind, right behind.
        let cases = [
            ([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.0]),
            ([0.0, 1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0]),
            ([0.0, 0.0, 1.0, 0.0, 0.0, 0.0], [FRAC_1_SQRT_2; 2]),
            ([0.0, 0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0]),
            ([0.0, 0.0, 0.0, 0.0, 1.0, 0.0], [FRAC_1_SQRT_2, 0.0]),
            ([1.0; 6], [whole; 2]),
        ];
        for (frame, expected) in cases {
            for (value, expected) in mix(6, 2, &frame).iter().zip(expected) {
                assert!((value - expected / whole).abs() < 1e-6, "{frame:?}");
            }
        }
    }
}
