//! The numbers that accessors lead to.

use super::{
    meshes,
    schema::natural,
    storage::{Accessor, Links, index_of},
};
use crate::model::{
    gltf::{accessor, list},
    values::{Component, Shape, Values},
};
use bytes::Bytes;
use serde_json::Value;
use slate_core::{Cancel, Result, asset::AssetLimits};

/// What the numbers of an accessor are to be, where it is used.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    /// Of length 1.
    Directions,
    /// Of length 1, and a sign.
    Tangents,
    /// From 0 to 1.
    Colors,
    /// Below the number of vertices, where it is known.
    Indices { vertices: Option<u64>, is_triangles: bool },
    /// Rising, from 0 up.
    Times,
    /// Of length 1; the middle one of each three of a spline.
    Rotations { is_cubic: bool },
    /// With a last row of 0, 0, 0, 1.
    InverseBind,
}

/// How far lengths may be off: what 8 bits can't tell.
const UNIT_3: f64 = 0.00674;
pub(super) const UNIT_4: f64 = 0.00769;

pub(super) fn check(links: &mut Links<'_>, limits: &AssetLimits, cancel: &Cancel) -> Result<()> {
    let mut room = limits.decoded_bytes;
    let buffers: Vec<Bytes> = links.buffers.iter().map(|buffer| buffer.clone().unwrap_or_default()).collect();
    sparse(links);
    let mut roles = std::mem::take(&mut links.roles);
    roles.sort_by_key(|(accessor, ..)| *accessor);
    let mut roles = roles.into_iter().peekable();
    for at in 0..links.accessors.len() {
        cancel.check()?;
        let values = values(links, &buffers, at, &mut room);
        let mut own = Vec::new();
        while let Some((_, role, place)) = roles.next_if(|(accessor, ..)| *accessor == at) {
            own.push((role, place));
        }
        let Some(values) = values else { continue };
        let json = &list(links.json, "accessors")[at];
        let len = links.found.enter("accessors");
        links.found.enter(at);
        numbers(links, json, &values);
        links.found.leave(len);
        // Numbers that are used alike one after the other are looked at once, and no more of them than may be in memory.
        let mut last: Option<(Role, Vec<(&'static str, String)>)> = None;
        for (role, place) in own {
            if last.as_ref().is_none_or(|(last, _)| *last != role) {
                cancel.check()?;
                let len = values.bytes.len() as u64;
                if room < len {
                    break;
                }
                room -= len;
                last = Some((role, role.wrong(&values)));
            }
            for (code, message) in last.iter().flat_map(|(_, issues)| issues) {
                links.found.add_to(&place, code, message.clone());
            }
        }
    }
    influences(links, &buffers, &mut room, cancel)
}

/// The numbers of an accessor that has some, where they are there and in order.
fn values(links: &Links<'_>, buffers: &[Bytes], at: usize, room: &mut u64) -> Option<Values> {
    let Accessor { format: Some(format), count: Some(_), offset: Some(offset), .. } = links.accessors[at] else {
        return None;
    };
    let before = links.view_of(at).map_or(Some(0), |view| links.views[view].offset)?;
    if !before.saturating_add(offset).is_multiple_of(format.component.bytes() as u64) {
        return None;
    }
    let json = &list(links.json, "accessors")[at];
    if json.get("bufferView").is_none() && json.get("sparse").is_none() {
        return None;
    }
    accessor::dense(links.json, buffers, at, room).ok()
}

/// The places of replaced elements rise, and are in their accessor.
fn sparse(links: &mut Links<'_>) {
    let json = links.json;
    links.each("accessors", |links, at, accessor| {
        let (Some(count), Some(indices)) = (links.accessors[at].count, accessor.pointer("/sparse/indices")) else {
            return;
        };
        let Some(replaced) = accessor.pointer("/sparse/count").and_then(natural) else { return };
        let component = indices.get("componentType").and_then(natural).and_then(Component::of_code);
        let view = index_of(indices, "bufferView").and_then(|view| list(json, "bufferViews").get(view as usize));
        let (Some(component), Some(view)) = (component, view) else { return };
        let offset = |object: &Value| object.get("byteOffset").map_or(Some(0), natural);
        let buffer = index_of(view, "buffer").and_then(|buffer| links.buffers.get(buffer as usize)?.as_ref());
        let from = offset(view).zip(offset(indices)).and_then(|(a, b)| usize::try_from(a.checked_add(b)?).ok());
        let size = component.bytes();
        let len = usize::try_from(replaced).ok().and_then(|replaced| replaced.checked_mul(size));
        let bytes = buffer.zip(from).zip(len).and_then(|((bytes, from), len)| bytes.get(from..from.checked_add(len)?));
        let (mut last, mut falls, mut beyond) = (None, None, None);
        for (place, index) in bytes.unwrap_or_default().chunks_exact(size).enumerate() {
            let index = index.iter().rev().fold(0u64, |index, byte| index << 8 | u64::from(*byte));
            falls = falls.or((last >= Some(index)).then_some(place));
            beyond = beyond.or((index >= count).then_some(index));
            last = Some(index);
        }
        if let Some(place) = falls {
            let message = format!("index {place} does not rise");
            links.found.add_at("sparse", "ACCESSOR_SPARSE_INDICES_NON_INCREASING", message);
        }
        if let Some(index) = beyond {
            let message = format!("there is no element {index} to replace, of {count}");
            links.found.add_at("sparse", "ACCESSOR_SPARSE_INDEX_OOB", message);
        }
    });
}

/// Finite numbers, within the accessor's own bounds.
fn numbers(links: &mut Links<'_>, json: &Value, values: &Values) {
    let width = values.shape.width();
    let (mut least, mut most) = (vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width]);
    let mut wrong = 0u64;
    for (at, number) in values.stored().enumerate() {
        let component = at % width;
        least[component] = least[component].min(number);
        most[component] = most[component].max(number);
        wrong += u64::from(!number.is_finite());
    }
    if wrong > 0 {
        links.found.add("ACCESSOR_INVALID_FLOAT", format!("{wrong} numbers are not finite"));
    }
    for (name, found, bound, mismatch) in [
        ("min", &least, "ACCESSOR_ELEMENT_OUT_OF_MIN_BOUND", "ACCESSOR_MIN_MISMATCH"),
        ("max", &most, "ACCESSOR_ELEMENT_OUT_OF_MAX_BOUND", "ACCESSOR_MAX_MISMATCH"),
    ] {
        let declared = list(json, name);
        if declared.len() != width {
            continue;
        }
        for (at, (declared, &found)) in declared.iter().zip(found).enumerate() {
            let Some(mut declared) = declared.as_f64() else { continue };
            if values.component == Component::F32 {
                declared = f64::from(declared as f32);
            }
            if declared == found {
                continue;
            }
            links.found.below(name, |place| {
                let is_beyond = if name == "min" { found < declared } else { found > declared };
                if is_beyond {
                    place.add_at(at, bound, format!("numbers are beyond {declared}, up to {found}"));
                }
                place.add_at(at, mismatch, format!("{declared} is told, {found} is found"));
            });
        }
    }
}

impl Role {
    /// What is wrong, the first of each kind.
    fn wrong(self, values: &Values) -> Vec<(&'static str, String)> {
        if let Self::Indices { vertices, is_triangles } = self {
            return indices(values, vertices, is_triangles);
        }
        let (width, mut last) = (values.shape.width(), None);
        let mut issues: Vec<(&'static str, String)> = Vec::new();
        for (at, element) in values.elements().enumerate() {
            let mut add = |code: &'static str, message: String| {
                if issues.iter().all(|(known, _)| *known != code) {
                    issues.push((code, message));
                }
            };
            let length = |count: usize| element[..count].iter().map(|number| number * number).sum::<f64>().sqrt();
            let is_off = |length: f64, most: f64| (length - 1.0).abs() > most;
            match self {
                Self::Directions | Self::Tangents => {
                    if is_off(length(3), UNIT_3) {
                        let message = format!("element {at} has the length {}, not 1", length(3));
                        add("ACCESSOR_VECTOR3_NON_UNIT", message);
                    }
                    if matches!(self, Self::Tangents) && element[3].abs() != 1.0 {
                        add("ACCESSOR_INVALID_SIGN", format!("element {at} has the sign {}", element[3]));
                    }
                }
                Self::Colors => {
                    if !element[..width].iter().all(|part| (0.0..=1.0).contains(part)) {
                        add("ACCESSOR_NON_CLAMPED", format!("element {at} is not from 0 to 1"));
                    }
                }
                Self::Times => {
                    let time = element[0];
                    if time < 0.0 {
                        add("ACCESSOR_ANIMATION_INPUT_NEGATIVE", format!("time {at} is {time}"));
                        continue;
                    }
                    if let Some(before) =
                        last.replace(time).or((at > 0).then_some(0.0)).filter(|&before| time <= before)
                    {
                        let message = format!("time {at} is {time}, after {before}");
                        add("ACCESSOR_ANIMATION_INPUT_NON_INCREASING", message);
                    }
                }
                Self::Rotations { is_cubic } => {
                    if (!is_cubic || at % 3 == 1) && is_off(length(4), UNIT_4) {
                        let code = "ACCESSOR_ANIMATION_SAMPLER_OUTPUT_NON_NORMALIZED_QUATERNION";
                        add(code, format!("element {at} has the length {}, not 1", length(4)));
                    }
                }
                Self::InverseBind => {
                    if [element[3], element[7], element[11], element[15]] != [0.0, 0.0, 0.0, 1.0] {
                        let message = format!("matrix {at} has another last row than 0, 0, 0, 1");
                        add("ACCESSOR_INVALID_IBM", message);
                    }
                }
                Self::Indices { .. } => {}
            }
        }
        issues
    }
}

fn indices(values: &Values, vertices: Option<u64>, is_triangles: bool) -> Vec<(&'static str, String)> {
    let restart = match values.component {
        Component::U8 => 0xFF,
        Component::U16 => 0xFFFF,
        _ => 0xFFFF_FFFF,
    };
    let (mut triangle, mut degenerate) = ([0u64; 3], 0u64);
    let (mut beyond, mut restarts) = (None, None);
    for (at, index) in values.stored().map(|index| index as u64).enumerate() {
        if index == restart {
            restarts = restarts.or(Some(at));
        }
        if vertices.is_some_and(|vertices| index >= vertices) {
            beyond = beyond.or(Some((at, index)));
        }
        triangle[at % 3] = index;
        let [a, b, c] = triangle;
        degenerate += u64::from(is_triangles && at % 3 == 2 && (a == b || b == c || a == c));
    }
    let mut issues = Vec::new();
    if let Some((at, index)) = beyond {
        let message = format!("element {at} is {index}, of {} vertices", vertices.unwrap_or(0));
        issues.push(("ACCESSOR_INDEX_OOB", message));
    }
    if let Some(at) = restarts {
        let message = format!("element {at} has the value that restarts a strip");
        issues.push(("ACCESSOR_INDEX_PRIMITIVE_RESTART", message));
    }
    if degenerate > 0 {
        let message = format!("{degenerate} triangles have a corner twice");
        issues.push(("ACCESSOR_INDEX_TRIANGLE_DEGENERATE", message));
    }
    issues
}

/// Joints and weights of the meshes that have a skin.
fn influences(links: &mut Links<'_>, buffers: &[Bytes], room: &mut u64, cancel: &Cancel) -> Result<()> {
    let json = links.json;
    let meshes = list(json, "meshes");
    // The fewest joints that a mesh is skinned by.
    let mut joints = vec![None; meshes.len()];
    for node in list(json, "nodes") {
        let at = |name: &str| index_of(node, name).and_then(|at| usize::try_from(at).ok());
        let (Some(mesh), Some(skin)) = (at("mesh"), at("skin")) else { continue };
        let count = list(json, "skins").get(skin).map(|skin| list(skin, "joints").len()).filter(|&count| count > 0);
        if let (Some(own), Some(count)) = (joints.get_mut(mesh), count) {
            *own = Some(own.map_or(count, |own: usize| own.min(count)));
        }
    }
    for (mesh_at, mesh) in meshes.iter().enumerate() {
        let Some(count) = joints[mesh_at] else { continue };
        for (at, primitive) in list(mesh, "primitives").iter().enumerate() {
            cancel.check()?;
            let sets = meshes::sets_of_joints(primitive);
            let mut read = |kind: &str| -> Option<Vec<Values>> {
                let one = |set| {
                    values(
                        links,
                        buffers,
                        meshes::accessor_of(primitive, &format!("{kind}_{set}"))
                            .filter(|&at| at < links.accessors.len())?,
                        room,
                    )
                };
                (0..sets).map(one).map(|values| values.filter(|values| values.shape == Shape::Vec4)).collect()
            };
            let (Some(joints), Some(weights)) = (read("JOINTS"), read("WEIGHTS")) else { continue };
            let place = format!("/meshes/{mesh_at}/primitives/{at}/attributes");
            for (set, code, message) in skinning(&joints, &weights, count) {
                links.found.add_to(&format!("{place}/{set}"), code, message);
            }
        }
    }
    Ok(())
}

/// What is wrong first, of each kind, with the joints and weights of vertices.
fn skinning(joints: &[Values], weights: &[Values], count: usize) -> Vec<(String, &'static str, String)> {
    let mut issues: Vec<(String, &'static str, String)> = Vec::new();
    let mut add = |set: String, code: &'static str, message: String| {
        if !issues.iter().any(|(known, other, _)| *known == set && *other == code) {
            issues.push((set, code, message));
        }
    };
    let mut all: Vec<_> =
        joints.iter().zip(weights).map(|(joints, weights)| (joints.elements(), weights.elements())).collect();
    for vertex in 0u64.. {
        let (mut sum, mut used) = (0f32, Vec::with_capacity(8));
        let mut ended = all.is_empty();
        for (set, (joints, weights)) in all.iter_mut().enumerate() {
            let (Some(joints), Some(weights)) = (joints.next(), weights.next()) else {
                ended = true;
                break;
            };
            for (&joint, &weight) in joints[..4].iter().zip(&weights) {
                if joint >= count as f64 {
                    let message = format!("vertex {vertex} names joint {joint} of {count}");
                    add(format!("JOINTS_{set}"), "ACCESSOR_JOINTS_INDEX_OOB", message);
                } else if weight == 0.0 {
                    if joint != 0.0 {
                        let message = format!("vertex {vertex} names joint {joint} with a weight of 0");
                        add(format!("JOINTS_{set}"), "ACCESSOR_JOINTS_USED_ZERO_WEIGHT", message);
                    }
                } else {
                    let is_new = !used.contains(&joint);
                    if is_new {
                        used.push(joint);
                    } else {
                        let message = format!("vertex {vertex} names joint {joint} twice");
                        add(format!("JOINTS_{set}"), "ACCESSOR_JOINTS_INDEX_DUPLICATE", message);
                    }
                    if weight < 0.0 {
                        let message = format!("vertex {vertex} has a weight of {weight}");
                        add(format!("WEIGHTS_{set}"), "ACCESSOR_WEIGHTS_NEGATIVE", message);
                    } else if is_new {
                        sum = (f64::from(sum) + weight) as f32;
                    }
                }
            }
        }
        if ended {
            break;
        }
        // A step of 8 bits for each two weights beyond the first two.
        let steps = used.len().div_ceil(2) as f64 - 1.0;
        if (f64::from(sum) - 1.0).abs() > 0.003_921_6 * steps {
            for set in 0..joints.len() {
                let message = format!("the weights of vertex {vertex} are {sum} together, not 1");
                add(format!("WEIGHTS_{set}"), "ACCESSOR_WEIGHTS_NON_NORMALIZED", message);
            }
        }
    }
    issues
}
