//! What nothing names.

use super::storage::{LISTS, Links};
use crate::model::gltf::list;
use serde_json::Value;

pub(super) fn check(links: &mut Links<'_>) {
    for name in LISTS {
        let used = links.used.remove(name).unwrap_or_default();
        let entries = list(links.json, name);
        links.found.below(name, |found| {
            for at in (0..used.len()).filter(|&at| !used[at] && entries[at].is_object()) {
                found.add_at(at, "UNUSED_OBJECT", "nothing names it");
            }
        });
    }
    of_extensions(links);
    weights(links);
}

/// Entries of lists that extensions bring.
fn of_extensions(links: &mut Links<'_>) {
    let (lights, variants) = (std::mem::take(&mut links.lights), std::mem::take(&mut links.variants));
    for (extension, name, used) in
        [("KHR_lights_punctual", "lights", lights), ("KHR_materials_variants", "variants", variants)]
    {
        let Some(root) = links.json.pointer(&format!("/extensions/{extension}")) else { continue };
        if !links.declares(extension) {
            continue;
        }
        for at in (0..list(root, name).len()).filter(|at| !used.contains(at)) {
            let place = format!("/extensions/{extension}/{name}/{at}");
            links.found.add_to(&place, "UNUSED_OBJECT", "nothing names it");
        }
    }
}

/// Weights of meshes that each node with the mesh has its own for.
fn weights(links: &mut Links<'_>) {
    let json = links.json;
    let meshes = list(json, "meshes");
    let (mut shown, mut kept) = (vec![false; meshes.len()], vec![false; meshes.len()]);
    for node in list(json, "nodes") {
        let Some(mesh) = super::storage::index_of(node, "mesh").map(|mesh| mesh as usize) else { continue };
        if mesh < meshes.len() {
            shown[mesh] = true;
            kept[mesh] |= node.get("weights").is_none();
        }
    }
    links.each("meshes", |links, at, mesh| {
        if mesh.get("weights").is_some_and(Value::is_array) && shown[at] && !kept[at] {
            links.found.add_at("weights", "UNUSED_MESH_WEIGHTS", "each node with the mesh has its own");
        }
    });
}
