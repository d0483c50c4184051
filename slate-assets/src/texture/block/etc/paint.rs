//! The modes that ETC2 adds: four painted colours around two (T and H), and a plane.

use super::{DISTANCES, widen_6, widen_7};
use crate::texture::block::Effort;

/// How colours stand around two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first alone, and the second with one to either side.
    T,
    /// One to either side of both.
    H,
}

/// A mode's bits and squared error.
#[derive(Clone, Copy)]
pub(super) struct Painted {
    pub(super) bits: u64,
    pub(super) error: i32,
}

fn shifted(color: [i32; 3], step: i32) -> [i32; 3] {
    color.map(|value| (value + step).clamp(0, 255))
}

/// One colour alone, and three around another.
pub(super) fn t_colors(one: [i32; 3], two: [i32; 3], distance: i32) -> [[i32; 3]; 4] {
    [one, shifted(two, distance), two, shifted(two, -distance)]
}

/// Two around each colour.
pub(super) fn h_colors(one: [i32; 3], two: [i32; 3], distance: i32) -> [[i32; 3]; 4] {
    [shifted(one, distance), shifted(one, -distance), shifted(two, distance), shifted(two, -distance)]
}

/// The texels, in rows, of a plane through three colours: at the origin, four to the right and four down.
pub(super) fn plane(origin: [i32; 3], right: [i32; 3], down: [i32; 3]) -> [[u8; 4]; 16] {
    std::array::from_fn(|at| {
        let (x, y) = ((at % 4) as i32, (at / 4) as i32);
        let of = |c: usize| {
            let value = x * (right[c] - origin[c]) + y * (down[c] - origin[c]) + 4 * origin[c] + 2;
            (value >> 2).clamp(0, 255) as u8
        };
        [of(0), of(1), of(2), 255]
    })
}

/// The plane nearest to all texels, by least squares in closed form.
pub(super) fn encode_plane(texels: &[[i32; 3]; 16], effort: Effort) -> Painted {
    let mut codes = [[0i32; 3]; 3];
    let most = [63, 127, 63];
    for channel in 0..3 {
        let (mut sum, mut over, mut under) = (0.0f32, 0.0f32, 0.0f32);
        for (at, texel) in texels.iter().enumerate() {
            let value = texel[channel] as f32;
            sum += value;
            over += value * ((at % 4) as f32 - 1.5);
            under += value * ((at / 4) as f32 - 1.5);
        }
        // The sum of squared offsets of four columns in four rows is 20.
        let (mean, dx, dy) = (sum / 16.0, over / 20.0, under / 20.0);
        let origin = mean - 1.5 * (dx + dy);
        let code = |value: f32| (value.clamp(0.0, 255.0) * (most[channel] as f32 / 255.0) + 0.5) as i32;
        codes[0][channel] = code(origin);
        codes[1][channel] = code(origin + 4.0 * dx);
        codes[2][channel] = code(origin + 4.0 * dy);
    }
    let mut best = Painted { bits: plane_bits(codes), error: plane_error(texels, codes) };
    if effort >= Effort::NORMAL {
        for _ in 0..if effort >= Effort::HIGH { 4 } else { 1 } {
            let before = best.error;
            for corner in 0..3 {
                for channel in 0..3 {
                    for step in [-1, 1] {
                        let mut next = codes;
                        next[corner][channel] += step;
                        if !(0..=most[channel]).contains(&next[corner][channel]) {
                            continue;
                        }
                        let error = plane_error(texels, next);
                        if error < best.error {
                            (codes, best) = (next, Painted { bits: plane_bits(next), error });
                        }
                    }
                }
            }
            if best.error == before {
                break;
            }
        }
    }
    best
}

fn plane_error(texels: &[[i32; 3]; 16], codes: [[i32; 3]; 3]) -> i32 {
    let [origin, right, down] = codes.map(|[r, g, b]| [widen_6(r), widen_7(g), widen_6(b)]);
    let mut error = 0;
    for c in 0..3 {
        let (dx, dy) = (right[c] - origin[c], down[c] - origin[c]);
        for (at, texel) in texels.iter().enumerate() {
            let value = (at % 4) as i32 * dx + (at / 4) as i32 * dy + 4 * origin[c] + 2;
            error += ((value >> 2).clamp(0, 255) - texel[c]).pow(2);
        }
    }
    error
}

/// The bits of a plane with these codes: at the origin, four to the right and four down.
pub(super) fn plane_bits(codes: [[i32; 3]; 3]) -> u64 {
    let [[ro, go, bo], [rh, gh, bh], [rv, gv, bv]] = codes.map(|code| code.map(|value| value as u64));
    let mut bits = ro << 57 | (go >> 6) << 56 | (go & 63) << 49 | (bo >> 5) << 48;
    bits |= (bo >> 3 & 3) << 43 | (bo & 7) << 39 | (rh >> 1) << 34 | 1 << 33 | (rh & 1) << 32;
    bits |= gh << 25 | bh << 19 | rv << 13 | gv << 6 | bv;
    // Red and green must not leave their range when their difference is added; blue must.
    bits |= (ro >> 1 & 1) << 63 | (go >> 1 & 1) << 55;
    bits | overflow(bo >> 3 & 3, bo >> 1 & 3, 45, 42)
}

/// The bits that push a channel out of its range: three on top of its value's two lowest, and the sign of its
/// difference.
fn overflow(value: u64, difference: u64, at: u32, sign: u32) -> u64 {
    if value + difference >= 4 { 7 << at } else { 1 << sign }
}

/// Every T and H block around the two colours of the texels' clusters.
pub(super) fn encode_pairs(texels: &[[i32; 3]; 16], alive: u16, punched: bool, effort: Effort) -> Painted {
    let mut best = Painted { bits: 0, error: i32::MAX };
    let Some(clusters) = clusters(texels, alive) else { return best };
    let [a, b] = clusters.map(|color| color.map(|value| (value * 15 + 127) / 255));
    let mut pairs = Pairs { texels, alive, holes: alive != u16::MAX, punched, best: &mut best };
    let mut codes = [(Kind::T, [a, b]), (Kind::T, [b, a]), (Kind::H, [a, b])];
    for rounds in 0..if effort >= Effort::BEST { 3 } else { 1 } {
        for (kind, codes) in &mut codes {
            if rounds == 0 {
                pairs.try_all(*codes, *kind);
                continue;
            }
            for which in 0..2 {
                for channel in 0..3 {
                    for step in [-1, 1] {
                        let mut next = *codes;
                        next[which][channel] = (next[which][channel] + step).clamp(0, 15);
                        if pairs.try_all(next, *kind) {
                            *codes = next;
                        }
                    }
                }
            }
        }
    }
    best
}

struct Pairs<'a> {
    texels: &'a [[i32; 3]; 16],
    alive: u16,
    holes: bool,
    punched: bool,
    best: &'a mut Painted,
}

impl Pairs<'_> {
    /// Tries all distances; whether one of them is the best yet.
    fn try_all(&mut self, codes: [[i32; 3]; 2], kind: Kind) -> bool {
        let before = self.best.error;
        (0..DISTANCES.len()).for_each(|index| self.try_one(codes, kind, index));
        self.best.error < before
    }

    fn try_one(&mut self, codes: [[i32; 3]; 2], kind: Kind, index: usize) {
        let [one, two] = codes.map(|color| color.map(|value| value * 17));
        let colors = match kind {
            Kind::T => t_colors(one, two, DISTANCES[index]),
            Kind::H => h_colors(one, two, DISTANCES[index]),
        };
        let (mut error, mut selectors) = (0, 0u64);
        for (at, texel) in self.texels.iter().enumerate() {
            let column_first = at % 4 * 4 + at / 4;
            if self.alive >> at & 1 == 0 {
                selectors |= 1 << (16 + column_first);
                continue;
            }
            let (mut least, mut which) = (i32::MAX, 0u64);
            for (code, color) in colors.iter().enumerate() {
                let off: i32 = (0..3).map(|c| (texel[c] - color[c]).pow(2)).sum();
                if off < least && !(self.holes && code == 2) {
                    (least, which) = (off, code as u64);
                }
            }
            error += least;
            selectors |= (which & 1) << column_first | (which >> 1) << (16 + column_first);
        }
        if error >= self.best.error {
            return;
        }
        let bits = match kind {
            Kind::T => Some(t_bits(codes, index)),
            Kind::H => h_bits(codes, index),
        };
        let Some((bits, is_turned)) = bits else { return };
        if self.holes && is_turned {
            return;
        }
        // The bit that says "differential" says "no holes" where there may be some.
        let flag = if self.punched && self.holes { 0 } else { 1 << 33 };
        let selectors = if is_turned { selectors ^ 0xFFFF << 16 } else { selectors };
        *self.best = Painted { bits: bits | selectors | flag, error };
    }
}

/// The bits of an opaque block of these colours at this distance.
pub(super) fn pair_bits(texels: &[[i32; 3]; 16], codes: [[i32; 3]; 2], kind: Kind, distance: usize) -> u64 {
    let mut best = Painted { bits: 0, error: i32::MAX };
    let mut pairs = Pairs { texels, alive: u16::MAX, holes: false, punched: false, best: &mut best };
    pairs.try_one(codes, kind, distance);
    best.bits
}

fn t_bits(codes: [[i32; 3]; 2], distance: usize) -> (u64, bool) {
    let [[r1, g1, b1], [r2, g2, b2]] = codes.map(|code| code.map(|value| value as u64));
    let distance = distance as u64;
    let bits = (r1 >> 2) << 59 | (r1 & 3) << 56 | g1 << 52 | b1 << 48 | r2 << 44 | g2 << 40 | b2 << 36;
    (bits | (distance >> 1) << 34 | (distance & 1) << 32 | overflow(r1 >> 2, r1 & 3, 61, 58), false)
}

/// The order of the two colours is the distance's lowest bit; whether they had to change places for it.
fn h_bits(codes: [[i32; 3]; 2], distance: usize) -> Option<(u64, bool)> {
    let key = |color: [i32; 3]| color[0] << 8 | color[1] << 4 | color[2];
    let wanted = distance & 1 == 1;
    let turned = (key(codes[0]) >= key(codes[1])) != wanted;
    let [one, two] = if turned { [codes[1], codes[0]] } else { codes };
    if (key(one) >= key(two)) != wanted {
        // Equal colours can't say an even distance.
        return None;
    }
    let [[r1, g1, b1], [r2, g2, b2]] = [one, two].map(|code| code.map(|value| value as u64));
    let distance = distance as u64;
    let mut bits = r1 << 59 | (g1 >> 1) << 56 | (g1 & 1) << 52 | (b1 >> 3) << 51 | (b1 & 7) << 47;
    bits |= r2 << 43 | g2 << 39 | b2 << 35 | (distance >> 2) << 34 | (distance >> 1 & 1) << 32;
    // Red must stay in its range: a negative difference needs a large value.
    bits |= (g1 >> 3) << 63;
    bits |= overflow((g1 & 1) << 1 | b1 >> 3, b1 >> 1 & 3, 53, 50);
    Some((bits, turned))
}

/// The means of two clusters: of the texels beyond the mean along the longest axis, and of the others.
fn clusters(texels: &[[i32; 3]; 16], alive: u16) -> Option<[[i32; 3]; 2]> {
    let points: Vec<[f32; 4]> = (0..16)
        .filter(|at| alive >> at & 1 == 1)
        .map(|at| [texels[at][0] as f32, texels[at][1] as f32, texels[at][2] as f32, 0.0])
        .collect();
    if points.is_empty() {
        return None;
    }
    let line = crate::texture::block::line::through(&points);
    let mut sides: Vec<bool> = points.iter().map(|point| line.share(point) > 0.0).collect();
    let mut means = [[0.0f32; 3]; 2];
    for _ in 0..3 {
        let mut sums = [[0.0f32; 4]; 2];
        for (point, &side) in points.iter().zip(&sides) {
            let sum = &mut sums[usize::from(side)];
            (0..3).for_each(|channel| sum[channel] += point[channel]);
            sum[3] += 1.0;
        }
        if sums[0][3] == 0.0 || sums[1][3] == 0.0 {
            let all: [f32; 3] = std::array::from_fn(|c| (sums[0][c] + sums[1][c]) / points.len() as f32);
            means = [all, all];
            break;
        }
        means = sums.map(|sum| std::array::from_fn(|channel| sum[channel] / sum[3]));
        let off = |point: &[f32; 4], mean: &[f32; 3]| (0..3).map(|c| (point[c] - mean[c]).powi(2)).sum::<f32>();
        for (point, side) in points.iter().zip(&mut sides) {
            *side = off(point, &means[1]) < off(point, &means[0]);
        }
    }
    Some(means.map(|mean| mean.map(|value| (value + 0.5) as i32)))
}
