//! Models: glTF 2.0, OBJ and FBX in, checked, made lighter, with levels of detail, and out as any of them.
//!
//! Readers make one representation of a model, steps change it, writers write it. What nobody here knows, extensions
//! and extras, goes through as it is. Nothing is trusted: sizes are held against the limits before memory is taken,
//! every index and range is checked once, and errors name the JSON path.

mod fbx;
mod gltf;
#[cfg(feature = "texture")]
mod images;
mod ir;
mod lod;
mod obj;
mod optimize;
mod polygon;
mod report;
pub mod simplify;
mod space;
mod turn;
mod values;

pub use gltf::{Issue, Severity, Verdict, validate};

use ir::{Model, Node, Transform};
use slate_core::{
    Error, Result,
    asset::{
        AssetInput, AssetKind, AssetLimits, LodOutput, MeshCompression, ModelFormat, ModelImages, ModelOptions,
        Processor, ProcessorInfo, Report, UpAxis, Work,
    },
};

/// Reads a model, optimises it, adds levels of detail and writes it, named after the input.
///
/// - Buffers are merged and images embedded. External files are read below the input's own folder only, and only where
///   the input is a file; schemes other than `data:` are refused.
/// - `scale` and `up` put nodes that do it above the roots of each scene: skins and animations stay right. Ranges of
///   lights and planes of cameras are not scaled.
/// - `optimize` takes the steps of [`ModelSteps`](slate_core::asset::ModelSteps). Where an extension that is not known
///   here might name parts by number, parts keep their numbers, and what it might name is kept.
/// - `generateLODs` adds levels by a [simplifier](simplify) that treats the parts of a mesh as one surface, so that
///   no cracks open between them. The report holds the measured error of each.
/// - `images` brings images to a size, or to another format, with the feature `texture`; one that can't be read stays.
/// - The report's `validationBefore`, of a glTF that is read, and `validationAfter`, of one that is written, hold a [`Verdict`].
/// - Without any of it, what is written shows what was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelProcessor;

impl Processor for ModelProcessor {
    type Options = ModelOptions;

    const INFO: ProcessorInfo = ProcessorInfo {
        name: "model",
        version: 6,
        kind: AssetKind::Model,
        reads: &["glb", "gltf", "obj", "fbx"],
        writes: &["glb", "gltf", "obj", "fbx"],
    };

    fn check(&self, options: &ModelOptions) -> Result<()> {
        options.validate()?;
        let in_files = options.lod_output == LodOutput::Files;
        let refused = if options.format == ModelFormat::Obj && options.generate_lods && !in_files {
            "an obj holds one level of detail; set lodOutput to files, or generateLODs to false".to_owned()
        } else if options.bake_lighting {
            "baking light is not available yet; set bakeLighting to false".to_owned()
        } else if cfg!(not(feature = "texture")) && options.images != ModelImages::default() {
            "images are processed with the feature texture only; leave the images' options out".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::unsupported(refused))
    }

    fn references(&self, input: &AssetInput, limits: &AssetLimits) -> Result<Vec<String>> {
        match input.extension().as_str() {
            "obj" => obj::references(input, limits),
            "fbx" => fbx::references(input, limits),
            _ => gltf::references(input, limits),
        }
    }

    fn process(&self, work: &mut Work<'_>, options: &ModelOptions) -> Result<Report> {
        self.check(options)?;
        work.cancel.check()?;
        let mut report = Report::new();
        let mut model = read(work, &mut report)?;
        work.progress.report(0.2);
        report::begin(&model, work.input.len(), &mut report);
        if let Some(kept) = &model.kept {
            report.insert("notOptimized".into(), format!("{} may name anything", kept.extension).into());
        }
        if options.optimize {
            optimize::run(&mut model, &options.steps, work, &mut report)?;
        }
        #[cfg(feature = "texture")]
        images::run(&mut model, &options.images, work, &mut report)?;
        if options.up == UpAxis::Z {
            put_below(&mut model, "up", QUARTER_TURN);
        }
        if options.scale != 1.0 {
            put_below(&mut model, "scale", Transform::scaled(options.scale));
        }
        work.progress.report(0.4);
        let mut further = Vec::new();
        if options.generate_lods {
            let mut chains = lod::build(&model, &options.lod_levels, work, &mut report)?;
            // An FBX stores the vertices of each mesh; what an unknown extension may name stays as it is.
            let one_file = options.format != ModelFormat::Fbx && options.lod_output != LodOutput::Files;
            if one_file && model.kept.is_none() {
                lod::share(&mut model, &mut chains, work.cancel)?;
            }
            match options.lod_output {
                LodOutput::Files => further = lod::files(&model, chains, options.lod_levels.len()),
                LodOutput::Nodes => lod::nodes(&mut model, chains),
                // FBX has no such extension.
                _ if options.format == ModelFormat::Fbx => lod::nodes(&mut model, chains),
                _ => lod::msft(&mut model, chains, &options.lod_levels),
            }
        }
        work.progress.report(0.8);
        let stem = work.stem();
        report::end(&model, &mut report);
        let mut bytes = write(model, &stem, work, options, &mut report)?;
        for (at, model) in further.into_iter().enumerate() {
            bytes += write(model, &format!("{stem}_LOD{}", at + 1), work, options, &mut report)?;
        }
        report.insert("bytesAfter".into(), bytes.into());
        work.progress.report(1.0);
        Ok(report)
    }
}

fn read(work: &Work<'_>, report: &mut Report) -> Result<Model> {
    let (bytes, extension) = (work.input.bytes(work.limits)?, work.input.extension());
    match extension.as_str() {
        "obj" => obj::read(work, report),
        "fbx" => fbx::read(work, report),
        _ if gltf::is_gltf(&bytes, &extension) => gltf::read(work, report),
        _ => Err(Error::unsupported("this model format is not read; export it as glb, gltf, fbx or obj")),
    }
}

/// Writes one model; gives the number of bytes.
fn write(
    mut model: Model,
    stem: &str,
    work: &mut Work<'_>,
    options: &ModelOptions,
    report: &mut Report,
) -> Result<u64> {
    if options.compress != MeshCompression::None {
        let filtered = gltf::Flavor::of(options.compress).is_some();
        optimize::quantize(&mut model, filtered, work.cancel, report)?;
        if options.optimize && options.steps.weld && model.kept.is_none() {
            optimize::settle(&mut model, filtered && options.steps.reorder, work.cancel)?;
        }
    }
    work.cancel.check()?;
    match options.format {
        ModelFormat::Obj => return obj::write(&model, stem, work, report),
        ModelFormat::Fbx => return fbx::write(&model, stem, work, report),
        _ => {}
    }
    let packing = gltf::Packing { compress: gltf::Flavor::of(options.compress) };
    let mut written = gltf::write(&model, packing)?;
    drop(model);
    report::valid(written.verdict(work.limits, work.cancel)?, stem, report)?;
    if options.format == ModelFormat::Glb {
        let bytes = written.into_glb()?;
        work.write(&format!("{stem}.glb"), &bytes)?;
        return Ok(bytes.len() as u64);
    }
    let (json, binary) = written.into_files(&format!("{stem}.bin"))?;
    work.write(&format!("{stem}.gltf"), &json)?;
    if !binary.is_empty() {
        work.write(&format!("{stem}.bin"), &binary)?;
    }
    Ok((json.len() + binary.len()) as u64)
}

/// About X, so that Z comes to where Y was.
const QUARTER_TURN: Transform = {
    use std::f32::consts::FRAC_1_SQRT_2 as HALF;
    Transform::Parts { translation: [0.0; 3], rotation: [-HALF, 0.0, 0.0, HALF], scale: [1.0; 3] }
};

/// Puts a node that does this above each root. A root in several scenes gets one, so that it keeps one parent.
fn put_below(model: &mut Model, name: &str, transform: Transform) {
    let mut is_root = vec![true; model.nodes.len()];
    // Levels of detail are placed like the nodes that they stand for.
    model
        .nodes
        .iter()
        .flat_map(|node| node.children.iter().chain(&node.lods))
        .for_each(|&child| is_root[child] = false);
    let mut above = vec![None; is_root.len()];
    for root in (0..is_root.len()).filter(|&at| is_root[at]) {
        above[root] = Some(model.nodes.len());
        model.nodes.push(Node { transform, children: vec![root], ..Node::named(name) });
    }
    for node in model.scenes.iter_mut().flat_map(|scene| &mut scene.nodes) {
        *node = above[*node].unwrap_or(*node);
    }
}
