//! What every encoder is to the rest: frames in, a finished file out.

use slate_core::{Error, Result, asset::WriteSeek};
use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Takes interleaved frames of the output's rate and channels, and writes a file of them.
///
/// The file plays exactly as many frames as were pushed, wherever its format can say so.
pub(super) trait Encoder {
    /// Appends frames; values beyond ±1 are beyond full scale.
    fn push(&mut self, frames: &[f32]) -> Result<()>;

    /// Writes what is left and tells what came of it.
    fn finish(self: Box<Self>) -> Result<Encoded>;
}

/// What an encoder tells of its file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Encoded {
    /// Samples that were beyond full scale and had to be cut, in formats that can't hold them.
    pub(super) clipped: u64,
}

pub(super) fn failed(error: io::Error) -> Error {
    Error::io("write the output", error)
}

/// Counts the bytes of the file that is written through it.
pub(super) struct Counted {
    inner: Box<dyn WriteSeek>,
    /// Where all of it is written, too.
    copy: Option<File>,
    at: u64,
    len: Arc<AtomicU64>,
}

impl Counted {
    /// With the count, which is right once all is written.
    pub(super) fn new(inner: Box<dyn WriteSeek>, copy: Option<File>) -> (Self, Arc<AtomicU64>) {
        let len = Arc::new(AtomicU64::new(0));
        (Self { inner, copy, at: 0, len: Arc::clone(&len) }, len)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        if let Some(copy) = &mut self.copy {
            copy.write_all(&bytes[..count])?;
        }
        self.at += count as u64;
        self.len.fetch_max(self.at, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.inner.seek(to)?;
        if let Some(copy) = &mut self.copy {
            copy.seek(SeekFrom::Start(self.at))?;
        }
        Ok(self.at)
    }
}
