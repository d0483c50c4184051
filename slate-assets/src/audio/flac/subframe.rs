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
    let (mut costs, mut last, mut before) = ([0u64; 4], [0i64; 4], [0i64; 4]);
    for (at, (left, right)) in left.iter().zip(&*right).enumerate() {
        let (left, right) = (i64::from(*left), i64::from(*right));
        let values = [left, right, (left + right) >> 1, left - right];
        for of in 0..4 {
            let difference = values[of] - 2 * last[of] + before[of];
            costs[of] += if at < 2 { 0 } else { difference.unsigned_abs() };
            (before[of], last[of]) = (last[of], values[of]);
        }
    }
    let [left_cost, right_cost, mid, side] = costs;
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
        let order = fixed_order(line);
        fixed(line, order, &mut self.trial);
        let cost = order as u64 * u64::from(depth) + Rice::of(&self.trial, line.len(), order).bits;
        if cost < best.0 {
            best = (cost, Some(Kind::Fixed(order)));
            std::mem::swap(&mut self.best, &mut self.trial);
        }
        if line.len() > 4 * ORDER {
            for (factors, shift) in predictors(line) {
                let order = factors.len();
                if !linear(line, &factors, shift, &mut self.trial) {
                    continue;
                }
                let told = order as u64 * u64::from(depth + PRECISION) + 9;
                let cost = told + Rice::of(&self.trial, line.len(), order).bits;
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

/// The order of the polynomials that leave least, 0 to 4, by sizes.
fn fixed_order(line: &[i32]) -> usize {
    let most = 4.min(line.len() - 1);
    let (mut sums, mut last) = ([0u64; 5], [0i64; 5]);
    for (at, value) in line.iter().enumerate() {
        // Each order's rest is the difference of two rests of the one below.
        let mut rest = i64::from(*value);
        for order in 0..5 {
            let next = rest - last[order];
            last[order] = rest;
            sums[order] += if at < most { 0 } else { rest.unsigned_abs() };
            rest = next;
        }
    }
    (0..=most).min_by_key(|&order| sums[order]).unwrap_or(0)
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

/// The orders of linear predictors that are tried.
const ORDERS: [usize; 3] = [4, 8, ORDER];

/// Levinson's recursion on a windowed autocorrelation, in whole numbers of [`PRECISION`] bits.
fn predictors(line: &[i32]) -> Vec<(Vec<i32>, u32)> {
    let count = line.len() as f64;
    let windowed: Vec<f64> = (line.iter().enumerate())
        .map(|(at, value)| {
            // Welch's window: no sine in it.
            let place = (2.0 * at as f64 + 1.0) / count - 1.0;
            f64::from(*value) * (1.0 - place * place)
        })
        .collect();
    let correlations = correlations(&windowed);
    let mut error = correlations[0] * (1.0 + 1e-9);
    let (mut factors, mut found) = (Vec::with_capacity(ORDER), Vec::new());
    for at in 0..ORDER {
        if error <= 0.0 {
            break;
        }
        let known: f64 = factors.iter().zip(correlations[1..=at].iter().rev()).map(|(factor, c)| factor * c).sum();
        let reflection = (correlations[at + 1] - known) / error;
        let old: Vec<f64> = factors.clone();
        for (factor, other) in factors.iter_mut().zip(old.iter().rev()) {
            *factor -= reflection * other;
        }
        factors.push(reflection);
        error *= 1.0 - reflection * reflection;
        if ORDERS.contains(&factors.len()) {
            found.extend(rounded(&factors));
        }
    }
    found
}

/// The products of the line and itself, so many places on, summed.
fn correlations(line: &[f64]) -> [f64; ORDER + 1] {
    let mut sums = [0.0; ORDER + 1];
    for part in line.windows(ORDER + 1) {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += part[0] * value;
        }
    }
    let tail = &line[line.len().saturating_sub(ORDER)..];
    for (at, first) in tail.iter().enumerate() {
        for (sum, value) in sums.iter_mut().zip(&tail[at..]) {
            *sum += first * value;
        }
    }
    sums
}

/// Factors in whole numbers, and how many bits of them are behind the point.
fn rounded(factors: &[f64]) -> Option<(Vec<i32>, u32)> {
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

/// How a rest is cut in parts, each with a Rice code of its own.
struct Rice {
    /// What it takes, about.
    bits: u64,
    /// The power of two that is the number of parts.
    split: u32,
}

impl Rice {
    /// The best split of a rest, by the sums of its finest parts.
    fn of(rest: &[i32], block: usize, order: usize) -> Self {
        let fits = |split: &u32| block.is_multiple_of(1 << split) && block >> split > order;
        let finest = (0..=SPLITS).take_while(fits).last().unwrap_or(0);
        let sum = |part: &[i32]| part.iter().map(|value| u64::from(folded(*value))).sum::<u64>();
        let mut sums: Vec<u64> = parts(rest, block, order, finest).map(sum).collect();
        let mut best = Self { bits: u64::MAX, split: 0 };
        for split in (0..=finest).rev() {
            let size = (block >> split) as u64;
            let counts = std::iter::once(size - order as u64).chain(std::iter::repeat(size));
            let bits = 6 + sums.iter().zip(counts).map(|(&sum, count)| about(sum, count)).sum::<u64>();
            if bits < best.bits {
                best = Self { bits, split };
            }
            sums = sums.chunks_exact(2).map(|pair| pair[0] + pair[1]).collect();
        }
        best
    }
}

/// The parameter that fits numbers of this sum, but for one.
fn parameter(sum: u64, count: u64) -> u32 {
    (sum / count.max(1)).checked_ilog2().unwrap_or(0).min(29)
}

/// The bits that so many numbers of this sum take.
fn about(sum: u64, count: u64) -> u64 {
    let first = parameter(sum, count);
    let cost = |parameter: u32| {
        // What is below the parameter is half of it on average, and not in the quotients.
        let below = count * ((1 << parameter) - 1) / 2;
        5 + count * u64::from(parameter + 1) + (sum.saturating_sub(below) >> parameter)
    };
    cost(first.saturating_sub(1)).min(cost(first)).min(cost(first + 1))
}

/// The parameter that takes the fewest bits.
fn best_parameter(part: &[i32]) -> u32 {
    let count = part.len() as u64;
    let first = parameter(part.iter().map(|value| u64::from(folded(*value))).sum(), count);
    let cost = |parameter: &u32| {
        let quotients: u64 = part.iter().map(|value| u64::from(folded(*value) >> parameter)).sum();
        count * u64::from(parameter + 1) + quotients
    };
    [first.saturating_sub(1), first, first + 1].into_iter().min_by_key(cost).unwrap_or(0)
}

fn parts(rest: &[i32], block: usize, order: usize, split: u32) -> impl Iterator<Item = &[i32]> {
    let size = block >> split;
    (0..1usize << split).map(move |part| &rest[(part * size).saturating_sub(order)..(part + 1) * size - order])
}

/// Rice codes with parameters of five bits: section 9.2.7.
fn write_rice(rest: &[i32], block: usize, order: usize, bits: &mut Bits) {
    let Rice { split, .. } = Rice::of(rest, block, order);
    bits.put(1, 2);
    bits.put(split, 4);
    for part in parts(rest, block, order, split) {
        let parameter = best_parameter(part);
        bits.put(parameter, 5);
        for value in part.iter().map(|value| folded(*value)) {
            bits.unary(value >> parameter);
            bits.put(value, parameter);
        }
    }
}
