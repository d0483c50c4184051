//! What edges cost, eight side by side.

use super::quadric::{Near, Vector};
use crate::simd::{self, Kernel};

/// Edges that are worked out side by side.
pub(super) const LANES: usize = 8;

type Numbers = [f32; LANES];

/// Edges to work out, and what came out: for each the point that it best collapses into, and the cost.
///
/// All is told from the first end of each.
#[derive(Default)]
pub(super) struct Lanes {
    ends: [[Numbers; Near::NUMBERS]; 2],
    /// The way from the first end to the second one.
    along: [Numbers; 3],
    /// Whether each end stays where it is: 1, else 0.
    locked: [Numbers; 2],
    step: [Numbers; 3],
    cost: Numbers,
}

impl Lanes {
    /// Puts an edge in, by the quadrics of its ends, each told from its own.
    #[inline]
    pub(super) fn put(&mut self, lane: usize, ends: [&Near; 2], along: Vector, locked: [bool; 2]) {
        let [one, other] = ends.map(Near::numbers);
        for at in 0..Near::NUMBERS {
            (self.ends[0][at][lane], self.ends[1][at][lane]) = (one[at], other[at]);
        }
        (0..3).for_each(|at| self.along[at][lane] = along[at]);
        (0..2).for_each(|at| self.locked[at][lane] = f32::from(u8::from(locked[at])));
    }

    /// Works all of them out.
    #[inline]
    pub(super) fn weigh(&mut self) {
        simd::run(Weigh(self));
    }

    /// The way from an edge's first end to the point that it best collapses into, and the cost.
    pub(super) fn get(&self, lane: usize) -> (Vector, f32) {
        (self.step.map(|numbers| numbers[lane]), self.cost[lane])
    }
}

struct Weigh<'a>(&'a mut Lanes);

impl Kernel for Weigh<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Lanes { ends, along, locked, step, cost } = self.0;
        let [[axx, ayy, azz, axy, axz, ayz, ax, ay, az, ac], [bxx, byy, bzz, bxy, bxz, byz, bx, by, bz, bc]] = ends;
        let ([u, v, w], [first, second], [x, y, z]) = (along, locked, step);
        // No branch in here: each line is one instruction for all lanes.
        for lane in 0..LANES {
            // The second end's quadric, told from the first one.
            let (p, q, r) = (-u[lane], -v[lane], -w[lane]);
            let (oxx, oyy, ozz) = (bxx[lane], byy[lane], bzz[lane]);
            let (oxy, oxz, oyz) = (bxy[lane], bxz[lane], byz[lane]);
            let tx = oxx * p + oxy * q + oxz * r;
            let ty = oxy * p + oyy * q + oyz * r;
            let tz = oxz * p + oyz * q + ozz * r;
            let (ox, oy, oz) = (bx[lane] + tx, by[lane] + ty, bz[lane] + tz);
            let oc = positive(bc[lane] + ((bx[lane] + ox) * p + (by[lane] + oy) * q + (bz[lane] + oz) * r));
            // Both.
            let (xx, yy, zz) = (axx[lane] + oxx, ayy[lane] + oyy, azz[lane] + ozz);
            let (xy, xz, yz) = (axy[lane] + oxy, axz[lane] + oxz, ayz[lane] + oyz);
            let (bx, by, bz, c) = (ax[lane] + ox, ay[lane] + oy, az[lane] + oz, ac[lane] + oc);
            let at = |p: f32, q: f32, r: f32| {
                let (tx, ty, tz) = (xx * p + xy * q + xz * r, xy * p + yy * q + yz * r, xz * p + yz * q + zz * r);
                let value = (bx + bx + tx) * p + (by + by + ty) * q + (bz + bz + tz) * r + c;
                ([bx + tx, by + ty, bz + tz], value)
            };
            // The point of the least value, pulled towards the middle where the quadric says little.
            let (mx, my, mz) = (u[lane] * 0.5, v[lane] * 0.5, w[lane] * 0.5);
            let ([sx, sy, sz], at_middle) = at(mx, my, mz);
            let pull = (xx + yy + zz) * FIRM;
            let (xx, yy, zz) = (xx + pull, yy + pull, zz + pull);
            // Square roots left out, Cholesky's way: single precision is enough for it.
            let d = 1.0 / xx;
            let (l, m) = (xy * d, xz * d);
            let (yy, yz) = (yy - l * xy, yz - l * xz);
            let e = 1.0 / yy;
            let n = yz * e;
            let zz = zz - m * xz - n * yz;
            let f = 1.0 / zz;
            let ky = -(sy - l * sx);
            let kz = -(sz - m * sx) - n * ky;
            let gz = kz * f;
            let gy = ky * e - n * gz;
            let gx = -sx * d - l * gy - m * gz;
            let length = gx * gx + gy * gy + gz * gz;
            let reach = u[lane] * u[lane] + v[lane] * v[lane] + w[lane] * w[lane];
            // So asked, what is no number is none.
            let fits = (xx > 0.0) & (yy > 0.0) & (zz > 0.0) & (length <= reach);
            let value = positive(at_middle + (sx * gx + sy * gy + sz * gz) - pull * length);
            // Else an end or the middle.
            let (at_first, at_middle) = (positive(c), positive(at_middle));
            let at_second = positive(at(u[lane], v[lane], w[lane]).1);
            let (share, least) = if at_second < at_first { (1.0, at_second) } else { (0.0, at_first) };
            let (share, least) = if at_middle < least { (0.5, at_middle) } else { (share, least) };
            let (share, least) = if first[lane] > 0.0 { (0.0, at_first) } else { (share, least) };
            let (share, least) = if second[lane] > 0.0 { (1.0, at_second) } else { (share, least) };
            let is_free = first[lane] + second[lane] <= 0.0;
            let fits = fits & is_free;
            x[lane] = if fits { mx + gx } else { u[lane] * share };
            y[lane] = if fits { my + gy } else { v[lane] * share };
            z[lane] = if fits { mz + gz } else { w[lane] * share };
            let least = if fits { value } else { least };
            cost[lane] = if first[lane] + second[lane] > 1.0 { f32::INFINITY } else { least };
        }
    }
}

/// How firmly points are held near the middle, as a share of what the quadric says in its strongest direction.
const FIRM: f32 = 1e-5;

/// Rounding doesn't make distances negative.
#[inline(always)]
fn positive(number: f32) -> f32 {
    if number > 0.0 { number } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::{super::quadric::minus, *};

    /// What each of these edges gives: quadrics of both ends, the way between them, and which end is locked.
    fn weighed(edges: &[([Near; 2], Vector, [bool; 2])]) -> Vec<(Vector, f32)> {
        let mut lanes = Lanes::default();
        for (lane, (ends, along, locked)) in edges.iter().enumerate() {
            lanes.put(lane, ends.each_ref(), *along, *locked);
        }
        lanes.weigh();
        (0..edges.len()).map(|lane| lanes.get(lane)).collect()
    }

    fn planes(normals: &[Vector]) -> Near {
        let mut all = Near::default();
        normals.iter().for_each(|normal| all.add(&Near::plane(*normal, 1.0)));
        all
    }

    #[test]
    fn three_planes_meet_in_their_point() {
        let [x, y, z] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        // One end is on the first plane, the other one on both others.
        let (ends, along) = ([planes(&[x]), planes(&[y, z])], [0.75, 0.5, 0.25]);
        let found = weighed(&[
            (ends, along, [false; 2]),
            (ends, along, [true, false]),
            (ends, along, [false, true]),
            (ends, along, [true; 2]),
            // Nothing but the plane that both are on: the point stays near the middle.
            ([planes(&[z]), planes(&[z])], [1.0, 0.0, 0.0], [false; 2]),
            // Planes that meet far away: an end or the middle will do.
            ([planes(&[z]), planes(&[[0.0, 0.001, 1.0]])], [0.0, 0.0, 1.0], [false; 2]),
        ]);
        assert!(minus(found[0].0, [0.0, 0.5, 0.25]).iter().all(|number| number.abs() < 1e-3), "{found:?}");
        assert!(found[0].1 < 1e-6);
        assert_eq!(found[1], ([0.0; 3], 0.3125));
        assert_eq!(found[2], (along, 0.5625));
        assert_eq!(found[3].1, f32::INFINITY);
        assert_eq!(found[4], ([0.5, 0.0, 0.0], 0.0));
        assert!(found[5].0.iter().map(|number| number * number).sum::<f32>() <= 1.0, "{found:?}");
    }

    #[test]
    fn all_machines_give_the_same_bytes() {
        let mut state = 1u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        for round in 0..200 {
            let edges: Vec<_> = (0..LANES)
                .map(|lane| {
                    let mut end = || planes(&[[0; 3].map(|_| number()), [0; 3].map(|_| number())]);
                    let ends = [end(), end()];
                    (ends, [0; 3].map(|_| number()), [round % 5 == 1 && lane % 2 == 0, round % 7 == 1 && lane % 3 == 0])
                })
                .collect();
            let bits = |found: Vec<(Vector, f32)>| -> Vec<_> {
                found.into_iter().map(|(step, cost)| (step.map(f32::to_bits), cost.to_bits())).collect()
            };
            assert_eq!(bits(weighed(&edges)), bits(simd::plainly(|| weighed(&edges))));
        }
    }
}
