use super::{
    list,
    path::{ACCESSORS, VIEWS, each, each_mut, index},
};
use serde_json::Value;
use slate_core::Result;

/// Extensions that name no accessor and no buffer view, or only where `path` knows.
const KNOWN: &[&str] = &[
    "EXT_mesh_gpu_instancing",
    "EXT_texture_webp",
    "KHR_draco_mesh_compression",
    "KHR_lights_punctual",
    "KHR_mesh_quantization",
    "KHR_texture_basisu",
    "KHR_texture_transform",
    "KHR_xmp_json_ld",
];

/// Drops accessors and then buffer views that nothing names, and tells how many; an extension that is not known here
/// keeps all, and is named.
pub(super) fn prune(json: &mut Value) -> Result<Result<usize, String>> {
    if let Some(unknown) = unknown_extension(json) {
        return Ok(Err(unknown));
    }
    Ok(Ok(drop_unnamed(json, "accessors", ACCESSORS)? + drop_unnamed(json, "bufferViews", VIEWS)?))
}

fn drop_unnamed(json: &mut Value, name: &str, paths: &[&str]) -> Result<usize> {
    let mut named = vec![false; list(json, name).len()];
    for path in paths {
        each(json, path, &mut |value, _| {
            if let Some(named) = index(value).and_then(|at| named.get_mut(at)) {
                *named = true;
            }
            Ok(())
        })?;
    }
    let dropped = named.iter().filter(|named| !**named).count();
    if dropped == 0 {
        return Ok(0);
    }
    let mut next = 0;
    let places: Vec<usize> = named.iter().map(|named| (next, next += usize::from(*named)).0).collect();
    for path in paths {
        each_mut(json, path, &mut |value| {
            if let Some(place) = index(value).and_then(|at| places.get(at)) {
                *value = (*place).into();
            }
        });
    }
    if let Some(entries) = json.get_mut(name).and_then(Value::as_array_mut) {
        let mut named = named.iter();
        entries.retain(|_| named.next().copied().unwrap_or(true));
        // An empty list is not valid.
        if entries.is_empty() {
            json.as_object_mut().map(|object| object.remove(name));
        }
    }
    Ok(dropped)
}

fn unknown_extension(json: &Value) -> Option<String> {
    let mut open = vec![json];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                let extensions = object.get("extensions").and_then(Value::as_object).into_iter().flatten();
                for (name, _) in extensions {
                    if !KNOWN.contains(&name.as_str()) && !name.starts_with("KHR_materials_") {
                        return Some(name.chars().take(80).collect());
                    }
                }
                // Extras are the author's own and name nothing.
                open.extend(object.iter().filter(|(name, _)| *name != "extras").map(|(_, value)| value));
            }
            Value::Array(entries) => open.extend(entries),
            _ => {}
        }
    }
    None
}
