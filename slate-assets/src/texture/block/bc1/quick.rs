//! Opaque blocks of four colours, many side by side in whole numbers, without a look at what comes out.

use super::{MOST, SHIFT};
use crate::texture::block::narrow::{Kernel, Lanes, MOST_BLOCKS, Row, strip_of};

/// The strips of a row of blocks, each of as many as there are lanes.
pub(in super::super) struct Strips<'a> {
    pub(in super::super) lines: [Row<'a>; 4],
    /// How often colours are fitted to what the texels are of the way between them.
    pub(in super::super) refits: usize,
    pub(in super::super) out: &'a mut [[u8; 8]],
}

impl Kernel for Strips<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        // Those that don't stick out.
        let whole = self.lines[0].len() / 4 / L::BLOCKS * L::BLOCKS;
        let (strips, rest) = self.out.split_at_mut(whole);
        for (at, strip) in strips.chunks_exact_mut(L::BLOCKS).enumerate() {
            let lines = self.lines.map(|line| &line[at * L::BLOCKS * 4..][..L::BLOCKS * 4]);
            encode::<L>(lines, self.refits, strip);
        }
        if !rest.is_empty() {
            let mut blocks = [[0; 8]; MOST_BLOCKS];
            let [a, b, c, d] = &strip_of(self.lines, whole);
            encode::<L>([a, b, c, d], self.refits, &mut blocks);
            rest.copy_from_slice(&blocks[..rest.len()]);
        }
    }
}

/// The rows of texels, by channel.
type Rows<L> = [[<L as Lanes>::Bytes; 4]; 4];

/// Two colours, in codes of 5, 6 and 5 bits.
type Codes<L> = [[<L as Lanes>::Words; 3]; 2];

// No closures, and no `map` below: what isn't inlined always isn't compiled for the machine that the lanes are of.

#[inline(always)]
fn encode<L: Lanes>(lines: [Row<'_>; 4], refits: usize, out: &mut [[u8; 8]]) {
    let rows = [L::row(lines[0]), L::row(lines[1]), L::row(lines[2]), L::row(lines[3])];
    let mut codes = corners::<L>(&rows);
    let mut thirds = nearest::<L>(&rows, &codes);
    for _ in 0..refits {
        codes = fitted::<L>(&rows, &thirds);
        thirds = nearest::<L>(&rows, &codes);
    }
    L::bc1(color::<L>(&codes[0]), color::<L>(&codes[1]), &thirds, out);
}

/// A colour as it is written.
#[inline(always)]
fn color<L: Lanes>(codes: &[L::Words; 3]) -> L::Words {
    let red = L::mul(codes[0], L::word((1u16 << SHIFT[0]) as i16));
    let green = L::mul(codes[1], L::word(1 << SHIFT[1]));
    L::add(L::add(red, green), codes[2])
}

/// A share as [`Lanes::part`] takes it.
const fn share(of: f64) -> i16 {
    (of * 32768.0 + 0.5) as i16
}

/// The corners of the texels' range between which they lie.
#[inline(always)]
fn corners<L: Lanes>(rows: &Rows<L>) -> Codes<L> {
    let (mut low, mut high, mut middle) = ([L::word(0); 3], [L::word(0); 3], [L::word(0); 3]);
    for c in 0..3 {
        let [a, b, d, e] = [rows[0][c], rows[1][c], rows[2][c], rows[3][c]];
        low[c] = L::least(L::min(L::min(a, b), L::min(d, e)));
        high[c] = L::most(L::max(L::max(a, b), L::max(d, e)));
        middle[c] = L::part(L::add(low[c], high[c]), L::word(share(0.5)));
    }
    let mut codes = [low, high];
    for c in 0..3 {
        // Drawn in by a twelfth or so: the outermost texels are few.
        let inset = L::part(L::sub(high[c], low[c]), L::word(share(5.0 / 64.0)));
        let unit = L::word(share(MOST[c] as f64 / 255.0));
        codes[0][c] = L::part(L::add(low[c], inset), unit);
        codes[1][c] = L::part(L::sub(high[c], inset), unit);
    }
    for c in [0, 2] {
        // Whether red or blue rises where green does, which half of the texels tell.
        let upper = L::products(L::beyond(rows[0][c], middle[c]), L::beyond(rows[0][1], middle[1]));
        let lower = L::products(L::beyond(rows[2][c], middle[c]), L::beyond(rows[2][1], middle[1]));
        let rises = L::both(L::held_sum(upper, lower));
        let (first, second) = (codes[0][c], codes[1][c]);
        codes[0][c] = L::falls(rises, second, first);
        codes[1][c] = L::falls(rises, first, second);
    }
    codes
}

/// How many thirds of the way from the first colour each texel is nearest to.
#[inline(always)]
fn nearest<L: Lanes>(rows: &Rows<L>, codes: &Codes<L>) -> [L::Bytes; 4] {
    let (mut from, mut step) = ([L::word(0); 3], [L::word(0); 3]);
    let mut size = L::word(0);
    for c in 0..3 {
        from[c] = value::<L>(codes[0][c], c);
        step[c] = L::sub(value::<L>(codes[1][c], c), from[c]);
        size = L::add(size, L::abs(step[c]));
    }
    // An axis whose numbers are 126 in sum: the products of all channels by it are then within 16 bits.
    let scale = L::over(L::float(126.0 * 512.0), L::plus(L::floats(size), L::float(0.5)));
    let scale = L::round(L::held(scale, L::float(16_384.0)));
    let (mut axis, mut start, mut length) = ([L::word(0); 3], L::word(0), L::word(0));
    for c in 0..3 {
        axis[c] = L::part(L::mul(step[c], L::word(64)), scale);
        start = L::add(start, L::mul(axis[c], from[c]));
        length = L::add(length, L::mul(axis[c], step[c]));
    }
    let sixth = L::part(length, L::word(share(1.0 / 6.0)));
    let half = L::part(length, L::word(share(0.5)));
    let thresholds = [L::add(start, sixth), L::add(start, half), L::sub(L::add(start, length), sixth)];
    let mut thirds = [rows[0][0]; 4];
    for row in 0..4 {
        thirds[row] = L::passed(L::dot(&rows[row], &axis), &thresholds);
    }
    thirds
}

/// What a code stands for, from 0 to 255.
#[inline(always)]
fn value<L: Lanes>(code: L::Words, c: usize) -> L::Words {
    // In two steps: a share is less than one.
    let whole = if c == 1 { 16 } else { 32 };
    L::part(L::mul(code, L::word(whole)), L::word(share(255.0 / (MOST[c] as f64 * whole as f64))))
}

/// The colours that fit the texels best by least squares, where each is so many thirds of the way.
#[inline(always)]
fn fitted<L: Lanes>(rows: &Rows<L>, thirds: &[L::Bytes; 4]) -> Codes<L> {
    let [shares, squares] = L::sums(*thirds, thirds);
    let determinant = L::minus(L::times(squares, L::float(16.0)), L::times(shares, shares));
    // Where all are alike it is nothing, and both colours are the mean.
    let is_some = L::held(determinant, L::float(1.0));
    let scale = L::over(is_some, L::plus(determinant, L::minus(L::float(1.0), is_some)));
    let begins = L::times(shares, L::float(1.0 / 16.0));
    let mut codes = [[L::word(0); 3]; 2];
    let mut apart = codes;
    for c in 0..3 {
        let [sum, weighed] = L::sums([rows[0][c], rows[1][c], rows[2][c], rows[3][c]], thirds);
        let unit = L::float(MOST[c] / 255.0);
        let mean = L::times(sum, L::float(MOST[c] / 255.0 / 16.0));
        let slope = L::minus(L::times(weighed, L::float(16.0)), L::times(sum, shares));
        let slope = L::times(L::times(slope, scale), unit);
        let first = L::minus(mean, L::times(slope, begins));
        let second = L::plus(first, L::times(slope, L::float(3.0)));
        codes[0][c] = L::round(L::held(first, L::float(MOST[c])));
        codes[1][c] = L::round(L::held(second, L::float(MOST[c])));
        apart[1][c] = L::round(L::held(L::minus(mean, L::float(0.5)), L::float(MOST[c] - 1.0)));
        apart[0][c] = L::add(apart[1][c], L::word(1));
    }
    // Colours that are one are taken apart: what lies between is reached by thirds.
    let [first, second] = codes;
    for end in 0..2 {
        for c in 0..3 {
            codes[end][c] = L::same(&first, &second, apart[end][c], codes[end][c]);
        }
    }
    codes
}
