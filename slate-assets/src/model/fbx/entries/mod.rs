//! What files hold, entry by entry, as it stands there.

pub(super) mod binary;
pub(super) mod text;

/// How binary files begin.
pub(super) const BINARY: &[u8] = b"Kaydara FBX Binary";
