//! Links between objects, those of buffers, their views and accessors first.

use super::{data::Role, extensions, found::Found, meshes::Mesh, rules::is_of, schema::natural};
use crate::model::{
    gltf::list,
    values::{Component, Shape},
};
use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A buffer view, as far as it holds what it should.
pub(super) struct View {
    pub(super) buffer: Option<usize>,
    pub(super) offset: Option<u64>,
    length: Option<u64>,
    pub(super) stride: Option<u64>,
    usage: Option<ViewUsage>,
    /// The accessors of vertices that share the view, where it has no stride.
    vertices: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ViewUsage {
    Vertices,
    Indices,
    Image,
    InverseBindMatrices,
    Other,
}

/// An accessor, as far as it holds what it should.
#[derive(Clone, Copy)]
pub(super) struct Accessor {
    pub(super) view: Option<usize>,
    pub(super) offset: Option<u64>,
    pub(super) format: Option<Format>,
    pub(super) count: Option<u64>,
    pub(super) has_bounds: bool,
    usage: Option<AccessorUsage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessorUsage {
    Vertices,
    Indices,
    AnimationInput,
    AnimationOutput,
    InverseBindMatrices,
}

/// What the elements of an accessor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) shape: Shape,
    pub(super) component: Component,
    pub(super) normalized: bool,
}

impl Format {
    pub(super) const fn floats(shape: Shape) -> Self {
        Self { shape, component: Component::F32, normalized: false }
    }

    /// A format in a message.
    pub(super) fn shown(format: Option<Self>) -> String {
        let Some(Self { shape, component, normalized }) = format else {
            return "elements of an unknown type".to_owned();
        };
        format!("{} of {component:?}{}", shape.name(), if normalized { " normalized" } else { "" })
    }
}

/// Lists of a document whose entries may be unused.
pub(super) const LISTS: [&str; 11] = [
    "accessors",
    "buffers",
    "bufferViews",
    "cameras",
    "images",
    "materials",
    "meshes",
    "nodes",
    "samplers",
    "skins",
    "textures",
];

/// Follows the links of a document.
pub(super) struct Links<'a> {
    pub(super) json: &'a Value,
    /// The extensions that the document says it uses.
    declared: HashSet<&'a str>,
    pub(super) buffers: &'a [Option<Bytes>],
    is_glb: bool,
    pub(super) found: &'a mut Found,
    pub(super) views: Vec<View>,
    pub(super) accessors: Vec<Accessor>,
    meshes: Vec<Mesh>,
    /// By list, which entries something names.
    pub(super) used: BTreeMap<&'static str, Vec<bool>>,
    /// The lights that nodes hold.
    pub(super) lights: BTreeSet<usize>,
    /// The variants that primitives have.
    pub(super) variants: BTreeSet<usize>,
    /// What the numbers of accessors are to be, and where they are used so.
    pub(super) roles: Vec<(usize, Role, String)>,
}

impl<'a> Links<'a> {
    pub(super) fn new(json: &'a Value, buffers: &'a [Option<Bytes>], is_glb: bool, found: &'a mut Found) -> Self {
        let views = list(json, "bufferViews").iter().map(View::of).collect();
        let accessors = list(json, "accessors").iter().map(Accessor::of).collect();
        let meshes = list(json, "meshes").iter().map(Mesh::of).collect();
        let used = LISTS.iter().map(|&name| (name, vec![false; list(json, name).len()])).collect();
        Self {
            json,
            declared: extensions::used(json),
            buffers,
            is_glb,
            found,
            views,
            accessors,
            meshes,
            used,
            lights: BTreeSet::new(),
            variants: BTreeSet::new(),
            roles: Vec::new(),
        }
    }

    /// Whether the document says that it uses an extension.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.declared.contains(name)
    }

    /// The mesh that a node shows.
    pub(super) fn mesh_of(&self, node: &Value) -> Option<Mesh> {
        index_of(node, "mesh").and_then(|mesh| self.meshes.get(mesh as usize)).copied()
    }

    /// The entry of a list that `object` names by `name`; it counts as used. One that isn't there is an issue.
    pub(super) fn named(&mut self, object: &Value, name: &str, target: &'static str) -> Option<usize> {
        let index = index_of(object, name)?;
        self.entry(index, target, name)
    }

    /// The entry of a list; it counts as used. One that isn't there is an issue of the place `at`.
    pub(super) fn entry(&mut self, index: u64, target: &'static str, at: impl std::fmt::Display) -> Option<usize> {
        let there = usize::try_from(index)
            .ok()
            .filter(|&index| list(self.json, target).get(index).is_some_and(Value::is_object));
        match there {
            Some(index) => {
                if let Some(used) = self.used.get_mut(target).and_then(|used| used.get_mut(index)) {
                    *used = true;
                }
            }
            None => self.found.add_at(at, "UNRESOLVED_REFERENCE", format!("{target} has no entry {index}")),
        }
        there
    }

    /// Calls `act` with each entry of a list, at its place.
    pub(super) fn each(&mut self, name: &'static str, mut act: impl FnMut(&mut Self, usize, &'a Value)) {
        let all = self.found.enter(name);
        for (at, entry) in list(self.json, name).iter().enumerate() {
            let one = self.found.enter(at);
            act(self, at, entry);
            self.found.leave(one);
        }
        self.found.leave(all);
    }

    /// Looks at what is below `name`.
    pub(super) fn below<R>(&mut self, name: impl std::fmt::Display, act: impl FnOnce(&mut Self) -> R) -> R {
        let len = self.found.enter(name);
        let result = act(self);
        self.found.leave(len);
        result
    }

    /// Says what a view is used for, as `name` does.
    pub(super) fn use_view(&mut self, view: usize, usage: ViewUsage, name: impl std::fmt::Display) {
        if let Some(used) = self.used.get_mut("bufferViews").and_then(|used| used.get_mut(view)) {
            *used = true;
        }
        match self.views[view].usage {
            Some(own) if own != usage => {
                let message = format!("the view of {own:?} is used for {usage:?}");
                self.found.add_at(name, "BUFFER_VIEW_TARGET_OVERRIDE", message);
            }
            Some(_) => {}
            None => {
                self.views[view].usage = Some(usage);
                if matches!(usage, ViewUsage::Vertices | ViewUsage::Indices) {
                    let message = "the target of a view of vertices or indices is better set";
                    self.found.add_at(name, "BUFFER_VIEW_TARGET_MISSING", message);
                }
            }
        }
    }

    /// The same of a view whose elements lie close together: one that has a stride is an issue with this code.
    pub(super) fn use_tight_view(&mut self, view: usize, usage: ViewUsage, name: &str, code: &'static str) {
        self.use_view(view, usage, name);
        if self.views[view].stride.is_some() {
            self.found.add_at(name, code, "only vertices may have a stride");
        }
    }

    /// Says what the numbers of an accessor are to be, as `name` does.
    pub(super) fn give_role(&mut self, accessor: usize, role: Role, name: &str) {
        let place = self.found.below(name, |found| found.place());
        self.roles.push((accessor, role, place));
    }

    /// Says what an accessor is used for, as `name` does.
    pub(super) fn use_accessor(&mut self, accessor: usize, usage: AccessorUsage, name: impl std::fmt::Display) {
        match self.accessors[accessor].usage {
            Some(own) if own != usage => {
                let message = format!("the accessor of {own:?} is used for {usage:?}");
                self.found.add_at(name, "ACCESSOR_USAGE_OVERRIDE", message);
            }
            Some(_) => {}
            None => self.accessors[accessor].usage = Some(usage),
        }
    }

    /// Says that vertices are in a view; gives whether other accessors share it though it has no stride.
    pub(super) fn is_crowded(&mut self, view: usize, accessor: usize) -> bool {
        let view = &mut self.views[view];
        view.stride.is_none() && view.vertices.insert(accessor) && view.vertices.len() > 1
    }

    /// The view that an accessor is in.
    pub(super) fn view_of(&self, accessor: usize) -> Option<usize> {
        self.accessors[accessor].view.filter(|&view| view < self.views.len())
    }

    /// Buffers, their views and accessors.
    pub(super) fn storage(&mut self) {
        self.buffers();
        self.each("bufferViews", |links, at, view| {
            let Some(buffer) = links.named(view, "buffer", "buffers") else { return };
            let len = list(links.json, "buffers")[buffer].get("byteLength").and_then(natural).filter(|&len| len > 0);
            let (Some(len), Some(offset)) = (len, links.views[at].offset) else { return };
            let message = format!("the view ends beyond the buffer of {len} bytes");
            if offset >= len {
                links.found.add_at("byteOffset", "BUFFER_VIEW_TOO_LONG", message);
            } else if links.views[at].length.is_some_and(|own| own > len - offset) {
                links.found.add_at("byteLength", "BUFFER_VIEW_TOO_LONG", message);
            }
        });
        self.each("accessors", Self::accessor);
    }

    fn buffers(&mut self) {
        self.each("buffers", |links, at, buffer| {
            let len = buffer.get("byteLength").and_then(natural);
            let there = links.buffers.get(at).and_then(Option::as_ref);
            let is_own = links.is_glb && at == 0 && buffer.get("uri").is_none();
            match (len, there.map(|bytes| bytes.len() as u64)) {
                (Some(len), Some(own)) if own < len => {
                    links.found.add("BUFFER_BYTE_LENGTH_MISMATCH", format!("the buffer has {own} bytes of {len}"));
                }
                (Some(len), Some(own)) if is_own && own > len.saturating_add(3) => {
                    let message = format!("{} more bytes than the buffer has follow it", own - len);
                    links.found.add("BUFFER_GLB_CHUNK_TOO_BIG", message);
                }
                (_, None) if is_own => links.found.add("BUFFER_MISSING_GLB_DATA", "the file has no bytes for it"),
                _ => {}
            }
        });
    }

    fn accessor(&mut self, at: usize, json: &Value) {
        let own = self.accessors[at];
        let view = index_of(json, "bufferView").and_then(|index| self.entry(index, "bufferViews", "bufferView"));
        let (Some(Format { shape, component, .. }), Some(count)) = (own.format, own.count) else { return };
        if let Some(view) = view {
            let (size, last) = (shape.bytes(component) as u64, shape.bytes_to_end(component) as u64);
            let stride = self.views[view].stride;
            if stride.is_some_and(|stride| stride < last) {
                self.found.add("ACCESSOR_SMALL_BYTESTRIDE", "the view's byteStride is below an element's length");
            }
            let len = (count - 1).saturating_mul(stride.unwrap_or(size)).saturating_add(last);
            self.fits(own.offset, component.bytes(), len, view);
        }
        let Some(sparse) = json.get("sparse").filter(|sparse| sparse.is_object()) else { return };
        let Some(replaced) = sparse.get("count").and_then(natural).filter(|&count| count > 0) else { return };
        let [indices, values] = ["indices", "values"].map(|name| &sparse[name]);
        if !indices.is_object() || !values.is_object() {
            return;
        }
        self.below("sparse", |links| {
            if replaced > count {
                let message = format!("{replaced} of {count} elements are replaced");
                links.found.add_at("count", "ACCESSOR_SPARSE_COUNT_OUT_OF_RANGE", message);
            }
            let width = indices.get("componentType").and_then(natural).and_then(Component::of_code);
            links.below("indices", |links| {
                links.part(indices, width.map(|width| (width.bytes(), width.bytes() as u64)), replaced);
            });
            links.below("values", |links| {
                let element = component.bytes() as u64 * shape.width() as u64;
                links.part(values, Some((component.bytes(), element)), replaced);
            });
        });
    }

    /// The indices or values of a sparse accessor: `width` is the bytes of a number and of an element.
    fn part(&mut self, part: &Value, width: Option<(usize, u64)>, count: u64) {
        let Some(view) = self.named(part, "bufferView", "bufferViews") else { return };
        self.use_tight_view(view, ViewUsage::Other, "bufferView", "BUFFER_VIEW_INVALID_BYTE_STRIDE");
        if let Some((number, element)) = width {
            self.fits(offset_of(part), number, element.saturating_mul(count), view);
        }
    }

    /// Whether `len` bytes from `offset` on are aligned, and in the view.
    fn fits(&mut self, offset: Option<u64>, number: usize, len: u64, view: usize) {
        let Some(offset) = offset else { return };
        let number = number as u64;
        if !offset.is_multiple_of(number) {
            self.found.add_at(
                "byteOffset",
                "ACCESSOR_OFFSET_ALIGNMENT",
                format!("{offset} is no multiple of {number}"),
            );
        }
        let View { offset: before, length, .. } = self.views[view];
        let Some(before) = before else { return };
        let total = before.saturating_add(offset);
        if !total.is_multiple_of(number) {
            let message = format!("in the buffer, {total} is no multiple of {number}");
            self.found.add("ACCESSOR_TOTAL_OFFSET_ALIGNMENT", message);
        }
        // In a view of no known length there is no place.
        let length = length.unwrap_or(0);
        let message = || format!("the elements end beyond the view of {length} bytes");
        if offset > length || length == 0 {
            self.found.add_at("byteOffset", "ACCESSOR_TOO_LONG", message());
        } else if len > length - offset {
            self.found.add("ACCESSOR_TOO_LONG", message());
        }
    }
}

impl View {
    fn of(view: &Value) -> Self {
        let number = |name: &str| view.get(name).and_then(natural);
        let target = number("target");
        let usage = match target {
            Some(34962) => Some(ViewUsage::Vertices),
            Some(34963) => Some(ViewUsage::Indices),
            _ => None,
        };
        Self {
            buffer: number("buffer").map(|index| index as usize),
            offset: offset_of(view),
            length: number("byteLength").filter(|&length| length > 0),
            stride: number("byteStride").filter(|stride| (4..=252).contains(stride)),
            usage,
            vertices: BTreeSet::new(),
        }
    }
}

impl Accessor {
    fn of(accessor: &Value) -> Self {
        let view = index_of(accessor, "bufferView").map(|view| view as usize);
        let number = |name: &str| accessor.get(name).and_then(natural);
        let component = number("componentType").and_then(Component::of_code);
        let shape = accessor.get("type").and_then(Value::as_str).and_then(Shape::of_name);
        let normalized = accessor.get("normalized").and_then(Value::as_bool) == Some(true);
        let format = component.zip(shape).map(|(component, shape)| Format { shape, component, normalized });
        let count = number("count").filter(|&count| count > 0);
        let has = |name: &str| {
            let list = accessor.get(name).and_then(Value::as_array);
            list.zip(format).is_some_and(|(list, format)| {
                list.len() == format.shape.width() && list.iter().all(|entry| is_of(entry, format.component))
            })
        };
        Self {
            view,
            offset: if view.is_some() { offset_of(accessor) } else { Some(0) },
            format,
            count,
            has_bounds: has("min") && has("max"),
            usage: None,
        }
    }
}

fn offset_of(object: &Value) -> Option<u64> {
    match object.get("byteOffset") {
        None => Some(0),
        Some(offset) => natural(offset),
    }
}

/// The index that an object names, where it is one.
pub(super) fn index_of(object: &Value, name: &str) -> Option<u64> {
    object.get(name).and_then(natural)
}
