//! Blocks of ASTC, and of UASTC, which has the same arithmetic in modes of its own.

use super::{Blocks, Plan, Tables, ends::Kind};

/// Whose blocks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Astc,
    /// Colours are never drawn to blue, their order says nothing, and greys have alpha.
    Uastc,
}

impl Dialect {
    /// How endpoints are written that ASTC would write so.
    pub(super) fn kind(self, kind: Kind) -> Kind {
        if self == Self::Uastc && kind == Kind::Grey { Kind::GreyAlpha } else { kind }
    }

    /// What a mixed value is multiplied by, and what is added, before decoders show the nearest whole number.
    pub(super) const fn rounding(self) -> (f32, f32) {
        match self {
            // A half goes up.
            Self::Astc => (1.0, 1.0 / 128.0),
            // Of sixteen bits, rounded themselves, the upper eight: a whole number is never in the middle.
            Self::Uastc => (257.0 / 256.0, 65.0 / 32_768.0 - 0.5),
        }
    }
}

/// A mode of UASTC.
pub(in crate::texture::block) struct Mode {
    pub(in crate::texture::block) dual: bool,
    pub(in crate::texture::block) subsets: usize,
    /// Values of an endpoint: 2 for grey with alpha, 3, or 4.
    pub(in crate::texture::block) channels: usize,
    /// The places of the ranges of weights and colours.
    pub(in crate::texture::block) weights: usize,
    pub(in crate::texture::block) colors: usize,
    /// The partitions that it may go with are those before this one.
    pub(in crate::texture::block) partitions: u16,
}

/// What was found for a block that isn't of one colour.
pub(in crate::texture::block) struct Found {
    /// The place of the mode.
    pub(in crate::texture::block) mode: usize,
    /// The channel with weights of its own.
    pub(in crate::texture::block) apart: Option<u8>,
    /// The place of the partition.
    pub(in crate::texture::block) partition: usize,
    /// Codes, in the order of the block.
    pub(in crate::texture::block) colors: [u8; 18],
    /// By plane.
    pub(in crate::texture::block) weights: [[u8; 16]; 2],
    /// The sum of squared errors.
    #[cfg(test)]
    pub(in crate::texture::block) error: f32,
}

/// Finds the best modes for blocks of 4×4 texels, which are after the other; none for those of one colour.
pub(in crate::texture::block) fn search(
    texels: &[[u8; 4]],
    tables: &Tables,
    plan: &'static Plan,
) -> Vec<Option<Found>> {
    let mut blocks = Blocks::new(texels, tables, plan);
    blocks.search();
    let found = blocks.best.iter().map(|best| {
        let (candidate, fit) = best.as_ref()?;
        let plane = |from: usize| std::array::from_fn(|at| fit.weights[from + at]);
        Some(Found {
            mode: candidate.choice,
            apart: candidate.cut.apart,
            partition: candidate.cut.split.into(),
            colors: fit.colors,
            weights: [plane(0), plane(16)],
            #[cfg(test)]
            error: fit.error,
        })
    });
    found.collect()
}
