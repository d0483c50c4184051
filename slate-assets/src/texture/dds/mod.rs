//! DDS files, after Microsoft's "Programming Guide for DDS" and the DX10 header of it.

mod read;
mod write;

pub(super) use read::{Header, read};
pub(super) use write::write;

const MAGIC: [u8; 4] = *b"DDS ";
/// Bytes of the magic and the header.
const HEADER: u64 = 128;
/// Bytes of the header that formats with a DXGI number have besides.
const DX10: u64 = 20;
