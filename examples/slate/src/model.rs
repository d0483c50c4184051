//! `slate model IN OUT`: models made lighter, with levels of detail, and a report.

use crate::{
    config::Config,
    convert::{self, Job},
    output::{Output, bytes},
    pieces::Opened,
    verdict,
};
use clap::{Args, ValueEnum};
use slate_core::{
    Error, Result,
    asset::{AssetOptions, AssetOutput, ImageFormat, LodOutput, MeshCompression, ModelFormat, ModelOptions, UpAxis},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

#[derive(Args)]
pub(crate) struct ModelArgs {
    /// A model (glb, gltf, fbx, obj), or a folder with all models below it.
    pub(crate) input: PathBuf,
    /// The file to write, whose extension picks the format (glb, gltf, obj, fbx), or a folder, where models become glb.
    #[arg(required_unless_present = "check")]
    output: Option<PathBuf>,
    /// Tells what is wrong with each glb and gltf, as the Khronos Group's validator does, and writes nothing.
    #[arg(long, conflicts_with = "output")]
    check: bool,
    /// Levels of detail, each by the share of triangles that it keeps, for example 0.75,0.5,0.25 [default: none].
    #[arg(long, value_delimiter = ',', value_name = "SHARES")]
    lods: Vec<f32>,
    /// Where the levels go: msft (one file), nodes (NAME_LOD0 …, one file), files.
    #[arg(long, default_value = "msft", value_name = "WHERE")]
    lod_output: LodOutput,
    /// How numbers are stored: none, quantize, meshopt, khr-meshopt.
    #[arg(long, default_value = "none", value_name = "HOW")]
    compress: MeshCompression,
    /// Factor on every position.
    #[arg(long, default_value_t = 1.0)]
    scale: f32,
    /// The axis that points up in an OBJ: y or z; FBX tells it, and in glTF it is y.
    #[arg(long, default_value = "y", value_name = "AXIS")]
    up: UpAxis,
    /// Lifts nodes that nothing moves out of their parents.
    #[arg(long)]
    flatten: bool,
    /// Makes one mesh of those that share a material and that nothing moves.
    #[arg(long)]
    join: bool,
    /// Stores a mesh that stands in many places once, with its places.
    #[arg(long)]
    instance: bool,
    /// Drops tracks that leave a node as it stands from each animation, though another one moves the node.
    #[arg(long)]
    drop_rest: bool,
    /// Changes nothing but what else is asked for.
    #[arg(long)]
    keep: bool,
    /// What images become: keep, png, webp, ktx2.
    #[arg(long, default_value = "keep", value_name = "FORMAT")]
    images: ImageFormat,
    /// The longest side of an image in pixels; larger ones are made smaller [default: any].
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<u32>,
    /// Effort of PNG and KTX2, loss of JPEG, 0 to 100.
    #[arg(long, default_value_t = 90, value_name = "QUALITY")]
    image_quality: u8,
    /// How the report is told.
    #[arg(long, value_enum, default_value = "table")]
    report: Shown,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// A table for people.
    Table,
    /// One JSON document.
    Json,
}

/// Processes one model or all below a folder; whether all went well.
pub(crate) async fn run(config: &Config, output: &Output, wanted: ModelArgs) -> Result<bool> {
    let json = Output::new(true);
    let output = if wanted.report == Shown::Json { &json } else { output };
    let Some(target) = &wanted.output else { return verdict::run(output, &wanted.input).await };
    let single = !wanted.input.is_dir();
    let options = AssetOptions::Model(options(&wanted, target, single)?);
    let jobs = Job::all_of(&wanted.input, target, single, options)?;
    let opened = Opened::open(config).await?;
    let done = convert::run(&*opened.pieces.assets, output, "models", jobs).await?;
    let (mut document, mut sound) = (BTreeMap::new(), true);
    for (name, made) in &done {
        let told = match made {
            Ok(made) => {
                table(output, name, &made.output);
                serde_json::json!(made.output)
            }
            Err(error) => {
                sound = false;
                convert::tell_failure(output, name, error)
            }
        };
        document.insert(name, told);
    }
    output.document(&document)?;
    opened.close().await;
    Ok(sound)
}

fn options(wanted: &ModelArgs, target: &Path, single: bool) -> Result<ModelOptions> {
    let mut options = ModelOptions::default();
    if single {
        let extension = target.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        options.format = extension.unwrap_or_default().parse::<ModelFormat>().map_err(|error| {
            Error::invalid("OUT ends in .glb, .gltf, .obj or .fbx").with("OUT", target.display()).because(error)
        })?;
        // Their files name each other.
        let (input, output) = (wanted.input.file_stem(), target.file_stem());
        if matches!(options.format, ModelFormat::Gltf | ModelFormat::Obj) && input != output {
            return Err(Error::invalid(
                "a gltf or obj keeps the name of its source, because its files name each other",
            )
            .with("OUT", target.display()));
        }
    }
    (options.generate_lods, options.optimize) = (!wanted.lods.is_empty(), !wanted.keep);
    if options.generate_lods {
        options.lod_levels.clone_from(&wanted.lods);
    }
    (options.lod_output, options.compress, options.scale) = (wanted.lod_output, wanted.compress, wanted.scale);
    options.up = wanted.up;
    (options.steps.flatten, options.steps.join, options.steps.instance) =
        (wanted.flatten, wanted.join, wanted.instance);
    options.steps.drop_rest = wanted.drop_rest;
    (options.images.format, options.images.max_size) = (wanted.images, wanted.image_size);
    options.images.quality = wanted.image_quality;
    options.validate()?;
    Ok(options)
}

fn table(output: &Output, name: &str, made: &AssetOutput) {
    let number = |key: &str| made.report.get(key).map(ToString::to_string).unwrap_or_else(|| "-".to_owned());
    let note = if made.cached { "  (from the cache)" } else { "" };
    output.line(format!("{name}: {} -> {}{note}", bytes(made.input_bytes), bytes(made.output_bytes())));
    for (what, before, after) in [
        ("triangles", "triangles", "trianglesAfter"),
        ("vertices", "vertices", "verticesAfter"),
        ("meshes", "meshes", "meshesAfter"),
        ("vertices worked out a triangle", "acmrBefore", "acmrAfter"),
    ] {
        output.line(format!("  {what:<32}{:>12} -> {}", number(before), number(after)));
    }
    for (what, key) in [("wrong with it before", "validationBefore"), ("wrong with it", "validationAfter")] {
        if let Some(found) = made.report.get(key) {
            verdict::table(output, what, found);
        }
    }
    for what in ["equalParts", "unusedParts", "weldedVertices", "droppedKeys", "droppedTracks", "meshesWithoutLods"] {
        if made.report.get(what).is_some_and(|count| count != 0) {
            output.line(format!("  {what:<32}{:>12}", number(what)));
        }
    }
    if let Some(images) = made.report.get("imagesProcessed") {
        let size = |key: &str| bytes(images[key].as_u64().unwrap_or_default());
        let (changed, count) = (&images["changed"], &images["count"]);
        output.line(format!(
            "  {changed} of {count} images made anew: {} -> {}",
            size("bytesBefore"),
            size("bytesAfter")
        ));
    }
    for what in
        ["imagesOfTwoKinds", "imagesOfTwoSpaces", "imagesNotRead", "dropped", "notRead", "missingFiles", "notOptimized"]
    {
        if made.report.contains_key(what) {
            output.line(format!("  {what}: {}", number(what)));
        }
    }
    for mesh in made.report.get("lods").and_then(serde_json::Value::as_array).into_iter().flatten() {
        for level in mesh["levels"].as_array().into_iter().flatten() {
            let share = |key: &str| level[key].as_f64().unwrap_or_default() * 100.0;
            output.line(format!(
                "  mesh {} at {}: {} triangles, off by {:.4} % (mean), {:.4} % (most) of its size",
                mesh["mesh"],
                level["asked"],
                level["triangles"],
                share("rmsError"),
                share("maxError")
            ));
        }
    }
}
