use super::{
    Surface,
    collapse::Piece,
    cut::{Cut, Part, cut},
    join::{Between, Joined, join, left},
    level::{Level, Share},
    quadric::Fields,
    queue::Haste,
    ring::SLACK,
    topology::{NONE, Space, Topology},
};
use rayon::prelude::*;
use slate_core::{Cancel, Error, Result};

/// Simplifies a surface, further and further.
///
/// A large surface is cut into pieces, which the threads simplify side by side, and which are joined for each level. Neither
/// the cut nor what goes of each piece asks how many threads there are.
pub struct Simplifier<'a> {
    surface: Surface<'a>,
    space: Space,
    haste: Haste,
    state: State,
}

enum State {
    Whole(Piece),
    Pieces {
        pieces: Vec<Piece>,
        between: Between,
        /// The pieces joined, as they were left last.
        joined: Option<Joined>,
    },
}

impl<'a> Simplifier<'a> {
    /// Looks at a surface.
    ///
    /// # Errors
    /// `Invalid` where the lists don't fit each other or hold numbers that are not finite.
    pub fn new(surface: &Surface<'a>) -> Result<Self> {
        check(surface)?;
        let (space, haste) = (Space::of(surface.positions), Haste::of(surface.indices.len() / 3));
        let state = if let Some(cut) = cut(surface) {
            let made = cut.pieces.par_iter().map(|part| piece(surface, &cut, part, space, haste));
            let (pieces, places): (Vec<_>, Vec<_>) = made.unzip();
            let between = Between::new(surface, &cut, &places);
            State::Pieces { pieces, between, joined: None }
        } else {
            let [vertices, triangles] =
                [surface.positions.len(), surface.indices.len() / 3].map(|count| (0..count as u32).collect());
            State::Whole(planned(surface, &[], vertices, triangles, space, haste).0)
        };
        Ok(Self { surface: *surface, space, haste, state })
    }

    /// How many triangles are left.
    pub fn triangles(&self) -> usize {
        match &self.state {
            State::Whole(whole) => whole.triangles,
            State::Pieces { pieces, joined: Some(joined), .. } => joined.triangles(pieces),
            State::Pieces { pieces, between, joined: None } => left(pieces, between),
        }
    }

    /// Simplifies until at most `target` triangles are left, and gives the surface as it is then. What is asked next
    /// goes on from there.
    ///
    /// # Errors
    /// `Canceled`.
    pub fn reduce(&mut self, target: usize, cancel: &Cancel) -> Result<Level> {
        let level = |shares: &[Share<'_>]| Level::of(&self.surface, self.space, shares);
        let (pieces, between, joined) = match &mut self.state {
            State::Whole(whole) => {
                whole.reduce(target, cancel)?;
                return Ok(level(&[Share::all(whole)]));
            }
            State::Pieces { pieces, between, joined } => (pieces, between, joined),
        };
        let now = match joined.take() {
            Some(before) if before.triangles(pieces) <= target => before,
            _ => {
                let all = self.surface.indices.len() / 3;
                let last = between.len() as f64 * LAST * (1.0 - target as f64 / all as f64);
                thin(pieces, between, target + last.max(0.0) as usize, cancel)?;
                let mut near = join(&self.surface, pieces, between, target, target <= WHOLE, self.haste);
                if !near.reduce(target, pieces, cancel)? && !near.is_all {
                    near = join(&self.surface, pieces, between, target, true, self.haste);
                    near.reduce(target, pieces, cancel)?;
                }
                near
            }
        };
        let reduced = level(&now.shares(pieces));
        if now.is_all && now.piece.triangles <= WHOLE {
            self.state = State::Whole(now.piece);
        } else {
            *joined = Some(now);
        }
        Ok(reduced)
    }
}

/// A part of a surface as a surface of its own, and the place of each of its vertices.
fn piece(whole: &Surface<'_>, cut: &Cut, part: &Part, space: Space, haste: Haste) -> (Piece, Vec<u32>) {
    let width = whole.weights.len();
    let positions: Vec<_> = part.vertices.iter().map(|&vertex| whole.positions[vertex as usize]).collect();
    let triangles = whole.indices.as_chunks::<3>().0;
    let corners = part.triangles.iter().flat_map(|&triangle| triangles[triangle as usize]);
    let indices: Vec<u32> = corners.map(|vertex| cut.homes[vertex as usize].1).collect();
    let attributes = part.vertices.iter().flat_map(|&vertex| &whole.attributes[vertex as usize * width..][..width]);
    let attributes: Vec<f32> = attributes.copied().collect();
    let parts: Vec<u32> = of_vertices(whole.parts, &part.vertices);
    let locked: Vec<bool> = of_vertices(whole.locked, &part.vertices);
    let surface = Surface {
        positions: &positions,
        indices: &indices,
        attributes: &attributes,
        weights: whole.weights,
        parts: &parts,
        locked: &locked,
    };
    planned(&surface, &part.held, part.vertices.clone(), part.triangles.clone(), space, haste)
}

/// What a list has of these vertices; nothing where it is empty.
fn of_vertices<T: Copy>(all: &[T], vertices: &[u32]) -> Vec<T> {
    vertices.iter().filter_map(|&vertex| all.get(vertex as usize).copied()).collect()
}

/// For each triangle between pieces, so many go last, when the pieces are joined, as a share of those that are to go: nothing
/// went near it until then.
const LAST: f64 = 2.0;
/// What has so many triangles after it was joined isn't taken apart again.
const WHOLE: usize = 10_000;

/// Simplifies the pieces side by side until about so many triangles are left, in a few rounds: where edges are cheap, more go.
fn thin(pieces: &mut [Piece], between: &Between, target: usize, cancel: &Cancel) -> Result<()> {
    /// The share of the triangles that goes in one round at most, and the one that is left to go when the pieces are joined.
    const SHARES: [usize; 2] = [2, 64];
    loop {
        cancel.check()?;
        let left = left(pieces, between);
        let excess = left.saturating_sub(target).min(left / SHARES[0]);
        if excess <= left / SHARES[1] {
            return Ok(());
        }
        let Some(last) = last_due(pieces, excess) else { return Ok(()) };
        // What goes is shared by how many edges wait for it.
        let waiting = |piece: &Piece| piece.waiting(last);
        let all: usize = pieces.iter().map(waiting).sum();
        pieces.par_iter_mut().try_for_each(|piece| {
            let share = (excess as u64 * waiting(piece) as u64).div_ceil(all as u64) as usize;
            piece.warm();
            piece.run(piece.triangles.saturating_sub(share), last, cancel)
        })?;
    }
}

/// The bucket with which there are enough edges to leave out so many triangles, or the last that has any; none where no edge
/// is left. A collapse takes two triangles and three edges.
fn last_due(pieces: &[Piece], excess: usize) -> Option<usize> {
    let waiting = |last: usize| pieces.iter().map(|piece| piece.waiting(last)).sum::<usize>();
    let wanted = waiting(usize::MAX).min(excess * 3 / 2);
    if wanted > 0 { (0..).find(|&last| waiting(last) >= wanted) } else { None }
}

/// A piece of which everything is known that is to be known before the first collapse, and the place of each vertex.
fn planned(
    surface: &Surface<'_>,
    held: &[bool],
    sources: Vec<u32>,
    numbers: Vec<u32>,
    space: Space,
    haste: Haste,
) -> (Piece, Vec<u32>) {
    let (mut topology, place_of) = Topology::new(surface, held, space);
    let (width, vertices) = (surface.weights.len(), surface.positions.len());
    let weighted = surface.attributes.iter().zip(surface.weights.iter().cycle());
    let mut fields = Fields {
        weights: vec![0.0; if width > 0 { vertices } else { 0 }],
        means: weighted.map(|(value, weight)| [0.0, 0.0, 0.0, value * weight]).collect(),
        width,
    };
    let (places, triangles) = (topology.places.len() as u32, topology.corners.len());
    topology.add_planes(0..triangles);
    topology.find_singles(0..places);
    let are_alike = |one, other| surface.are_of_one_part(one, other) && fields.are_alike(one, other);
    if held.is_empty() {
        topology.find_edges(0..places, triangles * 3 / 2, |_, _, _| true, are_alike);
    } else {
        // What is between two held places is found when the pieces are joined.
        let is_meant =
            |topology: &Topology, place: u32, end: u32| !(topology.held[place as usize] && topology.held[end as usize]);
        topology.find_edges(0..places, triangles * 3 / 2, is_meant, are_alike);
    }
    topology.add_fields(0..triangles, &mut fields);
    for anchor in &mut topology.anchors {
        *anchor = sources[*anchor as usize];
    }
    let mut piece = Piece::new(topology, fields, sources, numbers, haste);
    piece.appraise(|topology, ends| held.is_empty() || !ends.iter().any(|&end| topology.held[end as usize]));
    (piece, place_of)
}

fn check(surface: &Surface<'_>) -> Result<()> {
    /// So many numbers are looked at in one go.
    const CHUNK: usize = 1 << 15;
    let count = surface.positions.len();
    let wide = surface.attributes.len() == count * surface.weights.len();
    let parts = surface.parts.is_empty() || surface.parts.len() == count;
    let locks = surface.locked.is_empty() || surface.locked.len() == count;
    if !wide || !parts || !locks || !surface.indices.len().is_multiple_of(3) || count >= (NONE / 4) as usize {
        return Err(Error::invalid("the surface's lists don't fit each other"));
    }
    if surface.indices.len() >= NONE as usize / SLACK / 2 {
        return Err(Error::limit_exceeded("a surface has less than 238 million triangles"));
    }
    let indices = surface.indices.par_chunks(CHUNK);
    // Many at a time, all of them: quicker than to stop at the first.
    let are_there = |indices: &[u32]| indices.iter().fold(0, |most, &at| most.max(at as usize + 1)) <= count;
    if !indices.map(are_there).all(|are| are) {
        return Err(Error::invalid("an index of the surface is beyond its vertices"));
    }
    let are_finite = |numbers: &[f32]| numbers.iter().fold(true, |are, number| are & number.is_finite());
    let numbers = surface.positions.as_flattened().par_chunks(CHUNK).chain(surface.attributes.par_chunks(CHUNK));
    if !numbers.map(are_finite).all(|are| are) {
        return Err(Error::invalid("a number of the surface is not finite"));
    }
    Ok(())
}
