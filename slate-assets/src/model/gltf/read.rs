use super::{
    super::{
        ir::{
            Animation, Attributes, Channel, Image, Kept, Mesh, Model, Node, Primitive, Rest, Sampler, SceneRoots, Skin,
            Transform,
        },
        values::Values,
    },
    accessor, codec,
    document::Document,
    extensions, list,
    path::{self, corrupt, index},
    resolve, scene,
    validate::{Content, verdict},
};
use bytes::Bytes;
use serde_json::Value;
use slate_core::{
    Cancel, Result,
    asset::{AssetInput, AssetLimits, Report, Work},
};

/// The files beside the input that the model names, without repeats.
pub(in crate::model) fn references(input: &AssetInput, limits: &AssetLimits) -> Result<Vec<String>> {
    resolve::references(&Document::read(input, limits)?)
}

/// Reads a whole model, everything in it checked, and tells what is wrong with it that doesn't keep it from being read.
pub(in crate::model) fn read(work: &Work<'_>, report: &mut Report) -> Result<Model> {
    let mut document = Document::read(work.input, work.limits)?;
    let mut buffers = resolve::buffers(&document, work)?;
    path::check_references(&document.json)?;
    scene::check(&document.json, work.limits)?;
    let there: Vec<_> = buffers.iter().map(|bytes| Some(bytes.clone()).filter(|bytes| !bytes.is_empty())).collect();
    let content = Content { json: &document.json, buffers: &there, form: document.form };
    report.insert("validationBefore".into(), serde_json::to_value(verdict(content, work.limits, work.cancel)?)?);
    codec::unpack(&mut document.json, &mut buffers, work)?;
    work.progress.report(0.1);
    accessor::check(&document.json, &buffers, work.limits, work.cancel)?;
    let images = resolve::images(&document, &buffers, work)?;
    let unknown = extensions::unknown(&document.json);

    let mut json = std::mem::take(&mut document.json);
    let rest = json.as_object_mut().map(std::mem::take).unwrap_or_default();
    let mut reader =
        Reader { rest, json, buffers, cache: Vec::new(), room: work.limits.decoded_bytes, cancel: work.cancel };
    // Accessors are looked up by the JSON's lists, everything else is taken out of `rest`.
    reader.json = Value::Object(Rest::from_iter(
        ["accessors", "bufferViews"].map(|name| (name.to_owned(), reader.rest.remove(name).unwrap_or_default())),
    ));
    reader.rest.remove("buffers");
    reader.cache.resize(list(&reader.json, "accessors").len(), None);
    reader.model(images, unknown)
}

struct Reader<'a> {
    /// The fields of the document that are not read yet.
    rest: Rest,
    /// The lists of accessors and buffer views.
    json: Value,
    buffers: Vec<Bytes>,
    /// What was decoded, by accessor.
    cache: Vec<Option<Values>>,
    room: u64,
    cancel: &'a Cancel,
}

impl Reader<'_> {
    fn model(mut self, images: Vec<resolve::Image>, unknown: Option<String>) -> Result<Model> {
        let mut model = Model {
            scene: self.rest.remove("scene").as_ref().and_then(index),
            images: self.take("images").into_iter().zip(images).map(image).collect(),
            samplers: self.take_values("samplers"),
            cameras: self.take_values("cameras"),
            textures: self.take("textures"),
            materials: self.take("materials"),
            ..Model::default()
        };
        for mut rest in self.take("scenes") {
            model.scenes.push(SceneRoots { nodes: indices(rest.remove("nodes").as_ref()), rest });
        }
        for (at, rest) in self.take("meshes").into_iter().enumerate() {
            let mesh = self.mesh(rest, at)?;
            model.meshes.push(mesh);
        }
        for (at, rest) in self.take("nodes").into_iter().enumerate() {
            let node = self.node(rest, at)?;
            model.nodes.push(node);
        }
        for mut rest in self.take("skins") {
            let inverse_bind = self.values(rest.remove("inverseBindMatrices").as_ref())?;
            let (joints, skeleton) =
                (indices(rest.remove("joints").as_ref()), rest.remove("skeleton").as_ref().and_then(index));
            model.skins.push(Skin { joints, skeleton, inverse_bind, rest });
        }
        for (at, rest) in self.take("animations").into_iter().enumerate() {
            let animation = self.animation(rest, at)?;
            model.animations.push(animation);
        }
        if let Some(extension) = unknown {
            let mut lists = self.json.as_object_mut().map(std::mem::take).unwrap_or_default();
            let mut list = |name| match lists.remove(name) {
                Some(Value::Array(entries)) => entries,
                _ => Vec::new(),
            };
            let (accessors, views) = (list("accessors"), list("bufferViews"));
            model.kept = Some(Kept { extension, accessors, views, buffers: self.buffers, values: self.cache });
        }
        model.rest = self.rest;
        Ok(model)
    }

    fn mesh(&mut self, mut rest: Rest, at: usize) -> Result<Mesh> {
        let mut mesh =
            Mesh { weights: floats(rest.remove("weights"), &format!("meshes[{at}].weights"))?, ..Mesh::default() };
        for (part, mut rest) in objects(rest.remove("primitives")).into_iter().enumerate() {
            self.cancel.check()?;
            let place = format!("meshes[{at}].primitives[{part}]");
            let attributes = self.attributes(rest.remove("attributes"))?;
            let indices = self.values(rest.remove("indices").as_ref())?.map(|values| whole_numbers(&values));
            let mode = rest.remove("mode").as_ref().and_then(index).unwrap_or(4) as u64;
            if mode > 6 {
                return Err(corrupt("the mode is not known", &format!("{place}.mode")));
            }
            let material = rest.remove("material").as_ref().and_then(index);
            let mut targets = Vec::new();
            for target in objects(rest.remove("targets")) {
                targets.push(self.attributes(Some(Value::Object(target)))?);
            }
            let vertices = attributes.first().map_or(0, |(_, values)| values.count());
            let uneven = targets.iter().flatten().chain(&attributes).any(|(_, values)| values.count() != vertices);
            if uneven {
                return Err(corrupt("the attributes have different counts", &place));
            }
            mesh.primitives.push(Primitive { attributes, indices, mode, material, targets, rest });
        }
        mesh.rest = rest;
        Ok(mesh)
    }

    fn node(&mut self, mut rest: Rest, at: usize) -> Result<Node> {
        let transform = transform(&mut rest, &format!("nodes[{at}]"))?;
        let mut own = |name: &str| rest.remove(name);
        let (children, weights) = (indices(own("children").as_ref()), own("weights"));
        let [mesh, skin, camera] = ["mesh", "skin", "camera"].map(|name| own(name).as_ref().and_then(index));
        let weights = floats(weights, &format!("nodes[{at}].weights"))?;
        let mut instances = Attributes::new();
        let mut lods = Vec::new();
        if let Some(Value::Object(extensions)) = rest.get_mut("extensions") {
            if let Some(mut instancing) = extensions.remove("EXT_mesh_gpu_instancing") {
                instances = self.attributes(instancing.get_mut("attributes").map(Value::take))?;
            }
            if let Some(lod) = extensions.remove("MSFT_lod") {
                lods = indices(lod.get("ids"));
            }
            if extensions.is_empty() {
                rest.remove("extensions");
            }
        }
        Ok(Node { children, mesh, skin, camera, transform, weights, instances, lods, rest })
    }

    fn animation(&mut self, mut rest: Rest, at: usize) -> Result<Animation> {
        let mut animation = Animation::default();
        for mut rest in objects(rest.remove("channels")) {
            let mut target = match rest.remove("target") {
                Some(Value::Object(target)) => target,
                _ => Rest::new(),
            };
            let node = target.remove("node").as_ref().and_then(index);
            let path = match target.remove("path") {
                Some(Value::String(path)) => path,
                _ => return Err(corrupt("a channel's target has a path", &format!("animations[{at}].channels"))),
            };
            let sampler = rest.remove("sampler").as_ref().and_then(index);
            let sampler =
                sampler.ok_or_else(|| corrupt("a channel has a sampler", &format!("animations[{at}].channels")))?;
            animation.channels.push(Channel { sampler, node, path, target, rest });
        }
        for (number, mut rest) in objects(rest.remove("samplers")).into_iter().enumerate() {
            let place = format!("animations[{at}].samplers[{number}]");
            let [input, output] = ["input", "output"].map(|name| rest.remove(name));
            let is_blank = input.as_ref().and_then(index).is_some_and(|at| accessor::is_blank(&self.json, at));
            let (Some(mut input), Some(mut output)) = (self.values(input.as_ref())?, self.values(output.as_ref())?)
            else {
                return Err(corrupt("a sampler has an input and an output", &place));
            };
            // All times are zeros then, and the first key stands for the others.
            if is_blank && input.count() > 1 {
                (input, output) = (input.first(1), output.first(output.count() / input.count()));
            }
            let times = input.to_floats();
            if input.shape.width() != 1 || times.is_empty() || times.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(corrupt("the times of a sampler rise", &format!("{place}.input")));
            }
            let interpolation = match rest.remove("interpolation") {
                Some(Value::String(name)) => name,
                _ => "LINEAR".to_owned(),
            };
            let each = times.len() * if interpolation == "CUBICSPLINE" { 3 } else { 1 };
            if output.count() < each || output.count() % each != 0 {
                return Err(corrupt("the output's count does not fit the input's", &format!("{place}.output")));
            }
            animation.samplers.push(Sampler { input, output, interpolation, rest });
        }
        animation.rest = rest;
        Ok(animation)
    }

    fn attributes(&mut self, named: Option<Value>) -> Result<Attributes> {
        let Some(Value::Object(named)) = named else { return Ok(Attributes::new()) };
        let mut attributes = Attributes::new();
        for (name, accessor) in named {
            if let Some(values) = self.values(Some(&accessor))? {
                attributes.push((name, values));
            }
        }
        attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(attributes)
    }

    fn values(&mut self, accessor: Option<&Value>) -> Result<Option<Values>> {
        let Some(at) = accessor.and_then(index) else { return Ok(None) };
        if let Some(Some(values)) = self.cache.get(at) {
            return Ok(Some(values.clone()));
        }
        self.cancel.check()?;
        let values = accessor::values(&self.json, &self.buffers, at, &mut self.room)?;
        if let Some(kept) = self.cache.get_mut(at) {
            *kept = Some(values.clone());
        }
        Ok(Some(values))
    }

    fn take(&mut self, name: &str) -> Vec<Rest> {
        objects(self.rest.remove(name))
    }

    fn take_values(&mut self, name: &str) -> Vec<Value> {
        self.take(name).into_iter().map(Value::Object).collect()
    }
}

fn image((mut rest, image): (Rest, resolve::Image)) -> Image {
    rest.retain(|name, _| !matches!(name.as_str(), "uri" | "bufferView" | "mimeType"));
    Image { bytes: image.bytes, media_type: image.media_type, rest }
}

/// The entries of a list as objects; an entry of another type counts as an empty one, so that indices hold.
fn objects(list: Option<Value>) -> Vec<Rest> {
    let Some(Value::Array(entries)) = list else { return Vec::new() };
    let object = |entry| if let Value::Object(object) = entry { object } else { Rest::new() };
    entries.into_iter().map(object).collect()
}

fn indices(list: Option<&Value>) -> Vec<usize> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(index).collect()
}

fn whole_numbers(values: &Values) -> Vec<u32> {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
    values.bytes.chunks_exact(values.element_bytes()).map(number).collect()
}

fn transform(rest: &mut Rest, place: &str) -> Result<Transform> {
    let mut numbers = |name: &str| -> Result<Option<Vec<f32>>> {
        rest.remove(name).map(|list| floats(Some(list), &format!("{place}.{name}"))).transpose()
    };
    let wrong = |name: &str| corrupt("another number of numbers is expected here", &format!("{place}.{name}"));
    if let Some(matrix) = numbers("matrix")? {
        return Ok(Transform::Matrix(matrix.try_into().map_err(|_| wrong("matrix"))?));
    }
    let (t, r, s) = (numbers("translation")?, numbers("rotation")?, numbers("scale")?);
    Ok(Transform::Parts {
        translation: t.map_or(Ok([0.0; 3]), |t| t.try_into().map_err(|_| wrong("translation")))?,
        rotation: r.map_or(Ok([0.0, 0.0, 0.0, 1.0]), |r| r.try_into().map_err(|_| wrong("rotation")))?,
        scale: s.map_or(Ok([1.0; 3]), |s| s.try_into().map_err(|_| wrong("scale")))?,
    })
}

fn floats(list: Option<Value>, place: &str) -> Result<Vec<f32>> {
    let number = |value: &Value| value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
    match list {
        None => Ok(Vec::new()),
        Some(Value::Array(entries)) => entries
            .iter()
            .map(|value| number(value).ok_or_else(|| corrupt("a finite number is expected here", place)))
            .collect(),
        Some(_) => Err(corrupt("a list is expected here", place)),
    }
}
