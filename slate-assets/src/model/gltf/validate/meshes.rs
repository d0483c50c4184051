//! Meshes, and what their primitives name.

use super::{
    data::Role,
    materials,
    schema::{Check, natural, whole},
    semantic::Semantic,
    storage::{AccessorUsage, Format, Links, ViewUsage, index_of},
};
use crate::model::{
    gltf::list,
    values::{Component, Shape},
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What nodes and animations ask of a mesh.
#[derive(Clone, Copy)]
pub(super) struct Mesh {
    /// Whether it has primitives, all of them objects.
    pub(super) is_whole: bool,
    /// Whether a primitive has joints.
    pub(super) is_skinned: bool,
    /// How many morph targets its first primitive has; none where that has no such list, or a damaged one.
    pub(super) morphs: Option<usize>,
}

impl Mesh {
    pub(super) fn of(mesh: &Value) -> Self {
        let primitives = list(mesh, "primitives");
        Self {
            is_whole: !primitives.is_empty() && primitives.iter().all(Value::is_object),
            is_skinned: primitives.iter().any(|primitive| sets_of_joints(primitive) > 0),
            morphs: primitives.first().and_then(targets_of),
        }
    }
}

/// Sets of one kind have the numbers 0, 1, 2, …
pub(super) fn semantics(primitive: &Map<String, Value>, check: &mut Check<'_>) {
    let Some(attributes) = primitive.get("attributes").and_then(Value::as_object).filter(|all| !all.is_empty()) else {
        return;
    };
    let mut sets = [("TEXCOORD", 0, 0), ("COLOR", 0, 0), ("JOINTS", 0, 0), ("WEIGHTS", 0, 0)];
    for name in attributes.keys() {
        let (kind, set) = match Semantic::of(name) {
            Some(Semantic::Coordinates(set)) => (0, set),
            Some(Semantic::Color(set)) => (1, set),
            Some(Semantic::Joints(set)) => (2, set),
            Some(Semantic::Weights(set)) => (3, set),
            _ => continue,
        };
        sets[kind].1 += 1;
        sets[kind].2 = sets[kind].2.max(set.saturating_add(1));
    }
    for (name, count, most) in sets {
        if count != most {
            let message = format!("{name} has {count} sets, numbered up to {}", most - 1);
            check.found.add_at("attributes", "MESH_PRIMITIVE_INDEXED_SEMANTIC_CONTINUITY", message);
        }
    }
    if sets[2].1 != sets[3].1 {
        let message = format!("{} sets of joints, {} of weights", sets[2].1, sets[3].1);
        check.found.add_at("attributes", "MESH_PRIMITIVE_JOINTS_WEIGHTS_MISMATCH", message);
    }
    if !attributes.contains_key("POSITION") {
        check.found.add_at("attributes", "MESH_PRIMITIVE_NO_POSITION", "nothing is drawn without positions");
    }
    if attributes.contains_key("TANGENT") && !attributes.contains_key("NORMAL") {
        check.found.below("attributes", |found| {
            found.add_at("TANGENT", "MESH_PRIMITIVE_TANGENT_WITHOUT_NORMAL", "it has no effect without NORMAL");
        });
    }
}

pub(super) fn check(links: &mut Links<'_>) {
    let quantized = links.declares("KHR_mesh_quantization");
    links.each("meshes", |links, _, mesh| {
        if !list(mesh, "primitives").iter().all(Value::is_object) {
            return;
        }
        let first = list(mesh, "primitives").first().and_then(targets_of);
        for (at, primitive) in list(mesh, "primitives").iter().enumerate() {
            links.below("primitives", |links| {
                links.below(at, |links| {
                    self::primitive(links, primitive, quantized);
                    let own = targets_of(primitive);
                    if own != first {
                        let code = "MESH_PRIMITIVES_UNEQUAL_TARGETS_COUNT";
                        let message = "the primitives of a mesh have as many morph targets";
                        match own {
                            Some(_) => links.found.add_at("targets", code, message),
                            None => links.found.add(code, message),
                        }
                    }
                });
            });
        }
        let weights = list(mesh, "weights").iter().filter(|weight| weight.is_number()).count();
        if weights > 0 && weights == list(mesh, "weights").len() && weights != first.unwrap_or(0) {
            let message = format!("{weights} weights of {} morph targets", first.unwrap_or(0));
            links.found.add_at("weights", "MESH_INVALID_WEIGHTS_COUNT", message);
        }
    });
}

/// How many morph targets a primitive has; none where it has no such list, or a damaged one.
fn targets_of(primitive: &Value) -> Option<usize> {
    let is_whole = |target: &Value| target.as_object().is_some_and(|target| !target.is_empty());
    let targets = primitive.get("targets")?.as_array().filter(|targets| !targets.is_empty())?;
    targets.iter().all(is_whole).then_some(targets.len())
}

fn primitive(links: &mut Links<'_>, primitive: &Value, quantized: bool) {
    let empty = Map::new();
    let attributes = primitive.get("attributes").and_then(Value::as_object).unwrap_or(&empty);
    let mut vertices = None;
    links.below("attributes", |links| {
        // Positions first: they say how many vertices there are.
        let is_position = |(name, _): &(&String, &Value)| *name == "POSITION";
        let others = attributes.iter().filter(|entry| !is_position(entry));
        for (name, index) in attributes.iter().filter(is_position).chain(others) {
            let Some(accessor) = link(links, name, index) else { continue };
            attribute(links, name, accessor, false, quantized);
            let count = links.accessors[accessor].count;
            if *vertices.get_or_insert(count) != count {
                let message = "the attributes of a primitive have as many elements";
                links.found.add_at(name, "MESH_PRIMITIVE_UNEQUAL_ACCESSOR_COUNT", message);
            }
        }
    });
    let mode = primitive.get("mode").map_or(Some(4), whole).unwrap_or(-1);
    let vertices = vertices.flatten();
    let mut drawn = vertices;
    if let Some(accessor) = links.named(primitive, "indices", "accessors") {
        indices(links, accessor, vertices, mode);
        drawn = links.accessors[accessor].count;
    }
    let fits = |count: u64| match mode {
        1 => count >= 2 && count.is_multiple_of(2),
        2 | 3 => count >= 2,
        4 => count >= 3 && count.is_multiple_of(3),
        5 | 6 => count >= 3,
        _ => true,
    };
    if drawn.is_some_and(|count| !fits(count)) {
        let message = "the number of vertices or indices does not fit the mode";
        links.found.add("MESH_PRIMITIVE_INCOMPATIBLE_MODE", message);
    }
    targets(links, primitive, attributes, quantized);
    material(links, primitive, attributes, mode);
}

/// The accessor that an attribute names.
fn link(links: &mut Links<'_>, name: &str, index: &Value) -> Option<usize> {
    let index = natural(index)?;
    links.entry(index, "accessors", name)
}

fn attribute(links: &mut Links<'_>, name: &str, accessor: usize, is_morph: bool, quantized: bool) {
    links.use_accessor(accessor, AccessorUsage::Vertices, name);
    let facts = links.accessors[accessor];
    let semantic = Semantic::of(name);
    if semantic == Some(Semantic::Position) && !facts.has_bounds {
        let code = "MESH_PRIMITIVE_POSITION_ACCESSOR_WITHOUT_BOUNDS";
        links.found.add_at(name, code, "an accessor of positions has min and max");
    }
    match (semantic, facts.format) {
        (None, _) | (Some(Semantic::Own), None) => {}
        (Some(semantic), Some(format)) if semantic.allows(format, is_morph, quantized) => {
            role(links, name, accessor, semantic, format, is_morph);
        }
        (Some(Semantic::Own), Some(_)) => {
            let code = "MESH_PRIMITIVE_ATTRIBUTES_ACCESSOR_UNSIGNED_INT";
            links.found.add_at(name, code, "attributes are no integers of 32 bits");
        }
        (Some(_), format) => {
            let code = "MESH_PRIMITIVE_ATTRIBUTES_ACCESSOR_INVALID_FORMAT";
            links.found.add_at(name, code, format!("{} are not allowed here", Format::shown(format)));
        }
    }
    let Some(view) = links.view_of(accessor) else { return };
    links.use_view(view, ViewUsage::Vertices, name);
    let own = links.views[view].stride;
    let Some(format) = facts.format else { return };
    let is_odd = own.is_none() && !format.shape.bytes(format.component).is_multiple_of(4);
    if is_odd || facts.offset.is_some_and(|offset| !offset.is_multiple_of(4)) {
        let message = "vertices begin at multiples of 4 bytes";
        links.found.add_at(name, "MESH_PRIMITIVE_ACCESSOR_UNALIGNED", message);
    }
    if links.is_crowded(view, accessor) {
        let message = "a view that several accessors share has a byteStride";
        links.found.add_at(name, "MESH_PRIMITIVE_ACCESSOR_WITHOUT_BYTESTRIDE", message);
    }
}

/// Notes what the numbers are to be.
fn role(links: &mut Links<'_>, name: &str, accessor: usize, semantic: Semantic, format: Format, is_morph: bool) {
    let role = match semantic {
        Semantic::Normal if !is_morph => Role::Directions,
        Semantic::Tangent if !is_morph => Role::Tangents,
        Semantic::Color(_) if !is_morph && format.component == Component::F32 => Role::Colors,
        _ => return,
    };
    links.give_role(accessor, role, name);
}

fn indices(links: &mut Links<'_>, accessor: usize, vertices: Option<u64>, mode: i128) {
    links.use_accessor(accessor, AccessorUsage::Indices, "indices");
    if let Some(view) = links.view_of(accessor) {
        let code = "MESH_PRIMITIVE_INDICES_ACCESSOR_WITH_BYTESTRIDE";
        links.use_tight_view(view, ViewUsage::Indices, "indices", code);
    }
    let format = links.accessors[accessor].format;
    let is_index = |format: Format| {
        let is_unsigned = matches!(format.component, Component::U8 | Component::U16 | Component::U32);
        format.shape == Shape::Scalar && is_unsigned && !format.normalized
    };
    if !format.is_some_and(is_index) {
        let message = format!("indices are unsigned SCALARs, no {}", Format::shown(format));
        links.found.add_at("indices", "MESH_PRIMITIVE_INDICES_ACCESSOR_INVALID_FORMAT", message);
    } else {
        links.give_role(accessor, Role::Indices { vertices, is_triangles: mode == 4 }, "indices");
    }
}

fn targets(links: &mut Links<'_>, primitive: &Value, attributes: &Map<String, Value>, quantized: bool) {
    for (at, target) in list(primitive, "targets").iter().enumerate() {
        let Some(target) = target.as_object() else { continue };
        let len = links.found.enter("targets");
        links.found.enter(at);
        for (name, index) in target {
            let Some(accessor) = link(links, name, index) else { continue };
            attribute(links, name, accessor, true, quantized);
            let base = attributes.get(name);
            let Some(base) = base else {
                let message = "the primitive has no such attribute";
                links.found.add_at(name, "MESH_PRIMITIVE_MORPH_TARGET_NO_BASE_ACCESSOR", message);
                continue;
            };
            let base = whole(base).and_then(|base| usize::try_from(base).ok());
            let base = base.and_then(|base| links.accessors.get(base));
            if base.is_some_and(|base| base.count != links.accessors[accessor].count) {
                let message = "the attribute that it moves has another count";
                links.found.add_at(name, "MESH_PRIMITIVE_MORPH_TARGET_INVALID_ATTRIBUTE_COUNT", message);
            }
        }
        links.found.leave(len);
    }
}

/// Whether the primitive has what its material needs.
fn material(links: &mut Links<'_>, primitive: &Value, attributes: &Map<String, Value>, mode: i128) {
    let at = links.named(primitive, "material", "materials");
    let json = links.json;
    let material = at.map_or(&Value::Null, |at| &list(json, "materials")[at]);
    let slots = materials::slots(material, &|name| links.declares(name));
    let sets =
        attributes.keys().filter(|name| matches!(Semantic::of(name), Some(Semantic::Coordinates(_)))).count() as u64;
    // Sets that are not numbered through are none.
    let is_through = (0..sets).all(|set| attributes.contains_key(&format!("TEXCOORD_{set}")));
    let sets = if is_through { sets } else { 0 };
    for slot in &slots {
        if slot.set >= sets {
            let message = format!("{} needs TEXCOORD_{}", slot.pointer, slot.set);
            links.found.add_at("material", "MESH_PRIMITIVE_TOO_FEW_TEXCOORDS", message);
        }
    }
    let others = variants(links, primitive);
    let others = others.iter().filter_map(|&at| list(json, "materials").get(at));
    let others: Vec<_> = others.flat_map(|other| materials::slots(other, &|name| links.declares(name))).collect();
    for name in attributes.keys() {
        if let Some(Semantic::Coordinates(set)) = Semantic::of(name)
            && set < sets
            && slots.iter().chain(&others).all(|slot| ![slot.set, slot.plain_set].contains(&set))
        {
            let message = "the material uses no such coordinates";
            links.found.below("attributes", |found| found.add_at(name, "UNUSED_OBJECT", message));
        }
    }
    let has = |pointer: &str| slots.iter().any(|slot| slot.pointer == pointer);
    let has_normals = has("/normalTexture");
    let needs_more = has("/extensions/KHR_materials_clearcoat/clearcoatNormalTexture")
        || links.declares("KHR_materials_anisotropy")
            && material.pointer("/extensions/KHR_materials_anisotropy").is_some_and(Value::is_object);
    let has_surface = mode >= 4;
    let has_tangents = attributes.contains_key("TANGENT");
    if has_tangents && !has_normals && !needs_more {
        let message = "the material has no use for tangents";
        links.found.below("attributes", |found| found.add_at("TANGENT", "UNUSED_MESH_TANGENT", message));
    } else if !has_surface || has_tangents && attributes.contains_key("NORMAL") {
        // Nothing to turn, or all is there.
    } else if has_normals {
        let message = "viewers make tangents of their own";
        links.found.add_at("material", "MESH_PRIMITIVE_GENERATED_TANGENT_SPACE", message);
    } else if needs_more {
        let message = "the material needs tangents, and there is no normal map to make them by";
        links.found.add_at("material", "MESH_PRIMITIVE_NO_TANGENT_SPACE", message);
    }
}

/// The materials of the primitive's variants.
fn variants(links: &mut Links<'_>, primitive: &Value) -> Vec<usize> {
    let mut materials = Vec::new();
    let Some(extension) = primitive.pointer("/extensions/KHR_materials_variants") else { return materials };
    if !links.declares("KHR_materials_variants") {
        return materials;
    }
    let json = links.json;
    let root = json.pointer("/extensions/KHR_materials_variants");
    let all = root.map_or(&[][..], |root| list(root, "variants"));
    let mut known = BTreeSet::new();
    let len = links.found.enter("extensions");
    links.found.enter("KHR_materials_variants");
    links.found.enter("mappings");
    for (at, mapping) in list(extension, "mappings").iter().enumerate() {
        let one = links.found.enter(at);
        if root.is_none() {
            links.found.add("UNSATISFIED_DEPENDENCY", "the document has no list of variants");
            links.found.leave(one);
            continue;
        }
        materials.extend(links.named(mapping, "material", "materials"));
        for (at, variant) in list(mapping, "variants").iter().enumerate() {
            let Some(variant) = whole(variant).and_then(|variant| usize::try_from(variant).ok()) else { continue };
            links.found.below("variants", |found| {
                if variant >= all.len() {
                    found.add_at(at, "UNRESOLVED_REFERENCE", format!("there is no variant {variant}"));
                } else if !known.insert(variant) {
                    let code = "KHR_MATERIALS_VARIANTS_NON_UNIQUE_VARIANT";
                    found.add_at(at, code, "another mapping has this variant");
                }
            });
        }
        links.found.leave(one);
    }
    links.found.leave(len);
    links.variants.append(&mut known);
    materials
}

/// How many sets of joints a primitive has.
pub(super) fn sets_of_joints(primitive: &Value) -> usize {
    let names = primitive.get("attributes").and_then(Value::as_object).into_iter().flatten();
    names.filter(|(name, _)| matches!(Semantic::of(name), Some(Semantic::Joints(_)))).count()
}

/// The index of a mesh's accessor of this name, in a primitive.
pub(super) fn accessor_of(primitive: &Value, name: &str) -> Option<usize> {
    index_of(primitive.get("attributes")?, name).map(|index| index as usize)
}
