//! The GLB container: glTF 2.0, section 4.

use bytes::Bytes;
use serde_json::Value;
use slate_core::{Error, Result};

const JSON: u32 = 0x4E4F_534A;
const BINARY: u32 = 0x004E_4942;

/// The JSON chunk and the binary chunk; chunks of other types are left out, as the specification asks.
pub(super) fn read(bytes: &Bytes) -> Result<(Bytes, Option<Bytes>)> {
    let word = |at: usize| {
        let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes);
        word.ok_or_else(|| Error::corrupt("the glb is cut short").with("at", at))
    };
    if word(4)? != 2 {
        return Err(Error::unsupported("only version 2 of glb is read").with("version", word(4)?));
    }
    let len = word(8)? as usize;
    if len > bytes.len() {
        return Err(Error::corrupt("the glb is cut short").with("announced", len).with("bytes", bytes.len()));
    }
    let (mut at, mut json, mut binary) = (12, None, None);
    while at < len {
        let (size, kind) = (word(at)? as usize, word(at + 4)?);
        let end = (at + 8).checked_add(size).filter(|&end| end <= len);
        let end = end.ok_or_else(|| Error::corrupt("a chunk of the glb ends beyond the file").with("at", at))?;
        let chunk = bytes.slice(at + 8..end);
        match kind {
            JSON if json.is_none() => json = Some(chunk),
            BINARY if binary.is_none() && json.is_some() => binary = Some(chunk),
            _ if json.is_none() => return Err(Error::corrupt("the glb's first chunk is no JSON")),
            _ => {}
        }
        at = end;
    }
    Ok((json.ok_or_else(|| Error::corrupt("the glb has no JSON"))?, binary))
}

/// One file of both; chunks are padded to four bytes, JSON by spaces and bytes by zeros.
pub(super) fn write(json: &Value, binary: &[u8]) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(json)?;
    text.resize(text.len().next_multiple_of(4), b' ');
    let padded = binary.len().next_multiple_of(4);
    let len = 12 + 8 + text.len() + if binary.is_empty() { 0 } else { 8 + padded };
    let len = u32::try_from(len)
        .map_err(|_| Error::limit_exceeded("the model is over the size of a glb").with("limit", u32::MAX))?;
    let mut out = Vec::with_capacity(len as usize);
    out.extend(b"glTF");
    [2, len, text.len() as u32, JSON].iter().for_each(|word| out.extend(word.to_le_bytes()));
    out.extend(text);
    if !binary.is_empty() {
        [padded as u32, BINARY].iter().for_each(|word| out.extend(word.to_le_bytes()));
        out.extend(binary);
        out.resize(len as usize, 0);
    }
    Ok(out)
}
