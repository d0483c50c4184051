//! Skins, blend shapes and curves whose lists fit together.

use super::{
    super::entries::text::{Entry, Value, whole},
    repair::kind,
};
use std::collections::BTreeMap;

/// Connections on the way from a cluster or a shape to its mesh.
const WAY: usize = 4;

/// Clusters and shapes of points that their mesh has, and channels with a weight for each of their shapes.
pub(super) fn repair(objects: &mut [Entry<'_>], connections: &[Entry<'_>]) {
    let mut to: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for connection in connections {
        let ends = connection.values.get(1).and_then(Value::whole).zip(connection.values.get(2).and_then(Value::whole));
        if let Some((from, above)) = ends {
            to.entry(from).or_default().push(above);
        }
    }
    let (mut points, mut shapes) = (BTreeMap::new(), BTreeMap::<i64, usize>::new());
    for object in objects.iter() {
        let Some(number) = object.values.first().and_then(Value::whole) else { continue };
        match (object.name, kind(object)) {
            (b"Geometry", Some(b"Mesh")) => {
                points.insert(number, object.find(b"Vertices").map_or(0, |list| list.numbers().len() / 3));
            }
            (b"Geometry", Some(b"Shape")) => {
                let channels = to.get(&number).into_iter().flatten();
                channels.for_each(|channel| *shapes.entry(*channel).or_default() += 1);
            }
            _ => {}
        }
    }
    // The fewest points of the meshes that something is for, however it is connected to them: one step further each time.
    let mut most: BTreeMap<i64, usize> = BTreeMap::new();
    for _ in 0..WAY {
        let through = |above: &i64| [&points, &most].into_iter().filter_map(|known| known.get(above)).min().copied();
        most =
            to.iter().filter_map(|(number, above)| Some((*number, above.iter().filter_map(through).min()?))).collect();
    }
    // What is for no mesh has no points.
    let most = |number: i64| most.get(&number).copied().unwrap_or_default();
    for object in objects.iter_mut() {
        let Some(number) = object.values.first().and_then(Value::whole) else { continue };
        match (object.name, kind(object)) {
            (b"Geometry", Some(b"Shape")) => {
                rows(object, &[(b"Vertices", 3), (b"Normals", 3)], most(number));
                if object.find(b"Indexes").is_none() {
                    let below = object.below.get_or_insert_default();
                    below.push(Entry::array(b"Indexes", b""));
                    below.push(Entry::array(b"Vertices", b""));
                }
            }
            (b"Deformer", Some(b"Cluster")) => rows(object, &[(b"Weights", 1)], most(number)),
            (b"Deformer", Some(b"BlendShapeChannel")) => weights(object, shapes.get(&number).copied().unwrap_or(0)),
            _ => {}
        }
    }
}

/// Lists beside a list of points, each with so many numbers a point: what belongs to no point of the mesh is left out.
fn rows(object: &mut Entry<'_>, lists: &[(&'static [u8], usize)], most: usize) {
    let told = |name: &[u8]| object.find(name).map(Entry::numbers).unwrap_or_default();
    let points = told(b"Indexes");
    // The first list says how far a shape moves, or how much a cluster does; others may be missing.
    let all: Vec<_> = lists.iter().map(|(name, width)| (*name, *width, told(name))).collect();
    let fits = |at: usize| {
        let inside = whole(points[at]).and_then(|point| usize::try_from(point).ok()).is_some_and(|point| point < most);
        inside && all.iter().take(1).all(|(_, width, numbers)| (at + 1) * width <= numbers.len())
    };
    let kept: Vec<usize> = (0..points.len()).filter(|at| fits(*at)).collect();
    let mut mended: Vec<(&'static [u8], Vec<u8>)> =
        vec![(b"Indexes", kept.iter().map(|at| points[*at]).collect::<Vec<_>>().join(&b','))];
    for (name, width, numbers) in &all {
        if numbers.len() >= points.len() * width || mended.len() == 1 {
            let numbers = kept.iter().flat_map(|at| &numbers[at * width..(at + 1) * width]);
            mended.push((name, numbers.map(|number| finite(number)).collect::<Vec<_>>().join(&b',')));
        }
    }
    let below = object.below.get_or_insert_default();
    below.retain(|entry| entry.name != b"Indexes" && lists.iter().all(|(name, _)| entry.name != *name));
    if !kept.is_empty() {
        below.extend(mended.iter().map(|(name, numbers)| Entry::array(name, numbers)));
    }
}

/// A channel is full at one weight for each of its shapes, 100 where nobody says.
fn weights(object: &mut Entry<'_>, shapes: usize) {
    let told = object.find(b"FullWeights").map(Entry::numbers).unwrap_or_default();
    let all: Vec<&[u8]> = (0..shapes).map(|at| told.get(at).map_or(&b"100"[..], |weight| finite(weight))).collect();
    let weights = all.join(&b',');
    let below = object.below.get_or_insert_default();
    below.retain(|entry| entry.name != b"FullWeights");
    if shapes > 0 {
        below.push(Entry::array(b"FullWeights", &weights));
    }
}

/// Whether an object is no curve, or one whose keys come one after another, each with a number.
pub(super) fn curve(object: &mut Entry<'_>) -> bool {
    if object.name != b"AnimationCurve" {
        return true;
    }
    let list = |name: &[u8]| object.find(name).map(Entry::numbers).unwrap_or_default();
    let (times, values, mut repeats) = (list(b"KeyTime"), list(b"KeyValueFloat"), Vec::new());
    let mut keys: Vec<(i64, &[u8])> =
        times.iter().filter_map(|time| whole(time)).zip(values.iter().map(|value| finite(value))).collect();
    if keys.is_empty() || keys.len() != times.len() || keys.len() != values.len() {
        return false;
    }
    keys.sort_by_key(|(time, _)| *time);
    let mut left = keys.len();
    for repeat in list(b"KeyAttrRefCount") {
        let repeat = whole(repeat).and_then(|repeat| usize::try_from(repeat).ok()).unwrap_or(0).min(left);
        left -= repeat;
        repeats.push(repeat.to_string());
    }
    let times = keys.iter().map(|(time, _)| time.to_string()).collect::<Vec<_>>().join(",");
    let values = keys.iter().map(|(_, value)| *value).collect::<Vec<_>>().join(&b',');
    let repeats = repeats.join(",");
    let below = object.below.get_or_insert_default();
    below.retain(|entry| !matches!(entry.name, b"KeyTime" | b"KeyValueFloat" | b"KeyAttrRefCount"));
    below.push(Entry::array(b"KeyTime", times.as_bytes()));
    below.push(Entry::array(b"KeyValueFloat", &values));
    below.push(Entry::array(b"KeyAttrRefCount", repeats.as_bytes()));
    true
}

/// A number; 0 where it is none, or none that a float holds.
fn finite(number: &[u8]) -> &[u8] {
    let told = std::str::from_utf8(number).ok().and_then(|number| number.parse::<f32>().ok());
    if told.is_some_and(f32::is_finite) { number } else { b"0" }
}
