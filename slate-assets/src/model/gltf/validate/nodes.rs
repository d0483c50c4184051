//! Nodes, skins and scenes, and the trees that they make.

use super::{
    data::{Role, UNIT_4},
    meshes::Mesh,
    schema::{Check, natural, whole},
    storage::{AccessorUsage, Format, Links, ViewUsage, index_of},
};
use crate::model::{gltf::list, values::Shape};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

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
        if (1.0 - length).abs() > UNIT_4 {
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
    let lights = count_of_lights(json);
    links.each("nodes", |links, at, node| {
        links.named(node, "camera", "cameras");
        links.named(node, "skin", "skins");
        if links.named(node, "mesh", "meshes").is_some()
            && let Some(mesh) = links.mesh_of(node).filter(|mesh| mesh.is_whole)
        {
            self::mesh(links, node, mesh);
        }
        light(links, node, lights);
        links.below("children", |links| {
            for (place, child) in list(node, "children").iter().enumerate() {
                let Some(child) = natural(child) else { continue };
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
    let mut ways = Ways::new(&parents);
    links.each("skins", |links, _, skin| skins.push(self::skin(links, skin, &mut ways, &mut joints)));
    let mut scenes = Vec::new();
    links.each("scenes", |links, _, scene| {
        let mut roots = HashSet::new();
        links.below("nodes", |links| {
            for (place, node) in list(scene, "nodes").iter().enumerate() {
                let Some(node) = natural(node) else { continue };
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
    let mut trees = Trees::new(&parents, skins, scenes);
    links.each("nodes", |links, at, node| {
        if in_loop[at] {
            links.found.add("NODE_LOOP", "the node is below itself");
        }
        if !joints[at] && !holds(links, node) {
            links.found.add("NODE_EMPTY", "the node holds nothing");
        }
        skinned(links, at, node, parents[at].is_none(), &mut trees);
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

fn mesh(links: &mut Links<'_>, node: &Value, mesh: Mesh) {
    let weights = list(node, "weights").len();
    if weights > 0 && mesh.morphs != Some(weights) {
        let message = format!("{weights} weights of {} morph targets", mesh.morphs.unwrap_or(0));
        links.found.add_at("weights", "NODE_WEIGHTS_INVALID", message);
    }
    let has_skin = index_of(node, "skin").is_some_and(|skin| list(links.json, "skins").len() as u64 > skin);
    if has_skin && !mesh.is_skinned {
        links.found.add("NODE_SKIN_WITH_NON_SKINNED_MESH", "the mesh of a node with a skin has no joints");
    } else if !has_skin && mesh.is_skinned {
        links.found.add("NODE_SKINNED_MESH_WITHOUT_SKIN", "the mesh has joints, and the node no skin");
    }
}

/// How many lights the document has; none where it has no such list.
fn count_of_lights(json: &Value) -> Option<usize> {
    let lights = list(json.pointer("/extensions/KHR_lights_punctual")?, "lights");
    Some(if lights.iter().all(Value::is_object) { lights.len() } else { 0 })
}

fn light(links: &mut Links<'_>, node: &Value, count: Option<usize>) {
    let Some(extension) = node.pointer("/extensions/KHR_lights_punctual") else { return };
    if !links.declares("KHR_lights_punctual") {
        return;
    }
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

/// Looks at a skin; gives the nearest node that all its joints are below.
fn skin(links: &mut Links<'_>, skin: &Value, ways: &mut Ways<'_>, joints: &mut [bool]) -> Option<usize> {
    ways.begin();
    links.below("joints", |links| {
        for (place, joint) in list(skin, "joints").iter().enumerate() {
            let Some(joint) = natural(joint) else { continue };
            let Some(joint) = links.entry(joint, "nodes", place) else { continue };
            joints[joint] = true;
            ways.add(joint);
        }
    });
    let roots = ways.common();
    let has_list = skin.get("joints").and_then(Value::as_array).is_some_and(|joints| !joints.is_empty());
    if has_list && roots.is_empty() {
        links.found.add_at("joints", "SKIN_NO_COMMON_ROOT", "no node is above all joints");
    }
    if let Some(accessor) = links.named(skin, "inverseBindMatrices", "accessors") {
        inverse_bind(links, accessor, list(skin, "joints").len() as u64);
    }
    if let Some(skeleton) = index_of(skin, "skeleton") {
        let there = (skeleton as usize) < joints.len();
        if !there {
            links.found.add_at("skeleton", "UNRESOLVED_REFERENCE", format!("nodes has no entry {skeleton}"));
        } else if !roots.contains(&(skeleton as usize)) {
            links.found.add_at("skeleton", "SKIN_SKELETON_INVALID", "it is not above all joints");
        }
    }
    roots.first().copied()
}

/// The ways up from the joints of a skin, each node walked once.
struct Ways<'a> {
    parents: &'a [Option<usize>],
    /// By node, the skin that it was walked for last, and how far up the first joint's way the node's own way meets it.
    walked: Vec<(u32, usize)>,
    skin: u32,
    /// The first joint's way, and from where on all ways are in it.
    first: Option<Vec<usize>>,
    shared: usize,
}

/// Of a way that doesn't meet the first one.
const NOWHERE: usize = usize::MAX;

impl<'a> Ways<'a> {
    fn new(parents: &'a [Option<usize>]) -> Self {
        Self { parents, walked: vec![(0, 0); parents.len()], skin: 0, first: None, shared: 0 }
    }

    /// Begins with the next skin.
    fn begin(&mut self) {
        (self.skin, self.first, self.shared) = (self.skin + 1, None, 0);
    }

    fn add(&mut self, joint: usize) {
        let (mut way, mut at, mut meets) = (Vec::new(), Some(joint), None);
        while let Some(node) = at.filter(|_| way.len() < DEPTH) {
            let (skin, place) = self.walked[node];
            if skin == self.skin {
                meets = Some(place);
                break;
            }
            self.walked[node] = (self.skin, if self.first.is_none() { way.len() } else { NOWHERE });
            way.push(node);
            at = self.parents[node];
        }
        if self.first.is_some() {
            let from = meets.unwrap_or(NOWHERE);
            way.into_iter().for_each(|node| self.walked[node].1 = from);
            self.shared = self.shared.max(from);
        } else {
            // Around a circle, each is above each.
            if let Some(begin) = meets {
                way[begin..].iter().for_each(|&node| self.walked[node].1 = begin);
            }
            self.first = Some(way);
        }
    }

    /// The nodes above all joints, the nearest first.
    fn common(&mut self) -> Vec<usize> {
        let mut way = self.first.take().unwrap_or_default();
        way.drain(..self.shared.min(way.len()));
        way
    }
}

fn inverse_bind(links: &mut Links<'_>, accessor: usize, joints: u64) {
    const NAME: &str = "inverseBindMatrices";
    links.use_accessor(accessor, AccessorUsage::InverseBindMatrices, NAME);
    if let Some(view) = links.view_of(accessor) {
        links.use_tight_view(view, ViewUsage::InverseBindMatrices, NAME, "SKIN_IBM_ACCESSOR_WITH_BYTESTRIDE");
    }
    let facts = links.accessors[accessor];
    if facts.format != Some(Format::floats(Shape::Mat4)) {
        links.found.add_at(NAME, "SKIN_IBM_INVALID_FORMAT", "these are MAT4 of floats");
    } else {
        links.give_role(accessor, Role::InverseBind, NAME);
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

/// The node at the top of each node's tree; none for those in a circle, and below one.
fn tops(parents: &[Option<usize>]) -> Vec<Option<usize>> {
    let mut tops = vec![None; parents.len()];
    let mut is_known = vec![false; parents.len()];
    for start in 0..parents.len() {
        let (mut way, mut at) = (Vec::new(), start);
        let top = loop {
            if std::mem::replace(&mut is_known[at], true) {
                break tops[at];
            }
            way.push(at);
            match parents[at] {
                Some(parent) => at = parent,
                None => break Some(at),
            }
        };
        way.into_iter().for_each(|node| tops[node] = top);
    }
    tops
}

/// Which trees are shown together.
struct Trees {
    tops: Vec<Option<usize>>,
    /// By skin, the top of its joints' tree.
    skins: Vec<Option<usize>>,
    /// By scene, its nodes; by node, its scenes.
    scenes: Vec<HashSet<usize>>,
    shown: HashMap<usize, Vec<usize>>,
    known: HashMap<(usize, usize), bool>,
}

impl Trees {
    fn new(parents: &[Option<usize>], skins: Vec<Option<usize>>, scenes: Vec<HashSet<usize>>) -> Self {
        let tops = tops(parents);
        let skins = skins.into_iter().map(|root| tops[root?]).collect();
        let mut shown: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, scene) in scenes.iter().enumerate() {
            scene.iter().for_each(|&node| shown.entry(node).or_default().push(at));
        }
        Self { tops, skins, scenes, shown, known: HashMap::new() }
    }

    /// Whether all scenes that show a node hold the joints of a skin.
    fn share_scenes(&mut self, node: usize, skin: usize) -> bool {
        let (Some(top), Some(joints)) = (self.tops[node], self.skins.get(skin).copied().flatten()) else { return true };
        let Self { scenes, shown, known, .. } = self;
        *known
            .entry((top, joints))
            .or_insert_with(|| shown.get(&top).into_iter().flatten().all(|&scene| scenes[scene].contains(&joints)))
    }
}

fn skinned(links: &mut Links<'_>, at: usize, node: &Value, is_root: bool, trees: &mut Trees) {
    let json = links.json;
    let skin = index_of(node, "skin").map(|skin| skin as usize).filter(|&skin| skin < list(json, "skins").len());
    let Some(skin) = skin else { return };
    if !is_root {
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
