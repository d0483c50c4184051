//! Files with entries that the parser refuses, though other readers pass over them: they are made harmless.

mod binary;
mod deform;
mod repair;
mod text;

/// A copy of a file in which the parser finds nothing that it stumbles over; none where nothing can be done.
pub(super) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.starts_with(super::entries::BINARY) { binary::mended(bytes) } else { text::mended(bytes) }
}
