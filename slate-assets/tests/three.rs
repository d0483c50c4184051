//! What three.js sees of the models that are written, beside what it sees of their source. Skipped aloud where there is no
//! node, or npm can't fetch it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use serde_json::{Value, json};
use slate_assets::model::ModelProcessor;
use slate_core::asset::{AssetInput, AssetLimits, MeshCompression, ModelFormat, ModelOptions};
use std::{fs, process::Command};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/three.mjs");

/// Ways to write a model: the file's name, the options, and how far from its source it may be, as a share of its size.
fn ways() -> Vec<(&'static str, ModelOptions, f64)> {
    let way = |change: &dyn Fn(&mut ModelOptions)| {
        let mut options = ModelOptions::default();
        options.generate_lods = false;
        change(&mut options);
        options
    };
    vec![
        ("plain.glb", way(&|options| options.optimize = false), 1e-6),
        ("optimized.glb", way(&|_| {}), 1e-5),
        ("levels.glb", way(&|options| options.generate_lods = true), 1e-5),
        // Weights of joints have 8 bits.
        ("quantized.glb", way(&|options| options.compress = MeshCompression::Quantize), 1e-3),
        ("meshopt.glb", way(&|options| options.compress = MeshCompression::Meshopt), 2e-3),
        ("khr.glb", way(&|options| options.compress = MeshCompression::KhrMeshopt), 2e-3),
        ("written.fbx", way(&|options| options.format = ModelFormat::Fbx), 1e-4),
    ]
}

fn far(one: &Value, other: &Value) -> f64 {
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap_or(f64::INFINITY)).collect()
    };
    numbers(one).iter().zip(numbers(other)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn three_js_sees_what_it_saw_in_the_source() {
    let Some(module) = support::node::module("three", "0.187.0") else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = support::rich::rich().to_string();
    fs::write(folder.path().join("source.gltf"), &source).unwrap();
    for (name, options, _) in ways() {
        let input = AssetInput::from_bytes("m.gltf", source.clone());
        let (_, files) = support::run(&ModelProcessor, &input, &options, &AssetLimits::default()).unwrap();
        fs::write(folder.path().join(name), files.values().next().unwrap()).unwrap();
    }
    let output = Command::new("node").arg(SCRIPT).arg(&module).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let source = &told["source.gltf"];
    assert_eq!(source["still"]["triangles"], 584, "{source}");
    assert_ne!(source["still"]["most"], source["moved"]["most"], "the clip moves something");
    let size = far(&source["still"]["least"], &source["still"]["most"]);
    for (name, _, share) in ways() {
        let own = &told[name];
        // three.js doesn't take what morph targets of FBX begin with.
        let states: &[&str] = if name.ends_with(".fbx") { &["moved"] } else { &["still", "moved"] };
        for &state in states {
            let (was, is) = (&source[state], &own[state]);
            assert_eq!(was["triangles"], is["triangles"], "{name}: {own}");
            for corner in ["least", "most", "middle"] {
                let off = far(&was[corner], &is[corner]) / size;
                assert!(off <= share, "{name}, {state}: {corner} is off by {off}\n{was}\n{is}");
            }
            let ratio = is["area"].as_f64().unwrap() / was["area"].as_f64().unwrap();
            assert!((ratio - 1.0).abs() <= share * 10.0, "{name}, {state}: the area is {ratio} of the source's");
            let facing = is["facing"].as_f64().unwrap() - was["facing"].as_f64().unwrap();
            assert!(facing.abs() < 5e-3, "{name}, {state}: normals are turned by {facing}");
        }
        assert_eq!(own["textured"], source["textured"], "{name}");
        // FBX has one mesh of two materials where glTF has two parts.
        let parts = if name.ends_with(".fbx") { 2 } else { 1 };
        for kind in ["skins", "shapes"] {
            assert_eq!(own[kind].as_u64().unwrap() * parts, source[kind].as_u64().unwrap(), "{name}: {kind}");
        }
        let length = own["length"].as_f64().unwrap();
        assert!((length - 1.95).abs() < 1e-3, "{name}: the clip is {length} s long");
    }
    assert_eq!(source["textured"], json!(["moss"]));
}
