//! Bits into bytes, lowest first: Vorbis I, section 2.

/// A packet being written.
#[derive(Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    rest: u64,
    count: u32,
}

impl Bits {
    /// Appends the lowest `count` bits of `value`; at most 32.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32 && u64::from(value) < 1 << count);
        self.rest |= u64::from(value) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.rest as u8);
            self.rest >>= 8;
            self.count -= 8;
        }
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.put(u32::from(value), 1);
    }

    pub(super) fn text(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.put(byte.into(), 8));
    }

    /// The packet, its last byte filled up with zeros.
    pub(super) fn take(&mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.rest as u8);
        }
        (self.rest, self.count) = (0, 0);
        std::mem::take(&mut self.bytes)
    }
}
