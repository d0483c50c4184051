//! glTF 2.0, as JSON or GLB, in and out.
//!
//! Nothing read is trusted: sizes are held against the limits before memory is taken, every index and range is checked
//! once, nodes are walked without recursion, and errors name the JSON path.

mod accessor;
mod codec;
mod document;
mod extensions;
mod filter;
mod glb;
mod pack;
mod path;
mod read;
mod resolve;
mod scene;
mod validate;
mod write;

pub(super) use document::is_gltf;
pub(super) use filter::{directions as filtered_directions, rotations as filtered_rotations};
pub(super) use read::{read, references};
pub(super) use resolve::media_type;
pub use validate::{Issue, Severity, Verdict, validate};
pub(super) use write::{Flavor, Packing, write};

use serde_json::Value;

/// The entries of a top-level list; none where it isn't there.
fn list<'a>(json: &'a Value, name: &str) -> &'a [Value] {
    json.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
