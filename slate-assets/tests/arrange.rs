//! Nodes lifted, joined and drawn as copies: the same is seen.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use serde_json::{Value, json};
use slate_assets::model::ModelProcessor;
use slate_core::asset::{AssetInput, AssetLimits, ModelFormat, ModelOptions, ModelSteps, Report};
use support::world;

/// A yard with three crates, one of them mirrored, and a door that moves with its knob; and a lamp with a note.
fn yard() -> Value {
    let floats = |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|number| number.to_le_bytes()).collect() };
    let mut bytes = floats(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 0.5]);
    bytes.extend(floats(&[0.0, 0.0, 1.0].repeat(3)));
    bytes.extend(floats(&[0.0, 1.0]));
    bytes.extend(floats(&[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]));
    let view = |from: usize, length: usize| json!({"buffer": 0, "byteOffset": from, "byteLength": length});
    let part = |material: usize| json!({"attributes": {"POSITION": 0, "NORMAL": 1}, "material": material});
    json!({
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0, 6]}],
        "nodes": [
            {"name": "yard", "translation": [10, 0, 0], "children": [1, 2, 3, 4]},
            {"name": "crate", "mesh": 0, "translation": [1, 0, 0]},
            {"name": "turned", "mesh": 0, "translation": [0, 2, 0], "rotation": [0, 0, 0.6, 0.8]},
            {"name": "mirrored", "mesh": 0, "scale": [-1, 1, 2]},
            {"name": "door", "mesh": 0, "children": [5]},
            {"name": "knob", "mesh": 1, "translation": [0, 1, 0]},
            {"name": "lamp", "mesh": 1, "translation": [0, 0, 5], "extras": {"watts": 40}}
        ],
        "meshes": [{"primitives": [part(0)]}, {"primitives": [part(1)]}],
        "materials": [{"name": "wood"}, {"name": "iron"}],
        "animations": [{"channels": [{"sampler": 0, "target": {"node": 4, "path": "translation"}}],
            "samplers": [{"input": 2, "output": 3}]}],
        "buffers": [{"byteLength": bytes.len(), "uri": support::data_uri(&bytes)}],
        "bufferViews": [view(0, 36), view(36, 36), view(72, 8), view(80, 24)],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": 3, "min": [0, 0, 0], "max": [1, 2, 0.5]},
            {"bufferView": 1, "componentType": 5126, "type": "VEC3", "count": 3},
            {"bufferView": 2, "componentType": 5126, "type": "SCALAR", "count": 2, "min": [0], "max": [1]},
            {"bufferView": 3, "componentType": 5126, "type": "VEC3", "count": 2}
        ]
    })
}

fn run(input: &AssetInput, format: ModelFormat, change: impl Fn(&mut ModelSteps)) -> (Report, Vec<u8>) {
    let mut options = ModelOptions::default();
    (options.format, options.generate_lods) = (format, false);
    change(&mut options.steps);
    let (report, files) = support::run(&ModelProcessor, input, &options, &AssetLimits::default()).unwrap();
    (report, files.into_values().next().unwrap().to_vec())
}

fn source() -> AssetInput {
    AssetInput::from_bytes("yard.gltf", yard().to_string())
}

/// All triangles, each from its least corner, to a thousandth.
fn seen(glb: &[u8]) -> Vec<[[i64; 3]; 3]> {
    let round = |number: f32| (f64::from(number) * 1e3).round() as i64;
    let mut all: Vec<_> = world::triangles(glb).iter().map(|corners| corners.map(|corner| corner.map(round))).collect();
    for corners in &mut all {
        let least = (0..3).min_by_key(|&at| corners[at]).unwrap();
        corners.rotate_left(least);
    }
    all.sort_unstable();
    all
}

fn names(glb: &[u8]) -> Vec<String> {
    let nodes = support::glb(glb).0["nodes"].as_array().unwrap().clone();
    nodes.iter().map(|node| node["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_stands_still_is_lifted() {
    let (_, plain) = run(&source(), ModelFormat::Glb, |_| {});
    let (report, glb) = run(&source(), ModelFormat::Glb, |steps| steps.flatten = true);
    assert_eq!((&report["liftedNodes"], &report["emptyNodes"]), (&json!(3), &json!(0)));
    let json = support::glb(&glb).0;
    assert_eq!(json["nodes"][0]["children"], json!([4]), "the door moves, and its knob with it");
    assert_eq!(json["scenes"][0]["nodes"].as_array().unwrap().len(), 5);
    assert_eq!(seen(&glb), seen(&plain));
}

#[test]
fn what_stands_still_becomes_one_mesh() {
    let (_, plain) = run(&source(), ModelFormat::Glb, |_| {});
    let (report, glb) = run(&source(), ModelFormat::Glb, |steps| (steps.flatten, steps.join) = (true, true));
    assert_eq!((&report["joinedNodes"], &report["emptyNodes"]), (&json!(3), &json!(3)));
    assert_eq!(names(&glb), ["yard", "door", "knob", "lamp", "joined"]);
    assert_eq!(seen(&glb), seen(&plain), "and the mirrored one still faces outwards");
    let json = support::glb(&glb).0;
    assert_eq!(json["animations"][0]["channels"][0]["target"]["node"], 1, "the door");
    assert_eq!(json["nodes"][3]["extras"], json!({"watts": 40}));
}

#[test]
fn equal_meshes_side_by_side_become_copies() {
    let (_, plain) = run(&source(), ModelFormat::Glb, |_| {});
    let (report, glb) = run(&source(), ModelFormat::Glb, |steps| (steps.join, steps.instance) = (true, true));
    assert_eq!((&report["instancedNodes"], &report["joinedNodes"]), (&json!(3), &json!(0)));
    assert_eq!(names(&glb), ["yard", "crate", "door", "knob", "lamp"]);
    let json = support::glb(&glb).0;
    let attributes = &json["nodes"][1]["extensions"]["EXT_mesh_gpu_instancing"]["attributes"];
    assert_eq!(json["accessors"][attributes["TRANSLATION"].as_u64().unwrap() as usize]["count"], 3);
    assert_eq!(json["extensionsUsed"], json!(["EXT_mesh_gpu_instancing"]));
    // FBX has no copies: they become nodes again.
    let (_, fbx) = run(&AssetInput::from_bytes("yard.glb", glb), ModelFormat::Fbx, |_| {});
    let (_, back) = run(&AssetInput::from_bytes("yard.fbx", fbx), ModelFormat::Glb, |_| {});
    assert_eq!(seen(&back), seen(&plain));
}
