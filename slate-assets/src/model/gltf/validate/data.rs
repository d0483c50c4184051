//! The numbers that accessors lead to.

use super::{
    meshes::{self, Semantic},
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
#[derive(Clone, Copy)]
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
const UNIT_4: f64 = 0.00769;

pub(super) fn check(links: &mut Links<'_>, limits: &AssetLimits, cancel: &Cancel) -> Result<()> {
    let mut room = limits.decoded_bytes;
    let buffers: Vec<Bytes> = links.buffers.iter().map(|buffer| buffer.clone().unwrap_or_default()).collect();
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
        for (role, place) in own {
            cancel.check()?;
            if let Some((code, message)) = role.wrong(&values) {
                links.found.add_to(&place, code, message);
            }
        }
    }
    influences(links, &buffers, &mut room, cancel)
}

/// The numbers of an accessor that has some, where they are there and in order.
fn values(links: &Links<'_>, buffers: &[Bytes], at: usize, room: &mut u64) -> Option<Values> {
    let Accessor { format: Some(_), count: Some(_), .. } = links.accessors[at] else { return None };
    let json = &list(links.json, "accessors")[at];
    if json.get("bufferView").is_none() && json.get("sparse").is_none() {
        return None;
    }
    accessor::dense(links.json, buffers, at, room).ok()
}

/// Finite numbers, within the accessor's own bounds.
fn numbers(links: &mut Links<'_>, json: &Value, values: &Values) {
    let width = values.shape.width();
    let (mut least, mut most) = (vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width]);
    let mut wrong = 0u64;
    for (at, number) in values.stored().enumerate() {
        let component = at % width;
        if number.is_finite() {
            least[component] = least[component].min(number);
            most[component] = most[component].max(number);
        } else {
            wrong += 1;
        }
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
            let Some(mut declared) = declared.as_f64().filter(|_| found.is_finite()) else { continue };
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
    /// The first thing that is wrong.
    fn wrong(self, values: &Values) -> Option<(&'static str, String)> {
        let (elements, width) = (|| values.elements(), values.shape.width());
        let is_off = |vector: &[f64], most: f64| {
            let length = vector.iter().map(|number| number * number).sum::<f64>().sqrt();
            ((length - 1.0).abs() > most).then_some(length)
        };
        match self {
            Self::Directions => elements().enumerate().find_map(|(at, vector)| {
                let length = is_off(&vector[..3], UNIT_3)?;
                Some(("ACCESSOR_VECTOR3_NON_UNIT", format!("element {at} has the length {length}, not 1")))
            }),
            Self::Tangents => elements().enumerate().find_map(|(at, vector)| {
                if let Some(length) = is_off(&vector[..3], UNIT_3) {
                    return Some(("ACCESSOR_VECTOR3_NON_UNIT", format!("element {at} has the length {length}, not 1")));
                }
                let is_sign = vector[3].abs() == 1.0;
                (!is_sign).then(|| ("ACCESSOR_INVALID_SIGN", format!("element {at} has the sign {}", vector[3])))
            }),
            Self::Colors => elements().enumerate().find_map(|(at, color)| {
                let is_in = color[..width].iter().all(|part| (0.0..=1.0).contains(part));
                (!is_in).then(|| ("ACCESSOR_NON_CLAMPED", format!("element {at} is not from 0 to 1")))
            }),
            Self::Times => {
                let mut last = f64::NEG_INFINITY;
                elements().enumerate().find_map(|(at, time)| {
                    let before = std::mem::replace(&mut last, time[0]);
                    if time[0] < 0.0 {
                        return Some(("ACCESSOR_ANIMATION_INPUT_NEGATIVE", format!("time {at} is {}", time[0])));
                    }
                    let message = || format!("time {at} is {}, after {before}", time[0]);
                    (time[0] <= before).then(|| ("ACCESSOR_ANIMATION_INPUT_NON_INCREASING", message()))
                })
            }
            Self::Rotations { is_cubic } => {
                elements().enumerate().filter(|(at, _)| !is_cubic || at % 3 == 1).find_map(|(at, turn)| {
                    let length = is_off(&turn[..4], UNIT_4)?;
                    let code = "ACCESSOR_ANIMATION_SAMPLER_OUTPUT_NON_NORMALIZED_QUATERNION";
                    Some((code, format!("element {at} has the length {length}, not 1")))
                })
            }
            Self::InverseBind => elements().enumerate().find_map(|(at, matrix)| {
                let is_right = [3, 7, 11].iter().all(|&at| matrix[at] == 0.0) && matrix[15] == 1.0;
                (!is_right)
                    .then(|| ("ACCESSOR_INVALID_IBM", format!("matrix {at} has another last row than 0, 0, 0, 1")))
            }),
            Self::Indices { vertices, is_triangles } => indices(values, vertices, is_triangles),
        }
    }
}

fn indices(values: &Values, vertices: Option<u64>, is_triangles: bool) -> Option<(&'static str, String)> {
    let restart = match values.component {
        Component::U8 => 0xFF,
        Component::U16 => 0xFFFF,
        _ => 0xFFFF_FFFF,
    };
    let (mut triangle, mut degenerate) = ([0u64; 3], 0u64);
    for (at, index) in values.stored().map(|index| index as u64).enumerate() {
        if vertices.is_some_and(|vertices| index >= vertices) && index != restart {
            let message = format!("element {at} is {index}, of {} vertices", vertices.unwrap_or(0));
            return Some(("ACCESSOR_INDEX_OOB", message));
        }
        if index == restart {
            let message = format!("element {at} has the value that restarts a strip");
            return Some(("ACCESSOR_INDEX_PRIMITIVE_RESTART", message));
        }
        triangle[at % 3] = index;
        let [a, b, c] = triangle;
        degenerate += u64::from(is_triangles && at % 3 == 2 && (a == b || b == c || a == c));
    }
    let message = || format!("{degenerate} triangles have a corner twice");
    (degenerate > 0).then(|| ("ACCESSOR_INDEX_TRIANGLE_DEGENERATE", message()))
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
            let Some(names) = primitive.get("attributes").and_then(Value::as_object) else { continue };
            let sets = names.keys().filter(|name| matches!(Semantic::of(name), Some(Semantic::Joints(_)))).count();
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
