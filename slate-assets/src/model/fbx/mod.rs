//! Autodesk FBX, in and out. The parser is that of crate `fbx-rs`, which brings every file to metres and to Y up.

mod animation;
mod entries;
mod geometric;
mod material;
mod mend;
mod mesh;
mod write;

pub(super) use write::write;

use super::ir::{Model, Node, Rest, SceneRoots, Transform};
use crate::guard;
use fbx_rs::{LoadOptions, Scene};
use geometric::Geometric;
use serde_json::json;
use slate_core::{
    Error, ErrorKind, Result,
    asset::{AssetInput, AssetLimits, Report, Work},
};

/// Nodes below one another; engines walk them by recursion.
const DEPTH: u32 = 1024;

/// The textures beside the model; those that aren't there are left out.
pub(super) fn references(input: &AssetInput, limits: &AssetLimits) -> Result<Vec<String>> {
    let (scene, _) = load(&input.bytes(limits)?, limits)?;
    let mut names: Vec<String> = scene.textures().iter().filter_map(material::file).map(str::to_owned).collect();
    names.retain(|name| input.sibling(name).is_ok());
    names.sort();
    names.dedup();
    Ok(names)
}

/// Reads a model: its nodes, meshes with skins and blend shapes, materials with their textures, and every animation.
pub(super) fn read(work: &Work<'_>, report: &mut Report) -> Result<Model> {
    let bytes = work.input.bytes(work.limits)?;
    let (scene, mended) = load(&bytes, work.limits)?;
    if mended.is_some() {
        report.insert("mended".into(), true.into());
    }
    let geometric = Geometric::read(mended.as_deref().unwrap_or(&bytes), &scene);
    work.cancel.check()?;
    check(&scene, work.limits)?;
    let mut model = Model {
        nodes: scene.nodes().iter().skip(1).map(node).collect(),
        scenes: vec![SceneRoots { nodes: below(scene.root()), ..SceneRoots::default() }],
        scene: Some(0),
        rest: Rest::from_iter([("asset".to_owned(), json!({"version": "2.0", "generator": "SLATE"}))]),
        ..Model::default()
    };
    material::read(&scene, &mut model, work, report)?;
    let shapes = mesh::read(&scene, &mut model, geometric.as_ref().unwrap_or(&Geometric::default()), work)?;
    animation::read(&scene, &mut model, &shapes, work)?;
    if !model.skins.is_empty() {
        // glTF asks for one root above all joints of a skin.
        let children = std::mem::replace(&mut model.scenes[0].nodes, vec![model.nodes.len()]);
        model.nodes.push(Node { children, ..Node::named("root") });
    }
    let mut dropped: Vec<String> = scene.unsupported().iter().map(|entry| format!("{:?}", entry.kind)).collect();
    dropped.extend(geometric.is_none().then(|| "geometricTransforms".to_owned()));
    dropped.extend((!scene.cameras().is_empty()).then(|| "cameras".to_owned()));
    dropped.extend((!scene.lights().is_empty()).then(|| "lights".to_owned()));
    dropped.sort();
    dropped.dedup();
    if !dropped.is_empty() {
        report.insert("notRead".into(), json!(dropped));
    }
    Ok(model)
}

/// The scene, and the file as it was read where something in it had to be [made harmless](mend) first.
fn load(bytes: &[u8], limits: &AssetLimits) -> Result<(Scene, Option<Vec<u8>>)> {
    let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    let allowed = fbx_rs::Limits {
        max_input_bytes: size(limits.input_bytes),
        max_decompressed_bytes: size(limits.decoded_bytes),
        max_allocation: size(limits.decoded_bytes),
        ..fbx_rs::Limits::default()
    };
    let load = |bytes: &[u8]| {
        guard::decoder("fbx", || {
            fbx_rs::load_with_limits(bytes, &LoadOptions::default(), &allowed).map_err(|error| failed(&error))
        })
    };
    match load(bytes) {
        Ok(scene) => Ok((scene, None)),
        Err(error) if error.kind() == ErrorKind::LimitExceeded => Err(error),
        Err(error) => {
            let mended = mend::mended(bytes).and_then(|bytes| Some((load(&bytes).ok()?, Some(bytes))));
            // What was wrong with the file as it is tells more.
            mended.ok_or(error)
        }
    }
}

fn failed(error: &fbx_rs::Error) -> Error {
    use fbx_rs::Error::{Allocation, InputTooLarge, LimitExceeded, ResourceLimit};
    match error {
        Allocation | ResourceLimit(_) | LimitExceeded(_) | InputTooLarge { .. } => {
            Error::limit_exceeded(format!("the FBX file is over a limit: {error}"))
        }
        _ => Error::corrupt(format!("the FBX file can't be read: {error}")),
    }
}

fn check(scene: &Scene, limits: &AssetLimits) -> Result<()> {
    AssetLimits::check("the model's number of nodes", scene.nodes().len() as u64, limits.nodes)?;
    let (mut vertices, mut indices) = (0u64, 0u64);
    for mesh in scene.meshes() {
        let shown = mesh.instances().len().max(1) as u64;
        vertices = vertices.saturating_add(shown * mesh.num_corners() as u64);
        indices = indices.saturating_add(shown * mesh.triangles().len() as u64);
    }
    AssetLimits::check("the model's number of vertices", vertices, limits.vertices)?;
    AssetLimits::check("the model's number of indices", indices, limits.indices)?;
    // Nodes come after their parents.
    let mut depths = vec![0u32; scene.nodes().len()];
    for (at, node) in scene.nodes().iter().enumerate() {
        let above = node.parent().and_then(|parent| depths.get(parent).copied()).unwrap_or_default();
        depths[at] = above + 1;
        if depths[at] > DEPTH {
            return Err(Error::limit_exceeded("the model's nodes are too deep").with("limit", DEPTH));
        }
    }
    Ok(())
}

fn node(node: &fbx_rs::Node) -> Node {
    let local = node.local_transform();
    let [x, y, z, w] = local.rotation;
    let length = (x * x + y * y + z * z + w * w).sqrt();
    let rotation = if length > 0.0 { [x, y, z, w].map(|number| number / length) } else { [0.0, 0.0, 0.0, 1.0] };
    Node {
        children: below(node),
        transform: Transform::Parts {
            translation: local.translation.map(finite),
            rotation: rotation.map(finite),
            scale: local.scale.map(finite),
        },
        ..Node::named(node.name())
    }
}

/// The first node is the parser's own, above all others.
fn below(node: &fbx_rs::Node) -> Vec<usize> {
    node.children().iter().filter_map(|child| child.checked_sub(1)).collect()
}

/// A number as a float; 0 where it is none, or too large for one.
fn finite(number: f64) -> f32 {
    let small = number as f32;
    if small.is_finite() { small } else { 0.0 }
}
