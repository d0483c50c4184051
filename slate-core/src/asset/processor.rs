use super::{AssetInput, AssetKind, AssetLimits, Progress};
use crate::{Cancel, Error, Result};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    io::{self, Seek, SeekFrom, Write},
    sync::{Arc, Mutex, PoisonError},
};

/// What a processor is: its name and version are part of every cache key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessorInfo {
    /// A short stable name, for example `texture`.
    pub name: &'static str,
    /// Raised whenever the same input and options give other bytes than before.
    pub version: u32,
    /// The kind of asset it takes.
    pub kind: AssetKind,
    /// The file extensions it reads, in lower case.
    pub reads: &'static [&'static str],
    /// The formats it writes, in lower case.
    pub writes: &'static [&'static str],
}

/// Turns one asset into its outputs.
///
/// # Contract
/// - The same input, options and limits give the same bytes, on any machine and number of threads.
/// - It reads no clock, no environment and no file but its input and the `references` of it, and writes only to
///   `work.output`.
/// - Damaged input gives `Corrupt`, input over a limit `LimitExceeded`, an option it can't serve
///   `Unsupported`; nothing panics.
/// - It asks `work.cancel` at least each hundred milliseconds of work and then returns `Canceled`.
/// - It reports progress from 0 to 1.
pub trait Processor: Send + Sync + 'static {
    /// What may be chosen.
    type Options: Serialize + DeserializeOwned + Default + Send + Sync;

    /// What this processor is.
    const INFO: ProcessorInfo;

    /// Refuses options that it can't serve, before anything is read; `process` refuses the same ones.
    ///
    /// # Errors
    /// `Unsupported`, naming what to choose instead.
    fn check(&self, _options: &Self::Options) -> Result<()> {
        Ok(())
    }

    /// The files beside the input that it will read, as [`AssetInput::sibling`] takes them, without repeats.
    ///
    /// Their bytes are part of the cache key: whoever changes one gets a new result.
    ///
    /// # Errors
    /// Those of reading the input.
    fn references(&self, _input: &AssetInput, _limits: &AssetLimits) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Processes one asset.
    ///
    /// # Errors
    /// As the contract says.
    fn process(&self, work: &mut Work<'_>, options: &Self::Options) -> Result<Report>;
}

/// What a processor is given.
pub struct Work<'a> {
    /// The asset.
    pub input: &'a AssetInput,
    /// Where the outputs go.
    pub output: &'a mut dyn Output,
    /// What the work may cost.
    pub limits: &'a AssetLimits,
    /// Raised when the result is no longer wanted.
    pub cancel: &'a Cancel,
    /// Where to report how far the work is.
    pub progress: &'a Progress,
}

impl Work<'_> {
    /// Writes one whole output.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        AssetLimits::check("the outputs' size in bytes", bytes.len() as u64, self.limits.output_bytes)?;
        let mut writer = self.output.create(name)?;
        writer.write_all(bytes).and_then(|()| writer.flush()).map_err(|error| Error::io("write the output", error))
    }

    /// The input's name without its extension, for naming outputs.
    pub fn stem(&self) -> String {
        self.input.stem()
    }
}

/// Where a processor's outputs go.
pub trait Output {
    /// Opens a new output of this name: one file name, without folders.
    ///
    /// # Errors
    /// `Invalid` for a name that is no plain file name, `AlreadyExists` for one used before.
    fn create(&mut self, name: &str) -> Result<Box<dyn WriteSeek>>;
}

/// What a processor writes to.
pub trait WriteSeek: Write + Seek + Send {}

impl<T: Write + Seek + Send> WriteSeek for T {}

/// What a processor tells about its work, as JSON: sizes, counts, measured errors.
pub type Report = serde_json::Map<String, serde_json::Value>;

/// Outputs in memory, up to a number of bytes together.
#[derive(Clone, Default)]
pub struct MemoryOutput {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    limit: u64,
}

impl MemoryOutput {
    /// Takes at most `limit` bytes; writing more fails as a full disk does.
    pub fn new(limit: u64) -> Self {
        Self { files: Arc::default(), limit }
    }

    /// The outputs by name, leaving none behind.
    pub fn take(&self) -> BTreeMap<String, Bytes> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *files).into_iter().map(|(name, bytes)| (name, bytes.into())).collect()
    }
}

impl Output for MemoryOutput {
    fn create(&mut self, name: &str) -> Result<Box<dyn WriteSeek>> {
        let plain =
            !name.is_empty() && name.len() <= 255 && !name.contains(['/', '\\', '\0']) && name != "." && name != "..";
        if !plain {
            return Err(Error::invalid("an output has a plain file name").with("name", name.escape_debug()));
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.contains_key(name) {
            return Err(Error::already_exists("an output of this name was written").with("name", name));
        }
        files.insert(name.to_owned(), Vec::new());
        Ok(Box::new(MemoryWriter { output: self.clone(), name: name.to_owned(), position: 0 }))
    }
}

struct MemoryWriter {
    output: MemoryOutput,
    name: String,
    position: usize,
}

impl MemoryWriter {
    fn on_file<T>(&mut self, act: impl FnOnce(&mut Vec<u8>, &mut usize, u64) -> io::Result<T>) -> io::Result<T> {
        let mut files = self.output.files.lock().unwrap_or_else(PoisonError::into_inner);
        let others: u64 = files.iter().filter(|(name, _)| **name != self.name).map(|(_, file)| file.len() as u64).sum();
        let room = self.output.limit.saturating_sub(others);
        let file = files.entry(self.name.clone()).or_default();
        act(file, &mut self.position, room)
    }
}

impl Write for MemoryWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.on_file(|file, position, room| {
            let end = *position + bytes.len();
            if end as u64 > room {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "the outputs are over their limit"));
            }
            if file.len() < end {
                file.resize(end, 0);
            }
            file[*position..end].copy_from_slice(bytes);
            *position = end;
            Ok(bytes.len())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for MemoryWriter {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.on_file(|file, position, _| {
            let target = match to {
                SeekFrom::Start(offset) => i64::try_from(offset).ok(),
                SeekFrom::End(offset) => (file.len() as i64).checked_add(offset),
                SeekFrom::Current(offset) => (*position as i64).checked_add(offset),
            };
            match target.and_then(|target| usize::try_from(target).ok()) {
                // Never beyond the end: a hole would take memory that nobody counted.
                Some(target) if target <= file.len() => {
                    *position = target;
                    Ok(target as u64)
                }
                _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "seek outside of the output")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_output_keeps_what_was_written() {
        let mut output = MemoryOutput::new(16);
        let mut writer = output.create("a.bin").unwrap();
        writer.write_all(b"hello").unwrap();
        writer.seek(SeekFrom::Start(1)).unwrap();
        writer.write_all(b"a").unwrap();
        assert_eq!(&output.take()["a.bin"][..], b"hallo");
    }

    #[test]
    fn memory_output_is_bounded_over_all_files() {
        let mut output = MemoryOutput::new(8);
        output.create("a").unwrap().write_all(&[0; 5]).unwrap();
        let error = output.create("b").unwrap().write_all(&[0; 4]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(output.create("b").is_err());
        assert!(output.create("../c").is_err());
    }
}
