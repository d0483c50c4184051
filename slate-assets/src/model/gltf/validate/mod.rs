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
mod rules;
mod schema;
mod semantic;
mod storage;
mod unused;

pub use found::{Issue, Severity, Verdict};

use super::{
    document::{Document, Form},
    resolve::{self, Present},
};
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
/// ```
/// use slate_assets::model::validate;
/// use slate_core::{Cancel, asset::{AssetInput, AssetLimits}};
///
/// let input = AssetInput::from_bytes("a.gltf", r#"{"asset": {"version": "2.0"}, "scene": 1}"#);
/// let verdict = validate(&input, &AssetLimits::default(), &Cancel::new())?;
/// assert!(!verdict.is_valid());
/// let issue = &verdict.issues[0];
/// assert_eq!((issue.code, issue.pointer.as_str()), ("UNRESOLVED_REFERENCE", "/scene"));
/// # Ok::<(), slate_core::Error>(())
/// ```
///
/// # Errors
/// What can't be looked at: no JSON, another version than 2, more than the limits allow, canceled.
pub fn validate(input: &AssetInput, limits: &AssetLimits, cancel: &Cancel) -> Result<Verdict> {
    let document = Document::read(input, limits)?;
    let Present { buffers, missing } = resolve::present(&document, input, limits, cancel)?;
    let mut found = Found::default();
    for (pointer, why) in missing {
        found.add_to(&pointer, "IO_ERROR", why);
    }
    look(Content { json: &document.json, buffers: &buffers, form: document.form }, found, limits, cancel)
}

/// A document, and its buffers; none where a buffer isn't there.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) json: &'a Value,
    pub(super) buffers: &'a [Option<Bytes>],
    pub(super) form: Form,
}

/// What is wrong with a document.
pub(super) fn verdict(content: Content<'_>, limits: &AssetLimits, cancel: &Cancel) -> Result<Verdict> {
    look(content, Found::default(), limits, cancel)
}

fn look(content: Content<'_>, mut found: Found, limits: &AssetLimits, cancel: &Cancel) -> Result<Verdict> {
    let Content { json, buffers, form } = content;
    match form {
        Form::MarkedJson => found.add("INVALID_JSON", "there is a byte order mark before the JSON"),
        Form::LongGlb => found.add("GLB_LENGTH_MISMATCH", "bytes follow the end that the file tells"),
        Form::Json | Form::Glb => {}
    }
    let is_glb = matches!(form, Form::Glb | Form::LongGlb);
    let mut check = Check::new(json, is_glb, &mut found);
    check.document();
    let mut links = storage::Links::new(json, buffers, is_glb, &mut found);
    links.storage();
    materials::check(&mut links);
    meshes::check(&mut links);
    nodes::check(&mut links);
    animations::check(&mut links);
    unused::check(&mut links);
    data::check(&mut links, limits, cancel)?;
    Ok(found.into_verdict())
}
