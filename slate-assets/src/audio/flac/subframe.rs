//! One channel of a frame: RFC 9639, section 9.2.

use super::bits::Bits;

/// Linear predictors have up to this many factors, of so many bits.
const ORDER: usize = 12;
const PRECISION: u32 = 14;
/// Rice codes change their parameter up to 64 times a frame.
const SPLITS: u32 = 6;

/// How two channels are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    Plain,
    LeftSide,
    SideRight,
    MidSide,
}

impl Pair {
    pub(super) fn assignment(self) -> u32 {
        match self {
            Self::Plain => 1,
            Self::LeftSide => 8,
            Self::SideRight => 9,
            Self::MidSide => 10,
        }
    }

    /// A difference needs a bit more.
    pub(super) fn extra_bits(self) -> [u32; 2] {
        match self {
            Self::Plain => [0, 0],
            Self::LeftSide | Self::MidSide => [0, 1],
            Self::SideRight => [1, 0],
        }
    }
}

/// Replaces both channels by what is cheapest to tell of them, by the size of their second differences.
pub(super) fn decorrelate(left: &mut [i32], right: &mut [i32]) -> Pair {
    let cost = |value: &dyn Fn(usize) -> i64| -> u64 {
        (2..left.len()).map(|at| (value(at) - 2 * value(at - 1) + value(at - 2)).unsigned_abs()).sum()
    };
    let (l, r) = (&|at: usize| i64::from(left[at]), &|at: usize| i64::from(right[at]));
    let [left_cost, right_cost] = [cost(l), cost(r)];
    let side = cost(&|at| l(at) - r(at));
    let mid = cost(&|at| (l(at) + r(at)) >> 1);
    let costs = [
        (left_cost + right_cost, Pair::Plain),
        (left_cost + side, Pair::LeftSide),
        (side + right_cost, Pair::SideRight),
        (mid + side, Pair::MidSide),
    ];
    let pair = costs.into_iter().min_by_key(|(cost, _)| *cost).map_or(Pair::Plain, |(_, pair)| pair);
    for (left, right) in left.iter_mut().zip(right) {
        let (l, r) = (*left, *right);
        match pair {
            Pair::Plain => {}
            Pair::LeftSide => *right = l - r,
            Pair::SideRight => *left = l - r,
            Pair::MidSide => (*left, *right) = ((l + r) >> 1, l - r),
        }
    }
    pair
}

/// Codes subframes; reused from one to the next.
#[derive(Default)]
pub(super) struct Coder {
    best: Vec<i32>,
    trial: Vec<i32>,
}

enum Kind {
    Fixed(usize),
    Linear { factors: Vec<i32>, shift: u32 },
}

impl Coder {
    pub(super) fn subframe(&mut self, line: &[i32], depth: u32, bits: &mut Bits) {
        if line.iter().all(|value| *value == line[0]) {
            bits.put(0, 8);
            bits.put(line[0] as u32, depth);
            return;
        }
        let verbatim = line.len() as u64 * u64::from(depth);
        let mut best = (verbatim, None);
        for order in 0..=4.min(line.len() - 1) {
            fixed(line, order, &mut self.trial);
            let cost = order as u64 * u64::from(depth) + rice(&self.trial, line.len(), order).0;
            if cost < best.0 {
                best = (cost, Some(Kind::Fixed(order)));
                std::mem::swap(&mut self.best, &mut self.trial);
            }
        }
        if line.len() > 4 * ORDER {
            for order in [4, 8, ORDER] {
                let Some((factors, shift)) = predictor(line, order) else { continue };
                if !linear(line, &factors, shift, &mut self.trial) {
                    continue;
                }
                let told = order as u64 * u64::from(depth + PRECISION) + 9;
                let cost = told + rice(&self.trial, line.len(), order).0;
                if cost < best.0 {
                    best = (cost, Some(Kind::Linear { factors, shift }));
                    std::mem::swap(&mut self.best, &mut self.trial);
                }
            }
        }
        let order = match best.1 {
            None => {
                bits.put(2, 8);
                line.iter().for_each(|value| bits.put(*value as u32, depth));
                return;
            }
            Some(Kind::Fixed(order)) => {
                bits.put(8 + order as u32, 7);
                bits.put(0, 1);
                line[..order].iter().for_each(|value| bits.put(*value as u32, depth));
                order
            }
            Some(Kind::Linear { factors, shift }) => {
                let order = factors.len();
                bits.put(32 + order as u32 - 1, 7);
                bits.put(0, 1);
                line[..order].iter().for_each(|value| bits.put(*value as u32, depth));
                bits.put(PRECISION - 1, 4);
                bits.put(shift, 5);
                factors.iter().for_each(|factor| bits.put(*factor as u32, PRECISION));
                order
            }
        };
        write_rice(&self.best, line.len(), order, bits);
    }
}

/// What is left once polynomials of this order are taken off.
fn fixed(line: &[i32], order: usize, rest: &mut Vec<i32>) {
    const FACTORS: [&[i64]; 5] = [&[1], &[1, -1], &[1, -2, 1], &[1, -3, 3, -1], &[1, -4, 6, -4, 1]];
    rest.clear();
    rest.extend(line.windows(order + 1).map(|part| {
        let sum: i64 = part.iter().rev().zip(FACTORS[order]).map(|(value, factor)| i64::from(*value) * factor).sum();
        sum as i32
    }));
}

/// What is left of a prediction; `false` where a rest would not fit.
fn linear(line: &[i32], factors: &[i32], shift: u32, rest: &mut Vec<i32>) -> bool {
    let order = factors.len();
    rest.clear();
    for at in order..line.len() {
        let past = line[at - order..at].iter().rev();
        let sum: i64 = past.zip(factors).map(|(value, factor)| i64::from(*value) * i64::from(*factor)).sum();
        let Ok(value) = i32::try_from(i64::from(line[at]) - (sum >> shift)) else { return false };
        if value.unsigned_abs() > 1 << 29 {
            return false;
        }
        rest.push(value);
    }
    true
}

/// Levinson's recursion on a windowed autocorrelation, in whole numbers of [`PRECISION`] bits.
fn predictor(line: &[i32], order: usize) -> Option<(Vec<i32>, u32)> {
    let count = line.len() as f64;
    let windowed: Vec<f64> = (line.iter().enumerate())
        .map(|(at, value)| {
            // Welch's window: no sine in it.
            let place = (2.0 * at as f64 + 1.0) / count - 1.0;
            f64::from(*value) * (1.0 - place * place)
        })
        .collect();
    let correlation = |lag: usize| windowed[lag..].iter().zip(&windowed).map(|(a, b)| a * b).sum::<f64>();
    let correlations: Vec<f64> = (0..=order).map(correlation).collect();
    let mut error = correlations[0] * (1.0 + 1e-9);
    let mut factors: Vec<f64> = Vec::with_capacity(order);
    for at in 0..order {
        if error <= 0.0 {
            return None;
        }
        let known: f64 = factors.iter().zip(correlations[1..=at].iter().rev()).map(|(factor, c)| factor * c).sum();
        let reflection = (correlations[at + 1] - known) / error;
        let old = factors.clone();
        for (factor, other) in factors.iter_mut().zip(old.iter().rev()) {
            *factor -= reflection * other;
        }
        factors.push(reflection);
        error *= 1.0 - reflection * reflection;
    }
    let most = factors.iter().fold(0.0f64, |most, factor| most.max(factor.abs()));
    if !most.is_finite() || most == 0.0 {
        return None;
    }
    // As many bits behind the point as the largest factor leaves.
    let limit = f64::from((1i32 << (PRECISION - 1)) - 1);
    let shift = (0..=15u32).rev().find(|shift| most * f64::from(1u32 << shift) <= limit)?;
    let mut carried = 0.0;
    let rounded = factors.iter().map(|factor| {
        let wanted = factor * f64::from(1u32 << shift) + carried;
        let value = wanted.round().clamp(-limit, limit);
        carried = wanted - value;
        value as i32
    });
    Some((rounded.collect(), shift))
}

fn folded(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

/// Bits of a rest in the best split: the bits, the split, and each part's parameter.
fn rice(rest: &[i32], block: usize, order: usize) -> (u64, u32, Vec<u32>) {
    let mut best = (u64::MAX, 0, Vec::new());
    for split in 0..=SPLITS {
        if !block.is_multiple_of(1 << split) || block >> split <= order {
            break;
        }
        let (mut bits, mut parameters) = (6u64, Vec::with_capacity(1 << split));
        for part in parts(rest, block, order, split) {
            let sum: u64 = part.iter().map(|value| u64::from(folded(*value))).sum();
            let count = part.len() as u64;
            let first = (sum / count.max(1)).checked_ilog2().unwrap_or(0).min(29);
            let cost = |parameter: u32| {
                let quotients: u64 = part.iter().map(|value| u64::from(folded(*value) >> parameter)).sum();
                5 + count * u64::from(parameter + 1) + quotients
            };
            let (cost, parameter) = [first.saturating_sub(1), first, first + 1]
                .into_iter()
                .map(|parameter| (cost(parameter), parameter))
                .min()
                .unwrap_or((0, 0));
            bits += cost;
            parameters.push(parameter);
        }
        if bits < best.0 {
            best = (bits, split, parameters);
        }
    }
    best
}

fn parts(rest: &[i32], block: usize, order: usize, split: u32) -> impl Iterator<Item = &[i32]> {
    let size = block >> split;
    (0..1usize << split).map(move |part| &rest[(part * size).saturating_sub(order)..(part + 1) * size - order])
}

/// Rice codes with parameters of five bits: section 9.2.7.
fn write_rice(rest: &[i32], block: usize, order: usize, bits: &mut Bits) {
    let (_, split, parameters) = rice(rest, block, order);
    bits.put(1, 2);
    bits.put(split, 4);
    for (part, parameter) in parts(rest, block, order, split).zip(parameters) {
        bits.put(parameter, 5);
        for value in part.iter().map(|value| folded(*value)) {
            bits.unary(value >> parameter);
            bits.put(value, parameter);
        }
    }
}
