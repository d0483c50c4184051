//! Cuts a large surface into pieces of about as many triangles each, whatever the number of threads.
//!
//! A vertex belongs to a piece by its place alone, so that all of one place are in one piece. A triangle belongs to the
//! piece that all of its vertices are in; the few whose vertices are in several lie between the pieces, until these are
//! joined again.

use super::Surface;
use rayon::prelude::*;

/// A piece has at most about so many triangles: what is known of them fits into the cache that a core has for itself.
const MOST: usize = 16_000;
/// A surface of fewer triangles stays whole: cuts would take more time than they save.
const LEAST: usize = 50_000;
/// The triangles that the cut is found by, for each piece.
const SAMPLES: usize = 256;
/// There are at most two to the power of this many pieces.
const DEEPEST: u32 = 10;
/// How many vertices or triangles are looked at in one go, at least.
const CHUNK: usize = 1 << 14;

/// Which piece everything is in.
pub(super) struct Cut {
    pub(super) pieces: Vec<Part>,
    /// The triangles between pieces.
    pub(super) between: Vec<u32>,
    /// The piece of each vertex, and its number in there.
    pub(super) homes: Vec<(u32, u32)>,
}

/// The vertices and triangles of a piece, by their numbers in the surface.
#[derive(Clone, Default)]
pub(super) struct Part {
    pub(super) vertices: Vec<u32>,
    pub(super) triangles: Vec<u32>,
    /// Whether each vertex is one of a triangle between pieces.
    pub(super) held: Vec<bool>,
}

/// Cuts a surface; none where it is small enough as it is.
pub(super) fn cut(surface: &Surface<'_>) -> Option<Cut> {
    let triangles = surface.indices.as_chunks::<3>().0;
    let depth = triangles.len().div_ceil(MOST).next_power_of_two().ilog2().min(DEEPEST);
    if triangles.len() < LEAST || depth == 0 {
        return None;
    }
    let planes = planes(surface, depth);
    let pieces = 1usize << depth;
    let owners: Vec<u32> =
        surface.positions.par_iter().with_min_len(CHUNK).map(|position| planes.piece(position)).collect();
    let mut parts = vec![Part::default(); pieces];
    let homes: Vec<(u32, u32)> = owners
        .iter()
        .enumerate()
        .map(|(vertex, &owner)| {
            let vertices = &mut parts[owner as usize].vertices;
            vertices.push(vertex as u32);
            (owner, vertices.len() as u32 - 1)
        })
        .collect();
    // The last list is of those between pieces.
    let chunk = CHUNK.max(triangles.len() / 64);
    let sorted: Vec<Vec<Vec<u32>>> = triangles
        .par_chunks(chunk)
        .enumerate()
        .map(|(at, triangles)| {
            let mut lists = vec![Vec::new(); pieces + 1];
            for (number, corners) in (at * chunk..).zip(triangles) {
                let [a, b, c] = corners.map(|vertex| owners[vertex as usize]);
                lists[if a == b && b == c { a as usize } else { pieces }].push(number as u32);
            }
            lists
        })
        .collect();
    let between: Vec<u32> = sorted.iter().flat_map(|lists| lists[pieces].iter().copied()).collect();
    parts.par_iter_mut().enumerate().for_each(|(piece, part)| {
        part.triangles = sorted.iter().flat_map(|lists| lists[piece].iter().copied()).collect();
        part.held = vec![false; part.vertices.len()];
    });
    for vertex in between.iter().flat_map(|&triangle| triangles[triangle as usize]) {
        let (piece, at) = homes[vertex as usize];
        parts[piece as usize].held[at as usize] = true;
    }
    Some(Cut { pieces: parts, between, homes })
}

/// Planes that halve space again and again, as a tree in one list: those below the one at `at` are at `2·at + 1` and
/// `2·at + 2`.
struct Planes {
    planes: Vec<(usize, f32)>,
    depth: u32,
}

impl Planes {
    fn piece(&self, position: &[f32; 3]) -> u32 {
        let mut at = 0;
        for _ in 0..self.depth {
            let (axis, value) = self.planes[at];
            at = at * 2 + 1 + usize::from(position[axis] >= value);
        }
        (at - self.planes.len()) as u32
    }
}

/// Each plane is across the longest side of what it halves.
fn planes(surface: &Surface<'_>, depth: u32) -> Planes {
    let pieces = 1usize << depth;
    let triangles = surface.indices.as_chunks::<3>().0;
    let step = (triangles.len() / (pieces * SAMPLES)).max(1);
    let corner = |corners: &[u32; 3]| surface.positions[corners[0] as usize];
    let mut samples: Vec<[f32; 3]> = triangles.iter().step_by(step).map(corner).collect();
    let mut planes = vec![(0, 0.0); pieces - 1];
    halve(&mut samples, 0, &mut planes);
    Planes { planes, depth }
}

fn halve(samples: &mut [[f32; 3]], at: usize, planes: &mut [(usize, f32)]) {
    if at >= planes.len() || samples.is_empty() {
        return;
    }
    let side = |axis: usize| {
        let (least, most) = samples.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), sample| {
            (least.min(sample[axis]), most.max(sample[axis]))
        });
        most - least
    };
    let sides = [0, 1, 2].map(side);
    let axis = (1..3).fold(0, |longest, axis| if sides[axis] > sides[longest] { axis } else { longest });
    let middle = samples.len() / 2;
    samples.select_nth_unstable_by(middle, |one, other| one[axis].total_cmp(&other[axis]));
    planes[at] = (axis, samples[middle][axis]);
    let (below, above) = samples.split_at_mut(middle);
    halve(below, at * 2 + 1, planes);
    halve(above, at * 2 + 2, planes);
}
