//! Logarithms and powers of two from plain sums and products: the same bits on every machine, and quick.

/// The logarithm of base 2, within 0.0001; `x` is positive and normal.
pub(super) fn log2(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let m = f32::from_bits(bits & 0x007F_FFFF | 0x3F80_0000);
    // ln((1+t)/(1-t)) = 2(t + t³/3 + t⁵/5 + …), around the middle of 1 to 2.
    let t = (m - std::f32::consts::SQRT_2) / (m + std::f32::consts::SQRT_2);
    let t2 = t * t;
    let series = t * (2.0 + t2 * (2.0 / 3.0 + t2 * (2.0 / 5.0 + t2 * (2.0 / 7.0))));
    exponent as f32 + 0.5 + series * std::f32::consts::LOG2_E
}

/// Two to the power of `x`, within one part in 10 000; clamped to what is normal.
pub(super) fn exp2(x: f32) -> f32 {
    let x = x.clamp(-120.0, 120.0);
    let whole = x.floor();
    let y = (x - whole) * std::f32::consts::LN_2;
    let part = 1.0 + y * (1.0 + y * (0.5 + y * (1.0 / 6.0 + y * (1.0 / 24.0 + y * (1.0 / 120.0)))));
    f32::from_bits(((whole as i32 + 127) as u32) << 23) * part
}

/// Decibels of a power.
pub(super) fn decibels(power: f32) -> f32 {
    log2(power.max(1e-30)) * 3.010_3
}

/// The power of so many decibels.
pub(super) fn power(decibels: f32) -> f32 {
    exp2(decibels * 0.332_192_8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_near_the_real_ones() {
        for step in -900..900 {
            let x = step as f32 / 10.0;
            assert!((exp2(x) / x.exp2() - 1.0).abs() < 1e-4, "{x}");
            assert!((log2(x.exp2()) - x).abs() < 1e-4, "{x}");
        }
    }
}
