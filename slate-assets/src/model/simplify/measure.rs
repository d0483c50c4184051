use super::quadric::{Point, cross, dot, sub};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

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
    Gauge::new(one, samples).deviation(other)
}

/// A surface that others are measured against.
pub(in crate::model) struct Gauge<'a> {
    grid: Grid<'a>,
    points: Vec<Point>,
    samples: u32,
}

impl<'a> Gauge<'a> {
    /// Measures at so many points of each surface.
    pub(in crate::model) fn new(surface: (&'a [[f32; 3]], &'a [u32]), samples: u32) -> Self {
        let faces = Faces::of(surface);
        let (grid, points) = rayon::join(|| Grid::new(faces), || spread(faces, samples));
        Self { grid, points, samples }
    }

    /// How far another surface is from it.
    pub(in crate::model) fn deviation(&self, other: (&[[f32; 3]], &[u32])) -> Deviation {
        let other = Faces::of(other);
        if self.points.is_empty() || other.len() == 0 {
            return Deviation::default();
        }
        // The triangle that is nearest to a point is near to the next one, too.
        let distances = |from: &[Point], to: &Grid<'_>| -> Vec<f64> {
            let run = |points: &[Point]| -> Vec<f64> {
                let mut near = 0;
                points.iter().map(|point| to.nearest(*point, &mut near)).collect()
            };
            from.par_chunks(256).flat_map_iter(run).collect()
        };
        let (there, back) = rayon::join(
            || distances(&self.points, &Grid::new(other)),
            || distances(&spread(other, self.samples), &self.grid),
        );
        // In one order, whichever thread measured what.
        let all = || there.iter().chain(&back);
        let (sum, max) = (all().sum::<f64>(), all().fold(0.0, |max: f64, squared| max.max(*squared)));
        Deviation { rms: (sum / f64::from(self.samples.max(1)) / 2.0).sqrt(), max: max.sqrt() }
    }
}

/// The triangles of a surface.
#[derive(Clone, Copy)]
struct Faces<'a> {
    positions: &'a [[f32; 3]],
    indices: &'a [[u32; 3]],
}

impl<'a> Faces<'a> {
    fn of((positions, indices): (&'a [[f32; 3]], &'a [u32])) -> Self {
        Self { positions, indices: if positions.is_empty() { &[] } else { indices.as_chunks().0 } }
    }

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn corners(&self, at: usize) -> [Point; 3] {
        self.indices[at].map(|at| self.positions[(at as usize).min(self.positions.len() - 1)].map(f64::from))
    }

    /// The corners of the triangle's box.
    fn bounds(&self, at: usize) -> [[f32; 3]; 2] {
        let [p, q, r] = self.indices[at].map(|at| self.positions[(at as usize).min(self.positions.len() - 1)]);
        let bound = |of: fn(f32, f32) -> f32| std::array::from_fn(|at| of(of(p[at], q[at]), r[at]));
        [bound(f32::min), bound(f32::max)]
    }

    fn area(&self, at: usize) -> f64 {
        let [p, q, r] = self.corners(at);
        let normal = cross(sub(q, p), sub(r, p));
        dot(normal, normal).sqrt()
    }
}

/// Points spread over the triangles by area; none of an empty surface.
fn spread(faces: Faces<'_>, samples: u32) -> Vec<Point> {
    let areas: Vec<f64> = (0..faces.len()).map(|at| faces.area(at)).collect();
    let Some(&first) = areas.first() else { return Vec::new() };
    let total: f64 = areas.iter().sum();
    let (mut points, mut reached, mut at) = (Vec::with_capacity(samples as usize), first, 0);
    for sample in 0..samples {
        let wanted = total * (f64::from(sample) + 0.5) / f64::from(samples);
        while reached < wanted && at + 1 < areas.len() {
            at += 1;
            reached += areas[at];
        }
        // Roberts' sequence fills the square evenly; its upper half is folded down.
        let n = f64::from(sample) + 0.5;
        let (mut u, mut v) = ((n * 0.754_877_666_246_693).fract(), (n * 0.569_840_290_998_053).fract());
        if u + v > 1.0 {
            (u, v) = (1.0 - u, 1.0 - v);
        }
        let [p, q, r] = faces.corners(at);
        points.push(std::array::from_fn(|at| p[at] + (q[at] - p[at]) * u + (r[at] - p[at]) * v));
    }
    points
}

/// Triangles by the cells of space that their boxes touch, in a table as large as the surface: cells share its lists.
struct Grid<'a> {
    faces: Faces<'a>,
    space: Cells,
    starts: Vec<u32>,
    members: Vec<u32>,
    /// By triangle, the corners of its box.
    boxes: Arc<[[[f32; 3]; 2]]>,
    /// For points that nothing is near to: the same in larger cells.
    coarser: OnceLock<Box<Grid<'a>>>,
}

/// Cells of a box.
#[derive(Clone, Copy)]
struct Cells {
    origin: Point,
    size: Point,
    /// The side of a cell.
    side: f64,
    counts: [usize; 3],
}

/// The lower and the upper cell of a triangle's box.
type Touched = [[u16; 3]; 2];

impl<'a> Grid<'a> {
    fn new(faces: Faces<'a>) -> Self {
        let (mut least, mut most) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
        for corner in faces.indices.iter().flatten() {
            let position = faces.positions[(*corner as usize).min(faces.positions.len() - 1)];
            for at in 0..3 {
                (least[at], most[at]) = (least[at].min(position[at]), most[at].max(position[at]));
            }
        }
        let size: Point = std::array::from_fn(|at| f64::from(most[at]) - f64::from(least[at]));
        // About one cell for eight triangles of a surface that fills its box's sides.
        let most = (faces.len() as f64 / 8.0).sqrt().clamp(1.0, 4096.0);
        let all = || (0..faces.len()).into_par_iter().with_min_len(4096);
        let boxes: Vec<_> = all().map(|at| faces.bounds(at)).collect();
        Self::of(faces, boxes.into(), Cells::new(least.map(f64::from), size, most), |space, boxes| {
            all().map(|at| space.touched(boxes[at])).collect()
        })
    }

    /// The same in larger cells. On one thread: the others may wait for it.
    fn larger(&self, times: f64) -> Self {
        Self::of(self.faces, Arc::clone(&self.boxes), self.space.coarser(times), |space, boxes| {
            boxes.iter().map(|bounds| space.touched(*bounds)).collect()
        })
    }

    /// In these cells, or in larger ones where triangles would be in too many.
    fn of(
        faces: Faces<'a>,
        boxes: Arc<[[[f32; 3]; 2]]>,
        mut space: Cells,
        touched: impl Fn(&Cells, &[[[f32; 3]; 2]]) -> Vec<Touched>,
    ) -> Self {
        /// Cells that a triangle touches at most, on average.
        const MOST: usize = 16;
        let touched = loop {
            let touched = touched(&space, &boxes);
            let cells = |[from, to]: &Touched| (0..3).map(|at| usize::from(to[at] - from[at]) + 1).product::<usize>();
            // In one cell each touches one.
            if touched.iter().map(cells).fold(0, usize::saturating_add) <= faces.len() * MOST {
                break touched;
            }
            space = space.coarser(2.0);
        };
        let last = faces.len().next_power_of_two() - 1;
        let mut starts = vec![0; last + 2];
        touched.iter().for_each(|touched| space.lists(touched, last, |list| starts[list + 1] += 1));
        for list in 1..starts.len() {
            starts[list] += starts[list - 1];
        }
        let mut members = vec![0; starts[last + 1] as usize];
        let mut next = starts.clone();
        for (at, touched) in touched.iter().enumerate() {
            space.lists(touched, last, |list| {
                members[next[list] as usize] = at as u32;
                next[list] += 1;
            });
        }
        Self { faces, space, starts, members, boxes, coarser: OnceLock::new() }
    }

    /// The squared distance to the nearest triangle, which `near` becomes: the nearer it was, the less is looked at.
    fn nearest(&self, point: Point, near: &mut u32) -> f64 {
        let best = squared_distance(point, &self.faces.corners(*near as usize));
        self.nearer(point, best, near)
    }

    /// The same, where this is known to be so near: shell by shell of cells around the point's own.
    fn nearer(&self, point: Point, mut best: f64, near: &mut u32) -> f64 {
        /// So many shells are looked through; one cell of the coarser grid is as large as these.
        const SHELLS: usize = 4;
        let (space, last) = (&self.space, self.starts.len() - 2);
        let home = space.cell_of(point);
        // How far the point is inside of its cell's sides; less than nothing where it is outside of the grid.
        let inside = (0..3).fold(f64::INFINITY, |inside, at| {
            let from = space.origin[at] + home[at] as f64 * space.side;
            inside.min(point[at] - from).min(from + space.side - point[at])
        });
        let most = space.counts.iter().copied().max().unwrap_or(1);
        for shell in 0..=most {
            let reach = inside + (shell as f64 - 1.0) * space.side;
            if shell > 0 && best <= reach.max(0.0) * reach.max(0.0) {
                break;
            }
            if shell > SHELLS {
                let coarser = self.coarser.get_or_init(|| Box::new(self.larger(2.0 * SHELLS as f64)));
                return coarser.nearer(point, best, near);
            }
            let range = |at: usize| (home[at].saturating_sub(shell), (home[at] + shell).min(space.counts[at] - 1));
            let [(x0, x1), (y0, y1), (z0, z1)] = [range(0), range(1), range(2)];
            for z in z0..=z1 {
                for y in y0..=y1 {
                    let face = z.abs_diff(home[2]) == shell || y.abs_diff(home[1]) == shell;
                    for x in x0..=x1 {
                        let is_inner = !face && x.abs_diff(home[0]) != shell;
                        if is_inner || space.squared_distance([x, y, z], point) >= best {
                            continue;
                        }
                        let list = space.list([x, y, z], last);
                        for &at in &self.members[self.starts[list] as usize..self.starts[list + 1] as usize] {
                            if box_distance(self.boxes[at as usize], point) >= best {
                                continue;
                            }
                            let distance = squared_distance(point, &self.faces.corners(at as usize));
                            if distance < best {
                                (best, *near) = (distance, at);
                            }
                        }
                    }
                }
            }
        }
        best
    }
}

impl Cells {
    /// Cells of which the longest side has so many.
    fn new(origin: Point, size: Point, most: f64) -> Self {
        let side = (size.iter().fold(0.0f64, |a, b| a.max(*b)) / most).max(f64::MIN_POSITIVE);
        Self { origin, size, side, counts: size.map(|size| (size / side) as usize + 1) }
    }

    /// Cells so many times as large.
    fn coarser(&self, times: f64) -> Self {
        let side = self.side * times;
        Self { side, counts: self.size.map(|size| (size / side) as usize + 1), ..*self }
    }

    fn cell_of(&self, point: Point) -> [usize; 3] {
        std::array::from_fn(|at| {
            (((point[at] - self.origin[at]) / self.side).max(0.0) as usize).min(self.counts[at] - 1)
        })
    }

    fn touched(&self, bounds: [[f32; 3]; 2]) -> Touched {
        bounds.map(|point| self.cell_of(point.map(f64::from)).map(|cell| cell as u16))
    }

    /// The list of a cell, of those up to the last one. Strides are odd, so that rows don't share all of their lists.
    fn list(&self, [x, y, z]: [usize; 3], last: usize) -> usize {
        const LAYER: usize = 0x9E37_79B1;
        x.wrapping_add(y.wrapping_mul(self.counts[0] | 1)).wrapping_add(z.wrapping_mul(LAYER)) & last
    }

    /// The lists of all cells from one to the other.
    fn lists(&self, [from, to]: &Touched, last: usize, mut act: impl FnMut(usize)) {
        for z in from[2]..=to[2] {
            for y in from[1]..=to[1] {
                for x in from[0]..=to[0] {
                    act(self.list([x, y, z].map(usize::from), last));
                }
            }
        }
    }

    /// How far a point is from a cell at least, less what rounding may make of it.
    fn squared_distance(&self, cell: [usize; 3], point: Point) -> f64 {
        let off = |at: usize| {
            let from = self.origin[at] + cell[at] as f64 * self.side;
            (from - point[at]).max(point[at] - from - self.side).max(0.0)
        };
        (0..3).map(|at| off(at) * off(at)).sum::<f64>() * (1.0 - 1e-9)
    }
}

/// How far a point is from a box at least, squared, less what rounding may make of it.
fn box_distance([least, most]: [[f32; 3]; 2], point: Point) -> f64 {
    let off = |at: usize| (f64::from(least[at]) - point[at]).max(point[at] - f64::from(most[at])).max(0.0);
    (0..3).map(|at| off(at) * off(at)).sum::<f64>() * (1.0 - 1e-9)
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
        let faces = Faces::of((&positions, &indices));
        let grid = Grid::new(faces);
        let all: Vec<_> = (0..faces.len()).map(|at| faces.corners(at)).collect();
        for at in 0..200u32 {
            let point =
                [f64::from(at * 31 % 163) - 30.0, f64::from(at * 17 % 151) - 30.0, f64::from(at * 7 % 139) - 30.0];
            let expected = all.iter().map(|triangle| squared_distance(point, triangle)).fold(f64::INFINITY, f64::min);
            for mut near in [0, at % 100] {
                assert_eq!(grid.nearest(point, &mut near), expected, "{point:?}");
                assert_eq!(squared_distance(point, &all[near as usize]), expected, "{point:?}");
            }
        }
    }
}
