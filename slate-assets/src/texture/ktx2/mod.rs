//! KTX 2.0 files, after the Khronos specification of that name, version 2.0.4.

mod check;
mod descriptor;
mod read;
mod write;

pub use check::check;
pub(super) use read::{Header, read};
pub(super) use write::write;

/// The width and height that a KTX2 file says, whatever its format; nothing else is looked at.
#[cfg(feature = "model")]
pub(crate) fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    if bytes.starts_with(&IDENTIFIER) { word(20).zip(word(24)) } else { None }
}

const IDENTIFIER: [u8; 12] = [0xAB, b'K', b'T', b'X', b' ', b'2', b'0', 0xBB, b'\r', b'\n', 0x1A, b'\n'];
/// Bytes of the identifier, the header and the index of what isn't levels.
const HEADER: u64 = 80;
/// Bytes of a level's entry in the index.
const LEVEL_ENTRY: u64 = 24;

/// How levels are compressed once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Super {
    None = 0,
    Zstd = 2,
}

/// The number that level offsets are multiples of: of the block's size and of 4, and 1 where levels are compressed.
fn alignment(block_bytes: u64, supercompression: Super) -> u64 {
    if supercompression != Super::None {
        return 1;
    }
    let (mut x, mut y) = (block_bytes, 4);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    block_bytes / x * 4
}
