//! What is to be known before the first collapse: the planes that each place is on, the edges between places, and the
//! fields of the attributes.

use super::{
    quadric::{Fields, Frame, Near, across, minus, product},
    ring::{LAST, NEXT, lives},
    topology::{NONE, Place, Topology},
};
use std::{hint::select_unpredictable, ops::Range};

/// How much a border counts against the faces beside it.
const BORDER: f32 = 3.0;
/// How much a seam of attributes or materials counts.
const SEAM: f32 = 0.3;

/// What is known of an edge until all triangles are known.
#[derive(Clone, Copy)]
struct Side {
    /// The first corner at the edge.
    first: u32,
    count: u32,
    /// Whether two triangles have the same wedges there, or such as are alike.
    is_inner: bool,
}

impl Topology {
    /// Gives the places of these triangles their planes.
    #[inline]
    pub(super) fn add_planes(&mut self, triangles: Range<usize>) {
        for corners in self.corners[triangles].iter().filter(|corners| lives(corners)) {
            add_plane(&mut self.places, corners);
        }
    }

    /// Finds the one wedge of each of these places.
    #[inline]
    pub(super) fn find_singles(&mut self, places: impl Iterator<Item = u32>) {
        for place in places {
            let Place { first, count, .. } = self.places[place as usize];
            let mut wedges = self.lists[first as usize..][..count as usize]
                .iter()
                .map(|corner| self.sides[(corner / 4) as usize].wedges[(corner % 4) as usize]);
            let single = wedges.next().unwrap_or(NONE);
            self.singles[place as usize] = if wedges.all(|wedge| wedge == single) { single } else { NONE };
        }
    }

    /// Finds the edges from these places to places of higher numbers where `is_meant` says so of both ends, and gives
    /// each end the planes of borders and seams, upright on their faces. Where wedges are `alike`, nobody sees a seam.
    #[inline]
    pub(super) fn find_edges(
        &mut self,
        places: impl Iterator<Item = u32>,
        most: usize,
        is_meant: impl Fn(&Self, u32, u32) -> bool,
        are_alike: impl Fn(u32, u32) -> bool,
    ) {
        /// How many edges more there is room for, each time that there is none.
        const ROOM: usize = 4096;
        let (before, most) = (self.edges.len(), most + ROOM);
        let (mut edges, mut sides) = (before, Vec::with_capacity(most));
        self.edges.reserve(most);
        // Whose neighbour each place was seen as last, and the edge between both.
        let mut seen = vec![(NONE, 0); self.places.len()];
        let mut upward = Vec::new();
        for place in places {
            let Place { first, count, .. } = self.places[place as usize];
            let list = &self.lists[first as usize..][..count as usize];
            // Each edge is found from its lower end. Without branches: half of them would be foreseen wrongly.
            upward.resize(upward.len().max(list.len() * 2), (0, 0));
            let mut found = 0;
            for &corner in list {
                let (triangle, at) = (corner / 4, (corner % 4) as usize);
                let corners = &self.corners[triangle as usize];
                for (side, end) in [(at, corners[NEXT[at]]), (LAST[at], corners[LAST[at]])] {
                    upward[found] = (triangle * 4 + side as u32, end);
                    found += usize::from((end > place) & is_meant(self, place, end));
                }
            }
            if self.edges.len() < edges + found {
                let more = edges + found + ROOM;
                self.edges.resize(more, [0; 2]);
                sides.resize(more - before, Side { first: 0, count: 0, is_inner: false });
            }
            for &(corner, end) in &upward[..found] {
                let (of, known) = seen[end as usize];
                let is_new = of != place;
                let edge = select_unpredictable(is_new, edges, known);
                edges += usize::from(is_new);
                seen[end as usize] = (place, edge);
                self.edges[edge] = [place, end];
                let Side { first, count, is_inner } = sides[edge - before];
                let first = select_unpredictable(is_new, corner, first);
                let ([a, b], [c, d]) = (self.wedges_at(first), self.wedges_at(corner));
                let is_same =
                    !is_new && [(a, d), (b, c)].iter().all(|&(one, other)| one == other || are_alike(one, other));
                sides[edge - before] = Side { first, count: count + 1, is_inner: is_inner | is_same };
                self.sides[(corner / 4) as usize].edges[(corner % 4) as usize] = edge as u32;
                if !is_new & !is_same {
                    self.seam(corner);
                }
            }
        }
        self.edges.truncate(edges);
        sides.truncate(edges - before);
        for side in sides {
            if side.count == 1 {
                self.upright(side.first, BORDER, [true; 2]);
            } else if !side.is_inner {
                self.seam(side.first);
            }
        }
    }

    /// Adds the plane of a seam where it is one.
    fn seam(&mut self, corner: u32) {
        let (triangle, at) = ((corner / 4) as usize, (corner % 4) as usize);
        let ends = [at, NEXT[at]].map(|at| !self.is_torn(self.corners[triangle][at]));
        self.upright(corner, SEAM, ends);
    }

    /// Whether more than two vertices are at a place, as where all triangles are flat: seams go all ways there, and there is no line
    /// to keep.
    fn is_torn(&self, place: u32) -> bool {
        let Place { first, count, .. } = self.places[place as usize];
        let list = &self.lists[first as usize..][..count as usize];
        let mut wedges = list.iter().map(|corner| self.sides[(corner / 4) as usize].wedges[(corner % 4) as usize]);
        let Some(one) = wedges.next() else { return false };
        let Some(other) = wedges.find(|wedge| *wedge != one) else { return false };
        wedges.any(|wedge| wedge != one && wedge != other)
    }

    fn wedges_at(&self, corner: u32) -> [u32; 2] {
        let (wedges, corner) = (&self.sides[(corner / 4) as usize].wedges, (corner % 4) as usize);
        [wedges[corner], wedges[(corner + 1) % 3]]
    }

    /// Adds the plane through the edge at this corner, upright on the triangle, to those of the edge's ends that are meant.
    fn upright(&mut self, corner: u32, weight: f32, are_meant: [bool; 2]) {
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
        for (end, _) in [corner, (corner + 1) % 3].into_iter().zip(are_meant).filter(|(_, is_meant)| *is_meant) {
            let place = self.corners[triangle][end];
            self.places[place as usize].quadric.add(&plane);
        }
    }

    /// Gives each wedge the mean of the fields of its attributes over these triangles, too, and each place what these means
    /// miss. Told from the wedge itself, all fields have its own values there, and differ in their slopes only.
    pub(super) fn add_fields(&mut self, triangles: Range<usize>, fields: &mut Fields) {
        let width = fields.width;
        if width == 0 {
            return;
        }
        for triangle in triangles {
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
