//! Titles and other comments, as Vorbis, FLAC and Opus have them.

/// Who wrote it, as tools show.
pub(super) const VENDOR: &str = concat!("SLATE ", env!("CARGO_PKG_VERSION"));

/// The vendor, then `NAME=value` each: Vorbis I, section 5.2.1.
pub(super) fn comments(comments: &[(String, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    text(&mut bytes, VENDOR);
    bytes.extend((comments.len() as u32).to_le_bytes());
    comments.iter().for_each(|(name, value)| text(&mut bytes, &format!("{name}={value}")));
    bytes
}
