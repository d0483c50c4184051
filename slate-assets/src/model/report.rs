//! What is told about a model.

use super::{
    gltf::Verdict,
    ir::{Model, Primitive},
    optimize,
};
use serde_json::json;
use slate_core::{Result, asset::Report};
use std::collections::HashSet;

/// Counts what was read.
pub(super) fn begin(model: &Model, bytes: u64, report: &mut Report) {
    for (name, count) in [
        ("meshes", model.meshes.len()),
        ("nodes", model.nodes.len()),
        ("materials", model.materials.len()),
        ("animations", model.animations.len()),
        ("skins", model.skins.len()),
        ("images", model.images.len()),
    ] {
        report.insert(name.into(), count.into());
    }
    let (vertices, triangles) = counts(model);
    report.insert("vertices".into(), vertices.into());
    report.insert("triangles".into(), triangles.into());
    report.insert("bytesBefore".into(), bytes.into());
    report.insert("acmrBefore".into(), acmr(model));
}

/// Counts what is written, levels of detail included.
pub(super) fn end(model: &Model, report: &mut Report) {
    let (vertices, triangles) = counts(model);
    report.insert("verticesAfter".into(), vertices.into());
    report.insert("trianglesAfter".into(), triangles.into());
    report.insert("meshesAfter".into(), model.meshes.len().into());
    report.insert("nodesAfter".into(), model.nodes.len().into());
    report.insert("acmrAfter".into(), acmr(model));
}

/// Tells what is wrong with a file that is written. Of further files, what is wrong is told with their names.
pub(super) fn valid(verdict: Verdict, stem: &str, report: &mut Report) -> Result<()> {
    let Some(told) = report.get_mut("validationAfter") else {
        report.insert("validationAfter".into(), serde_json::to_value(verdict)?);
        return Ok(());
    };
    for (name, count) in [
        ("errors", verdict.errors),
        ("warnings", verdict.warnings),
        ("information", verdict.information),
        ("hints", verdict.hints),
    ] {
        told[name] = (told[name].as_u64().unwrap_or(0) + count).into();
    }
    if let Some(issues) = told["issues"].as_array_mut() {
        for mut issue in verdict.issues {
            issue.pointer.insert_str(0, stem);
            issues.push(serde_json::to_value(issue)?);
        }
    }
    Ok(())
}

fn counts(model: &Model) -> (usize, usize) {
    let primitives = || model.meshes.iter().flat_map(|mesh| &mesh.primitives);
    // Levels of detail that share vertices have the same bytes.
    let mut known = HashSet::new();
    let is_new = |primitive: &&Primitive| {
        let first = primitive.attributes.first().map(|(_, values)| (values.bytes.as_ptr(), values.bytes.len()));
        first.is_none_or(|first| known.insert(first))
    };
    (primitives().filter(is_new).map(Primitive::vertices).sum(), primitives().map(Primitive::triangles).sum())
}

/// Vertices that a cache of 16 works out for each triangle, of all triangles: 0.5 is the best that there is, 3 the
/// worst.
fn acmr(model: &Model) -> serde_json::Value {
    let (mut worked, mut triangles) = (0.0, 0usize);
    for primitive in model.meshes.iter().flat_map(|mesh| &mesh.primitives) {
        if let (Primitive::TRIANGLES, Some(indices)) = (primitive.mode, &primitive.indices) {
            worked += optimize::transformed(indices, primitive.vertices());
            triangles += indices.len() / 3;
        }
    }
    if triangles == 0 { json!(null) } else { json!((worked / triangles as f64 * 1e3).round() / 1e3) }
}
