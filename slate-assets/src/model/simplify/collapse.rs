use super::{
    Surface,
    level::Level,
    quadric::{Fields, Near, Quadric, Vector, across, minus, plus, product},
    queue::Queue,
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
    pub(super) fields: WedgeFields,
    /// The vertex whose other values each wedge takes.
    pub(super) sources: Vec<u32>,
    pub(super) touched: Vec<bool>,
    queue: Queue,
    laxity: u8,
    marks: Vec<u32>,
    mark: u32,
    scratch: Scratch,
}

/// The fields of attributes around each wedge.
pub(super) struct WedgeFields {
    pub(super) weights: Vec<f64>,
    pub(super) squares: Vec<Quadric>,
    pub(super) sums: Vec<[f64; 4]>,
}

#[derive(Default)]
struct Scratch {
    rings: [Vec<u32>; 2],
    pairs: Vec<(u32, u32)>,
    renamed: Vec<(u32, u32)>,
}

impl<'a> Simplifier<'a> {
    /// Looks at a surface.
    ///
    /// # Errors
    /// `Invalid` where the lists don't fit each other or hold numbers that are not finite.
    pub fn new(surface: &Surface<'a>) -> Result<Self> {
        let topology = Topology::new(surface)?;
        let (width, vertices) = (surface.weights.len(), surface.positions.len());
        let wedges = if width > 0 { vertices } else { 0 };
        let mut fields = WedgeFields {
            weights: vec![0.0; wedges],
            squares: vec![Quadric::default(); wedges],
            sums: vec![[0.0; 4]; wedges * width],
        };
        if width > 0 {
            let weighted = surface.attributes.iter().zip(surface.weights.iter().cycle());
            let weighted: Vec<f64> = weighted.map(|(value, weight)| f64::from(*value) * f64::from(*weight)).collect();
            topology.add_fields(&weighted, width, &mut fields);
        }
        let (edges, places) = (topology.edges.len() as u32, topology.places.len());
        let mut simplifier = Self {
            surface: *surface,
            triangles: topology.living().count(),
            width,
            fields,
            sources: (0..vertices as u32).collect(),
            touched: vec![false; vertices],
            queue: Queue::new(edges as usize),
            laxity: STRICT,
            marks: vec![0; places],
            mark: 0,
            scratch: Scratch::default(),
            topology,
        };
        // Backwards, so that each bucket gives its edges in the order of the triangles.
        for edge in (0..edges).rev() {
            let (_, cost) = simplifier.best(edge);
            simplifier.topology.edges[edge as usize].cost = cost;
            simplifier.push(edge);
        }
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
        let (mut steps, mut before) = (0u32, self.triangles);
        while self.triangles > target {
            steps = steps.wrapping_add(1);
            if steps % 8192 == 0 {
                cancel.check()?;
            }
            if let Some(edge) = self.queue.pop(|edge| self.topology.edges[edge as usize].next) {
                self.step(edge);
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
                if self.topology.edges[edge].state == State::Blocked {
                    self.push(edge as u32);
                }
            }
        }
        Ok(self.level())
    }

    fn push(&mut self, edge: u32) {
        let entry = &mut self.topology.edges[edge as usize];
        entry.state = State::Queued;
        entry.next = self.queue.push(edge, entry.cost);
    }

    fn step(&mut self, edge: u32) {
        let entry = &mut self.topology.edges[edge as usize];
        let [a, b] = entry.ends;
        if entry.state == State::Gone || a == b {
            entry.state = State::Gone;
            return;
        }
        let (point, cost) = self.best(edge);
        let stamp = self.topology.places[a as usize].version + self.topology.places[b as usize].version;
        let entry = &mut self.topology.edges[edge as usize];
        if stamp != entry.stamp {
            (entry.stamp, entry.cost) = (stamp, cost);
            if !self.queue.is_due(cost) {
                return self.push(edge);
            }
        }
        if !self.collapse(edge, point) {
            self.topology.edges[edge as usize].state = State::Blocked;
        }
    }

    /// The point that an edge best collapses into, and the cost.
    fn best(&mut self, edge: u32) -> (Vector, f32) {
        let [a, b] = self.topology.edges[edge as usize].ends;
        let [p, q] = [a, b].map(|place| self.topology.points[place as usize]);
        // All is told from the first end.
        let along = minus(q, p);
        let mut quadric = self.topology.places[b as usize].quadric.from(minus(p, q));
        quadric.add(&self.topology.places[a as usize].quadric);
        if self.width > 0 {
            quadric.add(&self.misfits(a, b).near(p));
        }
        let none = [0.0; 3];
        let (step, cost) = match [a, b].map(|place| self.topology.locked[place as usize]) {
            [true, true] => return (p, f32::INFINITY),
            [true, false] => return (p, quadric.at(none)),
            [false, true] => return (q, quadric.at(along)),
            [false, false] => {
                let middle = along.map(|number| number / 2.0);
                quadric.least(middle, product(along, along).sqrt()).unwrap_or_else(|| {
                    let [at_p, at_middle, at_q] = [none, middle, along].map(|step| (step, quadric.at(step)));
                    let end = if at_q.1 < at_p.1 { at_q } else { at_p };
                    if at_middle.1 < end.1 { at_middle } else { end }
                })
            }
        };
        (plus(p, step), cost)
    }

    fn fields(&self, wedge: u32) -> Fields<'_> {
        let at = wedge as usize;
        Fields {
            weight: self.fields.weights[at],
            squares: &self.fields.squares[at],
            sums: &self.fields.sums[at * self.width..(at + 1) * self.width],
        }
    }

    /// What the attributes of both ends miss together.
    fn misfits(&mut self, a: u32, b: u32) -> Quadric {
        let [one, other] = [a, b].map(|place| self.topology.places[place as usize].single);
        if one != NONE && other != NONE {
            return self.fields(one).misfit(Some(&self.fields(other)));
        }
        let mut quadric = Quadric::default();
        let mut scratch = std::mem::take(&mut self.scratch);
        self.gather(a, &mut scratch.rings[0]);
        self.gather(b, &mut scratch.rings[1]);
        self.pair(b, &scratch.rings, &mut scratch.pairs);
        for &(one, other) in &scratch.pairs {
            let misfit = match (one, other) {
                (NONE, alone) | (alone, NONE) => self.fields(alone).misfit(None),
                (one, other) => self.fields(one).misfit(Some(&self.fields(other))),
            };
            quadric.add(&misfit);
        }
        self.scratch = scratch;
        quadric
    }

    /// The living corners at a place.
    fn gather(&self, place: u32, ring: &mut Vec<u32>) {
        ring.clear();
        let mut corner = self.topology.places[place as usize].first;
        while corner != NONE {
            let triangle = &self.topology.triangles[(corner / 4) as usize];
            if triangle.corners[0] != NONE {
                ring.push(corner);
            }
            corner = triangle.next[(corner % 4) as usize];
        }
    }

    fn wedge(&self, corner: u32) -> u32 {
        self.topology.triangles[(corner / 4) as usize].wedges[(corner % 4) as usize]
    }

    /// Pairs the wedges of both ends that share a triangle of the edge; the others stay alone.
    fn pair(&self, b: u32, rings: &[Vec<u32>; 2], pairs: &mut Vec<(u32, u32)>) {
        pairs.clear();
        for &corner in &rings[0] {
            let triangle = &self.topology.triangles[(corner / 4) as usize];
            if let Some(across) = triangle.corners.iter().position(|&place| place == b) {
                let (one, other) = (self.wedge(corner), triangle.wedges[across]);
                if !pairs.iter().any(|pair| pair.0 == one || pair.1 == other) {
                    pairs.push((one, other));
                }
            }
        }
        for &corner in &rings[0] {
            let wedge = self.wedge(corner);
            if !pairs.iter().any(|pair| pair.0 == wedge) {
                pairs.push((wedge, NONE));
            }
        }
        for &corner in &rings[1] {
            let wedge = self.wedge(corner);
            if !pairs.iter().any(|pair| pair.1 == wedge) {
                pairs.push((NONE, wedge));
            }
        }
    }

    /// Makes the edge one point, where that does no harm.
    fn collapse(&mut self, edge: u32, point: Vector) -> bool {
        let [mut a, mut b] = self.topology.edges[edge as usize].ends;
        if self.topology.locked[a as usize] && self.topology.locked[b as usize] {
            return false;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        self.gather(a, &mut scratch.rings[0]);
        self.gather(b, &mut scratch.rings[1]);
        // The end with more triangles stays.
        if scratch.rings[0].len() > scratch.rings[1].len() {
            std::mem::swap(&mut a, &mut b);
            scratch.rings.swap(0, 1);
        }
        let fine = (self.laxity > STRICT || self.keeps_topology(a, b, &scratch.rings))
            && self.keeps_sides(b, &scratch.rings[0], point)
            && self.keeps_sides(a, &scratch.rings[1], point);
        if fine {
            self.merge(a, b, point, &mut scratch);
        }
        self.scratch = scratch;
        fine
    }

    /// The edge's ends have no neighbours in common but those of the edge's own triangles, and no hole closes.
    fn keeps_topology(&mut self, a: u32, b: u32, rings: &[Vec<u32>; 2]) -> bool {
        self.mark += 3;
        let [of_a, common, of_b] = [0, 1, 2].map(|at| self.mark + at);
        let (mut neighbours, mut own, mut shared) = ([0, 0], 0, 0);
        for &corner in &rings[0] {
            let corners = &self.topology.triangles[(corner / 4) as usize].corners;
            own += usize::from(corners.contains(&b));
            for &place in corners.iter().filter(|&&place| place != a) {
                if self.marks[place as usize] != of_a {
                    self.marks[place as usize] = of_a;
                    neighbours[0] += 1;
                }
            }
        }
        for &corner in &rings[1] {
            for &place in
                self.topology.triangles[(corner / 4) as usize].corners.iter().filter(|&&place| place != b && place != a)
            {
                let mark = &mut self.marks[place as usize];
                if *mark == of_a {
                    *mark = common;
                    shared += 1;
                }
            }
        }
        if shared != own {
            return false;
        }
        // Both ends on a border, but not the edge: a collapse would pinch the surface.
        let on_border = |ring: &Vec<u32>, neighbours: usize| neighbours > ring.len();
        if own < 2 || !on_border(&rings[0], neighbours[0]) {
            return true;
        }
        for &corner in &rings[1] {
            for &place in self.topology.triangles[(corner / 4) as usize].corners.iter().filter(|&&place| place != b) {
                if self.marks[place as usize] != of_b {
                    self.marks[place as usize] = of_b;
                    neighbours[1] += 1;
                }
            }
        }
        !on_border(&rings[1], neighbours[1])
    }

    /// No triangle of the ring, but those of the edge, turns its side or far when its corner moves.
    fn keeps_sides(&self, other: u32, ring: &[u32], point: Vector) -> bool {
        // The cosine of the turn that is allowed, squared.
        const TURN: [f32; 2] = [0.0625, 0.0];
        let Some(&turn) = TURN.get(usize::from(self.laxity)) else { return true };
        ring.iter().all(|&corner| {
            let (corners, at) = (&self.topology.triangles[(corner / 4) as usize].corners, (corner % 4) as usize);
            let (right, left) = (corners[(at + 1) % 3], corners[(at + 2) % 3]);
            if right == other || left == other {
                return true;
            }
            let [old, right, left] = [corners[at], right, left].map(|place| self.topology.points[place as usize]);
            let opposite = minus(left, right);
            let (before, after) = (across(opposite, minus(old, right)), across(opposite, minus(point, right)));
            let cosine = product(before, after);
            cosine > 0.0 && cosine * cosine > turn * product(before, before) * product(after, after)
        })
    }

    /// Moves everything of `a` to `b`, and `b` to `point`.
    fn merge(&mut self, a: u32, b: u32, point: Vector, scratch: &mut Scratch) {
        let [from, to] = [a as usize, b as usize];
        self.merge_wedges(a, b, point, scratch);
        let topology = &mut self.topology;
        let moved = |at: usize| topology.places[at].quadric.from(minus(point, topology.points[at]));
        let mut quadric: Near = moved(to);
        quadric.add(&moved(from));
        let version = topology.places[from].version;
        let place = &mut topology.places[to];
        place.quadric = quadric;
        // Larger than both: whatever cost was found with one of them is out of date.
        place.version += version + 1;
        topology.points[to] = point;
        if topology.locked[from] {
            (topology.locked[to], topology.anchors[to]) = (true, topology.anchors[from]);
        }

        scratch.renamed.clear();
        for &corner in &scratch.rings[0] {
            let at = (corner % 4) as usize;
            let triangle = &mut topology.triangles[(corner / 4) as usize];
            let Some(across) = triangle.corners.iter().position(|&place| place == b) else { continue };
            let third = 3 - at - across;
            // The edge between two corners is that of the one before the other.
            let between = |one: usize, other: usize| triangle.edges[if (one + 1) % 3 == other { one } else { other }];
            let (gone, stays) = (between(at, third), between(across, third));
            scratch.renamed.push((gone, stays));
            topology.edges[between(at, across) as usize].state = State::Gone;
            triangle.corners = [NONE; 3];
            self.triangles -= 1;
            if gone != stays {
                topology.edges[gone as usize].state = State::Gone;
            }
        }
        for &corner in &scratch.rings[0] {
            let at = (corner % 4) as usize;
            let triangle = &mut topology.triangles[(corner / 4) as usize];
            if triangle.corners[0] == NONE {
                continue;
            }
            triangle.corners[at] = b;
            for side in [at, (at + 2) % 3] {
                let edge = &mut triangle.edges[side];
                if let Some(&(_, stays)) = scratch.renamed.iter().find(|(gone, _)| gone == edge) {
                    *edge = stays;
                } else {
                    topology.edges[*edge as usize].ends.iter_mut().filter(|end| **end == a).for_each(|end| *end = b);
                }
            }
        }
        self.relink(b, &scratch.rings);
    }

    fn relink(&mut self, place: u32, rings: &[Vec<u32>; 2]) {
        let mut before = NONE;
        for &corner in rings[0].iter().chain(&rings[1]) {
            let at = (corner % 4) as usize;
            let triangle = &mut self.topology.triangles[(corner / 4) as usize];
            if triangle.corners[0] == NONE {
                continue;
            }
            triangle.next[at] = before;
            before = corner;
            // What was in the way may be gone.
            for edge in [triangle.edges[at], triangle.edges[(at + 2) % 3]] {
                if self.topology.edges[edge as usize].state == State::Blocked {
                    self.push(edge);
                }
            }
        }
        self.topology.places[place as usize].first = before;
    }

    fn merge_wedges(&mut self, a: u32, b: u32, point: Vector, scratch: &mut Scratch) {
        let [p, q] = [a, b].map(|place| self.topology.points[place as usize]);
        let [one, other] = [a, b].map(|place| self.topology.places[place as usize].single);
        if one != NONE && other != NONE {
            scratch.pairs.clear();
            scratch.pairs.push((one, other));
        } else {
            self.pair(b, &scratch.rings, &mut scratch.pairs);
            self.topology.places[b as usize].single = if let [(_, other)] = scratch.pairs[..] { other } else { NONE };
        }
        let (to_p, to_q) = (minus(point, p), minus(point, q));
        let nearer = product(to_p, to_p) < product(to_q, to_q);
        for &(one, other) in &scratch.pairs {
            [one, other].iter().filter(|wedge| **wedge != NONE).for_each(|&wedge| self.touched[wedge as usize] = true);
            if one == NONE || other == NONE || one == other {
                continue;
            }
            let [from, to] = [one as usize, other as usize];
            if nearer {
                self.sources[to] = self.sources[from];
            }
            if self.width == 0 {
                continue;
            }
            self.fields.weights[to] += self.fields.weights[from];
            let square = self.fields.squares[from];
            self.fields.squares[to].add(&square);
            for at in 0..self.width {
                let sums = self.fields.sums[from * self.width + at];
                self.fields.sums[to * self.width + at].iter_mut().zip(sums).for_each(|(sum, other)| *sum += other);
            }
        }
        for &corner in &scratch.rings[0] {
            let wedge = &mut self.topology.triangles[(corner / 4) as usize].wedges[(corner % 4) as usize];
            if let Some(&(_, other)) = scratch.pairs.iter().find(|(one, other)| one == wedge && *other != NONE) {
                *wedge = other;
            }
        }
    }
}
