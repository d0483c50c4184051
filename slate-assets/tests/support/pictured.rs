//! A triangle whose material shows images, and what became of them.

use super::Files;
use image::ExtendedColorType::Rgb8;
use serde_json::{Value, json};
use slate_assets::model::ModelProcessor;
use slate_core::asset::{AssetInput, AssetLimits, ImageFormat, ModelOptions, Report};

pub(crate) const SIDE: u32 = 64;

/// A picture in which columns of these two colours take turns.
pub(crate) fn stripes(one: [u8; 3], other: [u8; 3]) -> Vec<u8> {
    let pixels = (0..SIDE * SIDE).flat_map(|at| if at % 2 == 0 { one } else { other });
    super::png(SIDE, SIDE, Rgb8, &pixels.collect::<Vec<_>>())
}

/// A triangle whose material has these images in its slots; the same image twice is one image.
pub(crate) fn model(slots: &[(&str, &str, &[u8])]) -> Value {
    let numbers: Vec<u8> =
        [0f32, 0., 0., 1., 0., 0., 0., 1., 0., 0., 0., 1., 0., 0., 1.].iter().flat_map(|n| n.to_le_bytes()).collect();
    let mut images: Vec<(&str, &[u8])> = Vec::new();
    let mut material = json!({"pbrMetallicRoughness": {}});
    for &(slot, media_type, bytes) in slots {
        let at = images.iter().position(|image| image.1 == bytes).unwrap_or_else(|| {
            images.push((media_type, bytes));
            images.len() - 1
        });
        let (outer, name) = slot.rsplit_once('.').unwrap_or(("", slot));
        let object = if outer.is_empty() { &mut material } else { &mut material[outer] };
        object[name] = json!({"index": at});
    }
    let textures = images.iter().enumerate().map(|(at, (media_type, _))| match *media_type {
        "image/ktx2" => json!({"extensions": {"KHR_texture_basisu": {"source": at}}}),
        "image/webp" => json!({"extensions": {"EXT_texture_webp": {"source": at}}}),
        _ => json!({"source": at}),
    });
    let mut json = json!({
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": 0}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": 3,
            "min": [0, 0, 0], "max": [1, 1, 0]},
            {"bufferView": 1, "componentType": 5126, "type": "VEC2", "count": 3}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 24}],
        "buffers": [{"byteLength": numbers.len(), "uri": super::data_uri(&numbers)}],
        "materials": [material],
        "textures": textures.collect::<Vec<_>>(),
        "images": images.iter().map(|(media_type, bytes)| {
            json!({"uri": super::data_uri(bytes).replace("application/octet-stream", media_type)})
        }).collect::<Vec<_>>(),
    });
    for (named, extension) in [("image/webp", "EXT_texture_webp"), ("image/ktx2", "KHR_texture_basisu")] {
        if images.iter().any(|(media_type, _)| *media_type == named) {
            json["extensionsUsed"] = json!([extension]);
            json["extensionsRequired"] = json!([extension]);
        }
    }
    json
}

pub(crate) fn options(format: ImageFormat, max_size: Option<u32>) -> ModelOptions {
    let mut options = ModelOptions::default();
    (options.images.format, options.images.max_size) = (format, max_size);
    options
}

pub(crate) fn run(model: &Value, options: &ModelOptions) -> (Report, Files) {
    let input = AssetInput::from_bytes("m.gltf", model.to_string());
    super::run(&ModelProcessor, &input, options, &AssetLimits::default()).unwrap()
}

/// The JSON of a GLB, and its images.
pub(crate) fn opened(glb: &[u8]) -> (Value, Vec<(String, Vec<u8>)>) {
    let (json, binary) = super::glb(glb);
    let images = json["images"].as_array().cloned().unwrap_or_default().into_iter().map(|image| {
        let view = &json["bufferViews"][image["bufferView"].as_u64().unwrap() as usize];
        let number = |name: &str| view[name].as_u64().unwrap_or_default() as usize;
        let bytes = binary[number("byteOffset")..number("byteOffset") + number("byteLength")].to_vec();
        (image["mimeType"].as_str().unwrap().to_owned(), bytes)
    });
    let images = images.collect();
    (json, images)
}

pub(crate) fn decoded(image: &[u8]) -> image::RgbaImage {
    image::load_from_memory(image).unwrap().to_rgba8()
}
