use serde_json::Value;

/// Extensions that name nothing by index, or only what the reader knows.
const KNOWN: &[&str] = &[
    "EXT_mesh_gpu_instancing",
    "EXT_meshopt_compression",
    "EXT_texture_avif",
    "EXT_texture_webp",
    "KHR_draco_mesh_compression",
    "KHR_lights_punctual",
    "KHR_mesh_quantization",
    "KHR_meshopt_compression",
    "KHR_node_visibility",
    "KHR_texture_basisu",
    "KHR_texture_transform",
    "KHR_xmp_json_ld",
    "MSFT_lod",
    "MSFT_screencoverage",
    "MSFT_texture_dds",
];

/// Extensions that say how numbers are stored: the writer decides anew.
pub(super) const STORAGE: &[&str] =
    &["EXT_meshopt_compression", "KHR_draco_mesh_compression", "KHR_mesh_quantization", "KHR_meshopt_compression"];

/// An extension that is not known here: it may name anything by index.
pub(super) fn unknown(json: &Value) -> Option<String> {
    let mut open = vec![json];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                let extensions = object.get("extensions").and_then(Value::as_object).into_iter().flatten();
                for (name, value) in extensions {
                    // `MSFT_lod` of a material names materials.
                    let of_material = name == "MSFT_lod" && object.contains_key("pbrMetallicRoughness");
                    let known = KNOWN.contains(&name.as_str()) || name.starts_with("KHR_materials_");
                    if !known || of_material || !value.is_object() {
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
