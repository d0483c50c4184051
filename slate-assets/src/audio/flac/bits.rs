//! Bits into bytes, highest first, with the sums that a frame ends with.

/// A frame being written.
#[derive(Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    rest: u64,
    count: u32,
}

impl Bits {
    /// Appends the lowest `count` bits of `value`; at most 32.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        let value = u64::from(value) & ((1 << count) - 1);
        self.rest = self.rest << count | value;
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.rest >> self.count) as u8);
        }
    }

    /// So many zeros, then a one.
    pub(super) fn unary(&mut self, mut zeros: u32) {
        while zeros >= 24 {
            self.put(0, 24);
            zeros -= 24;
        }
        self.put(1, zeros + 1);
    }

    /// A number as UTF-8 codes characters, of up to 36 bits: section 9.1.5.
    pub(super) fn number(&mut self, value: u64) {
        if value < 0x80 {
            self.put(value as u32, 8);
            return;
        }
        // Each byte after the first holds six bits, the first what is left.
        let more = (1..=6).find(|more| value < 1 << (6 * more + 6 - more)).unwrap_or(6);
        let mark = 0xFFu32 << (7 - more) & 0xFF;
        self.put(mark & 0xFF | (value >> (6 * more)) as u32, 8);
        for at in (0..more).rev() {
            self.put(0x80 | (value >> (6 * at)) as u32 & 0x3F, 8);
        }
    }

    /// Ends the header by its sum.
    pub(super) fn header_sum(&mut self) {
        let sum = sum(&self.bytes, 8, 0x07);
        self.put(sum, 8);
    }

    /// Fills the last byte up and ends the frame by its sum.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
        let sum = sum(&self.bytes, 16, 0x8005);
        self.put(sum, 16);
        self.bytes
    }
}

fn sum(bytes: &[u8], width: u32, polynomial: u32) -> u32 {
    let mask = (1u32 << width) - 1;
    let step = |sum: u32, _| sum << 1 ^ if sum >> (width - 1) & 1 == 1 { polynomial } else { 0 };
    let table: Vec<u32> = (0..256u32).map(|byte| (0..8).fold(byte << (width - 8), step) & mask).collect();
    bytes.iter().fold(0, |sum, byte| (sum << 8 ^ table[((sum >> (width - 8)) as u8 ^ byte) as usize]) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_coded_as_characters_are() {
        for character in ['a', 'é', '€', '😀'] {
            let mut bits = Bits::default();
            bits.number(character.into());
            assert_eq!(bits.bytes, character.to_string().as_bytes());
        }
        let mut bits = Bits::default();
        bits.number((1 << 36) - 1);
        assert_eq!(bits.bytes, [0xFE, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF]);
    }
}
