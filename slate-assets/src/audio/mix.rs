use super::layout;
use std::f32::consts::FRAC_1_SQRT_2;
use symphonia::core::audio::Position;

const FRONT: [Position; 2] = [Position::FRONT_LEFT, Position::FRONT_RIGHT];
const INNER: [Position; 2] = [Position::FRONT_LEFT_CENTER, Position::FRONT_RIGHT_CENTER];
const REAR: [Position; 2] = [Position::REAR_LEFT, Position::REAR_RIGHT];
const SIDE: [Position; 2] = [Position::SIDE_LEFT, Position::SIDE_RIGHT];

/// Turns frames of any layout into frames of the usual one for a number of channels, by a matrix.
pub(super) struct Mixer {
    from: usize,
    to: usize,
    /// Row by row: the share of each source channel in an output channel. `None`: nothing to do.
    shares: Option<Vec<f32>>,
}

impl Mixer {
    /// `positions` are the source's, in a frame's order; `to` is from 1 to 8.
    pub(super) fn new(positions: &[Position], to: usize) -> Self {
        let from = positions.len();
        let speakers = layout::usual(to);
        let same = from == to && (to <= 2 || positions == speakers);
        let shares = match (from, to) {
            _ if same => None,
            // One voice is in the middle: as loud from each side.
            (1, _) => Some((0..to).map(|channel| if channel < 2 { 1.0 } else { 0.0 }).collect()),
            (_, 1) => {
                let both = matrix(positions, &layout::usual(2));
                let (left, right) = both.split_at(from);
                Some(scaled(left.iter().zip(right).map(|(left, right)| left + right).collect(), from))
            }
            _ => Some(scaled(matrix(positions, &speakers), from)),
        };
        Self { from, to, shares }
    }

    /// Whether frames stay as they are.
    pub(super) fn keeps_all(&self) -> bool {
        self.shares.is_none()
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

/// Row by row, how loud each channel is heard from each speaker.
fn matrix(positions: &[Position], speakers: &[Position]) -> Vec<f32> {
    let mut shares = vec![0.0; speakers.len() * positions.len()];
    for (column, &position) in positions.iter().enumerate() {
        for (speaker, share) in targets(position, positions, speakers) {
            if let Some(row) = speakers.iter().position(|there| *there == speaker) {
                shares[row * positions.len() + column] = share;
            }
        }
    }
    shares
}

/// Where a channel is heard from: its own speaker; or the one that stands for it; or, by ITU-R BS.775-4, annex 4, those
/// before it, by 3 dB less. Low frequencies without a speaker of theirs are left out, as there.
fn targets(position: Position, from: &[Position], to: &[Position]) -> Vec<(Position, f32)> {
    if to.contains(&position) {
        return vec![(position, 1.0)];
    }
    let has = |pair: [Position; 2]| to.contains(&pair[0]);
    let side = |pair: [Position; 2]| pair.iter().position(|there| *there == position);
    let both = |pair: [Position; 2], share| pair.map(|speaker| (speaker, share)).to_vec();
    if position == Position::FRONT_CENTER {
        return both(FRONT, FRAC_1_SQRT_2);
    }
    if position == Position::REAR_CENTER {
        let behind = [REAR, SIDE].into_iter().find(|pair| has(*pair));
        // Heard from both sides, and from behind.
        return behind.map_or_else(|| both(FRONT, 0.5), |pair| both(pair, FRAC_1_SQRT_2));
    }
    if position == Position::LFE1 || position == Position::LFE2 {
        return Vec::new();
    }
    if let Some(at) = side(FRONT).or(side(INNER)) {
        return vec![(FRONT[at], 1.0)];
    }
    for (own, other) in [(REAR, SIDE), (SIDE, REAR)] {
        let Some(at) = side(own) else { continue };
        let shared = from.contains(&other[at]);
        return match () {
            // Between the sides of a source that has them there is the one behind.
            () if shared && own == REAR && to.contains(&Position::REAR_CENTER) => {
                vec![(Position::REAR_CENTER, FRAC_1_SQRT_2)]
            }
            () if has(other) => vec![(other[at], if shared { FRAC_1_SQRT_2 } else { 1.0 })],
            () => vec![(FRONT[at], FRAC_1_SQRT_2)],
        };
    }
    // A height speaker.
    both(FRONT, 0.5)
}

/// Scaled so that full scale on every channel stays full scale, by as much in every row.
fn scaled(mut shares: Vec<f32>, from: usize) -> Vec<f32> {
    let most = shares.chunks(from).map(|row| row.iter().sum::<f32>()).fold(1.0, f32::max);
    shares.iter_mut().for_each(|share| *share /= most);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(from: usize, to: usize, frame: &[f32]) -> Vec<f32> {
        mix_of(&layout::usual(from), to, frame)
    }

    fn mix_of(positions: &[Position], to: usize, frame: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        Mixer::new(positions, to).mix(frame, &mut out);
        out
    }

    fn of_mask(mask: u32) -> Vec<Position> {
        Position::from_wave_channel_mask(mask).unwrap().iter().collect()
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

    #[test]
    fn speakers_of_one_name_stay_and_others_go_where_they_are_heard() {
        for channels in 1..=8 {
            assert!(Mixer::new(&layout::usual(channels), channels).keeps_all(), "{channels}");
        }
        // A 6.1 whose sides are behind: the centre comes before them.
        let rear = mix_of(&of_mask(0x13F), 7, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
        assert_eq!(rear, [0.1, 0.2, 0.3, 0.4, 0.7, 0.5, 0.6]);
        // A 5.1 with its surround at the sides, on that with it behind.
        assert_eq!(mix_of(&of_mask(0x60F), 6, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
        // In a 2.1 of three channels the third is no centre.
        assert_eq!(mix_of(&of_mask(0xB), 3, &[0.1, 0.2, 0.9]), [0.1, 0.2, 0.0]);
        assert_eq!(mix(6, 8, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.0, 0.0]);
        let scale = 1.0 + FRAC_1_SQRT_2;
        for (from, to, loud, expected) in [
            (8, 6, 6, vec![0.0, 0.0, 0.0, 0.0, FRAC_1_SQRT_2 / scale, 0.0]),
            (8, 6, 4, vec![0.0, 0.0, 0.0, 0.0, 1.0 / scale, 0.0]),
            (7, 6, 4, vec![0.0, 0.0, 0.0, 0.0, FRAC_1_SQRT_2 / scale, FRAC_1_SQRT_2 / scale]),
            (6, 4, 2, vec![FRAC_1_SQRT_2 / scale, FRAC_1_SQRT_2 / scale, 0.0, 0.0]),
        ] {
            let frame: Vec<f32> = (0..from).map(|at| if at == loud { 1.0 } else { 0.0 }).collect();
            let mixed = mix(from, to, &frame);
            assert!(mixed.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{from} to {to}: {mixed:?}");
        }
    }
}
