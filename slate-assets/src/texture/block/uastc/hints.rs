//! What a block tells those who make ETC1, EAC or BC1 of it, so that they needn't search: how ETC1's halves lie, their
//! tables of steps, how far their colours are from their means; EAC's table and multiplier. What is shown here doesn't
//! depend on it.

use super::mode::Mode;
use crate::{
    simd::{self, Kernel},
    texture::block::{
        Effort, Texels,
        bits::Writer,
        eac, etc,
        wide::{LANES, Wide},
    },
};

/// The hints of a block of more than one colour.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints {
    /// Whether BC1's indices may be those of the weights.
    bc1: bool,
    etc1: Etc1,
    /// EAC's table and multiplier.
    eac: (usize, i32),
}

/// How ETC1 holds the colours.
#[derive(Clone, Copy, Debug, Default)]
struct Etc1 {
    /// Whether the halves are above each other.
    flip: bool,
    /// Whether the second colour is a difference to the first.
    differential: bool,
    tables: [usize; 2],
    /// How far the colours are from the means of their halves: see [`delta`].
    bias: u32,
}

/// The hint of a block of one colour: ETC1's colour with one of the steps of a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SolidHint {
    differential: bool,
    table: usize,
    /// From the darkest step.
    step: usize,
    code: [i32; 3],
}

impl Hints {
    /// Bits of the hints of a mode.
    pub(super) fn length(mode: &Mode) -> u32 {
        9 + if mode.has_bias() { 6 } else { 0 } + if mode.has_alpha() { 8 } else { 0 }
    }

    pub(super) fn write(&self, mode: &Mode, bits: &mut Writer) {
        // BC1's ends are never those of the block: they are fitted again.
        bits.put(0, 1);
        if mode.has_bias() {
            bits.put(self.bc1.into(), 1);
        }
        let Etc1 { flip, differential, tables, bias } = self.etc1;
        bits.put(flip.into(), 1);
        bits.put(differential.into(), 1);
        tables.iter().for_each(|&table| bits.put(table as u32, 3));
        if mode.has_bias() {
            bits.put(bias, 5);
        }
        if mode.has_alpha() {
            bits.put(self.eac.0 as u32, 4);
            bits.put(self.eac.1 as u32, 4);
        }
    }

    /// Good hints for a block of a mode that shows these texels.
    pub(super) fn of(texels: &Texels, mode: &Mode, effort: Effort) -> Self {
        let bc1 = mode.subsets == 1 && !mode.dual;
        let eac = if mode.has_alpha() { eac_hint(&texels.map(|texel| texel[3].into())) } else { (0, 0) };
        Self { bc1, etc1: etc1_hint(texels, mode.has_bias(), effort), eac }
    }
}

impl SolidHint {
    pub(super) fn write(&self, bits: &mut Writer) {
        bits.put(self.differential.into(), 1);
        bits.put(self.table as u32, 3);
        bits.put(self.step as u32, 2);
        self.code.iter().for_each(|&value| bits.put(value as u32, 5));
    }

    /// The hint that comes nearest to a colour.
    pub(super) fn of([r, g, b, _]: [u8; 4]) -> Self {
        let wanted = [r, g, b].map(i32::from);
        let (mut best, mut least) = (Self::default(), i32::MAX);
        for differential in [true, false] {
            for table in 0..8 {
                for (step, offset) in steps(table).into_iter().enumerate() {
                    let code = wanted.map(|value| nearest(value - offset, differential));
                    let off = |at: usize| {
                        let shown = (widened(code[at], differential) + offset).clamp(0, 255);
                        (shown - wanted[at]).pow(2)
                    };
                    let error = (0..3).map(off).sum();
                    if error < least {
                        (best, least) = (Self { differential, table, step, code }, error);
                    }
                }
            }
        }
        best
    }
}

/// The steps of a table, from the darkest.
fn steps(table: usize) -> [i32; 4] {
    let [small, large] = etc::TABLES[table];
    [-large, -small, small, large]
}

/// The highest code of a channel.
const fn most(differential: bool) -> i32 {
    if differential { 31 } else { 15 }
}

fn widened(code: i32, differential: bool) -> i32 {
    if differential { code << 3 | code >> 2 } else { code * 17 }
}

/// The code whose value is nearest.
fn nearest(value: i32, differential: bool) -> i32 {
    (value.clamp(0, 255) * most(differential) + 127) / 255
}

/// The texels of each half: those on the left and on the right, or those above and below.
const HALVES: [[[usize; 8]; 2]; 2] = [
    [[0, 4, 8, 12, 1, 5, 9, 13], [2, 6, 10, 14, 3, 7, 11, 15]],
    [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14, 15]],
];

/// The bias that leaves colours where they are, but for the darkest and the brightest.
const LEAST_BIAS: u32 = 13;

/// What is tried at some effort: all channels lower or higher, in both halves or one.
const LIKELY: [u32; 8] = [0, 26, 10, 27, 28, 29, 30, 31];

fn etc1_hint(texels: &Texels, has_bias: bool, effort: Effort) -> Etc1 {
    let halves = [0, 1].map(|flip: usize| HALVES[flip].map(|half| Half::of(texels, &half)));
    let (mut best, mut least) = (Etc1::default(), f32::MAX);
    let mut attempt = |way: Etc1| {
        let (tables, error) = fit(&halves[usize::from(way.flip)], way, has_bias);
        if error < least {
            (best, least) = (Etc1 { tables, ..way }, error);
        }
        best
    };
    let bias = if has_bias { LEAST_BIAS } else { 0 };
    let mut first = Etc1::default();
    for &flip in if effort < Effort::FAST { flip(texels) } else { &[false, true] } {
        for differential in [true, false] {
            first = attempt(Etc1 { flip, differential, tables: [0; 2], bias });
        }
    }
    let more: &[u32] = match () {
        () if !has_bias || effort < Effort::NORMAL => &[],
        () if effort < Effort::HIGH => &LIKELY,
        () => &ALL,
    };
    more.iter().fold(first, |_, &bias| attempt(Etc1 { bias, ..first }))
}

/// Every bias.
const ALL: [u32; 32] = {
    let (mut all, mut at) = ([0; 32], 0);
    while at < 32 {
        all[at] = at as u32;
        at += 1;
    }
    all
};

/// The direction in which the halves differ less from their means.
fn flip(texels: &Texels) -> &'static [bool] {
    let cost = [0, 1].map(|flip: usize| HALVES[flip].iter().map(|half| spread(texels, half)).sum::<i32>());
    if cost[1] < cost[0] { &[true] } else { &[false] }
}

/// The sum of squared distances of a half's texels to their mean, by eight.
fn spread(texels: &Texels, half: &[usize; 8]) -> i32 {
    let of = |channel: usize| {
        let values = half.iter().map(|&at| i32::from(texels[at][channel]));
        let (sum, squares) = values.fold((0, 0), |(sum, squares), value| (sum + value, squares + value * value));
        8 * squares - sum * sum
    };
    (0..3).map(of).sum()
}

/// Half of a block.
struct Half {
    texels: [[f32; 3]; 8],
    /// The sum of its texels.
    sum: [i32; 3],
}

impl Half {
    fn of(texels: &Texels, half: &[usize; 8]) -> Self {
        let sum = |channel: usize| half.iter().map(|&at| i32::from(texels[at][channel])).sum();
        let of = |at: usize| [0, 1, 2].map(|channel: usize| f32::from(texels[half[at]][channel]));
        Self { texels: std::array::from_fn(of), sum: [0, 1, 2].map(sum) }
    }
}

/// The best tables for a way, and the squared error of the ETC1 block that comes of it.
fn fit(halves: &[Half; 2], way: Etc1, has_bias: bool) -> ([usize; 2], f32) {
    let most = most(way.differential);
    let mut codes = [0, 1].map(|half: usize| {
        let mean = halves[half].sum.map(|sum| (sum * most + 1020) / 2040);
        if has_bias { biased(mean, way.bias, most, half) } else { mean }
    });
    if way.differential {
        codes[1] = std::array::from_fn(|at| codes[0][at] + (codes[1][at] - codes[0][at]).clamp(-4, 3));
    }
    let (mut tables, mut error) = ([0; 2], 0.0);
    for half in 0..2 {
        let color = codes[half].map(|code| widened(code, way.differential) as f32);
        let found = simd::run(AllTables { texels: &halves[half].texels, color });
        tables[half] = found.0;
        error += found.1;
    }
    (tables, error)
}

/// A mean with its bias; at either end of the range it goes inwards.
fn biased(mean: [i32; 3], bias: u32, most: i32, half: usize) -> [i32; 3] {
    std::array::from_fn(|channel| {
        let (value, delta) = (mean[channel], delta(bias, half, channel));
        match value {
            0 if delta == -2 => 3,
            0 => delta + 1,
            _ if value == most => value + delta - 1,
            _ if (0..=most).contains(&(value + delta)) => value + delta,
            _ => value - delta,
        }
    })
}

/// Biases of one channel in one half: the bias, half, channel and change.
const SINGLE: [(u32, usize, usize, i32); 12] = [
    (2, 0, 0, -1),
    (5, 0, 1, -1),
    (6, 0, 2, -1),
    (7, 0, 0, 1),
    (11, 0, 1, 1),
    (15, 0, 2, 1),
    (18, 1, 0, -1),
    (19, 1, 1, -1),
    (20, 1, 2, -1),
    (21, 1, 0, 1),
    (24, 1, 1, 1),
    (8, 1, 2, 1),
];

/// What a bias adds to a channel of a half.
fn delta(bias: u32, half: usize, channel: usize) -> i32 {
    if let Some(&(.., change)) = SINGLE.iter().find(|single| single.0 == bias) {
        let is_here = SINGLE.iter().any(|single| (single.0, single.1, single.2) == (bias, half, channel));
        return if is_here { change } else { 0 };
    }
    match bias {
        10 => -2,
        27 => [-1, 0][half],
        28 => [1, -1][half],
        29 => [0, 1][half],
        30 => [0, -1][half],
        31 => [1, 0][half],
        // A digit to the base of three for each channel.
        _ => (bias / [1, 3, 9][channel] % 3) as i32 - 1,
    }
}

/// All tables of steps for a half's colour side by side: the first of those with the least error, and that. Steps are chosen
/// by lightness, as readers do.
struct AllTables<'a> {
    texels: &'a [[f32; 3]; 8],
    color: [f32; 3],
}

const LIGHTNESS: [f32; 3] = [54.0, 183.0, 19.0];

impl Kernel for AllTables<'_> {
    type Out = (usize, f32);

    #[inline(always)]
    fn run(self) -> (usize, f32) {
        const _: () = assert!(etc::TABLES.len() == LANES, "a lane for each table");
        let mut shown = [[Wide::default(); 3]; 4];
        let mut lights = [Wide::default(); 4];
        for step in 0..4 {
            let offset = Wide(std::array::from_fn(|table| steps(table)[step] as f32));
            for c in 0..3 {
                shown[step][c] = (Wide::splat(self.color[c]) + offset).held(Wide::splat(255.0));
                lights[step] = lights[step] + shown[step][c] * Wide::splat(LIGHTNESS[c]);
            }
        }
        let middles = [lights[0] + lights[1], lights[1] + lights[2], lights[2] + lights[3]];
        let mut errors = Wide::default();
        for texel in self.texels {
            let light = texel[0] * LIGHTNESS[0] + texel[1] * LIGHTNESS[1] + texel[2] * LIGHTNESS[2];
            let light = Wide::splat(light * 2.0);
            for c in 0..3 {
                let bright = light.less(middles[2], shown[2][c], shown[3][c]);
                let value = light.less(middles[1], shown[1][c], bright);
                let value = light.less(middles[0], shown[0][c], value);
                let off = Wide::splat(texel[c]) - value;
                errors = errors + off * off;
            }
        }
        errors.least()
    }
}

/// The table and multiplier of EAC that come nearest to these values, whose middle readers take from their span.
fn eac_hint(values: &[i32; 16]) -> (usize, i32) {
    let (low, high) = values.iter().fold((255, 0), |(low, high), &value| (value.min(low), value.max(high)));
    if low == high {
        return (13, 1);
    }
    let (mut best, mut least) = ((13, 1), i32::MAX);
    for (table, steps) in eac::TABLES.iter().enumerate() {
        let (lowest, highest) = (steps[3], steps[7]);
        let range = highest - lowest;
        let middle = low + (2 * (high - low) * -lowest + range) / (2 * range);
        let around = (high - low + range / 2) / range;
        for multiplier in (around - 1).max(1)..=(around + 1).min(15) {
            let off = |value: i32| {
                let shown = steps.iter().map(|step| (middle + step * multiplier).clamp(0, 255));
                shown.map(|shown| (shown - value) * (shown - value)).min().unwrap_or(0)
            };
            let error = values.iter().map(|&value| off(value)).sum();
            if error < least {
                (best, least) = ((table, multiplier), error);
            }
        }
    }
    best
}
