//! Ogg pages (RFC 3533): packets in, checked pages out. Vorbis and Opus both travel in them.

use super::sink::failed;
use slate_core::{Result, asset::WriteSeek};
use std::io::{BufWriter, Write};

/// A page is closed once it holds this much: small enough to seek well, large enough for headers not to matter.
const PAGE: usize = 4096;
const SEGMENTS: usize = 255;
/// Tells that no packet ends on a page.
const NONE: u64 = u64::MAX;

/// Writes one logical stream.
pub(super) struct OggWriter {
    out: BufWriter<Box<dyn WriteSeek>>,
    serial: u32,
    page: u32,
    segments: Vec<u8>,
    body: Vec<u8>,
    /// Where the sound is after the last packet that ends on this page.
    granule: u64,
    /// Whether this page begins within a packet.
    continued: bool,
}

impl OggWriter {
    pub(super) fn new(out: Box<dyn WriteSeek>, serial: u32) -> Self {
        Self {
            out: BufWriter::with_capacity(64 * 1024, out),
            serial,
            page: 0,
            segments: Vec::with_capacity(SEGMENTS),
            body: Vec::with_capacity(2 * PAGE),
            granule: NONE,
            continued: false,
        }
    }

    /// Appends a packet, after which the sound is at `granule`. The page stays open: it may be the last one.
    pub(super) fn packet(&mut self, bytes: &[u8], granule: u64) -> Result<()> {
        if self.body.len() >= PAGE {
            self.flush(false)?;
        }
        let mut rest = bytes;
        loop {
            if self.segments.len() == SEGMENTS {
                let within = rest.len() < bytes.len();
                self.flush(false)?;
                self.continued = within;
            }
            let count = rest.len().min(255);
            self.segments.push(count as u8);
            self.body.extend_from_slice(&rest[..count]);
            rest = &rest[count..];
            if count < 255 {
                break;
            }
        }
        self.granule = granule;
        Ok(())
    }

    /// Ends the page: headers stand on pages of their own.
    pub(super) fn flush(&mut self, last: bool) -> Result<()> {
        if self.segments.is_empty() && !last {
            return Ok(());
        }
        let flags = u8::from(self.continued) | u8::from(self.page == 0) << 1 | u8::from(last) << 2;
        let mut head = Vec::with_capacity(27 + self.segments.len());
        head.extend(b"OggS\0");
        head.push(flags);
        head.extend(self.granule.to_le_bytes());
        head.extend(self.serial.to_le_bytes());
        head.extend(self.page.to_le_bytes());
        head.extend([0; 4]);
        head.push(self.segments.len() as u8);
        head.extend(&self.segments);
        let sum = sum([&head, &self.body[..]]);
        head[22..26].copy_from_slice(&sum.to_le_bytes());
        self.out.write_all(&head).and_then(|()| self.out.write_all(&self.body)).map_err(failed)?;
        self.page += 1;
        self.segments.clear();
        self.body.clear();
        (self.granule, self.continued) = (NONE, false);
        Ok(())
    }

    /// Ends the stream.
    pub(super) fn finish(mut self) -> Result<()> {
        self.flush(true)?;
        self.out.flush().map_err(failed)
    }
}

/// The serial number of a stream with these headers: the same bytes each time, and seldom the same for two sounds.
pub(super) fn serial(headers: &[&[u8]]) -> u32 {
    sum(headers.iter().copied())
}

/// The sums of single bytes, made once, at compile time.
static SUMS: [u32; 256] = sums();

/// Of the polynomial 0x04C11DB7, highest bit first.
const fn sums() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let out = sum >> 31 == 1;
            sum = sum << 1 ^ if out { 0x04C1_1DB7 } else { 0 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

/// The check sum of pages, over these pieces one after the other.
fn sum<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    pieces.into_iter().flatten().fold(0, |sum, byte| sum << 8 ^ SUMS[usize::from((sum >> 24) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_standard() {
        // The check value of CRC-32/CKSUM, which has this polynomial and is inverted at the end.
        assert_eq!(sum([&b"1234"[..], b"56789"]), !0x765E_7680);
    }
}
