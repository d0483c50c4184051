//! Where a sound sets in: long blocks would smear it to before it begins.

/// Samples that are judged together.
pub(super) const STEP: usize = 128;
/// How many steps before are what an attack stands out from.
const BEFORE: usize = 8;
/// Powers below this are no attack: −66 dB.
const QUIET: f32 = 2.5e-7;

/// Listens to one channel, in two bands.
#[derive(Clone, Default)]
pub(super) struct Ear {
    last: [f32; 2],
    past: [[f32; BEFORE]; 2],
    at: usize,
}

impl Ear {
    /// Takes the next [`STEP`] samples; whether a sound sets in.
    pub(super) fn hear(&mut self, samples: &[f32], ratio: f32) -> bool {
        let [mut one, mut two] = self.last;
        let mut powers = [0.0f32; 2];
        for &sample in samples {
            // The first difference weakens what is low; the second leaves the highest octaves.
            let first = sample - one;
            let second = sample - 2.0 * one + two;
            powers[0] += first * first;
            powers[1] += second * second;
            (two, one) = (one, sample);
        }
        self.last = [one, two];
        let mut attack = false;
        for (past, power) in self.past.iter_mut().zip(powers) {
            let power = power / samples.len() as f32;
            let mean = past.iter().sum::<f32>() / BEFORE as f32;
            let near = past[(self.at + BEFORE - 1) % BEFORE].max(past[(self.at + BEFORE - 2) % BEFORE]);
            attack |= power > QUIET && power > ratio * mean.max(near * 0.5);
            past[self.at] = power;
        }
        self.at = (self.at + 1) % BEFORE;
        attack
    }
}
