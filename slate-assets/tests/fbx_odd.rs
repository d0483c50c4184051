//! FBX files in letters that are odd in a way that `ufbx` reads, as those of its own corpus are, read alike.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use serde_json::{Value, json};
use slate_assets::model::ModelProcessor;
use slate_core::asset::{AssetInput, AssetLimits, ModelOptions};
use std::process::Command;

fn read(text: &str) -> slate_core::Result<(Value, Vec<u8>)> {
    let input = AssetInput::from_bytes("s.fbx", text.to_owned());
    let mut options = ModelOptions::default();
    options.generate_lods = false;
    let (report, files) = support::run(&ModelProcessor, &input, &options, &AssetLimits::default())?;
    Ok((report.into(), files["s.glb"].to_vec()))
}

/// What is odd, by what in the file becomes what.
const ODD: [(&str, &str, &str); 29] = [
    ("fewer numbers are told than are there", "PolygonVertexIndex: *4", "PolygonVertexIndex: *2"),
    ("more numbers are told than are there", "PolygonVertexIndex: *4", "PolygonVertexIndex: *9"),
    ("an array by another letter", "*4 { a: 0,1,2,-4 }", "*4 { b: 0,1,2,-4 }"),
    ("a list in the place of an array", "*4 { a: 0,1,2,-4 }", "0,1,2,-4"),
    ("corners with points", "{ a: 0,1,2,-4 }", "{ a: 0.0,1.0,2.0,-4.0 }"),
    ("a polygon that doesn't end", "{ a: 0,1,2,-4 }", "{ a: 0,1,2,3 }"),
    ("a number of 77 bits", "TypedIndex: 0", "TypedIndex: 99999999999999999999999"),
    ("a brace too many", "C: \"OP\",503,502, \"d|X\"\n}", "C: \"OP\",503,502, \"d|X\"\n}\n}"),
    ("a brace that is missing", "C: \"OP\",503,502, \"d|X\"\n}", "C: \"OP\",503,502, \"d|X\"\n"),
    ("version 7000", "; FBX 7.4.0", "; FBX 7.0.0"),
    ("version 7800", "; FBX 7.4.0", "; FBX 7.8.0"),
    ("a connection twice", "C: \"OO\",200,0\n", "C: \"OO\",200,0\nC: \"OO\",200,0\n"),
    ("a connection of no object", "C: \"OO\",200,0\n", "C: \"OO\",200,0\nC: \"OO\",999,200\n"),
    ("a connection to no object", "C: \"OO\",200,0\n", "C: \"OO\",200,0\nC: \"OO\",200,998\n"),
    ("a connection with one end", "C: \"OO\",200,0\n", "C: \"OO\",200,0\nC: \"OO\",200\n"),
    ("connections of other kinds", "C: \"OO\",200,0\n", "C: \"OO\",200,0\nC: \"PP\",200, \"a\",300, \"b\"\nC: 5,5,5\n"),
    ("two parents", "C: \"OO\",200,0\n", "C: \"OO\",200,201\nC: \"OO\",200,0\n"),
    ("an object with another's number", "Deformer: 400", "Material: 300, \"Material::b\", \"\" {\n}\nDeformer: 400"),
    ("an object with a name for a number", "Material: 300", "Material: \"Material::b\", \"\" {\n}\nMaterial: 300"),
    ("a number with a point", "Material: 300,", "Material: 300.0,"),
    (
        "a number of 64 bits",
        "Material: 300,",
        "Material: 18446744073709551000, \"Material::b\", \"\" {\n}\nMaterial: 300,",
    ),
    ("objects without braces", "Material: 300", "Geometry: 1, \"Geometry::\", \"Mesh\"\nMaterial: 300"),
    (
        "data in a property",
        "P: \"Opacity\"",
        "P: \"b\", \"Blob\", \"\", \"\",6 {\nBinaryData: \"SGVsbG8h\"\n}\nP: \"Opacity\"",
    ),
    (
        "a shape of points that aren't there",
        "*1 { a: 2 }\n\t\tVertices: *3 { a: ",
        "*2 { a: 77,2 }\nVertices: *6 { a: 1,1,1,",
    ),
    (
        "a cluster of points that aren't there",
        "{ a: 0,1 }\n\t\tWeights: *2 { a: ",
        "{ a: 0,-6,1 }\nWeights: *3 { a: 1,",
    ),
    (
        "weights that are no numbers",
        "{ a: 0,1 }\n\t\tWeights: *2 { a: 1,0.5",
        "{ a: 0,1,2 }\nWeights: *3 { a: 1,0.5,nan",
    ),
    ("more weights than shapes", "FullWeights: *1 { a: 100 }", "FullWeights: *2 { a: 100,200 }"),
    ("more flags than keys", "KeyAttrRefCount: *1 { a: 2 }", "KeyAttrRefCount: *1 { a: 50 }"),
    ("a comment in an array", "PolygonVertexIndex: *4 { a: 0,1,", "PolygonVertexIndex: *5 { a: 0, ; } one\n; two\n1,"),
];

#[test]
fn odd_files_are_read_as_if_nothing_were_odd() {
    let plain = support::fbx::square();
    let (report, glb) = read(&plain).unwrap();
    assert_eq!((report["triangles"].clone(), report.get("mended")), (json!(2), None));
    for (what, from, to) in ODD {
        let odd = plain.replacen(from, to, 1);
        assert_ne!(odd, plain, "{what}: there is none");
        let (report, mended) = read(&odd).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(report["mended"], json!(true), "{what}");
        assert!(glb == mended, "{what}: {} bytes became {}: {report}", glb.len(), mended.len());
    }
}

/// What `ufbx` sees in each file: triangles, clusters of the skin, shapes and clips.
const SEEN: &str = r#"
import json, os, sys, ufbx
def seen(path):
    scene = ufbx.load_file(path)
    return [sum(mesh.num_triangles for mesh in scene.meshes), len(scene.skin_clusters), len(scene.blend_shapes), len(scene.anim_stacks)]
print(json.dumps([seen(path) for path in sys.argv[1:]]), flush=True)
os._exit(0)  # its bindings fall over their own feet when they are collected
"#;

#[test]
fn a_foreign_reader_reads_the_same_odd_files() {
    let Some(modules) = support::node::python("ufbx", "0.0.5") else { return };
    let plain = support::fbx::square();
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..ODD.len()).map(|at| folder.path().join(format!("{at}.fbx"))).collect();
    for (path, (_, from, to)) in paths.iter().zip(ODD) {
        std::fs::write(path, plain.replacen(from, to, 1)).unwrap();
    }
    let mut python = Command::new("python3");
    let told = python.env("PYTHONPATH", modules).args(["-c", SEEN]).args(&paths).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let seen: Vec<Value> = serde_json::from_slice(&told.stdout).unwrap();
    for ((what, ..), seen) in ODD.iter().zip(seen) {
        assert_eq!(seen, json!([2, 1, 1, 1]), "{what}");
    }
}

#[test]
fn keys_out_of_order_are_put_in_order() {
    let plain = support::fbx::square();
    let odd = plain.replace(
        "a: 0,46186158000 }\n\t\tKeyValueFloat: *2 { a: 100,400",
        "a: 46186158000,0 }\nKeyValueFloat: *2 { a: 400,100",
    );
    assert_ne!(odd, plain);
    assert_eq!(read(&odd).unwrap().1, read(&plain).unwrap().1);
}

#[test]
fn meshes_without_polygons_leave_the_rest_as_it_is() {
    let plain = support::fbx::square();
    for change in
        ["\t\tVertices: *12 { a: 0,0,0,100,0,0,100,100,0,0,100,0 }\n", "\t\tPolygonVertexIndex: *4 { a: 0,1,2,-4 }\n"]
    {
        let odd = plain.replace(change, "");
        assert_ne!(odd, plain);
        let (report, glb) = read(&odd).unwrap();
        let (document, ..) = gltf::import_slice(&glb).unwrap();
        assert_eq!((&report["mended"], document.meshes().count()), (&json!(true), 0), "{change}");
        assert_eq!(document.animations().count(), 1, "{change}");
    }
}

/// A file of version 6100: two nodes that go by their names, the second with a mesh as it is told.
fn old(mesh: &str) -> String {
    format!(
        "; FBX 6.1.0 project file\nFBXHeaderExtension:  {{\nFBXVersion: 6100\n}}\nObjects:  {{\n\
         Model: \"Model::one\", \"Mesh\" {{\nVersion: 232\nVertices: 0,0,0,1,0,0,1,1,0\n   ,0,1,0\nPolygonVertexIndex: 0,1,2,-4\n}}\n\
         Model: \"Model::two\", \"Mesh\" {{\nVersion: 232\nProperties60:  {{\n\
         Property: \"Lcl Translation\", \"Lcl Translation\", \"A\",1,2,3\n}}\n{mesh}}}\n}}\n\
         Connections:  {{\nConnect: \"OO\", \"Model::one\", \"Model::Scene\"\nConnect: \"OO\", \"Model::two\", \"Model::one\"\n}}\n"
    )
}

#[test]
fn nodes_of_old_files_may_show_nothing() {
    for mesh in ["", "Vertices: \nPolygonVertexIndex: \nGeometryVersion: 124\n", "Vertices: 0,0,0\n"] {
        let text = old(mesh);
        let mut options = ModelOptions::default();
        (options.generate_lods, options.optimize) = (false, false);
        let input = AssetInput::from_bytes("s.fbx", text);
        let (report, files) = support::run(&ModelProcessor, &input, &options, &AssetLimits::default()).unwrap();
        let (document, ..) = gltf::import_slice(&files["s.glb"]).unwrap();
        assert_eq!((&report["triangles"], &report["mended"]), (&json!(2), &json!(true)), "{mesh}");
        let two = document.nodes().find(|node| node.name() == Some("two")).unwrap();
        assert_eq!((two.transform().decomposed().0, two.mesh().is_none()), ([0.01, 0.02, 0.03], true), "{mesh}");
    }
}

#[test]
fn connections_of_old_files_may_lead_nowhere() {
    let whole = old("Vertices: 0,0,0,1,0,0,1,1,0\nPolygonVertexIndex: 0,1,-3\n");
    let (report, glb) = read(&whole).unwrap();
    assert_eq!((&report["triangles"], report.get("mended")), (&json!(3), None));
    for more in [
        "Connect: \"OO\", \"Model::x\", \"Model::one\"\n",
        "Connect: \"OO\", \"Model::one\"\n",
        "Connect: \"OP\", \"Model::two\", \"Model::x\", \"foo\"\n",
    ] {
        let odd = whole.replace("Connections:  {\n", &format!("Connections:  {{\n{more}"));
        let (report, mended) = read(&odd).unwrap();
        assert_eq!(report["mended"], json!(true), "{more}");
        assert!(glb == mended, "{more}");
    }
}

#[test]
fn a_take_that_begins_later_stands_where_it_is_then() {
    let plain = support::fbx::square();
    let half = "P: \"LocalStart\", \"KTime\", \"Time\", \"\",23093079000\n\t\t\tP: \"LocalStop\"";
    let (_, glb) = read(&plain.replace("P: \"LocalStop\"", half)).unwrap();
    let (document, buffers, _) = gltf::import_slice(&glb).unwrap();
    let walk = document.animations().next().unwrap();
    let channel = walk.channels().find(|channel| channel.target().node().name() == Some("square")).unwrap();
    let reader = channel.reader(|buffer| Some(&buffers[buffer.index()]));
    let gltf::animation::util::ReadOutputs::Translations(places) = reader.read_outputs().unwrap() else {
        panic!("a translation is expected");
    };
    let (times, places): (Vec<f32>, Vec<[f32; 3]>) = (reader.read_inputs().unwrap().collect(), places.collect());
    // Half way from 1 to 4 metres, and half a second to go.
    assert_eq!((times[0], places[0][0]), (0.0, 2.5));
    assert_eq!((times[times.len() - 1], places[places.len() - 1][0]), (0.5, 4.0));
}

#[test]
fn other_letters_are_refused() {
    for text in ["hello: world\nfoo: 1,2\n", "; a note\na: {\n}\n", "x: \"y\n"] {
        let error = read(text).unwrap_err();
        assert_eq!(error.kind(), slate_core::ErrorKind::Corrupt, "{text}: {error}");
    }
}

/// Many clusters and one mesh, each connected to the other: nothing is looked at once for each pair.
#[test]
fn connections_of_many_to_many_are_no_burden() {
    const COUNT: usize = 20_000;
    let (mut objects, mut connections) = (String::new(), String::new());
    for number in 10..10 + COUNT {
        objects += &format!("Deformer: {number},\"\",\"Cluster\" {{\n}}\n");
        connections += &format!("C: \"OO\",{number},5\nC: \"OO\",5,{number}\n");
    }
    let mesh = "Geometry: 5,\"\",\"Mesh\" {\nVertices: *9 { a: 1 }\n}\n";
    let text = format!("; FBX 7.4.0 project file\nObjects: {{\n{mesh}{objects}}}\nConnections: {{\n{connections}}}\n");
    let (report, _) = read(&text).unwrap();
    assert_eq!((&report["mended"], &report["triangles"]), (&json!(true), &json!(0)));
}
