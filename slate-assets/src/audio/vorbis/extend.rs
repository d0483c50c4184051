//! What might have come before a sound's beginning and after its end: blocks reach beyond both, and a sudden edge
//! there would cost bits and be heard in loops.

const ORDER: usize = 32;

/// Appends `count` samples to `samples`, as a linear prediction from the last of them goes on.
pub(super) fn extend(samples: &mut Vec<f32>, count: usize) {
    const SEEN: usize = 2048;
    let seen = &samples[samples.len().saturating_sub(SEEN)..];
    let factors = predictor(seen);
    // A sound that rises in pitch would be taken for one that grows.
    let most = seen.iter().rev().take(512).fold(0.0, |most: f64, &sample| most.max(f64::from(sample).abs()));
    let mut history: Vec<f64> = seen.iter().map(|&sample| f64::from(sample)).collect();
    // Fades out over the second half: a prediction can't be trusted for long.
    for at in 0..count {
        let value: f64 = factors.iter().zip(history.iter().rev()).map(|(factor, sample)| factor * sample).sum();
        let value = value.clamp(-most, most);
        history.push(value);
        let fade = (2.0 - 2.0 * at as f64 / count as f64).min(1.0);
        samples.push((value * fade) as f32);
    }
}

/// Burg's method: stable, and good at tones even in short pieces.
fn predictor(samples: &[f32]) -> Vec<f64> {
    let mut forward: Vec<f64> = samples.iter().map(|&sample| f64::from(sample)).collect();
    let mut backward = forward.clone();
    let count = forward.len();
    let mut factors: Vec<f64> = Vec::new();
    for order in 0..ORDER.min(count / 4) {
        let (mut top, mut bottom) = (0.0, 1e-12);
        for n in order + 1..count {
            top += forward[n] * backward[n - 1];
            bottom += forward[n] * forward[n] + backward[n - 1] * backward[n - 1];
        }
        let reflection = (2.0 * top / bottom).clamp(-0.999_9, 0.999_9);
        for n in (order + 1..count).rev() {
            let (f, b) = (forward[n], backward[n - 1]);
            forward[n] = f - reflection * b;
            backward[n] = b - reflection * f;
        }
        let old = factors.clone();
        for (at, factor) in factors.iter_mut().enumerate() {
            *factor -= reflection * old[order - 1 - at];
        }
        factors.push(reflection);
    }
    factors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_goes_on() {
        let tone = |at: usize| (at as f32 * 0.06).sin() * 0.5;
        let mut samples: Vec<f32> = (0..3000).map(tone).collect();
        extend(&mut samples, 1000);
        for (at, sample) in samples.iter().enumerate().take(3400) {
            assert!((sample - tone(at)).abs() < 0.02, "{sample} at {at}");
        }
        let mut silence = vec![0.0; 10];
        extend(&mut silence, 100);
        assert!(silence.len() == 110 && silence.iter().all(|sample| *sample == 0.0));
        let mut nothing = Vec::new();
        extend(&mut nothing, 3);
        assert_eq!(nothing, [0.0; 3]);
    }
}
