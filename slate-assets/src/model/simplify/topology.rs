use super::{
    Surface,
    quadric::{Fields, Frame, Near, Point, Vector, across, minus, product},
    ring::SLACK,
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
    pub(super) places: Vec<Place>,
    /// The places of each triangle; `NONE` first where it is gone.
    pub(super) corners: Vec<[u32; 3]>,
    pub(super) sides: Vec<Sides>,
    /// The corners at each place, as triangle · 4 + corner.
    pub(super) lists: Vec<u32>,
    /// The ends of each edge.
    pub(super) edges: Vec<[u32; 2]>,
    pub(super) states: Vec<State>,
    pub(super) locked: Vec<bool>,
    /// A vertex at each place, to take the place's exact position from.
    pub(super) anchors: Vec<u32>,
    /// The one wedge of each place, `NONE` where there are several.
    pub(super) singles: Vec<u32>,
}

/// One line of a processor's cache.
#[repr(align(64))]
pub(super) struct Place {
    /// Told from the point: what its triangles and the fields of its attributes miss.
    pub(super) quadric: Near,
    pub(super) point: Vector,
    /// How many collapses went into it.
    pub(super) version: u32,
    /// Where its corners begin in the lists, and how many there are.
    pub(super) first: u32,
    pub(super) count: u32,
}

/// What few look at of a triangle.
#[derive(Clone, Copy)]
pub(super) struct Sides {
    /// The edge from each corner to the next.
    pub(super) edges: [u32; 3],
    /// Vertices.
    pub(super) wedges: [u32; 3],
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
        if surface.indices.len() >= NONE as usize / SLACK / 2 {
            return Err(Error::limit_exceeded("a surface has less than 238 million triangles"));
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
        let place = |&at: &u32| {
            let position = surface.positions[at as usize].map(f64::from);
            let point = std::array::from_fn(|at| ((position[at] - origin[at]) * scale) as f32);
            Place { quadric: Near::default(), point, version: 0, first: 0, count: 0 }
        };
        let mut locked = vec![false; firsts.len()];
        for (wedge, _) in surface.locked.iter().enumerate().filter(|(_, locked)| **locked) {
            locked[place_of[wedge] as usize] = true;
        }
        let mut topology = Self {
            origin,
            extent,
            places: firsts.iter().map(place).collect(),
            corners: Vec::with_capacity(surface.indices.len() / 3),
            sides: Vec::with_capacity(surface.indices.len() / 3),
            lists: Vec::new(),
            edges: Vec::new(),
            states: Vec::new(),
            locked,
            singles: Vec::new(),
            anchors: firsts,
        };
        for wedges in surface.indices.as_chunks::<3>().0 {
            let [a, b, c] = wedges.map(|wedge| place_of[wedge as usize]);
            // A triangle of two places shows nothing; it stays in the list, so that triangles keep their numbers.
            let corners = if a == b || b == c || c == a { [NONE; 3] } else { [a, b, c] };
            topology.corners.push(corners);
            topology.sides.push(Sides { edges: [NONE; 3], wedges: *wedges });
        }
        topology.list();
        topology.find_singles();
        topology.join();
        Ok(topology)
    }

    fn find_singles(&mut self) {
        const SEVERAL: u32 = NONE - 1;
        self.singles = vec![NONE; self.places.len()];
        for (corners, sides) in self.corners.iter().zip(&self.sides) {
            for (place, wedge) in corners.iter().zip(sides.wedges) {
                let Some(single) = self.singles.get_mut(*place as usize) else { continue };
                *single = if *single == NONE || *single == wedge { wedge } else { SEVERAL };
            }
        }
        self.singles.iter_mut().filter(|single| **single == SEVERAL).for_each(|single| *single = NONE);
    }

    /// Finds the edges, and gives each place the planes of its faces, and of its borders and seams, upright on their
    /// faces.
    fn join(&mut self) {
        /// What is known of an edge until all triangles are known.
        struct Side {
            /// The next edge of the same lower end.
            next: u32,
            /// The first corner at the edge.
            first: u32,
            count: u8,
            /// Whether two triangles have the same wedges there.
            is_inner: bool,
        }
        let mut of_place = vec![NONE; self.places.len()];
        let mut sides: Vec<Side> = Vec::with_capacity(self.corners.len() * 3 / 2 + 64);
        self.edges.reserve(self.corners.len() * 3 / 2 + 64);
        for number in 0..self.corners.len() {
            let corners = self.corners[number];
            if corners[0] == NONE {
                continue;
            }
            self.add_plane(number);
            for corner in 0..3 {
                let (a, b) = (corners[corner], corners[(corner + 1) % 3]);
                let (lower, upper) = (a.min(b), a.max(b));
                let (first, at) = (of_place[lower as usize], (number * 4 + corner) as u32);
                let mut edge = first;
                while edge != NONE && self.edges[edge as usize][1] != upper {
                    edge = sides[edge as usize].next;
                }
                if edge == NONE {
                    edge = self.edges.len() as u32;
                    self.edges.push([lower, upper]);
                    sides.push(Side { next: first, first: at, count: 1, is_inner: false });
                    of_place[lower as usize] = edge;
                } else {
                    let [a, b] = self.wedges_at(at);
                    let side = &mut sides[edge as usize];
                    side.count = side.count.saturating_add(1);
                    let is_same = self.wedges_at(side.first) == [b, a];
                    side.is_inner |= is_same;
                    if !is_same {
                        self.upright(at, SEAM);
                    }
                }
                self.sides[number].edges[corner] = edge;
            }
        }
        for side in sides {
            if side.count == 1 {
                self.upright(side.first, BORDER);
            } else if !side.is_inner {
                self.upright(side.first, SEAM);
            }
        }
        self.states = vec![State::Queued; self.edges.len()];
    }

    /// Adds the plane of a triangle to its places.
    fn add_plane(&mut self, triangle: usize) {
        /// Keeps points of flat surfaces from wandering, and makes short edges go first there.
        const STAY: f32 = 1e-6;
        let points = self.points_of(triangle);
        let normal = across(minus(points[1], points[0]), minus(points[2], points[0]));
        let double = product(normal, normal).sqrt();
        if double > 0.0 {
            let mut plane = Near::plane(normal.map(|number| number / double), double / 2.0);
            plane.add(&Near::place(double / 2.0 * STAY));
            for place in self.corners[triangle] {
                self.places[place as usize].quadric.add(&plane);
            }
        }
    }

    fn points_of(&self, triangle: usize) -> [Vector; 3] {
        self.corners[triangle].map(|place| self.places[place as usize].point)
    }

    pub(super) fn living(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.corners.len()).filter(|&triangle| self.corners[triangle][0] != NONE)
    }

    fn wedges_at(&self, corner: u32) -> [u32; 2] {
        let (wedges, corner) = (&self.sides[(corner / 4) as usize].wedges, (corner % 4) as usize);
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
            let place = self.corners[triangle][end];
            self.places[place as usize].quadric.add(&plane);
        }
    }

    /// Gives each wedge the mean of the fields of its attributes over its triangles, and each place what these means
    /// miss. Told from the wedge itself, all fields have its own values there, and differ in their slopes only.
    pub(super) fn add_fields(&mut self, width: usize, fields: &mut Fields) {
        for triangle in 0..self.corners.len() {
            let (corners, wedges) = (self.corners[triangle], self.sides[triangle].wedges);
            if corners[0] == NONE {
                continue;
            }
            let points = self.points_of(triangle);
            let Some((frame, area)) = Frame::new(points) else { continue };
            let rows = wedges.map(|wedge| wedge as usize * width);
            let shares = wedges.map(|wedge| {
                let weight = &mut fields.weights[wedge as usize];
                let before = *weight;
                *weight += area;
                (area / *weight, before * area / *weight)
            });
            let mut misses = [Near::default(); 3];
            for at in 0..width {
                let slope = frame.slope(rows.map(|row| fields.means[row + at][3]));
                for (corner, (share, weight)) in shares.into_iter().enumerate() {
                    let mean = &mut fields.means[rows[corner] + at];
                    let off = [slope[0] - mean[0], slope[1] - mean[1], slope[2] - mean[2]];
                    misses[corner].add(&Near::plane(off, weight));
                    (0..3).for_each(|axis| mean[axis] += off[axis] * share);
                }
            }
            for (place, miss) in corners.into_iter().zip(&misses) {
                self.places[place as usize].quadric.add(miss);
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
