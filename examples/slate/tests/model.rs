//! `slate model IN OUT`, as the README of slate-assets shows it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../projects/lantern/assets/models")
}

fn slate(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slate"));
    command.arg("--data").arg(folder.join("data")).arg("model").args(arguments);
    command.output().unwrap()
}

#[test]
fn what_is_wrong_with_models_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let said = slate(folder.path(), &[models().to_str().unwrap(), "--check"]);
    assert!(said.status.success(), "{said:?}");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(text.contains("tower.glb:") && !text.contains("error"), "{text}");
    let broken = folder.path().join("broken.gltf");
    fs::write(&broken, r#"{"asset": {"version": "2.0"}, "scene": 1}"#).unwrap();
    let said = slate(folder.path(), &[broken.to_str().unwrap(), "--check", "--report", "json"]);
    assert!(!said.status.success());
    let verdict: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let issue = &verdict[broken.to_str().unwrap()]["issues"][0];
    assert_eq!((&issue["code"], &issue["pointer"]), (&"UNRESOLVED_REFERENCE".into(), &"/scene".into()));
}

#[test]
fn one_model_becomes_lighter_with_levels() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (models().join("tower.glb"), folder.path().join("small.glb"));
    let (input, output) = (input.to_str().unwrap(), output.to_str().unwrap());
    let done = slate(folder.path(), &[input, output, "--lods", "0.75,0.5,0.25"]);
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
    assert!(told.contains("at 0.25") && told.contains("triangles"), "{told}");
    assert!(fs::read(output).unwrap().starts_with(b"glTF"));

    let done = slate(folder.path(), &[input, output, "--compress", "meshopt", "--report", "json"]);
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let report = &told[input]["report"];
    assert!(report["bytesAfter"].as_u64().unwrap() * 2 < report["bytesBefore"].as_u64().unwrap(), "{told}");
    assert_eq!(report["bytesAfter"].as_u64().unwrap(), fs::metadata(output).unwrap().len());

    let done = slate(folder.path(), &[input, output, "--images", "ktx2", "--report", "json"]);
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told[input]["report"]["validationAfter"]["errors"], 0, "{told}");
    let done = slate(folder.path(), &[input, output, "--images", "gif"]);
    assert!(!done.status.success());
}

#[test]
fn images_are_made_smaller() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("card.gltf"), folder.path().join("small.glb"));
    // A red and a blue pixel, on a triangle.
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAADUlEQVR4nGP4zwAE/wEHAAH/4iOeWQAAAABJRU5ErkJggg==";
    let numbers = "AAAAAAAAAAAAAAAAAACAPwAAAAAAAAAAAAAAAAAAgD8AAAAA";
    let card = serde_json::json!({
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "material": 0}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": 3,
            "min": [0, 0, 0], "max": [1, 1, 0]}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36, "uri": format!("data:application/octet-stream;base64,{numbers}")}],
        "materials": [{"emissiveTexture": {"index": 0}}], "textures": [{"source": 0}],
        "images": [{"uri": format!("data:image/png;base64,{png}")}]
    });
    fs::write(&input, card.to_string()).unwrap();
    let arguments = [input.to_str().unwrap(), output.to_str().unwrap(), "--images", "png", "--image-size", "1"];
    let done = slate(folder.path(), &arguments);
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
    assert!(told.contains("1 of 1 images made anew"), "{told}");
}

#[test]
fn folders_and_wrong_names_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let done = slate(
        folder.path(),
        &[models().to_str().unwrap(), out.to_str().unwrap(), "--lods", "0.5", "--lod-output", "files"],
    );
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for name in ["tower.glb", "tower_LOD1.glb", "bell.glb", "crate.glb", "lantern.glb"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let tower = models().join("tower.glb");
    for wrong in ["tower.blend", "tower", "other.gltf"] {
        let done = slate(folder.path(), &[tower.to_str().unwrap(), out.join(wrong).to_str().unwrap()]);
        assert!(!done.status.success(), "{wrong}");
    }
    let done = slate(folder.path(), &[tower.to_str().unwrap(), out.join("tower.obj").to_str().unwrap()]);
    assert!(done.status.success() && out.join("tower.mtl").is_file());
    let renamed = out.join("keep.fbx");
    let done = slate(folder.path(), &[tower.to_str().unwrap(), renamed.to_str().unwrap(), "--join", "--instance"]);
    assert!(done.status.success() && renamed.is_file(), "{}", String::from_utf8_lossy(&done.stderr));
}
