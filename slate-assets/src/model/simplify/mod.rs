//! Fewer triangles for the same surface.
//!
//! ```
//! use slate_assets::model::simplify::{Simplifier, Surface};
//!
//! // A flat square of 2 × 8 × 8 triangles.
//! let positions: Vec<[f32; 3]> = (0..81).map(|at| [(at % 9) as f32, (at / 9) as f32, 0.0]).collect();
//! let cells = (0..64u32).map(|at| at / 8 * 9 + at % 8);
//! let indices: Vec<u32> = cells.flat_map(|at| [at, at + 1, at + 9, at + 1, at + 10, at + 9]).collect();
//!
//! let mut simplifier = Simplifier::new(&Surface { positions: &positions, indices: &indices, ..Surface::default() })?;
//! let level = simplifier.reduce(32, &slate_core::Cancel::new())?;
//! assert!(level.indices.len() / 3 <= 32);
//! # Ok::<(), slate_core::Error>(())
//! ```
//!
//! Edges collapse one after the other, cheap ones first, into the point that fits the triangles around them best.
//! Costs are sums of squared distances to all the triangles that went into a vertex, and of what attributes miss. They
//! only rise, so that the queue holds lower bounds, and an edge is looked at again only when it comes out.

mod collapse;
mod cut;
mod facts;
mod join;
mod lanes;
mod level;
mod measure;
mod quadric;
mod queue;
mod renumber;
mod ring;
mod simplifier;
mod topology;

pub use level::Level;
pub(in crate::model) use measure::Gauge;
pub use measure::{Deviation, deviation};
pub use simplifier::Simplifier;

/// The weight of each number of a normal in a model's levels of detail.
///
/// Of 73 textured surfaces of WebXR's controllers and hands, to a half and a quarter, levels with these weights have 0.59 of the RMS of
/// the best of meshoptimizer's modes, and miss its normals by 0.6 and coordinates by 1.0 of what that misses, both medians; with
/// twenty times as much they have 1.4 of the RMS and miss more of both, for points are moved off the surface
/// (`benches/README.md`).
pub const NORMAL_WEIGHT: f32 = 0.0125;
/// The weight of each texture coordinate, where these go from 0 to 1.
pub const COORDINATE_WEIGHT: f32 = 0.1;
/// The weight of each part of a colour, from 0 to 1.
pub const COLOR_WEIGHT: f32 = 0.05;

/// A surface of triangles, with what is to be kept beside its shape.
///
/// Vertices at one place are taken as one: no crack opens between parts that meet there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surface<'a> {
    /// A place for each vertex.
    pub positions: &'a [[f32; 3]],
    /// Three vertices for each triangle.
    pub indices: &'a [u32],
    /// Values for each vertex, `weights.len()` each: normals, texture coordinates, colours. They are kept as well as
    /// the shape, and change smoothly with it.
    pub attributes: &'a [f32],
    /// How much an error of 1 in an attribute counts, against an error in position as large as the surface itself;
    /// [`NORMAL_WEIGHT`] and its like suit models.
    pub weights: &'a [f32],
    /// Which part each vertex is of, as by material: the line between two parts is kept. All are of one where it is empty.
    pub parts: &'a [u32],
    /// Vertices whose place may not change; none where it is empty.
    pub locked: &'a [bool],
}

impl Surface<'_> {
    fn are_of_one_part(&self, one: u32, other: u32) -> bool {
        self.parts.is_empty() || self.parts[one as usize] == self.parts[other as usize]
    }
}
