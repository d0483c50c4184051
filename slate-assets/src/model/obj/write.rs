use super::super::{
    ir::{Model, Primitive, attribute},
    space,
    values::Values,
};
use serde_json::{Value, json};
use slate_core::{
    Result,
    asset::{Report, Work},
};
use std::fmt::Write;

/// Writes what the scene shows, as it stands: OBJ has no nodes, skins, animations or morph targets. The files are an
/// OBJ, an MTL and the textures that it names; gives their bytes together.
pub(in crate::model) fn write(model: &Model, stem: &str, work: &mut Work<'_>, report: &mut Report) -> Result<u64> {
    let mut out = format!("# made by SLATE\nmtllib {stem}.mtl\n");
    let mut dropped: Vec<&str> = Vec::new();
    let (names, mut counts) = (material_names(model), [1usize; 3]);
    for (node, world) in space::shown(model) {
        work.cancel.check()?;
        let node = &model.nodes[node];
        let Some(mesh) = node.mesh.and_then(|mesh| model.meshes.get(mesh)) else { continue };
        dropped.extend(node.skin.map(|_| "skins"));
        let _ = writeln!(out, "o {}", word(if node.name().is_empty() { "object" } else { node.name() }));
        for primitive in &mesh.primitives {
            dropped.extend((!primitive.targets.is_empty()).then_some("morph targets"));
            if primitive.mode != Primitive::TRIANGLES {
                dropped.push("lines, points and strips");
                continue;
            }
            part(primitive, &world, &names, &mut counts, &mut out);
        }
    }
    dropped.extend((!model.animations.is_empty()).then_some("animations"));
    dropped.extend((!model.cameras.is_empty()).then_some("cameras"));
    dropped.sort_unstable();
    dropped.dedup();
    if !dropped.is_empty() {
        report.insert("dropped".into(), json!(dropped));
    }
    work.write(&format!("{stem}.obj"), out.as_bytes())?;
    let mtl = materials(model, &names, stem);
    work.write(&format!("{stem}.mtl"), mtl.as_bytes())?;
    let mut bytes = out.len() + mtl.len();
    for (at, image) in model.images.iter().enumerate() {
        work.write(&image_name(stem, at, &image.media_type), &image.bytes)?;
        bytes += image.bytes.len();
    }
    Ok(bytes as u64)
}

fn part(primitive: &Primitive, world: &space::Matrix, names: &[String], counts: &mut [usize; 3], out: &mut String) {
    let vectors = |name: &str| attribute(&primitive.attributes, name).map(Values::to_vectors::<3>).unwrap_or_default();
    let (positions, normals, coordinates) = (vectors("POSITION"), vectors("NORMAL"), vectors("TEXCOORD_0"));
    for position in &positions {
        let [x, y, z] = space::place(world, *position);
        let _ = writeln!(out, "v {x} {y} {z}");
    }
    for [u, v, _] in &coordinates {
        let _ = writeln!(out, "vt {u} {}", 1.0 - v);
    }
    for normal in &normals {
        let [x, y, z] = space::normal(world, *normal);
        let _ = writeln!(out, "vn {x} {y} {z}");
    }
    if let Some(name) = primitive.material.and_then(|at| names.get(at)) {
        let _ = writeln!(out, "usemtl {name}");
    }
    let mirrored = space::volume(world) < 0.0;
    let indices = primitive.indices.clone().unwrap_or_else(|| (0..positions.len() as u32).collect());
    for corners in indices.as_chunks::<3>().0 {
        let [a, b, c] = *corners;
        out.push('f');
        for at in if mirrored { [a, c, b] } else { [a, b, c] }.map(|at| at as usize) {
            let [v, vt, vn] = counts.map(|count| count + at);
            let _ = match (coordinates.is_empty(), normals.is_empty()) {
                (true, true) => write!(out, " {v}"),
                (false, true) => write!(out, " {v}/{vt}"),
                (true, false) => write!(out, " {v}//{vn}"),
                (false, false) => write!(out, " {v}/{vt}/{vn}"),
            };
        }
        out.push('\n');
    }
    for (count, more) in counts.iter_mut().zip([positions.len(), coordinates.len(), normals.len()]) {
        *count += more;
    }
}

fn materials(model: &Model, names: &[String], stem: &str) -> String {
    let mut out = String::from("# made by SLATE\n");
    for (at, material) in model.materials.iter().enumerate() {
        let material = Value::Object(material.clone());
        let number = |path: &str, default: f64| material.pointer(path).and_then(Value::as_f64).unwrap_or(default);
        let pbr = |path: &str, default: f64| number(&format!("/pbrMetallicRoughness/{path}"), default);
        let base = |at: usize| pbr(&format!("baseColorFactor/{at}"), 1.0);
        let roughness = pbr("roughnessFactor", 1.0);
        let _ = writeln!(out, "\nnewmtl {}", names[at]);
        let _ = writeln!(out, "Kd {} {} {}\nd {}", base(0), base(1), base(2), base(3));
        let _ = writeln!(out, "Pr {roughness}\nPm {}", pbr("metallicFactor", 1.0));
        let _ = writeln!(out, "Ns {}", (2.0 / roughness.max(0.03).powi(4) - 2.0).max(0.0));
        let glow = |at: usize| number(&format!("/emissiveFactor/{at}"), 0.0);
        let _ = writeln!(out, "Ke {} {} {}", glow(0), glow(1), glow(2));
        for (statement, path) in [
            ("map_Kd", "/pbrMetallicRoughness/baseColorTexture/index"),
            ("map_Ke", "/emissiveTexture/index"),
            ("norm", "/normalTexture/index"),
        ] {
            let texture = material.pointer(path).and_then(Value::as_u64).and_then(|at| model.textures.get(at as usize));
            let source = texture.and_then(|texture| texture.get("source")).and_then(Value::as_u64);
            if let Some((at, image)) = source.and_then(|at| Some((at as usize, model.images.get(at as usize)?))) {
                let _ = writeln!(out, "{statement} {}", image_name(stem, at, &image.media_type));
            }
        }
    }
    out
}

/// The materials' names, each another.
fn material_names(model: &Model) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (at, material) in model.materials.iter().enumerate() {
        let name = word(material.get("name").and_then(Value::as_str).unwrap_or("material"));
        names.push(if name.is_empty() || names.contains(&name) { format!("{name}_{at}") } else { name });
    }
    names
}

/// A name without blanks and line ends, which would end it.
fn word(name: &str) -> String {
    let plain = |c: char| if c.is_whitespace() || c.is_control() || c == '#' { '_' } else { c };
    name.chars().map(plain).collect()
}

fn image_name(stem: &str, at: usize, media_type: &str) -> String {
    let extension = match media_type {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/ktx2" => "ktx2",
        _ => "bin",
    };
    format!("{stem}_{at}.{extension}")
}
