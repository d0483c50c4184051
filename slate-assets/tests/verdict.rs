//! What is said to be wrong with a glTF, beside the validator of the Khronos Group.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use slate_assets::model::{Severity, Verdict, validate};
use slate_core::{
    Cancel, ErrorKind,
    asset::{AssetInput, AssetLimits},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};
use support::{Random, rich::rich};

fn verdict(json: &Value) -> Verdict {
    let input = AssetInput::from_bytes("m.gltf", json.to_string());
    validate(&input, &AssetLimits::default(), &Cancel::new()).unwrap()
}

fn errors(verdict: &Verdict) -> BTreeSet<(String, String)> {
    let errors = verdict.issues.iter().filter(|issue| issue.severity == Severity::Error);
    errors.map(|issue| (issue.code.to_owned(), issue.pointer.clone())).collect()
}

/// Puts a value into a document, or takes one out.
fn put(document: &mut Value, pointer: &str, value: Option<Value>) {
    let (before, name) = pointer.rsplit_once('/').unwrap();
    match (document.pointer_mut(before).unwrap(), value) {
        (Value::Object(object), Some(value)) => _ = object.insert(name.to_owned(), value),
        (Value::Object(object), None) => _ = object.remove(name),
        (Value::Array(list), Some(value)) if name == "-" => list.push(value),
        (Value::Array(list), Some(value)) => list[name.parse::<usize>().unwrap()] = value,
        (Value::Array(list), None) => _ = list.remove(name.parse().unwrap()),
        _ => panic!("{pointer} is in no object or list"),
    }
}

/// What is changed in a sound document, and the error that this is: its code, and its place.
fn faults() -> Vec<(&'static str, Option<Value>, &'static str, &'static str)> {
    let skin = "/nodes/4/skin";
    let text = rich()["buffers"][0]["uri"].as_str().unwrap().replace("application/octet-stream", "text/plain");
    let matrix = json!([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    let sheared = json!([1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    let pointed = json!({"path": "pointer", "node": 0, "extensions": {"KHR_animation_pointer": {"pointer": "/a"}}});
    vec![
        // Types, ranges and forms.
        ("/asset/minVersion", Some(json!("2.x")), "PATTERN_MISMATCH", "/asset/minVersion"),
        ("/asset/minVersion", Some(json!("2.1")), "ASSET_MIN_VERSION_GREATER_THAN_VERSION", "/asset/minVersion"),
        ("/scene", Some(json!("0")), "TYPE_MISMATCH", "/scene"),
        ("/scene", Some(json!(-1)), "INVALID_INDEX", "/scene"),
        ("/scene", Some(json!(1)), "UNRESOLVED_REFERENCE", "/scene"),
        ("/scenes/0/nodes", Some(json!([])), "EMPTY_ENTITY", "/scenes/0/nodes"),
        ("/scenes/0/nodes/1", Some(json!(0)), "DUPLICATE_ELEMENTS", "/scenes/0/nodes/1"),
        ("/nodes/0/translation", Some(json!([1, 2])), "ARRAY_LENGTH_NOT_IN_LIST", "/nodes/0/translation"),
        ("/nodes/0/translation/1", Some(json!("2")), "ARRAY_TYPE_MISMATCH", "/nodes/0/translation"),
        ("/nodes/1/rotation/3", Some(json!(1.5)), "VALUE_NOT_IN_RANGE", "/nodes/1/rotation/3"),
        ("/nodes/1/rotation/3", Some(json!(0.5)), "ROTATION_NON_UNIT", "/nodes/1/rotation"),
        ("/materials/0/emissiveFactor", Some(json!([0, 0, 2])), "VALUE_NOT_IN_RANGE", "/materials/0/emissiveFactor/2"),
        ("/cameras/0/perspective/znear", None, "UNDEFINED_PROPERTY", "/cameras/0/perspective"),
        ("/cameras/0/perspective/zfar", Some(json!(0.05)), "CAMERA_ZFAR_LEQUAL_ZNEAR", "/cameras/0/perspective"),
        (
            "/cameras/0/orthographic",
            Some(json!({"xmag": 1, "ymag": 1, "zfar": 2, "znear": 1})),
            "ONE_OF_MISMATCH",
            "/cameras/0",
        ),
        ("/images/0/bufferView", Some(json!(0)), "ONE_OF_MISMATCH", "/images/0"),
        ("/images/0/uri", Some(json!("data:image/png;;base64,AA==")), "INVALID_URI", "/images/0/uri"),
        ("/images/0/mimeType", Some(json!("image/jpeg")), "IMAGE_MIME_TYPE_INVALID", "/images/0/uri"),
        ("/buffers/0/uri", Some(json!(text)), "BUFFER_DATA_URI_MIME_TYPE_INVALID", "/buffers/0/uri"),
        ("/bufferViews/0/byteStride", Some(json!(14)), "VALUE_MULTIPLE_OF", "/bufferViews/0/byteStride"),
        ("/bufferViews/0/byteLength", Some(json!(9_999_999)), "BUFFER_VIEW_TOO_LONG", "/bufferViews/0/byteLength"),
        // Extensions.
        (
            "/extensionsUsed/1",
            Some(json!("KHR_materials_ior")),
            "UNDECLARED_EXTENSION",
            "/materials/1/extensions/KHR_materials_clearcoat",
        ),
        ("/extensionsRequired", Some(json!(["EXT_other"])), "UNUSED_EXTENSION_REQUIRED", "/extensionsRequired/0"),
        ("/extensionsUsed/-", Some(json!("KHR_mesh_quantization")), "NON_REQUIRED_EXTENSION", "/extensionsUsed/3"),
        (
            "/nodes/0/extensions",
            Some(json!({"KHR_materials_clearcoat": {}})),
            "UNEXPECTED_EXTENSION_OBJECT",
            "/nodes/0/extensions/KHR_materials_clearcoat",
        ),
        (
            "/nodes/5/extensions/KHR_lights_punctual/light",
            Some(json!(3)),
            "UNRESOLVED_REFERENCE",
            "/nodes/5/extensions/KHR_lights_punctual/light",
        ),
        (
            "/extensions/KHR_lights_punctual/lights/0",
            Some(json!({"type": "spot", "spot": {"innerConeAngle": 1, "outerConeAngle": 0.5}})),
            "KHR_LIGHTS_PUNCTUAL_LIGHT_SPOT_ANGLES",
            "/extensions/KHR_lights_punctual/lights/0/spot/outerConeAngle",
        ),
        // Accessors.
        ("/accessors/0/byteOffset", Some(json!(2)), "ACCESSOR_OFFSET_ALIGNMENT", "/accessors/0/byteOffset"),
        ("/accessors/0/normalized", Some(json!(true)), "ACCESSOR_NORMALIZED_INVALID", "/accessors/0/normalized"),
        ("/accessors/0/count", Some(json!(100_000)), "ACCESSOR_TOO_LONG", "/accessors/0"),
        ("/accessors/0/max/0", Some(json!(0.5)), "ACCESSOR_MAX_MISMATCH", "/accessors/0/max/0"),
        ("/accessors/0/max/0", Some(json!(0.5)), "ACCESSOR_ELEMENT_OUT_OF_MAX_BOUND", "/accessors/0/max/0"),
        (
            "/accessors/0/min",
            None,
            "MESH_PRIMITIVE_POSITION_ACCESSOR_WITHOUT_BOUNDS",
            "/meshes/0/primitives/0/attributes/POSITION",
        ),
        (
            "/accessors/8/sparse/count",
            Some(json!(100_000)),
            "ACCESSOR_SPARSE_COUNT_OUT_OF_RANGE",
            "/accessors/8/sparse/count",
        ),
        // Meshes.
        (
            "/meshes/0/primitives/0/attributes/UV",
            Some(json!(2)),
            "MESH_PRIMITIVE_INVALID_ATTRIBUTE",
            "/meshes/0/primitives/0/attributes/UV",
        ),
        (
            "/meshes/0/primitives/0/attributes/TEXCOORD_2",
            Some(json!(2)),
            "MESH_PRIMITIVE_INDEXED_SEMANTIC_CONTINUITY",
            "/meshes/0/primitives/0/attributes",
        ),
        (
            "/meshes/0/primitives/0/attributes/WEIGHTS_0",
            None,
            "MESH_PRIMITIVE_JOINTS_WEIGHTS_MISMATCH",
            "/meshes/0/primitives/0/attributes",
        ),
        (
            "/meshes/0/primitives/0/attributes/NORMAL",
            Some(json!(2)),
            "MESH_PRIMITIVE_ATTRIBUTES_ACCESSOR_INVALID_FORMAT",
            "/meshes/0/primitives/0/attributes/NORMAL",
        ),
        (
            "/meshes/0/primitives/0/attributes/TEXCOORD_0",
            None,
            "MESH_PRIMITIVE_TOO_FEW_TEXCOORDS",
            "/meshes/0/primitives/0/material",
        ),
        (
            "/meshes/0/primitives/0/attributes/NORMAL",
            Some(json!(0)),
            "ACCESSOR_VECTOR3_NON_UNIT",
            "/meshes/0/primitives/0/attributes/NORMAL",
        ),
        (
            "/meshes/0/primitives/0/indices",
            Some(json!(2)),
            "MESH_PRIMITIVE_INDICES_ACCESSOR_INVALID_FORMAT",
            "/meshes/0/primitives/0/indices",
        ),
        ("/meshes/1/primitives/1/indices", Some(json!(7)), "ACCESSOR_INDEX_OOB", "/meshes/1/primitives/1/indices"),
        (
            "/meshes/0/primitives/0/targets/0/TANGENT",
            Some(json!(8)),
            "MESH_PRIMITIVE_MORPH_TARGET_NO_BASE_ACCESSOR",
            "/meshes/0/primitives/0/targets/0/TANGENT",
        ),
        (
            "/meshes/0/primitives/0/targets/0/POSITION",
            Some(json!(13)),
            "MESH_PRIMITIVE_MORPH_TARGET_INVALID_ATTRIBUTE_COUNT",
            "/meshes/0/primitives/0/targets/0/POSITION",
        ),
        ("/meshes/0/primitives/1/targets", None, "MESH_PRIMITIVES_UNEQUAL_TARGETS_COUNT", "/meshes/0/primitives/1"),
        ("/meshes/0/weights", Some(json!([1, 2])), "MESH_INVALID_WEIGHTS_COUNT", "/meshes/0/weights"),
        // Nodes, skins and scenes.
        ("/nodes/4/weights", Some(json!([1, 2])), "NODE_WEIGHTS_INVALID", "/nodes/4/weights"),
        ("/nodes/3/skin", Some(json!(0)), "NODE_SKIN_WITH_NON_SKINNED_MESH", "/nodes/3"),
        ("/nodes/0/matrix", Some(matrix), "NODE_MATRIX_TRS", "/nodes/0/matrix"),
        ("/nodes/2/matrix", Some(sheared), "NODE_MATRIX_NON_TRS", "/nodes/2/matrix"),
        ("/nodes/4/mesh", None, "UNSATISFIED_DEPENDENCY", skin),
        ("/nodes/5/children", Some(json!([2])), "NODE_PARENT_OVERRIDE", "/nodes/5/children/0"),
        ("/nodes/5/children", Some(json!([0])), "NODE_LOOP", "/nodes/2"),
        ("/scenes/0/nodes/1", Some(json!(5)), "SCENE_NON_ROOT_NODE", "/scenes/0/nodes/1"),
        ("/scenes/0/nodes", Some(json!([4])), "NODE_SKIN_NO_SCENE", "/nodes/4"),
        ("/skins/0/joints/1", Some(json!(4)), "SKIN_NO_COMMON_ROOT", "/skins/0/joints"),
        ("/skins/0/skeleton", Some(json!(3)), "SKIN_SKELETON_INVALID", "/skins/0/skeleton"),
        ("/skins/0/joints/-", Some(json!(3)), "INVALID_IBM_ACCESSOR_COUNT", "/skins/0/inverseBindMatrices"),
        ("/skins/0/inverseBindMatrices", Some(json!(11)), "SKIN_IBM_INVALID_FORMAT", "/skins/0/inverseBindMatrices"),
        (
            "/skins/0/joints",
            Some(json!([1])),
            "ACCESSOR_JOINTS_INDEX_OOB",
            "/meshes/0/primitives/0/attributes/JOINTS_0",
        ),
        // Animations.
        (
            "/animations/0/channels/1/target",
            Some(json!({"node": 1, "path": "rotation"})),
            "ANIMATION_DUPLICATE_TARGETS",
            "/animations/0/channels/0/target",
        ),
        (
            "/animations/0/channels/1/target/node",
            Some(json!(3)),
            "ANIMATION_CHANNEL_TARGET_NODE_WEIGHTS_NO_MORPHS",
            "/animations/0/channels/1/target",
        ),
        (
            "/animations/0/channels/0/sampler",
            Some(json!(1)),
            "ANIMATION_SAMPLER_OUTPUT_ACCESSOR_INVALID_FORMAT",
            "/animations/0/channels/0/sampler",
        ),
        (
            "/animations/0/channels/0/target/path",
            Some(json!("scale")),
            "ANIMATION_SAMPLER_OUTPUT_ACCESSOR_INVALID_FORMAT",
            "/animations/0/channels/0/sampler",
        ),
        (
            "/animations/0/channels/0/target",
            Some(pointed),
            "UNDECLARED_EXTENSION",
            "/animations/0/channels/0/target/extensions/KHR_animation_pointer",
        ),
        (
            "/animations/0/samplers/0/input",
            Some(json!(11)),
            "ANIMATION_SAMPLER_INPUT_ACCESSOR_INVALID_FORMAT",
            "/animations/0/samplers/0/input",
        ),
        (
            "/animations/0/samplers/0/output",
            Some(json!(10)),
            "ACCESSOR_USAGE_OVERRIDE",
            "/animations/0/samplers/0/output",
        ),
        (
            "/animations/0/samplers/0/interpolation",
            Some(json!("CUBICSPLINE")),
            "ANIMATION_SAMPLER_OUTPUT_ACCESSOR_INVALID_COUNT",
            "/animations/0/channels/0/sampler",
        ),
        (
            "/bufferViews/11/byteStride",
            Some(json!(4)),
            "ANIMATION_SAMPLER_ACCESSOR_WITH_BYTESTRIDE",
            "/animations/0/samplers/0/input",
        ),
    ]
}

fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut document = rich();
    put(&mut document, pointer, value);
    document
}

#[test]
fn each_rule_is_told_by_its_code_and_place() {
    assert_eq!(errors(&verdict(&rich())), BTreeSet::new());
    for (pointer, value, code, place) in faults() {
        let shown = format!("{pointer} {value:?}");
        let found = verdict(&with(pointer, value));
        let is_there = found.issues.iter().any(|issue| issue.code == code && issue.pointer == place);
        assert!(is_there, "{shown}: {code} at {place} is not in {:#?}", found.issues);
    }
}

/// What the Khronos Group's validator says of documents; none, said aloud, where it isn't there.
fn foreign(documents: &[Value]) -> Option<Vec<BTreeSet<(String, String)>>> {
    let module = support::node::validator()?;
    let folder = tempfile::tempdir().unwrap();
    for (at, document) in documents.iter().enumerate() {
        fs::write(folder.path().join(format!("{at}.gltf")), document.to_string()).unwrap();
    }
    let output = Command::new("node").arg(support::node::SCRIPT).arg(&module).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: BTreeMap<String, Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    let of = |at: usize| {
        let parts = |error: &String| {
            let (code, rest) = error.split_once(" at ").unwrap();
            (code.to_owned(), rest.split_once(": ").unwrap().0.to_owned())
        };
        told[&format!("{at}.gltf")].iter().map(parts).collect()
    };
    Some((0..documents.len()).map(of).collect())
}

#[test]
fn the_khronos_validator_says_the_same_of_each_rule() {
    let documents: Vec<Value> = faults().into_iter().map(|(pointer, value, ..)| with(pointer, value)).collect();
    let Some(foreign) = foreign(&documents) else { return };
    for ((pointer, value, ..), (document, foreign)) in faults().into_iter().zip(documents.iter().zip(foreign)) {
        assert_eq!(comparable(&errors(&verdict(document))), comparable(&foreign), "{pointer} {value:?}");
    }
}

/// Every place of a document.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(name, value)| (format!("{at}/{name}"), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(n, value)| (format!("{at}/{n}"), value)).collect(),
        _ => return,
    };
    for (pointer, value) in below {
        places(value, &pointer, all);
        all.push(pointer);
    }
}

/// The document with some of it changed at random.
fn changed(document: &Value, random: &mut Random) -> Value {
    let mut document = document.clone();
    for _ in 0..1 + random.below(3) {
        let mut all = Vec::new();
        places(&document, "", &mut all);
        // What a file isn't read without stays.
        all.retain(|pointer| !pointer.starts_with("/asset") && !pointer.contains("uri"));
        let (at, other) = (&all[random.below(all.len())], &all[random.below(all.len())]);
        let numbers = [0.0, 1.0, -1.0, 2.0, 3.0, 12.0, 1e9, 0.5, 5120.0, 5123.0, 5126.0, 34962.0];
        let value = match random.below(10) {
            0 | 1 => None,
            2..5 => Some(json!(numbers[random.below(numbers.len())])),
            5 => Some(json!([[], {}, "VEC3", true, [0, 0], [1, 2, 3], "SCALAR"])[random.below(7)].clone()),
            6 | 7 => document.pointer(at).and_then(Value::as_f64).map(|number| json!(number + 1.0)),
            _ => document.pointer(other).cloned(),
        };
        if document.pointer(at).is_some() && at.contains('/') {
            put(&mut document, at, value);
        }
    }
    document
}

/// Which of a primitive's attributes is counted by, or is first in a view, is the order of the text's there, and here of
/// the names, POSITION first: it is the primitive that is compared.
fn comparable(errors: &BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
    let by_order = ["MESH_PRIMITIVE_UNEQUAL_ACCESSOR_COUNT", "MESH_PRIMITIVE_ACCESSOR_WITHOUT_BYTESTRIDE"];
    let is_uneven = errors.iter().any(|(code, _)| code == by_order[0]);
    let is_jumbled = errors.iter().any(|(code, _)| code == "ACCESSOR_SPARSE_INDICES_NON_INCREASING");
    let follows = |code: &str| match code {
        "ACCESSOR_INDEX_OOB" | "MESH_PRIMITIVE_MORPH_TARGET_INVALID_ATTRIBUTE_COUNT" => is_uneven,
        // Elements that are replaced in no order have no numbers to look at.
        _ => is_jumbled && (code.ends_with("_MISMATCH") || code.ends_with("_BOUND")),
    };
    let of = |(code, pointer): &(String, String)| match pointer.find("/attributes") {
        Some(end) if by_order.contains(&code.as_str()) => (code.clone(), pointer[..end].to_owned()),
        _ => (code.clone(), pointer.clone()),
    };
    errors.iter().filter(|(code, _)| !follows(code)).map(of).collect()
}

/// Of documents that are damaged at random, both say the same, but for few whose damage one error hides for the other.
#[test]
fn damaged_documents_are_judged_as_the_khronos_validator_does() {
    let mut random = Random(23);
    let sound = rich();
    let documents: Vec<Value> = (0..600).map(|_| changed(&sound, &mut random)).collect();
    let own: Vec<_> = documents.iter().map(|document| errors(&verdict(document))).collect();
    let wrong = own.iter().filter(|errors| !errors.is_empty()).count();
    assert!(wrong > documents.len() / 2, "{wrong} of {} are damaged", documents.len());
    let Some(foreign) = foreign(&documents) else { return };
    // Of what the foreign one breaks off at, nothing can be compared.
    let both = own.iter().zip(&foreign).filter(|(_, foreign)| foreign.iter().all(|(code, _)| code != "UNREADABLE"));
    let (mut all, mut apart) = (0, Vec::new());
    for (own, foreign) in both {
        all += 1;
        let [own, foreign] = [own, foreign].map(comparable);
        if own != foreign {
            apart.push((&own - &foreign, &foreign - &own));
        }
    }
    println!("{} of {all} differ: {apart:#?}", apart.len());
    assert!(apart.len() * 20 <= all, "{} of {all}: {apart:#?}", apart.len());
}

#[test]
fn models_that_ship_are_valid() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/projects/lantern/assets/models"));
    for name in ["lantern.glb", "tower.glb", "bell.glb", "crate.gltf"] {
        let input = AssetInput::from_file(folder.join(name)).unwrap();
        let verdict = validate(&input, &AssetLimits::default(), &Cancel::new()).unwrap();
        assert!(verdict.is_valid(), "{name}: {:#?}", verdict.issues);
    }
}

#[test]
fn what_is_no_gltf_is_refused_and_what_is_missing_is_told() {
    let of = |name: &str, bytes: &[u8]| {
        validate(&AssetInput::from_bytes(name, bytes.to_vec()), &AssetLimits::default(), &Cancel::new())
    };
    assert_eq!(of("a.gltf", b"{").unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(of("a.gltf", br#"{"asset": {"version": "1.0"}}"#).unwrap_err().kind(), ErrorKind::Unsupported);
    let missing = br#"{"asset": {"version": "2.0"}, "buffers": [{"uri": "../../etc/passwd", "byteLength": 1}]}"#;
    let verdict = of("a.gltf", missing).unwrap();
    assert_eq!(errors(&verdict), BTreeSet::from([("IO_ERROR".to_owned(), "/buffers/0/uri".to_owned())]));
    let cancel = Cancel::new();
    cancel.cancel();
    let input = AssetInput::from_bytes("m.gltf", rich().to_string());
    assert_eq!(validate(&input, &AssetLimits::default(), &cancel).unwrap_err().kind(), ErrorKind::Canceled);
}

/// A thousand issues are counted, and the errors among them told.
#[test]
fn many_issues_are_counted() {
    let nodes: Vec<Value> = (0..3000).map(|_| json!({"mesh": 7, "own": 1})).collect();
    let verdict = verdict(&json!({"asset": {"version": "2.0"}, "nodes": nodes}));
    assert_eq!((verdict.errors, verdict.warnings, verdict.information), (3000, 3000, 6000));
    assert_eq!(verdict.issues.len(), 100);
    assert!(verdict.issues.iter().all(|issue| issue.code == "UNRESOLVED_REFERENCE"));
}

/// Chains of nodes, skins of all of them, and channels that all move the same are looked at in time that grows with the file.
#[test]
fn hostile_documents_are_looked_at_in_time() {
    let count = 20_000;
    let chain: Vec<Value> = (0..count)
        .map(|at| if at + 1 < count { json!({"children": [at + 1], "skin": 0, "mesh": 0}) } else { json!({}) })
        .collect();
    let joints: Vec<usize> = (0..count).collect();
    let channel = json!({"sampler": 0, "target": {"node": 0, "path": "scale"}});
    let document = json!({
        "asset": {"version": "2.0"},
        "nodes": chain,
        "scenes": (0..50).map(|_| json!({"nodes": [0]})).collect::<Vec<_>>(),
        "skins": (0..3000).map(|at| if at < 20 { json!({"joints": joints}) } else { json!({"joints": [count - 1]}) }).collect::<Vec<_>>(),
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "JOINTS_0": 0}}]}],
        "animations": [{"channels": vec![channel; count], "samplers": [{"input": 0, "output": 0}]}],
    });
    let input = AssetInput::from_bytes("m.gltf", document.to_string());
    let begun = std::time::Instant::now();
    let verdict = validate(&input, &AssetLimits::default(), &Cancel::new()).unwrap();
    assert!(verdict.errors > 20_000);
    // Minutes, where it grew with the square.
    assert!(begun.elapsed().as_secs() < 60);
}
