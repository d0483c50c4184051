//! Nodes brought nearer to how they are drawn: lifted, joined, drawn as copies.
//!
//! What anything moves, bends or names by itself stays where it is.

use super::super::{
    ir::{Attributes, Mesh, Model, Node, Primitive, Transform, attribute},
    space::{self, Matrix},
    turn,
    values::{Component, Shape, Values},
};
use slate_core::{
    Result,
    asset::{AssetLimits, ModelSteps, Report, Work},
};
use std::collections::{BTreeMap, BTreeSet};

/// Takes the steps `flatten`, `join` and `instance`, as far as they are asked for. A model with several scenes stays as it
/// is: nodes may be in more than one.
pub(super) fn run(model: &mut Model, steps: &ModelSteps, work: &Work<'_>, report: &mut Report) -> Result<()> {
    if model.scenes.len() != 1 || !(steps.flatten || steps.join || steps.instance) {
        return Ok(());
    }
    let still = still(model);
    let mut gone = vec![false; model.nodes.len()];
    if steps.flatten {
        report.insert("liftedNodes".into(), flatten(model, &still).into());
    }
    if steps.join {
        report.insert("joinedNodes".into(), join(model, &still, steps.instance, &mut gone, work)?.into());
    }
    if steps.instance {
        report.insert("instancedNodes".into(), instance(model, &still, &mut gone).into());
    }
    gone.resize(model.nodes.len(), false);
    report.insert("emptyNodes".into(), drop_empty(model, &still, gone).into());
    Ok(())
}

/// Whether each node stays where it is below its parent, and nothing but its parent counts on it.
fn still(model: &Model) -> Vec<bool> {
    let mut still = vec![true; model.nodes.len()];
    let hold = |node: Option<&mut bool>| node.into_iter().for_each(|still| *still = false);
    for skin in &model.skins {
        skin.joints.iter().chain(&skin.skeleton).for_each(|&joint| hold(still.get_mut(joint)));
    }
    for channel in model.animations.iter().flat_map(|animation| &animation.channels) {
        channel.node.into_iter().for_each(|node| hold(still.get_mut(node)));
    }
    for (at, node) in model.nodes.iter().enumerate() {
        node.lods.iter().for_each(|&lod| hold(still.get_mut(lod)));
        // What is hidden hides what is below it.
        let hidden = node.rest.get("extensions").is_some_and(|all| all.get("KHR_node_visibility").is_some());
        if !node.lods.is_empty() || node.skin.is_some() || hidden {
            hold(still.get_mut(at));
        }
    }
    still
}

/// Whether a node has nothing that is told of it alone.
fn is_plain(node: &Node) -> bool {
    node.rest.keys().all(|name| name == "name") && node.camera.is_none()
}

/// Makes nodes that nothing above them moves roots of the scene; gives how many. Below them all stays as it is.
fn flatten(model: &mut Model, still: &[bool]) -> usize {
    let roots: BTreeSet<usize> = model.scenes[0].nodes.iter().copied().collect();
    let bones = above_joints(model);
    let mut lifted = Vec::new();
    let identity = Transform::IDENTITY.matrix();
    let mut open: Vec<(usize, Matrix)> = model.scenes[0].nodes.iter().rev().map(|&root| (root, identity)).collect();
    while let Some((at, above)) = open.pop() {
        // A node that moves, moves what is below it.
        if !still[at] {
            continue;
        }
        let world = space::product(&above, &model.nodes[at].transform.matrix());
        let below: Vec<usize> = model.nodes[at].children.iter().copied().filter(|&child| still[child]).collect();
        open.extend(below.into_iter().rev().map(|child| (child, world)));
        if !roots.contains(&at) && !bones.contains(&at) {
            lifted.push((at, world));
        }
    }
    let is_lifted: BTreeSet<usize> = lifted.iter().map(|(at, _)| *at).collect();
    for node in &mut model.nodes {
        node.children.retain(|child| !is_lifted.contains(child));
    }
    for (at, world) in &lifted {
        model.nodes[*at].transform = simplest(world);
        model.scenes[0].nodes.push(*at);
    }
    lifted.len()
}

/// The nodes that have joints below: joints of a skin share a root.
fn above_joints(model: &Model) -> BTreeSet<usize> {
    let nodes = model.nodes.iter().enumerate();
    let parents: BTreeMap<usize, usize> =
        nodes.flat_map(|(at, node)| node.children.iter().map(move |&child| (child, at))).collect();
    let mut above = BTreeSet::new();
    for joint in model.skins.iter().flat_map(|skin| &skin.joints) {
        let mut at = *joint;
        while let Some(&parent) = parents.get(&at) {
            if !above.insert(parent) {
                break;
            }
            at = parent;
        }
    }
    above
}

/// The parts of a matrix where they say all of it.
fn simplest(matrix: &Matrix) -> Transform {
    let (translation, rotation, scale, sheared) = turn::parts(matrix);
    if sheared {
        return Transform::Matrix(*matrix);
    }
    let small = |number: f64| number as f32;
    Transform::Parts { translation: translation.map(small), rotation: rotation.map(small), scale: scale.map(small) }
}

/// Meshes that nothing moves become one, in the world's place; gives how many nodes showed them.
///
/// Those with morph targets, extensions or extras of their own, blended materials, or lines and points stay; and those
/// that are shown more than once, where copies are to be drawn as such.
fn join(model: &mut Model, still: &[bool], spare_copies: bool, gone: &mut [bool], work: &Work<'_>) -> Result<usize> {
    let mut shown = BTreeMap::new();
    model.nodes.iter().filter_map(|node| node.mesh).for_each(|mesh| *shown.entry(mesh).or_insert(0usize) += 1);
    let blended = |part: &Primitive| {
        let material = part.material.and_then(|at| model.materials.get(at));
        material.is_some_and(|material| material.get("alphaMode") == Some(&"BLEND".into()))
    };
    let fits = |mesh: &Mesh| {
        mesh.rest.keys().all(|name| name == "name")
            && mesh.primitives.iter().all(|part| {
                let whole = part.mode == Primitive::TRIANGLES && part.targets.is_empty() && part.rest.is_empty();
                whole && !blended(part) && attribute(&part.attributes, "POSITION").is_some()
            })
    };
    let mut chosen = Vec::new();
    let identity = Transform::IDENTITY.matrix();
    let mut open: Vec<(usize, Matrix)> = model.scenes[0].nodes.iter().rev().map(|&root| (root, identity)).collect();
    while let Some((at, above)) = open.pop() {
        if !still[at] {
            continue;
        }
        let node = &model.nodes[at];
        let world = space::product(&above, &node.transform.matrix());
        open.extend(node.children.iter().rev().map(|&child| (child, world)));
        let alone = |mesh: usize| !(spare_copies && shown.get(&mesh).is_some_and(|&count| count > 1));
        if let Some(mesh) = node.mesh.filter(|&mesh| alone(mesh) && fits(&model.meshes[mesh]))
            && is_plain(node)
            && node.instances.is_empty()
            && space::volume(&world) != 0.0
        {
            chosen.push((at, mesh, world));
        }
    }
    if chosen.len() < 2 {
        return Ok(0);
    }
    let parts =
        || chosen.iter().flat_map(|(_, mesh, world)| model.meshes[*mesh].primitives.iter().map(move |p| (p, world)));
    let vertices: usize = parts().map(|(part, _)| part.vertices()).sum();
    AssetLimits::check("the model's number of vertices", vertices as u64, work.limits.vertices)?;
    // A part for each material and set of attributes, in the order in which they come first.
    let mut kinds: Vec<(Kind, Vec<(&Primitive, &Matrix)>)> = Vec::new();
    for (part, world) in parts() {
        work.cancel.check()?;
        let kind = kind(part);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, parts)) => parts.push((part, world)),
            None => kinds.push((kind, vec![(part, world)])),
        }
    }
    let primitives = kinds.iter().map(|(_, parts)| joined(parts)).collect();
    let mut mesh = Mesh { primitives, ..Mesh::default() };
    mesh.rest.insert("name".into(), "joined".into());
    model.meshes.push(mesh);
    for (at, ..) in &chosen {
        model.nodes[*at].mesh = None;
        gone[*at] = true;
    }
    model.scenes[0].nodes.push(model.nodes.len());
    model.nodes.push(Node { mesh: Some(model.meshes.len() - 1), ..Node::named("joined") });
    Ok(chosen.len())
}

/// What primitives have to have alike to become one: the material, and the types of all attributes.
type Kind = (Option<usize>, Vec<(String, Shape, Component, bool)>);

fn kind(part: &Primitive) -> Kind {
    let types = part.attributes.iter().map(|(name, values)| {
        // These are made anew, as floats.
        let component = if turned(name) { Component::F32 } else { values.component };
        (name.clone(), values.shape, component, values.normalized && !turned(name))
    });
    (part.material, types.collect())
}

fn turned(name: &str) -> bool {
    matches!(name, "POSITION" | "NORMAL" | "TANGENT")
}

fn joined(parts: &[(&Primitive, &Matrix)]) -> Primitive {
    let mut indices: Vec<u32> = Vec::new();
    let mut first = 0u32;
    for (part, world) in parts {
        let mirrored = space::volume(world) < 0.0;
        part.each_triangle(|[a, b, c]| {
            let corners = if mirrored { [a, c, b] } else { [a, b, c] };
            indices.extend(corners.map(|corner| corner + first));
        });
        first += part.vertices() as u32;
    }
    let (whole, _) = parts[0];
    let mut attributes = Attributes::new();
    for (name, like) in &whole.attributes {
        let own = parts.iter().filter_map(|(part, world)| Some((attribute(&part.attributes, name)?, *world)));
        let values = if turned(name) {
            let numbers: Vec<f32> = own.flat_map(|(values, world)| moved(name, values, world)).collect();
            Values::floats(like.shape, &numbers)
        } else {
            let bytes: Vec<u8> = own.flat_map(|(values, _)| values.bytes.to_vec()).collect();
            Values { bytes: bytes.into(), ..like.clone() }
        };
        attributes.push((name.clone(), values));
    }
    Primitive { attributes, indices: Some(indices), ..whole.clone() }
}

/// Positions, normals or tangents in the world.
fn moved(name: &str, values: &Values, world: &Matrix) -> Vec<f32> {
    match name {
        "POSITION" => values.to_vectors::<3>().into_iter().flat_map(|point| space::place(world, point)).collect(),
        "NORMAL" => values.to_vectors::<3>().into_iter().flat_map(|normal| space::normal(world, normal)).collect(),
        _ => {
            let side = space::volume(world).signum();
            let tangent = |[x, y, z, w]: [f32; 4]| {
                let [x, y, z] =
                    space::unit(std::array::from_fn(|row| world[row] * x + world[4 + row] * y + world[8 + row] * z));
                [x, y, z, w * side]
            };
            values.to_vectors::<4>().into_iter().flat_map(tangent).collect()
        }
    }
}

/// Nodes side by side that show the same mesh become one that draws copies; gives how many there were.
fn instance(model: &mut Model, still: &[bool], gone: &mut [bool]) -> usize {
    let mut count = 0;
    // Below each node, and last the scene's own.
    for parent in 0..=model.nodes.len() {
        let children = match model.nodes.get(parent) {
            Some(node) => &node.children,
            None => &model.scenes[0].nodes,
        };
        let mut alike: BTreeMap<usize, Vec<(usize, Transform)>> = BTreeMap::new();
        for &child in children {
            let node = &model.nodes[child];
            let Some(mesh) = node.mesh.filter(|_| still.get(child) == Some(&true)) else { continue };
            let plain = is_plain(node) && node.instances.is_empty() && node.children.is_empty();
            let transform = simplest(&node.transform.matrix());
            if plain && node.weights.is_empty() && matches!(transform, Transform::Parts { .. }) {
                alike.entry(mesh).or_default().push((child, transform));
            }
        }
        for (mesh, copies) in alike.into_iter().filter(|(_, copies)| copies.len() > 1) {
            count += copies.len();
            let (mut t, mut r, mut s) = (Vec::new(), Vec::new(), Vec::new());
            for (_, copy) in &copies {
                if let Transform::Parts { translation, rotation, scale } = copy {
                    t.extend(translation);
                    r.extend(rotation);
                    s.extend(scale);
                }
            }
            // The first stays, and becomes all of them.
            let first = copies[0].0;
            let node = &mut model.nodes[first];
            (node.mesh, node.transform) = (Some(mesh), Transform::IDENTITY);
            node.instances = vec![
                ("ROTATION".to_owned(), Values::floats(Shape::Vec4, &r)),
                ("SCALE".to_owned(), Values::floats(Shape::Vec3, &s)),
                ("TRANSLATION".to_owned(), Values::floats(Shape::Vec3, &t)),
            ];
            for (copy, _) in &copies[1..] {
                model.nodes[*copy].mesh = None;
                gone[*copy] = true;
            }
        }
    }
    count
}

/// Drops nodes that show nothing any more, and nodes above that had only them; gives how many.
fn drop_empty(model: &mut Model, still: &[bool], mut gone: Vec<bool>) -> usize {
    let parents: BTreeMap<usize, usize> = model
        .nodes
        .iter()
        .enumerate()
        .flat_map(|(at, node)| node.children.iter().map(move |&child| (child, at)))
        .collect();
    let is_empty = |at: usize, gone: &[bool]| {
        let node = &model.nodes[at];
        let below = node.children.iter().all(|&child| gone[child]);
        below && still.get(at) == Some(&true) && node.mesh.is_none() && is_plain(node)
    };
    let mut emptied: Vec<usize> = (0..gone.len()).filter(|&at| gone[at]).collect();
    gone.fill(false);
    // What flattening left without children counts as emptied, too.
    emptied.extend((0..gone.len()).filter(|&at| model.nodes[at].children.is_empty()));
    while let Some(at) = emptied.pop() {
        if !gone[at] && is_empty(at, &gone) {
            gone[at] = true;
            emptied.extend(parents.get(&at));
        }
    }
    let count = gone.iter().filter(|gone| **gone).count();
    if count > 0 {
        remove(model, &gone);
    }
    count
}

/// Removes nodes that nothing but their parents and the scenes name.
fn remove(model: &mut Model, gone: &[bool]) {
    let mut next = 0;
    let places: Vec<usize> = gone.iter().map(|gone| (next, next += usize::from(!gone)).0).collect();
    let rename = |list: &mut Vec<usize>| {
        list.retain(|&at| !gone[at]);
        list.iter_mut().for_each(|at| *at = places[*at]);
    };
    let mut flags = gone.iter();
    model.nodes.retain(|_| flags.next() == Some(&false));
    for node in &mut model.nodes {
        rename(&mut node.children);
        rename(&mut node.lods);
    }
    model.scenes.iter_mut().for_each(|scene| rename(&mut scene.nodes));
    for skin in &mut model.skins {
        rename(&mut skin.joints);
        skin.skeleton.iter_mut().for_each(|at| *at = places[*at]);
    }
    let channels = model.animations.iter_mut().flat_map(|animation| &mut animation.channels);
    channels.flat_map(|channel| &mut channel.node).for_each(|at| *at = places[*at]);
}
