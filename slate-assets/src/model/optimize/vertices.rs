use super::super::{
    ir::{Primitive, Rest, attribute},
    values::{Shape, Values},
};
use meshoptimizer_rs::{Positions, Workspace, analyze_vertex_cache, optimize_overdraw, optimize_vertex_cache};

/// How much worse for the cache an order may be that is better against overdraw.
const OVERDRAW: f32 = 1.05;
const NONE: u32 = u32::MAX;

/// Makes equal vertices one, and drops those that no triangle uses and triangles that show nothing.
pub(super) fn weld(primitive: &mut Primitive) {
    let count = primitive.vertices();
    if primitive.mode != Primitive::TRIANGLES || count == 0 {
        return;
    }
    let first_of_equal = equal_vertices(primitive, count);
    let indices = primitive.indices.clone().unwrap_or_else(|| (0..count as u32).collect());
    if let Some(welded) = welded(&indices, &first_of_equal) {
        primitive.indices = Some(welded);
        compact(&mut [primitive]);
    }
}

/// The triangles by the first of equal vertices, without those that become lines or points; none where no triangle is left,
/// as a primitive without triangles is not valid.
pub(super) fn welded(indices: &[u32], first_of_equal: &[u32]) -> Option<Vec<u32>> {
    let mut welded = Vec::with_capacity(indices.len());
    for corners in indices.as_chunks::<3>().0 {
        let [a, b, c] = corners.map(|corner| first_of_equal[corner as usize]);
        if a != b && b != c && c != a {
            welded.extend([a, b, c]);
        }
    }
    (!welded.is_empty()).then_some(welded)
}

/// For each vertex the first one that is equal in every attribute and morph target.
pub(super) fn equal_vertices(primitive: &Primitive, count: usize) -> Vec<u32> {
    let columns: Vec<&Values> = primitive.all_values().collect();
    let hash = |vertex: usize| {
        columns
            .iter()
            .flat_map(|values| values.element(vertex))
            .fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
    };
    let equal = |one: usize, other: usize| columns.iter().all(|values| values.element(one) == values.element(other));
    let size = (count * 2).next_power_of_two();
    let mut table = vec![NONE; size];
    let mut firsts = Vec::with_capacity(count);
    for vertex in 0..count {
        let hash = hash(vertex);
        let mut slot = (hash ^ hash >> 32) as usize & (size - 1);
        let first = loop {
            match table[slot] {
                NONE => {
                    table[slot] = vertex as u32;
                    break vertex as u32;
                }
                other if equal(other as usize, vertex) => break other,
                _ => slot = (slot + 1) & (size - 1),
            }
        };
        firsts.push(first);
    }
    firsts
}

/// Puts the one list of vertices that primitives index in the order of their first use, and drops the others.
pub(super) fn compact(group: &mut [&mut Primitive]) {
    let Some(first) = group.first() else { return };
    let mut places = vec![NONE; first.vertices()];
    let mut order = Vec::new();
    for index in group.iter_mut().flat_map(|primitive| primitive.indices.iter_mut().flatten()) {
        let place = &mut places[*index as usize];
        if *place == NONE {
            *place = order.len() as u32;
            order.push(*index);
        }
        *index = *place;
    }
    let Some((first, others)) = group.split_first_mut() else { return };
    let same = order.len() == places.len() && order.iter().enumerate().all(|(at, &vertex)| at == vertex as usize);
    if !same {
        first.gather(&order);
    }
    for primitive in others {
        (primitive.attributes, primitive.targets) = (first.attributes.clone(), first.targets.clone());
    }
}

/// Puts triangles in an order that is good for the cache of worked-out vertices and against overdraw, and vertices in
/// the order of their use.
pub(in crate::model) fn reorder(primitive: &mut Primitive) {
    let (Primitive::TRIANGLES, Some(indices)) = (primitive.mode, &primitive.indices) else { return };
    let positions = attribute(&primitive.attributes, "POSITION").filter(|values| values.shape == Shape::Vec3);
    let Some(positions) = positions.map(Values::to_vectors::<3>) else { return };
    if indices.len() % 3 != 0 {
        return;
    }
    let mut workspace = Workspace::default();
    // Over the workspace's limits the order stays as it is.
    let Ok(order) = optimize_vertex_cache(indices, positions.len(), &mut workspace) else { return };
    let better = optimize_overdraw(&order, Positions::from_packed(&positions), OVERDRAW, &mut workspace);
    primitive.indices = Some(better.unwrap_or(order));
    compact(&mut [primitive]);
}

/// The vertices that a cache of 16 works out.
pub(in crate::model) fn transformed(indices: &[u32], vertices: usize) -> f64 {
    let whole = &indices[..indices.len() / 3 * 3];
    let found = analyze_vertex_cache(whole, vertices, 16, 0, 0, &mut Workspace::default());
    found.map_or(0.0, |found| f64::from(found.vertices_transformed))
}

/// Tells whether a primitive shines through. Such are drawn in the order of their triangles, which stays.
pub(super) fn is_blended(materials: &[Rest]) -> impl Fn(&Primitive) -> bool + Sync + use<> {
    let blended: Vec<bool> =
        materials.iter().map(|material| material.get("alphaMode") == Some(&"BLEND".into())).collect();
    move |primitive| primitive.material.is_some_and(|at| blended.get(at) == Some(&true))
}
