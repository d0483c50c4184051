//! Autodesk FBX, out: version 7400, binary, in metres and Y up.
//!
//! What the first scene shows is written: nodes, meshes with skins and blend shapes, the base slots of materials with
//! their textures inside, and animations as straight lines between keys.

mod animation;
mod element;
mod material;
mod mesh;

use super::super::{
    ir::{Model, Node, Transform},
    space, turn,
    values::Values,
};
use element::{Element, Property, VERSION};
use mesh::Shown;
use serde_json::json;
use slate_core::{
    Error, Result,
    asset::{AssetLimits, Report, Work},
};
use std::collections::{BTreeMap, BTreeSet};

/// Writes one file, images inside; gives its bytes.
pub(in crate::model) fn write(model: &Model, stem: &str, work: &mut Work<'_>, report: &mut Report) -> Result<u64> {
    let mut file = File::new(model);
    file.nodes(work)?;
    file.materials();
    for node in file.nodes.keys().copied().collect::<Vec<_>>() {
        work.cancel.check()?;
        file.mesh(node)?;
    }
    let length = file.animations(work)?;
    let told = std::mem::take(&mut file.dropped);
    if !told.is_empty() {
        report.insert("dropped".into(), json!(told));
    }
    let bytes = file.finish(length)?;
    work.write(&format!("{stem}.fbx"), &bytes)?;
    Ok(bytes.len() as u64)
}

/// A file that is being made.
struct File<'a> {
    model: &'a Model,
    /// The objects, and how they hang together.
    objects: Vec<Element>,
    links: Vec<Element>,
    next: i64,
    /// Each node that is shown, with its number in the file.
    nodes: BTreeMap<usize, i64>,
    /// Each material's number.
    materials: Vec<i64>,
    /// The one of triangles that have none beside triangles that have one.
    bare: Option<i64>,
    /// Geometries that nodes may share.
    known: BTreeMap<mesh::Key, Vec<mesh::Geometry>>,
    /// The channels of each node's blend shapes, with that of each geometry.
    channels: BTreeMap<usize, Vec<Vec<i64>>>,
    /// What FBX, or this writer, has no place for.
    dropped: BTreeSet<&'static str>,
}

impl<'a> File<'a> {
    fn new(model: &'a Model) -> Self {
        let mut file = Self {
            model,
            objects: Vec::new(),
            links: Vec::new(),
            next: 1_000_000,
            nodes: BTreeMap::new(),
            materials: Vec::new(),
            bare: None,
            known: BTreeMap::new(),
            channels: BTreeMap::new(),
            dropped: BTreeSet::new(),
        };
        let mut drop = |what, is_there: bool| is_there.then(|| file.dropped.insert(what));
        drop("cameras", !model.cameras.is_empty());
        drop("scenes after the first", model.scenes.len() > 1);
        let nodes = || model.nodes.iter();
        drop("levels of detail by MSFT_lod", nodes().any(|node| !node.lods.is_empty()));
        let light = |node: &Node| {
            let extensions = node.rest.get("extensions");
            extensions.is_some_and(|extensions| extensions.get("KHR_lights_punctual").is_some())
        };
        drop("lights", nodes().any(light));
        file
    }

    /// Adds an object; gives its number.
    fn add(&mut self, kind: &'static str, name: &str, class: &str, sort: &str, rest: Vec<Element>) -> i64 {
        self.next += 1;
        let name = format!("{}\0\u{1}{class}", name.replace('\0', ""));
        let object = Element::new(kind).with(self.next).with(name).with(sort).children(rest);
        self.objects.push(object);
        self.next
    }

    /// Puts one object below another.
    fn link(&mut self, child: i64, parent: i64) {
        self.links.push(Element::of("C", "OO").with(child).with(parent));
    }

    /// Makes one object the value of another's property.
    fn link_to(&mut self, child: i64, parent: i64, property: &str) {
        self.links.push(Element::of("C", "OP").with(child).with(parent).with(property));
    }

    /// The nodes that the scene shows.
    fn nodes(&mut self, work: &Work<'_>) -> Result<()> {
        let joints: BTreeSet<usize> = self.model.skins.iter().flat_map(|skin| skin.joints.iter().copied()).collect();
        for (at, _) in space::shown(self.model) {
            work.cancel.check()?;
            let node = &self.model.nodes[at];
            let count = node.instances.first().map_or(0, |(_, values)| values.count());
            AssetLimits::check("the model's number of copies", count as u64, work.limits.nodes)?;
            let sort = match node.mesh {
                Some(_) if count == 0 => "Mesh",
                _ if joints.contains(&at) => "LimbNode",
                _ => "Null",
            };
            let number = self.add_node(node.name(), sort, &node.transform);
            if sort != "Mesh" {
                let flags = if sort == "Null" { "Null" } else { "Skeleton" };
                let attribute = self.add(
                    "NodeAttribute",
                    node.name(),
                    "NodeAttribute",
                    sort,
                    vec![Element::of("TypeFlags", flags)],
                );
                self.link(attribute, number);
            }
            self.nodes.insert(at, number);
        }
        let below: BTreeMap<usize, usize> = self
            .nodes
            .keys()
            .flat_map(|&at| self.model.nodes[at].children.iter().map(move |&child| (child, at)))
            .collect();
        for (at, number) in self.nodes.clone() {
            let above = below.get(&at).and_then(|above| self.nodes.get(above)).copied();
            self.link(number, above.unwrap_or_default());
        }
        Ok(())
    }

    fn add_node(&mut self, name: &str, sort: &str, transform: &Transform) -> i64 {
        let (translation, rotation, scale) = self.parts(transform);
        let properties = Element::new("Properties70")
            .child(property("InheritType", ["enum", "", ""], [1]))
            .child(property("DefaultAttributeIndex", ["int", "Integer", ""], [0]))
            .child(property("Lcl Translation", ["Lcl Translation", "", "A"], translation))
            .child(property("Lcl Rotation", ["Lcl Rotation", "", "A"], turn::angles(rotation)))
            .child(property("Lcl Scaling", ["Lcl Scaling", "", "A"], scale));
        let rest = vec![
            Element::of("Version", 232),
            properties,
            Element::of("Shading", true),
            Element::of("Culling", "CullingOff"),
        ];
        self.add("Model", name, "Model", sort, rest)
    }

    fn parts(&mut self, transform: &Transform) -> ([f64; 3], [f64; 4], [f64; 3]) {
        match transform {
            Transform::Parts { translation, rotation, scale } => {
                (translation.map(f64::from), turn::unit(rotation.map(f64::from)), scale.map(f64::from))
            }
            Transform::Matrix(matrix) => {
                let (translation, rotation, scale, sheared) = turn::parts(matrix);
                sheared.then(|| self.dropped.insert("shear of nodes"));
                (translation, rotation, scale)
            }
        }
    }

    /// What a node shows; copies by `EXT_mesh_gpu_instancing` become nodes.
    fn mesh(&mut self, at: usize) -> Result<()> {
        let node = &self.model.nodes[at];
        let Some(mesh) = node.mesh else { return Ok(()) };
        let Some(&own) = self.nodes.get(&at) else { return Ok(()) };
        let mut shown = vec![own];
        if let Some((_, values)) = node.instances.first() {
            let vectors = |name: &str| super::super::ir::attribute(&node.instances, name).map(Values::to_vectors::<4>);
            let all = ["TRANSLATION", "ROTATION", "SCALE"].map(vectors);
            shown.clear();
            for copy in 0..values.count() {
                let [t, r, s] =
                    all.each_ref().map(|values| values.as_ref().and_then(|values| values.get(copy).copied()));
                let [x, y, z, _] = t.unwrap_or_default();
                let [sx, sy, sz, _] = s.unwrap_or([1.0; 4]);
                let transform = Transform::Parts {
                    translation: [x, y, z],
                    rotation: r.unwrap_or([0.0, 0.0, 0.0, 1.0]),
                    scale: [sx, sy, sz],
                };
                let number = self.add_node(&format!("{}_{copy}", node.name()), "Mesh", &transform);
                self.link(number, own);
                shown.push(number);
            }
        }
        for number in shown {
            self.show(Shown { node: at, number, mesh, skin: node.skin })?;
        }
        Ok(())
    }

    fn finish(self, length: f64) -> Result<Vec<u8>> {
        let mut counts = BTreeMap::from([("GlobalSettings", 1)]);
        for object in &self.objects {
            *counts.entry(object.name()).or_insert(0) += 1;
        }
        let total: i32 = counts.values().sum();
        let kinds =
            counts.into_iter().map(|(kind, count)| Element::of("ObjectType", kind).child(Element::of("Count", count)));
        let definitions = Element::new("Definitions")
            .child(Element::of("Version", 100))
            .child(Element::of("Count", total))
            .children(kinds);
        let document = Element::of("Document", 999_999i64)
            .with("Scene")
            .with("Scene")
            .child(Element::new("Properties70"))
            .child(Element::of("RootNode", 0i64));
        let rest = [
            Element::of("Creator", CREATOR),
            settings(length),
            Element::new("Documents").child(Element::of("Count", 1)).child(document),
            Element::new("References"),
            definitions,
            Element::new("Objects").children(self.objects),
            Element::new("Connections").children(self.links),
        ];
        let header = Element::new("FBXHeaderExtension")
            .child(Element::of("FBXHeaderVersion", 1003))
            .child(Element::of("FBXVersion", VERSION))
            .child(Element::of("EncryptionType", 0))
            .child(Element::of("Creator", CREATOR));
        element::file(&header, &rest).ok_or_else(|| Error::limit_exceeded("an FBX file holds at most four gigabytes"))
    }
}

const CREATOR: &str = "SLATE";
/// Ticks of a second.
const TICKS: f64 = 46_186_158_000.0;

fn ticks(seconds: f64) -> i64 {
    (seconds * TICKS).round() as i64
}

/// Y up, Z to the viewer, a metre to the unit.
fn settings(length: f64) -> Element {
    let mut all = Element::new("Properties70");
    for (name, value) in [
        ("UpAxis", 1),
        ("UpAxisSign", 1),
        ("FrontAxis", 2),
        ("FrontAxisSign", 1),
        ("CoordAxis", 0),
        ("CoordAxisSign", 1),
        ("OriginalUpAxis", 1),
        ("OriginalUpAxisSign", 1),
    ] {
        all = all.child(property(name, ["int", "Integer", ""], [value]));
    }
    let time = ["KTime", "Time", ""];
    all = all
        .child(property("UnitScaleFactor", ["double", "Number", ""], [100.0]))
        .child(property("OriginalUnitScaleFactor", ["double", "Number", ""], [100.0]))
        .child(property("TimeMode", ["enum", "", ""], [6]))
        .child(property("TimeSpanStart", time, [0i64]))
        .child(property("TimeSpanStop", time, [ticks(length)]));
    Element::new("GlobalSettings").child(Element::of("Version", 1000)).child(all)
}

/// A property of an object: its name; its type, the type's other name and flags; and its values.
fn property<T: Into<Property>>(
    name: &str,
    [kind, label, flags]: [&str; 3],
    values: impl IntoIterator<Item = T>,
) -> Element {
    let property = Element::of("P", name).with(kind).with(label).with(flags);
    values.into_iter().fold(property, Element::with)
}
