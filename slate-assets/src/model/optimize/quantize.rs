use super::super::{
    ir::{Model, Primitive, Transform, attribute, set_attribute},
    lod,
    values::{Component, Shape, Values},
};
use serde_json::json;
use slate_core::{Cancel, Result, asset::Report};

/// The largest number of a normalized `i16`.
const STEPS: f32 = 32767.0;

/// Stores attributes as small integers, as `KHR_mesh_quantization` allows: positions in 16 bits of the mesh's box,
/// which a node below each node that shows the mesh undoes, normals and tangents in 8 bits, coordinates in 16, colours
/// and weights in 8. The largest error in position, as a share of the mesh's box, is a 65534th.
pub(in crate::model) fn quantize(model: &mut Model, cancel: &Cancel, report: &mut Report) -> Result<()> {
    let mut instanced = vec![false; model.meshes.len()];
    for node in model.nodes.iter().filter(|node| !node.instances.is_empty()) {
        node.mesh.into_iter().for_each(|mesh| instanced[mesh] = true);
    }
    let mut boxes = Vec::new();
    let mut plain = 0;
    for (at, mesh) in model.meshes.iter_mut().enumerate() {
        cancel.check()?;
        // A copy's place comes between the node's and the mesh's: nothing could undo the box.
        let found = if instanced[at] || model.kept.is_some() { None } else { cube(&mesh.primitives) };
        plain += usize::from(found.is_none());
        for primitive in &mut mesh.primitives {
            if let Some((middle, half)) = found {
                positions(primitive, middle, half);
            }
            others(primitive);
        }
        boxes.push(found);
    }
    place(model, &boxes);
    if plain > 0 {
        report.insert("meshesWithFloatPositions".into(), json!(plain));
    }
    Ok(())
}

/// The middle of all positions, and half of the longest side of their box.
fn cube(primitives: &[Primitive]) -> Option<([f32; 3], f32)> {
    let (mut least, mut most) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
    for primitive in primitives {
        let values =
            attribute(&primitive.attributes, "POSITION").filter(|values| values.component == Component::F32)?;
        for position in values.to_vectors::<3>() {
            for at in 0..3 {
                (least[at], most[at]) = (least[at].min(position[at]), most[at].max(position[at]));
            }
        }
    }
    let middle: [f32; 3] = std::array::from_fn(|at| least[at] / 2.0 + most[at] / 2.0);
    let half = (0..3).map(|at| (most[at] - middle[at]).max(middle[at] - least[at])).fold(0.0, f32::max);
    (half.is_normal() && half > 0.0).then_some((middle, half))
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

fn others(primitive: &mut Primitive) {
    for (name, values) in &mut primitive.attributes {
        let kind = name.split('_').next().unwrap_or_default();
        let small = match kind {
            "JOINTS" => joints(values),
            _ if values.component != Component::F32 => None,
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
fn place(model: &mut Model, boxes: &[Option<([f32; 3], f32)>]) {
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
