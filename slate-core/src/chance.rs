//! Numbers that look random, from a seed: for jitter, fair draws and faults on purpose.

/// The next number after `state`, spread evenly over all of 64 bits: SplitMix64.
///
/// From Steele, Lea and Flood, *Fast splittable pseudorandom number generators* (2014). Not for secrets.
pub(crate) const fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number as a share of the whole: at least 0, below 1.
pub(crate) fn share(number: u64) -> f64 {
    // The upper 53 bits are what a double holds without rounding.
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number from text, for seeds: FNV-1a.
pub(crate) fn of_text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_paper() {
        // The first two numbers of SplitMix64 from 1234567, whose state grows by the constant.
        assert_eq!(mix(1_234_567), 6_457_827_717_110_365_317);
        assert_eq!(mix(1_234_567_u64.wrapping_add(0x9e37_79b9_7f4a_7c15)), 3_203_168_211_198_807_973);
    }

    #[test]
    fn shares_lie_between_zero_and_one() {
        assert_eq!(share(0), 0.0);
        assert!(share(u64::MAX) < 1.0);
        let mean = (0..10_000).map(|n| share(mix(n))).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
    }
}
