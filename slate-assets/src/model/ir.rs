//! One model between all readers and writers.
//!
//! It follows glTF 2.0, which can say most of what the others can. What nobody here needs to understand stays JSON:
//! `rest` holds the fields of an object that have no field of their own, extensions and extras included.

use super::values::Values;
use bytes::Bytes;
use serde_json::{Map, Value};

/// The fields of a JSON object that are kept as they are.
pub(crate) type Rest = Map<String, Value>;

/// A model: everything that one file holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) scenes: Vec<SceneRoots>,
    /// The scene to show first.
    pub(crate) scene: Option<usize>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) meshes: Vec<Mesh>,
    pub(crate) skins: Vec<Skin>,
    pub(crate) animations: Vec<Animation>,
    /// glTF's materials; [`slots`] finds their textures.
    pub(crate) materials: Vec<Rest>,
    /// glTF's textures: `source` names an image, `sampler` a sampler.
    pub(crate) textures: Vec<Rest>,
    pub(crate) samplers: Vec<Value>,
    pub(crate) images: Vec<Image>,
    pub(crate) cameras: Vec<Value>,
    /// `asset`, `extras`, `extensions` (lights, variants), `extensionsUsed`, `extensionsRequired`.
    pub(crate) rest: Rest,
    /// Accessors that an extension may name which nobody here knows. Then no index of anything may change.
    pub(crate) kept: Option<Kept>,
}

/// Accessors kept at their places for the sake of an unknown extension.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The name of the extension.
    pub(crate) extension: String,
    pub(crate) accessors: Vec<Value>,
    pub(crate) views: Vec<Value>,
    pub(crate) buffers: Vec<Bytes>,
    /// What each accessor holds, for those that were read.
    pub(crate) values: Vec<Option<Values>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SceneRoots {
    pub(crate) nodes: Vec<usize>,
    pub(crate) rest: Rest,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) children: Vec<usize>,
    pub(crate) mesh: Option<usize>,
    pub(crate) skin: Option<usize>,
    pub(crate) camera: Option<usize>,
    pub(crate) transform: Transform,
    /// Weights of the mesh's morph targets; none where the mesh's own hold.
    pub(crate) weights: Vec<f32>,
    /// `EXT_mesh_gpu_instancing`: attributes of the mesh's copies.
    pub(crate) instances: Attributes,
    /// `MSFT_lod`: the nodes shown in this one's place, from fine to coarse.
    pub(crate) lods: Vec<usize>,
    pub(crate) rest: Rest,
}

impl Node {
    pub(crate) fn named(name: &str) -> Self {
        Self { rest: Rest::from_iter([("name".to_owned(), name.into())]), ..Self::default() }
    }

    pub(crate) fn name(&self) -> &str {
        self.rest.get("name").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Where a node is, relative to its parent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Transform {
    /// Column by column.
    Matrix([f32; 16]),
    Parts {
        translation: [f32; 3],
        /// A unit quaternion, x y z w.
        rotation: [f32; 4],
        scale: [f32; 3],
    },
}

impl Transform {
    pub(crate) const IDENTITY: Self =
        Self::Parts { translation: [0.0; 3], rotation: [0.0, 0.0, 0.0, 1.0], scale: [1.0; 3] };

    pub(crate) const fn scaled(factor: f32) -> Self {
        Self::Parts { translation: [0.0; 3], rotation: [0.0, 0.0, 0.0, 1.0], scale: [factor; 3] }
    }

    /// Column by column.
    pub(crate) fn matrix(&self) -> [f32; 16] {
        match *self {
            Self::Matrix(matrix) => matrix,
            Self::Parts { translation: t, rotation: [x, y, z, w], scale: s } => [
                (1.0 - 2.0 * (y * y + z * z)) * s[0],
                2.0 * (x * y + z * w) * s[0],
                2.0 * (x * z - y * w) * s[0],
                0.0,
                2.0 * (x * y - z * w) * s[1],
                (1.0 - 2.0 * (x * x + z * z)) * s[1],
                2.0 * (y * z + x * w) * s[1],
                0.0,
                2.0 * (x * z + y * w) * s[2],
                2.0 * (y * z - x * w) * s[2],
                (1.0 - 2.0 * (x * x + y * y)) * s[2],
                0.0,
                t[0],
                t[1],
                t[2],
                1.0,
            ],
        }
    }
}

impl Default for Transform {
    fn default() -> Self {
        Self::IDENTITY
    }
}

/// Names and values, for example `POSITION`, `TEXCOORD_1`, `_TEMPERATURE`; sorted by name.
pub(crate) type Attributes = Vec<(String, Values)>;

/// The values of this name.
pub(crate) fn attribute<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a Values> {
    attributes.iter().find(|(other, _)| other == name).map(|(_, values)| values)
}

/// Puts values under this name, in the place of those that were there.
pub(crate) fn set_attribute(attributes: &mut Attributes, name: &str, values: Values) {
    match attributes.binary_search_by(|(other, _)| other.as_str().cmp(name)) {
        Ok(at) => attributes[at].1 = values,
        Err(at) => attributes.insert(at, (name.to_owned(), values)),
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Mesh {
    pub(crate) primitives: Vec<Primitive>,
    pub(crate) weights: Vec<f32>,
    pub(crate) rest: Rest,
}

/// A part of a mesh with one material.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Primitive {
    pub(crate) attributes: Attributes,
    pub(crate) indices: Option<Vec<u32>>,
    /// glTF's number: 4 for triangles.
    pub(crate) mode: u64,
    pub(crate) material: Option<usize>,
    /// Morph targets: differences to the attributes.
    pub(crate) targets: Vec<Attributes>,
    pub(crate) rest: Rest,
}

impl Primitive {
    pub(crate) const TRIANGLES: u64 = 4;

    pub(crate) fn vertices(&self) -> usize {
        attribute(&self.attributes, "POSITION")
            .or(self.attributes.first().map(|(_, values)| values))
            .map_or(0, Values::count)
    }

    pub(crate) fn triangles(&self) -> usize {
        let drawn = self.indices.as_ref().map_or_else(|| self.vertices(), Vec::len);
        match self.mode {
            Self::TRIANGLES => drawn / 3,
            5 | 6 => drawn.saturating_sub(2),
            _ => 0,
        }
    }

    /// Calls `act` with the vertices of each triangle, whatever the mode; strips and fans are cut up.
    pub(crate) fn each_triangle(&self, mut act: impl FnMut([u32; 3])) {
        let drawn = self.indices.as_ref().map_or_else(|| self.vertices(), Vec::len);
        let index = |at: usize| self.indices.as_ref().map_or(at as u32, |indices| indices[at]);
        for at in 0..self.triangles() {
            let corners = match self.mode {
                // Every second triangle of a strip is turned round.
                5 => [at, at + 1 + at % 2, at + 2 - at % 2],
                6 => [at + 1, at + 2, 0],
                _ => [at * 3, at * 3 + 1, at * 3 + 2],
            };
            if corners.iter().all(|&at| at < drawn) {
                act(corners.map(index));
            }
        }
    }

    /// The attributes and those of all morph targets.
    pub(crate) fn all_values(&self) -> impl Iterator<Item = &Values> {
        let own = self.attributes.iter().map(|(_, values)| values);
        own.chain(self.targets.iter().flatten().map(|(_, values)| values))
    }

    /// The attributes and those of all morph targets, to be changed alike.
    pub(crate) fn all_values_mut(&mut self) -> impl Iterator<Item = &mut Values> {
        let own = self.attributes.iter_mut().map(|(_, values)| values);
        own.chain(self.targets.iter_mut().flatten().map(|(_, values)| values))
    }

    /// Keeps the vertices at these places, in this order. Indices are the caller's to change.
    pub(crate) fn gather(&mut self, places: &[u32]) {
        self.all_values_mut().for_each(|values| *values = values.gather(places));
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Skin {
    pub(crate) joints: Vec<usize>,
    pub(crate) skeleton: Option<usize>,
    /// A matrix for each joint; identities where there are none.
    pub(crate) inverse_bind: Option<Values>,
    pub(crate) rest: Rest,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Animation {
    pub(crate) channels: Vec<Channel>,
    pub(crate) samplers: Vec<Sampler>,
    pub(crate) rest: Rest,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Channel {
    pub(crate) sampler: usize,
    pub(crate) node: Option<usize>,
    /// `translation`, `rotation`, `scale`, `weights`, or what an extension says.
    pub(crate) path: String,
    /// What else the target has.
    pub(crate) target: Rest,
    pub(crate) rest: Rest,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sampler {
    /// Seconds, rising.
    pub(crate) input: Values,
    pub(crate) output: Values,
    /// `LINEAR`, `STEP` or `CUBICSPLINE`.
    pub(crate) interpolation: String,
    pub(crate) rest: Rest,
}

#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: String,
    pub(crate) rest: Rest,
}

/// Calls `act` with each texture slot of a material, those of extensions included: its name and the object that holds
/// `index`.
pub(crate) fn slots(material: &mut Rest, act: &mut dyn FnMut(&str, &mut Rest)) {
    // Materials are shallow: the JSON reader ends at 128 levels.
    for (name, value) in material.iter_mut() {
        let Some(object) = value.as_object_mut() else { continue };
        if name == "extras" {
            continue;
        }
        if name.ends_with("Texture") && object.contains_key("index") {
            act(name, object);
        } else {
            slots(object, act);
        }
    }
}
