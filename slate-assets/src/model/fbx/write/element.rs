//! The tree that an FBX file is, and its binary form, version 7400.

/// A named entry with values and entries of its own.
#[derive(Debug)]
pub(super) struct Element {
    name: &'static str,
    values: Vec<Property>,
    children: Vec<Self>,
}

/// A value of an [`Element`].
#[derive(Debug)]
pub(super) enum Property {
    Bool(bool),
    Int(i32),
    Long(i64),
    Double(f64),
    Text(String),
    Raw(Vec<u8>),
    Ints(Vec<i32>),
    Longs(Vec<i64>),
    Floats(Vec<f32>),
    Doubles(Vec<f64>),
}

macro_rules! from {
    ($($kind:ty => $variant:ident),*) => {
        $(impl From<$kind> for Property {
            fn from(value: $kind) -> Self {
                Self::$variant(value)
            }
        })*
    };
}
from!(bool => Bool, i32 => Int, i64 => Long, f64 => Double, String => Text, Vec<u8> => Raw, Vec<i32> => Ints,
    Vec<i64> => Longs, Vec<f32> => Floats, Vec<f64> => Doubles);

impl From<&str> for Property {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl Element {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, values: Vec::new(), children: Vec::new() }
    }

    /// An entry with one value.
    pub(super) fn of(name: &'static str, value: impl Into<Property>) -> Self {
        Self::new(name).with(value)
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn values(&self) -> &[Property] {
        &self.values
    }

    pub(super) fn push(&mut self, child: Self) {
        self.children.push(child);
    }

    #[must_use]
    pub(super) fn with(mut self, value: impl Into<Property>) -> Self {
        self.values.push(value.into());
        self
    }

    #[must_use]
    pub(super) fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    #[must_use]
    pub(super) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        out.extend([0; 12]);
        out.push(self.name.len() as u8);
        out.extend(self.name.as_bytes());
        let values = out.len();
        self.values.iter().try_for_each(|value| value.write(out))?;
        let size = out.len() - values;
        self.children.iter().try_for_each(|child| child.write(out))?;
        if !self.children.is_empty() || self.values.is_empty() {
            out.extend(END);
        }
        for (at, number) in [out.len(), self.values.len(), size].into_iter().enumerate() {
            out[start + at * 4..start + at * 4 + 4].copy_from_slice(&u32::try_from(number).ok()?.to_le_bytes());
        }
        Some(())
    }
}

/// What ends a list of entries.
const END: [u8; 13] = [0; 13];
/// These three go together: the footer is made of the time.
pub(super) const CREATED: &str = "1970-01-01 10:00:00:000";
const FILE_ID: [u8; 16] =
    [0x28, 0xB3, 0x2A, 0xEB, 0xB6, 0x24, 0xCC, 0xC2, 0xBF, 0xC8, 0xB0, 0x2A, 0xA9, 0x2B, 0xFC, 0xF1];
const FOOTER: [u8; 16] =
    [0xFA, 0xBC, 0xAB, 0x09, 0xD0, 0xC8, 0xD4, 0x66, 0xB1, 0x76, 0xFB, 0x83, 0x1C, 0xF7, 0x26, 0x7E];
const LAST: [u8; 16] = [0xF8, 0x5A, 0x8C, 0x6A, 0xDE, 0xF5, 0xD9, 0x7E, 0xEC, 0xE9, 0x0C, 0xE3, 0x75, 0x8F, 0x29, 0x0B];
pub(super) const VERSION: i32 = 7400;

/// The whole file; none where it would be over four gigabytes, which this version has no numbers for.
pub(super) fn file(header: &Element, rest: &[Element]) -> Option<Vec<u8>> {
    let mut out = b"Kaydara FBX Binary  \0\x1A\0".to_vec();
    out.extend(VERSION.to_le_bytes());
    header.write(&mut out)?;
    Element::of("FileId", FILE_ID.to_vec()).write(&mut out)?;
    Element::of("CreationTime", CREATED).write(&mut out)?;
    rest.iter().try_for_each(|element| element.write(&mut out))?;
    out.extend(END);
    out.extend(FOOTER);
    out.extend([0; 4]);
    // One to sixteen bytes.
    out.resize((out.len() + 1).next_multiple_of(16), 0);
    out.extend(VERSION.to_le_bytes());
    out.extend([0; 120]);
    out.extend(LAST);
    Some(out)
}

impl Property {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Bool(value) => out.extend([b'C', u8::from(*value)]),
            Self::Int(value) => {
                out.push(b'I');
                out.extend(value.to_le_bytes());
            }
            Self::Long(value) => {
                out.push(b'L');
                out.extend(value.to_le_bytes());
            }
            Self::Double(value) => {
                out.push(b'D');
                out.extend(value.to_le_bytes());
            }
            Self::Text(value) => sized(b'S', value.as_bytes(), out)?,
            Self::Raw(value) => sized(b'R', value, out)?,
            Self::Ints(values) => list(b'i', values, i32::to_le_bytes, out)?,
            Self::Longs(values) => list(b'l', values, i64::to_le_bytes, out)?,
            Self::Floats(values) => list(b'f', values, f32::to_le_bytes, out)?,
            Self::Doubles(values) => list(b'd', values, f64::to_le_bytes, out)?,
        }
        Some(())
    }
}

fn sized(kind: u8, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.push(kind);
    out.extend(u32::try_from(bytes.len()).ok()?.to_le_bytes());
    out.extend(bytes);
    Some(())
}

/// A list; by zlib where that is shorter.
fn list<T: Copy, const N: usize>(
    kind: u8,
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
    out: &mut Vec<u8>,
) -> Option<()> {
    let plain: Vec<u8> = values.iter().flat_map(|value| bytes(*value)).collect();
    let packed = if plain.len() > 128 { miniz_oxide::deflate::compress_to_vec_zlib(&plain, 6) } else { Vec::new() };
    let (encoding, stored) = if packed.is_empty() || packed.len() >= plain.len() { (0, plain) } else { (1, packed) };
    out.push(kind);
    for number in [values.len(), encoding, stored.len()] {
        out.extend(u32::try_from(number).ok()?.to_le_bytes());
    }
    out.extend(stored);
    Some(())
}
