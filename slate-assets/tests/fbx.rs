//! Autodesk FBX, in and out.
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
    asset::{AssetInput, AssetLimits, ModelFormat, ModelOptions},
};
use std::process::Command;
use support::world::Shape;

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
    assert_eq!(color, [1.0, 0.5, 0.0, 0.5]);
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

/// Another node shows the square ten metres above itself, and both swell.
#[test]
fn what_lies_between_a_node_and_a_mesh_of_several_is_kept() {
    let further = "Model: 210, \"Model::other\", \"Mesh\" {\n\t\tVersion: 232\n\t\tProperties70:  {\n\t\t\t\
        P: \"GeometricTranslation\", \"Vector3D\", \"Vector\", \"\",0,0,1000\n\t\t\t\
        P: \"GeometricRotation\", \"Vector3D\", \"Vector\", \"\",nan,0,0\n\t\t}\n\t}\n\t\
        AnimationCurveNode: 510, \"AnimCurveNode::DeformPercent\", \"\" {\n\t}\n\tModel: 200,";
    let connected = "C: \"OO\",210,200\n\tC: \"OO\",100,210\n\tC: \"OO\",510,501\n\t\
        C: \"OP\",510,403, \"DeformPercent\"\n\tC: \"OP\",503,510, \"d|DeformPercent\"\n\tC: \"OO\",402,100";
    let square = support::fbx::square();
    let text = square.replace("Model: 200,", further).replace("C: \"OO\",402,100", connected);
    // A skin would place it by itself.
    let text = text.replace("\tC: \"OO\",400,100\n", "");
    let (_, files) = {
        let input = AssetInput::from_bytes("s.fbx", text);
        support::run(&ModelProcessor, &input, &options(), &AssetLimits::default()).unwrap()
    };
    let (document, ..) = gltf::import_slice(&files["s.glb"]).unwrap();
    let other = document.nodes().find(|node| node.name() == Some("other")).unwrap();
    assert!(other.mesh().is_none());
    let shown = other.children().next().unwrap();
    let (place, rotation, scale) = shown.transform().decomposed();
    assert_eq!(
        (place, rotation, scale),
        ([0.0, 0.0, 10.0], [0.0, 0.0, 0.0, 1.0], [1.0; 3]),
        "an angle that is none turns nothing"
    );
    let square = document.nodes().find(|node| node.name() == Some("square")).unwrap();
    assert_eq!(shown.mesh().unwrap().index(), square.mesh().unwrap().index(), "one mesh for both");
    let channels = document.animations().next().unwrap();
    let is_weights = |channel: &gltf::animation::Channel<'_>| {
        channel.target().property() == gltf::animation::Property::MorphTargetWeights
    };
    let mut swelling: Vec<_> =
        channels.channels().filter(is_weights).map(|channel| channel.target().node().index()).collect();
    swelling.sort_unstable();
    let mut both = [square.index(), shown.index()];
    both.sort_unstable();
    assert_eq!(swelling, both);
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

/// A model with a bit of everything as FBX, and as GLB for comparison.
fn written() -> (Vec<u8>, Vec<u8>) {
    let input = AssetInput::from_bytes("m.gltf", support::rich::rich().to_string());
    let run = |format| {
        let mut options = options();
        (options.format, options.optimize) = (format, false);
        let (report, files) = support::run(&ModelProcessor, &input, &options, &AssetLimits::default()).unwrap();
        (report, files.into_values().next().unwrap().to_vec())
    };
    let (report, fbx) = run(ModelFormat::Fbx);
    assert_eq!(report["dropped"], json!(["cameras", "extensions of materials", "lights", "lines and points"]));
    assert_eq!(run(ModelFormat::Fbx).1, fbx, "the same bytes each time");
    (fbx, run(ModelFormat::Glb).1)
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let (fbx, glb) = written();
    let input = AssetInput::from_bytes("m.fbx", fbx);
    let mut plain = options();
    plain.optimize = false;
    let (_, files) = support::run(&ModelProcessor, &input, &plain, &AssetLimits::default()).unwrap();
    let back = files["m.glb"].to_vec();
    let (one, other) = (Shape::of(&glb), Shape::of(&back));
    assert!(one.distance(&other) < 1e-6, "{one:?} {other:?}");
    let [(was, was_buffers, was_images), (is, is_buffers, is_images)] =
        [&glb, &back].map(|glb| gltf::import_slice(glb).unwrap());
    assert_eq!(was_images[0].pixels, is_images[0].pixels);
    let hill = |document: &gltf::Document| document.nodes().find(|node| node.name() == Some("hill")).unwrap().index();
    let [was_hill, is_hill] = [&was, &is].map(|document| document.nodes().nth(hill(document)).unwrap());
    assert_eq!(is_hill.mesh().unwrap().weights().unwrap(), [0.5], "the node's own weights count");
    let names = |node: &gltf::Node<'_>| -> Vec<String> {
        node.skin().unwrap().joints().map(|joint| joint.name().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&was_hill), names(&is_hill)[..2], "and the node itself, which readers of FBX add");
    for (one, other) in was_hill.mesh().unwrap().primitives().zip(is_hill.mesh().unwrap().primitives()) {
        assert_eq!(one.material().name(), other.material().name());
        let [one, other] = [(one, &was_buffers), (other, &is_buffers)].map(|(part, buffers)| corners(&part, buffers));
        assert_eq!(one.len(), other.len());
        for (one, other) in one.iter().zip(&other) {
            assert!(one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-5), "{one:?} {other:?}");
        }
    }
    let clip = is.animations().next().unwrap();
    assert_eq!(clip.name(), Some("wave"));
    for channel in clip.channels() {
        let reader = channel.reader(|buffer| Some(&is_buffers[buffer.index()]));
        let times: Vec<f32> = reader.read_inputs().unwrap().collect();
        // The key after a time, and how far the time is on the way to it from the one before: readers drop keys.
        let at = |wanted: f32| {
            let after = times.partition_point(|time| *time < wanted - 1e-4).clamp(1, times.len() - 1);
            (after, (wanted - times[after - 1]) / (times[after] - times[after - 1]))
        };
        match reader.read_outputs().unwrap() {
            gltf::animation::util::ReadOutputs::Rotations(turns) => {
                let turns: Vec<[f32; 4]> = turns.into_f32().collect();
                let near = |wanted: f32, turn: [f32; 4]| {
                    let (after, share) = at(wanted);
                    let found = turns[if share > 0.5 { after } else { after - 1 }];
                    assert!(found.iter().zip(turn).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?} {turn:?}");
                };
                near(0.0, [0.0, 0.0, 0.0, 1.0]);
                near(1.0, [0.0, 0.6, 0.0, 0.8]);
            }
            gltf::animation::util::ReadOutputs::MorphTargetWeights(weights) => {
                let weights: Vec<f32> = weights.into_f32().collect();
                let (after, share) = at(1.0);
                let found = weights[after - 1] + (weights[after] - weights[after - 1]) * share;
                assert!((found - 0.5).abs() < 1e-5, "{found} {weights:?}");
            }
            _ => {}
        }
    }
    let moved: Vec<_> = clip.channels().map(|channel| channel.target().node().name().unwrap().to_owned()).collect();
    assert!(["arm", "hill"].iter().all(|name| moved.iter().any(|moved| moved == name)), "{moved:?}");
}

/// All numbers of each corner of a part's triangles, in their order.
fn corners(part: &gltf::Primitive<'_>, buffers: &[gltf::buffer::Data]) -> Vec<Vec<f32>> {
    let reader = part.reader(|buffer| Some(&buffers[buffer.index()]));
    let positions: Vec<[f32; 3]> = reader.read_positions().unwrap().collect();
    let normals: Vec<[f32; 3]> = reader.read_normals().unwrap().collect();
    let coordinates: Vec<[f32; 2]> = reader.read_tex_coords(0).unwrap().into_f32().collect();
    let colors: Vec<[f32; 4]> = reader.read_colors(0).unwrap().into_rgba_f32().collect();
    let joints: Vec<[u16; 4]> = reader.read_joints(0).unwrap().into_u16().collect();
    let weights: Vec<[f32; 4]> = reader.read_weights(0).unwrap().into_f32().collect();
    let moved: Vec<[f32; 3]> = reader.read_morph_targets().next().unwrap().0.unwrap().collect();
    let corner = |at: u32| -> Vec<f32> {
        let at = at as usize;
        // Readers may order the joints of a vertex as they like.
        let weight = |joint: u16| -> f32 {
            joints[at].iter().zip(weights[at]).filter(|(own, _)| **own == joint).map(|(_, weight)| weight).sum()
        };
        let numbers =
            [&positions[at][..], &normals[at], &coordinates[at], &colors[at], &[weight(0), weight(1)], &moved[at]];
        numbers.concat()
    };
    reader.read_indices().unwrap().into_u32().map(corner).collect()
}

/// Files that others write have connections of objects that aren't there, and paths with letters of all languages.
#[test]
fn what_the_parser_stumbles_over_is_made_harmless() {
    let (fbx, _) = written();
    let find = |what: &[u8], from: usize| from + fbx[from..].windows(what.len()).position(|at| at == what).unwrap();
    let path = find(b"texture_0.png", find(b"XRefUrl", 0));
    let connections = find(b"Connections", 0);
    let link = find(b"S\x02\0\0\0OOL", connections);
    // A node's link to the root in the place of the next one: it is there twice.
    let (mut root, mut next) = (link, find(b"S\x02\0\0\0OOL", link + 1));
    while fbx[root + 17..root + 25] != [0; 8] {
        (root, next) = (next, find(b"S\x02\0\0\0OOL", next + 1));
    }
    let mut twice = fbx.clone();
    twice.copy_within(root..root + 25, next);
    let input = AssetInput::from_bytes("m.fbx", twice);
    let (report, _) = support::run(&ModelProcessor, &input, &options(), &AssetLimits::default()).unwrap();
    assert_eq!(report["mended"], json!(true));
    for (place, byte) in [(path, 0xE9), (link + 14, 0x77)] {
        let mut fbx = fbx.clone();
        fbx[place] = byte;
        let input = AssetInput::from_bytes("m.fbx", fbx);
        let (report, _) = support::run(&ModelProcessor, &input, &options(), &AssetLimits::default()).unwrap();
        assert_eq!((&report["mended"], &report["skins"]), (&json!(true), &json!(1)), "{byte:x}");
    }
    // A skin whose mesh isn't there.
    let skin = find(b"S\x04\0\0\0Skin", 0);
    let number = fbx[..skin].windows(9).rposition(|at| at[0] == b'L' && at[8] == 0).unwrap() + 1;
    let link = [b"S\x02\0\0\0OOL", &fbx[number..number + 8]].concat();
    let mesh = find(&link, connections) + link.len() + 1;
    let mut alone = fbx.clone();
    alone[mesh..mesh + 8].fill(0x77);
    let input = AssetInput::from_bytes("m.fbx", alone);
    let (report, _) = support::run(&ModelProcessor, &input, &options(), &AssetLimits::default()).unwrap();
    assert_eq!((&report["mended"], &report["skins"]), (&json!(true), &json!(0)));
}

/// Binary files with bytes changed at random: read, or refused with a reason.
#[test]
fn damaged_binary_files_are_read_or_refused() {
    let (fbx, _) = written();
    let mut random = support::Random(11);
    for _ in 0..300 {
        let mut fbx = fbx.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(fbx.len());
            fbx[at] = random.next() as u8;
        }
        fbx.truncate(fbx.len() - random.below(2) * random.below(fbx.len()));
        let input = AssetInput::from_bytes("m.fbx", fbx);
        if let Err(error) = support::run(&ModelProcessor, &input, &options(), &AssetLimits::default()) {
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::LimitExceeded), "{error:?}");
        }
    }
}

/// What `ufbx`, which many engines read FBX by, makes of a file: nodes with their places in the world, corners of the
/// triangles, bones, shapes, and where an animation has the node `arm`.
const SEEN: &str = r#"
import json, os, sys, ufbx
scene = ufbx.load_file(sys.argv[1])
def vector(v): return [v.x, v.y, v.z]
nodes = {node.name: vector(node.node_to_world.c3) for node in scene.nodes if not node.is_root}
meshes = [{"name": mesh.name, "triangles": mesh.num_triangles, "points": mesh.num_vertices,
    "uvs": len(mesh.uv_sets), "colors": len(mesh.color_sets), "materials": len(mesh.materials)} for mesh in scene.meshes]
print(json.dumps({"nodes": nodes, "meshes": meshes, "clusters": [len(c.vertices) for c in scene.skin_clusters],
    "shapes": [channel.name for channel in scene.blend_channels], "clips": [clip.name for clip in scene.anim_stacks],
    "metres": scene.settings.unit_meters, "version": scene.metadata.version,
    "warnings": [str(warning.description) for warning in scene.metadata.warnings]}), flush=True)
os._exit(0)  # its bindings fall over their own feet when they are collected
"#;

/// How far the animation has turned the node `arm`, and swollen the shape, at some times.
const PLAYED: &str = r#"
import json, os, sys, ufbx
scene = ufbx.load_file(sys.argv[1])
clip, arm, swell = scene.anim_stacks[0].anim, scene.find_node("arm"), scene.blend_channels[0]
def played(time):
    turn = ufbx.evaluate_transform(clip, arm, time).rotation
    return [time, turn.x, turn.y, turn.z, turn.w, ufbx.evaluate_blend_weight(clip, swell, time)]
print(json.dumps([played(at / 40) for at in range(78)]), flush=True)
os._exit(0)  # as above
"#;

/// What a script makes of the model that we wrote; none, said aloud, where ufbx can't be had.
fn told(script: &str) -> Option<Value> {
    let modules = support::node::python("ufbx", "0.0.5")?;
    let (fbx, _) = written();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.fbx"), fbx).unwrap();
    let mut python = Command::new("python3");
    let told =
        python.env("PYTHONPATH", modules).args(["-c", script]).arg(folder.path().join("m.fbx")).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    Some(serde_json::from_slice(&told.stdout).unwrap())
}

#[test]
fn what_an_animation_holds_still_elsewhere_is_kept() {
    let key = |at: u32, value: f32| {
        format!(
            "AnimationCurve: {at}, \"AnimCurve::\", \"\" {{\nDefault: {value}\nKeyVer: 4008\nKeyTime: *1 {{ a: 0 }}\n\
             KeyValueFloat: *1 {{ a: {value} }}\nKeyAttrFlags: *1 {{ a: 4 }}\nKeyAttrDataFloat: *4 {{ a: 0,0,0,0 }}\n\
             KeyAttrRefCount: *1 {{ a: 1 }}\n}}\n"
        )
    };
    // Stretched threefold for as long as the take is played; turned as it is without.
    let (stretched, turned) = (key(601, 3.0), key(603, 0.0));
    let nodes = ["600, \"AnimCurveNode::S\"", "602, \"AnimCurveNode::R\""]
        .map(|name| format!("AnimationCurveNode: {name}, \"\" {{\nProperties70:  {{\n}}\n}}\n"));
    let objects = format!("{}{stretched}{}{turned}}}\nConnections:  {{\n", nodes[0], nodes[1]);
    let more = "C: \"OO\",600,501\nC: \"OP\",600,200, \"Lcl Scaling\"\nC: \"OP\",601,600, \"d|X\"\n\
                C: \"OO\",602,501\nC: \"OP\",602,200, \"Lcl Rotation\"\nC: \"OP\",603,602, \"d|X\"\n";
    let text = support::fbx::square().replace("}\nConnections:  {\n", &(objects + more));
    let (_, files) =
        support::run(&ModelProcessor, &AssetInput::from_bytes("s.fbx", text), &options(), &AssetLimits::default())
            .unwrap();
    let (document, buffers, _) = gltf::import_slice(&files["s.glb"]).unwrap();
    let walk = document.animations().next().unwrap();
    let mut scales = Vec::new();
    for channel in walk.channels() {
        match channel.reader(|buffer| Some(&buffers[buffer.index()])).read_outputs().unwrap() {
            gltf::animation::util::ReadOutputs::Scales(values) => scales.extend(values),
            gltf::animation::util::ReadOutputs::Rotations(_) => panic!("it is turned as it is without"),
            _ => {}
        }
    }
    assert!(!scales.is_empty() && scales.iter().all(|[x, ..]| *x == 3.0), "{scales:?}");
}

#[test]
fn a_foreign_reader_plays_the_same() {
    let Some(played) = told(PLAYED) else { return };
    let played: Vec<[f32; 6]> = serde_json::from_value(played).unwrap();
    assert_eq!(played.len(), 78);
    for [time, x, y, z, w, weight] in played {
        // From the key at 0.95 s to that at 1 s the arm turns, along an arc; the shape swells all the time.
        let turn = ((time - 0.95) / 0.05).clamp(0.0, 1.0) * 0.6f32.asin();
        let along = (y * turn.sin() + w * turn.cos()).abs();
        assert!(x.abs() < 1e-3 && z.abs() < 1e-3 && along > 1.0 - 1e-6, "{x} {y} {z} {w} at {time}");
        assert!((weight - time / 2.0).abs() < 1e-4, "{weight} at {time}");
    }
}

#[test]
fn a_foreign_reader_sees_it_all() {
    let Some(seen) = told(SEEN) else { return };
    assert_eq!(seen["warnings"], json!([]), "{seen}");
    assert_eq!(seen["nodes"]["arm"], json!([1.0, 2.0, 3.0]), "{seen}");
    assert_eq!((&seen["metres"], &seen["version"]), (&json!(1.0), &json!(7400)));
    let meshes = seen["meshes"].as_array().unwrap();
    let hill = json!({"name": "hill", "triangles": 512, "points": 289, "uvs": 1, "colors": 1, "materials": 2});
    assert!(meshes.contains(&hill), "slits are closed: {meshes:?}");
    assert_eq!((&seen["shapes"], &seen["clips"]), (&json!(["swell"]), &json!(["wave"])));
    assert_eq!(seen["clusters"].as_array().unwrap().len(), 2);
}
