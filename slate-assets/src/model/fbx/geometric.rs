//! What lies between a node and the mesh that it shows, and is inherited by no node below: `GeometricTranslation`,
//! `GeometricRotation` and `GeometricScaling`.
//!
//! The parser lays it into the meshes that one node shows, and leaves those as they are that several do. Such a node shows
//! its mesh by a node below it.

use super::{
    super::{ir::Transform, turn},
    entries::{binary, text},
    finite,
};
use fbx_rs::{Mesh, Scene};
use std::{collections::BTreeMap, ops::Range};

const NAMES: [&[u8]; 3] = [b"GeometricTranslation", b"GeometricRotation", b"GeometricScaling"];

/// How all three begin.
const START: &[u8] = b"Geometric";

/// Where a node's mesh is, how it is turned (angles in degrees) and how it is stretched.
type Parts = [[f64; 3]; 3];

const NOWHERE: Parts = [[0.0; 3], [0.0; 3], [1.0; 3]];

/// What lies between nodes and their meshes.
#[derive(Debug, Default)]
pub(super) struct Geometric {
    /// By the nodes' numbers, in the file's unit.
    parts: BTreeMap<i64, Parts>,
    /// That unit in centimetres.
    unit: Option<f64>,
}

impl Geometric {
    /// That of the nodes of a file that share a mesh; none where it can't be told, though there may be some.
    pub(super) fn read(bytes: &[u8], scene: &Scene) -> Option<Self> {
        let mut all = Self::default();
        let is_shared = scene.meshes().iter().any(|mesh| mesh.instances().len() > 1);
        // Most files have none of them.
        if is_shared && bytes.windows(START.len()).any(|window| window == START) {
            match binary::File::new(bytes) {
                Some(file) => all.read_binary(&file),
                None => all.read_text(&text::entries(bytes)?),
            }
            all.parts.retain(|_, parts| *parts != NOWHERE);
        }
        Some(all)
    }

    /// What lies between a node and its mesh, if the parser has left it out.
    pub(super) fn of(&self, node: &fbx_rs::Node, mesh: &Mesh) -> Option<Transform> {
        let [place, angles, stretch] = *self.parts.get(&node.source_id()?).filter(|_| mesh.instances().len() > 1)?;
        let metres = self.unit.filter(|unit| *unit > 0.0).unwrap_or(1.0) / 100.0;
        let mut place = place.map(|number| finite(number * metres));
        let [mut x, mut y, z, w] = turn::unit(turn::quaternion(angles)).map(finite);
        // Files whose axes are a left hand's are mirrored at z.
        if mesh.reversed_winding() {
            (place[2], x, y) = (-place[2], -x, -y);
        }
        Some(Transform::Parts { translation: place, rotation: [x, y, z, w], scale: stretch.map(finite) })
    }

    /// A property of a node; of the file itself where there is no node.
    fn add(&mut self, node: Option<i64>, name: &[u8], numbers: &[f64]) {
        match (node, NAMES.iter().position(|known| *known == name), numbers) {
            (Some(node), Some(at), &[x, y, z, ..]) => self.parts.entry(node).or_insert(NOWHERE)[at] = [x, y, z],
            (None, _, &[unit, ..]) if name == b"UnitScaleFactor" => self.unit = Some(unit),
            _ => {}
        }
    }

    fn read_binary(&mut self, file: &binary::File<'_>) {
        let named = |range: Range<usize>, name: &'static [u8]| {
            file.entries(range).into_iter().filter(move |entry| file.bytes[entry.name.clone()] == *name)
        };
        let settings = named(file.all(), b"GlobalSettings").map(|settings| (None, settings));
        let models = named(file.all(), b"Objects").flat_map(|objects| named(objects.below, b"Model"));
        let models = models.filter_map(|model| Some((Some(file.number(model.values.start)?), model)));
        for (node, entry) in settings.chain(models) {
            for property in named(entry.below, b"Properties70").flat_map(|list| named(list.below, b"P")) {
                if let Some(name) = file.texts(property.values.clone()).into_iter().next() {
                    self.add(node, &file.bytes[name], &file.numbers(property.values));
                }
            }
        }
    }

    fn read_text(&mut self, entries: &[text::Entry<'_>]) {
        let settings = named(entries, b"GlobalSettings").map(|settings| (None, settings));
        let models = named(entries, b"Objects").flat_map(|objects| named(objects.below(), b"Model"));
        let models = models.filter_map(|model| Some((Some(model.values.first()?.whole()?), model)));
        for (node, entry) in settings.chain(models) {
            for property in named(entry.below(), b"Properties70").flat_map(|list| named(list.below(), b"P")) {
                let Some(name) = property.values.first().and_then(text::Value::text) else { continue };
                let number = |number: &[u8]| std::str::from_utf8(number).ok()?.parse().ok();
                let numbers: Vec<f64> = property.numbers().into_iter().filter_map(number).collect();
                self.add(node, name, &numbers);
            }
        }
    }
}

fn named<'e, 'a>(entries: &'e [text::Entry<'a>], name: &'static [u8]) -> impl Iterator<Item = &'e text::Entry<'a>> {
    entries.iter().filter(move |entry| entry.name == name)
}
