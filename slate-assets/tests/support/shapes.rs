//! Surfaces made by rule. The benchmarks take them too.

#[derive(Clone, Default)]
pub(crate) struct Shape {
    pub(crate) positions: Vec<[f32; 3]>,
    pub(crate) indices: Vec<u32>,
    /// Normals, and coordinates after them.
    pub(crate) attributes: Vec<f32>,
    pub(crate) weights: Vec<f32>,
}

pub(crate) fn all() -> Vec<(&'static str, Shape)> {
    vec![("sphere", sphere(60)), ("terrain", terrain(100)), ("seams", seams(96)), ("facets", facets(40))]
}

/// A ball with bumps: six sides of `side` × `side` squares each, closed.
pub(crate) fn sphere(side: u32) -> Shape {
    let mut shape = Shape { weights: vec![0.025; 3], ..Shape::default() };
    for face in 0..6 {
        let first = shape.positions.len() as u32;
        for at in 0..(side + 1) * (side + 1) {
            let [u, v] = [at % (side + 1), at / (side + 1)].map(|at| at as f32 / side as f32 * 2.0 - 1.0);
            let cube = match face {
                0 => [1.0, u, v],
                1 => [-1.0, v, u],
                2 => [v, 1.0, u],
                3 => [u, -1.0, v],
                4 => [u, v, 1.0],
                _ => [v, u, -1.0],
            };
            let length = cube.iter().map(|n| n * n).sum::<f32>().sqrt();
            let unit = cube.map(|n| n / length);
            let [x, y, z] = unit.map(|n| n * 9.0);
            let bumps = 1.0 + 0.03 * (x.sin() * y.sin() + (2.3 * z).sin() * (1.7 * x).cos());
            shape.positions.push(unit.map(|n| n * bumps));
            shape.attributes.extend(unit);
        }
        grid(&mut shape.indices, first, side);
    }
    shape
}

fn height(x: f32, y: f32) -> f32 {
    0.06 * (7.0 * x).sin() * (5.0 * y).cos()
        + 0.02 * (23.0 * x + 3.0 * y).sin()
        + 0.01 * (41.0 * y).cos() * (37.0 * x).sin()
}

/// Hills over the unit square.
pub(crate) fn terrain(side: u32) -> Shape {
    let mut shape = Shape { weights: vec![0.025, 0.025, 0.025, 0.1, 0.1], ..Shape::default() };
    for at in 0..(side + 1) * (side + 1) {
        let [x, y] = [at % (side + 1), at / (side + 1)].map(|at| at as f32 / side as f32);
        shape.positions.push([x, y, height(x, y)]);
        shape.attributes.extend([0.0, 0.0, 1.0, x, y]);
    }
    grid(&mut shape.indices, 0, side);
    shape
}

/// The terrain's texture is cut into squares of 8 × 8 cells, each moved to another place.
pub(crate) fn seams(side: u32) -> Shape {
    let mut shape = Shape { weights: vec![0.025, 0.025, 0.025, 0.1, 0.1], ..Shape::default() };
    for square in 0..(side / 8) * (side / 8) {
        let (column, row) = (square % (side / 8), square / (side / 8));
        let first = shape.positions.len() as u32;
        for at in 0..81 {
            let [x, y] = [column * 8 + at % 9, row * 8 + at / 9].map(|at| at as f32 / side as f32);
            shape.positions.push([x, y, height(x, y)]);
            shape.attributes.extend([0.0, 0.0, 1.0]);
            shape.attributes.extend([x + offset(column, row), y]);
        }
        grid(&mut shape.indices, first, 8);
    }
    shape
}

fn offset(column: u32, row: u32) -> f32 {
    if (column + row).is_multiple_of(2) { 0.0 } else { 0.5 }
}

/// How far a coordinate of [`seams`] is from one that belongs to its place.
pub(crate) fn off_texture([x, y, _]: &[f32; 3], [u, v]: [f32; 2]) -> f32 {
    let across = [0.0, 0.5].into_iter().map(|offset| (u - x - offset).abs()).fold(f32::INFINITY, f32::min);
    across.max((v - y).abs())
}

/// A terrain whose triangles share no vertex: each has its own normal.
pub(crate) fn facets(side: u32) -> Shape {
    let smooth = terrain(side);
    let mut shape = Shape { weights: vec![0.025; 3], ..Shape::default() };
    for corners in smooth.indices.chunks_exact(3) {
        let [p, q, r] = [0, 1, 2].map(|at| smooth.positions[corners[at] as usize]);
        let (u, v) = ([0, 1, 2].map(|at| q[at] - p[at]), [0, 1, 2].map(|at| r[at] - p[at]));
        let normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
        let length = normal.iter().map(|n| n * n).sum::<f32>().sqrt();
        for position in [p, q, r] {
            shape.indices.push(shape.positions.len() as u32);
            shape.positions.push(position);
            shape.attributes.extend(normal.map(|n| n / length));
        }
    }
    shape
}

/// Whether a place is at the edge of the unit square.
pub(crate) fn on_rim([x, y, _]: &[f32; 3]) -> bool {
    let at_end = |n: f32| !(0.02..=0.98).contains(&n);
    at_end(*x) || at_end(*y)
}

fn grid(indices: &mut Vec<u32>, first: u32, side: u32) {
    for at in 0..side * side {
        let corner = first + at / side * (side + 1) + at % side;
        let (right, below) = (corner + 1, corner + side + 1);
        indices.extend([corner, right, below, right, below + 1, below]);
    }
}
