//! What a stream is made of, and its three headers: Vorbis I, sections 4.2 and 5.

use super::{bits::Bits, book::Book, floor::FloorShape, residue::class_costs, tables};

/// What is fixed for a stream.
pub(super) struct Setup {
    pub(super) channels: usize,
    pub(super) rate: u32,
    /// Short and long.
    pub(super) blocks: [usize; 2],
    pub(super) floors: [FloorShape; 2],
    /// Coefficients that are coded of a short and a long block; those above are silence.
    pub(super) coded: [usize; 2],
    /// Whether there are two channels, which are coupled and interleaved. More are coded one after the other: a
    /// decoder that is widely used fails on pairs besides the first two channels.
    pub(super) paired: bool,
    pub(super) books: Vec<Book>,
    /// What each class costs by itself, by size of block.
    pub(super) class_costs: [Vec<f32>; 2],
}

impl Setup {
    /// A stream of these channels, whose blocks are coded up to `top` Hz, by one of the sets of codebooks.
    pub(super) fn new(channels: usize, rate: u32, top: f64, band: usize) -> Self {
        let blocks = match rate {
            0..=13_000 => [128, 512],
            13_001..=27_000 => [256, 1024],
            27_001..=100_000 => [256, 2048],
            _ => [512, 4096],
        };
        Self::of(channels, rate, top, blocks, &tables::trained(channels == 2, band))
    }

    /// The same with these lengths for its books.
    pub(super) fn of(channels: usize, rate: u32, top: f64, blocks: [usize; 2], lens: &[Vec<u8>]) -> Self {
        let coded = [(0, 16), (1, 32)].map(|(size, unit): (usize, usize)| {
            let len = blocks[size] / 2;
            let wanted = (top * blocks[size] as f64 / f64::from(rate)) as usize;
            wanted.next_multiple_of(unit).min(len)
        });
        let floors =
            [(0, 2), (1, 8)].map(|(size, partitions)| FloorShape::new(blocks[size] / 2, coded[size], rate, partitions));
        let books = tables::books(lens);
        let class_costs = [0, 1].map(|size| class_costs(&books[tables::class_book(size)]));
        Self { channels, rate, blocks, floors, coded, paired: channels == 2, books, class_costs }
    }

    pub(super) fn identification(&self, nominal: u32) -> Vec<u8> {
        let mut bits = header(1);
        bits.put(0, 32);
        bits.put(self.channels as u32, 8);
        bits.put(self.rate, 32);
        bits.put(0, 32);
        bits.put(nominal, 32);
        bits.put(0, 32);
        self.blocks.iter().for_each(|block| bits.put(block.trailing_zeros(), 4));
        bits.flag(true);
        bits.take()
    }

    pub(super) fn setup(&self) -> Vec<u8> {
        let mut bits = header(5);
        bits.put(self.books.len() as u32 - 1, 8);
        self.books.iter().for_each(|book| book.write_setup(&mut bits));
        // Time domain transforms: a place holder.
        bits.put(0, 6);
        bits.put(0, 16);
        bits.put(self.floors.len() as u32 - 1, 6);
        for (size, floor) in self.floors.iter().enumerate() {
            bits.put(1, 16);
            floor.write_setup(tables::floor_books(size), &mut bits);
        }
        bits.put(1, 6);
        (0..2).for_each(|size| self.write_residue(size, &mut bits));
        bits.put(1, 6);
        (0..2).for_each(|size| self.write_mapping(size, &mut bits));
        // The modes: short and long.
        bits.put(1, 6);
        for size in 0..2u32 {
            bits.flag(size == 1);
            bits.put(0, 16);
            bits.put(0, 16);
            bits.put(size, 8);
        }
        bits.flag(true);
        bits.take()
    }

    fn write_residue(&self, size: usize, bits: &mut Bits) {
        let (channels, kind) = if self.paired { (2, 2) } else { (1, 1) };
        bits.put(kind, 16);
        bits.put(0, 24);
        bits.put((self.coded[size] * channels) as u32, 24);
        bits.put(tables::PARTITION[size] as u32 - 1, 24);
        bits.put(tables::CLASSES.len() as u32 - 1, 6);
        bits.put(tables::class_book(size) as u32, 8);
        for class in tables::CLASSES {
            // One bit for each pass that has a book.
            let passes = (1u32 << class.len()) - 1;
            bits.put(passes, 3);
            bits.flag(false);
        }
        tables::CLASSES.iter().copied().flatten().for_each(|&book| bits.put(book as u32, 8));
    }

    fn write_mapping(&self, size: usize, bits: &mut Bits) {
        bits.put(0, 16);
        bits.flag(false);
        bits.flag(self.paired);
        if self.paired {
            // One step: the greater is the first channel, the angle the second.
            bits.put(0, 8);
            bits.put(0, 1);
            bits.put(1, 1);
        }
        bits.put(0, 2);
        bits.put(0, 8);
        bits.put(size as u32, 8);
        bits.put(size as u32, 8);
    }
}

/// The comment header: section 5. Comments are `NAME=value`.
pub(super) fn comment(vendor: &str, comments: &[(String, String)]) -> Vec<u8> {
    let mut bits = header(3);
    bits.put(vendor.len() as u32, 32);
    bits.text(vendor.as_bytes());
    bits.put(comments.len() as u32, 32);
    for (name, value) in comments {
        bits.put((name.len() + 1 + value.len()) as u32, 32);
        bits.text(name.as_bytes());
        bits.text(b"=");
        bits.text(value.as_bytes());
    }
    bits.flag(true);
    bits.take()
}

fn header(kind: u32) -> Bits {
    let mut bits = Bits::default();
    bits.put(kind, 8);
    bits.text(b"vorbis");
    bits
}
