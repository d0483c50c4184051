use super::{
    Surface,
    collapse::Piece,
    topology::{NONE, Space},
};

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

impl Level {
    /// The surface as it is in the piece that all of it is in.
    pub(super) fn of(surface: &Surface<'_>, space: Space, piece: &Piece) -> Self {
        let (triangles, vertices) = (piece.triangles, piece.sources.len().min(piece.triangles * 3));
        let mut level = Self {
            positions: Vec::with_capacity(vertices),
            attributes: Vec::with_capacity(vertices * piece.fields.width),
            sources: Vec::with_capacity(vertices),
            indices: Vec::with_capacity(triangles * 3),
            triangles: Vec::with_capacity(triangles),
        };
        let making = Making { surface, space, piece, ranges: ranges(surface) };
        let mut vertices = vec![NONE; piece.sources.len()];
        // In the surface's order.
        let mut order = vec![NONE; surface.indices.len() / 3];
        piece.topology.living().for_each(|triangle| order[piece.numbers[triangle] as usize] = triangle as u32);
        for triangle in order.into_iter().filter(|triangle| *triangle != NONE).map(|triangle| triangle as usize) {
            for corner in 0..3 {
                let place = piece.topology.corners[triangle][corner];
                let wedge = piece.topology.sides[triangle].wedges[corner];
                let vertex = &mut vertices[wedge as usize];
                if *vertex == NONE {
                    *vertex = level.positions.len() as u32;
                    level.sources.push(piece.sources[wedge as usize]);
                    level.positions.push(making.position(place));
                    making.values(place, wedge, &mut level.attributes);
                }
                level.indices.push(*vertex);
            }
            level.triangles.push(piece.numbers[triangle]);
        }
        level
    }
}

/// What vertices are made from.
struct Making<'a> {
    surface: &'a Surface<'a>,
    space: Space,
    piece: &'a Piece,
    /// The least and most of each attribute: what fits best beyond them is not meant.
    ranges: Vec<[f32; 2]>,
}

impl Making<'_> {
    fn position(&self, place: u32) -> [f32; 3] {
        let topology = &self.piece.topology;
        if topology.places[place as usize].version == 0 || topology.is_locked(place) {
            return self.surface.positions[topology.anchors[place as usize] as usize];
        }
        self.space.outside(topology.places[place as usize].point)
    }

    fn values(&self, place: u32, wedge: u32, out: &mut Vec<f32>) {
        let width = self.piece.fields.width;
        let first = self.piece.sources[wedge as usize] as usize * width;
        let own = &self.surface.attributes[first..first + width];
        if self.piece.topology.places[place as usize].version == 0 {
            return out.extend(own);
        }
        for (at, mean) in self.piece.fields.row(wedge).iter().enumerate() {
            let [least, most] = self.ranges[at];
            let fit = mean[3] / self.surface.weights[at];
            out.push(if fit.is_finite() { fit.clamp(least, most) } else { own[at] });
        }
    }
}

fn ranges(surface: &Surface<'_>) -> Vec<[f32; 2]> {
    let mut ranges = vec![[f32::INFINITY, f32::NEG_INFINITY]; surface.weights.len()];
    for values in surface.attributes.chunks_exact(surface.weights.len().max(1)) {
        for (range, value) in ranges.iter_mut().zip(values) {
            *range = [range[0].min(*value), range[1].max(*value)];
        }
    }
    ranges
}
