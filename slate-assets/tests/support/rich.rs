//! A glTF model that has a bit of everything.

use super::{data_uri, shapes};
use serde_json::{Value, json};

#[derive(Default)]
struct Builder {
    bytes: Vec<u8>,
    views: Vec<Value>,
    accessors: Vec<Value>,
}

impl Builder {
    fn view(&mut self, bytes: &[u8]) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.views.push(json!({"buffer": 0, "byteOffset": self.bytes.len(), "byteLength": bytes.len()}));
        self.bytes.extend_from_slice(bytes);
        self.views.len() - 1
    }

    fn add(&mut self, bytes: &[u8], component: u32, kind: &str, count: usize, more: &Value) -> usize {
        let view = self.view(bytes);
        let mut accessor = json!({"bufferView": view, "componentType": component, "type": kind, "count": count});
        accessor.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.accessors.push(accessor);
        self.accessors.len() - 1
    }

    fn floats(&mut self, numbers: &[f32], kind: &str, width: usize) -> usize {
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let mut more = json!({});
        if kind == "VEC3" || kind == "SCALAR" {
            let column = |at: usize| numbers.iter().skip(at).step_by(width).copied();
            more["min"] = (0..width).map(|at| column(at).fold(f32::INFINITY, f32::min)).collect();
            more["max"] = (0..width).map(|at| column(at).fold(f32::NEG_INFINITY, f32::max)).collect();
        }
        self.add(&bytes, 5126, kind, numbers.len() / width, &more)
    }
}

/// Two skinned, morphed and animated hills of two materials in one mesh; a flat-shaded hill without indices; lines; a
/// camera, a light, a texture that is moved, and things that only their author knows.
pub(crate) fn rich() -> Value {
    let hill = shapes::terrain(16);
    let count = hill.positions.len();
    let mut b = Builder::default();
    let position = b.floats(&hill.positions.concat(), "VEC3", 3);
    let normals: Vec<f32> = hill.positions.iter().flat_map(|_| [0.0, 0.0, 1.0]).collect();
    let normal = b.floats(&normals, "VEC3", 3);
    let coordinates: Vec<f32> = hill.positions.iter().flat_map(|p| [p[0], p[1]]).collect();
    let coordinate = b.floats(&coordinates, "VEC2", 2);
    let colors: Vec<u8> = (0..count).flat_map(|at| [at as u8, 255 - at as u8, 9, 255]).collect();
    let color = b.add(&colors, 5121, "VEC4", count, &json!({"normalized": true}));
    let joints: Vec<u8> = hill.positions.iter().flat_map(|_| [0, 1, 0, 0]).collect();
    let joint = b.add(&joints, 5121, "VEC4", count, &json!({}));
    let weights: Vec<f32> = hill.positions.iter().flat_map(|p| [p[0], 1.0 - p[0], 0.0, 0.0]).collect();
    let weight = b.floats(&weights, "VEC4", 4);
    let half = hill.indices.len() / 6 * 3;
    let short = |indices: &[u32]| -> Vec<u8> { indices.iter().flat_map(|&at| (at as u16).to_le_bytes()).collect() };
    let one = b.add(&short(&hill.indices[..half]), 5123, "SCALAR", half, &json!({}));
    let other = b.add(&short(&hill.indices[half..]), 5123, "SCALAR", hill.indices.len() - half, &json!({}));
    // A morph target of two moved vertices, all others zero.
    let places = b.view(&[5u16, 7].iter().flat_map(|at| at.to_le_bytes()).collect::<Vec<_>>());
    let moved = b.view(&[0.0f32, 0.0, 0.5, 0.0, 0.0, -0.25].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>());
    b.accessors.push(json!({
        "componentType": 5126, "type": "VEC3", "count": count, "min": [0, 0, -0.25], "max": [0, 0, 0.5],
        "sparse": {"count": 2, "indices": {"bufferView": places, "componentType": 5123}, "values": {"bufferView": moved}}
    }));
    let target = b.accessors.len() - 1;
    let identity = [1.0f32, 0., 0., 0., 0., 1., 0., 0., 0., 0., 1., 0., 0., 0., 0., 1.];
    let inverse = b.floats(&[identity, identity].concat(), "MAT4", 16);
    let times: Vec<f32> = (0..40).map(|at| at as f32 / 20.0).collect();
    let time = b.floats(&times, "SCALAR", 1);
    let turns: Vec<f32> =
        (0..40u8).flat_map(|at| if at < 20 { [0.0, 0.0, 0.0, 1.0] } else { [0.0, 0.6, 0.0, 0.8] }).collect();
    let turn = b.floats(&turns, "VEC4", 4);
    let swell: Vec<f32> = (0..40u8).map(|at| f32::from(at) / 40.0).collect();
    let swell = b.floats(&swell, "SCALAR", 1);
    let facets = shapes::facets(6);
    let bare_position = b.floats(&facets.positions.concat(), "VEC3", 3);
    let bare_normal = b.floats(&facets.attributes, "VEC3", 3);
    let line = b.add(&[0u8, 1, 2, 3], 5121, "SCALAR", 4, &json!({}));
    let png = super::png(2, 2, image::ExtendedColorType::Rgb8, &[200; 12]);
    let skinned = json!({
        "POSITION": position, "NORMAL": normal, "TEXCOORD_0": coordinate, "COLOR_0": color,
        "JOINTS_0": joint, "WEIGHTS_0": weight
    });
    json!({
        "asset": {"version": "2.0", "generator": "by hand", "extras": {"kept": true}},
        "extensionsUsed": ["KHR_lights_punctual", "KHR_materials_clearcoat", "KHR_texture_transform"],
        "extensions": {"KHR_lights_punctual": {"lights": [{"type": "point", "color": [1, 0.5, 0.25]}]}},
        "scene": 0,
        "scenes": [{"nodes": [0, 4], "name": "all"}],
        "nodes": [
            {"name": "root", "children": [1, 2, 3], "translation": [1, 2, 3]},
            {"name": "arm", "rotation": [0, 0, 0, 1]},
            {"name": "hand", "children": [5], "extras": {"grip": [1, 2]}},
            {"name": "bare", "mesh": 1, "scale": [2, 2, 2]},
            {"name": "hill", "mesh": 0, "skin": 0, "weights": [0.5]},
            {"name": "eye", "camera": 0, "extensions": {"KHR_lights_punctual": {"light": 0}}}
        ],
        "meshes": [
            {"name": "hill", "weights": [0.25], "extras": {"targetNames": ["swell"]}, "primitives": [
                {"attributes": skinned, "indices": one, "material": 0, "targets": [{"POSITION": target}]},
                {"attributes": skinned, "indices": other, "material": 1, "targets": [{"POSITION": target}]}
            ]},
            {"name": "bare", "primitives": [
                {"attributes": {"POSITION": bare_position, "NORMAL": bare_normal}},
                {"attributes": {"POSITION": bare_position}, "indices": line, "mode": 1}
            ]}
        ],
        "skins": [{"joints": [1, 2], "inverseBindMatrices": inverse, "skeleton": 0}],
        "animations": [{"name": "wave", "channels": [
            {"sampler": 0, "target": {"node": 1, "path": "rotation"}},
            {"sampler": 1, "target": {"node": 4, "path": "weights"}}
        ], "samplers": [{"input": time, "output": turn}, {"input": time, "output": swell, "interpolation": "LINEAR"}]}],
        "cameras": [{"type": "perspective", "perspective": {"yfov": 1, "znear": 0.1}}],
        "materials": [
            {"name": "moss", "pbrMetallicRoughness": {"baseColorTexture":
                {"index": 0, "extensions": {"KHR_texture_transform": {"offset": [0.5, 0.25]}}}}},
            {"name": "ice", "extensions": {"KHR_materials_clearcoat": {"clearcoatFactor": 1, "clearcoatTexture": {"index": 1}}}}
        ],
        "textures": [{"source": 0, "sampler": 0}, {"source": 1, "sampler": 0}],
        "samplers": [{"wrapS": 33071}],
        "images": [{"uri": data_uri(&png).replace("application/octet-stream", "image/png")},
            {"uri": data_uri(&png).replace("application/octet-stream", "image/png"), "name": "again"}],
        "buffers": [{"byteLength": b.bytes.len(), "uri": data_uri(&b.bytes)}],
        "bufferViews": b.views,
        "accessors": b.accessors
    })
}
