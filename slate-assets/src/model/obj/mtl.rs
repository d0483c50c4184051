use super::super::{
    gltf,
    ir::{Image, Model, Rest},
};
use serde_json::{Value, json};
use slate_core::{
    Error, Result,
    asset::{AssetLimits, Report, Work},
};
use std::collections::BTreeMap;

/// Materials of one MTL file.
const MATERIALS: u64 = 65_536;

/// The materials of an MTL file, each with its statements.
#[derive(Default)]
pub(super) struct Library {
    materials: BTreeMap<String, BTreeMap<String, String>>,
}

/// Statements that name a texture, in the order of preference.
const BASE: &[&str] = &["map_kd"];
const EMISSIVE: &[&str] = &["map_ke"];
const NORMAL: &[&str] = &["norm", "map_bump", "bump"];

impl Library {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut library = Self::default();
        let mut open = None;
        for line in bytes.split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line.trim_ascii());
            let (word, rest) = line.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((&line, ""));
            match word {
                "newmtl" => {
                    AssetLimits::check("the number of materials", library.materials.len() as u64 + 1, MATERIALS)?;
                    open = Some(rest.trim().to_owned());
                    library.materials.insert(rest.trim().to_owned(), BTreeMap::new());
                }
                "" => {}
                _ if word.starts_with('#') => {}
                _ => {
                    let material = open.as_ref().and_then(|name| library.materials.get_mut(name));
                    material.map(|material| material.insert(word.to_ascii_lowercase(), rest.trim().to_owned()));
                }
            }
        }
        Ok(library)
    }

    /// The files that are read as textures.
    pub(super) fn textures(&self) -> impl Iterator<Item = &str> {
        let slots = [BASE, EMISSIVE, NORMAL];
        self.materials.values().flat_map(move |material| slots.into_iter().filter_map(|names| texture(material, names)))
    }
}

/// The file of the first of these statements; options before the file's name are passed by.
fn texture<'a>(material: &'a BTreeMap<String, String>, names: &[&str]) -> Option<&'a str> {
    let statement = names.iter().find_map(|name| material.get(*name))?;
    let (mut rest, mut last) = (statement.as_str(), "");
    while let Some(option) = rest.strip_prefix('-') {
        let (_, after) = option.split_once(' ')?;
        rest = after.trim_start();
        // Options are followed by numbers and words like `on`; the name is what comes after.
        while let Some((word, after)) = rest.split_once(' ') {
            let is_value =
                word.parse::<f32>().is_ok() || matches!(word, "on" | "off" | "r" | "g" | "b" | "m" | "l" | "z");
            if !is_value {
                break;
            }
            rest = after.trim_start();
        }
        last = rest;
    }
    let name = if last.is_empty() { rest } else { last };
    (!name.is_empty()).then_some(name)
}

/// Gives the model the materials that it names; files that aren't there are told of, and left out.
pub(super) fn materials(
    model: &mut Model,
    libraries: &[String],
    names: &[String],
    work: &Work<'_>,
    report: &mut Report,
) -> Result<()> {
    let mut missing = Vec::new();
    let mut all = BTreeMap::new();
    for name in libraries {
        match work.input.sibling(name).and_then(|file| file.bytes(work.limits)) {
            Ok(bytes) => all.extend(Library::read(&bytes)?.materials),
            Err(error) if is_missing(&error) => missing.push(name.clone()),
            Err(error) => return Err(error),
        }
    }
    let mut textures = BTreeMap::new();
    for name in names {
        let none = BTreeMap::new();
        let statements = all.get(name).unwrap_or(&none);
        let mut slot = |names: &[&str], model: &mut Model| -> Result<Option<Value>> {
            let Some(file) = texture(statements, names) else { return Ok(None) };
            if let Some(at) = textures.get(file) {
                return Ok(Some(json!({ "index": at })));
            }
            let bytes = match work.input.sibling(file).and_then(|file| file.bytes(work.limits)) {
                Ok(bytes) => bytes,
                Err(error) if is_missing(&error) => {
                    missing.push(file.to_owned());
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let Some(media_type) = gltf::media_type(&bytes) else {
                missing.push(file.to_owned());
                return Ok(None);
            };
            let rest = Rest::from_iter([("name".to_owned(), Value::from(file))]);
            model.images.push(Image { bytes, media_type: media_type.to_owned(), rest });
            model.textures.push(Rest::from_iter([("source".to_owned(), (model.images.len() - 1).into())]));
            textures.insert(file.to_owned(), model.textures.len() - 1);
            Ok(Some(json!({"index": model.textures.len() - 1})))
        };
        let (base, emissive, normal) = (slot(BASE, model)?, slot(EMISSIVE, model)?, slot(NORMAL, model)?);
        model.materials.push(material(name, statements, base, emissive, normal));
    }
    missing.sort();
    missing.dedup();
    if !missing.is_empty() {
        report.insert("missingFiles".into(), json!(missing));
    }
    Ok(())
}

fn is_missing(error: &Error) -> bool {
    use slate_core::ErrorKind::{Invalid, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied | Invalid)
}

fn material(
    name: &str,
    statements: &BTreeMap<String, String>,
    base: Option<Value>,
    emissive: Option<Value>,
    normal: Option<Value>,
) -> Rest {
    let numbers = |name: &str| -> Vec<f64> {
        let words = statements.get(name).map(|text| text.split_ascii_whitespace()).into_iter().flatten();
        words.map_while(|word| word.parse().ok()).filter(|number: &f64| number.is_finite()).collect()
    };
    let share = |name: &str| numbers(name).first().map(|number| number.clamp(0.0, 1.0));
    let color = |name: &str| match numbers(name)[..] {
        [r, g, b, ..] => Some([r, g, b].map(|number| number.clamp(0.0, 1.0))),
        [grey] => Some([grey.clamp(0.0, 1.0); 3]),
        _ => None,
    };
    let opacity = share("d").or(share("tr").map(|clear| 1.0 - clear)).unwrap_or(1.0);
    // A texture without a colour beside it, or with black, is meant as it is.
    let [r, g, b] = color("kd").filter(|color| base.is_none() || *color != [0.0; 3]).unwrap_or([1.0; 3]);
    // Blinn's exponent and roughness: Walter et al. 2007, with alpha the square of roughness.
    let shiny = numbers("ns").first().map(|exponent| (2.0 / (exponent.max(0.0) + 2.0)).sqrt().sqrt());
    let mut surface = json!({
        "baseColorFactor": [r, g, b, opacity],
        "metallicFactor": share("pm").unwrap_or(0.0),
        "roughnessFactor": share("pr").or(shiny).unwrap_or(1.0),
    });
    if let Some(base) = base {
        surface["baseColorTexture"] = base;
    }
    let mut material =
        Rest::from_iter([("name".to_owned(), Value::from(name)), ("pbrMetallicRoughness".to_owned(), surface)]);
    if opacity < 1.0 {
        material.insert("alphaMode".into(), "BLEND".into());
    }
    let glow = color("ke").unwrap_or(if emissive.is_some() { [1.0; 3] } else { [0.0; 3] });
    if glow != [0.0; 3] {
        material.insert("emissiveFactor".into(), json!(glow));
    }
    if let Some(emissive) = emissive {
        material.insert("emissiveTexture".into(), emissive);
    }
    if let Some(normal) = normal {
        material.insert("normalTexture".into(), normal);
    }
    material
}
