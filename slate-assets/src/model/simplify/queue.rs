/// A queue of edges by cost, in buckets that each hold costs up to so many times as high as the one before.
///
/// A cost in the queue may be lower than the edge's true one, never higher: whoever takes an edge out asks again. A
/// bucket gives first what came last: edges that have just grown dearer, near the place where work goes on. First in,
/// first out is as quick, and brings surfaces less near (an RMS of 0.70 in the place of 0.66). Finer buckets bring
/// surfaces nearer and take longer: collapses then jump from end to end of the surface, and wait for memory at each.
pub(super) struct Queue {
    buckets: Vec<Vec<u32>>,
    /// The bucket that is being emptied.
    at: usize,
    haste: Haste,
}

/// How exactly the cheapest edge goes first.
#[derive(Clone, Copy)]
pub(super) struct Haste {
    /// The bits of a cost that don't tell its bucket.
    shift: u32,
    /// What costs count when it is asked whether they are due: an edge may have become so many times as dear as its bucket.
    share: f32,
}

/// The number of triangles from which on a haste is right, the bits that don't tell buckets, and how many times as dear as
/// its bucket an edge may have become.
///
/// Surfaces of many triangles have room for haste: they stay far nearer than what can be seen, and the quick ways aren't
/// near enough for small ones (an RMS of 0.74 in the place of 0.53 of meshoptimizer's on 80 000 triangles of hills).
const HASTE: [(usize, u32, f32); 3] = [(150_000, 24, 4.0), (73_000, 24, 2.0), (0, 22, 1.5)];

impl Haste {
    /// What is right for a surface of so many triangles.
    pub(super) fn of(triangles: usize) -> Self {
        let (_, shift, slack) = HASTE.into_iter().find(|(from, ..)| triangles >= *from).unwrap_or((0, 23, 1.0));
        Self { shift, share: 1.0 / slack }
    }
}

impl Queue {
    /// An empty one, with room for so many edges whose costs aren't known.
    pub(super) fn new(haste: Haste, edges: usize) -> Self {
        let mut buckets = vec![Vec::new(); (f32::INFINITY.to_bits() >> haste.shift) as usize + 1];
        // All are in the first one at first.
        buckets[0].reserve(edges);
        Self { buckets, at: 0, haste }
    }

    fn bucket(&self, cost: f32) -> usize {
        // Costs aren't negative: then their bits rise as they do.
        (cost.max(0.0).to_bits() >> self.haste.shift) as usize
    }

    /// Puts an edge in that isn't in the queue.
    pub(super) fn push(&mut self, edge: u32, cost: f32) {
        let bucket = self.bucket(cost).clamp(self.at, self.buckets.len() - 1);
        self.buckets[bucket].push(edge);
    }

    /// Takes an edge of the least cost out, of the buckets up to this one; on wish only where it is in the bucket that the
    /// last one was in.
    pub(super) fn pop(&mut self, last: usize, from_any: bool) -> Option<u32> {
        while self.at <= last {
            let edge = self.buckets.get_mut(self.at)?.pop();
            if edge.is_some() || !from_any {
                return edge;
            }
            self.at += 1;
        }
        None
    }

    /// How many edges there are up to this bucket.
    pub(super) fn waiting(&self, last: usize) -> usize {
        self.buckets.iter().take(last.saturating_add(1)).skip(self.at).map(Vec::len).sum()
    }

    /// Adds the edges of another queue by their new numbers; some have none.
    pub(super) fn append(&mut self, other: &Self, number: impl Fn(u32) -> Option<u32>) {
        for (own, bucket) in self.buckets.iter_mut().zip(&other.buckets) {
            own.extend(bucket.iter().filter_map(|&edge| number(edge)));
        }
    }

    /// Whether an edge of this cost may go now.
    pub(super) fn is_due(&self, cost: f32) -> bool {
        self.bucket(cost * self.haste.share) <= self.at
    }

    /// Begins from the lowest costs again.
    pub(super) fn rewind(&mut self) {
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_come_first() {
        let mut queue = Queue::new(Haste::of(2), 4);
        [(0, 30.0), (1, 0.0), (2, 1e-20), (3, f32::MAX)].iter().for_each(|&(edge, cost)| queue.push(edge, cost));
        assert_eq!(queue.pop(usize::MAX, true), Some(1));
        assert!(!queue.is_due(1e-20) && !queue.is_due(30.0));
        assert_eq!(queue.pop(usize::MAX, true), Some(2));
        // What is cheaper than what came out comes out next.
        queue.push(1, 0.0);
        assert_eq!([(); 4].map(|()| queue.pop(usize::MAX, true)), [Some(1), Some(0), Some(3), None]);
        queue.rewind();
        queue.push(2, 1.0);
        queue.push(1, 0.0);
        assert_eq!([(); 3].map(|()| queue.pop(usize::MAX, true)), [Some(1), Some(2), None]);
    }
}
