use super::AssetLimits;
use crate::{Error, Result};
use bytes::Bytes;
use std::{
    fmt,
    io::{Cursor, Read, Seek},
    path::PathBuf,
};

/// What a processor reads from.
pub trait ReadSeek: Read + Seek + Send + Sync {}

impl<T: Read + Seek + Send + Sync> ReadSeek for T {}

/// One asset to be processed: a name, and bytes in memory or in a file.
#[derive(Clone)]
pub struct AssetInput {
    name: String,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Bytes(Bytes),
    File { path: PathBuf, len: u64 },
}

impl AssetInput {
    /// An asset whose bytes are in memory. The name's extension tells the format where the bytes don't.
    pub fn from_bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { name: name.into(), source: Source::Bytes(bytes.into()) }
    }

    /// An asset in a file, read when it is processed. Its name is the path's last part.
    ///
    /// # Errors
    /// Those of the file system, and `Invalid` where the path is no regular file.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let metadata = std::fs::metadata(&path)
            .map_err(|error| Error::io("open the asset", error).with("path", path.display()))?;
        if !metadata.is_file() {
            return Err(Error::invalid("an asset is a regular file").with("path", path.display()));
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { name, source: Source::File { len: metadata.len(), path } })
    }

    /// The name, for messages and for the format's extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The extension of the name in lower case, empty where it has none.
    pub fn extension(&self) -> String {
        self.name.rsplit_once('.').map_or(String::new(), |(_, extension)| extension.to_ascii_lowercase())
    }

    /// The number of bytes.
    pub fn len(&self) -> u64 {
        match &self.source {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::File { len, .. } => *len,
        }
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens the asset at its start, for streaming.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(&self) -> Result<Box<dyn ReadSeek>> {
        match &self.source {
            Source::Bytes(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            Source::File { path, .. } => match std::fs::File::open(path) {
                Ok(file) => Ok(Box::new(std::io::BufReader::with_capacity(64 * 1024, file))),
                Err(error) => Err(Error::io("open the asset", error).with("path", path.display())),
            },
        }
    }

    /// The whole asset in memory.
    ///
    /// # Errors
    /// `LimitExceeded` where it is larger than `limits.input_bytes`, and those of the file system.
    pub fn bytes(&self, limits: &AssetLimits) -> Result<Bytes> {
        AssetLimits::check("the input's size in bytes", self.len(), limits.input_bytes)
            .map_err(|error| error.with("asset", &self.name))?;
        match &self.source {
            Source::Bytes(bytes) => Ok(bytes.clone()),
            Source::File { path, .. } => {
                let mut bytes = Vec::new();
                let file = std::fs::File::open(path)
                    .map_err(|error| Error::io("open the asset", error).with("path", path.display()))?;
                // The file may have grown since it was measured: the limit holds all the same.
                file.take(limits.input_bytes + 1)
                    .read_to_end(&mut bytes)
                    .map_err(|error| Error::io("read the asset", error).with("path", path.display()))?;
                AssetLimits::check("the input's size in bytes", bytes.len() as u64, limits.input_bytes)?;
                Ok(bytes.into())
            }
        }
    }
}

impl fmt::Debug for AssetInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssetInput").field("name", &self.name).field("len", &self.len()).finish_non_exhaustive()
    }
}
