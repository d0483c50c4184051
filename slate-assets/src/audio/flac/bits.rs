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
        let sum = sum_8(&self.bytes);
        self.put(sum.into(), 8);
    }

    /// Fills the last byte up and ends the frame by its sum.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
        let sum = sum_16(&self.bytes);
        self.put(sum.into(), 16);
        self.bytes
    }
}

/// The sums of single bytes, made once, at compile time.
static SUMS_8: [u16; 256] = sums(8, 0x07);
static SUMS_16: [u16; 256] = sums(16, 0x8005);

const fn sums(width: u32, polynomial: u16) -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = (byte as u16) << (width - 8);
        let mut bit = 0;
        while bit < 8 {
            let out = sum >> (width - 1) & 1 == 1;
            sum = sum << 1 ^ if out { polynomial } else { 0 };
            bit += 1;
        }
        table[byte] = if width == 8 { sum & 0xFF } else { sum };
        byte += 1;
    }
    table
}

fn sum_8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| SUMS_8[usize::from(sum ^ byte)] as u8)
}

fn sum_16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| sum << 8 ^ SUMS_16[usize::from((sum >> 8) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_standards() {
        // The check values of CRC-8/SMBUS and CRC-16/UMTS, which have these polynomials.
        assert_eq!((sum_8(b"123456789"), sum_16(b"123456789")), (0xF4, 0xFEE8));
    }

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
