//! The transfer function of sRGB, IEC 61966-2-1, by exact tables.

use super::math::powf;
use std::sync::LazyLock;

/// Linear light of each 8-bit value.
pub(super) static LINEAR_8: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|code| to_linear(code as f64 / 255.0) as f32));

/// Linear light of each 16-bit value.
pub(super) static LINEAR_16: LazyLock<Vec<f32>> =
    LazyLock::new(|| (0..=65_535u32).map(|code| to_linear(f64::from(code) / 65_535.0) as f32).collect());

static ROUND_8: LazyLock<Rounding8> = LazyLock::new(Rounding8::new);
static ROUND_16: LazyLock<Rounding> = LazyLock::new(|| Rounding::new(65_535));

/// The 8-bit sRGB value nearest to `linear`, which is clamped to 0..=1.
pub(super) fn to_srgb_8(linear: f32) -> u8 {
    ROUND_8.code(linear)
}

/// What [`to_srgb_8`] goes by, for loops that look it up once.
pub(super) fn rounding_8() -> &'static Rounding8 {
    &ROUND_8
}

/// The 16-bit sRGB value nearest to `linear`, which is clamped to 0..=1.
pub(super) fn to_srgb_16(linear: f32) -> u16 {
    ROUND_16.code(linear) as u16
}

fn to_linear(value: f64) -> f64 {
    if value <= 0.040_45 { value / 12.92 } else { powf((value + 0.055) / 1.055, 2.4) }
}

/// The light at which each code but the first begins.
fn begins(max: u32) -> Vec<f32> {
    (1..=max).map(|code| to_linear((f64::from(code) - 0.5) / f64::from(max)) as f32).collect()
}

const STARTS: usize = 4096;

/// Rounds linear light to sRGB codes of 8 bits, without a branch.
pub(super) struct Rounding8 {
    /// The code of the first light of each 4096th; it has one more at most.
    first: [u8; STARTS + 1],
    /// Where the code after each begins.
    next: [f32; 256],
}

impl Rounding8 {
    fn new() -> Self {
        let begins = begins(255);
        Self {
            first: std::array::from_fn(|start| {
                begins.partition_point(|&begin| begin <= start as f32 / STARTS as f32) as u8
            }),
            next: std::array::from_fn(|code| *begins.get(code).unwrap_or(&f32::INFINITY)),
        }
    }

    #[inline]
    pub(super) fn code(&self, linear: f32) -> u8 {
        let linear = linear.clamp(0.0, 1.0);
        // A NaN becomes 0 here, and begins nothing below.
        let first = self.first[usize::from((linear * STARTS as f32) as u16)];
        first + u8::from(self.next[usize::from(first)] <= linear)
    }
}

/// Rounds linear light to sRGB codes of 16 bits: the light at which each code begins, and where to start looking.
struct Rounding {
    begins: Vec<f32>,
    first: Vec<u16>,
}

impl Rounding {
    fn new(max: u32) -> Self {
        let begins = begins(max);
        let first = (0..=STARTS)
            .map(|start| begins.partition_point(|&begin| begin <= start as f32 / STARTS as f32) as u16)
            .collect();
        Self { begins, first }
    }

    #[inline]
    fn code(&self, linear: f32) -> usize {
        let linear = linear.clamp(0.0, 1.0);
        // A NaN becomes 0 here, and begins nothing below.
        let start = (linear * STARTS as f32) as usize;
        let (from, to) = (usize::from(self.first[start]), usize::from(self.first[(start + 1).min(STARTS)]));
        from + self.begins[from..to.max(from)].partition_point(|&begin| begin <= linear)
    }
}

/// sRGB of 8 bits to linear light of 16, and back to the nearest code.
pub(super) struct Light {
    of: [u32; 256],
    /// The code of the first of each sixteen.
    first: [u8; 4096],
    /// Where the code after each begins; no two begin within sixteen.
    next: [u32; 256],
}

static LIGHT: LazyLock<Light> = LazyLock::new(|| {
    let begin = |code: usize| (to_linear((code as f64 + 0.5) / 255.0) * 65_535.0).ceil() as u32;
    let next: [u32; 256] = std::array::from_fn(|code| if code < 255 { begin(code) } else { u32::MAX });
    Light {
        of: std::array::from_fn(|code| (to_linear(code as f64 / 255.0) * 65_535.0).round() as u32),
        first: std::array::from_fn(|start| next.partition_point(|&begin| begin <= start as u32 * 16) as u8),
        next,
    }
});

/// For loops that look it up once.
pub(super) fn light() -> &'static Light {
    &LIGHT
}

impl Light {
    #[inline(always)]
    pub(super) fn of(&self, code: u8) -> u32 {
        self.of[usize::from(code)]
    }

    #[inline(always)]
    pub(super) fn code(&self, light: u16) -> u8 {
        let first = self.first[usize::from(light >> 4)];
        first + u8::from(u32::from(light) >= self.next[usize::from(first)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back() {
        for code in 0..=255u8 {
            assert_eq!(to_srgb_8(LINEAR_8[usize::from(code)]), code);
        }
        for code in 0..=65_535u16 {
            assert_eq!(to_srgb_16(LINEAR_16[usize::from(code)]), code);
        }
    }

    #[test]
    fn light_of_16_bits_has_the_nearest_code() {
        for value in 0..=u16::MAX {
            assert_eq!(light().code(value), to_srgb_8(f32::from(value) / 65_535.0), "{value}");
        }
        assert!((0..=255).all(|code| light().code(light().of(code) as u16) == code));
    }

    #[test]
    fn rounding_is_to_the_nearest_code() {
        for step in 0..=100_000u32 {
            let linear = f64::from(step) / 100_000.0;
            let srgb = if linear <= 0.003_130_8 { linear * 12.92 } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
            let exact = srgb * 255.0;
            let code = f64::from(to_srgb_8(linear as f32));
            assert!((code - exact).abs() <= 0.5001, "{linear}: {code} for {exact}");
        }
        assert_eq!((to_srgb_8(-1.0), to_srgb_8(2.0), to_srgb_8(f32::NAN)), (0, 255, 0));
    }
}
