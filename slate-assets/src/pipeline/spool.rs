use super::flight::lock;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use slate_core::{
    Error, Result,
    asset::{Output, WriteSeek},
    model::Sha256Hex,
};
use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{Arc, Mutex},
};
use tempfile::SpooledTempFile;

/// Outputs up to this size stay in memory; larger ones go to a temporary file.
const IN_MEMORY: usize = 8 << 20;
const CHUNK: usize = 256 * 1024;

/// The outputs of one job: in memory while small, in temporary files beyond that, bounded in bytes together.
pub(super) struct Spool {
    files: BTreeMap<String, Arc<Mutex<Written>>>,
    room: Arc<Mutex<u64>>,
}

struct Written {
    file: SpooledTempFile,
    len: u64,
}

/// One output, written and hashed.
pub(super) struct SpooledFile {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) sha256: Sha256Hex,
    file: Arc<Mutex<Written>>,
}

impl Spool {
    pub(super) fn new(limit: u64) -> Self {
        Self { files: BTreeMap::new(), room: Arc::new(Mutex::new(limit)) }
    }

    /// The outputs, sorted by name.
    pub(super) fn finish(self) -> Result<Vec<SpooledFile>> {
        self.files.into_iter().map(|(name, file)| SpooledFile::new(name, file)).collect()
    }
}

impl Output for Spool {
    fn create(&mut self, name: &str) -> Result<Box<dyn WriteSeek>> {
        let plain =
            !name.is_empty() && name.len() <= 255 && !name.contains(['/', '\\', '\0']) && name != "." && name != "..";
        if !plain {
            return Err(Error::invalid("an output has a plain file name").with("name", name.escape_debug()));
        }
        if self.files.contains_key(name) {
            return Err(Error::already_exists("an output of this name was written").with("name", name));
        }
        let written = Arc::new(Mutex::new(Written { file: SpooledTempFile::new(IN_MEMORY), len: 0 }));
        self.files.insert(name.to_owned(), Arc::clone(&written));
        Ok(Box::new(Writer { file: written, room: Arc::clone(&self.room), at: 0 }))
    }
}

impl SpooledFile {
    fn new(name: String, file: Arc<Mutex<Written>>) -> Result<Self> {
        let size = lock(&file).len;
        let mut this = Self { name, size, sha256: Sha256Hex::of(&[]), file };
        let (mut hash, mut at) = (Sha256::new(), 0);
        loop {
            let chunk = this.chunk(at)?;
            if chunk.is_empty() {
                break;
            }
            hash.update(&chunk);
            at += chunk.len() as u64;
        }
        if at != this.size {
            return Err(Error::internal("an output was cut short on its way").with("name", &this.name));
        }
        this.sha256 = Sha256Hex::from_bytes(hash.finalize().into());
        Ok(this)
    }

    /// The bytes from `at` on, some of them; none at the end.
    pub(super) fn chunk(&self, at: u64) -> Result<Bytes> {
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut written = lock(&self.file);
        let read = written
            .file
            .seek(SeekFrom::Start(at))
            .and_then(|_| Read::by_ref(&mut written.file).take(CHUNK as u64).read_to_end(&mut chunk));
        read.map_err(|error| Error::io("read a spooled output", error).with("name", &self.name))?;
        Ok(chunk.into())
    }
}

struct Writer {
    file: Arc<Mutex<Written>>,
    room: Arc<Mutex<u64>>,
    at: u64,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = lock(&self.file);
        let end = self.at + bytes.len() as u64;
        let grown = end.saturating_sub(written.len);
        let mut room = lock(&self.room);
        let left = room.checked_sub(grown);
        *room = left.ok_or_else(|| io::Error::new(io::ErrorKind::StorageFull, "the outputs are over their limit"))?;
        drop(room);
        written.file.seek(SeekFrom::Start(self.at))?;
        written.file.write_all(bytes)?;
        written.len = written.len.max(end);
        self.at = end;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        lock(&self.file).file.flush()
    }
}

impl Seek for Writer {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let len = lock(&self.file).len;
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        // Never beyond the end: a hole would take room that nobody counted.
        self.at = target
            .filter(|&target| target <= len)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek outside of the output"))?;
        Ok(self.at)
    }
}
