use super::{
    Surface,
    lanes::{LANES, Lanes},
    level::Level,
    quadric::{Fields, Near, Vector, across, minus, plus, product},
    queue::Queue,
    ring::{LAST, NEXT, Ring, Spoke},
    topology::{NONE, Topology},
};
use slate_core::{Cancel, Result};
use std::hint::select_unpredictable;

/// How strict collapses are: first they keep the topology and turn no triangle far; then they may close holes and
/// handles; then anything.
const STRICT: u8 = 0;
const ANY: u8 = 2;

/// Simplifies a surface, further and further.
pub struct Simplifier<'a> {
    pub(super) surface: Surface<'a>,
    pub(super) topology: Topology,
    triangles: usize,
    pub(super) width: usize,
    pub(super) fields: Fields,
    /// The vertex whose other values each wedge takes.
    pub(super) sources: Vec<u32>,
    queue: Queue,
    batch: Batch,
    laxity: u8,
    /// Places where an edge may be that something was in the way of.
    blocked: Vec<bool>,
    /// The edges that something was in the way of, some of them gone since.
    blocked_edges: Vec<bool>,
    marks: Vec<u32>,
    mark: u32,
    scratch: Scratch,
}

/// Edges that came out of the queue together.
#[derive(Default)]
struct Batch {
    edges: [u32; LANES],
    /// What each was worked out with.
    stamps: [u32; LANES],
    lanes: Lanes,
    count: usize,
    /// The first that wasn't looked at yet.
    next: usize,
}

#[derive(Default)]
struct Scratch {
    rings: [Ring; 2],
    pairs: Vec<(u32, u32)>,
    renamed: Vec<(u32, u32)>,
}

impl<'a> Simplifier<'a> {
    /// Looks at a surface.
    ///
    /// # Errors
    /// `Invalid` where the lists don't fit each other or hold numbers that are not finite.
    pub fn new(surface: &Surface<'a>) -> Result<Self> {
        let mut topology = Topology::new(surface)?;
        let (width, vertices) = (surface.weights.len(), surface.positions.len());
        let weighted = surface.attributes.iter().zip(surface.weights.iter().cycle());
        let mut fields = Fields {
            weights: vec![0.0; if width > 0 { vertices } else { 0 }],
            means: weighted.map(|(value, weight)| [0.0, 0.0, 0.0, value * weight]).collect(),
            width,
        };
        if width > 0 {
            topology.add_fields(width, &mut fields);
        }
        let (edges, places) = (topology.edges.len() as u32, topology.places.len());
        let mut simplifier = Self {
            surface: *surface,
            triangles: topology.living().count(),
            width,
            fields,
            sources: (0..vertices as u32).collect(),
            queue: Queue::new(edges as usize),
            batch: Batch::default(),
            laxity: STRICT,
            blocked: vec![false; places],
            blocked_edges: vec![false; edges as usize],
            marks: vec![0; places],
            mark: 0,
            scratch: Scratch::default(),
            topology,
        };
        // Nothing is known of their costs: they come out first, and go back in again.
        (0..edges).for_each(|edge| simplifier.queue.push(edge, 0.0));
        Ok(simplifier)
    }

    /// How many triangles are left.
    pub fn triangles(&self) -> usize {
        self.triangles
    }

    /// Simplifies until at most `target` triangles are left, and gives the surface as it is then. What is asked next
    /// goes on from there.
    ///
    /// # Errors
    /// `Canceled`.
    pub fn reduce(&mut self, target: usize, cancel: &Cancel) -> Result<Level> {
        let (mut taken, mut before) = (0u32, self.triangles);
        while self.triangles > target {
            if self.batch.next < self.batch.count {
                self.step();
                continue;
            }
            taken = taken.wrapping_add(1);
            if taken.is_multiple_of(1024) {
                cancel.check()?;
            }
            if self.take() {
                continue;
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
        Ok(self.level())
    }

    /// Takes edges of the least cost out of the queue, and works them out. Whether there are any.
    fn take(&mut self) -> bool {
        let mut count = 0;
        while count < LANES {
            let Some(edge) = self.queue.pop(count == 0) else { break };
            let [a, b] = self.topology.edges[edge as usize];
            self.batch.edges[count] = edge;
            // Edges that are gone have one end.
            count = select_unpredictable(a != b, count + 1, count);
        }
        for lane in 0..count {
            let ends = self.topology.edges[self.batch.edges[lane] as usize];
            self.batch.stamps[lane] = self.stamp(ends);
            self.put(lane, ends);
        }
        self.batch.lanes.weigh();
        (self.batch.count, self.batch.next) = (count, 0);
        count > 0
    }

    fn put(&mut self, lane: usize, [a, b]: [u32; 2]) {
        let misfit = (self.width > 0).then(|| self.misfit(a, b));
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
        self.topology.gather(a, b, &mut scratch.rings[0], |_, _| {});
        self.topology.gather(b, a, &mut scratch.rings[1], |_, _| {});
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
        let keeps_topology = self.gather(a, b, &mut scratch.rings);
        // The end with more triangles stays.
        if scratch.rings[0].len() > scratch.rings[1].len() {
            std::mem::swap(&mut a, &mut b);
            scratch.rings.swap(0, 1);
        }
        let fine = (keeps_topology || self.laxity > STRICT)
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

    /// Gathers the triangles of both ends. Whether the ends have no neighbours in common but those of the edge's own
    /// triangles, and no hole would close.
    fn gather(&mut self, a: u32, b: u32, rings: &mut [Ring; 2]) -> bool {
        self.mark += 3;
        let [of_a, common, of_b] = [0, 1, 2].map(|at| self.mark + at);
        let marks = &mut self.marks;
        // Counts of what is true, without branches. The edge's other end is a neighbour.
        let mut neighbours = 1;
        self.topology.gather(a, b, &mut rings[0], |spoke, is_other| {
            for place in [spoke.right, spoke.left] {
                let mark = &mut marks[place as usize];
                neighbours += usize::from(is_other & (*mark != of_a));
                *mark = select_unpredictable(is_other, of_a, *mark);
            }
        });
        let mut twice = false;
        for spoke in rings[0].own() {
            let mark = &mut marks[(spoke.right ^ spoke.left ^ b) as usize];
            // Two of the edge's triangles have the same corners.
            twice |= *mark == common;
            neighbours += usize::from(*mark != of_a);
            *mark = common;
        }
        let mut shared = false;
        self.topology.gather(b, a, &mut rings[1], |spoke, is_other| {
            for place in [spoke.right, spoke.left] {
                shared |= is_other & (marks[place as usize] == of_a);
            }
        });
        if twice || shared {
            return false;
        }
        // Both ends on a border, but not the edge: a collapse would pinch the surface.
        if rings[0].own().len() < 2 || neighbours <= rings[0].len() {
            return true;
        }
        let mut neighbours = 0;
        for place in rings[1].spokes().flat_map(|spoke| [spoke.right, spoke.left]) {
            let mark = &mut marks[place as usize];
            neighbours += usize::from(*mark != of_b);
            *mark = of_b;
        }
        neighbours <= rings[1].len()
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
        self.topology.gather(place, NONE, ring, |_, _| {});
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
            if self.width > 0 {
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
            if self.width > 0 {
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
