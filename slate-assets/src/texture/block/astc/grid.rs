//! From a grid of weights to a weight for each texel. Section 23.17.

use super::MOST_TEXELS;

/// The up to four weights that a texel's is mixed from: their places in the grid, and their shares in sixteenths.
pub(super) type Taps = [(u8, u8); 4];

/// The taps of every texel of a block, in rows; those beyond the block are empty.
pub(super) fn taps(block: (usize, usize), grid: (usize, usize)) -> [Taps; MOST_TEXELS] {
    let mut all = [[(0, 0); 4]; MOST_TEXELS];
    let place = |at: usize, texels: usize, weights: usize| {
        let step = (1024 + texels / 2) / (texels - 1);
        (step * at * (weights - 1) + 32) >> 6
    };
    for y in 0..block.1 {
        for x in 0..block.0 {
            let (s, t) = (place(x, block.0, grid.0), place(y, block.1, grid.1));
            let (fs, ft) = (s & 15, t & 15);
            let first = (s >> 4) + (t >> 4) * grid.0;
            let both = (fs * ft + 8) >> 4;
            let shares = [16 + both - fs - ft, fs - both, ft - both, both];
            let places = [first, first + 1, first + grid.0, first + grid.0 + 1];
            // A share of nothing may lie beyond the grid.
            all[y * block.0 + x] =
                std::array::from_fn(|at| if shares[at] == 0 { (0, 0) } else { (places[at] as u8, shares[at] as u8) });
        }
    }
    all
}

/// The weight of a texel, 0 to 64.
#[inline]
pub(super) fn mix(taps: &Taps, weights: &[u8]) -> u32 {
    let sum: u32 = taps.iter().map(|&(at, share)| u32::from(weights[usize::from(at)]) * u32::from(share)).sum();
    (sum + 8) >> 4
}
