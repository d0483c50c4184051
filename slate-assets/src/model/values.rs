//! Typed lists of numbers: what glTF calls an accessor, dense and tight.

use bytes::Bytes;

/// How one number is stored, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Component {
    I8,
    U8,
    I16,
    U16,
    U32,
    F32,
}

impl Component {
    /// By the number that glTF has for it.
    pub(crate) fn of_code(code: u64) -> Option<Self> {
        Some(match code {
            5120 => Self::I8,
            5121 => Self::U8,
            5122 => Self::I16,
            5123 => Self::U16,
            5125 => Self::U32,
            5126 => Self::F32,
            _ => return None,
        })
    }

    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::I8 => 5120,
            Self::U8 => 5121,
            Self::I16 => 5122,
            Self::U16 => 5123,
            Self::U32 => 5125,
            Self::F32 => 5126,
        }
    }

    /// The least and the most whole number of the type; none of floats.
    pub(crate) const fn whole_numbers(self) -> Option<(i128, i128)> {
        Some(match self {
            Self::I8 => (i8::MIN as i128, i8::MAX as i128),
            Self::U8 => (0, u8::MAX as i128),
            Self::I16 => (i16::MIN as i128, i16::MAX as i128),
            Self::U16 => (0, u16::MAX as i128),
            Self::U32 => (0, u32::MAX as i128),
            Self::F32 => return None,
        })
    }

    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }
}

/// How many numbers make an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Shape {
    Scalar,
    Vec2,
    Vec3,
    Vec4,
    Mat2,
    Mat3,
    Mat4,
}

impl Shape {
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "SCALAR" => Self::Scalar,
            "VEC2" => Self::Vec2,
            "VEC3" => Self::Vec3,
            "VEC4" => Self::Vec4,
            "MAT2" => Self::Mat2,
            "MAT3" => Self::Mat3,
            "MAT4" => Self::Mat4,
            _ => return None,
        })
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "SCALAR",
            Self::Vec2 => "VEC2",
            Self::Vec3 => "VEC3",
            Self::Vec4 => "VEC4",
            Self::Mat2 => "MAT2",
            Self::Mat3 => "MAT3",
            Self::Mat4 => "MAT4",
        }
    }

    const fn columns_rows(self) -> (usize, usize) {
        match self {
            Self::Scalar => (1, 1),
            Self::Vec2 => (1, 2),
            Self::Vec3 => (1, 3),
            Self::Vec4 => (1, 4),
            Self::Mat2 => (2, 2),
            Self::Mat3 => (3, 3),
            Self::Mat4 => (4, 4),
        }
    }

    pub(crate) const fn width(self) -> usize {
        let (columns, rows) = self.columns_rows();
        columns * rows
    }

    /// Bytes of an element: columns of matrices begin at multiples of four bytes.
    pub(crate) const fn bytes(self, component: Component) -> usize {
        let (columns, rows) = self.columns_rows();
        if columns == 1 { rows * component.bytes() } else { columns * (rows * component.bytes()).next_multiple_of(4) }
    }

    /// Bytes up to the end of an element's last number: nothing has to follow the last column of the last matrix.
    pub(crate) const fn bytes_to_end(self, component: Component) -> usize {
        let (columns, rows) = self.columns_rows();
        let after = self.bytes(component) / columns - rows * component.bytes();
        self.bytes(component) - after
    }
}

/// Elements of one type, one after the other. Clones share the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Values {
    pub(crate) component: Component,
    pub(crate) shape: Shape,
    /// Whether integers stand for 0 to 1, or −1 to 1.
    pub(crate) normalized: bool,
    pub(crate) bytes: Bytes,
}

impl Values {
    pub(crate) fn floats(shape: Shape, numbers: &[f32]) -> Self {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self { component: Component::F32, shape, normalized: false, bytes: bytes.into() }
    }

    /// The first `count` elements, or all where there are fewer.
    pub(crate) fn first(&self, count: usize) -> Self {
        let bytes = self.bytes.slice(..self.bytes.len().min(count.saturating_mul(self.element_bytes())));
        Self { bytes, ..*self }
    }

    pub(crate) fn element_bytes(&self) -> usize {
        self.shape.bytes(self.component)
    }

    pub(crate) fn count(&self) -> usize {
        self.bytes.len() / self.element_bytes()
    }

    pub(crate) fn element(&self, at: usize) -> &[u8] {
        let size = self.element_bytes();
        self.bytes.get(at * size..(at + 1) * size).unwrap_or_default()
    }

    /// All numbers as floats, `shape.width()` for each element, normalized ones brought to 0 to 1 or −1 to 1.
    pub(crate) fn to_floats(&self) -> Vec<f32> {
        let (columns, rows) = self.shape.columns_rows();
        let (size, column) = (self.element_bytes(), self.element_bytes() / columns);
        let mut out = Vec::with_capacity(self.count() * columns * rows);
        for element in self.bytes.chunks_exact(size) {
            for column in element.chunks_exact(column) {
                let numbers = column.chunks_exact(self.component.bytes()).take(rows);
                out.extend(numbers.map(|bytes| self.number(bytes)));
            }
        }
        out
    }

    /// All numbers as they are stored, exactly, `shape.width()` for each element.
    pub(crate) fn stored(&self) -> impl Iterator<Item = f64> + '_ {
        let (columns, rows) = self.shape.columns_rows();
        let size = self.element_bytes();
        let columns = self.bytes.chunks_exact(size).flat_map(move |element| element.chunks_exact(size / columns));
        let numbers = columns.flat_map(move |column| column.chunks_exact(self.component.bytes()).take(rows));
        numbers.map(|bytes| self.raw(bytes))
    }

    /// The elements, normalized ones brought to 0 to 1 or −1 to 1; what is beyond `shape.width()` is 0.
    pub(crate) fn elements(&self) -> impl Iterator<Item = [f64; 16]> + '_ {
        let (width, mut numbers) = (self.shape.width(), self.stored());
        let most = f64::from(self.steps()[0]);
        (0..self.count()).map(move |_| {
            let mut element = [0.0; 16];
            for (to, number) in element.iter_mut().zip(numbers.by_ref().take(width)) {
                // As the specification has it, the least number counts as the one above it.
                *to = if self.normalized { (number / most).max(-1.0) } else { number };
            }
            element
        })
    }

    /// The first `N` numbers of each element as floats; missing ones are 0.
    pub(crate) fn to_vectors<const N: usize>(&self) -> Vec<[f32; N]> {
        let width = self.shape.width();
        let of = |element: &[f32]| std::array::from_fn(|at| element.get(at).copied().unwrap_or_default());
        self.to_floats().chunks_exact(width).map(of).collect()
    }

    /// A number as it is stored, exactly.
    fn raw(&self, bytes: &[u8]) -> f64 {
        match (self.component, bytes) {
            (Component::F32, &[a, b, c, d]) => f64::from(f32::from_le_bytes([a, b, c, d])),
            (Component::U32, &[a, b, c, d]) => f64::from(u32::from_le_bytes([a, b, c, d])),
            (Component::I8, &[a, ..]) => f64::from(a as i8),
            (Component::U8, &[a, ..]) => f64::from(a),
            (Component::I16, &[a, b, ..]) => f64::from(i16::from_le_bytes([a, b])),
            (_, &[a, b, ..]) => f64::from(u16::from_le_bytes([a, b])),
            _ => 0.0,
        }
    }

    fn number(&self, bytes: &[u8]) -> f32 {
        // Floats come through as they are, and whole numbers of 32 bits are rounded once.
        let raw = self.raw(bytes) as f32;
        match (self.normalized, self.component) {
            (true, Component::I8) => (raw / 127.0).max(-1.0),
            (true, Component::U8) => raw / 255.0,
            (true, Component::I16) => (raw / 32767.0).max(-1.0),
            (true, Component::U16) => raw / 65535.0,
            _ => raw,
        }
    }

    /// The steps in a one, and the least and most steps, of how these values are stored.
    fn steps(&self) -> [f32; 3] {
        let (least, most): (f32, f32) = match self.component {
            Component::I8 => (-128.0, 127.0),
            Component::U8 => (0.0, 255.0),
            Component::I16 => (-32768.0, 32767.0),
            Component::U16 => (0.0, 65535.0),
            Component::U32 => (0.0, 4_294_967_040.0),
            Component::F32 => return [1.0, f32::MIN, f32::MAX],
        };
        // Of a normalized type the least number is as far from 0 as the most.
        if self.normalized { [most, least.max(-most), most] } else { [1.0, least, most] }
    }

    /// The least and the most number that can be stored as these values are.
    pub(crate) fn range(&self) -> [f32; 2] {
        let [one, least, most] = self.steps();
        [least / one, most / one]
    }

    /// These numbers stored as these values are, no matrices; none where one of them is beyond what the type holds.
    pub(crate) fn with_numbers(&self, numbers: &[f32]) -> Option<Self> {
        if self.component == Component::F32 {
            return Some(Self::floats(self.shape, numbers));
        }
        let ([one, least, most], size) = (self.steps(), self.component.bytes());
        let mut bytes = Vec::with_capacity(numbers.len() * size);
        for number in numbers {
            let step = (number * one).round();
            // So asked, what is no number is beyond as well.
            if !(least..=most).contains(&step) {
                return None;
            }
            bytes.extend_from_slice(&(step as i64).to_le_bytes()[..size]);
        }
        Some(Self { bytes: bytes.into(), ..self.clone() })
    }

    /// The elements at these places, in this order.
    pub(crate) fn gather(&self, places: &[u32]) -> Self {
        let size = self.element_bytes();
        let mut bytes = Vec::with_capacity(places.len() * size);
        places.iter().for_each(|&at| bytes.extend_from_slice(self.element(at as usize)));
        Self { bytes: bytes.into(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalized_numbers_become_shares() {
        let values = Values {
            component: Component::I8,
            shape: Shape::Vec3,
            normalized: true,
            bytes: Bytes::from_static(&[127, 0, 129, 128, 127, 0]),
        };
        assert_eq!(values.to_vectors::<3>(), [[1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]);
        assert_eq!(values.gather(&[1, 0]).to_vectors::<3>()[1], [1.0, 0.0, -1.0]);
    }

    #[test]
    fn numbers_are_stored_as_those_before_them() {
        let like = |component, normalized| Values { component, shape: Shape::Vec2, normalized, bytes: Bytes::new() };
        let stored = |values: Values, numbers: [f32; 2]| values.with_numbers(&numbers).map(|values| values.to_floats());
        assert_eq!(stored(like(Component::U8, true), [0.2, 1.0]), Some(vec![0.2, 1.0]));
        assert_eq!(stored(like(Component::I16, true), [-1.0, 0.0]), Some(vec![-1.0, 0.0]));
        assert_eq!(stored(like(Component::U16, false), [65535.2, 7.4]), Some(vec![65535.0, 7.0]));
        assert_eq!(stored(like(Component::F32, false), [1e30, -0.1]), Some(vec![1e30, -0.1]));
        assert_eq!(stored(like(Component::I8, true), [1.01, 0.0]), None);
        assert_eq!(stored(like(Component::U8, false), [f32::NAN, 0.0]), None);
    }

    #[test]
    fn columns_of_small_matrices_are_padded() {
        let bytes = Bytes::from_static(&[1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0]);
        let values = Values { component: Component::U8, shape: Shape::Mat3, normalized: false, bytes };
        assert_eq!(values.to_floats(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    }
}
