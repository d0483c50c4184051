//! meshoptimizer, with no bound on the error.

use super::{Left, Shape};
use meshoptimizer_rs::{
    Attributes, Positions, PositionsMut, SimplifyOptions, SimplifySettings, Workspace, simplify,
    simplify_with_attributes,
};
use slate_benches::Result;

fn target(shape: &Shape, ratio: f64) -> usize {
    (shape.indices.len() as f64 / 3.0 * ratio) as usize * 3
}

fn settings(shape: &Shape, ratio: f64, options: SimplifyOptions) -> SimplifySettings {
    SimplifySettings { target_index_count: target(shape, ratio), target_error: f32::MAX, options }
}

pub(super) fn cpp(shape: &Shape, ratio: f64) -> Result<Left> {
    let bytes: Vec<u8> = shape.positions.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
    let vertices = meshopt::VertexDataAdapter::new(&bytes, 12, 0)?;
    let options = meshopt::SimplifyOptions::None;
    let indices = meshopt::simplify(&shape.indices, &vertices, target(shape, ratio), f32::MAX, options, None);
    Ok((shape.positions.clone(), indices))
}

pub(super) fn port(shape: &Shape, ratio: f64) -> Result<Left> {
    let (positions, settings) =
        (Positions::from_packed(&shape.positions), settings(shape, ratio, SimplifyOptions::EMPTY));
    let left =
        simplify(&shape.indices, positions, settings, &mut Workspace::default()).map_err(|error| error.to_string())?;
    Ok((shape.positions.clone(), left.indices))
}

pub(super) fn port_updated(shape: &Shape, ratio: f64) -> Result<Left> {
    let (mut positions, mut indices) = (shape.positions.clone(), shape.indices.clone());
    let left = meshoptimizer_rs::simplify_with_update(
        &mut indices,
        &mut PositionsMut::from_packed(&mut positions),
        None,
        &[],
        None,
        settings(shape, ratio, SimplifyOptions::EMPTY),
        &mut Workspace::default(),
    );
    indices.truncate(left.map_err(|error| error.to_string())?.index_count);
    Ok((positions, indices))
}

pub(super) fn port_attributes(shape: &Shape, ratio: f64) -> Result<Left> {
    attributes(shape, ratio, SimplifyOptions::EMPTY)
}

pub(super) fn port_permissive(shape: &Shape, ratio: f64) -> Result<Left> {
    attributes(shape, ratio, SimplifyOptions::PERMISSIVE)
}

fn attributes(shape: &Shape, ratio: f64, options: SimplifyOptions) -> Result<Left> {
    let wrong = |error: meshoptimizer_rs::Error| error.to_string();
    let (count, width) = (shape.positions.len(), shape.weights.len());
    let attributes = Attributes::from_interleaved(&shape.attributes, count, width, width, 0).map_err(wrong)?;
    let left = simplify_with_attributes(
        &shape.indices,
        Positions::from_packed(&shape.positions),
        attributes,
        &shape.weights,
        None,
        settings(shape, ratio, options),
        &mut Workspace::default(),
    );
    Ok((shape.positions.clone(), left.map_err(wrong)?.indices))
}
