//! What the objects of glTF 2.0 hold: chapter 5 of the specification.

use super::{
    extensions, meshes, nodes, rules,
    schema::{ABOVE_0, ANY, FROM_0, Kind, Object, TO_1, WHOLE, may, must, numbers, plain, whole},
    semantic::{self, Semantic},
};
use serde_json::Value;

pub(super) static DOCUMENT: Object = Object {
    name: "document",
    properties: &[
        must("asset", Kind::One(&ASSET)),
        may("extensionsUsed", Kind::Texts),
        may("extensionsRequired", Kind::Texts),
        may("accessors", Kind::List(&ACCESSOR)),
        may("animations", Kind::List(&ANIMATION)),
        may("buffers", Kind::List(&BUFFER)),
        may("bufferViews", Kind::List(&BUFFER_VIEW)),
        may("cameras", Kind::List(&CAMERA)),
        may("images", Kind::List(&IMAGE)),
        may("materials", Kind::List(&MATERIAL)),
        may("meshes", Kind::List(&MESH)),
        may("nodes", Kind::List(&NODE)),
        may("samplers", Kind::List(&SAMPLER)),
        may("scene", Kind::Index),
        may("scenes", Kind::List(&SCENE)),
        may("skins", Kind::List(&SKIN)),
        may("textures", Kind::List(&TEXTURE)),
    ],
    rules: extensions::declared,
};

static ASSET: Object = Object {
    name: "asset",
    properties: &[
        may("copyright", Kind::Text),
        may("generator", Kind::Text),
        must("version", Kind::TextLike(rules::is_version, "version, as 2.0 is")),
        may("minVersion", Kind::TextLike(rules::is_version, "version, as 2.0 is")),
    ],
    rules: |asset, check| {
        let version = |name: &str| asset.get(name).and_then(Value::as_str).and_then(rules::parts_of_version);
        let Some((major, minor)) = version("version") else { return };
        if major != 2 {
            check.found.add_at("version", "UNKNOWN_ASSET_MAJOR_VERSION", "only 2 is known");
        } else if minor > 0 {
            check.found.add_at("version", "UNKNOWN_ASSET_MINOR_VERSION", "only 2.0 is known");
        }
        if version("minVersion").is_some_and(|least| least > (major, minor)) {
            check.found.add_at("minVersion", "ASSET_MIN_VERSION_GREATER_THAN_VERSION", "it is above version");
        }
    },
};

static ACCESSOR: Object = Object {
    name: "accessor",
    properties: &[
        may("bufferView", Kind::Index),
        may("byteOffset", Kind::Own),
        must("componentType", Kind::WholeOf(&[5120, 5121, 5122, 5123, 5125, 5126])),
        must("count", Kind::Whole(1, u64::MAX)),
        must("type", Kind::TextOf(&["SCALAR", "VEC2", "VEC3", "VEC4", "MAT2", "MAT3", "MAT4"])),
        may("normalized", Kind::Flag),
        may("max", Kind::Own),
        may("min", Kind::Own),
        may("sparse", Kind::One(&SPARSE)),
        may("name", Kind::Text),
    ],
    rules: rules::accessor,
};

static SPARSE: Object = Object {
    name: "sparse",
    properties: &[
        must("count", Kind::Whole(1, u64::MAX)),
        must("indices", Kind::One(&SPARSE_INDICES)),
        must("values", Kind::One(&SPARSE_VALUES)),
    ],
    rules: plain,
};

static SPARSE_INDICES: Object = Object {
    name: "sparse.indices",
    properties: &[
        must("bufferView", Kind::Index),
        may("byteOffset", WHOLE),
        must("componentType", Kind::WholeOf(&[5121, 5123, 5125])),
    ],
    rules: plain,
};

static SPARSE_VALUES: Object = Object {
    name: "sparse.values",
    properties: &[must("bufferView", Kind::Index), may("byteOffset", WHOLE)],
    rules: plain,
};

static ANIMATION: Object = Object {
    name: "animation",
    properties: &[
        must("channels", Kind::Many(&CHANNEL)),
        must("samplers", Kind::Many(&ANIMATION_SAMPLER)),
        may("name", Kind::Text),
    ],
    rules: plain,
};

static CHANNEL: Object = Object {
    name: "channel",
    properties: &[must("sampler", Kind::Index), must("target", Kind::One(&TARGET))],
    rules: plain,
};

static TARGET: Object = Object {
    name: "target",
    properties: &[may("node", Kind::Index), must("path", Kind::Own)],
    rules: |target, check| match target.get("path") {
        None | Some(Value::Null) => {}
        Some(Value::String(path)) => {
            let is_known = matches!(path.as_str(), "translation" | "rotation" | "scale" | "weights");
            if !(is_known || path == "pointer" && check.used.contains("KHR_animation_pointer")) {
                check.not_listed("path", &target["path"]);
            }
        }
        Some(_) => check.mismatch("path", "string"),
    },
};

static ANIMATION_SAMPLER: Object = Object {
    name: "animation.sampler",
    properties: &[
        must("input", Kind::Index),
        may("interpolation", Kind::TextOf(&["LINEAR", "STEP", "CUBICSPLINE"])),
        must("output", Kind::Index),
    ],
    rules: plain,
};

static BUFFER: Object = Object {
    name: "buffer",
    properties: &[may("uri", Kind::Text), must("byteLength", Kind::Whole(1, u64::MAX)), may("name", Kind::Text)],
    rules: |buffer, check| {
        if let Some(media_type) = rules::uri(buffer, check)
            && !matches!(media_type.to_lowercase().as_str(), "application/octet-stream" | "application/gltf-buffer")
        {
            let message = format!("{media_type} is no type of buffers");
            check.found.add_at("uri", "BUFFER_DATA_URI_MIME_TYPE_INVALID", message);
        }
    },
};

static BUFFER_VIEW: Object = Object {
    name: "bufferView",
    properties: &[
        must("buffer", Kind::Index),
        may("byteOffset", WHOLE),
        must("byteLength", Kind::Whole(1, u64::MAX)),
        may("byteStride", Kind::Whole(4, 252)),
        may("target", Kind::WholeOf(&[34962, 34963])),
        may("name", Kind::Text),
    ],
    rules: |view, check| {
        let number = |name: &str| view.get(name).and_then(whole);
        let Some(stride) = number("byteStride").filter(|stride| (4..=252).contains(stride)) else { return };
        if number("byteLength").is_some_and(|len| len > 0 && stride > len) {
            check.found.add_at("byteStride", "BUFFER_VIEW_TOO_BIG_BYTE_STRIDE", "it is longer than the view");
        }
        if stride % 4 != 0 {
            check.found.add_at("byteStride", "VALUE_MULTIPLE_OF", format!("{stride} is no multiple of 4"));
        }
        if number("target") == Some(34963) {
            check.found.add_at("byteStride", "BUFFER_VIEW_INVALID_BYTE_STRIDE", "only vertices may have a stride");
        }
    },
};

static CAMERA: Object = Object {
    name: "camera",
    properties: &[
        must("type", Kind::TextOf(&["orthographic", "perspective"])),
        may("orthographic", Kind::One(&ORTHOGRAPHIC)),
        may("perspective", Kind::One(&PERSPECTIVE)),
        may("name", Kind::Text),
    ],
    rules: |camera, check| {
        if camera.contains_key("orthographic") && camera.contains_key("perspective") {
            check.found.add("ONE_OF_MISMATCH", "a camera is either orthographic or perspective");
        }
        if let Some(kind @ ("orthographic" | "perspective")) = camera.get("type").and_then(Value::as_str)
            && camera.get(kind).is_none_or(Value::is_null)
        {
            check.found.add("UNDEFINED_PROPERTY", format!("{kind} has to be there"));
        }
    },
};

static ORTHOGRAPHIC: Object = Object {
    name: "orthographic",
    properties: &[must("xmag", ANY), must("ymag", ANY), must("zfar", ABOVE_0), must("znear", FROM_0)],
    rules: |camera, check| {
        for name in ["xmag", "ymag"] {
            match camera.get(name).and_then(Value::as_f64) {
                Some(0.0) => check.found.add_at(name, "CAMERA_XMAG_YMAG_ZERO", "nothing is seen"),
                Some(..0.0) => check.found.add_at(name, "CAMERA_XMAG_YMAG_NEGATIVE", "it is better positive"),
                _ => {}
            }
        }
        rules::planes(camera, check);
    },
};

static PERSPECTIVE: Object = Object {
    name: "perspective",
    properties: &[may("aspectRatio", ABOVE_0), must("yfov", ABOVE_0), may("zfar", ABOVE_0), must("znear", ABOVE_0)],
    rules: |camera, check| {
        if camera.get("yfov").and_then(Value::as_f64).is_some_and(|yfov| yfov >= std::f64::consts::PI) {
            check.found.add("CAMERA_YFOV_GEQUAL_PI", "yfov is better below half a turn");
        }
        rules::planes(camera, check);
    },
};

static IMAGE: Object = Object {
    name: "image",
    properties: &[
        may("bufferView", Kind::Index),
        may("mimeType", Kind::Own),
        may("uri", Kind::Text),
        may("name", Kind::Text),
    ],
    rules: |image, check| {
        let [view, link] = ["bufferView", "uri"].map(|name| image.get(name).is_some_and(|value| !value.is_null()));
        match image.get("mimeType") {
            Some(Value::String(media_type)) if !rules::is_image(media_type, check) => {
                check.not_listed("mimeType", &image["mimeType"]);
            }
            Some(Value::String(_)) => {}
            Some(_) => check.mismatch("mimeType", "string"),
            None if view => check.found.add_at("bufferView", "UNSATISFIED_DEPENDENCY", "mimeType has to be there"),
            None => {}
        }
        if view == link {
            check.found.add("ONE_OF_MISMATCH", "an image has either a bufferView or a uri");
        }
        rules::uri(image, check);
    },
};

pub(super) static MATERIAL: Object = Object {
    name: "material",
    properties: &[
        may("pbrMetallicRoughness", Kind::One(&METALLIC_ROUGHNESS)),
        may("normalTexture", Kind::One(&NORMAL_TEXTURE)),
        may("occlusionTexture", Kind::One(&OCCLUSION_TEXTURE)),
        may("emissiveTexture", Kind::One(&TEXTURE_INFO)),
        may("emissiveFactor", Kind::Numbers(3, 0.0, 1.0)),
        may("alphaMode", Kind::TextOf(&["OPAQUE", "MASK", "BLEND"])),
        may("alphaCutoff", FROM_0),
        may("doubleSided", Kind::Flag),
        may("name", Kind::Text),
    ],
    rules: |material, check| {
        let is_mask = material.get("alphaMode").and_then(Value::as_str) == Some("MASK");
        if !is_mask && material.get("alphaCutoff").and_then(Value::as_f64).is_some_and(|cutoff| cutoff >= 0.0) {
            check.found.add_at("alphaCutoff", "MATERIAL_ALPHA_CUTOFF_INVALID_MODE", "it is for alphaMode MASK only");
        }
        extensions::material(material, check);
    },
};

pub(super) static METALLIC_ROUGHNESS: Object = Object {
    name: "pbrMetallicRoughness",
    properties: &[
        may("baseColorFactor", Kind::Numbers(4, 0.0, 1.0)),
        may("baseColorTexture", Kind::One(&TEXTURE_INFO)),
        may("metallicFactor", TO_1),
        may("roughnessFactor", TO_1),
        may("metallicRoughnessTexture", Kind::One(&TEXTURE_INFO)),
    ],
    rules: plain,
};

pub(super) static TEXTURE_INFO: Object =
    Object { name: "textureInfo", properties: &[must("index", Kind::Index), may("texCoord", WHOLE)], rules: plain };

pub(super) static NORMAL_TEXTURE: Object = Object {
    name: "textureInfo",
    properties: &[must("index", Kind::Index), may("texCoord", WHOLE), may("scale", ANY)],
    rules: plain,
};

static OCCLUSION_TEXTURE: Object = Object {
    name: "textureInfo",
    properties: &[must("index", Kind::Index), may("texCoord", WHOLE), may("strength", TO_1)],
    rules: plain,
};

static MESH: Object = Object {
    name: "mesh",
    properties: &[must("primitives", Kind::Many(&PRIMITIVE)), may("weights", numbers(0)), may("name", Kind::Text)],
    rules: plain,
};

static PRIMITIVE: Object = Object {
    name: "primitive",
    properties: &[
        must("attributes", Kind::Named(|name| Semantic::of(name).is_some())),
        may("indices", Kind::Index),
        may("material", Kind::Index),
        may("mode", Kind::Whole(0, 6)),
        may("targets", Kind::NamedLists(semantic::is_morph_target)),
    ],
    rules: meshes::semantics,
};

static NODE: Object = Object {
    name: "node",
    properties: &[
        may("camera", Kind::Index),
        may("children", Kind::Indices),
        may("skin", Kind::Index),
        may("matrix", numbers(16)),
        may("mesh", Kind::Index),
        may("rotation", Kind::Numbers(4, -1.0, 1.0)),
        may("scale", numbers(3)),
        may("translation", numbers(3)),
        may("weights", numbers(0)),
        may("name", Kind::Text),
    ],
    rules: nodes::transform,
};

static SAMPLER: Object = Object {
    name: "sampler",
    properties: &[
        may("magFilter", Kind::WholeOf(&[9728, 9729])),
        may("minFilter", Kind::WholeOf(&[9728, 9729, 9984, 9985, 9986, 9987])),
        may("wrapS", Kind::WholeOf(&[33071, 33648, 10497])),
        may("wrapT", Kind::WholeOf(&[33071, 33648, 10497])),
        may("name", Kind::Text),
    ],
    rules: plain,
};

static SCENE: Object =
    Object { name: "scene", properties: &[may("nodes", Kind::Indices), may("name", Kind::Text)], rules: plain };

static SKIN: Object = Object {
    name: "skin",
    properties: &[
        may("inverseBindMatrices", Kind::Index),
        may("skeleton", Kind::Index),
        must("joints", Kind::Indices),
        may("name", Kind::Text),
    ],
    rules: plain,
};

static TEXTURE: Object = Object {
    name: "texture",
    properties: &[may("sampler", Kind::Index), may("source", Kind::Index), may("name", Kind::Text)],
    rules: plain,
};
