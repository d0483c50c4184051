//! Where the bits of each mode's endpoints are.

use std::sync::LazyLock;

/// One of the fourteen modes.
pub(super) struct Layout {
    pub(super) code: u8,
    /// Bits of the mode itself: 2 or 5.
    pub(super) code_bits: u32,
    pub(super) subsets: usize,
    /// Whether all endpoints but the first are differences to it.
    pub(super) transformed: bool,
    /// Bits of the first endpoint.
    pub(super) bits: u32,
    /// Bits of the others, by channel.
    pub(super) deltas: [u32; 3],
    /// What each bit after the mode belongs to, in order.
    pub(super) fields: Vec<Field>,
}

/// One bit of one value.
pub(super) struct Field {
    /// 0 to 3, or 4 for the partition.
    pub(super) end: usize,
    pub(super) channel: usize,
    pub(super) bit: u32,
}

impl Layout {
    pub(super) fn is_of(&self, first: u8) -> bool {
        first & ((1 << self.code_bits) - 1) == self.code
    }

    pub(super) fn index_bits(&self) -> u32 {
        if self.subsets == 2 { 3 } else { 4 }
    }

    fn parse(code: u8, subsets: usize, transformed: bool, widths: [u32; 4], text: &str) -> Self {
        let mut fields = Vec::new();
        for word in text.split(' ') {
            let (name, range) = word.split_once(':').unwrap_or((word, "0"));
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            let (from, to): (u32, u32) = (from.parse().unwrap_or(0), to.parse().unwrap_or(0));
            let name = name.as_bytes();
            let (end, channel) = match name[0] {
                b'd' => (4, 0),
                letter => {
                    (usize::from(name[1] - b'0'), if letter == b'r' { 0 } else { usize::from(letter == b'b') + 1 })
                }
            };
            if from <= to {
                fields.extend((from..=to).map(|bit| Field { end, channel, bit }));
            } else {
                fields.extend((to..=from).rev().map(|bit| Field { end, channel, bit }));
            }
        }
        let [bits, r, g, b] = widths;
        Self { code, code_bits: if code < 2 { 2 } else { 5 }, subsets, transformed, bits, deltas: [r, g, b], fields }
    }
}

/// The modes; a word is the bits of one channel of one endpoint in the order in which they are written, `d` the partition.
pub(super) static LAYOUTS: LazyLock<[Layout; 14]> = LazyLock::new(|| {
    let two = |code, widths, text| Layout::parse(code, 2, true, widths, text);
    let one = |code, transformed, widths, text| Layout::parse(code, 1, transformed, widths, text);
    [
        two(
            0,
            [10, 5, 5, 5],
            "g2:4 b2:4 b3:4 r0:0-9 g0:0-9 b0:0-9 r1:0-4 g3:4 g2:0-3 g1:0-4 b3:0 g3:0-3 b1:0-4 b3:1 b2:0-3 r2:0-4 b3:2 r3:0-4 b3:3 d:0-4",
        ),
        two(
            1,
            [7, 6, 6, 6],
            "g2:5 g3:4 g3:5 r0:0-6 b3:0 b3:1 b2:4 g0:0-6 b2:5 b3:2 g2:4 b0:0-6 b3:3 b3:5 b3:4 r1:0-5 g2:0-3 g1:0-5 g3:0-3 b1:0-5 b2:0-3 r2:0-5 r3:0-5 d:0-4",
        ),
        two(
            2,
            [11, 5, 4, 4],
            "r0:0-9 g0:0-9 b0:0-9 r1:0-4 r0:10 g2:0-3 g1:0-3 g0:10 b3:0 g3:0-3 b1:0-3 b0:10 b3:1 b2:0-3 r2:0-4 b3:2 r3:0-4 b3:3 d:0-4",
        ),
        two(
            6,
            [11, 4, 5, 4],
            "r0:0-9 g0:0-9 b0:0-9 r1:0-3 r0:10 g3:4 g2:0-3 g1:0-4 g0:10 g3:0-3 b1:0-3 b0:10 b3:1 b2:0-3 r2:0-3 b3:0 b3:2 r3:0-3 g2:4 b3:3 d:0-4",
        ),
        two(
            10,
            [11, 4, 4, 5],
            "r0:0-9 g0:0-9 b0:0-9 r1:0-3 r0:10 b2:4 g2:0-3 g1:0-3 g0:10 b3:0 g3:0-3 b1:0-4 b0:10 b2:0-3 r2:0-3 b3:1 b3:2 r3:0-3 b3:4 b3:3 d:0-4",
        ),
        two(
            14,
            [9, 5, 5, 5],
            "r0:0-8 b2:4 g0:0-8 g2:4 b0:0-8 b3:4 r1:0-4 g3:4 g2:0-3 g1:0-4 b3:0 g3:0-3 b1:0-4 b3:1 b2:0-3 r2:0-4 b3:2 r3:0-4 b3:3 d:0-4",
        ),
        two(
            18,
            [8, 6, 5, 5],
            "r0:0-7 g3:4 b2:4 g0:0-7 b3:2 g2:4 b0:0-7 b3:3 b3:4 r1:0-5 g2:0-3 g1:0-4 b3:0 g3:0-3 b1:0-4 b3:1 b2:0-3 r2:0-5 r3:0-5 d:0-4",
        ),
        two(
            22,
            [8, 5, 6, 5],
            "r0:0-7 b3:0 b2:4 g0:0-7 g2:5 g2:4 b0:0-7 g3:5 b3:4 r1:0-4 g3:4 g2:0-3 g1:0-5 g3:0-3 b1:0-4 b3:1 b2:0-3 r2:0-4 b3:2 r3:0-4 b3:3 d:0-4",
        ),
        two(
            26,
            [8, 5, 5, 6],
            "r0:0-7 b3:1 b2:4 g0:0-7 b2:5 g2:4 b0:0-7 b3:5 b3:4 r1:0-4 g3:4 g2:0-3 g1:0-4 b3:0 g3:0-3 b1:0-5 b2:0-3 r2:0-4 b3:2 r3:0-4 b3:3 d:0-4",
        ),
        Layout::parse(
            30,
            2,
            false,
            [6, 6, 6, 6],
            "r0:0-5 g3:4 b3:0 b3:1 b2:4 g0:0-5 g2:5 b2:5 b3:2 g2:4 b0:0-5 g3:5 b3:3 b3:5 b3:4 r1:0-5 g2:0-3 g1:0-5 g3:0-3 b1:0-5 b2:0-3 r2:0-5 r3:0-5 d:0-4",
        ),
        one(3, false, [10, 10, 10, 10], "r0:0-9 g0:0-9 b0:0-9 r1:0-9 g1:0-9 b1:0-9"),
        one(7, true, [11, 9, 9, 9], "r0:0-9 g0:0-9 b0:0-9 r1:0-8 r0:10 g1:0-8 g0:10 b1:0-8 b0:10"),
        one(11, true, [12, 8, 8, 8], "r0:0-9 g0:0-9 b0:0-9 r1:0-7 r0:11-10 g1:0-7 g0:11-10 b1:0-7 b0:11-10"),
        one(15, true, [16, 4, 4, 4], "r0:0-9 g0:0-9 b0:0-9 r1:0-3 r0:15-10 g1:0-3 g0:15-10 b1:0-3 b0:15-10"),
    ]
});
