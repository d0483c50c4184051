//! Joins the pieces of a surface again, from what is left of each.

use super::{
    Surface,
    collapse::Piece,
    cut::Cut,
    level::{Share, Slots},
    quadric::Fields,
    queue::{Haste, Queue},
    renumber::Numbers,
    topology::{NONE, Place, Sides, Topology},
};
use rayon::prelude::*;
use slate_core::{Cancel, Result};

/// The corners of a triangle between pieces: the piece of each, and its place and wedge there.
#[derive(Clone, Copy)]
struct Corner {
    piece: usize,
    place: u32,
    wedge: u32,
}

/// The triangles between pieces.
pub(super) struct Between {
    corners: Vec<[Corner; 3]>,
    /// The number of each in the surface.
    numbers: Vec<u32>,
}

impl Between {
    /// By the place of each vertex of each piece.
    pub(super) fn new(surface: &Surface<'_>, cut: &Cut, places: &[Vec<u32>]) -> Self {
        let corner = |vertex: u32| {
            let (piece, wedge) = cut.homes[vertex as usize];
            Corner { piece: piece as usize, place: places[piece as usize][wedge as usize], wedge }
        };
        let triangles = surface.indices.as_chunks::<3>().0;
        let all = cut.between.iter().map(|&triangle| (triangles[triangle as usize].map(corner), triangle));
        // A triangle of two places shows nothing.
        let is_one = |one: Corner, other: Corner| (one.piece, one.place) == (other.piece, other.place);
        let shown = all.filter(|([a, b, c], _)| !is_one(*a, *b) && !is_one(*b, *c) && !is_one(*c, *a));
        let (corners, numbers) = shown.unzip();
        Self { corners, numbers }
    }

    pub(super) fn len(&self) -> usize {
        self.corners.len()
    }
}

/// How many triangles are left of pieces and between them.
pub(super) fn left(pieces: &[Piece], between: &Between) -> usize {
    pieces.iter().map(|piece| piece.triangles).sum::<usize>() + between.len()
}

/// A surface whose pieces are joined: all of them, or their edges only.
pub(super) struct Joined {
    /// What is joined.
    pub(super) piece: Piece,
    /// What of each piece is in there.
    numbers: Vec<Numbers>,
    pub(super) is_all: bool,
}

/// Of so many triangles near what is between the pieces one may go; else all is joined.
const SPARE: usize = 2;

/// Joins pieces of a surface and what is between them, so that one of so many triangles can be left: all there is, or where enough
/// is there to go only what is near.
pub(super) fn join(
    surface: &Surface<'_>,
    pieces: &[Piece],
    between: &Between,
    target: usize,
    all: bool,
    haste: Haste,
) -> Joined {
    let mut used: Vec<Vec<u32>> = vec![Vec::new(); pieces.len()];
    between.corners.iter().flatten().for_each(|corner| used[corner.piece].push(corner.wedge));
    let with_used = || pieces.par_iter().zip(&used);
    let excess = left(pieces, between).saturating_sub(target);
    let mut numbers: Option<Vec<Numbers>> =
        (!all).then(|| with_used().map(|(piece, used)| Numbers::near(piece, used)).collect());
    numbers = numbers.filter(|numbers| {
        let near = numbers.iter().map(|numbers| numbers.triangles.left.len()).sum::<usize>();
        excess < (near + between.len()) / SPARE
    });
    let is_all = numbers.is_none();
    let mut numbers = numbers.unwrap_or_else(|| with_used().map(|(piece, used)| Numbers::of(piece, used)).collect());
    let mut total = [0; 4];
    for numbers in &mut numbers {
        numbers.begin_at(&mut total);
    }
    let piece = joined(surface, pieces, between, &numbers, total, haste);
    Joined { piece, numbers, is_all }
}

impl Joined {
    /// How many triangles are left of it all.
    pub(super) fn triangles(&self, pieces: &[Piece]) -> usize {
        self.piece.triangles + self.outside(pieces)
    }

    fn outside(&self, pieces: &[Piece]) -> usize {
        pieces.iter().zip(&self.numbers).map(|(piece, numbers)| piece.triangles - numbers.triangles.left.len()).sum()
    }

    /// Simplifies what is joined until at most so many triangles are left of it all. Whether they are.
    pub(super) fn reduce(&mut self, target: usize, pieces: &[Piece], cancel: &Cancel) -> Result<bool> {
        self.piece.reduce(target.saturating_sub(self.outside(pieces)), cancel)?;
        Ok(self.triangles(pieces) <= target)
    }

    /// What isn't joined of each of these pieces, and what is.
    pub(super) fn shares<'a>(&'a self, pieces: &'a [Piece]) -> Vec<Share<'a>> {
        let mut shares = Vec::with_capacity(pieces.len() + 1);
        let (mut slots, mut first) = (Vec::with_capacity(self.piece.sources.len()), 0);
        for (piece, numbers) in pieces.iter().zip(&self.numbers) {
            slots.extend(numbers.wedges.left.iter().map(|wedge| first + wedge));
            shares.push(Share { piece, joined: &numbers.triangles.numbers, slots: Slots::From(first) });
            first += piece.sources.len() as u32;
        }
        shares.push(Share { piece: &self.piece, joined: &[], slots: Slots::Each(slots) });
        shares
    }
}

/// What has these numbers as one piece, with edges that go on where those of the pieces stopped.
fn joined(
    surface: &Surface<'_>,
    pieces: &[Piece],
    between: &Between,
    numbers: &[Numbers],
    total: [u32; 4],
    haste: Haste,
) -> Piece {
    let mut all = Whole::with_room(total, &pieces[0]);
    let mut rest = all.slices();
    let slices: Vec<Slices<'_>> = numbers.iter().map(|numbers| rest.take(numbers.counts())).collect();
    let each = pieces.par_iter().zip(numbers).zip(slices);
    each.for_each(|((piece, numbers), mut slices)| numbers.pack(piece, &mut slices));

    let Whole { mut topology, numbers: mut triangles, mut fields, sources, blocked, mut blocked_edges } = all;
    let first = topology.corners.len();
    for corners in &between.corners {
        let wedges = corners.map(|corner| numbers[corner.piece].wedges.of(corner.wedge));
        topology.add_triangle(corners.map(|corner| numbers[corner.piece].places.of(corner.place)), wedges);
    }
    triangles.extend(&between.numbers);
    let added = first..topology.corners.len();
    let rim = numbers.iter().flat_map(|numbers| numbers.rim.iter().map(|&place| numbers.places.of(place)));
    let mut is_rim = vec![false; topology.places.len()];
    rim.for_each(|place| is_rim[place as usize] = true);
    let held = std::mem::replace(&mut topology.held, is_rim);
    let places: Vec<u32> = (0..held.len() as u32).filter(|&place| held[place as usize]).collect();
    topology.list_more(first);
    topology.add_planes(added.clone());
    topology.find_singles(places.iter().copied());
    let is_meant = |_: &Topology, place: u32, end: u32| held[place as usize] & held[end as usize];
    topology.find_edges(places.iter().copied(), between.corners.len() * 3, is_meant, |one, other| {
        surface.are_of_one_part(sources[one as usize], sources[other as usize]) && fields.are_alike(one, other)
    });
    topology.add_fields(added, &mut fields);

    let mut piece = Piece::new(topology, fields, sources, triangles, haste);
    blocked_edges.resize(piece.topology.edges.len(), false);
    let is_free = |edge: u32| !piece.topology.edges[edge as usize].iter().any(|&end| piece.topology.held[end as usize]);
    for (edge, is_blocked) in blocked_edges.iter_mut().enumerate() {
        *is_blocked &= is_free(edge as u32);
    }
    let mut queue = Queue::new(haste, piece.topology.edges.len());
    for (from, numbers) in pieces.iter().zip(numbers) {
        let number = |edge: u32| numbers.edges.get(edge).filter(|&edge| is_free(edge));
        queue.append(&from.queue, number);
        for edge in from.batch.rest().iter().filter_map(|&edge| number(edge)) {
            queue.push(edge, 0.0);
        }
    }
    for (edge, ends) in piece.topology.edges.iter().enumerate() {
        if ends.iter().any(|&end| held[end as usize]) && is_free(edge as u32) {
            queue.push(edge as u32, 0.0);
        }
    }
    (piece.blocked, piece.blocked_edges, piece.queue) = (blocked, blocked_edges, queue);
    piece
}

impl Numbers {
    /// Copies what is joined of a piece to where it goes.
    fn pack(&self, piece: &Piece, to: &mut Slices<'_>) {
        let (topology, places, triangles) = (&piece.topology, &self.places, &self.triangles);
        let renumbered = triangles.left(&topology.corners).map(|ends| ends.map(|end| places.of(end)));
        fill(to.corners, renumbered);
        let renumbered = triangles.left(&topology.sides).map(|side| Sides {
            edges: side.edges.map(|edge| self.edges.of_some(edge)),
            wedges: side.wedges.map(|wedge| self.wedges.of(wedge)),
        });
        fill(to.sides, renumbered);
        let mut first = 0;
        for (to_place, place) in to.places.iter_mut().zip(places.left(&topology.places)) {
            let list = &topology.lists[place.first as usize..][..place.count as usize];
            let from = first;
            for corner in list {
                // Corners of triangles that are gone leave the lists.
                if let Some(number) = triangles.get(corner / 4) {
                    to.lists[first] = number * 4 + corner % 4;
                    first += 1;
                }
            }
            let (count, first) = ((first - from) as u32, triangles.first * 3 + from as u32);
            *to_place = Place { first, count, ..*place };
        }
        fill(to.edges, self.edges.left(&topology.edges).map(|ends| ends.map(|end| places.of(end))));
        fill(to.locked, places.left(&topology.locked).copied());
        fill(to.held, places.left(&topology.held).copied());
        fill(to.anchors, places.left(&topology.anchors).copied());
        fill(to.singles, places.left(&topology.singles).map(|&wedge| self.wedges.of_some(wedge)));
        fill(to.numbers, triangles.left(&piece.numbers).copied());
        fill(to.sources, self.wedges.left(&piece.sources).copied());
        fill(to.blocked, places.left(&piece.blocked).copied());
        fill(to.blocked_edges, self.edges.left(&piece.blocked_edges).copied());
        fill(to.weights, self.wedges.left(&piece.fields.weights).copied());
        fill(to.means, self.wedges.left.iter().flat_map(|&wedge| piece.fields.row(wedge)).copied());
    }
}

fn fill<T>(to: &mut [T], from: impl Iterator<Item = T>) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = from);
}

/// What is joined of all pieces, under new numbers.
struct Whole {
    topology: Topology,
    numbers: Vec<u32>,
    fields: Fields,
    sources: Vec<u32>,
    blocked: Vec<bool>,
    blocked_edges: Vec<bool>,
}

impl Whole {
    /// Room for so many places, wedges, triangles and edges, like those of a piece.
    fn with_room(counts: [u32; 4], piece: &Piece) -> Self {
        let [places, wedges, triangles, edges] = counts.map(|count| count as usize);
        let width = piece.fields.width;
        let topology = Topology {
            places: vec![Place::default(); places],
            corners: vec![[0; 3]; triangles],
            sides: vec![Sides { edges: [NONE; 3], wedges: [0; 3] }; triangles],
            lists: vec![0; triangles * 3],
            edges: vec![[0; 2]; edges],
            locked: vec![false; if piece.topology.locked.is_empty() { 0 } else { places }],
            held: vec![false; places],
            anchors: vec![0; places],
            singles: vec![0; places],
        };
        let weights = vec![0.0; if width > 0 { wedges } else { 0 }];
        Self {
            topology,
            numbers: vec![0; triangles],
            fields: Fields { weights, means: vec![[0.0; 4]; wedges * width], width },
            sources: vec![0; wedges],
            blocked: vec![false; places],
            blocked_edges: vec![false; edges],
        }
    }

    fn slices(&mut self) -> Slices<'_> {
        let topology = &mut self.topology;
        Slices {
            places: &mut topology.places,
            corners: &mut topology.corners,
            sides: &mut topology.sides,
            lists: &mut topology.lists,
            edges: &mut topology.edges,
            locked: &mut topology.locked,
            held: &mut topology.held,
            anchors: &mut topology.anchors,
            singles: &mut topology.singles,
            numbers: &mut self.numbers,
            sources: &mut self.sources,
            blocked: &mut self.blocked,
            blocked_edges: &mut self.blocked_edges,
            weights: &mut self.fields.weights,
            means: &mut self.fields.means,
            width: self.fields.width,
        }
    }
}

/// Where a piece goes.
struct Slices<'a> {
    places: &'a mut [Place],
    corners: &'a mut [[u32; 3]],
    sides: &'a mut [Sides],
    lists: &'a mut [u32],
    edges: &'a mut [[u32; 2]],
    locked: &'a mut [bool],
    held: &'a mut [bool],
    anchors: &'a mut [u32],
    singles: &'a mut [u32],
    numbers: &'a mut [u32],
    sources: &'a mut [u32],
    blocked: &'a mut [bool],
    blocked_edges: &'a mut [bool],
    weights: &'a mut [f32],
    means: &'a mut [[f32; 4]],
    width: usize,
}

impl<'a> Slices<'a> {
    /// Takes the room for the first so many places, wedges, triangles and edges.
    fn take(&mut self, [places, wedges, triangles, edges]: [usize; 4]) -> Self {
        Self {
            places: first(&mut self.places, places),
            corners: first(&mut self.corners, triangles),
            sides: first(&mut self.sides, triangles),
            lists: first(&mut self.lists, triangles * 3),
            edges: first(&mut self.edges, edges),
            locked: first(&mut self.locked, places),
            held: first(&mut self.held, places),
            anchors: first(&mut self.anchors, places),
            singles: first(&mut self.singles, places),
            numbers: first(&mut self.numbers, triangles),
            sources: first(&mut self.sources, wedges),
            blocked: first(&mut self.blocked, places),
            blocked_edges: first(&mut self.blocked_edges, edges),
            weights: first(&mut self.weights, wedges),
            means: first(&mut self.means, wedges * self.width),
            width: self.width,
        }
    }
}

/// Takes the first so many out of a list; all of an empty one.
fn first<'a, T>(rest: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (first, others) = std::mem::take(rest).split_at_mut_checked(count).unwrap_or_default();
    *rest = others;
    first
}
