//! ETC2 RGB, with and without one bit of alpha: ETC1's two modes, and T, H and planar ones in place of overflows.
//! Khronos Data Format 1.3, sections 21 and 22.

mod encode;
mod lanes;
mod paint;
mod pairs;
mod search;
mod slopes;
#[cfg(test)]
mod tests;

pub(super) use encode::encode;

/// The two steps of each table of intensities.
pub(super) const TABLES: [[i32; 2]; 8] = [[2, 8], [5, 17], [9, 29], [13, 42], [18, 60], [24, 80], [33, 106], [47, 183]];
/// The distances of the T and H modes.
const DISTANCES: [i32; 8] = [3, 6, 11, 16, 23, 32, 41, 64];

/// What a block may hold beside its colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// Every texel is opaque.
    None,
    /// Texels below one half are transparent black.
    Punched,
}

/// Decodes the 8 bytes; texels are in rows.
pub(super) fn decode(block: [u8; 8], alpha: Alpha) -> [[u8; 4]; 16] {
    let bits = u64::from_be_bytes(block);
    let punched = alpha == Alpha::Punched;
    let has_holes = punched && bits >> 33 & 1 == 0;
    let field = |low: u32, count: u32| (bits >> low) as i32 & ((1 << count) - 1);
    if !punched && field(33, 1) == 0 {
        let ends = [[field(60, 4), field(52, 4), field(44, 4)], [field(56, 4), field(48, 4), field(40, 4)]];
        return halves(bits, ends.map(|end| end.map(|value| value * 17)), false);
    }
    let first = [field(59, 5), field(51, 5), field(43, 5)];
    let second: [i32; 3] = std::array::from_fn(|at| {
        let delta = field(56 - 8 * at as u32, 3);
        first[at] + if delta >= 4 { delta - 8 } else { delta }
    });
    let over = |at: usize| !(0..=31).contains(&second[at]);
    if over(0) {
        let one = [field(59, 2) << 2 | field(56, 2), field(52, 4), field(48, 4)].map(|value| value * 17);
        let two = [field(44, 4), field(40, 4), field(36, 4)].map(|value| value * 17);
        let distance = DISTANCES[(field(34, 2) << 1 | field(32, 1)) as usize];
        return painted(bits, paint::t_colors(one, two, distance), has_holes);
    }
    if over(1) {
        let one = [field(59, 4), field(56, 3) << 1 | field(52, 1), field(51, 1) << 3 | field(47, 3)];
        let two = [field(43, 4), field(39, 4), field(35, 4)];
        let key = |color: [i32; 3]| color[0] << 8 | color[1] << 4 | color[2];
        let lowest = i32::from(key(one) >= key(two));
        let distance = DISTANCES[(field(34, 1) << 2 | field(32, 1) << 1 | lowest) as usize];
        let colors = paint::h_colors(one.map(|value| value * 17), two.map(|value| value * 17), distance);
        return painted(bits, colors, has_holes);
    }
    if over(2) {
        return planar(&field);
    }
    halves(bits, [first, second].map(|end| end.map(widen_5)), has_holes)
}

fn widen_5(value: i32) -> i32 {
    value << 3 | value >> 2
}

fn widen_6(value: i32) -> i32 {
    value << 2 | value >> 4
}

fn widen_7(value: i32) -> i32 {
    value << 1 | value >> 6
}

/// The two bits of a texel: the steps' size, and their sign above.
fn selector(bits: u64, column_first: usize) -> usize {
    (bits >> column_first & 1 | (bits >> (16 + column_first) & 1) << 1) as usize
}

/// The steps of a table in the order of the selectors; with holes the smaller one is zero, and selector 2 a hole.
fn steps(table: usize, has_holes: bool) -> [i32; 4] {
    let [small, large] = TABLES[table];
    if has_holes { [0, large, 0, -large] } else { [small, large, -small, -large] }
}

fn halves(bits: u64, ends: [[i32; 3]; 2], has_holes: bool) -> [[u8; 4]; 16] {
    let flip = bits >> 32 & 1 == 1;
    let tables = [bits >> 37 & 7, bits >> 34 & 7];
    std::array::from_fn(|at| {
        let (x, y) = (at % 4, at / 4);
        let half = if flip { y / 2 } else { x / 2 };
        let selector = selector(bits, x * 4 + y);
        if has_holes && selector == 2 {
            return [0; 4];
        }
        let step = steps(tables[half] as usize, has_holes)[selector];
        let [r, g, b] = ends[half].map(|value| (value + step).clamp(0, 255) as u8);
        [r, g, b, 255]
    })
}

fn painted(bits: u64, colors: [[i32; 3]; 4], has_holes: bool) -> [[u8; 4]; 16] {
    std::array::from_fn(|at| {
        let selector = selector(bits, at % 4 * 4 + at / 4);
        if has_holes && selector == 2 {
            return [0; 4];
        }
        let [r, g, b] = colors[selector].map(|value| value as u8);
        [r, g, b, 255]
    })
}

fn planar(field: &impl Fn(u32, u32) -> i32) -> [[u8; 4]; 16] {
    let blue = field(48, 1) << 5 | field(43, 2) << 3 | field(39, 3);
    let origin = [widen_6(field(57, 6)), widen_7(field(56, 1) << 6 | field(49, 6)), widen_6(blue)];
    let right = [widen_6(field(34, 5) << 1 | field(32, 1)), widen_7(field(25, 7)), widen_6(field(19, 6))];
    let down = [widen_6(field(13, 6)), widen_7(field(6, 7)), widen_6(field(0, 6))];
    paint::plane(origin, right, down)
}
