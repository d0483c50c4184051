//! Blocks of 4×4 texels: BC1, BC3 and BC7.

use super::{Chooser, PARTS, Run, WHOLE, error, weight};
use crate::texture::block::{BlockFormat, Texels, bc1, bc4, bc7};

/// The parts of a format's blocks that are chosen by themselves; `None` of formats that aren't known here.
pub(super) fn parts(format: BlockFormat) -> Option<&'static [Part]> {
    Some(match format {
        BlockFormat::Bc1 => &[Part { at: 0, size: 8, coding: Coding::Colors(bc1::Alpha::None) }],
        BlockFormat::Bc1Alpha => &[Part { at: 0, size: 8, coding: Coding::Colors(bc1::Alpha::Punched) }],
        BlockFormat::Bc3 => &[
            Part { at: 0, size: 8, coding: Coding::Alpha },
            Part { at: 8, size: 8, coding: Coding::Colors(bc1::Alpha::Elsewhere) },
        ],
        BlockFormat::Bc7 => &[Part { at: 0, size: 16, coding: Coding::Bc7 }],
        _ => return None,
    })
}

/// A part of a block that is chosen by itself.
pub(super) struct Part {
    at: usize,
    size: usize,
    coding: Coding,
}

#[derive(Clone, Copy)]
enum Coding {
    Colors(bc1::Alpha),
    Alpha,
    Bc7,
}

impl Coding {
    /// What the bytes look like; channels that they don't hold are 0.
    fn decode(self, bytes: &[u8; 16]) -> Texels {
        let half = || std::array::from_fn(|at| bytes[at]);
        match self {
            Self::Colors(alpha) => {
                let mut texels = bc1::decode(half(), alpha == bc1::Alpha::Elsewhere);
                if alpha != bc1::Alpha::Punched {
                    texels.iter_mut().for_each(|texel| texel[3] = 0);
                }
                texels
            }
            Self::Alpha => bc4::decode(half()).map(|alpha| [0, 0, 0, alpha]),
            Self::Bc7 => bc7::decode(*bytes),
        }
    }

    /// The texels as [`decode`](Self::decode) should give them.
    fn wanted(self, texels: &Texels) -> Texels {
        texels.map(|[r, g, b, a]| match self {
            Self::Colors(bc1::Alpha::Punched) if a < 128 => [0; 4],
            Self::Colors(bc1::Alpha::Punched) => [r, g, b, 255],
            Self::Colors(_) => [r, g, b, 0],
            Self::Alpha => [0, 0, 0, a],
            Self::Bc7 => [r, g, b, a],
        })
    }

    /// Blocks that have bytes of an earlier one, and which of them.
    fn variants(self, wanted: &Texels, earlier: &[u8; 16]) -> [Option<([u8; 16], usize, usize)>; 2] {
        let wide = |bytes: [u8; 8]| std::array::from_fn(|at| if at < 8 { bytes[at] } else { 0 });
        let half = || std::array::from_fn(|at| earlier[at]);
        match self {
            Self::Colors(alpha) => [
                bc1::with_selectors(wanted, half(), alpha).map(|bytes| (wide(bytes), 4, 8)),
                bc1::with_ends(wanted, half(), alpha).map(|bytes| (wide(bytes), 0, 4)),
            ],
            Self::Alpha => {
                [bc4::with_selectors(&wanted.map(|texel| texel[3]), half()).map(|bytes| (wide(bytes), 2, 8)), None]
            }
            Self::Bc7 => [
                bc7::with_indices(wanted, *earlier).map(|bytes| (bytes, 8, 16)),
                bc7::with_ends(wanted, *earlier).map(|bytes| (bytes, 0, 8)),
            ],
        }
    }
}

/// Chooses the parts of each block.
pub(super) struct Stripe {
    parts: &'static [Part],
    stride: usize,
    lambda: f32,
    run: Run,
    /// What the parts of all blocks look like, up to here.
    seen: Vec<Vec<Texels>>,
}

impl Chooser for Stripe {
    fn choose(&mut self, blocks: &mut [u8], at: usize, texels: &[[u8; 4]]) {
        let texels: Texels = std::array::from_fn(|texel| texels[texel]);
        for (number, part) in self.parts.iter().enumerate() {
            self.choose_part(blocks, at, &texels, (number, part));
        }
    }
}

impl Stripe {
    pub(super) fn new(parts: &'static [Part], stride: usize, lambda: f32) -> Self {
        Self { parts, stride, lambda, run: Run::default(), seen: vec![Vec::new(); parts.len()] }
    }

    fn part(&self, blocks: &[u8], at: usize, part: &Part) -> [u8; 16] {
        let start = at * self.stride + part.at;
        std::array::from_fn(|byte| if byte < part.size { blocks[start + byte] } else { 0 })
    }

    fn choose_part(&mut self, blocks: &mut [u8], at: usize, texels: &Texels, (number, part): (usize, &Part)) {
        let coding = part.coding;
        let wanted = coding.wanted(texels);
        let weight = weight(&wanted);
        let own = self.part(blocks, at, part);
        let mut seen = coding.decode(&own);
        let own_error = error(&seen, &wanted);
        let (mut best, mut run) = (own, Run { open: false, ..self.run });
        let mut cost = own_error * weight + self.lambda * Run::LITERAL * part.size as f32;
        for distance in 1..=at.min(WHOLE) {
            let (earlier, back) = (at - distance, distance * self.stride);
            let taken = Run { last: back, open: true };
            let bits = self.run.bits(part.size, (0, part.size), back);
            let whole = error(&self.seen[number][earlier], &wanted) * weight + self.lambda * bits;
            if whole < cost {
                (best, run, cost) = (self.part(blocks, earlier, part), taken, whole);
                seen = self.seen[number][earlier];
            }
            if distance > PARTS {
                continue;
            }
            for (bytes, from, to) in coding.variants(&wanted, &self.part(blocks, earlier, part)).into_iter().flatten() {
                let bits = self.run.bits(part.size, (from, to), back);
                if self.lambda * bits >= cost {
                    continue;
                }
                let found = coding.decode(&bytes);
                let next = error(&found, &wanted) * weight + self.lambda * bits;
                if next < cost {
                    (best, run, cost) = (bytes, Run { last: back, open: to == part.size }, next);
                    seen = found;
                }
            }
        }
        let start = at * self.stride + part.at;
        blocks[start..start + part.size].copy_from_slice(&best[..part.size]);
        self.run = run;
        self.seen[number].push(seen);
    }
}
