//! Chooses the mode of a block: two halves of one colour each, in either direction, a plane, or two painted colours. Blocks
//! that may have holes are looked at one by one, the others eight side by side.

use super::{Alpha, TABLES, lanes, paint, search, steps, widen_5};
use crate::{
    simd::{self, Kernel},
    texture::block::{
        Effort, Texels,
        wide::{Eight, LANES, Wide, eights},
    },
};

/// One half of a block: its colour's code, and what fits it best.
#[derive(Clone, Copy)]
struct Half {
    code: [i32; 3],
    table: usize,
    /// In the order of the half's texels.
    selectors: [u8; 8],
    error: i32,
}

const NONE: Half = Half { code: [0; 3], table: 0, selectors: [0; 8], error: i32::MAX };

/// Encodes the colours of blocks in 8 bytes each.
pub(crate) fn encode(texels: &[Texels], alpha: Alpha, effort: Effort, mut put: impl FnMut(usize, [u8; 8])) {
    if alpha == Alpha::Punched {
        texels.iter().enumerate().for_each(|(at, texels)| put(at, encode_punched(texels, effort)));
        return;
    }
    for (first, eight) in eights(texels) {
        let blocks = if effort >= Effort::NORMAL {
            search::Search { texels: &eight, effort }.run().map(|(bits, _)| bits)
        } else {
            quick(&eight, effort)
        };
        (first..texels.len()).zip(blocks).for_each(|(at, bits)| put(at, bits.to_be_bytes()));
    }
}

fn quick(eight: &Eight<'_>, effort: Effort) -> [u64; LANES] {
    let mut blocks = simd::run(lanes::Encode { texels: eight, effort });
    for ((bits, error), texels) in blocks.iter_mut().zip(eight) {
        if *error as i32 > pairs_from(effort) {
            let pairs = paint::encode_pairs(&colors(texels), u16::MAX, false, effort);
            *bits = if (pairs.error as f32) < *error { pairs.bits } else { *bits };
        }
    }
    blocks.map(|(bits, _)| bits)
}

fn colors(texels: &Texels) -> [[i32; 3]; 16] {
    texels.map(|[r, g, b, _]| [r, g, b].map(i32::from))
}

/// Two colours that differ in more than lightness cost so much that from this error on even the quick ones look for them.
fn pairs_from(effort: Effort) -> i32 {
    [i32::MAX, 4_000, 16, 16, 16][effort.at_most(4)]
}

fn encode_punched(texels: &Texels, effort: Effort) -> [u8; 8] {
    let colors = colors(texels);
    let alive = (0..16).filter(|&at| texels[at][3] >= 128).fold(0, |alive, at| alive | 1 << at);
    let search = Search { colors: &colors, alive, effort };
    let (mut bits, mut error) = search.halves();
    if alive == u16::MAX && error > 0 {
        let plane = paint::encode_plane(&colors, effort);
        if plane.error < error {
            (bits, error) = (plane.bits, plane.error);
        }
    }
    if error > pairs_from(effort) {
        let pairs = paint::encode_pairs(&colors, alive, true, effort);
        if pairs.error < error {
            bits = pairs.bits;
        }
    }
    bits.to_be_bytes()
}

struct Search<'a> {
    colors: &'a [[i32; 3]; 16],
    alive: u16,
    effort: Effort,
}

/// The texels of each half: by column of the block where it isn't flipped, else by row.
const HALVES: [[[usize; 8]; 2]; 2] = [
    [[0, 4, 8, 12, 1, 5, 9, 13], [2, 6, 10, 14, 3, 7, 11, 15]],
    [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14, 15]],
];

impl Search<'_> {
    fn holes(&self) -> bool {
        self.alive != u16::MAX
    }

    /// The best block of two halves, and its error.
    fn halves(&self) -> (u64, i32) {
        let (mut bits, mut least) = (0, i32::MAX);
        let mut flips = [0, 1];
        if self.effort < Effort::FAST {
            // The direction in which the halves differ less from their means.
            let cost = [0, 1].map(|flip: usize| HALVES[flip].iter().map(|half| self.spread(half)).sum::<i64>());
            flips = if cost[1] < cost[0] { [1, 1] } else { [0, 0] };
        }
        for flip in flips[0]..=flips[1] {
            let both = HALVES[flip];
            let fine = both.map(|half| self.half(&half, None));
            let first = fine[0].code;
            let near = |code: [i32; 3]| (0..3).all(|c| (-4..=3).contains(&(code[c] - first[c])));
            let mut second = fine[1];
            if !near(second.code) {
                second = self.half(&both[1], Some(first));
                let other = self.half(&both[0], Some(fine[1].code.map(|value| value + 1)));
                let turned: [i32; 3] = std::array::from_fn(|c| fine[1].code[c] - other.code[c]);
                let fits = turned.iter().all(|value| (-4..=3).contains(value));
                if fits && sum(other.error, fine[1].error) < sum(fine[0].error, second.error) {
                    self.take(&mut bits, &mut least, flip, [other, fine[1]]);
                }
            }
            self.take(&mut bits, &mut least, flip, [fine[0], second]);
        }
        (bits, least)
    }

    fn take(&self, bits: &mut u64, least: &mut i32, flip: usize, halves: [Half; 2]) {
        let error = sum(halves[0].error, halves[1].error);
        if error < *least {
            *least = error;
            *bits = self.pack(flip, halves);
        }
    }

    /// The sum of squared distances of a half's texels to their mean, by eight.
    fn spread(&self, half: &[usize; 8]) -> i64 {
        (0..3)
            .map(|channel| {
                let (sum, squares) = half.iter().fold((0i64, 0i64), |(sum, squares), &at| {
                    let value = i64::from(self.colors[at][channel]);
                    (sum + value, squares + value * value)
                });
                8 * squares - sum * sum
            })
            .sum()
    }

    /// The best colour of a half in five bits; `near` keeps it in reach of a difference to another.
    fn half(&self, half: &[usize; 8], near: Option<[i32; 3]>) -> Half {
        let texels: [[i32; 3]; 8] = std::array::from_fn(|at| self.colors[half[at]]);
        let there: [bool; 8] = std::array::from_fn(|at| self.alive >> half[at] & 1 == 1);
        let count = there.iter().filter(|&&there| there).count() as i32;
        if count == 0 {
            return Half { code: near.unwrap_or([0; 3]), selectors: [2; 8], error: 0, ..NONE };
        }
        let mean: [i32; 3] = std::array::from_fn(|channel| {
            let sum: i32 = (0..8).filter(|&at| there[at]).map(|at| texels[at][channel]).sum();
            (sum * 16 + count / 2) / count
        });
        // A mean in sixteenths, to the nearest code that may be written.
        let code = |mean: [i32; 3]| -> [i32; 3] {
            std::array::from_fn(|channel| {
                let code = (mean[channel].clamp(0, 4080) * 31 + 2040) / 4080;
                match near {
                    Some(first) => code.clamp((first[channel] - 4).max(0), (first[channel] + 3).min(31)),
                    None => code,
                }
            })
        };
        let first = code(mean);
        let mut best = self.fit(&texels, &there, first);
        for _ in 0..match self.effort.at_most(4) {
            0 => 0,
            1 => 1,
            _ => 2,
        } {
            // Where the texels would have their mean once the steps are taken away.
            let steps = steps(best.table, self.holes());
            let off: i32 = (0..8).filter(|&at| there[at]).map(|at| steps[usize::from(best.selectors[at])]).sum();
            let next = code(mean.map(|value| value - off * 16 / count));
            if next == best.code {
                break;
            }
            let next = self.fit(&texels, &there, next);
            if next.error >= best.error {
                break;
            }
            best = next;
        }
        if self.effort >= Effort::HIGH {
            self.around(&texels, &there, near, &mut best);
        }
        best
    }

    /// Steps the colour's channels up and down for as long as that helps.
    fn around(&self, texels: &[[i32; 3]; 8], there: &[bool; 8], near: Option<[i32; 3]>, best: &mut Half) {
        for _ in 0..if self.effort >= Effort::BEST { 6 } else { 2 } {
            let before = best.error;
            for channel in 0..4 {
                for step in [-1, 1] {
                    let mut code = best.code;
                    for (at, value) in code.iter_mut().enumerate() {
                        // At last all three together: the lightness.
                        *value += if channel == 3 || at == channel { step } else { 0 };
                    }
                    let inside = |at: usize| {
                        let reach = near.is_none_or(|first| (-4..=3).contains(&(code[at] - first[at])));
                        (0..=31).contains(&code[at]) && reach
                    };
                    if (0..3).all(inside) {
                        let next = self.fit(texels, there, code);
                        *best = if next.error < best.error { next } else { *best };
                    }
                }
            }
            if best.error == before {
                return;
            }
        }
    }

    /// The best table for a colour, with the selectors that are nearest by lightness and the exact error.
    #[inline]
    fn fit(&self, texels: &[[i32; 3]; 8], there: &[bool; 8], code: [i32; 3]) -> Half {
        let color = code.map(widen_5);
        let (table, error) = simd::run(FitTables { texels, there, color, holes: self.holes() });
        let [small, large] = stepped(table, self.holes());
        let mut best = Half { code, table, error, ..NONE };
        for at in 0..8 {
            let sum: i32 = (0..3).map(|channel| texels[at][channel] - color[channel]).sum();
            // Three times the middle between the steps, doubled.
            let is_large = u8::from(2 * sum.abs() >= 3 * (small + large));
            best.selectors[at] = match there[at] {
                false => 2,
                // A step of zero has no sign.
                true if sum < 0 && (is_large == 1 || small > 0) => 2 | is_large,
                true => is_large,
            };
        }
        best
    }

    fn pack(&self, flip: usize, halves: [Half; 2]) -> u64 {
        let mut bits = (halves[0].table as u64) << 37 | (halves[1].table as u64) << 34 | (flip as u64) << 32;
        for channel in 0..3 {
            let (a, b) = (halves[0].code[channel] as u64, halves[1].code[channel]);
            let low = 56 - 8 * channel as u32;
            bits |= a << (low + 3) | ((b - halves[0].code[channel]) as u64 & 7) << low;
        }
        // "No holes".
        bits |= u64::from(!self.holes()) << 33;
        for (half, texels) in halves.iter().zip(&HALVES[flip]) {
            for (&selector, &at) in half.selectors.iter().zip(texels) {
                let column_first = at % 4 * 4 + at / 4;
                let selector = u64::from(selector);
                bits |= (selector & 1) << column_first | (selector >> 1) << (16 + column_first);
            }
        }
        bits
    }
}

/// The two steps of a table; with holes the smaller one is zero.
fn stepped(table: usize, has_holes: bool) -> [i32; 2] {
    let [small, large] = TABLES[table];
    if has_holes { [0, large] } else { [small, large] }
}

/// All tables for one colour, side by side: the first of those with the least error, and that.
struct FitTables<'a> {
    texels: &'a [[i32; 3]; 8],
    there: &'a [bool; 8],
    color: [i32; 3],
    holes: bool,
}

impl Kernel for FitTables<'_> {
    type Out = (usize, i32);

    #[inline(always)]
    fn run(self) -> (usize, i32) {
        const _: () = assert!(TABLES.len() == LANES, "a lane for each table");
        let (mut small, mut large) = (Wide::default(), Wide::default());
        for table in 0..LANES {
            small.0[table] = if self.holes { 0.0 } else { TABLES[table][0] as f32 };
            large.0[table] = TABLES[table][1] as f32;
        }
        let middle = (small + large) * Wide::splat(3.0);
        let color = self.color.map(|value| value as f32);
        // Squares of whole numbers below 2²⁴ are exact in floats.
        let mut errors = Wide::default();
        for at in 0..8 {
            if !self.there[at] {
                continue;
            }
            let texel = self.texels[at].map(|value| value as f32);
            let sum = (texel[0] - color[0]) + (texel[1] - color[1]) + (texel[2] - color[2]);
            let size = Wide::splat(2.0 * sum.abs()).less(middle, small, large);
            let step = size * Wide::splat(if sum < 0.0 { -1.0 } else { 1.0 });
            for channel in 0..3 {
                let value = (Wide::splat(color[channel]) + step).held(Wide::splat(255.0));
                let off = Wide::splat(texel[channel]) - value;
                errors = errors + off * off;
            }
        }
        let (table, error) = errors.least();
        (table, error as i32)
    }
}

fn sum(a: i32, b: i32) -> i32 {
    a.saturating_add(b)
}
