//! Nodes, skins and scenes, and the trees that they make.

use super::{
    data::Role,
    meshes,
    schema::{Check, natural, whole},
    storage::{AccessorUsage, Format, Links, ViewUsage, index_of},
};
use crate::model::{gltf::list, values::Shape};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// A turn's length may be off by this much: what 8 bits can't tell.
const UNIT: f64 = 0.00769;

/// Nodes below one another that are followed.
const DEPTH: usize = 4096;

/// Rules of one node by itself.
pub(super) fn transform(node: &Map<String, Value>, check: &mut Check<'_>) {
    let numbers = |name: &str, count: usize| -> Option<Vec<f64>> {
        let list = node.get(name)?.as_array().filter(|list| list.len() == count)?;
        list.iter().map(Value::as_f64).collect()
    };
    if let Some(turn) = numbers("rotation", 4).filter(|turn| turn.iter().all(|number| number.abs() <= 1.0)) {
        let length = turn.iter().map(|number| number * number).sum::<f64>().sqrt();
        if (1.0 - length).abs() > UNIT {
            check.found.add_at("rotation", "ROTATION_NON_UNIT", format!("its length is {length}, not 1"));
        }
    }
    let has_index = |name: &str| node.get(name).and_then(whole).is_some_and(|index| index >= 0);
    if !has_index("mesh") {
        if has_index("skin") {
            check.found.add_at("skin", "UNSATISFIED_DEPENDENCY", "mesh has to be there");
        }
        let weights = node.get("weights").and_then(Value::as_array);
        if weights.is_some_and(|weights| !weights.is_empty() && weights.iter().all(Value::is_number)) {
            check.found.add_at("weights", "UNSATISFIED_DEPENDENCY", "mesh has to be there");
        }
    }
    let Some(matrix) = numbers("matrix", 16) else { return };
    let has_parts =
        numbers("translation", 3).is_some() || numbers("rotation", 4).is_some() || numbers("scale", 3).is_some();
    if has_parts {
        let message = "a node has either a matrix, or a translation, rotation and scale";
        check.found.add_at("matrix", "NODE_MATRIX_TRS", message);
    }
    if matrix.iter().enumerate().all(|(at, number)| *number == f64::from(u8::from(at % 5 == 0))) {
        check.found.add_at("matrix", "NODE_MATRIX_DEFAULT", "it changes nothing");
    } else if !is_decomposable(&matrix) {
        let message = "a matrix has to be a translation, rotation and scale";
        check.found.add_at("matrix", "NODE_MATRIX_NON_TRS", message);
    }
}

/// Whether a matrix, by columns, is a translation, a rotation and a scale.
fn is_decomposable(matrix: &[f64]) -> bool {
    if [matrix[3], matrix[7], matrix[11], matrix[15]] != [0.0, 0.0, 0.0, 1.0] {
        return false;
    }
    let column = |at: usize| [matrix[at], matrix[at + 1], matrix[at + 2]];
    let columns = [column(0), column(4), column(8)];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let lengths = columns.map(|column| dot(column, column).sqrt());
    if lengths.iter().any(|length| *length == 0.0 || !length.is_finite()) {
        return false;
    }
    // Columns that are no right angles to one another are sheared.
    [(0, 1), (0, 2), (1, 2)]
        .iter()
        .all(|&(a, b)| (dot(columns[a], columns[b]) / (lengths[a] * lengths[b])).abs() < 0.001)
}

pub(super) fn check(links: &mut Links<'_>) {
    let json = links.json;
    let nodes = list(json, "nodes");
    let mut parents: Vec<Option<usize>> = vec![None; nodes.len()];
    links.each("nodes", |links, at, node| {
        links.named(node, "camera", "cameras");
        links.named(node, "skin", "skins");
        if let Some(mesh) = links.named(node, "mesh", "meshes") {
            self::mesh(links, node, &list(json, "meshes")[mesh]);
        }
        light(links, node);
        links.below("children", |links| {
            for (place, child) in list(node, "children").iter().enumerate() {
                let Some(child) = index(child) else { continue };
                let Some(child) = links.entry(child, "nodes", place) else { continue };
                if parents[child].replace(at).is_some() {
                    let message = format!("node {child} has another parent, too");
                    links.found.add_at(place, "NODE_PARENT_OVERRIDE", message);
                }
            }
        });
    });
    let mut joints = vec![false; nodes.len()];
    let mut skins = Vec::new();
    links.each("skins", |links, _, skin| skins.push(self::skin(links, skin, &parents, &mut joints)));
    let mut scenes = Vec::new();
    links.each("scenes", |links, _, scene| {
        let mut roots = HashSet::new();
        links.below("nodes", |links| {
            for (place, node) in list(scene, "nodes").iter().enumerate() {
                let Some(node) = index(node) else { continue };
                let Some(node) = links.entry(node, "nodes", place) else { continue };
                roots.insert(node);
                if parents[node].is_some() {
                    let message = format!("node {node} is below another one");
                    links.found.add_at(place, "SCENE_NON_ROOT_NODE", message);
                }
            }
        });
        scenes.push(roots);
    });
    if let Some(scene) = index_of(json, "scene")
        && scene as usize >= list(json, "scenes").len()
    {
        links.found.add_at("scene", "UNRESOLVED_REFERENCE", format!("scenes has no entry {scene}"));
    }
    let in_loop = loops(&parents);
    let mut trees = Trees { parents: &parents, skins: &skins, scenes: &scenes, known: HashMap::new() };
    links.each("nodes", |links, at, node| {
        if in_loop[at] {
            links.found.add("NODE_LOOP", "the node is below itself");
        }
        if !joints[at] && !holds(links, node) {
            links.found.add("NODE_EMPTY", "the node holds nothing");
        }
        skinned(links, at, node, &mut trees);
    });
}

/// Whether the node shows, holds or means something.
fn holds(links: &Links<'_>, node: &Value) -> bool {
    let names = |name: &str, list_name: &str| {
        let index = index_of(node, name).and_then(|index| usize::try_from(index).ok());
        index.is_some_and(|index| list(links.json, list_name).get(index).is_some_and(Value::is_object))
    };
    let has_extension = node.get("extensions").and_then(Value::as_object).is_some_and(|all| !all.is_empty());
    let has_extras = node.get("extras").is_some_and(|extras| !extras.is_null());
    names("mesh", "meshes")
        || names("camera", "cameras")
        || !list(node, "children").is_empty()
        || has_extension
        || has_extras
}

fn index(value: &Value) -> Option<u64> {
    natural(value)
}

fn mesh(links: &mut Links<'_>, node: &Value, mesh: &Value) {
    let primitives = list(mesh, "primitives");
    if primitives.is_empty() || !primitives.iter().all(Value::is_object) {
        return;
    }
    let weights = list(node, "weights").len();
    if weights > 0 && meshes::morphs(mesh) != Some(weights) {
        let message = format!("{weights} weights of {} morph targets", meshes::morphs(mesh).unwrap_or(0));
        links.found.add_at("weights", "NODE_WEIGHTS_INVALID", message);
    }
    let has_skin = index_of(node, "skin").is_some_and(|skin| list(links.json, "skins").len() as u64 > skin);
    if has_skin && meshes::joints(mesh).all(|count| count == 0) {
        links.found.add("NODE_SKIN_WITH_NON_SKINNED_MESH", "the mesh of a node with a skin has no joints");
    } else if !has_skin && meshes::joints(mesh).any(|count| count > 0) {
        links.found.add("NODE_SKINNED_MESH_WITHOUT_SKIN", "the mesh has joints, and the node no skin");
    }
}

fn light(links: &mut Links<'_>, node: &Value) {
    let Some(extension) = node.pointer("/extensions/KHR_lights_punctual") else { return };
    if !links.declares("KHR_lights_punctual") {
        return;
    }
    let root = links.json.pointer("/extensions/KHR_lights_punctual");
    let count = root.map(|root| {
        let lights = list(root, "lights");
        if lights.iter().all(Value::is_object) { lights.len() } else { 0 }
    });
    if let Some(light) = index_of(extension, "light").and_then(|light| usize::try_from(light).ok()) {
        links.lights.insert(light);
    }
    links.found.below("extensions", |found| match (count, index_of(extension, "light")) {
        (None, _) => found.add_at("KHR_lights_punctual", "UNSATISFIED_DEPENDENCY", "the document has no lights"),
        (Some(count), Some(light)) if light >= count as u64 => found.below("KHR_lights_punctual", |found| {
            found.add_at("light", "UNRESOLVED_REFERENCE", format!("there is no light {light}"));
        }),
        _ => {}
    });
}

/// Looks at a skin; gives the nodes that all its joints are below, the nearest first.
fn skin(links: &mut Links<'_>, skin: &Value, parents: &[Option<usize>], joints: &mut [bool]) -> Vec<usize> {
    let mut roots: Option<Vec<usize>> = None;
    let mut count = 0;
    links.below("joints", |links| {
        // How far up the first joint's way each node is that was walked.
        let mut walked: HashMap<usize, usize> = HashMap::new();
        for (place, joint) in list(skin, "joints").iter().enumerate() {
            let Some(joint) = index(joint) else { continue };
            let Some(joint) = links.entry(joint, "nodes", place) else { continue };
            joints[joint] = true;
            count += 1;
            let (mut way, mut at, mut meets) = (Vec::new(), Some(joint), None);
            while let Some(node) = at.filter(|_| way.len() < DEPTH) {
                meets = walked.get(&node).copied();
                if meets.is_some() {
                    break;
                }
                // Before all joints are known, a node's place is where the first joint's way has it.
                walked.insert(node, if roots.is_none() { way.len() } else { usize::MAX });
                way.push(node);
                at = parents[node];
            }
            match &mut roots {
                None => {
                    // Around a circle, each is above each.
                    if let Some(begin) = meets {
                        way[begin..].iter().for_each(|&node| _ = walked.insert(node, begin));
                    }
                    roots = Some(way);
                }
                Some(roots) => {
                    let from = meets.unwrap_or(usize::MAX);
                    way.into_iter().for_each(|node| _ = walked.insert(node, from));
                    // What is nearer than where they meet is not above all.
                    let gone = roots.iter().filter(|root| walked[root] < from).count();
                    roots.drain(..gone);
                }
            }
        }
    });
    let has_list = skin.get("joints").and_then(Value::as_array).is_some_and(|joints| !joints.is_empty());
    if has_list && roots.as_ref().is_none_or(Vec::is_empty) {
        links.found.add_at("joints", "SKIN_NO_COMMON_ROOT", "no node is above all joints");
    }
    let roots = roots.unwrap_or_default();
    if let Some(accessor) = links.named(skin, "inverseBindMatrices", "accessors") {
        inverse_bind(links, accessor, list(skin, "joints").len() as u64);
    }
    if let Some(skeleton) = index_of(skin, "skeleton") {
        let there = (skeleton as usize) < parents.len();
        if !there {
            links.found.add_at("skeleton", "UNRESOLVED_REFERENCE", format!("nodes has no entry {skeleton}"));
        } else if !roots.contains(&(skeleton as usize)) {
            links.found.add_at("skeleton", "SKIN_SKELETON_INVALID", "it is not above all joints");
        }
    }
    roots
}

fn inverse_bind(links: &mut Links<'_>, accessor: usize, joints: u64) {
    const NAME: &str = "inverseBindMatrices";
    links.use_accessor(accessor, AccessorUsage::InverseBindMatrices, NAME);
    if let Some(view) = links.view_of(accessor) {
        links.use_view(view, ViewUsage::InverseBindMatrices, NAME);
        if links.views[view].stride.is_some() {
            let message = "these matrices have no stride";
            links.found.add_at(NAME, "SKIN_IBM_ACCESSOR_WITH_BYTESTRIDE", message);
        }
    }
    let facts = links.accessors[accessor];
    if facts.format != Some(Format::floats(Shape::Mat4)) {
        links.found.add_at(NAME, "SKIN_IBM_INVALID_FORMAT", "these are MAT4 of floats");
    } else {
        let place = links.below(NAME, |links| links.found.place());
        links.roles.push((accessor, Role::InverseBind, place));
    }
    if facts.count.is_some_and(|count| count < joints) {
        let message = format!("{} matrices of {joints} joints", facts.count.unwrap_or(0));
        links.found.add_at(NAME, "INVALID_IBM_ACCESSOR_COUNT", message);
    }
}

/// Which nodes are below themselves.
fn loops(parents: &[Option<usize>]) -> Vec<bool> {
    let mut in_loop = vec![false; parents.len()];
    // The walk that came to a node first, from 1 up.
    let mut seen = vec![0usize; parents.len()];
    for start in 0..parents.len() {
        let mut at = Some(start);
        while let Some(node) = at.filter(|&node| seen[node] == 0) {
            seen[node] = start + 1;
            at = parents[node];
        }
        // A walk that meets itself is in a circle.
        let mut around = at.filter(|&node| seen[node] == start + 1);
        while let Some(node) = around.filter(|&node| !in_loop[node]) {
            in_loop[node] = true;
            around = parents[node];
        }
    }
    in_loop
}

struct Trees<'a> {
    parents: &'a [Option<usize>],
    /// By skin, the nodes above all its joints.
    skins: &'a [Vec<usize>],
    /// By scene, its nodes.
    scenes: &'a [HashSet<usize>],
    /// Whether the joints of a skin are in all scenes of a root, by root and skin.
    known: HashMap<(usize, usize), bool>,
}

impl Trees<'_> {
    fn root(&self, mut node: usize) -> Option<usize> {
        for _ in 0..DEPTH {
            match self.parents[node] {
                Some(parent) => node = parent,
                None => return Some(node),
            }
        }
        None
    }

    fn share_scenes(&mut self, node: usize, skin: usize) -> bool {
        let (Some(root), Some(above)) = (self.root(node), self.skins.get(skin)) else { return true };
        if above.is_empty() {
            return true;
        }
        let has = |scene: &HashSet<usize>| !scene.contains(&root) || above.iter().any(|node| scene.contains(node));
        *self.known.entry((root, skin)).or_insert_with(|| self.scenes.iter().all(has))
    }
}

fn skinned(links: &mut Links<'_>, at: usize, node: &Value, trees: &mut Trees<'_>) {
    let json = links.json;
    let skin = index_of(node, "skin").map(|skin| skin as usize).filter(|&skin| skin < list(json, "skins").len());
    let Some(skin) = skin else { return };
    if trees.parents[at].is_some() {
        links.found.add("NODE_SKINNED_MESH_NON_ROOT", "what is above it does not move a skinned mesh");
    }
    let is = |name: &str, default: &[f64]| {
        node.get(name).and_then(Value::as_array).is_none_or(|list| {
            list.len() == default.len() && list.iter().zip(default).all(|(own, default)| own.as_f64() == Some(*default))
        })
    };
    let identity: [f64; 16] = std::array::from_fn(|at| f64::from(u8::from(at % 5 == 0)));
    let is_plain = is("translation", &[0.0; 3]) && is("rotation", &identity[12..]) && is("scale", &[1.0; 3]);
    if !is_plain || !is("matrix", &identity) {
        links.found.add("NODE_SKINNED_MESH_LOCAL_TRANSFORMS", "its own place does not move a skinned mesh");
    }
    if !trees.share_scenes(at, skin) {
        links.found.add("NODE_SKIN_NO_SCENE", "a scene that shows it does not hold its joints");
    }
}
