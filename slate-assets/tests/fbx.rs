//! Autodesk FBX, in.
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

fn options() -> ModelOptions {
    let mut options = ModelOptions::default();
    options.generate_lods = false;
    options
}

#[test]
fn a_scene_comes_over_whole_in_metres() {
    let input = AssetInput::from_bytes("s.fbx", support::fbx::square());
    let (report, files) = support::run(&ModelProcessor, &input, &options(), &AssetLimits::default()).unwrap();
    assert_eq!((&report["triangles"], &report["skins"], &report["animations"]), (&json!(2), &json!(1), &json!(1)));
    let (document, buffers, _) = gltf::import_slice(&files["s.glb"]).unwrap();
    let square = document.nodes().find(|node| node.name() == Some("square")).unwrap();
    let (translation, ..) = square.transform().decomposed();
    assert_eq!(translation, [1.0, 2.0, 3.0]);
    let primitive = square.mesh().unwrap().primitives().next().unwrap();
    let reader = primitive.reader(|buffer| Some(&buffers[buffer.index()]));
    let corner = reader.read_positions().unwrap().position(|place| place == [1.0, 1.0, 0.0]).unwrap();
    assert!(reader.read_normals().unwrap().all(|normal| normal == [0.0, 0.0, 1.0]));
    let (swell, ..) = reader.read_morph_targets().next().unwrap();
    assert_eq!(swell.unwrap().nth(corner).unwrap(), [0.0, 0.0, 0.5]);
    assert_eq!(square.mesh().unwrap().weights().unwrap(), [0.25]);
    let skin = square.skin().unwrap();
    let names: Vec<_> = skin.joints().map(|joint| joint.name().unwrap_or_default().to_owned()).collect();
    assert_eq!(names, ["bone", "square"], "what has no bone moves with its own node");
    let weights: Vec<[f32; 4]> = reader.read_weights(0).unwrap().into_f32().collect();
    assert!(weights.iter().all(|four| four.iter().sum::<f32>() == 1.0), "{weights:?}");
    let color = primitive.material().pbr_metallic_roughness().base_color_factor();
    assert_eq!(color, [1.0, 0.5, 0.0, 1.0]);
    let walk = document.animations().next().unwrap();
    assert_eq!(walk.name(), Some("walk"));
    let channel = walk.channels().next().unwrap();
    assert_eq!(channel.target().node().name(), Some("square"));
    let reader = channel.reader(|buffer| Some(&buffers[buffer.index()]));
    let gltf::animation::util::ReadOutputs::Translations(places) = reader.read_outputs().unwrap() else {
        panic!("a translation is expected");
    };
    let (times, places): (Vec<f32>, Vec<[f32; 3]>) = (reader.read_inputs().unwrap().collect(), places.collect());
    assert_eq!((times.first(), times.last()), (Some(&0.0), Some(&1.0)));
    assert_eq!((places[0], places[places.len() - 1]), ([1.0, 2.0, 3.0], [4.0, 2.0, 3.0]));
}

#[test]
fn damage_and_limits_are_told_apart() {
    let text = support::fbx::square();
    let run = |text: &str, limits: &AssetLimits| {
        let input = AssetInput::from_bytes("s.fbx", text.to_owned());
        support::run(&ModelProcessor, &input, &options(), limits).unwrap_err().kind()
    };
    let quiet = AssetLimits::default();
    assert_eq!(run("", &quiet), ErrorKind::Corrupt);
    assert_eq!(run(&text[..900], &quiet), ErrorKind::Corrupt);
    for change in [
        |limits: &mut AssetLimits| limits.nodes = 2,
        |limits: &mut AssetLimits| limits.indices = 5,
        |limits: &mut AssetLimits| limits.vertices = 3,
        |limits: &mut AssetLimits| limits.decoded_bytes = 1000,
        |limits: &mut AssetLimits| limits.input_bytes = 1000,
    ] {
        let mut limits = AssetLimits::default();
        change(&mut limits);
        assert_eq!(run(&text, &limits), ErrorKind::LimitExceeded, "{limits:?}");
    }
}

/// All files of a corpus of `ufbx`, where it is there: each is read, or refused with a reason.
#[test]
fn a_corpus_is_read() {
    let Some(folder) = std::env::var_os("SLATE_FBX_CORPUS") else {
        println!("skipped: SLATE_FBX_CORPUS names no folder of FBX files");
        return;
    };
    let (mut read, mut refused) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "fbx") {
            continue;
        }
        let input = AssetInput::from_file(&path).unwrap();
        match support::run(&ModelProcessor, &input, &options(), &AssetLimits::default()) {
            Ok(_) => read += 1,
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::Internal, "{}: {error:?}", path.display());
                refused.push(json!({"file": entry.file_name().to_string_lossy(), "why": error.to_string()}));
            }
        }
    }
    println!("{read} read, {} refused: {}", refused.len(), Value::Array(refused.clone()));
    assert!(read * 10 >= refused.len() * 90, "most are read");
}
