//! Codebooks: how many bits each entry has, which bits, and how decoders are told.

use super::bits::Bits;

/// A codebook. An entry of length 0 is not used.
pub(super) struct Book {
    pub(super) dim: usize,
    pub(super) lens: Vec<u8>,
    codes: Vec<u32>,
    /// For books of values: the lowest value and the step between values. All books are whole lattices.
    lattice: Option<Lattice>,
}

/// The values of a book's dimensions: `-most * step ..= most * step` in steps of `step`.
#[derive(Clone, Copy)]
pub(super) struct Lattice {
    pub(super) most: u32,
    pub(super) step: u32,
}

impl Lattice {
    pub(super) const fn values(self) -> usize {
        2 * self.most as usize + 1
    }
}

impl Book {
    pub(super) fn new(dim: usize, lens: Vec<u8>, lattice: Option<Lattice>) -> Self {
        let codes = codes(&lens);
        Self { dim, lens, codes, lattice }
    }

    pub(super) fn write(&self, entry: usize, bits: &mut Bits) {
        bits.put(self.codes[entry], self.lens[entry].into());
    }

    /// Vorbis I, section 3.2.1.
    pub(super) fn write_setup(&self, bits: &mut Bits) {
        bits.put(0x56_4342, 24);
        bits.put(self.dim as u32, 16);
        bits.put(self.lens.len() as u32, 24);
        bits.flag(false);
        let sparse = self.lens.contains(&0);
        bits.flag(sparse);
        for &len in &self.lens {
            if sparse {
                bits.flag(len > 0);
            }
            if len > 0 {
                bits.put(u32::from(len) - 1, 5);
            }
        }
        let Some(Lattice { most, step }) = self.lattice else {
            bits.put(0, 4);
            return;
        };
        bits.put(1, 4);
        bits.put(packed(-((most * step) as i32)), 32);
        bits.put(packed(step as i32), 32);
        let count = 2 * most + 1;
        let width = u32::BITS - (count - 1).leading_zeros();
        bits.put(width - 1, 4);
        bits.flag(false);
        (0..count).for_each(|value| bits.put(value, width));
    }
}

/// A small whole number in Vorbis' own floating point: section 9.2.2.
fn packed(value: i32) -> u32 {
    u32::from(value < 0) << 31 | 788 << 21 | value.unsigned_abs()
}

/// Each entry takes the lowest code that is free at its length: section 3.2.1. Lowest bit first, as they are written.
fn codes(lens: &[u8]) -> Vec<u32> {
    // The next free code of each length.
    let mut free = [0u32; 33];
    let mut codes = vec![0; lens.len()];
    for (code, &len) in codes.iter_mut().zip(lens) {
        let len = usize::from(len);
        if len == 0 {
            continue;
        }
        let mut taken = free[len];
        *code = taken.reverse_bits() >> (32 - len);
        for at in (1..=len).rev() {
            if free[at] & 1 == 1 {
                free[at] = if at == 1 { free[1] + 1 } else { free[at - 1] << 1 };
                break;
            }
            free[at] += 1;
        }
        for at in len + 1..33 {
            if free[at] >> 1 != taken {
                break;
            }
            taken = free[at];
            free[at] = free[at - 1] << 1;
        }
    }
    codes
}

/// The lengths of a complete prefix code for entries that occur this often, none longer than `longest`; every entry of
/// `used` gets a code.
#[cfg(test)]
pub(super) fn lengths(counts: &[u64], used: impl Fn(usize) -> bool, longest: u8) -> Vec<u8> {
    let entries: Vec<usize> = (0..counts.len()).filter(|&entry| used(entry)).collect();
    let mut lens = vec![0u8; counts.len()];
    if let [only] = entries[..] {
        lens[only] = 1;
        return lens;
    }
    // Rare entries are made a little less rare until the longest code is short enough.
    let mut least = 1u64;
    loop {
        let mut heap: std::collections::BinaryHeap<_> = (entries.iter().enumerate())
            .map(|(node, &entry)| std::cmp::Reverse((counts[entry].max(least), node)))
            .collect();
        let mut parents = vec![usize::MAX; entries.len()];
        while let Some(std::cmp::Reverse((a, first))) = heap.pop() {
            let Some(std::cmp::Reverse((b, second))) = heap.pop() else { break };
            let node = parents.len();
            parents.push(usize::MAX);
            (parents[first], parents[second]) = (node, node);
            heap.push(std::cmp::Reverse((a + b, node)));
        }
        let mut most = 0;
        for (node, &entry) in entries.iter().enumerate() {
            let (mut at, mut depth) = (node, 0u8);
            while parents[at] != usize::MAX {
                (at, depth) = (parents[at], depth + 1);
            }
            lens[entry] = depth;
            most = most.max(depth);
        }
        if most <= longest {
            return lens;
        }
        least *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_specification() {
        // The example of section 3.2.1.
        let expected = [0b00, 0b0100, 0b0101, 0b0110, 0b0111, 0b10, 0b110, 0b111];
        let lens = [2, 4, 4, 4, 4, 2, 3, 3];
        for ((code, expected), len) in codes(&lens).iter().zip(expected).zip(lens) {
            let expected: u32 = expected;
            assert_eq!(*code, expected.reverse_bits() >> (32 - len), "{expected:b}");
        }
    }

    #[test]
    fn lengths_fill_the_tree_and_stay_short() {
        let counts: Vec<u64> = (0..40).map(|at| 1u64 << at).collect();
        for longest in [8, 16, 31] {
            let lens = lengths(&counts, |_| true, longest);
            assert!(lens.iter().all(|&len| len > 0 && len <= longest));
            assert!(lens.windows(2).all(|pair| pair[0] >= pair[1]));
            let whole: f64 = lens.iter().map(|&len| 0.5f64.powi(len.into())).sum();
            assert!((whole - 1.0).abs() < 1e-9);
        }
        let lens = lengths(&[5, 0, 7], |entry| entry != 1, 16);
        assert_eq!(lens, [1, 0, 1]);
    }
}
