use super::{
    super::{
        ir::{Mesh, Model, Node, Primitive, Rest, Skin, set_attribute},
        values::{Component, Shape, Values},
    },
    finite,
    geometric::Geometric,
};
use fbx_rs::{Scene, VertexAttribute};
use serde_json::{Value, json};
use slate_core::{
    Error, Result,
    asset::{AssetLimits, Work},
};
use std::collections::{BTreeMap, HashMap};

/// The blend-shape channels of each node that has some: the numbers by which animations name them, and their weights.
pub(super) type Shapes = BTreeMap<usize, Vec<(Option<i64>, f32)>>;

/// Reads the mesh of each node, with its skin; a mesh that several nodes show is read once for all that have its
/// materials.
pub(super) fn read(scene: &Scene, model: &mut Model, geometric: &Geometric, work: &Work<'_>) -> Result<Shapes> {
    let (mut known, mut shapes) = (HashMap::new(), Shapes::new());
    let mut room = work.limits.decoded_bytes;
    for (at, node) in scene.nodes().iter().enumerate().skip(1) {
        work.cancel.check()?;
        let Some((number, mesh)) = node.mesh().and_then(|number| Some((number, scene.meshes().get(number)?))) else {
            continue;
        };
        let materials = if node.materials().is_empty() { mesh.materials() } else { node.materials() };
        let skinned = mesh.skin_deformers().first().and_then(|&skin| scene.skin_deformers().get(skin));
        let key = (number, materials.to_vec(), skinned.map(|_| at));
        let channels = channels(scene, mesh);
        let place = match known.get(&key) {
            Some(&place) => place,
            None => {
                let builder = Builder { scene, mesh, materials, channels: &channels };
                let (made, skin) = builder.build(at - 1, &mut room)?;
                if made.primitives.is_empty() {
                    continue;
                }
                model.meshes.push(made);
                let skin = skin.map(|skin| {
                    model.skins.push(skin);
                    model.skins.len() - 1
                });
                known.insert(key, (model.meshes.len() - 1, skin));
                (model.meshes.len() - 1, skin)
            }
        };
        let mut shown_by = at - 1;
        // Skins place what they move by themselves.
        if let Some(transform) = geometric.of(node, mesh).filter(|_| skinned.is_none()) {
            AssetLimits::check("the model's number of nodes", model.nodes.len() as u64 + 1, work.limits.nodes)?;
            let below = Node { transform, ..Node::named(&format!("{}_geometry", node.name())) };
            shown_by = model.nodes.len();
            model.nodes[at - 1].children.push(shown_by);
            model.nodes.push(below);
        }
        (model.nodes[shown_by].mesh, model.nodes[shown_by].skin) = (Some(place.0), place.1);
        if !channels.is_empty() {
            let told = |&channel: &usize| {
                let channel = &scene.blend_channels()[channel];
                (channel.source_id, finite(channel.weight))
            };
            shapes.insert(shown_by, channels.iter().map(told).collect());
        }
    }
    Ok(shapes)
}

/// The blend-shape channels of a mesh that have a shape.
fn channels(scene: &Scene, mesh: &fbx_rs::Mesh) -> Vec<usize> {
    let deformers = mesh.blend_deformers().iter().filter_map(|&at| scene.blend_deformers().get(at));
    let channels = deformers.flat_map(|deformer| &deformer.channels).copied();
    let has_shape = |at: &usize| scene.blend_channels().get(*at).is_some_and(|channel| channel.target_shape.is_some());
    channels.filter(has_shape).collect()
}

/// Joints of a vertex with their weights.
type Influences = [(u16, f32); 4];

struct Builder<'a> {
    scene: &'a Scene,
    mesh: &'a fbx_rs::Mesh,
    materials: &'a [usize],
    channels: &'a [usize],
}

/// The triangles of one material.
#[derive(Default)]
struct Part {
    /// A corner of the polygons for each vertex.
    corners: Vec<u32>,
    known: HashMap<[u32; 5], u32>,
    indices: Vec<u32>,
}

impl Builder<'_> {
    fn build(&self, node: usize, room: &mut u64) -> Result<(Mesh, Option<Skin>)> {
        let mut parts: BTreeMap<u32, Part> = BTreeMap::new();
        let mut triangles = self.mesh.triangles().as_chunks::<3>().0.iter();
        for (face, polygon) in self.mesh.faces().iter().enumerate() {
            let slot = self.mesh.face_material().get(face).copied().unwrap_or_default();
            let part = parts.entry(slot).or_default();
            for corners in triangles.by_ref().take((polygon.count as usize).saturating_sub(2)) {
                for &corner in corners {
                    let vertex = *part.known.entry(self.key(corner)).or_insert_with(|| {
                        part.corners.push(corner);
                        part.corners.len() as u32 - 1
                    });
                    part.indices.push(vertex);
                }
            }
        }
        let names = self.channels.iter().map(|&at| Value::from(self.scene.blend_channels()[at].name.as_str()));
        let mut mesh = Mesh {
            rest: Rest::from_iter([("name".to_owned(), Value::from(self.mesh.name()))]),
            weights: self.channels.iter().map(|&at| finite(self.scene.blend_channels()[at].weight)).collect(),
            ..Mesh::default()
        };
        if !self.channels.is_empty() {
            mesh.rest.insert("extras".into(), json!({"targetNames": names.collect::<Vec<_>>()}));
        }
        let skin = self.skin(node)?;
        for (slot, part) in parts.into_iter().filter(|(_, part)| !part.indices.is_empty()) {
            let bytes = part.corners.len() as u64 * (64 + 12 * self.channels.len() as u64);
            AssetLimits::check("the size of the model's vertices", bytes, *room)?;
            *room -= bytes;
            let mut primitive = Primitive {
                attributes: self.attributes(&part),
                targets: self.channels.iter().map(|&channel| self.target(channel, &part)).collect(),
                mode: Primitive::TRIANGLES,
                material: self.materials.get(slot as usize).copied().filter(|&at| at < self.scene.materials().len()),
                rest: Rest::new(),
                indices: Some(part.indices),
            };
            if let Some((_, influences)) = &skin {
                let points = part.corners.iter().map(|&corner| self.point(corner));
                let of = |point: u32| influences.get(point as usize).copied().unwrap_or_default();
                let four: Vec<Influences> = points.map(of).collect();
                let joints: Vec<u8> = four.iter().flatten().flat_map(|(joint, _)| joint.to_le_bytes()).collect();
                let weights: Vec<f32> = four.iter().flatten().map(|(_, weight)| *weight).collect();
                let joints =
                    Values { component: Component::U16, shape: Shape::Vec4, normalized: false, bytes: joints.into() };
                set_attribute(&mut primitive.attributes, "JOINTS_0", joints);
                set_attribute(&mut primitive.attributes, "WEIGHTS_0", Values::floats(Shape::Vec4, &weights));
            }
            mesh.primitives.push(primitive);
        }
        Ok((mesh, skin.map(|(skin, _)| skin)))
    }

    /// What tells vertices apart: place, normal, two coordinates and colour.
    fn key(&self, corner: u32) -> [u32; 5] {
        fn at<const N: usize>(attribute: Option<&VertexAttribute<N>>, corner: u32) -> u32 {
            attribute.and_then(|values| values.indices().get(corner as usize)).copied().unwrap_or(u32::MAX)
        }
        let set = |set: usize| self.mesh.uv_sets().get(set).map(fbx_rs::UvSet::uv);
        let color = self.mesh.color_sets().first().map(fbx_rs::ColorSet::color);
        [
            at(Some(self.mesh.positions()), corner),
            at(self.mesh.normals(), corner),
            at(set(0), corner),
            at(set(1), corner),
            at(color, corner),
        ]
    }

    fn point(&self, corner: u32) -> u32 {
        self.mesh.positions().indices().get(corner as usize).copied().unwrap_or(u32::MAX)
    }

    fn attributes(&self, part: &Part) -> Vec<(String, Values)> {
        fn numbers<const N: usize>(
            values: &VertexAttribute<N>,
            part: &Part,
            change: impl Fn([f32; N]) -> [f32; N],
        ) -> Vec<f32> {
            let value = |corner: &u32| change(values.get(*corner as usize).unwrap_or([0.0; N]).map(finite));
            part.corners.iter().flat_map(value).collect()
        }
        let mut attributes = Vec::new();
        let positions = numbers(self.mesh.positions(), part, |place| place);
        set_attribute(&mut attributes, "POSITION", Values::floats(Shape::Vec3, &positions));
        if let Some(normals) = self.mesh.normals() {
            let normals = numbers(normals, part, super::super::space::unit);
            set_attribute(&mut attributes, "NORMAL", Values::floats(Shape::Vec3, &normals));
        }
        for (set, coordinates) in self.mesh.uv_sets().iter().take(2).enumerate() {
            // glTF's textures begin at the top.
            let coordinates = numbers(coordinates.uv(), part, |[u, v]| [u, 1.0 - v]);
            set_attribute(&mut attributes, &format!("TEXCOORD_{set}"), Values::floats(Shape::Vec2, &coordinates));
        }
        if let Some(colors) = self.mesh.color_sets().first() {
            let colors = numbers(colors.color(), part, |color| color.map(|number| number.clamp(0.0, 1.0)));
            set_attribute(&mut attributes, "COLOR_0", Values::floats(Shape::Vec4, &colors));
        }
        attributes
    }

    fn target(&self, channel: usize, part: &Part) -> Vec<(String, Values)> {
        let shape = self.scene.blend_channels()[channel].target_shape.and_then(|at| self.scene.blend_shapes().get(at));
        let mut offsets = HashMap::new();
        if let Some(shape) = shape {
            offsets.extend(shape.offset_vertices.iter().copied().zip(shape.position_offsets.iter().copied()));
        }
        let offset = |corner: &u32| offsets.get(&self.point(*corner)).copied().unwrap_or_default().map(finite);
        let numbers: Vec<f32> = part.corners.iter().flat_map(offset).collect();
        vec![("POSITION".to_owned(), Values::floats(Shape::Vec3, &numbers))]
    }

    /// The skin, and the four strongest joints of each control point. What has none moves with the mesh's own node.
    fn skin(&self, node: usize) -> Result<Option<(Skin, Vec<Influences>)>> {
        let deformer = self.mesh.skin_deformers().first().and_then(|&at| self.scene.skin_deformers().get(at));
        let Some(deformer) = deformer else { return Ok(None) };
        let (mut joints, mut matrices) = (Vec::new(), Vec::new());
        let mut joint_of = Vec::new();
        for cluster in deformer.clusters.iter().map(|&at| self.scene.skin_clusters().get(at)) {
            let bone = cluster.and_then(|cluster| Some((cluster, cluster.bone_node?.checked_sub(1)?)));
            joint_of.push(bone.map(|(cluster, bone)| {
                joints.push(bone);
                for column in 0..4 {
                    matrices.extend(cluster.geometry_to_bone.column(column).map(finite));
                    matrices.push(if column == 3 { 1.0 } else { 0.0 });
                }
                joints.len() - 1
            }));
        }
        let own = joints.len();
        if own >= usize::from(u16::MAX) {
            return Err(Error::limit_exceeded("a skin has too many joints").with("limit", u16::MAX));
        }
        joints.push(node);
        matrices.extend(super::super::ir::Transform::IDENTITY.matrix());
        let mut influences = Vec::with_capacity(deformer.vertices.len());
        for vertex in &deformer.vertices {
            let end = vertex.weight_begin.saturating_add(vertex.num_weights);
            let weights = deformer.weights.get(vertex.weight_begin..end).unwrap_or_default();
            let mut four = [(0u16, 0.0f32); 4];
            // The strongest come first.
            let found = weights
                .iter()
                .filter_map(|weight| Some(((*joint_of.get(weight.cluster_index)?)?, finite(weight.weight))));
            for (slot, (joint, weight)) in four.iter_mut().zip(found.filter(|(_, weight)| *weight > 0.0)) {
                *slot = (joint as u16, weight);
            }
            let sum: f32 = four.iter().map(|(_, weight)| weight).sum();
            if sum > 0.0 {
                four.iter_mut().for_each(|(_, weight)| *weight /= sum);
            } else {
                four[0] = (own as u16, 1.0);
            }
            influences.push(four);
        }
        let skin = Skin { joints, inverse_bind: Some(Values::floats(Shape::Mat4, &matrices)), ..Skin::default() };
        Ok(Some((skin, influences)))
    }
}
