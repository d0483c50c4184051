use super::{
    super::ir::{Attributes, Model, Primitive},
    vertices::{compact, equal_vertices, is_blended, welded},
};
use meshoptimizer_rs::{Workspace, optimize_vertex_cache_strip};
use rayon::prelude::*;
use slate_core::{Cancel, Result};
use std::collections::HashMap;

/// Welds again what has become equal in being quantized. Primitives that index one list of vertices go on doing so.
///
/// With `strips`, triangles are put in the order of strips, which meshopt's codecs make least of; the cache of worked-out
/// vertices fares a little worse for it. Vertices come in the order of their first use either way.
pub(in crate::model) fn settle(model: &mut Model, strips: bool, cancel: &Cancel) -> Result<()> {
    let blended = is_blended(&model.materials);
    let mut groups: Vec<Vec<&mut Primitive>> = Vec::new();
    // Looked up only: its order never shows.
    let mut known: HashMap<(Attributes, Vec<Attributes>), usize> = HashMap::new();
    for primitive in model.meshes.iter_mut().flat_map(|mesh| &mut mesh.primitives) {
        if primitive.mode == Primitive::TRIANGLES && primitive.indices.is_some() && primitive.vertices() > 0 {
            let key = (primitive.attributes.clone(), primitive.targets.clone());
            let group = *known.entry(key).or_insert(groups.len());
            match groups.get_mut(group) {
                Some(group) => group.push(primitive),
                None => groups.push(vec![primitive]),
            }
        }
    }
    drop(known);
    groups.into_par_iter().try_for_each(|mut group| {
        cancel.check()?;
        weld(&mut group);
        if strips {
            group.iter_mut().filter(|primitive| !blended(primitive)).for_each(|primitive| stripped(primitive));
        }
        compact(&mut group);
        Ok(())
    })
}

/// Lets the triangles of all name the first of equal vertices.
fn weld(group: &mut [&mut Primitive]) {
    let first_of_equal = equal_vertices(group[0], group[0].vertices());
    for primitive in group {
        let Some(indices) = &mut primitive.indices else { continue };
        if let Some(welded) = welded(indices, &first_of_equal) {
            *indices = welded;
        }
    }
}

fn stripped(primitive: &mut Primitive) {
    let vertices = primitive.vertices();
    let Some(indices) = primitive.indices.as_mut().filter(|indices| indices.len() % 3 == 0) else { return };
    // Over the workspace's limits the order stays as it is.
    if let Ok(order) = optimize_vertex_cache_strip(indices, vertices, &mut Workspace::default()) {
        *indices = order;
    }
}
