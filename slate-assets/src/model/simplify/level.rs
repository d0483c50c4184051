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
        /// So many triangles of the surface are looked at together, so that memory is waited for once.
        const TOGETHER: usize = 512;
        let (width, ranges) = (surface.weights.len(), ranges(surface));
        let (mut firsts, mut next, mut triangles, mut slots) = (Vec::with_capacity(shares.len()), 0, 0, 0);
        for Share { piece, .. } in shares {
            firsts.push(next);
            next += piece.numbers.len() as u32;
            triangles += piece.triangles;
            slots += piece.sources.len();
        }
        // What is where the surface's triangles were. Each share enters its own, so that the order of threads is no matter.
        let order: Vec<AtomicU32> = (0..surface.indices.len() / 3).map(|_| AtomicU32::new(NONE)).collect();
        shares.par_iter().zip(&firsts).for_each(|(share, &first)| share.enter(first, &order));
        let most = slots.min(triangles * 3);
        let mut level = Self {
            positions: Vec::with_capacity(most),
            attributes: Vec::with_capacity(most * width),
            sources: Vec::with_capacity(most),
            indices: Vec::with_capacity(triangles * 3),
            triangles: Vec::with_capacity(triangles),
        };
        let makings: Vec<Making<'_>> =
            shares.iter().map(|share| Making { surface, space, piece: share.piece, ranges: &ranges }).collect();
        let mut vertices = vec![NONE; slots];
        let mut moved = [Moved::default(); TOGETHER];
        for (chunk, order) in order.chunks(TOGETHER).enumerate() {
            // Without branches: nobody could foresee which triangles are left.
            let mut count = 0;
            for (at, id) in order.iter().map(|id| id.load(Ordering::Relaxed)).enumerate() {
                moved[count].number = (chunk * TOGETHER + at) as u32;
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
                    let vertex = &mut vertices[slots.of(wedge) as usize];
                    if *vertex == NONE {
                        *vertex = level.positions.len() as u32;
                        level.sources.push(piece.sources[wedge as usize]);
                        level.positions.push(making.position(place));
                        making.values(place, wedge, &mut level.attributes);
                    }
                    level.indices.push(*vertex);
                }
                level.triangles.push(number);
            }
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
