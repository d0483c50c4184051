//! What is wrong with a glTF document, in the words of the Khronos Group's validator: its codes, its severities, its
//! places.
//!
//! Objects are held against [tables](objects) of what the specification lets them hold, then the links between them are
//! followed, then the numbers in the buffers are looked at. Codes and rules are those of [glTF-Validator] 2.0.0-dev.3.10;
//! an issue of numbers is told once for an accessor, not once for each element.
//!
//! [glTF-Validator]: https://github.com/KhronosGroup/glTF-Validator/blob/main/ISSUES.md

mod animations;
mod data;
mod extensions;
mod found;
mod materials;
mod meshes;
mod nodes;
mod objects;
mod schema;
mod storage;
mod unused;

pub use found::{Issue, Severity, Verdict};

use super::{document::Document, resolve};
use bytes::Bytes;
use found::Found;
use schema::Check;
use serde_json::Value;
use slate_core::{
    Cancel, Result,
    asset::{AssetInput, AssetLimits},
};

/// What is wrong with a glTF 2.0 file, `.gltf` or `.glb`.
///
/// Files that it names are read below its own folder only. Of numbers in compressed buffers (meshopt, Draco) nothing is said.
///
/// # Errors
/// What can't be looked at: no JSON, another version than 2, more than the limits allow, canceled.
pub fn validate(input: &AssetInput, limits: &AssetLimits, cancel: &Cancel) -> Result<Verdict> {
    let document = Document::read(input, limits)?;
    let buffers = resolve::present(&document, input, limits, cancel)?;
    verdict(&document.json, &buffers, document.binary.is_some(), limits, cancel)
}

/// What is wrong with a document whose buffers are these; none where a buffer isn't there.
pub(in crate::model) fn verdict(
    json: &Value,
    buffers: &[Option<Bytes>],
    is_glb: bool,
    limits: &AssetLimits,
    cancel: &Cancel,
) -> Result<Verdict> {
    let mut found = Found::default();
    let mut check = Check::new(json, is_glb, &mut found);
    check.document();
    let mut links = storage::Links::new(json, buffers, &mut found);
    links.storage();
    materials::check(&mut links);
    meshes::check(&mut links);
    nodes::check(&mut links);
    animations::check(&mut links);
    unused::check(&mut links);
    data::check(&mut links, limits, cancel)?;
    Ok(found.into_verdict())
}
