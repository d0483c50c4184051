//! EAC: one channel of 8 bits (the alpha of ETC2) or of 11 bits (R11, and each half of RG11). Khronos Data Format 1.3,
//! section 21.

use super::Effort;

/// The steps around the base, by table and index.
pub(super) const TABLES: [[i32; 8]; 16] = [
    [-3, -6, -9, -15, 2, 5, 8, 14],
    [-3, -7, -10, -13, 2, 6, 9, 12],
    [-2, -5, -8, -13, 1, 4, 7, 12],
    [-2, -4, -6, -13, 1, 3, 5, 12],
    [-3, -6, -8, -12, 2, 5, 7, 11],
    [-3, -7, -9, -11, 2, 6, 8, 10],
    [-4, -7, -8, -11, 3, 6, 7, 10],
    [-3, -5, -8, -11, 2, 4, 7, 10],
    [-2, -6, -8, -10, 1, 5, 7, 9],
    [-2, -5, -8, -10, 1, 4, 7, 9],
    [-2, -4, -8, -10, 1, 3, 7, 9],
    [-2, -5, -7, -10, 1, 4, 6, 9],
    [-3, -4, -7, -10, 2, 3, 6, 9],
    [-1, -2, -3, -10, 0, 1, 2, 9],
    [-4, -6, -8, -9, 3, 5, 7, 8],
    [-3, -5, -7, -9, 2, 4, 6, 8],
];

/// How a block's values are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// 0 to 255.
    Eight,
    /// 0 to 2047.
    Eleven,
}

/// The eight values of a base, a multiplier and a table.
fn palette(depth: Depth, base: i32, multiplier: i32, table: usize) -> [i32; 8] {
    TABLES[table].map(|step| match depth {
        Depth::Eight => (base + step * multiplier).clamp(0, 255),
        Depth::Eleven if multiplier == 0 => (base * 8 + 4 + step).clamp(0, 2047),
        Depth::Eleven => (base * 8 + 4 + step * multiplier * 8).clamp(0, 2047),
    })
}

/// Decodes the 8 bytes of a block; texels are in rows.
pub(super) fn decode(block: [u8; 8], depth: Depth) -> [u16; 16] {
    let palette = palette(depth, block[0].into(), (block[1] >> 4).into(), usize::from(block[1] & 15));
    let bits = u64::from_be_bytes(block);
    std::array::from_fn(|at| {
        let column_first = at % 4 * 4 + at / 4;
        palette[(bits >> (45 - 3 * column_first) & 7) as usize] as u16
    })
}

/// Encodes values of the depth's range.
pub(super) fn encode(values: &[u16; 16], depth: Depth, effort: Effort) -> [u8; 8] {
    let values = values.map(i32::from);
    let (low, high) = values.iter().fold((i32::MAX, 0), |(low, high), &value| (low.min(value), high.max(value)));
    let scale = if depth == Depth::Eight { 1 } else { 8 };
    let mut best = Found { base: 0, multiplier: 0, table: 0, selectors: [0; 16], error: i64::MAX };
    if low == high && depth == Depth::Eight {
        // A multiplier of zero leaves the base alone.
        best.try_one(&values, depth, low, 0, 0);
        return best.pack();
    }
    let tables: &[usize] = if effort < Effort::FAST { &[0, 2, 5, 11, 13] } else { &ALL };
    let spread = match effort.at_most(4) {
        0..=1 => 0,
        2..=3 => 1,
        _ => 2,
    };
    for &table in tables {
        let steps = &TABLES[table];
        let (least, most) = (steps[3], steps[7]);
        let ideal = ((high - low) / scale + (most - least) / 2) / (most - least);
        for multiplier in (ideal - spread).max(0)..=(ideal + spread).min(15) {
            let reach = if multiplier == 0 && depth == Depth::Eleven { 1 } else { multiplier * scale };
            let middle = (low + high - (most + least) * reach) / 2;
            let base = if depth == Depth::Eight { middle } else { (middle - 4 + 4) / 8 };
            for base in (base - spread).max(0)..=(base + spread).min(255) {
                best.try_one(&values, depth, base, multiplier, table);
                if best.error == 0 {
                    return best.pack();
                }
            }
        }
    }
    if best.error == i64::MAX {
        best.try_one(&values, depth, ((low + high) / 2 / scale).clamp(0, 255), 0, 13);
    }
    best.pack()
}

const ALL: [usize; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

struct Found {
    base: i32,
    multiplier: i32,
    table: usize,
    selectors: [u8; 16],
    error: i64,
}

impl Found {
    fn try_one(&mut self, values: &[i32; 16], depth: Depth, base: i32, multiplier: i32, table: usize) {
        let palette = palette(depth, base, multiplier, table);
        let mut least = [i32::MAX; 16];
        let mut selectors = [0i32; 16];
        for (code, value) in palette.iter().enumerate() {
            for at in 0..16 {
                let off = (values[at] - value).pow(2);
                let nearer = off < least[at];
                least[at] = if nearer { off } else { least[at] };
                selectors[at] = if nearer { code as i32 } else { selectors[at] };
            }
        }
        let error = least.iter().map(|&off| i64::from(off)).sum();
        if error < self.error {
            let selectors = selectors.map(|code| code as u8);
            *self = Self { base, multiplier, table, selectors, error };
        }
    }

    fn pack(&self) -> [u8; 8] {
        let mut bits = (self.base as u64) << 56 | (self.multiplier as u64) << 52 | (self.table as u64) << 48;
        for (at, &selector) in self.selectors.iter().enumerate() {
            let column_first = at % 4 * 4 + at / 4;
            bits |= u64::from(selector) << (45 - 3 * column_first);
        }
        bits.to_be_bytes()
    }
}
