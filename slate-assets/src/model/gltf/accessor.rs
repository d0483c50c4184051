use super::{
    super::values::{Component, Shape, Values},
    list,
    path::{corrupt, index, number},
};
use bytes::Bytes;
use serde_json::Value;
use slate_core::{Cancel, Result, asset::AssetLimits};

/// Replaced elements of one accessor; they are held in memory while it is read.
const SPARSE: u64 = 16 << 20;

/// Where an accessor's elements are, checked against its view and buffer.
struct Elements<'a> {
    bytes: &'a [u8],
    stride: usize,
    component: Component,
    shape: Shape,
    count: u64,
    sparse: Vec<(u64, &'a [u8])>,
}

/// Checks views, accessors and what the primitives read through them: indices in range, positions finite. Types that
/// extensions add and buffers without bytes are refused only where they are read.
pub(super) fn check(json: &Value, buffers: &[Bytes], limits: &AssetLimits, cancel: &Cancel) -> Result<()> {
    for (at, view) in list(json, "bufferViews").iter().enumerate() {
        if !is_empty(view, buffers) {
            view_bytes(view, buffers, &format!("bufferViews[{at}]"))?;
        }
    }
    for (at, accessor) in list(json, "accessors").iter().enumerate() {
        cancel.check()?;
        let is_added = shape(accessor).is_none() && accessor.get("type").is_some_and(Value::is_string);
        let view = accessor.get("bufferView").and_then(index).and_then(|view| list(json, "bufferViews").get(view));
        if !is_added && !view.is_some_and(|view| is_empty(view, buffers)) {
            elements(json, buffers, at)?;
        }
    }
    let (mut all_vertices, mut indices) = (0u64, 0u64);
    for (mesh_at, mesh) in list(json, "meshes").iter().enumerate() {
        for (at, primitive) in list(mesh, "primitives").iter().enumerate() {
            cancel.check()?;
            let place = format!("meshes[{mesh_at}].primitives[{at}]");
            let position = primitive.pointer("/attributes/POSITION").and_then(index);
            let vertices = match position {
                Some(position) => positions(json, buffers, position)?,
                None => 0,
            };
            all_vertices = all_vertices.saturating_add(vertices);
            AssetLimits::check("the model's number of vertices", all_vertices, limits.vertices)?;
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
        }
    }
    Ok(())
}

/// The elements of an accessor, finite, dense and tight; their bytes are taken off `room`.
pub(super) fn values(json: &Value, buffers: &[Bytes], at: usize, room: &mut u64) -> Result<Values> {
    let values = dense(json, buffers, at, room)?;
    let float = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes).is_finite();
    if values.component == Component::F32
        && let Some(wrong) = values.bytes.as_chunks::<4>().0.iter().position(|bytes| !float(bytes))
    {
        let place = format!("accessors[{at}]");
        return Err(corrupt("a number is not finite", &place).with("element", wrong / values.shape.width()));
    }
    Ok(values)
}

/// The elements of an accessor, whatever numbers they are, dense and tight; their bytes are taken off `room`.
pub(super) fn dense(json: &Value, buffers: &[Bytes], at: usize, room: &mut u64) -> Result<Values> {
    let elements = elements(json, buffers, at)?;
    let place = format!("accessors[{at}]");
    let size = elements.shape.bytes(elements.component);
    let bytes = elements.count.saturating_mul(size as u64);
    AssetLimits::check("the size of all accessors", bytes, *room).map_err(|error| error.with("path", &place))?;
    *room -= bytes;
    let mut dense = Vec::with_capacity(bytes as usize);
    if elements.stride == size {
        dense.extend_from_slice(elements.bytes);
    } else {
        let strided = elements.bytes.chunks(elements.stride.max(1));
        strided.for_each(|element| dense.extend_from_slice(&element[..size.min(element.len())]));
    }
    // Without a view the elements are zeros.
    dense.resize(bytes as usize, 0);
    for (at, element) in &elements.sparse {
        let (from, element) = (*at as usize * size, &element[..size.min(element.len())]);
        dense[from..from + element.len()].copy_from_slice(element);
    }
    let normalized = list(json, "accessors")[at].get("normalized").and_then(Value::as_bool).unwrap_or_default();
    Ok(Values { component: elements.component, shape: elements.shape, normalized, bytes: dense.into() })
}

/// Whether an accessor has no bytes, and all its elements are zeros.
pub(super) fn is_blank(json: &Value, at: usize) -> bool {
    let accessor = list(json, "accessors").get(at);
    accessor.is_some_and(|accessor| accessor.get("bufferView").is_none() && accessor.get("sparse").is_none())
}

fn positions(json: &Value, buffers: &[Bytes], accessor: usize) -> Result<u64> {
    let elements = elements(json, buffers, accessor)?;
    let place = format!("accessors[{accessor}]");
    if elements.shape != Shape::Vec3 {
        return Err(corrupt("positions are VEC3", &place));
    }
    if elements.component == Component::F32 {
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
    let size = elements.component.bytes();
    if elements.shape != Shape::Scalar || !matches!(elements.component, Component::U8 | Component::U16 | Component::U32)
    {
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
    let component = Component::of_code(number(accessor, "componentType", 0, &place)?);
    let component = component.ok_or_else(|| corrupt("the componentType is not known", &place))?;
    let shape = shape(accessor).ok_or_else(|| corrupt("the type is not known", &place))?;
    let [size, last] = [shape.bytes(component), shape.bytes_to_end(component)].map(|bytes| bytes as u64);
    let count = count(accessor, &place)?;
    let (found, stride) = match accessor.get("bufferView") {
        Some(view) => {
            range(json, buffers, view, number(accessor, "byteOffset", 0, &place)?, [size, last], count, &place)?
        }
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
        let part = |spec: &Value, sizes| {
            range(json, buffers, &spec["bufferView"], number(spec, "byteOffset", 0, &place)?, sizes, replaced, &place)
        };
        let (indices, _) = part(indices, [width; 2])?;
        let (values, value_stride) = part(values, [size, last])?;
        let mut least = 0;
        for (bytes, value) in indices.chunks_exact(width as usize).zip(values.chunks(value_stride.max(1))) {
            let index = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            if index < least || index >= count || (value.len() as u64) < last {
                return Err(corrupt("sparse indices rise and are below the count", &place).with("index", index));
            }
            least = index + 1;
            sparse.push((index, value));
        }
    }
    Ok(Elements { bytes: found, stride, component, shape, count, sparse })
}

fn shape(accessor: &Value) -> Option<Shape> {
    accessor.get("type").and_then(Value::as_str).and_then(Shape::of_name)
}

/// The bytes of `count` elements of `size` bytes each, the last of which may be shorter, from `offset` on in a view, and their
/// stride.
fn range<'a>(
    json: &Value,
    buffers: &'a [Bytes],
    view: &Value,
    offset: u64,
    [size, last_size]: [u64; 2],
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
        _ => (count - 1).checked_mul(stride).and_then(|last| last.checked_add(last_size)),
    };
    let end = needed.and_then(|needed| needed.checked_add(offset)).filter(|&end| end <= bytes.len() as u64);
    let end = end.ok_or_else(|| corrupt("the elements end beyond their bufferView", place).with("count", count))?;
    Ok((&bytes[offset.min(end) as usize..end as usize], stride as usize))
}

/// The bytes of a buffer view, shared with its buffer.
pub(super) fn view(json: &Value, buffers: &[Bytes], view: &Value, place: &str) -> Result<Bytes> {
    let view = index(view).and_then(|at| list(json, "bufferViews").get(at));
    let view = view.ok_or_else(|| corrupt("no entry of bufferViews has this index", place))?;
    let bytes = view_bytes(view, buffers, place)?;
    let buffer =
        view.get("buffer").and_then(index).and_then(|at| buffers.get(at)).map(|buffer| buffer.slice_ref(bytes));
    Ok(buffer.unwrap_or_default())
}

/// Whether a view is of a buffer that has no bytes, as it names none.
fn is_empty(view: &Value, buffers: &[Bytes]) -> bool {
    view.get("buffer").and_then(index).and_then(|at| buffers.get(at)).is_some_and(Bytes::is_empty)
}

fn view_bytes<'a>(view: &Value, buffers: &'a [Bytes], place: &str) -> Result<&'a [u8]> {
    let buffer = view.get("buffer").and_then(index).and_then(|at| buffers.get(at));
    let buffer = buffer.ok_or_else(|| corrupt("no entry of buffers has this index", place))?;
    let (offset, len) = (number(view, "byteOffset", 0, place)?, number(view, "byteLength", 0, place)?);
    let end = offset.checked_add(len).filter(|&end| end <= buffer.len() as u64);
    let end = end.ok_or_else(|| match buffer.len() {
        0 => corrupt("the buffer that is read here has no bytes", place),
        _ => corrupt("the bufferView ends beyond its buffer", place),
    })?;
    Ok(&buffer[offset as usize..end as usize])
}

fn count(accessor: &Value, place: &str) -> Result<u64> {
    number(accessor, "count", 0, place)
}
