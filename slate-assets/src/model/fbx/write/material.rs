use super::{Element, File, property};
use serde_json::Value;
use std::collections::BTreeMap;

/// The slots that are written, and what FBX calls them.
const SLOTS: [(&str, &str); 3] = [
    ("/pbrMetallicRoughness/baseColorTexture", "DiffuseColor"),
    ("/emissiveTexture", "EmissiveColor"),
    ("/normalTexture", "NormalMap"),
];

impl File<'_> {
    /// Materials in Phong's terms, roughness and metalness told as Blender tells them, and their textures with the images
    /// inside.
    pub(super) fn materials(&mut self) {
        let (mut textures, mut videos) = (BTreeMap::new(), BTreeMap::new());
        for material in &self.model.materials {
            let name = material.get("name").and_then(Value::as_str).unwrap_or("material").to_owned();
            let material = Value::Object(material.clone());
            let number = self.material(&name, &material);
            self.materials.push(number);
            for (path, slot) in SLOTS {
                let index = material.pointer(path).and_then(|slot| slot.get("index")).and_then(Value::as_u64);
                if let Some(texture) = index.and_then(|at| self.texture(at as usize, &mut textures, &mut videos)) {
                    self.link_to(texture, number, slot);
                }
            }
            if material.pointer("/pbrMetallicRoughness/metallicRoughnessTexture").is_some() {
                self.dropped.insert("metallic-roughness textures");
            }
            if material.get("occlusionTexture").is_some() {
                self.dropped.insert("occlusion textures");
            }
            if material.get("extensions").is_some() {
                self.dropped.insert("extensions of materials");
            }
        }
    }

    fn material(&mut self, name: &str, material: &Value) -> i64 {
        let number = |path: &str, default: f64| material.pointer(path).and_then(Value::as_f64).unwrap_or(default);
        let surface = |path: &str, default: f64| number(&format!("/pbrMetallicRoughness/{path}"), default);
        let color: [f64; 4] = std::array::from_fn(|at| surface(&format!("baseColorFactor/{at}"), 1.0));
        let glow: [f64; 3] = std::array::from_fn(|at| number(&format!("/emissiveFactor/{at}"), 0.0));
        let opaque = material.get("alphaMode").is_none_or(|mode| mode == "OPAQUE");
        let opacity = if opaque { 1.0 } else { color[3] };
        let smooth = (1.0 - surface("roughnessFactor", 1.0)) * 10.0;
        let plain = ["Number", "", "A"];
        let tint = ["Color", "", "A"];
        let properties = Element::new("Properties70")
            .child(property("DiffuseColor", tint, [color[0], color[1], color[2]]))
            .child(property("DiffuseFactor", plain, [1.0]))
            .child(property("EmissiveColor", tint, glow))
            .child(property("EmissiveFactor", plain, [1.0]))
            .child(property("TransparentColor", tint, [1.0; 3]))
            .child(property("TransparencyFactor", plain, [1.0 - opacity]))
            .child(property("Opacity", ["double", "Number", ""], [opacity]))
            .child(property("SpecularColor", tint, [0.2; 3]))
            .child(property("Shininess", plain, [smooth * smooth]))
            .child(property("ShininessExponent", plain, [smooth * smooth]))
            .child(property("ReflectionFactor", plain, [surface("metallicFactor", 1.0)]));
        let rest = vec![
            Element::of("Version", 102),
            Element::of("ShadingModel", "phong"),
            Element::of("MultiLayer", 0),
            properties,
        ];
        self.add("Material", name, "Material", "", rest)
    }

    /// The material of triangles that have none, where a mesh has others.
    pub(super) fn bare_material(&mut self) -> i64 {
        if let Some(number) = self.bare {
            return number;
        }
        let number = self.material("none", &Value::Null);
        self.bare = Some(number);
        number
    }

    fn texture(
        &mut self,
        at: usize,
        textures: &mut BTreeMap<usize, i64>,
        videos: &mut BTreeMap<usize, i64>,
    ) -> Option<i64> {
        if let Some(&known) = textures.get(&at) {
            return Some(known);
        }
        let texture = self.model.textures.get(at)?;
        let source = texture.get("source").and_then(Value::as_u64)? as usize;
        let image = self.model.images.get(source)?;
        let extension = match image.media_type.as_str() {
            "image/jpeg" => "jpg",
            "image/webp" => "webp",
            "image/ktx2" => "ktx2",
            _ => "png",
        };
        let name = image.rest.get("name").and_then(Value::as_str).unwrap_or_default();
        let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | ' ') { c } else { '_' };
        let name: String = if name.is_empty() { "texture".to_owned() } else { name.chars().map(safe).collect() };
        let file = format!("{name}_{source}.{extension}");
        let video = match videos.get(&source) {
            Some(&known) => known,
            None => {
                let rest = vec![
                    Element::of("Type", "Clip"),
                    Element::new("Properties70").child(property("Path", ["KString", "XRefUrl", ""], [file.as_str()])),
                    Element::of("UseMipMap", 0),
                    Element::of("Filename", file.as_str()),
                    Element::of("RelativeFilename", file.as_str()),
                    Element::of("Content", image.bytes.to_vec()),
                ];
                let number = self.add("Video", &name, "Video", "Clip", rest);
                videos.insert(source, number);
                number
            }
        };
        let rest = vec![
            Element::of("Type", "TextureVideoClip"),
            Element::of("Version", 202),
            Element::of("TextureName", format!("{name}\0\u{1}Texture")),
            Element::new("Properties70").child(property("UseMaterial", ["bool", "", ""], [1])),
            Element::of("Media", format!("{name}\0\u{1}Video")),
            Element::of("FileName", file.as_str()),
            Element::of("RelativeFilename", file.as_str()),
            Element::of("ModelUVTranslation", 0.0).with(0.0),
            Element::of("ModelUVScaling", 1.0).with(1.0),
        ];
        let number = self.add("Texture", &name, "Texture", "", rest);
        self.link(video, number);
        textures.insert(at, number);
        Some(number)
    }
}
