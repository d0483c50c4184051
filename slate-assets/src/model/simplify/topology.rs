use super::{
    Surface,
    quadric::{Frame, Near, Point, Quadric, Vector, across, cross, dot, minus, product, sub},
};
use slate_core::{Error, Result};

pub(super) const NONE: u32 = u32::MAX;

/// How much a border counts against the faces beside it.
const BORDER: f32 = 3.0;
/// How much a seam of attributes or materials counts.
const SEAM: f32 = 0.3;

/// Triangles and edges over places; vertices of one place differ in their attributes only and are called wedges.
///
/// What is used together lies together: collapses go all over the surface, and each place that they touch is a wait for
/// memory.
pub(super) struct Topology {
    /// The lower corner and the size of the surface; positions are inside of the unit cube.
    pub(super) origin: Point,
    pub(super) extent: f64,
    pub(super) points: Vec<Vector>,
    pub(super) places: Vec<Place>,
    pub(super) triangles: Vec<Triangle>,
    pub(super) edges: Vec<Edge>,
    pub(super) locked: Vec<bool>,
    /// A vertex at each place, to take the place's exact position from.
    pub(super) anchors: Vec<u32>,
}

pub(super) struct Place {
    pub(super) quadric: Near,
    /// How many collapses went into it.
    pub(super) version: u32,
    /// The first corner, as triangle · 4 + corner.
    pub(super) first: u32,
    /// The one wedge, `NONE` where there are several.
    pub(super) single: u32,
}

pub(super) struct Triangle {
    /// Places; `NONE` first where the triangle is gone.
    pub(super) corners: [u32; 3],
    /// The edge from each corner to the next.
    pub(super) edges: [u32; 3],
    /// The next corner at the same place.
    pub(super) next: [u32; 3],
    /// Vertices.
    pub(super) wedges: [u32; 3],
}

pub(super) struct Edge {
    pub(super) ends: [u32; 2],
    pub(super) cost: f32,
    /// The sum of the ends' versions that the cost was found with.
    pub(super) stamp: u32,
    /// The next edge in the queue.
    pub(super) next: u32,
    pub(super) state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    /// Something was in the way of its collapse.
    Blocked,
    Gone,
}

impl Topology {
    pub(super) fn new(surface: &Surface<'_>) -> Result<Self> {
        let count = surface.positions.len();
        let wide = surface.attributes.len() == count * surface.weights.len();
        let locks = surface.locked.is_empty() || surface.locked.len() == count;
        if !wide || !locks || !surface.indices.len().is_multiple_of(3) || count >= (NONE / 4) as usize {
            return Err(Error::invalid("the surface's lists don't fit each other"));
        }
        if surface.indices.len() / 3 >= (NONE / 4) as usize {
            return Err(Error::limit_exceeded("a surface has less than a thousand million triangles"));
        }
        if surface.indices.iter().any(|&at| at as usize >= count) {
            return Err(Error::invalid("an index of the surface is beyond its vertices"));
        }
        if surface.positions.iter().flatten().chain(surface.attributes).any(|number| !number.is_finite()) {
            return Err(Error::invalid("a number of the surface is not finite"));
        }
        let (origin, extent) = bounds(surface);
        let (place_of, firsts) = weld(surface.positions);
        let scale = 1.0 / extent;
        let point = |&at: &u32| -> Vector {
            let position = surface.positions[at as usize].map(f64::from);
            std::array::from_fn(|at| ((position[at] - origin[at]) * scale) as f32)
        };
        let place = |_: &u32| Place { quadric: Near::default(), version: 0, first: NONE, single: NONE };
        let mut locked = vec![false; firsts.len()];
        for (wedge, _) in surface.locked.iter().enumerate().filter(|(_, locked)| **locked) {
            locked[place_of[wedge] as usize] = true;
        }
        let mut topology = Self {
            origin,
            extent,
            points: firsts.iter().map(point).collect(),
            places: firsts.iter().map(place).collect(),
            triangles: Vec::with_capacity(surface.indices.len() / 3),
            edges: Vec::new(),
            locked,
            anchors: firsts,
        };
        for wedges in surface.indices.as_chunks::<3>().0 {
            let [a, b, c] = wedges.map(|wedge| place_of[wedge as usize]);
            // A triangle of two places shows nothing; it stays in the list, so that triangles keep their numbers.
            let corners = if a == b || b == c || c == a { [NONE; 3] } else { [a, b, c] };
            topology.triangles.push(Triangle { corners, edges: [NONE; 3], next: [NONE; 3], wedges: *wedges });
        }
        topology.link();
        topology.find_edges();
        topology.add_quadrics();
        Ok(topology)
    }

    fn link(&mut self) {
        const SEVERAL: u32 = NONE - 1;
        // Backwards, so that the lists are in the triangles' order.
        for (number, triangle) in self.triangles.iter_mut().enumerate().rev() {
            for corner in 0..3 {
                let Some(place) = self.places.get_mut(triangle.corners[corner] as usize) else { continue };
                triangle.next[corner] = place.first;
                place.first = (number * 4 + corner) as u32;
                let wedge = triangle.wedges[corner];
                place.single = if place.single == NONE || place.single == wedge { wedge } else { SEVERAL };
            }
        }
        self.places.iter_mut().filter(|place| place.single == SEVERAL).for_each(|place| place.single = NONE);
    }

    fn find_edges(&mut self) {
        let mut of_place = vec![NONE; self.points.len()];
        self.edges.reserve(self.triangles.len() * 3 / 2 + 64);
        for triangle in &mut self.triangles {
            if triangle.corners[0] == NONE {
                continue;
            }
            for corner in 0..3 {
                let (a, b) = (triangle.corners[corner], triangle.corners[(corner + 1) % 3]);
                let ends = [a.min(b), a.max(b)];
                let first = &mut of_place[ends[0] as usize];
                let mut edge = *first;
                // Until the queue takes them, edges of one lower end are linked by its fields.
                while edge != NONE && self.edges[edge as usize].ends[1] != ends[1] {
                    edge = self.edges[edge as usize].next;
                }
                if edge == NONE {
                    edge = self.edges.len() as u32;
                    self.edges.push(Edge { ends, cost: 0.0, stamp: 0, next: *first, state: State::Queued });
                    *first = edge;
                }
                triangle.edges[corner] = edge;
            }
        }
    }

    fn points_of(&self, triangle: usize) -> [Vector; 3] {
        self.triangles[triangle].corners.map(|place| self.points[place as usize])
    }

    pub(super) fn living(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.triangles.len()).filter(|&triangle| self.triangles[triangle].corners[0] != NONE)
    }

    /// Gives each place the planes of its faces, and of its borders and seams, upright on their faces.
    fn add_quadrics(&mut self) {
        /// Keeps points of flat surfaces from wandering, and makes short edges go first there.
        const STAY: f32 = 1e-6;
        // The first corner at each edge, how many there are, and whether a second one has the same wedges.
        let mut sides = vec![(NONE, 0u8, false); self.edges.len()];
        for number in 0..self.triangles.len() {
            if self.triangles[number].corners[0] == NONE {
                continue;
            }
            let points = self.points_of(number);
            let normal = across(minus(points[1], points[0]), minus(points[2], points[0]));
            let double = product(normal, normal).sqrt();
            if double > 0.0 {
                let mut plane = Near::plane(normal.map(|number| number / double), double / 2.0);
                plane.add(&Near::place(double / 2.0 * STAY));
                for place in self.triangles[number].corners {
                    self.places[place as usize].quadric.add(&plane);
                }
            }
            for corner in 0..3 {
                let edge = self.triangles[number].edges[corner] as usize;
                let at = (number * 4 + corner) as u32;
                let (first, count, inner) = sides[edge];
                if count == 0 {
                    sides[edge] = (at, 1, false);
                    continue;
                }
                let [a, b] = self.wedges_at(at);
                let same = self.wedges_at(first) == [b, a];
                sides[edge] = (first, count.saturating_add(1), inner || same);
                if !same {
                    self.upright(at, SEAM);
                }
            }
        }
        for (first, count, inner) in sides {
            if count == 1 {
                self.upright(first, BORDER);
            } else if count > 1 && !inner {
                self.upright(first, SEAM);
            }
        }
    }

    fn wedges_at(&self, corner: u32) -> [u32; 2] {
        let (wedges, corner) = (&self.triangles[(corner / 4) as usize].wedges, (corner % 4) as usize);
        [wedges[corner], wedges[(corner + 1) % 3]]
    }

    /// Adds the plane through the edge at this corner, upright on the triangle, to the edge's ends.
    fn upright(&mut self, corner: u32, weight: f32) {
        let (triangle, corner) = ((corner / 4) as usize, (corner % 4) as usize);
        let points = self.points_of(triangle);
        let (from, to, other) = (points[corner], points[(corner + 1) % 3], points[(corner + 2) % 3]);
        let along = minus(to, from);
        let length = product(along, along);
        if length <= 0.0 {
            return;
        }
        let aside = minus(other, from);
        let share = product(aside, along) / length;
        let aside = minus(aside, along.map(|number| number * share));
        let height = product(aside, aside).sqrt();
        if height <= 1e-3 * length.sqrt() {
            return;
        }
        let plane = Near::plane(aside.map(|number| number / height), length * weight);
        for end in [corner, (corner + 1) % 3] {
            let place = self.triangles[triangle].corners[end];
            self.places[place as usize].quadric.add(&plane);
        }
    }

    /// Adds the fields of the attributes over each triangle to its wedges.
    pub(super) fn add_fields(&self, attributes: &[f64], width: usize, fields: &mut super::collapse::WedgeFields) {
        for triangle in self.living() {
            let points = self.points_of(triangle).map(|point| point.map(f64::from));
            let normal = cross(sub(points[1], points[0]), sub(points[2], points[0]));
            let area = dot(normal, normal).sqrt() / 2.0;
            let frame = Frame::new(points);
            let wedges = self.triangles[triangle].wedges.map(|wedge| wedge as usize);
            wedges.iter().for_each(|&wedge| fields.weights[wedge] += area);
            for at in 0..width {
                let field = frame.field(wedges.map(|wedge| attributes[wedge * width + at]));
                let square = Quadric::plane(field.slope, field.offset, area);
                let [x, y, z] = field.slope;
                for wedge in wedges {
                    fields.squares[wedge].add(&square);
                    let sums = &mut fields.sums[wedge * width + at];
                    for (sum, number) in sums.iter_mut().zip([x, y, z, field.offset]) {
                        *sum += number * area;
                    }
                }
            }
        }
    }
}

fn bounds(surface: &Surface<'_>) -> (Point, f64) {
    let (mut least, mut most) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
    for position in surface.positions {
        for at in 0..3 {
            (least[at], most[at]) = (least[at].min(position[at]), most[at].max(position[at]));
        }
    }
    let extent = (0..3).map(|at| f64::from(most[at]) - f64::from(least[at])).fold(0.0, f64::max);
    if extent > 0.0 { (least.map(f64::from), extent) } else { ([0.0; 3], 1.0) }
}

/// The place of each position, and the first vertex at each place. Places are in the vertices' order.
pub(in crate::model) fn weld(positions: &[[f32; 3]]) -> (Vec<u32>, Vec<u32>) {
    let size = (positions.len() * 2).next_power_of_two().max(2);
    let mut table = vec![NONE; size];
    let mut firsts: Vec<u32> = Vec::with_capacity(positions.len());
    let mut places = Vec::with_capacity(positions.len());
    for (vertex, position) in positions.iter().enumerate() {
        // 0 and -0 are one.
        let bits = position.map(|number| (number + 0.0).to_bits());
        let mixed = bits
            .iter()
            .fold(0u64, |hash, &bits| (hash ^ u64::from(bits)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29));
        let mut slot = mixed as usize & (size - 1);
        let place = loop {
            match table[slot] {
                NONE => {
                    table[slot] = firsts.len() as u32;
                    firsts.push(vertex as u32);
                    break table[slot];
                }
                place if positions[firsts[place as usize] as usize] == *position => break place,
                _ => slot = (slot + 1) & (size - 1),
            }
        };
        places.push(place);
    }
    (places, firsts)
}
