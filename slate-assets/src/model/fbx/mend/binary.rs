//! Binary files with entries that the parser refuses, though nothing here reads them: they are made harmless.

use super::super::entries::binary::{Entry, File};
use std::collections::BTreeSet;

/// Entries below one another; deeper ones stay as they are.
const DEPTH: usize = 32;

/// A copy of a file in which the parser finds nothing of this, of the same length; none where there was nothing:
/// - connections of objects that aren't there, that are there already, or that give a node another parent;
/// - objects that have the number of another;
/// - skins and blend shapes of no mesh;
/// - bytes beyond ASCII in the values of properties;
/// - properties that hold binary data.
pub(super) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let file = File::new(bytes)?;
    let (mut objects, mut connections, mut properties) = (Vec::new(), Vec::new(), Vec::new());
    let mut open = vec![(file.all(), 0)];
    while let Some((range, depth)) = open.pop() {
        for entry in file.entries(range) {
            let name = &bytes[entry.name.clone()];
            if name == b"P" {
                properties.push(entry);
                continue;
            }
            if depth == 0 && name == b"Objects" {
                objects.extend(file.entries(entry.below.clone()).into_iter().filter(|object| !object.name.is_empty()));
            } else if depth == 0 && name == b"Connections" {
                connections.extend(file.entries(entry.below.clone()));
            }
            if depth < DEPTH {
                open.push((entry.below, depth + 1));
            }
        }
    }
    let mut out = bytes.to_vec();
    // An entry of another name is one that nobody asks for.
    let hide = |out: &mut Vec<u8>, entry: &Entry| out[entry.name.start] = b'~';
    let number = |object: &Entry| file.number(object.values.start);
    let of_kind = |kind: &'static [u8]| objects.iter().filter(move |object| bytes[object.name.clone()] == *kind);
    let ends = connections.iter().filter_map(|connection| match file.ends(connection) {
        [Some(from), Some(to)] => Some((from, to)),
        _ => None,
    });
    let lost = lost(of_kind(b"Deformer").filter_map(number), of_kind(b"Geometry").filter_map(number), ends);
    of_kind(b"Deformer")
        .filter(|object| number(object).is_some_and(|number| lost.contains(&number)))
        .for_each(|object| hide(&mut out, object));
    let known = objects.iter().filter_map(number).filter(|number| !lost.contains(number));
    let known: BTreeSet<i64> = known.chain([0]).collect();
    let models: BTreeSet<i64> = of_kind(b"Model").filter_map(number).chain([0]).collect();
    let (mut seen, mut placed) = (BTreeSet::new(), BTreeSet::new());
    // Of a node's parents the last counts.
    for connection in connections.iter().rev().filter(|connection| !connection.name.is_empty()) {
        let [from, to] = file.ends(connection);
        let lost = [from, to].into_iter().flatten().any(|number| !known.contains(&number));
        let place = from.filter(|from| *from != 0 && [from, &to.unwrap_or(-1)].iter().all(|end| models.contains(end)));
        let is_place = place.is_some() && file.texts(connection.values.clone()).len() == 1;
        if lost || is_place && !placed.insert(place) || !seen.insert(&bytes[connection.values.clone()]) {
            hide(&mut out, connection);
        }
    }
    let (mut free, mut named) = ((1..).filter(|number| !known.contains(number)), BTreeSet::new());
    for object in &objects {
        if let Some(own) = number(object).filter(|own| !named.insert(*own))
            && let Some(other) = free.next().filter(|_| own != 0)
        {
            out[object.values.start + 1..object.values.start + 9].copy_from_slice(&i64::to_le_bytes(other));
        }
    }
    for property in &properties {
        for text in file.texts(property.values.clone()) {
            out[text].iter_mut().filter(|byte| !(1..128).contains(*byte)).for_each(|byte| *byte = b'_');
        }
        file.entries(property.below.clone())
            .iter()
            .filter(|below| !below.name.is_empty())
            .for_each(|below| hide(&mut out, below));
    }
    (out != bytes).then_some(out)
}

/// Steps from a cluster, or a shape's channel, to its mesh.
const WAY: usize = 4;

/// Deformers that no chain of connections leads from to a mesh.
fn lost(
    deformers: impl Iterator<Item = i64>,
    meshes: impl Iterator<Item = i64>,
    connections: impl Iterator<Item = (i64, i64)>,
) -> BTreeSet<i64> {
    let (mut lost, mut found): (BTreeSet<i64>, BTreeSet<i64>) = (deformers.collect(), meshes.collect());
    let connections: Vec<_> = connections.collect();
    for _ in 0..WAY {
        let next = connections.iter().filter(|(from, to)| found.contains(to) && lost.contains(from));
        found = next.map(|(from, _)| *from).collect();
        lost.retain(|number| !found.contains(number));
    }
    lost
}
