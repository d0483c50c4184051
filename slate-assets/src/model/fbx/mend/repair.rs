//! What the parser finds fault with among the entries of a file, set right as `ufbx` reads it.

use super::{
    super::entries::text::{Entry, Value, whole},
    deform,
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// The versions that the parser knows.
const OLDEST: u32 = 5800;
const NEWEST: u32 = 7700;

/// Sets entries right, and tells by which version they are to be read: that of the first line, or else of the header.
pub(super) fn repair(entries: &mut [Entry<'_>], first_line: Option<u32>) -> u32 {
    entries.iter_mut().for_each(plain);
    let header = entries.iter().find(|entry| entry.name == b"FBXHeaderExtension");
    let told = header.and_then(|header| header.find(b"FBXVersion")?.values.first()?.whole());
    let version = first_line.or_else(|| u32::try_from(told?).ok()).unwrap_or(7400);
    let version = match version {
        7000..7100 => 7100,
        version => version.clamp(OLDEST, NEWEST),
    };
    let old = version < 7000;
    let mut objects = below(entries, b"Objects");
    let mut connections = below(entries, b"Connections");
    if old {
        objects.iter_mut().for_each(without_empty_mesh);
    } else {
        number(&mut objects);
        objects.retain_mut(|object| deform::curve(object));
        objects.iter_mut().for_each(mesh);
    }
    connect(&objects, &mut connections, old);
    if !old {
        deform::repair(&mut objects, &connections);
    }
    for (name, mended) in [(b"Objects".as_slice(), objects), (b"Connections", connections)] {
        if let Some(entry) = entries.iter_mut().find(|entry| entry.name == name) {
            entry.below = Some(mended);
        }
    }
    version
}

/// Takes the entries below the first of this name.
fn below<'a>(entries: &mut [Entry<'a>], name: &[u8]) -> Vec<Entry<'a>> {
    let found = entries.iter_mut().find(|entry| entry.name == name);
    found.and_then(|entry| entry.below.take()).unwrap_or_default()
}

/// Whole numbers that 64 bits hold, and properties that have a name, a kind and nothing below.
fn plain(entry: &mut Entry<'_>) {
    for value in &mut entry.values {
        if let Value::Word(word) = value
            && word.len() > 18
            && !word.contains(&b'.')
            && let Some(number) = whole(word)
        {
            *word = Cow::Owned(number.to_string().into_bytes());
        }
    }
    let Some(below) = &mut entry.below else { return };
    below.retain(|entry| entry.name != b"P" || entry.values.iter().take(2).all(|value| value.text().is_some()));
    for entry in below {
        if entry.name == b"P" {
            entry.below = None;
        }
        plain(entry);
    }
}

/// Each object has a number of its own: what has none is left out, and who comes later to one gets another.
fn number(objects: &mut Vec<Entry<'_>>) {
    let told = |object: &Entry<'_>| object.values.first().and_then(Value::whole).filter(|number| *number != 0);
    objects.retain(|object| told(object).is_some());
    let numbers: BTreeSet<i64> = objects.iter().filter_map(told).collect();
    let mut free = (1..).filter(|number| !numbers.contains(number));
    let mut known = BTreeSet::new();
    for object in objects {
        let own = told(object).filter(|number| known.insert(*number));
        if let Some(number) = own.or_else(|| free.next()) {
            object.values[0] = Value::Word(Cow::Owned(number.to_string().into_bytes()));
        }
    }
}

/// Points, and polygons of them that end: whole numbers, of which the last of a polygon is negative.
fn mesh(object: &mut Entry<'_>) {
    if object.name != b"Geometry" || kind(object) != Some(b"Mesh") {
        return;
    }
    let list = |name: &[u8]| object.find(name).map(Entry::numbers).unwrap_or_default();
    let (mut points, mut corners) = (list(b"Vertices").join(&b','), Vec::new());
    if !points.is_empty() {
        corners.extend(list(b"PolygonVertexIndex").into_iter().filter_map(whole));
    }
    if let Some(last) = corners.last_mut().filter(|last| **last >= 0) {
        *last = !*last;
    }
    if corners.is_empty() {
        points.clear();
    }
    let corners: Vec<_> = corners.iter().map(i64::to_string).collect();
    let below = object.below.get_or_insert_default();
    below.retain(|entry| !matches!(entry.name, b"Vertices" | b"PolygonVertexIndex"));
    below.push(Entry::array(b"Vertices", &points));
    below.push(Entry::array(b"PolygonVertexIndex", corners.join(",").as_bytes()));
}

/// In old files a mesh is part of its node: where it has no polygons, the node shows nothing.
fn without_empty_mesh(object: &mut Entry<'_>) {
    let has = |name: &[u8]| object.find(name).is_some_and(|entry| !entry.numbers().is_empty());
    let is_mesh = object.name == b"Model" && object.values.get(1).and_then(Value::text) == Some(b"Mesh");
    if is_mesh && !(has(b"Vertices") && has(b"PolygonVertexIndex")) {
        object.values[1] = Value::Text(b"Null");
        let below = object.below.get_or_insert_default();
        below.retain(|entry| entry.name.starts_with(b"Properties") || matches!(entry.name, b"Version" | b"Shading"));
    }
}

/// What an object is, as the file says: `Mesh`, `Cluster` …
pub(super) fn kind<'e>(object: &'e Entry<'_>) -> Option<&'e [u8]> {
    object.values.get(2)?.text()
}

/// The ends of a connection: the numbers, or in old files the names, of two objects.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Root,
    Number(i64),
    Name(Vec<u8>),
}

/// Connections between objects that are there, each once; of a node's parents the last.
fn connect(objects: &[Entry<'_>], connections: &mut Vec<Entry<'_>>, old: bool) {
    let end = |value: Option<&Value<'_>>| {
        let value = value?;
        Some(match (value.text(), value.whole()) {
            (Some(b"Model::Scene"), _) if old => End::Root,
            (Some(name), _) if old => End::Name(name.to_vec()),
            (_, Some(0)) if !old => End::Root,
            (_, Some(number)) if !old => End::Number(number),
            _ => return None,
        })
    };
    let known: BTreeMap<End, bool> =
        objects.iter().filter_map(|object| Some((end(object.values.first())?, object.name == b"Model"))).collect();
    let (mut seen, mut placed) = (BTreeSet::new(), BTreeSet::new());
    let mut keep: Vec<bool> = Vec::with_capacity(connections.len());
    for connection in connections.iter().rev() {
        let kind = connection.values.first().and_then(Value::text);
        let property = connection.values.get(3).and_then(Value::text);
        let ends = end(connection.values.get(1)).zip(end(connection.values.get(2)));
        keep.push(match (kind, ends) {
            (Some(b"OO"), Some((from, to))) => {
                let is_model = |end: &End| *end == End::Root || known.get(end) == Some(&true);
                let is_place = from != End::Root && is_model(&from) && is_model(&to);
                known.contains_key(&from)
                    && (to == End::Root || known.contains_key(&to))
                    && (!is_place || placed.insert(from.clone()))
                    && seen.insert((from, to, None))
            }
            (Some(b"OP"), Some((from, to))) => {
                property.is_some()
                    && known.contains_key(&from)
                    && (to == End::Root || known.contains_key(&to))
                    && seen.insert((from, to, property))
            }
            _ => false,
        });
    }
    let mut keep = keep.into_iter().rev();
    let mut kept = std::mem::take(connections);
    kept.retain(|_| keep.next() == Some(true));
    *connections = kept;
}
