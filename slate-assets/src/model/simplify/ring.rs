//! The triangles around a place.

use super::topology::{NONE, Topology};
use std::hint::select_unpredictable;

/// A triangle at a place: its corner there, and the places to the right and left of it.
#[derive(Clone, Copy, Default)]
pub(super) struct Spoke {
    pub(super) corner: u32,
    pub(super) right: u32,
    pub(super) left: u32,
}

impl Spoke {
    /// The triangle, and which of its corners it is.
    pub(super) fn parts(&self) -> (usize, usize) {
        ((self.corner / 4) as usize, (self.corner % 4) as usize)
    }
}

/// The triangles at one end of an edge: those that the edge is of, and the others.
#[derive(Default)]
pub(super) struct Ring {
    buffers: [Vec<Spoke>; 2],
    counts: [usize; 2],
}

impl Ring {
    pub(super) fn own(&self) -> &[Spoke] {
        &self.buffers[0][..self.counts[0]]
    }

    pub(super) fn others(&self) -> &[Spoke] {
        &self.buffers[1][..self.counts[1]]
    }

    pub(super) fn len(&self) -> usize {
        self.counts[0] + self.counts[1]
    }

    pub(super) fn spokes(&self) -> impl Iterator<Item = &Spoke> {
        self.own().iter().chain(self.others())
    }
}

/// The corners after and before each one.
pub(super) const NEXT: [usize; 4] = [1, 2, 0, 0];
pub(super) const LAST: [usize; 4] = [2, 0, 1, 0];

/// Whether the triangle of these corners is there: what is gone has the same place at its first two.
pub(super) fn lives(corners: &[u32; 3]) -> bool {
    corners[0] != corners[1]
}

impl Topology {
    /// Lists the corners at each place, in the triangles' order.
    pub(super) fn list(&mut self) {
        for place in self.corners.iter().filter(|corners| lives(corners)).flatten() {
            self.places[*place as usize].count += 1;
        }
        let mut first = 0;
        for place in &mut self.places {
            (place.first, first) = (first, first + std::mem::take(&mut place.count));
        }
        self.lists = Vec::with_capacity(first as usize * SLACK);
        self.lists.resize(first as usize, NONE);
        for (number, corners) in self.corners.iter().enumerate().filter(|(_, corners)| lives(corners)) {
            for (corner, place) in corners.iter().enumerate() {
                let place = &mut self.places[*place as usize];
                self.lists[(place.first + place.count) as usize] = (number * 4 + corner) as u32;
                place.count += 1;
            }
        }
    }

    /// Lists the corners of the triangles from this one on, too.
    pub(super) fn list_more(&mut self, first: usize) {
        let more = self.corners[first..].iter().enumerate().filter(|(_, corners)| lives(corners));
        let mut more: Vec<(u32, u32)> = more
            .flat_map(|(at, corners)| [0, 1, 2].map(|corner| (corners[corner], ((first + at) * 4 + corner) as u32)))
            .collect();
        more.sort_unstable();
        for corners in more.chunk_by(|one, other| one.0 == other.0) {
            let place = &mut self.places[corners[0].0 as usize];
            let (from, count) = (place.first as usize, place.count as usize);
            (place.first, place.count) = (self.lists.len() as u32, (count + corners.len()) as u32);
            self.lists.extend_from_within(from..from + count);
            self.lists.extend(corners.iter().map(|(_, corner)| corner));
        }
    }

    /// The triangles at both ends of an edge.
    pub(super) fn gather_both(&mut self, [a, b]: [u32; 2], [one, other]: &mut [Ring; 2]) {
        self.gather(a, b, one);
        self.gather(b, a, other);
    }

    /// The living triangles at a place, those of the edge to `other` apart; those that are gone leave its list.
    ///
    /// Without branches: nobody could foresee them.
    #[inline]
    pub(super) fn gather(&mut self, place: u32, other: u32, ring: &mut Ring) {
        let entry = &mut self.places[place as usize];
        let list = &mut self.lists[entry.first as usize..][..entry.count as usize];
        if ring.buffers[0].len() < list.len() {
            ring.buffers.iter_mut().for_each(|buffer| buffer.resize(list.len() * 2, Spoke::default()));
        }
        let [own, others] = ring.buffers.each_mut().map(|buffer| &mut buffer[..list.len()]);
        let (mut owns, mut rest, mut kept) = (0, 0, 0);
        for from in 0..list.len() {
            let corner = list[from];
            let (triangle, at) = (&self.corners[(corner / 4) as usize], (corner % 4) as usize);
            let spoke = Spoke { corner, right: triangle[NEXT[at]], left: triangle[LAST[at]] };
            let lives = lives(triangle);
            let is_own = lives & ((spoke.right == other) | (spoke.left == other));
            let is_other = lives & !is_own;
            (own[owns], others[rest], list[kept]) = (spoke, spoke, corner);
            owns = select_unpredictable(is_own, owns + 1, owns);
            rest = select_unpredictable(is_other, rest + 1, rest);
            kept = select_unpredictable(lives, kept + 1, kept);
        }
        ring.counts = [owns, rest];
        entry.count = kept as u32;
    }

    /// Gives a place the corners that are not of the edge at both of its ends, and the other end none.
    pub(super) fn relist(&mut self, from: u32, to: u32, rings: &[Ring; 2]) {
        let [one, other] = rings.each_ref().map(Ring::others);
        self.places[from as usize].count = 0;
        let place = &mut self.places[to as usize];
        let first = self.lists.len();
        place.first = first as u32;
        place.count = (one.len() + other.len()) as u32;
        self.lists.extend(one.iter().map(|spoke| spoke.corner));
        self.lists.extend(other.iter().map(|spoke| spoke.corner));
        if self.lists.len() > self.corners.len() * 3 * SLACK {
            self.tidy();
        }
    }

    /// Moves the lists together.
    fn tidy(&mut self) {
        let mut lists = Vec::with_capacity(self.corners.len() * 3);
        for place in &mut self.places {
            let first = lists.len() as u32;
            lists.extend(&self.lists[place.first as usize..][..place.count as usize]);
            place.first = first;
        }
        self.lists = lists;
    }

    /// Pairs the wedges of both ends that share a triangle of the edge; the others stay alone.
    pub(super) fn pair(&self, b: u32, rings: &[Ring; 2], pairs: &mut Vec<(u32, u32)>) {
        pairs.clear();
        for spoke in rings[0].own() {
            let (triangle, at) = spoke.parts();
            let wedges = &self.sides[triangle].wedges;
            let (one, other) = (wedges[at], wedges[if spoke.right == b { NEXT[at] } else { LAST[at] }]);
            if !pairs.iter().any(|pair| pair.0 == one || pair.1 == other) {
                pairs.push((one, other));
            }
        }
        for one in rings[0].spokes().map(|spoke| self.wedge(spoke)) {
            if !pairs.iter().any(|pair| pair.0 == one) {
                pairs.push((one, NONE));
            }
        }
        for other in rings[1].spokes().map(|spoke| self.wedge(spoke)) {
            if !pairs.iter().any(|pair| pair.1 == other) {
                pairs.push((NONE, other));
            }
        }
    }

    fn wedge(&self, spoke: &Spoke) -> u32 {
        let (triangle, at) = spoke.parts();
        self.sides[triangle].wedges[at]
    }
}

/// Lists may be so many times as long as all corners: they are written anew where they grow.
pub(super) const SLACK: usize = 3;
