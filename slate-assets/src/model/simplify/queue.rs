/// A queue of edges by cost, in buckets that each hold costs up to two or four times as high as the one before.
///
/// A cost in the queue may be lower than the edge's true one, never higher: whoever takes an edge out asks again.
/// Finer buckets bring large surfaces a little nearer (an RMS of 0.42 in the place of 0.45 of meshoptimizer's on a
/// noisy ball) and take twice as long: collapses then jump from end to end of the surface, and wait for memory at
/// each.
pub(super) struct Queue {
    /// The first edge of each bucket. Edges know the next one in theirs.
    first: Vec<u32>,
    at: usize,
    shift: u32,
}

const NONE: u32 = u32::MAX;

impl Queue {
    pub(super) fn new(edges: usize) -> Self {
        /// More edges than a processor's second cache holds.
        const MANY: usize = 150_000;
        // A bucket for each exponent of floats, or for two of them.
        let shift = if edges > MANY { 24 } else { 23 };
        Self { first: vec![NONE; (f32::INFINITY.to_bits() >> shift) as usize + 1], at: 0, shift }
    }

    fn bucket(&self, cost: f32) -> usize {
        // Costs aren't negative: then their bits rise as they do.
        (cost.max(0.0).to_bits() >> self.shift) as usize
    }

    /// Puts an edge in that isn't in the queue; gives the one that comes after it, to be told to `pop`.
    #[must_use]
    pub(super) fn push(&mut self, edge: u32, cost: f32) -> u32 {
        let bucket = self.bucket(cost).clamp(self.at, self.first.len() - 1);
        std::mem::replace(&mut self.first[bucket], edge)
    }

    /// Takes an edge of the least cost out; `next` tells what `push` gave for it.
    pub(super) fn pop(&mut self, next: impl Fn(u32) -> u32) -> Option<u32> {
        while let Some(first) = self.first.get_mut(self.at) {
            if *first != NONE {
                let edge = *first;
                *first = next(edge);
                return Some(edge);
            }
            self.at += 1;
        }
        None
    }

    /// Whether an edge of this cost may go now.
    pub(super) fn is_due(&self, cost: f32) -> bool {
        self.bucket(cost) <= self.at
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
        let (mut queue, mut next) = (Queue::new(4), [NONE; 4]);
        for (edge, cost) in [(0, 30.0), (1, 0.0), (2, 1e-20), (3, f32::MAX)] {
            next[edge as usize] = queue.push(edge, cost);
        }
        let pop = |queue: &mut Queue, next: &[u32; 4]| queue.pop(|edge| next[edge as usize]);
        assert_eq!(pop(&mut queue, &next), Some(1));
        assert!(!queue.is_due(1e-20) && !queue.is_due(30.0));
        assert_eq!(pop(&mut queue, &next), Some(2));
        // What is cheaper than what came out comes out next.
        next[1] = queue.push(1, 0.0);
        assert_eq!([(); 4].map(|()| pop(&mut queue, &next)), [Some(1), Some(0), Some(3), None]);
    }
}
