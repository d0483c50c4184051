//! Samples to whole numbers of fewer bits, with noise in the place of distortion.

use slate_core::asset::Dither;

/// Of Lipshitz, Vanderkooy and Wannamaker (1991): the error's filter that is heard least among those of three taps.
const SHAPE: [f64; 3] = [1.623, -0.982, 0.109];
/// Below this rate there is nowhere to move noise to.
const SHAPED_FROM: u32 = 32_000;
/// Zeros after which silence is silence.
const SILENT: u32 = 64;

/// Rounds interleaved samples.
pub(super) struct Quantizer {
    scale: f64,
    dither: Dither,
    channels: Vec<Channel>,
    at: usize,
    clipped: u64,
}

#[derive(Clone)]
struct Channel {
    errors: [f64; 3],
    state: u64,
    zeros: u32,
}

impl Quantizer {
    /// For 16 or 24 bits; `exact` samples have no more bits than that, and are kept as they are.
    pub(super) fn new(channels: usize, rate: u32, bits: u16, dither: Dither, exact: bool) -> Self {
        let dither = match dither {
            _ if exact => Dither::None,
            Dither::Shaped if rate < SHAPED_FROM => Dither::Triangular,
            dither => dither,
        };
        let channel = |at| Channel { errors: [0.0; 3], state: 0x9E37_79B9_7F4A_7C15 ^ at as u64, zeros: SILENT };
        let scale = f64::from(1u32 << (bits - 1));
        Self { scale, dither, channels: (0..channels).map(channel).collect(), at: 0, clipped: 0 }
    }

    pub(super) fn next(&mut self, sample: f32) -> i32 {
        let at = self.at;
        self.at = if at + 1 == self.channels.len() { 0 } else { at + 1 };
        let channel = &mut self.channels[at];
        let wanted = f64::from(sample) * self.scale;
        channel.zeros = if sample == 0.0 { channel.zeros.saturating_add(1) } else { 0 };
        let value = if self.dither == Dither::None || channel.zeros > SILENT {
            channel.errors = [0.0; 3];
            wanted.round()
        } else {
            let shaped = self.dither == Dither::Shaped;
            let fed: f64 =
                if shaped { channel.errors.iter().zip(SHAPE).map(|(error, tap)| error * tap).sum() } else { 0.0 };
            let noise = channel.random() - channel.random();
            let value = (wanted - fed + noise).round();
            let [first, second, _] = channel.errors;
            channel.errors = [(value - (wanted - fed)).clamp(-2.0, 2.0), first, second];
            value
        };
        if !(-self.scale..=self.scale - 1.0).contains(&value) {
            self.clipped += 1;
        }
        value.clamp(-self.scale, self.scale - 1.0) as i32
    }

    /// Samples that were beyond full scale so far.
    pub(super) fn clipped(&self) -> u64 {
        self.clipped
    }
}

impl Channel {
    /// 0 to 1: PCG, by O'Neill; the same each time.
    fn random(&mut self) -> f64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (((self.state >> 18) ^ self.state) >> 27) as u32;
        f64::from(mixed.rotate_right((self.state >> 59) as u32)) / 4_294_967_296.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of what comes of a constant, and the power of the error's first difference beside the error's own.
    fn rounded(dither: Dither, value: f32) -> (f64, f64) {
        let mut quantizer = Quantizer::new(1, 48_000, 16, dither, false);
        let out: Vec<f64> = (0..40_000).map(|_| f64::from(quantizer.next(value / 32_768.0))).collect();
        let mean = out.iter().sum::<f64>() / out.len() as f64;
        let power: f64 = out.iter().map(|x| (x - mean) * (x - mean)).sum();
        let rough: f64 = out.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum();
        (mean, rough / power)
    }

    #[test]
    fn a_level_between_two_steps_is_kept_on_average() {
        assert_eq!(rounded(Dither::None, 0.3).0, 0.0);
        let (mean, rough) = rounded(Dither::Triangular, 0.3);
        assert!((mean - 0.3).abs() < 0.03 && (1.8..2.2).contains(&rough), "{mean} {rough}");
        let (mean, rough) = rounded(Dither::Shaped, 0.3);
        assert!((mean - 0.3).abs() < 0.03 && rough > 2.5, "{mean} {rough}");
    }

    #[test]
    fn what_needs_no_noise_gets_none() {
        let mut exact = Quantizer::new(1, 48_000, 16, Dither::Shaped, true);
        assert_eq!([-1.0, 0.5, 1.0].map(|sample| exact.next(sample)), [-32_768, 16_384, 32_767]);
        assert_eq!(exact.clipped(), 1);
        let mut silent = Quantizer::new(1, 48_000, 16, Dither::Shaped, false);
        assert!((0..1000).all(|_| silent.next(0.0) == 0));
    }
}
