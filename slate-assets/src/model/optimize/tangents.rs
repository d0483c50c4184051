use super::super::{
    ir::{Model, Primitive, attribute, set_attribute, slots},
    values::{Shape, Values},
};
use bevy_mikktspace::{Geometry, Ops, TangentSpace, generate_tangents};
use slate_core::{Cancel, Result};

/// The same tangents on every machine.
struct Portable;

impl Ops for Portable {
    fn sqrt(x: f32) -> f32 {
        // Exact by IEEE 754.
        x.sqrt()
    }

    fn acos(x: f32) -> f32 {
        libm::acosf(x)
    }
}

/// Triangles whose corners are vertices of their own.
struct Corners {
    positions: Vec<[f32; 3]>,
    normals: Vec<[f32; 3]>,
    coordinates: Vec<[f32; 2]>,
    tangents: Vec<f32>,
}

impl Geometry<Portable> for Corners {
    fn num_faces(&self) -> usize {
        self.positions.len() / 3
    }

    fn num_vertices_of_face(&self, _face: usize) -> usize {
        3
    }

    fn position(&self, face: usize, vert: usize) -> [f32; 3] {
        self.positions[face * 3 + vert]
    }

    fn normal(&self, face: usize, vert: usize) -> [f32; 3] {
        self.normals[face * 3 + vert]
    }

    fn tex_coord(&self, face: usize, vert: usize) -> [f32; 2] {
        self.coordinates[face * 3 + vert]
    }

    fn set_tangent(&mut self, tangent: Option<TangentSpace>, face: usize, vert: usize) {
        let found = tangent.map_or([1.0, 0.0, 0.0, 1.0], |tangent| tangent.tangent_encoded());
        let at = (face * 3 + vert) * 4;
        self.tangents[at..at + 4].copy_from_slice(&found);
    }
}

/// Gives tangents to normal-mapped triangles that have none; gives how many primitives got some. Vertices are taken
/// apart where tangents differ; welding joins the others again.
pub(super) fn add(model: &mut Model, cancel: &Cancel) -> Result<usize> {
    let mut sets = Vec::new();
    for material in &mut model.materials {
        let mut set = None;
        slots(material, &mut |name, slot| {
            if name == "normalTexture" {
                set = Some(slot.get("texCoord").and_then(serde_json::Value::as_u64).unwrap_or_default());
            }
        });
        sets.push(set);
    }
    let mut added = 0;
    for primitive in model.meshes.iter_mut().flat_map(|mesh| &mut mesh.primitives) {
        cancel.check()?;
        if let Some(set) = primitive.material.and_then(|at| sets.get(at).copied().flatten()) {
            added += usize::from(add_to(primitive, set));
        }
    }
    Ok(added)
}

fn add_to(primitive: &mut Primitive, set: u64) -> bool {
    let there = |name: &str| attribute(&primitive.attributes, name);
    let (Some(positions), Some(normals)) = (there("POSITION"), there("NORMAL")) else { return false };
    let Some(coordinates) = there(&format!("TEXCOORD_{set}")) else { return false };
    if primitive.mode != Primitive::TRIANGLES || there("TANGENT").is_some() {
        return false;
    }
    let mut corners = primitive.indices.clone().unwrap_or_else(|| (0..primitive.vertices() as u32).collect());
    corners.truncate(corners.len() / 3 * 3);
    let mut geometry = Corners {
        positions: positions.gather(&corners).to_vectors(),
        normals: normals.gather(&corners).to_vectors(),
        coordinates: coordinates.gather(&corners).to_vectors(),
        tangents: vec![0.0; corners.len() * 4],
    };
    if generate_tangents(&mut geometry).is_err() {
        return false;
    }
    for tangent in geometry.tangents.as_chunks_mut::<4>().0 {
        // glTF's textures begin at the top.
        tangent[3] = -tangent[3];
    }
    primitive.gather(&corners);
    primitive.indices = Some((0..corners.len() as u32).collect());
    set_attribute(&mut primitive.attributes, "TANGENT", Values::floats(Shape::Vec4, &geometry.tangents));
    true
}
