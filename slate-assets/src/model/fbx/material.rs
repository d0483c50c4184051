use super::{
    super::{
        gltf,
        ir::{Image, Model, Rest},
    },
    finite,
};
use fbx_rs::{Material, Scene, Texture};
use serde_json::{Value, json};
use slate_core::{
    ErrorKind, Result,
    asset::{Report, Work},
};

/// The name of a texture's file, without the folders of whoever exported it.
pub(super) fn file(texture: &Texture) -> Option<&str> {
    if !texture.content().is_empty() {
        return None;
    }
    let names = [texture.relative_filename(), texture.filename(), texture.absolute_filename()];
    let last = names.into_iter().find(|name| !name.is_empty())?.rsplit(['/', '\\']).next()?;
    (!last.is_empty()).then_some(last)
}

/// Reads materials and their textures; files that aren't there are told of, and left out.
pub(super) fn read(scene: &Scene, model: &mut Model, work: &Work<'_>, report: &mut Report) -> Result<()> {
    let (mut missing, mut places) = (Vec::new(), Vec::new());
    for texture in scene.textures() {
        work.cancel.check()?;
        let bytes = match file(texture) {
            None => bytes::Bytes::copy_from_slice(texture.content()),
            Some(name) => match work.input.sibling(name).and_then(|file| file.bytes(work.limits)) {
                Ok(bytes) => bytes,
                Err(error) if matches!(error.kind(), ErrorKind::LimitExceeded | ErrorKind::Canceled) => {
                    return Err(error);
                }
                Err(_) => {
                    missing.push(name.to_owned());
                    places.push(None);
                    continue;
                }
            },
        };
        let Some(media_type) = gltf::media_type(&bytes) else {
            missing.extend((!bytes.is_empty()).then(|| texture.filename().to_owned()));
            places.push(None);
            continue;
        };
        let rest = Rest::from_iter([("name".to_owned(), Value::from(texture.name()))]);
        model.images.push(Image { bytes, media_type: media_type.to_owned(), rest });
        model.textures.push(Rest::from_iter([("source".to_owned(), (model.images.len() - 1).into())]));
        places.push(Some(model.textures.len() - 1));
    }
    model.materials = scene.materials().iter().map(|found| material(found, &places)).collect();
    missing.sort();
    missing.dedup();
    if !missing.is_empty() {
        report.insert("missingFiles".into(), json!(missing));
    }
    Ok(())
}

fn material(material: &Material, places: &[Option<usize>]) -> Rest {
    let map = |name: &str| material.pbr_map(name).filter(|map| !map.feature_disabled);
    let value = |name: &str| map(name).filter(|map| map.has_value).map(|map| map.value);
    let share = |name: &str, default: f32| value(name).map_or(default, |value| finite(value[0])).clamp(0.0, 1.0);
    let texture = |name: &str| -> Option<Value> {
        let map = map(name).filter(|map| map.texture_enabled)?;
        let place = places.get(map.texture?).copied().flatten()?;
        Some(json!({ "index": place }))
    };
    let color = |name: &str, factor: &str, default: f32| -> [f32; 3] {
        let factor = value(factor).map_or(1.0, |value| finite(value[0]));
        let color = value(name).map_or([default; 3], |[r, g, b, _]| [r, g, b].map(finite));
        color.map(|number| (number * factor).clamp(0.0, 1.0))
    };
    let base = texture("base_color");
    // A texture takes its colour's place.
    let [r, g, b] = if base.is_some() { [1.0; 3] } else { color("base_color", "base_factor", 0.8) };
    // Phong's slots have none: exporters tell it beside them.
    let opacity = match material.source_property(b"Opacity") {
        Some(told) if value("opacity").is_none() => finite(told.value_real[0]).clamp(0.0, 1.0),
        _ => share("opacity", 1.0),
    };
    let mut surface = json!({
        "baseColorFactor": [r, g, b, opacity],
        "metallicFactor": share("metalness", 0.0),
        "roughnessFactor": share("roughness", 1.0),
    });
    if let Some(base) = base {
        surface["baseColorTexture"] = base;
    }
    let mut rest = Rest::from_iter([
        ("name".to_owned(), Value::from(material.name())),
        ("pbrMetallicRoughness".to_owned(), surface),
    ]);
    if opacity < 1.0 {
        rest.insert("alphaMode".into(), "BLEND".into());
    }
    let emissive = texture("emission_color");
    let glow = if emissive.is_some() { [1.0; 3] } else { color("emission_color", "emission_factor", 0.0) };
    if glow != [0.0; 3] {
        rest.insert("emissiveFactor".into(), json!(glow));
    }
    for (name, slot) in [("emissiveTexture", emissive), ("normalTexture", texture("normal_map"))] {
        if let Some(slot) = slot {
            rest.insert(name.into(), slot);
        }
    }
    rest
}
