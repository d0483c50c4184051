use super::super::{
    ir::{Animation, Channel, Model, Node, Sampler, Transform},
    values::{Component, Values},
};
use rayon::prelude::*;
use slate_core::{Cancel, Result};
use std::collections::{BTreeSet, HashMap};

/// How far a dropped key may be from what its neighbours imply, as a share of the largest value.
const TOLERANCE: f32 = 1e-5;
/// Keys dropped in a row; each is looked at again for every one that follows.
const RUN: usize = 128;

/// Bytes that a list of times of its own takes in the file's JSON.
const LIST: usize = 100;

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
        Ok(dropped + still(animation))
    });
    dropped.sum()
}

/// Leaves one key of what doesn't move, where others keep the animation as long as it is; gives how many are dropped.
fn still(animation: &mut Animation) -> usize {
    let ends = |sampler: &Sampler| {
        let times = sampler.input.to_floats();
        times.first().copied().zip(times.last().copied())
    };
    let is_still: Vec<bool> = animation.samplers.iter().map(|sampler| constant(sampler).is_some()).collect();
    let all = animation.samplers.iter().filter_map(ends).map(|(_, end)| end).fold(0.0, f32::max);
    let moving = animation.samplers.iter().zip(&is_still).filter(|(_, still)| !**still);
    if !moving.filter_map(|(sampler, _)| ends(sampler)).any(|(_, end)| end >= all) {
        return 0;
    }
    let mut dropped = 0;
    for (sampler, _) in animation.samplers.iter_mut().zip(is_still).filter(|(_, still)| *still) {
        let each = sampler.output.count() / sampler.input.count().max(1);
        dropped += sampler.input.count().saturating_sub(1);
        sampler.input = Values::gather(&sampler.input, &[0]);
        sampler.output = sampler.output.gather(&(0..each as u32).collect::<Vec<_>>());
    }
    dropped
}

/// Whether the same bytes are stored at each key, as most are that stand: each key then has the bytes of the one before.
fn is_repeated(sampler: &Sampler) -> bool {
    let (count, bytes) = (sampler.input.count(), &sampler.output.bytes);
    let size = bytes.len() / count.max(1);
    size > 0 && bytes.len() == size * count && bytes[size..] == bytes[..bytes.len() - size]
}

/// The value that a sampler always has.
fn constant(sampler: &Sampler) -> Option<Vec<f32>> {
    if sampler.interpolation != "LINEAR" && sampler.interpolation != "STEP" {
        return None;
    }
    let count = sampler.input.count();
    if is_repeated(sampler) {
        return Some(sampler.output.first(sampler.output.count() / count).to_floats());
    }
    let values = sampler.output.to_floats();
    let width = values.len() / count.max(1);
    if width == 0 || values.len() != width * count {
        return None;
    }
    let tolerance = tolerance(&values);
    let first = &values[..width];
    let equal = |key: &[f32]| key.iter().zip(first).all(|(a, b)| (a - b).abs() <= tolerance);
    values.chunks_exact(width).all(equal).then(|| first.to_vec())
}

/// Drops channels that leave a node as it stands, where no animation moves it from there; gives how many.
///
/// Where another animation does move it, players that let one animation follow the other need both: those are dropped only
/// where each animation is looked at `alone`.
pub(super) fn drop_still(model: &mut Model, alone: bool) -> usize {
    let mut moved = BTreeSet::new();
    let at_rest = |nodes: &[Node], animation: &Animation, channel: &Channel| {
        let value = animation.samplers.get(channel.sampler).and_then(constant);
        let rest = channel.node.and_then(|node| nodes.get(node)).and_then(|node| rest(node, &channel.path));
        let bare = channel.rest.is_empty() && channel.target.is_empty();
        bare && value.zip(rest).is_some_and(|(value, rest)| {
            let tolerance = tolerance(&rest);
            value.len() == rest.len() && value.iter().zip(rest).all(|(a, b)| (a - b).abs() <= tolerance)
        })
    };
    let key = |at: usize, channel: &Channel| (alone.then_some(at), channel.node, channel.path.clone());
    for (at, animation) in model.animations.iter().enumerate() {
        let moving = animation.channels.iter().filter(|channel| !at_rest(&model.nodes, animation, channel));
        moved.extend(moving.map(|channel| key(at, channel)));
    }
    let mut dropped = 0;
    for (at, animation) in model.animations.iter_mut().enumerate() {
        let kept = |channel: &Channel| moved.contains(&key(at, channel));
        // One that moves nothing is still there to be played, for as long as it is.
        if !animation.channels.iter().any(kept) {
            continue;
        }
        let before = animation.channels.len();
        animation.channels.retain(kept);
        dropped += before - animation.channels.len();
        drop_samplers(animation);
    }
    dropped
}

/// Drops the samplers that no channel names.
fn drop_samplers(animation: &mut Animation) {
    let mut used = vec![false; animation.samplers.len()];
    animation.channels.iter().for_each(|channel| used[channel.sampler] = true);
    let mut next = 0;
    let places: Vec<usize> = used.iter().map(|used| (next, next += usize::from(*used)).0).collect();
    animation.channels.iter_mut().for_each(|channel| channel.sampler = places[channel.sampler]);
    let mut flags = used.iter();
    animation.samplers.retain(|_| flags.next() == Some(&true));
}

/// Makes one of the equal samplers of an animation, as joints have that stand alike; gives how many are dropped.
pub(super) fn share_samplers(model: &mut Model) -> usize {
    let mut dropped = 0;
    for animation in &mut model.animations {
        // What a sampler is of says how its numbers are stored.
        let mut known = HashMap::new();
        for channel in &mut animation.channels {
            let Some(Sampler { input, output, interpolation, rest }) = animation.samplers.get(channel.sampler) else {
                continue;
            };
            if rest.is_empty() {
                let key = (channel.path.as_str(), input, output, interpolation.as_str());
                channel.sampler = *known.entry(key).or_insert(channel.sampler);
            }
        }
        let before = animation.samplers.len();
        drop_samplers(animation);
        dropped += before - animation.samplers.len();
    }
    dropped
}

/// What a node has where nothing animates it.
fn rest(node: &Node, path: &str) -> Option<Vec<f32>> {
    let Transform::Parts { translation, rotation, scale } = &node.transform else { return None };
    match path {
        "translation" => Some(translation.to_vec()),
        "rotation" => Some(rotation.to_vec()),
        "scale" => Some(scale.to_vec()),
        _ => None,
    }
}

fn tolerance(values: &[f32]) -> f32 {
    TOLERANCE * values.iter().fold(0.0f32, |most, value| most.max(value.abs()))
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
    let tolerance = tolerance(&values);
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
    let between = if is_repeated(sampler) { 0..0 } else { 1..times.len() - 1 };
    for at in between {
        let goes = at - last < RUN && (last + 1..=at).all(|between| implied(last, between, at + 1));
        if !goes {
            kept.push(at as u32);
            last = at;
        }
    }
    kept.push((times.len() - 1) as u32);
    let dropped = times.len() - kept.len();
    // Times that are its own cost more than a few keys.
    let own = kept.len() * size_of::<f32>() + if kept.len() > 2 { LIST } else { 0 };
    if dropped * width * size_of::<f32>() <= own {
        return 0;
    }
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
