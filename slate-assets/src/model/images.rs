//! The images of a model by way of the texture processor: smaller, or in another format.

use super::{
    ir::{Image, Model, Rest, slots},
    optimize,
};
use crate::texture::TextureProcessor;
use image::{ColorType, ImageDecoder, ImageReader};
use rayon::prelude::*;
use serde_json::{Value, json};
use slate_core::{
    Error, ErrorKind, Result,
    asset::{
        AssetInput, ImageFormat, MemoryOutput, ModelImages, Processor, Progress, Report, Resize, TextureFormat,
        TextureKind, TextureOptions, Work,
    },
};
use std::io::Cursor;

/// The extension by which a texture names a WebP.
const WEBP: &str = "EXT_texture_webp";

/// Processes each image that a material shows; tells what became of them.
pub(super) fn run(model: &mut Model, wanted: &ModelImages, work: &Work<'_>, report: &mut Report) -> Result<()> {
    // What an unknown extension may name keeps its bytes.
    if *wanted == ModelImages::default() || model.kept.is_some() {
        return Ok(());
    }
    model.textures.iter_mut().filter(|texture| !is_foreign(texture)).for_each(|texture| choose(texture, wanted.format));
    let uses = uses(model);
    let mut told = Told::default();
    let bytes = |model: &Model| model.images.iter().map(|image| image.bytes.len()).sum::<usize>();
    let before = bytes(model);
    for batch in batches(&model.images, &uses, work.limits.pixels) {
        let made: Vec<Result<Option<Image>>> =
            batch.par_iter().map(|&(at, kind)| processed(&model.images[at], kind, wanted, work)).collect();
        for (made, (at, _)) in made.into_iter().zip(batch) {
            match made {
                Ok(Some(image)) => {
                    model.images[at] = image;
                    told.changed += 1;
                }
                Ok(None) => {}
                // The model can do without; what reads it may read the image, too.
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                    told.not_read.push(name(&model.images[at], at));
                }
                Err(error) => return Err(error.with("image", name(&model.images[at], at))),
            }
        }
    }
    if wanted.format != ImageFormat::Keep {
        point(model);
        optimize::prune_images(model);
    }
    told.mixed = uses.iter().enumerate().filter(|(_, uses)| uses.is_mixed()).map(|(at, _)| at).collect();
    let mixed: Vec<String> = told.mixed.iter().filter_map(|&at| Some(name(model.images.get(at)?, at))).collect();
    report.insert(
        "images".into(),
        json!({"count": model.images.len(), "changed": told.changed, "bytesBefore": before, "bytesAfter": bytes(model)}),
    );
    for (key, names) in [("imagesOfTwoKinds", mixed), ("imagesNotRead", told.not_read)] {
        if !names.is_empty() {
            report.insert(key.into(), json!(names));
        }
    }
    Ok(())
}
