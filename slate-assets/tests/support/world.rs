//! What a model looks like from outside, read by the `gltf` crate.

/// The triangles that a GLB's scenes show, in the world, facing as they are seen.
pub(crate) fn triangles(glb: &[u8]) -> Vec<[[f32; 3]; 3]> {
    let (document, buffers, _) = gltf::import_slice(glb).unwrap();
    let identity = std::array::from_fn(|at| f32::from(u8::from(at % 5 == 0)));
    let mut open: Vec<(gltf::Node<'_>, [f32; 16])> =
        document.scenes().flat_map(|scene| scene.nodes()).map(|node| (node, identity)).collect();
    let mut all = Vec::new();
    while let Some((node, above)) = open.pop() {
        let own: Vec<f32> = node.transform().matrix().concat();
        let world: [f32; 16] =
            std::array::from_fn(|at| (0..4).map(|k| above[k * 4 + at % 4] * own[at / 4 * 4 + k]).sum());
        open.extend(node.children().map(|child| (child, world)));
        for primitive in node.mesh().iter().flat_map(gltf::Mesh::primitives) {
            if primitive.mode() != gltf::mesh::Mode::Triangles {
                continue;
            }
            let reader = primitive.reader(|buffer| Some(&buffers[buffer.index()]));
            let place = |[x, y, z]: [f32; 3]| -> [f32; 3] {
                std::array::from_fn(|row| world[row] * x + world[4 + row] * y + world[8 + row] * z + world[12 + row])
            };
            let positions: Vec<[f32; 3]> = reader.read_positions().unwrap().map(place).collect();
            let indices: Vec<u32> = match reader.read_indices() {
                Some(indices) => indices.into_u32().collect(),
                None => (0..positions.len() as u32).collect(),
            };
            // What mirrors turns triangles round, and viewers turn them back.
            let w = |at: usize| world[at];
            let volume = w(0) * (w(5) * w(10) - w(6) * w(9)) - w(4) * (w(1) * w(10) - w(2) * w(9))
                + w(8) * (w(1) * w(6) - w(2) * w(5));
            let seen = |[a, b, c]: [u32; 3]| if volume < 0.0 { [a, c, b] } else { [a, b, c] };
            let corners = indices.as_chunks::<3>().0.iter().map(|corners| seen(*corners));
            all.extend(corners.map(|corners| corners.map(|corner| positions[corner as usize])));
        }
    }
    all
}

/// What two files of one shape have in common, however they cut polygons: the number of triangles, the area, and the
/// corners of the box around them.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) triangles: usize,
    pub(crate) area: f64,
    pub(crate) least: [f64; 3],
    pub(crate) most: [f64; 3],
}

impl Shape {
    pub(crate) fn of(glb: &[u8]) -> Self {
        let triangles = triangles(glb);
        let (mut area, mut least, mut most) = (0.0, [f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for corners in &triangles {
            let [a, b, c] = corners.map(|corner| corner.map(f64::from));
            let side = |end: [f64; 3]| -> [f64; 3] { std::array::from_fn(|at| end[at] - a[at]) };
            let (u, v) = (side(b), side(c));
            let cross: [f64; 3] =
                std::array::from_fn(|at| u[(at + 1) % 3] * v[(at + 2) % 3] - u[(at + 2) % 3] * v[(at + 1) % 3]);
            area += cross.iter().map(|number| number * number).sum::<f64>().sqrt() / 2.0;
            for corner in [a, b, c] {
                least = std::array::from_fn(|at| least[at].min(corner[at]));
                most = std::array::from_fn(|at| most[at].max(corner[at]));
            }
        }
        Self { triangles: triangles.len(), area, least, most }
    }

    /// How far apart they are, as a share of the size; infinite where the numbers of triangles differ.
    pub(crate) fn distance(&self, other: &Self) -> f64 {
        if self.triangles != other.triangles {
            return f64::INFINITY;
        }
        let size = (0..3).map(|at| self.most[at] - self.least[at]).fold(1e-9, f64::max);
        let corners = self.least.iter().zip(&other.least).chain(self.most.iter().zip(&other.most));
        let apart = corners.map(|(one, other)| (one - other).abs() / size).fold(0.0, f64::max);
        apart.max((self.area - other.area).abs() / self.area.max(1e-12))
    }
}
