/// A queue of edges by cost, in buckets of a hundredth's width; costs that come out never fall.
///
/// A cost in the queue may be lower than the edge's true one, never higher: whoever takes an edge out asks again.
pub(super) struct Queue {
    /// The first edge of each bucket.
    first: Vec<u32>,
    /// The next edge in the same bucket, by edge.
    next: Vec<u32>,
    at: usize,
}

const NONE: u32 = u32::MAX;
/// A float's sign, exponent and the first seven bits of its fraction.
const SHIFT: u32 = 16;

impl Queue {
    pub(super) fn new(edges: usize) -> Self {
        Self { first: vec![NONE; (f32::INFINITY.to_bits() >> SHIFT) as usize + 1], next: vec![NONE; edges], at: 0 }
    }

    fn bucket(cost: f32) -> usize {
        // Costs aren't negative: then their bits rise as they do.
        (cost.max(0.0).to_bits() >> SHIFT) as usize
    }

    /// Puts an edge in that isn't in the queue.
    pub(super) fn push(&mut self, edge: u32, cost: f32) {
        let bucket = Self::bucket(cost).clamp(self.at, self.first.len() - 1);
        self.next[edge as usize] = self.first[bucket];
        self.first[bucket] = edge;
    }

    /// Takes an edge of the least cost out.
    pub(super) fn pop(&mut self) -> Option<u32> {
        while let Some(first) = self.first.get_mut(self.at) {
            if *first != NONE {
                let edge = *first;
                *first = self.next[edge as usize];
                return Some(edge);
            }
            self.at += 1;
        }
        None
    }

    /// Whether an edge of this cost would come out now.
    pub(super) fn is_due(&self, cost: f32) -> bool {
        Self::bucket(cost) <= self.at
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
        let mut queue = Queue::new(4);
        for (edge, cost) in [(0, 3.0), (1, 0.0), (2, 1e-20), (3, f32::MAX)] {
            queue.push(edge, cost);
        }
        assert_eq!(queue.pop(), Some(1));
        assert!(!queue.is_due(1e-20));
        assert_eq!(queue.pop(), Some(2));
        // What is cheaper than what came out comes out next.
        queue.push(1, 0.0);
        assert_eq!([queue.pop(), queue.pop(), queue.pop(), queue.pop()], [Some(1), Some(0), Some(3), None]);
    }
}
