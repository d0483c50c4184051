use super::{
    super::super::{
        ir::{Animation, Sampler, Transform},
        turn,
        values::Values,
    },
    Element, File, property, ticks,
};
use serde_json::Value;
use slate_core::{Result, asset::Work};

/// How often the time between two keys is halved at most, where a straight line doesn't follow.
const HALVES: u32 = 5;
/// How far a turn may be from a straight line between angles, in radians: half a thousandth shows nowhere.
const TURNED: f64 = 5e-4;
/// The same for other numbers, as a share of their range.
const MOVED: f64 = 1e-4;

/// The curves of one property: its times, and a list of values for each of its numbers.
struct Curves {
    times: Vec<f64>,
    values: Vec<Vec<f64>>,
    steps: bool,
}

impl File<'_> {
    /// Writes all animations; gives the length of the longest in seconds.
    pub(super) fn animations(&mut self, work: &Work<'_>) -> Result<f64> {
        let mut longest = 0.0f64;
        for animation in &self.model.animations {
            work.cancel.check()?;
            longest = longest.max(self.animation(animation));
        }
        Ok(longest)
    }

    fn animation(&mut self, animation: &Animation) -> f64 {
        let times = animation.samplers.iter().flat_map(|sampler| sampler.input.to_floats());
        let end = f64::from(times.fold(0.0f32, f32::max));
        let name = animation.rest.get("name").and_then(Value::as_str).unwrap_or("animation");
        let time = ["KTime", "Time", ""];
        let span = Element::new("Properties70")
            .child(property("LocalStart", time, [0i64]))
            .child(property("LocalStop", time, [ticks(end)]))
            .child(property("ReferenceStart", time, [0i64]))
            .child(property("ReferenceStop", time, [ticks(end)]));
        let stack = self.add("AnimationStack", name, "AnimStack", "", vec![span]);
        let layer = self.add("AnimationLayer", "base", "AnimLayer", "", Vec::new());
        self.link(layer, stack);
        for channel in &animation.channels {
            let Some(sampler) = animation.samplers.get(channel.sampler) else { continue };
            let Some((node, &number)) = channel.node.and_then(|node| Some((node, self.nodes.get(&node)?))) else {
                self.dropped.insert("animations of what the scene doesn't show");
                continue;
            };
            let axes = ["d|X", "d|Y", "d|Z"];
            match channel.path.as_str() {
                "translation" => {
                    let curves = straight(&sampler.input, sampler, 3);
                    self.curves(layer, number, "Lcl Translation", "T", &axes, &curves);
                }
                "scale" => {
                    let curves = straight(&sampler.input, sampler, 3);
                    self.curves(layer, number, "Lcl Scaling", "S", &axes, &curves);
                }
                "rotation" => {
                    let rest = match self.model.nodes[node].transform {
                        Transform::Parts { rotation, .. } => turn::angles(turn::unit(rotation.map(f64::from))),
                        Transform::Matrix(_) => [0.0; 3],
                    };
                    let curves = turned(sampler, rest);
                    self.curves(layer, number, "Lcl Rotation", "R", &axes, &curves);
                }
                "weights" => {
                    for channels in self.channels.get(&node).cloned().unwrap_or_default() {
                        let mut curves = straight(&sampler.input, sampler, channels.len());
                        curves.values.iter_mut().flatten().for_each(|weight| *weight *= 100.0);
                        for (channel, values) in channels.iter().zip(curves.values) {
                            let one = Curves { times: curves.times.clone(), values: vec![values], steps: curves.steps };
                            self.curves(layer, *channel, "DeformPercent", "DeformPercent", &["d|DeformPercent"], &one);
                        }
                    }
                }
                _ => {
                    self.dropped.insert("animations by extensions");
                }
            }
        }
        end
    }

    fn curves(&mut self, layer: i64, target: i64, property_: &str, name: &str, axes: &[&str], curves: &Curves) {
        if curves.times.is_empty() {
            return;
        }
        let first = |values: &Vec<f64>| values.first().copied().unwrap_or_default();
        let mut defaults = Element::new("Properties70");
        for (axis, values) in axes.iter().zip(&curves.values) {
            defaults = defaults.child(property(axis, ["Number", "", "A"], [first(values)]));
        }
        let node = self.add("AnimationCurveNode", name, "AnimCurveNode", "", vec![defaults]);
        self.link(node, layer);
        self.link_to(node, target, property_);
        let times: Vec<i64> = curves.times.iter().map(|&time| ticks(time)).collect();
        for (axis, values) in axes.iter().zip(&curves.values) {
            let rest = vec![
                Element::of("Default", first(values)),
                Element::of("KeyVer", 4008),
                Element::of("KeyTime", times.clone()),
                Element::of("KeyValueFloat", values.iter().map(|&value| value as f32).collect::<Vec<f32>>()),
                // Constant, or a straight line to the next key.
                Element::of("KeyAttrFlags", vec![if curves.steps { 2 } else { 4 }]),
                Element::of("KeyAttrDataFloat", vec![0.0f32; 4]),
                Element::of("KeyAttrRefCount", vec![times.len() as i32]),
            ];
            let curve = self.add("AnimationCurve", "", "AnimCurve", "", rest);
            self.link_to(curve, node, axis);
        }
    }
}

/// The keys of a sampler, with what is between them.
struct Track {
    times: Vec<f64>,
    /// The values of each key; three times as many for cubic splines: the tangent before, the value, the tangent after.
    values: Vec<f64>,
    width: usize,
    cubic: bool,
}

impl Track {
    fn of(input: &Values, sampler: &Sampler, width: usize) -> Self {
        let times: Vec<f64> = input.to_floats().into_iter().map(f64::from).collect();
        let values = sampler.output.to_floats().into_iter().map(f64::from).collect();
        Self { times, values, width, cubic: sampler.interpolation == "CUBICSPLINE" }
    }

    /// A key's value, or a tangent of it: 0 the one before, 2 the one after.
    fn part(&self, key: usize, part: usize) -> &[f64] {
        let place = if self.cubic { key * 3 + part } else { key };
        self.values.get(place * self.width..(place + 1) * self.width).unwrap_or_default()
    }

    fn key(&self, key: usize) -> &[f64] {
        self.part(key, 1)
    }

    /// The value at a share of the way from a key to the next.
    fn between(&self, key: usize, share: f64) -> Vec<f64> {
        let (from, to) = (self.key(key), self.key(key + 1));
        if !self.cubic {
            return from.iter().zip(to).map(|(from, to)| from + (to - from) * share).collect();
        }
        let span = self.times[key + 1] - self.times[key];
        let (square, cube) = (share * share, share * share * share);
        let (out, into) = (self.part(key, 2), self.part(key + 1, 0));
        let value = |at: usize| {
            (2.0 * cube - 3.0 * square + 1.0) * from[at]
                + span * (cube - 2.0 * square + share) * out[at]
                + (3.0 * square - 2.0 * cube) * to[at]
                + span * (cube - square) * into[at]
        };
        (0..self.width.min(from.len()).min(to.len())).map(value).collect()
    }
}

/// Numbers between which straight lines go.
fn straight(input: &Values, sampler: &Sampler, width: usize) -> Curves {
    let track = Track::of(input, sampler, width);
    let steps = sampler.interpolation == "STEP";
    let mut curves = Curves { times: Vec::new(), values: vec![Vec::new(); width], steps };
    let mut push = |time: f64, value: &[f64]| {
        curves.times.push(time);
        curves.values.iter_mut().zip(value).for_each(|(list, number)| list.push(*number));
    };
    let all = (0..track.times.len()).flat_map(|key| track.key(key)).copied();
    let (least, most) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), n| (least.min(n), most.max(n)));
    let allowed = (most - least).max(1e-6) * MOVED;
    for key in 0..track.times.len() {
        push(track.times[key], track.key(key));
        if !track.cubic || key + 1 == track.times.len() {
            continue;
        }
        let far = |from: f64, to: f64| {
            let (one, other) = (track.between(key, from), track.between(key, to));
            [0.3, 0.5, 0.7].iter().any(|part| {
                let value = track.between(key, from + (to - from) * part);
                let line = one.iter().zip(&other).map(|(one, other)| one + (other - one) * part);
                value.iter().zip(line).any(|(value, line)| (value - line).abs() > allowed)
            })
        };
        for share in shares(&far) {
            push(track.times[key] + (track.times[key + 1] - track.times[key]) * share, &track.between(key, share));
        }
    }
    curves
}

/// Turns as angles, each the nearest to the one before.
fn turned(sampler: &Sampler, mut last: [f64; 3]) -> Curves {
    let track = Track::of(&sampler.input, sampler, 4);
    let mut curves = Curves { times: Vec::new(), values: vec![Vec::new(); 3], steps: sampler.interpolation == "STEP" };
    let four = |value: &[f64]| turn::unit(std::array::from_fn(|at| value.get(at).copied().unwrap_or_default()));
    let at = |key: usize, share: f64| {
        if track.cubic {
            four(&track.between(key, share))
        } else {
            turn::slerp(four(track.key(key)), four(track.key(key + 1)), share)
        }
    };
    for key in 0..track.times.len() {
        let mut push = |time: f64, value: [f64; 4]| {
            last = turn::nearest(turn::angles(value), last);
            curves.times.push(time);
            curves.values.iter_mut().zip(last).for_each(|(list, angle)| list.push(angle));
        };
        push(track.times[key], four(track.key(key)));
        if curves.steps || key + 1 == track.times.len() {
            continue;
        }
        let far = |from: f64, to: f64| {
            let one = turn::angles(at(key, from));
            let other = turn::nearest(turn::angles(at(key, to)), one);
            [0.3, 0.5, 0.7].iter().any(|part| {
                let line = std::array::from_fn(|axis| one[axis] + (other[axis] - one[axis]) * part);
                turn::between(turn::quaternion(line), at(key, from + (to - from) * part)) > TURNED
            })
        };
        for share in shares(&far) {
            let time = track.times[key] + (track.times[key + 1] - track.times[key]) * share;
            last = turn::nearest(turn::angles(at(key, share)), last);
            curves.times.push(time);
            curves.values.iter_mut().zip(last).for_each(|(list, angle)| list.push(angle));
        }
    }
    curves
}

/// Where between 0 and 1 keys are needed, so that no span between them is `far` from straight.
fn shares(far: &dyn Fn(f64, f64) -> bool) -> Vec<f64> {
    let mut found = Vec::new();
    let mut open = vec![(0.0, 1.0, HALVES)];
    while let Some((from, to, left)) = open.pop() {
        if left > 0 && far(from, to) {
            let middle = (from + to) / 2.0;
            open.push((middle, to, left - 1));
            open.push((from, middle, left - 1));
        } else if to < 1.0 {
            found.push(to);
        }
    }
    found
}
