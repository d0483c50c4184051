//! Files in letters, read by looser rules than the parser's and written anew by its own.

use super::{
    super::entries::text::{Entry, entries},
    repair,
};

/// The file as the parser takes it; none where it isn't one, even by loose rules.
pub(super) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut entries = entries(bytes)?;
    let first_line = first_line(bytes);
    let is_fbx = |entry: &Entry<'_>| matches!(entry.name, b"FBXHeaderExtension" | b"Objects");
    if first_line.is_none() && !entries.iter().any(is_fbx) {
        return None;
    }
    let version = repair::repair(&mut entries, first_line);
    let mut out =
        format!("; FBX {}.{}.{} project file\n", version / 1000, version / 100 % 10, version / 10 % 10).into();
    entries.iter().for_each(|entry| entry.write(&mut out));
    Some(out)
}

/// The version that the first line tells, as in `; FBX 7.4.0 project file`.
fn first_line(bytes: &[u8]) -> Option<u32> {
    let line = std::str::from_utf8(bytes.split(|byte| *byte == b'\n').next()?).ok()?;
    let numbers = line.trim_start_matches(';').trim_start().strip_prefix("FBX")?.split_whitespace().next()?;
    let mut parts = numbers.split('.').map(|part| part.parse::<u32>().ok().filter(|part| *part < 10));
    Some(parts.next()?? * 1000 + parts.next()?? * 100 + parts.next()?? * 10)
}
