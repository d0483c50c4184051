//! Binary files: where each entry is.

use std::ops::Range;

/// A little-endian file whose objects have numbers; older ones go by names.
pub(in super::super) struct File<'a> {
    pub(in super::super) bytes: &'a [u8],
    /// Whether sizes have eight bytes.
    wide: bool,
}

/// Where the pieces of an entry are.
pub(in super::super) struct Entry {
    pub(in super::super) name: Range<usize>,
    pub(in super::super) values: Range<usize>,
    pub(in super::super) below: Range<usize>,
}

impl<'a> File<'a> {
    /// The file; none where it is another.
    pub(in super::super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let version = u32::from_le_bytes(*bytes.get(23..)?.first_chunk()?);
        let known = bytes.starts_with(super::BINARY) && bytes[22] == 0 && version >= 7000;
        known.then_some(Self { bytes, wide: version >= 7500 })
    }

    /// Where the entries are.
    pub(in super::super) fn all(&self) -> Range<usize> {
        27..self.bytes.len()
    }

    /// The entries in a range, up to the first that makes no sense.
    pub(in super::super) fn entries(&self, range: Range<usize>) -> Vec<Entry> {
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
    pub(in super::super) fn number(&self, at: usize) -> Option<i64> {
        (*self.bytes.get(at)? == b'L').then_some(i64::from_le_bytes(*self.bytes.get(at + 1..)?.first_chunk()?))
    }

    /// The objects that a connection is between.
    pub(in super::super) fn ends(&self, connection: &Entry) -> [Option<i64>; 2] {
        let kind = self.texts(connection.values.start..connection.values.end).into_iter().next();
        let first = kind.map_or(connection.values.end, |kind| kind.end);
        [self.number(first), self.number(first + 9)]
    }

    /// The texts among values.
    pub(in super::super) fn texts(&self, values: Range<usize>) -> Vec<Range<usize>> {
        self.values(values).into_iter().filter(|(kind, _)| *kind == b'S').map(|(_, text)| text).collect()
    }

    /// The numbers among values.
    pub(in super::super) fn numbers(&self, values: Range<usize>) -> Vec<f64> {
        let all = self.values(values).into_iter().filter_map(|(kind, range)| {
            let bytes = self.bytes.get(range)?;
            match kind {
                b'D' => Some(f64::from_le_bytes(*bytes.first_chunk()?)),
                b'F' => Some(f64::from(f32::from_le_bytes(*bytes.first_chunk()?))),
                b'L' => Some(i64::from_le_bytes(*bytes.first_chunk()?) as f64),
                b'I' => Some(f64::from(i32::from_le_bytes(*bytes.first_chunk()?))),
                b'Y' => Some(f64::from(i16::from_le_bytes(*bytes.first_chunk()?))),
                _ => None,
            }
        });
        all.collect()
    }

    /// Where the values are, and what each is; up to the first array.
    fn values(&self, values: Range<usize>) -> Vec<(u8, Range<usize>)> {
        let (mut all, mut at) = (Vec::new(), values.start);
        while let Some(kind) = self.bytes.get(at).filter(|_| at < values.end) {
            at += 1;
            let length = match kind {
                b'C' | b'B' => 1,
                b'Y' => 2,
                b'I' | b'F' => 4,
                b'D' | b'L' => 8,
                b'S' | b'R' => {
                    let told = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
                    at += 4;
                    told.map_or(usize::MAX, |four| u32::from_le_bytes(*four) as usize)
                }
                _ => break,
            };
            let end = at.saturating_add(length);
            if end > values.end {
                break;
            }
            all.push((*kind, at..end));
            at = end;
        }
        all
    }
}
