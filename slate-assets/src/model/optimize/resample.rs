use super::super::{
    ir::{Model, Sampler},
    values::{Component, Values},
};
use rayon::prelude::*;
use slate_core::{Cancel, Result};

/// How far a dropped key may be from what its neighbours imply, as a share of the largest value.
const TOLERANCE: f32 = 1e-5;
/// Keys dropped in a row; each is looked at again for every one that follows.
const RUN: usize = 128;

/// Drops keys that the ones beside them imply; gives how many.
pub(super) fn resample(model: &mut Model, cancel: &Cancel) -> Result<usize> {
    let dropped = model.animations.par_iter_mut().map(|animation| {
        let mut rotates = vec![false; animation.samplers.len()];
        for channel in &animation.channels {
            if let Some(rotates) = rotates.get_mut(channel.sampler) {
                *rotates |= channel.path == "rotation";
            }
        }
        let mut dropped = 0;
        for (sampler, rotates) in animation.samplers.iter_mut().zip(rotates) {
            cancel.check()?;
            dropped += thin(sampler, rotates);
        }
        Ok(dropped)
    });
    dropped.sum()
}

fn thin(sampler: &mut Sampler, rotates: bool) -> usize {
    let linear = sampler.interpolation == "LINEAR";
    if !linear && sampler.interpolation != "STEP" || sampler.output.component != Component::F32 {
        return 0;
    }
    let (times, values) = (sampler.input.to_floats(), sampler.output.to_floats());
    let width = values.len() / times.len().max(1);
    if times.len() < 3 || width == 0 || values.len() != width * times.len() {
        return 0;
    }
    let key = |at: usize| &values[at * width..(at + 1) * width];
    let tolerance = TOLERANCE * values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let implied = |from: usize, at: usize, to: usize| {
        let (one, other, own) = (key(from), key(to), key(at));
        let equal = |of: &[f32]| of.iter().zip(own).all(|(a, b)| (a - b).abs() <= tolerance);
        if !linear {
            return equal(one);
        }
        // Rotations turn along an arc: a straight line is close enough to a short one.
        let near = one.iter().zip(other).map(|(a, b)| a * b).sum::<f32>() > 0.999;
        if rotates && !near {
            return false;
        }
        let share = (times[at] - times[from]) / (times[to] - times[from]);
        let on_line = |at: usize| one[at] + (other[at] - one[at]) * share;
        let scale =
            if rotates { 1.0 / (0..width).map(|at| on_line(at) * on_line(at)).sum::<f32>().sqrt() } else { 1.0 };
        (0..width).all(|at| (on_line(at) * scale - own[at]).abs() <= tolerance)
    };
    let mut kept = vec![0u32];
    let mut last = 0;
    for at in 1..times.len() - 1 {
        let goes = at - last < RUN && (last + 1..=at).all(|between| implied(last, between, at + 1));
        if !goes {
            kept.push(at as u32);
            last = at;
        }
    }
    kept.push((times.len() - 1) as u32);
    let dropped = times.len() - kept.len();
    if dropped > 0 {
        // Weights of morph targets have several values for each key.
        let each = sampler.output.count() / times.len();
        let places: Vec<u32> =
            kept.iter().flat_map(|&at| (0..each as u32).map(move |part| at * each as u32 + part)).collect();
        sampler.input = Values::gather(&sampler.input, &kept);
        sampler.output = sampler.output.gather(&places);
    }
    dropped
}
