//! Steps the ends of a block up and down for as long as what is shown comes nearer, with the best weights for each step.

use super::{
    layout::Coded,
    mix,
    mode::{Ends, MODES, Mode},
};
use crate::{
    simd::{self, Kernel},
    texture::block::{
        Texels,
        astc::{
            ise,
            ise::{COLORS, RANGES},
        },
    },
};
use std::sync::LazyLock;

/// Refines a block that is to show these texels, each of its parts so many times at most.
pub(super) fn refine(coded: &mut Coded, texels: &Texels, rounds: usize) {
    let mode = coded.mode();
    for subset in 0..mode.subsets {
        for plane in 0..if mode.dual { 2 } else { 1 } {
            let part = Part { coded: &mut *coded, texels, subset, plane, rounds };
            match mode.weight_bits {
                1 => simd::run(Refine::<2>(part)),
                2 => simd::run(Refine::<4>(part)),
                3 => simd::run(Refine::<8>(part)),
                4 => simd::run(Refine::<16>(part)),
                _ => simd::run(Refine::<32>(part)),
            }
        }
    }
}

/// The values of a range of colours, from the lowest, and their codes.
struct Scale {
    codes: Vec<u8>,
    /// The place of each code.
    places: [u8; 256],
}

/// By mode.
static SCALES: LazyLock<Vec<Scale>> = LazyLock::new(|| MODES.iter().map(Scale::of).collect());

impl Scale {
    fn of(mode: &Mode) -> Self {
        let values = &COLORS[mode.colors];
        let mut codes: Vec<u8> = (0..RANGES[mode.colors].levels).map(|code| code as u8).collect();
        codes.sort_by_key(|&code| values[usize::from(code)]);
        let mut places = [0; 256];
        codes.iter().enumerate().for_each(|(place, &code)| places[usize::from(code)] = place as u8);
        Self { codes, places }
    }

    /// The code so many steps up from another.
    fn stepped(&self, code: u8, by: i32) -> Option<u8> {
        let place = i32::from(self.places[usize::from(code)]) + by;
        self.codes.get(usize::try_from(place).ok()?).copied()
    }
}

/// A subset of a block with the channels of one plane of weights.
struct Part<'a> {
    coded: &'a mut Coded,
    texels: &'a Texels,
    subset: usize,
    plane: usize,
    rounds: usize,
}

/// With `N` weights to choose from.
struct Refine<'a, const N: usize>(Part<'a>);

/// By weight and texel the squared error.
type Costs<const N: usize> = [[i32; 16]; N];

/// Steps of the first and of the second end.
const STEPS: [(i32, i32); 8] = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)];

impl<const N: usize> Kernel for Refine<'_, N> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Part { coded, texels, subset, plane, rounds } = self.0;
        let (mode, scale) = (coded.mode(), &SCALES[coded.number]);
        let inside: [i32; 16] = coded.partition().map(|other| i32::from(usize::from(other) == subset));
        let weights = std::array::from_fn(|weight| ise::weight(RANGES[mode.weights()], weight as u32));
        let cost = |place: usize, codes: [u8; 2]| costs::<N>(texels, mode, (place, codes), &weights);
        let count = mode.ends.channels();
        let at = |place: usize| (subset * count + place) * 2;
        let mut held = [[[0; 16]; N]; 4];
        let mut is_here = [false; 4];
        for place in 0..count {
            let is_apart = mode.dual && coded.apart == Some(if count == 2 && place == 1 { 3 } else { place });
            is_here[place] = usize::from(is_apart) == plane;
            if is_here[place] {
                held[place] = cost(place, [coded.colors[at(place)], coded.colors[at(place) + 1]]);
            }
        }
        let mut least = i32::MAX;
        for _ in 0..rounds {
            let before = least;
            for place in (0..count).filter(|&place| is_here[place]) {
                let mut rest = [[0; 16]; N];
                for other in (0..count).filter(|&other| other != place && is_here[other]) {
                    add(&mut rest, &held[other]);
                }
                least = least.min(sum(&rest, &held[place], &inside));
                let now = [coded.colors[at(place)], coded.colors[at(place) + 1]];
                for (low, high) in STEPS {
                    let (Some(low), Some(high)) = (scale.stepped(now[0], low), scale.stepped(now[1], high)) else {
                        continue;
                    };
                    let found = cost(place, [low, high]);
                    let error = sum(&rest, &found, &inside);
                    if error < least {
                        least = error;
                        held[place] = found;
                        (coded.colors[at(place)], coded.colors[at(place) + 1]) = (low, high);
                    }
                }
            }
            if least == before {
                break;
            }
        }
        let mut all = [[0; 16]; N];
        held.iter().for_each(|held| add(&mut all, held));
        for texel in (0..16).filter(|&texel| inside[texel] == 1) {
            let best = (0..N).min_by_key(|&weight| all[weight][texel]).unwrap_or(0);
            coded.weights[plane][texel] = best as u8;
        }
    }
}

/// What ends of these codes cost the channels that they are for.
#[inline(always)]
fn costs<const N: usize>(
    texels: &Texels,
    mode: &Mode,
    (place, codes): (usize, [u8; 2]),
    weights: &[u32; N],
) -> Costs<N> {
    let [low, high] = codes.map(|code| COLORS[mode.colors][usize::from(code)]);
    let channels = match (mode.ends, place) {
        (Ends::GreyAlpha, 0) => 0..3,
        (Ends::GreyAlpha, _) => 3..4,
        _ => place..place + 1,
    };
    let mut out = [[0; 16]; N];
    for channel in channels {
        let wanted = texels.map(|texel| i32::from(texel[channel]));
        for (costs, &weight) in out.iter_mut().zip(weights) {
            let shown = i32::from(mix(low, high, weight));
            for texel in 0..16 {
                let off = wanted[texel] - shown;
                costs[texel] += off * off;
            }
        }
    }
    out
}

#[inline(always)]
fn add<const N: usize>(to: &mut Costs<N>, other: &Costs<N>) {
    for (to, other) in to.iter_mut().zip(other) {
        for texel in 0..16 {
            to[texel] += other[texel];
        }
    }
}

/// The error of the texels inside, each with its best weight.
#[inline(always)]
fn sum<const N: usize>(one: &Costs<N>, other: &Costs<N>, inside: &[i32; 16]) -> i32 {
    let mut best = [i32::MAX; 16];
    for (one, other) in one.iter().zip(other) {
        for texel in 0..16 {
            best[texel] = best[texel].min(one[texel] + other[texel]);
        }
    }
    best.iter().zip(inside).map(|(best, inside)| best * inside).sum()
}
