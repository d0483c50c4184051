use super::AssetLimits;
use crate::{Cancel, Error, Result};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::{
    fmt,
    io::{Cursor, Read, Seek},
    path::{Path, PathBuf},
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

    /// The last part of the name without its extension, for naming outputs; `asset` where nothing is left.
    pub fn stem(&self) -> String {
        let name = self.name.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        if matches!(stem, "" | "." | "..") { "asset".to_owned() } else { stem.to_owned() }
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

    /// The file that this asset names relative to its own folder, for example a model's buffer.
    ///
    /// It can't leave the folder: not by `..`, not by an absolute path, a drive or a scheme, not by a symbolic link.
    ///
    /// # Errors
    /// `PermissionDenied` for a path that would leave the folder and for an asset in memory, which has no folder;
    /// `NotFound` and the like of the file system.
    pub fn sibling(&self, relative: &str) -> Result<Self> {
        let denied =
            |why| Error::permission_denied(why).with("path", relative.escape_debug()).with("asset", &self.name);
        let Source::File { path, .. } = &self.source else {
            return Err(denied("an asset in memory has no files beside it: embed what it needs"));
        };
        let plain = |part: &str| !matches!(part, "" | "." | "..");
        if relative.contains(['\\', ':', '\0']) || !relative.split('/').all(plain) {
            return Err(denied("an asset names files below its own folder only"));
        }
        let open = |error| Error::io("open a file beside the asset", error).with("path", relative.escape_debug());
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = parent.canonicalize().map_err(open)?;
        let target = folder.join(relative).canonicalize().map_err(open)?;
        if !target.starts_with(&folder) {
            return Err(denied("a link beside the asset leads out of its folder"));
        }
        Self::from_file(target)
    }

    /// The SHA-256 of the bytes, read in chunks.
    ///
    /// # Errors
    /// `LimitExceeded` where there are more than `limits.input_bytes`, `Canceled`, and those of the file system.
    pub fn sha256(&self, limits: &AssetLimits, cancel: &Cancel) -> Result<[u8; 32]> {
        const NAME: &str = "the input's size in bytes";
        AssetLimits::check(NAME, self.len(), limits.input_bytes).map_err(|error| error.with("asset", &self.name))?;
        let (mut reader, mut hash, mut chunk, mut size) = (self.open()?, Sha256::new(), vec![0; 256 * 1024], 0);
        loop {
            cancel.check()?;
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(hash.finalize().into()),
                Ok(count) => {
                    size += count as u64;
                    // The file may have grown since it was measured.
                    AssetLimits::check(NAME, size, limits.input_bytes)?;
                    hash.update(&chunk[..count]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read the asset", error).with("asset", &self.name)),
            }
        }
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
                // Room for all of it at once: what grows is copied again and again. One byte more, so that the end is seen.
                let mut bytes = Vec::with_capacity(usize::try_from(self.len() + 1).unwrap_or_default());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn siblings_stay_in_the_folder() {
        let folder = std::env::temp_dir().join(format!("slate-input-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(folder.join("in/sub")).unwrap();
        for file in ["in/a.gltf", "in/sub/b.bin", "secret"] {
            std::fs::write(folder.join(file), file).unwrap();
        }
        let asset = AssetInput::from_file(folder.join("in/a.gltf")).unwrap();
        let bytes = asset.sibling("sub/b.bin").unwrap().bytes(&AssetLimits::default()).unwrap();
        assert_eq!(&bytes[..], b"in/sub/b.bin");
        for bad in ["../secret", "/etc/passwd", "file:///etc/passwd", "sub/../../secret", "c:\\x", "", "a//b", "./a"] {
            assert_eq!(asset.sibling(bad).unwrap_err().kind(), ErrorKind::PermissionDenied, "{bad}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.join("secret"), folder.join("in/link")).unwrap();
            assert_eq!(asset.sibling("link").unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
        assert_eq!(asset.sibling("none").unwrap_err().kind(), ErrorKind::NotFound);
        let memory = AssetInput::from_bytes("a.gltf", &b"x"[..]);
        assert_eq!(memory.sibling("b.bin").unwrap_err().kind(), ErrorKind::PermissionDenied);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_hash_is_limited_and_cancelable() {
        let input = AssetInput::from_bytes("a", vec![7; 1000]);
        let expected: [u8; 32] = Sha256::digest(vec![7; 1000]).into();
        assert_eq!(input.sha256(&AssetLimits::default(), &Cancel::new()).unwrap(), expected);
        let small = AssetLimits { input_bytes: 999, ..Default::default() };
        assert_eq!(input.sha256(&small, &Cancel::new()).unwrap_err().kind(), ErrorKind::LimitExceeded);
        let cancel = Cancel::new();
        cancel.cancel();
        assert_eq!(input.sha256(&AssetLimits::default(), &cancel).unwrap_err().kind(), ErrorKind::Canceled);
    }
}
