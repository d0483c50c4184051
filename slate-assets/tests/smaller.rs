//! What compressing and resampling leave of a model.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use serde_json::{Value, json};
use slate_assets::model::ModelProcessor;
use slate_core::asset::{AssetInput, AssetLimits, MeshCompression, ModelOptions, Report};
use support::{data_uri, rich::rich, shapes};

fn made(json: &Value, change: impl FnOnce(&mut ModelOptions)) -> (Report, Value, Vec<u8>) {
    let mut options = ModelOptions::default();
    options.generate_lods = false;
    change(&mut options);
    let input = AssetInput::from_bytes("m.gltf", json.to_string());
    let (report, files) = support::run(&ModelProcessor, &input, &options, &AssetLimits::default()).unwrap();
    let (json, binary) = support::glb(&files["m.glb"]);
    (report, json, binary)
}

/// A model of lists of floats: the width of their elements, and the numbers.
fn model(lists: &[(usize, Vec<f32>)], rest: &Value) -> Value {
    let bytes: Vec<u8> = lists.iter().flat_map(|(_, list)| list).flat_map(|number| number.to_le_bytes()).collect();
    let (mut offset, mut views, mut accessors) = (0, Vec::new(), Vec::new());
    for (at, (width, list)) in lists.iter().enumerate() {
        views.push(json!({"buffer": 0, "byteOffset": offset, "byteLength": list.len() * 4}));
        let column = |at: usize| list.iter().skip(at).step_by(*width).copied();
        let kind = ["", "SCALAR", "VEC2", "VEC3", "VEC4"][*width];
        accessors.push(json!({
            "bufferView": at, "componentType": 5126, "type": kind, "count": list.len() / width,
            "min": (0..*width).map(|at| column(at).fold(f32::INFINITY, f32::min)).collect::<Vec<_>>(),
            "max": (0..*width).map(|at| column(at).fold(f32::NEG_INFINITY, f32::max)).collect::<Vec<_>>(),
        }));
        offset += list.len() * 4;
    }
    let mut whole = json!({
        "asset": {"version": "2.0"}, "scene": 0, "bufferViews": views, "accessors": accessors,
        "buffers": [{"byteLength": bytes.len(), "uri": data_uri(&bytes)}],
    });
    whole.as_object_mut().unwrap().extend(rest.as_object().cloned().unwrap());
    whole
}

#[test]
fn what_quantizing_makes_equal_is_welded() {
    // Each triangle has corners of its own, a hair's breadth from those beside it.
    let hill = shapes::terrain(16);
    let corners = hill.indices.iter().enumerate();
    let places: Vec<f32> = corners
        .flat_map(|(at, &corner)| hill.positions[corner as usize].map(|number| number + at as f32 * 2e-10))
        .collect();
    let source = model(
        &[(3, places)],
        &json!({
            "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        }),
    );
    let vertices = |compress: MeshCompression, weld: bool| {
        let (_, json, _) = made(&source, |options| (options.compress, options.steps.weld) = (compress, weld));
        let part = &json["meshes"][0]["primitives"][0];
        json["accessors"][part["attributes"]["POSITION"].as_u64().unwrap() as usize]["count"].as_u64().unwrap()
    };
    // A few steps lie between a vertex' places.
    let few = hill.positions.len() as u64 * 11 / 10;
    assert!(vertices(MeshCompression::None, true) > few);
    assert!(vertices(MeshCompression::Quantize, true) <= few);
    assert!(vertices(MeshCompression::Meshopt, true) <= few);
    assert_eq!(vertices(MeshCompression::Quantize, false), hill.indices.len() as u64);
}

#[test]
fn levels_share_vertices_when_compressed() {
    for compress in [MeshCompression::Quantize, MeshCompression::Meshopt] {
        let (_, json, _) = made(&rich(), |options| (options.generate_lods, options.compress) = (true, compress));
        let named = |name: &str| json["meshes"].as_array().unwrap().iter().find(|mesh| mesh["name"] == name).unwrap();
        for part in 0..2 {
            let of = |name: &str| &named(name)["primitives"][part]["attributes"];
            assert_eq!(of("hill"), of("hill_LOD1"));
            assert_eq!(of("hill"), of("hill_LOD3"));
        }
    }
}

#[test]
fn directions_go_through_meshopts_filter() {
    let ball = shapes::sphere(8);
    let count = ball.positions.len();
    let normals: Vec<f32> = ball
        .positions
        .iter()
        .flat_map(|p| {
            let length = (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]).sqrt();
            p.map(|number| number / length)
        })
        .collect();
    // In the order of the vertices' use: neither welding nor the order of triangles changes that of the vertices.
    let source = model(
        &[(3, ball.positions.concat()), (3, normals.clone())],
        &json!({
            "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1}, "mode": 0}]}],
        }),
    );
    let (_, json, binary) = made(&source, |options| options.compress = MeshCompression::Meshopt);
    let views = json["bufferViews"].as_array().unwrap();
    let filters = views.iter().filter_map(|view| view["extensions"]["EXT_meshopt_compression"].get("filter"));
    assert_eq!(filters.collect::<Vec<_>>(), ["OCTAHEDRAL"]);
    // Decoded by another's decoder.
    let at = json["meshes"][0]["primitives"][0]["attributes"]["NORMAL"].as_u64().unwrap() as usize;
    let view = &views[json["accessors"][at]["bufferView"].as_u64().unwrap() as usize];
    let packed = &view["extensions"]["EXT_meshopt_compression"];
    let number = |name: &str| packed[name].as_u64().unwrap() as usize;
    let bytes =
        &binary[packed.get("byteOffset").map_or(0, |at| at.as_u64().unwrap() as usize)..][..number("byteLength")];
    let mut workspace = meshoptimizer_rs::Workspace::default();
    let mut back = meshoptimizer_rs::codec::decode_vertex_buffer(count, 4, bytes, &mut workspace).unwrap();
    meshoptimizer_rs::codec::decode_filter_oct(&mut back, count, 4, &mut workspace).unwrap();
    for (own, back) in normals.chunks_exact(3).zip(back.chunks_exact(4)) {
        let along: f32 = own.iter().zip(back).map(|(a, b)| a * f32::from(*b as i8) / 127.0).sum();
        assert!(along > 0.985, "{own:?} {back:?}");
    }
}

#[test]
fn small_parts_have_the_steps_of_the_whole() {
    let hill = shapes::terrain(4);
    let sized = |size: f32| -> Vec<f32> { hill.positions.iter().flatten().map(|number| number * size).collect() };
    let part = |at: usize| json!({"primitives": [{"attributes": {"POSITION": at}, "mode": 0}]});
    let source = model(
        &[(3, sized(1.0)), (3, sized(0.25)), (3, sized(0.2)), (3, sized(0.001))],
        &json!({
            // The third is as large as the first in the world.
            "scenes": [{"nodes": [0, 1, 2, 3]}],
            "nodes": [{"mesh": 0}, {"mesh": 1}, {"mesh": 2, "scale": [5, 5, 5]}, {"mesh": 3}],
            "meshes": [part(0), part(1), part(2), part(3)],
        }),
    );
    let (_, json, _) = made(&source, |options| options.compress = MeshCompression::Quantize);
    let steps = |mesh: usize| {
        let at = json["meshes"][mesh]["primitives"][0]["attributes"]["POSITION"].as_u64().unwrap() as usize;
        let accessor = &json["accessors"][at];
        accessor["max"][0].as_i64().unwrap() - accessor["min"][0].as_i64().unwrap()
    };
    let all = [0, 1, 2, 3].map(steps);
    assert!((65530..=65534).contains(&all[0]) && (65530..=65534).contains(&all[2]), "{all:?}");
    assert!((16380..=16386).contains(&all[1]), "{all:?}");
    assert!((4090..=4098).contains(&all[3]), "{all:?}");
}

#[test]
fn rotations_go_through_meshopts_filter() {
    let times: Vec<f32> = (0..200u8).map(f32::from).collect();
    let turn = |time: f32| {
        [0.6 * (time * time / 9000.0).sin(), 0.0, -0.8 * (time * time / 9000.0).sin(), (time * time / 9000.0).cos()]
    };
    let turns: Vec<f32> = times.iter().flat_map(|time| turn(*time)).collect();
    let source = model(
        &[(1, times.clone()), (4, turns.clone())],
        &json!({
            "scenes": [{"nodes": [0]}], "nodes": [{}],
            "animations": [{"samplers": [{"input": 0, "output": 1}],
                "channels": [{"sampler": 0, "target": {"node": 0, "path": "rotation"}}]}],
        }),
    );
    let (_, json, binary) = made(&source, |options| {
        options.compress = MeshCompression::Meshopt;
        options.steps.resample = false;
    });
    let views = json["bufferViews"].as_array().unwrap();
    let packed = views.iter().map(|view| &view["extensions"]["EXT_meshopt_compression"]);
    let packed = packed.into_iter().find(|packed| packed["filter"] == "QUATERNION").unwrap();
    let number = |name: &str| packed[name].as_u64().unwrap() as usize;
    let bytes = &binary[number("byteOffset")..][..number("byteLength")];
    let mut workspace = meshoptimizer_rs::Workspace::default();
    let mut back = meshoptimizer_rs::codec::decode_vertex_buffer(200, 8, bytes, &mut workspace).unwrap();
    meshoptimizer_rs::codec::decode_filter_quat(&mut back, 200, 8, &mut workspace).unwrap();
    for (own, back) in turns.chunks_exact(4).zip(back.chunks_exact(8)) {
        let back = back.as_chunks::<2>().0.iter().map(|bytes| f64::from(i16::from_le_bytes(*bytes)));
        let back: Vec<f64> = back.collect();
        let length = |q: &[f64]| q.iter().map(|number| number * number).sum::<f64>().sqrt();
        let own: Vec<f64> = own.iter().map(|number| f64::from(*number)).collect();
        let along: f64 = own.iter().zip(&back).map(|(a, b)| a * b).sum();
        // A twentieth of a degree; a rotation and its opposite are one.
        assert!(along.abs() / length(&own) / length(&back) > 1.0 - 1e-7, "{own:?}: {back:?}");
    }
}

#[test]
fn what_stands_still_takes_no_keys() {
    let times: Vec<f32> = (0..30u8).map(f32::from).collect();
    let turns: Vec<f32> =
        times.iter().flat_map(|time| [0.0, (time * time / 900.0).sin(), 0.0, (time * time / 900.0).cos()]).collect();
    let same = |value: [f32; 3]| -> Vec<f32> { value.repeat(30) };
    let channel =
        |sampler: usize, node: usize, path: &str| json!({"sampler": sampler, "target": {"node": node, "path": path}});
    let source = model(
        &[
            (1, times.clone()),
            (4, turns),
            (3, same([1.0, 2.0, 3.0])),
            (3, same([2.0, 2.0, 2.0])),
            (3, same([0.0, 0.0, 0.0])),
            (3, times.iter().flat_map(|time| [time * time, 0.0, 0.0]).collect()),
        ],
        &json!({
            "scenes": [{"nodes": [0, 1]}],
            "nodes": [{"translation": [1, 2, 3]}, {}],
            "animations": [
                {"name": "turn", "samplers": (1..5).map(|at| json!({"input": 0, "output": at})).collect::<Vec<_>>(),
                 "channels": [channel(0, 0, "rotation"), channel(1, 0, "translation"), channel(2, 0, "scale"),
                    channel(3, 1, "translation")]},
                {"name": "go", "samplers": [{"input": 0, "output": 5}], "channels": [channel(0, 1, "translation")]},
            ],
        }),
    );
    let (report, json, _) = made(&source, |options| options.compress = MeshCompression::Quantize);
    // At its place by itself; the other one has to come back there when it has gone.
    assert_eq!(report["droppedTracks"], json!(1));
    let (report, ..) = made(&source, |options| options.steps.drop_rest = true);
    assert_eq!(report["droppedTracks"], json!(2));
    let animation = &json["animations"][0];
    let shown = animation["channels"].as_array().unwrap().iter().map(|channel| {
        let sampler = &animation["samplers"][channel["sampler"].as_u64().unwrap() as usize];
        let list = |of: &str| &json["accessors"][sampler[of].as_u64().unwrap() as usize];
        assert_eq!(list("input")["count"], list("output")["count"]);
        let path = channel["target"]["path"].as_str().unwrap();
        (path, list("output")["count"].as_u64().unwrap(), list("output")["componentType"].as_u64().unwrap())
    });
    let shown: Vec<_> = shown.collect();
    assert_eq!(shown, [("rotation", 30, 5122), ("scale", 1, 5126), ("translation", 1, 5126)]);
    assert_eq!(json["accessors"][animation["samplers"][0]["input"].as_u64().unwrap() as usize]["max"], json!([29]));
}

/// Coordinates of the first material's primitives, as a viewer shows them, and the model's JSON.
fn shown_coordinates(slot: &Value, sets: &[Vec<f32>], compress: MeshCompression) -> (Vec<Vec<[f64; 2]>>, Value) {
    let hill = shapes::terrain(8);
    let lists: Vec<_> =
        [(3, hill.positions.concat())].into_iter().chain(sets.iter().map(|set| (2, set.clone()))).collect();
    let part = |at: usize| json!({"attributes": {"POSITION": 0, "TEXCOORD_0": at + 1}, "material": 0, "mode": 0});
    let source = model(
        &lists,
        &json!({
            "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}], "textures": [{}],
            "materials": [{"pbrMetallicRoughness": {"baseColorTexture": slot}}],
            "meshes": [{"primitives": (0..sets.len()).map(part).collect::<Vec<_>>()}],
        }),
    );
    let (_, json, binary) = made(&source, |options| options.compress = compress);
    let number = |value: &Value, default: f64| value.as_f64().unwrap_or(default);
    let transform =
        &json["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]["extensions"]["KHR_texture_transform"];
    let parts = json["meshes"][0]["primitives"].as_array().unwrap().iter();
    let shown = parts.map(|part| {
        let accessor = &json["accessors"][part["attributes"]["TEXCOORD_0"].as_u64().unwrap() as usize];
        let view = &json["bufferViews"][accessor["bufferView"].as_u64().unwrap() as usize];
        let at = |value: &Value| value.as_u64().unwrap_or_default() as usize;
        let (first, stride) = (at(&view["byteOffset"]) + at(&accessor["byteOffset"]), at(&view["byteStride"]));
        let element = |vertex: usize| {
            [0, 1].map(|axis| {
                let bytes = &binary[first + vertex * stride..];
                let own = match accessor["componentType"].as_u64() {
                    Some(5123) => f64::from(u16::from_le_bytes([bytes[axis * 2], bytes[axis * 2 + 1]])) / 65535.0,
                    Some(5126) => f64::from(f32::from_le_bytes(bytes[axis * 4..axis * 4 + 4].try_into().unwrap())),
                    other => panic!("{other:?}"),
                };
                number(&transform["offset"][axis], 0.0) + number(&transform["scale"][axis], 1.0) * own
            })
        };
        (0..at(&accessor["count"])).map(element).collect()
    });
    (shown.collect(), json)
}

#[test]
fn coordinates_beyond_one_are_brought_back_by_their_material() {
    let hill = shapes::terrain(8);
    let set = |scale: [f32; 2], from: [f32; 2]| -> Vec<f32> {
        hill.positions.iter().flat_map(|p| [p[0] * scale[0] + from[0], p[1] * scale[1] + from[1]]).collect()
    };
    let sets = [set([5.0, 7.0], [-3.0, 0.0]), set([1.0, 1.0], [0.0; 2])];
    let scaled =
        json!({"index": 0, "extensions": {"KHR_texture_transform": {"offset": [0.5, 0.25], "scale": [2, 0.5]}}});
    for (slot, offset, scale) in [(json!({"index": 0}), [0.0; 2], [1.0; 2]), (scaled, [0.5, 0.25], [2.0, 0.5])] {
        let (shown, json) = shown_coordinates(&slot, &sets, MeshCompression::Quantize);
        assert_eq!(json["extensionsRequired"], json!(["KHR_texture_transform", "KHR_mesh_quantization"]));
        for (shown, set) in shown.iter().zip(&sets) {
            assert_eq!(shown.len(), set.len() / 2);
            for (is, was) in shown.iter().zip(set.chunks_exact(2)) {
                for axis in 0..2 {
                    let was = offset[axis] + scale[axis] * f64::from(was[axis]);
                    assert!((is[axis] - was).abs() < 7.0 * scale[axis] / 65535.0, "{is:?} {was}");
                }
            }
        }
        let kind = |part: usize| {
            let at = json["meshes"][0]["primitives"][part]["attributes"]["TEXCOORD_0"].as_u64().unwrap() as usize;
            json["accessors"][at]["componentType"].as_u64()
        };
        assert_eq!([kind(0), kind(1)], [Some(5123); 2]);
    }
    // What is turned, and what goes too far, stays as it is; so does all where nothing is compressed.
    let turned = json!({"index": 0, "extensions": {"KHR_texture_transform": {"rotation": 0.5}}});
    let plain = json!({"index": 0});
    let far = [set([50.0, 1.0], [0.0; 2])];
    for (slot, sets, compress) in [
        (&turned, &sets[..], MeshCompression::Quantize),
        (&plain, &far[..], MeshCompression::Quantize),
        (&plain, &sets[..], MeshCompression::None),
    ] {
        let (_, json) = shown_coordinates(slot, sets, compress);
        assert_eq!(&json["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"], slot);
        assert!(
            json["accessors"]
                .as_array()
                .unwrap()
                .iter()
                .any(|list| list["type"] == "VEC2" && list["componentType"] == 5126)
        );
    }
}
