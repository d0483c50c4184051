use super::{
    Surface,
    lanes::{LANES, Lanes},
    level::Level,
    quadric::{Fields, Near, Vector, across, minus, plus, product},
    queue::Queue,
    ring::{LAST, NEXT, Ring, Spoke},
    topology::{NONE, State, Topology},
};
use slate_core::{Cancel, Result};

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
                if self.topology.states[edge] == State::Blocked {
                    self.topology.states[edge] = State::Queued;
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
            if self.topology.states[edge as usize] == State::Gone {
                continue;
            }
            let ends = self.topology.edges[edge as usize];
            if ends[0] == ends[1] {
                self.topology.states[edge as usize] = State::Gone;
                continue;
            }
            (self.batch.edges[count], self.batch.stamps[count]) = (edge, self.stamp(ends));
            self.put(count, ends);
            count += 1;
        }
        self.batch.lanes.weigh();
        (self.batch.count, self.batch.next) = (count, 0);
        count > 0
    }

    fn put(&mut self, lane: usize, [a, b]: [u32; 2]) {
        let misfit = (self.width > 0).then(|| self.misfit(a, b));
        let [one, other] = [a, b].map(|place| &self.topology.places[place as usize]);
        let along = minus(other.point, one.point);
        let locked = [a, b].map(|place| self.topology.locked[place as usize]);
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
        if self.topology.states[edge as usize] == State::Gone {
            return;
        }
        let ends = self.topology.edges[edge as usize];
        if self.stamp(ends) != self.batch.stamps[at] {
            return self.queue.push(edge, 0.0);
        }
        let (way, cost) = self.batch.lanes.get(at);
        if !self.queue.is_due(cost) {
            return self.queue.push(edge, cost);
        }
        let point = plus(self.topology.places[ends[0] as usize].point, way);
        if !self.collapse(edge, point) {
            self.topology.states[edge as usize] = State::Blocked;
            ends.iter().for_each(|&end| self.blocked[end as usize] = true);
        }
    }

    /// What the attributes of both ends miss of each other where one of them has several wedges.
    fn misfits(&mut self, a: u32, b: u32, along: Vector) -> Near {
        let mut quadric = Near::default();
        let mut scratch = std::mem::take(&mut self.scratch);
        self.topology.gather(a, b, &mut scratch.rings[0]);
        self.topology.gather(b, a, &mut scratch.rings[1]);
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
        if self.topology.locked[a as usize] && self.topology.locked[b as usize] {
            return false;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        self.topology.gather(a, b, &mut scratch.rings[0]);
        self.topology.gather(b, a, &mut scratch.rings[1]);
        // The end with more triangles stays.
        if scratch.rings[0].len() > scratch.rings[1].len() {
            std::mem::swap(&mut a, &mut b);
            scratch.rings.swap(0, 1);
        }
        let fine = (self.laxity > STRICT || self.keeps_topology(b, &scratch.rings))
            && self.keeps_sides(a, &scratch.rings[0].others, point)
            && self.keeps_sides(b, &scratch.rings[1].others, point);
        if fine {
            self.merge(a, b, point, &mut scratch);
            if self.blocked[a as usize] || self.blocked[b as usize] {
                self.unblock(b, &mut scratch.rings[1]);
            }
        }
        self.scratch = scratch;
        fine
    }

    /// The edge's ends have no neighbours in common but those of the edge's own triangles, and no hole closes.
    fn keeps_topology(&mut self, b: u32, rings: &[Ring; 2]) -> bool {
        self.mark += 3;
        let [of_a, common, of_b] = [0, 1, 2].map(|at| self.mark + at);
        // Without branches, which nobody could foresee: counts of what is true. The edge's other end is a neighbour.
        let mut neighbours = 1;
        for place in rings[0].others.iter().flat_map(|spoke| [spoke.right, spoke.left]) {
            let mark = &mut self.marks[place as usize];
            neighbours += usize::from(*mark != of_a);
            *mark = of_a;
        }
        for spoke in &rings[0].own {
            let mark = &mut self.marks[(spoke.right ^ spoke.left ^ b) as usize];
            if *mark == common {
                // Two of the edge's triangles have the same corners.
                return false;
            }
            neighbours += usize::from(*mark != of_a);
            *mark = common;
        }
        let mut shared = 0;
        for place in rings[1].others.iter().flat_map(|spoke| [spoke.right, spoke.left]) {
            shared += usize::from(self.marks[place as usize] == of_a);
        }
        if shared > 0 {
            return false;
        }
        // Both ends on a border, but not the edge: a collapse would pinch the surface.
        if rings[0].own.len() < 2 || neighbours <= rings[0].len() {
            return true;
        }
        let mut neighbours = 0;
        for place in rings[1].spokes().flat_map(|spoke| [spoke.right, spoke.left]) {
            let mark = &mut self.marks[place as usize];
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
        if topology.locked[from] {
            (topology.locked[to], topology.anchors[to]) = (true, topology.anchors[from]);
        }

        scratch.renamed.clear();
        for spoke in &scratch.rings[0].own {
            let (triangle, at) = spoke.parts();
            let (own, gone) = if spoke.right == b { (at, LAST[at]) } else { (LAST[at], at) };
            let [own, gone, stays] = [own, gone, NEXT[at]].map(|side| topology.sides[triangle].edges[side]);
            topology.corners[triangle] = [NONE; 3];
            self.triangles -= 1;
            scratch.renamed.push((gone, stays));
            topology.states[own as usize] = State::Gone;
            if gone != stays {
                topology.states[gone as usize] = State::Gone;
            }
        }
        for spoke in &scratch.rings[0].others {
            let (triangle, at) = spoke.parts();
            topology.corners[triangle][at] = b;
            for (side, end) in [(at, spoke.right), (LAST[at], spoke.left)] {
                let edge = &mut topology.sides[triangle].edges[side];
                if let Some(&(_, stays)) = scratch.renamed.iter().find(|(gone, _)| gone == edge) {
                    *edge = stays;
                } else {
                    topology.edges[*edge as usize] = [b, end];
                }
            }
        }
        topology.relist(a, b, &scratch.rings);
    }

    /// What was in the way of edges at this place may be gone.
    fn unblock(&mut self, place: u32, ring: &mut Ring) {
        self.blocked[place as usize] = false;
        self.topology.gather(place, NONE, ring);
        for spoke in &ring.others {
            let (triangle, at) = spoke.parts();
            let edges = self.topology.sides[triangle].edges;
            for edge in [edges[at], edges[LAST[at]]] {
                if self.topology.states[edge as usize] == State::Blocked {
                    self.topology.states[edge as usize] = State::Queued;
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
        for spoke in &scratch.rings[0].others {
            let (triangle, at) = spoke.parts();
            let wedge = &mut self.topology.sides[triangle].wedges[at];
            if let Some(&(_, other)) = scratch.pairs.iter().find(|pair| pair.0 == *wedge && pair.1 != NONE) {
                *wedge = other;
            }
        }
        quadric
    }
}
