use super::{
    super::{
        ir::{Attributes, Primitive},
        values::Values,
    },
    vertices::equal_vertices,
};
use bytes::Bytes;

/// Lets primitives that show the same thing in fewer and fewer triangles index one list of vertices: those of the first
/// one, and then what the others have beside them. Nothing is done where that would take more bytes, for example where
/// more than 65 534 vertices make indices longer, nor where their attributes are not of the same types.
pub(in crate::model) fn share(parts: &mut [&mut Primitive]) {
    let Some((first, others)) = parts.split_first() else { return };
    let alike = |part: &&mut Primitive| part.mode == Primitive::TRIANGLES && same_layout(first, part);
    if first.mode != Primitive::TRIANGLES || others.is_empty() || !others.iter().all(alike) {
        return;
    }
    let mut all = (**first).clone();
    let lists: Vec<Vec<&Bytes>> =
        parts.iter().map(|part| part.all_values().map(|values| &values.bytes).collect()).collect();
    for (column, values) in all.all_values_mut().enumerate() {
        values.bytes = lists.iter().flat_map(|list| list[column].iter().copied()).collect::<Vec<u8>>().into();
    }
    let counts: Vec<usize> = parts.iter().map(|part| part.vertices()).collect();
    let firsts = equal_vertices(&all, counts.iter().sum());
    let order: Vec<u32> = (0..firsts.len() as u32).filter(|&vertex| firsts[vertex as usize] == vertex).collect();
    let element: usize = all.all_values().map(Values::element_bytes).sum();
    let drawn = |part: &Primitive| part.indices.as_ref().map_or(0, Vec::len);
    let size = |vertices: usize, drawn: usize| if vertices < 0xFFFF { 2 * drawn } else { 4 * drawn };
    let apart: usize = parts.iter().zip(&counts).map(|(part, &count)| count * element + size(count, drawn(part))).sum();
    let together = order.len() * element + parts.iter().map(|part| size(order.len(), drawn(part))).sum::<usize>();
    if together >= apart {
        return;
    }
    let mut places = vec![0; firsts.len()];
    order.iter().enumerate().for_each(|(place, &vertex)| places[vertex as usize] = place as u32);
    all.gather(&order);
    let mut offset = 0;
    for (part, count) in parts.iter_mut().zip(counts) {
        let place = |index: u32| places[firsts[offset + index as usize] as usize];
        let indices = part.indices.take().unwrap_or_else(|| (0..count as u32).collect());
        part.indices = Some(indices.into_iter().map(place).collect());
        // Clones share their bytes: the writer finds them equal, and the report counts them once.
        (part.attributes, part.targets) = (all.attributes.clone(), all.targets.clone());
        offset += count;
    }
}

/// Whether all attributes and morph targets have the same names and types.
fn same_layout(one: &Primitive, other: &Primitive) -> bool {
    let layout = |part: &Primitive| -> Vec<_> {
        let lists = std::iter::once(&part.attributes).chain(&part.targets);
        let of = |list: &Attributes| -> Vec<_> {
            list.iter()
                .map(|(name, values)| (name.clone(), values.component, values.shape, values.normalized))
                .collect()
        };
        lists.map(of).collect()
    };
    layout(one) == layout(other)
}
