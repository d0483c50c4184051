//! BC1: two colours of 5, 6 and 5 bits, and two bits a texel between them. Khronos Data Format 1.3, section 19.1.

mod lanes;
mod quick;

pub(super) use quick::Strips;

use super::{
    Effort, Texels, line,
    narrow::{self, Row},
    wide::eights,
};
use crate::simd::{self, Kernel};

/// The greatest code of red, green and blue, and where it stands in a colour.
const MOST: [f32; 3] = [31.0, 63.0, 31.0];
const SHIFT: [u32; 3] = [11, 5, 0];

/// What a block may hold beside its colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// Every texel is opaque.
    None,
    /// Beside the block, as BC3's is: every block has four colours.
    Elsewhere,
    /// Texels below one half are transparent black, in blocks of three colours.
    Punched,
}

/// Decodes the 8 bytes; `four` makes every block one of four colours, as in BC3.
pub(super) fn decode(block: [u8; 8], four: bool) -> [[u8; 4]; 16] {
    let [first, second] = ends(block);
    let (palette, bits) = (palette(first, second, four || first > second), selectors(block));
    std::array::from_fn(|at| palette[(bits >> (2 * at) & 3) as usize])
}

#[inline(always)]
fn palette(first: u16, second: u16, four: bool) -> [[u8; 4]; 4] {
    let (a, b) = (split(first), split(second));
    // Of the exact fractions the nearest in 8 bits.
    let mix = |wa: u32, wb: u32| {
        let of = |at: usize, most: u32| {
            let whole = most * (wa + wb);
            (((wa * a[at] + wb * b[at]) * 510 + whole) / (2 * whole)) as u8
        };
        [of(0, 31), of(1, 63), of(2, 31), 255]
    };
    let (third, fourth) = if four { (mix(2, 1), mix(1, 2)) } else { (mix(1, 1), [0; 4]) };
    [mix(1, 0), mix(0, 1), third, fourth]
}

#[inline(always)]
fn split(color: u16) -> [u32; 3] {
    [color >> 11, color >> 5 & 63, color & 31].map(u32::from)
}

#[inline(always)]
fn quantize(color: [f32; 3]) -> u16 {
    let of = |value: f32, most: f32| (value.clamp(0.0, 255.0) * (most / 255.0) + 0.5) as u16;
    of(color[0], 31.0) << 11 | of(color[1], 63.0) << 5 | of(color[2], 31.0)
}

/// A block while it is searched: its two colours, whether it has four, its selectors and its squared error.
#[derive(Clone, Copy)]
struct Found {
    ends: [u16; 2],
    four: bool,
    selectors: [u8; 16],
    error: f32,
}

impl Found {
    #[inline(always)]
    fn bytes(&self) -> [u8; 8] {
        let word = self.selectors.iter().enumerate().fold(0u32, |bits, (at, &one)| bits | u32::from(one) << (2 * at));
        bytes(self.ends, word)
    }
}

/// Encodes opaque blocks of a row of these lines, with no effort or little.
pub(super) fn encode_quickly(lines: [Row<'_>; 4], effort: Effort, out: &mut [[u8; 8]]) {
    let refits = if effort < Effort::FASTEST { 0 } else { 2 };
    narrow::run(Strips { lines, refits, out });
}

/// Whether so much effort is for [`encode_quickly`].
pub(super) fn is_quick(effort: Effort) -> bool {
    effort < Effort::FAST
}

/// Encodes the colours of a row of blocks in 8 bytes each, from their texels, which are those of these lines.
pub(super) fn encode(
    texels: &[Texels],
    lines: [Row<'_>; 4],
    alpha: Alpha,
    effort: Effort,
    mut put: impl FnMut(usize, [u8; 8]),
) {
    let mut blocks = vec![[0; 8]; texels.len()];
    if is_quick(effort) {
        encode_quickly(lines, effort, &mut blocks);
    } else {
        for (first, eight) in eights(texels) {
            let packed = lanes::encode(&eight, effort);
            for ((out, ends), words) in blocks[first..].iter_mut().zip(packed.ends).zip(packed.words) {
                *out = (u64::from(words) << 32 | u64::from(ends)).to_le_bytes();
            }
        }
    }
    for (at, (block, texels)) in blocks.into_iter().zip(texels).enumerate() {
        let block = if alpha == Alpha::Punched { simd::run(Punched { texels, block, effort }) } else { block };
        put(at, block);
    }
}

/// The two colours of a block.
#[inline(always)]
fn ends(block: [u8; 8]) -> [u16; 2] {
    [u16::from_le_bytes([block[0], block[1]]), u16::from_le_bytes([block[2], block[3]])]
}

/// The selectors of a block, two bits a texel.
#[inline(always)]
fn selectors(block: [u8; 8]) -> u32 {
    u32::from_le_bytes([block[4], block[5], block[6], block[7]])
}

#[inline(always)]
fn bytes(ends: [u16; 2], selectors: u32) -> [u8; 8] {
    let ([a, b], [c, d]) = (ends[0].to_le_bytes(), ends[1].to_le_bytes());
    let [e, f, g, h] = selectors.to_le_bytes();
    [a, b, c, d, e, f, g, h]
}

/// The block that has the selectors of another, with the colours that fit them best; none where those aren't told apart.
pub(super) fn with_selectors(texels: &Texels, other: [u8; 8], alpha: Alpha) -> Option<[u8; 8]> {
    if !has_four(other, alpha) || has_holes(texels, alpha) {
        return None;
    }
    let bits = selectors(other);
    let mut squares = line::Squares::default();
    for (at, [r, g, b, _]) in texels.iter().enumerate() {
        let share = [0.0, 1.0, 1.0 / 3.0, 2.0 / 3.0][(bits >> (2 * at) & 3) as usize];
        squares.add([*r, *g, *b, 0].map(f32::from), share);
    }
    let block = bytes(squares.solve()?.map(|[r, g, b, _]| quantize([r, g, b])), bits);
    has_four(block, alpha).then_some(block)
}

/// The block that has the colours of another, with the selectors that fit best.
pub(super) fn with_ends(texels: &Texels, other: [u8; 8], alpha: Alpha) -> Option<[u8; 8]> {
    if !has_four(other, alpha) || has_holes(texels, alpha) {
        return None;
    }
    Some(Search::new(texels, 0).ramp(ends(other), true).bytes())
}

fn has_four(block: [u8; 8], alpha: Alpha) -> bool {
    let [first, second] = ends(block);
    alpha == Alpha::Elsewhere || first > second
}

fn has_holes(texels: &Texels, alpha: Alpha) -> bool {
    alpha == Alpha::Punched && holes(texels) != 0
}

/// Blocks of three colours, for those with holes, and for others where they are nearer than four.
struct Punched<'a> {
    texels: &'a Texels,
    /// With four colours.
    block: [u8; 8],
    effort: Effort,
}

impl Kernel for Punched<'_> {
    type Out = [u8; 8];

    #[inline(always)]
    fn run(self) -> [u8; 8] {
        let holes = holes(self.texels);
        if holes == u16::MAX {
            return bytes([0, 0], u32::MAX);
        }
        let search = Search::new(self.texels, holes);
        if holes == 0 {
            let four = search.ramp(ends(self.block), true);
            if self.effort < Effort::NORMAL || four.error == 0.0 {
                return self.block;
            }
            let three = search.ramp(search.ends_by_axis(), false);
            let three = search.ramp(search.refit(&three), false);
            return if three.error < four.error { pack(three) } else { self.block };
        }
        let mut best = search.ramp(search.ends_by_axis(), false);
        for _ in 0..1 + 2 * self.effort.at_most(4) {
            let next = search.ramp(search.refit(&best), false);
            if next.error >= best.error {
                break;
            }
            best = next;
        }
        if self.effort >= Effort::NORMAL && best.error > 0.0 {
            search.neighbors(&mut best, [0, 0, 1, 2, 4][self.effort.at_most(4)]);
        }
        pack(best)
    }
}

fn holes(texels: &Texels) -> u16 {
    texels.iter().enumerate().fold(0, |holes, (at, texel)| holes | u16::from(texel[3] < 128) << at)
}

/// A block of three colours: the first is no greater than the second.
fn pack(mut found: Found) -> [u8; 8] {
    if found.ends[0] > found.ends[1] {
        found.ends.swap(0, 1);
        let other: [u8; 4] = [1, 0, 2, 3];
        found.selectors.iter_mut().for_each(|selector| *selector = other[usize::from(*selector)]);
    }
    found.bytes()
}

/// The sum of products, in an order that fits vectors.
#[inline(always)]
fn dot(a: &[f32; 16], b: &[f32; 16]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|at| a[at] * b[at] + a[at + 8] * b[at + 8]);
    let four: [f32; 4] = std::array::from_fn(|at| eight[at] + eight[at + 4]);
    (four[0] + four[1]) + (four[2] + four[3])
}

struct Search {
    /// Red, green and blue of all texels.
    planes: [[f32; 16]; 3],
    points: [[f32; 4]; 16],
    holes: u16,
    count: usize,
}

impl Search {
    #[inline(always)]
    fn new(texels: &Texels, holes: u16) -> Self {
        let planes = std::array::from_fn(|channel| std::array::from_fn(|at| f32::from(texels[at][channel])));
        let mut points = [[0.0; 4]; 16];
        let mut count = 0;
        for (at, texel) in texels.iter().enumerate().take(16) {
            if holes >> at & 1 == 0 {
                points[count] = [f32::from(texel[0]), f32::from(texel[1]), f32::from(texel[2]), 0.0];
                count += 1;
            }
        }
        Self { planes, points, holes, count }
    }

    #[inline(always)]
    fn ends_by_axis(&self) -> [u16; 2] {
        let line = line::through(&self.points[..self.count]);
        let (low, high) = line.span(&self.points[..self.count]);
        // Drawn in by a sixteenth: the outermost texels are few.
        let inset = (high - low) / 16.0;
        [line.at(high - inset), line.at(low + inset)].map(|[r, g, b, _]| quantize([r, g, b]))
    }

    /// Picks the nearest colour for every texel.
    #[inline(always)]
    fn ramp(&self, ends: [u16; 2], four: bool) -> Found {
        let palette = palette(ends[0], ends[1], four);
        let colors = if four { 4 } else { 3 };
        // Squares of whole numbers below 2²⁴ are exact in floats, and are multiplied quicker.
        let mut best = [f32::MAX; 16];
        let mut selectors = [0i32; 16];
        for (code, color) in palette.iter().enumerate().take(colors) {
            let [r, g, b, _] = color.map(f32::from);
            for at in 0..16 {
                let (dr, dg, db) = (self.planes[0][at] - r, self.planes[1][at] - g, self.planes[2][at] - b);
                let error = dr * dr + dg * dg + db * db;
                let nearer = error < best[at];
                best[at] = if nearer { error } else { best[at] };
                selectors[at] = if nearer { code as i32 } else { selectors[at] };
            }
        }
        if self.holes != 0 {
            for at in (0..16).filter(|at| self.holes >> at & 1 == 1) {
                (selectors[at], best[at]) = (3, 0.0);
            }
        }
        let eight: [f32; 8] = std::array::from_fn(|at| best[at] + best[at + 8]);
        let four_sums: [f32; 4] = std::array::from_fn(|at| eight[at] + eight[at + 4]);
        let error = (four_sums[0] + four_sums[1]) + (four_sums[2] + four_sums[3]);
        Found { ends, four, selectors: selectors.map(|selector| selector as u8), error }
    }

    /// The colours that fit the selectors best, by least squares.
    #[inline(always)]
    fn refit(&self, found: &Found) -> [u16; 2] {
        let step = if found.four { [0.0, 1.0, 1.0 / 3.0, 2.0 / 3.0] } else { [0.0f32, 1.0, 0.5, 0.0] };
        let far: [f32; 16] = found.selectors.map(|selector| step[usize::from(selector & 3)]);
        let mut near: [f32; 16] = far.map(|share| 1.0 - share);
        let mut far = far;
        if self.holes != 0 {
            for at in (0..16).filter(|at| self.holes >> at & 1 == 1) {
                (near[at], far[at]) = (0.0, 0.0);
            }
        }
        let (mut nears, mut fars) = ([0.0; 4], [0.0; 4]);
        for channel in 0..3 {
            nears[channel] = dot(&near, &self.planes[channel]);
            fars[channel] = dot(&far, &self.planes[channel]);
        }
        let squares = line::Squares::of([dot(&near, &near), dot(&near, &far), dot(&far, &far)], nears, fars);
        squares.solve().map_or(found.ends, |ends| ends.map(|[r, g, b, _]| quantize([r, g, b])))
    }

    /// Steps every channel of both colours up and down for as long as that helps, a few times at most.
    #[inline(always)]
    fn neighbors(&self, best: &mut Found, rounds: usize) {
        for _ in 0..rounds {
            let before = best.error;
            for end in 0..2 {
                for (shift, most) in SHIFT.into_iter().zip(MOST.map(|most| most as u16)) {
                    for up in [true, false] {
                        let value = best.ends[end] >> shift & most;
                        if value == if up { most } else { 0 } {
                            continue;
                        }
                        let mut ends = best.ends;
                        ends[end] = if up { ends[end] + (1 << shift) } else { ends[end] - (1 << shift) };
                        let next = self.ramp(ends, best.four);
                        if next.error < best.error {
                            *best = next;
                        }
                    }
                }
            }
            if best.error == before {
                return;
            }
        }
    }
}
