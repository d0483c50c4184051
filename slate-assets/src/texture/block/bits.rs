//! The bits of a block, read and written from the lowest.

/// Reads a block of at most 128 bits.
pub(super) struct Reader(u128);

impl Reader {
    pub(super) fn new(block: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(block))
    }

    /// The next `count` bits, at most 32; the first is the lowest. Beyond the end they are zero.
    pub(super) fn take(&mut self, count: u32) -> u32 {
        let bits = self.0 as u32 & ((1u64 << count) - 1) as u32;
        self.0 >>= count;
        bits
    }
}

/// Writes a block of 128 bits.
#[derive(Default)]
pub(super) struct Writer {
    bits: u128,
    at: u32,
}

impl Writer {
    /// Appends the lowest `count` bits of `value`.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        debug_assert!(u64::from(value) < 1 << count && self.at + count <= 128);
        self.bits |= u128::from(value) << self.at;
        self.at += count;
    }

    /// Appends the lowest `count` bits of `value`.
    pub(super) fn put_long(&mut self, value: u64, count: u32) {
        debug_assert!(u128::from(value) < 1 << count && self.at + count <= 128);
        self.bits |= u128::from(value) << self.at;
        self.at += count;
    }

    pub(super) fn bytes(&self) -> [u8; 16] {
        self.bits.to_le_bytes()
    }
}
