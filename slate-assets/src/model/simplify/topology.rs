use super::{
    Surface,
    quadric::{Fields, Frame, Near, Point, Vector, across, minus, product},
    ring::{LAST, NEXT, SLACK, lives},
};
use slate_core::{Error, Result};
use std::hint::select_unpredictable;

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
    /// The places of each triangle; some [`lives`] no more.
    pub(super) corners: Vec<[u32; 3]>,
    pub(super) sides: Vec<Sides>,
    /// The corners at each place, as triangle · 4 + corner.
    pub(super) lists: Vec<u32>,
    /// The ends of each edge: one place twice where it is gone.
    pub(super) edges: Vec<[u32; 2]>,
    /// Places that stay where they are; empty where none does.
    locked: Vec<bool>,
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
        let mut locked = vec![false; if surface.locked.contains(&true) { firsts.len() } else { 0 }];
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
            locked,
            singles: Vec::new(),
            anchors: firsts,
        };
        for wedges in surface.indices.as_chunks::<3>().0 {
            let [a, b, c] = wedges.map(|wedge| place_of[wedge as usize]);
            // A triangle of two places shows nothing; it stays in the list, so that triangles keep their numbers.
            let corners = if a == b || b == c || c == a { [a; 3] } else { [a, b, c] };
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
        for (corners, sides) in self.corners.iter().zip(&self.sides).filter(|(corners, _)| lives(corners)) {
            for (place, wedge) in corners.iter().zip(sides.wedges) {
                let single = &mut self.singles[*place as usize];
                *single = if *single == NONE || *single == wedge { wedge } else { SEVERAL };
            }
        }
        self.singles.iter_mut().filter(|single| **single == SEVERAL).for_each(|single| *single = NONE);
    }

    /// Finds the edges, and gives each place the planes of its faces, and of its borders and seams, upright on their
    /// faces.
    fn join(&mut self) {
        /// What is known of an edge until all triangles are known.
        #[derive(Clone, Copy)]
        struct Side {
            /// The first corner at the edge.
            first: u32,
            count: u32,
            /// Whether two triangles have the same wedges there.
            is_inner: bool,
        }
        (0..self.corners.len()).filter(|&triangle| lives(&self.corners[triangle])).for_each(|triangle| {
            add_plane(&mut self.places, &self.corners[triangle]);
        });
        /// How many edges more there is room for, each time that there is none.
        const ROOM: usize = 4096;
        let most = self.corners.len() * 3 / 2 + ROOM;
        let (mut edges, mut sides) = (0, Vec::with_capacity(most));
        self.edges.reserve(most);
        // Whose neighbour each place was seen as last, and the edge between both.
        let mut seen = vec![(NONE, 0); self.places.len()];
        let mut upward = Vec::new();
        for place in 0..self.places.len() {
            let Place { first, count, .. } = self.places[place];
            let list = &self.lists[first as usize..][..count as usize];
            // Each edge is found from its lower end. Without branches: half of them would be foreseen wrongly.
            upward.resize(upward.len().max(list.len() * 2), (0, 0));
            let mut found = 0;
            for &corner in list {
                let (triangle, at) = (corner / 4, (corner % 4) as usize);
                let corners = &self.corners[triangle as usize];
                for (side, end) in [(at, corners[NEXT[at]]), (LAST[at], corners[LAST[at]])] {
                    upward[found] = (triangle * 4 + side as u32, end);
                    found += usize::from(end as usize > place);
                }
            }
            if self.edges.len() < edges + found {
                let more = edges + found + ROOM;
                self.edges.resize(more, [0; 2]);
                sides.resize(more, Side { first: 0, count: 0, is_inner: false });
            }
            for &(corner, end) in &upward[..found] {
                let (of, known) = seen[end as usize];
                let is_new = of != place as u32;
                let edge = select_unpredictable(is_new, edges, known);
                edges += usize::from(is_new);
                seen[end as usize] = (place as u32, edge);
                self.edges[edge] = [place as u32, end];
                let Side { first, count, is_inner } = sides[edge];
                let first = select_unpredictable(is_new, corner, first);
                let ([a, b], [c, d]) = (self.wedges_at(first), self.wedges_at(corner));
                let is_same = (a == d) & (b == c);
                sides[edge] = Side { first, count: count + 1, is_inner: is_inner | is_same };
                self.sides[(corner / 4) as usize].edges[(corner % 4) as usize] = edge as u32;
                if !is_new & !is_same {
                    self.upright(corner, SEAM);
                }
            }
        }
        self.edges.truncate(edges);
        sides.truncate(edges);
        for side in sides {
            if side.count == 1 {
                self.upright(side.first, BORDER);
            } else if !side.is_inner {
                self.upright(side.first, SEAM);
            }
        }
    }

    pub(super) fn is_locked(&self, place: u32) -> bool {
        self.locked.get(place as usize).is_some_and(|locked| *locked)
    }

    /// Lets a place take the lock of one that becomes one with it.
    pub(super) fn lock_like(&mut self, place: u32, other: u32) {
        if self.is_locked(other) {
            (self.locked[place as usize], self.anchors[place as usize]) = (true, self.anchors[other as usize]);
        }
    }

    fn points_of(&self, triangle: usize) -> [Vector; 3] {
        self.corners[triangle].map(|place| self.places[place as usize].point)
    }

    pub(super) fn living(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.corners.len()).filter(|&triangle| lives(&self.corners[triangle]))
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
            if !lives(&corners) {
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

/// Adds the plane of a triangle to its places.
fn add_plane(places: &mut [Place], corners: &[u32; 3]) {
    /// Keeps points of flat surfaces from wandering, and makes short edges go first there.
    const STAY: f32 = 1e-6;
    let points = corners.map(|place| places[place as usize].point);
    let normal = across(minus(points[1], points[0]), minus(points[2], points[0]));
    let double = product(normal, normal).sqrt();
    if double > 0.0 {
        let mut plane = Near::plane(normal.map(|number| number / double), double / 2.0);
        plane.add(&Near::place(double / 2.0 * STAY));
        for place in corners {
            places[*place as usize].quadric.add(&plane);
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
