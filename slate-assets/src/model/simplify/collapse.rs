use super::{
    lanes::{LANES, Lanes},
    quadric::{Fields, Near, Vector, across, minus, plus, product},
    queue::{Haste, Queue},
    ring::{LAST, NEXT, Ring, Spoke},
    topology::{NONE, Topology},
};
use slate_core::{Cancel, Result};
use std::hint::select_unpredictable;

/// How strict collapses are: first they turn no triangle far, and leave something of whatever is by itself; then they turn no
/// triangle over; then anything.
const STRICT: u8 = 0;
const ANY: u8 = 2;

/// A surface, or the part of it that one thread simplifies at a time.
pub(super) struct Piece {
    pub(super) topology: Topology,
    /// How many triangles are left.
    pub(super) triangles: usize,
    /// The number of each triangle in the surface.
    pub(super) numbers: Vec<u32>,
    pub(super) fields: Fields,
    /// The vertex of the surface whose other values each wedge takes.
    pub(super) sources: Vec<u32>,
    pub(super) queue: Queue,
    pub(super) batch: Batch,
    laxity: u8,
    /// Places where an edge may be that something was in the way of.
    pub(super) blocked: Vec<bool>,
    /// The edges that something was in the way of, some of them gone since.
    pub(super) blocked_edges: Vec<bool>,
    scratch: Scratch,
}

/// Edges that came out of the queue together.
#[derive(Default)]
pub(super) struct Batch {
    edges: [u32; LANES],
    /// What each was worked out with.
    stamps: [u32; LANES],
    lanes: Lanes,
    count: usize,
    /// The first that wasn't looked at yet.
    next: usize,
}

impl Batch {
    /// The edges that weren't looked at yet.
    pub(super) fn rest(&self) -> &[u32] {
        &self.edges[self.next..self.count]
    }
}

#[derive(Default)]
struct Scratch {
    rings: [Ring; 2],
    pairs: Vec<(u32, u32)>,
    renamed: Vec<(u32, u32)>,
}

impl Piece {
    /// Of a topology whose edges are found and whose places have their planes. Its queue is empty.
    pub(super) fn new(topology: Topology, fields: Fields, sources: Vec<u32>, numbers: Vec<u32>, haste: Haste) -> Self {
        let (edges, places) = (topology.edges.len(), topology.places.len());
        Self {
            triangles: topology.living().count(),
            numbers,
            fields,
            sources,
            queue: Queue::new(haste, edges),
            batch: Batch::default(),
            laxity: STRICT,
            blocked: vec![false; places],
            blocked_edges: vec![false; edges],
            scratch: Scratch::default(),
            topology,
        }
    }

    /// Collapses edges until at most so many triangles are left, or no edge any more that can go.
    pub(super) fn reduce(&mut self, target: usize, cancel: &Cancel) -> Result<()> {
        let mut before = self.triangles;
        while self.triangles > target {
            self.run(target, usize::MAX, cancel)?;
            if self.triangles <= target {
                break;
            }
            if before == self.triangles {
                if self.laxity == ANY {
                    break;
                }
                self.laxity += 1;
            }
            before = self.triangles;
            self.queue.rewind();
            for edge in 0..self.topology.edges.len() {
                if std::mem::take(&mut self.blocked_edges[edge]) {
                    self.queue.push(edge as u32, 0.0);
                }
            }
        }
        Ok(())
    }

    /// Brings what is known near to the processor, in order, which memory is quick at: collapses go all over it, and would
    /// wait for each line (a quarter of their time).
    pub(super) fn warm(&self) {
        const LINE: usize = 64;
        fn lines<T>(all: &[T], number: impl Fn(&T) -> u32) -> u32 {
            all.iter().step_by((LINE / size_of::<T>()).max(1)).fold(0, |seen, one| seen ^ number(one))
        }
        let Topology { places, corners, sides, lists, edges, .. } = &self.topology;
        let seen = lines(places, |place| place.version) ^ lines(corners, |corners| corners[0]);
        let seen = seen ^ lines(sides, |sides| sides.edges[0]) ^ lines(lists, |corner| *corner);
        std::hint::black_box(seen ^ lines(edges, |ends| ends[0]));
    }

    /// Collapses edges until at most so many triangles are left, or no edge up to this bucket of the queue.
    pub(super) fn run(&mut self, target: usize, last: usize, cancel: &Cancel) -> Result<()> {
        let mut taken = 0u32;
        while self.triangles > target {
            if self.batch.next < self.batch.count {
                self.step();
                continue;
            }
            taken = taken.wrapping_add(1);
            if taken.is_multiple_of(1024) {
                cancel.check()?;
            }
            if !self.take(last) {
                break;
            }
        }
        Ok(())
    }

    /// How many edges wait up to this bucket of the queue.
    pub(super) fn waiting(&self, last: usize) -> usize {
        self.batch.rest().len() + self.queue.waiting(last)
    }

    /// Takes edges of the least cost out of the queue, up to this bucket, and works them out. Whether there are any.
    fn take(&mut self, last: usize) -> bool {
        let mut count = 0;
        while count < LANES {
            let Some(edge) = self.queue.pop(last, count == 0) else { break };
            let [a, b] = self.topology.edges[edge as usize];
            self.batch.edges[count] = edge;
            // Edges that are gone have one end.
            count = select_unpredictable(a != b, count + 1, count);
        }
        self.weigh(count);
        (self.batch.count, self.batch.next) = (count, 0);
        count > 0
    }

    /// Works out so many edges of the batch.
    fn weigh(&mut self, count: usize) {
        for lane in 0..count {
            let ends = self.topology.edges[self.batch.edges[lane] as usize];
            self.batch.stamps[lane] = self.stamp(ends);
            self.put(lane, ends);
        }
        self.batch.lanes.weigh();
    }

    /// Puts the edges that `are_meant` into the queue, by what they cost.
    #[inline]
    pub(super) fn appraise(&mut self, are_meant: impl Fn(&Topology, [u32; 2]) -> bool) {
        let (mut count, edges) = (0, self.topology.edges.len());
        for edge in (0..edges).rev() {
            self.batch.edges[count] = edge as u32;
            count += usize::from(are_meant(&self.topology, self.topology.edges[edge]));
            if count == LANES || edge == 0 {
                self.weigh(count);
                for lane in 0..count {
                    self.queue.push(self.batch.edges[lane], self.batch.lanes.get(lane).1);
                }
                count = 0;
            }
        }
    }

    fn put(&mut self, lane: usize, [a, b]: [u32; 2]) {
        let misfit = (self.fields.width > 0).then(|| self.misfit(a, b));
        let [one, other] = [a, b].map(|place| &self.topology.places[place as usize]);
        let along = minus(other.point, one.point);
        let locked = [a, b].map(|place| self.topology.is_locked(place));
        let first = misfit.map_or(one.quadric, |mut misfit| {
            misfit.add(&one.quadric);
            misfit
        });
        self.batch.lanes.put(lane, [&first, &other.quadric], along, locked);
    }

    /// What the attributes of both ends miss of each other, told from the first one.
    fn misfit(&mut self, a: u32, b: u32) -> Near {
        let [one, other] = [a, b].map(|place| self.topology.singles[place as usize]);
        let [p, q] = [a, b].map(|place| self.topology.places[place as usize].point);
        if one != NONE && other != NONE {
            self.fields.misfit(one, other, minus(q, p))
        } else {
            self.misfits(a, b, minus(q, p))
        }
    }

    /// Grows when something changes at the ends of an edge.
    fn stamp(&self, ends: [u32; 2]) -> u32 {
        ends.iter().map(|&end| self.topology.places[end as usize].version).sum()
    }

    /// Collapses the next edge that was taken, or puts it back.
    fn step(&mut self) {
        let at = self.batch.next;
        self.batch.next += 1;
        let edge = self.batch.edges[at];
        let ends = self.topology.edges[edge as usize];
        if ends[0] == ends[1] {
            return;
        }
        if self.stamp(ends) != self.batch.stamps[at] {
            return self.queue.push(edge, 0.0);
        }
        let (way, cost) = self.batch.lanes.get(at);
        if !self.queue.is_due(cost) {
            return self.queue.push(edge, cost);
        }
        let point = plus(self.topology.places[ends[0] as usize].point, way);
        if !self.collapse(edge, point) {
            self.blocked_edges[edge as usize] = true;
            ends.iter().for_each(|&end| self.blocked[end as usize] = true);
        }
    }

    /// What the attributes of both ends miss of each other where one of them has several wedges.
    fn misfits(&mut self, a: u32, b: u32, along: Vector) -> Near {
        let mut quadric = Near::default();
        let mut scratch = std::mem::take(&mut self.scratch);
        self.topology.gather_both([a, b], &mut scratch.rings);
        self.topology.pair(b, &scratch.rings, &mut scratch.pairs);
        for &(one, other) in scratch.pairs.iter().filter(|(one, other)| *one != NONE && *other != NONE) {
            quadric.add(&self.fields.misfit(one, other, along));
        }
        self.scratch = scratch;
        quadric
    }

    /// Makes the edge one point, where that does no harm.
    fn collapse(&mut self, edge: u32, point: Vector) -> bool {
        let [mut a, mut b] = self.topology.edges[edge as usize];
        if self.topology.is_locked(a) && self.topology.is_locked(b) {
            return false;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        self.topology.gather_both([a, b], &mut scratch.rings);
        if scratch.rings[0].own().is_empty() {
            // Its triangles are gone, and so is the edge.
            self.topology.edges[edge as usize] = [b; 2];
            self.scratch = scratch;
            return true;
        }
        // Handles and holes may close where that is cheap; of what is by itself something stays.
        let stays = scratch.rings.iter().all(|ring| !ring.others().is_empty());
        // The end with more triangles stays.
        if scratch.rings[0].len() > scratch.rings[1].len() {
            std::mem::swap(&mut a, &mut b);
            scratch.rings.swap(0, 1);
        }
        let fine = (stays || self.laxity > STRICT)
            && self.keeps_sides(a, scratch.rings[0].others(), point)
            && self.keeps_sides(b, scratch.rings[1].others(), point);
        if fine {
            self.merge(a, b, point, &mut scratch);
            if self.blocked[a as usize] || self.blocked[b as usize] {
                self.unblock(b, &mut scratch.rings[1]);
            }
        }
        self.scratch = scratch;
        fine
    }

    /// No triangle beside those of the edge turns its side or far when its corner moves.
    fn keeps_sides(&self, place: u32, others: &[Spoke], point: Vector) -> bool {
        // The cosine of the turn that is allowed, squared.
        const TURN: [f32; 2] = [0.0625, 0.0];
        let Some(&turn) = TURN.get(usize::from(self.laxity)) else { return true };
        let at = |place: u32| self.topology.places[place as usize].point;
        let old = at(place);
        others.iter().all(|spoke| {
            let [right, left] = [spoke.right, spoke.left].map(at);
            let opposite = minus(left, right);
            let (before, after) = (across(opposite, minus(old, right)), across(opposite, minus(point, right)));
            let cosine = product(before, after);
            cosine > 0.0 && cosine * cosine > turn * product(before, before) * product(after, after)
        })
    }

    /// Moves everything of `a` to `b`, and `b` to `point`.
    fn merge(&mut self, a: u32, b: u32, point: Vector, scratch: &mut Scratch) {
        let [from, to] = [a as usize, b as usize];
        let steps = [from, to].map(|place| minus(point, self.topology.places[place].point));
        let mut quadric = self.merge_wedges(a, b, steps, scratch);
        let topology = &mut self.topology;
        for (place, step) in [from, to].into_iter().zip(steps) {
            quadric.add(&topology.places[place].quadric.from(step));
        }
        let version = topology.places[from].version;
        let place = &mut topology.places[to];
        (place.quadric, place.point) = (quadric, point);
        // Larger than both: whatever cost was found with one of them is out of date.
        place.version += version + 1;
        topology.lock_like(b, a);
        scratch.renamed.clear();
        for spoke in scratch.rings[0].own() {
            let (triangle, at) = spoke.parts();
            let (own, gone) = if spoke.right == b { (at, LAST[at]) } else { (LAST[at], at) };
            let [own, gone, stays] = [own, gone, NEXT[at]].map(|side| topology.sides[triangle].edges[side]);
            topology.corners[triangle] = [b; 3];
            self.triangles -= 1;
            topology.edges[own as usize] = [b; 2];
            if gone != stays {
                topology.edges[gone as usize] = [b; 2];
                scratch.renamed.push((gone, stays));
            }
        }
        let (first, more) = scratch.renamed.split_at(scratch.renamed.len().min(2));
        let [one, other] = [0, 1].map(|at| first.get(at).copied().unwrap_or((NONE, NONE)));
        for spoke in scratch.rings[0].others() {
            let (triangle, at) = spoke.parts();
            topology.corners[triangle][at] = b;
            for (side, end) in [(at, spoke.right), (LAST[at], spoke.left)] {
                let edge = &mut topology.sides[triangle].edges[side];
                let stays = select_unpredictable(*edge == one.0, one.1, *edge);
                let stays = select_unpredictable(*edge == other.0, other.1, stays);
                let stays = more.iter().find(|(gone, _)| gone == edge).map_or(stays, |renamed| renamed.1);
                *edge = stays;
                topology.edges[stays as usize] = [b, end];
            }
        }
        topology.relist(a, b, &scratch.rings);
    }

    /// What was in the way of edges at this place may be gone.
    fn unblock(&mut self, place: u32, ring: &mut Ring) {
        self.blocked[place as usize] = false;
        self.topology.gather(place, NONE, ring);
        for spoke in ring.others() {
            let (triangle, at) = spoke.parts();
            let edges = self.topology.sides[triangle].edges;
            for edge in [edges[at], edges[LAST[at]]] {
                if std::mem::take(&mut self.blocked_edges[edge as usize]) {
                    self.queue.push(edge, 0.0);
                }
            }
        }
    }

    /// Merges the wedges of `a` into those of `b`, which go these ways; gives what their attributes miss of each other.
    fn merge_wedges(&mut self, a: u32, b: u32, steps: [Vector; 2], scratch: &mut Scratch) -> Near {
        let [one, other] = [a, b].map(|place| self.topology.singles[place as usize]);
        if one != NONE && other != NONE {
            scratch.pairs.clear();
            scratch.pairs.push((one, other));
        } else {
            self.topology.pair(b, &scratch.rings, &mut scratch.pairs);
            self.topology.singles[b as usize] = if let [(_, other)] = scratch.pairs[..] { other } else { NONE };
        }
        let nearer = product(steps[0], steps[0]) < product(steps[1], steps[1]);
        let mut quadric = Near::default();
        for &(one, other) in &scratch.pairs {
            if self.fields.width > 0 {
                [one, other].into_iter().zip(steps).filter(|(wedge, _)| *wedge != NONE).for_each(|(wedge, step)| {
                    self.fields.tell_from(wedge, step);
                });
            }
            if one == NONE || other == NONE || one == other {
                continue;
            }
            if nearer {
                self.sources[other as usize] = self.sources[one as usize];
            }
            if self.fields.width > 0 {
                quadric.add(&self.fields.misfit(one, other, [0.0; 3]));
                self.fields.merge(one, other);
            }
        }
        for spoke in scratch.rings[0].others() {
            let (triangle, at) = spoke.parts();
            let wedge = &mut self.topology.sides[triangle].wedges[at];
            if let Some(&(_, other)) = scratch.pairs.iter().find(|pair| pair.0 == *wedge && pair.1 != NONE) {
                *wedge = other;
            }
        }
        quadric
    }
}
