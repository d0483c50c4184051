//! Parts that are equal, and parts that nothing uses.

use super::super::ir::{Mesh, Model, Rest, slots};
use serde_json::Value;
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

/// Makes equal images, samplers, textures, materials and meshes one; gives how many are gone. Nodes keep theirs, so
/// that a mesh that is there twice becomes one that is shown twice.
pub(super) fn dedupe(model: &mut Model) -> usize {
    let mut gone = 0;
    let places =
        merge(&mut model.images, |a, b| a.bytes == b.bytes && a.rest == b.rest, |image| hash(&image.bytes), &mut gone);
    rename_images(model, &places);
    let places = merge(&mut model.samplers, PartialEq::eq, text, &mut gone);
    rename(model.textures.iter_mut().filter_map(|texture| texture.get_mut("sampler")), &places);
    let places = merge(&mut model.textures, PartialEq::eq, text, &mut gone);
    rename_textures(model, &places);
    let places = merge(&mut model.materials, PartialEq::eq, text, &mut gone);
    rename_materials(model, &places);
    let places = merge(&mut model.meshes, same_mesh, mesh_hash, &mut gone);
    rename_meshes(model, &places);
    gone
}

/// Drops what no node shows: meshes, skins and cameras, and then materials, textures, samplers and images; gives how
/// many.
pub(super) fn prune(model: &mut Model) -> usize {
    let mut gone = 0;
    let used = |of: fn(&super::super::ir::Node) -> Option<usize>, model: &Model| -> Vec<usize> {
        model.nodes.iter().filter_map(of).collect()
    };
    let meshes = used(|node| node.mesh, model);
    let places = keep(&mut model.meshes, &meshes, &mut gone);
    rename_meshes(model, &places);
    let skins = used(|node| node.skin, model);
    let places = keep(&mut model.skins, &skins, &mut gone);
    model.nodes.iter_mut().filter_map(|node| node.skin.as_mut()).for_each(|skin| *skin = places[*skin]);
    let cameras = used(|node| node.camera, model);
    let places = keep(&mut model.cameras, &cameras, &mut gone);
    model.nodes.iter_mut().filter_map(|node| node.camera.as_mut()).for_each(|camera| *camera = places[*camera]);

    let mut materials = Vec::new();
    each_material(model, &mut |material| {
        materials.extend(material.as_u64());
    });
    let materials: Vec<usize> = materials.into_iter().map(|at| at as usize).collect();
    let places = keep(&mut model.materials, &materials, &mut gone);
    rename_materials(model, &places);
    let mut textures = Vec::new();
    each_slot(model, &mut |slot| textures.extend(slot.as_u64().map(|at| at as usize)));
    let places = keep(&mut model.textures, &textures, &mut gone);
    rename_textures(model, &places);
    let named = |texture: &Rest, name: &str| texture.get(name).and_then(Value::as_u64).map(|at| at as usize);
    let samplers: Vec<usize> = model.textures.iter().filter_map(|texture| named(texture, "sampler")).collect();
    let places = keep(&mut model.samplers, &samplers, &mut gone);
    rename(model.textures.iter_mut().filter_map(|texture| texture.get_mut("sampler")), &places);
    gone + prune_images(model)
}

/// Drops images that no texture names; gives how many.
pub(in crate::model) fn prune_images(model: &mut Model) -> usize {
    let (mut images, mut gone) = (Vec::new(), 0);
    model.textures.iter_mut().for_each(|texture| {
        each_source(texture, &mut |source| images.extend(source.as_u64().map(|at| at as usize)));
    });
    let places = keep(&mut model.images, &images, &mut gone);
    rename_images(model, &places);
    gone
}

/// Drops entries that are equal to an earlier one; gives the new place of each.
fn merge<T>(
    list: &mut Vec<T>,
    equal: impl Fn(&T, &T) -> bool,
    hash: impl Fn(&T) -> u64,
    gone: &mut usize,
) -> Vec<usize> {
    let mut kept: Vec<T> = Vec::with_capacity(list.len());
    let mut by_hash: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut places = Vec::with_capacity(list.len());
    for entry in list.drain(..) {
        let like = by_hash.entry(hash(&entry)).or_default();
        let place = like.iter().copied().find(|&at| equal(&kept[at], &entry)).unwrap_or_else(|| {
            like.push(kept.len());
            kept.push(entry);
            kept.len() - 1
        });
        places.push(place);
    }
    *gone += places.len() - kept.len();
    *list = kept;
    places
}

/// Keeps the entries at these places; gives the new place of each.
fn keep<T>(list: &mut Vec<T>, used: &[usize], gone: &mut usize) -> Vec<usize> {
    let mut is_used = vec![false; list.len()];
    used.iter().for_each(|&at| is_used.get_mut(at).into_iter().for_each(|used| *used = true));
    let mut next = 0;
    let places = is_used.iter().map(|used| (next, next += usize::from(*used)).0).collect();
    let mut flags = is_used.iter();
    list.retain(|_| flags.next().copied().unwrap_or(true));
    *gone += is_used.len() - list.len();
    places
}

fn rename<'a>(values: impl Iterator<Item = &'a mut Value>, places: &[usize]) {
    for value in values {
        if let Some(place) = value.as_u64().and_then(|at| places.get(at as usize)) {
            *value = (*place).into();
        }
    }
}

fn rename_meshes(model: &mut Model, places: &[usize]) {
    model.nodes.iter_mut().filter_map(|node| node.mesh.as_mut()).for_each(|mesh| *mesh = places[*mesh]);
}

fn rename_materials(model: &mut Model, places: &[usize]) {
    each_material(model, &mut |value| rename(std::iter::once(value), places));
}

fn rename_textures(model: &mut Model, places: &[usize]) {
    each_slot(model, &mut |value| rename(std::iter::once(value), places));
}

fn rename_images(model: &mut Model, places: &[usize]) {
    for texture in &mut model.textures {
        each_source(texture, &mut |value| rename(std::iter::once(value), places));
    }
}

/// The material of each primitive, and those of `KHR_materials_variants`.
fn each_material(model: &mut Model, act: &mut dyn FnMut(&mut Value)) {
    for primitive in model.meshes.iter_mut().flat_map(|mesh| &mut mesh.primitives) {
        if let Some(material) = primitive.material {
            let mut value = Value::from(material);
            act(&mut value);
            primitive.material = value.as_u64().map(|at| at as usize);
        }
        let variants = primitive.rest.get_mut("extensions").and_then(|all| all.get_mut("KHR_materials_variants"));
        let mappings = variants.and_then(|variants| variants.get_mut("mappings")).and_then(Value::as_array_mut);
        mappings.into_iter().flatten().filter_map(|mapping| mapping.get_mut("material")).for_each(&mut *act);
    }
}

fn each_slot(model: &mut Model, act: &mut dyn FnMut(&mut Value)) {
    for material in &mut model.materials {
        slots(material, &mut |_, slot| slot.get_mut("index").into_iter().for_each(&mut *act));
    }
}

/// The images of a texture: its own, and those that extensions offer in its place.
fn each_source(texture: &mut Rest, act: &mut dyn FnMut(&mut Value)) {
    texture.get_mut("source").into_iter().for_each(&mut *act);
    let extensions = texture.get_mut("extensions").and_then(Value::as_object_mut);
    extensions.into_iter().flatten().filter_map(|(_, value)| value.get_mut("source")).for_each(&mut *act);
}

fn hash(value: &impl Hash) -> u64 {
    // Always the same keys; the order of what is merged doesn't depend on it.
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn text(value: &impl serde::Serialize) -> u64 {
    hash(&serde_json::to_string(value).unwrap_or_default())
}

fn mesh_hash(mesh: &Mesh) -> u64 {
    let parts = mesh.primitives.iter().map(|primitive| (&primitive.attributes, &primitive.indices, primitive.material));
    hash(&parts.collect::<Vec<_>>())
}

/// Equal but for the name.
fn same_mesh(a: &Mesh, b: &Mesh) -> bool {
    let rest = |mesh: &Mesh| -> Vec<(String, Value)> {
        mesh.rest
            .iter()
            .filter(|(name, _)| *name != "name")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    a.primitives == b.primitives && a.weights == b.weights && rest(a) == rest(b)
}
