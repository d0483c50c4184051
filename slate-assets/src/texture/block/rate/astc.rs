//! Blocks of ASTC, of any footprint.

use super::{Chooser, PARTS, Run, WHOLE, error, weight};
use crate::texture::block::{
    Footprint,
    astc::{self, Parts},
};
use std::collections::VecDeque;

/// Of the blocks that share bytes with an earlier one, how many are looked at closely.
const CLOSELY: usize = 12;

/// Chooses blocks.
pub(super) struct Stripe {
    footprint: Footprint,
    lambda: f32,
    run: Run,
    /// The last [`WHOLE`] blocks, the last one first: their bytes and what they look like.
    seen: VecDeque<([u8; 16], Vec<[u8; 4]>)>,
    /// The last [`PARTS`] blocks, the last one first, taken apart.
    parts: VecDeque<Option<Box<Parts>>>,
}

/// What a block may share with an earlier one.
#[derive(Clone, Copy)]
enum Shared {
    Ends,
    Weights,
}

/// A way to share bytes with the block so many blocks before.
struct Candidate {
    distance: usize,
    shared: Shared,
    /// The run that it makes.
    run: Run,
    bits: f32,
    /// The least that it costs.
    bound: f32,
}

/// The best so far.
struct Choice {
    bytes: [u8; 16],
    run: Run,
    cost: f32,
}

impl Chooser for Stripe {
    fn choose(&mut self, blocks: &mut [u8], at: usize, texels: &[[u8; 4]]) {
        let out = &mut blocks[at * 16..][..16];
        let own: [u8; 16] = std::array::from_fn(|byte| out[byte]);
        let weight = weight(texels);
        let literal = self.lambda * Run::LITERAL * 16.0;
        let mut best = Choice {
            bytes: own,
            run: Run { open: false, ..self.run },
            cost: error(&self.decoded(own), texels) * weight + literal,
        };
        self.repeat(texels, weight, &mut best);
        let points: Vec<[f32; 4]> = texels.iter().map(|texel| texel.map(f32::from)).collect();
        for candidate in self.candidates(&points, weight, best.cost) {
            if candidate.bound >= best.cost {
                break;
            }
            let Some(bytes) = self.shared(&candidate, &points) else { continue };
            let cost = error(&self.decoded(bytes), texels) * weight + self.lambda * candidate.bits;
            if cost < best.cost {
                best = Choice { bytes, run: candidate.run, cost };
            }
        }
        out.copy_from_slice(&best.bytes);
        self.run = best.run;
        self.remember(best.bytes);
    }
}

impl Stripe {
    pub(super) fn new(footprint: Footprint, lambda: f32) -> Self {
        let (seen, parts) = (VecDeque::with_capacity(WHOLE), VecDeque::with_capacity(PARTS));
        Self { footprint, lambda, run: Run::default(), seen, parts }
    }

    fn decoded(&self, block: [u8; 16]) -> Vec<[u8; 4]> {
        astc::decode(block, self.footprint)[..self.footprint.width() * self.footprint.height()].to_vec()
    }

    /// Tries recent blocks as they are.
    fn repeat(&self, texels: &[[u8; 4]], weight: f32, best: &mut Choice) {
        for (at, (bytes, seen)) in self.seen.iter().enumerate() {
            let back = (at + 1) * 16;
            let cost = error(seen, texels) * weight + self.lambda * self.run.bits(16, (0, 16), back);
            if cost < best.cost {
                *best = Choice { bytes: *bytes, run: Run { last: back, open: true }, cost };
            }
        }
    }

    /// The blocks to share bytes with that may cost less than `most`, the most promising first.
    fn candidates(&self, points: &[[f32; 4]], weight: f32, most: f32) -> Vec<Candidate> {
        let mut all = Vec::new();
        for (at, parts) in self.parts.iter().enumerate() {
            let Some(parts) = parts else { continue };
            for shared in [Shared::Ends, Shared::Weights] {
                let (from, to) = match shared {
                    Shared::Ends => parts.end_bytes(),
                    Shared::Weights => parts.weight_bytes(),
                };
                let back = (at + 1) * 16;
                let bits = self.run.bits(16, (from, to), back);
                if self.lambda * bits >= most {
                    continue;
                }
                let error = match shared {
                    Shared::Ends => Some(parts.bound_with_ends(points)),
                    Shared::Weights => parts.bound_with_weights(points),
                };
                let Some(bound) = error.map(|error| error * weight + self.lambda * bits) else { continue };
                if bound < most {
                    let run = Run { last: back, open: to == 16 };
                    all.push(Candidate { distance: at, shared, run, bits, bound });
                }
            }
        }
        all.sort_by(|a, b| a.bound.total_cmp(&b.bound));
        all.truncate(CLOSELY);
        all
    }

    fn shared(&self, candidate: &Candidate, points: &[[f32; 4]]) -> Option<[u8; 16]> {
        let parts = self.parts[candidate.distance].as_ref()?;
        match candidate.shared {
            Shared::Ends => Some(parts.with_ends(points)),
            Shared::Weights => parts.with_weights(points),
        }
    }

    fn remember(&mut self, block: [u8; 16]) {
        self.seen.truncate(WHOLE - 1);
        self.seen.push_front((block, self.decoded(block)));
        self.parts.truncate(PARTS - 1);
        self.parts.push_front(Parts::of(block, self.footprint).map(Box::new));
    }
}
