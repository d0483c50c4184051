use super::{
    Surface,
    quadric::{Frame, Point, Quadric, cross, dot, sub},
};
use slate_core::{Error, Result};

pub(super) const NONE: u32 = u32::MAX;

/// How much a border counts against the faces beside it.
const BORDER: f64 = 3.0;
/// How much a seam of attributes or materials counts.
const SEAM: f64 = 0.3;

/// Triangles and edges over places; vertices of one place differ in their attributes only and are called wedges.
pub(super) struct Topology {
    /// The lower corner and the size of the surface; positions are inside of the unit cube.
    pub(super) origin: Point,
    pub(super) extent: f64,
    pub(super) points: Vec<Point>,
    /// Places of each triangle; `NONE` first where it is gone.
    pub(super) corners: Vec<[u32; 3]>,
    /// Vertices of each triangle.
    pub(super) wedges: Vec<[u32; 3]>,
    /// Edges of each triangle: the one from each corner to the next.
    pub(super) edges: Vec<[u32; 3]>,
    pub(super) ends: Vec<[u32; 2]>,
    /// The first corner of each place, as triangle · 4 + corner.
    pub(super) first: Vec<u32>,
    pub(super) next: Vec<u32>,
    /// The one wedge of each place, `NONE` where there are several.
    pub(super) single: Vec<u32>,
    pub(super) locked: Vec<bool>,
    /// A vertex at each place, to take the place's exact position from.
    pub(super) anchors: Vec<u32>,
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
        let point = |&at: &u32| {
            let [x, y, z] = surface.positions[at as usize].map(f64::from);
            [(x - origin[0]) * scale, (y - origin[1]) * scale, (z - origin[2]) * scale]
        };
        let mut locked = vec![false; firsts.len()];
        for (wedge, _) in surface.locked.iter().enumerate().filter(|(_, locked)| **locked) {
            locked[place_of[wedge] as usize] = true;
        }
        let mut topology = Self {
            origin,
            extent,
            points: firsts.iter().map(point).collect(),
            corners: Vec::with_capacity(surface.indices.len() / 3),
            wedges: Vec::with_capacity(surface.indices.len() / 3),
            edges: Vec::new(),
            ends: Vec::new(),
            first: vec![NONE; firsts.len()],
            next: Vec::new(),
            single: vec![NONE; firsts.len()],
            locked,
            anchors: firsts,
        };
        for wedges in surface.indices.as_chunks::<3>().0 {
            let corners = wedges.map(|wedge| place_of[wedge as usize]);
            let [a, b, c] = corners;
            // A triangle of two places shows nothing; it stays in the list, so that triangles keep their numbers.
            let dead = a == b || b == c || c == a;
            topology.corners.push(if dead { [NONE; 3] } else { corners });
            topology.wedges.push(*wedges);
        }
        topology.link();
        topology.find_edges();
        Ok(topology)
    }

    fn link(&mut self) {
        const SEVERAL: u32 = NONE - 1;
        self.next = vec![NONE; self.corners.len() * 4];
        // Backwards, so that the lists are in the triangles' order.
        for triangle in (0..self.corners.len()).rev() {
            for corner in 0..3 {
                let place = self.corners[triangle][corner];
                if place == NONE {
                    continue;
                }
                let (place, wedge) = (place as usize, self.wedges[triangle][corner]);
                let at = (triangle * 4 + corner) as u32;
                self.next[at as usize] = self.first[place];
                self.first[place] = at;
                let single = &mut self.single[place];
                *single = if *single == NONE || *single == wedge { wedge } else { SEVERAL };
            }
        }
        self.single.iter_mut().filter(|single| **single == SEVERAL).for_each(|single| *single = NONE);
    }

    fn find_edges(&mut self) {
        let mut of_place = vec![NONE; self.points.len()];
        let mut next: Vec<u32> = Vec::with_capacity(self.corners.len() * 3 / 2);
        self.ends.reserve(self.corners.len() * 3 / 2);
        self.edges = vec![[NONE; 3]; self.corners.len()];
        for (triangle, corners) in self.corners.iter().enumerate() {
            if corners[0] == NONE {
                continue;
            }
            for corner in 0..3 {
                let (a, b) = (corners[corner], corners[(corner + 1) % 3]);
                let ends = [a.min(b), a.max(b)];
                let mut edge = of_place[ends[0] as usize];
                while edge != NONE && self.ends[edge as usize][1] != ends[1] {
                    edge = next[edge as usize];
                }
                if edge == NONE {
                    edge = self.ends.len() as u32;
                    self.ends.push(ends);
                    next.push(of_place[ends[0] as usize]);
                    of_place[ends[0] as usize] = edge;
                }
                self.edges[triangle][corner] = edge;
            }
        }
    }

    pub(super) fn points_of(&self, triangle: usize) -> [Point; 3] {
        self.corners[triangle].map(|place| self.points[place as usize])
    }

    pub(super) fn living(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.corners.len()).filter(|&triangle| self.corners[triangle][0] != NONE)
    }

    /// The quadric of each place: the planes of its faces, and of its borders and seams, upright on their faces.
    pub(super) fn quadrics(&self) -> Vec<Quadric> {
        /// Keeps points of flat surfaces from wandering, and makes short edges go first there.
        const STAY: f64 = 1e-7;
        let mut quadrics = vec![Quadric::default(); self.points.len()];
        // The first corner at each edge, and whether a second one has the same wedges.
        let mut sides = vec![(NONE, false); self.ends.len()];
        for triangle in self.living() {
            let points = self.points_of(triangle);
            let normal = cross(sub(points[1], points[0]), sub(points[2], points[0]));
            let double = dot(normal, normal).sqrt();
            if double > 0.0 {
                let unit = normal.map(|number| number / double);
                let plane = Quadric::plane(unit, -dot(unit, points[0]), double / 2.0);
                for (place, point) in self.corners[triangle].iter().zip(points) {
                    let quadric = &mut quadrics[*place as usize];
                    quadric.add(&plane);
                    quadric.add(&Quadric::point(point, double / 2.0 * STAY));
                }
            }
            for corner in 0..3 {
                let (first, inner) = &mut sides[self.edges[triangle][corner] as usize];
                let at = (triangle * 4 + corner) as u32;
                if *first == NONE {
                    *first = at;
                } else {
                    *inner = self.wedges_at(*first) == [1, 0].map(|end| self.wedges_at(at)[end]);
                    // A seam is told apart from a border by its second side.
                    if !*inner {
                        self.upright(at, SEAM, &mut quadrics);
                    }
                }
            }
        }
        let mut several = vec![0u8; self.ends.len()];
        for triangle in self.living() {
            self.edges[triangle]
                .iter()
                .for_each(|&edge| several[edge as usize] = several[edge as usize].saturating_add(1));
        }
        for (edge, (first, inner)) in sides.into_iter().enumerate() {
            if !inner && first != NONE {
                self.upright(first, if several[edge] == 1 { BORDER } else { SEAM }, &mut quadrics);
            }
        }
        quadrics
    }

    fn wedges_at(&self, corner: u32) -> [u32; 2] {
        let (wedges, corner) = (&self.wedges[(corner / 4) as usize], (corner % 4) as usize);
        [wedges[corner], wedges[(corner + 1) % 3]]
    }

    /// Adds the plane through the edge at this corner, upright on the triangle, to the edge's ends.
    fn upright(&self, corner: u32, weight: f64, quadrics: &mut [Quadric]) {
        let (triangle, corner) = ((corner / 4) as usize, (corner % 4) as usize);
        let points = self.points_of(triangle);
        let (from, to, other) = (points[corner], points[(corner + 1) % 3], points[(corner + 2) % 3]);
        let along = sub(to, from);
        let length = dot(along, along);
        if length <= 0.0 {
            return;
        }
        let aside = sub(other, from);
        let share = dot(aside, along) / length;
        let aside: Point = std::array::from_fn(|at| aside[at] - along[at] * share);
        let height = dot(aside, aside).sqrt();
        if height <= 1e-3 * length.sqrt() {
            return;
        }
        let unit = aside.map(|number| number / height);
        let plane = Quadric::plane(unit, -dot(unit, from), length * weight);
        for end in [corner, (corner + 1) % 3] {
            quadrics[self.corners[triangle][end] as usize].add(&plane);
        }
    }

    /// Adds the fields of the attributes over each triangle to its wedges.
    pub(super) fn add_fields(&self, attributes: &[f64], width: usize, fields: &mut super::collapse::WedgeFields) {
        for triangle in self.living() {
            let points = self.points_of(triangle);
            let normal = cross(sub(points[1], points[0]), sub(points[2], points[0]));
            let area = dot(normal, normal).sqrt() / 2.0;
            let frame = Frame::new(points);
            let wedges = self.wedges[triangle].map(|wedge| wedge as usize);
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
