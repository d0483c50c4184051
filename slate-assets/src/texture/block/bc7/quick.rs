//! Blocks in mode 6, many side by side in whole numbers, without a look at what comes out.

use crate::texture::block::narrow::{Kernel, Lanes, MOST_BLOCKS, Row, strip_of};

/// The strips of a row of blocks, each of as many as there are lanes.
pub(in super::super) struct Strips<'a> {
    pub(in super::super) lines: [Row<'a>; 4],
    /// How often endpoints are fitted to what the texels are of the way between them.
    pub(in super::super) refits: usize,
    pub(in super::super) out: &'a mut [[u8; 16]],
    /// The squared error of each block.
    pub(in super::super) errors: &'a mut [f32],
}

impl Kernel for Strips<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        // Those that don't stick out.
        let whole = self.lines[0].len() / 4 / L::BLOCKS * L::BLOCKS;
        let (strips, rest) = self.out.split_at_mut(whole);
        let (errors, other_errors) = self.errors.split_at_mut(whole);
        let strips = strips.chunks_exact_mut(L::BLOCKS).zip(errors.chunks_exact_mut(L::BLOCKS));
        for (at, (strip, errors)) in strips.enumerate() {
            let lines = self.lines.map(|line| &line[at * L::BLOCKS * 4..][..L::BLOCKS * 4]);
            encode_any::<L>(lines, self.refits, strip, errors);
        }
        if !rest.is_empty() {
            let (mut blocks, mut errors) = ([[0; 16]; MOST_BLOCKS], [0.0; MOST_BLOCKS]);
            let [a, b, c, d] = &strip_of(self.lines, whole);
            encode_any::<L>([a, b, c, d], self.refits, &mut blocks, &mut errors);
            rest.copy_from_slice(&blocks[..rest.len()]);
            other_errors.copy_from_slice(&errors[..rest.len()]);
        }
    }
}

/// The rows of texels, by channel.
type Rows<L> = [[<L as Lanes>::Bytes; 4]; 4];

/// Two endpoints in 32nds, from 0 to 255.
type Ends<L> = [[<L as Lanes>::Words; 4]; 2];

/// Two endpoints as they are written.
struct Grid<L: Lanes> {
    codes: [[L::Words; 4]; 2],
    lowest: [L::Words; 2],
}

/// Texels by how far they are from the least of their channel.
struct Away<L: Lanes> {
    low: [L::Words; 4],
    /// What all distances are multiplied by, so that they are as large as 15 bits allow.
    unit: L::Words,
    /// By row and channel.
    texels: [[[L::Words; 2]; 4]; 4],
}

// No closures, and no `map` below: what isn't inlined always isn't compiled for the machine that the lanes are of.

#[inline(always)]
fn encode_any<L: Lanes>(lines: [Row<'_>; 4], refits: usize, out: &mut [[u8; 16]], errors: &mut [f32]) {
    let mut alpha = 255;
    for line in lines {
        for texel in line {
            alpha &= texel[3];
        }
    }
    if alpha == 255 {
        encode::<L, 3>(lines, refits, out, errors);
    } else {
        encode::<L, 4>(lines, refits, out, errors);
    }
}

/// The first `C` channels are looked at: 4, or 3 where all texels are opaque, which gives the same blocks.
#[inline(always)]
fn encode<L: Lanes, const C: usize>(lines: [Row<'_>; 4], refits: usize, out: &mut [[u8; 16]], errors: &mut [f32]) {
    let rows = [L::row(lines[0]), L::row(lines[1]), L::row(lines[2]), L::row(lines[3])];
    let (ends, away) = corners::<L, C>(&rows);
    let mut grid = coded::<L>(&ends);
    let mut indices = nearest::<L, C>(&away, &grid);
    for _ in 0..refits {
        grid = coded::<L>(&fitted::<L, C>(&rows, &indices));
        indices = nearest::<L, C>(&away, &grid);
    }
    L::store(error::<L, C>(&rows, &grid, &indices), errors);
    L::bc7(&grid.codes, &grid.lowest, &indices, out);
}

/// A share as [`Lanes::part`] takes it.
const fn share(of: f64) -> i16 {
    (of * 32768.0 + 0.5) as i16
}

/// The corners of the texels' range between which they lie.
#[inline(always)]
fn corners<L: Lanes, const C: usize>(rows: &Rows<L>) -> (Ends<L>, Away<L>) {
    let (mut low, mut middle) = ([L::word(255); 4], [L::word(0); 4]);
    let (mut ends, mut range) = ([[L::word(255 * 32); 4]; 2], L::word(0));
    for c in 0..C {
        let [a, b, d, e] = [rows[0][c], rows[1][c], rows[2][c], rows[3][c]];
        low[c] = L::least(L::min(L::min(a, b), L::min(d, e)));
        let high = L::most(L::max(L::max(a, b), L::max(d, e)));
        middle[c] = L::part(L::add(low[c], high), L::word(share(0.5)));
        // The greater of this channel's range and of those before.
        range = L::add(range, L::within(L::sub(L::sub(high, low[c]), range), L::word(255)));
        ends[0][c] = L::mul(low[c], L::word(32));
        ends[1][c] = L::mul(high, L::word(32));
    }
    // Whether a channel rises where green does, and those before it, which half of the texels tell.
    let mut rises = [L::word(0); 4];
    for c in [0, 2, 3] {
        if c >= C {
            continue;
        }
        for other in [1, 0, 2] {
            if other == 1 || other < c {
                let upper = L::products(L::beyond(rows[0][c], middle[c]), L::beyond(rows[0][other], middle[other]));
                let lower = L::products(L::beyond(rows[2][c], middle[c]), L::beyond(rows[2][other], middle[other]));
                let both = L::both(L::held_sum(upper, lower));
                rises[c] = L::held_sum(rises[c], L::falls(rises[other], L::sub(L::word(-1), both), both));
            }
        }
        let (first, second) = (ends[0][c], ends[1][c]);
        ends[0][c] = L::falls(rises[c], second, first);
        ends[1][c] = L::falls(rises[c], first, second);
    }
    (ends, away::<L, C>(rows, low, range))
}

#[inline(always)]
fn away<L: Lanes, const C: usize>(rows: &Rows<L>, low: [L::Words; 4], range: L::Words) -> Away<L> {
    let unit = L::over(L::float(32_700.0), L::plus(L::floats(range), L::float(0.5)));
    let unit = L::round(L::minus(L::held(unit, L::float(16_000.0)), L::float(0.5)));
    let mut texels = [[[unit; 2]; 4]; 4];
    for row in 0..4 {
        for c in 0..C {
            let halves = L::halves(rows[row][c]);
            for half in 0..2 {
                texels[row][c][half] = L::mul(L::sub(halves[half], low[c]), unit);
            }
        }
    }
    Away { low, unit, texels }
}

/// The nearest endpoints that can be written.
#[inline(always)]
fn coded<L: Lanes>(ends: &Ends<L>) -> Grid<L> {
    let most = L::word(127);
    let (mut codes, mut lowest) = ([[most; 4]; 2], [most; 2]);
    for end in 0..2 {
        // How far even values are off in all; odd ones are off by the rest of 32 each.
        let mut off = L::word(0);
        for c in 0..4 {
            let even = L::mul(L::within(L::part(ends[end][c], L::word(512)), most), L::word(64));
            off = L::add(off, L::abs(L::sub(ends[end][c], even)));
        }
        lowest[end] = L::falls(L::sub(L::word(64), off), L::word(1), L::word(0));
        let down = L::mul(lowest[end], L::word(32));
        for c in 0..4 {
            codes[end][c] = L::within(L::part(L::sub(ends[end][c], down), L::word(512)), most);
        }
    }
    Grid { codes, lowest }
}

/// How many fifteenths of the way from the first endpoint each texel is nearest to.
#[inline(always)]
fn nearest<L: Lanes, const C: usize>(away: &Away<L>, grid: &Grid<L>) -> [L::Bytes; 4] {
    let (mut steps, mut sum, mut square) = ([L::float(0.0); 4], L::word(0), L::float(0.0));
    let mut begins = L::float(0.0);
    for c in 0..4 {
        let from = value::<L>(grid, 0, c);
        let step = L::sub(value::<L>(grid, 1, c), from);
        sum = L::add(sum, L::abs(step));
        steps[c] = L::floats(step);
        square = L::plus(square, L::times(steps[c], steps[c]));
        begins = L::plus(begins, L::times(steps[c], L::floats(L::sub(from, away.low[c]))));
    }
    // Of endpoints that are one the square is taken for 1.
    let square = L::plus(square, L::held(L::minus(L::float(1.0), square), L::float(1.0)));
    // A fifteenth is 128, and what distances are multiplied by is in 32768ths.
    let whole = L::over(L::float(15.0 * 128.0), square);
    let scale = L::over(L::times(whole, L::float(32_768.0)), L::floats(away.unit));
    // No sum of all products is beyond 16 bits.
    let most = L::over(L::float(MOST_ALONG), L::plus(L::floats(sum), L::float(0.5)));
    let scale = L::held(scale, most);
    let mut axis = [away.unit; 4];
    for c in 0..C {
        axis[c] = L::round(L::times(steps[c], scale));
    }
    let begins = L::plus(L::times(begins, whole), L::float(MOST_ALONG));
    let begins = L::round(L::minus(L::held(begins, L::float(2.0 * MOST_ALONG)), L::float(MOST_ALONG)));
    let mut indices = [L::joined([begins; 2]); 4];
    for row in 0..4 {
        let mut halves = [begins; 2];
        for half in 0..2 {
            let mut along = L::sub(L::word(0), begins);
            for c in 0..C {
                along = L::add(along, L::part(away.texels[row][c][half], axis[c]));
            }
            halves[half] = L::within(L::part(along, L::word(256)), L::word(15));
        }
        indices[row] = L::joined(halves);
    }
    indices
}

/// In 128ths of a fifteenth of the way: half of what 16 bits hold.
const MOST_ALONG: f32 = 16_000.0;

/// The endpoints that fit the texels best by least squares, where each is so many fifteenths of the way.
#[inline(always)]
fn fitted<L: Lanes, const C: usize>(rows: &Rows<L>, indices: &[L::Bytes; 4]) -> Ends<L> {
    let [shares, squares] = L::sums(*indices, indices);
    let determinant = L::minus(L::times(squares, L::float(16.0)), L::times(shares, shares));
    // Where all are alike it is nothing, and both are the mean.
    let is_some = L::held(determinant, L::float(1.0));
    let scale = L::over(L::times(is_some, L::float(32.0)), L::plus(determinant, L::minus(L::float(1.0), is_some)));
    let begins = L::times(shares, L::float(1.0 / 16.0));
    let mut ends = [[L::word(255 * 32); 4]; 2];
    for c in 0..C {
        let [sum, weighed] = L::sums([rows[0][c], rows[1][c], rows[2][c], rows[3][c]], indices);
        let mean = L::times(sum, L::float(32.0 / 16.0));
        let slope = L::minus(L::times(weighed, L::float(16.0)), L::times(sum, shares));
        let slope = L::times(slope, scale);
        let first = L::minus(mean, L::times(slope, begins));
        let second = L::plus(first, L::times(slope, L::float(15.0)));
        ends[0][c] = L::round(L::held(first, L::float(8160.0)));
        ends[1][c] = L::round(L::held(second, L::float(8160.0)));
    }
    ends
}

/// The squared differences of what is decoded.
#[inline(always)]
fn error<L: Lanes, const C: usize>(rows: &Rows<L>, grid: &Grid<L>, indices: &[L::Bytes; 4]) -> L::Floats {
    let (mut from, mut step, mut all) = (grid.codes[0], grid.codes[1], L::float(0.0));
    for c in 0..4 {
        from[c] = value::<L>(grid, 0, c);
        step[c] = L::sub(value::<L>(grid, 1, c), from[c]);
    }
    for row in 0..4 {
        let mut weights = L::halves(indices[row]);
        for half in 0..2 {
            // Of 64: fifteenths, rounded as they are written.
            weights[half] = L::part(L::mul(weights[half], L::word(17)), L::word(1 << 13));
        }
        for c in 0..4 {
            let mut off = if c < C { L::halves(rows[row][c]) } else { [L::word(255); 2] };
            for half in 0..2 {
                let along = L::part(L::mul(step[c], weights[half]), L::word(512));
                off[half] = L::sub(off[half], L::add(from[c], along));
            }
            all = L::plus(all, L::squares(off));
        }
    }
    all
}

/// What an endpoint stands for, from 0 to 255.
#[inline(always)]
fn value<L: Lanes>(grid: &Grid<L>, end: usize, c: usize) -> L::Words {
    L::add(L::add(grid.codes[end][c], grid.codes[end][c]), grid.lowest[end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texture::block::{bc7::decode, narrow};

    /// What a row of blocks of these texels leaves, and what it says that it leaves.
    fn left(texels: &[[u8; 4]], width: usize) -> (Vec<[u8; 16]>, Vec<f32>, Vec<f32>) {
        let count = width.div_ceil(4);
        let (mut out, mut errors) = (vec![[0; 16]; count], vec![0.0; count]);
        let line = |row: usize| &texels[row * width..][..width];
        narrow::run(Strips {
            lines: [line(0), line(1), line(2), line(3)],
            refits: 2,
            out: &mut out,
            errors: &mut errors,
        });
        let found = out.iter().enumerate().map(|(block, bytes)| {
            let decoded = decode(*bytes);
            let off = (0..16).flat_map(|at| {
                let wanted = line(at / 4)[(block * 4 + at % 4).min(width - 1)];
                std::array::from_fn::<f32, 4, _>(|c| (f32::from(wanted[c]) - f32::from(decoded[at][c])).powi(2))
            });
            off.sum()
        });
        let found = found.collect();
        (out, errors, found)
    }

    /// Slopes of all channels in directions of their own, with noise from place to place.
    fn picture(width: usize, opaque: bool) -> Vec<[u8; 4]> {
        let mut state = 7u32;
        (0..width * 4)
            .map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (x, noise) = ((at % width) as u8, (state >> 24) as u8 % (1 + (at % width / 32) as u8 * 30));
                let alpha = if opaque { 255 } else { (255 - x / 4).saturating_sub(noise) };
                [x / 2 + (state >> 16) as u8 % 64, 255 - x, (x % 64 * 3).saturating_add(noise), alpha]
            })
            .collect()
    }

    #[test]
    fn the_error_is_that_of_what_is_decoded() {
        for opaque in [true, false] {
            let (_, errors, found) = left(&picture(130, opaque), 130);
            assert_eq!(errors, found, "opaque: {opaque}");
            assert!(found.iter().any(|error| *error > 100.0));
        }
    }

    #[test]
    fn opaque_blocks_are_the_same_beside_others() {
        let width = 256;
        let mut texels = picture(width, true);
        let (alone, ..) = left(&texels, width);
        // Half of each strip.
        (0..texels.len()).filter(|at| at % 8 == 0).for_each(|at| texels[at][3] = 9);
        let (beside, ..) = left(&texels, width);
        for block in 0..width / 4 {
            assert_eq!(alone[block] == beside[block], block % 2 == 1, "block {block}");
        }
    }

    #[test]
    fn channels_that_fall_where_others_rise_are_followed() {
        // Green stands still: the others are told by each other.
        let width = 64;
        let texel = |at: usize| {
            let x = (at % width % 4 * 60) as u8;
            [x + 10, 90, 250 - x, 20 + x]
        };
        let (_, _, found) = left(&(0..width * 4).map(texel).collect::<Vec<_>>(), width);
        assert!(found.iter().all(|error| *error < 64.0), "{found:?}");
    }
}
