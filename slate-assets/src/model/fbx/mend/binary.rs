//! Binary files with entries that the parser refuses, though nothing here reads them: they are made harmless.

use std::{collections::BTreeSet, ops::Range};

/// Entries below one another; deeper ones stay as they are.
const DEPTH: usize = 32;

/// A copy of a file in which the parser finds nothing of this, of the same length; none where there was nothing:
/// - connections of objects that aren't there, that are there already, or that give a node another parent;
/// - objects that have the number of another;
/// - bytes beyond ASCII in the values of properties;
/// - properties that hold binary data.
pub(super) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let version = u32::from_le_bytes(*bytes.get(23..)?.first_chunk()?);
    // Little-endian, and objects have numbers: older files go by names.
    if !bytes.starts_with(b"Kaydara FBX Binary") || bytes[22] != 0 || version < 7000 {
        return None;
    }
    let file = File { bytes, wide: version >= 7500 };
    let (mut objects, mut connections, mut properties) = (Vec::new(), Vec::new(), Vec::new());
    let mut open = vec![(27..bytes.len(), 0)];
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
    let known: BTreeSet<i64> = objects.iter().filter_map(number).chain([0]).collect();
    let is_model = |object: &&Entry| bytes[object.name.clone()] == *b"Model";
    let models: BTreeSet<i64> = objects.iter().filter(is_model).filter_map(number).chain([0]).collect();
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

struct File<'a> {
    bytes: &'a [u8],
    /// Whether sizes have eight bytes.
    wide: bool,
}

/// Where the pieces of an entry are.
struct Entry {
    name: Range<usize>,
    values: Range<usize>,
    below: Range<usize>,
}

impl File<'_> {
    /// The entries in a range, up to the first that makes no sense.
    fn entries(&self, range: Range<usize>) -> Vec<Entry> {
        let (mut all, mut at) = (Vec::new(), range.start);
        while let Some(entry) = self.entry(at, range.end) {
            at = entry.below.end;
            all.push(entry);
        }
        all
    }

    fn entry(&self, at: usize, limit: usize) -> Option<Entry> {
        let word = if self.wide { 8 } else { 4 };
        let size = |number: usize| -> Option<usize> {
            let bytes = self.bytes.get(at + number * word..at + (number + 1) * word)?;
            let value = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            usize::try_from(value).ok()
        };
        let (end, length) = (size(0)?, size(2)?);
        let name = at + word * 3 + 1;
        let values = name + usize::from(*self.bytes.get(name - 1)?);
        let below = values.checked_add(length)?;
        (below <= end && end <= limit).then_some(Entry { name: name..values, values: values..below, below: below..end })
    }

    /// The number that a value at this place is.
    fn number(&self, at: usize) -> Option<i64> {
        (*self.bytes.get(at)? == b'L').then_some(i64::from_le_bytes(*self.bytes.get(at + 1..)?.first_chunk()?))
    }

    /// The objects that a connection is between.
    fn ends(&self, connection: &Entry) -> [Option<i64>; 2] {
        let kind = self.texts(connection.values.start..connection.values.end).into_iter().next();
        let first = kind.map_or(connection.values.end, |kind| kind.end);
        [self.number(first), self.number(first + 9)]
    }

    /// The texts among values.
    fn texts(&self, values: Range<usize>) -> Vec<Range<usize>> {
        let (mut all, mut at) = (Vec::new(), values.start);
        while let Some(kind) = self.bytes.get(at).filter(|_| at < values.end) {
            at += 1;
            at += match kind {
                b'C' | b'B' => 1,
                b'Y' => 2,
                b'I' | b'F' => 4,
                b'D' | b'L' => 8,
                b'S' | b'R' => {
                    let length =
                        self.bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|four| u32::from_le_bytes(*four));
                    let text = at + 4..at.saturating_add(4).saturating_add(length.unwrap_or(u32::MAX) as usize);
                    if text.end > values.end {
                        break;
                    }
                    let end = text.end - at;
                    all.extend((*kind == b'S').then_some(text));
                    end
                }
                _ => break,
            };
        }
        all
    }
}
