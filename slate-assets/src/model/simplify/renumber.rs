//! What of a piece is joined, under new numbers.

use super::{
    collapse::Piece,
    ring::lives,
    topology::{NONE, Place},
};
use std::hint::select_unpredictable;

/// So many edges away from what is between the pieces, all that isn't joined stays as it is.
const REACH: usize = 1;

/// New numbers of what is left.
pub(super) struct Renumbered {
    /// Told from `first`, [`NONE`] where it is gone.
    pub(super) numbers: Vec<u32>,
    /// The old numbers of what is left.
    pub(super) left: Vec<u32>,
    pub(super) first: u32,
}

impl Renumbered {
    /// Without branches: nobody could foresee what is left.
    pub(super) fn new(are_left: impl ExactSizeIterator<Item = bool>) -> Self {
        let mut count = 0;
        let mut left = vec![0; are_left.len() + 1];
        let numbers = are_left.enumerate().map(|(old, is_left)| {
            left[count] = old as u32;
            let number = select_unpredictable(is_left, count as u32, NONE);
            count += usize::from(is_left);
            number
        });
        let numbers = numbers.collect();
        left.truncate(count);
        Self { numbers, left, first: 0 }
    }

    /// Nothing out of so many.
    pub(super) fn none(count: usize) -> Self {
        Self { numbers: vec![NONE; count], left: Vec::new(), first: 0 }
    }

    /// Adds one, unless it is there.
    pub(super) fn add(&mut self, old: u32) {
        let number = &mut self.numbers[old as usize];
        if *number == NONE {
            *number = self.left.len() as u32;
            self.left.push(old);
        }
    }

    pub(super) fn get(&self, old: u32) -> Option<u32> {
        let number = self.numbers[old as usize];
        (number != NONE).then(|| self.first + number)
    }

    /// Of something that is left.
    pub(super) fn of(&self, old: u32) -> u32 {
        self.first + self.numbers[old as usize]
    }

    /// Of something that may be left, or of nothing.
    pub(super) fn of_some(&self, old: u32) -> u32 {
        if old == NONE { NONE } else { self.get(old).unwrap_or(NONE) }
    }

    /// What is left of a list, in order; nothing of an empty one.
    pub(super) fn left<'a, T>(&'a self, all: &'a [T]) -> impl ExactSizeIterator<Item = &'a T> {
        let left = if all.is_empty() { &[][..] } else { &self.left };
        left.iter().map(|&old| &all[old as usize])
    }
}

/// The numbers that everything of a piece gets.
pub(super) struct Numbers {
    pub(super) places: Renumbered,
    pub(super) wedges: Renumbered,
    pub(super) triangles: Renumbered,
    pub(super) edges: Renumbered,
    /// The places at the end of what is joined, which stay.
    pub(super) rim: Vec<u32>,
}

impl Numbers {
    /// Of what is near the held places of a piece, of which triangles between the pieces have these wedges.
    pub(super) fn near(piece: &Piece, used: &[u32]) -> Self {
        let topology = &piece.topology;
        let [mut places, mut triangles] = [topology.places.len(), topology.corners.len()].map(Renumbered::none);
        let [mut wedges, mut edges] = [piece.sources.len(), topology.edges.len()].map(Renumbered::none);
        let held = (0..topology.held.len() as u32).filter(|&place| topology.held[place as usize]);
        held.for_each(|place| places.add(place));
        let mut free = 0;
        for _ in 0..=REACH {
            // The triangles at the places that were found last, and their corners.
            let around = std::mem::replace(&mut free, places.left.len())..places.left.len();
            for at in around {
                let Place { first, count, .. } = topology.places[places.left[at] as usize];
                for corner in &topology.lists[first as usize..][..count as usize] {
                    let corners = &topology.corners[(corner / 4) as usize];
                    if lives(corners) {
                        triangles.add(corner / 4);
                        corners.iter().for_each(|&place| places.add(place));
                    }
                }
            }
        }
        used.iter().for_each(|&wedge| wedges.add(wedge));
        for sides in triangles.left.iter().map(|&triangle| &topology.sides[triangle as usize]) {
            sides.wedges.iter().for_each(|&wedge| wedges.add(wedge));
            sides.edges.iter().filter(|edge| **edge != NONE).for_each(|&edge| edges.add(edge));
        }
        Self { rim: places.left[free..].to_vec(), places, wedges, triangles, edges }
    }

    /// Of all that is left of a piece, of which triangles between the pieces have these wedges.
    pub(super) fn of(piece: &Piece, used: &[u32]) -> Self {
        let topology = &piece.topology;
        let (mut places, mut wedges) = (topology.held.clone(), vec![false; piece.sources.len()]);
        used.iter().for_each(|&wedge| wedges[wedge as usize] = true);
        for triangle in topology.living() {
            for (place, wedge) in topology.corners[triangle].into_iter().zip(topology.sides[triangle].wedges) {
                (places[place as usize], wedges[wedge as usize]) = (true, true);
            }
        }
        let places = Renumbered::new(places.into_iter());
        let is_left = |place: &u32| places.numbers[*place as usize] != NONE;
        let edge = |[a, b]: &[u32; 2]| (a != b) & is_left(a) & is_left(b);
        let edges = Renumbered::new(topology.edges.iter().map(edge));
        let triangles = Renumbered::new(topology.corners.iter().map(lives));
        Self { places, wedges: Renumbered::new(wedges.into_iter()), triangles, edges, rim: Vec::new() }
    }

    /// Begins with these numbers, and leaves those that are next.
    pub(super) fn begin_at(&mut self, next: &mut [u32; 4]) {
        let all = [&mut self.places, &mut self.wedges, &mut self.triangles, &mut self.edges];
        for (numbers, next) in all.into_iter().zip(next) {
            numbers.first = *next;
            *next += numbers.left.len() as u32;
        }
    }

    /// How many places, wedges, triangles and edges are left.
    pub(super) fn counts(&self) -> [usize; 4] {
        [&self.places, &self.wedges, &self.triangles, &self.edges].map(|numbers| numbers.left.len())
    }
}
