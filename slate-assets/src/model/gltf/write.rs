use super::{
    super::ir::{Animation, Kept, Mesh, Model, Node, Rest, Transform, attribute},
    super::values::{Component, Values},
    document::Form,
    extensions::STORAGE,
    glb,
    pack::{Store, Use, numbers_json},
    validate::{self, Content, Verdict},
};
use bytes::Bytes;
use serde_json::{Value, json};
use slate_core::{
    Cancel, Result,
    asset::{AssetLimits, MeshCompression},
};

/// How values are stored in a glTF file.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::model) struct Packing {
    pub(in crate::model) compress: Option<Flavor>,
}

/// By which name meshopt's compression is known to the file's readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Flavor {
    Ext,
    Khr,
}

impl Flavor {
    pub(in crate::model) const fn of(compression: MeshCompression) -> Option<Self> {
        match compression {
            MeshCompression::Meshopt => Some(Self::Ext),
            MeshCompression::KhrMeshopt => Some(Self::Khr),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ext => "EXT_meshopt_compression",
            Self::Khr => "KHR_meshopt_compression",
        }
    }
}

/// A document and its buffer.
pub(in crate::model) struct Written {
    pub(in crate::model) json: Value,
    pub(in crate::model) binary: Vec<u8>,
}

impl Written {
    /// What is wrong with it.
    pub(in crate::model) fn verdict(&mut self, limits: &AssetLimits, cancel: &Cancel) -> Result<Verdict> {
        let binary = Bytes::from(std::mem::take(&mut self.binary));
        let buffers = [Some(binary.clone()).filter(|binary| !binary.is_empty())];
        let verdict =
            validate::verdict(Content { json: &self.json, buffers: &buffers, form: Form::Glb }, limits, cancel);
        drop(buffers);
        self.binary = binary.into();
        verdict
    }

    /// One GLB file.
    pub(in crate::model) fn into_glb(self) -> Result<Vec<u8>> {
        glb::write(&self.json, &self.binary)
    }

    /// The JSON, and the buffer, which is named `binary` in it.
    pub(in crate::model) fn into_files(mut self, binary: &str) -> Result<(Vec<u8>, Vec<u8>)> {
        if let Some(buffer) = self.json.pointer_mut("/buffers/0") {
            buffer["uri"] = escaped(binary).into();
        }
        Ok((serde_json::to_vec(&self.json)?, self.binary))
    }
}

/// Writes a whole model.
pub(in crate::model) fn write(model: &Model, packing: Packing) -> Result<Written> {
    let kept = model.kept.as_ref();
    let mut store = Store::new(packing, kept);
    let mut root = model.rest.clone();
    let meshes = model.meshes.iter().map(|mesh| mesh_json(mesh, &mut store, kept)).collect();
    let nodes = model.nodes.iter().map(|node| node_json(node, &mut store)).collect();
    let mut skins = Vec::new();
    for skin in &model.skins {
        let mut object = skin.rest.clone();
        object.insert("joints".into(), json!(skin.joints));
        put(&mut object, "skeleton", skin.skeleton);
        put(
            &mut object,
            "inverseBindMatrices",
            skin.inverse_bind.as_ref().map(|values| store.add(values, Use::InverseBind, "")),
        );
        skins.push(Value::Object(object));
    }
    let animations = model.animations.iter().map(|animation| animation_json(animation, &mut store)).collect();
    let scenes = model.scenes.iter().map(|scene| {
        let mut object = scene.rest.clone();
        if !scene.nodes.is_empty() {
            object.insert("nodes".into(), json!(scene.nodes));
        }
        Value::Object(object)
    });
    let scenes = scenes.collect();
    let pictures: Vec<usize> = model.images.iter().map(|image| store.image(&image.bytes)).collect();
    let finished = store.finish()?;
    let images = model.images.iter().zip(pictures).map(|(image, picture)| {
        let mut object = image.rest.clone();
        object.insert("bufferView".into(), finished.image_views[picture].into());
        object.insert("mimeType".into(), image.media_type.clone().into());
        Value::Object(object)
    });
    let images = images.collect();

    let objects = |list: &[Rest]| list.iter().cloned().map(Value::Object).collect();
    let mut buffers = Vec::new();
    if !finished.binary.is_empty() || finished.fallback > 0 {
        buffers.push(json!({"byteLength": finished.binary.len()}));
    }
    if let (true, Some(flavor)) = (finished.fallback > 0, packing.compress) {
        buffers.push(json!({"byteLength": finished.fallback, "extensions": {flavor.name(): {"fallback": true}}}));
    }
    for (name, list) in [
        ("scenes", scenes),
        ("nodes", nodes),
        ("meshes", meshes),
        ("skins", skins),
        ("animations", animations),
        ("materials", objects(&model.materials)),
        ("textures", objects(&model.textures)),
        ("samplers", model.samplers.clone()),
        ("images", images),
        ("cameras", model.cameras.clone()),
        ("accessors", finished.accessors),
        ("bufferViews", finished.views),
        ("buffers", buffers),
    ] {
        // An empty list is not valid.
        if !list.is_empty() {
            root.insert(name.into(), Value::Array(list));
        }
    }
    put(&mut root, "scene", model.scene);
    root.entry("asset").or_insert_with(|| json!({"version": "2.0"}));
    name_extensions(&mut root, model, packing.compress.filter(|_| finished.fallback > 0));
    Ok(Written { json: Value::Object(root), binary: finished.binary })
}

fn mesh_json(mesh: &Mesh, store: &mut Store, kept: Option<&Kept>) -> Value {
    let mut object = mesh.rest.clone();
    let primitives = mesh.primitives.iter().map(|primitive| {
        let mut object = primitive.rest.clone();
        object.insert("attributes".into(), store.attributes(&primitive.attributes, Use::Vertices));
        let indices = primitive.indices.as_ref().filter(|indices| !indices.is_empty() || kept.is_some());
        put(&mut object, "indices", indices.map(|indices| store.indices(indices, primitive.mode == 4)));
        put(&mut object, "mode", (primitive.mode != 4).then_some(primitive.mode));
        put(&mut object, "material", primitive.material);
        if !primitive.targets.is_empty() {
            let targets = primitive.targets.iter().map(|target| store.attributes(target, Use::Targets));
            object.insert("targets".into(), targets.collect());
        }
        if let Some(Value::Object(extensions)) = object.get_mut("extensions") {
            extensions.remove("KHR_draco_mesh_compression");
            if extensions.is_empty() {
                object.remove("extensions");
            }
        }
        Value::Object(object)
    });
    let primitives = primitives.collect();
    object.insert("primitives".into(), primitives);
    put_floats(&mut object, "weights", &mesh.weights, &[]);
    Value::Object(object)
}

fn node_json(node: &Node, store: &mut Store) -> Value {
    let mut object = node.rest.clone();
    if !node.children.is_empty() {
        object.insert("children".into(), json!(node.children));
    }
    for (name, place) in [("mesh", node.mesh), ("skin", node.skin), ("camera", node.camera)] {
        put(&mut object, name, place);
    }
    match &node.transform {
        Transform::Matrix(matrix) => put_floats(&mut object, "matrix", matrix, &[]),
        Transform::Parts { translation, rotation, scale } => {
            put_floats(&mut object, "translation", translation, &[0.0; 3]);
            put_floats(&mut object, "rotation", rotation, &[0.0, 0.0, 0.0, 1.0]);
            put_floats(&mut object, "scale", scale, &[1.0; 3]);
        }
    }
    put_floats(&mut object, "weights", &node.weights, &[]);
    let mut extend = |name: &str, value: Value| {
        let extensions = object.entry("extensions").or_insert_with(|| json!({}));
        extensions[name] = value;
    };
    if !node.instances.is_empty() {
        let attributes = store.attributes(&node.instances, Use::Instances);
        extend("EXT_mesh_gpu_instancing", json!({ "attributes": attributes }));
    }
    if !node.lods.is_empty() {
        extend("MSFT_lod", json!({ "ids": node.lods }));
    }
    Value::Object(object)
}

fn animation_json(animation: &Animation, store: &mut Store) -> Value {
    let mut object = animation.rest.clone();
    let channels = animation.channels.iter().map(|channel| {
        let mut target = channel.target.clone();
        put(&mut target, "node", channel.node);
        target.insert("path".into(), channel.path.clone().into());
        let mut object = channel.rest.clone();
        object.insert("sampler".into(), channel.sampler.into());
        object.insert("target".into(), Value::Object(target));
        Value::Object(object)
    });
    let samplers = animation.samplers.iter().map(|sampler| {
        let mut object = sampler.rest.clone();
        object.insert("input".into(), store.add(&sampler.input, Use::Animation, "input").into());
        object.insert("output".into(), store.add(&sampler.output, Use::Animation, "").into());
        if sampler.interpolation != "LINEAR" {
            object.insert("interpolation".into(), sampler.interpolation.clone().into());
        }
        Value::Object(object)
    });
    object.insert("channels".into(), channels.collect());
    object.insert("samplers".into(), samplers.collect());
    Value::Object(object)
}

/// Lists the extensions of the way of storing that was chosen, beside those that the model had.
fn name_extensions(root: &mut Rest, model: &Model, compress: Option<Flavor>) {
    let quantized = model.meshes.iter().flat_map(|mesh| &mesh.primitives).any(|primitive| {
        primitive.attributes.iter().any(|(name, values)| is_quantized(name, values))
            || primitive.targets.iter().flatten().any(|(_, values)| values.component != Component::F32)
            || attribute(&primitive.attributes, "POSITION").is_none_or(|values| values.component != Component::F32)
                && !primitive.attributes.is_empty()
    });
    let kept = model.kept.is_some();
    let lods = model.nodes.iter().any(|node| !node.lods.is_empty());
    let instances = model.nodes.iter().any(|node| !node.instances.is_empty());
    for (list, optional) in [("extensionsUsed", true), ("extensionsRequired", false)] {
        let old = root.remove(list).unwrap_or_default();
        let mut names: Vec<String> =
            old.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        names.retain(|name| !STORAGE.contains(&name.as_str()) || kept && name == "KHR_mesh_quantization");
        let mut need = |needed: bool, name: &str| {
            if needed && !names.iter().any(|other| other == name) {
                names.push(name.to_owned());
            }
        };
        need(quantized, "KHR_mesh_quantization");
        need(compress.is_some(), compress.map_or("", Flavor::name));
        need(optional && lods, "MSFT_lod");
        need(optional && instances, "EXT_mesh_gpu_instancing");
        if !names.is_empty() {
            root.insert(list.into(), json!(names));
        }
    }
}

/// Whether this attribute is stored as glTF without `KHR_mesh_quantization` doesn't know it.
fn is_quantized(name: &str, values: &Values) -> bool {
    let floats = values.component == Component::F32;
    match name.split('_').next().unwrap_or_default() {
        "POSITION" | "NORMAL" | "TANGENT" => !floats,
        "TEXCOORD" => !floats && (!values.normalized || matches!(values.component, Component::I8 | Component::I16)),
        _ => false,
    }
}

fn put<T: Into<Value>>(object: &mut Rest, name: &str, value: Option<T>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

fn put_floats(object: &mut Rest, name: &str, numbers: &[f32], default: &[f32]) {
    if numbers != default {
        object.insert(name.to_owned(), numbers_json(numbers));
    }
}

/// A file's name as a relative URI.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
