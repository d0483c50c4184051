use super::{
    Surface,
    quadric::{Near, Point, Vector},
    ring::lives,
};

pub(super) const NONE: u32 = u32::MAX;

/// Triangles and edges over places; vertices of one place differ in their attributes only and are called wedges.
///
/// What is used together lies together: collapses go all over the surface, and each place that they touch is a wait for
/// memory.
pub(super) struct Topology {
    pub(super) places: Vec<Place>,
    /// The places of each triangle; some [`lives`] no more.
    pub(super) corners: Vec<[u32; 3]>,
    pub(super) sides: Vec<Sides>,
    /// The corners at each place, as triangle · 4 + corner.
    pub(super) lists: Vec<u32>,
    /// The ends of each edge: one place twice where it is gone.
    pub(super) edges: Vec<[u32; 2]>,
    /// Places that stay where they are; empty where none does.
    pub(super) locked: Vec<bool>,
    /// Places that triangles of other pieces are at, too: nothing is done there while the surface is in pieces. Empty
    /// where there is no other piece.
    pub(super) held: Vec<bool>,
    /// A vertex of the surface at each place, to take the place's exact position from.
    pub(super) anchors: Vec<u32>,
    /// The one wedge of each place, `NONE` where there are several.
    pub(super) singles: Vec<u32>,
}

/// One line of a processor's cache.
#[derive(Clone, Copy, Default)]
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
    /// Of a surface, or of the part of it that is one piece, whose vertices that other pieces share are `held`. Gives the
    /// place of each vertex, too; what is planned of the places is not in there yet.
    #[inline]
    pub(super) fn new(surface: &Surface<'_>, held: &[bool], space: Space) -> (Self, Vec<u32>) {
        let (place_of, firsts) = weld(surface.positions);
        let place = |&at: &u32| {
            let point = space.within(surface.positions[at as usize]);
            Place { quadric: Near::default(), point, version: 0, first: 0, count: 0 }
        };
        let of_places = |of_vertices: &[bool]| {
            let mut all = vec![false; if of_vertices.is_empty() { 0 } else { firsts.len() }];
            for (wedge, _) in of_vertices.iter().enumerate().filter(|(_, is)| **is) {
                all[place_of[wedge] as usize] = true;
            }
            all
        };
        let mut topology = Self {
            places: firsts.iter().map(place).collect(),
            corners: Vec::with_capacity(surface.indices.len() / 3),
            sides: Vec::with_capacity(surface.indices.len() / 3),
            lists: Vec::new(),
            edges: Vec::new(),
            locked: of_places(surface.locked),
            held: of_places(held),
            singles: vec![NONE; firsts.len()],
            anchors: firsts,
        };
        for wedges in surface.indices.as_chunks::<3>().0 {
            topology.add_triangle(wedges.map(|wedge| place_of[wedge as usize]), *wedges);
        }
        topology.list();
        (topology, place_of)
    }

    pub(super) fn add_triangle(&mut self, [a, b, c]: [u32; 3], wedges: [u32; 3]) {
        // A triangle of two places shows nothing; it stays in the list, so that triangles keep their numbers.
        self.corners.push(if a == b || b == c || c == a { [a; 3] } else { [a, b, c] });
        self.sides.push(Sides { edges: [NONE; 3], wedges });
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

    pub(super) fn points_of(&self, triangle: usize) -> [Vector; 3] {
        self.corners[triangle].map(|place| self.places[place as usize].point)
    }

    pub(super) fn living(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.corners.len()).filter(|&triangle| lives(&self.corners[triangle]))
    }
}

/// Where a surface lies: what is worked out is told from inside of the unit cube.
#[derive(Clone, Copy)]
pub(super) struct Space {
    /// The lower corner.
    origin: Point,
    /// The longest side.
    extent: f64,
}

impl Space {
    pub(super) fn of(positions: &[[f32; 3]]) -> Self {
        let (mut least, mut most) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
        for position in positions {
            for at in 0..3 {
                (least[at], most[at]) = (least[at].min(position[at]), most[at].max(position[at]));
            }
        }
        let extent = (0..3).map(|at| f64::from(most[at]) - f64::from(least[at])).fold(0.0, f64::max);
        if extent > 0.0 {
            Self { origin: least.map(f64::from), extent }
        } else {
            Self { origin: [0.0; 3], extent: 1.0 }
        }
    }

    fn within(&self, position: [f32; 3]) -> Vector {
        let scale = 1.0 / self.extent;
        std::array::from_fn(|at| ((f64::from(position[at]) - self.origin[at]) * scale) as f32)
    }

    pub(super) fn outside(&self, point: Vector) -> [f32; 3] {
        std::array::from_fn(|at| (f64::from(point[at]) * self.extent + self.origin[at]) as f32)
    }
}

/// The place of each position, and the first vertex at each place. Places are in the vertices' order.
fn weld(positions: &[[f32; 3]]) -> (Vec<u32>, Vec<u32>) {
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
