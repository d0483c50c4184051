use super::{
    super::{
        ir::{Animation, Channel, Model, Rest, Sampler, Transform},
        values::{Shape, Values},
    },
    finite,
    mesh::Shapes,
};
use crate::guard;
use fbx_rs::{BakeOptions, BakedAnimation, BakedKey, Scene};
use serde_json::Value;
use slate_core::{
    Result,
    asset::{AssetLimits, Work},
};

/// Reads each take, as keys between which is interpolated linearly.
pub(super) fn read(scene: &Scene, model: &mut Model, shapes: &Shapes, work: &Work<'_>) -> Result<()> {
    let mut room = work.limits.decoded_bytes;
    for (at, stack) in scene.animation_stacks().iter().enumerate() {
        work.cancel.check()?;
        let baked = guard::decoder("fbx", || {
            scene.bake_animation(Some(at), &BakeOptions::default()).map_err(|error| super::failed(&error))
        })?;
        let keys = baked
            .nodes
            .iter()
            .map(|node| node.translation_keys.len() + node.rotation_keys.len() + node.scale_keys.len());
        let bytes = keys.sum::<usize>() as u64 * 20;
        AssetLimits::check("the size of the model's animations", bytes, room)?;
        room -= bytes;
        let mut take = Take { begin: begin(&baked), animation: Animation::default() };
        for node in &baked.nodes {
            let Some(place) = node.node.checked_sub(1).filter(|&place| place < model.nodes.len()) else { continue };
            let Transform::Parts { translation, rotation, scale } = model.nodes[place].transform else { continue };
            if !stays(node.constant_translation, &node.translation_keys, translation) {
                take.add(place, "translation", Shape::Vec3, &node.translation_keys);
            }
            if !stays(node.constant_rotation, &node.rotation_keys, rotation) {
                take.add(place, "rotation", Shape::Vec4, &node.rotation_keys);
            }
            if !stays(node.constant_scale, &node.scale_keys, scale) {
                take.add(place, "scale", Shape::Vec3, &node.scale_keys);
            }
        }
        take.add_shapes(&baked, shapes, &mut room)?;
        if !take.animation.channels.is_empty() {
            take.animation.rest = Rest::from_iter([("name".to_owned(), Value::from(stack.name.as_str()))]);
            model.animations.push(take.animation);
        }
    }
    Ok(())
}

/// Where a take begins: where it says, or at its first key where that would leave nothing to be played.
fn begin(baked: &BakedAnimation) -> f64 {
    let told = baked.playback_time_begin;
    if baked.key_time_max >= told { told } else { baked.key_time_min }
}

/// The keys from where a take begins; what is before it counts for where it stands then.
fn from<const N: usize>(keys: &[BakedKey<N>], begin: f64) -> impl Iterator<Item = (f64, [f64; N])> {
    let before = keys.partition_point(|key| key.time < begin);
    let starts = keys.get(before).is_some_and(|key| key.time <= begin);
    let first = before.checked_sub(1).filter(|_| !starts).map(|last| {
        let (one, other) = (&keys[last], keys.get(before).unwrap_or(&keys[last]));
        let length = other.time - one.time;
        let share = if length > 0.0 { (begin - one.time) / length } else { 0.0 };
        // A quaternion and its negative are one rotation.
        let same = one.value.iter().zip(&other.value).map(|(one, other)| one * other).sum::<f64>() >= 0.0;
        let sign = if N == 4 && !same { -1.0 } else { 1.0 };
        (begin, std::array::from_fn(|at| one.value[at] + (sign * other.value[at] - one.value[at]) * share))
    });
    first.into_iter().chain(keys[before..].iter().map(|key| (key.time, key.value)))
}

/// Whether nothing moves, and nothing is held elsewhere than the node is without the animation.
fn stays<const N: usize>(constant: bool, keys: &[BakedKey<N>], rest: [f32; N]) -> bool {
    let is_rest = |key: &BakedKey<N>| {
        let near = |sign: f32| {
            let mut pairs = key.value.iter().zip(rest);
            pairs.all(|(value, rest)| (finite(*value) - sign * rest).abs() <= 1e-5 * rest.abs().max(1.0))
        };
        // A quaternion and its negative are one rotation.
        near(1.0) || N == 4 && near(-1.0)
    };
    keys.is_empty() || constant && keys.len() < 2 && keys.iter().all(is_rest)
}

struct Take {
    begin: f64,
    animation: Animation,
}

impl Take {
    fn add<const N: usize>(&mut self, node: usize, path: &str, shape: Shape, keys: &[BakedKey<N>]) {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for (time, value) in from(keys, self.begin) {
            let time = finite(time - self.begin).max(0.0);
            // Steps are two keys at one time: the later one comes a little later.
            let time = times.last().map_or(time, |last: &f32| time.max(last.next_up()));
            let mut value = value.map(finite);
            if path == "rotation" {
                let length = value.iter().map(|number| number * number).sum::<f32>().sqrt();
                if length <= 0.0 {
                    continue;
                }
                value.iter_mut().for_each(|number| *number /= length);
            }
            times.push(time);
            values.extend(value);
        }
        self.push(node, path, &times, Values::floats(shape, &values));
    }

    fn push(&mut self, node: usize, path: &str, times: &[f32], output: Values) {
        if times.is_empty() {
            return;
        }
        let sampler = self.animation.samplers.len();
        self.animation.channels.push(Channel {
            sampler,
            node: Some(node),
            path: path.to_owned(),
            target: Rest::new(),
            rest: Rest::new(),
        });
        self.animation.samplers.push(Sampler {
            input: Values::floats(Shape::Scalar, times),
            output,
            interpolation: "LINEAR".to_owned(),
            rest: Rest::new(),
        });
    }

    /// The weights of each node's blend shapes, at the times of all of them.
    fn add_shapes(&mut self, baked: &BakedAnimation, shapes: &Shapes, room: &mut u64) -> Result<()> {
        for (&node, channels) in shapes {
            let keys_of = |id: Option<i64>| {
                let found = baked
                    .properties
                    .iter()
                    .find(|property| Some(property.source_id) == id && property.name == b"DeformPercent");
                found.map(|property| property.keys.as_slice()).unwrap_or_default()
            };
            let keys: Vec<&[BakedKey<3>]> = channels.iter().map(|(id, _)| keys_of(*id)).collect();
            let mut times: Vec<f32> =
                keys.iter().flat_map(|keys| keys.iter()).map(|key| finite(key.time - self.begin).max(0.0)).collect();
            times.sort_by(f32::total_cmp);
            times.dedup();
            let bytes = (times.len() * channels.len()) as u64 * 4;
            AssetLimits::check("the size of the model's animations", bytes, *room)?;
            *room -= bytes;
            let mut values = Vec::new();
            for time in &times {
                for (keys, (_, rest)) in keys.iter().zip(channels) {
                    values.push(if keys.is_empty() {
                        *rest
                    } else {
                        finite(at(keys, f64::from(*time) + self.begin) / 100.0)
                    });
                }
            }
            self.push(node, "weights", &times, Values::floats(Shape::Scalar, &values));
        }
        Ok(())
    }
}

/// The value at a time, between the keys beside it.
fn at(keys: &[BakedKey<3>], time: f64) -> f64 {
    let after = keys.partition_point(|key| key.time <= time);
    match (after.checked_sub(1).and_then(|before| keys.get(before)), keys.get(after)) {
        (Some(one), Some(other)) => {
            let share = (time - one.time) / (other.time - one.time);
            one.value[0] + (other.value[0] - one.value[0]) * share
        }
        (Some(key), None) | (None, Some(key)) => key.value[0],
        (None, None) => 0.0,
    }
}
