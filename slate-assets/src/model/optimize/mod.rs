//! Steps that make a model lighter and change nothing that a viewer shows.

mod arrange;
mod coordinates;
mod parts;
mod quantize;
mod resample;
mod settle;
mod share;
mod tangents;
mod vertices;

#[cfg(feature = "texture")]
pub(super) use parts::prune_images;
pub(super) use quantize::quantize;
pub(super) use settle::settle;
pub(super) use share::share;
pub(super) use vertices::{reorder, transformed};

use super::ir::{Model, Primitive};
use rayon::prelude::*;
use slate_core::{
    Cancel, Result,
    asset::{ModelSteps, Report, Work},
};

/// Takes the steps that are asked for; tells what was dropped.
pub(super) fn run(model: &mut Model, steps: &ModelSteps, work: &Work<'_>, report: &mut Report) -> Result<()> {
    if model.kept.is_some() {
        return Ok(());
    }
    if steps.dedupe {
        report.insert("equalParts".to_owned(), parts::dedupe(model).into());
    }
    arrange::run(model, steps, work, report)?;
    let mut tell = |name: &str, count: usize| report.insert(name.to_owned(), count.into());
    if steps.prune {
        tell("unusedParts", parts::prune(model));
    }
    if steps.tangents {
        tell("tangents", tangents::add(model, work.cancel)?);
    }
    if steps.weld {
        let vertices = |model: &Model| -> usize { primitives(model).map(Primitive::vertices).sum() };
        let before = vertices(model);
        for_each(model, work.cancel, vertices::weld)?;
        tell("weldedVertices", before - vertices(model));
    }
    if steps.reorder {
        let blended = vertices::is_blended(&model.materials);
        for_each(model, work.cancel, |primitive| {
            if !blended(primitive) {
                vertices::reorder(primitive);
            }
        })?;
    }
    if steps.resample {
        tell("droppedKeys", resample::resample(model, work.cancel)?);
        tell("droppedTracks", resample::drop_still(model, steps.drop_rest));
    }
    if steps.dedupe {
        tell("equalSamplers", resample::share_samplers(model));
    }
    Ok(())
}

fn primitives(model: &Model) -> impl Iterator<Item = &Primitive> {
    model.meshes.iter().flat_map(|mesh| &mesh.primitives)
}

/// Changes each primitive on its own, on all threads.
fn for_each(model: &mut Model, cancel: &Cancel, change: impl Fn(&mut Primitive) + Sync) -> Result<()> {
    model.meshes.par_iter_mut().flat_map(|mesh| &mut mesh.primitives).try_for_each(|primitive| {
        cancel.check()?;
        change(primitive);
        Ok(())
    })
}
