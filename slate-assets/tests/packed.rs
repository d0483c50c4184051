//! Models whose geometry is compressed, as other tools write them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use serde_json::{Value, json};
use slate_assets::model::ModelProcessor;
use slate_core::{
    ErrorKind,
    asset::{AssetInput, AssetLimits, ModelOptions},
};
use std::collections::BTreeSet;
use support::Files;

const DRACO: &[u8] = include_bytes!("data/square.drc");

fn model(bytes: &[u8]) -> Value {
    json!({
        "asset": {"version": "2.0"},
        "extensionsUsed": ["KHR_draco_mesh_compression"],
        "extensionsRequired": ["KHR_draco_mesh_compression"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{
            "attributes": {"POSITION": 1, "TEXCOORD_0": 2},
            "indices": 0,
            "extensions": {"KHR_draco_mesh_compression":
                {"bufferView": 0, "attributes": {"POSITION": 0, "TEXCOORD_0": 1}}}
        }]}],
        "buffers": [{"byteLength": bytes.len(), "uri": support::data_uri(bytes)}],
        "bufferViews": [{"buffer": 0, "byteLength": bytes.len()}],
        "accessors": [
            {"componentType": 5123, "type": "SCALAR", "count": 384},
            {"componentType": 5126, "type": "VEC3", "count": 81, "min": [0, 0, 0], "max": [8, 8, 4]},
            {"componentType": 5126, "type": "VEC2", "count": 81}
        ]
    })
}

fn run(json: &Value, limits: &AssetLimits) -> slate_core::Result<Files> {
    let mut options = ModelOptions::default();
    options.generate_lods = false;
    let input = AssetInput::from_bytes("m.gltf", json.to_string());
    support::run(&ModelProcessor, &input, &options, limits).map(|(_, files)| files)
}

#[test]
fn draco_of_googles_encoder_is_read() {
    let files = run(&model(DRACO), &AssetLimits::default()).unwrap();
    let (json, _) = support::glb(&files["m.glb"]);
    assert_eq!((json.get("extensionsUsed"), json.get("extensionsRequired")), (None, None));
    let (document, buffers, _) = gltf::import_slice(&files["m.glb"]).unwrap();
    let primitive = document.meshes().next().unwrap().primitives().next().unwrap();
    let reader = primitive.reader(|buffer| Some(&buffers[buffer.index()]));
    let positions: Vec<[f32; 3]> = reader.read_positions().unwrap().collect();
    let coordinates: Vec<[f32; 2]> = reader.read_tex_coords(0).unwrap().into_f32().collect();
    assert_eq!((positions.len(), reader.read_indices().unwrap().into_u32().count()), (81, 384));
    let mut places = BTreeSet::new();
    for ([x, y, z], [u, v]) in positions.into_iter().zip(coordinates) {
        let at = (y.round() * 9.0 + x.round()) as u32;
        assert!((z - (at * 7 % 5) as f32).abs() < 1e-3, "{x} {y} {z}");
        assert!((u - x / 8.0).abs() < 1e-3 && (v - y / 8.0).abs() < 1e-3, "{u} {v} at {x} {y}");
        places.insert(at);
    }
    assert_eq!(places.len(), 81);
}

#[test]
fn damaged_draco_is_refused() {
    let mut random = support::Random(5);
    let mut failed = 0;
    for round in 0..500 {
        let mut bytes = DRACO.to_vec();
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        bytes.truncate(if round % 5 == 0 { random.below(bytes.len()) } else { bytes.len() });
        if let Err(error) = run(&model(&bytes), &AssetLimits::default()) {
            failed += 1;
            assert!(
                matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::LimitExceeded | ErrorKind::Unsupported),
                "round {round}: {error:?}"
            );
        }
    }
    assert!(failed > 100, "{failed} of 500 failed");
}

#[test]
fn what_unpacks_to_too_much_is_refused() {
    for change in [
        |limits: &mut AssetLimits| limits.vertices = 80,
        |limits: &mut AssetLimits| limits.indices = 383,
        |limits: &mut AssetLimits| limits.decoded_bytes = 4000,
    ] {
        let mut limits = AssetLimits::default();
        change(&mut limits);
        assert_eq!(run(&model(DRACO), &limits).unwrap_err().kind(), ErrorKind::LimitExceeded, "{limits:?}");
    }
    // A view that says it unpacks to four thousand million bytes.
    let bomb = json!({
        "asset": {"version": "2.0"},
        "buffers": [{"byteLength": 8, "uri": support::data_uri(&[0xE1; 8])}],
        "bufferViews": [{"buffer": 0, "byteLength": 4_000_000_000u64, "byteStride": 4, "extensions": {
            "EXT_meshopt_compression": {"buffer": 0, "byteLength": 8, "byteStride": 4, "count": 1_000_000_000u64, "mode": "ATTRIBUTES"}
        }}]
    });
    assert_eq!(run(&bomb, &AssetLimits::default()).unwrap_err().kind(), ErrorKind::LimitExceeded);
    let mut wrong = bomb;
    wrong["bufferViews"][0]["extensions"]["EXT_meshopt_compression"]["count"] = json!(1000);
    wrong["bufferViews"][0]["byteLength"] = json!(4000);
    let error = run(&wrong, &AssetLimits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.context().contains(&("path", "bufferViews[0]".to_owned())), "{error}");
}
