//! Images, textures and materials, and what they name.

use super::{
    extensions, objects,
    schema::{Object, natural},
    storage::{Links, ViewUsage},
};
use crate::model::gltf::{list, resolve};
use serde_json::Value;

pub(super) fn check(links: &mut Links<'_>) {
    let types: Vec<Option<&str>> = list(links.json, "images").iter().map(told).collect();
    links.each("images", |links, at, image| {
        if let Some(view) = links.named(image, "bufferView", "bufferViews") {
            links.use_tight_view(view, ViewUsage::Image, "bufferView", "IMAGE_BUFFER_VIEW_WITH_BYTESTRIDE");
        }
        content(links, at, image, types[at]);
    });
    let webp = links.declares("EXT_texture_webp");
    links.each("textures", |links, _, texture| {
        links.named(texture, "sampler", "samplers");
        if let Some(image) = links.named(texture, "source", "images") {
            source(links, types[image], |media_type| matches!(media_type, "image/png" | "image/jpeg"));
        }
        if webp && let Some(extension) = texture.pointer("/extensions/EXT_texture_webp") {
            links.below("extensions", |links| {
                links.below("EXT_texture_webp", |links| {
                    if let Some(image) = links.named(extension, "source", "images") {
                        source(links, types[image], |media_type| media_type == "image/webp");
                    }
                });
            });
        }
    });
    links.each("materials", |links, _, material| {
        for slot in slots(material, &|name| links.declares(name)) {
            let len = links.found.enter_along(&slot.pointer);
            links.named(slot.info, "index", "textures");
            links.found.leave(len);
        }
    });
}

/// A texture of a material.
pub(super) struct Slot<'a> {
    /// Where it is in the material.
    pub(super) pointer: String,
    pub(super) info: &'a Value,
    /// The set of coordinates that it is laid by.
    pub(super) set: u64,
    /// The one for viewers that don't know `KHR_texture_transform`.
    pub(super) plain_set: u64,
}

/// The textures of a material, those of known extensions that are used included.
pub(super) fn slots<'a>(material: &'a Value, declares: &dyn Fn(&str) -> bool) -> Vec<Slot<'a>> {
    let mut slots = Vec::new();
    let mut of = |table: &Object, object: &'a Value, before: &str| {
        for name in table.parts("textureInfo") {
            let Some(info) = object.get(name).filter(|info| info.is_object()) else { continue };
            let set = |info: &Value| info.get("texCoord").and_then(natural);
            let moved = info.pointer("/extensions/KHR_texture_transform").filter(|_| declares("KHR_texture_transform"));
            let plain_set = set(info).unwrap_or(0);
            let set = moved.and_then(set).unwrap_or(plain_set);
            slots.push(Slot { pointer: format!("{before}/{name}"), info, set, plain_set });
        }
    };
    of(&objects::MATERIAL, material, "");
    of(&objects::METALLIC_ROUGHNESS, &material["pbrMetallicRoughness"], "/pbrMetallicRoughness");
    for (name, table) in extensions::all_of("material").filter(|(name, _)| declares(name)) {
        of(table, &material["extensions"][name], &format!("/extensions/{name}"));
    }
    slots
}

/// The media type that an image says it has.
fn told(image: &Value) -> Option<&str> {
    let named = image.get("mimeType").and_then(Value::as_str);
    named.or_else(|| Some(resolve::data_uri(image.get("uri")?.as_str()?.strip_prefix("data:")?)?.0))
}

fn source(links: &mut Links<'_>, media_type: Option<&str>, is_right: impl Fn(&str) -> bool) {
    if let Some(media_type) = media_type.filter(|media_type| !is_right(media_type)) {
        let message = format!("an image of the type {media_type} can't be the source here");
        links.found.add_at("source", "TEXTURE_INVALID_IMAGE_MIME_TYPE", message);
    }
}

/// What the first bytes of an image say, where they are in the document. A data URI that says otherwise is none.
fn content(links: &mut Links<'_>, at: usize, image: &Value, told: Option<&str>) {
    let data = image.get("uri").and_then(Value::as_str).and_then(|uri| uri.strip_prefix("data:"));
    let (place, first) = if let Some(data) = data {
        let Some((media_type, bytes)) = resolve::data_uri(data) else { return };
        let first = bytes(24);
        if resolve::media_type(&first).is_some_and(|found| found != media_type.to_lowercase()) {
            links.found.add_at("uri", "INVALID_URI", "the data URI's type is not that of the image");
            return;
        }
        ("uri", first)
    } else {
        let Some(view) = image.get("bufferView").and_then(natural).and_then(|view| usize::try_from(view).ok()) else {
            return;
        };
        let Some(view) = links.views.get(view) else { return };
        let buffer = view.buffer.and_then(|buffer| links.buffers.get(buffer)?.as_ref());
        let bytes = buffer.zip(view.offset).and_then(|(bytes, offset)| bytes.get(usize::try_from(offset).ok()?..));
        let Some(bytes) = bytes else { return };
        ("bufferView", bytes[..bytes.len().min(24)].to_vec())
    };
    let is_allowed = |media_type: &str, links: &Links<'_>| match media_type {
        "image/png" | "image/jpeg" => true,
        "image/webp" => links.declares("EXT_texture_webp"),
        "image/ktx2" => links.declares("KHR_texture_basisu"),
        _ => false,
    };
    match (resolve::media_type(&first), told) {
        (None, _) => {
            links.found.add("IMAGE_UNRECOGNIZED_FORMAT", format!("image {at} is of a format that is not known"));
        }
        (Some(found), Some(told)) if found != told => {
            let message = format!("the bytes are of the type {found}, not {told}");
            links.found.add_at(place, "IMAGE_MIME_TYPE_INVALID", message);
        }
        (Some(found), _) if !is_allowed(found, links) => {
            links.found.add("IMAGE_NON_ENABLED_MIME_TYPE", format!("{found} needs an extension"));
        }
        _ => {}
    }
}
