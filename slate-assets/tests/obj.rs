//! Wavefront OBJ, in and out.
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
    asset::{AssetInput, AssetLimits, ModelFormat, ModelOptions, Processor, Report, UpAxis},
};
use std::fs;
use support::Files;

fn options(format: ModelFormat) -> ModelOptions {
    let mut options = ModelOptions::default();
    (options.format, options.generate_lods) = (format, false);
    options
}

fn run(input: &AssetInput, options: &ModelOptions) -> slate_core::Result<(Report, Files)> {
    support::run(&ModelProcessor, input, options, &AssetLimits::default())
}

const SQUARE: &str = "mtllib s.mtl\no square\nv 0 0 0\nv 1 0 0 # a comment\nv 1 1 0\r\nv 0 1 0\n\
    vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nvn 0 0 2\nusemtl red\nf 1/1/1 2/2/1 3/3/1 4/4/1\n\
    o tail\nusemtl blue\nf -1//-1 -2//-1 -3//-1\nl 1 2\n";

#[test]
fn objects_materials_and_textures_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let png = support::png(1, 1, image::ExtendedColorType::Rgb8, &[9; 3]);
    fs::write(folder.path().join("s.obj"), SQUARE).unwrap();
    let mtl = "newmtl red\nKd 1 0.5 0\nNs 30\nmap_Kd -s 1 1 1 my red.png\nmap_Ke ../up.png\nnewmtl blue\nd 0.5\n";
    fs::write(folder.path().join("s.mtl"), mtl).unwrap();
    fs::write(folder.path().join("my red.png"), &png).unwrap();
    let input = AssetInput::from_file(folder.path().join("s.obj")).unwrap();
    let references = ModelProcessor.references(&input, &AssetLimits::default()).unwrap();
    assert_eq!(references, ["my red.png", "s.mtl"]);
    let (report, files) = run(&input, &options(ModelFormat::Glb)).unwrap();
    let (json, binary) = support::glb(&files["s.glb"]);
    assert_eq!((&report["triangles"], &report["skippedElements"]), (&json!(3), &json!(1)));
    assert_eq!(report["missingFiles"], json!(["../up.png"]));
    let names: Vec<_> = json["nodes"].as_array().unwrap().iter().map(|node| &node["name"]).collect();
    assert_eq!(names, ["square", "tail"]);
    assert_eq!(json["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"], json!([1.0, 0.5, 0.0, 1.0]));
    assert_eq!(json["materials"][1]["alphaMode"], "BLEND");
    assert_eq!(json["images"][0]["mimeType"], "image/png");
    let part = &json["meshes"][0]["primitives"][0];
    let accessor = &json["accessors"][part["attributes"]["NORMAL"].as_u64().unwrap() as usize];
    let view = &json["bufferViews"][accessor["bufferView"].as_u64().unwrap() as usize];
    let at = view["byteOffset"].as_u64().unwrap_or(0) + accessor["byteOffset"].as_u64().unwrap_or(0);
    assert_eq!(binary[at as usize + 8..at as usize + 12], 1.0f32.to_le_bytes(), "normals are brought to length 1");
}

/// All corners of all triangles, sorted, to a thousandth.
fn triangles(glb: &[u8]) -> Vec<Vec<i64>> {
    let (document, buffers, _) = gltf::import_slice(glb).unwrap();
    let mut all = Vec::new();
    for primitive in document.meshes().flat_map(|mesh| mesh.primitives().collect::<Vec<_>>()) {
        let reader = primitive.reader(|buffer| Some(&buffers[buffer.index()]));
        let positions: Vec<_> = reader.read_positions().unwrap().collect();
        let normals: Vec<_> = reader.read_normals().into_iter().flatten().collect();
        let coordinates: Vec<_> = reader.read_tex_coords(0).map(|c| c.into_f32().collect()).unwrap_or_default();
        let indices: Vec<u32> = reader.read_indices().unwrap().into_u32().collect();
        for corners in indices.chunks_exact(3) {
            let corner = |at: &u32| -> Vec<i64> {
                let at = *at as usize;
                let numbers = positions[at].iter().chain(normals.get(at).into_iter().flatten());
                let numbers = numbers.chain(coordinates.get(at).into_iter().flatten());
                numbers.map(|number: &f32| (f64::from(*number) * 1e3).round() as i64).collect()
            };
            let mut corners: Vec<_> = corners.iter().map(corner).collect();
            let least = (0..3).min_by_key(|&at| corners[at].clone()).unwrap();
            corners.rotate_left(least);
            all.push(corners.concat());
        }
    }
    all.sort();
    all
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let lantern = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/projects/lantern/assets/models/tower.glb");
    let input = AssetInput::from_file(lantern).unwrap();
    let (report, files) = run(&input, &options(ModelFormat::Obj)).unwrap();
    assert_eq!(report["bytesAfter"], json!(files.values().map(bytes::Bytes::len).sum::<usize>()));
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in &files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let input = AssetInput::from_file(folder.path().join("tower.obj")).unwrap();
    let (_, back) = run(&input, &options(ModelFormat::Glb)).unwrap();
    let whole = fs::read(lantern).unwrap();
    assert!(triangles(&back["tower.glb"]) == triangles(&whole), "tower.glb stands where it is in its file");
    let material = |glb: &[u8]| -> Value { support::glb(glb).0["materials"][0]["pbrMetallicRoughness"].clone() };
    for factor in ["metallicFactor", "roughnessFactor"] {
        let [back, was] = [&back["tower.glb"][..], &whole].map(|glb| material(glb)[factor].as_f64().unwrap_or(1.0));
        assert!((back - was).abs() < 1e-6, "{factor}");
    }
}

#[test]
fn what_has_z_up_is_turned() {
    let text = "v 1 0 0\nv 0 2 0\nv 0 0 3\nf 1 2 3\n";
    let mut options = options(ModelFormat::Glb);
    options.up = UpAxis::Z;
    let (_, files) = run(&AssetInput::from_bytes("m.obj", text), &options).unwrap();
    let corners = support::world::triangles(&files["m.glb"])[0].map(|corner| corner.map(|n| (n * 1e3).round() as i32));
    assert!([[1000, 0, 0], [0, 0, -2000], [0, 3000, 0]].iter().all(|corner| corners.contains(corner)), "{corners:?}");
}

#[test]
fn damage_is_named_by_its_line() {
    let cases = [
        ("v 0 0\n", ErrorKind::Corrupt, 1),
        ("v 0 0 nan\n", ErrorKind::Corrupt, 1),
        ("v 0 0 0\nv 0 0 1e99\n", ErrorKind::Corrupt, 2),
        ("v 0 0 0\nf 1 1 2\n", ErrorKind::Corrupt, 2),
        ("v 0 0 0\nf 0 1 1\n", ErrorKind::Corrupt, 2),
        ("v 0 0 0\nf -2 1 1\n", ErrorKind::Corrupt, 2),
        ("v 0 0 0\nf 99999999999999999999 1 1\n", ErrorKind::Corrupt, 2),
    ];
    for (text, kind, line) in cases {
        let input = AssetInput::from_bytes("m.obj", text);
        let error = run(&input, &options(ModelFormat::Glb)).unwrap_err();
        assert_eq!(error.kind(), kind, "{text}");
        assert!(error.context().contains(&("line", line.to_string())), "{text}: {error}");
    }
    let many = format!("v 0 0 0\nf{}\n", " 1".repeat(5000));
    let error = run(&AssetInput::from_bytes("m.obj", many), &options(ModelFormat::Glb)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    let mut limits = AssetLimits::default();
    limits.vertices = 3;
    let input = AssetInput::from_bytes("m.obj", SQUARE);
    let error = support::run(&ModelProcessor, &input, &options(ModelFormat::Glb), &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
}
