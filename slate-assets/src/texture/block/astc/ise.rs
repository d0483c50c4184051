//! Integer sequences: values of a range that is a power of two, three times or five times one. Section 23.12.

use std::sync::LazyLock;

/// Where the bits of a block are read from: place and count.
pub(super) type Bits<'a> = &'a dyn Fn(u32) -> u32;

/// A range of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::texture::block) struct Range {
    /// How many values there are.
    pub(in crate::texture::block) levels: u32,
    /// Bits of each value.
    pub(in crate::texture::block) bits: u32,
    pub(in crate::texture::block) kind: Kind,
}

/// What a value has beside its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::texture::block) enum Kind {
    Bits,
    Trits,
    Quints,
}

/// All ranges, smallest first.
pub(in crate::texture::block) const RANGES: [Range; 21] = [
    range(2, 1, Kind::Bits),
    range(3, 0, Kind::Trits),
    range(4, 2, Kind::Bits),
    range(5, 0, Kind::Quints),
    range(6, 1, Kind::Trits),
    range(8, 3, Kind::Bits),
    range(10, 1, Kind::Quints),
    range(12, 2, Kind::Trits),
    range(16, 4, Kind::Bits),
    range(20, 2, Kind::Quints),
    range(24, 3, Kind::Trits),
    range(32, 5, Kind::Bits),
    range(40, 3, Kind::Quints),
    range(48, 4, Kind::Trits),
    range(64, 6, Kind::Bits),
    range(80, 4, Kind::Quints),
    range(96, 5, Kind::Trits),
    range(128, 7, Kind::Bits),
    range(160, 5, Kind::Quints),
    range(192, 6, Kind::Trits),
    range(256, 8, Kind::Bits),
];

const fn range(levels: u32, bits: u32, kind: Kind) -> Range {
    Range { levels, bits, kind }
}

impl Range {
    /// Bits of a sequence of `count` values.
    pub(super) fn length(self, count: u32) -> u32 {
        count * self.bits
            + match self.kind {
                Kind::Bits => 0,
                Kind::Trits => (count * 8).div_ceil(5),
                Kind::Quints => (count * 7).div_ceil(3),
            }
    }

    /// The place in [`RANGES`] of the widest range of which `count` values fit in `room` bits.
    pub(super) fn widest(count: u32, room: u32) -> Option<usize> {
        (0..RANGES.len()).rev().find(|&at| RANGES[at].length(count) <= room)
    }

    /// Reads `count` values, which begin at bit `start`; `bit` gives one bit.
    pub(super) fn read(self, bit: Bits<'_>, start: u32, count: usize, out: &mut [u8]) {
        let end = start + self.length(count as u32);
        let mut at = start;
        let mut take = |bits: u32| {
            let mut value = 0;
            for place in 0..bits {
                // What the sequence's length cuts off is zero.
                value |= if at + place < end { bit(at + place) << place } else { 0 };
            }
            at += bits;
            value
        };
        let (group, shape) = self.group();
        for chunk in out[..count].chunks_mut(group) {
            let mut low = [0u32; 5];
            let (mut packed, mut place) = (0, 0);
            for at in 0..group {
                low[at] = take(self.bits);
                packed |= take(shape[at]) << place;
                place += shape[at];
            }
            for (at, out) in chunk.iter_mut().enumerate() {
                let digit = match self.kind {
                    Kind::Bits => 0,
                    Kind::Trits => TRITS[packed as usize][at],
                    Kind::Quints => QUINTS[packed as usize][at],
                };
                *out = (u32::from(digit) << self.bits | low[at]) as u8;
            }
        }
    }

    /// The values as bits from the lowest.
    pub(super) fn write(self, values: &[u8]) -> u128 {
        let (mut out, mut at) = (0u128, 0);
        let (group, shape) = self.group();
        let mask = (1u32 << self.bits) - 1;
        let length = self.length(values.len() as u32);
        for chunk in values.chunks(group) {
            let mut digits = [0usize; 5];
            for (digit, &value) in digits.iter_mut().zip(chunk) {
                *digit = usize::from(value) >> self.bits;
            }
            let mut packed = match self.kind {
                Kind::Bits => 0,
                Kind::Trits => FROM_TRITS[digits.iter().rev().fold(0, |all, digit| all * 3 + digit)],
                Kind::Quints => FROM_QUINTS[digits[..3].iter().rev().fold(0, |all, digit| all * 5 + digit)],
            };
            for place in 0..group {
                let low = u32::from(chunk.get(place).copied().unwrap_or(0)) & mask;
                if at < 128 {
                    out |= u128::from(low) << at;
                }
                at += self.bits;
                if at < 128 {
                    out |= u128::from(packed & ((1 << shape[place]) - 1)) << at;
                }
                at += shape[place];
                packed >>= shape[place];
            }
        }
        if length >= 128 { out } else { out & ((1 << length) - 1) }
    }

    /// How many values share their digits, and how many bits of those follow each value's own.
    fn group(self) -> (usize, [u32; 5]) {
        match self.kind {
            Kind::Bits => (1, [0; 5]),
            Kind::Trits => (5, [2, 2, 1, 2, 1]),
            Kind::Quints => (3, [3, 2, 2, 0, 0]),
        }
    }
}

/// Five trits of each 8 bits.
static TRITS: LazyLock<[[u8; 5]; 256]> = LazyLock::new(|| std::array::from_fn(|packed| trits(packed as u32)));
/// Three quints of each 7 bits.
static QUINTS: LazyLock<[[u8; 3]; 128]> = LazyLock::new(|| std::array::from_fn(|packed| quints(packed as u32)));

/// The least 8 bits of five trits, so that what follows the last value is zero.
static FROM_TRITS: LazyLock<[u32; 243]> = LazyLock::new(|| {
    let mut table = [0; 243];
    for packed in (0..256).rev() {
        let at = TRITS[packed].iter().rev().fold(0, |all, &trit| all * 3 + usize::from(trit));
        table[at] = packed as u32;
    }
    table
});
static FROM_QUINTS: LazyLock<[u32; 125]> = LazyLock::new(|| {
    let mut table = [0; 125];
    for packed in (0..128).rev() {
        let at = QUINTS[packed].iter().rev().fold(0, |all, &quint| all * 5 + usize::from(quint));
        table[at] = packed as u32;
    }
    table
});

fn trits(t: u32) -> [u8; 5] {
    let bit = |value: u32, at: u32| value >> at & 1;
    let (c, t4, t3);
    if t >> 2 & 7 == 7 {
        (c, t4, t3) = ((t >> 5 & 7) << 2 | t & 3, 2, 2);
    } else {
        c = t & 31;
        (t4, t3) = if t >> 5 & 3 == 3 { (2, bit(t, 7)) } else { (bit(t, 7), t >> 5 & 3) };
    }
    let (t2, t1, t0);
    if c & 3 == 3 {
        (t2, t1, t0) = (2, bit(c, 4), bit(c, 3) << 1 | bit(c, 2) & (1 - bit(c, 3)));
    } else if c >> 2 & 3 == 3 {
        (t2, t1, t0) = (2, 2, c & 3);
    } else {
        (t2, t1, t0) = (bit(c, 4), c >> 2 & 3, bit(c, 1) << 1 | bit(c, 0) & (1 - bit(c, 1)));
    }
    [t0, t1, t2, t3, t4].map(|trit| trit as u8)
}

fn quints(q: u32) -> [u8; 3] {
    let bit = |value: u32, at: u32| value >> at & 1;
    let (q2, q1, q0);
    if q >> 1 & 3 == 3 && q >> 5 & 3 == 0 {
        let low = bit(q, 0);
        q2 = low << 2 | (bit(q, 4) & (1 - low)) << 1 | bit(q, 3) & (1 - low);
        (q1, q0) = (4, 4);
    } else {
        let c;
        if q >> 1 & 3 == 3 {
            (q2, c) = (4, (q >> 3 & 3) << 3 | (!q >> 5 & 3) << 1 | bit(q, 0));
        } else {
            (q2, c) = (q >> 5 & 3, q & 31);
        }
        (q1, q0) = if c & 7 == 5 { (4, c >> 3 & 3) } else { (c >> 3 & 3, c & 7) };
    }
    [q0, q1, q2].map(|quint| quint as u8)
}

/// By range, then value: the 8 bits of a colour. Section 23.13.
pub(in crate::texture::block) static COLORS: LazyLock<[[u8; 256]; 21]> = LazyLock::new(|| {
    std::array::from_fn(|at| {
        std::array::from_fn(|value| {
            if (value as u32) < RANGES[at].levels { widen_color(RANGES[at], value as u32) as u8 } else { 0 }
        })
    })
});

/// By range, then 8 bits: the value whose colour is nearest.
pub(super) static NEAREST: LazyLock<[[u8; 256]; 21]> = LazyLock::new(|| {
    std::array::from_fn(|at| {
        std::array::from_fn(|wanted| {
            let off = |value: u32| (i32::from(COLORS[at][value as usize]) - wanted as i32).abs();
            (0..RANGES[at].levels).min_by_key(|&value| off(value)).unwrap_or(0) as u8
        })
    })
});

fn widen_color(range: Range, value: u32) -> u32 {
    let (low, digit) = (value & ((1 << range.bits) - 1), value >> range.bits);
    let bit = |at: u32| low >> at & 1;
    if range.kind == Kind::Bits {
        return repeat(value, range.bits, 8);
    }
    // The bits above the lowest, spread as the tables of the section say, and the step of a digit.
    let (b, c) = match (range.kind, range.bits) {
        (Kind::Trits, 1) => (0, 204),
        (Kind::Quints, 1) => (0, 113),
        (Kind::Trits, 2) => (bit(1) * 0b1_0001_0110, 93),
        (Kind::Quints, 2) => (bit(1) * 0b1_0000_1100, 54),
        (Kind::Trits, 3) => ((low >> 1) << 7 | (low >> 1) << 2 | low >> 1, 44),
        (Kind::Quints, 3) => ((low >> 1) << 7 | (low >> 1) << 1 | bit(2), 26),
        (Kind::Trits, 4) => ((low >> 1) << 6 | low >> 1, 22),
        (Kind::Quints, 4) => ((low >> 1) << 6 | low >> 2, 13),
        (Kind::Trits, 5) => ((low >> 1) << 5 | low >> 3, 11),
        (Kind::Quints, 5) => ((low >> 1) << 5 | bit(4), 6),
        (Kind::Trits, 6) => ((low >> 1) << 4 | bit(5), 5),
        // Without bits there are three and five values only; no colour has so few.
        _ => (0, 0),
    };
    let a = bit(0) * 0x1FF;
    let t = (digit * c + b) ^ a;
    a & 0x80 | t >> 2
}

/// Widens a weight to 0 to 64. Section 23.14.
pub(in crate::texture::block) fn weight(range: Range, value: u32) -> u32 {
    let (low, digit) = (value & ((1 << range.bits) - 1), value >> range.bits);
    let wide = match (range.kind, range.bits) {
        (Kind::Bits, bits) => repeat(value, bits, 6),
        (Kind::Trits, 0) => [0, 32, 63][digit as usize],
        (Kind::Quints, 0) => [0, 16, 32, 47, 63][digit as usize],
        (kind, bits) => {
            let b = match (kind, bits) {
                (_, 1) => 0,
                (Kind::Trits, 2) => (low >> 1) * 0b100_0101,
                (Kind::Trits, _) => (low >> 1) << 5 | low >> 1,
                _ => (low >> 1) * 0b100_0010,
            };
            let c = match (kind, bits) {
                (Kind::Trits, 1) => 50,
                (Kind::Quints, 1) => 28,
                (Kind::Trits, 2) => 23,
                (Kind::Quints, 2) => 13,
                _ => 11,
            };
            let a = (low & 1) * 0x7F;
            let t = (digit * c + b) ^ a;
            a & 0x20 | t >> 2
        }
    };
    wide + u32::from(wide > 32)
}

/// Fills `to` bits with a value of `from` bits, repeated from the top.
fn repeat(value: u32, from: u32, to: u32) -> u32 {
    let (mut out, mut at) = (0, to as i32);
    while at > 0 {
        at -= from as i32;
        out |= if at >= 0 { value << at } else { value >> -at };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_come_back() {
        let mut seed = 1u32;
        for range in RANGES {
            for count in 1..=18u32.min(128 / range.bits.max(1)) {
                if range.length(count) > 128 {
                    continue;
                }
                let values: Vec<u8> = (0..count)
                    .map(|_| {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        ((seed >> 8) % range.levels) as u8
                    })
                    .collect();
                let bits = range.write(&values);
                let mut out = vec![0; values.len()];
                range.read(&|at| (bits >> at) as u32 & 1, 0, values.len(), &mut out);
                assert_eq!(out, values, "{range:?}");
            }
        }
    }

    #[test]
    fn the_ends_of_every_range_are_the_ends_of_what_it_widens_to() {
        for (at, range) in RANGES.iter().enumerate() {
            let all = |of: &dyn Fn(u32) -> u32| {
                let values: Vec<u32> = (0..range.levels).map(of).collect();
                (values.iter().min().copied(), values.iter().max().copied())
            };
            if at >= 4 {
                assert_eq!(all(&|value| COLORS[at][value as usize].into()), (Some(0), Some(255)), "{range:?}");
            }
            if at <= 11 {
                assert_eq!(all(&|value| weight(*range, value)), (Some(0), Some(64)), "{range:?}");
            }
        }
    }
}
