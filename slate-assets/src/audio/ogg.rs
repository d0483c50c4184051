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
    crc: [u32; 256],
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
            crc: crc_table(),
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
        let crc = [&head, &self.body]
            .into_iter()
            .flatten()
            .fold(0u32, |crc, &byte| crc << 8 ^ self.crc[usize::from((crc >> 24) as u8 ^ byte)]);
        head[22..26].copy_from_slice(&crc.to_le_bytes());
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
    let table = crc_table();
    headers.iter().copied().flatten().fold(0, |crc, &byte| crc << 8 ^ table[usize::from((crc >> 24) as u8 ^ byte)])
}

/// Of the polynomial 0x04C11DB7, highest bit first.
fn crc_table() -> [u32; 256] {
    std::array::from_fn(|byte| {
        (0..8).fold((byte as u32) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
    })
}
