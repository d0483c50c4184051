//! What the extensions that are known hold, and where they belong.

use super::{
    objects::{NORMAL_TEXTURE, TEXTURE_INFO},
    schema::{ABOVE_0, ANY, Check, FROM_0, Kind, Object, Range, TO_1, WHOLE, may, must, number, numbers, plain, whole},
};
use crate::model::gltf::list;
use serde_json::{Map, Value};
use std::collections::HashSet;

struct Extension {
    name: &'static str,
    /// By the object that it may be in.
    places: &'static [(&'static str, &'static Object)],
    /// Whether it can't be ignored, and has to be in `extensionsRequired`.
    required: bool,
    /// Whether it may not go with other extensions.
    alone: bool,
}

const fn optional(name: &'static str, places: &'static [(&'static str, &'static Object)]) -> Extension {
    Extension { name, places, required: false, alone: false }
}

static KNOWN: &[Extension] = &[
    optional("EXT_texture_webp", &[("texture", &WEBP)]),
    optional("KHR_animation_pointer", &[("target", &POINTER)]),
    optional("KHR_lights_punctual", &[("document", &LIGHTS), ("node", &LIGHT_OF_NODE)]),
    optional("KHR_materials_anisotropy", &[("material", &ANISOTROPY)]),
    optional("KHR_materials_clearcoat", &[("material", &CLEARCOAT)]),
    optional("KHR_materials_dispersion", &[("material", &DISPERSION)]),
    optional("KHR_materials_emissive_strength", &[("material", &EMISSIVE_STRENGTH)]),
    optional("KHR_materials_ior", &[("material", &IOR)]),
    optional("KHR_materials_iridescence", &[("material", &IRIDESCENCE)]),
    Extension { alone: true, ..optional("KHR_materials_pbrSpecularGlossiness", &[("material", &SPECULAR_GLOSSINESS)]) },
    optional("KHR_materials_sheen", &[("material", &SHEEN)]),
    optional("KHR_materials_specular", &[("material", &SPECULAR)]),
    optional("KHR_materials_transmission", &[("material", &TRANSMISSION)]),
    Extension { alone: true, ..optional("KHR_materials_unlit", &[("material", &UNLIT)]) },
    optional("KHR_materials_variants", &[("document", &VARIANTS), ("primitive", &VARIANTS_OF_PRIMITIVE)]),
    optional("KHR_materials_volume", &[("material", &VOLUME)]),
    Extension { required: true, ..optional("KHR_mesh_quantization", &[]) },
    optional("KHR_node_visibility", &[("node", &VISIBILITY)]),
    optional("KHR_texture_transform", &[("textureInfo", &TEXTURE_TRANSFORM)]),
];

fn known(name: &str) -> Option<&'static Extension> {
    KNOWN.iter().find(|extension| extension.name == name)
}

/// The extensions that a document says it uses; none where not all of them are names.
pub(super) fn used(document: &Value) -> HashSet<&str> {
    let list = list(document, "extensionsUsed");
    let names: Option<HashSet<&str>> = list.iter().map(Value::as_str).collect();
    names.unwrap_or_default()
}

/// Whether what it holds is looked at here.
pub(super) fn is_known(name: &str) -> bool {
    known(name).is_some()
}

pub(super) fn is_alone(name: &str) -> bool {
    known(name).is_some_and(|extension| extension.alone)
}

/// What an extension holds in such an object.
pub(super) fn of(name: &str, object: &str) -> Option<&'static Object> {
    known(name)?.places.iter().find(|(place, _)| *place == object).map(|(_, table)| *table)
}

/// The extensions that such an object may hold, and what they hold there.
pub(super) fn all_of(object: &str) -> impl Iterator<Item = (&'static str, &'static Object)> {
    KNOWN.iter().filter_map(move |extension| Some((extension.name, of(extension.name, object)?)))
}

/// Rules of the lists of extensions that a document uses and requires.
pub(super) fn declared(document: &Map<String, Value>, check: &mut Check<'_>) {
    let texts = |name: &str| -> Vec<&str> {
        let list = document.get(name).and_then(Value::as_array).into_iter().flatten();
        list.map(|entry| entry.as_str().unwrap_or_default()).collect()
    };
    if document.contains_key("extensionsRequired") && !document.contains_key("extensionsUsed") {
        check.found.add_at("extensionsRequired", "UNSATISFIED_DEPENDENCY", "extensionsUsed has to be there");
    }
    let (used, required) = (texts("extensionsUsed"), texts("extensionsRequired"));
    let [all_used, all_required] = [&used, &required].map(|names| names.iter().copied().collect::<HashSet<&str>>());
    let len = check.found.enter("extensionsUsed");
    for (at, name) in used.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let prefix = name.split('_').next().unwrap_or_default();
        let is_right = prefix.len() < name.len() - 1
            && prefix.starts_with(|first: char| first.is_ascii_uppercase() || first.is_ascii_digit())
            && prefix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_right {
            check.found.add_at(at, "INVALID_EXTENSION_NAME_FORMAT", "the name is not of the form PREFIX_name");
        }
        match known(name) {
            None => check.found.add_at(at, "UNSUPPORTED_EXTENSION", "nothing is said of what this extension holds"),
            Some(extension) if extension.required && !all_required.contains(name) => {
                check.found.add_at(at, "NON_REQUIRED_EXTENSION", "this extension has to be required, too");
            }
            Some(_) => {}
        }
    }
    check.found.leave(len);
    for (at, name) in required.iter().enumerate().filter(|(_, name)| !all_used.contains(*name)) {
        check.found.below("extensionsRequired", |found| {
            found.add_at(at, "UNUSED_EXTENSION_REQUIRED", format!("extensionsUsed doesn't name {name}"));
        });
    }
}

/// Rules of a material's extensions together.
pub(super) fn material(material: &Map<String, Value>, check: &mut Check<'_>) {
    let Some(Value::Object(extensions)) = material.get("extensions") else { return };
    let used = &check.used;
    let of = |name: &str| extensions.get(name).filter(|_| used.contains(name)).and_then(Value::as_object);
    let texture = |object: Option<&Map<String, Value>>, name: &str| -> Option<i128> {
        let info = object?.get(name)?.as_object()?;
        Some(info.get("texCoord").and_then(whole).unwrap_or(0))
    };
    let mut issues = Vec::new();
    let normal = texture(Some(material), "normalTexture");
    for (name, own, code) in [
        ("KHR_materials_anisotropy", "anisotropyTexture", "KHR_MATERIALS_ANISOTROPY_ANISOTROPY_TEXTURE_TEXCOORD"),
        (
            "KHR_materials_clearcoat",
            "clearcoatNormalTexture",
            "KHR_MATERIALS_CLEARCOAT_CLEARCOAT_NORMAL_TEXTURE_TEXCOORD",
        ),
    ] {
        if let (Some(normal), Some(other)) = (normal, texture(of(name), own))
            && normal != other
        {
            issues.push((name, Some(own), code, "it has other coordinates than the normal map"));
        }
    }
    if of("KHR_materials_dispersion").is_some() && of("KHR_materials_volume").is_none() {
        let code = "KHR_MATERIALS_DISPERSION_NO_VOLUME";
        issues.push(("KHR_materials_dispersion", None, code, "it has no effect without KHR_materials_volume"));
    }
    let emissive = material.get("emissiveFactor").and_then(Value::as_array);
    let is_dark = emissive.is_none_or(|factor| factor.iter().all(|number| number.as_f64() == Some(0.0)));
    let strength = of("KHR_materials_emissive_strength").and_then(|extension| extension.get("emissiveStrength"));
    if strength.and_then(Value::as_f64).is_some_and(|strength| strength >= 0.0) && is_dark {
        let code = "KHR_MATERIALS_EMISSIVE_STRENGTH_ZERO_FACTOR";
        issues.push(("KHR_materials_emissive_strength", None, code, "it has no effect without an emissiveFactor"));
    }
    if let Some(volume) = of("KHR_materials_volume") {
        // One that isn't known may let light through.
        let may_shine = extensions.keys().any(|name| name == "KHR_materials_transmission" || !is_known(name));
        if !may_shine {
            let message = "it has no effect without KHR_materials_transmission";
            issues.push(("KHR_materials_volume", None, "KHR_MATERIALS_VOLUME_NO_TRANSMISSION", message));
        }
        let is_thick = volume.get("thicknessFactor").and_then(Value::as_f64).is_some_and(|thickness| thickness > 0.0);
        if is_thick && material.get("doubleSided").and_then(Value::as_bool) == Some(true) {
            let message = "a volume has one side";
            issues.push(("KHR_materials_volume", None, "KHR_MATERIALS_VOLUME_DOUBLE_SIDED", message));
        }
    }
    for (name, below, code, message) in issues {
        check.found.below("extensions", |found| {
            found.below(name, |found| match below {
                Some(below) => found.add_at(below, code, message),
                None => found.add(code, message),
            });
        });
    }
}

static WEBP: Object = Object { name: "webp", properties: &[may("source", Kind::Index)], rules: plain };

static POINTER: Object = Object {
    name: "pointer",
    properties: &[must("pointer", Kind::TextLike(is_pointer, "JSON pointer"))],
    rules: |_, check| {
        let message = "not all of this extension is looked at";
        check.found.add("INCOMPLETE_EXTENSION_SUPPORT", message);
    },
};

/// RFC 6901.
fn is_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(|part| part.starts_with(['0', '1']))
}

static LIGHTS: Object = Object { name: "lights", properties: &[must("lights", Kind::Many(&LIGHT))], rules: plain };

static LIGHT: Object = Object {
    name: "light",
    properties: &[
        may("color", Kind::Numbers(3, 0.0, 1.0)),
        may("intensity", FROM_0),
        may("spot", Kind::One(&SPOT)),
        must("type", Kind::TextOf(&["directional", "point", "spot"])),
        may("range", ABOVE_0),
        may("name", Kind::Text),
    ],
    rules: |light, check| {
        let kind = light.get("type").and_then(Value::as_str);
        match kind {
            Some("spot") if !light.contains_key("spot") => {
                check.found.add("UNDEFINED_PROPERTY", "spot has to be there");
            }
            Some("point" | "directional") if light.contains_key("spot") => {
                check.found.add_at("spot", "EXTRA_PROPERTY", "it is for spots only");
            }
            _ => {}
        }
        if kind == Some("directional") && light.contains_key("range") {
            check.found.add_at("range", "EXTRA_PROPERTY", "a directional light reaches everywhere");
        }
    },
};

static SPOT: Object = Object {
    name: "spot",
    properties: &[
        may(
            "innerConeAngle",
            Kind::Number(Range { least: 0.0, above: false, most: std::f64::consts::FRAC_PI_2, also: None }),
        ),
        may(
            "outerConeAngle",
            Kind::Number(Range { least: 0.0, above: true, most: std::f64::consts::FRAC_PI_2, also: None }),
        ),
    ],
    rules: |spot, check| {
        let angle = |name: &str, default: f64| spot.get(name).map_or(Some(default), Value::as_f64);
        if let (Some(inner), Some(outer)) =
            (angle("innerConeAngle", 0.0), angle("outerConeAngle", std::f64::consts::FRAC_PI_4))
            && outer <= inner
        {
            let code = "KHR_LIGHTS_PUNCTUAL_LIGHT_SPOT_ANGLES";
            check.found.add_at("outerConeAngle", code, "the outer cone is no wider than the inner one");
        }
    },
};

static LIGHT_OF_NODE: Object = Object { name: "node.light", properties: &[must("light", Kind::Index)], rules: plain };

static ANISOTROPY: Object = Object {
    name: "anisotropy",
    properties: &[
        may("anisotropyStrength", TO_1),
        may("anisotropyRotation", ANY),
        may("anisotropyTexture", Kind::One(&TEXTURE_INFO)),
    ],
    rules: plain,
};

static CLEARCOAT: Object = Object {
    name: "clearcoat",
    properties: &[
        may("clearcoatFactor", TO_1),
        may("clearcoatTexture", Kind::One(&TEXTURE_INFO)),
        may("clearcoatRoughnessFactor", TO_1),
        may("clearcoatRoughnessTexture", Kind::One(&TEXTURE_INFO)),
        may("clearcoatNormalTexture", Kind::One(&NORMAL_TEXTURE)),
    ],
    rules: plain,
};

static DISPERSION: Object = Object { name: "dispersion", properties: &[may("dispersion", FROM_0)], rules: plain };

static EMISSIVE_STRENGTH: Object =
    Object { name: "emissive_strength", properties: &[may("emissiveStrength", FROM_0)], rules: plain };

static IOR: Object = Object {
    name: "ior",
    // 0 stands for a material without reflections of the surface.
    properties: &[may("ior", Kind::Number(Range { least: 1.0, above: false, most: f64::INFINITY, also: Some(0.0) }))],
    rules: plain,
};

static IRIDESCENCE: Object = Object {
    name: "iridescence",
    properties: &[
        may("iridescenceFactor", TO_1),
        may("iridescenceTexture", Kind::One(&TEXTURE_INFO)),
        may("iridescenceIor", number(1.0, f64::INFINITY)),
        may("iridescenceThicknessMinimum", FROM_0),
        may("iridescenceThicknessMaximum", FROM_0),
        may("iridescenceThicknessTexture", Kind::One(&TEXTURE_INFO)),
    ],
    rules: |film, check| {
        let thickness = |name: &str, default: f64| film.get(name).and_then(Value::as_f64).unwrap_or(default);
        let (least, most) =
            (thickness("iridescenceThicknessMinimum", 100.0), thickness("iridescenceThicknessMaximum", 400.0));
        if film.contains_key("iridescenceThicknessTexture") {
            if least == most {
                let code = "KHR_MATERIALS_IRIDESCENCE_THICKNESS_TEXTURE_UNUSED";
                check.found.add_at("iridescenceThicknessTexture", code, "both thicknesses are the same");
            }
        } else if film.contains_key("iridescenceThicknessMinimum") {
            let code = "KHR_MATERIALS_IRIDESCENCE_THICKNESS_RANGE_WITHOUT_TEXTURE";
            check.found.add_at("iridescenceThicknessMinimum", code, "it has no effect without a texture");
        }
    },
};

static SPECULAR_GLOSSINESS: Object = Object {
    name: "pbrSpecularGlossiness",
    properties: &[
        may("diffuseFactor", Kind::Numbers(4, 0.0, 1.0)),
        may("diffuseTexture", Kind::One(&TEXTURE_INFO)),
        may("specularFactor", Kind::Numbers(3, 0.0, 1.0)),
        may("glossinessFactor", TO_1),
        may("specularGlossinessTexture", Kind::One(&TEXTURE_INFO)),
    ],
    rules: plain,
};

static SHEEN: Object = Object {
    name: "sheen",
    properties: &[
        may("sheenColorFactor", Kind::Numbers(3, 0.0, 1.0)),
        may("sheenColorTexture", Kind::One(&TEXTURE_INFO)),
        may("sheenRoughnessFactor", TO_1),
        may("sheenRoughnessTexture", Kind::One(&TEXTURE_INFO)),
    ],
    rules: plain,
};

static SPECULAR: Object = Object {
    name: "specular",
    properties: &[
        may("specularFactor", TO_1),
        may("specularTexture", Kind::One(&TEXTURE_INFO)),
        may("specularColorFactor", Kind::Numbers(3, 0.0, f64::INFINITY)),
        may("specularColorTexture", Kind::One(&TEXTURE_INFO)),
    ],
    rules: plain,
};

static TRANSMISSION: Object = Object {
    name: "transmission",
    properties: &[may("transmissionFactor", TO_1), may("transmissionTexture", Kind::One(&TEXTURE_INFO))],
    rules: plain,
};

static UNLIT: Object = Object { name: "unlit", properties: &[], rules: plain };

static VARIANTS: Object =
    Object { name: "variants", properties: &[must("variants", Kind::Many(&VARIANT))], rules: plain };

static VARIANT: Object = Object { name: "variant", properties: &[must("name", Kind::Text)], rules: plain };

static VARIANTS_OF_PRIMITIVE: Object =
    Object { name: "primitive.variants", properties: &[must("mappings", Kind::Many(&MAPPING))], rules: plain };

static MAPPING: Object = Object {
    name: "mapping",
    properties: &[must("variants", Kind::Indices), must("material", Kind::Index), may("name", Kind::Text)],
    rules: plain,
};

static VOLUME: Object = Object {
    name: "volume",
    properties: &[
        may("thicknessFactor", FROM_0),
        may("thicknessTexture", Kind::One(&TEXTURE_INFO)),
        may("attenuationDistance", ABOVE_0),
        may("attenuationColor", Kind::Numbers(3, 0.0, 1.0)),
    ],
    rules: plain,
};

static VISIBILITY: Object = Object { name: "visibility", properties: &[may("visible", Kind::Flag)], rules: plain };

static TEXTURE_TRANSFORM: Object = Object {
    name: "texture_transform",
    properties: &[may("offset", numbers(2)), may("rotation", ANY), may("scale", numbers(2)), may("texCoord", WHOLE)],
    rules: plain,
};
