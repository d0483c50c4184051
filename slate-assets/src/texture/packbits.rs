//! PackBits, in which TIFF and Photoshop documents have their rows.

use slate_core::{Error, Result};

/// Unpacks exactly as many bytes as there is room for; what comes after them is left.
pub(super) fn unpack(packed: &[u8], out: &mut [u8]) -> Result<()> {
    let damaged = || Error::corrupt("the picture's packed bytes end too early, or are of more than a row");
    let (mut rest, mut to) = (packed, 0);
    while to < out.len() {
        let (&count, after) = rest.split_first().ok_or_else(damaged)?;
        rest = after;
        match count {
            0..128 => {
                let (plain, after) = rest.split_at_checked(usize::from(count) + 1).ok_or_else(damaged)?;
                out.get_mut(to..to + plain.len()).ok_or_else(damaged)?.copy_from_slice(plain);
                (to, rest) = (to + plain.len(), after);
            }
            128 => {}
            129.. => {
                let (&value, after) = rest.split_first().ok_or_else(damaged)?;
                let length = 257 - usize::from(count);
                out.get_mut(to..to + length).ok_or_else(damaged)?.fill(value);
                (to, rest) = (to + length, after);
            }
        }
    }
    Ok(())
}
