//! Coordinates beyond 0 to 1, brought there so that they can be stored as shares: `KHR_texture_transform` of the materials
//! brings them back.

use super::super::{
    ir::{Model, Primitive, Rest, attribute, set_attribute, slots},
    values::{Component, Shape, Values},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const EXTENSION: &str = "KHR_texture_transform";

/// As many widths of the texture as coordinates may go over: of 65535 steps there are 2048 for each.
const MOST: f32 = 32.0;

/// The material and the number of its coordinates.
type Set = (usize, u64);

/// Brings coordinates of textured materials to 0 to 1; gives how many sets of how many materials were.
///
/// A set that can't be brought there stays as it is: one that goes further than 32 widths of its texture, that morph targets
/// move, that is shared with another material's variants, or that a material already turns.
pub(super) fn fit(model: &mut Model) -> usize {
    let ranges = ranges(model);
    let mut fitted = BTreeMap::new();
    for (set, range) in ranges {
        let Some(moved) = range.and_then(Moved::new) else { continue };
        if moved.fits(&mut model.materials[set.0], set.1) {
            fitted.insert(set, moved);
        }
    }
    for primitive in model.meshes.iter_mut().flat_map(|mesh| &mut mesh.primitives) {
        for (name, number) in names(primitive) {
            let moved = primitive.material.and_then(|material| fitted.get(&(material, number)));
            let values = attribute(&primitive.attributes, &name);
            if let Some((moved, values)) = moved.zip(values) {
                let numbers: Vec<f32> =
                    values.to_vectors::<2>().into_iter().flat_map(|pair| moved.share(pair)).collect();
                set_attribute(&mut primitive.attributes, &name, Values::floats(Shape::Vec2, &numbers));
            }
        }
    }
    for (&(material, number), moved) in &fitted {
        slots(&mut model.materials[material], &mut |_, slot| {
            if coordinates(slot) == number {
                moved.bring_back(slot);
            }
        });
    }
    if !fitted.is_empty() {
        // Who doesn't know it would show other parts of the textures.
        for list in ["extensionsUsed", "extensionsRequired"] {
            let names = model.rest.entry(list).or_insert_with(|| json!([]));
            if let Some(names) = names.as_array_mut().filter(|names| !names.iter().any(|name| name == EXTENSION)) {
                names.push(EXTENSION.into());
            }
        }
    }
    fitted.len()
}

/// The sets of coordinates that a primitive has.
fn names(primitive: &Primitive) -> Vec<(String, u64)> {
    let number = |name: &str| name.strip_prefix("TEXCOORD_")?.parse().ok();
    primitive.attributes.iter().filter_map(|(name, _)| Some((name.clone(), number(name)?))).collect()
}

type Range = [[f32; 2]; 2];

/// The least and the most of each set in all primitives of its material; none where it has to stay as it is.
fn ranges(model: &Model) -> BTreeMap<Set, Option<Range>> {
    let mut ranges: BTreeMap<Set, Option<Range>> = BTreeMap::new();
    let mut shared = BTreeSet::new();
    for primitive in model.meshes.iter().flat_map(|mesh| &mesh.primitives) {
        let variants = variants(primitive);
        if !variants.is_empty() {
            shared.extend(variants.into_iter().chain(primitive.material));
        }
        let Some(material) = primitive.material.filter(|&material| material < model.materials.len()) else { continue };
        for (name, number) in names(primitive) {
            let range = ranges.entry((material, number)).or_insert(Some([[f32::INFINITY; 2], [f32::NEG_INFINITY; 2]]));
            let values = attribute(&primitive.attributes, &name)
                .filter(|values| values.component == Component::F32 && values.shape == Shape::Vec2)
                .filter(|_| !primitive.targets.iter().any(|target| attribute(target, &name).is_some()));
            *range = range.zip(values).map(|([mut least, mut most], values)| {
                for pair in values.to_vectors::<2>() {
                    for at in 0..2 {
                        (least[at], most[at]) = (least[at].min(pair[at]), most[at].max(pair[at]));
                    }
                }
                [least, most]
            });
        }
    }
    ranges.retain(|(material, _), _| !shared.contains(material));
    ranges
}

/// The materials that `KHR_materials_variants` puts in the place of a primitive's own.
fn variants(primitive: &Primitive) -> Vec<usize> {
    let extension = primitive.rest.get("extensions").and_then(|extensions| extensions.get("KHR_materials_variants"));
    let mappings = extension.and_then(|variants| variants.get("mappings")).and_then(Value::as_array);
    let materials = mappings.into_iter().flatten().filter_map(|mapping| mapping.get("material")?.as_u64());
    materials.map(|material| material as usize).collect()
}

/// The number of the coordinates that a slot takes.
fn coordinates(slot: &Rest) -> u64 {
    let own = slot.get("texCoord").and_then(Value::as_u64).unwrap_or_default();
    transform(slot).and_then(|transform| transform.get("texCoord")?.as_u64()).unwrap_or(own)
}

fn transform(slot: &Rest) -> Option<&Rest> {
    slot.get("extensions")?.get(EXTENSION)?.as_object()
}

/// Where 0 to 1 was: from there on, so far. Whole numbers, which JSON and floats hold exactly.
#[derive(Clone, Copy)]
struct Moved {
    from: [f32; 2],
    size: [f32; 2],
}

impl Moved {
    /// None where all is between 0 and 1, where something is no number, and where it goes too far.
    fn new([least, most]: Range) -> Option<Self> {
        /// Floats hold these places of a texture as exactly as the shares will.
        const FAR: f32 = 4096.0;
        let (from, to) = (least.map(f32::floor), most.map(f32::ceil));
        let size: [f32; 2] = std::array::from_fn(|at| (to[at] - from[at]).max(1.0));
        let inside = (0..2).all(|at| least[at] >= 0.0 && most[at] <= 1.0);
        // So asked, what is no number goes too far as well.
        let near = (0..2).all(|at| size[at] <= MOST && from[at].abs() <= FAR);
        (!inside && near).then_some(Self { from, size })
    }

    fn share(&self, pair: [f32; 2]) -> [f32; 2] {
        std::array::from_fn(|at| ((pair[at] - self.from[at]) / self.size[at]).clamp(0.0, 1.0))
    }

    /// Whether a material shows these coordinates, and can bring them back.
    fn fits(&self, material: &mut Rest, number: u64) -> bool {
        let (mut shown, mut turned) = (false, false);
        slots(material, &mut |_, slot| {
            if coordinates(slot) == number {
                shown = true;
                let turn = transform(slot).and_then(|transform| transform.get("rotation")?.as_f64());
                turned |= turn.unwrap_or_default() != 0.0;
            }
        });
        shown && !turned
    }

    /// Lets a slot bring the shares back before it does what it did.
    fn bring_back(&self, slot: &mut Rest) {
        let known = transform(slot).cloned().unwrap_or_default();
        let pair = |name: &str, default: f64| {
            let number = |at: usize| known.get(name)?.get(at)?.as_f64();
            [0, 1].map(|at| number(at).unwrap_or(default))
        };
        let (offset, scale) = (pair("offset", 0.0), pair("scale", 1.0));
        let offset = [0, 1].map(|at| offset[at] + scale[at] * f64::from(self.from[at]));
        let scale = [0, 1].map(|at| scale[at] * f64::from(self.size[at]));
        let extensions = slot.entry("extensions").or_insert_with(|| json!({}));
        let mut transform = known;
        transform.insert("offset".into(), json!(offset.map(number)));
        transform.insert("scale".into(), json!(scale.map(number)));
        extensions[EXTENSION] = Value::Object(transform);
    }
}

/// A number as JSON, short where it is whole.
fn number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e6 { (number as i64).into() } else { number.into() }
}
