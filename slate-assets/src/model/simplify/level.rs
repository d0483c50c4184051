use super::{
    Surface,
    collapse::Piece,
    ring::lives,
    topology::{NONE, Space},
};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// What of a surface is in one piece.
pub(super) struct Share<'a> {
    pub(super) piece: &'a Piece,
    /// For each triangle another number than [`NONE`] where it is in another share; nothing where none is.
    pub(super) joined: &'a [u32],
    pub(super) slots: Slots,
}

/// The numbers of a piece's wedges among those of all pieces.
pub(super) enum Slots {
    /// One after the other, from this one.
    From(u32),
    Each(Vec<u32>),
}

impl Slots {
    fn of(&self, wedge: u32) -> u32 {
        match self {
            Self::From(first) => first + wedge,
            Self::Each(slots) => slots[wedge as usize],
        }
    }
}

impl<'a> Share<'a> {
    /// All of a piece.
    pub(super) fn all(piece: &'a Piece) -> Self {
        Self { piece, joined: &[], slots: Slots::From(0) }
    }

    /// Enters the triangles that are here by their numbers in the surface, counted from `first`.
    fn enter(&self, first: u32, order: &[AtomicU32]) {
        let is_meant = |triangle: usize| self.joined.get(triangle).is_none_or(|number| *number == NONE);
        let triangles = self.piece.topology.corners.iter().zip(&self.piece.numbers).enumerate();
        for (triangle, (_, number)) in triangles.filter(|(at, (corners, _))| lives(corners) & is_meant(*at)) {
            order[*number as usize].store(first + triangle as u32, Ordering::Relaxed);
        }
    }
}

/// A triangle on its way from a share: its number in the surface, and its corners.
#[derive(Clone, Copy, Default)]
struct Moved {
    number: u32,
    share: usize,
    places: [u32; 3],
    wedges: [u32; 3],
}

impl Level {
    /// The surface as it is in these shares.
    pub(super) fn of(surface: &Surface<'_>, space: Space, shares: &[Share<'_>]) -> Self {
        /// A thread more is worth it for so many triangles of the surface.
        const LEAST: usize = 1 << 14;
        let (mut firsts, mut next, mut slots) = (Vec::with_capacity(shares.len()), 0, 0);
        for Share { piece, .. } in shares {
            firsts.push(next);
            next += piece.numbers.len() as u32;
            slots += piece.sources.len();
        }
        // What is where the surface's triangles were. Each share enters its own, so that the order of threads is no matter.
        let order: Vec<AtomicU32> = (0..surface.indices.len() / 3).map(|_| AtomicU32::new(NONE)).collect();
        shares.par_iter().zip(&firsts).for_each(|(share, &first)| share.enter(first, &order));
        let ranges = ranges(surface);
        let makings =
            shares.iter().map(|share| Making { surface, space, piece: share.piece, ranges: &ranges }).collect();
        let reading = Reading { shares, firsts, makings, slots, width: surface.weights.len() };
        // Each thread reads some of the triangles. A vertex has the number of its first corner, however they are shared out.
        let most = order.len().div_ceil(rayon::current_num_threads()).max(LEAST);
        let parts: Vec<Part> =
            order.par_chunks(most).enumerate().map(|(at, order)| reading.part(at * most, order)).collect();
        let mut parts = parts.into_iter();
        let Some(mut all) = parts.next() else { return Self::default() };
        parts.for_each(|part| all.append(&part, reading.width));
        all.level
    }
}

/// What levels are read from.
struct Reading<'a> {
    shares: &'a [Share<'a>],
    /// The number of each share's first triangle, counted through all of them.
    firsts: Vec<u32>,
    makings: Vec<Making<'a>>,
    /// How many numbers of wedges there are.
    slots: usize,
    /// Numbers of a vertex' attributes.
    width: usize,
}

/// What is made of some of the surface's triangles.
struct Part {
    level: Level,
    /// The vertex of each slot, `NONE` where no triangle has it.
    vertices: Vec<u32>,
    /// The slot of each vertex.
    slots: Vec<u32>,
}

impl Reading<'_> {
    /// Of the triangles in this order, whose first one has this number in the surface.
    fn part(&self, first: usize, order: &[AtomicU32]) -> Part {
        /// So many triangles of the surface are looked at together, so that memory is waited for once.
        const TOGETHER: usize = 512;
        let Self { shares, firsts, makings, .. } = self;
        let mut part = Part::with_room(self.slots, order.len(), self.width);
        let mut moved = [Moved::default(); TOGETHER];
        for (chunk, order) in order.chunks(TOGETHER).enumerate() {
            // Without branches: nobody could foresee which triangles are left.
            let mut count = 0;
            for (at, id) in order.iter().map(|id| id.load(Ordering::Relaxed)).enumerate() {
                moved[count].number = (first + chunk * TOGETHER + at) as u32;
                moved[count].places[0] = id;
                count += usize::from(id != NONE);
            }
            let moved = &mut moved[..count];
            for triangle in moved.iter_mut() {
                let id = triangle.places[0];
                triangle.share = firsts.partition_point(|&first| first <= id) - 1;
                let (topology, at) = (&shares[triangle.share].piece.topology, (id - firsts[triangle.share]) as usize);
                (triangle.places, triangle.wedges) = (topology.corners[at], topology.sides[at].wedges);
            }
            // The places are brought near.
            let versions = moved.iter().flat_map(|triangle| {
                let places = &shares[triangle.share].piece.topology.places;
                triangle.places.map(|place| places[place as usize].version)
            });
            std::hint::black_box(versions.fold(0, |seen, version| seen ^ version));
            for &Moved { number, share, places, wedges } in moved.iter() {
                let (Share { piece, slots, .. }, making) = (&shares[share], &makings[share]);
                for (place, wedge) in places.into_iter().zip(wedges) {
                    let slot = slots.of(wedge);
                    let vertex = part.vertex(slot, |level| {
                        level.sources.push(piece.sources[wedge as usize]);
                        level.positions.push(making.position(place));
                        making.values(place, wedge, &mut level.attributes);
                    });
                    part.level.indices.push(vertex);
                }
                part.level.triangles.push(number);
            }
        }
        part
    }
}

impl Part {
    /// None yet, with room for what so many of the surface's triangles can give.
    fn with_room(slots: usize, triangles: usize, width: usize) -> Self {
        let vertices = slots.min(triangles * 3);
        let level = Level {
            positions: Vec::with_capacity(vertices),
            attributes: Vec::with_capacity(vertices * width),
            sources: Vec::with_capacity(vertices),
            indices: Vec::with_capacity(triangles * 3),
            triangles: Vec::with_capacity(triangles),
        };
        Self { level, vertices: vec![NONE; slots], slots: Vec::with_capacity(vertices) }
    }

    /// The vertex of a slot, which is made where there is none yet.
    #[inline]
    fn vertex(&mut self, slot: u32, make: impl FnOnce(&mut Level)) -> u32 {
        let vertex = &mut self.vertices[slot as usize];
        if *vertex == NONE {
            *vertex = self.slots.len() as u32;
            self.slots.push(slot);
            make(&mut self.level);
        }
        *vertex
    }

    /// Adds what comes after it.
    fn append(&mut self, next: &Self, width: usize) {
        let Level { positions, attributes, sources, indices, triangles } = &next.level;
        let made = next.slots.iter().enumerate().map(|(at, &slot)| {
            self.vertex(slot, |level| {
                level.positions.push(positions[at]);
                level.sources.push(sources[at]);
                level.attributes.extend(&attributes[at * width..][..width]);
            })
        });
        let vertices: Vec<u32> = made.collect();
        self.level.indices.extend(indices.iter().map(|&vertex| vertices[vertex as usize]));
        self.level.triangles.extend(triangles);
    }
}

/// What vertices are made from.
struct Making<'a> {
    surface: &'a Surface<'a>,
    space: Space,
    piece: &'a Piece,
    /// The least and most of each attribute: what fits best beyond them is not meant.
    ranges: &'a [[f32; 2]],
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
