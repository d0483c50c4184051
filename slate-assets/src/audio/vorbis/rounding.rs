//! The spectrum over its floor as whole numbers.

/// Coefficients of a short and a long block whose energy is kept together.
const WIDTH: [usize; 2] = [16, 32];
/// A little less than half: zeros are cheap, and what is lost by them is hardly heard.
const ROUND_UP: f32 = 0.42;
/// What is brought back has at least this share of a step.
const LEAST: f32 = 0.4;
/// Energy, in squares of a step, that has to be missing.
const MISSED: f32 = 0.7;

/// Rounds blocks; reused from block to block.
#[derive(Default)]
pub(super) struct Rounding {
    scaled: Vec<f32>,
    /// Where values near a step became nothing.
    zeros: Vec<usize>,
}

impl Rounding {
    /// Appends the whole numbers of a block of a size to `ints`: `curve` is its floor in the steps of `inverse`.
    ///
    /// Energy that rounding took is brought back where it was greatest. Without this, weak noise would come and go from
    /// block to block, which is heard more than the noise that it adds.
    pub(super) fn round(&mut self, spectrum: &[f32], curve: &[i32], inverse: &[f32], size: usize, ints: &mut Vec<i32>) {
        let most = super::tables::MOST as f32;
        self.scaled.clear();
        self.scaled.extend(spectrum.iter().zip(curve).map(|(value, &step)| value * inverse[step as usize]));
        let from = ints.len();
        ints.extend(self.scaled.iter().map(|scaled| {
            let whole = (scaled.abs() + ROUND_UP).floor().min(most);
            if *scaled < 0.0 { -(whole as i32) } else { whole as i32 }
        }));
        for (ints, scaled) in ints[from..].chunks_mut(WIDTH[size]).zip(self.scaled.chunks(WIDTH[size])) {
            refill(ints, scaled, &mut self.zeros);
        }
    }
}

fn refill(ints: &mut [i32], scaled: &[f32], zeros: &mut Vec<usize>) {
    zeros.clear();
    let mut lost = 0.0f32;
    for (at, (int, scaled)) in ints.iter().zip(scaled).enumerate() {
        let whole = *int as f32;
        lost += scaled * scaled - whole * whole;
        if *int == 0 && scaled.abs() > LEAST {
            zeros.push(at);
        }
    }
    if lost < MISSED {
        return;
    }
    zeros.sort_unstable_by(|a, b| scaled[*b].abs().total_cmp(&scaled[*a].abs()).then(a.cmp(b)));
    for &at in &*zeros {
        if lost < MISSED {
            return;
        }
        ints[at] = if scaled[at] < 0.0 { -1 } else { 1 };
        lost -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_noise_keeps_its_energy() {
        let mut state = 3u32;
        let noise: Vec<f32> = (0..1024)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.57
            })
            .collect();
        let mut ints = vec![9];
        Rounding::default().round(&noise, &vec![0; 1024], &[1.0], 1, &mut ints);
        let energy: f32 = noise.iter().map(|value| value * value).sum();
        let kept = ints[1..].iter().filter(|int| **int != 0).count() as f32;
        // All would be silence otherwise.
        assert!(noise.iter().all(|value| value.abs() < 1.0 - ROUND_UP));
        assert!((0.9..=1.1).contains(&(kept / energy)), "{kept} of {energy}");
        let right = noise.iter().zip(&ints[1..]).all(|(value, int)| *int as f32 * value >= 0.0);
        assert!(right && ints.len() == 1025 && ints[0] == 9);
    }

    #[test]
    fn what_is_near_a_step_becomes_it() {
        let rounded = |values: &[f32]| {
            let mut ints = Vec::new();
            Rounding::default().round(values, &vec![0; values.len()], &[1.0], 0, &mut ints);
            ints
        };
        assert_eq!(rounded(&[2.5, -2.6, 0.0, 0.5]), [2, -3, 0, 0]);
        assert_eq!(rounded(&[1e9, -1e9]), [super::super::tables::MOST, -super::super::tables::MOST]);
    }
}
