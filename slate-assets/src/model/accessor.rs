use super::{
    list,
    path::{corrupt, index, number},
};
use bytes::Bytes;
use serde_json::Value;
use slate_core::{Cancel, Result, asset::AssetLimits};

/// Replaced elements of one accessor; they are held in memory while it is read.
const SPARSE: u64 = 16 << 20;

/// What a model's meshes have.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) vertices: u64,
    pub(super) triangles: u64,
}

/// Where an accessor's elements are, checked against its view and buffer.
struct Elements<'a> {
    bytes: &'a [u8],
    stride: usize,
    component: u64,
    components: u64,
    count: u64,
    sparse: Vec<(u64, &'a [u8])>,
}

/// Checks views, accessors and what the primitives read through them: indices in range, positions finite.
pub(super) fn check(json: &Value, buffers: &[Bytes], limits: &AssetLimits, cancel: &Cancel) -> Result<Counts> {
    for (at, view) in list(json, "bufferViews").iter().enumerate() {
        view_bytes(view, buffers, &format!("bufferViews[{at}]"))?;
    }
    for at in 0..list(json, "accessors").len() {
        cancel.check()?;
        elements(json, buffers, at)?;
    }
    let (mut counts, mut indices) = (Counts::default(), 0u64);
    for (mesh_at, mesh) in list(json, "meshes").iter().enumerate() {
        for (at, primitive) in list(mesh, "primitives").iter().enumerate() {
            cancel.check()?;
            let place = format!("meshes[{mesh_at}].primitives[{at}]");
            let position = primitive.pointer("/attributes/POSITION").and_then(index);
            let vertices = match position {
                Some(position) => positions(json, buffers, position)?,
                None => 0,
            };
            counts.vertices = counts.vertices.saturating_add(vertices);
            AssetLimits::check("the model's number of vertices", counts.vertices, limits.vertices)?;
            for (name, value) in primitive.get("attributes").and_then(Value::as_object).into_iter().flatten() {
                let other =
                    index(value).and_then(|at| list(json, "accessors").get(at)).map(|accessor| count(accessor, &place));
                if position.is_some() && other.transpose()?.is_some_and(|other| other != vertices) {
                    return Err(corrupt(
                        "an attribute has another count than POSITION",
                        &format!("{place}.attributes.{name}"),
                    ));
                }
            }
            let drawn = match primitive.get("indices").and_then(index) {
                Some(accessor) => check_indices(json, buffers, accessor, vertices, &place, cancel)?,
                None => vertices,
            };
            indices = indices.saturating_add(drawn);
            AssetLimits::check("the model's number of indices", indices, limits.indices)?;
            counts.triangles += match number(primitive, "mode", 4, &place)? {
                4 => drawn / 3,
                5 | 6 => drawn.saturating_sub(2),
                _ => 0,
            };
        }
    }
    Ok(counts)
}

fn positions(json: &Value, buffers: &[Bytes], accessor: usize) -> Result<u64> {
    let elements = elements(json, buffers, accessor)?;
    let place = format!("accessors[{accessor}]");
    if elements.components != 3 {
        return Err(corrupt("positions are VEC3", &place));
    }
    if elements.component == 5126 {
        let dense = elements.bytes.chunks(elements.stride.max(1)).filter_map(|element| element.get(..12));
        for (at, element) in dense.chain(elements.sparse.iter().map(|(_, value)| *value)).enumerate() {
            let finite = element.as_chunks::<4>().0.iter().all(|bytes| f32::from_le_bytes(*bytes).is_finite());
            if !finite {
                return Err(corrupt("a position is no finite number", &place).with("element", at));
            }
        }
    }
    Ok(elements.count)
}

fn check_indices(
    json: &Value,
    buffers: &[Bytes],
    accessor: usize,
    vertices: u64,
    place: &str,
    cancel: &Cancel,
) -> Result<u64> {
    let elements = elements(json, buffers, accessor)?;
    let size = component_bytes(elements.component).unwrap_or(0) as usize;
    if elements.components != 1 || !matches!(elements.component, 5121 | 5123 | 5125) {
        return Err(corrupt("indices are unsigned SCALARs", &format!("accessors[{accessor}]")));
    }
    let value = |bytes: &[u8]| bytes[..size].iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let dense = elements.bytes.chunks(elements.stride.max(1)).filter(|bytes| bytes.len() >= size).enumerate();
    let mut sparse = elements.sparse.iter().peekable();
    let refused = |value: u64, at: u64| {
        corrupt("an index is beyond the vertices", &format!("{place}.indices"))
            .with("element", at)
            .with("index", value)
            .with("vertices", vertices)
    };
    for (at, bytes) in dense {
        if at % 1_000_000 == 0 {
            cancel.check()?;
        }
        // What is replaced may be anything.
        let replaced = sparse.next_if(|(index, _)| *index == at as u64).map(|(_, bytes)| *bytes);
        let value = value(replaced.unwrap_or(bytes));
        if value >= vertices {
            return Err(refused(value, at as u64));
        }
    }
    // Without a view the elements are zeros, but for the sparse ones.
    for (at, bytes) in sparse {
        if value(bytes) >= vertices {
            return Err(refused(value(bytes), *at));
        }
    }
    Ok(elements.count)
}

fn elements<'a>(json: &Value, buffers: &'a [Bytes], at: usize) -> Result<Elements<'a>> {
    let place = format!("accessors[{at}]");
    let accessor = list(json, "accessors").get(at).ok_or_else(|| corrupt("no such accessor", &place))?;
    let component = number(accessor, "componentType", 0, &place)?;
    let bytes = component_bytes(component).ok_or_else(|| corrupt("the componentType is not known", &place))?;
    let kind = accessor.get("type").and_then(Value::as_str).unwrap_or_default();
    let (columns, rows) = match kind {
        "SCALAR" => (1, 1),
        "VEC2" => (1, 2),
        "VEC3" => (1, 3),
        "VEC4" => (1, 4),
        "MAT2" => (2, 2),
        "MAT3" => (3, 3),
        "MAT4" => (4, 4),
        _ => return Err(corrupt("the type is not known", &place)),
    };
    let components = columns * rows;
    // Columns of matrices begin at multiples of four bytes.
    let size = if columns == 1 { rows * bytes } else { columns * (rows * bytes).next_multiple_of(4) };
    let count = count(accessor, &place)?;
    let (found, stride) = match accessor.get("bufferView") {
        Some(view) => range(json, buffers, view, number(accessor, "byteOffset", 0, &place)?, size, count, &place)?,
        None => (&[][..], 0),
    };
    let mut sparse = Vec::new();
    if let Some(spec) = accessor.get("sparse") {
        let place = format!("{place}.sparse");
        let replaced = number(spec, "count", 0, &place)?;
        AssetLimits::check("the number of sparse elements", replaced, SPARSE)?;
        let (indices, values) = (&spec["indices"], &spec["values"]);
        let width = match number(indices, "componentType", 0, &place)? {
            5121 => 1,
            5123 => 2,
            5125 => 4,
            _ => return Err(corrupt("sparse indices are unsigned", &place)),
        };
        let part = |spec: &Value, size| {
            range(json, buffers, &spec["bufferView"], number(spec, "byteOffset", 0, &place)?, size, replaced, &place)
        };
        let (indices, _) = part(indices, width)?;
        let (values, value_stride) = part(values, size)?;
        let mut least = 0;
        for (bytes, value) in indices.chunks_exact(width as usize).zip(values.chunks(value_stride.max(1))) {
            let index = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            if index < least || index >= count || (value.len() as u64) < size {
                return Err(corrupt("sparse indices rise and are below the count", &place).with("index", index));
            }
            least = index + 1;
            sparse.push((index, value));
        }
    }
    Ok(Elements { bytes: found, stride, component, components, count, sparse })
}

/// The bytes of `count` elements of `size` bytes each from `offset` on in a view, and their stride.
fn range<'a>(
    json: &Value,
    buffers: &'a [Bytes],
    view: &Value,
    offset: u64,
    size: u64,
    count: u64,
    place: &str,
) -> Result<(&'a [u8], usize)> {
    let view = index(view).and_then(|at| list(json, "bufferViews").get(at));
    let view = view.ok_or_else(|| corrupt("no entry of bufferViews has this index", place))?;
    let bytes = view_bytes(view, buffers, place)?;
    let stride = number(view, "byteStride", size, place)?;
    if stride < size || stride > 252.max(size) {
        return Err(corrupt("the byteStride does not fit the elements", place).with("byteStride", stride));
    }
    let needed = match count {
        0 => Some(0),
        _ => (count - 1).checked_mul(stride).and_then(|last| last.checked_add(size)),
    };
    let end = needed.and_then(|needed| needed.checked_add(offset)).filter(|&end| end <= bytes.len() as u64);
    let end = end.ok_or_else(|| corrupt("the elements end beyond their bufferView", place).with("count", count))?;
    Ok((&bytes[offset.min(end) as usize..end as usize], stride as usize))
}

fn view_bytes<'a>(view: &Value, buffers: &'a [Bytes], place: &str) -> Result<&'a [u8]> {
    let buffer = view.get("buffer").and_then(index).and_then(|at| buffers.get(at));
    let buffer = buffer.ok_or_else(|| corrupt("no entry of buffers has this index", place))?;
    let (offset, len) = (number(view, "byteOffset", 0, place)?, number(view, "byteLength", 0, place)?);
    let end = offset.checked_add(len).filter(|&end| end <= buffer.len() as u64);
    let end = end.ok_or_else(|| corrupt("the bufferView ends beyond its buffer", place))?;
    Ok(&buffer[offset as usize..end as usize])
}

fn count(accessor: &Value, place: &str) -> Result<u64> {
    number(accessor, "count", 0, place)
}

fn component_bytes(component: u64) -> Option<u64> {
    match component {
        5120 | 5121 => Some(1),
        5122 | 5123 => Some(2),
        5125 | 5126 => Some(4),
        _ => None,
    }
}
