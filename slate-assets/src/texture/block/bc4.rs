//! BC4: one channel, two values and three bits a texel between them; BC3's alpha and each half of BC5 are the same.

use super::Effort;

/// Decodes the 8 bytes of a block.
pub(super) fn decode(block: [u8; 8]) -> [u8; 16] {
    let palette = palette(block[0], block[1]);
    let bits = u64::from_le_bytes(block) >> 16;
    std::array::from_fn(|at| palette[(bits >> (3 * at) & 7) as usize])
}

/// Eight values where the first is the greater, else six, 0 and 255; each rounded to the nearest.
fn palette(first: u8, second: u8) -> [u8; 8] {
    let (a, b) = (u32::from(first), u32::from(second));
    let mix = |share: u32, whole: u32| (((whole - share) * a + share * b + whole / 2) / whole) as u8;
    if first > second {
        [first, second, mix(1, 7), mix(2, 7), mix(3, 7), mix(4, 7), mix(5, 7), mix(6, 7)]
    } else {
        [first, second, mix(1, 5), mix(2, 5), mix(3, 5), mix(4, 5), 0, 255]
    }
}

/// Encodes one channel.
pub(super) fn encode(values: &[u8; 16], effort: Effort) -> [u8; 8] {
    let (low, high) = values.iter().fold((255, 0), |(low, high), &value| (low.min(value), high.max(value)));
    if low == high {
        return [low, low, 0, 0, 0, 0, 0, 0];
    }
    let mut best = Found::of(values, high, low);
    if effort >= Effort::FAST && best.error > 0 {
        best.take(refit(values, &best));
    }
    if values.iter().any(|value| matches!(value, 0 | 255)) && best.error > 0 && effort >= Effort::FAST {
        let inner = |(low, high): (u8, u8), &value: &u8| {
            if matches!(value, 0 | 255) { (low, high) } else { (low.min(value), high.max(value)) }
        };
        let (low, high) = values.iter().fold((255, 0), inner);
        best.take(if low <= high { Found::of(values, low, high) } else { Found::of(values, 128, 128) });
    }
    if effort >= Effort::NORMAL && best.error > 0 {
        search(values, &mut best, if effort >= Effort::HIGH { 5 } else { 2 });
    }
    let bits = best.selectors.iter().enumerate().fold(0u64, |bits, (at, &one)| bits | u64::from(one) << (3 * at));
    let mut block = (bits << 16).to_le_bytes();
    (block[0], block[1]) = (best.first, best.second);
    block
}

/// The block that has the selectors of another of eight values, with the two that fit them best.
pub(super) fn with_selectors(values: &[u8; 16], other: [u8; 8]) -> Option<[u8; 8]> {
    if other[0] <= other[1] {
        return None;
    }
    let bits = u64::from_le_bytes(other) >> 16;
    let mut found = Found { first: 0, second: 0, selectors: [0; 16], error: u32::MAX };
    found.selectors = std::array::from_fn(|at| (bits >> (3 * at) & 7) as u8);
    let [first, second] = ends_of(values, &found)?;
    (first > second).then(|| [first, second, other[2], other[3], other[4], other[5], other[6], other[7]])
}

#[derive(Clone, Copy)]
struct Found {
    first: u8,
    second: u8,
    selectors: [u8; 16],
    error: u32,
}

impl Found {
    fn of(values: &[u8; 16], first: u8, second: u8) -> Self {
        let palette = palette(first, second);
        let mut best = [i32::MAX; 16];
        let mut selectors = [0i32; 16];
        for (code, &color) in palette.iter().enumerate() {
            for at in 0..16 {
                let off = i32::from(values[at]) - i32::from(color);
                let nearer = off * off < best[at];
                best[at] = if nearer { off * off } else { best[at] };
                selectors[at] = if nearer { code as i32 } else { selectors[at] };
            }
        }
        Self { first, second, selectors: selectors.map(|code| code as u8), error: best.iter().sum::<i32>() as u32 }
    }

    fn take(&mut self, other: Self) {
        if other.error < self.error {
            *self = other;
        }
    }
}

/// The two values that fit the selectors of a block of eight best.
fn refit(values: &[u8; 16], found: &Found) -> Found {
    match ends_of(values, found) {
        Some([first, second]) if first > second => Found::of(values, first, second),
        _ => *found,
    }
}

fn ends_of(values: &[u8; 16], found: &Found) -> Option<[u8; 2]> {
    let mut squares = super::line::Squares::default();
    for (&value, &selector) in values.iter().zip(&found.selectors) {
        let share = match selector {
            0 => 0.0,
            1 => 1.0,
            other => f32::from(other - 1) / 7.0,
        };
        squares.add([f32::from(value), 0.0, 0.0, 0.0], share);
    }
    let round = |value: f32| (value.clamp(0.0, 255.0) + 0.5) as u8;
    Some(squares.solve()?.map(|end| round(end[0])))
}

/// Tries all pairs near the best one, within its kind.
fn search(values: &[u8; 16], best: &mut Found, reach: i32) {
    let (first, second) = (i32::from(best.first), i32::from(best.second));
    let eight = first > second;
    for a in first - reach..=first + reach {
        for b in second - reach..=second + reach {
            if (0..=255).contains(&a) && (0..=255).contains(&b) && (a > b) == eight {
                best.take(Found::of(values, a as u8, b as u8));
            }
        }
    }
}
