//! The images of a model by way of the texture processor: smaller, or in another format.

use super::{
    ir::{Image, Model, Rest, slots},
    optimize,
};
use crate::texture::{Place, TextureProcessor, ktx2};
use image::{ColorType, ImageDecoder, ImageReader};
use rayon::prelude::*;
use serde_json::{Value, json};
use slate_core::{
    Cancel, Error, ErrorKind, Result,
    asset::{
        AssetInput, AssetLimits, Compression, ImageFormat, MemoryOutput, ModelImages, Progress, Report, Resize,
        Supercompression, TextureFormat, TextureKind, TextureOptions, Work,
    },
};
use std::io::Cursor;

/// The extensions by which a texture names an image that glTF alone doesn't know, and what that is.
const NAMED: [(&str, &str); 2] = [(WEBP, "image/webp"), (BASIS, "image/ktx2")];
const WEBP: &str = "EXT_texture_webp";
const BASIS: &str = "KHR_texture_basisu";

/// Processes each image that a material shows; tells what became of them.
pub(super) fn run(model: &mut Model, wanted: &ModelImages, work: &Work<'_>, report: &mut Report) -> Result<()> {
    // What an unknown extension may name keeps its bytes.
    if *wanted == ModelImages::default() || model.kept.is_some() {
        return Ok(());
    }
    let size = |model: &Model| model.images.iter().map(|image| image.bytes.len()).sum::<usize>();
    let (before, mut changed, mut not_read) = (size(model), 0, Vec::new());
    choose(model, wanted.format);
    let uses = uses(model);
    let names = |which: &dyn Fn(usize) -> bool| -> Vec<String> {
        (0..uses.len()).filter(|&at| which(at)).map(|at| name(model, at)).collect()
    };
    let mixed = names(&|at| uses[at].is_mixed());
    let kept = names(&|at| is_kept(&model.images[at], uses[at], wanted));
    for batch in batches(model, &uses, wanted, work.limits.pixels) {
        let (limits, cancel) = (work.limits, work.cancel);
        let made = batch.par_iter().map(|source| processed(&model.images[source.at], source, wanted, (limits, cancel)));
        for (made, source) in made.collect::<Vec<_>>().into_iter().zip(&batch) {
            match made {
                Ok(Some(image)) => {
                    model.images[source.at] = image;
                    changed += 1;
                }
                Ok(None) => {}
                // It is no worse than it was: who can read it still can.
                Err(error) if is_about_the_image(&error) => not_read.push(name(model, source.at)),
                Err(error) => return Err(error.with("image", name(model, source.at))),
            }
        }
    }
    if wanted.format != ImageFormat::Keep {
        point(model);
        optimize::prune_images(model);
    }
    let told =
        json!({"count": model.images.len(), "changed": changed, "bytesBefore": before, "bytesAfter": size(model)});
    report.insert("imagesProcessed".into(), told);
    for (key, names) in [("imagesOfTwoKinds", mixed), ("imagesOfTwoSpaces", kept), ("imagesNotRead", not_read)] {
        if !names.is_empty() {
            report.insert(key.into(), json!(names));
        }
    }
    Ok(())
}

/// Whether an image stays because a KTX2 says of it that it is in sRGB, or that it isn't, and both are true.
fn is_kept(image: &Image, uses: Uses, wanted: &ModelImages) -> bool {
    let is_ktx2 =
        wanted.format == ImageFormat::Ktx2 || wanted.format == ImageFormat::Keep && image.media_type == "image/ktx2";
    is_ktx2 && uses.color && uses.kind() != Some(TextureKind::Color)
}

/// Where a texture offers several images, only the one that is asked for stays.
fn choose(model: &mut Model, format: ImageFormat) {
    for texture in model.textures.iter_mut().filter(|texture| !is_foreign(texture)) {
        let wanted = match format {
            ImageFormat::Webp if named(texture, WEBP).is_some() => Some(WEBP),
            ImageFormat::Ktx2 if named(texture, BASIS).is_some() => Some(BASIS),
            ImageFormat::Keep => continue,
            _ if source(texture).is_some() => None,
            // What is there is turned into what is wanted.
            _ => continue,
        };
        if wanted.is_some() {
            texture.remove("source");
        }
        NAMED.iter().filter(|(name, _)| Some(*name) != wanted).for_each(|(name, _)| forget(texture, name));
    }
}

/// Lets each texture name its image in the way that the image's format asks for, and lists the extensions.
fn point(model: &mut Model) {
    for texture in model.textures.iter_mut().filter(|texture| !is_foreign(texture)) {
        let by_name = NAMED.iter().find_map(|(name, _)| named(texture, name));
        let Some(at) = by_name.or_else(|| source(texture)) else { continue };
        NAMED.iter().for_each(|(name, _)| forget(texture, name));
        let media_type = model.images.get(at).map(|image| image.media_type.as_str());
        if let Some((name, _)) = NAMED.iter().find(|(_, named)| Some(*named) == media_type) {
            texture.remove("source");
            let extensions = texture.entry("extensions").or_insert_with(|| json!({}));
            extensions[*name] = json!({ "source": at });
        } else {
            texture.insert("source".into(), at.into());
        }
    }
    for (name, _) in NAMED {
        let is_there = model.textures.iter().any(|texture| named(texture, name).is_some());
        let is_alone = |texture: &Rest| {
            let others = NAMED.iter().any(|(other, _)| *other != name && named(texture, other).is_some());
            named(texture, name).is_some() && source(texture).is_none() && !others
        };
        let needed = model.textures.iter().any(is_alone);
        for (list, is_there) in [("extensionsUsed", is_there), ("extensionsRequired", needed)] {
            let mut names = match model.rest.remove(list) {
                Some(Value::Array(names)) => names,
                _ => Vec::new(),
            };
            names.retain(|other| other != name);
            names.extend(is_there.then(|| name.into()));
            if !names.is_empty() {
                model.rest.insert(list.into(), Value::Array(names));
            }
        }
    }
}

/// Whether a texture has an image in a format that isn't read or written here, as the one it is meant to show.
fn is_foreign(texture: &Rest) -> bool {
    let extensions = texture.get("extensions").and_then(Value::as_object);
    let is_known = |name: &str| NAMED.iter().any(|(known, _)| *known == name);
    extensions.into_iter().flatten().any(|(name, value)| !is_known(name) && value.get("source").is_some())
}

fn source(texture: &Rest) -> Option<usize> {
    texture.get("source").and_then(Value::as_u64).map(|at| at as usize)
}

/// The image that a texture names by an extension.
fn named(texture: &Rest, extension: &str) -> Option<usize> {
    texture.get("extensions")?.get(extension)?.get("source")?.as_u64().map(|at| at as usize)
}

fn forget(texture: &mut Rest, extension: &str) {
    if let Some(Value::Object(extensions)) = texture.get_mut("extensions") {
        extensions.remove(extension);
        if extensions.is_empty() {
            texture.remove("extensions");
        }
    }
}

/// What an image is used for.
#[derive(Clone, Copy, Default)]
struct Uses {
    color: bool,
    normal: bool,
    /// Numbers in the red, green or blue channel.
    mask: bool,
    /// Numbers in alpha, as extensions put them beside a colour.
    beside: bool,
}

impl Uses {
    /// Whether no filter is right for all uses.
    const fn is_mixed(self) -> bool {
        self.color as u8 + self.normal as u8 + self.mask as u8 > 1
    }

    /// How it is filtered; none where nothing shows it.
    const fn kind(self) -> Option<TextureKind> {
        match self {
            Self { color: true, normal: false, mask: false, beside: false } => Some(TextureKind::Color),
            Self { normal: true, color: false, mask: false, beside: false } => Some(TextureKind::Normal),
            Self { color: false, normal: false, mask: false, beside: false } => None,
            // Filtered as plain numbers no use is spoilt: colours come out a little darker.
            _ => Some(TextureKind::Mask),
        }
    }
}

/// What the materials use each image for, by their slots.
fn uses(model: &mut Model) -> Vec<Uses> {
    let mut uses = vec![Uses::default(); model.images.len()];
    let textures = &model.textures;
    for material in &mut model.materials {
        slots(material, &mut |slot, object| {
            let texture = object.get("index").and_then(Value::as_u64).and_then(|at| textures.get(at as usize));
            let images = texture.map(|texture| [source(texture), named(texture, WEBP), named(texture, BASIS)]);
            for at in images.into_iter().flatten().flatten() {
                let Some(uses) = uses.get_mut(at) else { continue };
                match slot {
                    "baseColorTexture"
                    | "emissiveTexture"
                    | "diffuseTexture"
                    | "specularGlossinessTexture"
                    | "sheenColorTexture"
                    | "specularColorTexture"
                    | "diffuseTransmissionColorTexture" => {
                        uses.color = true;
                    }
                    "normalTexture" | "clearcoatNormalTexture" => uses.normal = true,
                    "specularTexture" | "sheenRoughnessTexture" | "diffuseTransmissionTexture" => uses.beside = true,
                    _ => uses.mask = true,
                }
            }
        });
    }
    uses
}

/// An image to process.
struct Source {
    at: usize,
    kind: TextureKind,
    width: u32,
    height: u32,
    bits: u8,
}

/// The images that are used and can be read, in lots of so many pixels that they may be decoded side by side.
fn batches(model: &Model, uses: &[Uses], wanted: &ModelImages, pixels: u64) -> Vec<Vec<Source>> {
    let (mut batches, mut batch, mut room) = (Vec::new(), Vec::new(), pixels);
    for (at, (image, uses)) in model.images.iter().zip(uses).enumerate() {
        let kind = uses.kind().filter(|_| !is_kept(image, *uses, wanted));
        let Some(source) = kind.and_then(|kind| looked_at(image, at, kind)) else { continue };
        let area = u64::from(source.width) * u64::from(source.height);
        if area > room && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            room = pixels;
        }
        // An image beyond the limit is alone in its lot, and the texture processor refuses it.
        room = room.saturating_sub(area);
        batch.push(source);
    }
    batches.push(batch);
    batches
}

fn looked_at(image: &Image, at: usize, kind: TextureKind) -> Option<Source> {
    if image.media_type == "image/ktx2" {
        // Here, too, the texture processor says what is wrong.
        let (width, height) = ktx2::size(&image.bytes).unwrap_or((1, 1));
        return Some(Source { at, kind, width, height, bits: 8 });
    }
    let format = image::ImageFormat::from_mime_type(&image.media_type)?;
    let reader = ImageReader::with_format(Cursor::new(&image.bytes), format).into_decoder();
    let (width, height, bits) = match reader {
        Ok(decoder) => {
            let wide =
                matches!(decoder.color_type(), ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16);
            (decoder.dimensions().0, decoder.dimensions().1, if wide { 16 } else { 8 })
        }
        // The texture processor says why.
        Err(_) => (1, 1, 8),
    };
    Some(Source { at, kind, width, height, bits })
}

/// The image as it is asked for; none where it stays as it is.
fn processed(
    image: &Image,
    source: &Source,
    wanted: &ModelImages,
    bounds: (&AssetLimits, &Cancel),
) -> Result<Option<Image>> {
    bounds.1.check()?;
    let resize = smaller((source.width, source.height), wanted.max_size);
    let format = match (image.media_type.as_str(), wanted.format) {
        (_, ImageFormat::Ktx2) | ("image/ktx2", ImageFormat::Keep) => TextureFormat::Ktx2,
        // A lossless copy of what JPEG left is several times as large.
        ("image/jpeg", _) => TextureFormat::Jpeg,
        ("image/png" | "image/ktx2", ImageFormat::Webp) if source.bits == 8 => TextureFormat::Webp,
        ("image/webp", ImageFormat::Keep | ImageFormat::Webp) => TextureFormat::Webp,
        _ => TextureFormat::Png,
    };
    let media_type = match format {
        TextureFormat::Jpeg => "image/jpeg",
        TextureFormat::Webp => "image/webp",
        TextureFormat::Ktx2 => "image/ktx2",
        _ => "image/png",
    };
    let is_same = media_type == image.media_type;
    if resize.is_none() && is_same && (format != TextureFormat::Png || wanted.format != ImageFormat::Png) {
        return Ok(None);
    }
    let mut options = TextureOptions::default();
    (options.format, options.generate_mipmaps, options.kind) = (format, false, source.kind);
    (options.quality, options.resize) = (wanted.quality, resize);
    if format == TextureFormat::Ktx2 {
        (options.compression, options.supercompression) = (Compression::Uastc, Supercompression::Zstd);
        options.generate_mipmaps = true;
        let (width, height) = resize.map_or((source.width, source.height), |size| (size.width, size.height));
        let size = (in_blocks(width, wanted.max_size), in_blocks(height, wanted.max_size));
        let is_as_it_was = size == (source.width, source.height);
        options.resize = (!is_as_it_was).then_some(Resize { width: size.0, height: size.1 });
    }
    let bytes = textured(image, &options, bounds)?;
    // What few viewers read is turned into what more do, and what graphics processors read is small there: either may grow.
    let may_grow = resize.is_some() || format == TextureFormat::Ktx2 || image.media_type != "image/png";
    if !may_grow && bytes.len() >= image.bytes.len() {
        return Ok(None);
    }
    let mut rest = image.rest.clone();
    rest.remove("mimeType");
    Ok(Some(Image { bytes: bytes.into(), media_type: media_type.to_owned(), rest }))
}

/// A side as `KHR_texture_basisu` wants it: the next multiple of four, or the last one that isn't over the longest side.
fn in_blocks(side: u32, most: Option<u32>) -> u32 {
    let next = side.checked_next_multiple_of(4).unwrap_or(side);
    let is_over = next != side && next > most.unwrap_or(TextureOptions::MAX_SIDE);
    if is_over && next > 4 { next - 4 } else { next }
}

/// The image by way of the texture processor.
fn textured(image: &Image, options: &TextureOptions, (limits, cancel): (&AssetLimits, &Cancel)) -> Result<Vec<u8>> {
    let extension = image.media_type.trim_start_matches("image/");
    let input = AssetInput::from_bytes(format!("image.{extension}"), image.bytes.clone());
    let output = MemoryOutput::new(limits.output_bytes);
    let mut inner = Work { input: &input, output: &mut output.clone(), limits, cancel, progress: &Progress::ignored() };
    TextureProcessor.made(&mut inner, options, Place::Gltf)?;
    let made = output.take().into_values().next().ok_or_else(|| Error::internal("a texture without an output"))?;
    Ok(made.to_vec())
}

/// The size with its longest side at most so long; none where it is that already.
fn smaller((width, height): (u32, u32), most: Option<u32>) -> Option<Resize> {
    let most = most.filter(|&most| width.max(height) > most)?;
    let longest = u64::from(width.max(height));
    let side = |side: u32| ((u64::from(side) * u64::from(most) + longest / 2) / longest).max(1) as u32;
    Some(Resize { width: side(width), height: side(height) })
}

/// Whether an error is that of one image, and not of the whole work.
fn is_about_the_image(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported)
}

fn name(model: &Model, at: usize) -> String {
    let named = model.images.get(at).and_then(|image| image.rest.get("name")).and_then(Value::as_str);
    named.map_or_else(|| format!("images[{at}]"), |name| name.chars().take(80).collect())
}
