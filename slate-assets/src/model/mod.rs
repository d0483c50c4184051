//! Models: glTF 2.0, as JSON or GLB, checked and packed into one GLB.
//!
//! The JSON is kept as it is, with every extension and extra that nobody here knows. Nothing is trusted: sizes are held
//! against the limits before memory is taken, every index and range is checked once, and errors name the JSON path.

mod accessor;
mod document;
mod glb;
mod pack;
mod path;
mod prune;
mod resolve;
mod scene;

use document::Document;
use serde_json::Value;
use slate_core::{
    Error, Result,
    asset::{AssetInput, AssetKind, AssetLimits, ModelFormat, ModelOptions, Processor, ProcessorInfo, Report, Work},
};

/// Reads a glTF model, checks it and writes it as one GLB named after the input.
///
/// - Buffers are merged and images embedded. External files are read below the input's own folder only, and only where
///   the input is a file; schemes other than `data:` are refused.
/// - `scale` puts a node with that scale above the roots of each scene: skins and animations stay right. Ranges of
///   lights and planes of cameras are not scaled.
/// - `optimize` drops accessors and buffer views that nothing names, and the bytes that no view covers: without any
///   loss. It leaves all where an extension that is not known here might name them.
/// - Meshopt-compressed files are refused; Draco-compressed ones are passed through, with their geometry unchecked.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelProcessor;

impl Processor for ModelProcessor {
    type Options = ModelOptions;

    const INFO: ProcessorInfo =
        ProcessorInfo { name: "model", version: 1, kind: AssetKind::Model, reads: &["glb", "gltf"], writes: &["glb"] };

    fn check(&self, options: &ModelOptions) -> Result<()> {
        options.validate()?;
        let refused = if options.format != ModelFormat::Glb {
            format!("writing {} is not available yet; choose glb", options.format)
        } else if options.generate_lods {
            "levels of detail are not available yet; set generateLODs to false".to_owned()
        } else if options.bake_lighting {
            "baking light is not available yet; set bakeLighting to false".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::unsupported(refused))
    }

    fn references(&self, input: &AssetInput, limits: &AssetLimits) -> Result<Vec<String>> {
        resolve::references(&Document::read(input, limits)?)
    }

    fn process(&self, work: &mut Work<'_>, options: &ModelOptions) -> Result<Report> {
        self.check(options)?;
        work.cancel.check()?;
        let mut document = Document::read(work.input, work.limits)?;
        let buffers = resolve::buffers(&document, work)?;
        work.progress.report(0.3);
        path::check_references(&document.json)?;
        scene::check(&document.json, work.limits)?;
        let counts = accessor::check(&document.json, &buffers, work.limits, work.cancel)?;
        work.progress.report(0.6);

        let mut report = Report::new();
        for (name, list) in [
            ("meshes", "meshes"),
            ("nodes", "nodes"),
            ("materials", "materials"),
            ("animations", "animations"),
            ("skins", "skins"),
            ("images", "images"),
        ] {
            report.insert(name.into(), document.count(list).into());
        }
        report.insert("vertices".into(), counts.vertices.into());
        report.insert("triangles".into(), counts.triangles.into());
        report.insert("bytesBefore".into(), work.input.len().into());
        if options.optimize {
            match prune::prune(&mut document.json)? {
                Ok(dropped) => report.insert("droppedAccessorsAndViews".into(), dropped.into()),
                Err(extension) => report.insert("notOptimized".into(), format!("{extension} may name anything").into()),
            };
        }
        if options.scale != 1.0 {
            scene::scale(&mut document.json, options.scale)?;
        }
        let images = resolve::images(&document, work)?;
        let bytes = pack::pack(&mut document.json, &buffers, images, options.optimize)?;
        work.cancel.check()?;
        let bytes = glb::write(&document.json, &bytes)?;
        report.insert("bytesAfter".into(), bytes.len().into());
        let name = format!("{}.glb", work.stem());
        work.write(&name, &bytes)?;
        work.progress.report(1.0);
        Ok(report)
    }
}

/// The entries of a top-level list; none where it isn't there.
fn list<'a>(json: &'a Value, name: &str) -> &'a [Value] {
    json.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
