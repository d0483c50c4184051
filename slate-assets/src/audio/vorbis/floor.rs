//! Floor 1: the curve below which nothing is heard, as straight lines between posts (Vorbis I, section 7).

use super::{Symbol, bits::Bits};

/// Steps of the curve that one step of a post is: a little more than 1 dB.
const STEP: i32 = 2;
/// Values of a post.
const RANGE: i32 = 128;
const POST_BITS: u32 = 7;
/// Posts of one partition.
const PARTITION: usize = 4;
/// A post's value is told by the smallest of these books that holds it; 0 needs none.
const HOLDS: [u32; 4] = [1, 10, 32, 128];

/// Where the posts of one size of block are.
pub(super) struct FloorShape {
    len: usize,
    /// In coding order: the ends first, then coarse before fine.
    posts: Vec<Post>,
    /// The posts by place.
    sorted: Vec<usize>,
    /// Partitions of the first class; the others are of the second.
    coarse: usize,
}

struct Post {
    x: usize,
    /// Among the posts before it, the next on each side.
    low: usize,
    high: usize,
}

impl FloorShape {
    /// Posts for blocks of `len` coefficients of which `coded` are used; `partitions` of four.
    pub(super) fn new(len: usize, coded: usize, rate: u32, partitions: usize) -> Self {
        let count = partitions * PARTITION;
        let hertz = f64::from(rate) / 2.0 / len as f64;
        let most = crate::audio::psy::bark(coded as f64 * hertz);
        // As far from each other as the ear tells apart, and never at the same place.
        let mut places = Vec::with_capacity(count);
        let mut bin = 0usize;
        for post in 1..=count {
            let wanted = most * post as f64 / (count + 1) as f64;
            let room = coded - 1 - (count - post);
            bin += 1;
            while bin < room && crate::audio::psy::bark(bin as f64 * hertz) < wanted {
                bin += 1;
            }
            places.push(bin.min(room));
        }
        let mut xs = vec![0, len];
        // Halves, quarters, eighths: whoever comes later lies between two that are known.
        let mut spans = std::collections::VecDeque::from([(0, count)]);
        while let Some((from, to)) = spans.pop_front() {
            if from < to {
                let middle = usize::midpoint(from, to);
                xs.push(places[middle]);
                spans.extend([(from, middle), (middle + 1, to)]);
            }
        }
        let near = |at: usize, better: &dyn Fn(usize, usize) -> bool, fits: &dyn Fn(usize) -> bool| {
            (0..at)
                .filter(|&other| fits(xs[other]))
                .reduce(|a, b| if better(xs[b], xs[a]) { b } else { a })
                .unwrap_or(0)
        };
        let posts = (0..xs.len()).map(|at| Post {
            x: xs[at],
            low: near(at, &|a, b| a > b, &|x| x < xs[at]),
            high: near(at, &|a, b| a < b, &|x| x > xs[at]),
        });
        let posts: Vec<_> = posts.collect();
        let mut sorted: Vec<_> = (0..posts.len()).collect();
        sorted.sort_by_key(|&at| posts[at].x);
        Self { len, posts, sorted, coarse: if partitions > 2 { 2 } else { partitions } }
    }

    fn partitions(&self) -> usize {
        (self.posts.len() - 2) / PARTITION
    }

    fn class(&self, partition: usize) -> usize {
        usize::from(partition >= self.coarse)
    }

    pub(super) fn write_setup(&self, books: usize, bits: &mut Bits) {
        let partitions = self.partitions();
        bits.put(partitions as u32, 5);
        (0..partitions).for_each(|partition| bits.put(self.class(partition) as u32, 4));
        let classes = self.class(partitions - 1) + 1;
        for class in 0..classes {
            bits.put(PARTITION as u32 - 1, 3);
            bits.put(2, 2);
            let book = (books + class * HOLDS.len()) as u32;
            bits.put(book, 8);
            bits.put(0, 8);
            (1..HOLDS.len() as u32).for_each(|held| bits.put(book + held + 1, 8));
        }
        bits.put(STEP as u32 - 1, 2);
        let width = self.len.trailing_zeros();
        bits.put(width, 4);
        self.posts.iter().skip(2).for_each(|post| bits.put(post.x as u32, width));
    }

    /// Fits lines to `wanted`, a curve in steps of the decoders' table. Appends what is told to `symbols`, whose
    /// first book is `books`, and replaces `curve` by what decoders will see. The ends' values are given back.
    pub(super) fn fit(
        &self,
        wanted: &[f32],
        books: usize,
        symbols: &mut Vec<Symbol>,
        curve: &mut Vec<i32>,
    ) -> [u32; 2] {
        let heights = self.heights(wanted);
        let quantized = |post: usize| ((heights[post] / STEP as f32).round() as i32).clamp(0, RANGE - 1);
        let mut finals: Vec<i32> = Vec::with_capacity(self.posts.len());
        let mut drawn = vec![false; self.posts.len()];
        let mut told = Vec::with_capacity(self.posts.len());
        for (at, post) in self.posts.iter().enumerate() {
            let y = quantized(at);
            if at < 2 {
                finals.push(y);
                drawn[at] = true;
                told.push(y as u32);
                continue;
            }
            let (low, high) = (&self.posts[post.low], &self.posts[post.high]);
            let predicted = on_line(low.x, finals[post.low], high.x, finals[post.high], post.x);
            let value = told_as(y, predicted);
            if value > 0 {
                (drawn[at], drawn[post.low], drawn[post.high]) = (true, true, true);
            }
            finals.push(y);
            told.push(value);
        }
        for partition in 0..self.partitions() {
            let base = books + self.class(partition) * HOLDS.len();
            let values = &told[2 + partition * PARTITION..][..PARTITION];
            let held: Vec<usize> =
                values.iter().map(|&value| HOLDS.iter().position(|&most| value < most).unwrap_or(3)).collect();
            let word = held.iter().rev().fold(0, |word, held| word << 2 | held);
            symbols.push(Symbol::new(base, word));
            for (&value, held) in values.iter().zip(held) {
                if held > 0 {
                    symbols.push(Symbol::new(base + held, value as usize));
                }
            }
        }
        self.draw(&finals, &drawn, curve);
        [told[0], told[1]]
    }

    /// The lines' heights at the posts: the least squared distance, where being above counts for more than below.
    fn heights(&self, wanted: &[f32]) -> Vec<f32> {
        const HEAVY: f32 = 4.0;
        let mut weights = vec![1.0f32; wanted.len()];
        let heights = self.least_squares(wanted, &weights);
        for pair in self.sorted.windows(2) {
            let [from, to] = [pair[0], pair[1]].map(|post| self.posts[post].x);
            let slope = (heights[pair[1]] - heights[pair[0]]) / (to - from) as f32;
            let span = from.min(wanted.len())..to.min(wanted.len());
            for (k, (weight, wanted)) in weights[span.clone()].iter_mut().zip(&wanted[span]).enumerate() {
                if heights[pair[0]] + slope * k as f32 > wanted + 1.5 {
                    *weight = HEAVY;
                }
            }
        }
        self.least_squares(wanted, &weights)
    }

    /// A system with three diagonals.
    fn least_squares(&self, wanted: &[f32], weights: &[f32]) -> Vec<f32> {
        let count = self.posts.len();
        let (mut main, mut side, mut right) = (vec![0.0f32; count], vec![0.0f32; count], vec![0.0f32; count]);
        for (at, pair) in self.sorted.windows(2).enumerate() {
            let (from, to) = (self.posts[pair[0]].x, self.posts[pair[1]].x);
            let width = (to - from) as f32;
            let span = from..to.min(wanted.len()).max(from);
            for (k, (value, weight)) in wanted[span.clone()].iter().zip(&weights[span]).enumerate() {
                let t = k as f32 / width;
                main[at] += weight * (1.0 - t) * (1.0 - t);
                main[at + 1] += weight * t * t;
                side[at] += weight * t * (1.0 - t);
                right[at] += weight * (1.0 - t) * value;
                right[at + 1] += weight * t * value;
            }
        }
        // A little pull to the curve itself, where a segment has too few coefficients to say.
        for (at, &post) in self.sorted.iter().enumerate() {
            let x = self.posts[post].x.min(wanted.len() - 1);
            main[at] += 0.1;
            right[at] += 0.1 * wanted[x];
        }
        for at in 1..count {
            let share = side[at - 1] / main[at - 1];
            main[at] -= share * side[at - 1];
            right[at] -= share * right[at - 1];
        }
        let mut heights = vec![0.0; count];
        let mut next = 0.0;
        for at in (0..count).rev() {
            next = (right[at] - side[at] * next) / main[at];
            heights[self.sorted[at]] = next;
        }
        heights
    }

    fn draw(&self, finals: &[i32], drawn: &[bool], curve: &mut Vec<i32>) {
        curve.clear();
        let mut from: Option<usize> = None;
        for &to in self.sorted.iter().filter(|&&post| drawn[post]) {
            if let Some(from) = from {
                line(self.posts[from].x, finals[from] * STEP, self.posts[to].x, finals[to] * STEP, curve);
            }
            from = Some(to);
        }
    }
}

/// Appends the floor's own bits.
pub(super) fn write_ends(ends: [u32; 2], bits: &mut Bits) {
    ends.into_iter().for_each(|end| bits.put(end, POST_BITS));
}

/// A post's value beside what was predicted: the inverse of section 7.2.4, step 1.
fn told_as(y: i32, predicted: i32) -> u32 {
    let room = (RANGE - predicted).min(predicted);
    let by = y - predicted;
    let value = match by {
        _ if by < -room => room - by - 1,
        _ if by >= room => by + room,
        _ if by < 0 => -1 - 2 * by,
        _ => 2 * by,
    };
    value as u32
}

fn on_line(x0: usize, y0: i32, x1: usize, y1: i32, x: usize) -> i32 {
    let off = (y1 - y0).abs() * (x - x0) as i32 / (x1 - x0) as i32;
    if y1 < y0 { y0 - off } else { y0 + off }
}

/// Section 9.2.7: from `x0` up to `x1`, without it.
fn line(x0: usize, y0: i32, x1: usize, y1: i32, curve: &mut Vec<i32>) {
    let (dy, adx) = (y1 - y0, (x1 - x0) as i32);
    let base = dy / adx;
    let steep = base + if dy < 0 { -1 } else { 1 };
    let slack = dy.abs() - base.abs() * adx;
    let (mut y, mut error) = (y0, 0);
    curve.push(y);
    for _ in x0 + 1..x1 {
        error += slack;
        if error >= adx {
            error -= adx;
            y += steep;
        } else {
            y += base;
        }
        curve.push(y);
    }
}

/// The values that the curve's steps stand for: section 10.1, `10^(7(i+1)/256 - 7)`.
pub(super) fn levels() -> Vec<f32> {
    (0..256).map(|step| libm::pow(10.0, 7.0 * f64::from(step + 1) / 256.0 - 7.0) as f32).collect()
}

/// The step of a level in decibels.
pub(super) fn step_of(decibels: f32) -> f32 {
    (decibels + 140.0) * (256.0 / 140.0) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 7.2.4, step 1, as decoders do it.
    fn understood(value: i32, predicted: i32) -> i32 {
        let (high, low) = (RANGE - predicted, predicted);
        let room = 2 * high.min(low);
        match value {
            0 => predicted,
            _ if value >= room && high > low => value - low + predicted,
            _ if value >= room => predicted - value + high - 1,
            _ if value % 2 == 1 => predicted - (value + 1) / 2,
            _ => predicted + value / 2,
        }
    }

    #[test]
    fn every_post_comes_back() {
        for predicted in 0..RANGE {
            for y in 0..RANGE {
                let value = told_as(y, predicted);
                assert!(value < RANGE as u32, "{y} by {predicted} is {value}");
                assert_eq!(understood(value as i32, predicted), y, "{y} by {predicted}");
            }
        }
    }

    #[test]
    fn lines_follow_what_is_wanted() {
        for (len, coded, partitions) in [(128, 100, 2), (1024, 900, 8), (1024, 1024, 8)] {
            let shape = FloorShape::new(len, coded, 48_000, partitions);
            let wanted: Vec<f32> = (0..coded).map(|k| 200.0 - 100.0 * k as f32 / coded as f32).collect();
            let (mut symbols, mut curve) = (Vec::new(), Vec::new());
            shape.fit(&wanted, 0, &mut symbols, &mut curve);
            assert_eq!(curve.len(), len);
            for (k, wanted) in wanted.iter().enumerate() {
                assert!((curve[k] as f32 - wanted).abs() < 3.0, "{len}: {} for {wanted} at {k}", curve[k]);
            }
        }
    }
}
