//! Ways through a document, for example `meshes[].primitives[].indices`: `[]` is each entry of a list, `*` each value
//! of an object.

use super::list;
use serde_json::Value;
use slate_core::{Error, Result};

/// Every index that the specification knows, and the list that it goes into.
const REFERENCES: &[(&str, &str)] = &[
    ("scene", "scenes"),
    ("scenes[].nodes[]", "nodes"),
    ("nodes[].children[]", "nodes"),
    ("nodes[].mesh", "meshes"),
    ("nodes[].skin", "skins"),
    ("nodes[].camera", "cameras"),
    ("skins[].joints[]", "nodes"),
    ("skins[].skeleton", "nodes"),
    ("meshes[].primitives[].material", "materials"),
    ("materials[].pbrMetallicRoughness.baseColorTexture.index", "textures"),
    ("materials[].pbrMetallicRoughness.metallicRoughnessTexture.index", "textures"),
    ("materials[].normalTexture.index", "textures"),
    ("materials[].occlusionTexture.index", "textures"),
    ("materials[].emissiveTexture.index", "textures"),
    ("textures[].source", "images"),
    ("textures[].sampler", "samplers"),
    ("animations[].channels[].target.node", "nodes"),
    ("bufferViews[].buffer", "buffers"),
];

/// The indices of accessors, those of known extensions included.
pub(super) const ACCESSORS: &[&str] = &[
    "meshes[].primitives[].attributes.*",
    "meshes[].primitives[].indices",
    "meshes[].primitives[].targets[].*",
    "skins[].inverseBindMatrices",
    "animations[].samplers[].input",
    "animations[].samplers[].output",
    "nodes[].extensions.EXT_mesh_gpu_instancing.attributes.*",
];

/// The indices of buffer views, those of known extensions included.
pub(super) const VIEWS: &[&str] = &[
    "accessors[].bufferView",
    "accessors[].sparse.indices.bufferView",
    "accessors[].sparse.values.bufferView",
    "images[].bufferView",
    "meshes[].primitives[].extensions.KHR_draco_mesh_compression.bufferView",
];

/// Checks that every index is one, and that what it names is there.
pub(super) fn check_references(json: &Value) -> Result<()> {
    let all = REFERENCES.iter().copied();
    let all = all.chain(ACCESSORS.iter().map(|path| (*path, "accessors")));
    for (path, target) in all.chain(VIEWS.iter().map(|path| (*path, "bufferViews"))) {
        let count = list(json, target).len();
        each(json, path, &mut |value, at| {
            if index(value).is_some_and(|index| index < count) {
                return Ok(());
            }
            Err(corrupt(format!("no entry of {target} has this index"), at).with("index", shown(value)))
        })?;
    }
    // Animation samplers belong to their own animation.
    for (at, animation) in list(json, "animations").iter().enumerate() {
        let count = list(animation, "samplers").len();
        each(animation, "channels[].sampler", &mut |value, path| {
            let there = index(value).is_some_and(|index| index < count);
            if there { Ok(()) } else { Err(corrupt("no sampler has this index", &format!("animations[{at}].{path}"))) }
        })?;
    }
    Ok(())
}

/// Calls `act` with each value at `path` and the place where it is.
pub(super) fn each(json: &Value, path: &str, act: &mut dyn FnMut(&Value, &str) -> Result<()>) -> Result<()> {
    walk(json, path, "", act)
}

fn walk(json: &Value, path: &str, at: &str, act: &mut dyn FnMut(&Value, &str) -> Result<()>) -> Result<()> {
    if path.is_empty() {
        return act(json, at);
    }
    if let Some(rest) = path.strip_prefix("[]") {
        let list = json.as_array().ok_or_else(|| corrupt("a list is expected here", at))?;
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        return list.iter().enumerate().try_for_each(|(n, entry)| walk(entry, rest, &format!("{at}[{n}]"), act));
    }
    let object = json.as_object().ok_or_else(|| corrupt("an object is expected here", at))?;
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let rest = path[end..].strip_prefix('.').unwrap_or(&path[end..]);
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match &path[..end] {
        "*" => object.iter().try_for_each(|(name, value)| walk(value, rest, &below(name), act)),
        name => object.get(name).map_or(Ok(()), |value| walk(value, rest, &below(name), act)),
    }
}

/// A number as an index: whole, from 0 up; also one written as `1.0`, as some exporters do.
pub(super) fn index(value: &Value) -> Option<usize> {
    let whole = || value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..4.3e9).contains(number));
    value.as_u64().or_else(|| whole().map(|number| number as u64)).and_then(|index| usize::try_from(index).ok())
}

/// The whole number `name` of `object`, or `default` where it isn't there.
pub(super) fn number(object: &Value, name: &str, default: u64, at: &str) -> Result<u64> {
    match object.get(name) {
        None => Ok(default),
        Some(value) => index(value)
            .map(|number| number as u64)
            .ok_or_else(|| corrupt("a whole number is expected here", &format!("{at}.{name}"))),
    }
}

/// `Corrupt`, at this place of the JSON.
pub(super) fn corrupt(why: impl Into<std::borrow::Cow<'static, str>>, at: &str) -> Error {
    Error::corrupt(why).with("path", at.chars().take(200).collect::<String>())
}

fn shown(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}
