//! The weights of a grid by two products with matrices, which are the same for every block: quicker than going from
//! texel to weight one by one, where blocks aren't too large.

use crate::{
    simd::{self, Kernel},
    texture::block::{
        astc::{MOST_TEXELS, MOST_WEIGHTS, grid::Taps},
        wide::{LANES, Wide},
    },
};

/// Blocks of more texels go one by one: their matrices would be larger than what is near the processor.
const MOST: usize = 64;
/// How many vectors hold as many values.
const CHUNKS: usize = MOST / LANES;
/// Rounds in which what is left is given back to the weights; the matrix is the sum of all.
const ROUNDS: usize = 4;

/// From the places of texels to weights, and from weights to texels.
pub(super) struct Matrices {
    /// For each texel a row of weights.
    down: Vec<Wide>,
    /// For each weight a row of texels.
    up: Vec<Wide>,
    weights: usize,
    texels: usize,
}

impl Matrices {
    /// Those of a grid, given the taps of all texels and for each weight the sum of its shares; none for large blocks.
    pub(super) fn of(taps: &[Taps], shares: &[f32]) -> Option<Self> {
        let (texels, weights) = (taps.len(), shares.len());
        if texels > MOST {
            return None;
        }
        let mut down = vec![Wide::default(); texels * weights.div_ceil(LANES)];
        let mut up = vec![Wide::default(); weights * texels.div_ceil(LANES)];
        for texel in 0..texels {
            // What one texel at 1 and all others at 0 would give.
            let mut row = [0.0f64; MOST_WEIGHTS];
            for _ in 0..ROUNDS {
                let mut left = [0.0f64; MOST_WEIGHTS];
                for (other, taps) in taps.iter().enumerate() {
                    let mixed: f64 = taps.iter().map(|&(at, share)| row[usize::from(at)] * f64::from(share)).sum();
                    let off = f64::from(u8::from(other == texel)) - mixed / 16.0;
                    taps.iter().for_each(|&(at, share)| left[usize::from(at)] += off * f64::from(share));
                }
                for at in 0..weights {
                    row[at] += STEP * left[at] / f64::from(shares[at]);
                }
            }
            for (at, value) in row.iter().enumerate().take(weights) {
                down[texel * weights.div_ceil(LANES) + at / LANES].0[at % LANES] = *value as f32;
            }
            for &(at, share) in &taps[texel] {
                let place = usize::from(at) * texels.div_ceil(LANES) + texel / LANES;
                up[place].0[texel % LANES] += f32::from(share) / 16.0;
            }
        }
        Some(Self { down, up, weights, texels })
    }
}

/// More than the whole is given back: neighbours smooth each other.
const STEP: f64 = 1.4;

/// The weights that come nearest to the texels' places, and what they leave of their lines' squared lengths.
pub(super) fn fit(
    matrices: &Matrices,
    places: &[f32; MOST_TEXELS],
    lengths: &[f32; MOST_TEXELS],
) -> ([f32; MOST_WEIGHTS], f32) {
    simd::run(Fit { matrices, places, lengths })
}

struct Fit<'a> {
    matrices: &'a Matrices,
    places: &'a [f32; MOST_TEXELS],
    lengths: &'a [f32; MOST_TEXELS],
}

impl Kernel for Fit<'_> {
    type Out = ([f32; MOST_WEIGHTS], f32);

    #[inline(always)]
    fn run(self) -> Self::Out {
        let Matrices { down, up, weights, texels } = self.matrices;
        let found = times(down, &self.places[..*texels], weights.div_ceil(LANES));
        let mut out = [0.0; MOST_WEIGHTS];
        for (out, found) in out.chunks_exact_mut(LANES).zip(&found) {
            out.copy_from_slice(&found.held(Wide::splat(1.0)).0);
        }
        let mixed = times(up, &out[..*weights], texels.div_ceil(LANES));
        let mut error = Wide::default();
        let wide =
            |values: &[f32; MOST_TEXELS], chunk: usize| Wide(std::array::from_fn(|lane| values[chunk * LANES + lane]));
        // Beyond the last texel lengths are 0.
        for (chunk, mixed) in mixed.iter().enumerate().take(texels.div_ceil(LANES)) {
            let off = wide(self.places, chunk) - *mixed;
            error = error + off * off * wide(self.lengths, chunk);
        }
        (out, error.sum())
    }
}

/// The sum of the matrix's rows, each times its factor.
#[inline(always)]
fn times(matrix: &[Wide], factors: &[f32], chunks: usize) -> [Wide; CHUNKS] {
    // With a known number of vectors in a row they stay in registers.
    match chunks {
        1 => times_of::<1>(matrix, factors),
        2 => times_of::<2>(matrix, factors),
        3 => times_of::<3>(matrix, factors),
        4 => times_of::<4>(matrix, factors),
        5 => times_of::<5>(matrix, factors),
        6 => times_of::<6>(matrix, factors),
        7 => times_of::<7>(matrix, factors),
        _ => times_of::<8>(matrix, factors),
    }
}

#[inline(always)]
fn times_of<const N: usize>(matrix: &[Wide], factors: &[f32]) -> [Wide; CHUNKS] {
    let mut sums = [Wide::default(); N];
    for (row, &factor) in matrix.chunks_exact(N).zip(factors) {
        let factor = Wide::splat(factor);
        for at in 0..N {
            sums[at] = sums[at] + row[at] * factor;
        }
    }
    std::array::from_fn(|at| if at < N { sums[at] } else { Wide::default() })
}
