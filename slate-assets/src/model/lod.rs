//! Levels of detail: one chain for each mesh, made in one go, and the ways to write it.

use super::{
    ir::{Channel, Mesh, Model, Node, Primitive, attribute, set_attribute},
    optimize,
    simplify::{COLOR_WEIGHT, COORDINATE_WEIGHT, Gauge, Level, NORMAL_WEIGHT, Simplifier, Surface},
    values::{Component, Shape, Values},
};
use rayon::prelude::*;
use serde_json::{Value, json};
use slate_core::{
    Cancel, Result,
    asset::{Report, Work},
};

/// Meshes of fewer triangles stay as they are in every level: nothing is gained, and boxes would lose their corners.
const LEAST: usize = 24;
/// Points of each surface that an error is measured at: as many as the surface has triangles, but not fewer or more than these.
const SAMPLES: [u32; 2] = [500, 3000];
/// Pixels of the screen's height that an error is judged by.
const PIXELS: f64 = 1080.0;

/// The levels of one mesh, from fine to coarse.
pub(super) struct Chain {
    levels: Vec<Mesh>,
    /// Which of the mesh's primitives those of each level are.
    parts: Vec<Vec<usize>>,
    /// The largest measured distance of each, as a share of the mesh's diagonal.
    errors: Vec<f64>,
}

/// Makes the chain of each mesh; none where a mesh has too little to leave out.
pub(super) fn build(model: &Model, ratios: &[f32], work: &Work<'_>, report: &mut Report) -> Result<Vec<Option<Chain>>> {
    let built: Result<Vec<Option<(Chain, Value)>>> = (0..model.meshes.len())
        .into_par_iter()
        .map(|at| {
            // Skinned, morphed or not: the parts at one place are one surface.
            let made = chain(&model.meshes[at], ratios, work.cancel)?;
            Ok(made.map(|(chain, mut told)| {
                told["mesh"] = at.into();
                (chain, told)
            }))
        })
        .collect();
    let (mut chains, mut told) = (Vec::new(), Vec::new());
    for built in built? {
        chains.push(built.map(|(chain, tells)| {
            told.push(tells);
            chain
        }));
    }
    report.insert("lods".into(), Value::Array(told));
    report.insert("meshesWithoutLods".into(), chains.iter().filter(|chain| chain.is_none()).count().into());
    Ok(chains)
}

/// What is simplified of a mesh: the triangles of all its primitives, one after the other.
struct Joined {
    positions: Vec<[f32; 3]>,
    attributes: Vec<f32>,
    weights: Vec<f32>,
    /// Which of [`KEPT`] the attributes are.
    kept: Vec<(&'static str, usize)>,
    indices: Vec<u32>,
    /// The least and the most number that positions of all primitives can be.
    room: [f32; 2],
    /// The primitive of each vertex.
    owners: Vec<u32>,
    /// The primitive, and its first vertex and triangle.
    parts: Vec<(usize, u32, u32)>,
}

/// The attributes that keep the simplifier honest, how many numbers each has, and how much it counts.
const KEPT: [(&str, usize, f32); 3] =
    [("NORMAL", 3, NORMAL_WEIGHT), ("TEXCOORD_0", 2, COORDINATE_WEIGHT), ("COLOR_0", 3, COLOR_WEIGHT)];

fn join(mesh: &Mesh) -> Joined {
    let simple = |primitive: &Primitive| {
        primitive.mode == Primitive::TRIANGLES && attribute(&primitive.attributes, "POSITION").is_some()
    };
    let parts = || mesh.primitives.iter().enumerate().filter(|(_, primitive)| simple(primitive));
    let there = |name: &str| parts().any(|(_, primitive)| attribute(&primitive.attributes, name).is_some());
    let kept: Vec<_> = KEPT.iter().filter(|(name, ..)| there(name)).collect();
    let mut joined = Joined {
        positions: Vec::new(),
        attributes: Vec::new(),
        weights: kept.iter().flat_map(|(_, width, weight)| std::iter::repeat_n(*weight, *width)).collect(),
        kept: kept.iter().map(|(name, width, _)| (*name, *width)).collect(),
        indices: Vec::new(),
        room: [f32::MIN, f32::MAX],
        owners: Vec::new(),
        parts: Vec::new(),
    };
    for (at, primitive) in parts() {
        let first = joined.positions.len() as u32;
        joined.parts.push((at, first, (joined.indices.len() / 3) as u32));
        if let Some(positions) = attribute(&primitive.attributes, "POSITION") {
            let [least, most] = positions.range();
            joined.room = [joined.room[0].max(least), joined.room[1].min(most)];
            joined.positions.extend(positions.to_vectors::<3>());
            joined.owners.resize(joined.positions.len(), at as u32);
        }
        let columns: Vec<_> = kept
            .iter()
            .map(|(name, width, _)| (*width, attribute(&primitive.attributes, name).map(Values::to_vectors::<4>)))
            .collect();
        for vertex in 0..primitive.vertices() {
            for (width, values) in &columns {
                let value = values.as_ref().and_then(|values| values.get(vertex)).copied().unwrap_or_default();
                joined.attributes.extend(&value[..*width]);
            }
        }
        match &primitive.indices {
            Some(indices) => joined.indices.extend(indices.chunks_exact(3).flatten().map(|index| index + first)),
            None => joined.indices.extend(first..first + (primitive.vertices() / 3 * 3) as u32),
        }
    }
    // Coordinates of repeating textures go far; an error counts by the share of the texture's width at most.
    let mut at = 0;
    for (name, width, weight) in &kept {
        if *name == "TEXCOORD_0" {
            let all = joined.attributes.chunks_exact(joined.weights.len()).flat_map(|values| &values[at..at + width]);
            let (least, most) =
                all.fold((0.0f32, 1.0f32), |(least, most), value| (least.min(*value), most.max(*value)));
            joined.weights[at..at + width].fill(weight / (most - least));
        }
        at += width;
    }
    joined
}

fn chain(mesh: &Mesh, ratios: &[f32], cancel: &Cancel) -> Result<Option<(Chain, Value)>> {
    cancel.check()?;
    let joined = join(mesh);
    let triangles = joined.indices.len() / 3;
    if triangles < LEAST {
        return Ok(None);
    }
    let surface = Surface {
        positions: &joined.positions,
        indices: &joined.indices,
        attributes: &joined.attributes,
        weights: &joined.weights,
        parts: &joined.owners,
        locked: &[],
    };
    let diagonal = diagonal(&joined.positions);
    let whole = (&joined.positions[..], &joined.indices[..]);
    let samples = u32::try_from(triangles).unwrap_or(u32::MAX).clamp(SAMPLES[0], SAMPLES[1]);
    let (gauge, simplifier) = rayon::join(|| Gauge::new(whole, samples), || Simplifier::new(&surface));
    let mut simplifier = simplifier?;
    let mut reduce = |ratio: f32| {
        let target = (triangles as f64 * f64::from(ratio)).round().max(1.0) as usize;
        simplifier.reduce(target, cancel)
    };
    let mut chain = Chain { levels: Vec::new(), parts: Vec::new(), errors: Vec::new() };
    let mut told = Vec::new();
    let mut next = ratios.first().map(|&ratio| reduce(ratio));
    for (at, ratio) in ratios.iter().enumerate() {
        let Some(mut level) = next.take().transpose()? else { break };
        let places = level.positions.iter_mut().flatten();
        places.for_each(|number| *number = number.clamp(joined.room[0], joined.room[1]));
        // A level is measured while the next one is made.
        let measure = || gauge.deviation((&level.positions, &level.indices));
        let found;
        (found, next) = rayon::join(measure, || ratios.get(at + 1).map(|&ratio| reduce(ratio)));
        told.push(json!({
            "asked": ratio,
            "triangles": level.indices.len() / 3,
            "vertices": level.positions.len(),
            "rmsError": found.rms / diagonal,
            "maxError": found.max / diagonal,
        }));
        let (made, parts) = match (level.indices.is_empty(), chain.levels.last().zip(chain.parts.last())) {
            (false, _) => taken_apart(mesh, &joined, &level),
            (true, Some((made, parts))) => (made.clone(), parts.clone()),
            (true, None) => (mesh.clone(), (0..mesh.primitives.len()).collect()),
        };
        chain.levels.push(made);
        chain.parts.push(parts);
        chain.errors.push(found.max / diagonal);
    }
    Ok(Some((chain, json!({"triangles": triangles, "levels": told}))))
}

fn diagonal(positions: &[[f32; 3]]) -> f64 {
    let sides = (0..3).map(|at| {
        let range = positions.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), position| {
            (least.min(position[at]), most.max(position[at]))
        });
        f64::from(range.1) - f64::from(range.0)
    });
    sides.map(|side| side * side).sum::<f64>().sqrt().max(f64::MIN_POSITIVE)
}

/// The primitives of a level, and which of the mesh's each is.
fn taken_apart(mesh: &Mesh, joined: &Joined, level: &Level) -> (Mesh, Vec<usize>) {
    let mut made = Mesh { primitives: Vec::new(), ..mesh.clone() };
    let mut numbers = Vec::new();
    let mut parts = joined.parts.iter().enumerate();
    for (at, primitive) in mesh.primitives.iter().enumerate() {
        let Some((number, &(_, first, first_triangle))) = parts.clone().find(|(_, part)| part.0 == at) else {
            made.primitives.push(primitive.clone());
            numbers.push(at);
            continue;
        };
        parts.next();
        let end = joined.parts.get(number + 1).map_or(u32::MAX, |part| part.2);
        let from = level.triangles.partition_point(|&triangle| triangle < first_triangle);
        let to = level.triangles.partition_point(|&triangle| triangle < end);
        if from == to {
            continue;
        }
        // Vertices of a primitive are used by that primitive alone.
        let mut indices = level.indices[from * 3..to * 3].to_vec();
        let mut vertices: Vec<u32> = indices.clone();
        vertices.sort_unstable();
        vertices.dedup();
        indices.iter_mut().for_each(|index| *index = vertices.partition_point(|vertex| vertex < index) as u32);
        let mut part = primitive.clone();
        let sources: Vec<u32> = vertices.iter().map(|&vertex| level.sources[vertex as usize] - first).collect();
        part.gather(&sources);
        part.indices = Some(indices);
        let places: Vec<f32> = vertices.iter().flat_map(|&vertex| level.positions[vertex as usize]).collect();
        put_like(&mut part, primitive, "POSITION", &places);
        put_kept(&mut part, primitive, joined, level, &vertices);
        optimize::reorder(&mut part);
        made.primitives.push(part);
        numbers.push(at);
    }
    (made, numbers)
}

/// Lets all levels of each mesh index one list of vertices, where that is smaller: a vertex that the simplifier didn't
/// move is stored once.
pub(super) fn share(model: &mut Model, chains: &mut [Option<Chain>], cancel: &Cancel) -> Result<()> {
    model.meshes.par_iter_mut().zip(chains).try_for_each(|(mesh, chain)| {
        let Some(chain) = chain else { return Ok(()) };
        cancel.check()?;
        for (number, primitive) in mesh.primitives.iter_mut().enumerate() {
            let levels = chain.levels.iter_mut().zip(&chain.parts);
            let coarse = levels.filter_map(|(level, parts)| {
                let at = parts.iter().position(|&part| part == number)?;
                level.primitives.get_mut(at)
            });
            optimize::share(&mut std::iter::once(primitive).chain(coarse).collect::<Vec<_>>());
        }
        Ok(())
    })
}

/// Writes the attributes that the simplifier changed.
fn put_kept(part: &mut Primitive, whole: &Primitive, joined: &Joined, level: &Level, vertices: &[u32]) {
    let width = joined.weights.len();
    let mut at = 0;
    for &(name, count) in &joined.kept {
        let place = at;
        at += count;
        let Some(old) = attribute(&whole.attributes, name) else { continue };
        let own = part.attributes.iter().find(|(other, _)| other == name).map(|(_, values)| values.to_floats());
        let (own, shape) = (own.unwrap_or_default(), old.shape.width());
        let mut numbers = Vec::with_capacity(vertices.len() * shape);
        for (vertex, own) in vertices.iter().zip(own.chunks_exact(shape)) {
            let from = *vertex as usize * width + place;
            let mut value: [f32; 4] = std::array::from_fn(|at| own.get(at).copied().unwrap_or_default());
            value[..count].copy_from_slice(&level.attributes[from..from + count]);
            if name == "NORMAL" && value[..3] != own[..3] {
                let length = (value[0] * value[0] + value[1] * value[1] + value[2] * value[2]).sqrt();
                if length > 1e-6 {
                    value[..3].iter_mut().for_each(|number| *number /= length);
                } else {
                    value[..3].copy_from_slice(&own[..3]);
                }
            }
            numbers.extend(&value[..shape]);
        }
        put_like(part, whole, name, &numbers);
    }
    upright_tangents(part);
}

/// Stores an attribute of a level in the whole mesh's type, so that both can be one list; as floats where that type has
/// no room for a number.
fn put_like(part: &mut Primitive, whole: &Primitive, name: &str, numbers: &[f32]) {
    let Some(old) = attribute(&whole.attributes, name) else { return };
    let stored = old.with_numbers(numbers).unwrap_or_else(|| Values::floats(old.shape, numbers));
    set_attribute(&mut part.attributes, name, stored);
}

/// Tangents come from vertices nearby: they are turned into the plane of the new normals.
fn upright_tangents(part: &mut Primitive) {
    let vectors = |name| attribute(&part.attributes, name).filter(|values| values.component == Component::F32);
    let (Some(normals), Some(tangents)) = (vectors("NORMAL"), vectors("TANGENT")) else { return };
    let (normals, tangents) = (normals.to_vectors::<3>(), tangents.to_vectors::<4>());
    let mut numbers = Vec::with_capacity(tangents.len() * 4);
    for ([x, y, z], [tx, ty, tz, side]) in normals.into_iter().zip(tangents) {
        let along = x * tx + y * ty + z * tz;
        let t = [tx - x * along, ty - y * along, tz - z * along];
        let length = (t[0] * t[0] + t[1] * t[1] + t[2] * t[2]).sqrt();
        if length > 1e-3 {
            numbers.extend([t[0] / length, t[1] / length, t[2] / length, side]);
        } else {
            numbers.extend([tx, ty, tz, side]);
        }
    }
    set_attribute(&mut part.attributes, "TANGENT", Values::floats(Shape::Vec4, &numbers));
}

/// The whole model again for each level, with the meshes of that level.
pub(super) fn files(model: &Model, chains: Vec<Option<Chain>>, levels: usize) -> Vec<Model> {
    let mut models: Vec<Model> = (0..levels).map(|_| model.clone()).collect();
    for (mesh, chain) in chains.into_iter().enumerate().filter_map(|(at, chain)| Some((at, chain?))) {
        for (level, made) in chain.levels.into_iter().enumerate() {
            models[level].meshes[mesh] = made;
        }
    }
    models
}

/// Nodes `NAME_LOD0` and so on, below the nodes that show the mesh.
pub(super) fn nodes(model: &mut Model, chains: Vec<Option<Chain>>) {
    let levels = add_meshes(model, chains);
    for node in 0..model.nodes.len() {
        let Some((meshes, _)) = model.nodes[node].mesh.and_then(|mesh| levels.get(mesh)?.as_ref()) else { continue };
        let finest = lower(model, node, "_LOD0");
        for (level, mesh) in meshes.clone().into_iter().enumerate() {
            let coarse = copy(model, finest, mesh, &lod_name(&model.nodes[node], level + 1));
            model.nodes[node].children.push(coarse);
        }
    }
}

/// `MSFT_lod` on the nodes that show the mesh, or below them where something else moves with them.
pub(super) fn msft(model: &mut Model, chains: Vec<Option<Chain>>, ratios: &[f32]) {
    let levels = add_meshes(model, chains);
    for node in 0..model.nodes.len() {
        let Some((meshes, errors)) = model.nodes[node].mesh.and_then(|mesh| levels.get(mesh)?.as_ref()) else {
            continue;
        };
        if !model.nodes[node].lods.is_empty() {
            continue;
        }
        let (meshes, coverages) = (meshes.clone(), coverages(errors, ratios));
        let moved = model.animations.iter().flat_map(|animation| &animation.channels);
        let moved = moved.into_iter().any(|channel| channel.node == Some(node) && channel.path != "weights");
        let name = model.nodes[node].clone();
        let finest = if moved || !name.children.is_empty() { lower(model, node, "_LOD0") } else { node };
        for (level, mesh) in meshes.into_iter().enumerate() {
            let coarse = copy(model, finest, mesh, &lod_name(&name, level + 1));
            model.nodes[finest].lods.push(coarse);
        }
        let extras = model.nodes[finest].rest.entry("extras").or_insert_with(|| json!({}));
        if let Some(extras) = extras.as_object_mut() {
            extras.insert("MSFT_screencoverage".into(), coverages);
        }
    }
}

/// The share of the screen's height that a mesh takes at least where each level is shown: a coarser one comes when its
/// error is below a pixel. The last is shown however small it is.
fn coverages(errors: &[f64], ratios: &[f32]) -> Value {
    let mut least = 1.0f64;
    let mut all = Vec::new();
    for (error, ratio) in errors.iter().zip(ratios) {
        let fits = if *error > 0.0 { 1.0 / (error * PIXELS) } else { 1.0 };
        // Falling, as the extension asks.
        least = fits.min(least * 0.99).min(f64::from(*ratio).sqrt());
        all.push(Value::from((least * 1e4).round().max(1.0) / 1e4));
    }
    all.push(0.into());
    Value::Array(all)
}

type Added = Vec<Option<(Vec<usize>, Vec<f64>)>>;

/// Adds the meshes of all levels; gives their numbers by the mesh that they are levels of.
fn add_meshes(model: &mut Model, chains: Vec<Option<Chain>>) -> Added {
    let mut add = |chain: Chain| {
        let first = model.meshes.len();
        let count = chain.levels.len();
        for (level, mut mesh) in chain.levels.into_iter().enumerate() {
            if let Some(Value::String(name)) = mesh.rest.get_mut("name") {
                *name = format!("{name}_LOD{}", level + 1);
            }
            model.meshes.push(mesh);
        }
        ((first..first + count).collect(), chain.errors)
    };
    chains.into_iter().map(|chain| chain.map(&mut add)).collect()
}

fn lod_name(node: &Node, level: usize) -> String {
    let name = if node.name().is_empty() { "mesh" } else { node.name() };
    format!("{name}_LOD{level}")
}

/// Moves what a node shows to a new child, with what animates it.
pub(super) fn lower(model: &mut Model, node: usize, suffix: &str) -> usize {
    let below = model.nodes.len();
    let from = &mut model.nodes[node];
    let name = if from.name().is_empty() { "mesh" } else { from.name() };
    let mut child = Node::named(&format!("{name}{suffix}"));
    (child.mesh, child.skin) = (from.mesh.take(), from.skin.take());
    (child.weights, child.instances) = (std::mem::take(&mut from.weights), std::mem::take(&mut from.instances));
    from.children.push(below);
    model.nodes.push(child);
    let channels = model.animations.iter_mut().flat_map(|animation| &mut animation.channels);
    let weights = |channel: &&mut Channel| channel.node == Some(node) && channel.path == "weights";
    channels.filter(weights).for_each(|channel| channel.node = Some(below));
    below
}

/// A node like this one with another mesh, moved and morphed alike.
fn copy(model: &mut Model, node: usize, mesh: usize, name: &str) -> usize {
    let new = model.nodes.len();
    let from = &model.nodes[node];
    let copied = Node {
        mesh: Some(mesh),
        skin: from.skin,
        transform: from.transform,
        weights: from.weights.clone(),
        instances: from.instances.clone(),
        ..Node::named(name)
    };
    model.nodes.push(copied);
    for animation in &mut model.animations {
        let morphs = |channel: &&Channel| channel.node == Some(node) && channel.path == "weights";
        let more: Vec<Channel> = animation.channels.iter().filter(morphs).cloned().collect();
        animation.channels.extend(more.into_iter().map(|channel| Channel { node: Some(new), ..channel }));
    }
    new
}
