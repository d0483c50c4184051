//! Ranks modes by estimates, side by side for ways to cut blocks: what lies off their lines, what their grids of weights
//! can't follow, and what rounding leaves.

use super::{
    lanes::{Lanes, Piece, groups},
    tables::{Entry, Tables},
};
use crate::{
    simd::{self, Kernel},
    texture::block::{astc::MOST_TEXELS, wide::Wide},
};

/// The most modes that are taken for a way to cut a block.
pub(super) const MOST: usize = 8;

/// The best modes of a piece, best first: the errors' bits, the lowest of which are the places of the entries.
#[derive(Clone, Copy)]
pub(super) struct Best {
    keys: [f32; MOST],
    count: usize,
}

/// The lowest bits of a key, which hold an entry's place.
const PLACE: u32 = 1023;

impl Best {
    /// Estimated errors and places among the entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f32, usize)> + '_ {
        let known = self.keys[..self.count].iter().filter(|key| key.is_finite());
        known.map(|key| (f32::from_bits(key.to_bits() & !PLACE), (key.to_bits() & PLACE) as usize))
    }
}

/// The best modes of each piece, in their order.
pub(super) fn rank_all(pieces: &[Piece<'_>], tables: &Tables, count: usize) -> Vec<Best> {
    let mut out = vec![Best { keys: [f32::INFINITY; MOST], count: count.min(MOST) }; pieces.len()];
    groups(pieces.iter().map(Piece::key), |places| {
        let cut = pieces[places[0]].cut;
        let work = Work { pieces, places, tables, entries: tables.entries(cut), out: &mut out };
        match (cut.kind.has_alpha(), cut.apart.is_some()) {
            (false, false) => simd::run(Rank::<3, 3>(work)),
            (false, true) => simd::run(Rank::<3, 2>(work)),
            (true, false) => simd::run(Rank::<4, 4>(work)),
            (true, true) => simd::run(Rank::<4, 3>(work)),
        }
    });
    out
}

struct Work<'a> {
    pieces: &'a [Piece<'a>],
    places: &'a [usize],
    tables: &'a Tables,
    entries: &'a [Entry],
    out: &'a mut [Best],
}

struct Rank<'a, const C: usize, const F: usize>(Work<'a>);

impl<const C: usize, const F: usize> Kernel for Rank<'_, C, F> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Work { pieces, places, tables, entries, out } = self.0;
        let lanes = Lanes::<C, F>::new(places.iter().map(|&place| pieces[place]), tables);
        let mut alongs = [[Wide::default(); 2]; MOST_TEXELS];
        let (mut off, mut spans) = (Wide::default(), [Wide::default(); 2]);
        let (mut middles, mut shares) = ([[Wide::default(); 2]; 4], [[Wide::default(); 2]; 4]);
        for subset in 0..lanes.subsets {
            let line = lanes.line(subset, &mut alongs);
            off = off + line.off;
            for plane in 0..Lanes::<C, F>::PLANES {
                let length = line.high[plane] - line.low[plane];
                spans[plane] = spans[plane] + length * length * lanes.counts[subset];
                middles[subset][plane] = (line.low[plane] + line.high[plane]) * Wide::splat(0.5);
                shares[subset][plane] = Wide::splat(1.0).over(length);
            }
        }
        let mut left = vec![Wide::default(); tables.grids.len()];
        for plane in 0..Lanes::<C, F>::PLANES {
            // Places from -0.5 to 0.5.
            let mut places = [Wide::default(); MOST_TEXELS];
            let mut squares = Wide::default();
            for (at, (place, along)) in places.iter_mut().zip(&alongs).enumerate().take(lanes.texels.len()) {
                for subset in 0..lanes.subsets {
                    let share = (along[plane] - middles[subset][plane]) * shares[subset][plane];
                    *place = *place + share * lanes.there(at, subset);
                }
                squares = squares + *place * *place;
            }
            follow(tables, &places, squares, spans[plane] * Wide::splat(1.0 / tables.texels as f32), &mut left);
        }
        let span = spans[0] + spans[1];
        let channels = Wide::splat(if lanes.kind.has_alpha() { 4.0 } else { 3.0 });
        let mut best = [Wide::splat(f32::INFINITY); MOST];
        let count = out[places[0]].count;
        for (at, entry) in entries.iter().enumerate() {
            let error =
                off + left[entry.grid] + span * Wide::splat(entry.weights) + channels * Wide::splat(entry.colors_error);
            let mut key = Wide(error.0.map(|error| f32::from_bits(error.to_bits() & !PLACE | at as u32 & PLACE)));
            for best in &mut best[..count] {
                let (least, most) = (best.min(key), best.max(key));
                (*best, key) = (least, most);
            }
        }
        for (lane, &place) in places.iter().enumerate() {
            for (key, best) in out[place].keys.iter_mut().zip(&best) {
                *key = best.0[lane];
            }
        }
    }
}

/// Adds what each grid of weights leaves: the part of the places that is not in what its rows and columns span.
#[inline(always)]
fn follow(tables: &Tables, places: &[Wide; MOST_TEXELS], squares: Wide, span: Wide, left: &mut [Wide]) {
    let (width, height) = tables.size;
    for across in &tables.across {
        // Each row of texels in as many numbers as the grid is wide.
        let mut rows = [[Wide::default(); 12]; 12];
        for (row, texels) in rows.iter_mut().zip(places.chunks_exact(width)).take(height) {
            for (sum, basis) in row.iter_mut().zip(across) {
                for (texel, share) in texels.iter().zip(basis) {
                    *sum = *sum + *texel * Wide::splat(*share);
                }
            }
        }
        for down in &tables.down {
            let Some(grid) = tables.grid_of[across.len()][down.len()] else { continue };
            if tables.grids[grid].is_whole {
                continue;
            }
            let mut inside = Wide::default();
            for basis in down {
                for column in 0..across.len() {
                    let mut sum = Wide::default();
                    for (row, share) in rows.iter().zip(basis) {
                        sum = sum + row[column] * Wide::splat(*share);
                    }
                    inside = inside + sum * sum;
                }
            }
            left[grid] = left[grid] + (squares - inside).max(Wide::default()) * span;
        }
    }
}
