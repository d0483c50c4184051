use super::{
    super::{
        ir::{Attributes, Kept},
        values::{Component, Shape, Values},
    },
    codec,
    path::index,
    write::Packing,
};
use bytes::Bytes;
use meshoptimizer_rs::codec::Filter;
use serde_json::{Value, json};
use slate_core::Result;
use std::collections::{BTreeMap, HashMap};

/// What a pool of values is read as; a buffer view may serve one use only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Use {
    Vertices,
    /// Differences that morph targets make to vertices.
    Targets,
    Triangles,
    /// Indices of points, lines and strips.
    Indices,
    InverseBind,
    Animation,
    Instances,
}

/// Pools of values become buffer views: few views keep the JSON small.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct PoolKey {
    purpose: Use,
    /// Bytes from one element to the next.
    stride: usize,
    component: Component,
    /// Attributes of one name compress better alone.
    name: String,
}

impl PoolKey {
    /// The filter that compresses these better.
    fn filter(&self) -> Option<Filter> {
        match (self.purpose, self.component, self.name.as_str()) {
            (Use::Vertices, Component::I8, "NORMAL" | "TANGENT") => Some(Filter::Octahedral),
            (Use::Animation, Component::I16, _) => Some(Filter::Quaternion),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Pool {
    bytes: Vec<u8>,
    number: usize,
}

/// Collects everything that goes into the buffer.
pub(super) struct Store {
    packing: Packing,
    accessors: Vec<Value>,
    /// Views that are there from the start, before those of pools and images.
    views: Vec<Value>,
    binary: Vec<u8>,
    pools: BTreeMap<PoolKey, Pool>,
    /// Looked up only: its order never shows.
    known: HashMap<(Use, Values), usize>,
    known_kept: HashMap<Values, usize>,
    images: Vec<Bytes>,
    kept: usize,
}

impl Store {
    pub(super) fn new(packing: Packing, kept: Option<&Kept>) -> Self {
        let mut store = Self {
            packing,
            accessors: Vec::new(),
            views: Vec::new(),
            binary: Vec::new(),
            pools: BTreeMap::new(),
            known: HashMap::new(),
            known_kept: HashMap::new(),
            images: Vec::new(),
            kept: 0,
        };
        if let Some(kept) = kept {
            store.keep(kept);
        }
        store
    }

    /// Lays the accessors that an unknown extension may name at their old places.
    fn keep(&mut self, kept: &Kept) {
        let mut starts = Vec::new();
        for buffer in &kept.buffers {
            self.binary.resize(self.binary.len().next_multiple_of(4), 0);
            starts.push(self.binary.len());
            self.binary.extend_from_slice(buffer);
        }
        for view in &kept.views {
            let mut view = view.clone();
            let start = view.get("buffer").and_then(index).and_then(|at| starts.get(at)).copied().unwrap_or_default();
            let offset = view.get("byteOffset").and_then(index).unwrap_or_default();
            view["buffer"] = 0.into();
            view["byteOffset"] = (start + offset).into();
            self.views.push(view);
        }
        self.accessors.clone_from(&kept.accessors);
        for (at, values) in kept.values.iter().enumerate() {
            self.known_kept.extend(values.clone().map(|values| (values, at)));
        }
        self.kept = self.accessors.len();
    }

    pub(super) fn attributes(&mut self, attributes: &Attributes, purpose: Use) -> Value {
        let named = attributes.iter().map(|(name, values)| (name.clone(), self.add(values, purpose, name).into()));
        Value::Object(named.collect())
    }

    pub(super) fn indices(&mut self, indices: &[u32], triangles: bool) -> usize {
        // The largest number of a type would restart a strip.
        let small = indices.iter().all(|&index| index < 0xFFFF);
        let (component, bytes): (_, Vec<u8>) = if small {
            (Component::U16, indices.iter().flat_map(|&index| (index as u16).to_le_bytes()).collect())
        } else {
            (Component::U32, indices.iter().flat_map(|index| index.to_le_bytes()).collect())
        };
        let values = Values { component, shape: Shape::Scalar, normalized: false, bytes: bytes.into() };
        self.add(&values, if triangles { Use::Triangles } else { Use::Indices }, "")
    }

    /// The accessor of these values; equal ones are stored once.
    pub(super) fn add(&mut self, values: &Values, purpose: Use, name: &str) -> usize {
        let key = (purpose, values.clone());
        if let Some(&at) = self.known.get(&key).or_else(|| self.known_kept.get(values)) {
            return at;
        }
        let size = values.element_bytes();
        let stride = match purpose {
            Use::Vertices | Use::Targets | Use::Instances => size.next_multiple_of(4),
            _ => size,
        };
        let next = self.pools.len();
        let of_vertices = matches!(purpose, Use::Vertices | Use::Targets);
        let apart = of_vertices && self.packing.compress.is_some();
        let pool = self.pools.entry(PoolKey {
            purpose,
            stride,
            component: if of_vertices && !apart { Component::U8 } else { values.component },
            name: if apart { name.to_owned() } else { String::new() },
        });
        let pool = pool.or_insert_with(|| Pool { bytes: Vec::new(), number: next });
        let offset = pool.bytes.len();
        for element in values.bytes.chunks_exact(size) {
            pool.bytes.extend_from_slice(element);
            pool.bytes.resize(pool.bytes.len() + stride - size, 0);
        }
        let mut accessor = json!({
            "bufferView": pool.number,
            "componentType": values.component.code(),
            "count": values.count(),
            "type": values.shape.name(),
        });
        if offset > 0 {
            accessor["byteOffset"] = offset.into();
        }
        if values.normalized {
            accessor["normalized"] = true.into();
        }
        if name == "POSITION" || name == "input" {
            let (least, most) = bounds(values);
            (accessor["min"], accessor["max"]) = (least, most);
        }
        let at = self.accessors.len();
        self.accessors.push(accessor);
        self.known.insert(key, at);
        at
    }

    /// The number of the image among those that go into the buffer; its view is known at the end.
    pub(super) fn image(&mut self, bytes: &Bytes) -> usize {
        if let Some(at) = self.images.iter().position(|other| other == bytes) {
            return at;
        }
        self.images.push(bytes.clone());
        self.images.len() - 1
    }

    /// The lists of the document and the buffer's bytes.
    pub(super) fn finish(mut self) -> Result<Finished> {
        let first = self.views.len();
        let pools = std::mem::take(&mut self.pools);
        let mut by_number: Vec<(PoolKey, Pool)> = pools.into_iter().collect();
        by_number.sort_by_key(|(_, pool)| pool.number);
        let mut fallback = 0;
        for (key, pool) in by_number {
            let view = match self.packing.compress {
                Some(flavor) => match codec::pack(flavor, key.purpose, key.stride, key.filter(), &pool.bytes)? {
                    Some(packed) => self.packed(flavor.name(), &key, &pool.bytes, &packed, &mut fallback),
                    None => self.plain(&key, &pool.bytes),
                },
                None => self.plain(&key, &pool.bytes),
            };
            self.views.push(view);
        }
        for accessor in self.accessors.iter_mut().skip(self.kept) {
            if let Some(pool) = accessor.get("bufferView").and_then(index) {
                accessor["bufferView"] = (pool + first).into();
            }
        }
        let mut image_views = Vec::new();
        for bytes in std::mem::take(&mut self.images) {
            let view = json!({"buffer": 0, "byteOffset": self.lay(&bytes), "byteLength": bytes.len()});
            image_views.push(self.views.len());
            self.views.push(view);
        }
        Ok(Finished { accessors: self.accessors, views: self.views, binary: self.binary, fallback, image_views })
    }

    fn plain(&mut self, key: &PoolKey, bytes: &[u8]) -> Value {
        let mut view = json!({"buffer": 0, "byteOffset": self.lay(bytes), "byteLength": bytes.len()});
        match key.purpose {
            Use::Vertices | Use::Targets => (view["byteStride"], view["target"]) = (key.stride.into(), 34962.into()),
            Use::Triangles | Use::Indices => view["target"] = 34963.into(),
            Use::Instances => view["byteStride"] = key.stride.into(),
            Use::InverseBind | Use::Animation => {}
        }
        view
    }

    fn packed(
        &mut self,
        name: &str,
        key: &PoolKey,
        plain: &[u8],
        packed: &codec::Packed,
        fallback: &mut usize,
    ) -> Value {
        let mut view = self.plain(key, &[]);
        view["extensions"] = json!({name: {
            "buffer": 0,
            "byteOffset": self.lay(&packed.bytes),
            "byteLength": packed.bytes.len(),
            "byteStride": key.stride,
            "count": plain.len() / key.stride,
            "mode": packed.mode,
        }});
        if let Some(filter) = packed.filter {
            view["extensions"][name]["filter"] = filter.into();
        }
        *fallback = fallback.next_multiple_of(4);
        (view["buffer"], view["byteOffset"], view["byteLength"]) = (1.into(), (*fallback).into(), plain.len().into());
        *fallback += plain.len();
        view
    }

    fn lay(&mut self, bytes: &[u8]) -> usize {
        self.binary.resize(self.binary.len().next_multiple_of(4), 0);
        self.binary.extend_from_slice(bytes);
        self.binary.len() - bytes.len()
    }
}

/// What a [`Store`] collected.
pub(super) struct Finished {
    pub(super) accessors: Vec<Value>,
    pub(super) views: Vec<Value>,
    pub(super) binary: Vec<u8>,
    /// Bytes of the buffer that compressed views stand for; 0 where none is compressed.
    pub(super) fallback: usize,
    pub(super) image_views: Vec<usize>,
}

/// The least and the most of each component, as they are stored.
fn bounds(values: &Values) -> (Value, Value) {
    let raw = Values { normalized: false, ..values.clone() };
    let (width, numbers) = (values.shape.width(), raw.to_floats());
    let mut least = vec![f32::INFINITY; width];
    let mut most = vec![f32::NEG_INFINITY; width];
    for element in numbers.chunks_exact(width) {
        for (at, &number) in element.iter().enumerate() {
            (least[at], most[at]) = (least[at].min(number), most[at].max(number));
        }
    }
    (numbers_json(&least), numbers_json(&most))
}

/// Floats as JSON, as short as they can be told from their neighbours.
pub(super) fn numbers_json(numbers: &[f32]) -> Value {
    numbers.iter().map(|&number| number_json(number)).collect()
}

pub(super) fn number_json(number: f32) -> Value {
    // -0 would be written as -0.0, which some readers refuse.
    let number = if number == 0.0 { 0.0 } else { number };
    if number.fract() == 0.0 && number.abs() < 1e6 {
        return (number as i64).into();
    }
    number.to_string().parse::<f64>().unwrap_or_default().into()
}
