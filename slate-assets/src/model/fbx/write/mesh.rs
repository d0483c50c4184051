use super::{
    super::super::{
        ir::{Mesh, Primitive, Transform, attribute},
        values::{Shape, Values},
    },
    Element, File,
    element::Property,
};
use serde_json::Value;
use slate_core::{Error, Result};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A mesh at a node of the file.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) node: usize,
    /// The node's number in the file.
    pub(super) number: i64,
    pub(super) mesh: usize,
    pub(super) skin: Option<usize>,
}

/// What tells geometries apart: the mesh, the skin, the weights of its blend shapes, and the node that animates them.
pub(super) type Key = (usize, Option<usize>, Vec<u32>, Option<usize>);

/// A geometry of the file.
#[derive(Clone)]
pub(super) struct Geometry {
    number: i64,
    /// The materials that its triangles count by.
    materials: Vec<Option<usize>>,
    /// The channels of its blend shapes.
    channels: Vec<i64>,
    /// The joints that bend it, with where they are when they don't.
    bind: Vec<(i64, [f64; 16])>,
}

impl File<'_> {
    /// Puts a mesh at a node. A geometry's triangles have the same attributes: other ones go to nodes of their own below.
    pub(super) fn show(&mut self, shown: Shown) -> Result<()> {
        let Some(mesh) = self.model.meshes.get(shown.mesh) else { return Ok(()) };
        let node = &self.model.nodes[shown.node];
        let weights = if node.weights.is_empty() { &mesh.weights } else { &node.weights };
        let channels = self.model.animations.iter().flat_map(|animation| &animation.channels);
        let is_moved =
            channels.into_iter().any(|channel| channel.node == Some(shown.node) && channel.path == "weights");
        let bits = weights.iter().map(|weight| weight.to_bits()).collect();
        let key = (shown.mesh, shown.skin, bits, is_moved.then_some(shown.node));
        let geometries = match self.known.get(&key) {
            Some(known) => known.clone(),
            None => {
                let mut made = Vec::new();
                for parts in groups(mesh) {
                    made.push(self.geometry(mesh, &parts, weights, shown.skin)?);
                }
                if mesh.primitives.iter().any(|part| !matches!(part.mode, 4..=6)) {
                    self.dropped.insert("lines and points");
                }
                if mesh.primitives.iter().any(|part| attribute(&part.attributes, "TANGENT").is_some()) {
                    self.dropped.insert("tangents");
                }
                self.known.insert(key, made.clone());
                made
            }
        };
        for (at, geometry) in geometries.iter().enumerate() {
            let mut number = shown.number;
            if at > 0 {
                number = self.add_node(&format!("{}_{at}", node.name()), "Mesh", &Transform::IDENTITY);
                self.link(number, shown.number);
            }
            self.link(geometry.number, number);
            for material in &geometry.materials {
                let material = match material.and_then(|at| self.materials.get(at)) {
                    Some(&material) => material,
                    None => self.bare_material(),
                };
                self.link(material, number);
            }
            if !geometry.bind.is_empty() {
                self.pose(number, &geometry.bind);
            }
        }
        self.channels.insert(shown.node, geometries.into_iter().map(|geometry| geometry.channels).collect());
        Ok(())
    }

    fn geometry(
        &mut self,
        mesh: &Mesh,
        parts: &[&Primitive],
        weights: &[f32],
        skin: Option<usize>,
    ) -> Result<Geometry> {
        let mut materials: Vec<Option<usize>> = Vec::new();
        let (mut triangles, mut slots, mut first) = (Vec::new(), Vec::new(), 0u32);
        for part in parts {
            let slot = materials.iter().position(|&known| known == part.material).unwrap_or_else(|| {
                materials.push(part.material);
                materials.len() - 1
            });
            part.each_triangle(|corners| {
                triangles.push(corners.map(|corner| corner + first));
                slots.push(slot as i32);
            });
            first = u32::try_from(part.vertices())
                .ok()
                .and_then(|count| first.checked_add(count))
                .filter(|&count| count < i32::MAX as u32)
                .ok_or_else(|| Error::limit_exceeded("the mesh has too many vertices for FBX"))?;
        }
        let points = Points::of(parts, &triangles);
        let polygons = triangles.iter().flat_map(|corners| {
            let [a, b, c] = corners.map(|corner| points.of_vertex[corner as usize] as i32);
            // The last corner of a polygon is told by its complement.
            [a, b, !c]
        });
        let places = vectors::<3>(parts, "POSITION");
        let vertices = points.firsts.iter().flat_map(|&vertex| places[vertex as usize]).collect::<Vec<f64>>();
        let corners: Vec<i32> = triangles.iter().flatten().map(|&corner| corner as i32).collect();
        let mut rest = vec![
            Element::new("Properties70"),
            Element::of("GeometryVersion", 124),
            Element::of("Vertices", vertices),
            Element::of("PolygonVertexIndex", polygons.collect::<Vec<i32>>()),
        ];
        rest.extend(layers(parts, &corners));
        if materials != [None] {
            let all_same = materials.len() < 2;
            let mapping = if all_same { "AllSame" } else { "ByPolygon" };
            if all_same {
                slots.truncate(1);
            }
            let layer = layer("LayerElementMaterial", 0, "", [mapping, "IndexToDirect"]);
            rest.push(layer.child(Element::of("Materials", slots)));
        } else {
            materials.clear();
        }
        rest.extend(table(&rest));
        let name = mesh.rest.get("name").and_then(Value::as_str).unwrap_or_default();
        let number = self.add("Geometry", name, "Geometry", "Mesh", rest);
        let bind = match skin.filter(|_| attribute(&parts[0].attributes, "JOINTS_0").is_some()) {
            Some(skin) => self.skin(skin, parts, &points, number),
            None => Vec::new(),
        };
        let channels = self.shapes(mesh, parts, &points, weights, number);
        Ok(Geometry { number, materials, channels, bind })
    }

    /// The bones of a geometry; gives where each is at rest.
    fn skin(&mut self, at: usize, parts: &[&Primitive], points: &Points, geometry: i64) -> Vec<(i64, [f64; 16])> {
        let Some(skin) = self.model.skins.get(at) else { return Vec::new() };
        let mut influences: Vec<Vec<(i32, f64)>> = vec![Vec::new(); skin.joints.len()];
        for set in 0.. {
            let names = [format!("JOINTS_{set}"), format!("WEIGHTS_{set}")];
            if names.iter().any(|name| attribute(&parts[0].attributes, name).is_none()) {
                break;
            }
            let [joints, weights] = names.map(|name| vectors::<4>(parts, &name));
            for (point, &vertex) in points.firsts.iter().enumerate() {
                for (joint, weight) in joints[vertex as usize].iter().zip(weights[vertex as usize]) {
                    let Some(of) = influences.get_mut(*joint as usize).filter(|_| weight > 0.0) else { continue };
                    match of.last_mut() {
                        Some(last) if last.0 == point as i32 => last.1 += weight,
                        _ => of.push((point as i32, weight)),
                    }
                }
            }
        }
        let matrices: Vec<[f32; 16]> = skin.inverse_bind.as_ref().map(Values::to_vectors::<16>).unwrap_or_default();
        let rest = vec![Element::of("Version", 101), Element::of("Link_DeformAcuracy", 50.0)];
        let deformer = self.add("Deformer", "", "Deformer", "Skin", rest);
        self.link(deformer, geometry);
        let mut bind = Vec::new();
        for (at, (joint, influences)) in skin.joints.iter().zip(influences).enumerate() {
            let Some(&bone) = self.nodes.get(joint) else {
                self.dropped.insert("joints that the scene doesn't show");
                continue;
            };
            // Later sets come after all points of the first.
            let mut sums = BTreeMap::new();
            influences.into_iter().for_each(|(point, weight)| *sums.entry(point).or_insert(0.0) += weight);
            let matrix = matrices.get(at).map_or_else(|| Transform::IDENTITY.matrix(), |matrix| *matrix).map(f64::from);
            let rest = inverse(&matrix);
            let parts = vec![
                Element::of("Version", 100),
                Element::of("UserData", "").with(""),
                Element::of("Indexes", sums.keys().copied().collect::<Vec<i32>>()),
                Element::of("Weights", sums.values().copied().collect::<Vec<f64>>()),
                Element::of("Transform", matrix.to_vec()),
                Element::of("TransformLink", rest.to_vec()),
            ];
            let cluster = self.add("Deformer", "", "SubDeformer", "Cluster", parts);
            self.link(cluster, deformer);
            self.link(bone, cluster);
            bind.push((bone, rest));
        }
        bind
    }

    /// Where a bent mesh and its bones are at rest.
    fn pose(&mut self, mesh: i64, bind: &[(i64, [f64; 16])]) {
        let identity = Transform::IDENTITY.matrix().map(f64::from);
        let nodes = std::iter::once((mesh, identity)).chain(bind.iter().copied());
        let mut rest = vec![
            Element::of("Type", "BindPose"),
            Element::of("Version", 100),
            Element::of("NbPoseNodes", bind.len() as i32 + 1),
        ];
        rest.extend(nodes.map(|(node, matrix)| {
            Element::new("PoseNode").child(Element::of("Node", node)).child(Element::of("Matrix", matrix.to_vec()))
        }));
        self.add("Pose", "", "Pose", "BindPose", rest);
    }

    /// The blend shapes of a geometry; gives their channels.
    fn shapes(
        &mut self,
        mesh: &Mesh,
        parts: &[&Primitive],
        points: &Points,
        weights: &[f32],
        geometry: i64,
    ) -> Vec<i64> {
        let count = parts[0].targets.len();
        if count == 0 {
            return Vec::new();
        }
        let names = mesh.rest.get("extras").and_then(|extras| extras.get("targetNames"));
        let deformer = self.add("Deformer", "", "Deformer", "BlendShape", vec![Element::of("Version", 100)]);
        self.link(deformer, geometry);
        let mut channels = Vec::new();
        for at in 0..count {
            let name = names.and_then(|names| names.get(at)).and_then(Value::as_str);
            let name = name.map_or_else(|| format!("shape_{at}"), str::to_owned);
            let moved: Vec<[f32; 3]> = parts.iter().flat_map(|part| target(part, at)).collect();
            let (mut indices, mut offsets) = (Vec::new(), Vec::new());
            for (point, &vertex) in points.firsts.iter().enumerate() {
                let offset = moved[vertex as usize];
                // Readers expect a shape to have a point.
                if offset != [0.0; 3] || indices.is_empty() && point + 1 == points.firsts.len() {
                    indices.push(point as i32);
                    offsets.extend(offset.map(f64::from));
                }
            }
            let percent = f64::from(weights.get(at).copied().unwrap_or_default()) * 100.0;
            let rest = vec![
                Element::of("Version", 100),
                Element::of("DeformPercent", percent),
                Element::of("FullWeights", vec![100.0f64]),
            ];
            let channel = self.add("Deformer", &name, "SubDeformer", "BlendShapeChannel", rest);
            self.link(channel, deformer);
            let rest =
                vec![Element::of("Version", 100), Element::of("Indexes", indices), Element::of("Vertices", offsets)];
            let shape = self.add("Geometry", &name, "Geometry", "Shape", rest);
            self.link(shape, channel);
            channels.push(channel);
        }
        channels
    }
}

/// The primitives of a mesh by the attributes that they have.
fn groups(mesh: &Mesh) -> Vec<Vec<&Primitive>> {
    type Kind = (Vec<String>, usize);
    let kind = |part: &Primitive| -> Kind {
        let of_corners = ["NORMAL", "TEXCOORD_", "COLOR_0", "JOINTS_", "WEIGHTS_"];
        let names = part.attributes.iter().map(|(name, _)| name.clone());
        (names.filter(|name| of_corners.iter().any(|start| name.starts_with(start))).collect(), part.targets.len())
    };
    let mut groups: Vec<(Kind, Vec<&Primitive>)> = Vec::new();
    for part in &mesh.primitives {
        if !matches!(part.mode, 4..=6) || attribute(&part.attributes, "POSITION").is_none() || part.triangles() == 0 {
            continue;
        }
        let kind = kind(part);
        match groups.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, parts)) => parts.push(part),
            None => groups.push((kind, vec![part])),
        }
    }
    groups.into_iter().map(|(_, parts)| parts).collect()
}

/// The values of all vertices of these parts.
fn vectors<const N: usize>(parts: &[&Primitive], name: &str) -> Vec<[f64; N]> {
    let of = |part: &&Primitive| match attribute(&part.attributes, name) {
        Some(values) => values.to_vectors::<N>(),
        None => vec![[0.0; N]; part.vertices()],
    };
    parts.iter().flat_map(of).map(|vector| vector.map(f64::from)).collect()
}

/// How far a morph target moves each vertex of a part.
fn target(part: &Primitive, at: usize) -> Vec<[f32; 3]> {
    let values = part.targets.get(at).and_then(|target| attribute(target, "POSITION"));
    values.map_or_else(|| vec![[0.0; 3]; part.vertices()], Values::to_vectors::<3>)
}

/// The control points: vertices at one place that are moved alike are one, so that the surface has no slits.
struct Points {
    /// The point of each vertex.
    of_vertex: Vec<u32>,
    /// The first vertex of each point.
    firsts: Vec<u32>,
}

impl Points {
    fn of(parts: &[&Primitive], triangles: &[[u32; 3]]) -> Self {
        let (mut of_vertex, mut firsts, mut known) = (Vec::new(), Vec::new(), HashMap::new());
        for part in parts {
            let moves = |name: &str| name == "POSITION" || name.starts_with("JOINTS_") || name.starts_with("WEIGHTS_");
            let own = part.attributes.iter().filter(|(name, _)| moves(name)).map(|(_, values)| values);
            let targets = part.targets.iter().filter_map(|target| attribute(target, "POSITION"));
            let all: Vec<&Values> = own.chain(targets).collect();
            for vertex in 0..part.vertices() {
                let key: Vec<u8> = all.iter().flat_map(|values| values.element(vertex)).copied().collect();
                let point = *known.entry(key).or_insert_with(|| {
                    firsts.push(of_vertex.len() as u32);
                    firsts.len() as u32 - 1
                });
                of_vertex.push(point);
            }
        }
        // Two sides of a leaf: readers take a second triangle between the same points for a mistake.
        let mut seen = HashSet::new();
        let twice = triangles.iter().any(|corners| {
            let mut points = corners.map(|corner| of_vertex[corner as usize]);
            points.sort_unstable();
            !seen.insert(points)
        });
        if twice {
            let all: Vec<u32> = (0..of_vertex.len() as u32).collect();
            return Self { of_vertex: all.clone(), firsts: all };
        }
        Self { of_vertex, firsts }
    }
}

/// What is told of each corner, by the vertex that it is.
fn layers(parts: &[&Primitive], corners: &[i32]) -> Vec<Element> {
    let mut all = Vec::new();
    let mut add = |kind, number, name: &str, lists: [&'static str; 2], values: Vec<f64>| {
        let layer = layer(kind, number, name, ["ByPolygonVertex", "IndexToDirect"]);
        all.push(layer.child(Element::of(lists[0], values)).child(Element::of(lists[1], corners.to_vec())));
    };
    let has = |name: &str| attribute(&parts[0].attributes, name);
    if has("NORMAL").is_some() {
        add("LayerElementNormal", 0, "", ["Normals", "NormalsIndex"], vectors::<3>(parts, "NORMAL").concat());
    }
    if let Some(colors) = has("COLOR_0") {
        let mut values = vectors::<4>(parts, "COLOR_0");
        if colors.shape == Shape::Vec3 {
            values.iter_mut().for_each(|color| color[3] = 1.0);
        }
        add("LayerElementColor", 0, "colors", ["Colors", "ColorIndex"], values.concat());
    }
    for set in (0..).take_while(|set| has(&format!("TEXCOORD_{set}")).is_some()) {
        // FBX's textures begin at the bottom.
        let values = vectors::<2>(parts, &format!("TEXCOORD_{set}")).into_iter().flat_map(|[u, v]| [u, 1.0 - v]);
        add("LayerElementUV", set, &format!("UV{set}"), ["UV", "UVIndex"], values.collect());
    }
    all
}

fn layer(kind: &'static str, number: i32, name: &str, [mapping, reference]: [&str; 2]) -> Element {
    Element::of(kind, number)
        .child(Element::of("Version", 101))
        .child(Element::of("Name", name))
        .child(Element::of("MappingInformationType", mapping))
        .child(Element::of("ReferenceInformationType", reference))
}

/// The table of layers: the second has the second texture coordinates, and so on.
fn table(elements: &[Element]) -> Vec<Element> {
    let mut layers: Vec<Element> = Vec::new();
    for element in elements.iter().filter(|element| element.name().starts_with("LayerElement")) {
        let Some(&Property::Int(number)) = element.values().first() else { continue };
        let entry = Element::new("LayerElement")
            .child(Element::of("Type", element.name()))
            .child(Element::of("TypedIndex", number));
        while layers.len() <= number as usize {
            layers.push(Element::of("Layer", layers.len() as i32).child(Element::of("Version", 100)));
        }
        layers[number as usize].push(entry);
    }
    layers
}

/// The inverse of an affine matrix; one that has none stays as it is.
fn inverse(m: &[f64; 16]) -> [f64; 16] {
    let cofactor = |a: usize, b: usize, row: usize| {
        let (next, last) = ((row + 1) % 3, (row + 2) % 3);
        m[a * 4 + next] * m[b * 4 + last] - m[a * 4 + last] * m[b * 4 + next]
    };
    let rows: [[f64; 3]; 3] = [(1, 2), (2, 0), (0, 1)].map(|(a, b)| std::array::from_fn(|row| cofactor(a, b, row)));
    let volume: f64 = (0..3).map(|at| m[at] * rows[0][at]).sum();
    if volume.abs() < f64::MIN_POSITIVE {
        return *m;
    }
    let mut out = Transform::IDENTITY.matrix().map(f64::from);
    for (row, numbers) in rows.iter().enumerate() {
        for (column, number) in numbers.iter().enumerate() {
            out[column * 4 + row] = number / volume;
        }
        out[12 + row] = -(0..3).map(|at| numbers[at] / volume * m[12 + at]).sum::<f64>();
    }
    out
}
