//! FBX files of many layouts are read as `ufbx` reads them, which many engines read FBX by.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use slate_assets::model::ModelProcessor;
use slate_core::asset::{AssetInput, AssetLimits, ModelOptions};
use std::{fmt::Write, process::Command};
use support::{Random, world};

/// How many layouts there are.
const COUNT: usize = 120;

/// A cube of six squares, or with two of them cut in triangles.
const POLYGONS: [&[i32]; 2] = [
    &[0, 1, 3, -3, 2, 3, 5, -5, 4, 5, 7, -7, 6, 7, 1, -1, 1, 7, 5, -4, 6, 0, 2, -5],
    &[0, 1, 3, -3, 2, 3, 5, -5, 4, 5, 7, -7, 6, 7, -2, 0, 6, -2, 1, 7, 5, -4, 6, 0, 2, -5],
];
const CORNERS: [[f32; 3]; 8] = [
    [-0.5, -0.5, 0.5],
    [0.5, -0.5, 0.5],
    [-0.5, 0.5, 0.5],
    [0.5, 0.5, 0.5],
    [-0.5, 0.5, -0.5],
    [0.5, 0.5, -0.5],
    [-0.5, -0.5, -0.5],
    [0.5, -0.5, -0.5],
];
/// Which axes point up, to the front and to the side, each with its sign. The last two are a left hand's.
const AXES: [[i32; 6]; 5] =
    [[1, 1, 2, 1, 0, 1], [2, 1, 1, -1, 0, 1], [2, 1, 0, 1, 1, 1], [1, 1, 2, 1, 0, -1], [2, 1, 1, 1, 0, 1]];

fn list<T: ToString>(numbers: impl IntoIterator<Item = T>) -> String {
    numbers.into_iter().map(|number| number.to_string()).collect::<Vec<_>>().join(",")
}

/// Between minus this and this, in thousandths.
fn number(random: &mut Random, most: usize) -> f32 {
    random.below(most * 2000) as f32 / 1000.0 - most as f32
}

fn is(random: &mut Random, percent: usize) -> bool {
    random.below(100) < percent
}

/// An element of a mesh's layer, mapped in some way.
fn element(random: &mut Random, [kind, values, indices]: [&str; 3], width: usize, polygons: &[i32]) -> String {
    let faces = polygons.iter().filter(|corner| **corner < 0).count();
    let ways =
        [("ByPolygonVertex", polygons.len()), ("ByVertice", 8), ("ByVertex", 8), ("ByPolygon", faces), ("AllSame", 1)];
    let (mapping, count) = ways[random.below(5)];
    let reference = ["Direct", "IndexToDirect", "Index"][random.below(3)];
    let known = if reference == "Direct" { count } else { 1 + random.below(6) };
    let numbers = list((0..known * width).map(|_| random.below(1000) as f32 / 1000.0));
    let mut text = format!(
        "LayerElement{kind}: 0 {{\nVersion: 101\nName: \"x\"\nMappingInformationType: \"{mapping}\"\n\
         ReferenceInformationType: \"{reference}\"\n{values}: *{} {{ a: {numbers} }}\n",
        known * width
    );
    if reference != "Direct" {
        writeln!(text, "{indices}: *{count} {{ a: {} }}", list((0..count).map(|_| random.below(known)))).unwrap();
    }
    text + "}\n"
}

/// Properties that move, turn and stretch a node, each there or not.
fn transform(random: &mut Random, is_last: bool, inherit: usize) -> String {
    let mut text = String::new();
    let mut vector = |random: &mut Random, name: &str, percent: usize, most: usize| {
        if is(random, percent) {
            let kind = if name.starts_with("Lcl") { [name, ""] } else { ["Vector3D", "Vector"] };
            let numbers = list([(); 3].map(|()| number(random, most)));
            writeln!(text, "P: \"{name}\", \"{}\", \"{}\", \"\",{numbers}", kind[0], kind[1]).unwrap();
        }
    };
    vector(random, "Lcl Translation", 70, 100);
    vector(random, "Lcl Rotation", 70, 180);
    vector(random, "PreRotation", 40, 180);
    vector(random, "PostRotation", 30, 180);
    for name in ["RotationOffset", "RotationPivot", "ScalingOffset", "ScalingPivot"] {
        vector(random, name, 30, 10);
    }
    if is_last {
        vector(random, "GeometricTranslation", 30, 5);
        vector(random, "GeometricRotation", 30, 180);
    }
    for (name, percent) in [("Lcl Scaling", 50), ("GeometricScaling", if is_last { 20 } else { 0 })] {
        if is(random, percent) {
            let kind = if name.starts_with("Lcl") { [name, ""] } else { ["Vector3D", "Vector"] };
            let numbers = list([(); 3].map(|()| 0.3 + random.below(2000) as f32 / 1000.0));
            writeln!(text, "P: \"{name}\", \"{}\", \"{}\", \"\",{numbers}", kind[0], kind[1]).unwrap();
        }
    }
    writeln!(text, "P: \"RotationOrder\", \"enum\", \"\", \"\",{}", random.below(6)).unwrap();
    // Where it is off, turns before and after count for nothing; this version of ufbx doesn't ask.
    if is(random, 70) {
        text += "P: \"RotationActive\", \"bool\", \"\", \"\",1\n";
    }
    writeln!(text, "P: \"InheritType\", \"enum\", \"\", \"\",{inherit}").unwrap();
    text
}

fn layout(random: &mut Random) -> String {
    let polygons = POLYGONS[random.below(2)];
    let mut elements = String::new();
    let mut layer = String::new();
    for (kind, width, percent) in [
        (["Normal", "Normals", "NormalsIndex"], 3, 60),
        (["UV", "UV", "UVIndex"], 2, 80),
        (["Color", "Colors", "ColorIndex"], 4, 50),
    ] {
        if is(random, percent) {
            elements += &element(random, kind, width, polygons);
            writeln!(layer, "LayerElement:  {{\nType: \"LayerElement{}\"\nTypedIndex: 0\n}}", kind[0]).unwrap();
        }
    }
    let depth = 1 + random.below(3);
    let (mut models, mut connections) = (String::new(), String::new());
    for at in 0..depth {
        let is_last = at + 1 == depth;
        let inherit = [0, 1, 1, 2][random.below(4)];
        let kind = if is_last { "Mesh" } else { "Null" };
        let properties = transform(random, is_last, inherit);
        write!(
            models,
            "Model: {}, \"Model::n{at}\", \"{kind}\" {{\nVersion: 232\nProperties70:  {{\n{properties}}}\n}}\n",
            200 + at
        )
        .unwrap();
        let above = if at == 0 { 0 } else { 199 + at };
        writeln!(connections, "C: \"OO\",{},{above}", 200 + at).unwrap();
    }
    // Other nodes may show the same mesh.
    for at in depth..depth + random.below(3) {
        let properties = transform(random, true, 1);
        write!(
            models,
            "Model: {}, \"Model::n{at}\", \"Mesh\" {{\nVersion: 232\nProperties70:  {{\n{properties}}}\n}}\n",
            200 + at
        )
        .unwrap();
        writeln!(connections, "C: \"OO\",{},0\nC: \"OO\",100,{}", 200 + at, 200 + at).unwrap();
    }
    let names = ["UpAxis", "UpAxisSign", "FrontAxis", "FrontAxisSign", "CoordAxis", "CoordAxisSign"];
    let mut axes = String::new();
    for (name, value) in names.into_iter().zip(AXES[random.below(AXES.len())]) {
        writeln!(axes, "P: \"{name}\", \"int\", \"Integer\", \"\",{value}").unwrap();
    }
    let (version, unit) =
        ([7100, 7200, 7300, 7400, 7500, 7700][random.below(6)], ["1", "100", "2.54"][random.below(3)]);
    format!(
        "; FBX project file\nFBXHeaderExtension:  {{\nFBXHeaderVersion: 1003\nFBXVersion: {version}\n}}\n\
         GlobalSettings:  {{\nVersion: 1000\nProperties70:  {{\n{axes}P: \"UnitScaleFactor\", \"double\", \"Number\", \"\",{unit}\n}}\n}}\n\
         Objects:  {{\nGeometry: 100, \"Geometry::g\", \"Mesh\" {{\nVertices: *24 {{ a: {} }}\n\
         PolygonVertexIndex: *{} {{ a: {} }}\nGeometryVersion: 124\n{elements}Layer: 0 {{\nVersion: 100\n{layer}}}\n}}\n{models}}}\n\
         Connections:  {{\n{connections}C: \"OO\",100,{}\n}}\n",
        list(CORNERS.as_flattened()),
        polygons.len(),
        list(polygons),
        199 + depth,
    )
}

/// The same file in binary: a line of the text is an entry, or ends one.
fn binary(text: &str) -> Vec<u8> {
    let told = text.split_once("FBXVersion: ").unwrap().1;
    let version: u32 = told.lines().next().unwrap().parse().unwrap();
    let mut out = b"Kaydara FBX Binary  \0\x1A\0".to_vec();
    out.extend(version.to_le_bytes());
    let word = if version < 7500 { 4 } else { 8 };
    let put = |out: &mut Vec<u8>, at: usize, number: usize| {
        out[at..at + word].copy_from_slice(&(number as u64).to_le_bytes()[..word]);
    };
    let mut open = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(';')) {
        if line != "}" {
            let start = out.len();
            let (name, rest) = line.split_once(':').unwrap();
            out.resize(start + 3 * word, 0);
            out.push(name.len() as u8);
            out.extend(name.as_bytes());
            let (values, ends) = (out.len(), !rest.ends_with('{'));
            let count = values_of(name, rest.trim_end_matches('{').trim(), &mut out);
            let size = out.len() - values;
            put(&mut out, start + word, count);
            put(&mut out, start + 2 * word, size);
            if ends {
                let end = out.len();
                put(&mut out, start, end);
            } else {
                open.push(start);
            }
            continue;
        }
        // Entries end with one that is empty.
        out.resize(out.len() + 3 * word + 1, 0);
        let end = out.len();
        put(&mut out, open.pop().unwrap(), end);
    }
    out.resize(out.len() + 3 * word + 1, 0);
    out
}

/// Writes what stands behind a name, and tells how many values it is.
fn values_of(name: &str, rest: &str, out: &mut Vec<u8>) -> usize {
    if let Some((_, numbers)) = rest.split_once("{ a: ") {
        let numbers: Vec<&str> = numbers.trim_end_matches('}').trim().split(',').collect();
        let is_whole = name.contains("Ind");
        out.push(if is_whole { b'i' } else { b'd' });
        let size = numbers.len() * if is_whole { 4 } else { 8 };
        [numbers.len(), 0, size].into_iter().for_each(|number| out.extend((number as u32).to_le_bytes()));
        for number in &numbers {
            match is_whole {
                true => out.extend(number.parse::<i32>().unwrap().to_le_bytes()),
                false => out.extend(number.parse::<f64>().unwrap().to_le_bytes()),
            }
        }
        return 1;
    }
    let values: Vec<&str> = rest.split(',').map(str::trim).filter(|value| !value.is_empty()).collect();
    for value in &values {
        if let Some(text) = value.strip_prefix('"') {
            let text = text.trim_end_matches('"');
            // The kind comes last here.
            let text = text.split_once("::").map_or(text.to_owned(), |(kind, name)| format!("{name}\0\x01{kind}"));
            out.push(b'S');
            out.extend((text.len() as u32).to_le_bytes());
            out.extend(text.as_bytes());
        } else if matches!(name, "C" | "Model" | "Geometry") {
            out.push(b'L');
            out.extend(value.parse::<i64>().unwrap().to_le_bytes());
        } else if let (true, Ok(whole)) = (name != "P" || values.len() == 5, value.parse::<i32>()) {
            out.push(b'I');
            out.extend(whole.to_le_bytes());
        } else {
            out.push(b'D');
            out.extend(value.parse::<f64>().unwrap().to_le_bytes());
        }
    }
    values.len()
}

/// Each corner of each polygon of each file: its place in the world, its coordinates and its colour, if it has some.
const SEEN: &str = r#"
import gc; gc.disable()  # its bindings fall over their own feet when they are collected
import json, os, sys, ufbx
kept = []
def keep(value): kept.append(value); return value
def numbers(vector): keep(vector); return [getattr(vector, axis) for axis in "xyzw" if hasattr(vector, axis)]
def each(attribute):
    if not keep(attribute).exists: return None
    values, indices = keep(attribute.values), keep(attribute.indices)
    values = [numbers(values[at]) for at in range(len(values))]
    return [values[indices[at]] for at in range(len(indices))]
def seen(path):
    # As nodes of a glTF inherit, as far as that goes: with nodes that take a stretch back.
    scene = keep(ufbx.load_file(path, target_axes=ufbx.axes_right_handed_y_up, target_unit_meters=1.0,
        inherit_mode_handling=ufbx.InheritModeHandling.COMPENSATE))
    return sum((shown(node) for node in map(keep, keep(scene.nodes)) if keep(node.mesh)), [])
def shown(node):
    mesh, matrix = keep(node.mesh), keep(node.geometry_to_world)
    columns = [numbers(getattr(matrix, name)) for name in ("c0", "c1", "c2", "c3")]
    def place(point): return [sum(columns[k][at] * point[k] for k in range(3)) + columns[3][at] for at in range(3)]
    corners = [place(point) for point in each(mesh.vertex_position)]
    uvs, colors = each(mesh.vertex_uv), each(mesh.vertex_color)
    return [corner + (uvs[at] if uvs else []) + (colors[at] if colors else []) for at, corner in enumerate(corners)]
print(json.dumps([seen(path) for path in sys.argv[1:]]), flush=True)
os._exit(0)
"#;

/// The same of what we make of a file, triangle by triangle.
fn read(file: &[u8]) -> Vec<Vec<f32>> {
    let input = AssetInput::from_bytes("m.fbx", file.to_vec());
    let mut options = ModelOptions::default();
    options.optimize = false;
    options.generate_lods = false;
    let (_, files) = support::run(&ModelProcessor, &input, &options, &AssetLimits::default()).unwrap();
    let glb = &files["m.glb"];
    let (document, buffers, _) = gltf::import_slice(glb).unwrap();
    let primitive = document.meshes().next().unwrap().primitives().next().unwrap();
    let reader = primitive.reader(|buffer| Some(&buffers[buffer.index()]));
    let uvs: Option<Vec<_>> = reader.read_tex_coords(0).map(|uvs| uvs.into_f32().collect());
    let colors: Option<Vec<_>> = reader.read_colors(0).map(|colors| colors.into_rgba_f32().collect());
    let indices = reader.read_indices().unwrap().into_u32();
    let corners = indices.collect::<Vec<_>>().into_iter().cycle().zip(world::triangles(glb).concat());
    corners
        .map(|(vertex, place)| {
            let mut corner = place.to_vec();
            // Coordinates begin at the bottom in an FBX.
            corner.extend(uvs.iter().flat_map(|uvs| [uvs[vertex as usize][0], 1.0 - uvs[vertex as usize][1]]));
            corner.extend(colors.iter().flat_map(|colors| colors[vertex as usize]));
            corner
        })
        .collect()
}

/// How far a corner is from the nearest of these; infinite where there is none of as many numbers.
fn apart(corner: &[f32], others: &[Vec<f32>]) -> f32 {
    let others = others.iter().filter(|other| other.len() == corner.len());
    let distance = |other: &Vec<f32>| corner.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    others.map(distance).fold(f32::INFINITY, f32::min)
}

#[test]
fn files_of_many_layouts_are_read_as_ufbx_reads_them() {
    let Some(modules) = support::node::python("ufbx", "0.0.5") else { return };
    let mut random = Random(2026);
    let layouts: Vec<_> = (0..COUNT).map(|_| layout(&mut random)).collect();
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..COUNT).map(|at| folder.path().join(format!("{at}.fbx"))).collect();
    // Every other one in binary.
    let files: Vec<Vec<u8>> = layouts
        .iter()
        .enumerate()
        .map(|(at, text)| if at % 2 == 0 { text.clone().into_bytes() } else { binary(text) })
        .collect();
    paths.iter().zip(&files).for_each(|(path, file)| std::fs::write(path, file).unwrap());
    let mut python = Command::new("python3");
    let told = python.env("PYTHONPATH", modules).args(["-c", SEEN]).args(&paths).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let theirs: Vec<Vec<Vec<f32>>> = serde_json::from_slice(&told.stdout).unwrap();
    for ((text, file), theirs) in layouts.iter().zip(&files).zip(&theirs) {
        let ours = read(file);
        let size = theirs.iter().flat_map(|corner| &corner[..3]).fold(1.0f32, |size, number| size.max(number.abs()));
        let far = ours.iter().map(|corner| apart(corner, theirs));
        let far = far.chain(theirs.iter().map(|corner| apart(corner, &ours))).fold(0.0, f32::max);
        assert!(far < 1e-4 * size, "{far} apart, of {size}:\n{text}");
    }
}
