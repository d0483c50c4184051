//! Animations, and what they move.

use super::{
    data::Role,
    storage::{AccessorUsage, Format, Links, ViewUsage, index_of},
};
use crate::model::{
    gltf::list,
    values::{Component, Shape},
};
use serde_json::Value;
use std::collections::HashMap;

pub(super) fn check(links: &mut Links<'_>) {
    links.each("animations", |links, _, animation| {
        let is_list = |name: &str| {
            let list = animation.get(name).and_then(Value::as_array);
            list.is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_object))
        };
        if !is_list("channels") || !is_list("samplers") {
            return;
        }
        let samplers = list(animation, "samplers");
        links.below("samplers", |links| {
            for (at, sampler) in samplers.iter().enumerate() {
                links.below(at, |links| self::sampler(links, sampler));
            }
        });
        let mut used = vec![false; samplers.len()];
        links.below("channels", |links| {
            for (at, channel) in list(animation, "channels").iter().enumerate() {
                links.below(at, |links| self::channel(links, channel, samplers, &mut used));
            }
            repeats(links, list(animation, "channels"));
        });
        for at in (0..used.len()).filter(|&at| !used[at]) {
            links.found.below("samplers", |found| found.add_at(at, "UNUSED_OBJECT", "no channel names it"));
        }
    });
}

fn sampler(links: &mut Links<'_>, sampler: &Value) {
    let is_cubic = interpolation(sampler) == Some("CUBICSPLINE");
    for (name, usage) in [("input", AccessorUsage::AnimationInput), ("output", AccessorUsage::AnimationOutput)] {
        let Some(accessor) = links.named(sampler, name, "accessors") else { continue };
        links.use_accessor(accessor, usage, name);
        if let Some(view) = links.view_of(accessor) {
            links.use_tight_view(view, ViewUsage::Other, name, "ANIMATION_SAMPLER_ACCESSOR_WITH_BYTESTRIDE");
        }
        if usage == AccessorUsage::AnimationInput {
            input(links, accessor, is_cubic);
        }
    }
}

fn interpolation(sampler: &Value) -> Option<&str> {
    sampler.get("interpolation").map_or(Some("LINEAR"), Value::as_str)
}

fn input(links: &mut Links<'_>, accessor: usize, is_cubic: bool) {
    let facts = links.accessors[accessor];
    if facts.format == Some(Format::floats(Shape::Scalar)) {
        links.give_role(accessor, Role::Times, "input");
    } else {
        let code = "ANIMATION_SAMPLER_INPUT_ACCESSOR_INVALID_FORMAT";
        links.found.add_at("input", code, "times are SCALARs of floats");
    }
    if !facts.has_bounds {
        let code = "ANIMATION_SAMPLER_INPUT_ACCESSOR_WITHOUT_BOUNDS";
        links.found.add_at("input", code, "an accessor of times has min and max");
    }
    if is_cubic && facts.count.is_some_and(|count| count < 2) {
        let code = "ANIMATION_SAMPLER_INPUT_ACCESSOR_TOO_FEW_ELEMENTS";
        links.found.add_at("input", code, "a spline has two keys at least");
    }
}

fn channel(links: &mut Links<'_>, channel: &Value, samplers: &[Value], used: &mut [bool]) {
    let target = channel.get("target").filter(|target| target.is_object());
    let path = target.and_then(|target| target.get("path")).and_then(Value::as_str);
    let json = links.json;
    let node = target.and_then(|target| {
        links.below("target", |links| {
            let node = &list(json, "nodes")[links.named(target, "node", "nodes")?];
            self::target(links, node, path);
            Some(node)
        })
    });
    if let Some(pointer) = target.filter(|_| links.declares("KHR_animation_pointer")) {
        self::pointer(links, pointer, path);
    }
    let Some(at) = index_of(channel, "sampler") else { return };
    let Some(sampler) = usize::try_from(at).ok().and_then(|at| samplers.get(at)) else {
        links.found.add_at("sampler", "UNRESOLVED_REFERENCE", format!("samplers has no entry {at}"));
        return;
    };
    used[at as usize] = true;
    let accessor = |name: &str| {
        let at = usize::try_from(index_of(sampler, name)?).ok()?;
        list(json, "accessors").get(at).filter(|accessor| accessor.is_object())?;
        Some((at, *links.accessors.get(at)?))
    };
    let (input, Some((at, output))) = (accessor("input"), accessor("output")) else { return };
    let (Some(path), Some(interpolation)) = (path, interpolation(sampler)) else { return };
    let is_cubic = interpolation == "CUBICSPLINE";
    if path == "rotation" && output.format.is_some_and(|format| format.shape == Shape::Vec4) {
        links.give_role(at, Role::Rotations { is_cubic }, "sampler");
    }
    let is_known = matches!(path, "translation" | "rotation" | "scale" | "weights");
    if is_known && !output.format.is_some_and(|format| allows(path, format)) {
        let code = "ANIMATION_SAMPLER_OUTPUT_ACCESSOR_INVALID_FORMAT";
        links.found.add_at("sampler", code, format!("{} can't be a {path}", Format::shown(output.format)));
    }
    let (Some(times), Some(count)) = (input.and_then(|(_, input)| input.count), output.count) else { return };
    let each = match path {
        "weights" => node.and_then(|node| links.mesh_of(node)?.morphs).unwrap_or(0) as u64,
        _ => 1,
    };
    let expected = times.saturating_mul(if is_cubic { 3 } else { 1 }).saturating_mul(each);
    if expected != 0 && expected != count && path != "pointer" {
        let message = format!("its output has {count} elements, where {expected} belong");
        links.found.add_at("sampler", "ANIMATION_SAMPLER_OUTPUT_ACCESSOR_INVALID_COUNT", message);
    }
}

fn target(links: &mut Links<'_>, node: &Value, path: Option<&str>) {
    match path {
        Some("translation" | "rotation" | "scale") => {
            if node.get("matrix").is_some_and(Value::is_array) {
                let message = "the node has a matrix, whose parts can't be moved";
                links.found.add("ANIMATION_CHANNEL_TARGET_NODE_MATRIX", message);
            }
            let skin = index_of(node, "skin").filter(|&skin| skin < list(links.json, "skins").len() as u64);
            if skin.is_some() {
                let message = "the place of a node does not move its skinned mesh";
                links.found.add_at("path", "ANIMATION_CHANNEL_TARGET_NODE_SKIN", message);
            }
        }
        Some("weights") if links.mesh_of(node).and_then(|mesh| mesh.morphs).is_none() => {
            let message = "the node's mesh has no morph targets";
            links.found.add("ANIMATION_CHANNEL_TARGET_NODE_WEIGHTS_NO_MORPHS", message);
        }
        _ => {}
    }
}

/// Rules of `KHR_animation_pointer`.
fn pointer(links: &mut Links<'_>, target: &Value, path: Option<&str>) {
    if target.pointer("/extensions/KHR_animation_pointer").is_none() {
        return;
    }
    let len = links.found.enter("target");
    links.found.enter("extensions");
    if target.get("node").is_some() {
        let code = "KHR_ANIMATION_POINTER_ANIMATION_CHANNEL_TARGET_NODE";
        links.found.add_at("KHR_animation_pointer", code, "a target by a pointer has no node");
    }
    if path.is_some_and(|path| path != "pointer") {
        let code = "KHR_ANIMATION_POINTER_ANIMATION_CHANNEL_TARGET_PATH";
        links.found.add_at("KHR_animation_pointer", code, "the path of such a target is pointer");
    }
    links.found.leave(len);
}

fn allows(path: &str, format: Format) -> bool {
    let Format { shape, component, normalized } = format;
    let is_float = component == Component::F32 && !normalized;
    let is_small = normalized && matches!(component, Component::I8 | Component::U8 | Component::I16 | Component::U16);
    match path {
        "translation" | "scale" => shape == Shape::Vec3 && is_float,
        "rotation" => shape == Shape::Vec4 && (is_float || is_small),
        "weights" => shape == Shape::Scalar && (is_float || is_small),
        _ => true,
    }
}

/// Channels whose target another one has, too.
fn repeats(links: &mut Links<'_>, channels: &[Value]) {
    let mut later: HashMap<(u64, &str), usize> = HashMap::new();
    for (at, channel) in channels.iter().enumerate().rev() {
        let Some(target) = channel.get("target") else { continue };
        let (Some(node), Some(path)) = (index_of(target, "node"), target.get("path").and_then(Value::as_str)) else {
            continue;
        };
        if let Some(other) = later.insert((node, path), at) {
            links.found.below(at, |found| {
                let message = format!("channel {other} moves the same");
                found.add_at("target", "ANIMATION_DUPLICATE_TARGETS", message);
            });
        }
    }
}
