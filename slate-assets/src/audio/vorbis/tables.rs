//! The codebooks: their shapes, and the lengths that were trained for them (`books.bin`; `train.rs` tells how).

use super::book::{Book, Lattice};

/// Values of one class: for pairs, half as many coefficients of each channel. By size of block.
pub(super) const PARTITION: [usize; 2] = [16, 32];
/// Classes are told by twos.
pub(super) const CLASS_WORD: usize = 2;
/// The most that a residue can be.
pub(super) const MOST: i32 = 80 * 25 + 12;

/// The books of each class of residues, in passes. Those of the floors come first.
pub(super) const CLASSES: [&[usize]; 12] =
    [&[], &[14], &[15], &[16], &[17], &[18], &[19], &[20], &[21], &[22], &[23], &[24, 25]];
/// The class that can hold every value: what is coarse first, then the rest.
pub(super) const ESCAPE: usize = 11;
pub(super) const COARSE: i32 = 25;

/// Sets by what may be spent: each has its own statistics.
#[cfg(test)]
pub(super) const BANDS: usize = 3;

/// The book of class words for short or long blocks.
pub(super) const fn class_book(size: usize) -> usize {
    12 + size
}

/// The first book of a floor's first class; each class has four.
pub(super) const fn floor_books(size: usize) -> usize {
    size * 4
}

/// How a book looks; its lengths are trained.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) dim: usize,
    pub(super) entries: usize,
    pub(super) lattice: Option<Lattice>,
    /// The most values of a vector that aren't 0, where that is limited.
    sparse: Option<usize>,
}

impl Shape {
    const fn plain(entries: usize) -> Self {
        Self { dim: 1, entries, lattice: None, sparse: None }
    }

    const fn values(dim: usize, most: u32, step: u32) -> Self {
        let lattice = Lattice { most, step };
        Self { dim, entries: lattice.values().pow(dim as u32), lattice: Some(lattice), sparse: None }
    }

    /// Whether an entry can occur.
    pub(super) fn holds(&self, entry: usize) -> bool {
        let (Some(lattice), Some(sparse)) = (self.lattice, self.sparse) else { return true };
        let zero = lattice.most as usize;
        let values = (0..self.dim).scan(entry, |rest, _| {
            let value = *rest % lattice.values();
            *rest /= lattice.values();
            Some(value)
        });
        values.filter(|&value| value != zero).count() <= sparse
    }
}

/// The most values of a vector of class 1 that aren't 0.
pub(super) const SPARSE: usize = 2;

/// The books of a set in order: those of the floors, then those of a residue.
pub(super) fn shapes() -> Vec<Shape> {
    let mut all = Vec::new();
    for _ in 0..3 {
        all.extend([256, 10, 32, 128].map(Shape::plain));
    }
    let words = CLASSES.len().pow(CLASS_WORD as u32);
    all.extend([Shape { dim: CLASS_WORD, ..Shape::plain(words) }; 2]);
    all.push(Shape { sparse: Some(SPARSE), ..Shape::values(8, 1, 1) });
    all.extend([Shape::values(4, 1, 1); 3]);
    all.extend([Shape::values(4, 2, 1); 2]);
    all.extend([Shape::values(2, 4, 1); 2]);
    all.extend([Shape::values(2, 8, 1), Shape::values(2, 12, 1)]);
    all.extend([Shape::values(1, 80, COARSE as u32), Shape::values(2, 12, 1)]);
    all
}

/// For each band of quality, for pairs and for singles: a length for each entry that can occur, book by book.
const TRAINED: &[u8] = include_bytes!("books.bin");

/// The lengths of one set of books.
pub(super) fn trained(paired: bool, band: usize) -> Vec<Vec<u8>> {
    let shapes = shapes();
    let size: usize = shapes.iter().map(|shape| (0..shape.entries).filter(|&entry| shape.holds(entry)).count()).sum();
    let at = size * (band * 2 + usize::from(!paired));
    let mut lens = TRAINED[at..at + size].iter().copied();
    let of = |shape: &Shape| {
        (0..shape.entries).map(|entry| if shape.holds(entry) { lens.next().unwrap_or(0) } else { 0 }).collect()
    };
    shapes.iter().map(of).collect()
}

/// A stream's books, of these lengths.
pub(super) fn books(lens: &[Vec<u8>]) -> Vec<Book> {
    let book = |(lens, shape): (&Vec<u8>, Shape)| Book::new(shape.dim, lens.clone(), shape.lattice);
    lens.iter().zip(shapes()).map(book).collect()
}
