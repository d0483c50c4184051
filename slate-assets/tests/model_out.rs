//! What is written of models, as foreign readers see it: the `gltf` crate, and the validator of the Khronos Group.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use serde_json::{Value, json};
use slate_assets::model::ModelProcessor;
use slate_core::asset::{AssetInput, AssetLimits, LodOutput, MeshCompression, ModelFormat, ModelOptions, Report};
use std::{fs, path::Path, process::Command};
use support::{Files, rich::rich};

fn run(json: &Value, options: &ModelOptions) -> (Report, Files) {
    let input = AssetInput::from_bytes("m.gltf", json.to_string());
    support::run(&ModelProcessor, &input, options, &AssetLimits::default()).unwrap()
}

fn plain() -> ModelOptions {
    let mut options = ModelOptions::default();
    (options.optimize, options.generate_lods) = (false, false);
    options
}

/// Every way to write a model.
fn ways() -> Vec<(&'static str, ModelOptions)> {
    let way = |change: &dyn Fn(&mut ModelOptions)| {
        let mut options = ModelOptions::default();
        change(&mut options);
        options
    };
    vec![
        ("plain", plain()),
        ("optimized", way(&|options| options.generate_lods = false)),
        ("levels", way(&|_| {})),
        ("nodes", way(&|options| options.lod_output = LodOutput::Nodes)),
        ("files", way(&|options| options.lod_output = LodOutput::Files)),
        ("gltf", way(&|options| options.format = ModelFormat::Gltf)),
        ("scaled", way(&|options| options.scale = 0.01)),
        ("quantized", way(&|options| options.compress = MeshCompression::Quantize)),
        ("meshopt", way(&|options| options.compress = MeshCompression::Meshopt)),
        ("khr", way(&|options| options.compress = MeshCompression::KhrMeshopt)),
        ("joined", way(&|options| (options.steps.flatten, options.steps.join) = (true, true))),
        ("copies", way(&|options| (options.steps.flatten, options.steps.instance) = (true, true))),
    ]
}

/// What a viewer sees of a model, read by the `gltf` crate: for each mesh its triangles with all that is at their corners.
fn seen(bytes: &[u8]) -> Vec<Vec<Vec<u32>>> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m"), bytes).unwrap();
    let (document, buffers, _) = gltf::import(folder.path().join("m")).unwrap();
    let primitives = document.meshes().flat_map(|mesh| mesh.primitives().collect::<Vec<_>>());
    let read = |primitive: gltf::Primitive<'_>| {
        let reader = primitive.reader(|buffer| Some(&buffers[buffer.index()]));
        let positions: Vec<_> = reader.read_positions().unwrap().collect();
        let normals: Vec<_> = reader.read_normals().into_iter().flatten().collect();
        let coordinates: Vec<_> = reader.read_tex_coords(0).map(|c| c.into_f32().collect()).unwrap_or_default();
        let weights: Vec<_> = reader.read_weights(0).map(|w| w.into_f32().collect()).unwrap_or_default();
        let colors: Vec<_> = reader.read_colors(0).map(|c| c.into_rgba_u8().collect()).unwrap_or_default();
        let moved: Vec<_> = reader.read_morph_targets().filter_map(|(positions, ..)| positions).flatten().collect();
        let indices: Vec<u32> = match reader.read_indices() {
            Some(indices) => indices.into_u32().collect(),
            None => (0..positions.len() as u32).collect(),
        };
        let corner = |at: u32| -> Vec<u32> {
            let at = at as usize;
            let mut bits: Vec<u32> = positions[at].iter().map(|n| (n + 0.0).to_bits()).collect();
            bits.extend(normals.get(at).into_iter().flatten().map(|n| (n + 0.0).to_bits()));
            bits.extend(coordinates.get(at).into_iter().flatten().map(|n: &f32| (n + 0.0).to_bits()));
            bits.extend(weights.get(at).into_iter().flatten().map(|n: &f32| n.to_bits()));
            bits.extend(colors.get(at).into_iter().flatten().map(|n: &u8| u32::from(*n)));
            bits.extend(moved.get(at).into_iter().flatten().map(|n| (n + 0.0).to_bits()));
            bits
        };
        // Each triangle begins at its least corner, and they are sorted: the order of neither shows.
        let mut triangles: Vec<Vec<u32>> = Vec::new();
        for corners in indices.chunks_exact(3) {
            let mut corners: Vec<_> = corners.iter().map(|at| corner(*at)).collect();
            let least = (0..3).min_by_key(|&at| corners[at].clone()).unwrap();
            corners.rotate_left(least);
            triangles.push(corners.concat());
        }
        triangles.sort();
        triangles
    };
    primitives.map(read).collect()
}

#[test]
fn without_any_step_all_is_seen_as_before() {
    let source = rich();
    let (_, files) = run(&source, &plain());
    assert!(seen(&files["m.glb"]) == seen(source.to_string().as_bytes()));
    let (json, _) = support::glb(&files["m.glb"]);
    for part in ["asset", "extensions", "extensionsUsed", "scenes", "materials", "textures", "samplers", "cameras"] {
        assert_eq!(json[part], source[part], "{part}");
    }
    for (at, node) in source["nodes"].as_array().unwrap().iter().enumerate() {
        for (name, value) in node.as_object().unwrap() {
            assert!(json["nodes"][at].get(name) == Some(value) || name == "rotation", "{name} of node {at}");
        }
    }
    let again = AssetInput::from_bytes("m.glb", files["m.glb"].clone());
    let (_, twice) = support::run(&ModelProcessor, &again, &plain(), &AssetLimits::default()).unwrap();
    assert!(twice["m.glb"] == files["m.glb"], "nothing is left to change");
}

#[test]
fn optimizing_changes_nothing_that_is_seen() {
    let source = rich();
    let (report, files) = run(&source, &ways()[1].1);
    assert!(seen(&files["m.glb"]) == seen(source.to_string().as_bytes()));
    assert_eq!(report["droppedKeys"], json!(36 + 38), "of 40 keys a step keeps 4, a line 2");
    assert!(report["acmrAfter"].as_f64().unwrap() < report["acmrBefore"].as_f64().unwrap());
    assert!(report["bytesAfter"].as_u64().unwrap() < run(&source, &plain()).0["bytesAfter"].as_u64().unwrap());
}

#[test]
fn levels_are_written_as_asked() {
    let source = rich();
    let (report, files) = run(&source, &ModelOptions::default());
    let (json, _) = support::glb(&files["m.glb"]);
    let triangles = |json: &Value, mesh: &Value| -> u64 {
        let parts = json["meshes"][mesh.as_u64().unwrap() as usize]["primitives"].as_array().unwrap().iter();
        let count =
            |part: &Value| json["accessors"][part["indices"].as_u64().unwrap() as usize]["count"].as_u64().unwrap();
        parts.filter(|part| part.get("mode").is_none()).map(count).sum::<u64>() / 3
    };
    let hill = &json["nodes"][4];
    let shown: Vec<_> = hill["extensions"]["MSFT_lod"]["ids"].as_array().unwrap().clone();
    for (node, ratio) in shown.iter().zip([0.75, 0.5, 0.25]) {
        let node = &json["nodes"][node.as_u64().unwrap() as usize];
        assert_eq!((&node["skin"], &node["weights"]), (&hill["skin"], &hill["weights"]));
        assert!((triangles(&json, &node["mesh"]) as f64 / 512.0 - ratio).abs() < 0.01);
        assert_eq!(json["meshes"][node["mesh"].as_u64().unwrap() as usize]["primitives"].as_array().unwrap().len(), 2);
    }
    let coverage: Vec<f64> = serde_json::from_value(hill["extras"]["MSFT_screencoverage"].clone()).unwrap();
    assert!(coverage.len() == 4 && coverage.windows(2).all(|pair| pair[0] > pair[1]), "{coverage:?}");
    // All levels swell together.
    let animated = json["animations"][0]["channels"].as_array().unwrap().iter();
    assert_eq!(animated.filter(|channel| channel["target"]["path"] == "weights").count(), 4);
    let told = report["lods"][0]["levels"].as_array().unwrap();
    assert!(told[0]["rmsError"].as_f64().unwrap() < told[2]["rmsError"].as_f64().unwrap());

    let mut options = ModelOptions::default();
    options.lod_output = LodOutput::Nodes;
    let (json, _) = support::glb(&run(&source, &options).1["m.glb"]);
    let names: Vec<_> = json["nodes"].as_array().unwrap().iter().filter_map(|node| node["name"].as_str()).collect();
    for name in ["hill", "hill_LOD0", "hill_LOD1", "hill_LOD2", "hill_LOD3"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }

    options.lod_output = LodOutput::Files;
    let files: Vec<_> = run(&source, &options).1.into_keys().collect();
    assert_eq!(files, ["m.glb", "m_LOD1.glb", "m_LOD2.glb", "m_LOD3.glb"]);
}

/// Bytes of all vertices and indices.
fn geometry(bytes: &[u8]) -> u64 {
    let (json, _) = support::glb(bytes);
    let views = json["bufferViews"].as_array().unwrap().iter();
    views.filter(|view| view.get("target").is_some()).map(|view| view["byteLength"].as_u64().unwrap()).sum()
}

#[test]
fn levels_of_a_primitive_index_one_list_of_vertices() {
    let mut quantized = ways()[1].1.clone();
    quantized.compress = MeshCompression::Quantize;
    let small = run(&rich(), &quantized).1["m.glb"].clone();
    // Colours of 8 bits and floats; and all in small integers.
    let inputs = [AssetInput::from_bytes("m.gltf", rich().to_string()), AssetInput::from_bytes("m.glb", small)];
    for (at, input) in inputs.into_iter().enumerate() {
        let made = |output: LodOutput| {
            let mut options = ModelOptions::default();
            options.lod_output = output;
            support::run(&ModelProcessor, &input, &options, &AssetLimits::default()).unwrap().1
        };
        let (one, apart) = (made(LodOutput::Msft), made(LodOutput::Files));
        let (json, _) = support::glb(&one["m.glb"]);
        let named = |name: &str| json["meshes"].as_array().unwrap().iter().find(|mesh| mesh["name"] == name).unwrap();
        for level in 1..=3 {
            let (whole, coarse) = (named("hill"), named(&format!("hill_LOD{level}")));
            for part in 0..2 {
                for of in ["attributes", "targets"] {
                    assert_eq!(whole["primitives"][part][of], coarse["primitives"][part][of], "{of} of level {level}");
                }
            }
        }
        let files: u64 = apart.values().map(|bytes| geometry(bytes)).sum();
        assert!(geometry(&one["m.glb"]) < files * 9 / 10, "{} of {files}", geometry(&one["m.glb"]));
        if at == 1 {
            // The foreign reader knows no quantized files.
            continue;
        }
        // What is seen of each level is what its own file shows.
        let whole = seen(&apart["m.glb"]).len();
        let mut all = seen(&one["m.glb"]).split_off(whole);
        let mut levels: Vec<_> = (1..=3).flat_map(|level| seen(&apart[&format!("m_LOD{level}.glb")])).collect();
        all.sort();
        levels.sort();
        levels.retain(|part| all.contains(part));
        assert!(levels == all, "{} and {} parts", levels.len(), all.len());
    }
}

#[test]
fn compressed_models_are_read_back() {
    let source = rich();
    let size = |files: &Files| files["m.glb"].len();
    let (_, whole) = run(&source, &ways()[1].1);
    let mut sizes = vec![size(&whole)];
    for compress in [MeshCompression::Quantize, MeshCompression::Meshopt] {
        let mut options = ways()[1].1.clone();
        options.compress = compress;
        let (_, small) = run(&source, &options);
        sizes.push(size(&small));
        // Read by our reader, written plainly: the places are those of the source, but for a step of the box.
        let input = AssetInput::from_bytes("m.glb", small["m.glb"].clone());
        let (report, back) = support::run(&ModelProcessor, &input, &plain(), &AssetLimits::default()).unwrap();
        assert_eq!(report["triangles"], json!(512 + 72));
        let (json, _) = support::glb(&back["m.glb"]);
        assert_eq!(json["extensionsRequired"], json!(["KHR_mesh_quantization"]));
    }
    assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
}

#[test]
fn bytes_are_equal_on_any_number_of_threads() {
    let source = rich();
    let on = |threads: usize, options: &ModelOptions| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&source, options).1)
    };
    for (name, options) in ways() {
        assert!(on(1, &options) == on(4, &options), "{name}");
    }
}

#[test]
fn the_report_tells_that_what_is_written_is_valid() {
    for (name, options) in ways() {
        let (report, _) = run(&rich(), &options);
        for key in ["validationBefore", "validationAfter"] {
            assert_eq!(report[key]["errors"], 0, "{name}: {:#}", report[key]);
            let issues = report[key]["issues"].as_array().unwrap();
            let unused = issues.iter().find(|issue| issue["pointer"].as_str().unwrap().starts_with("/skins"));
            assert_eq!(unused, None, "{name}");
        }
    }
    // What is wrong without keeping it from being read is told, and where it still is.
    let mut source = rich();
    source["cameras"][0]["perspective"]["zfar"] = json!(0.01);
    let (report, _) = run(&source, &plain());
    for key in ["validationBefore", "validationAfter"] {
        let issue = &report[key]["issues"][0];
        assert_eq!(issue["code"], "CAMERA_ZFAR_LEQUAL_ZNEAR", "{issue}");
        assert_eq!((&issue["severity"], &issue["pointer"]), (&json!("error"), &json!("/cameras/0/perspective")));
    }
}

#[test]
fn the_khronos_validator_finds_no_error() {
    let Some(validator) = support::node::validator() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut count = 1;
    fs::write(folder.path().join("broken.gltf"), r#"{"asset": {"version": "2.0"}, "scene": 1}"#).unwrap();
    let lantern = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/projects/lantern/assets/models"));
    for (name, options) in ways() {
        let mut inputs = vec![
            AssetInput::from_bytes("m.gltf", rich().to_string()),
            AssetInput::from_bytes("square.fbx", support::fbx::square()),
        ];
        inputs.extend(
            ["lantern.glb", "tower.glb", "bell.glb", "crate.gltf"]
                .map(|model| AssetInput::from_file(lantern.join(model)).unwrap()),
        );
        for input in inputs {
            let (_, files) = support::run(&ModelProcessor, &input, &options, &AssetLimits::default()).unwrap();
            for (file, bytes) in files {
                count += usize::from(!file.ends_with(".bin"));
                fs::create_dir_all(folder.path().join(name)).unwrap();
                fs::write(folder.path().join(name).join(file), bytes).unwrap();
            }
        }
    }
    let output = Command::new("node").arg(support::node::SCRIPT).arg(&validator).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verdicts: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts = verdicts.as_object().unwrap();
    assert_eq!(verdicts.len(), count);
    assert_ne!(verdicts["broken.gltf"], json!([]), "the validator validates");
    for (file, errors) in verdicts.iter().filter(|(file, _)| *file != "broken.gltf") {
        assert_eq!(errors, &json!([]), "{file}");
    }
}
