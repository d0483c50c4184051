//! Compressed geometry: meshopt in and out, Draco in.

use super::{
    super::values::Component,
    accessor, filter, list,
    pack::Use,
    path::{corrupt, index, number},
    write::Flavor,
};
use crate::guard;
use bytes::Bytes;
use draco_core::{DataType, DecodeLimits, DecoderBuffer, DracoError, Mesh, MeshDecoder, PointAttribute, PointIndex};
use meshoptimizer_rs::{
    Workspace,
    codec::{self, Filter, IndexEncoding, Mode, VertexEncoding},
};
use serde_json::{Value, json};
use slate_core::{
    Error, Result,
    asset::{AssetLimits, Work},
};

const MESHOPT: [&str; 2] = ["EXT_meshopt_compression", "KHR_meshopt_compression"];
const DRACO: &str = "KHR_draco_mesh_compression";

/// Brings compressed views and primitives to plain ones: what is decoded becomes buffers after the others.
pub(super) fn unpack(json: &mut Value, buffers: &mut Vec<Bytes>, work: &Work<'_>) -> Result<()> {
    let mut room = work.limits.decoded_bytes;
    for at in 0..list(json, "bufferViews").len() {
        let view = &list(json, "bufferViews")[at];
        let Some(spec) = MESHOPT.iter().find_map(|name| view.get("extensions").and_then(|all| all.get(name))) else {
            continue;
        };
        work.cancel.check()?;
        let place = format!("bufferViews[{at}]");
        let bytes = meshopt(spec, view, buffers, &mut room, &place)?;
        let (view, buffer, len) = (&mut json["bufferViews"][at], buffers.len(), bytes.len());
        buffers.push(bytes);
        (view["buffer"], view["byteOffset"], view["byteLength"]) = (buffer.into(), 0.into(), len.into());
        if let Some(extensions) = view.get_mut("extensions").and_then(Value::as_object_mut) {
            extensions.retain(|name, _| !MESHOPT.contains(&name.as_str()));
        }
    }
    let mut open = Vec::new();
    for (mesh, entry) in list(json, "meshes").iter().enumerate() {
        let parts = list(entry, "primitives").iter().enumerate();
        let packed = parts.filter(|(_, part)| part.get("extensions").is_some_and(|all| all.get(DRACO).is_some()));
        open.extend(packed.map(|(part, _)| (mesh, part)));
    }
    for (mesh, part) in open {
        work.cancel.check()?;
        draco(json, buffers, [mesh, part], work.limits, &mut room)?;
    }
    Ok(())
}

fn meshopt(spec: &Value, view: &Value, buffers: &[Bytes], room: &mut u64, place: &str) -> Result<Bytes> {
    let wrong = |why| move |error| corrupt(why, place).because(error);
    let source = view_of(spec, buffers, place)?;
    let (count, stride) = (number(spec, "count", 0, place)?, number(spec, "byteStride", 0, place)?);
    let mode = Mode::parse(spec.get("mode").and_then(Value::as_str).unwrap_or_default());
    let filter = Filter::parse(spec.get("filter").and_then(Value::as_str).unwrap_or("NONE"));
    let len = count.saturating_mul(stride);
    AssetLimits::check("the size of all compressed views", len, *room).map_err(|error| error.with("path", place))?;
    *room -= len;
    if number(view, "byteLength", 0, place)? != len {
        return Err(corrupt("the compressed view has another length than the view itself", place));
    }
    let mode = mode.map_err(wrong("the mode of the compression is not known"))?;
    let filter = filter.map_err(|error| {
        Error::unsupported("this filter of the compression is not read").with("path", place).because(error)
    })?;
    let layout = codec::BufferView::new(mode, filter, count as usize, stride as usize);
    let layout = layout.map_err(wrong("the compressed view's layout is wrong"))?;
    guard::decoder("meshopt", || {
        layout
            .decode(source, &mut Workspace::default())
            .map(Bytes::from)
            .map_err(wrong("the compressed view is damaged"))
    })
}

fn view_of<'a>(spec: &Value, buffers: &'a [Bytes], place: &str) -> Result<&'a [u8]> {
    let buffer = spec.get("buffer").and_then(index).and_then(|at| buffers.get(at));
    let (from, len) = (number(spec, "byteOffset", 0, place)?, number(spec, "byteLength", 0, place)?);
    let range = usize::try_from(from).ok().zip(from.checked_add(len).and_then(|end| usize::try_from(end).ok()));
    let bytes = buffer.zip(range).and_then(|(buffer, (from, end))| buffer.get(from..end));
    bytes.ok_or_else(|| corrupt("the compressed view ends beyond its buffer", place))
}

/// Decodes one primitive; its accessors get views of their own.
fn draco(
    json: &mut Value,
    buffers: &mut Vec<Bytes>,
    [mesh, part]: [usize; 2],
    limits: &AssetLimits,
    room: &mut u64,
) -> Result<()> {
    let place = format!("meshes[{mesh}].primitives[{part}].extensions.{DRACO}");
    let primitive = json["meshes"][mesh]["primitives"][part].clone();
    let spec = &primitive["extensions"][DRACO];
    let bytes = accessor::view(json, buffers, &spec["bufferView"], &place)?;
    let decoded = guard::decoder("draco", || {
        let allowed = DecodeLimits::default()
            .with_max_points(limits.vertices)
            .with_max_faces(limits.indices / 3)
            .with_max_decoded_bytes(*room);
        let (mut decoded, mut input) = (Mesh::new(), DecoderBuffer::new(&bytes).with_limits(allowed));
        let done = MeshDecoder::new().decode(&mut input, &mut decoded);
        done.map_err(|error| draco_failed(&error, &place))?;
        Ok(decoded)
    })?;
    let points = decoded.num_points();
    let mut lay = |json: &mut Value, accessor: Option<&Value>, bytes: Vec<u8>, component: Component, count: usize| {
        let accessor = accessor.and_then(index).filter(|&at| at < list(json, "accessors").len());
        let accessor = accessor.ok_or_else(|| corrupt("a compressed attribute has no accessor", &place))?;
        AssetLimits::check("the size of all compressed geometry", bytes.len() as u64, *room)?;
        *room -= bytes.len() as u64;
        let view = list(json, "bufferViews").len();
        let views =
            json["bufferViews"].as_array_mut().ok_or_else(|| corrupt("a list is expected here", "bufferViews"))?;
        views.push(json!({"buffer": buffers.len(), "byteLength": bytes.len()}));
        buffers.push(bytes.into());
        let accessor = &mut json["accessors"][accessor];
        (accessor["bufferView"], accessor["byteOffset"], accessor["count"]) = (view.into(), 0.into(), count.into());
        accessor["componentType"] = component.code().into();
        Ok::<_, Error>(())
    };
    if primitive.get("indices").is_some() {
        let faces = decoded.faces().iter().flatten();
        let bytes: Vec<u8> = faces.flat_map(|point| u32::from(*point).to_le_bytes()).collect();
        lay(json, primitive.get("indices"), bytes, Component::U32, decoded.num_faces() * 3)?;
    }
    for (name, id) in spec.get("attributes").and_then(Value::as_object).into_iter().flatten() {
        let accessor = primitive["attributes"].get(name);
        let attribute = index(id).and_then(|id| decoded.attribute_by_unique_id(id as u32));
        let attribute = attribute.ok_or_else(|| {
            corrupt("the Draco geometry has no such attribute", &format!("{place}.attributes.{name}"))
        })?;
        let shape = accessor
            .and_then(index)
            .and_then(|at| list(json, "accessors").get(at))
            .and_then(|accessor| accessor.get("type"));
        let width = match shape.and_then(Value::as_str).unwrap_or_default() {
            "SCALAR" => 1,
            "VEC2" => 2,
            "VEC3" => 3,
            _ => 4,
        };
        let (component, bytes) = values(attribute, points, width, &place)?;
        lay(json, accessor, bytes, component, points)?;
    }
    let primitive = &mut json["meshes"][mesh]["primitives"][part];
    primitive["mode"] = 4.into();
    if let Some(extensions) = primitive.get_mut("extensions").and_then(Value::as_object_mut) {
        extensions.remove(DRACO);
    }
    Ok(())
}

fn draco_failed(error: &DracoError, place: &str) -> Error {
    use draco_core::ErrorKind::{LimitExceeded, UnsupportedFeature, UnsupportedVersion};
    match error.kind() {
        LimitExceeded => {
            Error::limit_exceeded(format!("the Draco geometry is over a limit: {error}")).with("path", place)
        }
        UnsupportedFeature | UnsupportedVersion => {
            Error::unsupported(format!("the Draco geometry is of a kind that is not read: {error}")).with("path", place)
        }
        _ => corrupt(format!("the Draco geometry is damaged: {error}"), place),
    }
}

/// The values of an attribute, point by point.
fn values(attribute: &PointAttribute, points: usize, width: usize, place: &str) -> Result<(Component, Vec<u8>)> {
    let component = match attribute.data_type() {
        DataType::Int8 => Component::I8,
        DataType::Uint8 | DataType::Bool => Component::U8,
        DataType::Int16 => Component::I16,
        DataType::Uint16 => Component::U16,
        DataType::Uint32 => Component::U32,
        DataType::Float32 => Component::F32,
        _ => return Err(Error::unsupported("Draco geometry of this number type is not read").with("path", place)),
    };
    if usize::from(attribute.num_components()) != width {
        return Err(corrupt("the Draco attribute has another number of components than its accessor", place));
    }
    let (size, stride) = (component.bytes() * width, usize::try_from(attribute.byte_stride()).unwrap_or_default());
    let data = attribute.buffer().data();
    let mut bytes = Vec::with_capacity(points * size);
    for point in 0..points {
        let value = u32::from(attribute.mapped_index(PointIndex(point as u32))) as usize;
        let from = value.checked_mul(stride).filter(|_| value < attribute.size());
        let value = from.and_then(|from| data.get(from..from.checked_add(size)?));
        bytes.extend_from_slice(value.ok_or_else(|| corrupt("the Draco geometry has points without values", place))?);
    }
    Ok((component, bytes))
}

/// A pool of values, compressed.
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: &'static str,
    /// What the decoded bytes go through.
    pub(super) filter: Option<&'static str>,
}

/// Compresses a pool; none where that is not defined for it, or makes it no smaller.
///
/// What is to go through a filter does, if that brings it back as it is.
pub(super) fn pack(
    flavor: Flavor,
    purpose: Use,
    stride: usize,
    filter: Option<Filter>,
    bytes: &[u8],
) -> Result<Option<Packed>> {
    let internal = |error| Error::internal("the pool can't be compressed").because(error);
    let mut workspace = Workspace::default();
    let indices = || -> Vec<u32> {
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
        bytes.chunks_exact(stride).map(number).collect()
    };
    let (filtered, name) = match filter {
        Some(Filter::Octahedral) if stride == 4 => (filter::filtered(bytes), "OCTAHEDRAL"),
        Some(Filter::Quaternion) if stride == 8 => (filter::filtered_rotations(bytes), "QUATERNION"),
        _ => (None, ""),
    };
    let (packed, mode) = match purpose {
        Use::Triangles => {
            let encoding = IndexEncoding::DEFAULT;
            (codec::encode_index_buffer(&indices(), encoding, &mut workspace), "TRIANGLES")
        }
        Use::Indices => (codec::encode_index_sequence(&indices(), IndexEncoding::DEFAULT, &mut workspace), "INDICES"),
        _ if stride.is_multiple_of(4) && stride <= 256 => {
            // What `EXT_meshopt_compression` knows is version 0.
            let encoding = VertexEncoding::new(u8::from(flavor == Flavor::Khr), 2).map_err(internal)?;
            let bytes = filtered.as_deref().unwrap_or(bytes);
            (codec::encode_vertex_buffer(bytes, bytes.len() / stride, stride, encoding, &mut workspace), "ATTRIBUTES")
        }
        _ => return Ok(None),
    };
    let bytes_after = packed.map_err(internal)?;
    let filter = filtered.map(|_| name);
    Ok((bytes_after.len() < bytes.len()).then_some(Packed { bytes: bytes_after, mode, filter }))
}
