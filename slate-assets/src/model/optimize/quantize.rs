use super::{
    super::{
        gltf,
        ir::{Animation, Model, Primitive, Transform, attribute, set_attribute},
        lod, space,
        values::{Component, Shape, Values},
    },
    coordinates,
};
use serde_json::json;
use slate_core::{Cancel, Result, asset::Report};

/// The largest number of a normalized `i16`.
const STEPS: f32 = 32767.0;

/// Stores attributes as small integers, as `KHR_mesh_quantization` allows: positions in 16 bits, in a
/// box that a node below each node that shows the mesh undoes, normals and tangents in 8 bits, coordinates in 16, which
/// materials move where they go beyond 0 to 1, colours and weights in 8; rotations of animations in 16.
///
/// Steps of positions are a 65534th of all that is shown, or smaller: of a small mesh's own box there are 4096 at least.
/// So fine parts take fewer bytes, and meet where they met before. With `filtered`, directions
/// are those that meshopt's filter brings back.
pub(in crate::model) fn quantize(
    model: &mut Model,
    filtered: bool,
    cancel: &Cancel,
    report: &mut Report,
) -> Result<()> {
    let mut instanced = vec![false; model.meshes.len()];
    for node in model.nodes.iter().filter(|node| !node.instances.is_empty()) {
        node.mesh.into_iter().for_each(|mesh| instanced[mesh] = true);
    }
    // A copy's place comes between the node's and the mesh's: nothing could undo the box.
    let whole = |at: usize| instanced[at] || model.kept.is_some();
    let meshes = model.meshes.iter().enumerate();
    let bounds: Vec<_> = meshes.map(|(at, mesh)| if whole(at) { None } else { bounds(&mesh.primitives) }).collect();
    let boxes = boxes(model, &bounds);
    if model.kept.is_none() {
        let moved = coordinates::fit(model);
        if moved > 0 {
            report.insert("movedCoordinates".into(), json!(moved));
        }
    }
    let plain = boxes.iter().filter(|found| found.is_none()).count();
    for (mesh, found) in model.meshes.iter_mut().zip(&boxes) {
        cancel.check()?;
        for primitive in &mut mesh.primitives {
            if let Some((middle, half)) = *found {
                positions(primitive, middle, half);
            }
            others(primitive, filtered);
        }
    }
    place(model, &boxes);
    if model.kept.is_none() {
        model.animations.iter_mut().for_each(|animation| rotations(animation, filtered));
    }
    if plain > 0 {
        report.insert("meshesWithFloatPositions".into(), json!(plain));
    }
    Ok(())
}

/// The middle of a mesh's positions, and how far from it they may be.
type Cube = ([f32; 3], f32);

/// The least and the most of all positions; none where some are no floats.
fn bounds(primitives: &[Primitive]) -> Option<[[f32; 3]; 2]> {
    let (mut least, mut most) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
    for primitive in primitives {
        let values =
            attribute(&primitive.attributes, "POSITION").filter(|values| values.component == Component::F32)?;
        values.to_vectors::<3>().into_iter().for_each(|position| widen(&mut least, &mut most, position));
    }
    Some([least, most])
}

fn widen(least: &mut [f32; 3], most: &mut [f32; 3], position: [f32; 3]) {
    for at in 0..3 {
        (least[at], most[at]) = (least[at].min(position[at]), most[at].max(position[at]));
    }
}

/// Around these bounds, as large as their longest side; none where there is nothing in them.
fn cube([least, most]: [[f32; 3]; 2]) -> Option<Cube> {
    let middle: [f32; 3] = std::array::from_fn(|at| least[at] / 2.0 + most[at] / 2.0);
    let half = (0..3).map(|at| (most[at] - middle[at]).max(middle[at] - least[at])).fold(0.0, f32::max);
    (half.is_normal() && half > 0.0).then_some((middle, half))
}

/// The boxes of all meshes, larger than they need be: steps of all are as long in the world as those of a box around
/// everything that is shown.
fn boxes(model: &Model, bounds: &[Option<[[f32; 3]; 2]>]) -> Vec<Option<Cube>> {
    /// As large as a box may become: of 65534 steps 4096 are left.
    const MOST: f32 = 16.0;
    let mut boxes: Vec<_> = bounds.iter().map(|bounds| cube((*bounds)?)).collect();
    let mut scales = vec![0.0f32; boxes.len()];
    let (mut least, mut most) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
    let longest = |matrix: &space::Matrix| {
        let columns = matrix.chunks_exact(4).take(3);
        columns.map(|c| c[0] * c[0] + c[1] * c[1] + c[2] * c[2]).fold(0.0, f32::max).sqrt()
    };
    let worlds = space::shown(model);
    let world_of: std::collections::BTreeMap<usize, &space::Matrix> =
        worlds.iter().map(|(node, world)| (*node, world)).collect();
    for (at, world) in &worlds {
        let node = &model.nodes[*at];
        // What a skin bends goes where its joints say.
        let skin = node.skin.and_then(|skin| model.skins.get(skin));
        let joint = skin.and_then(|skin| {
            let inverse = skin.inverse_bind.as_ref().map(|values| values.gather(&[0]).to_floats());
            let inverse = inverse.and_then(|numbers| numbers.try_into().ok()).unwrap_or(Transform::IDENTITY.matrix());
            Some(space::product(world_of.get(skin.joints.first()?)?, &inverse))
        });
        let world = joint.as_ref().unwrap_or(world);
        if let Some(corners) = node.mesh.and_then(|mesh| bounds[mesh]) {
            let corner = |at: usize| std::array::from_fn(|axis| corners[at >> axis & 1][axis]);
            (0..8).for_each(|at| widen(&mut least, &mut most, space::place(world, corner(at))));
        }
        // Levels of detail stand in their node's place.
        for node in std::iter::once(at).chain(&node.lods) {
            if let Some(mesh) = model.nodes.get(*node).and_then(|node| node.mesh) {
                scales[mesh] = scales[mesh].max(longest(world));
            }
        }
    }
    let Some((_, whole)) = cube([least, most]) else { return boxes };
    for ((_, half), scale) in boxes.iter_mut().zip(scales).filter_map(|(cube, scale)| Some((cube.as_mut()?, scale))) {
        let even = whole / scale;
        if even.is_finite() && (*half * MOST).is_finite() {
            *half = even.clamp(*half, *half * MOST);
        }
    }
    boxes
}

fn positions(primitive: &mut Primitive, middle: [f32; 3], half: f32) {
    let small = |values: &Values, middle: [f32; 3]| {
        let numbers = values.to_vectors::<3>().into_iter().flat_map(|position| {
            std::array::from_fn::<_, 3, _>(|at| {
                (((position[at] - middle[at]) / half).clamp(-1.0, 1.0) * STEPS).round() as i16
            })
        });
        pack(Component::I16, Shape::Vec3, numbers.flat_map(i16::to_le_bytes).collect())
    };
    if let Some(values) = attribute(&primitive.attributes, "POSITION") {
        let packed = small(values, middle);
        set_attribute(&mut primitive.attributes, "POSITION", packed);
    }
    for target in &mut primitive.targets {
        if let Some(values) = attribute(target, "POSITION") {
            let far = values.to_floats().iter().any(|number| number.abs() > half);
            let packed = if far || values.component != Component::F32 {
                Values::floats(Shape::Vec3, &values.to_floats().iter().map(|number| number / half).collect::<Vec<_>>())
            } else {
                small(values, [0.0; 3])
            };
            set_attribute(target, "POSITION", packed);
        }
    }
}

fn pack(component: Component, shape: Shape, bytes: Vec<u8>) -> Values {
    Values { component, shape, normalized: true, bytes: bytes.into() }
}

fn others(primitive: &mut Primitive, filtered: bool) {
    for (name, values) in &mut primitive.attributes {
        let kind = name.split('_').next().unwrap_or_default();
        let small = match kind {
            "JOINTS" => joints(values),
            _ if values.component != Component::F32 => None,
            "NORMAL" | "TANGENT" if filtered => gltf::filtered_directions(values).or_else(|| directions(values)),
            "NORMAL" | "TANGENT" => directions(values),
            "TEXCOORD" => shares(values, Component::U16),
            "COLOR" => shares(values, Component::U8),
            "WEIGHTS" => weights(values),
            _ => None,
        };
        if let Some(small) = small {
            *values = small;
        }
    }
}

/// Stores what turns nodes in 16 bits.
fn rotations(animation: &mut Animation, filtered: bool) {
    for (at, sampler) in animation.samplers.iter_mut().enumerate() {
        let straight = sampler.interpolation == "LINEAR" || sampler.interpolation == "STEP";
        let turns = animation.channels.iter().filter(|channel| channel.sampler == at).all(|c| c.path == "rotation");
        let values = &sampler.output;
        if !straight || !turns || values.shape != Shape::Vec4 || values.component != Component::F32 {
            continue;
        }
        let quaternions = values.to_vectors::<4>();
        let length = |q: &[f32; 4]| q.iter().map(|number| number * number).sum::<f32>().sqrt();
        // What is no rotation stays as it is.
        if quaternions.iter().all(|q| (length(q) - 1.0).abs() < 0.01) {
            if let Some(small) = filtered.then(|| gltf::filtered_rotations(values)).flatten() {
                sampler.output = small;
                continue;
            }
            let numbers = quaternions.iter().flat_map(|q| {
                let length = length(q);
                q.map(|number| (number / length * STEPS).round() as i16)
            });
            sampler.output = pack(Component::I16, Shape::Vec4, numbers.flat_map(i16::to_le_bytes).collect());
        }
    }
}

fn directions(values: &Values) -> Option<Values> {
    let numbers = values.to_floats();
    let inside = numbers.iter().all(|number| number.abs() <= 1.001);
    let bytes = || numbers.iter().map(|number| (number.clamp(-1.0, 1.0) * 127.0).round() as i8 as u8).collect();
    inside.then(|| pack(Component::I8, values.shape, bytes()))
}

/// Numbers from 0 to 1; none where others are among them.
fn shares(values: &Values, component: Component) -> Option<Values> {
    let numbers = values.to_floats();
    if numbers.iter().any(|number| !(0.0..=1.0).contains(number)) {
        return None;
    }
    let bytes = match component {
        Component::U8 => numbers.iter().map(|number| (number * 255.0).round() as u8).collect(),
        _ => numbers.iter().flat_map(|number| ((number * 65535.0).round() as u16).to_le_bytes()).collect(),
    };
    Some(pack(component, values.shape, bytes))
}

/// Joints in 8 bits, where there are few.
fn joints(values: &Values) -> Option<Values> {
    let numbers = values.to_floats();
    let fits = values.component == Component::U16 && numbers.iter().all(|number| *number < 256.0);
    fits.then(|| Values {
        component: Component::U8,
        bytes: numbers.iter().map(|number| *number as u8).collect::<Vec<_>>().into(),
        ..values.clone()
    })
}

/// Weights in 8 bits, the sum of each four made whole on the largest.
fn weights(values: &Values) -> Option<Values> {
    let mut bytes = Vec::new();
    for four in values.to_vectors::<4>() {
        let sum: f32 = four.iter().sum();
        if values.shape != Shape::Vec4 || four.iter().any(|weight| *weight < 0.0) || (sum - 1.0).abs() > 0.01 {
            return None;
        }
        let mut small = four.map(|weight| (weight / sum * 255.0).round() as i32);
        let largest = (0..4).max_by_key(|&at| (small[at], 4 - at)).unwrap_or_default();
        small[largest] += 255 - small.iter().sum::<i32>();
        bytes.extend(small.map(|weight| weight.clamp(0, 255) as u8));
    }
    Some(pack(Component::U8, Shape::Vec4, bytes))
}

/// Undoes the boxes: by a node below the one that shows the mesh, or in the skin's matrices.
fn place(model: &mut Model, boxes: &[Option<Cube>]) {
    let mut skins = std::collections::BTreeMap::new();
    for at in 0..model.nodes.len() {
        let node = &model.nodes[at];
        let Some((mesh, (middle, half))) = node.mesh.and_then(|mesh| Some((mesh, boxes.get(mesh).copied().flatten()?)))
        else {
            continue;
        };
        if let Some(skin) = node.skin {
            let new = *skins.entry((skin, mesh)).or_insert_with(|| boxed_skin(model, skin, middle, half));
            model.nodes[at].skin = Some(new);
            continue;
        }
        let bare = node.children.is_empty() && node.transform == Transform::IDENTITY && node.lods.is_empty();
        let moved = model.animations.iter().flat_map(|animation| &animation.channels);
        let moved = moved.into_iter().any(|channel| channel.node == Some(at) && channel.path != "weights");
        let below = if bare && !moved { at } else { lod::lower(model, at, "_mesh") };
        model.nodes[below].transform =
            Transform::Parts { translation: middle, rotation: [0.0, 0.0, 0.0, 1.0], scale: [half; 3] };
    }
    if model.kept.is_none() {
        drop_skins(model, skins.into_keys().map(|(skin, _)| skin).collect());
    }
}

/// Drops those of these skins that no node has any more.
fn drop_skins(model: &mut Model, mut gone: std::collections::BTreeSet<usize>) {
    model.nodes.iter().filter_map(|node| node.skin).for_each(|skin| _ = gone.remove(&skin));
    for skin in model.nodes.iter_mut().filter_map(|node| node.skin.as_mut()) {
        *skin -= gone.range(..*skin).count();
    }
    let mut at = 0..;
    model.skins.retain(|_| at.next().is_some_and(|at| !gone.contains(&at)));
}

/// A skin whose matrices take the mesh out of its box first.
fn boxed_skin(model: &mut Model, skin: usize, middle: [f32; 3], half: f32) -> usize {
    let mut new = model.skins[skin].clone();
    let identity = Transform::IDENTITY.matrix();
    let old = new.inverse_bind.as_ref().map_or_else(|| identity.repeat(new.joints.len()), Values::to_floats);
    let mut numbers = Vec::with_capacity(old.len());
    for m in old.as_chunks::<16>().0 {
        let moved = |row: usize| m[row] * middle[0] + m[4 + row] * middle[1] + m[8 + row] * middle[2] + m[12 + row];
        numbers.extend(m[..12].iter().map(|number| number * half));
        numbers.extend((0..4).map(moved));
    }
    new.inverse_bind = Some(Values::floats(Shape::Mat4, &numbers));
    model.skins.push(new);
    model.skins.len() - 1
}
