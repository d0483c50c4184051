//! Models: what is kept, what is refused, and how it is said.
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
    Error, ErrorKind,
    asset::{AssetInput, AssetLimits, ModelFormat, ModelOptions, Processor, Report},
};
use support::{data_uri, triangle};

fn options() -> ModelOptions {
    let mut options = ModelOptions::default();
    options.generate_lods = false;
    options
}

fn process(json: &Value, options: &ModelOptions) -> Result<(Report, Value, Vec<u8>), Error> {
    let input = AssetInput::from_bytes("m.gltf", json.to_string());
    let (report, files) = support::run(&ModelProcessor, &input, options, &AssetLimits::default())?;
    let (json, binary) = support::glb(&files["m.glb"]);
    Ok((report, json, binary))
}

#[test]
fn a_model_is_packed_with_all_that_it_said() {
    let source = support::gltf(&data_uri(&triangle()));
    let mut keep = options();
    keep.optimize = false;
    let (report, out, binary) = process(&source, &keep).unwrap();
    assert_eq!(&binary[..36], &triangle()[..36]);
    for part in ["asset", "scene", "scenes", "nodes", "meshes", "extras"] {
        assert_eq!(out[part], source[part], "{part}");
    }
    assert_eq!(out["accessors"][0]["max"], json!([1, 1, 0]));
    assert_eq!(out["images"], json!([{"name": "p", "mimeType": "image/png", "bufferView": 2}]));
    assert_eq!(out["bufferViews"][2], json!({"buffer": 0, "byteOffset": 44, "byteLength": 8}));
    assert_eq!((&report["vertices"], &report["triangles"]), (&json!(3), &json!(1)));
}

#[test]
fn optimizing_drops_what_nothing_names() {
    let mut source = support::gltf(&data_uri(&triangle()));
    source["meshes"] = json!([source["meshes"][0], source["meshes"][0]]);
    source["materials"] = json!([{"name": "unused"}]);
    let (report, out, binary) = process(&source, &options()).unwrap();
    assert_eq!(report["equalParts"], json!(1), "the mesh");
    assert_eq!(report["unusedParts"], json!(2), "the material and the image");
    assert_eq!(out.get("materials"), None);
    assert_eq!(out["accessors"].as_array().unwrap().len(), 2);
    assert_eq!(binary.len(), 36 + 8, "positions, indices with padding");
}

#[test]
fn what_an_unknown_extension_may_name_is_kept() {
    let mut unknown = support::gltf(&data_uri(&triangle()));
    unknown["meshes"][0]["extensions"] = json!({"VENDOR_secret": {"accessor": 2}});
    let (report, out, binary) = process(&unknown, &options()).unwrap();
    assert!(report["notOptimized"].as_str().unwrap().contains("VENDOR_secret"));
    assert_eq!(out["meshes"][0]["extensions"], unknown["meshes"][0]["extensions"]);
    assert_eq!(out["accessors"][2], unknown["accessors"][2]);
    let view = &out["bufferViews"][1];
    let at = view["byteOffset"].as_u64().unwrap() as usize;
    assert_eq!(&binary[at..at + 12], &triangle()[36..48]);
    assert_eq!(out["images"].as_array().unwrap().len(), 1);
}

#[test]
fn scale_is_a_node_above_each_root() {
    let mut scaled = options();
    scaled.scale = 2.5;
    let (_, out, _) = process(&support::gltf(&data_uri(&triangle())), &scaled).unwrap();
    assert_eq!(out["scenes"][0]["nodes"], json!([1]));
    assert_eq!(out["nodes"][1]["children"], json!([0]));
    assert_eq!(out["nodes"][1]["scale"], json!([2.5, 2.5, 2.5]));
}

#[test]
fn a_glb_comes_back_the_same() {
    let mut source = support::gltf("");
    source["buffers"][0].as_object_mut().unwrap().remove("uri");
    let first = run_glb(support::to_glb(&source, &triangle()));
    assert_eq!(run_glb(first.clone()), first, "nothing is left to change");
}

fn run_glb(bytes: Vec<u8>) -> Vec<u8> {
    let input = AssetInput::from_bytes("m.glb", bytes);
    let (_, files) = support::run(&ModelProcessor, &input, &options(), &AssetLimits::default()).unwrap();
    files["m.glb"].to_vec()
}

#[test]
fn damage_is_named_by_its_path() {
    let float = |value: f32| {
        let mut bytes = triangle();
        bytes[4..8].copy_from_slice(&value.to_le_bytes());
        json!(data_uri(&bytes))
    };
    let cases: [(&str, Value, &str); 17] = [
        ("/buffers/0/uri", float(f32::NAN), "accessors[0]"),
        ("/buffers/0/uri", float(f32::INFINITY), "accessors[0]"),
        ("/buffers/0/byteLength", json!(61), "buffers[0]"),
        ("/buffers/0/byteLength", json!(-1), "buffers[0].byteLength"),
        ("/bufferViews/0/byteLength", json!(4_000_000_000u64), "bufferViews[0]"),
        ("/bufferViews/0/byteOffset", json!(u64::MAX), "bufferViews[0]"),
        ("/accessors/0/count", json!(4), "accessors[0]"),
        ("/accessors/0/count", json!(u64::MAX), "accessors[0]"),
        ("/accessors/0/type", json!("VEC2"), "accessors[0]"),
        ("/accessors/1/componentType", json!(5126), "accessors[1]"),
        ("/accessors/1/bufferView", json!(7), "accessors[1].bufferView"),
        ("/nodes/0/mesh", json!(1), "nodes[0].mesh"),
        ("/nodes/0/mesh", json!("x"), "nodes[0].mesh"),
        ("/meshes/0/primitives/0/indices", json!(1.5), "meshes[0].primitives[0].indices"),
        ("/meshes/0/primitives", json!(7), "meshes[0].primitives"),
        ("/scenes/0/nodes/0", json!(99), "scenes[0].nodes[0]"),
        ("/nodes", json!([{"children": [1]}, {"children": [0]}]), "nodes"),
    ];
    for (pointer, value, path) in cases {
        let mut json = support::gltf(&data_uri(&triangle()));
        *json.pointer_mut(pointer).unwrap() = value.clone();
        let error = process(&json, &options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{pointer} {value}: {error:?}");
        assert!(error.context().contains(&("path", path.to_owned())), "{pointer}: {error}");
    }
    let mut bytes = triangle();
    bytes[50] = 3;
    let error = process(&support::gltf(&data_uri(&bytes)), &options()).unwrap_err();
    assert!(error.to_string().contains("index=3"), "{error}");
}

#[test]
fn what_has_no_bytes_is_refused_only_where_it_is_read() {
    let mut source = support::gltf(&data_uri(&triangle()));
    let mut add = |kind: &str, entry: Value| source[kind].as_array_mut().unwrap().push(entry);
    add("buffers", json!({"byteLength": 8}));
    add("bufferViews", json!({"buffer": 1, "byteLength": 8}));
    add("accessors", json!({"bufferView": 3, "componentType": 5126, "count": 2, "type": "SCALAR"}));
    add("accessors", json!({"componentType": 5126, "count": 2, "type": "TENSOR"}));
    assert_eq!(source["bufferViews"].as_array().unwrap().len(), 4);
    let (report, ..) = process(&source, &options()).unwrap();
    assert_eq!(report["vertices"], json!(3));

    source["bufferViews"][0]["buffer"] = json!(1);
    let error = process(&source, &options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("has no bytes"), "{error}");
}

#[test]
fn nothing_has_to_follow_the_last_column_of_a_matrix() {
    let mut source = support::gltf(&data_uri(&triangle()));
    let bytes: Vec<u8> = (1..=22).collect();
    let mut add = |kind: &str, entry: Value| source[kind].as_array_mut().unwrap().push(entry);
    add("buffers", json!({"byteLength": 22, "uri": data_uri(&bytes)}));
    add("bufferViews", json!({"buffer": 1, "byteLength": 22}));
    add("accessors", json!({"bufferView": 3, "componentType": 5121, "count": 3, "type": "MAT2"}));
    let at = source["accessors"].as_array().unwrap().len() - 1;
    source["meshes"][0]["primitives"][0]["attributes"]["_MATRIX"] = json!(at);
    let mut keep = options();
    keep.optimize = false;
    let (_, out, binary) = process(&source, &keep).unwrap();
    let accessor =
        &out["accessors"][out["meshes"][0]["primitives"][0]["attributes"]["_MATRIX"].as_u64().unwrap() as usize];
    let view = &out["bufferViews"][accessor["bufferView"].as_u64().unwrap() as usize];
    let from = view["byteOffset"].as_u64().unwrap_or_default() as usize;
    assert_eq!((&accessor["type"], &accessor["count"]), (&json!("MAT2"), &json!(3)));
    assert_eq!(&binary[from..from + 22], &bytes[..]);
}

#[test]
fn an_animation_whose_times_have_no_bytes_keeps_its_first_key() {
    let mut source = support::gltf(&data_uri(&triangle()));
    let first = source["accessors"].as_array().unwrap().len();
    let mut add = |entry: Value| source["accessors"].as_array_mut().unwrap().push(entry);
    add(json!({"componentType": 5126, "count": 2, "type": "SCALAR", "min": [0], "max": [1]}));
    add(json!({"componentType": 5126, "count": 2, "type": "VEC3"}));
    source["animations"] = json!([{
        "channels": [{"sampler": 0, "target": {"node": 0, "path": "translation"}}],
        "samplers": [{"input": first, "output": first + 1}],
    }]);
    let mut keep = options();
    keep.optimize = false;
    let (_, out, _) = process(&source, &keep).unwrap();
    let sampler = &out["animations"][0]["samplers"][0];
    for end in ["input", "output"] {
        assert_eq!(out["accessors"][sampler[end].as_u64().unwrap() as usize]["count"], json!(1), "{end}");
    }
}

#[test]
fn files_outside_of_the_folder_are_denied() {
    for uri in ["../m.bin", "/etc/passwd", "file:///etc/passwd", "http://localhost/x", "%2e%2e/m.bin", "m.bin"] {
        let error = process(&support::gltf(uri), &options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{uri}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret.bin"), triangle()).unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/a b.bin"), triangle()).unwrap();
    for (uri, fine) in [("a%20b.bin", true), ("../secret.bin", false), ("%2E%2E/secret.bin", false)] {
        std::fs::write(folder.path().join("in/m.gltf"), support::gltf(uri).to_string()).unwrap();
        let input = AssetInput::from_file(folder.path().join("in/m.gltf")).unwrap();
        let result = support::run(&ModelProcessor, &input, &options(), &AssetLimits::default());
        assert_eq!(
            result.map(|_| ()).map_err(|error| error.kind()),
            if fine { Ok(()) } else { Err(ErrorKind::PermissionDenied) }
        );
    }
}

#[test]
fn deep_nodes_and_large_models_are_refused() {
    let chain: Vec<_> = (1..=200_000).map(|child| json!({"children": [child]})).chain([json!({})]).collect();
    let json = json!({"asset": {"version": "2.0"}, "nodes": chain});
    assert_eq!(process(&json, &options()).unwrap_err().kind(), ErrorKind::LimitExceeded);
    let input = AssetInput::from_bytes("m.gltf", support::gltf(&data_uri(&triangle())).to_string());
    for limits in [
        limit(|limits| limits.vertices = 2),
        limit(|limits| limits.indices = 2),
        limit(|limits| limits.nodes = 0),
        limit(|limits| limits.decoded_bytes = 1000),
        limit(|limits| limits.input_bytes = 100),
    ] {
        let error = support::run(&ModelProcessor, &input, &options(), &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{limits:?}");
    }
}

fn quiet() -> AssetLimits {
    AssetLimits::default()
}

#[test]
fn what_is_not_there_yet_is_refused_with_what_to_choose() {
    let refused = |change: &dyn Fn(&mut ModelOptions)| {
        let mut options = options();
        change(&mut options);
        let error = ModelProcessor.check(&options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        error.message().to_owned()
    };
    assert!(refused(&|options| options.bake_lighting = true).contains("set bakeLighting to false"));
    let two = |options: &mut ModelOptions| (options.format, options.generate_lods) = (ModelFormat::Obj, true);
    assert!(refused(&two).contains("set lodOutput to files"));
    for name in ["a.blend", "a"] {
        let input = AssetInput::from_bytes(name, &b"v 0 0 0"[..]);
        let error = support::run(&ModelProcessor, &input, &options(), &quiet()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

fn limit(change: impl FnOnce(&mut AssetLimits)) -> AssetLimits {
    let mut limits = quiet();
    change(&mut limits);
    limits
}
