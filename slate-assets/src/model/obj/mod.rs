//! Wavefront OBJ with its MTL, in and out.

mod mtl;
mod read;
mod write;

pub(super) use read::{read, references};
pub(super) use write::write;
