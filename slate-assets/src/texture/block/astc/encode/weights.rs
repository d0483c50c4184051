//! The levels of weights as arithmetic, side by side.

use crate::texture::block::{astc::ise::RANGES, wide::Wide};
use std::sync::LazyLock;

/// The weights of a range in numbers: they rise by even steps from either end to the middle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Levels less one.
    pub(super) steps: f32,
    /// What a step is worth, before the sum of steps is rounded down.
    pub(super) step: f32,
}

pub(super) static SCALES: LazyLock<[Scale; 12]> = LazyLock::new(|| {
    const STEPS: [f32; 12] = [64.0, 32.1, 21.1, 16.1, 12.75, 9.1, 7.1, 5.75, 4.25, 3.29, 2.75, 2.01];
    std::array::from_fn(|range| Scale { steps: (RANGES[range].levels - 1) as f32, step: STEPS[range] })
});

/// The weight of a level, 0 to 64.
#[inline(always)]
pub(super) fn weight(level: Wide, steps: Wide, step: Wide) -> Wide {
    let other = steps - level;
    let near = (level.min(other) * step).floor();
    other.less(level, Wide::splat(64.0) - near, near)
}

/// The level of a weight.
#[inline(always)]
pub(super) fn level_of(weight: Wide, steps: Wide) -> Wide {
    (weight * steps * Wide::splat(1.0 / 64.0)).round()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texture::block::{astc::ise, wide::LANES};

    #[test]
    fn weights_rise_by_even_steps() {
        for (range, scale) in SCALES.iter().enumerate() {
            let mut all: Vec<u32> = (0..RANGES[range].levels).map(|code| ise::weight(RANGES[range], code)).collect();
            all.sort_unstable();
            for (level, &wanted) in all.iter().enumerate() {
                let (steps, level) = (Wide::splat(scale.steps), Wide::splat(level as f32));
                assert_eq!(weight(level, steps, Wide::splat(scale.step)).0, [wanted as f32; LANES], "range {range}");
                let again = level_of(Wide::splat(wanted as f32), steps);
                assert_eq!(again, level, "range {range}");
            }
        }
    }
}
