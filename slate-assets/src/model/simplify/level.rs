use super::{collapse::Simplifier, topology::NONE};

/// A simplified surface.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Level {
    /// A place for each vertex.
    pub positions: Vec<[f32; 3]>,
    /// Values for each vertex, as many as the surface had.
    pub attributes: Vec<f32>,
    /// For each vertex the one of the surface whose other values (joints, names) suit it.
    pub sources: Vec<u32>,
    /// Three vertices for each triangle, in the surface's order.
    pub indices: Vec<u32>,
    /// For each triangle its number in the surface.
    pub triangles: Vec<u32>,
}

impl Simplifier<'_> {
    /// The surface as it is now.
    pub(super) fn level(&self) -> Level {
        let (triangles, vertices) = (self.triangles(), self.surface.positions.len().min(self.triangles() * 3));
        let mut level = Level {
            positions: Vec::with_capacity(vertices),
            attributes: Vec::with_capacity(vertices * self.width),
            sources: Vec::with_capacity(vertices),
            indices: Vec::with_capacity(triangles * 3),
            triangles: Vec::with_capacity(triangles),
        };
        let mut vertices = vec![NONE; self.surface.positions.len()];
        let ranges = self.ranges();
        for triangle in self.topology.living() {
            for corner in 0..3 {
                let place = self.topology.corners[triangle][corner];
                let wedge = self.topology.sides[triangle].wedges[corner];
                let vertex = &mut vertices[wedge as usize];
                if *vertex == NONE {
                    *vertex = level.positions.len() as u32;
                    level.sources.push(self.sources[wedge as usize]);
                    level.positions.push(self.position(place));
                    self.values(place, wedge, &ranges, &mut level.attributes);
                }
                level.indices.push(*vertex);
            }
            level.triangles.push(triangle as u32);
        }
        level
    }

    fn position(&self, place: u32) -> [f32; 3] {
        if self.topology.places[place as usize].version == 0 || self.topology.is_locked(place) {
            return self.surface.positions[self.topology.anchors[place as usize] as usize];
        }
        let point = self.topology.places[place as usize].point;
        std::array::from_fn(|at| (f64::from(point[at]) * self.topology.extent + self.topology.origin[at]) as f32)
    }

    /// The least and most of each attribute: what fits best beyond them is not meant.
    fn ranges(&self) -> Vec<[f32; 2]> {
        let mut ranges = vec![[f32::INFINITY, f32::NEG_INFINITY]; self.width];
        for values in self.surface.attributes.chunks_exact(self.width.max(1)) {
            for (range, value) in ranges.iter_mut().zip(values) {
                *range = [range[0].min(*value), range[1].max(*value)];
            }
        }
        ranges
    }

    fn values(&self, place: u32, wedge: u32, ranges: &[[f32; 2]], out: &mut Vec<f32>) {
        let own = self.surface.attributes.chunks_exact(self.width.max(1)).nth(self.sources[wedge as usize] as usize);
        let own = own.unwrap_or_default();
        if self.topology.places[place as usize].version == 0 || self.width == 0 {
            return out.extend(own);
        }
        for (at, mean) in self.fields.row(wedge).iter().enumerate() {
            let [least, most] = ranges[at];
            let fit = mean[3] / self.surface.weights[at];
            out.push(if fit.is_finite() { fit.clamp(least, most) } else { own[at] });
        }
    }
}
