use super::quadric::{Point, cross, dot, sub};

/// How far two surfaces are from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Deviation {
    /// The root of the mean squared distance, in the positions' unit.
    pub rms: f64,
    /// The largest distance found.
    pub max: f64,
}

/// Measures two surfaces of triangles against each other: `samples` points spread evenly over each, and for each the
/// nearest point of the other, whichever triangle it is on. The same samples each time.
///
/// Indices beyond the positions count as the last position; an empty surface is at no distance.
pub fn deviation(one: (&[[f32; 3]], &[u32]), other: (&[[f32; 3]], &[u32]), samples: u32) -> Deviation {
    let [one, other] = [one, other].map(|(positions, indices)| triangles(positions, indices));
    if one.is_empty() || other.is_empty() {
        return Deviation::default();
    }
    let (mut sum, mut max) = (0.0, 0.0f64);
    for (from, to) in [(&one, &other), (&other, &one)] {
        let grid = Grid::new(to);
        for point in spread(from, samples) {
            let squared = grid.nearest(point);
            sum += squared;
            max = max.max(squared);
        }
    }
    Deviation { rms: (sum / f64::from(samples.max(1)) / 2.0).sqrt(), max: max.sqrt() }
}

fn triangles(positions: &[[f32; 3]], indices: &[u32]) -> Vec<[Point; 3]> {
    let Some(last) = positions.len().checked_sub(1) else { return Vec::new() };
    let point = |at: u32| positions[(at as usize).min(last)].map(f64::from);
    indices.as_chunks::<3>().0.iter().map(|corners| corners.map(point)).collect()
}

/// Points spread over the triangles by area.
fn spread(triangles: &[[Point; 3]], samples: u32) -> Vec<Point> {
    let area = |[p, q, r]: &[Point; 3]| {
        let normal = cross(sub(*q, *p), sub(*r, *p));
        dot(normal, normal).sqrt()
    };
    let total: f64 = triangles.iter().map(area).sum();
    let (mut points, mut reached, mut at) = (Vec::with_capacity(samples as usize), area(&triangles[0]), 0);
    for sample in 0..samples {
        let wanted = total * (f64::from(sample) + 0.5) / f64::from(samples);
        while reached < wanted && at + 1 < triangles.len() {
            at += 1;
            reached += area(&triangles[at]);
        }
        // Roberts' sequence fills the square evenly; its upper half is folded down.
        let n = f64::from(sample) + 0.5;
        let (mut u, mut v) = ((n * 0.754_877_666_246_693).fract(), (n * 0.569_840_290_998_053).fract());
        if u + v > 1.0 {
            (u, v) = (1.0 - u, 1.0 - v);
        }
        let [p, q, r] = triangles[at];
        points.push(std::array::from_fn(|at| p[at] + (q[at] - p[at]) * u + (r[at] - p[at]) * v));
    }
    points
}

/// Triangles by the cells of space that their boxes touch.
struct Grid<'a> {
    triangles: &'a [[Point; 3]],
    origin: Point,
    cell: f64,
    cells: [usize; 3],
    starts: Vec<u32>,
    members: Vec<u32>,
}

impl<'a> Grid<'a> {
    fn new(triangles: &'a [[Point; 3]]) -> Self {
        let (mut least, mut most) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for point in triangles.iter().flatten() {
            for at in 0..3 {
                (least[at], most[at]) = (least[at].min(point[at]), most[at].max(point[at]));
            }
        }
        let size: Point = std::array::from_fn(|at| most[at] - least[at]);
        // About one cell for each triangle of a surface that fills its box's sides.
        let side = (triangles.len() as f64).sqrt().clamp(1.0, 128.0);
        let cell = (size.iter().fold(0.0f64, |a, b| a.max(*b)) / side).max(f64::MIN_POSITIVE);
        let cells = size.map(|size| ((size / cell) as usize + 1).min(512));
        let mut grid = Self { triangles, origin: least, cell, cells, starts: Vec::new(), members: Vec::new() };
        let mut counts = vec![0u32; cells.iter().product::<usize>() + 1];
        triangles.iter().for_each(|triangle| grid.touched(triangle, |cell| counts[cell + 1] += 1));
        for cell in 1..counts.len() {
            counts[cell] += counts[cell - 1];
        }
        grid.starts.clone_from(&counts);
        let mut members = vec![0; counts.last().copied().unwrap_or_default() as usize];
        for (at, triangle) in triangles.iter().enumerate() {
            grid.touched(triangle, |cell| {
                members[counts[cell] as usize] = at as u32;
                counts[cell] += 1;
            });
        }
        grid.members = members;
        grid
    }

    fn cell_of(&self, point: Point) -> [usize; 3] {
        std::array::from_fn(|at| {
            (((point[at] - self.origin[at]) / self.cell).max(0.0) as usize).min(self.cells[at] - 1)
        })
    }

    fn number(&self, [x, y, z]: [usize; 3]) -> usize {
        (z * self.cells[1] + y) * self.cells[0] + x
    }

    fn touched(&self, triangle: &[Point; 3], mut act: impl FnMut(usize)) {
        let bound = |of: fn(f64, f64) -> f64| -> Point {
            std::array::from_fn(|at| of(of(triangle[0][at], triangle[1][at]), triangle[2][at]))
        };
        let (from, to) = (self.cell_of(bound(f64::min)), self.cell_of(bound(f64::max)));
        for z in from[2]..=to[2] {
            for y in from[1]..=to[1] {
                for x in from[0]..=to[0] {
                    act(self.number([x, y, z]));
                }
            }
        }
    }

    /// The squared distance to the nearest triangle: shell by shell of cells around the point's own.
    fn nearest(&self, point: Point) -> f64 {
        let home = self.cell_of(point);
        // How far the point is inside of its cell's sides; less than nothing where it is outside of the grid.
        let inside = (0..3).fold(f64::INFINITY, |inside, at| {
            let from = self.origin[at] + home[at] as f64 * self.cell;
            inside.min(point[at] - from).min(from + self.cell - point[at])
        });
        let mut best = f64::INFINITY;
        for shell in 0..=self.cells.iter().copied().max().unwrap_or(1) {
            let reach = inside + (shell as f64 - 1.0) * self.cell;
            if shell > 0 && best <= reach.max(0.0) * reach.max(0.0) {
                break;
            }
            let range = |at: usize| (home[at].saturating_sub(shell), (home[at] + shell).min(self.cells[at] - 1));
            let [(x0, x1), (y0, y1), (z0, z1)] = [range(0), range(1), range(2)];
            for z in z0..=z1 {
                for y in y0..=y1 {
                    let face = z.abs_diff(home[2]) == shell || y.abs_diff(home[1]) == shell;
                    for x in x0..=x1 {
                        if !face && x.abs_diff(home[0]) != shell {
                            continue;
                        }
                        let cell = self.number([x, y, z]);
                        for &at in &self.members[self.starts[cell] as usize..self.starts[cell + 1] as usize] {
                            best = best.min(squared_distance(point, &self.triangles[at as usize]));
                        }
                    }
                }
            }
        }
        best
    }
}

/// Ericson, Real-Time Collision Detection, 5.1.5.
fn squared_distance(point: Point, [a, b, c]: &[Point; 3]) -> f64 {
    let (ab, ac, ap) = (sub(*b, *a), sub(*c, *a), sub(point, *a));
    let away = |from: Point| dot(from, from);
    let on =
        |from: Point, along: Point, share: f64| -> f64 { away(std::array::from_fn(|at| from[at] - along[at] * share)) };
    let (d1, d2) = (dot(ab, ap), dot(ac, ap));
    if d1 <= 0.0 && d2 <= 0.0 {
        return away(ap);
    }
    let bp = sub(point, *b);
    let (d3, d4) = (dot(ab, bp), dot(ac, bp));
    if d3 >= 0.0 && d4 <= d3 {
        return away(bp);
    }
    let vc = d1 * d4 - d3 * d2;
    if vc <= 0.0 && d1 >= 0.0 && d3 <= 0.0 && d1 > d3 {
        return on(ap, ab, d1 / (d1 - d3));
    }
    let cp = sub(point, *c);
    let (d5, d6) = (dot(ab, cp), dot(ac, cp));
    if d6 >= 0.0 && d5 <= d6 {
        return away(cp);
    }
    let vb = d5 * d2 - d1 * d6;
    if vb <= 0.0 && d2 >= 0.0 && d6 <= 0.0 && d2 > d6 {
        return on(ap, ac, d2 / (d2 - d6));
    }
    let va = d3 * d6 - d5 * d4;
    let (e4, e5) = (d4 - d3, d5 - d6);
    if va <= 0.0 && e4 >= 0.0 && e5 >= 0.0 && e4 + e5 > 0.0 {
        return on(bp, sub(*c, *b), e4 / (e4 + e5));
    }
    let normal = cross(ab, ac);
    let length = dot(normal, normal);
    if length > 0.0 { dot(normal, ap) * dot(normal, ap) / length } else { away(ap).min(away(bp)).min(away(cp)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_squares_are_as_far_as_they_are() {
        let square = |z: f32| [[0.0, 0.0, z], [1.0, 0.0, z], [1.0, 1.0, z], [0.0, 1.0, z]];
        let indices = [0, 1, 2, 0, 2, 3];
        let found = deviation((&square(0.0), &indices), (&square(0.25), &indices), 1000);
        assert!((found.rms - 0.25).abs() < 1e-9 && (found.max - 0.25).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn the_nearest_triangle_is_found_from_anywhere() {
        let positions: Vec<[f32; 3]> =
            (0..300u32).map(|at| [(at * 37 % 101) as f32, (at * 53 % 97) as f32, (at * 71 % 89) as f32]).collect();
        let indices: Vec<u32> = (0..300).collect();
        let all = triangles(&positions, &indices);
        let grid = Grid::new(&all);
        for at in 0..200u32 {
            let point =
                [f64::from(at * 31 % 163) - 30.0, f64::from(at * 17 % 151) - 30.0, f64::from(at * 7 % 139) - 30.0];
            let expected = all.iter().map(|triangle| squared_distance(point, triangle)).fold(f64::INFINITY, f64::min);
            assert_eq!(grid.nearest(point), expected, "{point:?}");
        }
    }
}
